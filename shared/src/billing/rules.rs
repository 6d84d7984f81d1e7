//! What payments mean for credits. Pure.

use chrono::{DateTime, Months, Utc};

use crate::credits::Credits;

/// The credits that the remaining money pays for, after `reversed_cents` of `amount_cents` went back to the payer.
/// `total` is what all the money buys: a pack's credits, or those of all months of a plan, granted or not.
///
/// total − ⌊total × reversed ÷ amount⌋: rounded in the user's favour, and none once all the money went back.
///
/// Future months of a plan are dropped first: a month is granted only while fewer credits than this are granted, and
/// credits granted beyond this are taken back ([`credits_reversed`]). For 12 × 500 credits that cost 290.00, with one
/// month granted:
///
/// | refunded | the rest pays for | taken back | still to come |
/// |---|---|---|---|
/// | 0.00 | 6000 | 0 | 5500 |
/// | 145.00 | 3000 | 0 | 2500 |
/// | 265.83 (11 of 12 months) | 501 | 0 | 1 |
/// | 278.00 | 249 | 251 | 0 |
/// | 290.00 | 0 | 500 | 0 |
#[must_use]
pub fn credits_paid(total: Credits, amount_cents: i32, reversed_cents: i32) -> Credits {
    if amount_cents <= 0 {
        return total;
    }
    let (total, amount) = (i64::from(total.get().max(0)), i64::from(amount_cents));
    let gone = total * i64::from(reversed_cents.clamp(0, amount_cents)) / amount;
    Credits::new(i32::try_from(total - gone).expect("not more than the total"))
}

/// The credits that are taken back from those `granted`, if the remaining money pays for `paid` of them.
#[must_use]
pub fn credits_reversed(granted: Credits, paid: Credits) -> Credits {
    Credits::new(granted.get().saturating_sub(paid.get()).max(0))
}

/// The cents, in the currency of our prices, that went back to the payer: `reversed` of the `charged` units of a charge
/// did, and the charge paid for `charged_cents`. The units are those of the charge's own currency.
///
/// ⌊`charged_cents` × reversed ÷ charged⌋: in the charge's currency, the share does not depend on exchange rates that
/// changed since.
#[must_use]
pub fn cents_reversed(charged_cents: i32, charged: i64, reversed: i64) -> i32 {
    if charged <= 0 {
        return 0;
    }
    let cents = i128::from(charged_cents.max(0)) * i128::from(reversed.clamp(0, charged)) / i128::from(charged);
    i32::try_from(cents).expect("not more than was charged")
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

    use super::{cents_reversed, credits_paid, credits_reversed, invoice_status, month_due, subscription_status};
    use crate::credits::Credits;

    fn paid(total: i32, amount_cents: i32, reversed_cents: i32) -> i32 {
        credits_paid(Credits::new(total), amount_cents, reversed_cents).get()
    }

    fn reversed(granted: i32, paid: i32) -> i32 {
        credits_reversed(Credits::new(granted), Credits::new(paid)).get()
    }

    /// What a user has of a plan of these months when `due` of them have come, each granted while it is paid for.
    fn kept(per_month: i32, months: i32, due: i32, (amount_cents, reversed_cents): (i32, i32)) -> i32 {
        let paid = paid(per_month * months, amount_cents, reversed_cents);
        let mut granted = 0;
        for _ in 0..due {
            granted += if granted < paid { per_month } else { 0 };
        }
        granted - reversed(granted, paid)
    }

    #[test]
    fn what_is_taken_back_is_rounded_in_the_users_favour() {
        let of_a_pack = |reversed_cents| reversed(100, paid(100, 900, reversed_cents));
        let cases = [(0, 0), (1, 0), (450, 50), (899, 99), (900, 100), (5_000, 100), (-1, 0)];
        for (reversed_cents, taken) in cases {
            assert_eq!(of_a_pack(reversed_cents), taken, "{reversed_cents}");
        }
        assert_eq!(paid(100, 0, 0), 100, "what cost nothing is kept");
    }

    #[test]
    fn of_a_plan_the_months_to_come_end_first() {
        // The table above: refunded, paid for, taken back when one month is granted, left to come.
        let cases = [
            (0, 6_000, 0, 5_500),
            (14_500, 3_000, 0, 2_500),
            (26_583, 501, 0, 1),
            (27_800, 249, 251, 0),
            (29_000, 0, 500, 0),
        ];
        for (refunded, is_paid, taken, to_come) in cases {
            assert_eq!(paid(6_000, 29_000, refunded), is_paid, "{refunded}");
            assert_eq!(reversed(500, is_paid), taken, "{refunded}");
            let at_the_end = kept(500, 12, 12, (29_000, refunded));
            assert_eq!(at_the_end - (500 - taken), to_come, "{refunded}");
        }
    }

    proptest! {
        #[test]
        fn more_money_back_never_means_more_credits(
            total in 0..=1_000_000_i32,
            amount in 1..=99_999_999_i32,
            one in 0..=99_999_999_i32,
            other in 0..=99_999_999_i32,
        ) {
            let (less, more) = (one.min(other), one.max(other));
            prop_assert!(paid(total, amount, less) >= paid(total, amount, more));
            prop_assert!((0..=total).contains(&paid(total, amount, more)));
            prop_assert_eq!((paid(total, amount, 0), paid(total, amount, amount)), (total, 0));
        }

        /// After any refund at any time: what is kept is what has come, or what the money kept pays for if that is less;
        /// never less than the share of the money kept, by as much as has come.
        #[test]
        fn a_plans_user_keeps_what_has_come_as_far_as_it_is_paid(
            per_month in 1..=1_000_000_i32,
            months in 1..=12_i32,
            due in 0..=12_i32,
            amount in 1..=99_999_999_i32,
            share in 0..=100_i64,
        ) {
            let due = due.min(months);
            let refunded = i32::try_from(i64::from(amount) * share / 100).expect("not more than the amount");
            let all = paid(per_month * months, amount, refunded);
            let kept = kept(per_month, months, due, (amount, refunded));
            prop_assert_eq!(kept, (per_month * due).min(all));
            let exact = i64::from(per_month) * i64::from(months) * i64::from(amount - refunded);
            prop_assert!(i64::from(all) * i64::from(amount) >= exact, "in the user's favour");
            prop_assert!((i64::from(all) - 1) * i64::from(amount) < exact, "by less than a credit");
        }

        #[test]
        fn a_share_is_the_same_in_every_currency(cents in 0..=99_999_999_i32, rate in 1..=1_000_i64, percent in 0..=100_i64) {
            let charged = i64::from(cents) * rate;
            let share = cents_reversed(cents, charged * 100, charged * percent);
            prop_assert_eq!(i64::from(share), i64::from(cents) * percent / 100);
        }
    }

    #[test]
    fn a_share_is_bounded_by_the_charge() {
        let cases = [(900, 900, 450, 450), (900, 127_000, 63_500, 450), (900, 127_000, 127_000, 900), (900, 3, 1, 300)];
        for (cents, charged, back, ours) in cases {
            assert_eq!(cents_reversed(cents, charged, back), ours, "{back} of {charged}");
        }
        assert_eq!((cents_reversed(900, 900, 1_000), cents_reversed(900, 900, -1)), (900, 0));
        assert_eq!((cents_reversed(900, 0, 10), cents_reversed(0, 900, 900)), (0, 0));
        assert_eq!(cents_reversed(i32::MAX, i64::MAX, i64::MAX), i32::MAX);
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
