use serde_json::json;

use super::*;

const SIZE: (u32, u32) = (64, 96);

fn model() -> Value {
    json!({"workflow_type": "model", "num_outputs": 2, "output_format": "webp", "seed": 7,
        "input": {"gender": "female", "pose": "standing", "age_range": "25-35", "ethnicity": "asian"}})
}

fn read(input: Value) -> Result<Order, Refusal> {
    Order::read(&Arc::new(input), "job", SIZE)
}

#[test]
fn a_complete_request_is_read_with_its_seed_and_size() {
    let order = read(model()).expect("valid");
    assert_eq!((order.outputs, order.seed, order.width, order.height), (2, 7, 64, 96));
    assert_ne!(order.digest(0), order.digest(1));
}

#[test]
fn what_is_missing_or_out_of_range_is_refused_by_name() {
    for (pointer, value, field) in [
        ("/workflow_type", json!("sculpture"), "workflow_type"),
        ("/input", json!([]), "input"),
        ("/input/gender", json!("robot"), "gender"),
        ("/input/pose", Value::Null, "pose"),
        ("/num_outputs", json!(5), "num_outputs"),
        ("/output_format", json!("mp4"), "output_format"),
        ("/seed", json!(-1), "seed"),
    ] {
        let mut input = model();
        *input.pointer_mut(pointer).expect("the pointer is in the request") = value;
        let refusal = read(input).expect_err(pointer);
        assert_eq!((refusal.code.as_str(), &refusal.details["field"]), ("INVALID_INPUT", &json!(field)));
    }
}

#[test]
fn a_seed_that_is_not_given_is_exact_in_javascript() {
    let mut input = model();
    input["seed"] = Value::Null;
    assert!(read(input).expect("valid").seed < 1 << 53);
}

#[test]
fn what_was_asked_differs_as_soon_as_one_value_does() {
    let digest = |parameters: Value| digest::of(parameters.as_object().expect("an object"));
    let asked = digest(json!({"a": "bc", "d": [1, {"e": true}]}));
    assert_eq!(asked, digest(json!({"a": "bc", "d": [1, {"e": true}]})));
    for other in [
        json!({"ab": "c", "d": [1, {"e": true}]}),
        json!({"a": "bc", "d": [1, {"e": false}]}),
        json!({"a": "bc", "d": [1], "e": true}),
    ] {
        assert_ne!(asked, digest(other));
    }
}
