//! Payments in Stripe's form: customers, checkout, subscriptions, invoices, refunds, and events to a webhook. See the crate's
//! documentation for the list of endpoints and faults.

mod calendar;
mod control;
mod deliver;
mod engine;
mod faults;
mod form;
mod handle;
mod idempotency;
mod options;
mod page;
mod refusal;
mod routes;
mod shape;
mod shelf;
mod signature;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use self::engine::Engine;
pub use self::engine::{AGENDA_MAX, Counts, DELIVERIES_MAX, DeliveryView, OUTBOX_MAX, PAUSE_MAX, RETRIED};
pub use self::faults::{ApiFault, COPIES_MAX, Decline, EventFault, PaymentsEffect, PaymentsFault};
pub use self::handle::{DELIVERED_WAIT_MAX, PaymentsHandle};
pub use self::options::PaymentsOptions;
pub use self::shelf::{Kind, OBJECTS_MAX};
use crate::net::{Bound, Line, lock};
use crate::time::SimClock;

/// The furthest that one step moves the clock: ten years.
pub const ADVANCE_MAX: Duration = Duration::from_hours(24 * 3_650);

/// What the routes, the driver and the handle share.
struct Platform {
    options: Arc<PaymentsOptions>,
    line: Arc<Line>,
    clock: SimClock,
    engine: Mutex<Engine>,
    http: reqwest::Client,
    /// Rings when the agenda or the outbox may have changed.
    driver: Notify,
    /// Changes with every step of the engine, for those who wait for webhooks.
    steps: watch::Sender<u64>,
}

impl Platform {
    /// Moves the clock; all that becomes due happens at once, each at its own time.
    fn advance(&self, by: Duration) {
        self.clock.advance(by.min(ADVANCE_MAX));
        self.with(|_| ());
    }

    /// Does all that is due, then `work`, then what that made due.
    fn with<R>(&self, work: impl FnOnce(&mut Engine) -> R) -> R {
        let done = {
            let mut engine = lock(&self.engine);
            let now = self.clock.date();
            engine.tick(now);
            let done = work(&mut engine);
            engine.tick(now);
            done
        };
        self.driver.notify_one();
        self.steps.send_modify(|steps| *steps += 1);
        done
    }
}

/// The simulator of payments.
#[derive(Debug)]
pub struct PaymentsSim;

impl PaymentsSim {
    /// Binds at once and serves until the handle is dropped. To be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// The address cannot be bound, or the client for webhooks cannot be made.
    pub fn start(options: PaymentsOptions) -> io::Result<PaymentsHandle> {
        let bound = Bound::bind(options.bind)?;
        let http = reqwest::Client::builder()
            .timeout(options.webhook_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent("Stripe/1.0 (+https://stripe.com/docs/webhooks)")
            // A webhook may go to a machine's own certificate; and no roots to load make a start 30 ms faster.
            .danger_accept_invalid_certs(true)
            .build()
            .map_err(io::Error::other)?;
        let options = Arc::new(options);
        let clock = match options.starts_at {
            Some(date) => SimClock::starting_at(options.time, date),
            None => SimClock::new(options.time),
        };
        let engine = Engine::new(Arc::clone(&options), bound.base_url(), clock.date());
        let platform = Arc::new(Platform {
            line: bound.line(),
            clock,
            engine: Mutex::new(engine),
            http,
            driver: Notify::new(),
            steps: watch::Sender::new(0),
            options,
        });
        tokio::spawn(deliver::drive(Arc::clone(&platform), bound.stop()));
        let running = bound.serve("payment simulator", routes::routes(&platform));
        Ok(PaymentsHandle::new(platform, running))
    }
}
