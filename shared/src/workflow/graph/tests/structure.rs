//! What a customer writes changes numbers in a graph, never its shape, and none of their words gets into it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use serde_json::{Map, Value, json};

use crate::workflow::graph::{GraphPicture, GraphRequest, build};
use crate::workflow::{SEED_MAX, WorkflowType};

const WORKFLOWS: [WorkflowType; 4] =
    [WorkflowType::Resize, WorkflowType::Upscale, WorkflowType::GraphicTransfer, WorkflowType::ColorChange];

const PICTURES: [&str; 4] = ["input_image", "base_image", "graphic_image", "mask"];

/// Ids, classes and links: all of a graph but its scalars.
type Shape = BTreeMap<String, (String, BTreeMap<String, Option<(String, u64)>>)>;

fn shape(graph: &Value) -> Shape {
    let nodes = graph.as_object().expect("an object of nodes");
    let link = |input: &Value| {
        input.as_array().map(|link| (link[0].as_str().unwrap_or("?").to_owned(), link[1].as_u64().unwrap_or(99)))
    };
    let inputs = |node: &Value| {
        let inputs = node["inputs"].as_object().expect("inputs").iter();
        inputs.map(|(name, input)| (name.clone(), link(input))).collect()
    };
    let class = |node: &Value| node["class_type"].as_str().expect("a class").to_owned();
    nodes.iter().map(|(id, node)| (id.clone(), (class(node), inputs(node)))).collect()
}

/// Every scalar of a graph, under its class and input.
fn scalars(graph: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for node in graph.as_object().expect("an object of nodes").values() {
        for (name, input) in node["inputs"].as_object().expect("inputs") {
            if !input.is_array() {
                found.push((format!("{}.{name}", node["class_type"].as_str().expect("a class")), input.clone()));
            }
        }
    }
    found
}

/// The words that stand in graphs whatever is asked for.
fn is_our_word(word: &str, prefix: &str, outputs: u8) -> bool {
    let fixed = [
        "a.png", "lanczos", "area", "bicubic", "disabled", "normal", "multiply", "screen", "overlay", "red", "green",
        "blue",
    ];
    fixed.contains(&word) || (1..=outputs).any(|number| word == format!("{prefix}-{number}"))
}

/// What chooses among templates.
#[derive(Debug, Clone)]
struct Modes {
    fill_mode: Option<&'static str>,
    maintain_aspect: bool,
    add_details: bool,
    blend_mode: Option<&'static str>,
    preserve_texture: bool,
    maintain_shadows: bool,
    has_mask: bool,
    outputs: u8,
}

fn modes() -> impl Strategy<Value = Modes> {
    let fill = prop_oneof![Just(None), Just(Some("stretch")), Just(Some("crop")), Just(Some("letterbox"))];
    let blend = prop_oneof![Just(None), Just(Some("normal")), Just(Some("multiply")), Just(Some("overlay"))];
    let flags = any::<[bool; 5]>();
    (fill, blend, flags, 1..=4_u8).prop_map(|(fill_mode, blend_mode, flags, outputs)| {
        let [maintain_aspect, add_details, preserve_texture, maintain_shadows, has_mask] = flags;
        Modes {
            fill_mode,
            maintain_aspect,
            add_details,
            blend_mode,
            preserve_texture,
            maintain_shadows,
            has_mask,
            outputs,
        }
    })
}

/// What does not choose: numbers within their bounds, and anything else a customer may have written.
#[derive(Debug, Clone)]
struct Rest {
    target: (u32, u32),
    level: u32,
    share: (f64, f64),
    scale: f64,
    denoise: f64,
    color: u32,
    sizes: [(u32, u32); 4],
    text: String,
    seed: i64,
}

