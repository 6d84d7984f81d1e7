//! Reads and discards the rest of a request's body when the response is decided before the body has arrived completely.
//!
//! If a server closes a connection while bytes still arrive, the client's operating system discards the response: most
//! clients then report a broken pipe and never see why they were refused. So the rest of the body is read and discarded
//! before the response is sent, up to limits of bytes, time and number. Beyond these limits the connection is closed
//! after the response.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{future, io};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use poem::http::{HeaderValue, Version, header};
use poem::{Body, Endpoint, IntoResponse, Middleware, Request, Response};
use shared::telemetry::names;
use tokio::sync::Semaphore;

use crate::limits::{Budgets, Shares};

/// Most bytes that are drained from one body: twice what any operation accepts, so that clients whose body is too large
/// still see that refusal.
const DRAIN_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// How long draining one body may take.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(15);
/// Bodies that are drained at once, in all and for one network.
const DRAINS_MAX: usize = 128;
const DRAINS_OF_NETWORK_MAX: usize = 8;

/// Drains bodies that endpoints leave unread.
pub(crate) struct Drain {
    budgets: Arc<Budgets>,
    drains: Arc<Drains>,
}

pub(crate) struct DrainEndpoint<E> {
    inner: E,
    budgets: Arc<Budgets>,
    drains: Arc<Drains>,
}

/// Limits how many bodies are drained at once.
struct Drains {
    all: Semaphore,
    of_networks: Shares<Option<IpAddr>>,
}

/// What became of a body when its request was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// The endpoint has read it, or there was none.
    Read,
    /// The rest was read here.
    Drained,
    /// The client waits for `100 Continue` before it sends the body (`Expect: 100-continue`), and does not get it.
    NotSent,
    /// The rest was too large or came too slowly.
    Cut,
    /// Too many bodies are being drained already.
    Full,
}

impl Drain {
    pub(crate) fn new(budgets: Arc<Budgets>) -> Self {
        Self { budgets, drains: Arc::default() }
    }
}

impl Default for Drains {
    fn default() -> Self {
        Self { all: Semaphore::new(DRAINS_MAX), of_networks: Shares::new(DRAINS_OF_NETWORK_MAX) }
    }
}

impl<E: Endpoint> Middleware<E> for Drain {
    type Output = DrainEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        DrainEndpoint { inner, budgets: Arc::clone(&self.budgets), drains: Arc::clone(&self.drains) }
    }
}

impl<E: Endpoint> Endpoint for DrainEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let body: BoxBody<Bytes, io::Error> = request.take_body().into();
        if body.is_end_stream() {
            return Ok(self.inner.call(request).await?.into_response());
        }
        let (version, network) = (request.version(), self.budgets.site_of(&request));
        let is_awaited = request.headers().contains_key(header::EXPECT);
        let (lent, place) = Lent::of(body);
        request.set_body(Body::from(BoxBody::new(lent)));
        let mut response =
            self.inner.call(request).await.map_or_else(poem::Error::into_response, IntoResponse::into_response);
        let rest = self.drains.read_rest(&place, is_awaited, network).await;
        if let Some(outcome) = rest.label() {
            metrics::counter!(names::HTTP_DRAINS_TOTAL, "outcome" => outcome).increment(1);
        }
        // In HTTP/2 a request ends without its connection.
        if !matches!(rest, Rest::Read | Rest::Drained) && version <= Version::HTTP_11 {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }
}

impl Drains {
    /// Reads the part of a body that the endpoint has not read.
    async fn read_rest(&self, place: &Place, is_awaited: bool, network: Option<IpAddr>) -> Rest {
        let Some(left) = place.take() else { return Rest::Read };
        if left.body.is_end_stream() {
            return Rest::Read;
        }
        if is_awaited && !left.is_begun {
            return Rest::NotSent;
        }
        if left.body.size_hint().lower() > DRAIN_BYTES_MAX {
            return Rest::Cut;
        }
        let permits = (self.all.try_acquire(), self.of_networks.try_take(network));
        let (Ok(_all), Some(_of_network)) = permits else { return Rest::Full };
        tokio::time::timeout(DRAIN_TIMEOUT, drain(left.body)).await.unwrap_or(Rest::Cut)
    }
}

/// Reads a body to its end and keeps nothing of it.
async fn drain(mut body: BoxBody<Bytes, io::Error>) -> Rest {
    let mut bytes_left = DRAIN_BYTES_MAX;
    while let Some(frame) = future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        // A body that breaks off is at its end.
        let Ok(frame) = frame else { return Rest::Read };
        let size = frame.data_ref().map_or(0, Bytes::len);
        match bytes_left.checked_sub(size as u64) {
            Some(fewer) => bytes_left = fewer,
            None => return Rest::Cut,
        }
    }
    Rest::Drained
}

