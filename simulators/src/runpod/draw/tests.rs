use std::sync::Arc;

use serde_json::json;

use super::*;

fn draw(seed: u64, index: usize, pose: &str) -> Vec<u8> {
    let input = json!({"workflow_type": "model", "num_outputs": 2, "seed": seed, "width": 96, "height": 128,
        "input": {"gender": "female", "pose": pose, "age_range": "25-35", "ethnicity": "asian"}});
    let order = Order::read(&Arc::new(input), "job", (64, 64)).expect("valid");
    files(&order, index + 1).expect("it is drawn").swap_remove(index).bytes
}

#[test]
fn a_picture_has_the_size_asked_for_and_repeats_with_its_seed() {
    let drawn = draw(1, 0, "standing");
    let read = image::load_from_memory_with_format(&drawn, ImageFormat::Png).expect("a PNG");
    assert_eq!((read.width(), read.height()), (96, 128));
    assert_eq!(drawn, draw(1, 0, "standing"));
}

#[test]
fn seed_index_and_parameters_each_change_the_picture() {
    let drawn = draw(1, 0, "standing");
    for other in [draw(2, 0, "standing"), draw(1, 1, "standing"), draw(1, 0, "walking")] {
        assert_ne!(drawn, other);
    }
}
