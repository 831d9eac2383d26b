//! Operating a log: how large it is, and copies of it while it is in use.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use domain::envelope::Position;
use rusqlite::{ErrorCode, OptionalExtension};
use thiserror::Error;

use crate::durable;
use crate::port::ReadError;
use crate::sqlite::inspect::{Found, OpenError, inspect};
use crate::sqlite::reader::{ReaderSettings, connect, newest_position};
use crate::sqlite::row::{failure, unsigned};
use crate::sqlite::{LogReader, SqliteLog, file};

/// How large a log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogStats {
    /// Bytes of the database file.
    pub file_bytes: u64,
    /// Bytes of the write-ahead file beside it.
    pub wal_bytes: u64,
    pub events: u64,
    pub streams: u64,
    pub head: Option<Position>,
}

/// A copy that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    pub path: PathBuf,
    pub bytes: u64,
    /// The newest event in the copy; what was appended while it was made is not in it.
    pub head: Option<Position>,
}

/// Why no copy was made.
#[derive(Debug, Error)]
pub enum BackupError {
    #[error("`{path}` exists; a backup never overwrites a file, name another one")]
    Exists { path: PathBuf },
    #[error("`{path}` cannot be handed to SQLite; use a path in UTF-8")]
    Name { path: PathBuf },
    #[error(
        "the log at `{path}` is damaged and was not copied: {what}; keep it and every older backup as they are, run \
         `baycase verify` to see how far the damage goes, and restore the newest backup that verifies"
    )]
    Damaged { path: PathBuf, what: String },
    #[error("the log could not be copied to `{path}`; check its folder and the room on its disk")]
    Store {
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    #[error("the copy at `{path}` could not be made durable; check its disk and the rights on its folder")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "the copy was not sound and was removed: {what}; run `baycase verify` on the log, and keep every older backup \
         until it is sound"
    )]
    Unsound { what: String },
}

impl LogReader {
    /// How large the log is. Cheap: events and streams are numbered without gaps, so nothing is counted.
    ///
    /// # Errors
    /// The file could not be read.
    pub fn stats_blocking(&mut self) -> Result<LogStats, ReadError> {
        let head = self.head_blocking()?;
        let streams = self
            .connection()
            .prepare_cached("SELECT key FROM stream ORDER BY key DESC LIMIT 1")
            .and_then(|mut newest| newest.query_row([], |row| unsigned(row, 0)).optional())
            .map_err(|error| failure(error, 0))?;
        let size = |path: &Path| file::size(path).map_err(|error| ReadError::Store(std::sync::Arc::new(error)));
        Ok(LogStats {
            file_bytes: size(self.path())?,
            wal_bytes: size(&file::companion(self.path(), "-wal"))?,
            events: head.map_or(0, Position::get),
            streams: streams.unwrap_or(0),
            head,
        })
    }
}

impl SqliteLog {
    /// [`LogReader::stats_blocking`] on one of the log's readers.
    ///
    /// # Errors
    /// The file could not be read, or the log is closed.
    pub async fn stats(&self) -> Result<LogStats, ReadError> {
        self.pool.with(LogReader::stats_blocking).await
    }

    /// [`backup`] of this log, while it is in use. Blocks until the copy is durable.
    ///
    /// # Errors
    /// See [`backup`].
    pub fn backup(&self, to: &Path) -> Result<Backup, BackupError> {
        backup(self.path(), to)
    }
}

/// Copies the log at `from` into the new file `to`, durable and complete when it returns.
///
/// The copy is the log at one moment, compacted, with the same positions and digests. It is written under another name
/// and renamed at the end, so a file of that name is always whole. The log may be written meanwhile; its write-ahead
/// file grows by what is appended until the copy is done.
///
/// # Errors
/// There is a file at `to`, the disk is full, or the copy is not a sound log; nothing is left at `to` then.
pub fn backup(from: &Path, to: &Path) -> Result<Backup, BackupError> {
    let path = to.to_owned();
    if to.exists() {
        return Err(BackupError::Exists { path });
    }
    let partial = file::companion(to, ".partial");
    let copied = copy(from, to, &partial);
    if copied.is_err() {
        // Best effort: the reason for the failure matters more than the rest of the copy.
        let _ = fs::remove_file(&partial);
    }
    copied
}

fn copy(from: &Path, to: &Path, partial: &Path) -> Result<Backup, BackupError> {
    let store = |source: rusqlite::Error| match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            BackupError::Damaged { path: from.to_owned(), what: source.to_string() }
        }
        Some(_) | None => BackupError::Store { path: to.to_owned(), source },
    };
    let unsound = |error: &OpenError| BackupError::Unsound { what: error.what() };
    let io_failed = |source| BackupError::Io { path: to.to_owned(), source };
    let Some(name) = partial.to_str() else { return Err(BackupError::Name { path: to.to_owned() }) };
    match fs::remove_file(partial) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(io_failed(error)),
    }
    connect(from, ReaderSettings::default()).and_then(|log| log.execute("VACUUM INTO ?1", [name])).map_err(store)?;
    if let Found::Nothing = inspect(partial).map_err(|error| unsound(&error))? {
        return Err(unsound(&OpenError::nothing(partial)));
    }
    let head = connect(partial, ReaderSettings::default()).and_then(|copy| newest_position(&copy)).map_err(store)?;
    durable::put_in_place(partial, to).map_err(io_failed)?;
    let bytes = file::size(to).map_err(io_failed)?;
    Ok(Backup { path: to.to_owned(), bytes, head })
}
