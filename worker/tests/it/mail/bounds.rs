//! What a mail server or a user may say, and how much one mail holds.

use shared::notification::{NAMED_MAX, ROWS_MAX};

use super::server::MailServer;
use super::{builder, gathered, generation, state, states};

#[tokio::test]
async fn a_recipient_that_is_refused_for_good_is_not_tried_again() {
    let Some(mut server) = MailServer::start() else { return };
    let stack = builder(&server).start().await;
    let user = stack.user().await;
    generation(&stack, &user).await;
    server.mode("no-recipient");
    gathered(&stack).await;
    assert_eq!(states(&stack, &user).await, state("given_up", 1));
    server.mode("accept");
    gathered(&stack).await;
    assert_eq!((server.dialogues(), server.mails().len()), (1, 0));
    // What ends later is tried anew.
    generation(&stack, &user).await;
    gathered(&stack).await;
    assert_eq!(server.mails().len(), 1);
    stack.reconcile().await;
}

#[tokio::test]
async fn an_address_that_is_none_is_given_up_and_cannot_write_commands() {
    let Some(mut server) = MailServer::start() else { return };
    let stack = builder(&server).start().await;
    for address in [None, Some(""), Some("nobody"), Some("a@b.example>\r\nRCPT TO:<c@d.example")] {
        let user = stack.user().await;
        let sql = "update auth.users set email = $2 where id = $1";
        sqlx::query(sql).bind(user.id()).bind(address).execute(stack.database.pool()).await.unwrap();
        generation(&stack, &user).await;
        gathered(&stack).await;
        assert_eq!(states(&stack, &user).await, state("given_up", 1), "{address:?}");
    }
    assert_eq!(server.dialogues(), 0);
    stack.reconcile().await;
}

#[tokio::test]
async fn a_mail_names_fifty_and_counts_the_rest() {
    let Some(mut server) = MailServer::start() else { return };
    let stack = builder(&server).start().await;
    let user = stack.user().await;
    generation(&stack, &user).await;
    // As if as many more had ended in the same minute, and one more than a mail takes.
    sqlx::query(
        "with made as (
           insert into public.generations (user_id, generation_type, method, status, workflow_name)
           select $1, 'model', 'automatic', 'completed', '<b>Bold</b>' from generate_series(1, $2)
           returning id, user_id)
         insert into gateway.notification (generation_id, event, user_id, created_at)
         select id, 'completed', user_id, gateway.now() from made",
    )
    .bind(user.id())
    .bind(ROWS_MAX)
    .execute(stack.database.pool())
    .await
    .unwrap();
    gathered(&stack).await;
    let mail = server.mails().pop().unwrap();
    assert_eq!(mail.headers["subject"], format!("{ROWS_MAX} of your generations are ready"));
    assert_eq!(mail.text.matches("/generations/").count(), usize::try_from(NAMED_MAX).unwrap());
    assert!(mail.text.contains(&format!("and {} more", ROWS_MAX - NAMED_MAX)), "{}", mail.text);
    assert!(mail.html.contains("&lt;b&gt;Bold&lt;/b&gt;") && !mail.html.contains("<b>"));
    gathered(&stack).await;
    assert_eq!((server.mails().len(), states(&stack, &user).await), (2, state("sent", ROWS_MAX + 1)));
    stack.reconcile().await;
}
