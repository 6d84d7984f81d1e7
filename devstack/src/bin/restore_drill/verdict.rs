//! What the drill took, what it lost, and whether all that must hold does.

use std::time::{Duration, Instant};

use super::seen::Seen;

#[derive(Default)]
pub(crate) struct Verdict {
    /// Between the backup and the loss.
    pub(crate) window: Duration,
    /// What `shootx-worker recover` said.
    pub(crate) recovered: String,
    parts: Vec<(&'static str, Duration)>,
    rows: Vec<String>,
    violations: Vec<String>,
}

impl Verdict {
    pub(crate) fn took(&mut self, part: &'static str, begun: Instant) {
        self.parts.push((part, begun.elapsed()));
    }

    pub(crate) fn must(&mut self, holds: bool, otherwise: &str) {
        if !holds {
            self.violations.push(otherwise.to_owned());
        }
    }

    pub(crate) fn holds(&self) -> bool {
        self.violations.is_empty()
    }

    /// The moments before the loss, after the restore, after the recovery, and at rest.
    pub(crate) fn compare(&mut self, before: &Seen, restored: &Seen, recovered: &Seen, after: &Seen) {
        let waiting: Vec<_> = restored.in_stages(&["queued", "submitting"]).collect();
        self.must(!waiting.is_empty(), "nothing waited at the backup: the drill shows nothing");
        for id in &waiting {
            let (jobs, then) = (before.jobs_of(*id), after.jobs_of(*id));
            self.must(
                jobs == then,
                &format!("{id} waited at the backup and was submitted anew: {jobs} jobs, then {then}"),
            );
        }
        let open = ["queued", "submitting", "running", "collecting"];
        let finished: Vec<_> = restored
            .in_stages(&open)
            .filter(|id| before.stages.get(id).is_some_and(|stage| stage == "completed"))
            .collect();
        self.must(!finished.is_empty(), "nothing was finished after the backup: the drill shows nothing");
        for id in &finished {
            let found = recovered.stages.get(id).map_or("gone", String::as_str);
            self.must(found == "completed", &format!("{id} was finished, and its outputs were not adopted: {found}"));
        }
        for id in after.in_stages(&open) {
            self.must(false, &format!("{id} is still under way"));
        }
        let refunded =
            waiting.iter().filter(|id| recovered.stages.get(id).is_some_and(|stage| stage == "failed")).count();
        self.must(refunded > 0, "nothing that waited was given back: the drill shows nothing");

        let lost = before.stages.len() - before.stages.keys().filter(|id| after.stages.contains_key(id)).count();
        self.rows.push(format!(
            "generations               {:>6}  {:>8}  {lost:>6}",
            before.stages.len(),
            restored.stages.len()
        ));
        for (kind, (count, sum)) in &before.entries {
            let (kept, _) = restored.entries.get(kind).copied().unwrap_or_default();
            let (at_rest, sum_at_rest) = after.entries.get(kind).copied().unwrap_or_default();
            self.rows.push(format!(
                "entries: {kind:<16} {count:>6}  {kept:>8}  {:>6}   credits {sum} before, {sum_at_rest} at rest",
                (count - at_rest).max(0)
            ));
        }
        let bought = |seen: &Seen| seen.entries.get("purchase").copied().unwrap_or_default();
        self.must(bought(restored).0 == 0, "the purchase was in the backup: the drill shows nothing");
        self.must(bought(after) == bought(before), "what was bought after the backup did not come back");
    }

    pub(crate) fn print(&self) {
        println!("\n{:<24} seconds", "part");
        for (part, took) in &self.parts {
            println!("{part:<24} {:>7.1}", took.as_secs_f64());
        }
        println!("\n{:.1} s of traffic lie between the backup and the loss", self.window.as_secs_f64());
        println!("{:<24}  before  restored    lost", "");
        self.rows.iter().for_each(|row| println!("{row}"));
        println!("\n{}", self.recovered);
        match self.violations.as_slice() {
            [] => println!("All that must hold does."),
            violations => violations.iter().for_each(|violation| println!("VIOLATION: {violation}")),
        }
    }
}
