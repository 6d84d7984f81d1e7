//! Copies of stored pictures, for backups.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::OperationError;
use crate::objects::{self, Copied};
use crate::state::WorkerState;

#[derive(Debug, Subcommand)]
pub enum Copy {
    /// Copy the pictures of a backup's list into a directory; those that are there already stay. Exit 1 if outputs are missing
    Export(Way),
    /// Bring the pictures of a backup's list back from such a directory; those that the store has already stay
    Import(Way),
}

#[derive(Debug, clap::Args)]
pub struct Way {
    /// The list of a backup, `objects.jsonl`
    #[arg(long, value_name = "FILE")]
    list: PathBuf,
    /// The directory; one may serve any number of backups
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

pub(super) async fn copy(state: &WorkerState, copy: Copy) -> Result<ExitCode, OperationError> {
    let Copied { copied, bytes, kept, inputs_missing, outputs_missing, failed } = match copy {
        Copy::Export(Way { list, dir }) => objects::export(&state.images, &list, &dir).await?,
        Copy::Import(Way { list, dir }) => objects::import(&state.images, &list, &dir).await?,
    };
    println!(
        "{copied} pictures copied ({bytes} bytes), {kept} were there; missing: {outputs_missing} outputs, \
         {inputs_missing} inputs; {failed} failed"
    );
    Ok(if outputs_missing + failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
