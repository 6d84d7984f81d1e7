//! What was under way at the backup, and what was done after it: nothing is paid twice, submitted twice or lost that
//! anything outside remembers.

use std::time::Duration;

use devstack::builders::model;
use devstack::shop;
use shared::ids::GenerationId;
use shootx_worker::steps::submit;
use simulators::Operation;
use uuid::Uuid;

use super::World;
use crate::operations::operate;

impl World {
    async fn accept(&self) -> Uuid {
        self.user.generate(&model().build()).await.unwrap().expecting(202).generation_id()
    }

    /// Has a worker submit it; the provider job's id.
    async fn submit(&self, id: Uuid) -> String {
        let before: Vec<_> = self.stack.runpod.jobs().into_iter().map(|job| job.id).collect();
        assert_eq!(submit::submit(&self.stack.worker, GenerationId(id)).await.unwrap(), "submitted");
        self.stack.runpod.jobs().into_iter().map(|job| job.id).find(|job| !before.contains(job)).unwrap()
    }

    async fn deliver(&self, id: Uuid, job: &str) {
        assert!(self.stack.runpod.complete(job));
        assert_eq!(self.stack.finish(&self.user, id).await["status"], "completed");
    }

    fn jobs_made(&self) -> usize {
        self.stack.runpod.jobs().len()
    }
}

#[tokio::test]
async fn a_restored_system_adopts_what_was_finished_refunds_what_nobody_knows_and_submits_nothing_twice() {
    let world = World::new().await;
    let (done, running_then_done, still_running) = (world.accept().await, world.accept().await, world.accept().await);
    let job = world.submit(done).await;
    world.deliver(done, &job).await;
    let (first_job, second_job) = (world.submit(running_then_done).await, world.submit(still_running).await);
    let (queued_then_done, half_lost, queued_then_running, untouched) =
        (world.accept().await, world.accept().await, world.accept().await, world.accept().await);
    let backup = world.back_up();

    // The world goes on.
    world.deliver(running_then_done, &first_job).await;
    for id in [queued_then_done, half_lost] {
        let job = world.submit(id).await;
        world.deliver(id, &job).await;
    }
    let half = format!("{}/{half_lost}/2.webp", world.user.id());
    world.stack.worker.images.delete(&[half]).await.unwrap();
    world.submit(queued_then_running).await;
    let after_backup = world.accept().await;
    let job = world.submit(after_backup).await;
    world.deliver(after_backup, &job).await;
    let checkout = world.user.buy(shop::STARTER.0).await.unwrap().expecting(201);
    assert!(world.stack.payments.pay(&shop::session(&checkout)));
    world.stack.settle_payments().await;
    assert_eq!(world.user.balance().await.unwrap(), 100 - 2 * 8 + 100);
    let jobs_made = world.jobs_made();

    let world = world.restored_from(&backup).await;
    assert_eq!(world.user.balance().await.unwrap(), 100 - 2 * 7, "as it was at the backup");

    // Nobody submits before it is recovered.
    let refused = operate(&world.stack, &["run"]);
    assert!(refused.code == 1 && refused.complained.contains("recover --apply"), "{refused:?}");
    assert_eq!(
        submit::submit(&world.stack.worker, GenerationId(untouched)).await.unwrap(),
        "nothing_to_do",
        "also a worker that ran on is held"
    );
    let dry = operate(&world.stack, &["recover"]);
    assert!(dry.code == 0 && dry.said.contains("nothing was done"), "{dry:?}");
    assert!(dry.said.contains("6 runs were under way: 3 adopted, 2 refunded, 1 resumed, 0 not decided"), "{dry:?}");
    assert_eq!(world.user.balance().await.unwrap(), 100 - 2 * 7);

    let applied = operate(&world.stack, &["recover", "--apply"]);
    assert!(applied.code == 0, "{applied:?}");
    assert!(applied.said.contains("6 runs were under way: 3 adopted, 2 refunded, 1 resumed, 0 not decided"));
    for (id, stage) in [
        (done, "completed"),
        (running_then_done, "completed"),
        (queued_then_done, "completed"),
        (half_lost, "completed"),
        (queued_then_running, "failed"),
        (untouched, "failed"),
        (still_running, "running"),
    ] {
        assert_eq!(world.stage(id).await, stage, "{id}");
    }
    let failed = world.user.status(untouched).await.unwrap().body;
    assert_eq!(failed["error_code"], "restored");
    assert!(failed["error"].as_str().unwrap().contains("backup"), "{failed}");
    drop(world.user.status(after_backup).await.unwrap().expecting(404));

    // Workers start: what RunPod still has is delivered, and what was bought comes back.
    world.deliver(still_running, &second_job).await;
    assert_eq!(world.jobs_made(), jobs_made, "no second job for anything");
    assert_eq!(world.user.balance().await.unwrap(), 100 - 2 - 2 - 2 - 2 - 1 + 100);
    let outputs = world.user.status(queued_then_done).await.unwrap().body["output_urls"].clone();
    for link in outputs.as_array().unwrap() {
        assert!(!world.user.download(link.as_str().unwrap()).await.unwrap().is_empty(), "links are renewed");
    }
    let again = operate(&world.stack, &["recover"]);
    assert!(again.said.contains("0 runs were under way"), "{again:?}");
    world.stack.reconcile().await;
}

#[tokio::test]
async fn a_store_that_does_not_answer_leaves_the_run_and_the_hold_to_a_repeat() {
    let world = World::new().await;
    let (done, queued) = (world.accept().await, world.accept().await);
    let job = world.submit(done).await;
    world.deliver(done, &job).await;
    let backup = world.back_up();
    let world = world.restored_from(&backup).await;
    let down = simulators::Fault::new(simulators::supabase::SupabaseEffect::from(simulators::HttpFault::ServerError {
        status: 500,
    }));
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

#[tokio::test]
async fn nothing_is_given_back_because_the_pictures_are_not_there_yet() {
    let world = World::new().await;
    let (done, queued) = (world.accept().await, world.accept().await);
    let job = world.submit(done).await;
    world.deliver(done, &job).await;
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

#[tokio::test]
async fn a_recovery_stopped_anywhere_is_gone_on_with() {
    let world = World::new().await;
    let ids = [world.accept().await, world.accept().await];
    let backup = world.back_up();
    let world = world.restored_from(&backup).await;
    // It had leased one and written nothing, and settled the other, when it was killed.
    let held = shared::recovery::hold::find(world.stack.database.pool()).await.unwrap().unwrap();
    let pool = &world.stack.worker.pool;
    let leased = shared::generation::lease::after_restore(pool, GenerationId(ids[0]), held.held_at).await.unwrap();
    let event = shared::generation::Event::Restored { stored: 0 };
    shootx_worker::steps::conclude(&world.stack.worker, &leased.unwrap(), event, &[]).await.unwrap();
    drop(shared::generation::lease::after_restore(pool, GenerationId(ids[1]), held.held_at).await.unwrap());
    let early = operate(&world.stack, &["recover", "--apply"]);
    assert!(early.code == 1 && early.said.contains("1 not decided"), "a lease is respected: {early:?}");
    world.stack.advance(Duration::from_secs(21)).await;
    let applied = operate(&world.stack, &["recover", "--apply"]);
    assert!(applied.said.contains("1 runs were under way: 0 adopted, 1 refunded"), "{applied:?}");
    assert_eq!(world.user.balance().await.unwrap(), 100);
    world.stack.reconcile().await;
}
