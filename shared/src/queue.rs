//! The queues by name. Pure.

/// A queue of jobs: the `job_type` of its jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Queue {
    /// Hand a queued run to the provider.
    Submit,
    /// Store what the provider made.
    Collect,
    /// Tell a user by mail how their generations ended.
    Notify,
}

impl Queue {
    /// Every queue there is.
    pub const ALL: [Self; 3] = [Self::Submit, Self::Collect, Self::Notify];

    /// Its name on its jobs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Collect => "collect",
            Self::Notify => "notify",
        }
    }
}
