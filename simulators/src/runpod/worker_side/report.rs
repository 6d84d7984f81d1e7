//! What a worker posts to job-done: a progress update or a result, in the forms that the genuine SDK was seen to send.

use serde_json::{Map, Value};

use crate::runpod::plan::{Ending, Output};

/// A worker's word on a job.
#[derive(Debug)]
pub(super) enum Report {
    Progress(Value),
    Result(Ending),
}

impl Report {
    /// Reads the body, whatever its content type says: the SDK calls its JSON a form. None if it is no JSON object.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut body: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
        if body.get("status").and_then(Value::as_str) == Some("IN_PROGRESS") {
            return Some(Self::Progress(body.remove("output").unwrap_or_default()));
        }
        let output = body.remove("output").map_or(Output::None, Output::Value);
        Some(Self::Result(match body.remove("error") {
            None | Some(Value::Null) => Ending::completed(output),
            Some(Value::String(error)) if error.is_empty() => Ending::completed(output),
            Some(Value::String(error)) => Ending { output, ..Ending::failed(error) },
            // An error that is no text is lost, and what came with it (runpod-python#299).
            Some(_) => Ending::completed(Output::None),
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_body_seen_is_read_as_the_platform_reads_it() {
        let exception = r#"{"error_type":"<class 'ValueError'>"}"#;
        for (body, status, error, output) in [
            (json!({"output": {"images": []}}), "COMPLETED", None, Output::Value(json!({"images": []}))),
            (json!({"error": "no"}), "FAILED", Some("no"), Output::None),
            (
                json!({"output": {"details": ["x"]}, "error": "Job processing failed"}),
                "FAILED",
                Some("Job processing failed"),
                Output::Value(json!({"details": ["x"]})),
            ),
            (json!({"output": null}), "COMPLETED", None, Output::Value(Value::Null)),
            (json!({}), "COMPLETED", None, Output::None),
            (json!({"error": {"code": 1}}), "COMPLETED", None, Output::None),
            (json!({"output": {"a": 1}, "stopPod": true}), "COMPLETED", None, Output::Value(json!({"a": 1}))),
            (json!({"error": exception}), "FAILED", Some(exception), Output::None),
        ] {
            let Some(Report::Result(ending)) = Report::read(body.to_string().as_bytes()) else { panic!("{body}") };
            assert_eq!((ending.status, ending.output), (status, output), "{body}");
            assert_eq!(ending.error, error.map(Value::from), "{body}");
        }
    }

    #[test]
    fn progress_is_no_result_and_text_is_neither() {
        let read = Report::read(br#"{"status": "IN_PROGRESS", "output": "4/10"}"#);
        assert!(matches!(read, Some(Report::Progress(progress)) if progress == "4/10"));
        assert!(Report::read(b"output=1").is_none() && Report::read(b"[]").is_none());
    }
}
