//! The driver: wakes when the agenda says so, and sends webhooks.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::Platform;
use super::engine::Delivery;
use crate::net::lock;

/// Webhook requests under way at a time.
const WEBHOOKS_AT_ONCE_MAX: usize = 64;

/// Runs until the simulator stops.
pub(super) async fn drive(platform: Arc<Platform>, stop: CancellationToken) {
    let slots = Arc::new(Semaphore::new(WEBHOOKS_AT_ONCE_MAX));
    loop {
        let (outbox, due) = platform.look();
        for delivery in outbox {
            let (platform, slots, stop) = (Arc::clone(&platform), Arc::clone(&slots), stop.clone());
            tokio::spawn(async move {
                let sent = async {
                    let _slot = slots.acquire().await;
                    platform.deliver(delivery).await;
                };
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = sent => {}
                }
            });
        }
        let due = async {
            match due {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = platform.driver.notified() => {}
            () = due => {}
        }
    }
}

impl Platform {
    /// Does what is due, without waking the driver, which is who asks: what is to be sent, and how long to sleep.
    fn look(&self) -> (Vec<Delivery>, Option<Duration>) {
        let mut engine = lock(&self.engine);
        engine.tick(self.clock.now());
        let due = engine.due();
        let outbox = std::mem::take(&mut engine.outbox);
        drop(engine);
        self.steps.send_modify(|steps| *steps += 1);
        (outbox, due.and_then(|due| self.clock.until(due)))
    }

    /// Sends one webhook request and notes how it went.
    pub(super) async fn deliver(&self, delivery: Delivery) {
        let job = self.with(|engine, _| {
            engine.counts.webhooks_sent += 1;
            let job = engine.job_mut(&delivery.id)?;
            job.webhook_log.tries += 1;
            Some(job.clone())
        });
        let Some(job) = job else { return };
        let Some(url) = job.webhook.clone() else { return };
        let recipe = Arc::clone(&job.recipe);
        let Some(body) = self.draw(&recipe, move || job.to_webhook_json()).await else { return };
        let status = match self.http.post(url).json(&body).send().await {
            Ok(answer) => Some(answer.status().as_u16()),
            Err(error) => {
                tracing::debug!(job = %delivery.id, timeout = error.is_timeout(), "webhook not delivered");
                None
            }
        };
        let delivered = status == Some(200);
        self.with(|engine, now| {
            engine.counts.webhooks_delivered += u64::from(delivered);
            if let Some(job) = engine.job_mut(&delivery.id) {
                job.webhook_log.delivered += u32::from(delivered);
                job.webhook_log.failed += u32::from(!delivered);
                job.webhook_log.last_status = status;
            }
            if !delivered {
                engine.webhook_failed(delivery, now + self.options.webhook_pause);
            }
        });
    }
}
