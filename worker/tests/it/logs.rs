//! A whole life of the system under one eye: nothing that must not be written down is in its logs.

use devstack::attack::{self, Target};
use devstack::builders::{model, request};
use devstack::client::Client;
use devstack::log_lines::LogLines;
use devstack::picture_host::{PictureHost, Served};
use devstack::samples::{self, Sample};
use devstack::shop;
use devstack::test_stack::{TestStack, TestUser};
use image::ImageFormat;
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::Value;
use shared::config::{Config, LogFormat};
use shared::telemetry;
use simulators::Fault;
use simulators::runpod::{JobFault, RunPodEffect};
use tracing_subscriber::util::SubscriberInitExt;

use crate::generations::flat;

/// Ours in every detail; of libraries what is on by default, and more.
const FILTER: &str = "info,shootx_api=trace,shootx_worker=trace,shared=trace";
const PROMPT: &str = "a velvet lighthouse";
const BRAND: &str = "Brandywine Secret";
const KEY: &str = "intent-of-a-lighthouse";
/// What a caller may try to write into the log.
const FORGED: &str = "x\",\"level\":\"ERROR\",\"message\":\"forged";

/// Pictures by every road, each brought to its end; returns links and paths that came of it.
async fn generations(stack: &TestStack, host: &PictureHost, user: &TestUser) -> Vec<String> {
    let file = samples::file(&flat(64, 48, [7, 77, 177]), ImageFormat::Png);
    let upload = stack.auth().upload(&user.signed_in, "lighthouse.png", file.clone(), "image/png").await.unwrap();
    let address = host.serve("address-token.png", Served::File(Sample::Mug.file(64, ImageFormat::Png)));
    let mut seen =
        vec![samples::base64(&file)[20..60].to_owned(), "lighthouse.png".to_owned(), "address-token".to_owned()];
    for picture in [upload, samples::base64(&file), address] {
        let asked = request("upscale").picture("input_image", picture).field("brand_name", BRAND);
        let id = user
            .generate_once(&format!("{KEY}-{}", seen.len()), &asked.build())
            .await
            .unwrap()
            .expecting(202)
            .generation_id();
        let made = stack.finish(user, id).await;
        assert_eq!(made["status"], "completed", "{made}");
        let links = made["image_urls"].as_array().unwrap();
        seen.extend(
            links
                .iter()
                .filter_map(Value::as_str)
                .filter_map(|link| link.split_once("token="))
                .map(|(_, token)| token.to_owned()),
        );
    }
    seen
}

/// Everything that is refused, and a generation that fails with the provider's own words.
async fn refusals(stack: &TestStack, user: &TestUser) {
    stack.runpod.script(Fault::new(RunPodEffect::from(JobFault::UncaughtException)));
    let id = user.generate(&model().prompt(PROMPT).build()).await.unwrap().expecting(202).generation_id();
    stack.finish(user, id).await;
    let refused =
        Client::new(stack.api_url.clone(), Some("eyJhbGciOiJub25lIn0.eyJzdWIiOiJmb3JnZWQifQ.".to_owned())).unwrap();
    drop(refused.get("/api/v1/credits").await.unwrap().expecting(401));
    let damaged = request("upscale").picture("input_image", "bm90IGEgcGljdHVyZSBvZiBhIGxpZ2h0aG91c2U=");
    assert!(user.generate(&damaged.build()).await.unwrap().status.is_client_error());
    let odd = user.request(Method::POST, "/api/v1/generate?secret=in-the-query").header("X-Request-Id", FORGED);
    let odd = odd.header("Idempotency-Key", format!("{KEY}-odd"));
    let prompt = format!("{PROMPT}\n{{\"level\":\"ERROR\",\"message\":\"forged\"}}");
    user.send(odd.json(&model().prompt(&prompt).build())).await.unwrap();
}

