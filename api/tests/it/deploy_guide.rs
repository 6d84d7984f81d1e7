//! What deploy/README.md has its reader send is taken.

use serde_json::Value;

use crate::harness::{Answered, Stack};

const GUIDE: &str = include_str!("../../../deploy/README.md");

#[tokio::test]
async fn the_first_request_of_the_guide_is_accepted_and_can_be_looked_at() {
    let body = GUIDE.lines().find_map(|line| {
        line.trim().strip_prefix("-d '")?.strip_suffix('\'').filter(|body| body.contains("workflow_type"))
    });
    let body: Value = serde_json::from_str(body.expect("a request")).unwrap();
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let accepted = user.client.generate(&body).await.unwrap().expecting(202);
    user.client.status(accepted.generation_id()).await.unwrap().answered(200);
    for (method, path) in [("GET", "/readyz"), ("POST", "/api/v1/generate"), ("GET", "/api/v1/status/")] {
        assert!(GUIDE.contains(&format!("\"$PUBLIC_URL{path}")), "the guide no longer has {method} {path}");
    }
    user.client.get("/readyz").await.unwrap().answered(200);
    stack.finish().await;
}
