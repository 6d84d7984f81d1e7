//! `/livez`: the process runs, and so does each of its loops. `/readyz`: it can do its work.

use std::time::Duration;

use poem::web::Data;
use poem::{IntoResponse, Response};
use poem_openapi::payload::Json;
use poem_openapi::registry::{MetaResponses, Registry};
use poem_openapi::types::{ToJSON, Type};
use poem_openapi::{ApiResponse, Object, OpenApi};
use shared::db::{self, DatabaseError};

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
    /// Answers 503 if one of the process's internal loops has not completed a turn for 60 seconds, and names the loop.
    /// The process should then be restarted. An unreachable database does not make this check fail.
    #[oai(path = "/livez", method = "get", operation_id = "find_liveness")]
    async fn find_liveness(&self, state: Data<&ApiState>) -> Result<LiveAnswer, ApiError> {
        state.liveness.problem().map_or(Ok(LiveAnswer), |problem| Err(ApiError::Unhealthy(problem)))
    }

    /// Whether it can work
    ///
    /// Answers 200 if the database answers, accepts writes and has every migration that this release needs, and the
    /// process is not shutting down.
    #[oai(path = "/readyz", method = "get", operation_id = "find_readiness")]
    async fn find_readiness(&self, state: Data<&ApiState>) -> Result<ReadyAnswer, ApiError> {
        if state.stopping.is_begun() {
            return Err(ApiError::unavailable(IsStopping));
        }
        let checks = async {
            db::ensure_current(&state.pool).await?;
            db::ensure_writable(&state.pool).await
        };
        let unready = match tokio::time::timeout(READY_TIMEOUT, checks).await {
            Ok(Ok(())) => return Ok(ReadyAnswer),
            // These texts name what is missing and are safe to show; the driver's texts may contain host names.
            Ok(Err(error @ (DatabaseError::Behind { .. } | DatabaseError::ReadOnly))) => error.to_string(),
            Ok(Err(error)) => return Err(ApiError::unavailable(error)),
            Err(_) => format!("the database has not answered for {} s", READY_TIMEOUT.as_secs()),
        };
        Err(ApiError::Unhealthy(unready))
    }
}

/// 200: the process and all its loops run.
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
        responses(
            json_answer(200, "The process and all its loops run.", Health::schema_ref(), vec![]),
            &[Code::Unavailable],
        )
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
