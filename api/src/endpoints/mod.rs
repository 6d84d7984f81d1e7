//! One file a resource. An endpoint parses, calls one use case, answers.

pub(crate) mod billing;
mod billing_bodies;
mod checkout;
pub(crate) mod credits;
pub(crate) mod files;
pub(crate) mod generate;
mod generate_body;
mod generate_pictures;
pub(crate) mod generations;
pub(crate) mod health;
mod input_schema;
pub(crate) mod notifications;
mod parameter_schema;
pub(crate) mod problems;
pub(crate) mod quotes;
pub(crate) mod status;
pub(crate) mod stripe_webhook;
pub(crate) mod subscriptions;
pub(crate) mod webhook;
pub(crate) mod workflows;

use poem_openapi::Tags;
use poem_openapi::registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef};

use crate::error::{Code, document};

pub(crate) use generate_body::schema_name;
pub(crate) use workflows::WORKFLOW_SCHEMA;

/// Groups of operations in the document.
#[derive(Tags)]
pub(crate) enum Tag {
    /// Starting generations, following them, and calling them off.
    Generations,
    /// What can be generated, and what it costs.
    Workflows,
    /// What the caller can spend.
    Credits,
    /// Buying credits, once or by a plan.
    Billing,
    /// Mails about generations.
    Notifications,
    /// Where the provider calls back.
    Webhooks,
    /// Whether the service works.
    Health,
}

/// What an operation documents: its answer, then its refusals, and what any address may be told that asks too often.
fn responses(answer: MetaResponse, refusals: &[Code]) -> MetaResponses {
    let mut responses = vec![answer];
    responses.extend(document(&[refusals, &[Code::RateLimited]].concat()));
    MetaResponses { responses }
}

/// A JSON answer as the document shows it.
fn json_answer(
    status: u16,
    description: &'static str,
    schema: MetaSchemaRef,
    headers: Vec<MetaHeader>,
) -> MetaResponse {
    let content = vec![MetaMediaType { content_type: "application/json", schema }];
    MetaResponse { description, status: Some(status), status_range: None, content, headers }
}

/// A header of an answer as the document shows it.
fn header(name: &str, kind: &'static str, description: &str, required: bool) -> MetaHeader {
    MetaHeader {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        required,
        deprecated: false,
        schema: MetaSchemaRef::Inline(Box::new(MetaSchema::new(kind))),
    }
}

/// The header fields that tell callers how much of their rate limit is left, as the document shows them.
fn rate_headers() -> [MetaHeader; 2] {
    [
        header("RateLimit", "string", "What is left: `r` requests now, all of them in `t` seconds.", false),
        header("RateLimit-Policy", "string", "The rate: `q` requests in `w` seconds.", false),
    ]
}
