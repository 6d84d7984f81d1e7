//! A run: our private record of a generation's progress, and what follows from it alone. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Callback, Stage};
use crate::credits::Credits;
use crate::ids::{GenerationId, UserId};
use crate::telemetry::TraceContext;
use crate::workflow::Dialect;

/// Provider jobs that may ever be made for one generation.
pub(super) const ATTEMPTS_MAX: i16 = 3;
/// Holders that may vanish in a row before a run is given up: it is what kills them.
pub const LEASES_LOST_MAX: i16 = 5;
/// How long the webhook of a lost answer is waited for before another attempt starts.
pub(super) const UNKNOWN_WAIT: TimeDelta = TimeDelta::seconds(60);
/// Time in the queue that every generation is allowed beside its workflow's maximum.
pub(super) const QUEUE_ALLOWANCE: TimeDelta = TimeDelta::minutes(10);
/// How long the provider keeps a job beyond its deadline (its `ttl`).
pub const PROVIDER_TTL_MARGIN: TimeDelta = TimeDelta::minutes(5);
/// How long the provider keeps a finished job's result.
pub(super) const RESULT_KEPT: TimeDelta = TimeDelta::minutes(30);
/// A run still collecting this long after its deadline is settled by the sweeper, with what is stored by then.
pub(super) const COLLECT_GRACE: TimeDelta = TimeDelta::minutes(5);
/// How long a webhook link outlives its generation's deadline.
pub const WEBHOOK_GRACE: TimeDelta = TimeDelta::hours(1);
/// A provider job that is not found counts as lost only after this time since its submission,
pub(super) const LOST_GRACE: TimeDelta = TimeDelta::seconds(30);
/// and after this many looks.
pub(super) const LOST_LOOKS: i16 = 2;

const POLL_FIRST: f64 = 2.0;
const POLL_GROWTH: f64 = 1.5;
const POLL_MAX: f64 = 15.0;

/// One row of `gateway.run`.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Whose run this is.
    pub generation_id: GenerationId,
    /// Who pays.
    pub user_id: UserId,
    /// The workflow's name.
    pub workflow: String,
    /// The provider's endpoint that runs it.
    pub endpoint: String,
    /// What that endpoint speaks.
    pub dialect: Dialect,
    /// Where it is.
    pub stage: Stage,
    /// What was taken from the balance at accept.
    pub price: Credits,
    /// Outputs paid for, 1 to 4.
    pub outputs_asked: i16,
    /// Outputs stored, once settled.
    pub outputs_delivered: Option<i16>,
    /// The format asked for.
    pub output_format: String,
    /// The seed sent to the provider, within 2^53.
    pub seed: i64,
    /// The id that ties all logs of this generation together.
    pub request_id: String,
    /// The span that accepted it, as `traceparent`; rows from before have none.
    pub traceparent: Option<String>,
    /// When it was paid for.
    pub accepted_at: DateTime<Utc>,
    /// When it fails if nothing was delivered.
    pub deadline_at: DateTime<Utc>,
    /// Usual generation time, seconds.
    pub target_seconds: i32,
    /// Longest generation time the provider is given, seconds.
    pub max_seconds: i32,
    /// The provider job that may exist now, from 1.
    pub attempt: i16,
    /// Failures so far that may be retried once, timeouts above all.
    pub timeouts: i16,
    /// Unavailable answers in a row.
    pub tries: i16,
    /// Looks since submission.
    pub polls: i32,
    /// Looks in a row that found no such provider job.
    pub lost_looks: i16,
    /// The provider's id of the attempt that runs or has won.
    pub provider_job_id: Option<String>,
    /// When the provider took it.
    pub submitted_at: Option<DateTime<Utc>>,
    /// Until when a lost answer is waited for.
    pub unknown_until: Option<DateTime<Utc>>,
    /// When the provider was first seen to have finished.
    pub result_at: Option<DateTime<Utc>>,
    /// When the poller looks next.
    pub poll_at: Option<DateTime<Utc>>,
    /// When the run's job is due.
    pub wake_at: Option<DateTime<Utc>>,
    /// How often a webhook or a cancel has rung for it.
    pub rings: i32,
    /// Holders in a row that let their lease expire.
    pub leases_lost: i16,
    /// When the user asked to cancel.
    pub cancel_requested_at: Option<DateTime<Utc>>,
    /// What the requested cancel costs; once final, what was charged for it.
    pub cancel_fee: Credits,
    /// The furthest progress ever shown, 0 to 100.
    pub progress: i16,
    /// Why it failed.
    pub error_code: Option<String>,
    /// When it became final.
    pub settled_at: Option<DateTime<Utc>>,
}

