//! What is sent to Supabase Storage, and what its odder answers come to.

use std::time::Duration;

use bytes::Bytes;
use secrecy::SecretString;
use shared::config::Supabase;
use shared::images::{ImageStore, StoreError, SupabaseStore};
use url::Url;

use super::scripted::Scripted;

const LEGACY_KEY: &str = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJl";
const HOUR: Duration = Duration::from_secs(3600);
const MADE: (&str, &str) = ("200 OK", r#"{"name":"generations"}"#);
const STORED: (&str, &str) = ("200 OK", r#"{"Key":"generations/u/1.png","Id":"x"}"#);

fn store(url: &Url, key: &str) -> SupabaseStore {
    let settings = Supabase {
        url: url.clone(),
        service_key: SecretString::from(key),
        jwt_secret: None,
        jwt_issuer: String::new(),
    };
    SupabaseStore::new(&settings, "generations").expect("a client")
}

async fn server(answers: &[(&'static str, &str)]) -> Scripted {
    Scripted::start(answers.iter().map(|(status, body)| (*status, (*body).to_owned())).collect()).await
}

async fn get(answers: &[(&'static str, &str)]) -> (Result<Bytes, StoreError>, usize) {
    let server = server(answers).await;
    let result = store(&server.url, LEGACY_KEY).get("u/1.png").await;
    (result, server.asked().len())
}

async fn put(server: &Scripted) -> Result<(), StoreError> {
    store(&server.url, LEGACY_KEY).put("u/1.png", Bytes::from_static(b"one"), "image/png").await
}

#[tokio::test]
async fn a_legacy_key_goes_into_both_headers_and_a_secret_key_never_into_authorization() {
    let server = server(&[("200 OK", "one"), ("200 OK", "one")]).await;
    store(&server.url, LEGACY_KEY).get("u/1.png").await.expect("reads");
    store(&server.url, "sb_secret_abc").get("u/1.png").await.expect("reads");
    let asked = server.asked();
    let bearer = format!("Bearer {LEGACY_KEY}");
    assert_eq!(asked[0].header("apikey"), Some(LEGACY_KEY));
    assert_eq!(asked[0].header("authorization"), Some(bearer.as_str()));
    assert_eq!(asked[1].header("apikey"), Some("sb_secret_abc"));
    assert_eq!(asked[1].header("authorization"), None);
    // A secret key from what looks like a browser is refused.
    assert!(asked.iter().all(|asked| asked.header("user-agent").is_some_and(|agent| agent.starts_with("shootx/"))));
}

#[tokio::test]
async fn the_first_put_makes_the_private_bucket_and_the_second_does_not() {
    let server = server(&[MADE, STORED, STORED]).await;
    let store = store(&server.url, LEGACY_KEY);
    for _ in 0..2 {
        store.put("u/1.png", Bytes::from_static(b"one"), "image/png").await.expect("stores");
    }
    let asked = server.asked();
    let lines: Vec<&str> = asked.iter().map(|asked| asked.line.as_str()).collect();
    let object = "POST /storage/v1/object/generations/u/1.png";
    assert_eq!(lines, ["POST /storage/v1/bucket", object, object]);
    assert!(asked[0].body.contains(r#""public":false"#), "{}", asked[0].body);
    assert_eq!(asked[1].header("x-upsert"), Some("true"));
    assert_eq!(asked[1].header("content-type"), Some("image/png"));
    assert!(asked[1].header("cache-control").is_some());
    assert_eq!(asked[1].body, "one");
}

#[tokio::test]
async fn a_bucket_that_exists_is_made_private() {
    let exists = r#"{"statusCode":"409","error":"Duplicate","message":"x","code":"BucketAlreadyExists"}"#;
    let server =
        server(&[("400 Bad Request", exists), ("200 OK", r#"{"message":"Successfully updated"}"#), STORED]).await;
    put(&server).await.expect("stores");
    let asked = server.asked();
    assert_eq!(asked[1].line, "PUT /storage/v1/bucket/generations");
    assert_eq!(asked[1].body, r#"{"public":false}"#);
}

#[tokio::test]
async fn what_passes_is_tried_again_at_most_three_times() {
    let slow = ("429 Too Many Requests", r#"{"statusCode":"429","error":"too_many_connections","code":"SlowDown"}"#);
    let busy = ("400 Bad Request", r#"{"statusCode":"544","error":"x","message":"x","code":"DatabaseTimeout"}"#);
    let page = ("502 Bad Gateway", "<html>bad gateway</html>");
    let (result, calls) = get(&[slow, busy, ("200 OK", "one"), ("200 OK", "two")]).await;
    assert_eq!((result.expect("reads"), calls), (Bytes::from_static(b"one"), 3));
    for passing in [slow, busy, page] {
        let (result, calls) = get(&[passing, passing, passing, ("200 OK", "late")]).await;
        assert!(matches!(result, Err(StoreError::Unavailable { .. })), "{result:?}");
        assert_eq!(calls, 3);
    }
    // Nothing prepared: the server hangs up.
    let (result, calls) = get(&[]).await;
    assert!(matches!(result, Err(StoreError::Unavailable { .. })), "{result:?}");
    assert_eq!(calls, 3);
}

#[tokio::test]
async fn what_stays_is_not_tried_again() {
    for (status, body) in [
        ("400 Bad Request", r#"{"statusCode":"403","error":"Unauthorized","message":"x","code":"AccessDenied"}"#),
        ("400 Bad Request", r#"{"statusCode":"404","error":"Bucket not found","message":"x","code":"NoSuchBucket"}"#),
        ("404 Not Found", r#"{"message":"Route GET:/x not found","error":"Not Found","statusCode":404}"#),
        ("401 Unauthorized", r#"{"message":"Invalid API key"}"#),
        ("302 Found", ""),
    ] {
        let (result, calls) = get(&[(status, body), ("200 OK", "late")]).await;
        let is_final = match &result {
            Err(StoreError::Misconfigured { .. }) => !body.is_empty(),
            Err(StoreError::Rejected { .. }) => body.is_empty(),
            _ => false,
        };
        assert!(is_final, "{body} {result:?}");
        assert_eq!(calls, 1, "{body}");
    }
    let missing = r#"{"statusCode":"404","error":"not_found","message":"Object not found","code":"NoSuchKey"}"#;
    let (result, calls) = get(&[("400 Bad Request", missing), ("200 OK", "late")]).await;
    assert!(matches!(result, Err(StoreError::NotFound)), "{result:?}");
    assert_eq!(calls, 1);
}

#[tokio::test]
async fn a_friendly_page_is_no_answer() {
    let page = ("200 OK", "<html>be back soon</html>");
    let server = server(&[MADE, page, page, STORED]).await;
    put(&server).await.expect("stores at the third try");
    assert_eq!(server.asked().len(), 4);
}

#[tokio::test]
async fn no_body_is_read_without_bound() {
    let endless = "x".repeat(shared::images::BYTES_MAX + 1);
    let (result, calls) = get(&[("200 OK", &endless)]).await;
    assert!(matches!(result, Err(StoreError::TooLarge)), "{result:?}");
    assert_eq!(calls, 1);
    let (result, _) = get(&[("400 Bad Request", &endless)]).await;
    assert!(matches!(result, Err(StoreError::Rejected { .. })), "{result:?}");
}

#[tokio::test]
async fn a_link_is_built_of_our_path_and_the_stores_token() {
    let answer = r#"[{"error":null,"path":"u/a b.png","signedURL":"/object/sign/generations/u/a b.png?token=x.y.z"},
        {"error":"Either the object does not exist or you do not have access to it","path":"u/2.png","signedURL":null}]"#;
    let server = server(&[("200 OK", answer)]).await;
    let paths = ["u/2.png", "u/a b.png", "u/unmentioned.png"].map(str::to_owned);
    let links = store(&server.url, LEGACY_KEY).sign(&paths, HOUR).await.expect("signs");
    let expected = server.url.join("/storage/v1/object/sign/generations/u/a%20b.png?token=x.y.z").expect("a URL");
    assert_eq!(links, [None, Some(expected), None]);
    let asked = &server.asked()[0];
    assert_eq!(asked.line, "POST /storage/v1/object/sign/generations");
    assert!(asked.body.contains(r#""expiresIn":3600"#), "{}", asked.body);
}

#[tokio::test]
async fn errors_name_neither_key_nor_path() {
    let server = server(&[]).await;
    let error = store(&server.url, LEGACY_KEY).get("someone/secret.png").await.expect_err("nobody answers");
    let text = format!("{error} {error:?}");
    assert!(!text.contains("secret.png") && !text.contains("eyJ"), "{text}");
}
