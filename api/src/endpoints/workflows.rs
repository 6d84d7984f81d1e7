//! `GET /api/v1/workflows`: what can be asked for, what it costs, and a schema to make a form of.

use std::sync::OnceLock;
use std::time::Duration;

use poem::http::{StatusCode, header};
use poem::web::Data;
use poem::{IntoResponse, Response};
use poem_openapi::param::Header;
use poem_openapi::registry::{MetaResponse, MetaResponses, Registry};
use poem_openapi::types::{Any, Type};
use poem_openapi::{ApiResponse, Object, OpenApi};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use shared::workflow::{CATALOGUE, Parameter, Workflow};

use super::input_schema::input_schema;
use super::{Tag, header as answer_header, json_answer, responses};
use crate::error::Code;
use crate::state::ApiState;

/// The name of the schema of an entry.
pub(crate) const WORKFLOW_SCHEMA: &str = "Workflow";
/// How long the list may be kept without asking again.
const CACHE_CONTROL: &str = "public, max-age=300";
/// How a price comes about, in words.
const FORMULA: &str = "cost × output_count ÷ default_outputs, rounded up to a whole credit";

/// The list is made once: it changes with the process only.
#[derive(Default)]
pub(crate) struct WorkflowsApi(OnceLock<List>);

/// Every workflow on offer.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "WorkflowList")]
struct Entries {
    /// In the order in which they are offered.
    workflows: Vec<Entry>,
}

/// One workflow: what it does, what it costs, how long it takes and what it wants to know.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "Workflow")]
struct Entry {
    /// The `workflow_type` of a request that runs it.
    workflow_type: String,
    /// Its name, for people.
    title: String,
    /// What it does, in a sentence.
    description: String,
    /// What it costs.
    price: Price,
    /// The most outputs of one request; the least is 1.
    outputs_max: u8,
    /// How long it usually takes once it runs, in seconds.
    target_seconds: u32,
    /// How long it may take once it runs, in seconds; after that it fails and is refunded.
    max_seconds: u32,
    /// What outputs can be delivered as; the first is the default.
    formats: Vec<String>,
    /// What `input_data` takes here and now, as a JSON Schema of the draft 2020-12. It names only what this
    /// deployment can do.
    input_schema: Any<serde_yaml::Value>,
}

/// How the price of a request comes about.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "WorkflowPrice")]
struct Price {
    /// Credits for one request of up to `default_outputs` outputs.
    cost: i32,
    /// Outputs made when `output_count` is left out.
    default_outputs: u8,
    /// The price of a request, in words. What is not delivered is refunded.
    formula: String,
}

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Workflows")]
impl WorkflowsApi {
    /// What can be generated
    ///
    /// Prices, times, formats and parameters of every workflow. Needs no token. The answer may be kept for five
    /// minutes, and asked for again with `If-None-Match`.
    #[oai(path = "/workflows", method = "get", operation_id = "list_workflows")]
    async fn list_workflows(
        &self,
        state: Data<&ApiState>,
        /// The `ETag` of the list that the caller has: then 304 says that it is still good.
        #[oai(name = "If-None-Match")]
        known: Header<Option<String>>,
    ) -> ListAnswer {
        let list = self.0.get_or_init(|| List::of(&state));
        if known.0.as_deref().is_some_and(|known| list.is_named_by(known)) {
            ListAnswer::NotModified(list.clone())
        } else {
            ListAnswer::Listed(list.clone())
        }
    }
}

/// The text of the answer, and what names it.
#[derive(Debug, Clone)]
struct List {
    text: bytes::Bytes,
    etag: String,
}

impl List {
    fn of(state: &ApiState) -> Self {
        let workflows = CATALOGUE.iter().map(|workflow| entry(workflow, state)).collect();
        // Written by serde, because poem-openapi would sort the properties of the schemas.
        let text = serde_json::to_vec(&Entries { workflows }).expect("names are strings");
        let etag = Sha256::digest(&text).iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>();
        Self { text: text.into(), etag: format!("\"{etag}\"") }
    }

    /// Whether one of these tags is the list's own.
    fn is_named_by(&self, tags: &str) -> bool {
        tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.etag)
    }
}

fn entry(workflow: &'static Workflow, state: &ApiState) -> Entry {
    let dialect = state.settings.runpod.dialect(workflow.kind);
    let refused = |parameter: &Parameter, value: &Value| {
        let alone = [(parameter.name.to_owned(), value.clone())].into_iter().collect();
        !workflow.kind.refusals(dialect, &alone).is_empty()
    };
    Entry {
        workflow_type: workflow.kind.as_str().to_owned(),
        title: workflow.title.to_owned(),
        description: workflow.summary.to_owned(),
        price: Price {
            cost: workflow.cost.get(),
            default_outputs: workflow.outputs_default,
            formula: FORMULA.to_owned(),
        },
        outputs_max: workflow.outputs_max,
        target_seconds: seconds(workflow.target),
        max_seconds: seconds(workflow.max),
        formats: workflow.formats.iter().map(|format| format.as_str().to_owned()).collect(),
        input_schema: Any(input_schema(workflow, &refused)),
    }
}

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).expect("no workflow runs for years")
}

/// 200 with the list, or 304 for who has it.
enum ListAnswer {
    Listed(List),
    NotModified(List),
}

impl IntoResponse for ListAnswer {
    fn into_response(self) -> Response {
        let (status, list, body) = match self {
            Self::Listed(list) => (StatusCode::OK, list.etag, list.text),
            Self::NotModified(list) => (StatusCode::NOT_MODIFIED, list.etag, bytes::Bytes::new()),
        };
        let response =
            Response::builder().status(status).header(header::ETAG, list).header(header::CACHE_CONTROL, CACHE_CONTROL);
        if status == StatusCode::OK {
            return response.content_type("application/json; charset=utf-8").body(body);
        }
        response.finish()
    }
}

impl ApiResponse for ListAnswer {
    fn meta() -> MetaResponses {
        let headers = || {
            vec![
                answer_header("ETag", "string", "Names this list, for `If-None-Match`.", true),
                answer_header("Cache-Control", "string", "How long it may be kept.", true),
            ]
        };
        let mut meta = responses(
            json_answer(200, "Every workflow on offer.", Entries::schema_ref(), headers()),
            &[Code::InternalError],
        );
        meta.responses.insert(
            1,
            MetaResponse {
                description: "The list is the one that `If-None-Match` names.",
                status: Some(304),
                status_range: None,
                content: vec![],
                headers: headers(),
            },
        );
        meta
    }

    fn register(registry: &mut Registry) {
        Entries::register(registry);
    }
}
