//! Buying credits, through the API, the payment simulator and the worker.

mod currencies;
mod deletions;
mod events;
mod plan_ends;
mod plans;
mod purchases;
mod reversals;
mod second_plans;
mod settled;

use std::time::Duration;

use devstack::builders;
use devstack::shop::{self, Plans};
use devstack::test_stack::{TestStack, TestUser};
use serde_json::Value;
use shared::credits::Credits;
use shared::ledger::{Adjustment, Key, adjust};
use simulators::payments::Kind;

/// What every new user is given.
const WELCOME: i64 = 100;
const DAY: Duration = Duration::from_hours(24);

/// A stack where something is on sale, and a user of it.
struct Shop {
    stack: TestStack,
    user: TestUser,
    plans: Plans,
}

impl Shop {
    async fn open() -> Self {
        let stack = TestStack::builder()
            .set("GENERATIONS_OPEN_MAX", "1000")
            .set("GENERATE_RATE_PER_MINUTE", "6000")
            .start()
            .await;
        let plans = shop::stock(stack.database.pool()).await.unwrap();
        let user = stack.user().await;
        Self { stack, user, plans }
    }

    /// Buys the starter pack and pays; the payment's id. Nothing is told yet.
    async fn pay_starter(&self) -> String {
        let checkout = self.user.buy(shop::STARTER.0).await.unwrap().expecting(201);
        self.pay(&shop::session(&checkout))
    }

    /// Pays a session; the payment's id, of a pack.
    fn pay(&self, session: &str) -> String {
        assert!(self.stack.payments.pay(session), "it is open");
        self.stack.payments.object(session).unwrap()["payment_intent"].as_str().unwrap_or_default().to_owned()
    }

    /// Subscribes, pays, and has it followed up.
    async fn subscribe(&self, plan: uuid::Uuid) {
        let checkout = self.user.subscribe(plan).await.unwrap().expecting(201);
        self.pay(&shop::session(&checkout));
        self.stack.settle_payments().await;
    }

    /// Takes so many credits, as generations that ran would.
    async fn spend(&self, credits: i64) {
        let mut left = credits;
        while left > 0 {
            let outputs = left.min(4);
            drop(self.user.generate(&builders::model().outputs(outputs).build()).await.unwrap().expecting(202));
            left -= outputs;
        }
        self.stack.drain().await;
    }

    /// Lets this many days pass in which no worker runs.
    async fn away(&mut self, days: u32) {
        self.stack.advance(DAY * days).await;
        self.stack.settle_payments().await;
        self.user = self.stack.sign_in_again(&self.user).await;
    }

    /// Takes the whole balance by hand.
    async fn take_all(&self) {
        let adjustment = Adjustment {
            user_id: shared::ids::UserId(self.user.id()),
            amount: Credits::new(i32::try_from(-self.balance().await).unwrap()),
            reason: "A year of work".parse().unwrap(),
            key: Key::generate(),
        };
        adjust(&self.stack.worker.pool, &adjustment, false).await.unwrap();
    }

    /// Lets so many days pass, one after another, with all that happens on each.
    async fn days(&mut self, days: u32) {
        for _ in 0..days {
            self.stack.advance(DAY).await;
            self.stack.settle_payments().await;
        }
        self.user = self.stack.sign_in_again(&self.user).await;
    }

    async fn balance(&self) -> i64 {
        self.user.balance().await.unwrap()
    }

    async fn standing(&self) -> Value {
        self.user.get("/api/v1/credits").await.unwrap().expecting(200).body
    }

    /// Amounts and reasons of the user's entries, the oldest first.
    async fn statement(&self) -> Vec<(i64, String)> {
        let page = self.user.get("/api/v1/credits/transactions?limit=100").await.unwrap().expecting(200).body;
        let entry = |entry: &Value| (entry["amount"].as_i64().unwrap(), entry["reason"].as_str().unwrap().to_owned());
        page["items"].as_array().unwrap().iter().rev().map(entry).collect()
    }

    async fn subscriptions(&self) -> Vec<Value> {
        let found = self.user.get("/api/v1/subscriptions").await.unwrap().expecting(200).body;
        found["items"].as_array().unwrap().clone()
    }

    /// What the provider is asked through its own API, by its operator.
    async fn at_provider(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = http.post(format!("{}/v1/{path}", self.stack.payments.url())).form(form);
        let answer = request.bearer_auth(self.stack.payments.secret_key()).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    }

    /// Kinds and details of the open anomalies, without a new audit of the ledger.
    async fn anomalies(&self) -> Vec<(String, String)> {
        sqlx::query_as("select kind, detail from gateway.anomaly where ended_at is null order by kind, detail")
            .fetch_all(self.stack.database.pool())
            .await
            .unwrap()
    }

    /// The kinds of the anomalies that are open after an audit of the ledger.
    async fn anomalies_when_read(&self) -> Vec<String> {
        sqlx::query("update gateway.reading set read_at = null").execute(self.stack.database.pool()).await.unwrap();
        let worker = &self.stack.worker;
        shared::telemetry::report_anomalies(&worker.pool, &worker.anomalies).await.unwrap();
        self.anomalies().await.into_iter().map(|(kind, _)| kind).collect()
    }

    /// The provider's payment that was made last.
    fn last_payment(&self) -> String {
        let payment = self.stack.payments.objects(Kind::PaymentIntent).pop().unwrap();
        payment["id"].as_str().unwrap().to_owned()
    }

    /// Gives money of a payment back; in cents, or all that is left.
    async fn refund(&self, payment_id: &str, amount_cents: Option<i64>) {
        let amount = amount_cents.map(|cents| cents.to_string());
        let mut form = vec![("payment_intent", payment_id)];
        form.extend(amount.as_deref().map(|amount| ("amount", amount)));
        self.at_provider("refunds", &form).await;
        self.stack.settle_payments().await;
    }

    async fn close(self) {
        self.stack.reconcile().await;
    }
}
