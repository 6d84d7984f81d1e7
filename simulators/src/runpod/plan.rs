//! How one job will go: decided when it is made, out of the faults that were taken for it.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::faults::{ErrorForm, ImageForm, JobFault, Spoil};
use super::product::Refusal;
use super::work::{Refused, Work};

/// Copies of one webhook at most, whatever was scripted.
const WEBHOOK_COPIES_MAX: u32 = 100;

/// When and how often the webhook of a job is sent.
#[derive(Clone, Debug)]
pub(super) struct WebhookPlan {
    /// 0 when it is lost.
    pub(super) copies: u32,
    pub(super) late: Duration,
    pub(super) before_answer: bool,
}

/// How one job will go.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The scripted ending; none is success, or the refusal of a bad input.
    pub(super) ending: Option<JobFault>,
    pub(super) spoil: Option<(Spoil, Option<usize>)>,
    /// Pictures given, where that is not the number asked for.
    pub(super) count: Option<usize>,
    /// Whether it is told of the others that they were lost.
    tells_losses: bool,
    pub(super) form: ImageForm,
    pub(super) webhook: WebhookPlan,
    pub(super) generation_time: Duration,
    /// How long the worker boots, within the job.
    boot_time: Duration,
    pub(super) expired: bool,
    pub(super) fields: Map<String, Value>,
    pub(super) progress: Vec<Value>,
    pub(super) ignores_cancel: bool,
    /// Whether an attached worker's progress update may come too late, and undo its result.
    pub(super) late_progress_wins: bool,
}

impl Plan {
    pub(super) fn new(form: ImageForm, generation_time: Duration, faults: Vec<JobFault>) -> Self {
        let webhook = WebhookPlan { copies: 1, late: Duration::ZERO, before_answer: false };
        let mut plan = Self {
            ending: None,
            spoil: None,
            count: None,
            tells_losses: false,
            form,
            webhook,
            generation_time,
            boot_time: Duration::ZERO,
            expired: false,
            fields: Map::new(),
            progress: Vec::new(),
            ignores_cancel: false,
            late_progress_wins: false,
        };
        for fault in faults {
            plan.apply(fault);
        }
        plan
    }

    fn apply(&mut self, fault: JobFault) {
        match fault {
            JobFault::SpoiledPicture { how, picture } => self.spoil = Some((how, picture)),
            JobFault::FewerPictures { count } | JobFault::MorePictures { count } => self.count = Some(count),
            JobFault::PicturesLost { count } => (self.count, self.tells_losses) = (Some(count), true),
            JobFault::Form { form } => self.form = form,
            JobFault::WebhookLost => self.webhook.copies = 0,
            JobFault::WebhookLate { ms } => self.webhook.late = Duration::from_millis(ms),
            JobFault::WebhookDuplicate { copies } => self.webhook.copies = copies.min(WEBHOOK_COPIES_MAX),
            JobFault::WebhookBeforeAnswer => self.webhook.before_answer = true,
            JobFault::GenerationTime { ms } => self.generation_time = Duration::from_millis(ms),
            JobFault::ColdStart { ms } => self.boot_time = Duration::from_millis(ms),
            JobFault::ResultExpired => self.expired = true,
            JobFault::ExtraFields { fields } => self.fields = fields,
            JobFault::Progress { values } => self.progress = values,
            JobFault::CancelIgnored => self.ignores_cancel = true,
            JobFault::LateProgressWins => self.late_progress_wins = true,
            ending => self.ending = Some(ending),
        }
    }

    /// What worker-comfyui tells of pictures that it could not upload.
    pub(super) fn losses(&self, work: &Work) -> Vec<String> {
        let lost = if self.tells_losses { self.count.unwrap_or_default()..work.outputs() } else { 0..0 };
        let error = "An error occurred (SlowDown) when calling the PutObject operation (reached max retries: 4)";
        lost.map(|index| format!("Error uploading {} to S3: {error}", work.filename(index))).collect()
    }

    /// How long a worker has the job, unless it is stopped.
    pub(super) fn execution_time(&self) -> Duration {
        self.boot_time + self.generation_time
    }

    pub(super) fn never_finishes(&self) -> bool {
        matches!(self.ending, Some(JobFault::NeverFinishes | JobFault::StuckWithStatus { .. }))
    }
}

/// What `output` of an ended job is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Output {
    None,
    Value(Value),
    Pictures,
}

/// How a job ended.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    pub(super) status: &'static str,
    pub(super) error: Option<Value>,
    pub(super) output: Output,
}

impl Ending {
    pub(super) fn completed(output: Output) -> Self {
        Self { status: "COMPLETED", error: None, output }
    }

    pub(super) fn failed(error: impl Into<Value>) -> Self {
        Self { status: "FAILED", error: Some(error.into()), output: Output::None }
    }

    pub(super) fn cancelled() -> Self {
        Self { status: "CANCELLED", error: None, output: Output::None }
    }

