//! The input of a worker-comfyui endpoint. Pure.

use serde_json::{Value, json};

/// What a worker-comfyui endpoint is sent as its RunPod `input`: a graph, and the files it loads as name and base64.
#[must_use]
pub fn comfy_input(graph: Value, pictures: impl Iterator<Item = (String, String)>) -> Value {
    let pictures: Vec<_> = pictures.map(|(name, image)| json!({"name": name, "image": image})).collect();
    let mut input = json!({ "workflow": graph });
    if !pictures.is_empty() {
        input["images"] = Value::Array(pictures);
    }
    input
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::comfy_input;

    #[test]
    fn the_input_carries_the_graph_and_the_files_it_loads() {
        let files = [("a.png".to_owned(), "aGk=".to_owned())];
        let expected = json!({"workflow": {"1": {}}, "images": [{"name": "a.png", "image": "aGk="}]});
        assert_eq!(comfy_input(json!({"1": {}}), files.into_iter()), expected);
        assert_eq!(comfy_input(json!({}), [].into_iter()), json!({"workflow": {}}));
    }
}
