//! What is kept no longer goes, and nothing else does: each kind looked at, removed, interrupted and repeated.

mod accounts;
mod command;
mod deleted;
mod interrupted;
mod outputs;
mod rows;
mod unused;

use std::collections::BTreeSet;
use std::time::Duration;

use devstack::bucket::BUCKET;
use devstack::test_stack::{TestStack, TestUser};
use shared::retention::{self, Amount, CleanupError, Kind, Mode, Report};
use sqlx::AssertSqlSafe;

pub(crate) const DAY: Duration = Duration::from_hours(24);
/// As long as whoever claimed a path may take to remove it.
pub(crate) const CLAIM: Duration = Duration::from_mins(5);

/// What `shootx-worker cleanup` does, in this process.
async fn clean(stack: &TestStack, kinds: &[Kind], mode: Mode) -> Result<Report, CleanupError> {
    let worker = &stack.worker;
    retention::clean_up(&worker.pool, &*worker.images, &worker.retention, kinds, mode).await
}

/// Looks twice, which changes nothing, then removes what was seen, after which there is nothing more to see.
async fn removed(stack: &TestStack, kind: Kind) -> Amount {
    let before = objects(stack);
    let seen = clean(stack, &[kind], Mode::Look).await.unwrap().of(kind);
    assert_eq!(clean(stack, &[kind], Mode::Look).await.unwrap().of(kind), seen, "{kind:?}");
    assert_eq!(objects(stack), before, "a look removes nothing");
    let gone = clean(stack, &[kind], Mode::Apply).await.unwrap().of(kind);
    assert_eq!(gone, seen, "{kind:?}: what was told is what went");
    for mode in [Mode::Look, Mode::Apply] {
        assert_eq!(clean(stack, &[kind], mode).await.unwrap().of(kind), Amount::default(), "{kind:?} {mode:?}");
    }
    gone
}

/// All paths in the store.
fn objects(stack: &TestStack) -> BTreeSet<String> {
    stack.supabase.objects().into_iter().filter(|object| object.bucket == BUCKET).map(|object| object.key).collect()
}

/// How many bytes these paths have.
fn bytes(stack: &TestStack, paths: &BTreeSet<String>) -> u64 {
    let there = stack.supabase.objects();
    there.iter().filter(|object| paths.contains(&object.key)).map(|object| object.size as u64).sum()
}

async fn put(stack: &TestStack, path: &str) {
    stack.worker.images.put(path, b"a picture".as_slice().into(), "image/png").await.unwrap();
}

async fn upload(stack: &TestStack, user: &TestUser, name: &str, bytes: Vec<u8>) -> String {
    stack.auth().upload(&user.signed_in, name, bytes, "image/png").await.unwrap()
}

async fn run(stack: &TestStack, statements: &str) {
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(stack.database.pool()).await.unwrap();
}

async fn number(stack: &TestStack, query: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(stack.database.pool()).await.unwrap()
}
