//! What a run's provider is sent, in the dialect of its endpoint.

use std::time::Duration;

use serde_json::{Map, Value};
use shared::base64_text;
use shared::generation::lease::Leased;
use shared::generation::webhook_url::{self, WebhookRef};
use shared::generation::{Event, PROVIDER_TTL_MARGIN, Run, WEBHOOK_GRACE, attempt};
use shared::runpod::Submission;
use shared::telemetry::TRACEPARENT;
use shared::telemetry::trace::hand_on;
use shared::workflow::graph::{self, GraphError, GraphPicture, GraphRequest};
use shared::workflow::{self, Dialect, Workflow, comfy_input, follow_sent_sizes, product_input, put_picture};

use super::StepError;
use super::pictures::{self, LoadedPicture, NotLoaded};
use super::submit::retry_in;
use crate::state::WorkerState;

/// What to send for the run; or what is to be said without sending anything.
///
/// # Errors
/// Only if the database failed.
pub(super) async fn prepare(state: &WorkerState, leased: &Leased) -> Result<Result<Submission, Event>, StepError> {
    let run = &leased.run;
    let mut parameters = match attempt::parameters(&state.pool, run.generation_id).await? {
        Value::Object(parameters) => parameters,
        _ => Map::new(),
    };
    let workflow = workflow::find(&run.workflow).expect("accept stores only workflows it knows");
    let pictures = match pictures::load(state, workflow, &parameters).await {
        Ok(pictures) => pictures,
        Err(NotLoaded::Unusable { picture, code }) => return Ok(Err(Event::InputUnusable { picture, code })),
        Err(NotLoaded::StoreUnavailable) => {
            return Ok(Err(Event::SubmitUnavailable { retry_in: retry_in(run.tries) }));
        }
    };
    follow_sent_sizes(workflow, &mut parameters, |name| pictures::share_sent(&pictures, name));
    let input = match run.dialect {
        Dialect::Product => for_product(run, parameters, &pictures),
        Dialect::WorkerComfyui => match for_comfy(run, workflow, &parameters, &pictures) {
            Ok(input) => input,
            Err(error) => return Ok(Err(not_made(run, &pictures, &error))),
        },
    };
    Ok(Ok(submission(state, leased, input)))
}

fn submission(state: &WorkerState, leased: &Leased, mut input: Value) -> Submission {
    let run = &leased.run;
    // Both dialects take an object, and read of it what they know.
    if let Some(trace) = hand_on(run.trace()) {
        input[TRACEPARENT] = Value::from(trace.to_string());
    }
    let link = WebhookRef {
        generation_id: run.generation_id,
        attempt: run.attempt,
        expires_at: run.deadline_at + WEBHOOK_GRACE,
    };
    Submission {
        input,
        webhook: state.webhooks_enabled.then(|| webhook_url::build(&state.public_url, &state.webhook_secrets, &link)),
        // The limit counts from when a RunPod worker takes the job, and a cold worker boots within that time.
        execution_timeout: Duration::from_secs(u64::from(run.max_seconds.unsigned_abs())) + state.cold_start,
        ttl: (run.deadline_at - leased.now() + PROVIDER_TTL_MARGIN).to_std().unwrap_or_default(),
    }
}

fn outputs_asked(run: &Run) -> u8 {
    u8::try_from(run.outputs_asked).expect("the schema bounds outputs to 1 to 4")
}

fn for_product(run: &Run, mut parameters: Map<String, Value>, pictures: &[LoadedPicture]) -> Value {
    for LoadedPicture { name, picture, .. } in pictures {
        put_picture(&mut parameters, name, base64_text::encode(&picture.bytes));
    }
    let format = run.output_format.parse().expect("accept stores only formats it knows");
    product_input(&run.workflow, &Value::Object(parameters), outputs_asked(run), format, run.seed)
}

/// What one job uploads, every later one on the same worker could read by its name: so no name can be guessed.
fn for_comfy(
    run: &Run,
    workflow: &Workflow,
    parameters: &Map<String, Value>,
    pictures: &[LoadedPicture],
) -> Result<Value, GraphError> {
    let file_names: Vec<String> =
        pictures.iter().map(|loaded| format!("{}.{}", unguessable(), loaded.picture.format.ext())).collect();
    let described: Vec<_> = pictures
        .iter()
        .zip(&file_names)
        .map(|(LoadedPicture { name, picture, original }, file_name)| GraphPicture {
            parameter: name,
            name: file_name,
            width: picture.width,
            height: picture.height,
            original: *original,
        })
        .collect();
    let graph = graph::build(&GraphRequest {
        workflow: workflow.kind,
        parameters,
        pictures: &described,
        outputs: outputs_asked(run),
        seed: run.seed,
        prefix: &unguessable(),
    })?;
    let encoded = pictures.iter().map(|loaded| base64_text::encode(&loaded.picture.bytes));
    Ok(comfy_input(graph, file_names.into_iter().zip(encoded)))
}

/// 128 random bits as a name.
fn unguessable() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// A graph that cannot be made of these pictures is the customer's to mend; any other is a bug of ours.
fn not_made(run: &Run, pictures: &[LoadedPicture], error: &GraphError) -> Event {
    match error {
        GraphError::InputTooSmall { parameter, .. } => {
            Event::InputUnusable { picture: (*parameter).to_owned(), code: "insufficient_resolution" }
        }
        GraphError::OutputTooLarge { .. } => {
            // The one that grows is named last: the graphic on its product, or the only one.
            let picture = pictures.last().map(|loaded| loaded.name.clone()).unwrap_or_default();
            Event::InputUnusable { picture, code: "input_too_large" }
        }
        error => {
            tracing::error!(generation_id = %run.generation_id, %error, "no graph could be made");
            Event::SubmitRejected { code: "provider_rejected" }
        }
    }
}
