//! Reading on one connection, from a plain thread.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use domain::envelope::{CommandDigest, Position, RecordedEvent, Revision};
use domain::id::{CommandId, StreamId};
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::port::{Appended, Page, READ_EVENTS_MAX, ReadError};
use crate::sqlite::inspect::{Found, OpenError, inspect};
use crate::sqlite::row::{self, Names, event_columns, failure, signed};
use crate::sqlite::schema::{self, LogInfo};

/// Texts of one page in bytes: a page that reaches this ends there, with [`Page::at_end`] unset.
pub const PAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Events that one statement of a scan reads. A statement holds back the write-ahead file from being reused for as long
/// as it runs, so a scan of the whole log is many of them.
const SCAN_EVENTS: u32 = 16_384;

const READ_ALL: &str =
    concat!("SELECT ", event_columns!(), " FROM event WHERE position > ?1 ORDER BY position LIMIT ?2");
const READ_STREAM: &str =
    concat!("SELECT ", event_columns!(), " FROM event WHERE stream = ?1 AND revision > ?2 ORDER BY revision LIMIT ?3");

/// How much memory a reading connection may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReaderSettings {
    /// Pages kept in memory, in KiB.
    pub cache_kib: u32,
    /// How much of the file is mapped into the address space, in bytes; 0 maps nothing.
    pub mmap_bytes: u64,
}

impl Default for ReaderSettings {
    fn default() -> Self {
        Self { cache_kib: 16 * 1024, mmap_bytes: 256 * 1024 * 1024 }
    }
}

/// Opens a connection that cannot write.
pub(crate) fn connect(path: &Path, settings: ReaderSettings) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.pragma_update(None, "cache_size", -i64::from(settings.cache_kib))?;
    conn.pragma_update(None, "mmap_size", signed(settings.mmap_bytes))?;
    Ok(conn)
}

/// A reader with its own connection, for work that runs on a thread of its own: projections, replays, exports.
///
/// It may be used while another process writes the log. Every call sees all that was committed before it.
#[derive(Debug)]
pub struct LogReader {
    path: PathBuf,
    conn: Connection,
    names: Names,
}

/// How far one statement of a scan came.
struct Chunk {
    /// The position of the last event that was handed out, or the one the chunk began behind.
    last: u64,
    given: u32,
    /// There was nothing more when the statement ended.
    at_end: bool,
    /// The receiver wanted no more.
    stopped: bool,
}

impl LogReader {
    /// Opens the log at `path` for reading; takes no lock and changes nothing.
    ///
    /// # Errors
    /// There is no log there, or it is damaged, or newer than this program.
    pub fn open(path: &Path, settings: ReaderSettings) -> Result<Self, OpenError> {
        match inspect(path)? {
            Found::Nothing => Err(OpenError::nothing(path)),
            Found::Log(_) => Self::connect(path, settings).map_err(|error| OpenError::sqlite(path, error)),
        }
    }

    pub(crate) fn connect(path: &Path, settings: ReaderSettings) -> rusqlite::Result<Self> {
        Ok(Self { path: path.to_owned(), conn: connect(path, settings)?, names: Names::new() })
    }

