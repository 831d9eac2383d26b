//! The files of the read models: their tables, their version, and how connections to them are set up.
//!
//! Two files stand side by side: the rows and the ledger in one, the search index in the other, each with its own
//! checkpoint, written in a transaction with what it covers. Both may be deleted at any time and built again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::VERSION;
use crate::error::OpenError;
use crate::{last, unregistered};

/// "BCRM" in ASCII, so that `file` and the shell of SQLite can tell what it is.
const APPLICATION_ID: i64 = 0x4243_524d;
/// How long a connection waits for another one's lock.
const BUSY_WAIT: Duration = Duration::from_secs(10);
/// Statements a connection keeps prepared.
const STATEMENTS_MAX: usize = 128;

const TABLES: &str = "
CREATE TABLE checkpoint (
    name TEXT PRIMARY KEY, version INTEGER NOT NULL, position INTEGER, events INTEGER NOT NULL, known INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- The last position that was recorded by the end of each local day.
CREATE TABLE known_day (day INTEGER PRIMARY KEY, position INTEGER NOT NULL) STRICT;
CREATE TABLE unit (
    key INTEGER PRIMARY KEY, id TEXT NOT NULL, city INTEGER NOT NULL,
    kind TEXT, name TEXT, region TEXT, parent TEXT, retired_to TEXT
) STRICT;
CREATE TABLE handler (key INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
CREATE TABLE case_row (
    key INTEGER PRIMARY KEY, id BLOB NOT NULL, number TEXT NOT NULL, filing BLOB NOT NULL,
    channel INTEGER NOT NULL, category INTEGER NOT NULL, region INTEGER NOT NULL,
    intake INTEGER NOT NULL, custody INTEGER NOT NULL, city INTEGER NOT NULL, handler INTEGER NOT NULL,
    stage INTEGER NOT NULL, outcome INTEGER, round INTEGER NOT NULL,
    registered_at INTEGER NOT NULL, closed_at INTEGER, closed_late INTEGER NOT NULL, recovered INTEGER, currency INTEGER,
    respondent TEXT, uscc TEXT,
    next_due INTEGER, due_rule INTEGER, provisional INTEGER NOT NULL, overdue_from INTEGER,
    urged INTEGER NOT NULL, imported INTEGER NOT NULL, subject BLOB,
    revision INTEGER NOT NULL, position INTEGER NOT NULL, last_event_at INTEGER NOT NULL,
    track BLOB NOT NULL
) STRICT;
-- key: see ledger.rs; kind: channel and category.
CREATE TABLE delta (key BLOB PRIMARY KEY, kind INTEGER NOT NULL, amount INTEGER NOT NULL) STRICT, WITHOUT ROWID;
-- The lines of each event, for counts as known at a position inside a day.
CREATE TABLE step (position INTEGER PRIMARY KEY, lines BLOB NOT NULL) STRICT;
-- key: see cell.rs.
CREATE TABLE cell (key INTEGER PRIMARY KEY, amount INTEGER NOT NULL) STRICT;
CREATE TABLE unit_cell (key INTEGER PRIMARY KEY, amount INTEGER NOT NULL) STRICT;
CREATE UNIQUE INDEX unit_by_id ON unit (id);
CREATE UNIQUE INDEX handler_by_name ON handler (name);
CREATE UNIQUE INDEX case_by_id ON case_row (id);
";

/// The indices that a rebuild makes at its end. Stage 7 is closed. Numbers are not declared unique: they are by their
/// derivation, and should a source ever break that, one wrong number must not halt the province. `open_by_unit` holds
/// all that a workload adds up, so that a station with thousands of open cases is answered without reading their rows.
const INDICES: &str = "
CREATE INDEX case_by_number ON case_row (number);
CREATE INDEX case_by_uscc ON case_row (uscc) WHERE uscc IS NOT NULL;
CREATE INDEX case_by_subject ON case_row (subject) WHERE subject IS NOT NULL;
CREATE INDEX case_by_unit ON case_row (custody, key);
CREATE INDEX case_by_city ON case_row (city, key);
CREATE INDEX case_by_handler ON case_row (handler, key) WHERE handler <> 0;
CREATE INDEX open_by_unit ON case_row (custody, next_due, key, handler, overdue_from, stage) WHERE stage < 7;
CREATE INDEX due_by_city ON case_row (city, next_due, key) WHERE stage < 7 AND next_due IS NOT NULL;
CREATE INDEX due ON case_row (next_due, key) WHERE stage < 7 AND next_due IS NOT NULL;
";

/// The index of texts keeps no texts: they are sealed in the log. The tokens are made by text.rs; the tokenizer only
/// splits at spaces.
const SEARCH_TABLES: &str = "
CREATE TABLE checkpoint (name TEXT PRIMARY KEY, version INTEGER NOT NULL, position INTEGER) STRICT, WITHOUT ROWID;
CREATE VIRTUAL TABLE case_text USING fts5(
    number, respondent, facts, content='', contentless_delete=1, tokenize='ascii'
);
CREATE VIRTUAL TABLE case_term USING fts5vocab(case_text, 'row');
";

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Follows the log: every transaction lasts through a crash of the program.
    Live,
    /// Fills a fresh file as fast as it goes; it is worth nothing until it is complete.
    Bulk,
}

/// The search index that belongs to the read models at `path`.
pub(crate) fn search_path(path: &Path) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push("-search");
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// The files that SQLite keeps beside a database in WAL mode.
pub(crate) fn companions(path: &Path) -> [PathBuf; 2] {
    ["-wal", "-shm"].map(|suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    })
}

