//! From the lease for submission to the provider's answer, or to the end of waiting for it.

use super::{at, run, seconds, start};
use crate::credits::Credits;
use crate::generation::run::{ATTEMPTS_MAX, Run, UNKNOWN_WAIT};
use crate::generation::{Event, Stage, lifecycle::next};
use crate::queue::Queue;

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
fn a_picture_that_cannot_be_sent_is_named_and_refunded() {
    let unusable = || Event::InputUnusable { picture: "input_images/2".to_owned(), code: "input_damaged" };
    // However late: nothing was sent, and nothing will be.
    for after in [1, 9999] {
        let to = at(&Run { attempt: 2, tries: 3, ..run(Stage::Submitting) }, unusable(), after);
        assert_eq!((to.run.stage, to.refund, to.job), (Stage::Failed, Credits::new(2), None));
        assert_eq!(
            (to.run.error_code.as_deref(), to.picture.as_deref()),
            (Some("input_damaged"), Some("input_images/2"))
        );
        assert_eq!((to.attempt_outcome, to.run.outputs_delivered), (Some("input_damaged"), Some(0)));
    }
    // Only who submits can find it out.
    for stage in [Stage::Queued, Stage::Running] {
        let error = next(&run(stage), unusable(), start()).expect_err("impossible");
        assert_eq!((error.event, error.stage), ("input unusable", stage));
    }
}

#[test]
fn no_other_failure_names_a_picture() {
    for event in [Event::SubmitRejected { code: "provider_rejected" }, Event::CancelRequested, Event::DeadlinePassed] {
        assert_eq!(at(&run(Stage::Submitting), event, 1).picture, None);
    }
}
