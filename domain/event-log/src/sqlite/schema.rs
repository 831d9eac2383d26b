//! The tables of the log, how they come to be, and the marks that a file carries.

use chrono::{DateTime, SecondsFormat, Utc};
use rusqlite::types::Type;
use rusqlite::{Connection, Error, Row};
use uuid::Uuid;

/// The format that this program writes; a file with a higher number is refused untouched.
pub const SCHEMA_VERSION: i64 = 1;
/// `BCLG`: tells a log from every other SQLite file.
pub(crate) const APPLICATION_ID: i64 = 0x4243_4c47;
/// Bytes of a database page: an event with its frame is around 900 bytes, so a page holds a handful and few overflow.
const PAGE_BYTES: i64 = 8_192;

/// What a log says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogInfo {
    /// Tells this log from the log of another installation; copied with it by a backup.
    pub installation: Uuid,
    pub created_at: DateTime<Utc>,
    pub schema_version: i64,
}

/// Everything the log consists of.
///
/// The metadata stands in every event although the events of one command share it: nearly every command makes one
/// event, so a table of its own would save little, and every scan would pay a join for it. The digest stands before
/// the texts, so that it can be read without walking the overflow pages of a large payload. Positions need no
/// `AUTOINCREMENT`: nothing is ever deleted and the writer numbers the events itself.
const TABLES: &str = "
CREATE TABLE log_info (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE stream (
    key  INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE kind (
    key  INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE event (
    position    INTEGER PRIMARY KEY,
    stream      INTEGER NOT NULL, -- stream.key
    revision    INTEGER NOT NULL, -- from 0, contiguous within the stream
    id          BLOB NOT NULL,    -- 16 bytes of a UUID
    kind        INTEGER NOT NULL, -- kind.key
    schema      INTEGER NOT NULL, -- version of the payload's shape
    occurred_at INTEGER NOT NULL, -- microseconds since 1970 UTC
    recorded_at INTEGER NOT NULL, -- microseconds since 1970 UTC, never less than in the event before
    digest      BLOB NOT NULL,    -- SHA-256 of the event's canonical form
    metadata    TEXT NOT NULL,    -- JSON
    payload     TEXT NOT NULL     -- JSON, hashed as it stands
) STRICT;
CREATE UNIQUE INDEX event_stream ON event (stream, revision);
CREATE TABLE command (
    id             BLOB PRIMARY KEY, -- 16 bytes of a UUID
    digest         BLOB NOT NULL,    -- SHA-256 of the command's body
    stream         INTEGER NOT NULL, -- stream.key
    first_revision INTEGER NOT NULL,
    count          INTEGER NOT NULL,
    last_position  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// The tables that are only ever added to.
const APPEND_ONLY: [&str; 4] = ["event", "stream", "kind", "command"];

/// The names that must be in a sound log, with their kinds.
pub(crate) fn required_objects() -> Vec<(&'static str, String)> {
    let mut objects = vec![("table", "log_info".to_owned()), ("index", "event_stream".to_owned())];
    for table in APPEND_ONLY {
        objects.push(("table", table.to_owned()));
        objects.push(("trigger", format!("{table}_no_update")));
        objects.push(("trigger", format!("{table}_no_delete")));
    }
    objects
}

fn triggers() -> String {
    APPEND_ONLY
        .iter()
        .flat_map(|table| ["update", "delete"].map(|act| (table, act)))
        .map(|(table, act)| {
            format!(
                "CREATE TRIGGER {table}_no_{act} BEFORE {act} ON {table} \
                 BEGIN SELECT RAISE(ABORT, 'the log is append-only: no {act} of {table}'); END;\n"
            )
        })
        .collect()
}

/// Sets what must be set before the first page is written. Without effect on a file that has pages.
pub(super) fn prepare_new(conn: &Connection) -> rusqlite::Result<()> {
    conn.pragma_update(None, "page_size", PAGE_BYTES)
}

/// Creates the tables in one transaction: after a crash there is a whole log or a blank file.
pub(super) fn create(conn: &Connection, installation: Uuid, now: DateTime<Utc>) -> rusqlite::Result<()> {
    let transaction = conn.unchecked_transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction.execute_batch(&triggers())?;
    let mut insert = transaction.prepare("INSERT INTO log_info (key, value) VALUES (?1, ?2)")?;
    insert.execute(("schema_version", SCHEMA_VERSION.to_string()))?;
    insert.execute(("installation", installation.to_string()))?;
    insert.execute(("created_at", now.to_rfc3339_opts(SecondsFormat::Micros, true)))?;
    drop(insert);
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()
}

/// Reads what [`create`] wrote down.
pub(crate) fn info(conn: &Connection) -> rusqlite::Result<LogInfo> {
    let mut value = conn.prepare("SELECT value FROM log_info WHERE key = ?1")?;
    let installation = value.query_row(["installation"], |row| {
        let text = text(row)?;
        Uuid::parse_str(&text).map_err(|error| unreadable(Box::new(error)))
    })?;
    let created_at = value.query_row(["created_at"], |row| {
        let text = text(row)?;
        DateTime::parse_from_rfc3339(&text).map_err(|error| unreadable(Box::new(error)))
    })?;
    let schema_version = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(LogInfo { installation, created_at: created_at.with_timezone(&Utc), schema_version })
}

fn text(row: &Row<'_>) -> rusqlite::Result<String> {
    row.get(0)
}

fn unreadable(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::FromSqlConversionFailure(0, Type::Text, source)
}

/// The names of everything in the file's schema, with their kinds.
pub(crate) fn objects(conn: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    conn.prepare("SELECT type, name FROM sqlite_schema")?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// The first object that a sound log has and this one lacks.
pub(crate) fn missing_object(present: &[(String, String)]) -> Option<String> {
    required_objects()
        .into_iter()
        .find(|(kind, name)| !present.iter().any(|(k, n)| k == kind && n == name))
        .map(|(kind, name)| format!("the {kind} `{name}` is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_log_has_every_object_and_its_marks() {
        let conn = Connection::open_in_memory().unwrap();
        let installation = Uuid::from_u128(7);
        let now = DateTime::from_timestamp_micros(1_777_000_000_123_456).unwrap();
        create(&conn, installation, now).unwrap();
        assert_eq!(missing_object(&objects(&conn).unwrap()), None);
        let expected = LogInfo { installation, created_at: now, schema_version: SCHEMA_VERSION };
        assert_eq!(info(&conn).unwrap(), expected);
        conn.execute_batch("DROP TRIGGER kind_no_delete").unwrap();
        assert_eq!(
            missing_object(&objects(&conn).unwrap()).as_deref(),
            Some("the trigger `kind_no_delete` is missing")
        );
    }
}
