//! What can go wrong with a RunPod job, beside the faults of any HTTP exchange.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use super::forms::{ErrorForm, ImageForm, Spoil};
use crate::fault::{Effect, Fault};
use crate::http_fault::HttpFault;

/// A fault of the RunPod simulator.
pub type RunPodFault = Fault<RunPodEffect>;

/// What goes wrong: with an exchange, or with a job.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum RunPodEffect {
    /// With one HTTP exchange; `on` chooses the operation.
    Http(HttpFault),
    /// With a job; taken when the job is made.
    Job(JobFault),
}

/// What goes wrong with one job. A job takes at most one of each group: ending, pictures, form, webhook, time, keeping, fields,
/// progress, cancel, late progress, cold start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum JobFault {
    /// Stays `IN_QUEUE` until cancelled or its ttl ends.
    NeverStarts,
    /// Stays `IN_PROGRESS`, past its executionTimeout too, until cancelled or its ttl ends.
    NeverFinishes,
    /// Shows this non-terminal status, known or not, and never ends.
    StuckWithStatus {
        /// The status shown.
        status: String,
    },
    /// FAILED with this `error`, and this `output` if any.
    Fails {
        /// `error` of the job.
        error: Value,
        /// `output` of the job.
        #[serde(default)]
        output: Option<Value>,
    },
    /// An error of the product endpoint: `INVALID_INPUT`, `INSUFFICIENT_RESOLUTION`, `TIMEOUT`, `GPU_ERROR` or another code.
    ProductError {
        /// The code.
        code: String,
        /// Where it stands.
        #[serde(default)]
        form: ErrorForm,
    },
    /// FAILED, `job timed out after 1 retries`.
    JobTimedOut,
    /// FAILED, `executionTimeout exceeded`.
    ExecutionTimeoutExceeded,
    /// Status `TIMED_OUT`.
    TimedOut,
    /// The worker dies; the platform gives the job to another (`retries` 1, `delayTime` anew), which dies too: FAILED,
    /// `job timed out after 1 retries`.
    WorkerGone,
    /// FAILED; `error` is a JSON document inside a string, with traceback and host name.
    UncaughtException,
    /// FAILED `Job processing failed`, the cause in `output.details`.
    WorkflowFailed,
    /// FAILED `Workflow validation failed: ..`.
    WorkflowInvalid,
    /// Status CANCELLED, by somebody else.
    CancelledByOther,
    /// COMPLETED without `output`, as after a result over the size limit.
    NoOutput,
    /// COMPLETED with `{"status": "error", "message": ..}`, the old form.
    OldErrorInOutput,
    /// COMPLETED with `{"status": "success_no_images", "images": []}`.
    SuccessNoImages,
    /// COMPLETED with any output.
    Output {
        /// `output` of the job.
        output: Value,
    },

    /// One picture, or each if none is named, is not what was promised.
    SpoiledPicture {
        /// In which way.
        how: Spoil,
        /// Which, from 0.
        #[serde(default)]
        picture: Option<usize>,
    },
    /// Fewer pictures than asked for; no error is told.
    FewerPictures {
        /// How many there are.
        count: usize,
    },
    /// More pictures than asked for.
    MorePictures {
        /// How many there are.
        count: usize,
    },
    /// Of worker-comfyui: the first pictures, and `errors` tells that each of the others could not be uploaded. With none left the
    /// job is FAILED.
    PicturesLost {
        /// How many are left.
        count: usize,
    },

    /// Gives the pictures in this form instead of the simulator's.
    Form {
        /// The form.
        form: ImageForm,
    },

    /// No webhook is sent.
    WebhookLost,
    /// The webhook comes that much later.
    WebhookLate {
        /// Milliseconds.
        ms: u64,
    },
    /// The webhook comes so many times.
    WebhookDuplicate {
        /// Deliveries in all.
        copies: u32,
    },
    /// The job ends and its webhook is delivered before `/run` answers.
    WebhookBeforeAnswer,

    /// Takes that long.
    GenerationTime {
        /// Milliseconds.
        ms: u64,
    },
    /// The worker that takes the job has just started: it boots for this long within the job before it works, which
    /// counts against executionTimeout.
    ColdStart {
        /// Milliseconds.
        ms: u64,
    },
    /// The result is gone (404 on `/status`) as soon as the job ends; the webhook still comes.
    ResultExpired,
    /// Every job JSON has these fields too; they win over the simulator's.
    ExtraFields {
        /// The fields.
        fields: Map<String, Value>,
    },
    /// While `IN_PROGRESS`, `output` holds one of these, in turn at each look.
    Progress {
        /// The values.
        values: Vec<Value>,
    },
    /// `/cancel` answers CANCELLED, and the job completes nevertheless, with its webhook.
    CancelIgnored,
    /// An attached worker's progress update that arrives after its result overwrites it: `IN_PROGRESS` for good, and
    /// `output` is the progress value. Without this a late update is counted and dropped.
    LateProgressWins,
}

impl From<HttpFault> for RunPodEffect {
    fn from(fault: HttpFault) -> Self {
        Self::Http(fault)
    }
}

impl From<JobFault> for RunPodEffect {
    fn from(fault: JobFault) -> Self {
        Self::Job(fault)
    }
}

impl From<HttpFault> for RunPodFault {
    fn from(fault: HttpFault) -> Self {
        Self::new(fault)
    }
}

impl From<JobFault> for RunPodFault {
    fn from(fault: JobFault) -> Self {
        Self::new(fault)
    }
}

impl Effect for RunPodEffect {
    fn from_json(value: Value) -> Result<Self, String> {
        let of_exchange =
            value.get("fault").and_then(Value::as_str).is_some_and(|name| HttpFault::NAMES.contains(&name));
        let read = if of_exchange {
            serde_json::from_value(value).map(Self::Http)
        } else {
            serde_json::from_value(value).map(Self::Job)
        };
        read.map_err(|error| format!("{error}; faults of any exchange: {}", HttpFault::NAMES.join(", ")))
    }

    fn category(&self) -> u8 {
        match self {
            Self::Http(fault) => fault.category(),
            Self::Job(fault) => 10 + fault.group(),
        }
    }
}

impl JobFault {
    fn group(&self) -> u8 {
        match self {
            Self::NeverStarts
            | Self::NeverFinishes
            | Self::StuckWithStatus { .. }
            | Self::Fails { .. }
            | Self::ProductError { .. }
            | Self::JobTimedOut
            | Self::ExecutionTimeoutExceeded
            | Self::TimedOut
            | Self::WorkerGone
            | Self::UncaughtException
            | Self::WorkflowFailed
            | Self::WorkflowInvalid
            | Self::CancelledByOther
            | Self::NoOutput
            | Self::OldErrorInOutput
            | Self::SuccessNoImages
            | Self::Output { .. } => 0,
            Self::SpoiledPicture { .. }
            | Self::FewerPictures { .. }
            | Self::MorePictures { .. }
            | Self::PicturesLost { .. } => 1,
            Self::Form { .. } => 2,
            Self::WebhookLost
            | Self::WebhookLate { .. }
            | Self::WebhookDuplicate { .. }
            | Self::WebhookBeforeAnswer => 3,
            Self::GenerationTime { .. } => 4,
            Self::ResultExpired => 5,
            Self::ExtraFields { .. } => 6,
            Self::Progress { .. } => 7,
            Self::CancelIgnored => 8,
            Self::LateProgressWins => 9,
            Self::ColdStart { .. } => 10,
        }
    }
}