fn rest() -> impl Strategy<Value = Rest> {
    let numbers = ((64..=4096_u32, 64..=4096_u32), prop_oneof![Just(2_u32), Just(4), Just(8)], 0..=0xFF_FFFF_u32);
    let shares = ((0.0..=1.0_f64, 0.0..=1.0_f64), 0.01..=100.0_f64, 0.0..=1.0_f64);
    // Links, folders, tokens and other things that would mean something inside a graph, and plain noise.
    let text = prop_oneof![
        Just(r#"["9", 0]"#.to_owned()),
        Just(r#"", "class_type": "SaveImage"#.to_owned()),
        Just("../../%date%".to_owned()),
        Just("a.png [output]".to_owned()),
        any::<String>(),
    ];
    (numbers, shares, any::<[(u8, u8); 4]>(), text, 0..=SEED_MAX).prop_map(|(numbers, shares, sizes, text, seed)| {
        let (target, level, color) = numbers;
        let (share, scale, denoise) = shares;
        // From 3 pixels a side to more than 2,000, which eight times stay under every bound.
        let sizes = sizes.map(|(width, height)| (3 + u32::from(width) * 4, 3 + u32::from(height) * 4));
        Rest { target, level, share, scale, denoise, color, sizes, text, seed }
    })
}

fn parameters(workflow: WorkflowType, modes: &Modes, rest: &Rest) -> Map<String, Value> {
    let mut asked = match workflow {
        WorkflowType::Resize => json!({
            "target_width": rest.target.0, "target_height": rest.target.1, "maintain_aspect": modes.maintain_aspect,
            "fill_mode": modes.fill_mode,
        }),
        WorkflowType::Upscale => json!({
            "upscale_level": rest.level, "denoise_strength": rest.denoise, "add_details": modes.add_details,
            "enhance_face": false,
        }),
        WorkflowType::GraphicTransfer => json!({
            "position": {"x": rest.share.0, "y": rest.share.1, "z": rest.text}, "scale": rest.scale,
            "blend_mode": modes.blend_mode,
        }),
        _ => json!({
            "target_color": format!("#{:06X}", rest.color), "preserve_texture": modes.preserve_texture,
            "maintain_shadows": modes.maintain_shadows,
        }),
    };
    let asked = asked.as_object_mut().expect("an object");
    asked.retain(|_, value| !value.is_null());
    // What the rest of the request holds: places of pictures, prompts, anything.
    for name in PICTURES.into_iter().chain(["prompt", "seed", "class_type", "filename_prefix", "1"]) {
        asked.insert(name.to_owned(), Value::from(rest.text.as_str()));
    }
    asked.clone()
}

fn graph(workflow: WorkflowType, modes: &Modes, rest: &Rest) -> Value {
    let parameters = parameters(workflow, modes, rest);
    let given = PICTURES.into_iter().zip(rest.sizes).filter(|(name, _)| *name != "mask" || modes.has_mask);
    let pictures: Vec<_> = given
        .map(|(parameter, (width, height))| GraphPicture {
            parameter,
            name: "a.png",
            width,
            height,
            original: (width, height),
        })
        .collect();
    let (outputs, seed) = (modes.outputs, rest.seed);
    build(&GraphRequest { workflow, parameters: &parameters, pictures: &pictures, outputs, seed, prefix: "ours" })
        .expect("a graph")
}

proptest! {
    #[test]
    fn the_shape_of_a_graph_depends_on_its_modes_alone(modes in modes(), one in rest(), other in rest()) {
        for workflow in WORKFLOWS {
            assert_eq!(shape(&graph(workflow, &modes, &one)), shape(&graph(workflow, &modes, &other)), "{workflow}");
        }
    }

    #[test]
    fn no_word_of_a_customer_and_no_seed_out_of_range_enters_a_graph(modes in modes(), rest in rest()) {
        for workflow in WORKFLOWS {
            for (input, value) in scalars(&graph(workflow, &modes, &rest)) {
                match &value {
                    Value::String(word) => assert!(is_our_word(word, "ours", modes.outputs), "{input}: {word}"),
                    Value::Number(number) if input.ends_with("seed") => {
                        assert!(number.as_i64().is_some_and(|seed| (0..=SEED_MAX).contains(&seed)), "{number}");
                    }
                    Value::Number(_) | Value::Bool(_) => {}
                    other => panic!("{input}: {other}"),
                }
            }
        }
    }

    #[test]
    fn every_output_is_saved_once_and_no_two_have_the_same_seed(modes in modes(), rest in rest()) {
        for workflow in WORKFLOWS {
            let scalars = scalars(&graph(workflow, &modes, &rest));
            let prefixes: BTreeSet<_> =
                scalars.iter().filter(|(input, _)| input == "SaveImage.filename_prefix").map(|(_, value)| value.to_string()).collect();
            assert_eq!(prefixes.len(), usize::from(modes.outputs));
            let seeds: Vec<_> = scalars.iter().filter(|(input, _)| input.ends_with("seed")).map(|(_, value)| value.to_string()).collect();
            assert_eq!(seeds.iter().collect::<BTreeSet<_>>().len(), seeds.len());
        }
    }
}
