//! What a minute of customers looks like: enough that every metric which can move has moved.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use devstack::builders::{model, request};
use devstack::client::{Client, SignedIn};
use devstack::shop::{self, STARTER};
use devstack::stack::Stack;
use futures::future::{join_all, try_join_all};
use serde_json::Value;
use simulators::RunPodFault;
use simulators::runpod::JobFault;
use uuid::Uuid;

use super::prometheus::Prometheus;

/// Marks the request that RunPod fails.
const DOOMED: &str = "a hand with seven fingers";
/// An address that answers nobody.
const NOWHERE: &str = "https://pictures.invalid/mug.png";
/// Generations of one workflow that run together, so that both workers have some of each round.
const TOGETHER: usize = 6;
/// More than a user may ask at once.
const BURST: usize = 150;
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// What the books show after a round, and not before.
const MOVED: &str = r#"shootx_credits_total{kind="refund"}"#;
/// After which the books are read again.
const BOOKS_EVERY: Duration = Duration::from_mins(11);

/// Counters that appear with their first count have increased only after another: so there are two rounds, and the books
/// have been read in between.
pub(super) async fn make(stack: &Stack, prometheus: &Prometheus) -> anyhow::Result<()> {
    let runpod = stack.runpod().context("the RunPod simulator")?;
    let fault = JobFault::ProductError { code: "GPU_ERROR".to_owned(), form: Default::default() };
    runpod.script(RunPodFault::new(fault).prompt_contains(DOOMED));
    let user = stack.auth.sign_up().await?;
    let workflows = shared::workflow::CATALOGUE.iter().map(|workflow| workflow.kind.as_str());
    let each: Vec<_> = workflows.map(|workflow| request(workflow).build()).collect();
    round(stack, &user, each).await?;
    books_are_read(prometheus).await?;
    round(stack, &user, Vec::new()).await?;
    // The last thing that is refused, since it holds for a moment.
    let client = stack.client(&user.token)?;
    join_all((0..BURST).map(|_| client.get("/api/v1/credits"))).await;
    Ok(())
}

/// A purchase; generations that are delivered, one that fails, one whose picture cannot be had, one that is cancelled. Then
/// the books are due.
async fn round(stack: &Stack, user: &SignedIn, more: Vec<Value>) -> anyhow::Result<()> {
    let client = stack.client(&stack.auth.sign_in(user).await?.token)?;
    buy(&client).await?;
    let mut bodies = more;
    bodies.extend((0..TOGETHER).map(|_| model().build()));
    bodies.push(model().prompt(DOOMED).build());
    bodies.push(request("resize").picture("input_image", NOWHERE).build());
    let accepted = try_join_all(bodies.iter().map(|body| start(&client, body))).await?;
    let cancelled = start(&client, &model().build()).await?;
    client.cancel(cancelled).await?;
    try_join_all(accepted.iter().map(|id| client.wait(*id, PATIENCE, |_| {}))).await?;
    stack.advance(BOOKS_EVERY).await
}

async fn start(client: &Client, body: &Value) -> anyhow::Result<Uuid> {
    let answer = client.generate(body).await?;
    ensure!(answer.status == 202, "a generation was refused: {}", answer.body);
    Ok(answer.generation_id())
}

/// Waits until Prometheus has seen what the round moved.
async fn books_are_read(prometheus: &Prometheus) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while prometheus.count(MOVED).await? == 0 {
        ensure!(Instant::now() < deadline, "the books were not read");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// A pack, through the checkout's page, as the demo buys it.
async fn buy(client: &Client) -> anyhow::Result<()> {
    let before = client.balance().await?;
    shop::pay(&client.buy(STARTER.0).await?).await?;
    let deadline = Instant::now() + PATIENCE;
    while client.balance().await? != before + i64::from(STARTER.1) {
        ensure!(Instant::now() < deadline, "a purchase brought no credits");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