/// Opens or creates the file of rows and ledger.
///
/// # Errors
/// The file is of another version, or cannot be used.
pub(crate) fn open_main(path: &Path, cache_kib: u32, purpose: Purpose) -> Result<Connection, OpenError> {
    let conn = open(path, cache_kib, purpose, &|conn| {
        conn.execute_batch(TABLES)?;
        if purpose == Purpose::Live {
            create_indices(conn)?;
        }
        Ok(())
    })?;
    for table in [last::TABLE, unregistered::TABLE] {
        conn.execute_batch(table).map_err(|source| OpenError::of(path, source))?;
    }
    Ok(conn)
}

/// Opens or creates the search index.
///
/// # Errors
/// The file is of another version, or cannot be used.
pub(crate) fn open_search(path: &Path, cache_kib: u32, purpose: Purpose) -> Result<Connection, OpenError> {
    open(path, cache_kib, purpose, &|conn| conn.execute_batch(SEARCH_TABLES))
}

/// Makes the indices that a bulk load leaves out.
pub(crate) fn create_indices(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(INDICES)
}

/// Opens a connection that asks: rows, ledger and search index, none of which it can change.
///
/// # Errors
/// A file is not there or cannot be read.
pub(crate) fn open_reader(path: &Path, cache_kib: u32) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    prepare(&conn, cache_kib)?;
    let search = search_path(path);
    conn.execute("ATTACH DATABASE ?1 AS search", [&*search.to_string_lossy()])?;
    conn.execute_batch("PRAGMA query_only = ON")?;
    Ok(conn)
}

fn open(
    path: &Path,
    cache_kib: u32,
    purpose: Purpose,
    create: &dyn Fn(&Connection) -> rusqlite::Result<()>,
) -> Result<Connection, OpenError> {
    let failed = |source| OpenError::of(path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(failed)?;
    prepare(&conn, cache_kib).map_err(failed)?;
    if is_empty(&conn).map_err(failed)? {
        make(&conn, create).map_err(failed)?;
    }
    let (application, version) = marks(&conn).map_err(failed)?;
    if application != APPLICATION_ID {
        return Err(OpenError::Damaged { path: path.to_owned(), what: "another program's database" });
    }
    if version != i64::from(VERSION) {
        return Err(OpenError::OtherVersion { path: path.to_owned(), found: version, expected: VERSION });
    }
    let mode = match purpose {
        Purpose::Live => "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;",
        Purpose::Bulk => {
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE; PRAGMA threads = 2;"
        }
    };
    conn.execute_batch(mode).map_err(failed)?;
    Ok(conn)
}

fn prepare(conn: &Connection, cache_kib: u32) -> rusqlite::Result<()> {
    conn.busy_timeout(BUSY_WAIT)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    conn.execute_batch(&format!("PRAGMA cache_size = -{cache_kib}; PRAGMA temp_store = MEMORY;"))
}

fn is_empty(conn: &Connection) -> rusqlite::Result<bool> {
    conn.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}

fn make(conn: &Connection, create: &dyn Fn(&Connection) -> rusqlite::Result<()>) -> rusqlite::Result<()> {
    // Before the first table: the page size of a file cannot change later.
    conn.execute_batch("PRAGMA page_size = 8192")?;
    let tx = conn.unchecked_transaction()?;
    create(&tx)?;
    tx.execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"))?;
    tx.commit()
}

fn marks(conn: &Connection) -> rusqlite::Result<(i64, i64)> {
    let application = conn.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let version = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok((application, version))
}
