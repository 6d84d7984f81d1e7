//! Auth: who signs up, signs in, and what her token says.

use std::collections::HashSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use simulators::supabase::{BadToken, Signing};
use simulators::{HttpFault, Operation, SupabaseFault, SupabaseHandle, SupabaseOptions, SupabaseSim};
use uuid::Uuid;

use crate::support::{get, http, project};

pub(crate) struct Auth<'a> {
    pub(crate) sim: &'a SupabaseHandle,
    pub(crate) http: reqwest::Client,
}

impl<'a> Auth<'a> {
    pub(crate) fn of(sim: &'a SupabaseHandle) -> Self {
        Self { sim, http: http() }
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}/auth/v1/{path}", self.sim.url());
        let answer = self.http.post(url).header("apikey", self.sim.anon_key()).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub(crate) async fn user(&self, token: &str) -> (u16, Value) {
        let url = format!("{}/auth/v1/user", self.sim.url());
        let request = self.http.get(url).header("apikey", self.sim.publishable_key()).bearer_auth(token);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn jwks(&self) -> Value {
        get(format!("{}/auth/v1/.well-known/jwks.json", self.sim.url())).await.unwrap().json().await.unwrap()
    }
}

pub(crate) fn part(token: &str, n: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(n).unwrap()).unwrap()).unwrap()
}

pub(crate) fn credentials() -> Value {
    json!({"email": "Ada@Example.com", "password": "correct horse", "data": {"full_name": "Ada"}})
}

#[tokio::test]
async fn who_signs_up_is_signed_in_and_can_sign_in_again() {
    let sim = project();
    let auth = Auth::of(&sim);
    let (status, session) = auth.post("signup", credentials()).await;
    assert_eq!((status, &session["token_type"], &session["expires_in"]), (200, &json!("bearer"), &json!(3600)));
    let (status, again) = auth.post("token?grant_type=password", credentials()).await;
    assert_eq!((status, &again["user"]["id"]), (200, &session["user"]["id"]));
    let user = &again["user"];
    assert_eq!((&user["user_metadata"]["full_name"], &user["user_metadata"]["sub"]), (&json!("Ada"), &user["id"]));
    assert_eq!((&user["identities"][0]["provider"], &user["identities"][0]["user_id"]), (&json!("email"), &user["id"]));

    let (status, user) = auth.user(again["access_token"].as_str().unwrap()).await;
    assert_eq!((status, &user["email"]), (200, &json!("ada@example.com")));
}

#[tokio::test]
async fn a_token_has_the_claims_of_the_platform() {
    let sim = project();
    let auth = Auth::of(&sim);
    let (_, session) = auth.post("signup", credentials()).await;
    let claims = part(session["access_token"].as_str().unwrap(), 1);
    let names: HashSet<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    for name in [
        "sub",
        "aud",
        "iat",
        "exp",
        "email",
        "phone",
        "role",
        "aal",
        "amr",
        "session_id",
        "is_anonymous",
        "iss",
        "app_metadata",
    ] {
        assert!(names.contains(name), "{name}");
    }
    assert_eq!(claims["iss"], format!("{}/auth/v1", sim.url()));
    assert_eq!((&claims["aud"], &claims["role"]), (&json!("authenticated"), &json!("authenticated")));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
    assert_eq!((&claims["sub"], &claims["is_anonymous"]), (&session["user"]["id"], &json!(false)));

    let (_, anonymous) = auth.post("signup", json!({})).await;
    assert_eq!(part(anonymous["access_token"].as_str().unwrap(), 1)["is_anonymous"], true);
}

#[tokio::test]
async fn refusals_have_the_platforms_codes() {
    let sim = project();
    let auth = Auth::of(&sim);
    auth.post("signup", credentials()).await;
    for (path, body, status, code) in [
        ("signup", credentials(), 422, "user_already_exists"),
        ("signup", json!({"email": "a@b.c", "password": "short"}), 422, "weak_password"),
        ("signup", json!({"email": "nobody", "password": "long enough"}), 400, "validation_failed"),
        (
            "token?grant_type=password",
            json!({"email": "ada@example.com", "password": "wrong"}),
            400,
            "invalid_credentials",
        ),
        (
            "token?grant_type=password",
            json!({"email": "eve@example.com", "password": "wrong"}),
            400,
            "invalid_credentials",
        ),
        ("token?grant_type=refresh_token", json!({"refresh_token": "x"}), 400, "refresh_token_not_found"),
    ] {
        let (got, answer) = auth.post(path, body).await;
        assert_eq!((got, &answer["error_code"], &answer["code"]), (status, &json!(code), &json!(status)));
        assert!(answer["msg"].is_string());
    }
    let url = format!("{}/auth/v1/signup", sim.url());
    let keyless = http().post(url).json(&credentials()).send().await.unwrap();
    assert_eq!(keyless.status(), 401);
}

