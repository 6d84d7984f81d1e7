//! Refuses addresses that ask too often, before anything is looked at, tokens least of all.

use poem::{Endpoint, IntoResponse, Middleware, Request, Response};

use crate::error::ApiError;
use crate::state::ApiState;

/// Takes every request from the budget of its address.
pub(crate) struct Throttle {
    pub(crate) state: ApiState,
}

pub(crate) struct Throttled<E> {
    inner: E,
    state: ApiState,
}

impl<E: Endpoint> Middleware<E> for Throttle {
    type Output = Throttled<E>;

    fn transform(&self, inner: E) -> Self::Output {
        Throttled { inner, state: self.state.clone() }
    }
}

impl<E: Endpoint> Endpoint for Throttled<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        if let Err(retry_after) = self.state.budgets.take_address(&request) {
            return Err(ApiError::RateLimited { retry_after }.into());
        }
        Ok(self.inner.call(request).await?.into_response())
    }
}
