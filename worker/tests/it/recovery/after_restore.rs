//! What was under way at the backup, and what was done after it: nothing is paid twice, submitted twice or lost that
//! anything outside remembers.

use std::time::Duration;

use devstack::builders::model;
use devstack::shop;
use shared::generation::{Event, lease};
use shared::ids::GenerationId;
use shared::recovery::hold;
use shootx_worker::steps::{conclude, submit};
use simulators::supabase::SupabaseEffect;
use simulators::{Fault, HttpFault, Operation};
use uuid::Uuid;

use super::World;
use crate::operations::operate;

/// More than what was paid takes to be in the provider's list for sure.
const LISTED_BY: Duration = Duration::from_mins(11);

impl World {
    async fn accept(&self) -> Uuid {
        self.user.generate(&model().build()).await.unwrap().expecting(202).generation_id()
    }

    /// Has a worker do all that is due, which submits it; the provider job's id.
    async fn submitted(&self, id: Uuid) -> String {
        self.stack.drain().await;
        let job = sqlx::query_scalar("select provider_job_id from gateway.attempt where generation_id = $1").bind(id);
        job.fetch_one(self.stack.database.pool()).await.unwrap()
    }

    async fn deliver(&self, id: Uuid, job: &str) {
        assert!(self.stack.runpod.complete(job));
        assert_eq!(self.stack.finish(&self.user, id).await["status"], "completed");
    }

    /// Accepts one and has it delivered.
    async fn delivered(&self) -> Uuid {
        let id = self.accept().await;
        let job = self.submitted(id).await;
        self.deliver(id, &job).await;
        id
    }

    /// Buys 100 credits and has them.
    async fn buy(&self) {
        let checkout = self.user.buy(shop::STARTER.0).await.unwrap().expecting(201);
        assert!(self.stack.payments.pay(&shop::session(&checkout)));
        self.stack.settle_payments().await;
    }

    fn jobs_made(&self) -> usize {
        self.stack.runpod.jobs().len()
    }

