//! Users who sign up without a confirmed email address, users who are deleted, and what cancels were charged.

use devstack::shop;
use rand::RngExt;
use serde_json::Value;
use simulators::payments::Kind;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::acts::{WELCOME, World};
use super::model::Generation;

impl World {
    /// A user has welcome credits once their address is confirmed, however often that is.
    pub(super) async fn confirm_late(&mut self) -> &'static str {
        let (id, anonymous) = (Uuid::now_v7(), self.random.random_bool(0.5));
        let insert = "insert into auth.users (id, email, is_anonymous) values ($1, $1::text || '@example.com', $2)";
        let pool = self.stack.database.pool();
        sqlx::query(insert).bind(id).bind(anonymous).execute(pool).await.unwrap();
        let confirm = "update auth.users set email_confirmed_at = now(), is_anonymous = false where id = ";
        for expected in [0, WELCOME, WELCOME] {
            let balance: i32 = sqlx::query_scalar("select balance from public.credits where user_id = $1")
                .bind(id)
                .fetch_one(pool)
                .await
                .unwrap();
            assert_eq!(i64::from(balance), expected);
            sqlx::raw_sql(AssertSqlSafe(format!("{confirm} '{id}'"))).execute(pool).await.unwrap();
        }
        "confirm late"
    }

    /// A user subscribes and is deleted: before the payment, before it is known, or after.
    pub(super) async fn come_and_go(&mut self) -> &'static str {
        let user = self.stack.user().await;
        let session = shop::session(&user.subscribe(self.plans.monthly).await.unwrap().expecting(201));
        let known = self.random.random_range(0..3);
        if known > 0 {
            assert!(self.stack.payments.pay(&session));
        }
        if known > 1 {
            self.work().await;
        }
        sqlx::query("delete from auth.users where id = $1")
            .bind(user.id())
            .execute(self.stack.database.pool())
            .await
            .unwrap();
        self.gone.push(session);
        "come and go"
    }

    /// Nothing of those who are gone can be billed any more.
    pub(super) fn check_gone(&self) {
        let subscriptions = self.stack.payments.objects(Kind::Subscription);
        for session in &self.gone {
            let session = self.stack.payments.object(session).expect("sessions stay");
            assert_ne!(session["status"], "open");
            for subscription in subscriptions.iter().filter(|one| one["id"] == session["subscription"]) {
                assert_eq!(subscription["status"], "canceled", "{subscription}");
            }
        }
    }
}

/// Outputs that a generation which failed was charged for: none, or all of them if it was cancelled late.
pub(super) fn charged_outputs(seen: &Value, generation: &Generation) -> i64 {
    let charged = seen["cost"]["charged"].as_i64().expect("a number");
    if charged == 0 {
        return 0;
    }
    assert_eq!((&seen["stage"], charged), (&Value::from("cancelled"), generation.price), "{seen}");
    generation.asked
}