    /// The file that is read.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn connection(&self) -> &Connection {
        &self.conn
    }

    /// What the log says of itself.
    ///
    /// # Errors
    /// The file could not be read.
    pub fn info(&self) -> Result<LogInfo, ReadError> {
        schema::info(&self.conn).map_err(|error| failure(error, 0))
    }

    /// [`crate::port::EventLog::read_all`] without waiting for a thread. A page ends at [`PAGE_BYTES_MAX`] of texts.
    ///
    /// # Errors
    /// The file could not be read, or an event in it is damaged.
    pub fn read_all_blocking(&mut self, after: Option<Position>, limit: u32) -> Result<Page, ReadError> {
        let mut page = Page::default();
        let mut bytes = 0_usize;
        let chunk = self.chunk(after.map_or(0, Position::get), limit.min(READ_EVENTS_MAX), &mut |event| {
            bytes = bytes.saturating_add(event.metadata.len()).saturating_add(event.payload.len());
            page.events.push(event);
            if bytes < PAGE_BYTES_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        page.at_end = chunk.at_end;
        Ok(page)
    }

    /// [`crate::port::EventLog::read_stream`] without waiting for a thread.
    ///
    /// # Errors
    /// The file could not be read, or an event in it is damaged.
    pub fn read_stream_blocking(
        &mut self,
        stream: &StreamId,
        after: Option<Revision>,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        let Self { conn, names, .. } = self;
        let conn: &Connection = conn;
        let key: Option<i64> = conn
            .prepare_cached("SELECT key FROM stream WHERE name = ?1")
            .and_then(|mut find| find.query_row([stream.as_str()], |row| row.get(0)).optional())
            .map_err(|error| failure(error, 0))?;
        let Some(key) = key else { return Ok(Vec::new()) };
        let after = after.map_or(-1, |revision| signed(revision.get()));
        let mut last = 0;
        let mut events = Vec::new();
        let mut statement = conn.prepare_cached(READ_STREAM).map_err(|error| failure(error, last))?;
        let mut rows = statement
            .query((key, after, i64::from(limit.min(READ_EVENTS_MAX))))
            .map_err(|error| failure(error, last))?;
        while let Some(row) = rows.next().map_err(|error| failure(error, last))? {
            let event = row::event(row, conn, names)?;
            last = event.position.get();
            events.push(event);
        }
        Ok(events)
    }

    /// The newest position, `None` while the log is empty.
    ///
    /// # Errors
    /// The file could not be read.
    pub fn head_blocking(&mut self) -> Result<Option<Position>, ReadError> {
        newest_position(&self.conn).map_err(|error| failure(error, 0))
    }

    /// [`crate::port::EventLog::find_command`] without waiting for a thread.
    ///
    /// # Errors
    /// The file could not be read.
    pub fn find_command_blocking(
        &mut self,
        command: CommandId,
    ) -> Result<Option<(CommandDigest, Appended)>, ReadError> {
        self.conn
            .prepare_cached(row::FIND_COMMAND)
            .and_then(|mut find| find.query_row([command.as_uuid().as_bytes().as_slice()], row::command).optional())
            .map_err(|error| failure(error, 0))
    }

    /// Hands up to `limit` events behind `after` to `each`, in log order, until it breaks off or the log ends.
    ///
    /// Returns how many were handed out. Events that are appended meanwhile are included.
    ///
    /// # Errors
    /// The file could not be read, or an event in it is damaged; the events before it were handed out.
    pub fn scan(
        &mut self,
        after: Option<Position>,
        limit: u64,
        each: &mut dyn FnMut(RecordedEvent) -> ControlFlow<()>,
    ) -> Result<u64, ReadError> {
        let mut last = after.map_or(0, Position::get);
        let mut given = 0_u64;
        while given < limit {
            let wanted = u32::try_from(limit - given).unwrap_or(u32::MAX).min(SCAN_EVENTS);
            let chunk = self.chunk(last, wanted, each)?;
            last = chunk.last;
            given = given.saturating_add(u64::from(chunk.given));
            if chunk.at_end || chunk.stopped {
                break;
            }
        }
        Ok(given)
    }

    /// Reads with one statement; asks for one row more than `limit`, to know whether the log ends there.
    fn chunk(
        &mut self,
        after: u64,
        limit: u32,
        each: &mut dyn FnMut(RecordedEvent) -> ControlFlow<()>,
    ) -> Result<Chunk, ReadError> {
        let Self { conn, names, .. } = self;
        let conn: &Connection = conn;
        let mut chunk = Chunk { last: after, given: 0, at_end: false, stopped: false };
        let mut statement = conn.prepare_cached(READ_ALL).map_err(|error| failure(error, after))?;
        let mut rows = statement.query((signed(after), i64::from(limit) + 1)).map_err(|error| failure(error, after))?;
        loop {
            let Some(row) = rows.next().map_err(|error| failure(error, chunk.last))? else {
                chunk.at_end = true;
                break;
            };
            if chunk.given == limit {
                break;
            }
            let event = row::event(row, conn, names)?;
            chunk.last = event.position.get();
            chunk.given += 1;
            if each(event).is_break() {
                chunk.stopped = true;
                break;
            }
        }
        Ok(chunk)
    }
}

/// The highest position in the table.
pub(crate) fn newest_position(conn: &Connection) -> rusqlite::Result<Option<Position>> {
    let newest: Option<i64> =
        conn.prepare_cached("SELECT max(position) FROM event")?.query_row([], |row| row.get(0))?;
    Ok(newest.and_then(|position| u64::try_from(position).ok()).map(Position::new))
}
