//! With 100,000 generations in the database, nothing that happens all the time reads a whole table.

use std::collections::BTreeMap;

use devstack::builders::{self, model};
use devstack::shop;
use devstack::test_stack::{TestStack, TestUser};
use serde_json::json;
use shared::retention::{self, Report};
use shared::telemetry;
use shootx_worker::housekeeping;

/// A thousand users with a hundred generations each, of the last hundred days, all delivered and paid for.
const FILL: &str = "
    set local session_replication_role = replica;
    create temporary table past on commit drop as
    select gen_random_uuid() as id, users.id as user_id, now() - n * interval '1 day' as at
    from (select id from auth.users) as users, generate_series(1, 100) as n;
    insert into public.generations (id, user_id, generation_type, method, status, created_at, completed_at, output_urls)
    select id, user_id, 'model', 'automatic', 'completed', at, at, array[user_id || '/' || id || '/1.webp'] from past;
    insert into gateway.run (generation_id, user_id, workflow, endpoint, stage, price, outputs_asked, outputs_delivered,
                             output_format, seed, request_id, accepted_at, deadline_at, target_seconds, max_seconds,
                             settled_at, result_at, submitted_at, provider_job_id, progress)
    select id, user_id, 'model', 'endpoint', 'completed', 1, 1, 1, 'webp', 7, id::text, at, at, 20, 45, at, at, at,
           id::text, 100 from past;
    insert into gateway.attempt (generation_id, attempt, provider_job_id, started_at) select id, 1, id::text, at from past;
    insert into gateway.output (generation_id, n, path, format, width, height, size_bytes, created_at)
    select id, 1, user_id || '/' || id || '/1.webp', 'webp', 96, 64, 1000, at from past;
    insert into gateway.event (generation_id, kind, stage, attempt, created_at)
    select id, kind, 'completed', 1, at from past, unnest(array['accepted', 'submitted', 'completed']) as kind;
    insert into public.credit_transactions (user_id, amount, transaction_type, generation_id, entry_key, created_at)
    select user_id, -1, 'generation', id, 'generation:' || id, at from past;
    insert into public.credit_transactions (user_id, amount, transaction_type, entry_key, created_at)
    select id, 100, 'grant', 'grant:past:' || id, now() - interval '101 days' from auth.users;
    insert into apalis.jobs (id, job_type, job, status, attempts, max_attempts, run_at, done_at, metadata)
    select lpad(n::text, 26, '0'), case when n % 2 = 0 then 'submit' else 'collect' end, '{}', 'Done', 1, 1,
           now() - n * interval '1 second', now() - n * interval '1 second', ''
    from generate_series(1, 50000) as n;";
/// What is too large to be read as a whole whenever somebody asks something.
const LARGE: &str = "
    select schemaname || '.' || relname, coalesce(seq_scan, 0)
    from pg_stat_user_tables
    where n_live_tup >= 900 and schemaname in ('public', 'gateway', 'apalis')";
/// A session tells what it has done when it ends.
const END_SESSIONS: &str = "
    select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
const OTHERS: &str = "
    select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";

#[tokio::test]
async fn nothing_that_happens_all_the_time_reads_a_whole_table() {
    let stack = TestStack::builder().webhooks().start().await;
    shop::stock(stack.database.pool()).await.unwrap();
    let user = stack.user().await;
    fill(&stack).await;
    let before = scans(&stack).await;
    for table in ["public.generations", "gateway.run", "gateway.event", "public.credit_transactions", "apalis.jobs"] {
        assert!(before.contains_key(table), "{table} is not among {before:?}");
    }

    find_ended_sessions(&stack, &user).await;
    use_everything(&stack, &user).await;
    assert_eq!(scans(&stack).await, before, "tables read as a whole");

    find_ended_sessions(&stack, &user).await;
    // The books are read as a whole, every ten minutes: seen, or nothing above would be.
    telemetry::report_anomalies(&stack.worker.pool, &stack.worker.anomalies).await.unwrap();
    assert!(scans(&stack).await["public.credit_transactions"] > before["public.credit_transactions"]);
    stack.reconcile().await;
}

