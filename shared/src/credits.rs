//! Credits: an integer amount that cannot silently overflow. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount of credits. Positive adds to a balance, negative spends from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct Credits(i32);

impl Credits {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// An amount of whole credits.
    #[must_use]
    pub const fn new(amount: i32) -> Self {
        Self(amount)
    }

    /// The amount as a plain number.
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }

    /// The sum, or `None` where it does not fit.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, or `None` where it does not fit.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// Whether nothing is owed either way.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, if self.0 == 1 { "credit" } else { "credits" })
    }
}

#[cfg(test)]
mod tests {
    use super::Credits;

    #[test]
    fn arithmetic_never_wraps() {
        assert_eq!(Credits::new(i32::MAX).checked_add(Credits::new(1)), None);
        assert_eq!(Credits::new(i32::MIN).checked_sub(Credits::new(1)), None);
        assert_eq!(Credits::new(2).checked_sub(Credits::new(3)), Some(Credits::new(-1)));
    }

    #[test]
    fn one_credit_is_singular() {
        assert_eq!(Credits::new(1).to_string(), "1 credit");
        assert_eq!(Credits::new(6).to_string(), "6 credits");
    }
}
