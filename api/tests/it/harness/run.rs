//! Moves a run as the worker does, by the domain's own means and under the worker's role, without a provider.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use shared::generation::lease::{self, Leased};
use shared::generation::output::StoredOutput;
use shared::generation::store::{self, Committed};
use shared::generation::webhook_url::{self, WebhookRef};
use shared::generation::{Callback, Event, lifecycle};
use shared::ids::GenerationId;
use shared::images::{ImageStore, LocalStore};
use shared::notification::Notify;
use sqlx::PgPool;
use url::Url;
use uuid::Uuid;

use super::Stack;

/// Longer than any first look at the provider waits.
const FIRST_LOOK: Duration = Duration::from_secs(60);

impl Stack {
    /// Hands a queued run to a provider that gave it the id `provider_job_id`.
    pub(crate) async fn submit(&self, generation_id: Uuid, provider_job_id: &str) {
        let pool = self.database.worker_pool();
        let leased = lease::for_submission(&pool, GenerationId(generation_id)).await.unwrap().unwrap();
        let event = Event::Submitted { provider_job_id: provider_job_id.to_owned(), callback: Callback::Awaited };
        commit(&pool, &leased, event, &[]).await;
    }

    /// Takes a queued run for submission and loses the provider's answer.
    pub(crate) async fn submit_without_answer(&self, generation_id: Uuid) {
        let pool = self.database.worker_pool();
        let leased = lease::for_submission(&pool, GenerationId(generation_id)).await.unwrap().unwrap();
        commit(&pool, &leased, Event::SubmitUnknown, &[]).await;
    }

    /// Finishes a submitted run: `paths` are stored as its outputs, under links that end at `until` where given.
    pub(crate) async fn deliver(&self, generation_id: Uuid, paths: &[String], link: Option<(&str, DateTime<Utc>)>) {
        let pool = self.database.worker_pool();
        self.advance(FIRST_LOOK).await;
        let leased = lease::due_for_poll(&pool, 1).await.unwrap().pop().unwrap();
        let provider_job_id = leased.run.provider_job_id.clone().unwrap();
        commit(&pool, &leased, Event::ProviderCompleted { provider_job_id }, &[]).await;
        let leased = lease::for_collection(&pool, GenerationId(generation_id)).await.unwrap().unwrap();
        let output = |(n, path): (usize, &String)| StoredOutput {
            n: i16::try_from(n + 1).unwrap(),
            path: path.clone(),
            format: "webp".to_owned(),
            width: 8,
            height: 8,
            size_bytes: 4,
            link: link.map(|(url, until)| (url.to_owned(), until)),
        };
        let outputs: Vec<_> = paths.iter().enumerate().map(output).collect();
        let delivered = i16::try_from(outputs.len()).unwrap();
        commit(&pool, &leased, Event::Collected { delivered, code: "no_output" }, &outputs).await;
    }

    /// Puts a picture into the local image store.
    pub(crate) async fn put_image(&self, path: &str, bytes: &'static [u8]) {
        let store = LocalStore::new(&self.config.storage, &self.config.public_url, &self.clock).unwrap();
        store.put(path, Bytes::from_static(bytes), "image/webp").await.unwrap();
    }

    /// The address an attempt's provider job is told to call, as the worker makes it.
    pub(crate) fn webhook_address(&self, generation_id: Uuid, attempt: i16, expires_at: DateTime<Utc>) -> Url {
        webhook_address(&self.config.public_url, &self.config.webhook_secrets, generation_id, attempt, expires_at)
    }

    /// The time that all processes agree on.
    pub(crate) async fn now(&self) -> DateTime<Utc> {
        sqlx::query_scalar("select gateway.now()").fetch_one(self.database.pool()).await.unwrap()
    }
}

/// [`Stack::webhook_address`] under other secrets.
pub(crate) fn webhook_address(
    public_url: &Url,
    secrets: &[SecretString],
    generation_id: Uuid,
    attempt: i16,
    expires_at: DateTime<Utc>,
) -> Url {
    let link = WebhookRef { generation_id: GenerationId(generation_id), attempt, expires_at };
    webhook_url::build(public_url, secrets, &link)
}

async fn commit(pool: &PgPool, leased: &Leased, event: Event, outputs: &[StoredOutput]) {
    let transition = lifecycle::next(&leased.run, event, leased.now()).unwrap();
    assert_eq!(store::commit(pool, leased, &transition, outputs, Notify::Nobody).await.unwrap(), Committed::Written);
}
