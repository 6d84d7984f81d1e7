//! `/livez`: the process runs. `/readyz`: it can do its work.

use std::time::Duration;

use poem::web::Data;
use poem::{IntoResponse, Response};
use poem_openapi::payload::Json;
use poem_openapi::registry::{MetaResponses, Registry};
use poem_openapi::types::{ToJSON, Type};
use poem_openapi::{ApiResponse, Object, OpenApi};
use shared::db;

use super::{Tag, json_answer, responses};
use crate::error::{ApiError, Code};
use crate::state::ApiState;
use crate::stopping::IsStopping;

/// How long readiness waits for the database.
const READY_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) struct HealthApi;

/// That all is well.
#[derive(Debug, Object)]
struct Health {
    /// Always `ok`; whatever is not is answered as a problem.
    status: String,
}

#[OpenApi(tag = "Tag::Health")]
impl HealthApi {
    /// Whether the process runs
    ///
    /// Asks nothing of anything else: a failing answer means that the process should be restarted.
    #[oai(path = "/livez", method = "get", operation_id = "find_liveness")]
    async fn find_liveness(&self) -> LiveAnswer {
        LiveAnswer
    }

    /// Whether it can work
    ///
    /// The database answers and has every migration that this release needs, and the process is not about to stop.
    #[oai(path = "/readyz", method = "get", operation_id = "find_readiness")]
    async fn find_readiness(&self, state: Data<&ApiState>) -> Result<ReadyAnswer, ApiError> {
        if state.stopping.is_begun() {
            return Err(ApiError::unavailable(IsStopping));
        }
        match tokio::time::timeout(READY_TIMEOUT, db::ensure_current(&state.pool)).await {
            Ok(Ok(())) => Ok(ReadyAnswer),
            Ok(Err(error)) => Err(ApiError::unavailable(error)),
            Err(elapsed) => Err(ApiError::unavailable(elapsed)),
        }
    }
}

/// 200: the process runs.
struct LiveAnswer;

/// 200: it can work.
struct ReadyAnswer;

fn ok() -> Response {
    Json(Health { status: "ok".to_owned() }.to_json()).into_response()
}

impl IntoResponse for LiveAnswer {
    fn into_response(self) -> Response {
        ok()
    }
}

impl IntoResponse for ReadyAnswer {
    fn into_response(self) -> Response {
        ok()
    }
}

impl ApiResponse for LiveAnswer {
    fn meta() -> MetaResponses {
        responses(json_answer(200, "The process runs.", Health::schema_ref(), vec![]), &[])
    }

    fn register(registry: &mut Registry) {
        Health::register(registry);
    }
}

impl ApiResponse for ReadyAnswer {
    fn meta() -> MetaResponses {
        responses(json_answer(200, "It can work.", Health::schema_ref(), vec![]), &[Code::Unavailable])
    }

    fn register(registry: &mut Registry) {
        Health::register(registry);
    }
}
