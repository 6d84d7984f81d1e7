//! What each setting may be: one small parser a kind, and the warnings about settings that are allowed but suspicious.

use std::net::SocketAddr;
use std::str::FromStr;

use url::{Host, Url};

use super::{Config, LogFormat, StorageBackend};
use crate::loopback;

pub(super) const API_BIND: &str = "127.0.0.1:8080";
/// The bucket that the migrations make and guard.
pub(super) const BUCKET: &str = "shootx-images";
pub(super) const PICTURE_MEMORY_API: &str = "300";
pub(super) const PICTURE_MEMORY_WORKER: &str = "700";
pub(super) const METRICS_BIND_API: &str = "127.0.0.1:9100";
pub(super) const METRICS_BIND_WORKER: &str = "127.0.0.1:9101";
pub(super) const RUNPOD_API_URL: &str = "https://api.runpod.ai/v2";

/// What [`origin`] takes, in words.
pub(super) const ORIGIN: &str =
    "an https address without a path, such as https://api.example.com (plain http only on this machine)";
/// What [`secure`] takes, in words.
pub(super) const SECURE: &str = "an https address, such as https://api.runpod.ai/v2 (plain http only on this machine)";

/// The port of Supabase's transaction pooler.
const TRANSACTION_POOLER_PORT: &str = "6543";
/// Those of libpq's modes that may end in an unencrypted connection.
const PLAIN_SSL_MODES: [&str; 3] = ["disable", "allow", "prefer"];
/// RunPod's former host, still widely copied.
const RUNPOD_FORMER_HOST: &str = "api.runpod.io";

pub(super) fn address(text: &str) -> Option<SocketAddr> {
    text.parse().ok()
}

pub(super) fn between<T: FromStr + PartialOrd>(text: &str, min: T, max: T) -> Option<T> {
    text.parse().ok().filter(|number| *number >= min && *number <= max)
}

pub(super) fn switch(text: &str) -> Option<bool> {
    match text {
        "on" | "true" | "1" => Some(true),
        "off" | "false" | "0" => Some(false),
        _ => None,
    }
}

pub(super) fn log_format(text: &str) -> Option<LogFormat> {
    match text {
        "json" => Some(LogFormat::Json),
        "pretty" => Some(LogFormat::Pretty),
        _ => None,
    }
}

pub(super) fn storage_backend(text: &str) -> Option<StorageBackend> {
    match text {
        "supabase" => Some(StorageBackend::Supabase),
        "local" => Some(StorageBackend::Local),
        _ => None,
    }
}

pub(super) fn bucket(text: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    (1..=63).contains(&text.len()).then_some(text).filter(|text| text.chars().all(allowed)).map(str::to_owned)
}

pub(super) fn endpoint_id(text: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (1..=64).contains(&text.len()).then_some(text).filter(|text| text.chars().all(allowed)).map(str::to_owned)
}

/// An address whose traffic cannot be read on the way: https, or http that never leaves the machine.
pub(super) fn secure(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    let protected = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
    (plain && protected && url.has_host()).then_some(url)
}

/// A [`secure`] address that is a scheme, a host and a port alone.
pub(super) fn origin(text: &str) -> Option<Url> {
    secure(text).filter(|url| url.path() == "/")
}

/// Browser origins in the exact form of the `Origin` header. `*` is none: an origin is named or refused.
pub(super) fn origins(text: &str) -> Option<Vec<String>> {
    list(text)
        .map(|entry| {
            let url =
                Url::parse(entry).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.path() == "/")?;
            Some(url.origin().ascii_serialization())
        })
        .collect()
}

/// Host names or addresses, lower case; a leading dot stands for all subdomains.
pub(super) fn hosts(text: &str) -> Option<Vec<String>> {
    list(text)
        .map(|entry| {
            let entry = entry.to_ascii_lowercase();
            Host::parse(entry.strip_prefix('.').unwrap_or(&entry)).ok().map(|_| entry)
        })
        .collect()
}

/// The entries of a comma list, trimmed, without empty ones.
pub(super) fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

/// Why `text` cannot be our database, as the rest of a sentence that starts with the setting's name.
pub(super) fn database_problem(text: &str) -> Option<&'static str> {
    let parsed = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "postgres" | "postgresql"));
    let Some(url) = parsed else {
        return Some("must be postgres://user:password@host:port/database, special characters percent-encoded");
    };
    let asked = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let port = asked("port").or_else(|| url.port().map(|port| port.to_string()));
    if port.as_deref() == Some(TRANSACTION_POOLER_PORT) {
        return Some(
            "names port 6543, Supabase's transaction pooler, which carries neither notifications nor prepared \
             statements: use the direct connection or the session pooler (port 5432)",
        );
    }
    let host = asked("host").or_else(|| url.host_str().map(str::to_owned)).unwrap_or_default();
    let mode = asked("sslmode").or_else(|| asked("ssl-mode"));
    let is_plain = mode.is_some_and(|mode| PLAIN_SSL_MODES.contains(&mode.as_str()));
    (is_plain && !loopback::is_local_database(&host)).then_some(
        "allows its traffic to be read on the way: leave sslmode out, or set it to require, verify-ca or verify-full",
    )
}

fn is_loopback(url: &Url) -> bool {
    url.host().is_some_and(|host| loopback::is_loopback(&host))
}

/// What is allowed but probably not meant.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    if config.runpod.api_url.host_str() == Some(RUNPOD_FORMER_HOST) {
        warnings.push(format!(
            "RUNPOD_API_URL names {RUNPOD_FORMER_HOST}, which no longer answers for jobs: use {RUNPOD_API_URL}"
        ));
    }
    if config.webhooks_enabled && is_loopback(&config.public_url) && !is_loopback(&config.runpod.api_url) {
        warnings.push(
            "PUBLIC_URL is an address of this machine, which RunPod cannot call: set a public one, or WEBHOOKS=off"
                .to_owned(),
        );
    }
    if config.storage.bucket != BUCKET {
        warnings.push(format!("STORAGE_BUCKET is not {BUCKET}: the policies that `migrate` makes do not cover it"));
    }
    warnings
}
