//! What can go wrong with Supabase, beside the faults of any HTTP exchange.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fault::{Effect, Fault};
use crate::http_fault::HttpFault;

/// A fault of the Supabase simulator.
pub type SupabaseFault = Fault<SupabaseEffect>;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum SupabaseEffect {
    /// With any HTTP exchange; `on` chooses the operation.
    Http(HttpFault),
    /// With a storage operation.
    Storage(StorageFault),
}

/// What goes wrong with a storage operation. Nothing is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum StorageFault {
    /// The true HTTP 429 of storage: `too_many_connections`, code `SlowDown`.
    SlowDown,
    /// HTTP 500, code `InternalError`.
    InternalError,
    /// HTTP 400 with `statusCode` 544 in the body, code `DatabaseTimeout`.
    DatabaseTimeout,
    /// HTTP 400 with `statusCode` 423 in the body, code `ResourceLocked`.
    ResourceLocked,
    /// HTTP 400 with `statusCode` 403 in the body, code `AccessDenied`.
    AccessDenied,
    /// Any error body: HTTP 500 if `status` is 500, else HTTP 400.
    StorageError {
        /// `statusCode` of the body.
        status: u16,
        /// `code` of the body.
        code: String,
    },
}

impl From<HttpFault> for SupabaseEffect {
    fn from(fault: HttpFault) -> Self {
        Self::Http(fault)
    }
}

impl From<StorageFault> for SupabaseEffect {
    fn from(fault: StorageFault) -> Self {
        Self::Storage(fault)
    }
}

impl From<HttpFault> for SupabaseFault {
    fn from(fault: HttpFault) -> Self {
        Self::new(fault)
    }
}

impl From<StorageFault> for SupabaseFault {
    fn from(fault: StorageFault) -> Self {
        Self::new(fault)
    }
}

impl Effect for SupabaseEffect {
    fn from_json(value: Value) -> Result<Self, String> {
        let of_exchange =
            value.get("fault").and_then(Value::as_str).is_some_and(|name| HttpFault::NAMES.contains(&name));
        let read = if of_exchange {
            serde_json::from_value(value).map(Self::Http)
        } else {
            serde_json::from_value(value).map(Self::Storage)
        };
        read.map_err(|error| format!("{error}; faults of any exchange: {}", HttpFault::NAMES.join(", ")))
    }

    fn category(&self) -> u8 {
        match self {
            Self::Http(fault) => fault.category(),
            // With an HTTP fault of the main kind beside it, that one wins: the connection is nearer.
            Self::Storage(_) => 0,
        }
    }
}