impl Rest {
    /// The outcome as a label; `None` where nothing was left.
    const fn label(self) -> Option<&'static str> {
        match self {
            Self::Read => None,
            Self::Drained => Some("drained"),
            Self::NotSent => Some("not_sent"),
            Self::Cut => Some("cut"),
            Self::Full => Some("full"),
        }
    }
}

/// Holds the body that an endpoint has dropped before its end.
#[derive(Default)]
struct Place(Mutex<Option<Left>>);

struct Left {
    body: BoxBody<Bytes, io::Error>,
    is_begun: bool,
}

impl Place {
    fn take(&self) -> Option<Left> {
        self.0.lock().expect("nothing panics while it holds this lock").take()
    }
}

/// A body for an endpoint to read; dropping it puts the unread rest back into its place.
struct Lent {
    body: Option<BoxBody<Bytes, io::Error>>,
    is_begun: bool,
    place: Arc<Place>,
}

impl Lent {
    fn of(body: BoxBody<Bytes, io::Error>) -> (Self, Arc<Place>) {
        let place = Arc::<Place>::default();
        (Self { body: Some(body), is_begun: false, place: Arc::clone(&place) }, place)
    }
}

impl http_body::Body for Lent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.is_begun = true;
        self.body.as_mut().map_or(Poll::Ready(None), |body| Pin::new(body).poll_frame(context))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(body) = self.body.take() else { return };
        let left = Left { body, is_begun: self.is_begun };
        *self.place.0.lock().expect("nothing panics while it holds this lock") = Some(left);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::IpAddr;
    use std::sync::Arc;

    use bytes::Bytes;
    use futures::stream::{self, StreamExt};
    use futures::{FutureExt, Stream};
    use http_body_util::combinators::BoxBody;
    use poem::Body;

    use super::{DRAIN_BYTES_MAX, DRAIN_TIMEOUT, DRAINS_MAX, DRAINS_OF_NETWORK_MAX, Drains, Lent, Place, Rest};

    const CHUNK: &[u8] = &[b'x'; 64 * 1024];

    /// What an endpoint leaves that reads nothing of this body.
    fn left(chunks: impl Stream<Item = &'static [u8]> + Send + 'static) -> Arc<Place> {
        let chunks = chunks.map(|chunk| Ok::<_, io::Error>(Bytes::from_static(chunk)));
        let body: BoxBody<Bytes, io::Error> = Body::from_bytes_stream(chunks).into();
        Lent::of(body).1
    }

    fn site(n: usize) -> Option<IpAddr> {
        Some(IpAddr::from([203, 0, 113, u8::try_from(n).expect("few sites")]))
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_is_read_within_bounds_of_bytes_and_time() {
        let drains = Drains::default();
        let rest = async |place: Arc<Place>| drains.read_rest(&place, false, site(1)).await;
        let chunks = usize::try_from(DRAIN_BYTES_MAX).expect("megabytes") / CHUNK.len();
        assert_eq!(rest(left(stream::iter(vec![CHUNK; chunks]))).await, Rest::Drained);
        assert_eq!(rest(left(stream::repeat(CHUNK))).await, Rest::Cut, "too many bytes");
        let begun = tokio::time::Instant::now();
        assert_eq!(rest(left(stream::pending())).await, Rest::Cut, "too slow");
        assert_eq!(begun.elapsed(), DRAIN_TIMEOUT);
        let place = left(stream::repeat(CHUNK));
        assert_eq!(drains.read_rest(&place, true, site(1)).await, Rest::NotSent);
    }

    #[tokio::test(start_paused = true)]
    async fn a_site_and_all_together_hold_a_bounded_number_of_drains() {
        let drains = Drains::default();
        let places: Vec<_> = (0..DRAINS_MAX * 2).map(|_| left(stream::pending())).collect();
        let mut held = Vec::new();
        let mut begin = |n: usize, of: usize| {
            let mut draining = Box::pin(drains.read_rest(&places[n], false, site(of)));
            let refused = draining.as_mut().now_or_never();
            held.push(draining);
            refused
        };
        let mut of_one = (0..=DRAINS_OF_NETWORK_MAX).map(|n| begin(n, 0));
        assert!(of_one.by_ref().take(DRAINS_OF_NETWORK_MAX).all(|refused| refused.is_none()));
        assert_eq!(of_one.next(), Some(Some(Rest::Full)));
        let others = (DRAINS_OF_NETWORK_MAX + 1..DRAINS_MAX * 2).map(|n| begin(n, n / DRAINS_OF_NETWORK_MAX));
        let begun = others.filter(Option::is_none).count();
        assert_eq!(begun, DRAINS_MAX - DRAINS_OF_NETWORK_MAX);
    }
}
