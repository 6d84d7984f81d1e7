//! What fuzzers drive: one function for each reader of bytes that come from outside. Never part of a service.
//!
//! A target takes any bytes, says whether they got through, and panics only where a promise is broken. devstack's tests
//! replay the corpus in `fuzz/corpus/{name}` and change it; `fuzz/` does the same under libFuzzer.

pub use crate::generation::webhook_url::fuzzing::target as webhook_link;
pub use crate::images::fuzzing::target as picture;
pub use crate::runpod::fuzzing::target as provider_answer;
pub use crate::workflow::graph::fuzzing::target as graph;
