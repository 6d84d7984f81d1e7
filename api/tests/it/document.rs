//! `openapi.yaml` is what the code says, and is served with a page to read it by.

use serde_json::Value;

use crate::harness::Stack;

const COMMITTED: &str = include_str!("../../../openapi.yaml");

#[test]
fn the_committed_document_is_the_codes_own() {
    assert!(COMMITTED == shootx_api::document(), "openapi.yaml is stale: run `make openapi`");
}

#[tokio::test]
async fn the_document_is_served_in_both_forms() {
    let stack = Stack::start().await;
    let reader = stack.client(None);
    let yaml = reader.get("/openapi.yaml").await.unwrap().expecting(200);
    assert_eq!(yaml.body, Value::String(COMMITTED.to_owned()));
    let json = reader.get("/openapi.json").await.unwrap().expecting(200);
    let paths: Vec<_> = json.body["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    for path in [
        "/api/v1/generate",
        "/api/v1/quotes",
        "/api/v1/status/{generation_id}",
        "/api/v1/webhook/comfyui",
        "/api/v1/credits",
        "/api/v1/workflows",
        "/api/v1/generations",
        "/api/v1/generations/{generation_id}/cancel",
        "/livez",
        "/readyz",
    ] {
        assert!(paths.contains(&path), "{path}");
    }
    stack.finish().await;
}

#[tokio::test]
async fn the_page_brings_all_it_needs() {
    let stack = Stack::start().await;
    let page = stack.client(None).get("/docs").await.unwrap().expecting(200);
    assert!(page.header("content-type").starts_with("text/html"));
    let text = page.body.as_str().unwrap();
    assert!(text.contains("SwaggerUIBundle") && text.contains("create_generation"));
    // What is served beside it, not what poem-openapi wrote before it was completed.
    assert!(text.contains("\"additionalProperties\": false"));
    for fetched in ["<script src", "<link ", "@import url(\"http", "url(http"] {
        assert!(!text.contains(fetched), "{fetched}");
    }
    stack.finish().await;
}