    pub(super) fn execution_timeout() -> Self {
        Self::failed("executionTimeout exceeded")
    }

    /// The same without what it produced.
    pub(super) fn without_output(&self) -> Self {
        Self { status: self.status, error: self.error.clone(), output: Output::None }
    }

    pub(super) fn worker_died() -> Self {
        Self::failed("job timed out after 1 retries")
    }

    /// The ending that was planned.
    pub(super) fn of(plan: &Plan, work: &Result<Work, Refused>) -> Self {
        match (&plan.ending, work) {
            (Some(fault), _) => Self::scripted(fault),
            (None, Ok(work)) if plan.tells_losses && plan.count == Some(0) => {
                Self::comfy_failed("Job processing failed", &plan.losses(work))
            }
            (None, Ok(_)) => Self::completed(Output::Pictures),
            (None, Err(Refused::Product(refusal))) => Self::refused(refusal, ErrorForm::Completed),
            (None, Err(Refused::Comfy(failure))) => Self::comfy_failed(&failure.error, &failure.details),
        }
    }

    fn refused(refusal: &Refusal, form: ErrorForm) -> Self {
        let error = refusal.to_json();
        let output = Output::Value(json!({ "status": "error", "error": error }));
        match form {
            ErrorForm::Completed => Self::completed(output),
            ErrorForm::Failed => Self { output, ..Self::failed(refusal.message.as_str()) },
            ErrorForm::FailedJson => Self::failed(error.to_string()),
            ErrorForm::FailedText => Self::failed(format!("{}: {}", refusal.code, refusal.message)),
        }
    }

    fn comfy_failed(error: &str, details: &[String]) -> Self {
        let output = if details.is_empty() { Output::None } else { Output::Value(json!({ "details": details })) };
        Self { output, ..Self::failed(error) }
    }

    fn scripted(fault: &JobFault) -> Self {
        match fault {
            JobFault::Fails { error, output } => {
                let output = output.clone().map_or(Output::None, Output::Value);
                Self { output, ..Self::failed(error.clone()) }
            }
            JobFault::ProductError { code, form } => Self::refused(&product_error(code), *form),
            JobFault::JobTimedOut | JobFault::WorkerGone => Self::worker_died(),
            JobFault::ExecutionTimeoutExceeded => Self::execution_timeout(),
            JobFault::TimedOut => Self { status: "TIMED_OUT", ..Self::failed("job timed out") },
            JobFault::UncaughtException => Self::failed(uncaught_exception()),
            JobFault::WorkflowFailed => {
                let details =
                    "Workflow execution error: Node Type: KSampler, Node ID: 3, Message: CUDA error: out of memory";
                Self::comfy_failed("Job processing failed", &[details.to_owned()])
            }
            JobFault::WorkflowInvalid => Self::failed(
                "Workflow validation failed:\n• Node 1 (errors): [{'type': 'value_not_in_list', 'message': 'Value not in list'}]",
            ),
            JobFault::CancelledByOther => Self::cancelled(),
            JobFault::NoOutput => Self::completed(Output::None),
            JobFault::OldErrorInOutput => {
                let message = "the image does not exist in the specified output folder: /comfyui/output";
                Self::completed(Output::Value(json!({ "status": "error", "message": message })))
            }
            JobFault::SuccessNoImages => {
                Self::completed(Output::Value(json!({ "status": "success_no_images", "images": [] })))
            }
            JobFault::Output { output } => Self::completed(Output::Value(output.clone())),
            // Those that never end by themselves end well when they are told to; the rest is not about the ending.
            _ => Self::completed(Output::Pictures),
        }
    }
}

fn product_error(code: &str) -> Refusal {
    let (message, details) = match code {
        "INVALID_INPUT" => ("Invalid value for parameter 'pose'", json!({ "field": "pose" })),
        "INSUFFICIENT_RESOLUTION" => {
            ("Input image must be at least 512x512 pixels", json!({ "width": 200, "height": 180 }))
        }
        "TIMEOUT" => ("Generation exceeded the maximum time", json!({ "elapsed_seconds": 45 })),
        "GPU_ERROR" => ("CUDA out of memory", json!({ "gpu": "NVIDIA A40" })),
        _ => ("Something went wrong", json!({})),
    };
    Refusal { code: code.to_owned(), message: message.to_owned(), details }
}

fn uncaught_exception() -> String {
    let error = json!({
        "error_type": "<class 'RuntimeError'>",
        "error_message": "CUDA error: an illegal memory access was encountered",
        "error_traceback": "Traceback (most recent call last):\n  File \"/rp_handler.py\", line 81, in handler\nRuntimeError: CUDA error\n",
        "hostname": "9f2c41b7d0aa-64410d5e",
        "worker_id": "9f2c41b7d0aa",
        "runpod_version": "1.7.13",
    });
    error.to_string()
}
