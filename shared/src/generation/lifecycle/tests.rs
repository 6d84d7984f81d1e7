mod properties;

use chrono::{DateTime, TimeDelta, Utc};

use super::super::run::{ATTEMPTS_MAX, LOST_GRACE, RESULT_KEPT, Run, UNKNOWN_WAIT};
use super::super::{Callback, Event, Stage, Transition};
use super::next;
use crate::credits::Credits;
use crate::ids::{GenerationId, UserId};
use crate::queue::Queue;
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

fn events() -> Vec<Event> {
    vec![
        Event::LeasedForSubmission,
        submitted(),
        Event::SubmitUnavailable { retry_in: seconds(1) },
        Event::SubmitRejected { code: "provider_rejected" },
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
    ]
}

fn at(run: &Run, event: Event, after: i64) -> Transition {
    next(run, event, start() + seconds(after)).expect("a possible event")
}

/// The stage table of the product, cell by cell; `None` is an event that cannot happen there.
#[test]
fn every_event_in_every_stage_does_what_the_table_says() {
    use Stage::{Cancelled, Collecting, Completed, Failed, Queued, Running, Submitting};
    let still = |stage| [Some(stage); 14];
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
        (Queued, [s, None, None, None, None, None, None, None, None, None, None, None, x, f]),
        (Submitting, [None, r, q, f, s, q, None, None, c, None, None, None, x, f]),
        (Running, [None, None, None, None, None, None, r, r, c, q, None, None, x, f]),
        (Collecting, [c, c, c, c, c, c, c, c, c, c, d, c, c, c]),
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
    for event in [completed(), failed(Retry::Final), Event::CancelRequested, Event::DeadlinePassed, submitted()] {
        let to = at(&before, event, 1);
        assert_eq!((to.run, to.refund, to.job), (before.clone(), Credits::ZERO, None));
    }
}

#[test]
fn a_rejected_submission_refunds_the_reservation() {
    let to = at(&run(Stage::Submitting), Event::SubmitRejected { code: "provider_rejected" }, 1);
    assert_eq!((to.refund, to.run.error_code.as_deref()), (Credits::new(2), Some("provider_rejected")));
}

#[test]
fn an_unreachable_provider_is_tried_again_until_the_deadline_and_then_refunded() {
    let to = at(&run(Stage::Submitting), Event::SubmitUnavailable { retry_in: seconds(30) }, 10);
    assert_eq!((to.run.stage, to.run.tries, to.run.attempt), (Stage::Queued, 1, 1));
    assert_eq!(to.run.wake_at, Some(start() + seconds(40)));
    // The last try is at the deadline, not after it.
    let to = at(&run(Stage::Submitting), Event::SubmitUnavailable { retry_in: seconds(30) }, 640);
    assert_eq!(to.run.wake_at, Some(start() + seconds(645)));
    let to = at(&run(Stage::Submitting), Event::SubmitUnavailable { retry_in: seconds(30) }, 645);
    assert_eq!((to.run.stage, to.refund), (Stage::Failed, Credits::new(2)));
}

#[test]
fn a_lost_answer_is_waited_for_once_and_then_a_new_attempt_starts() {
    let waiting = at(&run(Stage::Submitting), Event::SubmitUnknown, 10).run;
    assert_eq!(waiting.unknown_until, Some(start() + seconds(10) + UNKNOWN_WAIT));
    assert_eq!(waiting.poll_at, waiting.unknown_until);
    // Rung meanwhile, the wait does not begin anew.
    let again = at(&waiting, Event::SubmitUnknown, 30).run;
    assert_eq!(again.unknown_until, waiting.unknown_until);
    let to = at(&again, Event::UnknownOutlasted, 70);
    assert_eq!((to.run.stage, to.run.attempt, to.run.unknown_until), (Stage::Queued, 2, None));
    assert_eq!(to.job.map(|job| job.queue), Some(Queue::Submit));
}

