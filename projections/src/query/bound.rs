//! What may be known: from a day or a position to a stretch of the ledger.

use domain::day::day_number;
use domain::envelope::Position;
use rusqlite::{Connection, OptionalExtension};

use crate::error::QueryError;
use crate::scope::Known;
use crate::writer::View;

/// The part of the ledger that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// All of it.
    Now,
    Until(Until),
}

/// Everything below a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Until {
    /// The first position that is not known.
    pub(super) below: u64,
    /// The last day all of which is known, -1 if there is none.
    pub(super) whole: i32,
    /// The first position behind that day.
    pub(super) rest_from: u64,
}

impl Bound {
    /// The first position that is not known.
    pub(super) const fn below(self) -> u64 {
        match self {
            Self::Now => u64::MAX,
            Self::Until(until) => until.below,
        }
    }

    /// The last position that an answer includes.
    pub(super) fn position(self, view: &View) -> Option<Position> {
        match self {
            Self::Now => view.cube.position,
            Self::Until(until) => until.below.checked_sub(1).map(Position::new),
        }
    }
}

/// Whether a question may use all there is: then its numbers lie in memory.
pub(super) fn is_now(known: Known, view: &View) -> bool {
    match known {
        Known::Now => true,
        Known::Day(day) => day_number(day) >= view.cube.known,
        Known::Position(position) => Some(position) >= view.cube.position,
    }
}

/// What may be known, as far as the log had come.
pub(super) fn bound(conn: &Connection, view: &View, known: Known) -> Result<Bound, QueryError> {
    if is_now(known, view) {
        return Ok(Bound::Now);
    }
    let until = match known {
        // Answered above; nothing is hidden from it.
        Known::Now => return Ok(Bound::Now),
        Known::Day(day) => match last_known(conn, day_number(day))? {
            Some((whole, last)) => Until { below: last + 1, whole, rest_from: last + 1 },
            None => Until { below: 0, whole: -1, rest_from: 0 },
        },
        Known::Position(position) => {
            let below = position.get().saturating_add(1);
            let (whole, rest_from) = match whole_days(conn, position.get())? {
                Some((whole, last)) => (whole, last + 1),
                None => (-1, 0),
            };
            Until { below, whole, rest_from }
        }
    };
    Ok(Bound::Until(until))
}

/// The newest day up to `day` on which something became known, and the last position of it.
fn last_known(conn: &Connection, day: i32) -> Result<Option<(i32, u64)>, QueryError> {
    one_day(conn, "SELECT day, position FROM known_day WHERE day <= ?1 ORDER BY day DESC LIMIT 1", i64::from(day))
}

/// The newest day of which nothing lies behind `position`, and the last position of it.
fn whole_days(conn: &Connection, position: u64) -> Result<Option<(i32, u64)>, QueryError> {
    let sql = "SELECT day, position FROM known_day WHERE position <= ?1 ORDER BY day DESC LIMIT 1";
    one_day(conn, sql, position.cast_signed())
}

fn one_day(conn: &Connection, sql: &str, limit: i64) -> Result<Option<(i32, u64)>, QueryError> {
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_row([limit], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())));
    Ok(found.optional()?)
}
