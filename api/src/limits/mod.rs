//! What keeps one caller from taking what is everybody's, as far as one process can tell. The exact bounds of
//! generations are the database's (`accept.sql`).

mod address;
mod backlog;
mod budget;
mod database;
mod fields;
mod shares;
mod turns;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ipnet::IpNet;
use poem::Request;
use shared::config::ApiLimits;
use shared::ids::UserId;
use shared::telemetry::names;

use address::network;
pub(crate) use address::{is_trusted, site};
pub(crate) use backlog::Backlog;
pub(crate) use database::{UserDatabase, UserDatabases};
pub(crate) use fields::RateFields;
pub(crate) use shares::{Share, Shares};
pub(crate) use turns::Turns;

use self::address::Origin;
use self::budget::Budget;

/// The budgets of addresses and users at this process.
pub(crate) struct Budgets {
    addresses: Budget,
    users: Budget,
    trusted_proxies: Vec<IpNet>,
    /// Whether a proxy that is not trusted has been told of.
    warned: AtomicBool,
}

impl Budgets {
    pub(crate) fn new(limits: &ApiLimits) -> Self {
        Self {
            addresses: Budget::new(limits.address_rate),
            users: Budget::new(limits.user_rate),
            trusted_proxies: limits.trusted_proxies.clone(),
            warned: AtomicBool::new(false),
        }
    }

    /// Takes one request from the budget of whoever sent it; `Err` says when there will be one.
    pub(crate) fn take_address(&self, request: &Request) -> Result<(), Duration> {
        let Some(origin) = self.origin_of(request) else { return Ok(()) };
        if let Origin::Unproven(peer) = origin {
            self.warn_of(peer);
        }
        self.addresses.take(network(origin.address())).map(drop).inspect_err(|_| throttled("address"))
    }

    /// The site that a request comes from, where one is known.
    pub(crate) fn site_of(&self, request: &Request) -> Option<IpAddr> {
        self.origin_of(request).map(|origin| site(origin.address()))
    }

    fn origin_of(&self, request: &Request) -> Option<Origin> {
        let peer = request.remote_addr().as_socket_addr()?.ip();
        Some(address::origin(peer, request.headers(), &self.trusted_proxies))
    }

    /// Takes one request from a user's budget, and says what is left of it; `Err` says when there will be one.
    pub(crate) fn take_user(&self, user_id: UserId) -> Result<RateFields, Duration> {
        let left = self.users.take(user_id).inspect_err(|_| throttled("user"))?;
        Ok(RateFields::of_user(self.users.burst(), self.users.per_second(), left))
    }

    /// Once: whoever runs a proxy and forgot to name it would see all users share one budget.
    fn warn_of(&self, peer: IpAddr) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(%peer, "X-Forwarded-For of this peer is not believed: is it a proxy for TRUSTED_PROXIES?");
        }
    }
}

pub(crate) fn throttled(by: &'static str) {
    metrics::counter!(names::THROTTLED_TOTAL, "by" => by).increment(1);
}
