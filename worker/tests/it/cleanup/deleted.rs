//! What is left of deleted generations when the store was away, and who is deleting at the same time.

use devstack::builders::{model, request};
use devstack::test_stack::TestStack;
use shared::retention::{Amount, Kind, Mode};

use super::{CLAIM, clean, number, objects, removed, upload};
use crate::generations::{accepted, delivered, flat, inline};
use devstack::samples::Sample;
use image::ImageFormat;

#[tokio::test]
async fn what_could_not_be_removed_at_once_is_removed_later() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let picture = inline(&flat(40, 30, [9, 99, 199]));
    let made = delivered(&stack, &user, request("upscale").picture("input_image", picture)).await;
    assert_eq!(objects(&stack).len(), 2, "an input and an output");
    stack.supabase.go_offline().await;
    let _ = user.delete(made.id).await.unwrap().expecting(204);
    let _ = user.status(made.id).await.unwrap().expecting(404);
    assert!(clean(&stack, &[Kind::DeletedGenerations], Mode::Apply).await.is_ok(), "claimed by whoever deleted it");
    stack.supabase.go_online().await;
    assert_eq!(objects(&stack).len(), 2);
    stack.advance(CLAIM).await;
    assert_eq!(removed(&stack, Kind::DeletedGenerations).await.count, 2);
    assert!(objects(&stack).is_empty());
    assert_eq!(number(&stack, "select count(*) from gateway.stored_object").await, 0);
    stack.reconcile().await;
}

#[tokio::test]
async fn a_deleted_picture_stays_until_the_generation_that_reads_it_is_final() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let path = upload(&stack, &user, "a.png", Sample::Mug.file(80, ImageFormat::Png)).await;
    let picture = || request("upscale").picture("input_image", path.as_str());
    let first = delivered(&stack, &user, picture()).await;
    let output = format!("{}/{}/1.webp", user.id(), first.id);
    let second = accepted(&user, request("upscale").picture("input_image", output.as_str())).await;
    let _ = user.delete(first.id).await.unwrap().expecting(204);
    assert!(objects(&stack).contains(&output) && !objects(&stack).contains(&path), "{:?}", objects(&stack));
    assert_eq!(stack.finish(&user, second).await["status"], "completed");
    stack.advance(CLAIM).await;
    assert_eq!(removed(&stack, Kind::DeletedGenerations).await.count, 1);
    assert!(!objects(&stack).contains(&output));
    stack.reconcile().await;
}

#[tokio::test]
async fn of_many_who_remove_the_same_each_object_is_removed_once() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    stack.supabase.script(
        simulators::Fault::new(simulators::HttpFault::ServerError { status: 503 })
            .on(simulators::Operation::Delete)
            .always(),
    );
    for _ in 0..5 {
        let made = delivered(&stack, &user, model()).await;
        let _ = user.delete(made.id).await.unwrap().expecting(204);
    }
    stack.supabase.clear_faults();
    stack.advance(CLAIM).await;
    let cleaners = (0..6).map(|_| clean(&stack, &[Kind::DeletedGenerations], Mode::Apply));
    let reports = futures::future::join_all(cleaners).await;
    let removed: u64 = reports.into_iter().map(|report| report.unwrap().of(Kind::DeletedGenerations).count).sum();
    assert_eq!(removed, 10);
    assert!(objects(&stack).is_empty());
    assert_eq!(
        clean(&stack, &[Kind::DeletedGenerations], Mode::Look).await.unwrap().of(Kind::DeletedGenerations),
        Amount::default()
    );
    stack.reconcile().await;
}