#[tokio::test]
async fn the_jwks_verifies_a_token_and_survives_a_rotation() {
    let sim = project();
    let auth = Auth::of(&sim);
    let verify = |jwks: &Value, token: &str| {
        let kid = part(token, 0)["kid"].clone();
        let Some(key) = jwks["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid) else { return false };
        let key = DecodingKey::from_ec_components(key["x"].as_str().unwrap(), key["y"].as_str().unwrap()).unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&["authenticated"]);
        validation.set_issuer(&[sim.issuer()]);
        jsonwebtoken::decode::<Value>(token, &key, &validation).is_ok()
    };
    let user = Uuid::new_v4();
    let old = sim.token(user);
    let jwks = auth.jwks().await;
    assert_eq!((&jwks["keys"][0]["alg"], &jwks["keys"][0]["use"]), (&json!("ES256"), &json!("sig")));
    assert!(verify(&jwks, &old));

    sim.rotate();
    let new = sim.token(user);
    assert!(!verify(&jwks, &new), "the old list does not know the new key");
    let jwks = auth.jwks().await;
    assert!(verify(&jwks, &old) && verify(&jwks, &new));

    sim.revoke_previous_keys();
    let jwks = auth.jwks().await;
    assert!(!verify(&jwks, &old) && verify(&jwks, &new));
    assert!(
        !verify(&jwks, &sim.bad_token(BadToken::Forged, user))
            && !verify(&jwks, &sim.bad_token(BadToken::Tampered, user))
    );
}

#[tokio::test]
async fn a_project_with_the_shared_secret_lists_no_keys() {
    let sim = SupabaseSim::start(SupabaseOptions { signing: Signing::Hs256, ..SupabaseOptions::default() }).unwrap();
    assert_eq!(Auth::of(&sim).jwks().await, json!({"keys": []}));
    let token = sim.token(Uuid::new_v4());
    assert_eq!(part(&token, 0), json!({"alg": "HS256", "typ": "JWT"}));
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_audience(&["authenticated"]);
    let key = DecodingKey::from_secret(sim.jwt_secret().as_bytes());
    assert!(jsonwebtoken::decode::<Value>(&token, &key, &validation).is_ok());
}

#[tokio::test]
async fn the_jwks_can_be_cached_and_can_be_down() {
    let sim = project();
    let url = format!("{}/auth/v1/.well-known/jwks.json", sim.url());
    assert_eq!(get(&url).await.unwrap().headers()["cache-control"], "public, max-age=600");
    sim.script(SupabaseFault::new(HttpFault::ServerError { status: 503 }).on(Operation::Jwks).times(2));
    assert_eq!(get(&url).await.unwrap().status(), 503);
    assert_eq!(get(&url).await.unwrap().status(), 503);
    assert_eq!(get(&url).await.unwrap().status(), 200);
    assert_eq!(sim.requests()[&Operation::Jwks], 4);
}

#[tokio::test]
async fn bad_tokens_differ_from_a_good_one_in_what_their_name_says() {
    let sim = project();
    let auth = Auth::of(&sim);
    let (_, session) = auth.post("signup", credentials()).await;
    let user: Uuid = session["user"]["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(auth.user(&sim.token(user)).await.0, 200);
    for kind in [
        BadToken::Expired,
        BadToken::AlgorithmNone,
        BadToken::Hs512,
        BadToken::Forged,
        BadToken::UnknownKid,
        BadToken::PublicKeyAsSecret,
        BadToken::WrongSecret,
        BadToken::Tampered,
        BadToken::AnonKey,
        BadToken::ServiceKey,
        BadToken::SubjectNotUuid,
        BadToken::StorageLink,
        BadToken::Garbage,
    ] {
        assert_eq!(auth.user(&sim.bad_token(kind, user)).await.0, 403, "{kind:?}");
    }
    let claims = |kind| part(&sim.bad_token(kind, user), 1);
    assert!(
        claims(BadToken::WithoutExpiry).get("exp").is_none()
            && claims(BadToken::WithoutSession).get("session_id").is_none()
    );
    assert_ne!(claims(BadToken::ForeignIssuer)["iss"], sim.issuer());
    assert_eq!(claims(BadToken::ServiceRole)["role"], "service_role");
    assert!(claims(BadToken::NotYetValid)["nbf"].as_i64() > claims(BadToken::NotYetValid)["iat"].as_i64());
    let all: HashSet<String> = BadToken::ALL.iter().map(|kind| sim.bad_token(*kind, user)).collect();
    assert_eq!(all.len(), BadToken::ALL.len());
}

#[tokio::test]
async fn a_token_expires_when_the_clock_is_moved() {
    let sim = project();
    let auth = Auth::of(&sim);
    let (_, session) = auth.post("signup", credentials()).await;
    let token = session["access_token"].as_str().unwrap();
    sim.advance(Duration::from_secs(3590));
    assert_eq!(auth.user(token).await.0, 200);
    sim.advance(Duration::from_secs(10));
    assert_eq!(auth.user(token).await.0, 403);
}

#[tokio::test]
async fn other_processes_sign_tokens_and_rotate_keys_over_http() {
    let sim = project();
    let http = http();
    let user = Uuid::new_v4();
    let answer =
        http.post(format!("{}/_sim/token", sim.url())).json(&json!({"user_id": user, "claims": {"role": "odd"}}));
    let answer: Value = answer.send().await.unwrap().json().await.unwrap();
    let claims = part(answer["access_token"].as_str().unwrap(), 1);
    assert_eq!((&claims["sub"], &claims["role"]), (&json!(user), &json!("odd")));
    let jwks: Value = http.post(format!("{}/_sim/rotate", sim.url())).send().await.unwrap().json().await.unwrap();
    assert_eq!(jwks["keys"].as_array().unwrap().len(), 2);
    let keys: Value = get(format!("{}/_sim/keys", sim.url())).await.unwrap().json().await.unwrap();
    assert_eq!(keys["service_key"], sim.service_key());
}
