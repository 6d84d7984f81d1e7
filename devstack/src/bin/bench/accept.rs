//! One user who spends from many connections at once, beside a bare update of her balance. SQL: that update.

use std::sync::Arc;

use anyhow::ensure;
use shared::generation::Limits;
use shared::ids::{GenerationId, UserId};
use shared::ledger;
use sqlx::PgPool;

use crate::Bench;
use crate::load::{load, warm_up};
use crate::row::{Goal, Round, Row};
use crate::server::user_id;
use crate::spend::Order;

const FIGURE: &str = "accept, one user";
const REFERENCE: &str = "update public.credits set balance = balance - $2 where user_id = $1 and balance >= $2";
const GOAL: f64 = 0.8;
/// No limit but the balance: a step of this rate is shorter than what the database can tell apart.
const LIMITS: Limits = Limits { per_minute: u32::MAX, runs_open_max: u32::MAX, cancels_free_per_day: u32::MAX };

struct Spender {
    user_id: UserId,
    order: Arc<Order>,
    api: PgPool,
}

/// The reference and accept take turns; afterwards every credit must be accounted for.
pub(crate) async fn one_user(bench: &Bench) -> anyhow::Result<Row> {
    let (connections, lasting) = (bench.arguments.connections, bench.lasting());
    let database = bench.server.database().await?;
    let api = database.api_pool(connections)?;
    let spender = Arc::new(Spender { user_id: user_id(1), order: Arc::clone(&bench.order), api });
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
    let watch = database.watch([]);
    let before = spender.balance().await?;
    let mut updated = warm_up(connections, update.clone()).await?;
    let mut accepted = warm_up(connections, accept.clone()).await?;
    let (mut rounds, mut last) = (Vec::new(), None);
    for _ in 0..bench.rounds() {
        let ((reference, updates), beside) = watch.during(load(connections, lasting, update.clone())).await?;
        let ((measured, accepts), seen) = watch.during(load(connections, lasting, accept.clone())).await?;
        updated += updates;
        accepted += accepts;
        eprintln!("  {FIGURE}: {measured:.0} a second beside {reference:.0}");
        rounds.push(Round { measured, reference });
        last = Some(((seen, f64::from(accepts)), (beside, f64::from(updates))));
    }
    spender.give_back(&database.owner, updated).await?;
    let (spent, paid) = (before - spender.balance().await?, i64::from(accepted) * spender.order.price());
    ensure!(spent == paid, "{accepted} accepted requests cost {paid} credits, but {spent} were taken");
    spender.api.close().await;
    database.close().await?;
    let mut row = Row::of_rounds(FIGURE, "/s", &rounds, &format!("`{REFERENCE}`"), Goal::RatioMin(GOAL));
    if let Some(((seen, accepts), (beside, updates))) = last {
        row = row.bound_by(seen.bound()).note(seen.each(accepts)).note(seen.connections());
        row = row.note(format!("the reference: {}; {}", beside.bound(), beside.each(updates)));
    }
    Ok(row.note(format!("{connections} connections, no HTTP")))
}

impl Spender {
    async fn balance(&self) -> Result<i64, sqlx::Error> {
        Ok(ledger::balance(&self.api, self.user_id).await?.get().into())
    }

    async fn accept(&self) -> anyhow::Result<()> {
        self.order.accept(&self.api, self.user_id, GenerationId::generate(), LIMITS).await
    }

    async fn update(&self) -> anyhow::Result<()> {
        let (user_id, price) = (self.user_id.0, self.order.request.price().get());
        let updated = sqlx::query(REFERENCE).bind(user_id).bind(price).execute(&self.api).await?;
        ensure!(updated.rows_affected() == 1, "the balance is too small");
        Ok(())
    }

    /// Returns what the updates took, of which no entry tells.
    async fn give_back(&self, owner: &PgPool, updates: u32) -> Result<(), sqlx::Error> {
        sqlx::query("update public.credits set balance = balance + $2 where user_id = $1")
            .bind(self.user_id.0)
            .bind(i64::from(updates) * self.order.price())
            .execute(owner)
            .await?;
        Ok(())
    }
}
