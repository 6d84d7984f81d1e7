//! The parameters of each workflow: both spellings, what must be given, what is filled in.

use serde_json::{Value, json};

use super::super::Request;
use super::faults;
use super::whole::{body, filled_in, in_camel_case, joined, names, parsed, parts, whole};
use crate::workflow::CATALOGUE;

#[test]
fn a_whole_request_is_the_same_in_either_spelling() {
    for workflow in names() {
        let snake = parsed(workflow, &whole(workflow));
        let camel = in_camel_case(&body(workflow, &whole(workflow)));
        let camel = Request::parse(&camel).unwrap_or_else(|faults| panic!("{camel}: {faults:?}"));
        assert_eq!(camel.parameters, snake.parameters, "{workflow}");
        assert_eq!(camel.fingerprint(), snake.fingerprint(), "{workflow}");
        assert_eq!(Value::Object(snake.parameters), whole(workflow), "{workflow}: all that was given is kept");
    }
}

#[test]
fn the_requests_here_give_every_parameter_of_the_catalogue() {
    for workflow in CATALOGUE {
        let whole = whole(workflow.kind.as_str());
        let mut given: Vec<_> = whole.as_object().expect("an object").keys().map(String::as_str).collect();
        let mut known: Vec<_> = workflow.parameters.iter().map(|parameter| parameter.name).collect();
        given.sort_unstable();
        known.sort_unstable();
        assert_eq!(given, known, "{}", workflow.kind);
    }
}

#[test]
fn what_must_be_given_is_asked_for_and_nothing_else_is() {
    for workflow in names() {
        let (needed, beside) = parts(workflow);
        for name in needed.as_object().expect("an object").keys() {
            let detail = if (workflow, name.as_str()) == ("background", "prompt") {
                "is required unless remove_only is true"
            } else {
                "is required"
            };
            let mut null = whole(workflow);
            null[name] = Value::Null;
            let mut without = whole(workflow);
            without.as_object_mut().expect("an object").remove(name);
            for input in [null, without] {
                let expected = [(format!("/input_data/{name}"), detail.to_owned())];
                assert_eq!(faults(&body(workflow, &input)), expected, "{workflow}");
            }
        }
        for name in beside.as_object().expect("an object").keys() {
            let mut input = whole(workflow);
            input.as_object_mut().expect("an object").remove(name);
            parsed(workflow, &input);
        }
    }
}

#[test]
fn without_any_input_everything_that_is_needed_is_listed() {
    for workflow in names() {
        let (needed, _) = parts(workflow);
        let mut expected: Vec<_> =
            needed.as_object().expect("an object").keys().map(|name| format!("/input_data/{name}")).collect();
        expected.sort_unstable();
        for empty in [json!({"workflow_type": workflow}), body(workflow, &json!({}))] {
            let mut pointers: Vec<_> = faults(&empty).into_iter().map(|(pointer, _)| pointer).collect();
            pointers.sort_unstable();
            assert_eq!(pointers, expected, "{workflow}");
        }
    }
}

#[test]
fn what_is_left_out_is_filled_in_and_what_has_no_default_stays_out() {
    for workflow in names() {
        let (needed, _) = parts(workflow);
        let request = parsed(workflow, &needed);
        assert_eq!(Value::Object(request.parameters), joined(&needed, &filled_in(workflow)), "{workflow}");
    }
}

#[test]
fn a_default_that_is_given_is_the_same_request() {
    for workflow in names() {
        let (needed, _) = parts(workflow);
        let given = parsed(workflow, &joined(&needed, &filled_in(workflow)));
        assert_eq!(given.fingerprint(), parsed(workflow, &needed).fingerprint(), "{workflow}");
    }
}

#[test]
fn a_background_needs_a_prompt_unless_it_is_only_removed() {
    let (mut needed, _) = parts("background");
    needed.as_object_mut().expect("an object").remove("prompt");
    let with = |beside: Value| body("background", &joined(&needed, &beside));
    let request = Request::parse(&with(json!({"remove_only": true}))).expect("nothing is to be said of it");
    assert!(!request.parameters.contains_key("prompt"));
    Request::parse(&with(json!({"removeOnly": true, "prompt": ""}))).expect("blank is none");
    let kept = Request::parse(&with(json!({"remove_only": true, "prompt": "a beach"}))).expect("it may be given");
    assert_eq!(kept.parameters["prompt"], "a beach");
    let missing = ("/input_data/prompt".to_owned(), "is required unless remove_only is true".to_owned());
    for beside in [json!({}), json!({"remove_only": false}), json!({"remove_only": null, "prompt": " \n"})] {
        assert_eq!(faults(&with(beside.clone())), std::slice::from_ref(&missing), "{beside}");
    }
    let no_flag = ("/input_data/remove_only".to_owned(), "must be true or false".to_owned());
    assert_eq!(faults(&with(json!({"remove_only": "true"}))), [missing, no_flag]);
}

#[test]
fn outputs_are_bounded_by_their_workflow() {
    let with = |workflow: &str, count: i64| {
        let mut body = body(workflow, &whole(workflow));
        body["settings"] = json!({"output_count": count});
        body
    };
    for workflow in CATALOGUE {
        let name = workflow.kind.as_str();
        let max = if ["resize", "upscale", "video"].contains(&name) { 1 } else { 4 };
        let wanted = if max == 1 {
            format!("must be 1: {name} makes one output")
        } else {
            "must be a whole number from 1 to 4".to_owned()
        };
        for count in 1..=max {
            let request = Request::parse(&with(name, count)).unwrap_or_else(|faults| panic!("{name}: {faults:?}"));
            assert_eq!(i64::from(request.outputs_asked), count);
        }
        for count in [-1, 0, max + 1, 257] {
            let expected = [("/settings/output_count".to_owned(), wanted.clone())];
            assert_eq!(faults(&with(name, count)), expected, "{name} × {count}");
        }
    }
}
