//! The input of a product endpoint. Pure.

use serde_json::{Map, Value, json};

use super::OutputFormat;

/// The greatest seed: what a JSON number holds exactly in every language.
pub const SEED_MAX: i64 = (1 << 53) - 1;

/// What a product endpoint is sent as its RunPod `input`.
///
/// The seed is always set: the same workflow with the same seed on a warm worker answers from its cache, with the
/// same pictures. It travels inside `input`, beside the parameters, and is brought into 0 to [`SEED_MAX`]. Beside
/// `workflow_type` the worker adds `traceparent`, for an endpoint that traces; others may ignore it.
#[must_use]
pub fn product_input(workflow: &str, parameters: &Value, outputs: u8, format: OutputFormat, seed: i64) -> Value {
    let mut input = parameters.as_object().cloned().unwrap_or_else(Map::new);
    input.insert("seed".to_owned(), Value::from(seed & SEED_MAX));
    json!({
        "workflow_type": workflow,
        "input": input,
        "num_outputs": outputs,
        "output_format": format.as_str(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{SEED_MAX, product_input};
    use crate::workflow::OutputFormat;

    #[test]
    fn the_input_carries_parameters_count_format_and_seed() {
        let input = product_input("model", &json!({"pose": "sitting"}), 2, OutputFormat::Webp, 7);
        let expected = json!({
            "workflow_type": "model",
            "input": {"pose": "sitting", "seed": 7},
            "num_outputs": 2,
            "output_format": "webp",
        });
        assert_eq!(input, expected);
    }

    #[test]
    fn a_seed_never_leaves_what_json_holds_exactly() {
        for seed in [i64::MIN, -1, 0, SEED_MAX, i64::MAX] {
            let input = product_input("model", &json!({}), 1, OutputFormat::Png, seed);
            let sent = input["input"]["seed"].as_i64().expect("a whole number");
            assert!((0..=SEED_MAX).contains(&sent), "{seed} became {sent}");
        }
    }
}
