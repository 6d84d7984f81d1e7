//! Storage: who may do what, and what it answers when something is wrong.

use reqwest::Method;
use serde_json::{Value, json};
use simulators::supabase::{BadToken, StorageFault};
use simulators::{HttpFault, Operation, SupabaseFault};
use uuid::Uuid;

use crate::support::{Files, get, http, refused, with_bucket};

#[tokio::test]
async fn keys_are_taken_as_the_platform_takes_them() {
    let sim = with_bucket().await;
    let url = format!("{}/storage/v1/bucket/pictures", sim.url());
    let http = http();
    let ask = |apikey: Option<&str>, bearer: Option<&str>| {
        let request = http.get(&url);
        let request = apikey.map_or(request.try_clone().unwrap(), |key| request.header("apikey", key));
        bearer.map_or(request.try_clone().unwrap(), |key| request.bearer_auth(key)).send()
    };
    assert_eq!(ask(Some(sim.service_key()), Some(sim.service_key())).await.unwrap().status(), 200);
    assert_eq!(ask(Some(sim.secret_key()), None).await.unwrap().status(), 200);
    assert_eq!(ask(Some(sim.secret_key()), Some(sim.secret_key())).await.unwrap().status(), 200);
    assert_eq!(ask(None, Some(sim.secret_key())).await.unwrap().status(), 401);
    let apikey_only: Value = ask(Some(sim.service_key()), None).await.unwrap().json().await.unwrap();
    assert_eq!(apikey_only["message"], "headers must have required property 'authorization'");
    let browser =
        http.get(&url).header("apikey", sim.secret_key()).header("user-agent", "Mozilla/5.0").send().await.unwrap();
    assert_eq!(browser.status(), 401);
}

#[tokio::test]
async fn a_user_reads_and_inserts_in_her_uploads_and_nowhere_else() {
    let sim = with_bucket().await;
    let user = Uuid::new_v4();
    let (hers, service) = (Files::with_token(&sim, sim.token(user)), Files::of(&sim));
    let own = format!("pictures/{user}/uploads/a.png");
    assert_eq!(hers.upload(&own, b"x").await.status, 200);
    assert_eq!(hers.request(Method::GET, &format!("object/{own}")).send().await.unwrap().status(), 200);
    let upsert = hers
        .request(Method::POST, &format!("object/{own}"))
        .header("x-upsert", "true")
        .header("content-type", "image/png")
        .body("y");
    refused(&hers.send(upsert).await, 400, "403", "AccessDenied");
    let deleted =
        hers.json(Method::DELETE, "object/pictures", &json!({"prefixes": [format!("{user}/uploads/a.png")]})).await;
    assert_eq!((deleted.status, deleted.body), (200, json!([])));

    for key in [format!("{user}/outputs/a.png"), format!("{}/uploads/a.png", Uuid::new_v4()), "a.png".to_owned()] {
        refused(&hers.upload(&format!("pictures/{key}"), b"x").await, 400, "403", "AccessDenied");
        service.upload(&format!("pictures/{key}"), b"x").await;
        refused(&hers.get(&format!("object/pictures/{key}")).await, 400, "404", "NoSuchKey");
        let sign = hers.json(Method::POST, &format!("object/sign/pictures/{key}"), &json!({"expiresIn": 60})).await;
        refused(&sign, 400, "404", "NoSuchKey");
    }
    assert_eq!(sim.objects().len(), 4);
}

#[tokio::test]
async fn bad_tokens_are_refused_with_their_reasons() {
    let sim = with_bucket().await;
    let user = Uuid::new_v4();
    for (kind, message) in [
        (BadToken::Expired, "\"exp\" claim timestamp check failed"),
        (BadToken::Forged, "signature verification failed"),
        (BadToken::AlgorithmNone, "\"alg\" (Algorithm) Header Parameter value not allowed"),
        (BadToken::Hs512, "\"alg\" (Algorithm) Header Parameter value not allowed"),
        (BadToken::Garbage, "Invalid Compact JWS"),
    ] {
        let files = Files::with_token(&sim, sim.bad_token(kind, user));
        let answer = files.get("object/pictures/a.png").await;
        refused(&answer, 400, "403", "AccessDenied");
        assert_eq!(answer.body["message"], message, "{kind:?}");
    }
    let mut claims = sim.claims(user);
    claims["role"] = json!("emperor");
    let odd = Files::with_token(&sim, sim.sign(&claims)).get("object/pictures/a.png").await;
    refused(&odd, 500, "500", "DatabaseError");
    let endless = Files::with_token(&sim, sim.bad_token(BadToken::WithoutExpiry, user));
    assert_eq!(endless.upload(&format!("pictures/{user}/uploads/a.png"), b"x").await.status, 200);
}

#[tokio::test]
async fn faults_answer_as_the_platform_does_and_do_nothing() {
    let sim = with_bucket().await;
    let files = Files::of(&sim);
    for (fault, http, status, code) in [
        (StorageFault::SlowDown, 429, "429", "SlowDown"),
        (StorageFault::InternalError, 500, "500", "InternalError"),
        (StorageFault::DatabaseTimeout, 400, "544", "DatabaseTimeout"),
        (StorageFault::ResourceLocked, 400, "423", "ResourceLocked"),
        (StorageFault::StorageError { status: 418, code: "Odd".to_owned() }, 400, "418", "Odd"),
    ] {
        sim.script(SupabaseFault::new(fault).on(Operation::Upload).subject_contains("a.png"));
        assert_eq!(files.get("bucket/pictures").await.status, 200);
        refused(&files.upload("pictures/a.png", b"x").await, http, status, code);
    }
    assert!(sim.objects().is_empty());
    sim.script(SupabaseFault::new(HttpFault::AnswerLost).on(Operation::Upload));
    let lost =
        files.request(Method::POST, "object/pictures/a.png").header("content-type", "image/png").body("x").send().await;
    assert!(lost.unwrap_err().is_request());
    assert_eq!(sim.objects().len(), 1);

    let script = json!({"fault": "slow_down", "on": "sign", "times": 1});
    let posted = http().post(format!("{}/_sim/faults", sim.url())).json(&script).send().await.unwrap();
    assert_eq!(posted.status(), 200);
    assert_eq!(files.json(Method::POST, "object/sign/pictures/a.png", &json!({"expiresIn": 60})).await.status, 429);
    let seen: Value = get(format!("{}/_sim/objects", sim.url())).await.unwrap().json().await.unwrap();
    assert_eq!((&seen["count"], &seen["requests"]["sign"]), (&json!(1), &json!(1)));
}
