//! A row of the table: a figure beside its reference, and what was seen of the server meanwhile. Pure.

use std::fmt::Write as _;

/// What somebody does who has the log written; no two can at once.
pub(crate) const WRITING: &str = "writing the log";
/// Where nothing is busy for more than this share of the time, work waits to be handed on.
const BUSY_MIN: f64 = 0.3;
/// Averages below this are not shown.
const SHOWN_MIN: f64 = 0.05;

/// One thing that is measured, and something like it that shows what this machine can do.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// What it is measured beside.
    pub(crate) reference: &'static str,
    /// What the ratio shall be at least.
    pub(crate) goal: f64,
    /// At least one.
    pub(crate) rounds: Vec<Round>,
}

/// Both figures, taken one after the other.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) measured: Figure,
    pub(crate) reference: Figure,
}

#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) per_second: f64,
    pub(crate) seen: Seen,
}

/// What was seen of the server meanwhile.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// How many connections were at what, on average.
    pub(crate) doing: Vec<(String, f64)>,
    /// Of each: records and bytes of write-ahead log.
    pub(crate) log_records: f64,
    pub(crate) log_bytes: f64,
    /// Processor time of each at the server.
    pub(crate) processor_ms: Option<f64>,
    /// Processors of this machine, which the load has to share with the server.
    pub(crate) processors: f64,
}

impl Round {
    fn ratio(&self) -> f64 {
        self.measured.per_second / self.reference.per_second
    }
}

impl Row {
    /// The median of the rounds' ratios: what hits one round moves it little.
    fn ratio(&self) -> f64 {
        median(self.rounds.iter().map(Round::ratio))
    }

    fn verdict(&self) -> &'static str {
        if self.ratio() >= self.goal { "met" } else { "not met" }
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count => f64::midpoint(values[(count - 1) / 2], values[count / 2]),
    }
}

/// The rows by their medians, and below each what was seen in its last round.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut table =
        format!("{:<20} {:>9} {:>12} {:>6} {:>5}  {}\n", "row", "a second", "reference", "ratio", "goal", "verdict");
    for row in rows {
        let measured = median(row.rounds.iter().map(|round| round.measured.per_second));
        let reference = median(row.rounds.iter().map(|round| round.reference.per_second));
        let (name, ratio, goal, verdict) = (row.name, row.ratio(), row.goal, row.verdict());
        let _ = writeln!(table, "{name:<20} {measured:>9.0} {reference:>12.0} {ratio:>6.2} {goal:>5.2}  {verdict}");
        let _ = writeln!(table, "  the reference is `{}`", row.reference);
        if let Some(Round { measured, reference }) = row.rounds.last() {
            let _ = writeln!(table, "  measured   {}", measured.words());
            let _ = writeln!(table, "  reference  {}", reference.words());
        }
    }
    table
}

impl Figure {
    /// What is busy for most of the time: what the next one has to wait for.
    fn bound(&self) -> String {
        let seen = &self.seen;
        let writing = seen.doing.iter().find(|(what, _)| what == WRITING).map_or(0.0, |(_, count)| count.min(1.0));
        let busy = seen.processor_ms.map_or(0.0, |ms| ms * self.per_second / 1000.0 / seen.processors);
        let bound = match (writing, busy) {
            (writing, busy) if writing.max(busy) < BUSY_MIN => "handing locks on",
            (writing, busy) if writing >= busy => "the log",
            _ => "the processors",
        };
        let (writing, busy) = (writing * 100.0, busy * 100.0);
        format!("bounded by {bound}: log busy {writing:.0} %, processors {busy:.0} % with the server")
    }

    fn words(&self) -> String {
        let mut words = format!("one every {:.2} ms", 1000.0 / self.per_second);
        if let Some(processor_ms) = self.seen.processor_ms {
            let _ = write!(words, ", {processor_ms:.2} ms of processor time");
        }
        let _ = write!(words, ", {:.1} records and {:.0} bytes of log", self.seen.log_records, self.seen.log_bytes);
        let mut doing: Vec<_> = self.seen.doing.iter().filter(|(_, count)| *count >= SHOWN_MIN).collect();
        doing.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        let doing: Vec<String> = doing.iter().map(|(what, count)| format!("{count:.1} {what}")).collect();
        let indent = "\n             ";
        let _ = write!(words, "{indent}{}{indent}connections: {}", self.bound(), doing.join(", "));
        words
    }
}

#[cfg(test)]
mod tests {
    use super::{Figure, Round, Row, Seen, WRITING, table};

    fn seen(writing: f64, processor_ms: f64) -> Seen {
        let doing = vec![(WRITING.to_owned(), writing)];
        Seen { doing, processor_ms: Some(processor_ms), processors: 2.0, ..Seen::default() }
    }

    fn row(goal: f64, rounds: &[(f64, f64)]) -> Row {
        let figure = |per_second| Figure { per_second, seen: Seen::default() };
        let round = |&(measured, reference)| Round { measured: figure(measured), reference: figure(reference) };
        Row { name: "a row", reference: "a loop", goal, rounds: rounds.iter().map(round).collect() }
    }

    #[test]
    fn one_noisy_round_does_not_move_the_ratio() {
        assert_eq!(row(0.8, &[(90.0, 100.0), (10.0, 100.0), (45.0, 50.0)]).ratio(), 0.9);
        assert_eq!(row(0.8, &[(50.0, 100.0), (100.0, 100.0)]).ratio(), 0.75);
    }

    #[test]
    fn a_goal_is_met_from_its_very_value_on() {
        assert_eq!(row(0.8, &[(80.0, 100.0)]).verdict(), "met");
        assert_eq!(row(0.8, &[(79.9, 100.0)]).verdict(), "not met");
        assert_eq!(row(0.8, &[]).verdict(), "not met");
    }

    #[test]
    fn what_is_busiest_is_what_bounds_it() {
        let bound = |writing, processor_ms| Figure { per_second: 100.0, seen: seen(writing, processor_ms) }.bound();
        assert_eq!(bound(2.0, 10.0), "bounded by the log: log busy 100 %, processors 50 % with the server");
        assert_eq!(bound(0.4, 10.0), "bounded by the processors: log busy 40 %, processors 50 % with the server");
        assert_eq!(bound(0.2, 1.0), "bounded by handing locks on: log busy 20 %, processors 5 % with the server");
    }

    #[test]
    fn the_table_says_what_was_measured_beside_what_and_what_the_connections_did() {
        let mut row = row(0.8, &[(100.0, 200.0)]);
        row.rounds[0].measured.seen = Seen {
            doing: vec![("computing".into(), 0.5), ("waiting for the row".into(), 3.0), ("asleep".into(), 0.01)],
            log_records: 33.1,
            log_bytes: 3399.4,
            processor_ms: Some(2.125),
            processors: 2.0,
        };
        let expected = "\
row                   a second    reference  ratio  goal  verdict
a row                      100          200   0.50  0.80  not met
  the reference is `a loop`
  measured   one every 10.00 ms, 2.12 ms of processor time, 33.1 records and 3399 bytes of log
             bounded by handing locks on: log busy 0 %, processors 11 % with the server
             connections: 3.0 waiting for the row, 0.5 computing
  reference  one every 5.00 ms, 0.0 records and 0 bytes of log
             bounded by handing locks on: log busy 0 %, processors 0 % with the server
             connections: ";
        assert_eq!(table(&[row]).trim_end_matches('\n'), expected);
    }
}
