//! Graphs as they are sent: exact numbers, outputs that differ, and what is refused.

mod structure;

use serde_json::{Map, Value, json};

use super::{GraphError, GraphPicture, GraphRequest, build, check_templates, output_number};
use crate::workflow::{CATALOGUE, SEED_MAX, WorkflowType};

/// A picture of 97 x 61 pixels for each of these parameters.
fn pictures<'a>(parameters: &[&'a str]) -> Vec<GraphPicture<'a>> {
    let picture = |parameter| GraphPicture { parameter, name: "0af3.png", width: 97, height: 61, original: (97, 61) };
    parameters.iter().copied().map(picture).collect()
}

fn parameters(value: &Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}

/// The graph of a request for `outputs` outputs with seed 5.
fn built(workflow: WorkflowType, value: &Value, given: &[GraphPicture<'_>], outputs: u8) -> Result<Value, GraphError> {
    let parameters = parameters(value);
    build(&GraphRequest { workflow, parameters: &parameters, pictures: given, outputs, seed: 5, prefix: "r" })
}

fn resized(value: &Value) -> Value {
    built(WorkflowType::Resize, value, &pictures(&["input_image"]), 1).expect("a graph")
}

/// The inputs of the only nodes of a class.
fn inputs_of(graph: &Value, class: &str) -> Vec<Value> {
    let nodes = graph.as_object().expect("an object of nodes").values();
    nodes.filter(|node| node["class_type"] == class).map(|node| node["inputs"].clone()).collect()
}

fn classes(graph: &Value) -> Vec<&str> {
    let nodes = graph.as_object().expect("an object of nodes").values();
    nodes.map(|node| node["class_type"].as_str().expect("a class")).collect()
}

#[test]
fn every_template_is_sound() {
    assert_eq!(check_templates(), Ok(()));
}

#[test]
fn four_workflows_have_a_graph() {
    let with_graph: Vec<_> = CATALOGUE.iter().map(|workflow| workflow.kind).filter(|kind| kind.has_graph()).collect();
    let expected =
        [WorkflowType::ColorChange, WorkflowType::Upscale, WorkflowType::GraphicTransfer, WorkflowType::Resize];
    assert_eq!(with_graph, expected);
}

#[test]
fn a_stretch_is_four_nodes() {
    let graph = resized(&json!({"target_width": 64, "target_height": 4096, "fill_mode": "stretch"}));
    let expected = json!({
        "1": {"class_type": "LoadImage", "inputs": {"image": "0af3.png"}},
        "2": {"class_type": "JoinImageWithAlpha", "inputs": {"image": ["1", 0], "alpha": ["1", 1]}},
        "3": {"class_type": "ImageScale", "inputs": {
            "image": ["2", 0], "upscale_method": "lanczos", "width": 64, "height": 4096, "crop": "disabled",
        }},
        "104": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "r-1"}},
    });
    assert_eq!(graph, expected);
}

#[test]
fn without_a_fill_mode_the_aspect_decides() {
    let mut asked = json!({"target_width": 200, "target_height": 200, "maintain_aspect": true});
    assert!(classes(&resized(&asked)).contains(&"ImageCompositeMasked"));
    asked["maintain_aspect"] = json!(false);
    assert!(!classes(&resized(&asked)).contains(&"ImageCompositeMasked"));
    // A fill mode wins over it.
    asked["fill_mode"] = json!("letterbox");
    assert!(classes(&resized(&asked)).contains(&"ImageCompositeMasked"));
}

#[test]
fn a_letterbox_holds_the_whole_picture_in_its_middle() {
    let graph = resized(&json!({"target_width": 200, "target_height": 200, "fill_mode": "letterbox"}));
    let scaled = &inputs_of(&graph, "ImageScale")[0];
    assert_eq!((&scaled["width"], &scaled["height"]), (&json!(200), &json!(126)));
    let canvas = &inputs_of(&graph, "EmptyImage")[0];
    assert_eq!((&canvas["width"], &canvas["height"]), (&json!(200), &json!(200)));
    let laid = &inputs_of(&graph, "ImageCompositeMasked")[0];
    assert_eq!((&laid["x"], &laid["y"]), (&json!(0), &json!(37)));
}

