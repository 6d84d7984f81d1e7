//! Every step run twice, and every step stopped between acting and committing. Nothing is lost or paid twice.

use std::time::Duration;

use devstack::builders::model;
use devstack::test_stack::{TestStack, TestUser};
use shared::generation::{LEASES_LOST_MAX, lease};
use shared::ids::GenerationId;
use shootx_worker::steps::{collect, conclude, submit};
use shootx_worker::{attend, poller, sweeper};
use simulators::supabase::SupabaseEffect;
use simulators::{Fault, HttpFault, Operation};
use uuid::Uuid;

async fn begin(stack: &TestStack) -> (TestUser, Uuid) {
    let user = stack.user().await;
    let id = user.generate(&model().build()).await.unwrap().expecting(202).generation_id();
    (user, id)
}

async fn stage(user: &TestUser, id: Uuid) -> String {
    user.status(id).await.unwrap().body["stage"].as_str().unwrap().to_owned()
}

async fn ends_well(stack: &TestStack, user: &TestUser, id: Uuid) {
    assert_eq!(stack.finish(user, id).await["status"], "completed");
    assert_eq!(user.balance().await.unwrap(), 98);
    stack.reconcile().await;
}

#[tokio::test]
async fn every_step_may_be_run_twice() {
    let stack = TestStack::new().await;
    let (user, id) = begin(&stack).await;
    let generation = GenerationId(id);
    assert_eq!(submit::submit(&stack.worker, generation).await.unwrap(), "submitted");
    assert_eq!(submit::submit(&stack.worker, generation).await.unwrap(), "nothing_to_do");
    stack.advance(Duration::from_secs(20)).await;
    assert_eq!(poller::tick(&stack.worker).await.unwrap(), 1);
    assert_eq!(poller::tick(&stack.worker).await.unwrap(), 0);
    assert_eq!(collect::collect(&stack.worker, generation).await.unwrap(), "completed");
    assert_eq!(collect::collect(&stack.worker, generation).await.unwrap(), "nothing_to_do");
    assert_eq!(sweeper::tick(&stack.worker).await.unwrap(), 0);
    assert_eq!(stack.runpod.counts().jobs_made, 1);
    ends_well(&stack, &user, id).await;
}

#[tokio::test]
async fn a_worker_that_dies_before_submitting_loses_nothing() {
    let stack = TestStack::new().await;
    let (user, id) = begin(&stack).await;
    // It has leased the run and recorded its attempt; whether it sent anything, nobody knows.
    lease::for_submission(&stack.worker.pool, GenerationId(id)).await.unwrap().unwrap();
    stack.advance(Duration::from_secs(21)).await;
    assert_eq!(sweeper::tick(&stack.worker).await.unwrap(), 1, "taken up within the lease and one sweep");
    assert_eq!(stage(&user, id).await, "submitting");
    ends_well(&stack, &user, id).await;
    assert_eq!(stack.runpod.counts().jobs_made, 1);
}

#[tokio::test]
async fn a_worker_that_slept_past_its_lease_sends_nothing() {
    let stack = TestStack::new().await;
    let (user, id) = begin(&stack).await;
    let leased = lease::for_submission(&stack.worker.pool, GenerationId(id)).await.unwrap().unwrap();
    stack.advance(Duration::from_secs(21)).await;
    assert_eq!(sweeper::tick(&stack.worker).await.unwrap(), 1, "another one took the run over");
    submit::act(&stack.worker, &leased).await.unwrap();
    assert_eq!(stack.runpod.counts().jobs_made, 0, "it is the other one's to send");
    ends_well(&stack, &user, id).await;
    assert_eq!(stack.runpod.counts().jobs_made, 1);
}

#[tokio::test]
async fn a_cancel_that_was_read_with_the_lease_is_obeyed_before_anything_is_sent() {
    let stack = TestStack::new().await;
    let (user, id) = begin(&stack).await;
    let mut leased = lease::for_submission(&stack.worker.pool, GenerationId(id)).await.unwrap().unwrap();
    leased.run.cancel_requested_at = Some(leased.now());
    let event = submit::act(&stack.worker, &leased).await.unwrap();
    assert_eq!(conclude(&stack.worker, &leased, event, &[]).await.unwrap(), "cancelled");
    assert_eq!((stack.runpod.counts().jobs_made, user.balance().await.unwrap()), (0, 100));
    stack.reconcile().await;
}

