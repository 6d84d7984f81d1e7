//! What the system tells of processes, where it has /proc.

use std::path::Path;

/// What /proc counts processor time in, on every Linux.
pub(crate) const TICKS_PER_SECOND: f64 = 100.0;

/// One of our programs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) pid: u32,
    /// Whether living children are the same program, as Postgres's are. Those that have ended count with their parent.
    pub(crate) has_children: bool,
}

/// Memory of one process, in MiB.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Now.
    pub(crate) resident: f64,
    /// The most there ever was.
    pub(crate) most: f64,
}

impl Program {
    /// Processor time since its start, with that of children that have ended.
    pub(crate) fn ticks(&self) -> Option<u64> {
        let own = stat(self.pid)?.ticks;
        if !self.has_children {
            return Some(own);
        }
        let all = std::fs::read_dir("/proc").ok()?.flatten();
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let children = pids.filter_map(stat).filter(|child| child.parent == self.pid);
        Some(own + children.map(|child| child.ticks).sum::<u64>())
    }
}

struct Stat {
    parent: u32,
    ticks: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Fields 4 and 14 to 17, after a name that may hold spaces.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, fields) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().map(|field| field.parse::<u64>().ok()).sum::<Option<u64>>()?;
    Some(Stat { parent: fields.get(1)?.parse().ok()?, ticks })
}

/// Ticks of all processors since the machine's start: those that were used, and all.
pub(crate) fn machine_ticks() -> Option<(u64, u64)> {
    parse_machine(&std::fs::read_to_string("/proc/stat").ok()?)
}

/// The first line: user, nice, system, idle, waiting for a disk, interrupts (2), stolen; guests are within user.
fn parse_machine(text: &str) -> Option<(u64, u64)> {
    let fields = text.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace().take(8);
    let fields = fields.map(|field| field.parse().ok()).collect::<Option<Vec<u64>>>()?;
    let (all, idle) = (fields.iter().sum::<u64>(), fields.get(3)? + fields.get(4)?);
    Some((all - idle, all))
}

/// What a process has resident.
pub(crate) fn memory(pid: u32) -> Option<Memory> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(Path::new(&path)).ok()?;
    Some(Memory { resident: mib(&text, "VmRSS:")?, most: mib(&text, "VmHWM:")? })
}

fn mib(status: &str, field: &str) -> Option<f64> {
    let kib = status.lines().find_map(|line| line.strip_prefix(field))?.trim().strip_suffix(" kB")?;
    Some(kib.trim().parse::<f64>().ok()? / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::{mib, parse_machine, parse_stat};

    #[test]
    fn a_process_is_read_past_whatever_its_name_holds() {
        let stat = parse_stat("12 (a (b) c) S 7 12 12 0 -1 4194560 100 0 0 0 30 4 2 1 20 0 1 0 5").unwrap();
        assert_eq!((stat.parent, stat.ticks), (7, 37));
        assert!(parse_stat("12 (cut) S 7 12").is_none());
    }

    #[test]
    fn a_machine_is_busy_unless_it_is_idle_or_waits_for_a_disk() {
        assert_eq!(parse_machine("cpu  10 1 5 80 4 0 0 0 3 0\ncpu0 1 1 1 1"), Some((16, 100)));
        assert_eq!(parse_machine(""), None);
    }

    #[test]
    fn memory_is_read_in_mib() {
        assert_eq!(mib("Name:\tx\nVmHWM:\t    4096 kB\nVmRSS:\t  2048 kB\n", "VmRSS:"), Some(2.0));
        assert_eq!(mib("Name:\tx\n", "VmRSS:"), None);
    }
}
