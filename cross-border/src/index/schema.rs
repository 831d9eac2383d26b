//! The file of the index: its tables, its version, and how connections to it are set up.

use std::path::Path;
use std::time::Duration;

use domain::envelope::Position;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior};
use tracing::info;

use super::VERSION;
use super::error::IndexError;

/// "BCRI" in ASCII, so that `file` and the shell of SQLite can tell what it is.
const APPLICATION_ID: i64 = 0x4243_5249;
/// How long a connection waits for another one's lock.
const BUSY_WAIT: Duration = Duration::from_secs(10);
/// Statements a connection keeps prepared; a list has one text for each set of filters.
const STATEMENTS_MAX: usize = 256;

/// Times are microseconds and days are days since 1970; ids are their 16 bytes; codes are the stored ones, so that
/// anybody can read the file. Ids of deliveries are not declared unique: they are by their derivation, and should a
/// partner ever manage to break that, one odd row must not halt the index.
const TABLES: &str = "
CREATE TABLE checkpoint (one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL) STRICT;
-- number: the position of the draft. kept_to: the last day on which its data may be kept; null once they are gone.
-- held: a person was told that they are not gone although they should be.
CREATE TABLE referral (
    number INTEGER PRIMARY KEY, id BLOB NOT NULL, shared BLOB NOT NULL,
    direction TEXT NOT NULL, partner TEXT NOT NULL, council TEXT NOT NULL,
    complaint BLOB, subject BLOB, purpose TEXT NOT NULL,
    stage TEXT NOT NULL, detail TEXT, reference TEXT,
    drafted_at INTEGER NOT NULL, sent_at INTEGER, last_act_at INTEGER NOT NULL, outcome TEXT,
    next_step TEXT, next_due INTEGER, revision INTEGER NOT NULL, position INTEGER NOT NULL,
    segment TEXT NOT NULL, origin_count INTEGER NOT NULL, target_count INTEGER NOT NULL,
    owes_recall INTEGER NOT NULL, owes_answer INTEGER NOT NULL, awaits_receipt INTEGER NOT NULL,
    kept_to INTEGER, held INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX referral_by_id ON referral (id);
CREATE INDEX referral_by_partner ON referral (partner, number);
CREATE INDEX referral_by_council ON referral (council, number);
CREATE INDEX referral_by_stage ON referral (stage, number);
CREATE INDEX referral_by_complaint ON referral (complaint, number) WHERE complaint IS NOT NULL;
CREATE INDEX referral_by_subject ON referral (subject, number) WHERE subject IS NOT NULL;
CREATE INDEX referral_by_due ON referral (next_due) WHERE next_due IS NOT NULL;
CREATE INDEX referral_owing_recall ON referral (number) WHERE owes_recall = 1;
CREATE INDEX referral_owing_answer ON referral (number) WHERE owes_answer = 1;
CREATE INDEX referral_awaiting_receipt ON referral (number) WHERE awaits_receipt = 1;
CREATE INDEX referral_kept ON referral (held, kept_to, number) WHERE kept_to IS NOT NULL;
-- One row for each message of ours. due_at: when it may be tried; null while it waits for an earlier one, or ended.
CREATE TABLE outbox (
    position INTEGER PRIMARY KEY, delivery BLOB NOT NULL, referral BLOB NOT NULL, shared BLOB NOT NULL,
    partner TEXT NOT NULL, council TEXT NOT NULL, sequence INTEGER NOT NULL, kind TEXT NOT NULL, digest TEXT NOT NULL,
    issued_at INTEGER NOT NULL, since INTEGER NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL,
    next_at INTEGER NOT NULL, lease_until INTEGER, holder TEXT,
    last_code TEXT, last_status INTEGER, last_detail TEXT, alarms INTEGER NOT NULL, alarmed_at INTEGER,
    ended_at INTEGER, delivered_by TEXT, waits INTEGER NOT NULL, due_at INTEGER
) STRICT;
CREATE INDEX outbox_by_delivery ON outbox (delivery);
CREATE INDEX outbox_by_referral ON outbox (referral, sequence);
CREATE INDEX outbox_undelivered ON outbox (referral, sequence) WHERE state <> 'delivered';
CREATE INDEX outbox_by_partner ON outbox (partner, position);
CREATE INDEX outbox_by_state ON outbox (state, position);
CREATE INDEX outbox_due_to ON outbox (partner, due_at) WHERE due_at IS NOT NULL;
CREATE TABLE step (
    referral BLOB NOT NULL, step TEXT NOT NULL, council TEXT NOT NULL, started_on INTEGER NOT NULL,
    due INTEGER NOT NULL, provisional INTEGER NOT NULL, met_on INTEGER, reminders INTEGER NOT NULL,
    escalated INTEGER NOT NULL, PRIMARY KEY (referral, step)
) STRICT, WITHOUT ROWID;
CREATE INDEX step_running ON step (due, referral, step) WHERE met_on IS NULL;
-- The files that have to go over: ours where owed, which the message with the number announced tells of; else theirs.
CREATE TABLE evidence (
    referral BLOB NOT NULL, digest TEXT NOT NULL, partner TEXT NOT NULL, owed INTEGER NOT NULL, announced INTEGER,
    PRIMARY KEY (referral, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX evidence_by_partner ON evidence (partner, owed, referral, digest);
CREATE TABLE transfer (
    position INTEGER PRIMARY KEY, referral BLOB NOT NULL, council TEXT NOT NULL, partner TEXT NOT NULL,
    year INTEGER NOT NULL, subject BLOB NOT NULL, sensitive INTEGER NOT NULL
) STRICT;
CREATE INDEX transfer_by_year ON transfer (year, council, partner, subject, sensitive);
";

/// Empties a file of another version; says whether it did.
///
/// # Errors
/// The file is another program's, or cannot be used.
pub(super) fn empty_other_version(path: &Path) -> Result<bool, IndexError> {
    if !path.try_exists().unwrap_or(true) {
        return Ok(false);
    }
    let mut conn = connect(path)?;
    match found(&conn, path)? {
        Found::Nothing | Found::Ours => return Ok(false),
        Found::OtherVersion(version) => {
            info!(index.version = version, "The index of referrals is of version {version}: it is built anew");
        }
    }
    let tx = conn.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    let tables: rusqlite::Result<Vec<String>> = tx
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")?
        .query_map([], |row| row.get(0))?
        .collect();
    for table in tables? {
        tx.execute_batch(&format!("DROP TABLE \"{}\"", table.replace('"', "\"\"")))?;
    }
    fill(&tx)?;
    tx.commit()?;
    Ok(true)
}

/// Opens the writer's connection; makes the tables where there are none.
///
/// # Errors
/// The file is another program's or of another version, or cannot be used.
pub(super) fn open_writer(path: &Path, cache_kib: u32) -> Result<Connection, IndexError> {
    let mut conn = connect(path)?;
    prepare(&conn, cache_kib)?;
    match found(&conn, path)? {
        Found::Nothing => {
            // Before the first table: the page size of a file cannot change later.
            conn.execute_batch("PRAGMA page_size = 8192")?;
            let tx = conn.transaction_with_behavior(TransactionBehavior::Exclusive)?;
            fill(&tx)?;
            tx.commit()?;
        }
        Found::Ours => {}
        Found::OtherVersion(_) => return Err(IndexError::Foreign { path: path.to_owned() }),
    }
    // A transaction lasts through a crash of the program; one that a power cut takes back is applied again.
    conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")?;
    Ok(conn)
}

/// Opens a connection that asks and cannot change anything.
///
/// # Errors
/// The file cannot be read.
pub(super) fn open_reader(path: &Path, cache_kib: u32) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    prepare(&conn, cache_kib)?;
    conn.execute_batch("PRAGMA query_only = ON")?;
    Ok(conn)
}

/// How far the rows have come.
///
/// # Errors
/// The file cannot be read.
pub(super) fn position(conn: &Connection) -> rusqlite::Result<Option<Position>> {
    let position: Option<i64> =
        conn.prepare_cached("SELECT position FROM checkpoint")?.query_row([], |row| row.get(0)).optional()?;
    Ok(position.map(|position| Position::new(position.cast_unsigned())))
}

/// Moves the checkpoint, in the transaction of the rows that it covers.
///
/// # Errors
/// The file cannot be written.
pub(super) fn set_position(conn: &Connection, position: Position) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO checkpoint (one, position) VALUES (1, ?1)")?
        .execute([position.get().cast_signed()])?;
    Ok(())
}

/// What lies in a file.
enum Found {
    Nothing,
    Ours,
    OtherVersion(i64),
}

fn found(conn: &Connection, path: &Path) -> Result<Found, IndexError> {
    let number = |sql: &str| -> Result<i64, IndexError> {
        conn.query_row(sql, [], |row| row.get(0)).map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => IndexError::Foreign { path: path.to_owned() },
            Some(_) | None => IndexError::Store(error),
        })
    };
    if number("SELECT count(*) FROM sqlite_schema")? == 0 {
        return Ok(Found::Nothing);
    }
    if number("PRAGMA application_id")? != APPLICATION_ID {
        return Err(IndexError::Foreign { path: path.to_owned() });
    }
    let version = number("PRAGMA user_version")?;
    Ok(if version == i64::from(VERSION) { Found::Ours } else { Found::OtherVersion(version) })
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY_WAIT)?;
    Ok(conn)
}

fn prepare(conn: &Connection, cache_kib: u32) -> rusqlite::Result<()> {
    conn.busy_timeout(BUSY_WAIT)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    conn.execute_batch(&format!("PRAGMA cache_size = -{cache_kib}; PRAGMA temp_store = MEMORY;"))
}

fn fill(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(TABLES)?;
    conn.execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"))
}
