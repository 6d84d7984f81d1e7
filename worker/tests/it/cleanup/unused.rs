//! Inputs that no generation refers to, and objects that belong to nobody.

use devstack::builders::{model, request};
use devstack::samples::Sample;
use devstack::test_stack::TestStack;
use image::ImageFormat;
use shared::retention::{Kind, Mode};
use uuid::Uuid;

use super::{DAY, clean, number, objects, put, removed, run, upload};
use crate::generations::{accepted, delivered, flat, inline};

fn png() -> Vec<u8> {
    Sample::Mug.file(80, ImageFormat::Png)
}

#[tokio::test]
async fn unused_inputs_go_after_seven_days_and_used_ones_stay() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let used = upload(&stack, &user, "used.png", png()).await;
    let unused = upload(&stack, &user, "album/unused.png", png()).await;
    let avatar = upload(&stack, &user, "my avatar.png", png()).await;
    let never = format!("{}/inputs/{}.png", user.id(), "0a".repeat(32));
    put(&stack, &never).await;
    delivered(&stack, &user, request("upscale").picture("input_image", used.as_str())).await;
    let base64 = inline(&flat(40, 30, [9, 99, 199]));
    delivered(&stack, &user, request("upscale").picture("input_image", base64)).await;
    let avatar_url = avatar.replace("my avatar", "my%20avatar");
    run(&stack, &format!("update public.profiles set avatar_url = 'https://x.example.com/o/{avatar_url}?token=t'"))
        .await;
    // A row of before this backend holds whole links.
    let linked = upload(&stack, &user, "linked.png", png()).await;
    let elsewhere = format!("{}/{}/1.webp", user.id(), Uuid::now_v7());
    put(&stack, &elsewhere).await;
    run(
        &stack,
        &format!(
            "insert into public.generations (user_id, generation_type, method, status, input_url, output_url)
             values ('{}', 'model', 'automatic', 'completed', 'https://x.example.com/object/public/b/{linked}',
                     'https://x.example.com/object/sign/b/{}?token=t')",
            user.id(),
            elsewhere.replace('/', "%2F"),
        ),
    )
    .await;
    stack.advance(7 * DAY - DAY / 24).await;
    let young = upload(&stack, &stack.sign_in_again(&user).await, "young.png", png()).await;
    assert_eq!(removed(&stack, Kind::UnusedInputs).await.count, 0);
    stack.advance(DAY / 24).await;
    let before = objects(&stack);
    assert_eq!(removed(&stack, Kind::UnusedInputs).await.count, 2);
    let gone: Vec<_> = before.difference(&objects(&stack)).cloned().collect();
    assert_eq!(gone, [never, unused]);
    assert_eq!(removed(&stack, Kind::Orphans).await.count, 0);
    assert!(objects(&stack).is_superset(&[used, avatar, linked, elsewhere, young].into()));
    stack.reconcile().await;
}

#[tokio::test]
async fn a_picture_that_was_named_a_moment_ago_is_in_use() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let path = upload(&stack, &user, "a.png", png()).await;
    stack.advance(8 * DAY).await;
    let user = stack.sign_in_again(&user).await;
    // Refused for want of credits after it was admitted: nothing refers to the picture, and the next try will.
    run(&stack, "insert into public.credit_transactions (user_id, amount, transaction_type, entry_key)
                 select user_id, -balance, 'adjustment', 'x' from public.credits; update public.credits set balance = 0").await;
    let request = request("upscale").picture("input_image", path.as_str());
    let _ = user.generate(&request.clone().build()).await.unwrap().expecting(402);
    assert_eq!(clean(&stack, &[Kind::UnusedInputs], Mode::Look).await.unwrap().of(Kind::UnusedInputs).count, 0);
    clean(&stack, &[Kind::UnusedInputs], Mode::Apply).await.unwrap();
    assert!(objects(&stack).contains(&path));
    // Noted as unused, but not yet removed: naming it takes the note back.
    stack.advance(8 * DAY).await;
    run(
        &stack,
        &format!(
        "update gateway.stored_object set remove_as = 'unused_inputs', noted_at = gateway.now() where path = '{path}';
         insert into public.credit_transactions (user_id, amount, transaction_type, entry_key)
           select user_id, 50, 'adjustment', 'y' from public.credits; update public.credits set balance = 50"),
    )
    .await;
    let user = stack.sign_in_again(&user).await;
    let id = accepted(&user, request.clone()).await;
    clean(&stack, &[Kind::UnusedInputs], Mode::Apply).await.unwrap();
    assert!(objects(&stack).contains(&path));
    stack.finish(&user, id).await;
    // In the middle of being removed it counts as not there.
    run(
        &stack,
        "update gateway.stored_object set remove_as = 'unused_inputs', noted_at = gateway.now(),
                   removing_until = gateway.now() + interval '5 minutes'",
    )
    .await;
    let user = stack.sign_in_again(&user).await;
    let _ = user.generate(&request.build()).await.unwrap().expecting(422);
    stack.reconcile().await;
}

#[tokio::test]
async fn orphans_go_after_a_day_and_nothing_of_what_runs() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let (ada, nobody) = (user.id(), Uuid::now_v7());
    let made = delivered(&stack, &user, model()).await;
    let failed = user.generate(&model().build()).await.unwrap().expecting(202).generation_id();
    let _ = user.cancel(failed).await.unwrap().expecting(200);
    let running = accepted(&user, model()).await;
    let old = Uuid::now_v7();
    run(
        &stack,
        &format!(
            "insert into public.generations (id, user_id, generation_type, method, status, output_url)
         values ('{old}', '{ada}', 'model', 'automatic', 'completed', '{ada}/{old}/1.png')"
        ),
    )
    .await;
    let mut orphans = vec![
        format!("{ada}/{}/3.webp", made.id),
        format!("{ada}/{failed}/1.webp"),
        format!("{ada}/{nobody}/1.webp"),
        format!("{nobody}/{}/1.webp", made.id),
        format!("{nobody}/uploads/a.png"),
        format!("{nobody}/inputs/a.png"),
    ];
    let kept = [
        format!("{ada}/{running}/1.webp"),
        format!("{ada}/{old}/1.png"),
        format!("{ada}/{old}/thumbnail.png"),
        format!("{ada}/logo.png"),
        "backup/2026/dump".to_owned(),
        format!("{ada}/{}/more/1.webp", made.id),
    ];
    for path in orphans.iter().chain(&kept) {
        put(&stack, path).await;
    }
    assert_eq!(removed(&stack, Kind::Orphans).await.count, 0, "all of them are young");
    // The running one stays so: no time passes for it but this.
    run(&stack, "update gateway.run set deadline_at = deadline_at + interval '10 days' where stage = 'queued'").await;
    stack.advance(DAY).await;
    let before = objects(&stack);
    let report = clean(&stack, &[Kind::Orphans], Mode::Look).await.unwrap();
    assert_eq!((report.unexpected, report.scanned_to_end), (3, true));
    assert_eq!(removed(&stack, Kind::Orphans).await.count, 6);
    let mut gone: Vec<_> = before.difference(&objects(&stack)).cloned().collect();
    gone.sort();
    orphans.sort();
    assert_eq!(gone, orphans);
    let user = stack.sign_in_again(&user).await;
    assert_eq!(stack.finish(&user, running).await["status"], "completed");
    assert_eq!(number(&stack, "select count(*) from gateway.output").await, 4);
    stack.reconcile().await;
}
