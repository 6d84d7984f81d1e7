//! Users who generate all the time, one who buys, and a RunPod that keeps some of it waiting.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use devstack::builders::model;
use devstack::client::Client;
use devstack::shop;
use devstack::stack::Stack;
use simulators::runpod::RunPodEffect;
use simulators::{Fault, HttpFault, Operation};
use tokio::task::JoinSet;

const USERS: usize = 6;
const PAUSE: Duration = Duration::from_millis(1100);
/// Generations that RunPod does not take at the backup: some it takes afterwards, the others never.
const WAITING: usize = 3;
const LATER: &str = "taken up after the backup";
const NEVER: &str = "never taken up";
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(crate) struct Traffic {
    buyer: Client,
    generating: JoinSet<()>,
}

impl Traffic {
    pub(crate) async fn start(stack: &Stack) -> anyhow::Result<Self> {
        let mut generating = JoinSet::new();
        for _ in 0..USERS {
            let client = stack.client(&stack.auth.sign_up().await?.token)?;
            generating.spawn(async move {
                loop {
                    // Refusals belong to it: too many at once, or too little credit.
                    let _ = client.generate(&model().outputs(2).build()).await;
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        let buyer = stack.client(&stack.auth.sign_up().await?.token)?;
        Ok(Self { buyer, generating })
    }

    /// Has some generations wait in our queue for RunPod to take jobs.
    pub(crate) async fn leave_waiting(&self, stack: &Stack) -> anyhow::Result<()> {
        refuse(stack, LATER)?;
        refuse(stack, NEVER)?;
        for prompt in [LATER, NEVER].repeat(WAITING) {
            let accepted = self.buyer.generate(&model().prompt(prompt).build()).await?;
            ensure!(accepted.status == 202, "{}", accepted.body);
        }
        until("RunPod refuses them", async || {
            let tried = "select count(*) from gateway.run join public.generations on id = generation_id
                where stage in ('queued', 'submitting') and tries > 0 and input_data::text ~ 'taken up'";
            Ok(sqlx::query_scalar::<_, i64>(tried).fetch_one(&stack.pool).await? == 2 * WAITING as i64)
        })
        .await
    }

    /// RunPod takes what waited, but for what it never does.
    pub(crate) async fn go_on(&mut self, stack: &Stack) -> anyhow::Result<()> {
        stack.runpod().context("the simulated RunPod")?.clear_faults();
        refuse(stack, NEVER)
    }

    /// Somebody buys, and has what she paid for.
    pub(crate) async fn come_to_a_purchase(&self, stack: &Stack) -> anyhow::Result<()> {
        let checkout = self.buyer.buy(shop::STARTER.0).await?;
        ensure!(checkout.status == 201, "{}", checkout.body);
        ensure!(stack.payments().context("the simulated payments")?.pay(&shop::session(&checkout)), "it was not paid");
        until("the purchase is entered", async || {
            let bought = "select count(*) from public.credit_transactions where transaction_type = 'purchase'";
            Ok(sqlx::query_scalar::<_, i64>(bought).fetch_one(&stack.pool).await? > 0)
        })
        .await?;
        until("what waited is delivered", async || {
            let open = "select count(*) from gateway.run join public.generations on id = generation_id
                where settled_at is null and input_data::text ~ $1";
            Ok(sqlx::query_scalar::<_, i64>(open).bind(LATER).fetch_one(&stack.pool).await? == 0)
        })
        .await
    }

    pub(crate) fn stop(mut self) {
        self.generating.abort_all();
    }
}

fn refuse(stack: &Stack, prompt: &str) -> anyhow::Result<()> {
    let fault = Fault::new(RunPodEffect::from(HttpFault::TooManyRequests { retry_after_s: None }));
    stack.runpod().context("the simulated RunPod")?.script(fault.on(Operation::Run).prompt_contains(prompt).always());
    Ok(())
}

async fn until(what: &str, seen: impl AsyncFn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !seen().await? {
        ensure!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
