//! What lies at a path, found out without changing anything, and why a log could not be opened.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode};
use thiserror::Error;
use uuid::Uuid;

use crate::digest::{DIGEST_BYTES, event_digest};
use crate::port::ReadError;
use crate::sqlite::file::{self, Header, Mark};
use crate::sqlite::reader::{ReaderSettings, connect};
use crate::sqlite::row::{self, Names, event_columns};
use crate::sqlite::schema::{self, APPLICATION_ID, LogInfo, SCHEMA_VERSION};

/// Events at the end of the log whose digests are checked when it is opened: what a crash or a torn copy harms first.
/// The whole log is checked by [`crate::verify::verify`].
const TAIL_EVENTS: i64 = 64;

const READ_TAIL: &str = concat!("SELECT ", event_columns!(), ", digest FROM event ORDER BY position DESC LIMIT ?1");

/// Why a log could not be opened. Nothing was changed in any of these cases.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("there is no log at `{path}`; name the data folder that holds one, or make one with `baycase init`")]
    Missing { path: PathBuf },
    #[error(
        "`{path}` is empty and holds no log; if it held one, keep what lies beside it as it is and restore the newest \
         backup that verifies"
    )]
    Empty { path: PathBuf },
    #[error(
        "`{path}` is not a log of this program: {what}; it was left untouched. Name the right data folder; if this was \
         the log, keep the file as it is and restore the newest backup that verifies"
    )]
    NotALog { path: PathBuf, what: &'static str },
    #[error(
        "the log at `{path}` has format {found} and this program knows formats up to {known}; \
         it was left untouched, open it with the newer program that wrote it"
    )]
    NewerSchema { path: PathBuf, found: i64, known: i64 },
    #[error("the log at `{path}` is open in another process; stop that one first, only one may write")]
    Locked { path: PathBuf },
    #[error(
        "the log at `{path}` belongs to installation {found}, not to {expected}; \
         name the data folder of this installation"
    )]
    OtherInstallation { path: PathBuf, found: Uuid, expected: Uuid },
    #[error(
        "the log at `{path}` is damaged: {what}; keep the file as it is, run `baycase verify` to see how far the \
         damage goes, and restore the newest backup that verifies"
    )]
    Damaged { path: PathBuf, what: String },
    #[error("the log at `{path}` could not be opened; check its disk and the rights on its folder")]
    Store {
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    #[error("the files of the log at `{path}` could not be reached; check its disk and the rights on its folder")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl OpenError {
    pub(crate) fn sqlite(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NotALog { path, what: "SQLite does not know its form" },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, what: source.to_string() },
            Some(_) | None => Self::Store { path, source },
        }
    }

    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// There is nothing at the path, or nothing in what lies there.
    pub(crate) fn nothing(path: &Path) -> Self {
        let path = path.to_owned();
        if path.exists() { Self::Empty { path } } else { Self::Missing { path } }
    }

    /// What is wrong, without a word of what to do: for whoever has other advice.
    pub(crate) fn what(&self) -> String {
        match self {
            Self::Missing { .. } => "there is no file".to_owned(),
            Self::Empty { .. } => "it is empty".to_owned(),
            Self::NotALog { what, .. } => (*what).to_owned(),
            Self::NewerSchema { found, .. } => format!("it has format {found}"),
            Self::Locked { .. } => "it is open in another process".to_owned(),
            Self::OtherInstallation { found, .. } => format!("it belongs to installation {found}"),
            Self::Damaged { what, .. } => what.clone(),
            Self::Store { source, .. } => source.to_string(),
            Self::Io { source, .. } => source.to_string(),
        }
    }

    fn read(path: &Path, error: ReadError) -> Self {
        let what = match error {
            ReadError::Damaged { position, what } => format!("the event at position {position}: {what}"),
            error @ (ReadError::Store(_) | ReadError::Closed | ReadError::Fault(_)) => error.to_string(),
        };
        Self::Damaged { path: path.to_owned(), what }
    }
}

/// What lies at a path.
#[derive(Debug)]
pub(crate) enum Found {
    /// No file, an empty file, or a database that nobody has put anything into.
    Nothing,
    Log(LogInfo),
}

/// Looks at `path` and changes nothing: not the file, and no companion of a file that is refused by its header.
pub(crate) fn inspect(path: &Path) -> Result<Found, OpenError> {
    let Some(conn) = identify(path)? else { return Ok(Found::Nothing) };
    let failed = |error| OpenError::sqlite(path, error);
    let damaged = |what| OpenError::Damaged { path: path.to_owned(), what };
    if let Some(what) = schema::missing_object(&schema::objects(&conn).map_err(failed)?) {
        return Err(damaged(what));
    }
    check_tail(&conn, path)?;
    match schema::info(&conn) {
        Ok(info) => Ok(Found::Log(info)),
        Err(error) if error.sqlite_error_code().is_none() => Err(damaged(format!("its `log_info`: {error}"))),
        Err(error) => Err(failed(error)),
    }
}

/// Opens a file that is marked as a log of a format this program knows; `None` when there is nothing.
pub(crate) fn identify(path: &Path) -> Result<Option<Connection>, OpenError> {
    match file::header(path).map_err(|error| OpenError::io(path, error))? {
        Header::Absent => return Ok(None),
        Header::Foreign(what) => return Err(OpenError::NotALog { path: path.to_owned(), what }),
        Header::Sqlite(mark) if mark.settled && !mark.is_blank() => judge(path, mark)?,
        Header::Sqlite(_) => {}
    }
    let failed = |error| OpenError::sqlite(path, error);
    // Nothing is mapped: a bad block must be an error here, not a signal that ends the process.
    let conn = connect(path, ReaderSettings { mmap_bytes: 0, ..ReaderSettings::default() }).map_err(failed)?;
    let mark = Mark {
        application: conn.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(failed)?,
        version: conn.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?,
        settled: true,
    };
    if mark.is_blank() && schema::objects(&conn).map_err(failed)?.is_empty() {
        return Ok(None);
    }
    judge(path, mark)?;
    Ok(Some(conn))
}

fn judge(path: &Path, mark: Mark) -> Result<(), OpenError> {
    let path = path.to_owned();
    if mark.application != APPLICATION_ID {
        return Err(OpenError::NotALog { path, what: "it is a SQLite file with another program's mark" });
    }
    if mark.version > SCHEMA_VERSION {
        return Err(OpenError::NewerSchema { path, found: mark.version, known: SCHEMA_VERSION });
    }
    if mark.version < 1 {
        return Err(OpenError::Damaged { path, what: format!("there never was a format {}", mark.version) });
    }
    Ok(())
}

/// Reads the newest events and compares them with their digests and with each other.
fn check_tail(conn: &Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |error| OpenError::sqlite(path, error);
    let damaged = |what| OpenError::Damaged { path: path.to_owned(), what };
    let mut names = Names::new();
    let mut statement = conn.prepare(READ_TAIL).map_err(failed)?;
    let mut rows = statement.query([TAIL_EVENTS]).map_err(failed)?;
    let mut behind: Option<u64> = None;
    while let Some(row) = rows.next().map_err(failed)? {
        let event = row::event(row, conn, &mut names).map_err(|error| OpenError::read(path, error))?;
        let position = event.position.get();
        let digest: Option<[u8; DIGEST_BYTES]> = row.get(10).ok();
        if digest != Some(event_digest(&event)) {
            return Err(damaged(format!("the event at position {position} does not match its digest")));
        }
        if behind.is_some_and(|behind| behind != position + 1) {
            return Err(damaged(format!("the event behind position {position} is missing")));
        }
        behind = Some(position);
    }
    Ok(())
}
