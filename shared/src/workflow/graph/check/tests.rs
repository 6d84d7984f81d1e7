//! Every kind of breach, each by a template that has it and nothing else.

use super::breaches;
use crate::workflow::graph::binding::{self, Accepts, Binding, Source};
use crate::workflow::graph::template::Template;

/// A sound graph: one picture, some noise, saved.
const SOUND: &str = r#"{
    "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
    "2": {"class_type": "ImageAddNoise", "inputs": {"image": ["1", 0], "seed": 0, "strength": 0.5}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "a"}}
}"#;

const PICTURE: Binding = binding::picture(1, "LoadImage", "input_image");
const SEED: Binding = binding::seed(2);
const SAVE: Binding = binding::save(3);

/// What is wrong with `SOUND` once `from` is `to`.
fn changed(from: &str, to: &str) -> Vec<String> {
    assert!(SOUND.contains(from), "{from}");
    found(&SOUND.replace(from, to), &[PICTURE, SEED, SAVE])
}

fn found(json: &str, bindings: &'static [Binding]) -> Vec<String> {
    breaches(&Template::new("test", json.to_owned().leak(), Vec::leak(vec![bindings])))
}

/// What is wrong with `SOUND` under one binding more.
fn bound(input: &'static str, node: u32, class: &'static str, accepts: Accepts) -> Vec<String> {
    let more = Binding { node, class, input, accepts, source: Source::Parameter("n") };
    found(SOUND, Vec::leak(vec![PICTURE, SEED, SAVE, more]))
}

const SHARE: Accepts = Accepts::Number { min: 0.0, max: 1.0 };

#[test]
fn a_sound_template_has_no_breach() {
    assert_eq!(found(SOUND, &[PICTURE, SEED, SAVE]), Vec::<String>::new());
    assert_eq!(bound("strength", 2, "ImageAddNoise", SHARE), Vec::<String>::new());
}

#[test]
fn json_that_is_no_graph_is_a_breach() {
    assert_eq!(found("{\"a\": 1}", &[]), ["node \"a\": its id is not a whole number from 1 to 99"]);
    assert_eq!(changed("\"2\": {", "2: {").len(), 1);
}

#[test]
fn a_class_that_is_not_listed_is_a_breach() {
    let breaches = changed("ImageAddNoise", "CheckpointLoaderSimple");
    assert!(breaches.contains(&"node 2: CheckpointLoaderSimple is not on the list of node classes".to_owned()));
}

#[test]
fn inputs_that_are_missing_or_unknown_are_breaches() {
    assert_eq!(changed(r#", "strength": 0.5"#, ""), ["node 2: lacks the input strength"]);
    let unknown = changed("0.5", "0.5, \"mode\": 1");
    assert_eq!(unknown, ["node 2: mode is no input of ImageAddNoise"]);
    assert_eq!(changed("0.5", "[\"1\", 0]"), ["node 2: strength is a link, but takes a scalar"]);
    assert_eq!(changed("[\"2\", 0]", "\"2\""), ["node 3: images is a scalar, but takes a link"]);
}

#[test]
fn a_link_that_leads_nowhere_or_carries_the_wrong_thing_is_a_breach() {
    assert_eq!(changed("[\"2\", 0]", "[\"9\", 0]"), ["node 3: images is linked to node 9, which does not exist"]);
    assert_eq!(changed("[\"2\", 0]", "[\"2\", 1]"), ["node 3: images is linked to node 2, which has no slot 1"]);
    assert_eq!(
        changed("[\"1\", 0]", "[\"1\", 1]"),
        ["node 2: image is linked to node 1, whose slot 1 carries Mask instead of Image"]
    );
}

#[test]
fn nodes_that_wait_for_each_other_are_a_breach() {
    assert_eq!(changed("[\"1\", 0]", "[\"2\", 0]"), ["has nodes that wait for each other"]);
}

#[test]
fn a_binding_without_its_node_class_or_input_is_a_breach() {
    let breach = |input, node, class| bound(input, node, class, SHARE);
    assert_eq!(breach("strength", 4, "ImageAddNoise"), ["binding of strength of node 4: the node does not exist"]);
    assert_eq!(
        breach("strength", 2, "ImageBlur"),
        ["binding of strength of node 2: the node is a ImageAddNoise, not a ImageBlur"]
    );
    assert_eq!(breach("alpha", 2, "ImageAddNoise"), ["binding of alpha of node 2: the node has no such input"]);
    assert_eq!(breach("images", 3, "SaveImage"), ["binding of images of node 3: the input is a link"]);
}

#[test]
fn a_placeholder_of_another_type_than_its_binding_is_a_breach() {
    let integer = Accepts::Integer { min: 0, max: 1 };
    let breach = ["binding of strength of node 2: the template says 0.5, which the binding does not accept"];
    assert_eq!(bound("strength", 2, "ImageAddNoise", integer), breach);
    assert_eq!(bound("strength", 2, "ImageAddNoise", Accepts::Number { min: 0.0, max: 0.4 }), breach);
    let breach = ["binding of strength of node 2: the template says 1, which the binding does not accept"];
    assert_eq!(found(&SOUND.replace("0.5", "1"), Vec::leak(vec![PICTURE, SEED, SAVE, strength()])), breach);
}

fn strength() -> Binding {
    Binding { node: 2, class: "ImageAddNoise", input: "strength", accepts: SHARE, source: Source::Parameter("n") }
}

#[test]
fn an_input_that_is_bound_twice_is_a_breach() {
    let breaches = found(SOUND, &[PICTURE, SEED, SEED, SAVE]);
    assert_eq!(breaches, ["binding of seed of node 2: is there twice"]);
}

#[test]
fn a_seed_a_file_name_or_a_prefix_that_nobody_sets_is_a_breach() {
    assert_eq!(found(SOUND, &[SEED, SAVE]), ["node 1: image is not set by the server"]);
    assert_eq!(found(SOUND, &[PICTURE, SAVE]), ["node 2: seed is not set by the server"]);
    assert_eq!(found(SOUND, &[PICTURE, SEED]), ["node 3: filename_prefix is not set by the server"]);
}

#[test]
fn a_seed_that_a_customer_sets_is_a_breach() {
    let from_parameter = Binding { source: Source::Parameter("seed"), ..binding::seed(2) };
    let breaches = found(SOUND, Vec::leak(vec![PICTURE, from_parameter, SAVE]));
    assert_eq!(breaches, ["node 2: seed is not set by the server"]);
}

#[test]
fn a_template_without_one_save_node_is_a_breach() {
    let none = r#"{"1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}}}"#;
    assert_eq!(found(none, &[PICTURE]), ["has 0 SaveImage nodes, but is the graph of one output"]);
    let two = SOUND.replace(
        "\"3\": {",
        r#""4": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "b"}}, "3": {"#,
    );
    let breaches = found(&two, Vec::leak(vec![PICTURE, SEED, SAVE, binding::save(4)]));
    assert_eq!(breaches, ["has 2 SaveImage nodes, but is the graph of one output"]);
}
