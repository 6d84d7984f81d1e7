//! What may be odd about the money, and from when on it is. Pure.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// A kind of anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum AnomalyKind {
    /// A user's balance is below zero.
    NegativeBalance,
    /// More credits came to a user within an hour than is usual.
    JumpingBalance,
    /// A reservation pays for no run of its user.
    SpendWithoutGeneration,
    /// Much of what a user reserved within a day came back, in percent.
    Refunds,
    /// A user took welcome credits, and so did others whose addresses reach the same mailbox.
    SharedEmail,
    /// A user has more than one active subscription.
    TwoSubscriptions,
    /// A user's payment differs from what was agreed, or cannot be compared with it: in cents, with the provider's
    /// object.
    UndecidedPayment,
    /// An event of the payment provider was processed many times without success.
    StuckPayment,
    /// A user cancelled more submitted generations in a day than are free, so that some were charged.
    ChargedCancels,
    /// A rule of `reconcile` is broken: what is observed is not what it demands.
    Imbalance,
}

impl AnomalyKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::NegativeBalance,
        Self::JumpingBalance,
        Self::SpendWithoutGeneration,
        Self::Refunds,
        Self::SharedEmail,
        Self::TwoSubscriptions,
        Self::UndecidedPayment,
        Self::StuckPayment,
        Self::ChargedCancels,
        Self::Imbalance,
    ];

    /// The kind as rows and metrics name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NegativeBalance => "negative_balance",
            Self::JumpingBalance => "jumping_balance",
            Self::SpendWithoutGeneration => "spend_without_generation",
            Self::Refunds => "refunds",
            Self::SharedEmail => "shared_email",
            Self::TwoSubscriptions => "two_subscriptions",
            Self::UndecidedPayment => "undecided_payment",
            Self::StuckPayment => "stuck_payment",
            Self::ChargedCancels => "charged_cancels",
            Self::Imbalance => "imbalance",
        }
    }
}

/// What is still usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Credits that may come to a user within an hour.
    pub jump_credits: u32,
    /// Of what a user reserved within a day, the percentage that may come back.
    pub refund_percent: u32,
    /// Users who reserved less than this within a day are not asked what came back.
    pub refund_credits_min: u32,
    /// Users of one mailbox who may have taken welcome credits.
    pub email_users_max: u32,
}

/// An anomaly as it stands in the rows.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Anomaly {
    /// Its number.
    pub id: i64,
    /// What is odd.
    pub kind: AnomalyKind,
    /// The user or generation that it is about; the zero UUID if that is not known.
    pub subject: Uuid,
    /// What the rows say.
    pub observed: i64,
    /// What they may say at most, or must.
    pub threshold: i64,
    /// What tells it from others of its kind and subject; often nothing.
    pub detail: String,
    /// When it was found.
    pub first_seen_at: DateTime<Utc>,
    /// When it was last found.
    pub last_seen_at: DateTime<Utc>,
    /// When it was over; none while it is open.
    pub ended_at: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use super::AnomalyKind;

    #[test]
    fn a_kind_has_one_name_everywhere() {
        for kind in AnomalyKind::ALL {
            let told = serde_json::to_value(kind).expect("a kind is a word");
            assert_eq!(told, kind.as_str());
        }
    }
}
