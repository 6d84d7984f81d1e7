//! What was seen of the machine while something was measured, and what follows from it: what bounds it. Pure.

/// What somebody does who has the log written; no two can at once.
pub(crate) const WRITING: &str = "writing the log";
/// From this share of its time on, the machine has nothing left to give.
const PROCESSORS_FULL: f64 = 0.85;
/// Where nothing is busy for more than this share of the time, work waits to be handed on.
const BUSY_MIN: f64 = 0.5;
/// Connections that wait for the same, on average, before that is named.
const WAITING_MIN: f64 = 1.0;
/// Averages and shares below these are not shown.
const SHOWN_MIN: f64 = 0.05;
const SHARE_SHOWN_MIN: f64 = 0.01;

#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// How long it was looked at, in seconds.
    pub(crate) seconds: f64,
    /// Processors of this machine.
    pub(crate) processors: f64,
    /// How much of all processors each of our programs took: 1 is the whole machine. Empty where the system does not tell.
    pub(crate) shares: Vec<(&'static str, f64)>,
    /// The same of everything on the machine, whoever's it is.
    pub(crate) machine: f64,
    /// Share of the looks at which a connection was having the log written.
    pub(crate) writing: f64,
    /// How many connections were at what, on average.
    pub(crate) doing: Vec<(String, f64)>,
    /// Records and bytes of write-ahead log, and commits.
    pub(crate) log_records: f64,
    pub(crate) log_bytes: f64,
    pub(crate) commits: f64,
}

impl Seen {
    /// What is busy for most of the time: what the next one has to wait for.
    pub(crate) fn bound(&self) -> String {
        let machine = self.machine.max(self.ours());
        let busy = format!("processors {}, log busy {}", percent(machine), percent(self.writing));
        if machine >= PROCESSORS_FULL {
            return format!("processors: {} (log busy {})", self.takers(machine), percent(self.writing));
        }
        if self.writing >= BUSY_MIN && self.writing >= machine {
            return format!("WAL flush ({busy})");
        }
        match self.waiting() {
            Some((what, count)) => format!("{what}, {count:.1} connections ({busy})"),
            None if machine >= BUSY_MIN => format!("processors: {} ({busy})", self.takers(machine)),
            None => format!("nothing is full: handing on, or who asks ({busy})"),
        }
    }

    /// What each of `count` took: processor time by program, log and commits.
    pub(crate) fn each(&self, count: f64) -> String {
        let ms = self.shares.iter().filter(|(_, share)| *share >= SHARE_SHOWN_MIN / 10.0).map(|(name, share)| {
            let ms = share * self.processors * self.seconds * 1000.0 / count;
            format!("{name} {ms:.2}")
        });
        let ms = ms.collect::<Vec<_>>().join(", ");
        let (records, bytes, commits) = (self.log_records / count, self.log_bytes / count, self.commits / count);
        format!(
            "each: ms of processor time: {ms}; {records:.1} records and {bytes:.0} bytes of log, {commits:.1} commits"
        )
    }

    /// What the connections did, the most frequent first.
    pub(crate) fn connections(&self) -> String {
        let mut doing: Vec<_> = self.doing.iter().filter(|(_, count)| *count >= SHOWN_MIN).collect();
        doing.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        let doing: Vec<String> = doing.iter().map(|(what, count)| format!("{count:.1} {what}")).collect();
        format!("connections: {}", doing.join(", "))
    }

    /// Processor time that each of `count` took at one program, in ms.
    pub(crate) fn ms_of(&self, program: &str, count: f64) -> f64 {
        let share: f64 = self.shares.iter().filter(|(name, _)| *name == program).map(|(_, share)| share).sum();
        share * self.processors * self.seconds * 1000.0 / count
    }

    fn ours(&self) -> f64 {
        self.shares.iter().map(|(_, share)| share).sum()
    }

    /// Who takes the processors, the greatest share first.
    fn takers(&self, machine: f64) -> String {
        let mut takers = self.shares.clone();
        takers.push(("others", machine - self.ours()));
        takers.retain(|(_, share)| *share >= SHARE_SHOWN_MIN);
        takers.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        takers.iter().map(|(name, share)| format!("{name} {}", percent(*share))).collect::<Vec<_>>().join(", ")
    }

    /// What most connections wait for, if it is somebody else's to give.
    fn waiting(&self) -> Option<&(String, f64)> {
        let waits = self.doing.iter().filter(|(what, count)| what.starts_with("waiting") && *count >= WAITING_MIN);
        waits.max_by(|(_, a), (_, b)| a.total_cmp(b))
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::Seen;

    fn seen(machine: f64, writing: f64, waiting: f64) -> Seen {
        let shares = vec![("postgres", machine * 0.6), ("shootx-api", machine * 0.3)];
        let doing = vec![("computing".to_owned(), 3.0), ("waiting for a row".to_owned(), waiting)];
        Seen { machine, writing, shares, doing, processors: 2.0, seconds: 10.0, ..Seen::default() }
    }

    #[test]
    fn what_is_full_is_what_bounds_it() {
        let full = "processors: postgres 60 %, shootx-api 30 %, others 10 % (log busy 90 %)";
        assert_eq!(seen(1.0, 0.9, 5.0).bound(), full);
        assert_eq!(seen(0.5, 0.9, 5.0).bound(), "WAL flush (processors 50 %, log busy 90 %)");
    }

    #[test]
    fn what_is_waited_for_is_named_where_nothing_is_full() {
        let waiting = "waiting for a row, 5.0 connections (processors 30 %, log busy 20 %)";
        assert_eq!(seen(0.3, 0.2, 5.0).bound(), waiting);
        let nothing = "nothing is full: handing on, or who asks (processors 30 %, log busy 20 %)";
        assert_eq!(seen(0.3, 0.2, 0.5).bound(), nothing);
        assert!(seen(0.6, 0.2, 0.5).bound().starts_with("processors: postgres 36 %"));
    }

    #[test]
    fn what_each_took_is_its_part_of_what_all_did() {
        let seen = Seen { log_records: 3300.0, log_bytes: 340_000.0, commits: 100.0, ..seen(0.5, 0.0, 0.0) };
        let each = "each: ms of processor time: postgres 60.00, shootx-api 30.00; 33.0 records and 3400 bytes of log, \
                    1.0 commits";
        assert_eq!(seen.each(100.0), each);
        assert_eq!(seen.ms_of("postgres", 100.0), 60.0);
    }
}