#[test]
fn a_crop_takes_the_middle_in_the_new_proportions() {
    let graph = resized(&json!({"target_width": 200, "target_height": 200, "fill_mode": "crop"}));
    let part = &inputs_of(&graph, "ImageCrop")[0];
    let expected = json!({"image": ["2", 0], "width": 61, "height": 61, "x": 18, "y": 0});
    assert_eq!(*part, expected);
    // Proportions as far apart as they get leave a pixel of it.
    let graph = resized(&json!({"target_width": 64, "target_height": 4096, "fill_mode": "crop"}));
    let part = &inputs_of(&graph, "ImageCrop")[0];
    assert_eq!((&part["width"], &part["height"], &part["x"]), (&json!(1), &json!(61), &json!(48)));
}

#[test]
fn an_upscale_is_exact_and_bounded() {
    let given = |width, height| {
        [GraphPicture { parameter: "input_image", name: "a.png", width, height, original: (width, height) }]
    };
    for level in [2, 4, 8] {
        let asked = json!({"upscale_level": level, "denoise_strength": 0.25, "add_details": true});
        let graph = built(WorkflowType::Upscale, &asked, &given(97, 61), 1).expect("a graph");
        let scaled = &inputs_of(&graph, "ImageScale")[0];
        assert_eq!((&scaled["width"], &scaled["height"]), (&json!(97 * level), &json!(61 * level)));
        assert_eq!(inputs_of(&graph, "ImageBlend")[0]["blend_factor"], json!(0.25));
        assert_eq!(inputs_of(&graph, "ImageSharpen")[0]["sharpen_radius"], json!(level / 2));
    }
    let refused = |width, height, level| {
        built(WorkflowType::Upscale, &json!({"upscale_level": level}), &given(width, height), 1).expect_err("refused")
    };
    assert_eq!(refused(4097, 4096, 2), GraphError::OutputTooLarge { width: 8194, height: 8192 });
    assert_eq!(refused(2049, 10, 8), GraphError::OutputTooLarge { width: 16_392, height: 80 });
    assert_eq!(refused(97, 2, 2), GraphError::InputTooSmall { parameter: "input_image", side_min: 3 });
    assert_eq!(refused(97, 61, 3), GraphError::Parameter("upscale_level"));
}

#[test]
fn detail_is_added_to_colours_and_transparency_is_led_around_it() {
    let asked = json!({"upscale_level": 2, "add_details": true});
    let graph = built(WorkflowType::Upscale, &asked, &pictures(&["input_image"]), 1).expect("a graph");
    let linked = |class: &str, input: &str| inputs_of(&graph, class).pop().expect("one node")[input].clone();
    let scaled = linked("SplitImageWithAlpha", "image");
    assert_eq!(graph[scaled[0].as_str().expect("a node")]["class_type"], "ImageScale");
    assert_eq!(linked("ImageSharpen", "image"), json!(["6", 0]));
    assert_eq!(inputs_of(&graph, "JoinImageWithAlpha")[1], json!({"image": ["7", 0], "alpha": ["6", 1]}));
}

#[test]
fn an_upscale_of_what_was_scaled_down_to_be_sent_is_of_the_size_that_was_promised() {
    let sent = |width, height| {
        [GraphPicture { parameter: "input_image", name: "a.jpg", width, height, original: (1000, 600) }]
    };
    let asked = json!({"upscale_level": 8, "add_details": true});
    for ((width, height), radius) in [((1000, 600), 4), ((833, 500), 4), ((250, 150), 16), ((25, 15), 31)] {
        let graph = built(WorkflowType::Upscale, &asked, &sent(width, height), 1).expect("a graph");
        let scaled = &inputs_of(&graph, "ImageScale")[0];
        assert_eq!((&scaled["width"], &scaled["height"]), (&json!(8000), &json!(4800)), "{width}");
        assert_eq!(inputs_of(&graph, "ImageSharpen")[0]["sharpen_radius"], json!(radius), "{width}");
    }
}