async fn fill(stack: &TestStack) {
    let pool = stack.database.pool();
    let sign_up = "insert into auth.users (id, email, email_confirmed_at)
                   select gen_random_uuid(), 'user' || n || '@example.com', now() from generate_series(2, 1000) as n";
    sqlx::query(sign_up).execute(pool).await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    sqlx::raw_sql(FILL).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    sqlx::raw_sql("vacuum analyze").execute(pool).await.unwrap();
}

/// Sequential scans of each large table since it was made, of all sessions there have been.
async fn scans(stack: &TestStack) -> BTreeMap<String, i64> {
    let mut connection = stack.database.pool().acquire().await.unwrap();
    sqlx::query(END_SESSIONS).execute(&mut *connection).await.unwrap();
    while sqlx::query_scalar::<_, i64>(OTHERS).fetch_one(&mut *connection).await.unwrap() > 0 {
        tokio::task::yield_now().await;
    }
    sqlx::query("select pg_stat_force_next_flush()").execute(&mut *connection).await.unwrap();
    let rows: Vec<(String, i64)> = sqlx::query_as(LARGE).fetch_all(&mut *connection).await.unwrap();
    rows.into_iter().collect()
}

/// The pools find out that their sessions have ended.
async fn find_ended_sessions(stack: &TestStack, user: &TestUser) {
    for _ in 0..2 * stack.worker.pool.options().get_max_connections() {
        let _ = sqlx::query("select 1").execute(&stack.worker.pool).await;
        let _ = user.get("/api/v1/credits").await;
    }
    drop(user.get("/api/v1/credits").await.unwrap().expecting(200));
}

/// All that users do and workers do for them.
async fn use_everything(stack: &TestStack, user: &TestUser) {
    let quote = user.post("/api/v1/quotes", &model().build(), None).await.unwrap().expecting(201).body;
    let mut quoted = model().build();
    quoted["quote_id"] = quote["quote_id"].clone();
    let delivered = user.post("/api/v1/generate", &quoted, Some("once")).await.unwrap().generation_id();
    drop(user.post("/api/v1/generate", &quoted, Some("once")).await.unwrap().expecting(202));
    let cancelled = user.generate(&model().build()).await.unwrap().generation_id();
    drop(user.cancel(cancelled).await.unwrap().expecting(200));
    stack.finish(user, delivered).await;
    let path = format!("{}/{delivered}/1.webp", user.id());
    let again = builders::request("upscale").picture("input_image", path).input("upscale_level", 2).build();
    stack.finish(user, user.generate(&again).await.unwrap().generation_id()).await;
    let checkout = user.buy(shop::STARTER.0).await.unwrap().expecting(201);
    assert!(stack.payments.pay(&shop::session(&checkout)));
    stack.settle_payments().await;
    for path in [
        "/api/v1/generations?limit=50",
        "/api/v1/credits",
        "/api/v1/credits/transactions?limit=50",
        "/api/v1/subscriptions",
        "/api/v1/billing/invoices",
        "/api/v1/billing/packs",
        "/api/v1/billing/plans",
        "/readyz",
    ] {
        drop(user.get(path).await.unwrap().expecting(200));
    }
    drop(user.post("/api/v1/generate", &json!({}), None).await.unwrap().expecting(422));
    drop(user.delete(delivered).await.unwrap().expecting(204));
    // What happens every minute.
    let (pool, images) = (&stack.worker.pool, &*stack.worker.images);
    housekeeping::free_locks(pool, housekeeping::LOCK_MAX).await.unwrap();
    retention::forget_uses(pool).await.unwrap();
    retention::remove_requested(pool, images, &mut Report::default()).await.unwrap();
    assert!(retention::begin_if_due(pool).await.unwrap());
    retention::age(pool).await.unwrap();
    shared::generation::estimates(&stack.worker.pool).await.unwrap();
    shared::jobs::queue_depth(&stack.worker.pool).await.unwrap();
    telemetry::show_books(&stack.worker.pool).await.unwrap();
}
