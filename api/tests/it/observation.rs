//! What is seen from outside: counts that match the rows, and log lines that betray nothing.

use devstack::builders::{self, model};
use devstack::log_lines::LogLines;
use devstack::samples::{Sample, bad, base64};
use image::ImageFormat;
use metrics_exporter_prometheus::PrometheusBuilder;
use reqwest::Method;
use serde_json::Value;

use crate::harness::{Answered, Stack};

/// The access lines of one request.
fn answered(lines: &LogLines, request_id: &str) -> Vec<Value> {
    let text = lines.text();
    let parsed = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    parsed.filter(|line| line["span"]["request_id"] == request_id && line["message"] == "answered").collect()
}

#[tokio::test]
async fn a_request_leaves_one_line_without_body_token_or_query() {
    let lines = LogLines::default();
    // For the whole program, because the tests beside this one share its callsites: only what names this request counts.
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_env_filter("shootx_api=trace,shared=trace")
        .with_writer(lines.clone())
        .init();
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let token = stack.issuer.token(user.id);
    let client = stack.client(Some(token.clone()));
    let request = client.request(Method::POST, "/api/v1/generate?key=in-the-query").header("X-Request-Id", "req-1");
    let request = request.header("Idempotency-Key", "a-key-of-mine");
    client.send(request.json(&model().prompt("a secret garden").build())).await.unwrap().answered(202);

    let answered = answered(&lines, "req-1");
    assert_eq!(answered.len(), 1, "{answered:?}");
    let line = &answered[0];
    assert_eq!((&line["method"], &line["route"]), (&"POST".into(), &"/api/v1/generate".into()));
    assert_eq!((&line["status"], &line["user_id"]), (&202.into(), &user.id.to_string().into()));
    assert!(line["bytes_in"].as_u64() > Some(100) && line["bytes_out"].as_u64() > Some(100), "{line}");
    assert!(line["duration_ms"].is_u64(), "{line}");

    // Pictures: one is stored, one is damaged, one is not there, one is elsewhere, one lies.
    let file = base64(&Sample::Mug.file(32, ImageFormat::Png));
    let lies = format!("data:image/lies;base64,{file}");
    let absent = format!("{}/uploads/holiday.png", user.id);
    let elsewhere = "https://elsewhere.example.com/mug.png?token=signed";
    let damaged = base64(&bad::truncated(ImageFormat::Png));
    for (picture, status) in [(&file[..], 202), (elsewhere, 202), (&lies, 422), (&absent, 422), (&damaged, 422)] {
        client
            .generate(&builders::request("resize").picture("input_image", picture).build())
            .await
            .unwrap()
            .answered(status);
    }

    let text = lines.text();
    let signature = token.rsplit('.').next().unwrap();
    let pictures = [&file[20..60], &damaged[60..100], "image/lies", "holiday", "elsewhere", "/inputs/"];
    for secret in [&["secret garden", "in-the-query", "a-key-of-mine", signature], &pictures[..]].concat() {
        assert!(!text.contains(secret), "{secret}");
    }
    stack.finish().await;
}

#[tokio::test]
async fn counts_are_what_happened_and_routes_are_those_of_the_document() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let page = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    stack.leave_credits(&user, 3).await;
    let id = user.client.generate_once("key", &model().build()).await.unwrap().expecting(202).generation_id();
    user.client.generate_once("key", &model().build()).await.unwrap().answered(202);
    user.client.generate(&model().build()).await.unwrap().answered(402);
    user.client.status(id).await.unwrap().answered(200);
    user.client.get("/made/up/path").await.unwrap().answered(404);
    let webhook = user.client.request(Method::POST, "/api/v1/webhook/comfyui?g=1");
    user.client.send(webhook).await.unwrap().answered(401);
    let text = page.render();
    for line in [
        r#"shootx_accepts_total{outcome="accepted"} 1"#,
        r#"shootx_accepts_total{outcome="replayed"} 1"#,
        r#"shootx_accepts_total{outcome="insufficient-credits"} 1"#,
        r#"shootx_webhooks_total{outcome="refused"} 1"#,
        r#"shootx_http_requests_total{route="/api/v1/status/{generation_id}",method="GET",status="200"} 1"#,
        r#"shootx_http_requests_total{route="none",method="GET",status="404"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    stack.finish().await;
}
