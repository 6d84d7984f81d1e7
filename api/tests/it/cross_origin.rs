//! Which web pages may read the answers.

use devstack::client::Answer;
use reqwest::Method;

use crate::harness::Stack;

const OURS: &str = "https://app.example.com";
const THEIRS: &str = "https://evil.example.com";

async fn ask(stack: &Stack, method: Method, origin: &str) -> Answer {
    let page = stack.client(None);
    let request = page.request(method, "/api/v1/generate").header("Origin", origin);
    let request = request.header("Access-Control-Request-Method", "POST");
    page.send(request.header("Access-Control-Request-Headers", "authorization,content-type,idempotency-key"))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_listed_page_may_send_and_read() {
    let stack = Stack::with(&[("CORS_ORIGINS", OURS)]).await;
    let preflight = ask(&stack, Method::OPTIONS, OURS).await.expecting(204);
    assert_eq!(preflight.header("access-control-allow-origin"), OURS);
    for header in ["Idempotency-Key", "X-Request-Id", "traceparent"] {
        assert!(preflight.header("access-control-allow-headers").contains(header), "{header}");
    }
    assert!(preflight.header("access-control-allow-methods").contains("POST"));
    let answer = ask(&stack, Method::POST, OURS).await.expecting(401);
    assert_eq!(answer.header("access-control-allow-origin"), OURS);
    assert!(answer.header("access-control-expose-headers").contains("Location"));
    assert_eq!(answer.header("vary"), "Origin");
    stack.finish().await;
}

#[tokio::test]
async fn other_pages_may_not() {
    for origins in ["", OURS] {
        let stack = Stack::with(&[("CORS_ORIGINS", origins)]).await;
        for method in [Method::OPTIONS, Method::POST] {
            let answer = ask(&stack, method, THEIRS).await;
            assert_eq!(answer.header("access-control-allow-origin"), "");
            assert!(answer.status.is_client_error());
        }
        stack.finish().await;
    }
}
