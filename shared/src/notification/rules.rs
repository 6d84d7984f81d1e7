//! What becomes of a mail and its rows, after a try to send it. Pure.

use std::time::Duration;

use crate::retry;

/// Times a mail may have gone out before it is left at that: one, and three repeats under the same Message-ID.
pub(super) const UNHEARD_MAX: i16 = 4;
/// The wait after the first try that did not end well; it doubles with each.
const RETRY_FIRST: Duration = Duration::from_secs(30);
/// The longest wait between two tries.
const RETRY_MAX: Duration = Duration::from_mins(15);

/// How a dialogue with the mail server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The server took the mail.
    Sent,
    /// Surely nothing was sent; it may be later.
    Refused,
    /// All was sent and no answer came: it may have gone out, or not.
    Unheard,
    /// Surely nothing was sent, nor will it ever be: there is no such recipient.
    Undeliverable,
}

/// What a mail's rows become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// They have been told.
    Sent,
    /// They wait again, for another mail.
    Waiting,
    /// They stay in this mail, which is sent again.
    Kept,
    /// They are told to nobody.
    GivenUp,
}

impl Rows {
    /// The rows' new state, where they get one.
    pub(super) fn state(self) -> Option<&'static str> {
        match self {
            Self::Sent => Some("sent"),
            Self::Waiting => Some("waiting"),
            Self::Kept => None,
            Self::GivenUp => Some("given_up"),
        }
    }
}

impl End {
    /// The name of the outcome, for logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Refused => "refused",
            Self::Unheard => "unheard",
            Self::Undeliverable => "undeliverable",
        }
    }

    /// What becomes of the rows of a mail that may have gone out `unheard` times, this one among them.
    ///
    /// A mail that may be out already keeps its rows also when this try was refused: in another mail, under another id,
    /// they could come twice.
    pub(super) fn rows(self, unheard: i16) -> Rows {
        match self {
            Self::Sent => Rows::Sent,
            Self::Undeliverable => Rows::GivenUp,
            Self::Refused if unheard <= 1 => Rows::Waiting,
            Self::Unheard if unheard >= UNHEARD_MAX => Rows::GivenUp,
            Self::Refused | Self::Unheard => Rows::Kept,
        }
    }
}

/// The wait after `tries` in a row did not end well: 30 s, doubling to 15 minutes, with the jitter of all our delays.
pub(super) fn retry_after(tries: i16) -> Duration {
    let doublings = u32::from(tries.unsigned_abs()).saturating_sub(1).min(16);
    RETRY_FIRST.saturating_mul(1 << doublings).min(RETRY_MAX) + retry::delay(doublings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_only_from_a_mail_that_is_surely_not_out() {
        for (end, unheard, rows) in [
            (End::Sent, 1, Rows::Sent),
            (End::Sent, 3, Rows::Sent),
            (End::Refused, 1, Rows::Waiting),
            (End::Refused, 2, Rows::Kept),
            (End::Unheard, 1, Rows::Kept),
            (End::Unheard, UNHEARD_MAX, Rows::GivenUp),
            (End::Undeliverable, 1, Rows::GivenUp),
        ] {
            assert_eq!(end.rows(unheard), rows, "{end:?} {unheard}");
        }
    }

    #[test]
    fn the_wait_doubles_up_to_a_quarter_of_an_hour() {
        assert!(retry_after(1) >= RETRY_FIRST && retry_after(1) < RETRY_FIRST * 2);
        assert!(retry_after(3) >= RETRY_FIRST * 4);
        for tries in [6, 100, i16::MAX] {
            assert!(retry_after(tries) >= RETRY_MAX && retry_after(tries) < RETRY_MAX + Duration::from_mins(1));
        }
    }
}
