//! What the people ask who run this: is it healthy, what happened to a generation, why was a user refunded.

mod health;
mod refunds;
mod story;

pub use health::{Check, check_health};
pub use refunds::{Refund, list_refunds};
pub use story::{Happening, Story, tell_story};
