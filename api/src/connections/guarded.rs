//! A connection that is ended where it is too slow.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use shared::telemetry::names;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::pace::Pace;
use super::room::Place;

/// How often the pace is judged; a few of these bound every wait.
const WINDOW: Duration = Duration::from_secs(15);

/// `inner`, its place in the room, and its pace.
pub(crate) struct Guarded<I> {
    inner: I,
    _place: Place,
    pace: Pace,
    window: Pin<Box<Sleep>>,
}

impl<I> Guarded<I> {
    pub(super) fn new(inner: I, place: Place) -> Self {
        Self { inner, _place: place, pace: Pace::default(), window: Box::pin(tokio::time::sleep(WINDOW)) }
    }

    /// Judges the window if it is over, and sees to it that somebody looks when the next one is.
    fn judge(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while self.window.as_mut().poll(context).is_ready() {
            self.window.as_mut().reset(Instant::now() + WINDOW);
            if let Err(slow) = self.pace.end_window() {
                metrics::counter!(names::HTTP_CONNECTIONS_ENDED_TOTAL, "reason" => "slow").increment(1);
                return Err(io::Error::new(io::ErrorKind::TimedOut, slow));
            }
        }
        Ok(())
    }

    fn note_written(&mut self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Ready(Ok(bytes)) => self.pace.note_written(Some(*bytes)),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.pace.note_written(None),
        }
    }
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
        self.pace.note_read(buffer.filled().len() - before);
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
    async fn a_peer_that_does_not_take_its_answer_is_let_go() {
        let (mut peer, mut ours) = guarded(64);
        peer.write_all(b"GET").await.expect("room");
        ours.read_exact(&mut [0; 3]).await.expect("sent");
        let ended = ours.write_all(&[0; 65]).await.expect_err("not taken");
        assert_eq!(ended.kind(), ErrorKind::TimedOut);
    }
}
