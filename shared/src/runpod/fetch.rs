//! Fetching outputs: the address comes from a provider's answer, so it is checked before it is used.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{Client, StatusCode};
use url::Url;

use super::METERS;
use super::{OutputRef, ProviderError, Reason, RunPod};
use crate::base64_text::{self, DecodeError};
use crate::images::PublicResolver;
use crate::loopback::is_loopback;
use crate::provider::http::{self, exchange, measured};

/// The largest output, in bytes: as much as the image port takes of one picture.
pub const OUTPUT_BYTES_MAX: usize = crate::images::BYTES_MAX;

/// How long fetching one output may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(60);

/// A client for outputs. A name must lead to public addresses, whatever `OUTPUT_HOSTS` says of it, because those who
/// answer for a name are not those who listed it; what is listed by its address, or as `localhost`, was meant.
pub(super) fn client(local: bool, hosts: &[String]) -> Result<Client, reqwest::Error> {
    let client = http::client(local);
    let names_this_machine = hosts.iter().any(|host| host.eq_ignore_ascii_case("localhost"));
    if names_this_machine { client.build() } else { client.dns_resolver(PublicResolver::default()).build() }
}

impl RunPod {
    /// The bytes of an output, fetched or decoded.
    ///
    /// # Errors
    ///
    /// `Rejected` where these bytes cannot be had at all; `Unavailable` where they may be later.
    pub async fn output(&self, output: &OutputRef) -> Result<Bytes, ProviderError> {
        match output {
            OutputRef::Url(url) => self.fetch(url).await,
            OutputRef::Base64(text) => decode(text),
        }
    }

    /// The bytes behind an output's address, which must be `https` (`http` only on this machine) on a host of
    /// `OUTPUT_HOSTS`. Never redirected, never sent our key.
    ///
    /// # Errors
    ///
    /// `Rejected` where the address is not admitted, the link is dead, or there are more than
    /// [`OUTPUT_BYTES_MAX`]; `Unavailable` where the bytes may be had later.
    pub async fn fetch(&self, url: &Url) -> Result<Bytes, ProviderError> {
        measured(METERS, "fetch", async {
            if !admits(&self.output_hosts, url) {
                return Err(ProviderError::Rejected { reason: Reason::NotAdmitted });
            }
            let request = self.outputs.get(url.clone()).timeout(FETCH_TIMEOUT);
            let answer = match exchange(request, OUTPUT_BYTES_MAX).await {
                Ok(answer) => answer,
                Err(reason @ Reason::TooLarge) => return Err(ProviderError::Rejected { reason }),
                Err(reason) => return Err(ProviderError::unavailable(reason)),
            };
            match answer.status {
                StatusCode::OK => Ok(answer.body),
                status => Err(refused(status, answer.retry_after)),
            }
        })
        .await
    }
}

/// A signed link that is refused once will be refused always, other than under pressure.
fn refused(status: StatusCode, retry_after: Option<Duration>) -> ProviderError {
    match ProviderError::of_status(status, retry_after) {
        ProviderError::Unavailable { reason, alarm: true, .. } => ProviderError::Rejected { reason },
        error => error,
    }
}

/// Whether an output may be fetched from there. An entry with a leading dot admits the hosts below it.
fn admits(hosts: &[String], url: &Url) -> bool {
    let Some(host) = url.host() else { return false };
    let scheme_fits = match url.scheme() {
        "https" => true,
        "http" => is_loopback(&host),
        _ => false,
    };
    let host = host.to_string();
    let listed = hosts.iter().any(|entry| {
        let entry = entry.to_ascii_lowercase();
        host == entry || (entry.starts_with('.') && host.len() > entry.len() && host.ends_with(&entry))
    });
    scheme_fits && listed && url.username().is_empty() && url.password().is_none()
}

fn decode(text: &str) -> Result<Bytes, ProviderError> {
    let bytes = base64_text::decode(text, OUTPUT_BYTES_MAX).map_err(|error| match error {
        DecodeError::TooLarge => Reason::TooLarge,
        DecodeError::Malformed => Reason::Undecodable,
    });
    bytes.map(Bytes::from).map_err(|reason| ProviderError::Rejected { reason })
}

#[cfg(test)]
mod tests;