/// A pack that is bought; the address of its checkout.
async fn purchases(stack: &TestStack, user: &TestUser) -> String {
    shop::stock(stack.database.pool()).await.unwrap();
    let checkout = user.buy(shop::STARTER.0).await.unwrap().expecting(201);
    assert!(stack.payments.pay(&shop::session(&checkout)));
    stack.settle_payments().await;
    checkout.body["checkout_url"].as_str().unwrap().to_owned()
}

/// What must not be in the log, by its name.
fn secrets(config: &Config, user: &TestUser, checkout: String) -> [(&'static str, String); 18] {
    let billing = config.billing.as_ref().unwrap();
    [
        ("the webhook secret", config.webhook_secrets[0].expose_secret().to_owned()),
        ("the service key", config.supabase.service_key.expose_secret().to_owned()),
        ("RunPod's key", config.runpod.api_key.expose_secret().to_owned()),
        ("Stripe's key", billing.secret_key.expose_secret().to_owned()),
        ("Stripe's webhook secret", billing.webhook_secrets[0].expose_secret().to_owned()),
        ("a checkout", checkout),
        ("a customer of Stripe's", "customer@example.com".to_owned()),
        ("the database's address", config.database.url.expose_secret().to_owned()),
        ("a user's token", user.signed_in.token.rsplit('.').next().unwrap().to_owned()),
        ("a forged token", "eyJzdWIiOiJmb3JnZWQifQ".to_owned()),
        ("a user's e-mail address", user.signed_in.email.clone()),
        ("a user's password", user.signed_in.password.clone()),
        ("a prompt", PROMPT.to_owned()),
        ("a brand", BRAND.to_owned()),
        ("an idempotency key", KEY.to_owned()),
        ("a query string", "in-the-query".to_owned()),
        ("a webhook's signature", "&s=".to_owned()),
        ("a traceback of the provider", "Traceback".to_owned()),
    ]
}

#[tokio::test]
async fn no_secret_token_word_or_address_of_a_user_is_in_the_logs_of_a_whole_run() {
    let lines = LogLines::default();
    // For the whole program; what the tests beside this one log is held to the same.
    telemetry::lines(LogFormat::Json, FILTER.parse().unwrap(), lines.clone()).init();
    let mut stack = TestStack::builder().webhooks().start().await;
    let host = PictureHost::start().await;
    stack.worker.inputs = host.fetcher();
    let user = stack.user().await;
    let made = generations(&stack, &host, &user).await;
    refusals(&stack, &user).await;
    let checkout = purchases(&stack, &user).await;

    assert!(made.len() >= 6, "each of the three was delivered under a signed link: {made:?}");
    let secrets = secrets(&stack.config, &user, checkout);
    let made = made.into_iter().map(|text| ("a picture, its name or its link", text));
    let text = lines.text();
    assert!(
        text.contains("\"answered\"") && text.contains("the provider called") && text.contains("followed up"),
        "this is the log"
    );
    for (name, secret) in secrets.into_iter().chain(made) {
        assert!(secret.len() > 2);
        let seen = text.lines().filter(|line| line.contains(&secret)).count();
        attack::is_met(
            Target::Transport,
            format!("the logs of a run, searched for {name}"),
            "0 lines",
            format!("{seen} lines"),
        );
    }
    let forged = text
        .lines()
        .filter(|line| serde_json::from_str::<Value>(line).is_ok_and(|line| line["message"] == "forged"))
        .count();
    attack::is_met(
        Target::Content,
        "a request id and a prompt that write log lines",
        "0 lines",
        format!("{forged} lines"),
    );
    assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    let config = &stack.config;
    let debug = format!("{config:?}");
    let billing = config.billing.as_ref().unwrap();
    for secret in [
        &config.webhook_secrets[0],
        &config.supabase.service_key,
        &config.runpod.api_key,
        &config.database.url,
        &billing.secret_key,
        &billing.webhook_secrets[0],
    ] {
        assert!(!debug.contains(secret.expose_secret()));
    }
    stack.reconcile().await;
}
