//! A user is deleted while something of theirs is written: whichever comes first, neither is the victim of a deadlock.

use std::pin::pin;
use std::time::Duration;

use shared::credits::Credits;
use shared::generation::lease::Leased;
use shared::generation::store::commit;
use shared::generation::{Event, lifecycle, request_cancel};
use shared::ids::GenerationId;
use shared::ledger::{self, Adjustment, Key};
use shared::notification::{Notify, mailing};
use shared::retention::{Kind, Mode, Settings, clean_up};
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use super::{World, request};
use crate::images::subject;
use crate::people::{run, value};

/// A session that should wait for a lock does so within this many looks.
const LOOKS_MAX: u32 = 2_000;
const LOOK_EVERY: Duration = Duration::from_millis(5);
const DEADLOCK: &str = "40P01";
const CREDITS: &str = "select from public.credits for update";
const MAILING: &str = "select from gateway.mailing for update";
const GENERATION: &str = "select from public.generations for update";
const PLAN: &str = include_str!("due_plan.sql");

/// What writes more than one row of the user, and the row before which it is held up.
const WRITES: &[(Write, &str)] = &[
    (Write::Accept, CREDITS),
    (Write::SettleWithRefund, CREDITS),
    (Write::SettleWithMail, MAILING),
    (Write::Cancel, CREDITS),
    (Write::Adjust, CREDITS),
    (Write::Grant, CREDITS),
    (Write::TakeMailing, MAILING),
    (Write::Expire, GENERATION),
];

#[derive(Debug, Clone, Copy)]
enum Write {
    Accept,
    SettleWithRefund,
    SettleWithMail,
    Cancel,
    Adjust,
    Grant,
    TakeMailing,
    Expire,
}

/// What must be there before.
struct Prepared {
    queued: GenerationId,
    leased: Leased,
}

async fn prepare(world: &World) -> Prepared {
    let pool = world.database.pool();
    run(pool, &PLAN.replace("{user}", &world.user.to_string())).await;
    let told = world.accept().await;
    let leased = world.submit(told).await;
    finish(world, &leased).await.unwrap();
    run(pool, "update gateway.mailing set wake_at = gateway.now()").await;
    // As if it had outputs, which can then expire.
    run(pool, "update gateway.run set stage = 'completed', error_code = null where stage = 'failed'").await;
    let leased = world.submit(world.accept().await).await;
    Prepared { queued: world.accept().await, leased }
}

async fn finish(world: &World, leased: &Leased) -> Result<String, sqlx::Error> {
    let rejected = Event::SubmitRejected { code: "provider_rejected" };
    let failed = lifecycle::next(&leased.run, rejected, leased.now()).unwrap();
    commit(&world.worker, leased, &failed, &[], Notify::ByMail).await.map(|done| format!("{done:?}"))
}

impl Write {
    async fn go(self, world: &World, prepared: &Prepared) -> String {
        match self {
            Self::Accept => format!("{:?}", world.ask(GenerationId::generate(), None, &request(1)).await),
            Self::SettleWithRefund | Self::SettleWithMail => format!("{:?}", finish(world, &prepared.leased).await),
            Self::Cancel => format!("{:?}", request_cancel(&world.api, world.user, prepared.queued, 20).await),
            Self::Adjust => format!("{:?}", adjust(world).await),
            Self::Grant => format!("{:?}", shared::billing::grant::grant_due(&world.worker, 10).await),
            Self::TakeMailing => format!("{:?}", mailing::take(&world.worker, world.user).await),
            Self::Expire => {
                let (images, settings) = (subject::local(), Settings { scheduled: true, outputs_days: Some(0) });
                let kinds = &[Kind::ExpiredOutputs];
                format!("{:?}", clean_up(&world.worker, &*images.store, &settings, kinds, Mode::Apply).await)
            }
        }
    }
}

async fn adjust(world: &World) -> Result<ledger::Adjusted, ledger::AdjustError> {
    let adjustment = Adjustment {
        user_id: world.user,
        amount: Credits::new(5),
        reason: "an apology".parse().unwrap(),
        key: Key::generate(),
    };
    ledger::adjust(&world.worker, &adjustment, false).await
}

/// Deletes the user as the sign-in server does.
async fn delete(pool: &PgPool, user: Uuid) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    sqlx::query("set local role supabase_auth_admin").execute(&mut *tx).await?;
    sqlx::query("delete from auth.users where id = $1").bind(user).execute(&mut *tx).await?;
    tx.commit().await
}

async fn until_waiting(pool: &PgPool, sessions: i64) {
    for _ in 0..LOOKS_MAX {
        let waiting: i64 = value(
            pool,
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
        )
        .await;
        if waiting >= sessions {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    panic!("{sessions} sessions wait for a lock");
}

/// Rows of tables that refer to a user or their profile.
async fn rows_left(pool: &PgPool, user: Uuid) -> i64 {
    let tables: Vec<String> = sqlx::query_scalar(
        "select distinct format('select count(*) from %s where %I = $1', conrelid::regclass, attname)
         from pg_constraint join pg_attribute on attrelid = conrelid and attnum = conkey[1]
         where contype = 'f' and confrelid in ('auth.users'::regclass, 'public.profiles'::regclass)
         union all select 'select count(*) from gateway.run where user_id = $1'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut left = 0;
    for count in tables {
        left += sqlx::query_scalar::<_, i64>(AssertSqlSafe(count)).bind(user).fetch_one(pool).await.unwrap();
    }
    left
}

/// Holds both up behind one row, the first before the second; returns what became of them if it is wrong.
async fn race(write: Write, gate: &'static str, write_first: bool) -> Option<String> {
    let world = World::new().await;
    let pool = world.database.pool();
    let prepared = prepare(&world).await;
    let mut held = pool.begin().await.unwrap();
    sqlx::query(gate).execute(&mut *held).await.unwrap();
    // A write that skips users who are being deleted ends without waiting.
    let (ended, end) = tokio::sync::oneshot::channel::<()>();
    let writing = async {
        let ended = ended;
        if !write_first {
            until_waiting(pool, 1).await;
        }
        let written = write.go(&world, &prepared).await;
        drop(ended);
        written
    };
    let deleting = async {
        if write_first {
            until_waiting(pool, 1).await;
        }
        delete(pool, world.user.0).await
    };
    let releasing = async {
        futures::future::select(pin!(until_waiting(pool, 2)), end).await;
        held.rollback().await.unwrap();
    };
    let (written, deleted, ()) = futures::join!(writing, deleting, releasing);
    let deadlocked = written.contains(DEADLOCK) || deleted.is_err();
    let lost = write_first && !written.starts_with("Ok");
    let left = rows_left(pool, world.user.0).await;
    let wrong = deadlocked || lost || left > 0;
    world.reconcile().await;
    wrong.then(|| format!("{write:?}: {written}, {deleted:?}, {left} rows left"))
}

async fn race_all(write_first: bool) {
    let mut wrong = Vec::new();
    for (write, gate) in WRITES {
        wrong.extend(race(*write, gate, write_first).await);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_deletion_that_comes_second_waits() {
    race_all(true).await;
}

#[tokio::test]
async fn a_deletion_that_comes_first_is_waited_for() {
    race_all(false).await;
}
