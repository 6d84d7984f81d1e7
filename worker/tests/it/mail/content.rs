//! Who is told what, and who is not.

use std::time::Duration;

use devstack::builders::model;
use devstack::test_stack::TestStack;
use simulators::Fault;
use simulators::runpod::{JobFault, RunPodEffect, Spoil};

use super::server::MailServer;
use super::{APP_URL, builder, gathered, generation, set_notifications, state, states};

#[tokio::test]
async fn several_generations_of_one_user_are_told_in_one_mail() {
    let Some(mut server) = MailServer::start() else { return };
    let stack = builder(&server).start().await;
    let (user, other) = (stack.user().await, stack.user().await);
    let (first, second) = (generation(&stack, &user).await, generation(&stack, &user).await);
    stack.runpod.script(Fault::new(RunPodEffect::from(JobFault::SpoiledPicture { how: Spoil::Svg, picture: None })));
    let failed = generation(&stack, &user).await;
    let others = generation(&stack, &other).await;
    assert_eq!(server.mails(), [], "they gather first");
    gathered(&stack).await;

    let mails = server.mails();
    assert_eq!(mails.len(), 2, "one for each user: {mails:#?}");
    let mail = mails.iter().find(|mail| mail.to == [user.signed_in.email.clone()]).unwrap();
    assert_eq!(mail.from, "hello@shootx.example");
    assert_eq!(mail.headers["from"], "ShootX <hello@shootx.example>");
    assert_eq!(mail.headers["subject"], "3 of your generations have ended, not all of them well");
    for part in [&mail.text, &mail.html] {
        for id in [first, second, failed] {
            assert!(part.contains(&format!("{APP_URL}/generations/{id}")), "{part}");
        }
        assert!(!part.contains(&others.to_string()));
        assert!(part.contains("Model generation") && part.contains("finished without a usable picture"), "{part}");
        assert!(part.contains("Your credits were refunded"), "{part}");
    }
    assert_eq!(states(&stack, &user).await, state("sent", 3));
    gathered(&stack).await;
    assert_eq!(server.mails().len(), 2, "nothing is told twice");
    stack.reconcile().await;
}

#[tokio::test]
async fn what_ends_after_a_mail_is_told_in_the_next() {
    let Some(mut server) = MailServer::start() else { return };
    let stack = builder(&server).start().await;
    let user = stack.user().await;
    for mails in 1..=2 {
        generation(&stack, &user).await;
        gathered(&stack).await;
        assert_eq!(server.mails().len(), mails);
    }
    assert!(server.mails().iter().all(|mail| mail.headers["subject"] == "Model generation: your result is ready"));
    stack.reconcile().await;
}

#[tokio::test]
async fn a_user_who_wants_no_mail_gets_none_and_no_row_means_that_she_does() {
    let Some(mut server) = MailServer::start() else { return };
    let stack = builder(&server).start().await;
    let [without, on, off, late] = [stack.user().await, stack.user().await, stack.user().await, stack.user().await];
    set_notifications(&stack, &on, true).await;
    set_notifications(&stack, &off, false).await;
    for user in [&without, &on, &off, &late] {
        generation(&stack, user).await;
    }
    assert_eq!(states(&stack, &off).await, [], "nothing is even written");
    set_notifications(&stack, &late, false).await;
    gathered(&stack).await;
    let mut told: Vec<String> = server.mails().into_iter().flat_map(|mail| mail.to).collect();
    let mut wanted = [without.signed_in.email.clone(), on.signed_in.email.clone()];
    told.sort();
    wanted.sort();
    assert_eq!(told, wanted);
    assert_eq!(states(&stack, &late).await, state("unwanted", 1));
    stack.reconcile().await;
}

#[tokio::test]
async fn nobody_is_told_of_what_she_cancelled_or_deleted() {
    let Some(mut server) = MailServer::start() else { return };
    let stack = builder(&server).start().await;
    let user = stack.user().await;
    let id = user.generate(&model().build()).await.unwrap().expecting(202).generation_id();
    // Under way, so that a worker settles it.
    stack.drain().await;
    user.cancel(id).await.unwrap();
    assert_eq!(stack.finish(&user, id).await["error_code"], "cancelled");
    assert_eq!(states(&stack, &user).await, []);
    let deleted = generation(&stack, &user).await;
    sqlx::query("update public.generations set deleted_at = now() where id = $1")
        .bind(deleted)
        .execute(stack.database.pool())
        .await
        .unwrap();
    gathered(&stack).await;
    assert_eq!(states(&stack, &user).await, state("unwanted", 1));
    assert_eq!(server.mails(), []);
    stack.reconcile().await;
}

#[tokio::test]
async fn without_a_mail_server_nothing_is_noted() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    generation(&stack, &user).await;
    stack.advance(Duration::from_secs(120)).await;
    stack.drain().await;
    assert_eq!(states(&stack, &user).await, []);
    stack.reconcile().await;
}

#[tokio::test]
async fn a_deleted_user_takes_her_notifications_along() {
    let Some(mut server) = MailServer::start() else { return };
    let stack = builder(&server).start().await;
    let user = stack.user().await;
    generation(&stack, &user).await;
    sqlx::query("delete from auth.users where id = $1").bind(user.id()).execute(stack.database.pool()).await.unwrap();
    assert_eq!(states(&stack, &user).await, []);
    gathered(&stack).await;
    assert_eq!(server.mails(), []);
}
