//! Supabase Storage on a bad day: what fails on the way, and what is as it should be afterwards.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use secrecy::SecretString;
use shared::config::Supabase;
use shared::images::{ImageStore, StoreError, SupabaseStore};
use simulators::supabase::{BadToken, StorageFault};
use simulators::{HttpFault, Operation, SupabaseFault, SupabaseHandle};
use uuid::Uuid;

use super::subject::{BUCKET, simulator, supabase};

const HOUR: Duration = Duration::from_secs(3600);
const PATH: &str = "u/g/1.png";

async fn stocked(project: &SupabaseHandle) -> SupabaseStore {
    let store = supabase(project, project.service_key());
    store.put(PATH, Bytes::from_static(b"one"), "image/png").await.expect("stores");
    store
}

fn passing() -> Vec<SupabaseFault> {
    vec![
        StorageFault::SlowDown.into(),
        StorageFault::InternalError.into(),
        StorageFault::DatabaseTimeout.into(),
        StorageFault::ResourceLocked.into(),
        HttpFault::TooManyRequests { retry_after_s: None }.into(),
        HttpFault::ServerError { status: 503 }.into(),
        HttpFault::ConnectionAborted.into(),
        HttpFault::AnswerLost.into(),
    ]
}

fn calls(project: &SupabaseHandle, operation: Operation) -> u64 {
    project.requests().get(&operation).copied().unwrap_or(0)
}

#[tokio::test]
async fn one_failure_on_the_way_is_not_noticed() {
    join_all(passing().into_iter().map(|fault| async move {
        let project = simulator();
        let store = stocked(&project).await;
        for operation in [Operation::Upload, Operation::Download, Operation::Sign, Operation::Delete] {
            project.script(fault.clone().on(operation));
        }
        store.put(PATH, Bytes::from_static(b"two"), "image/png").await.expect("stores");
        assert_eq!(store.get(PATH).await.expect("reads"), "two", "{fault:?}");
        assert!(store.sign(&[PATH.to_owned()], HOUR).await.expect("signs")[0].is_some(), "{fault:?}");
        store.delete(&[PATH.to_owned()]).await.expect("deletes");
        assert!(project.objects().is_empty(), "{fault:?}");
        assert_eq!(calls(&project, Operation::Upload), 3, "{fault:?}");
    }))
    .await;
}

#[tokio::test]
async fn a_failure_that_stays_is_unavailable_after_three_tries() {
    join_all(passing().into_iter().map(|fault| async move {
        let project = simulator();
        let store = stocked(&project).await;
        project.script(fault.clone().on(Operation::Download).always());
        let result = store.get(PATH).await;
        assert!(matches!(result, Err(StoreError::Unavailable { .. })), "{fault:?} {result:?}");
        assert_eq!(calls(&project, Operation::Download), 3, "{fault:?}");
    }))
    .await;
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_is_unavailable_and_works_again_later() {
    let project = simulator();
    let store = supabase(&project, project.service_key());
    project.go_offline().await;
    let result = store.put(PATH, Bytes::from_static(b"one"), "image/png").await;
    assert!(matches!(result, Err(StoreError::Unavailable { .. })), "{result:?}");
    project.go_online().await;
    store.put(PATH, Bytes::from_static(b"one"), "image/png").await.expect("stores");
    assert_eq!(project.object(BUCKET, PATH), Some(Bytes::from_static(b"one")));
}

#[tokio::test]
async fn a_refusal_is_given_back_at_once() {
    let project = simulator();
    let store = stocked(&project).await;
    let refusals = [
        ("AccessDenied", 403, "misconfigured"),
        ("InvalidMimeType", 415, "rejected"),
        ("EntityTooLarge", 413, "too large"),
        ("NoSuchBucket", 404, "misconfigured"),
        ("New", 401, "misconfigured"),
        ("New", 413, "too large"),
        ("New", 418, "rejected"),
    ];
    for (n, (code, status, kind)) in (1..).zip(refusals) {
        project.script(StorageFault::StorageError { status, code: code.to_owned() });
        let result = store.get(PATH).await;
        let met = match &result {
            Err(StoreError::Rejected { .. }) => "rejected",
            Err(StoreError::Misconfigured { .. }) => "misconfigured",
            Err(StoreError::TooLarge) => "too large",
            Ok(_) | Err(StoreError::NotFound | StoreError::Unavailable { .. }) => "something else",
        };
        assert_eq!(met, kind, "{code} {status} {result:?}");
        assert_eq!(calls(&project, Operation::Download), n, "{code}");
    }
}

#[tokio::test]
async fn a_key_that_is_no_service_key_stores_nothing() {
    let project = simulator();
    stocked(&project).await;
    let forged = project.bad_token(BadToken::AlgorithmNone, Uuid::nil());
    for key in [project.anon_key(), project.publishable_key(), "sb_secret_of_another_project", &forged, "garbage"] {
        let store = supabase(&project, key);
        let put = store.put(PATH, Bytes::from_static(b"theirs"), "image/png").await;
        assert!(matches!(put, Err(StoreError::Misconfigured { .. })), "{key} {put:?}");
        let get = store.get(PATH).await;
        assert!(matches!(get, Err(StoreError::Misconfigured { .. } | StoreError::NotFound)), "{key} {get:?}");
        let links = store.sign(&[PATH.to_owned()], HOUR).await.unwrap_or(vec![None]);
        assert_eq!(links, [None], "{key}");
    }
    assert_eq!(project.object(BUCKET, PATH), Some(Bytes::from_static(b"one")));
}

#[tokio::test]
async fn the_bucket_is_private_whoever_made_it() {
    let project = simulator();
    let http = reqwest::Client::new();
    let made = http
        .post(format!("{}/storage/v1/bucket", project.url()))
        .bearer_auth(project.service_key())
        .header("apikey", project.service_key())
        .json(&serde_json::json!({ "id": BUCKET, "name": BUCKET, "public": true }))
        .send()
        .await
        .expect("answers");
    assert!(made.status().is_success());
    stocked(&project).await;
    let open = format!("{}/storage/v1/object/public/{BUCKET}/{PATH}", project.url());
    assert!(!reqwest::get(open).await.expect("answers").status().is_success());
}

#[tokio::test]
async fn objects_carry_their_type_and_may_be_cached() {
    let project = simulator();
    stocked(&project).await;
    let request = reqwest::Client::new()
        .get(format!("{}/storage/v1/object/{BUCKET}/{PATH}", project.url()))
        .bearer_auth(project.service_key())
        .header("apikey", project.service_key());
    let answer = request.send().await.expect("answers");
    assert_eq!(answer.headers()["content-type"], "image/png");
    assert_eq!(answer.headers()["cache-control"], "max-age=31536000");
}

#[tokio::test]
async fn a_wrong_address_is_refused_without_retries() {
    let project = simulator();
    let settings = Supabase {
        url: format!("{}/elsewhere", project.url()).parse().expect("a URL"),
        service_key: SecretString::from(project.service_key()),
        jwt_secret: None,
        jwt_issuer: String::new(),
    };
    let store = SupabaseStore::new(&settings, BUCKET).expect("a client");
    let result = store.get(PATH).await;
    assert!(matches!(result, Err(StoreError::Misconfigured { .. })), "{result:?}");
}
