//! What the `/_sim` routes of all simulators share.

use poem::{Body, Response};
use serde_json::{Value, json};

use crate::http_fault::json;

/// Body of a script.
const SCRIPT_BYTES_MAX: usize = 1024 * 1024;
/// Reads one fault or an array of them.
pub(crate) async fn read_script(body: Body) -> Result<Vec<Value>, Response> {
    let bytes = body.into_bytes_limit(SCRIPT_BYTES_MAX).await.map_err(|_| refused("body too large"))?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Array(faults)) => Ok(faults),
        Ok(fault) => Ok(vec![fault]),
        Err(error) => Err(refused(&error.to_string())),
    }
}

pub(crate) fn refused(message: &str) -> Response {
    json(400, &json!({ "error": message }))
}
