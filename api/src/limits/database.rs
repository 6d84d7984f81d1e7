//! Limits the database connections that one user's requests may hold at once.
//!
//! A request that waits in the database, for a row that another request of the same user has locked, occupies a
//! connection. Without this limit a few dozen such requests would occupy the whole pool.

use std::ops::Deref;
use std::time::Duration;

use shared::ids::UserId;
use sqlx::PgPool;

use super::{Share, Shares, throttled};
use crate::error::ApiError;

/// Database connections that one user's requests may use at once, in one process; fewer where the pool is small.
pub(crate) const USER_CONNECTIONS_MAX: u32 = 4;
/// How long a further request of the user waits for one of these before it is refused.
const WAIT_MAX: Duration = Duration::from_secs(3);
/// `Retry-After` for a user whose requests wait for each other.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The database, for the requests of users. Clones share its permits.
#[derive(Clone)]
pub(crate) struct UserDatabases {
    pool: PgPool,
    permits: Shares<UserId>,
}

/// The database, for as long as one user's request needs it: one connection at a time.
pub(crate) struct UserDatabase {
    pool: PgPool,
    _permit: Share<UserId>,
}

impl UserDatabases {
    /// For each user, at most half of a pool of `pool_max` connections.
    pub(crate) fn new(pool: PgPool, pool_max: u32) -> Self {
        let each = USER_CONNECTIONS_MAX.min(pool_max / 2).max(1);
        Self { pool, permits: Shares::new(each as usize) }
    }

    /// Waits briefly until the user may use one more connection.
    pub(crate) async fn of(&self, user_id: UserId) -> Result<UserDatabase, ApiError> {
        match self.permits.take(user_id, WAIT_MAX).await {
            Some(permit) => Ok(UserDatabase { pool: self.pool.clone(), _permit: permit }),
            None => {
                throttled("database");
                Err(ApiError::RateLimited { retry_after: RETRY_AFTER })
            }
        }
    }
}

impl Deref for UserDatabase {
    type Target = PgPool;

    fn deref(&self) -> &PgPool {
        &self.pool
    }
}
