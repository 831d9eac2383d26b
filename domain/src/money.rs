//! Money as integer minor units with a currency; never converted for storage, never a float.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Largest amount in minor units: ten billion yuan, far above any consumer's loss and far below overflow of sums.
pub const MINOR_UNITS_MAX: i64 = 1_000_000_000_000;

/// The currencies of the three places; each has two decimals (ISO 4217).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Currency {
    #[serde(rename = "CNY")]
    Cny,
    #[serde(rename = "HKD")]
    Hkd,
    #[serde(rename = "MOP")]
    Mop,
}

impl Currency {
    /// The ISO 4217 code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Cny => "CNY",
            Self::Hkd => "HKD",
            Self::Mop => "MOP",
        }
    }
}

/// An amount that is not below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawMoney", into = "RawMoney")]
pub struct Money {
    minor: i64,
    currency: Currency,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMoney {
    minor: i64,
    currency: Currency,
}

/// Why a number is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MoneyError {
    #[error("an amount must not be below zero, this one is {0}")]
    Negative(i64),
    #[error("an amount must not be above {MINOR_UNITS_MAX} minor units, this one is {0}")]
    TooLarge(i64),
}

impl Money {
    /// An amount in minor units (fen, cents, avos), 0 to [`MINOR_UNITS_MAX`].
    ///
    /// # Errors
    /// The number is below zero or too large.
    pub const fn new(minor: i64, currency: Currency) -> Result<Self, MoneyError> {
        if minor < 0 {
            return Err(MoneyError::Negative(minor));
        }
        if minor > MINOR_UNITS_MAX {
            return Err(MoneyError::TooLarge(minor));
        }
        Ok(Self { minor, currency })
    }

    /// The amount in minor units.
    #[must_use]
    pub const fn minor(self) -> i64 {
        self.minor
    }

    /// The currency.
    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }
}

impl TryFrom<RawMoney> for Money {
    type Error = MoneyError;
    fn try_from(raw: RawMoney) -> Result<Self, MoneyError> {
        Self::new(raw.minor, raw.currency)
    }
}

impl From<Money> for RawMoney {
    fn from(money: Money) -> Self {
        Self { minor: money.minor, currency: money.currency }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02} {}", self.minor / 100, self.minor % 100, self.currency.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_hold_their_limits() {
        assert!(Money::new(MINOR_UNITS_MAX, Currency::Cny).is_ok());
        assert_eq!(Money::new(MINOR_UNITS_MAX + 1, Currency::Cny), Err(MoneyError::TooLarge(MINOR_UNITS_MAX + 1)));
        assert_eq!(Money::new(-1, Currency::Hkd), Err(MoneyError::Negative(-1)));
        assert_eq!(Money::new(123_405, Currency::Mop).unwrap().to_string(), "1234.05 MOP");
    }
}
