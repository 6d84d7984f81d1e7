//! What RunPod is told of the trace that a call belongs to.

use std::collections::BTreeMap;

use shared::config::RunPodSettings;
use shared::runpod::{ProviderJobId, RunPod};
use shared::telemetry::TraceContext;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{ENDPOINT, submission};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// The `traceparent` of the next request, which is refused.
async fn header(listener: &TcpListener) -> Option<String> {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        stream.read_buf(&mut head).await.unwrap();
    }
    stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.unwrap();
    let head = String::from_utf8_lossy(&head);
    let found = head.lines().find_map(|line| line.strip_prefix("traceparent: "));
    found.map(str::to_owned)
}

#[tokio::test]
async fn each_call_to_its_api_is_a_span_of_its_own_in_the_requests_trace() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api_url = format!("http://{}", listener.local_addr().unwrap());
    let client = RunPod::new(&RunPodSettings {
        api_url: api_url.parse().unwrap(),
        api_key: "key".to_owned().into(),
        endpoint_default: ENDPOINT.to_owned(),
        endpoints: BTreeMap::new(),
        dialects: BTreeMap::new(),
        cold_start: std::time::Duration::ZERO,
        output_hosts: vec!["127.0.0.1".to_owned()],
    })
    .unwrap();
    let traced = client.within(TraceContext::parse(TRACE));
    let (id, job) = (ProviderJobId::parse("job-1").unwrap(), submission(1));
    let mut seen = vec![TRACE.to_owned()];
    let sent = [
        tokio::join!(async { drop(traced.run(ENDPOINT, &job).await) }, header(&listener)).1,
        tokio::join!(async { drop(traced.status(ENDPOINT, &id).await) }, header(&listener)).1,
        tokio::join!(async { drop(traced.cancel(ENDPOINT, &id).await) }, header(&listener)).1,
    ];
    for sent in sent.map(Option::unwrap) {
        assert!(sent.starts_with(&TRACE[..36]) && sent.ends_with("-01") && !seen.contains(&sent), "{sent}");
        seen.push(sent);
    }
    let output = format!("{api_url}/output.png").parse().unwrap();
    let fetched = tokio::join!(async { drop(traced.fetch(&output).await) }, header(&listener)).1;
    let untraced = tokio::join!(async { drop(client.status(ENDPOINT, &id).await) }, header(&listener)).1;
    assert_eq!((fetched, untraced), (None, None), "whoever holds outputs is told nothing");
}
