//! What workers found odd about the money.

use std::process::ExitCode;

use shared::ledger::{self, Anomaly};
use sqlx::PgPool;

use super::{OperationError, print, seconds};

pub(super) async fn list(pool: &PgPool, json: bool, all: bool) -> Result<ExitCode, OperationError> {
    let books = ledger::books(pool).await.map_err(OperationError::Read)?;
    let anomalies = ledger::list_anomalies(pool, all).await.map_err(OperationError::Read)?;
    match books.age_seconds {
        Some(age) => eprintln!("the books were read {age:.0} seconds ago"),
        None => eprintln!("the books have never been read: does a worker run?"),
    }
    print(&anomalies, json, |anomalies| anomalies.iter().for_each(|anomaly| println!("{}", line(anomaly))))?;
    let is_well = anomalies.iter().all(|anomaly| anomaly.ended_at.is_some());
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn line(anomaly: &Anomaly) -> String {
    let Anomaly { id, kind, subject, observed, threshold, detail, first_seen_at, last_seen_at, ended_at } = anomaly;
    let about = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
    let until = match ended_at {
        Some(at) => format!("ended {}", seconds(*at)),
        None => format!("last seen {}", seconds(*last_seen_at)),
    };
    let (kind, since) = (kind.as_str(), seconds(*first_seen_at));
    format!("{id}: {kind} of {subject}{about}: {observed}, threshold {threshold}; since {since}, {until}")
}
