//! What payments mean for credits. Pure.

use chrono::{DateTime, Months, Utc};

use crate::credits::Credits;

/// The credits that are taken back of `granted` when `reversed_cents` of `amount_cents` went back to the payer.
///
/// ⌊granted × reversed ÷ amount⌋: rounded in the user's favour, and all of them once all the money went back.
#[must_use]
pub fn credits_reversed(granted: Credits, amount_cents: i32, reversed_cents: i32) -> Credits {
    if amount_cents <= 0 {
        return Credits::ZERO;
    }
    let reversed = i64::from(reversed_cents.clamp(0, amount_cents));
    let credits = i64::from(granted.get().max(0)) * reversed / i64::from(amount_cents);
    Credits::new(i32::try_from(credits).expect("not more than was granted"))
}

/// When the credits of month `month` (from 0) of a period are due: on the day it began, or the month's last.
///
/// `None` beyond the calendar.
#[must_use]
pub fn month_due(period_start: DateTime<Utc>, month: u8) -> Option<DateTime<Utc>> {
    period_start.checked_add_months(Months::new(u32::from(month)))
}

/// A subscription's status in the words of `public.subscriptions`; `None` while its first payment is awaited.
///
/// Ended because nobody paid is `expired`; ended in any other way is `cancelled`.
#[must_use]
pub fn subscription_status(status: &str, ended_for: Option<&str>) -> Option<&'static str> {
    match status {
        "active" | "trialing" => Some("active"),
        "past_due" | "unpaid" | "paused" => Some("past_due"),
        "canceled" if ended_for == Some("payment_failed") => Some("expired"),
        "canceled" => Some("cancelled"),
        "incomplete_expired" => Some("expired"),
        _ => None,
    }
}

/// An invoice's status in the words of `public.invoices`. An attempt to have it paid that failed makes it `failed`
/// until a later one succeeds.
#[must_use]
pub fn invoice_status(status: &str, attempted: bool) -> &'static str {
    match status {
        "paid" => "paid",
        "draft" => "pending",
        "open" if !attempted => "pending",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::{credits_reversed, invoice_status, month_due, subscription_status};
    use crate::credits::Credits;

    fn reversed(granted: i32, amount_cents: i32, reversed_cents: i32) -> i32 {
        credits_reversed(Credits::new(granted), amount_cents, reversed_cents).get()
    }

    #[test]
    fn what_is_taken_back_is_rounded_in_the_users_favour() {
        assert_eq!(reversed(100, 900, 0), 0);
        assert_eq!(reversed(100, 900, 1), 0);
        assert_eq!(reversed(100, 900, 450), 50);
        assert_eq!(reversed(100, 900, 899), 99);
        assert_eq!(reversed(100, 900, 900), 100);
        assert_eq!(reversed(100, 900, 5_000), 100);
        assert_eq!(reversed(100, 0, 0), 0);
    }

    proptest! {
        #[test]
        fn more_money_back_never_means_fewer_credits_back(
            granted in 0..=1_000_000_i32,
            amount in 1..=99_999_999_i32,
            one in 0..=99_999_999_i32,
            other in 0..=99_999_999_i32,
        ) {
            let (less, more) = (one.min(other), one.max(other));
            prop_assert!(reversed(granted, amount, less) <= reversed(granted, amount, more));
            prop_assert!((0..=granted).contains(&reversed(granted, amount, more)));
            prop_assert_eq!(reversed(granted, amount, amount), granted);
        }
    }

    #[test]
    fn a_month_is_due_on_the_day_or_the_months_last() {
        let start: DateTime<Utc> = "2027-01-31T10:00:00Z".parse().expect("a time");
        let due = |month| month_due(start, month).expect("within the calendar").to_rfc3339();
        assert_eq!(due(0), "2027-01-31T10:00:00+00:00");
        assert_eq!(due(1), "2027-02-28T10:00:00+00:00");
        assert_eq!(due(2), "2027-03-31T10:00:00+00:00");
        assert_eq!(due(11), "2027-12-31T10:00:00+00:00");
    }

    #[test]
    fn statuses_follow_the_provider() {
        let table = [
            ("active", None, Some("active")),
            ("trialing", None, Some("active")),
            ("past_due", None, Some("past_due")),
            ("unpaid", None, Some("past_due")),
            ("canceled", None, Some("cancelled")),
            ("canceled", Some("cancellation_requested"), Some("cancelled")),
            ("canceled", Some("payment_failed"), Some("expired")),
            ("incomplete_expired", None, Some("expired")),
            ("incomplete", None, None),
        ];
        for (status, ended_for, ours) in table {
            assert_eq!(subscription_status(status, ended_for), ours, "{status}");
        }
        let invoices = [("paid", true, "paid"), ("draft", false, "pending"), ("open", false, "pending")];
        for (status, attempted, ours) in invoices {
            assert_eq!(invoice_status(status, attempted), ours, "{status}");
        }
        for (status, attempted) in [("open", true), ("void", false), ("uncollectible", true)] {
            assert_eq!(invoice_status(status, attempted), "failed", "{status}");
        }
    }
}