impl Run {
    /// The span that accepted it.
    #[must_use]
    pub fn trace(&self) -> Option<TraceContext> {
        TraceContext::parse(self.traceparent.as_deref()?)
    }

    /// Progress to show at `now`, 0 to 100; never less than was shown before.
    #[must_use]
    pub fn progress_at(&self, now: DateTime<Utc>) -> i16 {
        self.progress.max(progress(self.stage, self.submitted_at, self.target_seconds, now))
    }

    /// Where its `n`th output is kept: it follows from the run, so that a repeat replaces it and a recovery finds it.
    #[must_use]
    pub fn output_path(&self, n: i16, extension: &str) -> String {
        format!("{}/{}/{n}.{extension}", self.user_id, self.generation_id)
    }

    /// Whether so many workers in a row vanished with this run that it must be what kills them.
    #[must_use]
    pub fn kills_workers(&self) -> bool {
        self.leases_lost >= LEASES_LOST_MAX
    }

    /// When the provider is asked for the first time after a submission at `now`.
    ///
    /// A webhook usually comes first, so while one is awaited the poll waits for the whole target time.
    pub(super) fn first_poll_at(&self, now: DateTime<Utc>, callback: Callback) -> DateTime<Utc> {
        let target = TimeDelta::seconds(i64::from(self.target_seconds));
        let wait = match callback {
            Callback::Awaited => target,
            Callback::Off => target / 2,
            Callback::Received => TimeDelta::zero(),
        };
        (now + wait).min(self.deadline_at)
    }

    /// When the provider is asked again after a look at `now`: 2 s growing to 15 s, not past the deadline.
    pub(super) fn next_poll_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let seconds = (POLL_FIRST * POLL_GROWTH.powi(self.polls.clamp(0, 16))).min(POLL_MAX);
        let wait = std::time::Duration::from_secs_f64(seconds);
        let wait = TimeDelta::from_std(wait).expect("a poll interval is at most 15 s");
        (now + wait).min(self.deadline_at.max(now))
    }

    /// Until when a result that is known to exist may still be collected.
    pub(super) fn collect_until(&self) -> DateTime<Utc> {
        self.result_at.map_or(self.deadline_at, |at| self.deadline_at.min(at + RESULT_KEPT))
    }
}

/// Queued 0, submitting 5, running 10 to 90 by elapsed over expected time, collecting 95, final 100.
pub(super) fn progress(
    stage: Stage,
    submitted_at: Option<DateTime<Utc>>,
    target_seconds: i32,
    now: DateTime<Utc>,
) -> i16 {
    match stage {
        Stage::Queued => 0,
        Stage::Submitting => 5,
        Stage::Running => {
            let elapsed_ms = submitted_at.map_or(0, |at| (now - at).num_milliseconds().max(0));
            let expected_ms = i64::from(target_seconds.max(1)) * 1000;
            let share = (elapsed_ms.saturating_mul(80) / expected_ms).min(80);
            10 + i16::try_from(share).expect("a share is at most 80")
        }
        Stage::Collecting => 95,
        Stage::Completed | Stage::Failed | Stage::Cancelled => 100,
    }
}
