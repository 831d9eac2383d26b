//! Amounts of money, as they are answered and asked for.

use async_graphql::{InputObject, SimpleObject};
use domain::money;

use super::enums::Currency;
use super::error::ApiError;
use super::scalars::MinorUnits;

/// An amount with its currency; never converted.
#[derive(Debug, Clone, Copy, SimpleObject)]
pub struct Money {
    /// Whole minor units as text: "129900" is 1,299.00.
    pub minor_units: MinorUnits,
    pub currency: Currency,
}

impl From<money::Money> for Money {
    fn from(money: money::Money) -> Self {
        Self { minor_units: MinorUnits(money.minor()), currency: money.currency().into() }
    }
}

/// An amount to be recorded.
#[derive(Debug, Clone, Copy, InputObject)]
pub struct MoneyInput {
    /// Whole minor units as text: "129900" is 1,299.00.
    pub minor_units: MinorUnits,
    pub currency: Currency,
}

impl TryFrom<MoneyInput> for money::Money {
    type Error = ApiError;
    fn try_from(input: MoneyInput) -> Result<Self, ApiError> {
        Self::new(input.minor_units.0, input.currency.into()).map_err(ApiError::invalid)
    }
}