#[test]
fn the_name_of_a_file_tells_which_output_it_is() {
    let graph = built(WorkflowType::ColorChange, &json!({"target_color": "#204060"}), &pictures(&["input_image"]), 3);
    let prefixes: Vec<_> = inputs_of(&graph.expect("a graph"), "SaveImage");
    for (number, save) in (1..).zip(prefixes) {
        let prefix = save["filename_prefix"].as_str().expect("a prefix");
        assert_eq!(output_number(&format!("{prefix}_00001_.png")), Some(number));
        assert_eq!(output_number(&format!("{prefix}_123456_.png")), Some(number));
    }
    for name in ["ComfyUI_00001_.png", "r-0_00001_.png", "r-5_00001_.png", "r-1.png", "r-1_00001_", "1_00001_.png", ""]
    {
        assert_eq!(output_number(name), None, "{name}");
    }
    assert_eq!(output_number("a-1-b-2_00001_.png"), Some(2));
}

#[test]
fn outputs_share_their_pictures_and_differ_in_strength_seed_and_name() {
    let asked = json!({"target_color": "#204060"});
    let graph = built(WorkflowType::ColorChange, &asked, &pictures(&["input_image", "mask"]), 4).expect("a graph");
    assert_eq!(inputs_of(&graph, "LoadImage").len(), 1);
    assert_eq!(inputs_of(&graph, "LoadImageMask").len(), 1);
    assert_eq!(inputs_of(&graph, "EmptyImage")[0]["color"], json!(0x20_40_60));
    let strengths: Vec<_> = (1..=4).map(|n| graph[format!("{n}16")]["inputs"]["blend_factor"].clone()).collect();
    assert_eq!(strengths, [json!(1.0), json!(0.85), json!(0.7), json!(0.55)]);
    let seeds: Vec<_> = (1..=4).map(|n| graph[format!("{n}14")]["inputs"]["seed"].as_i64()).collect();
    assert_eq!(seeds[0], Some(5));
    assert!(seeds.windows(2).all(|pair| pair[0] != pair[1]), "{seeds:?}");
    let names: Vec<_> = (1..=4).map(|n| graph[format!("{n}20")]["inputs"]["filename_prefix"].clone()).collect();
    assert_eq!(names, ["r-1", "r-2", "r-3", "r-4"]);
}

#[test]
fn texture_and_shadows_are_kept_or_left_out() {
    let shade = |texture: bool, shadows: bool| {
        let asked = json!({"target_color": "#FFFFFF", "preserve_texture": texture, "maintain_shadows": shadows});
        let graph = built(WorkflowType::ColorChange, &asked, &pictures(&["input_image"]), 1).expect("a graph");
        let size = (graph["11"]["inputs"]["width"].clone(), graph["11"]["inputs"]["height"].clone());
        (size, graph["115"]["inputs"]["blend_factor"].clone())
    };
    assert_eq!(shade(true, true), ((json!(97), json!(61)), json!(1.0)));
    assert_eq!(shade(true, false), ((json!(97), json!(61)), json!(0.5)));
    assert_eq!(shade(false, true), ((json!(7), json!(4)), json!(1.0)));
    assert_eq!(shade(false, false), ((json!(7), json!(4)), json!(0.0)));
}

