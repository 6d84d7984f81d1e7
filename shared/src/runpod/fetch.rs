//! Fetching outputs: the address comes from a provider's answer, so it is checked before it is used.

use std::time::Duration;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use reqwest::StatusCode;
use url::{Host, Url};

use super::http::{exchange, measured};
use super::{OutputRef, ProviderError, Reason, RunPod};

/// The largest output, in bytes: as much as the image port takes of one picture.
pub const OUTPUT_BYTES_MAX: usize = crate::images::BYTES_MAX;

/// How long fetching one output may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(60);

/// Base64 as encoders in the wild write it: with or without padding.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

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
        measured("fetch", async {
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
        "http" => is_this_machine(&host),
        _ => false,
    };
    let host = host.to_string();
    let listed = hosts.iter().any(|entry| {
        let entry = entry.to_ascii_lowercase();
        host == entry || (entry.starts_with('.') && host.len() > entry.len() && host.ends_with(&entry))
    });
    scheme_fits && listed && url.username().is_empty() && url.password().is_none()
}

/// Whether the host is a loopback address.
pub(super) fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// Decodes base64 in either alphabet, line breaks allowed.
fn decode(text: &str) -> Result<Bytes, ProviderError> {
    let rejected = |reason| ProviderError::Rejected { reason };
    if text.len() / 4 * 3 > OUTPUT_BYTES_MAX {
        return Err(rejected(Reason::TooLarge));
    }
    let compact: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let alphabet = if compact.iter().any(|byte| matches!(byte, b'-' | b'_')) { &URL_SAFE } else { &STANDARD };
    match alphabet.decode(&compact) {
        Ok(bytes) if !bytes.is_empty() => Ok(bytes.into()),
        _ => Err(rejected(Reason::Undecodable)),
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::{admits, decode};

    #[test]
    fn only_listed_hosts_are_admitted_and_plain_http_only_on_this_machine() {
        let hosts = ["cdn.example.com", ".r2.example.com", "127.0.0.1", "[::1]", "plain.example.com"];
        let hosts = hosts.map(str::to_owned);
        for good in [
            "https://cdn.example.com/a.png?sig=1",
            "https://CDN.example.com:8443/a.png",
            "https://bucket.r2.example.com/a.png",
            "http://127.0.0.1:9000/a.png",
            "http://[::1]:9000/a.png",
        ] {
            assert!(admits(&hosts, &Url::parse(good).expect("a URL")), "{good}");
        }
        for bad in [
            "http://cdn.example.com/a.png",
            "http://plain.example.com/a.png",
            "https://evil.example.com/a.png",
            "https://r2.example.com/a.png",
            "https://evilr2.example.com/a.png",
            "https://cdn.example.com.evil.com/a.png",
            "https://cdn.example.com@evil.com/a.png",
            "https://user@cdn.example.com/a.png",
            "https://169.254.169.254/latest/meta-data",
            "http://localhost/a.png",
            "ftp://cdn.example.com/a.png",
            "file:///etc/passwd",
            "data:text/plain,hi",
        ] {
            assert!(!admits(&hosts, &Url::parse(bad).expect("a URL")), "{bad}");
        }
        assert!(!admits(&[], &Url::parse("https://cdn.example.com/").expect("a URL")));
    }

    #[test]
    fn base64_is_decoded_as_the_wild_writes_it() {
        for text in ["+/+/aGk=", "+/+/aGk", "-_-_aGk=", "-_-_aGk", "+/+/\r\naGk=\n"] {
            assert_eq!(decode(text).expect(text).as_ref(), b"\xfb\xff\xbfhi", "{text}");
        }
        for text in ["", "   ", "a", "!!!!", "+/-_"] {
            assert!(decode(text).is_err(), "{text}");
        }
    }
}
