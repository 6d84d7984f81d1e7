//! What everybody asks for: the cheapest generation without pictures, straight to the database or through the API.

use anyhow::bail;
use serde_json::{Value, json};
use shared::generation::{Accepted, Limits, NewGeneration, accept};
use shared::ids::{GenerationId, UserId};
use shared::workflow::{Dialect, Request};
use sqlx::PgPool;

/// As much as the settings admit: the balance alone shall bound a user.
pub(crate) const RATE_PER_MINUTE: u32 = 6_000;
pub(crate) const RUNS_OPEN_MAX: u32 = 10_000;
/// As long as any; of a trace that nobody records.
pub(crate) const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
/// The simulated endpoint.
pub(crate) const ENDPOINT: &str = "bench";

/// One request, checked once.
pub(crate) struct Order {
    pub(crate) request: Request,
    pub(crate) endpoint: &'static str,
    pub(crate) dialect: Dialect,
}

impl Order {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let Ok(request) = Request::parse(&body(1)) else { bail!("the request is not valid any more") };
        Ok(Self { request, endpoint: ENDPOINT, dialect: Dialect::Product })
    }

    pub(crate) fn price(&self) -> i64 {
        self.request.price().get().into()
    }

    /// Accepts it for a user, without HTTP.
    pub(crate) async fn accept(
        &self,
        pool: &PgPool,
        user_id: UserId,
        id: GenerationId,
        limits: Limits,
    ) -> anyhow::Result<()> {
        let new = NewGeneration {
            id,
            user_id,
            request: &self.request,
            price: self.request.price(),
            seed: 7,
            request_id: "bench",
            traceparent: Some(TRACEPARENT),
            key: None,
            response: "{}",
            limits,
            endpoint: self.endpoint,
            dialect: self.dialect,
            admitted: false,
        };
        match accept(pool, &new).await? {
            Accepted::New { .. } => Ok(()),
            Accepted::Replayed { .. } => bail!("a request without a key was taken for a repeat"),
        }
    }
}

/// The limits that the API is given.
pub(crate) fn limits() -> Limits {
    Limits { per_minute: RATE_PER_MINUTE, runs_open_max: RUNS_OPEN_MAX, cancels_free_per_day: 20 }
}

/// The body that the API is sent.
pub(crate) fn body(outputs: u8) -> Value {
    let input = json!({"gender": "female", "pose": "standing", "age_range": "25-35", "ethnicity": "mixed"});
    json!({"workflow_type": "model", "input_data": input, "settings": {"output_count": outputs}})
}
