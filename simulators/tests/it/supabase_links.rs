//! Signed links, for reading and for uploading.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Files, get, http, refused, with_bucket};

#[tokio::test]
async fn a_link_opens_one_object_until_it_expires() {
    let sim = with_bucket().await;
    let files = Files::of(&sim);
    files.upload("pictures/u1/a.png", b"bytes").await;
    files.upload("pictures/u1/b.png", b"other").await;
    let signed = files.json(Method::POST, "object/sign/pictures/u1/a.png", &json!({"expiresIn": 60})).await;
    let link = signed.body["signedURL"].as_str().unwrap();
    assert!(link.starts_with("/object/sign/pictures/u1/a.png?token="), "relative: {link}");
    let open = |link: String| get(format!("{}/storage/v1{link}", sim.url()));
    let answer = open(link.to_owned()).await.unwrap();
    assert!(answer.headers().contains_key("expires") && !answer.headers().contains_key("cache-control"));
    assert_eq!(answer.text().await.unwrap(), "bytes");
    let named = open(format!("{link}&download=pic.png")).await.unwrap();
    assert_eq!(named.headers()["content-disposition"], "attachment; filename=pic.png; filename*=UTF-8''pic.png");

    let code = |answer: reqwest::Response| async move { answer.json::<Value>().await.unwrap()["code"].clone() };
    assert_eq!(code(open(link.replace("/a.png", "/b.png")).await.unwrap()).await, "InvalidSignature");
    assert_eq!(code(open(link.replace("token=e", "token=f")).await.unwrap()).await, "InvalidJWT");
    assert_eq!(code(open("/object/sign/pictures/u1/a.png".to_owned()).await.unwrap()).await, "InvalidRequest");
    files.json(Method::DELETE, "object/pictures/u1/a.png", &json!({})).await;
    assert_eq!(code(open(link.to_owned()).await.unwrap()).await, "NoSuchKey");
    sim.advance(std::time::Duration::from_secs(60));
    assert_eq!(code(open(link.to_owned()).await.unwrap()).await, "InvalidJWT");
}

#[tokio::test]
async fn many_are_signed_at_once_and_missing_ones_are_told_apart() {
    let sim = with_bucket().await;
    let files = Files::of(&sim);
    files.upload("pictures/a.png", b"x").await;
    let body = json!({"expiresIn": "60", "paths": ["a.png", "missing.png"]});
    let signed = files.json(Method::POST, "object/sign/pictures", &body).await;
    assert_eq!(signed.status, 200);
    assert!(signed.body[0]["signedURL"].is_string() && signed.body[0]["error"].is_null());
    assert_eq!((&signed.body[1]["path"], &signed.body[1]["signedURL"]), (&json!("missing.png"), &Value::Null));
    assert_eq!(signed.body[1]["error"], "Either the object does not exist or you do not have access to it");

    refused(
        &files.json(Method::POST, "object/sign/pictures/no.png", &json!({"expiresIn": 60})).await,
        400,
        "404",
        "NoSuchKey",
    );
    let paths: Vec<String> = (0..1_001).map(|n| format!("{n}.png")).collect();
    for (path, body, message) in [
        ("object/sign/pictures/a.png", json!({"expiresIn": 0}), "body/expiresIn must be >= 1"),
        ("object/sign/pictures/a.png", json!({}), "body must have required property 'expiresIn'"),
        (
            "object/sign/pictures",
            json!({"expiresIn": 60, "paths": paths}),
            "body/paths must NOT have more than 1000 items",
        ),
    ] {
        let answer = files.json(Method::POST, path, &body).await;
        refused(&answer, 400, "400", "InvalidRequest");
        assert_eq!(answer.body["message"], message);
    }
}

#[tokio::test]
async fn an_upload_link_serves_once() {
    let sim = with_bucket().await;
    let files = Files::of(&sim);
    let link = files.json(Method::POST, "object/upload/sign/pictures/up.png", &json!({})).await.body["url"].clone();
    let url = format!("{}/storage/v1{}", sim.url(), link.as_str().unwrap());
    let put = || http().put(&url).header("content-type", "image/png").body("x").send();
    assert_eq!(put().await.unwrap().json::<Value>().await.unwrap(), json!({"Key": "pictures/up.png"}));
    assert_eq!(put().await.unwrap().json::<Value>().await.unwrap()["code"], "KeyAlreadyExists");
}
