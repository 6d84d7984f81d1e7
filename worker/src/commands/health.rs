//! Whether the system does its work.

use std::process::ExitCode;

use shared::operations::{self, Check};
use sqlx::PgPool;

use super::{OperationError, print};

pub(super) async fn show(pool: &PgPool, json: bool) -> Result<ExitCode, OperationError> {
    let checks = operations::check_health(pool).await.map_err(OperationError::Read)?;
    print(&checks, json, |checks| {
        for Check { name, is_well, seen } in checks {
            println!("{:4} {name:12} {seen}", if *is_well { "ok" } else { "NOT" });
        }
    })?;
    Ok(if checks.iter().all(|check| check.is_well) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