#[test]
fn a_graphic_lies_where_it_was_put_and_blends_as_it_was_asked_to() {
    let given = [
        GraphPicture { parameter: "base_image", name: "b.jpg", width: 97, height: 61, original: (97, 61) },
        GraphPicture { parameter: "graphic_image", name: "g.png", width: 40, height: 20, original: (40, 20) },
    ];
    let mut asked = json!({"position": {"x": 0.0, "y": 0.5}, "scale": 2.0, "blend_mode": "overlay"});
    let graph = built(WorkflowType::GraphicTransfer, &asked, &given, 2).expect("a graph");
    let laid = &graph["111"]["inputs"];
    assert_eq!((&laid["x"], &laid["y"]), (&json!(0), &json!(11)));
    // Eighty pixels wide, of which the left half hangs over.
    assert_eq!(graph["4"]["inputs"]["x"], json!(20));
    assert_eq!(graph["6"]["inputs"]["width"], json!(40));
    assert_eq!(graph["10"]["inputs"]["color"], json!(0x80_8080));
    assert_eq!(graph["212"]["inputs"]["blend_mode"], json!("overlay"));
    asked["blend_mode"] = json!("multiply");
    let graph = built(WorkflowType::GraphicTransfer, &asked, &given, 1).expect("a graph");
    assert_eq!(graph["10"]["inputs"]["color"], json!(0xFF_FFFF));
    asked["blend_mode"] = json!("normal");
    let graph = built(WorkflowType::GraphicTransfer, &asked, &given, 1).expect("a graph");
    assert_eq!(inputs_of(&graph, "EmptyImage").len(), 0);
    for (name, wrong) in [("scale", json!(0.0)), ("scale", json!(101.0)), ("position", json!({"x": 2.0, "y": 0.0}))] {
        let mut asked = asked.clone();
        asked[name] = wrong;
        assert_eq!(built(WorkflowType::GraphicTransfer, &asked, &given, 1), Err(GraphError::Parameter(name)));
    }
}

#[test]
fn what_a_graph_cannot_do_is_not_built() {
    let asked = json!({"target_width": 64, "target_height": 64, "fill_mode": "content_aware"});
    let refused = built(WorkflowType::Resize, &asked, &pictures(&["input_image"]), 1).expect_err("refused");
    assert!(matches!(refused, GraphError::Refused { parameter: "fill_mode", .. }), "{refused:?}");
    let none = built(WorkflowType::Model, &json!({}), &[], 1);
    assert_eq!(none, Err(GraphError::Unavailable(WorkflowType::Model)));
}

#[test]
fn a_request_that_the_server_did_not_make_is_not_built() {
    let parameters = parameters(&json!({"target_width": 64, "target_height": 64, "fill_mode": "crop"}));
    let given = pictures(&["input_image"]);
    let sound = GraphRequest {
        workflow: WorkflowType::Resize,
        parameters: &parameters,
        pictures: &given,
        outputs: 1,
        seed: SEED_MAX,
        prefix: "r",
    };
    assert!(build(&sound).is_ok());
    assert_eq!(build(&GraphRequest { outputs: 0, ..sound }), Err(GraphError::Outputs(0)));
    assert_eq!(build(&GraphRequest { outputs: 5, ..sound }), Err(GraphError::Outputs(5)));
    assert_eq!(build(&GraphRequest { seed: -1, ..sound }), Err(GraphError::Seed(-1)));
    assert_eq!(build(&GraphRequest { seed: SEED_MAX + 1, ..sound }), Err(GraphError::Seed(SEED_MAX + 1)));
    assert_eq!(build(&GraphRequest { prefix: "../a", ..sound }), Err(GraphError::Prefix));
    assert_eq!(build(&GraphRequest { pictures: &[], ..sound }), Err(GraphError::Picture("input_image")));
    let named = [GraphPicture { name: "a.png [output]", ..given[0] }];
    assert_eq!(build(&GraphRequest { pictures: &named, ..sound }), Err(GraphError::Picture("input_image")));
    let empty = [GraphPicture { width: 0, ..given[0] }];
    assert_eq!(build(&GraphRequest { pictures: &empty, ..sound }), Err(GraphError::Picture("input_image")));
}
