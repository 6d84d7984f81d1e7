//! The worker-comfyui side of a job: `{workflow, images}`.

use std::sync::Arc;

use serde_json::Value;

use super::output::File;

/// A graph that was accepted, and the pictures it will make.
#[derive(Clone, Debug)]
pub(super) struct Prompt {}

/// Why worker-comfyui will not run a graph: the job is FAILED with this `error`, and with `output.details` where there are some.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) error: String,
    pub(super) details: Vec<String>,
}

impl Prompt {
    /// Reads the `input` of a job.
    ///
    /// # Errors
    ///
    /// What worker-comfyui would end the job with.
    pub(super) fn read(_input: &Arc<Value>, _job_id: &str) -> Result<Self, Failure> {
        Err(Failure { error: "Workflow validation failed: not built yet".to_owned(), details: Vec::new() })
    }

    /// How many pictures the graph makes.
    pub(super) fn outputs(&self) -> usize {
        0
    }

    /// Width and height of a picture.
    pub(super) fn size(&self, _index: usize) -> (u32, u32) {
        (1, 1)
    }

    /// The name ComfyUI gave the file.
    pub(super) fn filename(&self, index: usize) -> String {
        format!("ComfyUI_{:05}_.png", index + 1)
    }

    /// Picture `index`, as a PNG.
    pub(super) fn file(&self, _index: usize) -> File {
        File { bytes: Vec::new(), content_type: "image/png" }
    }
}
