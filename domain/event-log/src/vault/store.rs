//! The vault's file.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::error::Unspecified;
use chrono::{DateTime, Utc};
use domain::id::SubjectId;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Row};
use thiserror::Error;
use uuid::Uuid;

use crate::durable;
use crate::sqlite::file::{self, FileLock, Header, Mark};
use crate::sqlite::reader::{ReaderSettings, connect};
use crate::vault::keys::{KeyRow, KeyStoreError, StoredKey};
use crate::vault::master::{MasterKey, owner_only};

/// `BCVT`: tells a vault from every other SQLite file.
const APPLICATION_ID: i64 = 0x4243_5654;
/// The format that this program writes.
const SCHEMA_VERSION: i64 = 1;

/// How long emptying the write-ahead file waits for a reader, such as a backup. A destruction may wait on the primary
/// and on its standby, which answers within `vault_node.standby_timeout_ms` (2 s unless set), and the client within
/// `vault.timeout_ms` (5 s): with a longer wait it would give up before it is told that older pages are held back.
const READER_WAIT: Duration = Duration::from_secs(1);

const TABLES: &str = "
CREATE TABLE vault_info (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE subject_key (
    subject      BLOB PRIMARY KEY, -- 16 bytes of a UUID
    wrapped      BLOB NOT NULL,    -- nonce, ciphertext and tag; empty when the key is destroyed
    created_at   INTEGER NOT NULL, -- microseconds since 1970 UTC
    destroyed_at INTEGER           -- microseconds since 1970 UTC
) STRICT, WITHOUT ROWID;
";

/// Whoever asks for what is destroyed need not read all keys. Earlier programs keep the index in order without knowing
/// of it, and a file of theirs gets it when it is opened.
const DESTROYED_INDEX: &str =
    "CREATE INDEX IF NOT EXISTS subject_key_destroyed ON subject_key (subject) WHERE destroyed_at IS NOT NULL";

const ROWS: &str = "SELECT subject, created_at, wrapped, destroyed_at FROM subject_key \
                    WHERE subject > ?1 ORDER BY subject LIMIT ?2";
const DESTROYED_ROWS: &str = "SELECT subject, created_at, wrapped, destroyed_at \
                              FROM subject_key INDEXED BY subject_key_destroyed \
                              WHERE destroyed_at IS NOT NULL AND subject > ?1 ORDER BY subject LIMIT ?2";

/// Why a vault could not be opened. Nothing was changed in any of these cases.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error(
        "there is no vault at `{path}`; name the data folder that holds one, or make one: with `baycase init` for one \
         node, with `baycase vault --create` for a vault node"
    )]
    Missing { path: PathBuf },
    #[error(
        "`{path}` is not a vault of this program: {what}; it was left untouched. Name the right data folder; if this \
         was the vault, keep the file as it is and restore its newest backup"
    )]
    NotAVault { path: PathBuf, what: &'static str },
    #[error(
        "the vault at `{path}` has format {found} and this program knows formats up to {known}; \
         it was left untouched, open it with the newer program that wrote it"
    )]
    NewerSchema { path: PathBuf, found: i64, known: i64 },
    #[error("the vault at `{path}` is open in another process; stop that one first, only one may use it")]
    Locked { path: PathBuf },
    #[error("the vault at `{path}` was made with another master key; give the key of this installation")]
    WrongMasterKey { path: PathBuf },
    #[error("the vault at `{place}` knows no master key yet; run `baycase init` with the key of this installation")]
    Unregistered { place: String },
    #[error("the vault at `{place}` could not be asked for its master key; see that it runs and can be reached")]
    Keys {
        place: String,
        #[source]
        source: KeyStoreError,
    },
    #[error("the vault at `{path}` is damaged: {what}; keep the file as it is and restore its newest backup")]
    Damaged { path: PathBuf, what: String },
    #[error("no random bytes could be drawn for the vault at `{path}`")]
    Random {
        path: PathBuf,
        #[source]
        source: Unspecified,
    },
    #[error("the vault at `{path}` could not be opened; check its disk and the rights on its folder")]
    Store {
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    #[error("the files of the vault at `{path}` could not be reached; check its disk and the rights on its folder")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Opens the vault at `path`, or a new one, and checks the master key against it where one is given.
///
/// A vault node keeps keys that it cannot open, so it gives none: the first of its clients registers its check value.
pub(super) fn open(path: &Path, master: Option<&MasterKey>, create: bool) -> Result<(Connection, FileLock), OpenError> {
    let failed = |error| failure(path, error);
    let io_failed = |source| OpenError::Io { path: path.to_owned(), source };
    if !is_there(path)? && !create {
        return Err(OpenError::Missing { path: path.to_owned() });
    }
    let Some(lock) = FileLock::take(path).map_err(io_failed)? else {
        return Err(OpenError::Locked { path: path.to_owned() });
    };
    let is_new = !is_there(path)?;
    let unregistered = match master {
        Some(master) if is_new || !is_registered(path, master)? => Some(master),
        Some(_) | None => None,
    };
    if unregistered.is_some() && !create {
        return Err(OpenError::Unregistered { place: path.display().to_string() });
    }
    if is_new {
        // Made by us, so that nobody else may read it; SQLite gives its companions the same rights.
        owner_only().write(true).create(true).truncate(false).open(path).map_err(io_failed)?;
    }
    let conn = connect_writer(path).map_err(failed)?;
    if is_new {
        create_tables(&conn).map_err(failed)?;
        durable::sync_name(path).map_err(io_failed)?;
    }
    conn.execute_batch(DESTROYED_INDEX).map_err(failed)?;
    if let Some(master) = unregistered {
        let check = master.check_value().map_err(|source| OpenError::Random { path: path.to_owned(), source })?;
        register(&conn, &check).map_err(failed)?;
    }
    Ok((conn, lock))
}

/// Whether there is a vault of a format this program knows; `false` when there is nothing yet.
fn is_there(path: &Path) -> Result<bool, OpenError> {
    let failed = |error| failure(path, error);
    match file::header(path).map_err(|source| OpenError::Io { path: path.to_owned(), source })? {
        Header::Absent => return Ok(false),
        Header::Foreign(what) => return Err(OpenError::NotAVault { path: path.to_owned(), what }),
        Header::Sqlite(mark) if mark.settled && !mark.is_blank() => judge(path, mark)?,
        Header::Sqlite(_) => {}
    }
    let conn = connect(path, ReaderSettings { mmap_bytes: 0, ..ReaderSettings::default() }).map_err(failed)?;
    let mark = Mark {
        application: conn.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(failed)?,
        version: conn.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?,
        settled: true,
    };
    let objects: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    if mark.is_blank() && objects == 0 {
        return Ok(false);
    }
    judge(path, mark)?;
    Ok(true)
}

fn judge(path: &Path, mark: Mark) -> Result<(), OpenError> {
    let path = path.to_owned();
    if mark.application != APPLICATION_ID {
        return Err(OpenError::NotAVault { path, what: "it is a SQLite file with another program's mark" });
    }
    if mark.version > SCHEMA_VERSION {
        return Err(OpenError::NewerSchema { path, found: mark.version, known: SCHEMA_VERSION });
    }
    Ok(())
}

/// Looks at the check value before anything is opened for writing; `false` when the vault has neither one nor a key.
fn is_registered(path: &Path, master: &MasterKey) -> Result<bool, OpenError> {
    let failed = |error| failure(path, error);
    let conn = connect(path, ReaderSettings { mmap_bytes: 0, ..ReaderSettings::default() }).map_err(failed)?;
    let has_keys = || conn.query_row("SELECT EXISTS (SELECT 1 FROM subject_key)", [], |row| row.get::<_, bool>(0));
    match check_value(&conn).map_err(failed)? {
        Some(check) if master.made(&check) => Ok(true),
        Some(_) => Err(OpenError::WrongMasterKey { path: path.to_owned() }),
        None if has_keys().map_err(failed)? => {
            Err(OpenError::Damaged { path: path.to_owned(), what: "its check value is missing".to_owned() })
        }
        None => Ok(false),
    }
}

fn connect_writer(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.pragma_update(None, "journal_mode", "wal")?;
    conn.pragma_update(None, "synchronous", "full")?;
    conn.pragma_update(None, "secure_delete", true)?;
    conn.busy_timeout(READER_WAIT)?;
    Ok(conn)
}

fn create_tables(conn: &Connection) -> rusqlite::Result<()> {
    let transaction = conn.unchecked_transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()
}

/// The value by which the master key is known.
pub(super) fn check_value(conn: &Connection) -> rusqlite::Result<Option<Vec<u8>>> {
    conn.query_row("SELECT value FROM vault_info WHERE key = 'check'", [], |row| row.get(0)).optional()
}

/// Registers the check value of a master key unless there is one, durably.
pub(super) fn register(conn: &Connection, check: &[u8]) -> rusqlite::Result<()> {
    conn.execute("INSERT INTO vault_info (key, value) VALUES ('check', ?1) ON CONFLICT (key) DO NOTHING", [check])?;
    Ok(())
}

pub(super) fn find(conn: &Connection, subject: SubjectId) -> rusqlite::Result<Option<StoredKey>> {
    conn.prepare_cached("SELECT wrapped, destroyed_at FROM subject_key WHERE subject = ?1")?
        .query_row([subject.as_uuid().as_bytes().as_slice()], |row| stored(row, 0, 1))
        .optional()
}

/// The rows behind `after` in the order of their subjects, at most so many.
pub(super) fn rows_after(conn: &Connection, after: Option<SubjectId>, limit: u32) -> rusqlite::Result<Vec<KeyRow>> {
    page(conn, ROWS, after, limit)
}

/// Those of them that are destroyed.
pub(super) fn destroyed_after(
    conn: &Connection,
    after: Option<SubjectId>,
    limit: u32,
) -> rusqlite::Result<Vec<KeyRow>> {
    page(conn, DESTROYED_ROWS, after, limit)
}

fn page(conn: &Connection, query: &str, after: Option<SubjectId>, limit: u32) -> rusqlite::Result<Vec<KeyRow>> {
    // Nothing is less than no bytes.
    let after = after.map(|subject| subject.as_uuid().into_bytes().to_vec()).unwrap_or_default();
    conn.prepare_cached(query)?
        .query_map((after, limit), |row| {
            let subject = SubjectId::from_uuid(Uuid::from_bytes(row.get(0)?));
            Ok(KeyRow { subject, created_at: moment(row.get(1)?), key: stored(row, 2, 3)? })
        })?
        .collect()
}

fn stored(row: &Row<'_>, wrapped: usize, destroyed_at: usize) -> rusqlite::Result<StoredKey> {
    match row.get::<_, Option<i64>>(destroyed_at)? {
        Some(micros) => Ok(StoredKey::Destroyed(moment(micros))),
        None => row.get(wrapped).map(StoredKey::Wrapped),
    }
}

fn moment(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or(DateTime::UNIX_EPOCH)
}

/// What a write has done.
pub(super) struct Written {
    /// What stands for each row, in their order.
    pub(super) stands: Vec<StoredKey>,
    /// Those that were not destroyed before.
    pub(super) destroyed: Vec<SubjectId>,
}

/// Writes what is missing in one transaction, durable when it returns. A key that is there stays, a key that is to be
/// destroyed is emptied whatever is there, and one that is destroyed stays so.
pub(super) fn write(conn: &Connection, rows: &[KeyRow]) -> rusqlite::Result<Written> {
    let transaction = conn.unchecked_transaction()?;
    let mut destroyed = Vec::new();
    for row in rows {
        match &row.key {
            StoredKey::Wrapped(wrapped) => insert(&transaction, row, wrapped)?,
            StoredKey::Destroyed(at) => {
                if empty(&transaction, row, *at)? {
                    destroyed.push(row.subject);
                }
            }
        }
    }
    let stands = rows
        .iter()
        .map(|row| find(&transaction, row.subject)?.ok_or(rusqlite::Error::QueryReturnedNoRows))
        .collect::<rusqlite::Result<_>>()?;
    transaction.commit()?;
    Ok(Written { stands, destroyed })
}

fn insert(conn: &Connection, row: &KeyRow, wrapped: &[u8]) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO subject_key (subject, wrapped, created_at) VALUES (?1, ?2, ?3) ON CONFLICT (subject) DO NOTHING",
    )?
    .execute((row.subject.as_uuid().as_bytes().as_slice(), wrapped, row.created_at.timestamp_micros()))?;
    Ok(())
}

/// Empties a subject's key and marks it destroyed; a subject without a key is marked too, so that it never gets one.
/// Answers whether that is new.
fn empty(conn: &Connection, row: &KeyRow, at: DateTime<Utc>) -> rusqlite::Result<bool> {
    let changed = conn
        .prepare_cached(
            "INSERT INTO subject_key (subject, wrapped, created_at, destroyed_at) VALUES (?1, x'', ?2, ?3) \
             ON CONFLICT (subject) DO UPDATE \
             SET wrapped = x'', destroyed_at = excluded.destroyed_at WHERE destroyed_at IS NULL",
        )?
        .execute((
            row.subject.as_uuid().as_bytes().as_slice(),
            row.created_at.timestamp_micros(),
            at.timestamp_micros(),
        ))?;
    Ok(changed > 0)
}

/// Moves the write-ahead file into the database and empties it; `false` when a reader holds it back.
pub(super) fn empty_wal(conn: &Connection) -> rusqlite::Result<bool> {
    let busy: i64 = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(busy == 0)
}

fn failure(path: &Path, source: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::NotAVault { path, what: "SQLite does not know its form" },
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path, what: source.to_string() },
        Some(_) | None => OpenError::Store { path, source },
    }
}
