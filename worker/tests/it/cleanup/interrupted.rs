//! A round that stops in its middle, wherever that is, is finished by the next.

use devstack::builders::model;
use devstack::test_stack::TestStack;
use shared::retention::{self, CleanupError, Kind, Mode};
use shootx_worker::housekeeping;
use simulators::supabase::{StorageFault, SupabaseEffect};
use simulators::{Fault, HttpFault, Operation};
use uuid::Uuid;

use super::{CLAIM, DAY, clean, number, objects, put};
use crate::generations::delivered;

/// More than one page of the store's list.
const MANY: usize = 1_005;

#[tokio::test]
async fn whatever_fails_between_noting_and_forgetting_is_made_up_for() {
    let refused = |code: &str, status| StorageFault::StorageError { status, code: code.to_owned() };
    let faults: [SupabaseEffect; 6] = [
        HttpFault::ServerError { status: 503 }.into(),
        HttpFault::AnswerLost.into(),
        HttpFault::GarbageAnswer.into(),
        StorageFault::AccessDenied.into(),
        refused("NoSuchBucket", 404).into(),
        refused("InvalidRequest", 400).into(),
    ];
    for fault in faults {
        let stack = TestStack::builder().set("OUTPUT_RETENTION_DAYS", "30").start().await;
        let user = stack.user().await;
        let made = delivered(&stack, &user, model()).await;
        stack.advance(31 * DAY).await;
        stack.supabase.script(Fault::new(fault.clone()).on(Operation::Delete).always());
        let stopped = clean(&stack, &[Kind::ExpiredOutputs], Mode::Apply).await;
        assert!(matches!(stopped, Err(CleanupError::Store(_))), "{fault:?}: {stopped:?}");
        let noted = "select count(*) from gateway.stored_object where remove_as = 'expired_outputs'";
        assert_eq!(number(&stack, noted).await, 2, "{fault:?}");
        let user = stack.sign_in_again(&user).await;
        let seen = user.status(made.id).await.unwrap().expecting(200).body;
        assert_eq!(seen["image_urls"], serde_json::json!([]), "no link to what may be gone");
        stack.supabase.clear_faults();
        stack.advance(CLAIM).await;
        clean(&stack, &[Kind::ExpiredOutputs], Mode::Apply).await.unwrap();
        assert!(objects(&stack).is_empty());
        assert_eq!(number(&stack, noted).await, 0);
        stack.reconcile().await;
    }
}

#[tokio::test]
async fn a_worker_goes_on_where_the_last_one_stopped_reading_the_list() {
    let stack = TestStack::new().await;
    let nobody = Uuid::now_v7();
    for n in 0..MANY {
        put(&stack, &format!("{nobody}/uploads/{n:04}.png")).await;
    }
    stack.advance(DAY).await;
    // The second page cannot be read; what the first one held goes all the same, and the place is kept.
    stack.supabase.script(Fault::new(HttpFault::ServerError { status: 503 }).on(Operation::List).skip(1).always());
    housekeeping::clean_up(&stack.worker).await.unwrap_err();
    assert_eq!(number(&stack, "select count(*) from gateway.stored_object").await, 0);
    assert_eq!(number(&stack, "select count(*) from gateway.cleanup where scan_cursor is not null").await, 1);
    assert!(retention::age(&stack.worker.pool).await.unwrap().is_none(), "it did not come to an end");
    stack.supabase.clear_faults();
    // Not due before the hour is over; then it goes on.
    housekeeping::clean_up(&stack.worker).await.unwrap();
    assert_eq!(objects(&stack).len(), MANY - 1_000);
    stack.advance(DAY / 24).await;
    let report = housekeeping::clean_up(&stack.worker).await.unwrap();
    assert_eq!((report.of(Kind::Orphans).count, report.scanned_to_end), (MANY as u64 - 1_000, true));
    assert!(objects(&stack).is_empty());
    assert!(retention::age(&stack.worker.pool).await.unwrap().is_some());
    stack.reconcile().await;
}

#[tokio::test]
async fn where_cleaning_is_off_workers_remove_only_what_users_asked_for() {
    let stack = TestStack::builder().set("OUTPUT_RETENTION_DAYS", "1").set("CLEANUP", "off").start().await;
    let user = stack.user().await;
    let (kept, deleted) = (delivered(&stack, &user, model()).await, delivered(&stack, &user, model()).await);
    stack.supabase.script(Fault::new(HttpFault::ServerError { status: 503 }).on(Operation::Delete).always());
    let _ = user.delete(deleted.id).await.unwrap().expecting(204);
    stack.supabase.clear_faults();
    put(&stack, &format!("{}/uploads/unused.png", user.id())).await;
    stack.advance(8 * DAY).await;
    housekeeping::clean_up(&stack.worker).await.unwrap();
    assert_eq!(objects(&stack).len(), 3, "two outputs and an unused upload");
    assert!(objects(&stack).iter().any(|path| path.contains(&kept.id.to_string())));
    assert!(retention::age(&stack.worker.pool).await.unwrap().is_none(), "being off is not forgotten");
    stack.reconcile().await;
}
