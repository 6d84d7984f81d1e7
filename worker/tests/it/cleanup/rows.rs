//! Rows that nobody asks for any more. Jobs, workers and quotes have tests of their own in `housekeeping.rs`.

use devstack::builders::model;
use devstack::test_stack::TestStack;
use shared::retention::{Amount, Kind};

use super::{DAY, number, removed, run};

fn rows(count: u64) -> Amount {
    Amount { count, bytes: 0 }
}

#[tokio::test]
async fn idempotency_keys_go_when_they_have_expired() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let _ = user.generate_once("first", &model().build()).await.unwrap().expecting(202);
    stack.advance(DAY / 2).await;
    let user = stack.sign_in_again(&user).await;
    let _ = user.generate_once("second", &model().build()).await.unwrap().expecting(202);
    assert_eq!(removed(&stack, Kind::IdempotencyKeys).await, rows(0));
    stack.advance(DAY / 2).await;
    assert_eq!(removed(&stack, Kind::IdempotencyKeys).await, rows(1));
    assert_eq!(number(&stack, "select count(*) from gateway.idempotency_key where key = 'second'").await, 1);
    stack.reconcile().await;
}

#[tokio::test]
async fn events_go_ninety_days_after_their_generation_was_settled() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let old = user.generate(&model().build()).await.unwrap().expecting(202).generation_id();
    stack.finish(&user, old).await;
    stack.advance(89 * DAY).await;
    assert_eq!(removed(&stack, Kind::Events).await, rows(0));
    let user = stack.sign_in_again(&user).await;
    let new = user.generate(&model().build()).await.unwrap().expecting(202).generation_id();
    let of = |id| format!("select count(*) from gateway.event where generation_id = '{id}'");
    let (before, kept) = (number(&stack, &of(old)).await, number(&stack, &of(new)).await);
    assert!(before >= 4 && kept >= 1, "{before} {kept}");
    stack.advance(DAY).await;
    assert_eq!(removed(&stack, Kind::Events).await, rows(before.unsigned_abs()));
    assert_eq!((number(&stack, &of(old)).await, number(&stack, &of(new)).await), (0, kept));
    stack.drain().await;
    stack.reconcile().await;
}

#[tokio::test]
async fn what_is_left_of_payments_goes_unless_money_came_of_it() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    run(
        &stack,
        &format!(
            "insert into gateway.pack (pack_id, name, credits, amount_cents) values ('starter', 'Starter', 100, 900);
             insert into gateway.payment_event (event_id, kind, object_id, recovered, received_at, due_at, ended_at)
             select event_id, 'invoice.paid', 'in_1', false, gateway.now() - interval '100 days', 'infinity',
                    gateway.now() - age::interval
             from (values ('old', '91 days'), ('young', '89 days'), ('open', null)) as event (event_id, age);
             insert into gateway.purchase
               (purchase_id, user_id, pack_id, name, credits, amount_cents, currency, state, created_at, expires_at)
             select gen_random_uuid(), '{}', 'starter', state || age, 100, 900, 'usd', state,
                    gateway.now() - interval '100 days', gateway.now() - age::interval
             from unnest(array['open', 'paid', 'failed', 'expired']) as state, unnest(array['31 days', '29 days']) as age;
             -- Its payment was heard of before its checkout was known to be paid.
             insert into gateway.payment (payment_id, user_id, purchase_id, name, amount_cents, charged_cents, credits_total, credits_paid, paid_at)
             select 'pi_1', user_id, purchase_id, name, 900, 900, 100, 100, gateway.now() from gateway.purchase where name = 'failed31 days'",
            user.id()
        ),
    )
    .await;
    assert_eq!(removed(&stack, Kind::PaymentEvents).await, rows(1));
    assert_eq!(number(&stack, "select count(*) from gateway.payment_event where event_id = 'old'").await, 0);
    assert_eq!(removed(&stack, Kind::Purchases).await, rows(2));
    let gone = "select count(*) from gateway.purchase where name in ('open31 days', 'expired31 days')";
    assert_eq!(number(&stack, gone).await, 0);
    assert_eq!(number(&stack, "select count(*) from gateway.payment").await, 1);
}
