//! Restoring into the project that the backup is of: users and the store have gone on.

use std::time::Duration;

use devstack::builders::model;
use devstack::shop;
use devstack::test_stack::TestStack;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};
use uuid::Uuid;

use super::{World, restore, store};
use crate::operations::operate;

#[tokio::test(flavor = "multi_thread")]
async fn users_who_signed_up_since_have_their_accounts_and_what_they_bought_and_those_deleted_keep_their_books() {
    let world = World::new().await;
    let gone = world.stack.user().await;
    let backup = world.back_up();
    let World { stack, user: ada, dir } = world;

    let eve = stack.user().await;
    let checkout = eve.buy(shop::STARTER.0).await.unwrap().expecting(201);
    assert!(stack.payments.pay(&shop::session(&checkout)));
    stack.settle_payments().await;
    drop(eve.generate(&model().build()).await.unwrap().expecting(202));
    assert_eq!(eve.balance().await.unwrap(), 198);
    sqlx::query("delete from auth.users where id = $1").bind(gone.id()).execute(stack.database.pool()).await.unwrap();

    let refused = restore(&stack, &stack.database, &backup, &[]);
    assert!(refused.code == 1 && refused.complained.contains("not empty"), "{refused:?}");
    let options: PgConnectOptions = stack.database.url().parse().unwrap();
    let running = options.application_name("shootx-worker").connect().await.unwrap();
    let refused = restore(&stack, &stack.database, &backup, &["--into-nonempty"]);
    assert!(refused.code == 1 && refused.complained.contains("stop the services"), "{refused:?}");
    running.close().await.unwrap();
    let restored = restore(&stack, &stack.database, &backup, &["--into-nonempty", "--same-project"]);
    assert_eq!(restored.code, 0, "{}{}", restored.said, restored.complained);
    let stack = stack.restarted(store(dir.path())).await;

    let applied = operate(&stack, &["recover", "--apply"]);
    assert!(applied.code == 0 && applied.said.contains("1 accounts opened"), "{applied:?}");
    assert_eq!(balance(&stack, eve.id()).await, 100, "her welcome; her generation is gone, and so is its price");
    // The provider's list of events is read when all that was paid by now is sure to stand in it.
    stack.advance(Duration::from_mins(11)).await;
    stack.drain().await;
    assert_eq!(balance(&stack, eve.id()).await, 200, "what she paid for is hers");
    assert_eq!(balance(&stack, gone.id()).await, 100);
    assert_eq!(balance(&stack, ada.id()).await, 100);
    let stub =
        "select email is null and encrypted_password is null and deleted_at is not null from auth.users where id = $1";
    let stub = sqlx::query_scalar::<_, bool>(stub).bind(gone.id()).fetch_one(stack.database.pool());
    assert!(stub.await.unwrap(), "nobody signs in as a stub");
    let email = sqlx::query_scalar::<_, String>("select email from public.profiles where id = $1").bind(gone.id());
    assert_eq!(email.fetch_one(stack.database.pool()).await.unwrap(), "");
    assert!(restored.said.contains("1 users have left since"), "{}", restored.said);
    // Later sign-ups find the trigger again.
    assert_eq!(stack.user().await.balance().await.unwrap(), 100);
    stack.reconcile().await;
}

async fn balance(stack: &TestStack, user_id: Uuid) -> i32 {
    let balance = sqlx::query_scalar("select balance from public.credits where user_id = $1").bind(user_id);
    balance.fetch_one(stack.database.pool()).await.unwrap()
}
