//! From the link in a mail to no more mails.

use reqwest::Method;
use url::{Position, Url};

use super::server::MailServer;
use super::{builder, gathered, generation, set_notifications, states};

#[tokio::test]
async fn one_click_in_the_mail_stops_the_mails_until_she_wants_them_again() {
    let Some(mut server) = MailServer::start() else { return };
    let stack = builder(&server).start().await;
    let user = stack.user().await;
    generation(&stack, &user).await;
    gathered(&stack).await;
    let mail = server.mails().pop().unwrap();
    assert_eq!(mail.headers["list-unsubscribe-post"], "List-Unsubscribe=One-Click");
    let link = mail.headers["list-unsubscribe"].trim_matches(['<', '>']);
    assert!(mail.text.contains(link) && mail.html.contains(&link.replace('&', "&amp;")), "{}", mail.text);
    let link = Url::parse(link).unwrap();
    let path = &link[Position::BeforePath..];

    // Programs that look into mails follow the link: nothing comes of it.
    let anyone = stack.anonymous();
    drop(anyone.send(anyone.request(Method::GET, path)).await.unwrap().expecting(200));
    generation(&stack, &user).await;
    gathered(&stack).await;
    assert_eq!(server.mails().len(), 2);

    let click = anyone.request(Method::POST, path).header("Content-Type", "application/x-www-form-urlencoded");
    drop(anyone.send(click.body("List-Unsubscribe=One-Click")).await.unwrap().expecting(200));
    let noted = states(&stack, &user).await;
    generation(&stack, &user).await;
    gathered(&stack).await;
    assert_eq!((server.mails().len(), states(&stack, &user).await), (2, noted));

    set_notifications(&stack, &user, true).await;
    generation(&stack, &user).await;
    gathered(&stack).await;
    assert_eq!(server.mails().len(), 3);
    stack.reconcile().await;
}
