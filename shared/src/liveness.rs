//! Tracks when each loop of a process last completed a turn.
//!
//! A loop registers under a name and reports each turn. If one has completed no turn for [`TURN_MAX`], the process is
//! unhealthy: `/livez` and `/health` answer 503 and name the loop. After [`EXIT_AFTER`] the process ends, so that its
//! supervisor restarts it. A turn that fails counts as completed: an unreachable database is no reason to restart.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::time::sleep;

/// Longest time between two turns of a loop.
pub const TURN_MAX: Duration = Duration::from_mins(1);
/// How long a loop stands still before the process ends. Health checks fail earlier.
pub const EXIT_AFTER: Duration = Duration::from_secs(90);
/// How often the thread that ends the process looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How many times within [`TURN_MAX`] a loop reports while it rests, or while it does work that is known to be long.
const BEATS: u32 = 6;

/// The loops of one process. Clones share them.
#[derive(Debug, Clone)]
pub struct Liveness(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    turn_max: Duration,
    loops: Mutex<BTreeMap<&'static str, Loop>>,
}

#[derive(Debug)]
struct Loop {
    turned_at: Instant,
    is_halted: bool,
}

/// A loop that stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stalled {
    pub name: &'static str,
    /// Time since its last completed turn.
    pub age: Duration,
}

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the loop \"{}\" has not completed a turn for {} s", self.name, self.age.as_secs())
    }
}

impl Default for Liveness {
    fn default() -> Self {
        Self::new(TURN_MAX)
    }
}

impl Liveness {
    /// Starts without loops; each must complete a turn within `turn_max`.
    #[must_use]
    pub fn new(turn_max: Duration) -> Self {
        Self(Arc::new(Inner { turn_max, loops: Mutex::default() }))
    }

    /// Registers a loop. Its first turn begins now.
    #[must_use]
    pub fn register(&self, name: &'static str) -> Pulse {
        self.loops().insert(name, Loop { turned_at: Instant::now(), is_halted: false });
        Pulse { name, liveness: self.clone() }
    }

    /// Every loop, and how long ago it completed a turn.
    #[must_use]
    pub fn ages(&self) -> Vec<(&'static str, Duration)> {
        self.loops().iter().map(|(name, of)| (*name, of.turned_at.elapsed())).collect()
    }

    /// The loops that stand still.
    #[must_use]
    pub fn stalled(&self) -> Vec<Stalled> {
        let ages = self.ages().into_iter().filter(|(_, age)| *age >= self.0.turn_max);
        ages.map(|(name, age)| Stalled { name, age }).collect()
    }

    /// What is wrong, for health checks; `None` if all loops run.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let stalled = self.stalled();
        (!stalled.is_empty()).then(|| stalled.iter().map(Stalled::to_string).collect::<Vec<_>>().join("; "))
    }

    /// Halts a loop at its next turn, for good. For tests and drills of the health checks.
    pub fn halt(&self, name: &'static str) {
        if let Some(of) = self.loops().get_mut(name) {
            of.is_halted = true;
        }
    }

    /// Ends the process once a loop has stood still for [`EXIT_AFTER`]. Runs on its own thread, so that a blocked
    /// runtime does not block it.
    pub fn exit_when_stalled(&self) {
        let liveness = self.clone();
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(LOOK_EVERY);
                if let Some(stalled) = liveness.stalled().into_iter().find(|stalled| stalled.age >= EXIT_AFTER) {
                    tracing::error!(%stalled, "the process ends so that it is restarted");
                    std::process::exit(1);
                }
            }
        });
    }

    fn loops(&self) -> MutexGuard<'_, BTreeMap<&'static str, Loop>> {
        self.0.loops.lock().expect("nothing panics while it holds this lock")
    }
}

/// How a loop reports.
#[derive(Debug, Clone)]
pub struct Pulse {
    name: &'static str,
    liveness: Liveness,
}

impl Pulse {
    /// Notes a completed turn, unless the loop is halted; returns whether it may go on.
    pub fn beat(&self) -> bool {
        let mut loops = self.liveness.loops();
        let Some(of) = loops.get_mut(self.name) else { return true };
        if !of.is_halted {
            of.turned_at = Instant::now();
        }
        !of.is_halted
    }

    /// Notes a completed turn. Never returns in a loop that was halted.
    pub async fn turn(&self) {
        if !self.beat() {
            std::future::pending().await
        }
    }

    /// Notes a completed turn and rests until the next, for however long that is.
    pub async fn rest(&self, rest: Duration) {
        self.turn().await;
        let until = Instant::now() + rest;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            sleep(left.min(self.liveness.0.turn_max / BEATS)).await;
            self.turn().await;
        }
    }

    /// Does a part of a turn that may take longer than a turn otherwise may: the loop counts as stalled only after
    /// `time_max` plus the time of a turn.
    pub async fn during<T>(&self, time_max: Duration, work: impl Future<Output = T>) -> T {
        let beats = async {
            self.rest(time_max).await;
            std::future::pending().await
        };
        tokio::select! {
            done = work => done,
            () = beats => unreachable!("it never ends"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_loop_that_completes_no_turn_is_named_until_it_does() {
        let liveness = Liveness::new(Duration::from_millis(40));
        let (quick, slow) = (liveness.register("quick"), liveness.register("slow"));
        assert_eq!(liveness.problem(), None);
        quick.rest(Duration::from_millis(80)).await;
        let stalled: Vec<_> = liveness.stalled().into_iter().map(|stalled| stalled.name).collect();
        assert_eq!(stalled, ["slow"], "a loop that rests is not stalled");
        let problem = liveness.problem().expect("one is stalled");
        assert!(problem.contains("the loop \"slow\" has not completed a turn"), "{problem}");
        slow.turn().await;
        assert_eq!(liveness.problem(), None);
    }

    #[tokio::test]
    async fn long_work_is_alive_for_as_long_as_it_may_take() {
        let liveness = Liveness::new(Duration::from_millis(40));
        let pulse = liveness.register("long");
        let seen = pulse.during(Duration::from_millis(100), async {
            sleep(Duration::from_millis(90)).await;
            liveness.problem()
        });
        assert_eq!(seen.await, None);
        let seen = pulse.during(Duration::from_millis(10), async {
            sleep(Duration::from_millis(100)).await;
            liveness.problem()
        });
        assert!(seen.await.is_some());
    }

    #[tokio::test]
    async fn a_halted_loop_stands_still() {
        let liveness = Liveness::new(Duration::from_millis(20));
        let pulse = liveness.register("halted");
        liveness.halt("halted");
        assert!(tokio::time::timeout(Duration::from_millis(60), pulse.rest(Duration::ZERO)).await.is_err());
        assert_eq!(liveness.stalled().len(), 1);
    }
}
