//! Every workflow, from the request of [`devstack::builders`] to its outputs.

use devstack::builders::request;
use devstack::test_stack::{TestStack, TestUser};
use shared::images::inspect;
use shared::workflow::{CATALOGUE, Dialect, OutputFormat, Workflow};

/// Runs the workflow and checks what it delivers; answers the sizes.
async fn delivered(stack: &TestStack, user: &TestUser, workflow: &Workflow, format: OutputFormat) -> Vec<(u32, u32)> {
    let body = request(workflow.kind.as_str()).format(format.as_str()).build();
    let id = user.generate(&body).await.expect("an answer").expecting(202).generation_id();
    let seen = stack.finish(user, id).await;
    assert_eq!(seen["status"], "completed", "{}: {seen}", workflow.kind);
    let links = seen["image_urls"].as_array().expect("links");
    assert_eq!(links.len(), usize::from(workflow.outputs_default), "{}", workflow.kind);
    let mut files = Vec::new();
    for link in links {
        files.push(user.download(link.as_str().expect("a text")).await.expect("the link works"));
    }
    let sizes = files.iter().map(|file| inspect(file).expect("a whole file"));
    let sizes = sizes.inspect(|found| assert_eq!(found.format, format, "{}", workflow.kind));
    let sizes = sizes.map(|found| (found.width, found.height)).collect();
    files.sort();
    files.dedup();
    assert_eq!(files.len(), links.len(), "{}: no two outputs are equal", workflow.kind);
    sizes
}

#[tokio::test]
async fn every_workflow_delivers_from_a_product_endpoint() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    for workflow in CATALOGUE {
        let sizes = delivered(&stack, &user, workflow, workflow.format_default()).await;
        match workflow.kind.as_str() {
            "resize" => assert_eq!(sizes, [(320, 180)]),
            "upscale" => assert_eq!(sizes, [(384, 384)]),
            _ => assert!(sizes.iter().all(|(width, height)| *width > 0 && *height > 0)),
        }
    }
    stack.reconcile().await;
}

#[tokio::test]
async fn every_workflow_with_a_graph_delivers_from_a_comfyui() {
    let stack = TestStack::builder().graphs().start().await;
    let user = stack.user().await;
    for workflow in CATALOGUE.iter().filter(|workflow| workflow.kind.speaks(Dialect::WorkerComfyui)) {
        let sizes = delivered(&stack, &user, workflow, OutputFormat::Png).await;
        let expected = match workflow.kind.as_str() {
            "resize" => (320, 180),
            "upscale" => (384, 384),
            _ => (192, 192),
        };
        assert!(sizes.iter().all(|size| *size == expected), "{}: {sizes:?}", workflow.kind);
    }
    stack.reconcile().await;
}
