//! A row of the table: a figure beside its reference of the same run, the goal, and what bounds it. Pure.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// One figure, and something like it that shows what this machine can do.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) figure: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// In the same unit.
    pub(crate) reference: Option<f64>,
    /// What the reference is.
    pub(crate) beside: String,
    /// The figure as a share of its reference.
    pub(crate) ratio: Option<f64>,
    pub(crate) goal: Goal,
    pub(crate) bound: String,
    /// Lines below it.
    pub(crate) notes: Vec<String>,
}

/// What is asked of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    Nothing,
    /// Of the reference, at least this share.
    RatioMin(f64),
    /// At most this many times the reference.
    RatioMax(f64),
    /// The asked-for floor: the figure is below this, and nothing failed.
    Below(f64),
    /// It could not be measured, which no strict run forgives.
    Skipped,
}

/// Both figures of one round, taken one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    pub(crate) measured: f64,
    pub(crate) reference: f64,
}

impl Row {
    /// A row by the medians of its rounds: what hits one round moves it little.
    pub(crate) fn of_rounds(figure: &str, unit: &'static str, rounds: &[Round], beside: &str, goal: Goal) -> Self {
        Self {
            value: median(rounds.iter().map(|round| round.measured)),
            reference: Some(median(rounds.iter().map(|round| round.reference))),
            ratio: Some(median(rounds.iter().map(|round| round.measured / round.reference))),
            goal,
            ..Self::of(figure, f64::NAN, unit, beside)
        }
    }

    /// A figure beside nothing that was measured.
    pub(crate) fn of(figure: &str, value: f64, unit: &'static str, beside: &str) -> Self {
        Self {
            figure: figure.to_owned(),
            value,
            unit,
            reference: None,
            beside: beside.to_owned(),
            ratio: None,
            goal: Goal::Nothing,
            bound: String::new(),
            notes: Vec::new(),
        }
    }

    /// A row that could not be measured, and why.
    pub(crate) fn skipped(figure: &str, why: &str) -> Self {
        let notes = vec![format!("skipped: {why}")];
        Self { goal: Goal::Skipped, notes, ..Self::of(figure, f64::NAN, "", "") }
    }

    pub(crate) fn with_reference(self, reference: f64) -> Self {
        Self { reference: Some(reference), ratio: Some(self.value / reference), ..self }
    }

    pub(crate) fn bound_by(self, bound: String) -> Self {
        Self { bound, ..self }
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Nothing where nothing was asked.
    pub(crate) fn is_met(&self) -> Option<bool> {
        match self.goal {
            Goal::Nothing => None,
            Goal::RatioMin(least) => Some(self.ratio.is_some_and(|ratio| ratio >= least)),
            Goal::RatioMax(most) => Some(self.ratio.is_some_and(|ratio| ratio <= most)),
            Goal::Below(limit) => Some(self.value < limit),
            Goal::Skipped => Some(false),
        }
    }

    fn verdict(&self) -> &'static str {
        match (self.goal, self.is_met()) {
            (Goal::Skipped, _) => "skipped",
            (Goal::Below(_), Some(true)) => "PASS",
            (Goal::Below(_), _) => "FAIL",
            (_, Some(true)) => "met",
            (_, Some(false)) => "not met",
            (_, None) => "",
        }
    }

    fn goal_text(&self) -> String {
        match self.goal {
            Goal::Nothing | Goal::Skipped => String::new(),
            Goal::RatioMin(least) => format!(">= {least:.2}"),
            Goal::RatioMax(most) => format!("<= {most:.2}"),
            Goal::Below(limit) => format!("< {}", amount(limit, self.unit)),
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "figure": self.figure,
            "value": finite(self.value),
            "unit": self.unit,
            "reference": self.reference.and_then(finite),
            "beside": self.beside,
            "ratio": self.ratio.and_then(finite),
            "goal": self.goal_text(),
            "verdict": self.verdict(),
            "bound_by": self.bound,
            "notes": self.notes,
        })
    }
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// The middle one; of none, not a number.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count => f64::midpoint(values[(count - 1) / 2], values[count / 2]),
    }
}

