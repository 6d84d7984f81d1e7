//! Calls from outside on a run under way: cancels and webhooks.

use shared::generation::lease;
use shared::generation::webhook_url::WebhookRef;
use shared::generation::{Callback, Event, Noted, Stage, Status, attempt, note_webhook, request_cancel};
use shared::ids::{GenerationId, UserId};

use super::{TRACEPARENT, World};

#[tokio::test]
async fn cancelling_what_is_queued_refunds_at_once_and_may_be_repeated() {
    let world = World::new().await;
    let id = world.accept().await;
    for _ in 0..2 {
        let seen = request_cancel(&world.api, world.user, id, 20).await.unwrap().expect("hers");
        assert_eq!((seen.stage, seen.status), (Some(Stage::Cancelled), Status::Failed));
        assert_eq!(seen.error_code.as_deref(), Some("cancelled"));
    }
    assert_eq!(world.balance().await, 100);
    assert!(lease::for_submission(&world.worker, id).await.unwrap().is_none());
    let stranger = UserId(uuid::Uuid::new_v4());
    assert!(request_cancel(&world.api, stranger, id, 20).await.unwrap().is_none());
    world.reconcile().await;
}

#[tokio::test]
async fn cancelling_what_a_worker_holds_leaves_it_to_the_worker() {
    let world = World::new().await;
    let id = world.accept().await;
    let leased = world.submit(id).await;
    let seen = request_cancel(&world.api, world.user, id, 20).await.unwrap().expect("hers");
    assert_eq!(seen.stage, Some(Stage::Submitting));
    world.commit(&leased, Event::Submitted { provider_job_id: "job".into(), callback: Callback::Awaited }).await;
    // The wish came while the lease was held; the commit does not overwrite its ring.
    let [rung] = &lease::due_for_poll(&world.worker, 10).await.unwrap()[..] else { panic!("rung for") };
    assert!(rung.run.cancel_requested_at.is_some());
    world.commit(rung, Event::CancelRequested).await;
    assert_eq!((world.seen(id).await.stage, world.balance().await), (Some(Stage::Cancelled), 100));
    world.reconcile().await;
}

#[tokio::test]
async fn a_webhook_brings_the_id_of_a_lost_answer_and_rings() {
    let world = World::new().await;
    let id = world.accept().await;
    let leased = world.submit(id).await;
    world.commit(&leased, Event::SubmitUnknown).await;
    assert!(lease::due_for_poll(&world.worker, 10).await.unwrap().is_empty());
    let link = WebhookRef { generation_id: id, attempt: 1, expires_at: leased.run.deadline_at };
    let noted = note_webhook(&world.api, &link, Some("job-9")).await.unwrap();
    assert_eq!(noted, Noted::Noted { request_id: "request-1".into(), traceparent: Some(TRACEPARENT.into()) });
    assert_eq!(lease::due_for_poll(&world.worker, 10).await.unwrap().len(), 1);
    let open = attempt::list_open(&world.worker, id).await.unwrap();
    assert_eq!(open[0].provider_job_id.as_str(), "job-9");
    // A forged second id does not replace the first.
    note_webhook(&world.api, &link, Some("job-10")).await.unwrap();
    assert_eq!(attempt::list_open(&world.worker, id).await.unwrap(), open);
    world.reconcile().await;
}

#[tokio::test]
async fn an_expired_webhook_or_one_of_an_attempt_never_made_changes_nothing() {
    let world = World::new().await;
    let id = world.running().await;
    let deadline = lease_deadline(&world, id).await;
    for (attempt, expires_at) in [(2, deadline), (1, deadline - chrono::TimeDelta::hours(1))] {
        let link = WebhookRef { generation_id: id, attempt, expires_at };
        assert_eq!(note_webhook(&world.api, &link, Some("job")).await.unwrap(), Noted::Refused);
    }
    assert!(lease::due_for_poll(&world.worker, 10).await.unwrap().is_empty());
    world.reconcile().await;
}

async fn lease_deadline(world: &World, id: GenerationId) -> chrono::DateTime<chrono::Utc> {
    sqlx::query_scalar("select deadline_at from gateway.run where generation_id = $1")
        .bind(id.0)
        .fetch_one(world.database.pool())
        .await
        .unwrap()
}
