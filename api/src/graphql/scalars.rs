//! Scalars of our own: sequence numbers and money never travel as `Int`, which clients overflow.

use async_graphql::{InputType, InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::NaiveDate;
use domain::envelope;
use domain::money;

/// A local day of the province (UTC+8), `2026-11-22`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(pub NaiveDate);

/// A local day of the province (UTC+8), for example `2026-11-22`.
#[Scalar(name = "Date")]
impl ScalarType for Date {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => NaiveDate::parse_from_str(text, "%Y-%m-%d")
                .map(Self)
                .map_err(|_error| InputValueError::custom("a date is written like 2026-11-22")),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.format("%Y-%m-%d").to_string())
    }
}

/// An opaque place in the log, ordered, as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub envelope::Position);

/// An opaque, ordered place in the log. Keep it as text: pass it back as `atLeast`, `after` or `asKnownAtPosition`.
#[Scalar(name = "Position")]
impl ScalarType for Position {
    fn parse(value: Value) -> InputValueResult<Self> {
        number(value).map(|number| Self(envelope::Position::new(number)))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// The place of an event in its own stream, as text; the first is `"0"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(pub envelope::Revision);

/// The place of an event in its stream, as text; the first is "0". Pass it back as `expectedRevision`.
#[Scalar(name = "Revision")]
impl ScalarType for Revision {
    fn parse(value: Value) -> InputValueResult<Self> {
        number(value).map(|number| Self(envelope::Revision::new(number)))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// Minor units of a currency (fen, cents, avos), as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinorUnits(pub i64);

/// Whole minor units of a currency (fen, cents, avos), as text: "129900" is 1,299.00.
#[Scalar(name = "MinorUnits")]
impl ScalarType for MinorUnits {
    fn parse(value: Value) -> InputValueResult<Self> {
        let number = number::<Self>(value)?;
        i64::try_from(number)
            .ok()
            .filter(|minor| *minor <= money::MINOR_UNITS_MAX)
            .map(Self)
            .ok_or_else(|| InputValueError::custom("an amount is too large"))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// Reads a whole number written as text, digits only.
fn number<T: InputType>(value: Value) -> Result<u64, InputValueError<T>> {
    match &value {
        Value::String(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
            text.parse().map_err(|_error| InputValueError::custom("the number is too large"))
        }
        Value::String(_) => Err(InputValueError::custom("a whole number is written as text of digits")),
        _ => Err(InputValueError::expected_type(value)),
    }
}