#[tokio::test]
async fn a_worker_that_dies_between_submitting_and_committing_makes_one_job_if_the_webhook_comes() {
    let stack = TestStack::builder().webhooks().start().await;
    let (user, id) = begin(&stack).await;
    let leased = lease::for_submission(&stack.worker.pool, GenerationId(id)).await.unwrap().unwrap();
    submit::act(&stack.worker, &leased).await.unwrap();
    assert_eq!(stack.runpod.counts().jobs_made, 1);
    for _ in 0..200 {
        if stack.runpod.counts().webhooks_delivered > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    stack.advance(Duration::from_secs(21)).await;
    ends_well(&stack, &user, id).await;
    assert_eq!(stack.runpod.counts().jobs_made, 1);
}

#[tokio::test]
async fn a_worker_that_dies_between_submitting_and_committing_charges_once_without_a_webhook() {
    let stack = TestStack::new().await;
    let (user, id) = begin(&stack).await;
    let leased = lease::for_submission(&stack.worker.pool, GenerationId(id)).await.unwrap().unwrap();
    submit::act(&stack.worker, &leased).await.unwrap();
    ends_well(&stack, &user, id).await;
    assert_eq!(stack.runpod.counts().jobs_made, 2, "the second only after the wait for the first one's webhook");
}

#[tokio::test]
async fn a_database_that_blinks_after_the_submission_does_not_lose_the_job() {
    let stack = TestStack::new().await;
    let (user, id) = begin(&stack).await;
    let blink = "create sequence gateway.blink;
        create function gateway.blink() returns trigger language plpgsql security definer as
          $$ begin if nextval('gateway.blink') <= 2 then raise exception 'blink'; end if; return new; end $$;
        create trigger blink before update on gateway.run for each row
          when (new.stage = 'running') execute function gateway.blink()";
    sqlx::raw_sql(blink).execute(stack.database.pool()).await.unwrap();
    assert_eq!(submit::submit(&stack.worker, GenerationId(id)).await.unwrap(), "submitted");
    ends_well(&stack, &user, id).await;
    assert_eq!(stack.runpod.counts().jobs_made, 1);
}

#[tokio::test]
async fn a_worker_that_dies_while_polling_delays_by_one_lease() {
    let stack = TestStack::new().await;
    let (user, id) = begin(&stack).await;
    stack.drain().await;
    stack.advance(Duration::from_secs(20)).await;
    let leased = lease::due_for_poll(&stack.worker.pool, 10).await.unwrap().pop().unwrap();
    attend::act(&stack.worker, &leased).await.unwrap();
    assert_eq!(poller::tick(&stack.worker).await.unwrap(), 0, "the dead worker's lease still holds");
    stack.advance(Duration::from_secs(21)).await;
    assert_eq!(poller::tick(&stack.worker).await.unwrap(), 1);
    ends_well(&stack, &user, id).await;
}

#[tokio::test]
async fn a_worker_that_dies_between_storing_and_committing_stores_the_same_pictures_again() {
    let stack = TestStack::new().await;
    let (user, id) = begin(&stack).await;
    submit::submit(&stack.worker, GenerationId(id)).await.unwrap();
    stack.advance(Duration::from_secs(20)).await;
    poller::tick(&stack.worker).await.unwrap();
    let leased = lease::for_collection(&stack.worker.pool, GenerationId(id)).await.unwrap().unwrap();
    let (_, stored) = collect::act(&stack.worker, &leased).await.unwrap();
    assert_eq!(stored.len(), 2);
    // Its job is gone with it; the sweeper finds the run when the lease has expired.
    sqlx::query("update apalis.jobs set status = 'Done'").execute(stack.database.pool()).await.unwrap();
    stack.advance(Duration::from_secs(21)).await;
    assert_eq!(sweeper::tick(&stack.worker).await.unwrap(), 1);
    let seen = stack.finish(&user, id).await;
    assert_eq!(seen["image_urls"].as_array().map(Vec::len), Some(2));
    ends_well(&stack, &user, id).await;
}

#[tokio::test]
async fn a_lost_job_is_found_by_the_sweeper() {
    let stack = TestStack::new().await;
    let (user, id) = begin(&stack).await;
    sqlx::query("delete from apalis.jobs").execute(stack.database.pool()).await.unwrap();
    assert_eq!(stack.drain().await, 0);
    stack.advance(Duration::from_secs(6)).await;
    ends_well(&stack, &user, id).await;
}

#[tokio::test]
async fn repeated_jobs_make_one_provider_job() {
    let stack = TestStack::new().await;
    let (user, id) = begin(&stack).await;
    let worker = &stack.worker;
    let outcomes = futures::future::join_all((0..8).map(|_| submit::submit(worker, GenerationId(id)))).await;
    let submitted = outcomes.into_iter().filter(|outcome| *outcome.as_ref().unwrap() == "submitted").count();
    assert_eq!(submitted, 1);
    assert_eq!(stack.runpod.counts().requests.get(&Operation::Run), Some(&1));
    ends_well(&stack, &user, id).await;
}

#[tokio::test]
async fn a_result_that_no_worker_ever_collects_is_refunded_in_the_end() {
    let stack = TestStack::new().await;
    let (user, id) = begin(&stack).await;
    submit::submit(&stack.worker, GenerationId(id)).await.unwrap();
    stack.advance(Duration::from_secs(20)).await;
    poller::tick(&stack.worker).await.unwrap();
    // Every worker that takes it dies with it, until long after the deadline.
    for _ in 0..4 {
        lease::for_collection(&stack.worker.pool, GenerationId(id)).await.unwrap().unwrap();
        stack.advance(Duration::from_secs(4 * 60)).await;
    }
    assert_eq!(stage(&user, id).await, "collecting");
    sweeper::tick(&stack.worker).await.unwrap();
    assert_eq!((stage(&user, id).await.as_str(), user.balance().await.unwrap()), ("failed", 100));
    stack.reconcile().await;
}

#[tokio::test]
async fn a_result_that_kills_every_worker_which_collects_it_is_refunded_after_five() {
    let stack = TestStack::new().await;
    let (user, id) = begin(&stack).await;
    submit::submit(&stack.worker, GenerationId(id)).await.unwrap();
    stack.advance(Duration::from_secs(20)).await;
    poller::tick(&stack.worker).await.unwrap();
    for deaths in 0..LEASES_LOST_MAX {
        let leased = lease::for_collection(&stack.worker.pool, GenerationId(id)).await.unwrap().unwrap();
        assert!(!leased.run.kills_workers(), "{deaths}");
        stack.advance(Duration::from_secs(21)).await;
    }
    assert_eq!(collect::collect(&stack.worker, GenerationId(id)).await.unwrap(), "nothing_delivered");
    assert_eq!((stage(&user, id).await.as_str(), user.balance().await.unwrap()), ("failed", 100));
    stack.reconcile().await;
}

#[tokio::test]
async fn an_answer_that_kills_every_worker_which_reads_it_is_refunded_after_five() {
    let stack = TestStack::new().await;
    let (user, id) = begin(&stack).await;
    submit::submit(&stack.worker, GenerationId(id)).await.unwrap();
    stack.advance(Duration::from_secs(20)).await;
    for _ in 0..LEASES_LOST_MAX {
        assert_eq!(lease::due_for_poll(&stack.worker.pool, 10).await.unwrap().len(), 1);
        stack.advance(Duration::from_secs(21)).await;
    }
    assert_eq!(poller::tick(&stack.worker).await.unwrap(), 1);
    let seen = user.status(id).await.unwrap().body;
    assert_eq!((seen["stage"].as_str(), seen["error_code"].as_str()), (Some("failed"), Some("provider_error")));
    assert_eq!(user.balance().await.unwrap(), 100);
    stack.reconcile().await;
}

#[tokio::test]
async fn a_job_heard_of_after_the_lease_was_lost_is_not_made_again() {
    let stack = TestStack::new().await;
    let (user, id) = begin(&stack).await;
    let leased = lease::for_submission(&stack.worker.pool, GenerationId(id)).await.unwrap().unwrap();
    let event = submit::act(&stack.worker, &leased).await.unwrap();
    // The database is away for longer than the lease, and another worker is faster when it comes back.
    stack.advance(Duration::from_secs(21)).await;
    assert_eq!(sweeper::tick(&stack.worker).await.unwrap(), 1);
    let outcome = shootx_worker::steps::conclude(&stack.worker, &leased, event, &[]).await.unwrap();
    assert_eq!(outcome, "lease_lost");
    ends_well(&stack, &user, id).await;
    assert_eq!(stack.runpod.counts().jobs_made, 1);
}

#[tokio::test]
async fn what_was_stored_before_the_workers_died_is_delivered_in_the_end() {
    let stack = TestStack::new().await;
    let (user, id) = begin(&stack).await;
    let down = SupabaseEffect::from(HttpFault::ServerError { status: 503 });
    stack.supabase.script(Fault::new(down).on(Operation::Upload).subject_contains("/2.").always());
    submit::submit(&stack.worker, GenerationId(id)).await.unwrap();
    stack.advance(Duration::from_secs(20)).await;
    poller::tick(&stack.worker).await.unwrap();
    assert_eq!(collect::collect(&stack.worker, GenerationId(id)).await.unwrap(), "collect_unavailable");
    for _ in 0..4 {
        stack.advance(Duration::from_secs(4 * 60)).await;
        lease::for_collection(&stack.worker.pool, GenerationId(id)).await.unwrap().unwrap();
    }
    stack.advance(Duration::from_secs(21)).await;
    sweeper::tick(&stack.worker).await.unwrap();
    let seen = user.status(id).await.unwrap().body;
    assert_eq!((seen["status"].as_str(), seen["image_urls"].as_array().map(Vec::len)), (Some("completed"), Some(1)));
    assert_eq!(user.balance().await.unwrap(), 99);
    stack.reconcile().await;
}
