//! Billing periods: where one ends that starts at a given time. Ends are counted from the anchor, so that a subscription of the 31st
//! meets the last day of short months and comes back to the 31st.

use chrono::{DateTime, Datelike, Months, TimeDelta, Utc};

/// How often a price recurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interval {
    Day,
    Week,
    Month,
    Year,
}

impl Interval {
    pub(super) fn find(name: &str) -> Option<Self> {
        match name {
            "day" => Some(Self::Day),
            "week" => Some(Self::Week),
            "month" => Some(Self::Month),
            "year" => Some(Self::Year),
            _ => None,
        }
    }

    /// The most of them one period may have: three years.
    pub(super) fn count_max(self) -> u32 {
        match self {
            Self::Day => 1_095,
            Self::Week => 156,
            Self::Month => 36,
            Self::Year => 3,
        }
    }
}

/// The end of the period that starts at `start`, which is the anchor or an end that was counted from it.
pub(super) fn period_end(
    anchor: DateTime<Utc>,
    interval: Interval,
    count: u32,
    start: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let days = |length: i64| start.checked_add_signed(TimeDelta::try_days(length * i64::from(count))?);
    let months = |length: u32| {
        let years = u32::try_from(start.year() - anchor.year()).ok()?;
        let passed = (years * 12 + start.month()).checked_sub(anchor.month())?;
        anchor.checked_add_months(Months::new(passed + length * count))
    };
    match interval {
        Interval::Day => days(1),
        Interval::Week => days(7),
        Interval::Month => months(1),
        Interval::Year => months(12),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    fn date(year: i32, month: u32, day: u32) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(year, month, day, 10, 30, 0).single().expect("a date of the tables below")
    }

    fn ends(anchor: DateTime<Utc>, interval: Interval, count: u32, periods: usize) -> Vec<DateTime<Utc>> {
        let next = |start: &DateTime<Utc>| period_end(anchor, interval, count, *start);
        std::iter::successors(Some(anchor), next).skip(1).take(periods).collect()
    }

    #[test]
    fn a_month_ends_on_the_day_of_its_anchor_or_on_the_last_one() {
        let wanted = vec![date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30), date(2026, 5, 31)];
        assert_eq!(ends(date(2026, 1, 31), Interval::Month, 1, 4), wanted);
        assert_eq!(ends(date(2025, 11, 30), Interval::Month, 1, 3)[2], date(2026, 2, 28));
        assert_eq!(ends(date(2025, 11, 30), Interval::Month, 3, 2), vec![date(2026, 2, 28), date(2026, 5, 30)]);
    }

    #[test]
    fn a_year_from_a_leap_day_comes_back_to_it() {
        let wanted = vec![date(2025, 2, 28), date(2026, 2, 28), date(2027, 2, 28), date(2028, 2, 29)];
        assert_eq!(ends(date(2024, 2, 29), Interval::Year, 1, 4), wanted);
    }

    #[test]
    fn days_and_weeks_are_counted() {
        assert_eq!(ends(date(2026, 1, 31), Interval::Week, 2, 1), vec![date(2026, 2, 14)]);
        assert_eq!(ends(date(2026, 1, 31), Interval::Day, 1, 2), vec![date(2026, 2, 1), date(2026, 2, 2)]);
    }
}
