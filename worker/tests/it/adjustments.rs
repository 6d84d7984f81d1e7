//! `shootx-worker adjust`: corrections by hand, each with its reason, once, and never below zero.

use devstack::test_stack::{TestStack, TestUser};
use futures::future::join_all;
use shared::credits::Credits;
use shared::ids::UserId;
use shared::ledger::{self, Adjusted, Adjustment};
use uuid::Uuid;

use crate::operations::{Ran, operate};

fn adjust(stack: &TestStack, user: Uuid, credits: &str, more: &[&str]) -> Ran {
    let user = user.to_string();
    operate(stack, &[&["adjust", "--user", &user, "--credits", credits], more].concat())
}

async fn entries(stack: &TestStack) -> i64 {
    let count = "select count(*) from public.credit_transactions where transaction_type = 'adjustment'";
    sqlx::query_scalar(count).fetch_one(stack.database.pool()).await.unwrap()
}

/// The user's newest entry, as she reads it.
async fn newest(user: &TestUser) -> (i64, String) {
    let answer = user.get("/api/v1/credits/transactions").await.unwrap().expecting(200);
    let entry = answer.body["items"][0].clone();
    (entry["amount"].as_i64().unwrap(), entry["reason"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn an_adjustment_is_an_entry_with_its_reason_and_tells_the_balance_before_and_after() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let added = adjust(&stack, user.id(), "50", &["--reason", "Sorry for the outage"]);
    assert_eq!(added.code, 0, "{added:?}");
    assert!(added.said.contains("from 100 credits to 150 credits"), "{added:?}");
    assert_eq!(user.balance().await.unwrap(), 150);
    assert_eq!(newest(&user).await, (50, "Correction: Sorry for the outage".to_owned()));

    let taken = adjust(&stack, user.id(), "-150", &["--reason", "Given by mistake"]);
    assert!(taken.said.contains("from 150 credits to 0 credits"), "{taken:?}");
    assert_eq!((user.balance().await.unwrap(), entries(&stack).await), (0, 2));
    stack.reconcile().await;
}

#[tokio::test]
async fn an_adjustment_happens_once_for_its_key() {
    let stack = TestStack::new().await;
    let (user, other) = (stack.user().await, stack.user().await);
    let with_key = ["--reason", "Ticket 4711", "--key", "ticket-4711"];
    assert_eq!(adjust(&stack, user.id(), "5", &with_key).code, 0);
    let again = adjust(&stack, user.id(), "5", &with_key);
    assert_eq!(again.code, 0, "{again:?}");
    assert!(again.said.contains("nothing was done: adjustment:ticket-4711 was written at "), "{again:?}");
    assert!(again.said.contains("the balance is 105 credits"), "{again:?}");
    for (whose, credits) in [(user.id(), "6"), (other.id(), "5")] {
        let refused = adjust(&stack, whose, credits, &with_key);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.complained.contains("is of another adjustment: of 5 credits"), "{refused:?}");
        assert!(refused.complained.contains(&user.id().to_string()), "{refused:?}");
    }
    let without = ["--reason", "Twice"];
    assert_eq!((adjust(&stack, user.id(), "1", &without).code, adjust(&stack, user.id(), "1", &without).code), (0, 0));
    assert_eq!((user.balance().await.unwrap(), other.balance().await.unwrap()), (107, 100));
    assert_eq!(entries(&stack).await, 3);
    stack.reconcile().await;
}

#[tokio::test]
async fn the_same_adjustment_asked_for_at_once_happens_once() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let asked = Adjustment {
        user_id: UserId(user.id()),
        amount: Credits::new(5),
        reason: "Ticket 4711".parse().unwrap(),
        key: "ticket-4711".parse().unwrap(),
    };
    let all = join_all((0..6).map(|_| ledger::adjust(&stack.worker.pool, &asked, false))).await;
    let done = all.iter().filter(|one| matches!(one, Ok(Adjusted::Done { .. }))).count();
    let repeated = all.iter().filter(|one| matches!(one, Ok(Adjusted::Repeated { .. }))).count();
    assert_eq!((done, repeated), (1, 5), "{all:?}");
    assert_eq!(user.balance().await.unwrap(), 105);
    stack.reconcile().await;
}

#[tokio::test]
async fn an_adjustment_takes_no_balance_below_zero_or_beyond_what_it_can_hold() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    for (credits, why) in [
        ("-101", "the balance is 100 credits: an adjustment of -101 credits would bring it below zero"),
        ("2147483647", "more than a balance can hold"),
        ("0", "changes nothing"),
    ] {
        let refused = adjust(&stack, user.id(), credits, &["--reason", "x"]);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.complained.contains(why), "{refused:?}");
    }
    let unknown = adjust(&stack, Uuid::nil(), "1", &["--reason", "x"]);
    assert!(unknown.code == 1 && unknown.complained.contains("there is no balance of a user"), "{unknown:?}");
    assert_eq!((user.balance().await.unwrap(), entries(&stack).await), (100, 0));
    stack.reconcile().await;
}

#[tokio::test]
async fn an_adjustment_demands_a_reason() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let long = "x".repeat(501);
    for more in [&[][..], &["--reason", ""], &["--reason", "  "], &["--reason", &long], &["--reason", "x", "--key", ""]]
    {
        let refused = adjust(&stack, user.id(), "1", more);
        assert_eq!(refused.code, 2, "{refused:?}");
    }
    assert_eq!((user.balance().await.unwrap(), entries(&stack).await), (100, 0));
    stack.reconcile().await;
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let dry = ["--reason", "x", "--key", "k", "--dry-run"];
    for _ in 0..2 {
        let told = adjust(&stack, user.id(), "-40", &dry);
        assert!(
            told.code == 0 && told.said.contains("would bring the balance from 100 credits to 60 credits"),
            "{told:?}"
        );
    }
    assert_eq!(adjust(&stack, user.id(), "-101", &dry).code, 1);
    assert_eq!((user.balance().await.unwrap(), entries(&stack).await), (100, 0));
    stack.reconcile().await;
}
