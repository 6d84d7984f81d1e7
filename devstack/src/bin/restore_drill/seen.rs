//! What the database says at one moment, and what RunPod has been asked for.

use std::collections::BTreeMap;

use anyhow::Context;
use devstack::stack::Stack;
use uuid::Uuid;

pub(crate) struct Seen {
    /// The stage of every generation.
    pub(crate) stages: BTreeMap<Uuid, String>,
    /// How many entries of each kind, and their sum.
    pub(crate) entries: BTreeMap<String, (i64, i64)>,
    /// Provider jobs that were ever made, by what their webhooks are for.
    webhooks: Vec<String>,
}

impl Seen {
    pub(crate) async fn now(stack: &Stack) -> anyhow::Result<Self> {
        let stages = sqlx::query_as::<_, (Uuid, String)>("select generation_id, stage from gateway.run");
        let entries = sqlx::query_as::<_, (String, i64, i64)>(
            "select transaction_type, count(*), sum(amount) from public.credit_transactions group by transaction_type",
        );
        let stages = stages.fetch_all(&stack.pool).await?.into_iter().collect();
        let entries =
            entries.fetch_all(&stack.pool).await?.into_iter().map(|(kind, count, sum)| (kind, (count, sum))).collect();
        let jobs = stack.runpod().context("the simulated RunPod")?.jobs();
        Ok(Self { stages, entries, webhooks: jobs.into_iter().filter_map(|job| job.webhook).collect() })
    }

    /// Provider jobs that were made for this generation.
    pub(crate) fn jobs_of(&self, generation_id: Uuid) -> usize {
        let id = generation_id.to_string();
        self.webhooks.iter().filter(|webhook| webhook.contains(&id)).count()
    }

    pub(crate) fn in_stages(&self, stages: &[&str]) -> impl Iterator<Item = Uuid> {
        self.stages.iter().filter(|(_, stage)| stages.contains(&stage.as_str())).map(|(id, _)| *id)
    }
}
