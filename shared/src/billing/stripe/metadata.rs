//! What we tell Stripe to remember: enough to find a purchase, and to make it again should its row be lost.

use serde::Deserialize;
use uuid::Uuid;

use super::wire::NewSession;
use crate::billing::purchase::Item;
use crate::ids::UserId;

/// What we told Stripe to remember.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Metadata {
    /// [`NewSession::purchase_id`]; objects that others made have none.
    pub purchase_id: Option<String>,
    /// The user, the pack or plan, and the currency; those made before these were told have none.
    pub user_id: Option<String>,
    pub pack_id: Option<String>,
    pub plan_id: Option<String>,
    pub currency: Option<String>,
}

impl Metadata {
    /// The purchase that this belongs to.
    #[must_use]
    pub fn purchase(&self) -> Option<Uuid> {
        self.purchase_id.as_deref()?.parse().ok()
    }

    /// Whose it is.
    #[must_use]
    pub fn user(&self) -> Option<UserId> {
        self.user_id.as_deref()?.parse().ok()
    }

    /// The plan, if it is of one.
    #[must_use]
    pub fn plan(&self) -> Option<Uuid> {
        self.plan_id.as_deref()?.parse().ok()
    }
}

/// The form's part about what is made, each with the field's names at a checkout and at the subscription that it makes.
pub(super) fn fields(new: &NewSession<'_>) -> [([&'static str; 2], String); 4] {
    let (item, id) = match new.item {
        Item::Pack(id) => (["metadata[pack_id]", "subscription_data[metadata][pack_id]"], id.clone()),
        Item::Plan(id) => (["metadata[plan_id]", "subscription_data[metadata][plan_id]"], id.to_string()),
    };
    [
        (["metadata[purchase_id]", "subscription_data[metadata][purchase_id]"], new.purchase_id.to_string()),
        (["metadata[user_id]", "subscription_data[metadata][user_id]"], new.user_id.to_string()),
        (item, id),
        (["metadata[currency]", "subscription_data[metadata][currency]"], new.currency.to_owned()),
    ]
}