#[test]
fn the_third_unknown_attempt_is_the_last() {
    let last = Run { attempt: ATTEMPTS_MAX, ..run(Stage::Submitting) };
    let to = at(&last, Event::UnknownOutlasted, 200);
    assert_eq!((to.run.stage, to.refund), (Stage::Failed, Credits::new(2)));
}

#[test]
fn retries_follow_the_table_of_what_came_back() {
    for (retry, attempt, timeouts, again) in [
        (Retry::Final, 1, 0, false),
        (Retry::Retryable, 1, 0, true),
        (Retry::Retryable, 2, 1, true),
        (Retry::Retryable, ATTEMPTS_MAX, 0, false),
        (Retry::Once, 1, 0, true),
        (Retry::Once, 2, 1, false),
        (Retry::Once, 2, 0, true),
    ] {
        let before = Run { attempt, timeouts, ..run(Stage::Running) };
        let to = at(&before, failed(retry), 30);
        let expected = if again { (Stage::Queued, Credits::ZERO) } else { (Stage::Failed, Credits::new(2)) };
        assert_eq!((to.run.stage, to.refund), expected, "{retry:?} {attempt} {timeouts}");
        if again {
            assert_eq!((to.run.attempt, to.run.provider_job_id), (attempt + 1, None));
        }
    }
}

#[test]
fn a_missing_provider_job_is_lost_only_after_half_a_minute_and_two_looks() {
    let once = at(&run(Stage::Running), Event::ProviderNotFound, 5).run;
    let twice = at(&once, Event::ProviderNotFound, 10).run;
    assert_eq!((twice.stage, twice.lost_looks), (Stage::Running, 2));
    let to = next(&twice, Event::ProviderNotFound, start() + LOST_GRACE).expect("possible");
    assert_eq!((to.run.stage, to.refund), (Stage::Failed, Credits::new(2)));
    // One look is not enough however late, and a job that turns up again starts the count anew.
    assert_eq!(at(&run(Stage::Running), Event::ProviderNotFound, 100).run.stage, Stage::Running);
    assert_eq!(at(&once, Event::ProviderPending, 6).run.lost_looks, 0);
}

#[test]
fn fewer_pictures_than_asked_refund_the_difference() {
    for (price, asked, delivered, refund) in [(6, 4, 3, 2), (1, 2, 1, 1), (2, 1, 1, 0), (2, 2, 2, 0), (6, 4, 1, 5)] {
        let before = Run { price: Credits::new(price), outputs_asked: asked, ..run(Stage::Collecting) };
        let to = at(&before, Event::Collected { delivered, code: "unusable_output" }, 1);
        assert_eq!((to.run.stage, to.refund), (Stage::Completed, Credits::new(refund)), "{price} {asked} {delivered}");
        assert_eq!(to.run.outputs_delivered, Some(delivered));
    }
    let to = at(&run(Stage::Collecting), Event::Collected { delivered: 0, code: "unusable_output" }, 1);
    assert_eq!((to.run.stage, to.refund, to.run.outputs_delivered), (Stage::Failed, Credits::new(2), Some(0)));
}

#[test]
fn collecting_is_tried_until_the_result_is_gone() {
    let kept = Run { deadline_at: start() + TimeDelta::hours(2), ..run(Stage::Collecting) };
    let unavailable = |stored| Event::CollectUnavailable { stored, retry_in: seconds(30) };
    let to = next(&kept, unavailable(1), start() + RESULT_KEPT - seconds(1)).expect("possible");
    assert_eq!((to.run.stage, to.job.map(|job| job.queue)), (Stage::Collecting, Some(Queue::Collect)));
    // At the end what is stored is delivered, and the rest refunded.
    let to = next(&kept, unavailable(1), start() + RESULT_KEPT).expect("possible");
    assert_eq!((to.run.stage, to.refund), (Stage::Completed, Credits::new(1)));
    let to = at(&run(Stage::Collecting), unavailable(0), 645);
    assert_eq!((to.run.stage, to.refund), (Stage::Failed, Credits::new(2)));
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
