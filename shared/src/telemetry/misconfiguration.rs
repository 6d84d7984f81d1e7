//! Counts faults that only an operator can fix, so that an alert names them.

use metrics::counter;

use super::names;

/// A wrong setting: ours, or one at a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misconfiguration {
    /// The image store refuses our key, or there is no such bucket.
    StoreDenies,
    /// The bucket refuses an object that we must store, because of its allowed types or its size limit.
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

    /// Counts one more occurrence.
    pub(crate) fn count(self) {
        counter!(names::MISCONFIGURATIONS_TOTAL, "fault" => self.as_str()).increment(1);
    }
}