/// A number with about three digits, and its unit.
pub(crate) fn amount(value: f64, unit: &str) -> String {
    let text = match value.abs() {
        _ if value.is_nan() => return String::new(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    if unit.is_empty() { text } else { format!("{text} {unit}") }
}

/// All rows for people.
pub(crate) fn table(rows: &[Row]) -> String {
    let line = |[figure, value, reference, ratio, goal, verdict, bound]: [&str; 7]| {
        let line = format!("{figure:<42} {value:>12} {reference:>12} {ratio:>6} {goal:>9} {verdict:>8}  {bound}");
        format!("{}\n", line.trim_end())
    };
    let mut table = line(["figure", "value", "reference", "ratio", "goal", "verdict", "bound by"]);
    for row in rows {
        let value = amount(row.value, row.unit);
        let reference = row.reference.map_or_else(String::new, |reference| amount(reference, row.unit));
        let ratio = row.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        table += &line([&row.figure, &value, &reference, &ratio, &row.goal_text(), row.verdict(), &row.bound]);
        if !row.beside.is_empty() {
            let _ = writeln!(table, "    beside {}", row.beside);
        }
        for note in &row.notes {
            let _ = writeln!(table, "    {note}");
        }
    }
    table
}

/// All rows for programs.
pub(crate) fn json(machine: &str, rows: &[Row]) -> Value {
    json!({ "machine": machine, "rows": rows.iter().map(Row::to_json).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::{Goal, Round, Row, json, table};

    fn row(goal: Goal, rounds: &[(f64, f64)]) -> Row {
        let rounds: Vec<Round> = rounds.iter().map(|&(measured, reference)| Round { measured, reference }).collect();
        Row::of_rounds("a row", "/s", &rounds, "a loop", goal)
    }

    #[test]
    fn one_noisy_round_does_not_move_the_ratio() {
        let ratio = |rounds| row(Goal::Nothing, rounds).ratio;
        assert_eq!(ratio(&[(90.0, 100.0), (10.0, 100.0), (45.0, 50.0)]), Some(0.9));
        assert_eq!(ratio(&[(50.0, 100.0), (100.0, 100.0)]), Some(0.75));
    }

    #[test]
    fn a_goal_is_met_from_its_very_value_on_and_the_floor_is_held_below_it() {
        let verdict = |goal, rounds| row(goal, rounds).verdict();
        assert_eq!(verdict(Goal::RatioMin(0.8), &[(80.0, 100.0)]), "met");
        assert_eq!(verdict(Goal::RatioMin(0.8), &[(79.9, 100.0)]), "not met");
        assert_eq!(verdict(Goal::RatioMin(0.8), &[]), "not met");
        assert_eq!(verdict(Goal::RatioMax(2.0), &[(200.0, 100.0)]), "met");
        assert_eq!(verdict(Goal::RatioMax(2.0), &[(200.1, 100.0)]), "not met");
        assert_eq!(verdict(Goal::RatioMax(2.0), &[(f64::INFINITY, 100.0)]), "not met");
        assert_eq!(verdict(Goal::RatioMax(2.0), &[]), "not met");
        assert_eq!(verdict(Goal::Below(200.0), &[(199.9, 1.0)]), "PASS");
        assert_eq!(verdict(Goal::Below(200.0), &[(200.0, 1.0)]), "FAIL");
        assert_eq!(verdict(Goal::Below(200.0), &[]), "FAIL");
        assert_eq!(Row::skipped("a row", "no program").is_met(), Some(false));
    }

    #[test]
    fn the_table_says_what_was_measured_beside_what_and_what_bounds_it() {
        let met = row(Goal::RatioMin(0.5), &[(100.0, 200.0)]).bound_by("the processors".into()).note("a note");
        let floor = Row { goal: Goal::Below(200.0), ..Row::of("status p99", 12.34, "ms", "the limit") };
        let expected = "\
figure                                            value    reference  ratio      goal  verdict  bound by
a row                                            100 /s       200 /s   0.50   >= 0.50      met  the processors
    beside a loop
    a note
status p99                                      12.3 ms                      < 200 ms     PASS
    beside the limit
pgbench                                                                                skipped
    skipped: it is not installed
";
        assert_eq!(table(&[met, floor, Row::skipped("pgbench", "it is not installed")]), expected);
    }

    #[test]
    fn what_was_not_measured_is_null_for_programs() {
        let rows = json("two processors", &[Row::skipped("a row", "no program")]);
        assert_eq!(rows["rows"][0]["value"], serde_json::Value::Null);
        assert_eq!(rows["rows"][0]["verdict"], "skipped");
    }
}