    async fn has_stages(&self, expected: &[(Uuid, &str)]) {
        for (id, stage) in expected {
            assert_eq!(self.stage(*id).await, *stage, "{id}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_system_adopts_what_was_finished_refunds_what_nobody_knows_and_submits_nothing_twice() {
    let world = World::new().await;
    let done = world.delivered().await;
    let (running_then_done, still_running) = (world.accept().await, world.accept().await);
    let (first_job, second_job) = (world.submitted(running_then_done).await, world.submitted(still_running).await);
    let (queued_then_done, half_lost, queued_then_running) =
        (world.accept().await, world.accept().await, world.accept().await);
    let backup = world.back_up();

    // The world goes on.
    for id in [queued_then_done, half_lost] {
        let job = world.submitted(id).await;
        assert!(world.stack.runpod.complete(&job));
    }
    world.deliver(running_then_done, &first_job).await;
    for id in [queued_then_done, half_lost] {
        assert_eq!(world.stack.finish(&world.user, id).await["status"], "completed");
    }
    let half = format!("{}/{half_lost}/2.webp", world.user.id());
    world.stack.worker.images.delete(&[half]).await.unwrap();
    assert_eq!(world.stage(queued_then_running).await, "running");
    let after_backup = world.delivered().await;
    world.buy().await;
    assert_eq!(world.user.balance().await.unwrap(), 100 - 2 * 7 + 100);
    let jobs_made = world.jobs_made();

    let world = world.restored_from(&backup).await;
    assert_eq!(world.user.balance().await.unwrap(), 100 - 2 * 6, "as it was at the backup");

    // Nobody submits before it is recovered, also a worker that ran on.
    let refused = operate(&world.stack, &["run"]);
    assert!(refused.code == 1 && refused.complained.contains("recover --apply"), "{refused:?}");
    let waiting = GenerationId(queued_then_running);
    assert_eq!(submit::submit(&world.stack.worker, waiting).await.unwrap(), "nothing_to_do");
    // It takes longer than a run has; RunPod ends what it has, and keeps the result for as long as we asked for.
    assert!(world.stack.runpod.complete(&second_job));
    world.stack.advance(Duration::from_mins(14)).await;
    let dry = operate(&world.stack, &["recover"]);
    let sums = "5 runs were under way: 3 adopted, 1 refunded, 1 resumed, 0 not decided";
    assert!(dry.code == 0 && dry.said.contains(sums) && dry.said.contains("nothing was done"), "{dry:?}");
    assert_eq!(world.user.balance().await.unwrap(), 100 - 2 * 6);

    let applied = operate(&world.stack, &["recover", "--apply"]);
    assert!(applied.code == 0 && applied.said.contains(sums), "{applied:?}");
    let finished = [done, running_then_done, queued_then_done, half_lost].map(|id| (id, "completed"));
    world.has_stages(&finished).await;
    world.has_stages(&[(queued_then_running, "failed"), (still_running, "running")]).await;
    let failed = world.user.status(queued_then_running).await.unwrap().body;
    assert_eq!(failed["error_code"], "restored");
    assert!(failed["error"].as_str().unwrap().contains("backup"), "{failed}");
    drop(world.user.status(after_backup).await.unwrap().expecting(404));

    // Workers start: what RunPod still has is delivered, and what was bought comes back.
    let seen = world.stack.finish(&world.user, still_running).await;
    assert_eq!(seen["status"], "completed", "{seen}");
    assert_eq!(world.jobs_made(), jobs_made, "no second job for anything");
    world.stack.advance(LISTED_BY).await;
    world.stack.drain().await;
    assert_eq!(world.user.balance().await.unwrap(), 100 - 2 - 2 - 2 - 1 - 2 + 100);
    let links = world.user.status(queued_then_done).await.unwrap().body["image_urls"].clone();
    assert_eq!(links.as_array().unwrap().len(), 2);
    for link in links.as_array().unwrap() {
        assert!(!world.user.download(link.as_str().unwrap()).await.unwrap().is_empty(), "links are renewed");
    }
    let again = operate(&world.stack, &["recover"]);
    assert!(again.said.contains("0 runs were under way"), "{again:?}");
    world.stack.reconcile().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_answer_leaves_the_run_and_the_hold_to_a_repeat() {
    let world = World::new().await;
    world.delivered().await;
    let queued = world.accept().await;
    let backup = world.back_up();
    let world = world.restored_from(&backup).await;
    let down = Fault::new(SupabaseEffect::from(HttpFault::ServerError { status: 500 }));
    world.stack.supabase.script(down.on(Operation::Download).always());
    let failed = operate(&world.stack, &["recover", "--apply"]);
    assert!(failed.code == 1 && failed.said.contains("1 not decided"), "{failed:?}");
    assert_eq!((world.stage(queued).await.as_str(), world.user.balance().await.unwrap()), ("queued", 96));
    assert_eq!(operate(&world.stack, &["run"]).code, 1, "still held");
    world.stack.supabase.clear_faults();
    assert_eq!(operate(&world.stack, &["recover", "--apply"]).code, 0);
    assert_eq!((world.stage(queued).await.as_str(), world.user.balance().await.unwrap()), ("failed", 98));
    world.stack.reconcile().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_given_back_because_the_pictures_are_not_there_yet() {
    let world = World::new().await;
    let done = world.delivered().await;
    let queued = world.accept().await;
    let backup = world.back_up();
    let paths = [1, 2].map(|n| format!("{}/{done}/{n}.webp", world.user.id()));
    world.stack.worker.images.delete(&paths).await.unwrap();
    let world = world.restored_from(&backup).await;
    let refused = operate(&world.stack, &["recover", "--apply"]);
    assert!(refused.code == 1 && refused.complained.contains("objects import"), "{refused:?}");
    assert_eq!(world.stage(queued).await, "queued");
    assert_eq!(operate(&world.stack, &["recover", "--apply", "--without-pictures"]).code, 0);
    assert_eq!(world.stage(queued).await, "failed");
    world.stack.reconcile().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_stopped_anywhere_is_gone_on_with() {
    let world = World::new().await;
    let ids = [world.accept().await, world.accept().await];
    let backup = world.back_up();
    let world = world.restored_from(&backup).await;
    // It had leased one and written nothing, and settled the other, when it was killed.
    let held = hold::find(world.stack.database.pool()).await.unwrap().unwrap();
    let pool = &world.stack.worker.pool;
    let leased = lease::after_restore(pool, GenerationId(ids[0]), held.held_at).await.unwrap();
    let event = Event::Restored { stored: 0 };
    conclude(&world.stack.worker, &leased.unwrap(), event, &[]).await.unwrap();
    drop(lease::after_restore(pool, GenerationId(ids[1]), held.held_at).await.unwrap());
    let early = operate(&world.stack, &["recover", "--apply"]);
    assert!(early.code == 1 && early.said.contains("1 not decided"), "a lease is respected: {early:?}");
    world.stack.advance(Duration::from_secs(21)).await;
    let applied = operate(&world.stack, &["recover", "--apply"]);
    assert!(applied.said.contains("1 runs were under way: 0 adopted, 1 refunded"), "{applied:?}");
    assert_eq!(world.user.balance().await.unwrap(), 100);
    world.stack.reconcile().await;
}
