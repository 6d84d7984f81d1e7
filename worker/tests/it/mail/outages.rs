//! The mail server is away, refuses, hangs or breaks off; and the worker dies. A mail comes once, or again as the same.

use std::time::Duration;

use devstack::builders::model;
use devstack::test_stack::{TestStack, TestUser};
use shared::notification::{End, Ended, LATE_MAX, LEASE, Mail, Taken, mailing};
use shootx_worker::steps::notify::notify;

use super::server::MailServer;
use super::{builder, gathered, generation, message_ids, pass, state, states, user_id};

/// Longer than the longest wait between two tries.
const RETRY: Duration = Duration::from_mins(17);

/// A user with a generation that she is to be told of.
async fn told(stack: &TestStack) -> TestUser {
    let user = stack.user().await;
    generation(stack, &user).await;
    user
}

async fn take(stack: &TestStack, user: &TestUser) -> Box<Mail> {
    match mailing::take(&stack.worker.pool, user_id(user)).await.unwrap() {
        Taken::Mail(mail) => mail,
        Taken::Nothing => panic!("there is nothing to send"),
    }
}

#[tokio::test]
async fn a_mail_server_that_is_down_for_an_hour_costs_no_mail_and_repeats_none() {
    let Some(mut server) = MailServer::start() else { return };
    let stack = builder(&server).start().await;
    let user = told(&stack).await;
    server.stop();
    gathered(&stack).await;
    for minute in 1..=60 {
        pass(&stack, Duration::from_mins(1)).await;
        if minute == 30 {
            generation(&stack, &user).await;
        }
    }
    assert_eq!(states(&stack, &user).await, state("waiting", 2));
    server.start_again();
    pass(&stack, RETRY).await;
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].headers["subject"], "2 of your generations are ready");
    assert_eq!(states(&stack, &user).await, state("sent", 2));
    pass(&stack, RETRY).await;
    assert_eq!(server.mails().len(), 1);
    stack.reconcile().await;
}

#[tokio::test]
async fn what_the_server_refuses_is_tried_later_under_another_id() {
    let Some(mut server) = MailServer::start() else { return };
    let stack = builder(&server).start().await;
    let user = told(&stack).await;
    for (refusals, mode) in (1..).zip(["later", "defer", "reject"]) {
        server.mode(mode);
        pass(&stack, RETRY).await;
        assert_eq!((server.dialogues(), server.mails().len()), (refusals, 0), "{mode}");
        assert_eq!(states(&stack, &user).await, state("waiting", 1), "{mode}");
    }
    server.mode("accept");
    pass(&stack, RETRY).await;
    assert_eq!(server.mails().len(), 1);
    stack.reconcile().await;
}

#[tokio::test]
async fn a_mail_whose_answer_was_lost_is_sent_again_as_the_same_and_so_often_only() {
    let Some(mut server) = MailServer::start() else { return };
    let stack = builder(&server).start().await;
    let user = told(&stack).await;
    server.mode("drop");
    gathered(&stack).await;
    assert_eq!(states(&stack, &user).await, state("sending", 1));
    // What ends meanwhile is not in it.
    generation(&stack, &user).await;
    // A refusal in between leaves open whether it is out already.
    server.mode("defer");
    pass(&stack, RETRY).await;
    server.mode("accept");
    pass(&stack, RETRY).await;
    gathered(&stack).await;
    let mails = server.mails();
    assert_eq!(mails.len(), 3, "{mails:#?}");
    let ids = message_ids(&mails);
    assert_eq!((ids[0], &mails[0]), (ids[1], &mails[1]), "the same mail to the last letter");
    assert_ne!(ids[1], ids[2], "the next is another");
    assert_eq!(states(&stack, &user).await, state("sent", 2));

    server.mode("drop");
    let unlucky = told(&stack).await;
    for _ in 0..8 {
        pass(&stack, RETRY).await;
    }
    let mails = server.mails().split_off(3);
    assert_eq!(mails.len(), 4, "one and three repeats");
    assert!(mails.iter().all(|mail| mail == &mails[0]));
    assert_eq!(states(&stack, &unlucky).await, state("given_up", 1));
    stack.reconcile().await;
}

