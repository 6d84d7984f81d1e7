//! Selling credits: packs once, plans by the month or year, through Stripe.
//!
//! Stripe holds the truth about money. What it tells ([`event`]) is a trigger: [`apply()`] reads the object itself and
//! makes our rows follow, so events may come twice, late, in any order, or be found by looking because they never came.
//! Credits follow payments: a pack's at once, a plan's each month of what was paid for ([`grant`]); what goes back to
//! the payer is taken back in proportion ([`rules`]). What code cannot decide is left to an operator, and is an
//! anomaly. Two workers that read the same object at once cannot overwrite each other ([`object`]).

mod apply;
pub mod checkout;
mod customer;
pub mod event;
pub mod grant;
pub mod invoice;
mod lost_purchase;
mod object;
pub mod offer;
mod outcome;
mod payment;
pub mod purchase;
pub mod rules;
pub mod signature;
pub mod stop;
pub mod stripe;
pub mod subscription;
mod undecided;
pub mod watch;

pub use apply::apply;
pub use outcome::{ApplyError, Outcome};
pub use stripe::{Stripe, StripeSetupError};
