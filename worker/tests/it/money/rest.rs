//! How time passes, and how everything comes to rest and is compared with the model.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::acts::{DAY, World};
use super::users::charged_outputs;

/// No generation fails by its deadline in less.
const DEADLINE_MIN: Duration = Duration::from_mins(10);
/// Days after which whatever was not told must have been found, and everything tried again.
const REST_DAYS: u32 = 3;

impl World {
    pub(super) async fn wait(&mut self, time: Duration) -> &'static str {
        if time > DEADLINE_MIN {
            self.finish().await;
        }
        self.stack.advance(time).await;
        self.work().await;
        for user in &mut self.users {
            *user = self.stack.sign_in_again(user).await;
        }
        "wait"
    }

    /// Lets what runs end before its deadline passes; what has not ended then may fail by it.
    async fn finish(&mut self) {
        for _ in 0..4 {
            self.stack.advance(Duration::from_secs(20)).await;
            self.work().await;
        }
        for id in std::mem::take(&mut self.open) {
            let generation = self.model.generations.get_mut(&id).unwrap();
            let seen = self.users[generation.user].status(id).await.unwrap().expecting(200).body;
            generation.may_end_early |= seen["status"] == "processing";
        }
    }

    /// Lets everything come to rest, and compares.
    pub(super) async fn rest(&mut self) {
        self.stack.payments.clear_faults();
        for _ in 0..REST_DAYS {
            self.wait(DAY).await;
            self.wait(Duration::from_hours(2)).await;
        }
        self.note_early_ends().await;
        let now: DateTime<Utc> =
            sqlx::query_scalar("select gateway.now()").fetch_one(self.stack.database.pool()).await.unwrap();
        for (number, user) in self.users.iter().enumerate() {
            let net = self.model.net(number, &self.stack.payments, now);
            let standing = user.get("/api/v1/credits").await.unwrap().expecting(200).body;
            let held = (standing["balance"].as_i64().unwrap(), standing["debt"].as_i64().unwrap());
            assert_eq!(held, (net.max(0), (-net).max(0)), "user {number} of {:#?}", self.model);
            assert_eq!(standing["reserved"], 0, "everything has ended");
        }
        self.check_gone();
        self.stack.reconcile().await;
        self.assert_all_was_decided().await;
    }

    /// Nobody has two plans, and whatever was paid, and however, was applied.
    async fn assert_all_was_decided(&self) {
        let pool = self.stack.database.pool();
        sqlx::query("update gateway.reading set read_at = null").execute(pool).await.unwrap();
        let worker = &self.stack.worker;
        shared::telemetry::report_anomalies(&worker.pool, &worker.anomalies).await.unwrap();
        let open: Vec<(String, String)> = sqlx::query_as(
            "select kind, detail from gateway.anomaly
             where ended_at is null and kind in ('two_subscriptions', 'undecided_payment', 'stuck_payment')",
        )
        .fetch_all(pool)
        .await
        .unwrap();
        assert!(open.is_empty(), "{open:?}");
    }

    /// Of what was cancelled, or late, either that or the result came first.
    async fn note_early_ends(&mut self) {
        for (id, generation) in &mut self.model.generations {
            let seen = self.users[generation.user].status(*id).await.unwrap().expecting(200).body;
            assert_ne!(seen["status"], "processing", "{seen}");
            if generation.may_end_early && seen["status"] == "failed" {
                generation.delivers = charged_outputs(&seen, generation);
            }
        }
    }
}
