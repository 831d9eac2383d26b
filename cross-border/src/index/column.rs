//! From values to columns and back: the one place that knows how each is kept.

use chrono::{DateTime, NaiveDate, Utc};
use domain::day::{day_number, from_day_number};
use domain::envelope::Position;
use rusqlite::Row;
use rusqlite::types::FromSql;
use uuid::Uuid;

use super::error::IndexError;
use crate::referral::ReferralId;

/// A moment as microseconds since 1970.
pub(super) fn micros(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros()
}

/// A day as days since 1970.
pub(super) fn days(day: NaiveDate) -> i32 {
    day_number(day)
}

/// A position or a revision; none is beyond 63 bits.
pub(super) const fn signed(number: u64) -> i64 {
    number.cast_signed()
}

/// Reads the columns of one row from left to right.
pub(super) struct Columns<'r, 's> {
    row: &'r Row<'s>,
    table: &'static str,
    next: usize,
}

impl<'r, 's> Columns<'r, 's> {
    /// The columns of a row of `table`, in the order of the statement.
    pub(super) const fn of(row: &'r Row<'s>, table: &'static str) -> Self {
        Self { row, table, next: 0 }
    }

    /// The next column as it is.
    pub(super) fn get<T: FromSql>(&mut self) -> Result<T, IndexError> {
        let value = self.row.get(self.next).map_err(|_error| self.damaged())?;
        self.next += 1;
        Ok(value)
    }

    /// The next column as what `read` makes of it.
    pub(super) fn read<S: FromSql, T>(&mut self, read: impl FnOnce(S) -> Option<T>) -> Result<T, IndexError> {
        let value = self.get::<S>()?;
        read(value).ok_or_else(|| self.damaged())
    }

    /// The next column as what `read` makes of it, unless it is null.
    pub(super) fn maybe<S: FromSql, T>(&mut self, read: impl FnOnce(S) -> Option<T>) -> Result<Option<T>, IndexError> {
        match self.get::<Option<S>>()? {
            Some(value) => read(value).map(Some).ok_or_else(|| self.damaged()),
            None => Ok(None),
        }
    }

    pub(super) fn coded<T>(&mut self, from: impl FnOnce(&str) -> Option<T>) -> Result<T, IndexError> {
        self.read(|text: String| from(&text))
    }

    pub(super) fn maybe_coded<T>(&mut self, from: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, IndexError> {
        self.maybe(|text: String| from(&text))
    }

    pub(super) fn uuid(&mut self) -> Result<Uuid, IndexError> {
        self.get().map(Uuid::from_bytes)
    }

    pub(super) fn referral(&mut self) -> Result<ReferralId, IndexError> {
        self.read(|bytes: [u8; 16]| ReferralId::parse(&Uuid::from_bytes(bytes).to_string()).ok())
    }

    pub(super) fn maybe_uuid(&mut self) -> Result<Option<Uuid>, IndexError> {
        Ok(self.get::<Option<[u8; 16]>>()?.map(Uuid::from_bytes))
    }

    pub(super) fn moment(&mut self) -> Result<DateTime<Utc>, IndexError> {
        self.read(DateTime::from_timestamp_micros)
    }

    pub(super) fn maybe_moment(&mut self) -> Result<Option<DateTime<Utc>>, IndexError> {
        self.maybe(DateTime::from_timestamp_micros)
    }

    pub(super) fn day(&mut self) -> Result<NaiveDate, IndexError> {
        self.read(from_day_number)
    }

    pub(super) fn maybe_day(&mut self) -> Result<Option<NaiveDate>, IndexError> {
        self.maybe(from_day_number)
    }

    pub(super) fn count(&mut self) -> Result<u64, IndexError> {
        self.get().map(i64::cast_unsigned)
    }

    pub(super) fn position(&mut self) -> Result<Position, IndexError> {
        self.count().map(Position::new)
    }

    fn damaged(&self) -> IndexError {
        IndexError::Damaged { table: self.table }
    }
}
