//! From rows to events: the one place that knows the columns.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::envelope::{CommandDigest, Position, RecordedEvent, Revision};
use domain::id::{EventId, StreamId};
use rusqlite::types::{FromSql, Type};
use rusqlite::{Connection, Error, ErrorCode, OptionalExtension, Row};
use uuid::Uuid;

use crate::port::{Appended, ReadError};
use crate::sqlite::cache::Generations;

/// The columns that `event` reads, in its order.
macro_rules! event_columns {
    () => {
        "position, stream, revision, id, kind, schema, occurred_at, recorded_at, metadata, payload"
    };
}
pub(crate) use event_columns;

/// Where and with which body a command was carried out; [`command`] reads it.
pub(crate) const FIND_COMMAND: &str = "SELECT c.digest, c.first_revision, c.count, c.last_position, s.name \
     FROM command c JOIN stream s ON s.key = c.stream WHERE c.id = ?1";

/// Stream names that one connection remembers, in each of two generations: about 10 MB at most.
const STREAM_NAMES_MAX: usize = 65_536;
/// Kind names that one connection remembers; the program knows far fewer, a damaged key must not fill the memory.
const KIND_NAMES_MAX: usize = 4_096;

/// The names behind the integers of the event table, remembered so that a scan needs no join.
#[derive(Debug)]
pub(crate) struct Names {
    kinds: Vec<Option<Box<str>>>,
    streams: Generations<i64, StreamId>,
}

impl Names {
    pub(crate) fn new() -> Self {
        Self { kinds: Vec::new(), streams: Generations::new(STREAM_NAMES_MAX) }
    }

    fn kind(&mut self, conn: &Connection, key: i64) -> rusqlite::Result<Option<Box<str>>> {
        let index = usize::try_from(key).unwrap_or(usize::MAX);
        if let Some(Some(name)) = self.kinds.get(index) {
            return Ok(Some(name.clone()));
        }
        let name: Option<Box<str>> = conn
            .prepare_cached("SELECT name FROM kind WHERE key = ?1")?
            .query_row([key], |row| row.get(0))
            .optional()?;
        if index < KIND_NAMES_MAX {
            if self.kinds.len() <= index {
                self.kinds.resize(index + 1, None);
            }
            if let Some(slot) = self.kinds.get_mut(index) {
                slot.clone_from(&name);
            }
        }
        Ok(name)
    }

    pub(crate) fn stream(&mut self, conn: &Connection, key: i64) -> rusqlite::Result<Option<StreamId>> {
        if let Some(name) = self.streams.get(&key) {
            return Ok(Some(name.clone()));
        }
        let name = conn
            .prepare_cached("SELECT name FROM stream WHERE key = ?1")?
            .query_row([key], |row| stream_name(row, 0))
            .optional()?;
        if let Some(name) = &name {
            self.streams.insert(key, name.clone());
        }
        Ok(name)
    }
}

/// Reads a row of `event_columns`.
pub(crate) fn event(row: &Row<'_>, conn: &Connection, names: &mut Names) -> Result<RecordedEvent, ReadError> {
    let position = position(row)?;
    let column = Column { row, position };
    let stream = names
        .stream(conn, column.get(1, "its stream is not a number")?)
        .map_err(|error| failure(error, position))?
        .ok_or(ReadError::Damaged { position, what: "its stream is not in the table of streams" })?;
    let kind = names
        .kind(conn, column.get(4, "its kind is not a number")?)
        .map_err(|error| failure(error, position))?
        .ok_or(ReadError::Damaged { position, what: "its kind is not in the table of kinds" })?;
    Ok(RecordedEvent {
        position: Position::new(position),
        stream,
        revision: Revision::new(column.count(2, "its revision is not a number from 0")?),
        id: EventId::from_uuid(Uuid::from_bytes(column.get(3, "its id is not 16 bytes")?)),
        kind,
        schema: column.get(5, "its schema is not a small number")?,
        occurred_at: column.moment(6, "its business time is no time")?,
        recorded_at: column.moment(7, "its recording time is no time")?,
        metadata: column.get(8, "its metadata is not UTF-8 text")?,
        payload: column.get(9, "its payload is not UTF-8 text")?,
    })
}

/// The position that stands first in a row of `event_columns`.
pub(crate) fn position(row: &Row<'_>) -> Result<u64, ReadError> {
    let position: i64 = row.get(0).map_err(|error| failure(error, 0))?;
    Ok(u64::try_from(position).unwrap_or(0))
}

/// The columns of the event at `position`.
#[derive(Clone, Copy)]
struct Column<'r, 'stmt> {
    row: &'r Row<'stmt>,
    position: u64,
}

impl Column<'_, '_> {
    fn get<T: FromSql>(self, index: usize, what: &'static str) -> Result<T, ReadError> {
        self.row.get(index).ok().ok_or(ReadError::Damaged { position: self.position, what })
    }

    fn count(self, index: usize, what: &'static str) -> Result<u64, ReadError> {
        let value: i64 = self.get(index, what)?;
        u64::try_from(value).ok().ok_or(ReadError::Damaged { position: self.position, what })
    }

    fn moment(self, index: usize, what: &'static str) -> Result<DateTime<Utc>, ReadError> {
        let micros: i64 = self.get(index, what)?;
        DateTime::from_timestamp_micros(micros).ok_or(ReadError::Damaged { position: self.position, what })
    }
}

/// Reads a row of [`FIND_COMMAND`].
pub(crate) fn command(row: &Row<'_>) -> rusqlite::Result<(CommandDigest, Appended)> {
    let digest = CommandDigest(row.get(0)?);
    let first = unsigned(row, 1)?;
    let count = unsigned(row, 2)?;
    let appended = Appended {
        stream: stream_name(row, 4)?,
        first_revision: Revision::new(first),
        last_revision: Revision::new(first.saturating_add(count).saturating_sub(1)),
        last_position: Position::new(unsigned(row, 3)?),
        repeated: true,
    };
    Ok((digest, appended))
}

fn stream_name(row: &Row<'_>, index: usize) -> rusqlite::Result<StreamId> {
    let name = row.get_ref(index)?.as_str()?;
    StreamId::parse(name).map_err(|error| Error::FromSqlConversionFailure(index, Type::Text, Box::new(error)))
}

pub(crate) fn unsigned(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(index)?;
    u64::try_from(value).ok().ok_or(Error::IntegralValueOutOfRange(index, value))
}

/// A number of ours as SQLite keeps it. What is too large for it is larger than anything stored.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What a failed read means when the last event that could be read is at `position`.
pub(crate) fn failure(error: Error, position: u64) -> ReadError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            ReadError::Damaged { position, what: "the file's pages at or behind it are damaged" }
        }
        None if is_conversion(&error) => {
            ReadError::Damaged { position, what: "a row at or behind it does not hold what it must" }
        }
        Some(_) | None => ReadError::Store(Arc::new(error)),
    }
}

const fn is_conversion(error: &Error) -> bool {
    matches!(
        error,
        Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..)
    )
}
