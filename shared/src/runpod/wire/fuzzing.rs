//! Answers of the provider, as any bytes.

use serde_json::Value;

use super::output::{FILE_NAME_BYTES_MAX, OUTPUTS_READ_MAX};
use super::{POLICY_MAX, job_id, report};
use crate::runpod::{OutputRef, ProviderJobId, Report};

/// The job that was asked for.
const ASKED: &str = "job-1-e1";

/// Whether outputs were read.
///
/// # Panics
/// When another job's answer is taken for the asked one's, or more is kept than an answer may hold.
pub fn target(bytes: &[u8]) -> bool {
    let asked = ProviderJobId::parse(ASKED).expect("a valid id");
    let whole: Option<Value> = serde_json::from_slice(bytes).ok();
    let named = whole.as_ref().and_then(|whole| whole.get("id"));
    if let Some(id) = job_id(bytes) {
        // A name that stands there twice is refused, so a whole parser has seen the same one.
        assert!(whole.is_none() || named.and_then(Value::as_str) == Some(id.as_str()), "an id that is not there");
    }
    let Some(report) = report(&asked, bytes) else { return false };
    assert!(named.is_none_or(|id| id.is_null() || id == ASKED), "the answer is about another job");
    let Report::Completed(outputs, metadata) = report else { return false };
    assert!((1..=OUTPUTS_READ_MAX).contains(&outputs.len()));
    assert!([metadata.delay, metadata.execution].into_iter().flatten().all(|duration| duration <= POLICY_MAX));
    let kept = outputs.iter().map(|output| match &output.output {
        OutputRef::Base64(text) => text.len(),
        OutputRef::Url(_) => 0,
    });
    assert!(kept.sum::<usize>() <= bytes.len(), "more is kept than was sent");
    assert!(
        outputs.iter().filter_map(|output| output.file_name.as_ref()).all(|name| name.len() <= FILE_NAME_BYTES_MAX)
    );
    true
}
