//! The worker-comfyui side of a job: `{workflow, images}` of worker-comfyui 5.8.5, and a small ComfyUI of version 0.3.64 that
//! validates and runs graphs on pictures. Written from the contract and from what ComfyUI's source does, with its nodes' names,
//! bounds, failures and texts, as far as they can be seen from outside.
//!
//! [`handler`] is the job, [`graph`] and [`validate`] what `/prompt` refuses, [`execute`] the run, [`nodes`] what it consists of,
//! [`disk`] what survives it.

mod coerce;
mod disk;
mod execute;
mod fault;
mod graph;
mod handler;
mod nodes;
mod python;
mod validate;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::sync::Semaphore;

use self::disk::{Disk, Saved};
use self::execute::{Outcome, Remembered};
use super::output::File;
use crate::net::lock;

/// Graphs that run at a time. A large one takes a gigabyte.
const GRAPHS_AT_ONCE_MAX: usize = 2;
/// Endpoints whose worker is kept; with one more all start anew.
const WORKERS_MAX: usize = 16;

/// The warm worker of each endpoint.
pub(super) struct Workers {
    by_endpoint: Mutex<HashMap<String, Arc<Worker>>>,
    slots: Arc<Semaphore>,
}

impl Default for Workers {
    fn default() -> Self {
        Self { by_endpoint: Mutex::default(), slots: Arc::new(Semaphore::new(GRAPHS_AT_ONCE_MAX)) }
    }
}

impl Workers {
    /// The worker of an endpoint: one, so that every leak between jobs is there to be seen.
    pub(super) fn of(&self, endpoint: &str) -> Arc<Worker> {
        let mut workers = lock(&self.by_endpoint);
        if workers.len() >= WORKERS_MAX && !workers.contains_key(endpoint) {
            workers.clear();
        }
        Arc::clone(workers.entry(endpoint.to_owned()).or_default())
    }

    /// Where to wait before a graph is run.
    pub(super) fn slots(&self) -> Arc<Semaphore> {
        Arc::clone(&self.slots)
    }
}

/// What a worker keeps between jobs.
#[derive(Default)]
pub(super) struct Worker {
    disk: Arc<Disk>,
    remembered: Mutex<Remembered>,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Worker")
    }
}

/// A graph that was run, and the pictures it saved. Their bytes lie on the worker's disk; what is lost there is made again.
#[derive(Clone, Debug)]
pub(super) struct Prompt {
    input: Arc<Value>,
    worker: Arc<Worker>,
    saved: Arc<[Saved]>,
    error: Option<String>,
}

/// Why worker-comfyui will not run a graph: the job is FAILED with this `error`, and with `output.details` where there are some.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) error: String,
    pub(super) details: Vec<String>,
}

impl Prompt {
    /// Does the job of this `input`. Takes as long as its pictures do: tens of milliseconds for each megapixel.
    ///
    /// # Errors
    ///
    /// What worker-comfyui would end the job with.
    pub(super) fn run(input: &Arc<Value>, worker: &Arc<Worker>) -> Result<Self, Failure> {
        let remembered = lock(&worker.remembered).clone();
        let outcome = handler::handle(input, &worker.disk, &remembered)?;
        let Outcome { saved, error, remembered } = outcome;
        *lock(&worker.remembered) = remembered;
        Ok(Self { input: Arc::clone(input), worker: Arc::clone(worker), saved: saved.into(), error })
    }

    /// The same without the job's input: a picture that the disk loses can no longer be made again.
    pub(super) fn emptied(&self) -> Self {
        Self { input: Arc::default(), ..self.clone() }
    }

    /// How many pictures the graph made.
    pub(super) fn outputs(&self) -> usize {
        self.saved.len()
    }

    /// Beyond the last the last again: worker-comfyui gives as many as there are, a fault may ask for more.
    fn picture(&self, index: usize) -> Option<&Saved> {
        self.saved.get(index).or_else(|| self.saved.last())
    }

    /// Width and height of a picture.
    pub(super) fn size(&self, index: usize) -> (u32, u32) {
        self.picture(index).map_or((1, 1), |saved| saved.size)
    }

    /// The name ComfyUI gave the file, without its folder.
    pub(super) fn filename(&self, index: usize) -> String {
        self.picture(index).map_or_else(|| "ComfyUI_00001_.png".to_owned(), |saved| saved.filename.clone())
    }

    /// Picture `index`, as a PNG.
    pub(super) fn file(&self, index: usize) -> File {
        let known = self.picture(index).and_then(|saved| self.worker.disk.read_saved(saved));
        let bytes = known.or_else(|| self.made_again(index)).unwrap_or_default();
        File { bytes: bytes.to_vec(), content_type: "image/png" }
    }

    /// Runs the graph on a disk of its own before the worker's. None if it read another job's files, and those are gone as well.
    fn made_again(&self, index: usize) -> Option<Arc<[u8]>> {
        let disk = Disk::before(&self.worker.disk);
        let outcome = handler::handle(&self.input, &disk, &Remembered::new()).ok()?;
        disk.read_saved(outcome.saved.get(index).or_else(|| outcome.saved.last())?)
    }

    /// What ended the graph after it had saved something.
    pub(super) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }
}
