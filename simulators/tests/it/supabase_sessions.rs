//! Auth: how long a session lasts, what changes a user, and the two forms of a refusal.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::supabase_auth::{Auth, credentials, part};
use crate::support::{http, project};

impl Auth<'_> {
    async fn refresh(&self, session: &Value) -> (u16, Value) {
        self.post("token?grant_type=refresh_token", json!({"refresh_token": session["refresh_token"]})).await
    }

    async fn sign_in(&self) -> Value {
        let (status, session) = self.post("token?grant_type=password", credentials()).await;
        assert_eq!(status, 200, "{session}");
        session
    }

    /// With the token of a session.
    async fn as_user(&self, method: Method, path: &str, session: &Value, body: &Value) -> (u16, Value) {
        let request = self.http.request(method, format!("{}/auth/v1/{path}", self.sim.url()));
        let request =
            request.header("apikey", self.sim.anon_key()).bearer_auth(session["access_token"].as_str().unwrap());
        let answer = request.json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    async fn is_signed_in(&self, session: &Value) -> bool {
        let (status, answer) = self.user(session["access_token"].as_str().unwrap()).await;
        assert!(status == 200 || answer["error_code"] == "session_not_found", "{answer}");
        status == 200
    }
}

#[tokio::test]
async fn a_refresh_token_brings_one_next_and_ends_the_session_when_it_is_used_late() {
    let sim = project();
    let auth = Auth::of(&sim);
    let (_, first) = auth.post("signup", credentials()).await;
    let (status, second) = auth.refresh(&first).await;
    assert_eq!(status, 200);
    let session = |session: &Value| part(session["access_token"].as_str().unwrap(), 1)["session_id"].clone();
    assert_eq!(session(&first), session(&second));

    sim.advance(Duration::from_secs(11));
    let (_, repeated) = auth.refresh(&first).await;
    assert_eq!(repeated["refresh_token"], second["refresh_token"], "for who did not hear the answer");
    let (_, third) = auth.refresh(&second).await;
    let (_, of_first) = auth.refresh(&second).await;
    assert_eq!(of_first["refresh_token"], third["refresh_token"]);

    let (_, fourth) = auth.refresh(&third).await;
    sim.advance(Duration::from_secs(11));
    let (status, refusal) = auth.refresh(&second).await;
    assert_eq!((status, &refusal["error_code"]), (400, &json!("refresh_token_already_used")));
    let (status, refusal) = auth.refresh(&fourth).await;
    assert_eq!((status, &refusal["error_code"]), (400, &json!("refresh_token_not_found")));
}

#[tokio::test]
async fn two_tabs_may_send_the_same_refresh_token_at_once() {
    let sim = project();
    let auth = Auth::of(&sim);
    let (_, first) = auth.post("signup", credentials()).await;
    let (_, second) = auth.refresh(&first).await;
    let (_, third) = auth.refresh(&second).await;
    sim.advance(Duration::from_secs(10));
    let (status, late_tab) = auth.refresh(&first).await;
    assert_eq!((status, &late_tab["refresh_token"]), (200, &third["refresh_token"]));
}

#[tokio::test]
async fn a_sign_out_ends_the_sessions_it_names() {
    let sim = project();
    let auth = Auth::of(&sim);
    auth.post("signup", credentials()).await;
    let (phone, laptop, desk) = (auth.sign_in().await, auth.sign_in().await, auth.sign_in().await);
    let sign_out = async |path: &str, session: &Value| auth.as_user(Method::POST, path, session, &json!({})).await.0;

    assert_eq!(sign_out("logout?scope=local", &phone).await, 204);
    assert!(!auth.is_signed_in(&phone).await && auth.is_signed_in(&laptop).await);
    assert_eq!(auth.refresh(&phone).await.0, 400);
    assert_eq!(sign_out("logout?scope=others", &laptop).await, 204);
    assert!(auth.is_signed_in(&laptop).await && !auth.is_signed_in(&desk).await);
    let other = auth.sign_in().await;
    assert_eq!(sign_out("logout", &laptop).await, 204, "all, if nothing is said");
    assert!(!auth.is_signed_in(&laptop).await && !auth.is_signed_in(&other).await);
    assert_eq!(sign_out("logout", &laptop).await, 403);
    let again = auth.sign_in().await;
    assert_eq!(sign_out("logout?scope=everything", &again).await, 400);
}

