//! Pictures that customers give: what is taken and where it is kept, what is refused, and that a refusal costs nothing.

mod addresses;
mod charges;
mod dialects;
mod places;
mod quoted;
mod refused;
mod stored;
mod taken;

use std::collections::BTreeMap;

use devstack::bucket::BUCKET;
use devstack::builders::{RequestBuilder, request};
use devstack::client::Answer;
use devstack::test_stack::{TestStack, TestStackBuilder, TestUser};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use simulators::Operation;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::harness::WELCOME;

/// The formats that are taken: how the `image` crate calls them, their extension, their media type.
const TAKEN: [(image::ImageFormat, &str, &str); 3] = [
    (image::ImageFormat::Png, "png", "image/png"),
    (image::ImageFormat::Jpeg, "jpg", "image/jpeg"),
    (image::ImageFormat::WebP, "webp", "image/webp"),
];

/// Where the one picture of a [`resize`] stands.
const POINTER: &str = "/input_data/input_image";

/// A request with this as its one picture.
fn resize(picture: impl Into<Value>) -> RequestBuilder {
    request("resize").picture("input_image", picture)
}

/// A user at the door of a running system.
struct Door {
    stack: TestStack,
    user: TestUser,
}

impl Door {
    async fn open() -> Self {
        Self::of(TestStack::builder()).await
    }

    async fn of(builder: TestStackBuilder) -> Self {
        let stack = builder.start().await;
        let user = stack.user().await;
        Self { stack, user }
    }

    async fn send(&self, request: RequestBuilder) -> Answer {
        self.user.generate(&request.build()).await.unwrap()
    }

    /// Sends what must be accepted.
    async fn accepted(&self, request: RequestBuilder) -> Uuid {
        self.send(request).await.expecting(202).generation_id()
    }

    /// Sends what must be refused with this status, and answers the faults: where each is, and what it says. What is
    /// refused is not quoted either, for the same faults.
    async fn refused(&self, status: u16, request: RequestBuilder) -> Vec<(String, String)> {
        let quote = self.user.quote(&request.clone().build()).await.unwrap().expecting(status);
        let answer = self.send(request).await.expecting(status);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!((&quote.body["code"], &quote.body["errors"]), (&answer.body["code"], &answer.body["errors"]));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let faults = answer.body["errors"].as_array().unwrap_or_else(|| panic!("no faults in {}", answer.body));
        faults.iter().map(|fault| (text(&fault["pointer"]), text(&fault["detail"]))).collect()
    }

    /// What is stored of a generation's request.
    async fn row(&self, generation_id: Uuid) -> Value {
        sqlx::query_scalar("select input_data from public.generations where id = $1")
            .bind(generation_id)
            .fetch_one(self.stack.database.pool())
            .await
            .unwrap()
    }

    async fn count(&self, table: &str) -> i64 {
        let query = format!("select count(*) from {table}");
        sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(self.stack.database.pool()).await.unwrap()
    }

    /// Objects of the store in the folder for pictures that came inside requests.
    fn kept(&self) -> Vec<String> {
        let objects = self.stack.supabase.objects();
        objects.into_iter().map(|object| object.key).filter(|key| key.contains("/inputs/")).collect()
    }

    fn object(&self, path: &str) -> Vec<u8> {
        self.stack.supabase.object(BUCKET, path).unwrap_or_else(|| panic!("nothing is stored at {path}")).to_vec()
    }

    /// Puts a file into her folder, as the front end does.
    async fn upload(&self, name: &str, file: Vec<u8>) -> String {
        upload(&self.stack, &self.user, name, file).await
    }

    /// Calls to the store so far.
    fn calls(&self) -> BTreeMap<Operation, u64> {
        let mut calls = self.stack.supabase.requests();
        calls.retain(|operation, _| matches!(operation, Operation::Upload | Operation::Sign | Operation::Bucket));
        calls
    }

    fn uploads(&self) -> u64 {
        self.calls().get(&Operation::Upload).copied().unwrap_or_default()
    }

    /// How often her limit was charged, on a stack of [`TWO_A_MINUTE`].
    async fn charged(&self) -> i64 {
        let seconds: Option<f64> = sqlx::query_scalar(
            "select extract(epoch from full_at - gateway.now())::float8 from gateway.user_limit where user_id = $1",
        )
        .bind(self.user.id())
        .fetch_optional(self.stack.database.pool())
        .await
        .unwrap();
        // Each costs half a minute; what comes back while a test runs does not count.
        (1..=2).filter(|count| seconds.unwrap_or_default() > f64::from(count - 1) * 30.0).count().try_into().unwrap()
    }

    /// Nothing was taken, and nothing is going to happen.
    async fn nothing_was_taken(&self) {
        assert_eq!(self.user.balance().await.unwrap(), WELCOME);
        for table in ["public.generations", "gateway.run", "apalis.jobs", "gateway.idempotency_key"] {
            assert_eq!(self.count(table).await, 0, "{table}");
        }
        let spent = "public.credit_transactions where transaction_type = 'generation'";
        assert_eq!(self.count(spent).await, 0);
    }

    async fn close(self) {
        self.stack.reconcile().await;
    }
}

/// For tests that count what the limit was charged for.
const TWO_A_MINUTE: (&str, &str) = ("GENERATE_RATE_PER_MINUTE", "2");

async fn upload(stack: &TestStack, user: &TestUser, name: &str, file: Vec<u8>) -> String {
    stack.auth().upload(&user.signed_in, name, file, "image/png").await.unwrap()
}

/// Where a picture that came inside a request is kept: named after what was sent.
fn place(user: &TestUser, file: &[u8], ext: &str) -> String {
    let digest: String = Sha256::digest(file).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}/inputs/{digest}.{ext}", user.id())
}

/// The fault of one picture.
fn fault(pointer: &str, detail: impl Into<String>) -> [(String, String); 1] {
    [(pointer.to_owned(), detail.into())]
}

/// Sends a body that is not made by a builder.
async fn send_text(user: &TestUser, body: String) -> Answer {
    let request = user.request(Method::POST, "/api/v1/generate").header("Content-Type", "application/json");
    user.send(request.body(body)).await.unwrap()
}

/// The faults of storage paths that lead to nothing of the caller's.
fn no_such_pictures(pointers: &[&str]) -> Vec<(String, String)> {
    let detail = "names no picture of yours: neither an upload nor an output";
    pointers.iter().map(|pointer| ((*pointer).to_owned(), detail.to_owned())).collect()
}

/// The input of a clip of these pictures.
fn clip(pictures: &[String]) -> RequestBuilder {
    request("video").input("input_images", json!(pictures))
}