#[tokio::test]
async fn a_worker_that_dies_before_or_after_sending_leaves_a_mail_that_is_sent_as_the_same() {
    let Some(mut server) = MailServer::start() else { return };
    let stack = builder(&server).start().await;
    let user = told(&stack).await;
    stack.advance(Duration::from_secs(66)).await;
    let fixed = take(&stack, &user).await;
    stack.drain().await;
    assert_eq!(server.mails(), [], "it is the dead worker's until its lease expires");
    stack.advance(LEASE + Duration::from_secs(6)).await;
    let again = take(&stack, &user).await;
    assert_eq!((again.mail_id, again.dated), (fixed.mail_id, fixed.dated));
    assert_eq!(stack.worker.mailer.as_ref().unwrap().send(&again).await, End::Sent);
    // Dies here, before it could write that it is sent.
    pass(&stack, LEASE).await;
    let mails = server.mails();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0], mails[1]);
    assert!(mails[0].headers["message-id"].contains(&fixed.mail_id.to_string()));
    assert_eq!(states(&stack, &user).await, state("sent", 1));
    // The dead ones come back to life.
    for mail in [fixed, again] {
        assert_eq!(mailing::conclude(&stack.worker.pool, &mail, End::Refused).await.unwrap(), Ended::LeaseLost);
    }
    assert_eq!(states(&stack, &user).await, state("sent", 1));
    stack.reconcile().await;
}

#[tokio::test]
async fn two_workers_that_are_woken_for_one_user_send_one_mail() {
    let Some(mut server) = MailServer::start() else { return };
    let stack = builder(&server).start().await;
    let user = told(&stack).await;
    stack.advance(Duration::from_secs(66)).await;
    let (id, worker) = (user_id(&user), stack.worker.clone());
    let (one, other) = tokio::join!(notify(&stack.worker, id), notify(&worker, id));
    let mut outcomes = [one.unwrap(), other.unwrap()];
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["nothing_to_do", "sent"]);
    stack.drain().await;
    assert_eq!(server.mails().len(), 1);
    stack.reconcile().await;
}

#[tokio::test]
async fn a_mail_server_that_hangs_holds_no_generation_up() {
    let Some(mut server) = MailServer::start() else { return };
    let stack = builder(&server).start().await;
    let user = told(&stack).await;
    server.mode("hang");
    stack.advance(Duration::from_secs(66)).await;
    let (id, worker) = (user_id(&user), stack.worker.clone());
    let hanging = tokio::spawn(async move { notify(&worker, id).await });
    while server.dialogues() == 0 {
        tokio::task::yield_now().await;
    }
    let next = user.generate(&model().build()).await.unwrap().expecting(202).generation_id();
    assert_eq!(stack.finish(&user, next).await["status"], "completed");
    assert!(!hanging.is_finished(), "it was settled while the mail server hung");
    hanging.abort();
    assert!(hanging.await.unwrap_err().is_cancelled());
    server.mode("accept");
    pass(&stack, LEASE).await;
    gathered(&stack).await;
    assert_eq!(states(&stack, &user).await, state("sent", 2));
    stack.reconcile().await;
}

#[tokio::test]
async fn what_could_be_told_only_a_day_late_is_not_told() {
    let Some(mut server) = MailServer::start() else { return };
    let stack = builder(&server).start().await;
    let user = told(&stack).await;
    server.stop();
    gathered(&stack).await;
    stack.advance(LATE_MAX).await;
    server.start_again();
    pass(&stack, RETRY).await;
    assert_eq!((server.mails().len(), states(&stack, &user).await), (0, state("given_up", 1)));
    // Nor is what waited while mail was off.
    generation(&stack, &user).await;
    let mut off = stack.worker.clone();
    off.mailer = None;
    stack.advance(LATE_MAX + RETRY).await;
    assert_eq!(notify(&off, user_id(&user)).await.unwrap(), "nothing_to_do");
    stack.drain().await;
    assert_eq!((server.mails().len(), states(&stack, &user).await), (0, state("given_up", 2)));
    stack.reconcile().await;
}
