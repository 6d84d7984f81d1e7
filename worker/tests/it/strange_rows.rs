//! Rows that users could write freely, before this backend or through Supabase, hold the largest and strangest values
//! of their types. The worker's periodic reads and the operators' commands still succeed.

use devstack::strange_rows;
use devstack::test_stack::TestStack;
use shared::ids::{GenerationId, UserId};
use shared::operations;
use shared::retention::{self, Kind, Mode, Settings};
use shared::telemetry;
use uuid::Uuid;

/// Longest text of a row that an operator is shown.
const TEXT_CHARS_MAX: usize = 2_000;

/// Reads everything that workers and operators read of these tables.
async fn all_read(stack: &TestStack, user: UserId, id: GenerationId, what: &str) {
    let (pool, images) = (&stack.worker.pool, &*stack.worker.images);
    let settings = Settings { scheduled: true, outputs_days: Some(30) };
    for mode in [Mode::Look, Mode::Apply] {
        let cleaned = retention::clean_up(pool, images, &settings, &Kind::ALL, mode).await;
        assert!(cleaned.is_ok(), "{mode:?} with {what}: {cleaned:?}");
    }
    let reported = telemetry::report_anomalies(pool, &stack.worker.anomalies).await;
    assert!(reported.is_ok(), "anomalies with {what}: {reported:?}");
    shared::ledger::reconcile(pool).await.unwrap_or_else(|error| panic!("reconcile with {what}: {error}"));
    operations::check_health(pool).await.unwrap_or_else(|error| panic!("health with {what}: {error}"));
    operations::tell_story(pool, id).await.unwrap_or_else(|error| panic!("story with {what}: {error}"));
    let refunds = operations::list_refunds(pool, user).await;
    let refunds = refunds.unwrap_or_else(|error| panic!("refunds with {what}: {error}"));
    for text in refunds.iter().filter_map(|refund| refund.error_message.as_ref()) {
        assert!(text.chars().count() <= TEXT_CHARS_MAX, "refunds with {what}");
    }
    stack.drain().await;
}

#[tokio::test]
async fn workers_and_operators_read_whatever_a_row_holds() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let cup = format!("{}/uploads/cup.png", user.id());
    stack.worker.images.put(&cup, b"a picture".as_slice().into(), "image/png").await.unwrap();
    let (pool, id) = (stack.database.pool(), Uuid::now_v7());
    for state in strange_rows::lay(pool, user.id(), id).await.unwrap() {
        state.apply(pool).await.unwrap();
        all_read(&stack, UserId(user.id()), GenerationId(id), &format!("{state:?}")).await;
        state.undo(pool).await.unwrap();
    }
}
