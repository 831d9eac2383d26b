//! Puts read models that were built beside others in their place.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use thiserror::Error;

use crate::error::{OpenError, QueryError};
use crate::models::{ReadModelOptions, ReadModels};
use crate::parity::ParityReport;
use crate::rebuild::sync_folder;
use crate::schema;

/// Why the files were not exchanged.
#[derive(Debug, Error)]
pub enum SwapError {
    #[error("the new read models stand at {fresh:?}, those in use at {live:?}: apply what is missing first")]
    OtherPosition { fresh: Option<domain::envelope::Position>, live: Option<domain::envelope::Position> },
    #[error("the new read models say something else than those in use, in: {}", .tables.join(", "))]
    Differs { tables: Vec<&'static str> },
    #[error("`{}` is in use by another program", .0.display())]
    InUse(PathBuf),
    #[error("read models could not be opened")]
    Open(#[from] OpenError),
    #[error("read models could not be compared")]
    Query(#[from] QueryError),
    #[error("the file `{}` could not be found, moved or deleted", .path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl ReadModels {
    /// Compares fresh read models with these, and when both say the same, puts the fresh files in the place of these
    /// and goes on with them. Whoever asks during the exchange waits for it; comparing holds nobody up.
    ///
    /// Nothing may be applied from the comparison to the exchange: stop the follower first.
    ///
    /// # Errors
    /// The two stand at different positions or differ, or files cannot be moved. Unless moving failed half-way, the old
    /// ones are in use as before.
    pub fn swap_in(&self, fresh: &Path) -> Result<ParityReport, SwapError> {
        let report = compare(self, fresh)?;
        self.reopen(|| swap_in(fresh, &self.options().path))?;
        Ok(report)
    }
}

/// The report of both, when they agree.
fn compare(live: &ReadModels, fresh: &Path) -> Result<ParityReport, SwapError> {
    // Opening would make empty ones.
    fs::metadata(fresh).map_err(|source| SwapError::Io { path: fresh.to_owned(), source })?;
    let options = ReadModelOptions { path: fresh.to_owned(), readers: 1, ..live.options().clone() };
    let built = ReadModels::open(options)?;
    if built.position() != live.position() {
        return Err(SwapError::OtherPosition { fresh: built.position(), live: live.position() });
    }
    let (ours, theirs) = (built.parity_digest()?, live.parity_digest()?);
    let tables = ours.differences(&theirs);
    if tables.is_empty() { Ok(ours) } else { Err(SwapError::Differs { tables }) }
}

/// Puts fresh files in the place of others that nobody has open; those may be missing, damaged or of another version.
///
/// The search index goes first: between the two moves, a crash leaves a pair of files of which each has its own
/// checkpoint and the same keys.
///
/// # Errors
/// A file is in use, or cannot be moved.
pub fn swap_in(fresh: &Path, live: &Path) -> Result<(), SwapError> {
    let pairs = [(schema::search_path(fresh), schema::search_path(live)), (fresh.to_owned(), live.to_owned())];
    for (from, to) in &pairs {
        settle(from)?;
        if to.exists() {
            settle(to)?;
        }
    }
    for (from, to) in &pairs {
        remove_companions(to)?;
        fs::rename(from, to).map_err(|source| SwapError::Io { path: from.clone(), source })?;
    }
    sync_folder(live).map_err(|source| SwapError::Io { path: live.to_owned(), source })
}

/// Deletes read models that nobody has open: they can be built again.
///
/// # Errors
/// A file cannot be deleted.
pub fn remove(path: &Path) -> Result<(), SwapError> {
    for file in [schema::search_path(path), path.to_owned()] {
        remove_companions(&file)?;
        delete(&file)?;
    }
    Ok(())
}

/// Folds the write-ahead file into its database, which also shows whether somebody else has it open. What is no
/// database any more needs no folding.
fn settle(path: &Path) -> Result<(), SwapError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let Ok(conn) = Connection::open_with_flags(path, flags) else { return Ok(()) };
    if conn.busy_timeout(Duration::ZERO).is_err() {
        return Ok(());
    }
    let mode: rusqlite::Result<String> = conn.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0));
    match mode {
        Ok(mode) if mode == "wal" => Err(SwapError::InUse(path.to_owned())),
        Ok(_) => Ok(()),
        Err(error) => match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
                Err(SwapError::InUse(path.to_owned()))
            }
            Some(_) | None => Ok(()),
        },
    }
}

fn remove_companions(path: &Path) -> Result<(), SwapError> {
    schema::companions(path).iter().try_for_each(|companion| delete(companion))
}

fn delete(path: &Path) -> Result<(), SwapError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(SwapError::Io { path: path.to_owned(), source }),
        Ok(()) | Err(_) => Ok(()),
    }
}
