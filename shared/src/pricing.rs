//! What a request costs, and what is charged of it in the end. Integers only. Pure.
//!
//! `price = ⌈cost × asked ÷ default⌉` is fixed when the request is accepted; `charged = ⌊price × delivered ÷ asked⌋`
//! when it is settled. Both roundings of a partial delivery go in the user's favour.

use crate::credits::Credits;

/// The price of `asked` outputs of a workflow that costs `cost` for up to `default` outputs.
///
/// `default` is at least 1 in every entry of the catalogue.
///
/// # Panics
///
/// Where the price is more credits than there can be, which no entry of the catalogue comes near.
#[must_use]
pub fn price(cost: Credits, asked: u32, default: u32) -> Credits {
    let (cost, asked, default) = (i64::from(cost.get()), i64::from(asked), i64::from(default.max(1)));
    let price = (cost.max(0) * asked + default - 1) / default;
    Credits::new(i32::try_from(price).expect("a catalogue's cost is a few credits"))
}

/// What a generation of this price is charged when `delivered` of the `asked` outputs were delivered.
///
/// More outputs than asked for cost nothing more; where none was asked for, none is charged.
#[must_use]
pub fn charged(price: Credits, delivered: u32, asked: u32) -> Credits {
    if asked == 0 {
        return Credits::ZERO;
    }
    let paid = i64::from(price.get().max(0));
    let charged = paid * i64::from(delivered.min(asked)) / i64::from(asked);
    Credits::new(i32::try_from(charged).expect("never more than the price"))
}

/// What the user gets back of the price: what is not charged, never negative, never more than the price.
#[must_use]
pub fn refund(price: Credits, delivered: u32, asked: u32) -> Credits {
    let kept = charged(price, delivered, asked);
    Credits::new(price.get().max(0) - kept.get())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, proptest};

    use super::{charged, price, refund};
    use crate::credits::Credits;
    use crate::workflow::CATALOGUE;

    fn credits(amount: i32) -> Credits {
        Credits::new(amount)
    }

    #[test]
    fn four_tryons_of_which_three_arrive() {
        let price = price(credits(3), 4, 2);
        assert_eq!(price, credits(6));
        assert_eq!(charged(price, 3, 4), credits(4));
        assert_eq!(refund(price, 3, 4), credits(2));
    }

    #[test]
    fn two_posters_of_which_one_arrives() {
        let price = price(credits(1), 2, 2);
        assert_eq!(price, credits(1));
        assert_eq!(charged(price, 1, 2), credits(0));
        assert_eq!(refund(price, 1, 2), credits(1));
    }

    #[test]
    fn one_tryon_costs_two() {
        assert_eq!(price(credits(3), 1, 2), credits(2));
    }

    #[test]
    fn the_default_number_of_outputs_costs_what_the_catalogue_says() {
        for workflow in CATALOGUE {
            let price = price(workflow.cost, workflow.outputs_default.into(), workflow.outputs_default.into());
            assert_eq!(price, workflow.cost, "{}", workflow.title);
        }
    }

    #[test]
    fn nothing_asked_is_nothing_charged() {
        assert_eq!(charged(credits(5), 3, 0), Credits::ZERO);
        assert_eq!(refund(credits(5), 3, 0), credits(5));
    }

    /// Price, delivered and asked of a generation, within and beyond what can happen.
    fn delivery() -> impl Strategy<Value = (i32, u32, u32)> {
        (0..=i32::MAX, any::<u32>(), any::<u32>())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn charge_and_refund_share_the_price((paid, delivered, asked) in delivery()) {
            let (kept, back) = (charged(credits(paid), delivered, asked), refund(credits(paid), delivered, asked));
            prop_assert!((0..=paid).contains(&kept.get()));
            prop_assert!((0..=paid).contains(&back.get()));
            prop_assert_eq!(i64::from(kept.get()) + i64::from(back.get()), i64::from(paid));
        }

        #[test]
        fn full_delivery_is_charged_in_full_and_none_not_at_all((paid, extra, asked) in delivery()) {
            let asked = asked.max(1);
            prop_assert_eq!(charged(credits(paid), asked.saturating_add(extra), asked), credits(paid));
            prop_assert_eq!(refund(credits(paid), 0, asked), credits(paid));
        }

        #[test]
        fn delivering_more_never_refunds_more((paid, delivered, asked) in delivery()) {
            let more = delivered.saturating_add(1);
            prop_assert!(refund(credits(paid), more, asked) <= refund(credits(paid), delivered, asked));
        }

        #[test]
        fn the_user_never_pays_more_than_her_share((paid, delivered, asked) in delivery()) {
            let share = i64::from(paid) * i64::from(delivered.min(asked));
            prop_assert!(i64::from(charged(credits(paid), delivered, asked).get()) * i64::from(asked) <= share);
        }

        #[test]
        fn asking_for_more_never_costs_less(cost in 0..10_000_i32, asked in 0..255_u32, default in 1..=255_u32) {
            let (one, more) = (price(credits(cost), asked, default), price(credits(cost), asked + 1, default));
            prop_assert!(one <= more);
        }

        #[test]
        fn a_price_is_the_share_of_the_cost_rounded_up(cost in 0..10_000_i32, asked in 0..=255_u32, default in 1..=255_u32) {
            let price = i64::from(price(credits(cost), asked, default).get());
            let (exact, default) = (i64::from(cost) * i64::from(asked), i64::from(default));
            prop_assert!(price * default >= exact);
            prop_assert!((price - 1) * default < exact || price == 0);
        }
    }
}
