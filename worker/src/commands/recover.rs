//! What is done after a restore, before workers start.

use std::process::ExitCode;

use super::{OperationError, seconds};
use crate::recovery::{self, Fate, Finding, Recovery, Wishes};
use crate::state::WorkerState;

#[derive(Debug, clap::Args)]
pub struct Wish {
    /// Do it; without this only what would be done is said
    #[arg(long)]
    apply: bool,
    /// Go on though the image store has none of the latest pictures of this database
    #[arg(long)]
    without_pictures: bool,
}

pub(super) async fn recover(state: &WorkerState, wish: Wish) -> Result<ExitCode, OperationError> {
    let Wish { apply, without_pictures } = wish;
    let recovery = recovery::recover(state, Wishes { apply, without_pictures }).await?;
    match &recovery.hold {
        Some(hold) => eprintln!("held since {}: {}", seconds(hold.held_at), hold.reason),
        None => eprintln!("the database is not held: nobody has said that it was restored"),
    }
    recovery.findings.iter().for_each(|finding| println!("{}", line(finding)));
    print_sums(&recovery, apply);
    Ok(if recovery.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn line(Finding { generation_id, stage, fate }: &Finding) -> String {
    let fate = match fate {
        Fate::Adopted { outputs, refund: 0 } => format!("adopted, {outputs} outputs are stored"),
        Fate::Adopted { outputs, refund } => {
            format!("adopted, {outputs} outputs are stored; {refund} credits refunded")
        }
        Fate::Refunded { refund } => format!("failed, {refund} credits refunded"),
        Fate::Resumed => "resumed: RunPod is asked when workers run".to_owned(),
        Fate::Open { reason } => format!("not decided: {reason}"),
    };
    format!("{generation_id}: was {stage}: {fate}")
}

fn print_sums(recovery: &Recovery, apply: bool) {
    let count = |is: fn(&Fate) -> bool| recovery.findings.iter().filter(|finding| is(&finding.fate)).count();
    println!(
        "{} runs were under way: {} adopted, {} refunded, {} resumed, {} not decided",
        recovery.findings.len(),
        count(|fate| matches!(fate, Fate::Adopted { .. })),
        count(|fate| matches!(fate, Fate::Refunded { .. })),
        count(|fate| matches!(fate, Fate::Resumed)),
        count(|fate| matches!(fate, Fate::Open { .. })),
    );
    let cleared = recovery.cleared;
    if !apply {
        println!("nothing was done; --apply does it");
    } else if recovery.is_complete() {
        println!(
            "{} old jobs dropped, {} links forgotten, {} accounts opened; the list of payments is read anew. \
             Workers may start",
            cleared.jobs, cleared.links, cleared.accounts
        );
    } else {
        println!("the database stays held: repeat this until every run is decided");
    }
}
