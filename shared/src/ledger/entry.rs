//! The kinds of ledger entries, and what each is for in plain words. Pure.

use crate::credits::Credits;

/// Why credits moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// Reserved for a generation.
    Generation,
    /// Given back of a generation: what was not delivered.
    Refund,
    /// Bought.
    Purchase,
    /// Granted by a plan.
    Subscription,
    /// Given: the welcome, or by hand.
    Grant,
    /// A correction, with a reason.
    Adjustment,
    /// Taken back, because the payment was.
    Reversal,
}

/// What is known of an entry, to explain it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances<'a> {
    pub(super) description: Option<&'a str>,
    pub(super) entry_key: Option<&'a str>,
    /// Of its generation: how it ended, outputs delivered and asked for.
    pub(super) stage: Option<&'a str>,
    pub(super) outputs: Option<(i16, i16)>,
}

impl EntryKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Generation,
        Self::Refund,
        Self::Purchase,
        Self::Subscription,
        Self::Grant,
        Self::Adjustment,
        Self::Reversal,
    ];

    /// The kind as the database knows it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Generation => "generation",
            Self::Refund => "refund",
            Self::Purchase => "purchase",
            Self::Subscription => "subscription",
            Self::Grant => "grant",
            Self::Adjustment => "adjustment",
            Self::Reversal => "reversal",
        }
    }

    /// The kind of a row: those from before this backend have only the first three and `subscription`.
    pub(super) fn of_row(transaction_type: &str, amount: Credits) -> Self {
        let known = Self::ALL.into_iter().find(|kind| kind.as_str() == transaction_type);
        known.unwrap_or(if amount < Credits::ZERO { Self::Generation } else { Self::Grant })
    }

    /// The entry's reason in plain words, for whoever owns the credits.
    pub(super) fn reason(self, entry: Circumstances<'_>) -> String {
        let described = |what: &str| match entry.description.map(str::trim).filter(|text| !text.is_empty()) {
            Some(text) => format!("{what}: {text}"),
            None => what.to_owned(),
        };
        let is_welcome = entry.entry_key.is_some_and(|key| key.starts_with("grant:welcome:"));
        match self {
            Self::Generation => described("Reserved for a generation"),
            Self::Refund => refund_reason(entry),
            Self::Purchase => described("Bought"),
            Self::Subscription => described("Granted by your plan"),
            Self::Grant if is_welcome => "Welcome credits".to_owned(),
            Self::Grant => described("Given to you"),
            Self::Adjustment => described("Correction"),
            Self::Reversal => entry.description.unwrap_or("Taken back with its payment").to_owned(),
        }
    }
}

fn refund_reason(entry: Circumstances<'_>) -> String {
    match (entry.stage, entry.outputs) {
        (Some("cancelled"), _) => "Refund: the generation was cancelled".to_owned(),
        (Some("failed"), _) => "Refund: the generation failed".to_owned(),
        (_, Some((delivered, asked))) => format!("Refund: {delivered} of {asked} outputs were delivered"),
        (_, None) => "Refund: not everything was delivered".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Circumstances, EntryKind};
    use crate::credits::Credits;

    const NOTHING: Circumstances<'_> = Circumstances { description: None, entry_key: None, stage: None, outputs: None };

    #[test]
    fn every_entry_explains_itself_even_where_little_is_known() {
        for kind in EntryKind::ALL {
            assert_eq!(EntryKind::of_row(kind.as_str(), Credits::new(1)), kind);
            assert!(kind.reason(NOTHING).len() > 5, "{kind:?}");
        }
        let model = Circumstances { description: Some("Model × 2"), ..NOTHING };
        assert_eq!(EntryKind::Generation.reason(model), "Reserved for a generation: Model × 2");
        let welcome = Circumstances { entry_key: Some("grant:welcome:7"), description: Some("x"), ..NOTHING };
        assert_eq!(EntryKind::Grant.reason(welcome), "Welcome credits");
    }

    #[test]
    fn a_refund_says_what_became_of_its_generation() {
        let refund = |stage, outputs| EntryKind::Refund.reason(Circumstances { stage, outputs, ..NOTHING });
        assert_eq!(refund(Some("cancelled"), Some((0, 2))), "Refund: the generation was cancelled");
        assert_eq!(refund(Some("failed"), Some((0, 2))), "Refund: the generation failed");
        assert_eq!(refund(Some("completed"), Some((3, 4))), "Refund: 3 of 4 outputs were delivered");
    }

    #[test]
    fn rows_of_other_kinds_are_shown_by_their_sign() {
        assert_eq!(EntryKind::of_row("usage", Credits::new(-1)), EntryKind::Generation);
        assert_eq!(EntryKind::of_row("", Credits::new(1)), EntryKind::Grant);
    }
}
