//! Fetching a picture from an address that a customer gave.

use std::error::Error as StdError;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use metrics::{counter, histogram};
use reqwest::header::ACCEPT;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response, StatusCode};
use thiserror::Error;
use url::Url;

use super::check::check_input_url;
use super::resolver::{NotPublic, PublicResolver};
use crate::images::INPUT_BYTES_MAX;
use crate::telemetry::{Called, call, names};

/// How long making a connection may take, name resolution and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long fetching one picture may take in all.
const FETCH_TIMEOUT: Duration = Duration::from_secs(20);

/// What is wanted. Some stores convert to what is accepted, so that AVIF is better not asked for.
const ACCEPTED: &str = "image/png, image/jpeg, image/webp";

/// Why a picture was not fetched. Holds nothing of its address: a signed link is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FetchError {
    /// The address is not one that may be asked, or its name leads to one that may not.
    #[error("the address is not on the public internet")]
    Refused,
    /// There is no picture, and there will be none: a redirect, or the server refuses us.
    #[error("the server answers {status}")]
    Dead { status: u16 },
    /// More than [`INPUT_BYTES_MAX`].
    #[error("the file has more than {INPUT_BYTES_MAX} bytes")]
    TooLarge,
    /// It may be had later.
    #[error("the server cannot be read: {reason}")]
    Unavailable { reason: &'static str },
}

impl FetchError {
    const fn unavailable(reason: &'static str) -> Self {
        Self::Unavailable { reason }
    }

    /// The label of the metric.
    const fn outcome(&self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Dead { .. } => "dead",
            Self::TooLarge => "too_large",
            Self::Unavailable { .. } => "unavailable",
        }
    }
}

/// A client that goes to public addresses only, straight and as nobody: no proxy (it would resolve names for us), no
/// redirect, no cookie, no credentials, no referrer, nothing unpacked.
#[derive(Clone, Debug)]
pub struct InputFetcher {
    client: Client,
}

impl InputFetcher {
    /// For customers' addresses.
    ///
    /// # Errors
    /// [`FetchError::Unavailable`] where no TLS client can be built: above all, no root certificates on this machine.
    pub fn new() -> Result<Self, FetchError> {
        Self::build(PublicResolver::default(), None, FETCH_TIMEOUT)
    }

    /// For tests: the name `host` (a public one, such as `pictures.example`) leads to `address`, which counts as public,
    /// and to its port; the one certificate that is trusted is `root_der`. All else is as with [`InputFetcher::new`].
    ///
    /// # Errors
    /// [`FetchError::Unavailable`] where the certificate is none.
    pub fn trusting(host: &str, address: SocketAddr, root_der: &[u8]) -> Result<Self, FetchError> {
        let resolver = PublicResolver { pinned: Some((host.to_owned(), vec![address])), exempt: Some(address) };
        Self::build(resolver, Some(root_der), FETCH_TIMEOUT)
    }

    pub(super) fn build(
        resolver: PublicResolver,
        root_der: Option<&[u8]>,
        timeout: Duration,
    ) -> Result<Self, FetchError> {
        let unbuildable = |_| FetchError::unavailable("no TLS client can be built");
        let builder = match root_der {
            Some(der) => Client::builder().tls_certs_only([Certificate::from_der(der).map_err(unbuildable)?]),
            None => Client::builder(),
        };
        let client = builder
            .https_only(true)
            .no_proxy()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            // A few bytes could become any number.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .dns_resolver(resolver)
            // Every picture has a connection of its own, whose address was judged for it.
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout)
            .user_agent(concat!("shootx/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(unbuildable)?;
        Ok(Self { client })
    }

    /// The file at `url`, at most [`INPUT_BYTES_MAX`] bytes of whatever it is: [`check_input`](crate::images::check_input)
    /// judges it.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn fetch(&self, url: &Url) -> Result<Bytes, FetchError> {
        // Not by its name: the address is the customer's.
        let asked = call("input", "fetch", FetchError::outcome, self.ask(url)).await;
        let Called { result, outcome, took } = asked;
        counter!(names::INPUT_FETCHES_TOTAL, "outcome" => outcome).increment(1);
        histogram!(names::INPUT_FETCH_SECONDS).record(took);
        result
    }

    async fn ask(&self, url: &Url) -> Result<Bytes, FetchError> {
        // Again: a number as the host is never resolved, and the row may be older than the rule.
        let url = check_input_url(url.as_str()).map_err(|_| FetchError::Refused)?;
        let response = self.client.get(url).header(ACCEPT, ACCEPTED).send().await.map_err(|error| failure(&error))?;
        match response.status() {
            StatusCode::OK => read(response).await,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                Err(FetchError::unavailable("it is busy"))
            }
            status if status.is_server_error() => Err(FetchError::unavailable("it has failed")),
            status => Err(FetchError::Dead { status: status.as_u16() }),
        }
    }
}

async fn read(mut response: Response) -> Result<Bytes, FetchError> {
    if response.content_length().is_some_and(|length| length > INPUT_BYTES_MAX as u64) {
        return Err(FetchError::TooLarge);
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
        if body.len() + chunk.len() > INPUT_BYTES_MAX {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// The error's own text names the address, so none of it is kept.
fn failure(error: &reqwest::Error) -> FetchError {
    if has_cause::<NotPublic>(error) {
        return FetchError::Refused;
    }
    FetchError::unavailable(match () {
        () if error.is_timeout() => "it takes too long",
        () if error.is_connect() => "no secure connection can be made",
        () => "the connection broke",
    })
}

fn has_cause<E: StdError + 'static>(error: &(dyn StdError + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source()).any(<dyn StdError>::is::<E>)
}
