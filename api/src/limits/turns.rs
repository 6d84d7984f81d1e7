//! Makes a user's expensive work in this process run one piece after the other.

use std::array;
use std::hash::{BuildHasher, RandomState};

use shared::ids::UserId;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Users share this many turns; two that meet in one wait for each other.
const SHARES: usize = 256;

/// Turns of users.
pub(crate) struct Turns {
    shares: [Semaphore; SHARES],
    share: RandomState,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self { shares: array::from_fn(|_| Semaphore::new(1)), share: RandomState::new() }
    }

    /// Waits for the user's turn, which ends when it is dropped. The caller bounds the wait.
    pub(crate) async fn take(&self, user_id: UserId) -> SemaphorePermit<'_> {
        let share = self.share.hash_one(user_id) % (SHARES as u64);
        let turn = &self.shares[usize::try_from(share).expect("less than the number of shares")];
        turn.acquire().await.expect("it is never closed")
    }
}

#[cfg(test)]
mod tests {
    use shared::ids::UserId;
    use uuid::Uuid;

    use super::Turns;

    #[tokio::test]
    async fn a_user_waits_for_herself_alone() {
        let turns = Turns::new();
        let user = UserId(Uuid::now_v7());
        let turn = turns.take(user).await;
        let again = turns.take(user);
        tokio::pin!(again);
        assert!(futures::poll!(&mut again).is_pending());
        // Of many others hardly any meets her.
        let others = (0..50).filter(|_| {
            let other = Box::pin(turns.take(UserId(Uuid::now_v7())));
            futures::FutureExt::now_or_never(other).is_some()
        });
        assert!(others.count() > 25);
        drop(turn);
        drop(again.await);
    }
}
