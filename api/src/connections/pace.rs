//! How slow a connection may be, told at the end of each window of time. Pure.
//!
//! A peer that waits costs little; one that sends a byte now and then, or takes its answer a byte at a time, holds its
//! place for as long as it likes, and so does one that never says anything.

/// Windows in which the first byte must have come.
const SILENT_WINDOWS_MAX: u32 = 2;
/// Windows in which something came, but less than [`BYTES_MIN`], and nothing was answered.
const DRIBBLE_WINDOWS_MAX: u32 = 2;
/// What must come in a window for it to count as sending: a request without a body is as large, or comes whole.
const BYTES_MIN: usize = 1024;
/// Windows in which an answer waits to be taken.
const STALLED_WINDOWS_MAX: u32 = 2;
/// Windows in which nothing happens: longer than any request takes to be answered.
const IDLE_WINDOWS_MAX: u32 = 8;

/// What has happened on a connection.
#[derive(Debug, Default)]
pub(super) struct Pace {
    read: usize,
    written: usize,
    write_waits: bool,
    has_spoken: bool,
    silent: u32,
    dribbled: u32,
    stalled: u32,
    idle: u32,
}

/// Why a connection is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooSlow {
    #[error("nothing was sent")]
    Silent,
    #[error("a request was sent too slowly")]
    Dribbling,
    #[error("an answer was not taken")]
    Stalled,
    #[error("nothing happened")]
    Idle,
}

impl Pace {
    pub(super) fn note_read(&mut self, bytes: usize) {
        self.read += bytes;
        self.has_spoken |= bytes > 0;
    }

    /// `None`: the peer does not take what is written.
    pub(super) fn note_written(&mut self, bytes: Option<usize>) {
        self.written += bytes.unwrap_or(0);
        self.write_waits = bytes.is_none();
    }

    /// Ends a window, and judges it.
    pub(super) fn end_window(&mut self) -> Result<(), TooSlow> {
        let (read, written) = (std::mem::take(&mut self.read), std::mem::take(&mut self.written));
        let count = |counter: &mut u32, is_so: bool| *counter = if is_so { *counter + 1 } else { 0 };
        count(&mut self.silent, !self.has_spoken);
        count(&mut self.stalled, self.write_waits && written == 0);
        count(&mut self.idle, read == 0 && written == 0);
        if written > 0 || read >= BYTES_MIN {
            self.dribbled = 0;
        } else if read > 0 {
            self.dribbled += 1;
        }
        if self.silent >= SILENT_WINDOWS_MAX {
            Err(TooSlow::Silent)
        } else if self.dribbled > DRIBBLE_WINDOWS_MAX {
            Err(TooSlow::Dribbling)
        } else if self.stalled >= STALLED_WINDOWS_MAX {
            Err(TooSlow::Stalled)
        } else if self.idle >= IDLE_WINDOWS_MAX {
            Err(TooSlow::Idle)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Pace, TooSlow};

    /// What became of a connection after windows of (bytes read, bytes written or waiting).
    fn after(windows: &[(usize, Option<usize>)]) -> Result<(), TooSlow> {
        let mut pace = Pace::default();
        windows.iter().try_for_each(|(read, written)| {
            pace.note_read(*read);
            if *written != Some(0) {
                pace.note_written(*written);
            }
            pace.end_window()
        })
    }

    #[test]
    fn whoever_uses_a_connection_keeps_it() {
        assert_eq!(after(&[(300, Some(0)), (0, Some(0)), (0, Some(0)), (0, Some(900)), (300, Some(900))]), Ok(()));
        assert_eq!(after(&[(500_000, Some(0)); 40]), Ok(()));
        assert_eq!(after(&[(400, Some(400)); 40]), Ok(()));
        assert_eq!(after(&[(400, None), (0, Some(70_000)), (0, None), (0, Some(9))]), Ok(()));
    }

    #[test]
    fn whoever_holds_it_without_use_loses_it() {
        assert_eq!(after(&[(0, Some(0)); 2]), Err(TooSlow::Silent));
        assert_eq!(after(&[(1, Some(0)); 3]), Err(TooSlow::Dribbling));
        assert_eq!(
            after(&[(1, Some(0)), (0, Some(0)), (1, Some(0)), (0, Some(0)), (1, Some(0))]),
            Err(TooSlow::Dribbling)
        );
        assert_eq!(after(&[(300, None), (0, None)]), Err(TooSlow::Stalled));
        assert_eq!(
            after(&[
                (2_000, Some(5)),
                (0, Some(0)),
                (0, Some(0)),
                (0, Some(0)),
                (0, Some(0)),
                (0, Some(0)),
                (0, Some(0)),
                (0, Some(0)),
                (0, Some(0))
            ]),
            Err(TooSlow::Idle)
        );
    }
}