#[tokio::test]
async fn a_user_changes_her_metadata_and_password() {
    let sim = project();
    let auth = Auth::of(&sim);
    let (_, session) = auth.post("signup", credentials()).await;
    let change = async |body: Value| auth.as_user(Method::PUT, "user", &session, &body).await;
    let (status, user) = change(json!({"data": {"company": "Engines"}, "password": "another horse"})).await;
    assert_eq!((status, &user["id"]), (200, &session["user"]["id"]));
    let (_, user) = auth.user(session["access_token"].as_str().unwrap()).await;
    let metadata = &user["user_metadata"];
    assert_eq!((&metadata["company"], &metadata["full_name"]), (&json!("Engines"), &json!("Ada")));
    let password = |password: &str| json!({"email": "ada@example.com", "password": password});
    assert_eq!(auth.post("token?grant_type=password", password("correct horse")).await.0, 400);
    assert_eq!(auth.post("token?grant_type=password", password("another horse")).await.0, 200);
    for (password, code) in [("short", "weak_password"), ("another horse", "same_password")] {
        let (status, refusal) = change(json!({"password": password})).await;
        assert_eq!((status, &refusal["error_code"]), (422, &json!(code)));
    }
}

#[tokio::test]
async fn a_refusal_has_the_form_of_the_version_asked_for() {
    let sim = project();
    let url = format!("{}/auth/v1/signup", sim.url());
    let weak = json!({"email": "a@b.c", "password": "short"});
    let post = || http().post(&url).header("apikey", sim.anon_key()).json(&weak);
    let reasons = json!({"reasons": ["length"]});

    let old: Value = post().send().await.unwrap().json().await.unwrap();
    assert_eq!((&old["code"], &old["error_code"]), (&json!(422), &json!("weak_password")));
    assert_eq!((old["msg"].is_string(), &old["weak_password"]), (true, &reasons));
    let answer = post().header("x-supabase-api-version", "2024-01-01").send().await.unwrap();
    assert_eq!(answer.headers()["x-supabase-api-version"], "2024-01-01");
    let new: Value = answer.json().await.unwrap();
    assert_eq!((&new["code"], new["message"].is_string()), (&json!("weak_password"), true));
    assert_eq!((new.get("msg"), &new["weak_password"]), (None, &reasons));
}

#[tokio::test]
async fn a_browser_of_any_origin_may_ask_and_read_the_answer() {
    let sim = project();
    for path in ["auth/v1/token", "storage/v1/object/pictures/a.png"] {
        let request = http().request(Method::OPTIONS, format!("{}/{path}", sim.url()));
        let request = request.header("origin", "https://shop.example").header("access-control-request-method", "PUT");
        let request = request.header("access-control-request-headers", "apikey,authorization,x-upsert,content-type");
        let answer = request.send().await.unwrap();
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(
            (answer.status().as_u16(), header("access-control-allow-origin")),
            (200, "https://shop.example".to_owned())
        );
        assert!(header("access-control-allow-headers").contains("x-upsert"));
        assert!(header("access-control-allow-methods").contains("PUT"));
    }
    let request = http().get(format!("{}/auth/v1/user", sim.url())).header("origin", "https://shop.example");
    let answer = request.send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["access-control-allow-origin"]),
        (401, &"https://shop.example".parse().unwrap())
    );
    assert!(answer.headers()["access-control-expose-headers"].to_str().unwrap().contains("x-supabase-api-version"));
}
