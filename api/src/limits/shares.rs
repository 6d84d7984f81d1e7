//! Gives each caller a few permits at a time. Only callers that hold or wait for a permit take memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// At most `each` permits at once for one caller. Clones share them.
pub(crate) struct Shares<K>(Arc<Inner<K>>);

struct Inner<K> {
    each: usize,
    callers: Mutex<HashMap<K, Caller>>,
}

struct Caller {
    permits: Arc<Semaphore>,
    /// Callers that hold a permit or wait for one; the last permit or waiter of a caller removes the entry.
    present: usize,
}

/// One permit of a caller, given back when it is dropped.
pub(crate) struct Share<K: Eq + Hash> {
    _permit: OwnedSemaphorePermit,
    _presence: Presence<K>,
}

struct Presence<K: Eq + Hash> {
    shares: Arc<Inner<K>>,
    caller: K,
}

impl<K> Clone for Shares<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Copy + Eq + Hash> Shares<K> {
    pub(crate) fn new(each: usize) -> Self {
        Self(Arc::new(Inner { each, callers: Mutex::default() }))
    }

    /// Waits for one of this caller's permits; `None` if none is free `within` this time.
    pub(crate) async fn take(&self, caller: K, within: Duration) -> Option<Share<K>> {
        let (permits, presence) = self.enter(caller);
        let permit = tokio::time::timeout(within, permits.acquire_owned()).await.ok()?;
        Some(Share { _permit: permit.expect("it is never closed"), _presence: presence })
    }

    /// One of this caller's permits, if one is free now.
    pub(crate) fn try_take(&self, caller: K) -> Option<Share<K>> {
        let (permits, presence) = self.enter(caller);
        Some(Share { _permit: permits.try_acquire_owned().ok()?, _presence: presence })
    }

    fn enter(&self, caller: K) -> (Arc<Semaphore>, Presence<K>) {
        let mut callers = self.0.callers();
        let new = || Caller { permits: Arc::new(Semaphore::new(self.0.each)), present: 0 };
        let entry = callers.entry(caller).or_insert_with(new);
        entry.present += 1;
        (Arc::clone(&entry.permits), Presence { shares: Arc::clone(&self.0), caller })
    }
}

impl<K> Inner<K> {
    fn callers(&self) -> MutexGuard<'_, HashMap<K, Caller>> {
        self.callers.lock().expect("nothing panics while it holds this lock")
    }
}

impl<K: Eq + Hash> Drop for Presence<K> {
    fn drop(&mut self) {
        let mut callers = self.shares.callers();
        if let Some(entry) = callers.get_mut(&self.caller) {
            entry.present -= 1;
            if entry.present == 0 {
                callers.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Shares;

    #[tokio::test(start_paused = true)]
    async fn a_caller_has_a_few_at_once_and_waits_for_themselves_alone() {
        let shares = Shares::new(2);
        let held = [shares.try_take("one"), shares.try_take("one")];
        assert!(held.iter().all(Option::is_some) && shares.try_take("one").is_none());
        assert!(shares.take("one", Duration::from_secs(1)).await.is_none());
        assert!(shares.try_take("other").is_some());

        let waiting = shares.take("one", Duration::from_secs(1));
        tokio::pin!(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(held);
        assert!(waiting.await.is_some());
        assert!(shares.0.callers().is_empty(), "who has nothing is forgotten");
    }
}
