//! The last event that was taken in, by its name. Whether the log still holds it tells whether that log is the one that
//! the read models were built from: one restored from an older backup, or another one, does not.

use domain::envelope::{Position, RecordedEvent, Revision};
use domain::id::{EventId, StreamId};
use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use crate::error::QueryError;
use crate::models::ReadModels;

/// Files of an older program lack it, and get it when they are opened.
pub(crate) const TABLE: &str = "CREATE TABLE IF NOT EXISTS last_event (
    one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL, stream TEXT NOT NULL,
    revision INTEGER NOT NULL, id BLOB NOT NULL
) STRICT";

const SET: &str = "INSERT OR REPLACE INTO last_event (one, position, stream, revision, id) VALUES (1, ?1, ?2, ?3, ?4)";

/// The event that the rows end with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastEvent {
    pub position: Position,
    pub stream: StreamId,
    pub revision: Revision,
    pub id: EventId,
}

impl LastEvent {
    /// The names of an event.
    #[must_use]
    pub fn of(event: &RecordedEvent) -> Self {
        Self { position: event.position, stream: event.stream.clone(), revision: event.revision, id: event.id }
    }
}

impl ReadModels {
    /// The last event whose rows are stored; `None` when nothing was taken in, or an older program did.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn last_event(&self) -> Result<Option<LastEvent>, QueryError> {
        self.ask(|conn, _view| load(conn))
    }
}

/// Notes the last event, in the transaction that stores its rows.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn set(conn: &Connection, last: &LastEvent) -> rusqlite::Result<()> {
    conn.prepare_cached(SET)?.execute((
        last.position.get().cast_signed(),
        last.stream.as_str(),
        last.revision.get().cast_signed(),
        last.id.as_uuid().into_bytes(),
    ))?;
    Ok(())
}

fn load(conn: &Connection) -> Result<Option<LastEvent>, QueryError> {
    let mut statement = conn.prepare_cached("SELECT position, stream, revision, id FROM last_event")?;
    let found: Option<(i64, String, i64, [u8; 16])> =
        statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).optional()?;
    let Some((position, stream, revision, id)) = found else { return Ok(None) };
    let damaged = |_error| QueryError::Damaged { what: "the last event" };
    Ok(Some(LastEvent {
        position: Position::new(position.cast_unsigned()),
        stream: StreamId::parse(&stream).map_err(damaged)?,
        revision: Revision::new(revision.cast_unsigned()),
        id: EventId::from_uuid(Uuid::from_bytes(id)),
    }))
}
