//! What can go wrong with payments, beside the faults of any HTTP exchange.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fault::{Effect, Fault};
use crate::http_fault::HttpFault;

/// Copies that one duplicated event makes at most.
pub const COPIES_MAX: u32 = 20;

/// A fault of the payment simulator.
pub type PaymentsFault = Fault<PaymentsEffect>;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum PaymentsEffect {
    /// With any HTTP exchange; `on` chooses the operation.
    Http(HttpFault),
    /// With a call of the API, in Stripe's own words.
    Api(ApiFault),
    /// With an event; the subject is `<type>/<id of its object>`, the input the event.
    Event(EventFault),
    /// With an attempt to take money; the subject is `<session or subscription>/<customer>`.
    Decline(Decline),
}

/// What goes wrong with a call of the API. Nothing is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum ApiFault {
    /// HTTP 500, `api_error`, kept under the idempotency key: a repetition gets it again.
    ApiError,
    /// HTTP 429, `lock_timeout`.
    LockTimeout,
    /// HTTP 409, `idempotency_key_in_use`: the first request with the key has not ended.
    KeyInUse,
}

/// What goes wrong with an event. Several of different names are applied together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum EventFault {
    /// It is sent that many times more, each with a signature of its own.
    Duplicated {
        /// At most [`COPIES_MAX`].
        copies: u32,
    },
    /// It is sent after the event that follows it, or after a minute if none does.
    Reordered,
    /// It is sent later.
    Delayed {
        /// Milliseconds.
        ms: u64,
    },
    /// It is signed with a secret that is not the endpoint's. Its repetitions are too.
    Forged,
    /// Its signature is good, and that much older than the request.
    StaleTimestamp {
        /// Seconds.
        s: u32,
    },
    /// It is never sent, and `/v1/events` lists it.
    NeverSent,
}

/// The bank says no.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum Decline {
    /// `card_declined`.
    CardDeclined {
        /// Why: `generic_decline`, `insufficient_funds`, `expired_card` and others.
        #[serde(default = "generic_decline")]
        decline_code: String,
    },
}

fn generic_decline() -> String {
    "generic_decline".to_owned()
}

impl Decline {
    /// The usual one.
    #[must_use]
    pub fn generic() -> Self {
        Self::CardDeclined { decline_code: generic_decline() }
    }
}

impl From<HttpFault> for PaymentsFault {
    fn from(fault: HttpFault) -> Self {
        Self::new(PaymentsEffect::Http(fault))
    }
}

impl From<ApiFault> for PaymentsFault {
    fn from(fault: ApiFault) -> Self {
        Self::new(PaymentsEffect::Api(fault))
    }
}

impl From<EventFault> for PaymentsFault {
    fn from(fault: EventFault) -> Self {
        Self::new(PaymentsEffect::Event(fault))
    }
}

impl From<Decline> for PaymentsFault {
    fn from(fault: Decline) -> Self {
        Self::new(PaymentsEffect::Decline(fault))
    }
}

impl From<HttpFault> for PaymentsEffect {
    fn from(fault: HttpFault) -> Self {
        Self::Http(fault)
    }
}

impl From<ApiFault> for PaymentsEffect {
    fn from(fault: ApiFault) -> Self {
        Self::Api(fault)
    }
}

impl From<EventFault> for PaymentsEffect {
    fn from(fault: EventFault) -> Self {
        Self::Event(fault)
    }
}

impl From<Decline> for PaymentsEffect {
    fn from(fault: Decline) -> Self {
        Self::Decline(fault)
    }
}

impl Effect for PaymentsEffect {
    fn from_json(value: Value) -> Result<Self, String> {
        let name = value.get("fault").and_then(Value::as_str).unwrap_or_default();
        let read = match name {
            "api_error" | "lock_timeout" | "key_in_use" => serde_json::from_value(value).map(Self::Api),
            "card_declined" => serde_json::from_value(value).map(Self::Decline),
            name if HttpFault::NAMES.contains(&name) => serde_json::from_value(value).map(Self::Http),
            _ => serde_json::from_value(value).map(Self::Event),
        };
        read.map_err(|error| {
            format!(
                "{error}; others: api_error, lock_timeout, key_in_use, card_declined, {}",
                HttpFault::NAMES.join(", ")
            )
        })
    }

    fn category(&self) -> u8 {
        match self {
            Self::Http(fault) => fault.category(),
            // Nearer than this is only the connection, whose faults exclude it.
            Self::Api(_) => 0,
            Self::Decline(_) => 2,
            Self::Event(EventFault::Duplicated { .. }) => 3,
            Self::Event(EventFault::Reordered) => 4,
            Self::Event(EventFault::Delayed { .. }) => 5,
            Self::Event(EventFault::Forged) => 6,
            Self::Event(EventFault::StaleTimestamp { .. }) => 7,
            Self::Event(EventFault::NeverSent) => 8,
        }
    }
}
