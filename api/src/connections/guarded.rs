//! A connection that is ended when it is too slow or idle for too long, or when another connection takes its place.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use shared::telemetry::names;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::activity::Phase;
use super::pace::{Pace, TooSlow};
use super::room::Place;

/// How often the pace is judged; a few of these bound every wait.
const WINDOW: Duration = Duration::from_secs(15);
/// A connection that was used and then idle for this long is closed. Proxies in front close theirs sooner.
const IDLE_MAX: Duration = Duration::from_secs(75);

/// `inner`, its place in the room, and its pace.
pub(crate) struct Guarded<I> {
    inner: I,
    place: Place,
    pace: Pace,
    window: Pin<Box<Sleep>>,
    idle: Pin<Box<Sleep>>,
}

impl<I> Guarded<I> {
    pub(super) fn new(inner: I, place: Place) -> Self {
        let sleep = |duration| Box::pin(tokio::time::sleep(duration));
        Self { inner, place, pace: Pace::default(), window: sleep(WINDOW), idle: sleep(IDLE_MAX) }
    }

    /// Checks the connection against the limits, and schedules the next check.
    fn judge(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.place.activity().is_evicted(context) {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "its place is taken"));
        }
        while self.idle.as_mut().poll(context).is_ready() {
            let left = match self.place.activity().phase() {
                Phase::Idle(lasted) => IDLE_MAX.saturating_sub(lasted),
                Phase::Busy(_) => IDLE_MAX,
            };
            if left.is_zero() {
                return Err(ended("idle", TooSlow::Idle));
            }
            self.idle.as_mut().reset(Instant::now() + left);
        }
        while self.window.as_mut().poll(context).is_ready() {
            self.window.as_mut().reset(Instant::now() + WINDOW);
            self.pace.end_window().map_err(|slow| ended("slow", slow))?;
        }
        Ok(())
    }

    fn note_written(&mut self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Ready(Ok(bytes)) => {
                self.pace.note_written(Some(*bytes));
                self.place.activity().note_written();
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.pace.note_written(None),
        }
    }
}

fn ended(reason: &'static str, why: TooSlow) -> io::Error {
    metrics::counter!(names::HTTP_CONNECTIONS_ENDED_TOTAL, "reason" => reason).increment(1);
    io::Error::new(io::ErrorKind::TimedOut, why)
}

impl<I: AsyncRead + Unpin> AsyncRead for Guarded<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.judge(context)?;
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        let bytes = buffer.filled().len() - before;
        self.pace.note_read(bytes);
        if bytes > 0 {
            self.place.activity().note_read();
        }
        read
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Guarded<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.judge(context)?;
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.note_written(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.judge(context)?;
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, parts);
        self.note_written(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.judge(context)?;
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.judge(context)?;
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio::time::Instant;

    use super::Guarded;
    use crate::connections::Room;

    fn guarded(buffer: usize) -> (DuplexStream, Guarded<DuplexStream>) {
        let place = Room::of(1, &[]).enter(None).expect("an empty room");
        let (peer, ours) = tokio::io::duplex(buffer);
        (peer, Guarded::new(ours, place))
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_says_nothing_is_let_go() {
        let (_peer, mut ours) = guarded(64);
        let started = Instant::now();
        let ended = ours.read_u8().await.expect_err("too slow");
        assert_eq!((ended.kind(), started.elapsed().as_secs()), (ErrorKind::TimedOut, 30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_sends_a_byte_at_a_time_is_let_go() {
        let (mut peer, mut ours) = guarded(64);
        let started = Instant::now();
        let sending = tokio::spawn(async move {
            while peer.write_u8(b'G').await.is_ok() {
                tokio::time::sleep(Duration::from_secs(10)).await
            }
        });
        let ended = ours.read_to_end(&mut Vec::new()).await.expect_err("too slow");
        assert_eq!((ended.kind(), started.elapsed().as_secs()), (ErrorKind::TimedOut, 45));
        drop(ours);
        sending.await.expect("the peer sees the end");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_was_answered_may_be_idle_for_75_seconds_wherever_that_begins() {
        for used_until in [0, 1, 14, 31, 74] {
            let (mut peer, mut ours) = guarded(64);
            for second in 0..=used_until {
                peer.write_all(b"GET").await.expect("room");
                ours.read_exact(&mut [0; 3]).await.expect("sent");
                ours.write_all(b"200").await.expect("room");
                peer.read_exact(&mut [0; 3]).await.expect("sent");
                if second < used_until {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
            let idle_since = Instant::now();
            let ended = ours.read_u8().await.expect_err("too idle");
            assert_eq!((ended.kind(), idle_since.elapsed().as_secs()), (ErrorKind::TimedOut, 75), "{used_until}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_whose_place_is_taken_ends_at_once() {
        let room = Room::of(1, &[]);
        let (_peer, ours) = tokio::io::duplex(64);
        let mut ours = Guarded::new(ours, room.enter(Some([203, 0, 113, 1].into())).expect("an empty room"));
        let started = Instant::now();
        let reading = tokio::spawn(async move { ours.read_u8().await.expect_err("its place is taken") });
        tokio::task::yield_now().await;
        let _other = room.enter(Some([127, 0, 0, 1].into())).expect("the place of the other");
        assert_eq!(reading.await.expect("it ends").kind(), ErrorKind::ConnectionAborted);
        assert_eq!(started.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_take_its_answer_is_let_go() {
        let (mut peer, mut ours) = guarded(64);
        peer.write_all(b"GET").await.expect("room");
        ours.read_exact(&mut [0; 3]).await.expect("sent");
        let ended = ours.write_all(&[0; 65]).await.expect_err("not taken");
        assert_eq!(ended.kind(), ErrorKind::TimedOut);
    }
}
