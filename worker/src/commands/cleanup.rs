//! What is kept no longer, counted or removed.

use std::process::ExitCode;

use shared::retention::{self, Kind, Mode, Report};

use super::{OperationError, print};
use crate::state::WorkerState;

#[derive(Debug, clap::Args)]
pub struct Cleanup {
    /// Remove it; without this, only count
    #[arg(long)]
    apply: bool,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// Only this kind; may be repeated. Left out: all of them
    #[arg(long, value_name = "KIND")]
    kind: Vec<Kind>,
}

pub(super) async fn clean_up(state: &WorkerState, asked: Cleanup) -> Result<ExitCode, OperationError> {
    let Cleanup { apply, json, kind } = asked;
    let kinds = if kind.is_empty() { Kind::ALL.to_vec() } else { kind };
    let mode = if apply { Mode::Apply } else { Mode::Look };
    let report = retention::clean_up(&state.pool, &*state.images, &state.retention, &kinds, mode).await?;
    print(&report, json, table)?;
    if !apply {
        eprintln!("nothing was removed: --apply does it");
    }
    Ok(ExitCode::SUCCESS)
}

fn table(report: &Report) {
    println!("{:<20} {:>12} {:>16}", "kind", "count", "bytes");
    for (kind, amount) in &report.kinds {
        println!("{:<20} {:>12} {:>16}", kind.as_str(), amount.count, amount.bytes);
    }
    if report.may_have_more() {
        println!("there may be more than this: one run is bounded");
    }
    if report.unexpected > 0 {
        println!("{:<20} {:>12} {:>16}", "(left alone)", report.unexpected, "");
    }
}
