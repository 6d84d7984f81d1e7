//! What pictures inside requests take of the program's memory.

use devstack::builders::request;
use devstack::client::Client;
use devstack::samples::{bad, base64};

use crate::harness::Stack;

#[tokio::test]
async fn a_hundred_bytes_do_not_take_half_a_gigabyte() {
    /// What pictures may take by the program's default.
    const GROWTH_BYTES_MAX: usize = 300_000_000;
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let process = stack.process(&[]).await;
    let client = Client::new(process.base.clone(), Some(stack.issuer.token(user.id))).unwrap();
    let body = request("resize").picture("input_image", base64(&bad::vast_webp())).build();
    let before = process.memory_peak();
    for answer in [client.quote(&body).await.unwrap(), client.generate(&body).await.unwrap()] {
        let refused = answer.expecting(422);
        assert_eq!(refused.body["errors"][0]["pointer"], "/input_data/input_image");
        let detail = refused.body["errors"][0]["detail"].as_str().unwrap();
        assert!(detail.contains("megapixels"), "{detail}");
    }
    let grown = process.memory_peak() - before;
    assert!(grown < GROWTH_BYTES_MAX, "{grown} bytes");
    assert_eq!(stack.count("generations").await, 0);
    stack.finish().await;
}
