//! What the processes are told: our own environment, and stand-ins for what is absent from it.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use uuid::Uuid;

use super::stand_ins::StandIns;

const API_BIND: &str = "127.0.0.1:8080";

/// A variable of our own environment, if it is there and not empty.
pub(super) fn given(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

pub(super) fn api_bind() -> anyhow::Result<SocketAddr> {
    given("API_BIND")
        .as_deref()
        .unwrap_or(API_BIND)
        .parse()
        .context("API_BIND must be an address such as 127.0.0.1:8080")
}

/// Refuses what cannot work: a real service together with a stand-in that knows nothing of it.
pub(super) fn refuse_halves() -> anyhow::Result<()> {
    if given("SUPABASE_URL").is_some() && given("DATABASE_URL").is_none() {
        bail!("SUPABASE_URL is set, so users sign up in that project's database: set DATABASE_URL to it, too");
    }
    Ok(())
}

/// The settings that all processes share. What our environment sets stays as it is.
pub(super) fn common(api_bind: SocketAddr, stand_ins: &StandIns) -> Vec<(String, String)> {
    let mut settings = stand_ins.settings.clone();
    let secret = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    for (name, value) in
        // All users come from this machine.
        [
            ("ADDRESS_RATE_PER_SECOND", "10000".to_owned()),
            ("API_BIND", api_bind.to_string()),
            // Nobody stands between, who would have to notice.
            ("STOP_NOTICE_SECONDS", "0".to_owned()),
            ("PUBLIC_URL", format!("http://{api_bind}")),
            ("WEBHOOK_SECRET", secret),
        ]
    {
        settings.push((name.to_owned(), value));
    }
    if stand_ins.runpod.is_none() && given("PUBLIC_URL").is_none() {
        // RunPod cannot call an address of this machine.
        settings.push(("WEBHOOKS".to_owned(), "off".to_owned()));
    }
    settings.retain(|(name, _)| given(name).is_none() && given(&format!("{name}_FILE")).is_none());
    settings
}

/// `settings` and one more, whatever our environment says of it.
pub(super) fn with(settings: &[(String, String)], name: &str, value: impl ToString) -> Vec<(String, String)> {
    let mut settings = settings.to_vec();
    settings.push((name.to_owned(), value.to_string()));
    settings
}
