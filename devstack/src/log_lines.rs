//! What is logged, kept in memory so that a test can read it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::subscriber::{DefaultGuard, NoSubscriber};
use tracing::{Dispatch, Subscriber, dispatcher};
use tracing_subscriber::fmt::MakeWriter;

/// Makes `subscriber` this thread's, as long as what comes back lives.
///
/// Another one is registered beside it: as long as there is one alone, `tracing` asks the thread that comes to a line of
/// code first whether anybody listens, and believes it for all threads. That may be the thread of a test beside this one.
#[must_use]
pub fn on_this_thread(subscriber: impl Subscriber + Send + Sync + 'static) -> (DefaultGuard, Dispatch) {
    let beside = Dispatch::new(NoSubscriber::default());
    (dispatcher::set_default(&Dispatch::new(subscriber)), beside)
}

/// Log lines. Clones share them.
#[derive(Clone, Default)]
pub struct LogLines(Arc<Mutex<Vec<u8>>>);

impl LogLines {
    /// All that was written so far.
    ///
    /// # Panics
    /// When it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8(self.bytes().clone()).expect("log lines are text")
    }

    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl io::Write for LogLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogLines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
