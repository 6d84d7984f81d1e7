//! What fuzzers drive, like [`shared::fuzzing`]. Never part of a service.

pub use crate::auth::fuzzing::target as access_token;
pub use crate::job_id::fuzzing::target as job_id;
