//! From the provider's result, or the lack of one, to what is delivered.

use chrono::TimeDelta;

use super::{at, failed, run, seconds, start};
use crate::credits::Credits;
use crate::generation::run::{ATTEMPTS_MAX, LOST_GRACE, RESULT_KEPT, Run};
use crate::generation::{Event, Stage, lifecycle::next};
use crate::queue::Queue;
use crate::runpod::Retry;

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
