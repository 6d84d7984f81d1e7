//! What only an operator can mend, counted so that an alert names it.

use metrics::counter;

use super::names;

/// A setting of ours or of somebody else's that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misconfiguration {
    /// The image store refuses our key, or there is no such bucket.
    StoreDenies,
    /// The bucket refuses an object that we must store: its types or its size limit.
    StoreRefuses,
    /// An endpoint of RunPod cannot store its results in the bucket that it is told to use.
    ProviderBucket,
}

impl Misconfiguration {
    pub(crate) const ALL: [Self; 3] = [Self::StoreDenies, Self::StoreRefuses, Self::ProviderBucket];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::StoreDenies => "store_denies",
            Self::StoreRefuses => "store_refuses",
            Self::ProviderBucket => "provider_bucket",
        }
    }

    /// Counts that it was met once more.
    pub(crate) fn count(self) {
        counter!(names::MISCONFIGURATIONS_TOTAL, "fault" => self.as_str()).increment(1);
    }
}
