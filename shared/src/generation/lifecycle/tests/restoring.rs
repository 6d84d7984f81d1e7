//! Rows of a restored backup.

use super::{at, run, start};
use crate::credits::Credits;
use crate::generation::run::Run;
use crate::generation::{Event, Stage};
use crate::queue::Queue;

/// Two days after the backup.
const LATER: i64 = 172_800;

#[test]
fn what_is_stored_is_adopted_however_late() {
    for (stage, stored, refund) in [
        (Stage::Queued, 2, 0),
        (Stage::Queued, 1, 1),
        (Stage::Submitting, 2, 0),
        (Stage::Submitting, 1, 1),
        (Stage::Running, 2, 0),
        (Stage::Collecting, 2, 0),
    ] {
        let to = at(&run(stage), Event::Restored { stored }, LATER);
        assert_eq!((to.run.stage, to.refund, to.kind), (Stage::Completed, Credits::new(refund), "adopted"), "{stage}");
        assert_eq!((to.run.outputs_delivered, to.job), (Some(stored), None));
    }
}

#[test]
fn what_may_have_been_submitted_is_given_back_and_never_submitted_again() {
    for stage in [Stage::Queued, Stage::Submitting] {
        let to = at(&run(stage), Event::Restored { stored: 0 }, 1);
        assert_eq!((to.run.stage, to.refund, to.job), (Stage::Failed, Credits::new(2), None));
        assert_eq!(to.run.error_code.as_deref(), Some("restored"));
    }
}

#[test]
fn what_runpod_is_known_to_have_is_asked_for_at_once() {
    let looked = Run { lost_looks: 1, poll_at: None, ..run(Stage::Running) };
    let to = at(&looked, Event::Restored { stored: 0 }, LATER);
    assert_eq!((to.run.stage, to.refund, to.job, to.kind), (Stage::Running, Credits::ZERO, None, "resumed"));
    assert_eq!((to.run.poll_at, to.run.lost_looks), (Some(start() + super::seconds(LATER)), 0));
    let allowed = looked.deadline_at - looked.accepted_at;
    assert_eq!(
        to.run.deadline_at,
        start() + super::seconds(LATER) + allowed,
        "it is not overdue before it is asked for"
    );
    let soon = at(&looked, Event::Restored { stored: 0 }, -1);
    assert_eq!(soon.run.deadline_at, looked.deadline_at, "none is made shorter");
}

#[test]
fn what_is_half_stored_is_collected_to_its_end() {
    for stage in [Stage::Running, Stage::Collecting] {
        let to = at(&run(stage), Event::Restored { stored: 1 }, 30);
        assert_eq!((to.run.stage, to.refund), (Stage::Collecting, Credits::ZERO));
        assert_eq!((to.job.map(|job| job.queue), to.run.poll_at), (Some(Queue::Collect), None));
        assert!(to.run.result_at.is_some() && to.run.wake_at.is_some());
    }
}
