//! The body of every refusal: RFC 9457 `application/problem+json`.

use poem::http::{HeaderValue, header};
use poem::{Body, Response};
use poem_openapi::payload::Payload;
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchemaRef, Registry};
use poem_openapi::types::{ToJSON, Type};
use poem_openapi::{ApiResponse, Object};

use super::{ApiError, Code, QUOTE_POINTER};

/// Why a request was refused, in the form of RFC 9457.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct Problem {
    /// A stable address that documents this kind of problem, such as `/problems/insufficient-credits`.
    #[oai(rename = "type")]
    kind: String,
    /// The kind of problem in words; does not change between occurrences.
    title: String,
    /// The status code of this answer.
    status: u16,
    /// This occurrence in words.
    detail: String,
    /// The path that was asked for.
    instance: String,
    /// The last part of `type`, for programs.
    code: Code,
    /// Names this request in our logs; also sent as `X-Request-Id`.
    request_id: String,
    /// Every fault of the body, in the order of the document.
    errors: Option<Vec<ProblemFault>>,
    /// What the request costs, in credits. With `insufficient-credits` only.
    price: Option<i32>,
    /// What the caller has, in credits. With `insufficient-credits` only.
    balance: Option<i32>,
    /// What the caller owes, in credits. With `debt-open` only.
    debt: Option<i32>,
}

/// One fault of a body.
#[derive(Debug, Object)]
pub(crate) struct ProblemFault {
    /// Where it is: a JSON pointer (RFC 6901).
    pointer: String,
    /// What is wrong with it.
    detail: String,
}

impl Problem {
    /// The problem that tells `error` to whoever asked for `instance`.
    pub(crate) fn new(error: &ApiError, instance: &str, request_id: &str) -> Self {
        let code = error.code();
        let (price, balance) = match error {
            ApiError::InsufficientCredits { price, balance } => (Some(price.get()), Some(balance.get())),
            _ => (None, None),
        };
        let debt = if let ApiError::DebtOpen { debt } = error { Some(debt.get()) } else { None };
        Self {
            kind: format!("/problems/{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status().as_u16(),
            detail: error.to_string(),
            instance: instance.to_owned(),
            code,
            request_id: request_id.to_owned(),
            errors: faults(error),
            price,
            balance,
            debt,
        }
    }

    /// The answer, with the headers that belong to `error`.
    pub(crate) fn into_response(self, error: &ApiError) -> Response {
        let mut response = Response::builder()
            .status(error.code().status())
            .content_type(ProblemJson::CONTENT_TYPE)
            .body(Body::from_string(self.to_json_string()));
        if let Some(wait) = error.retry_after() {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if matches!(error, ApiError::InvalidToken) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

fn faults(error: &ApiError) -> Option<Vec<ProblemFault>> {
    let fault = |pointer: &str, detail: &str| ProblemFault { pointer: pointer.to_owned(), detail: detail.to_owned() };
    match error {
        ApiError::InvalidRequest(faults) | ApiError::UnsupportedPicture(faults) => {
            Some(faults.iter().map(|f| fault(&f.pointer, &f.detail)).collect())
        }
        ApiError::ProjectNotFound => Some(vec![fault("/project_id", "no such project of yours")]),
        ApiError::QuoteNotFound => Some(vec![fault(QUOTE_POINTER, "no such quote of yours")]),
        ApiError::UserMismatch => Some(vec![fault("/user_id", "not the id of the token's user")]),
        _ => None,
    }
}

/// Documents [`Problem`] under its media type; answers are made by [`Problem::into_response`].
struct ProblemJson;

impl Payload for ProblemJson {
    const CONTENT_TYPE: &'static str = "application/problem+json";

    fn schema_ref() -> MetaSchemaRef {
        Problem::schema_ref()
    }

    fn register(registry: &mut Registry) {
        Problem::register(registry);
    }
}

/// The refusals an operation documents: one response a status, naming the codes it may carry.
pub(crate) fn document(codes: &[Code]) -> Vec<MetaResponse> {
    let mut responses: Vec<MetaResponse> = Vec::new();
    for code in codes {
        let status = Some(code.status().as_u16());
        if responses.iter().all(|response| response.status != status) {
            responses.push(MetaResponse {
                description: code.title(),
                status,
                status_range: None,
                content: vec![MetaMediaType {
                    content_type: ProblemJson::CONTENT_TYPE,
                    schema: ProblemJson::schema_ref(),
                }],
                headers: vec![],
            });
        }
    }
    responses
}

/// Each operation documents its own refusals beside its answer ([`document`]), so the error adds none.
impl ApiResponse for ApiError {
    fn meta() -> MetaResponses {
        MetaResponses { responses: vec![] }
    }

    fn register(registry: &mut Registry) {
        ProblemJson::register(registry);
    }
}
