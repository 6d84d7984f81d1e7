//! One generation, from the request to its files.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use devstack::client::Client;
use serde_json::Value;
use uuid::Uuid;

use super::progress::Progress;
use super::requests::Request;

/// Longest wait for a generation; a real endpoint may have to start first.
const PATIENCE: Duration = Duration::from_mins(10);

/// A generation that ended, with its outputs.
pub(super) struct Delivery {
    pub(super) request: Request,
    pub(super) generation_id: Uuid,
    pub(super) price: i64,
    pub(super) outputs: Vec<Vec<u8>>,
    pub(super) took: Duration,
}

/// Sends `request`, waits for what comes of it and downloads that.
pub(super) async fn deliver(client: &Client, progress: &Progress, request: Request) -> anyhow::Result<Delivery> {
    let label = format!("{} ({})", request.workflow, request.format);
    deliver_labelled(client, progress, request, &label).await.with_context(|| format!("the workflow {label}"))
}

async fn deliver_labelled(
    client: &Client,
    progress: &Progress,
    request: Request,
    label: &str,
) -> anyhow::Result<Delivery> {
    let ended = generate(client, progress, label.to_owned(), &request.body).await?;
    let (code, error) = (&ended.status["error_code"], &ended.status["error"]);
    ensure!(ended.status["status"] == "completed", "generation {} failed: {code}: {error}", ended.generation_id);
    let links = ended.status["image_urls"].as_array().context("a completed generation has no links")?;
    let mut outputs = Vec::with_capacity(links.len());
    for link in links {
        outputs.push(client.download(link.as_str().context("a link is a text")?).await?);
    }
    let price = ended.status["cost"]["price"].as_i64().context("a generation has a price")?;
    Ok(Delivery { request, generation_id: ended.generation_id, price, outputs, took: ended.took })
}

/// A generation that is final.
pub(super) struct Ended {
    pub(super) generation_id: Uuid,
    /// What `GET /api/v1/status` says of it.
    pub(super) status: Value,
    took: Duration,
}

/// Runs one generation to its end, whichever that is.
pub(super) async fn generate(
    client: &Client,
    progress: &Progress,
    label: String,
    body: &Value,
) -> anyhow::Result<Ended> {
    let line = progress.line(label);
    let begun = Instant::now();
    let accepted = client.generate(body).await?;
    ensure!(accepted.status.as_u16() == 202, "the request was refused: {}", accepted.body);
    line.accepted(begun.elapsed(), &accepted.body["cost"]["price"]);
    let generation_id = accepted.generation_id();
    let status = client.wait(generation_id, PATIENCE, |seen| line.seen(seen)).await?;
    let took = begun.elapsed();
    line.ended(&status, took);
    Ok(Ended { generation_id, status, took })
}
