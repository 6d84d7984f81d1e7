//! Uploads as browsers send them: a form, whose first file counts.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answered, Files, http, refused, with_bucket};

const BOUNDARY: &str = "----a boundary";
const FILE: &str = "Content-Disposition: form-data; name=\"\"; filename=\"blob\"\r\nContent-Type: image/png";

fn field(name: &str) -> String {
    format!("Content-Disposition: form-data; name=\"{name}\"")
}

/// A form of parts, each with its head and its content.
fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut form = Vec::new();
    for (head, content) in parts {
        form.extend(format!("--{BOUNDARY}\r\n{head}\r\n\r\n").bytes());
        form.extend(*content);
        form.extend(b"\r\n");
    }
    form.extend(format!("--{BOUNDARY}--\r\n").bytes());
    form
}

async fn send(files: &Files, path: &str, body: Vec<u8>) -> Answered {
    let kind = format!("multipart/form-data; boundary=\"{BOUNDARY}\"");
    files.send(files.request(Method::POST, path).header("content-type", kind).body(body)).await
}

#[tokio::test]
async fn a_form_brings_a_file_and_what_is_said_of_it() {
    let sim = with_bucket().await;
    let files = Files::of(&sim);
    let content = b"first\r\n------another boundary\r\n\r\nlast\r\n";
    let (age, about) = (field("cacheControl"), field("metadata"));
    let whole = form(&[(&age, b"3600"), (&about, b"{\"from\": \"a form\"}"), (FILE, content)]);
    let made = send(&files, "object/pictures/a.png", whole).await;
    assert_eq!((made.status, &made.body["Key"]), (200, &json!("pictures/a.png")));
    assert_eq!(sim.object("pictures", "a.png").unwrap().as_ref(), content);
    let info = files.get("object/info/pictures/a.png").await.body;
    assert_eq!((&info["content_type"], &info["cache_control"]), (&json!("image/png"), &json!("max-age=3600")));
    assert_eq!(info["metadata"], json!({"from": "a form"}));

    files
        .json(
            Method::POST,
            "object/copy",
            &json!({"bucketId": "pictures", "sourceKey": "a.png", "destinationKey": "b.png"}),
        )
        .await;
    assert_eq!(files.get("object/info/pictures/b.png").await.body["metadata"], json!({"from": "a form"}));
}

#[tokio::test]
async fn what_follows_the_file_comes_too_late() {
    let sim = with_bucket().await;
    let files = Files::of(&sim);
    let age = field("cacheControl");
    let made = send(&files, "object/pictures/a.png", form(&[(FILE, b"first"), (&age, b"9"), (FILE, b"second")])).await;
    assert_eq!(made.status, 200);
    assert_eq!(sim.object("pictures", "a.png").unwrap().as_ref(), b"first");
    assert_eq!(files.get("object/info/pictures/a.png").await.body["cache_control"], "no-cache");
}

#[tokio::test]
async fn a_form_that_brings_no_file_is_refused() {
    let sim = with_bucket().await;
    let files = Files::of(&sim);
    let age = field("cacheControl");
    let many: Vec<(&str, &[u8])> = vec![(&age, b"1"); 20];
    let whole = form(&[(FILE, b"content")]);
    let cut = whole[..whole.len() - 20].to_vec();
    for body in [form(&[]), form(&[(&age, b"1")]), form(&many), cut, b"no form".to_vec(), Vec::new()] {
        let answer = send(&files, "object/pictures/a.png", body).await;
        refused(&answer, 400, "400", "InvalidRequest");
        assert_eq!(answer.body["message"], "No content provided");
    }
    let request = files.request(Method::POST, "object/pictures/a.png").header("content-type", "multipart/form-data");
    refused(&files.send(request.body("x")).await, 400, "400", "InvalidRequest");
    assert!(sim.objects().is_empty());
}

#[tokio::test]
async fn a_form_is_held_to_the_limits_of_its_bucket() {
    let sim = with_bucket().await;
    let files = Files::of(&sim);
    let limit = 1_048_576;
    let answer = send(&files, "object/pictures/large.png", form(&[(FILE, &vec![0; limit + 1])])).await;
    refused(&answer, 400, "413", "EntityTooLarge");
    assert_eq!(send(&files, "object/pictures/largest.png", form(&[(FILE, &vec![0; limit])])).await.status, 200);
    let about = field("metadata");
    let answer = send(&files, "object/pictures/a.png", form(&[(&about, &vec![b' '; limit + 1]), (FILE, b"x")])).await;
    refused(&answer, 400, "413", "EntityTooLarge");
    let text = FILE.replace("image/png", "text/plain");
    let answer = send(&files, "object/pictures/a.png", form(&[(&text, b"x")])).await;
    refused(&answer, 400, "415", "InvalidMimeType");
    assert_eq!(answer.body["message"], "mime type text/plain is not supported");
    refused(&send(&files, "object/nowhere/a.png", form(&[(FILE, b"x")])).await, 400, "404", "NoSuchBucket");
}

#[tokio::test]
async fn a_form_goes_up_by_link_and_replaces_only_if_the_link_says_so() {
    let sim = with_bucket().await;
    let files = Files::of(&sim);
    let kind = format!("multipart/form-data; boundary=\"{BOUNDARY}\"");
    let link = async |upsert: &str| {
        let request = files.request(Method::POST, "object/upload/sign/pictures/up.png").header("x-upsert", upsert);
        let signed = files.send(request.json(&json!({}))).await.body;
        format!("{}/storage/v1{}", sim.url(), signed["url"].as_str().unwrap())
    };
    let put = async |url: &str, content: &[u8]| {
        let request = http().put(url).header("content-type", &kind).body(form(&[(FILE, content)]));
        request.send().await.unwrap().json::<Value>().await.unwrap()
    };
    let (once, often) = (link("false").await, link("true").await);
    assert_eq!(put(&once, b"first").await, json!({"Key": "pictures/up.png"}));
    assert_eq!(put(&once, b"second").await["code"], "KeyAlreadyExists");
    assert_eq!(put(&often, b"third").await, json!({"Key": "pictures/up.png"}));
    assert_eq!(sim.object("pictures", "up.png").unwrap().as_ref(), b"third");
}
