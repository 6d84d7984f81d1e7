mod properties;
mod restoring;
mod result;
mod submission;

use chrono::{DateTime, TimeDelta, Utc};

use super::super::run::Run;
use super::super::{Callback, Event, Stage, Transition};
use super::next;
use crate::credits::Credits;
use crate::ids::{GenerationId, UserId};
use crate::runpod::Retry;
use crate::workflow::Dialect;

const STAGES: [Stage; 7] = [
    Stage::Queued,
    Stage::Submitting,
    Stage::Running,
    Stage::Collecting,
    Stage::Completed,
    Stage::Failed,
    Stage::Cancelled,
];

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("in range")
}

fn seconds(count: i64) -> TimeDelta {
    TimeDelta::seconds(count)
}

/// A run of 2 outputs for 2 credits, 20 s usual and 45 s at most, accepted at [`start`].
fn run(stage: Stage) -> Run {
    let submitted = matches!(stage, Stage::Running | Stage::Collecting | Stage::Completed);
    Run {
        generation_id: GenerationId::generate(),
        user_id: UserId(uuid::Uuid::nil()),
        workflow: "model".to_owned(),
        endpoint: "ep".to_owned(),
        dialect: Dialect::Product,
        stage,
        price: Credits::new(2),
        outputs_asked: 2,
        outputs_delivered: None,
        output_format: "webp".to_owned(),
        seed: 1,
        request_id: "request".to_owned(),
        traceparent: None,
        accepted_at: start(),
        deadline_at: start() + seconds(645),
        target_seconds: 20,
        max_seconds: 45,
        attempt: 1,
        timeouts: 0,
        tries: 0,
        polls: 0,
        lost_looks: 0,
        provider_job_id: submitted.then(|| "job".to_owned()),
        submitted_at: submitted.then(start),
        unknown_until: None,
        result_at: (stage == Stage::Collecting).then(start),
        poll_at: None,
        wake_at: None,
        rings: 0,
        leases_lost: 0,
        cancel_requested_at: None,
        cancel_fee: Credits::ZERO,
        progress: 0,
        error_code: None,
        settled_at: stage.is_final().then(start),
    }
}

fn submitted() -> Event {
    Event::Submitted { provider_job_id: "job".to_owned(), callback: Callback::Awaited }
}

fn completed() -> Event {
    Event::ProviderCompleted { provider_job_id: "job".to_owned() }
}

fn failed(retry: Retry) -> Event {
    Event::ProviderFailed { code: "gpu_error", retry, retry_in: seconds(1) }
}

fn events() -> [Event; 17] {
    [
        Event::LeasedForSubmission,
        submitted(),
        Event::SubmitUnavailable { retry_in: seconds(1) },
        Event::SubmitRejected { code: "provider_rejected" },
        Event::InputUnusable { picture: "mask".to_owned(), code: "input_damaged" },
        Event::SubmitUnknown,
        Event::UnknownOutlasted,
        Event::ProviderPending,
        Event::ProviderNotFound,
        completed(),
        failed(Retry::Retryable),
        Event::Collected { delivered: 2, code: "unusable_output" },
        Event::CollectUnavailable { stored: 0, retry_in: seconds(1) },
        Event::CancelRequested,
        Event::DeadlinePassed,
        Event::Restored { stored: 0 },
        Event::Restored { stored: 2 },
    ]
}

fn at(run: &Run, event: Event, after: i64) -> Transition {
    next(run, event, start() + seconds(after)).expect("a possible event")
}

/// The stage table of the product, cell by cell; `None` is an event that cannot happen there.
#[test]
fn every_event_in_every_stage_does_what_the_table_says() {
    use Stage::{Cancelled, Collecting, Completed, Failed, Queued, Running, Submitting};
    let still = |stage| [Some(stage); 17];
    let (q, s, r, c, d, f, x) = (
        Some(Queued),
        Some(Submitting),
        Some(Running),
        Some(Collecting),
        Some(Completed),
        Some(Failed),
        Some(Cancelled),
    );
    let table = [
        (Queued, [s, None, None, None, None, None, None, None, None, None, None, None, None, x, f, f, d]),
        (Submitting, [None, r, q, f, f, s, q, None, None, c, None, None, None, x, f, f, d]),
        (Running, [None, None, None, None, None, None, None, r, r, c, q, None, None, x, f, r, d]),
        (Collecting, [c, c, c, c, c, c, c, c, c, c, c, d, c, c, c, c, d]),
        (Completed, still(Completed)),
        (Failed, still(Failed)),
        (Cancelled, still(Cancelled)),
    ];
    assert_eq!(table.map(|(stage, _)| stage), STAGES);
    for (stage, expected) in table {
        for (event, expected) in events().into_iter().zip(expected) {
            let name = event.name();
            let found = next(&run(stage), event, start() + seconds(1)).ok().map(|to| to.run.stage);
            assert_eq!(found, expected, "{name} while {stage}");
        }
    }
}

#[test]
fn what_comes_late_is_noted_and_changes_nothing() {
    for stage in [Stage::Completed, Stage::Failed, Stage::Cancelled] {
        for event in events() {
            let before = run(stage);
            let to = at(&before, event, 9999);
            assert_eq!((to.run, to.refund, to.job), (before, Credits::ZERO, None));
        }
    }
    let before = run(Stage::Collecting);
    let unusable = Event::InputUnusable { picture: "mask".to_owned(), code: "input_damaged" };
    for event in
        [completed(), failed(Retry::Final), Event::CancelRequested, Event::DeadlinePassed, submitted(), unusable]
    {
        let to = at(&before, event, 1);
        assert_eq!((to.run, to.refund, to.job, to.picture), (before.clone(), Credits::ZERO, None, None));
    }
}

#[test]
fn the_first_poll_waits_for_the_webhook_and_later_ones_slow_down() {
    let quiet = Event::Submitted { provider_job_id: "job".to_owned(), callback: Callback::Off };
    assert_eq!(at(&run(Stage::Submitting), submitted(), 0).run.poll_at, Some(start() + seconds(20)));
    assert_eq!(at(&run(Stage::Submitting), quiet, 0).run.poll_at, Some(start() + seconds(10)));
    let called = Event::Submitted { provider_job_id: "job".to_owned(), callback: Callback::Received };
    assert_eq!(at(&run(Stage::Submitting), called, 0).run.poll_at, Some(start()));
    let mut looked = run(Stage::Running);
    let mut gaps = Vec::new();
    for _ in 0..8 {
        looked = at(&looked, Event::ProviderPending, 0).run;
        gaps.push((looked.poll_at.expect("a next poll") - start()).num_milliseconds());
    }
    assert_eq!(gaps, [2000, 3000, 4500, 6750, 10125, 15000, 15000, 15000]);
}

#[test]
fn progress_follows_the_stage_and_the_clock() {
    let shown = |stage, after| run(stage).progress_at(start() + seconds(after));
    assert_eq!(shown(Stage::Queued, 5), 0);
    assert_eq!(shown(Stage::Submitting, 5), 5);
    assert_eq!([0, 5, 10, 20, 99].map(|after| shown(Stage::Running, after)), [10, 30, 50, 90, 90]);
    assert_eq!(shown(Stage::Collecting, 5), 95);
    assert_eq!(shown(Stage::Failed, 5), 100);
}
