//! One user who spends from many connections at once, beside a bare update of her balance. SQL: that update.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{bail, ensure};
use serde_json::json;
use shared::credits::Credits;
use shared::generation::{Accepted, Limits, NewGeneration, accept};
use shared::ids::{GenerationId, UserId};
use shared::ledger::{self, Adjustment, Key};
use shared::workflow::{Dialect, Request};
use sqlx::PgPool;
use uuid::Uuid;

use crate::load::{load, warm_up};
use crate::row::{Round, Row};
use crate::{Arguments, Server};

const NAME: &str = "accept, one user";
const REFERENCE: &str = "update public.credits set balance = balance - $2 where user_id = $1 and balance >= $2";
const GOAL: f64 = 0.8;
/// More than any measurement spends.
const CREDITS: Credits = Credits::new(2_000_000_000);
/// No limit but the balance: a step of this rate is shorter than what the database can tell apart.
const LIMITS: Limits = Limits { per_minute: u32::MAX, runs_open_max: u32::MAX };

struct Spender {
    user_id: UserId,
    request: Request,
    api: PgPool,
}

/// The reference and accept take turns; afterwards every credit must be accounted for.
pub(crate) async fn one_user(server: &Server, arguments: &Arguments) -> anyhow::Result<Row> {
    let spender = Arc::new(Spender::sign_up(server).await?);
    let accept = {
        let spender = Arc::clone(&spender);
        move || {
            let spender = Arc::clone(&spender);
            async move { spender.accept().await }
        }
    };
    let update = {
        let spender = Arc::clone(&spender);
        move || {
            let spender = Arc::clone(&spender);
            async move { spender.update().await }
        }
    };
    let before = spender.balance().await?;
    let (owner, lasting) = (&server.owner, Duration::from_secs(arguments.seconds));
    let connections = arguments.connections;
    let mut updated = warm_up(connections, update.clone()).await?;
    let mut accepted = warm_up(connections, accept.clone()).await?;
    let mut rounds = Vec::new();
    for _ in 0..arguments.rounds {
        let (reference, count) = load(owner, connections, lasting, update.clone()).await?;
        updated += count;
        let (measured, count) = load(owner, connections, lasting, accept.clone()).await?;
        accepted += count;
        println!("  {NAME}: {:.0} a second beside {:.0}", measured.per_second, reference.per_second);
        rounds.push(Round { measured, reference });
    }
    spender.give_back(owner, updated).await?;
    let (spent, paid) = (before - spender.balance().await?, i64::from(accepted) * spender.price());
    ensure!(spent == paid, "{accepted} accepted requests cost {paid} credits, but {spent} were taken");
    Ok(Row { name: NAME, reference: REFERENCE, goal: GOAL, rounds })
}

impl Spender {
    async fn sign_up(server: &Server) -> anyhow::Result<Self> {
        let user_id = UserId(Uuid::now_v7());
        sqlx::query("insert into auth.users (id, email, raw_user_meta_data) values ($1, 'ada@example.com', '{}')")
            .bind(user_id.0)
            .execute(&server.owner)
            .await?;
        let (reason, key) = ("to be spent".parse()?, Key::generate());
        ledger::adjust(&server.owner, &Adjustment { user_id, amount: CREDITS, reason, key }, false).await?;
        let input = json!({"gender": "female", "pose": "standing", "age_range": "25-35", "ethnicity": "mixed"});
        let body = json!({"workflow_type": "model", "input_data": input, "settings": {"output_count": 1}});
        let Ok(request) = Request::parse(&body) else { bail!("the request is not valid any more") };
        Ok(Self { user_id, request, api: server.api.clone() })
    }

    fn price(&self) -> i64 {
        self.request.price().get().into()
    }

    async fn balance(&self) -> Result<i64, sqlx::Error> {
        Ok(ledger::balance(&self.api, self.user_id).await?.get().into())
    }

    async fn accept(&self) -> anyhow::Result<()> {
        let new = NewGeneration {
            id: GenerationId::generate(),
            user_id: self.user_id,
            request: &self.request,
            price: self.request.price(),
            seed: 7,
            request_id: "bench",
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"),
            key: None,
            response: "{}",
            limits: LIMITS,
            endpoint: "bench",
            dialect: Dialect::Product,
            admitted: false,
        };
        match accept(&self.api, &new).await? {
            Accepted::New { .. } => Ok(()),
            Accepted::Replayed { .. } => bail!("a request without a key was taken for a repeat"),
        }
    }

    async fn update(&self) -> anyhow::Result<()> {
        let (user_id, price) = (self.user_id.0, self.request.price().get());
        let updated = sqlx::query(REFERENCE).bind(user_id).bind(price).execute(&self.api).await?;
        ensure!(updated.rows_affected() == 1, "the balance is too small");
        Ok(())
    }

    /// Returns what the updates took, of which no entry tells.
    async fn give_back(&self, owner: &PgPool, updates: u32) -> Result<(), sqlx::Error> {
        sqlx::query("update public.credits set balance = balance + $2 where user_id = $1")
            .bind(self.user_id.0)
            .bind(i64::from(updates) * self.price())
            .execute(owner)
            .await?;
        Ok(())
    }
}
