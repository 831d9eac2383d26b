//! The writer's connection, to a log that is there or to a new one.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use aws_lc_rs::rand;
use rusqlite::{Connection, OpenFlags};
use uuid::{Builder, Uuid};

use crate::durable;
use crate::memory::whole_micros;
use crate::sqlite::SqliteOptions;
use crate::sqlite::inspect::OpenError;
use crate::sqlite::schema::{self, LogInfo};

/// Refuses a log of another installation.
pub(super) fn check_installation(path: &Path, info: &LogInfo, expected: Option<Uuid>) -> Result<(), OpenError> {
    match expected {
        Some(expected) if expected != info.installation => {
            Err(OpenError::OtherInstallation { path: path.to_owned(), found: info.installation, expected })
        }
        Some(_) | None => Ok(()),
    }
}

/// Opens the writer's connection to a file that is there.
pub(super) fn connect_writer(path: &Path, options: &SqliteOptions) -> Result<Connection, OpenError> {
    let failed = |error| OpenError::sqlite(path, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(failed)?;
    schema::prepare_new(&conn).map_err(failed)?;
    let mode: String = conn.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0)).map_err(failed)?;
    if mode != "wal" {
        return Err(OpenError::io(path, io::Error::other("its file system cannot keep a write-ahead file")));
    }
    set_up(&conn, options).map_err(failed)?;
    Ok(conn)
}

fn set_up(conn: &Connection, options: &SqliteOptions) -> rusqlite::Result<()> {
    conn.pragma_update(None, "synchronous", "full")?;
    conn.pragma_update(None, "cache_size", -i64::from(options.writer_cache_kib))?;
    conn.pragma_update(None, "wal_autocheckpoint", options.checkpoint_pages.max(1))
}

/// Makes a new log, durable when it returns.
pub(super) fn create(path: &Path, options: &SqliteOptions) -> Result<Connection, OpenError> {
    let io_failed = |error| OpenError::io(path, error);
    OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(io_failed)?;
    let conn = connect_writer(path, options)?;
    let installation = match options.installation {
        Some(installation) => installation,
        None => draw_installation().map_err(io_failed)?,
    };
    let now = whole_micros((options.stamp)());
    schema::create(&conn, installation, now).map_err(|error| OpenError::sqlite(path, error))?;
    File::open(path).and_then(|file| file.sync_all()).map_err(io_failed)?;
    durable::sync_name(path).map_err(io_failed)?;
    Ok(conn)
}

/// An installation is the one thing nobody chooses beforehand, so its id is drawn at random.
fn draw_installation() -> io::Result<Uuid> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(Builder::from_random_bytes(bytes).into_uuid())
}
