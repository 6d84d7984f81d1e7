//! `shootx-worker cleanup`, as operators run it.

use devstack::builders::model;
use devstack::test_stack::TestStack;
use serde_json::{Value, json};
use shared::retention::Kind;

use super::{DAY, bytes, objects};
use crate::generations::delivered;
use crate::operations::operate;

#[tokio::test(flavor = "multi_thread")]
async fn it_counts_unless_it_is_told_to_remove() {
    let stack = TestStack::builder().set("OUTPUT_RETENTION_DAYS", "30").start().await;
    let user = stack.user().await;
    delivered(&stack, &user, model()).await;
    stack.advance(30 * DAY).await;
    let size = bytes(&stack, &objects(&stack));

    let told = operate(&stack, &["cleanup"]);
    assert_eq!((told.code, told.complained.as_str()), (0, "nothing was removed: --apply does it\n"));
    let line = |said: &str| said.lines().find(|line| line.starts_with("expired_outputs")).unwrap().to_owned();
    assert_eq!(line(&told.said).split_whitespace().collect::<Vec<_>>(), ["expired_outputs", "2", &size.to_string()]);
    assert_eq!(told.said.lines().count(), 1 + Kind::ALL.len(), "a head and every kind: {}", told.said);
    assert_eq!(objects(&stack).len(), 2);

    let other = operate(&stack, &["cleanup", "--apply", "--json", "--kind", "orphans", "--kind", "quotes"]);
    let report: Value = serde_json::from_str(&other.said).unwrap();
    let none = json!({"count": 0, "bytes": 0});
    assert_eq!(report["kinds"], json!({"orphans": none, "quotes": none}), "{other:?}");
    assert_eq!(objects(&stack).len(), 2);

    let gone = operate(&stack, &["cleanup", "--apply", "--json"]);
    let report: Value = serde_json::from_str(&gone.said).unwrap();
    assert_eq!(report["kinds"]["expired_outputs"], json!({"count": 2, "bytes": size}), "{gone:?}");
    assert!(objects(&stack).is_empty());
    let again = operate(&stack, &["cleanup", "--apply"]);
    assert_eq!((line(&again.said).split_whitespace().nth(1), again.code), (Some("0"), 0));
    assert_eq!(operate(&stack, &["cleanup", "--kind", "everything"]).code, 2);
    stack.reconcile().await;
}
