//! The driver: wakes when the agenda says so, and sends webhooks. One at a time, so that events arrive in the order that a test
//! scripted; one that hangs holds up the others until its timeout.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::engine::Delivery;
use super::{Platform, signature};
use crate::net::lock;

/// What signs a forged event.
const FOREIGN_SECRET: &str = "whsec_of_somebody_else";

/// Runs until the simulator stops.
pub(super) async fn drive(platform: Arc<Platform>, stop: CancellationToken) {
    loop {
        let (delivery, due) = platform.look();
        let work = async {
            match (delivery, due) {
                (Some(delivery), _) => platform.deliver(delivery).await,
                (None, Some(wait)) => tokio::select! {
                    () = platform.driver.notified() => {}
                    () = tokio::time::sleep(wait) => {}
                },
                (None, None) => platform.driver.notified().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = work => {}
        }
    }
}

impl Platform {
    /// Does what is due, without waking the driver, which is who asks: what is to be sent next, and how long to sleep.
    fn look(&self) -> (Option<Delivery>, Option<Duration>) {
        let mut engine = lock(&self.engine);
        engine.tick(self.clock.date());
        let due = engine.due();
        let delivery = engine.outbox.pop_front();
        engine.sending = delivery.is_some();
        drop(engine);
        self.steps.send_modify(|steps| *steps += 1);
        (delivery, due.and_then(|due| self.clock.until_date(due)))
    }

    /// Sends one webhook request and notes how it went.
    async fn deliver(&self, delivery: Delivery) {
        let (url, mut secrets) = self.with(|engine| (engine.endpoint.url.clone(), engine.endpoint.secrets.clone()));
        if delivery.forged {
            secrets = vec![FOREIGN_SECRET.to_owned()];
        }
        let Some(url) = url else { return };
        let time = (self.clock.date() - delivery.age).timestamp();
        let request = self
            .http
            .post(url)
            .header("content-type", "application/json; charset=utf-8")
            .header("stripe-signature", signature::header(&secrets, time, &delivery.body))
            .body(delivery.body.clone());
        let status = match request.send().await {
            Ok(answer) => Some(answer.status().as_u16()),
            Err(error) => {
                tracing::debug!(event = %delivery.event, timeout = error.is_timeout(), "webhook not delivered");
                None
            }
        };
        self.with(|engine| {
            engine.sending = false;
            engine.sent(delivery, status);
        });
    }
}
