//! Beginning to buy something: the answer of `create_purchase` and `create_subscription`.

use chrono::{DateTime, Utc};
use poem::http::{HeaderValue, StatusCode};
use poem::{IntoResponse, Response};
use poem_openapi::registry::{MetaResponses, Registry};
use poem_openapi::types::{ToJSON, Type};
use poem_openapi::{ApiResponse, Object};
use shared::billing::checkout::{self, Checkout, Till};
use shared::billing::purchase::Item;
use uuid::Uuid;

use super::generate::REPLAYED;
use super::{header as answer_header, json_answer, rate_headers, responses};
use crate::auth::SignedUp;
use crate::error::{ApiError, Code};
use crate::idempotency::IdempotencyKey;
use crate::state::ApiState;

/// A page on which something can be paid.
#[derive(Debug, Object)]
#[oai(rename = "Checkout")]
struct CheckoutBody {
    /// The id of the purchase; it is also passed to the page that the customer returns to.
    purchase_id: Uuid,
    /// Where the customer pays.
    checkout_url: String,
    /// When the page expires.
    expires_at: DateTime<Utc>,
}

/// Begins to buy `item` for the caller.
pub(super) async fn check_out(
    state: &ApiState,
    caller: SignedUp,
    item: &Item,
    key: &IdempotencyKey,
) -> Result<CheckoutAnswer, ApiError> {
    let desk = state.billing()?;
    let pool = state.database(caller.user_id()).await?;
    let till = Till { pool: &pool, stripe: &desk.stripe, currency: &desk.currency, return_url: &desk.return_url };
    let checkout = checkout::buy(till, caller.user_id(), item, key.0.as_deref()).await?;
    tracing::info!(purchase_id = %checkout.purchase_id, replayed = checkout.replayed, "a checkout was opened");
    Ok(CheckoutAnswer(checkout))
}

/// 201 with a checkout.
pub(super) struct CheckoutAnswer(Checkout);

impl IntoResponse for CheckoutAnswer {
    fn into_response(self) -> Response {
        let Checkout { purchase_id, url, expires_at, replayed } = self.0;
        let body = CheckoutBody { purchase_id, checkout_url: url, expires_at };
        let mut response = Response::builder()
            .status(StatusCode::CREATED)
            .content_type("application/json; charset=utf-8")
            .body(body.to_json_string());
        if replayed {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

impl ApiResponse for CheckoutAnswer {
    fn meta() -> MetaResponses {
        let mut headers =
            vec![answer_header("Idempotent-Replayed", "string", "`true` where an earlier answer is repeated.", false)];
        headers.extend(rate_headers());
        let answer = json_answer(201, "A page on which it can be paid.", CheckoutBody::schema_ref(), headers);
        let refusals = [
            Code::MalformedRequest,
            Code::InvalidToken,
            Code::Forbidden,
            Code::OfferNotFound,
            Code::RequestTimeout,
            Code::AlreadySubscribed,
            Code::PayloadTooLarge,
            Code::UnsupportedMediaType,
            Code::InvalidRequest,
            Code::InternalError,
            Code::Unavailable,
        ];
        responses(answer, &refusals)
    }

    fn register(registry: &mut Registry) {
        CheckoutBody::register(registry);
    }
}
