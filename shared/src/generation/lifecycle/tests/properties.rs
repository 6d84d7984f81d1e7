//! Any order of events, drawn at random.

use proptest::prelude::*;

use super::{completed, events, failed, run, seconds, start, submitted};
use crate::credits::Credits;
use crate::generation::run::{ATTEMPTS_MAX, Run};
use crate::generation::{Event, Stage, lifecycle::next};
use crate::runpod::Retry;

fn any_event() -> impl Strategy<Value = Event> {
    let retry = prop_oneof![Just(Retry::Final), Just(Retry::Retryable), Just(Retry::Once)];
    prop_oneof![
        prop::sample::select(events().to_vec()),
        Just(Event::LeasedForSubmission),
        Just(submitted()),
        Just(completed()),
        retry.prop_map(failed),
        (-1..9_i16).prop_map(|delivered| Event::Collected { delivered, code: "unusable_output" }),
        (0..5_i16).prop_map(|stored| Event::Restored { stored }),
        (0..3_i16, 0..60_i64).prop_map(|(stored, wait)| Event::CollectUnavailable { stored, retry_in: seconds(wait) }),
    ]
}

proptest! {
    /// Whatever the order of events: one refund at most, never more than was taken, a fee only for cancelling what was
    /// submitted, final stays final,
    /// progress never falls, and a run that is not final always has something that will move it.
    #[test]
    fn any_order_of_events_keeps_the_money_and_the_run(
        price in 0..40_i32,
        asked in 1..5_i16,
        fee in prop::bool::ANY,
        steps in prop::collection::vec((any_event(), 0..90_i64), 1..60),
    ) {
        let mut now = start();
        let price_and_fee = (Credits::new(price), Credits::new(if fee { price } else { 0 }));
        let mut current = Run {
            price: price_and_fee.0, cancel_fee: price_and_fee.1, outputs_asked: asked, ..run(Stage::Queued)
        };
        let mut refunded = 0;
        for (event, wait) in steps {
            now += seconds(wait);
            let leased = event == Event::LeasedForSubmission;
            let Ok(to) = next(&current, event.clone(), now) else { continue };
            prop_assert!(to.refund >= Credits::ZERO);
            if current.stage.is_final() {
                prop_assert_eq!(&to.run, &current);
                prop_assert_eq!(to.refund, Credits::ZERO);
            }
            prop_assert!(to.run.stage.is_final() || to.refund.is_zero());
            prop_assert!(to.picture.is_none() || (to.run.stage == Stage::Failed && to.refund == current.price));
            if to.run.stage.is_final() && !current.stage.is_final() {
                let is_charged = event == Event::CancelRequested && current.stage != Stage::Queued;
                prop_assert_eq!(to.run.cancel_fee, if is_charged { price_and_fee.1 } else { Credits::ZERO });
            }
            prop_assert!(to.run.progress_at(now) >= current.progress_at(now));
            prop_assert!((1..=ATTEMPTS_MAX).contains(&to.run.attempt));
            prop_assert_eq!(to.run.settled_at.is_some(), to.run.stage.is_final());
            let moves = match to.run.stage {
                Stage::Queued | Stage::Collecting => to.run.wake_at.is_some() || to.run == current,
                Stage::Submitting => leased || to.run.poll_at.is_some(),
                Stage::Running => to.run.poll_at.is_some_and(|at| at <= to.run.deadline_at.max(now)),
                Stage::Completed | Stage::Failed | Stage::Cancelled => true,
            };
            prop_assert!(moves, "nothing will move {:?}", to);
            refunded += to.refund.get();
            current = to.run;
        }
        prop_assert!(refunded <= price);
        match current.stage {
            Stage::Failed | Stage::Cancelled => prop_assert_eq!(refunded, price - current.cancel_fee.get()),
            Stage::Completed => {
                let delivered = i32::from(current.outputs_delivered.expect("a completed run has delivered"));
                prop_assert_eq!(price - refunded, price * delivered / i32::from(asked));
            }
            Stage::Queued | Stage::Submitting | Stage::Running | Stage::Collecting => prop_assert_eq!(refunded, 0),
        }
    }
}
