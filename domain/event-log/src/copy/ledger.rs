//! What two logs hold, stream by stream, kept in a file of its own while they are compared.
//!
//! Each side is read once in its own order. What must be kept for a stream is a line of some hundred bytes, however
//! many events it has; three million streams do not belong in memory, so the lines stand in a table that is thrown away
//! afterwards. Events are gathered first, so that a line is looked up once for many of them.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use domain::id::{CommandId, StreamId};
use rusqlite::{Connection, OptionalExtension, Row};
use thiserror::Error;

use super::Copied;
use super::compare::{self, Comparison};
use crate::digest::{DIGEST_BYTES, event_digest, sha256};
use crate::sqlite::row::{signed, unsigned};

/// Memory for pages of the table, in KiB: three million streams on both sides take half a gigabyte.
const CACHE_KIB: i64 = 256 * 1024;
/// Events after which a batch is written down: some 60 MB of them.
const BATCH_EVENTS: usize = 524_288;

const TABLES: &str = "
CREATE TABLE source (
    name     TEXT PRIMARY KEY,
    events   INTEGER NOT NULL,
    next     INTEGER NOT NULL, -- the revision that the next event must have
    commands INTEGER NOT NULL,
    chain    BLOB NOT NULL,    -- digest over the digests of its events
    causes   BLOB NOT NULL,    -- digest over the commands behind them
    newest   BLOB,             -- the command behind the last one
    gap      INTEGER           -- the first revision that was missing
) STRICT, WITHOUT ROWID;
CREATE TABLE target (
    name     TEXT PRIMARY KEY,
    events   INTEGER NOT NULL,
    next     INTEGER NOT NULL,
    commands INTEGER NOT NULL,
    chain    BLOB NOT NULL,
    causes   BLOB NOT NULL,
    newest   BLOB,
    gap      INTEGER
) STRICT, WITHOUT ROWID;
";

/// The columns that [`Line::read`] reads, in its order.
macro_rules! columns {
    () => {
        "events, next, commands, chain, causes, newest, gap"
    };
}

/// Puts a line into a table.
macro_rules! put {
    ($table:literal) => {
        concat!("INSERT OR REPLACE INTO ", $table, " (", columns!(), ", name) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")
    };
}

/// Why the table of digests could not be kept.
#[derive(Debug, Error)]
#[error("the table of digests could not be kept; make room on its disk and run the same command again")]
pub struct LedgerError(#[from] rusqlite::Error);

/// Which of the two logs that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that was copied.
    Source,
    Target,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}

impl Side {
    const fn find(self) -> &'static str {
        match self {
            Self::Source => concat!("SELECT ", columns!(), " FROM source WHERE name = ?1"),
            Self::Target => concat!("SELECT ", columns!(), " FROM target WHERE name = ?1"),
        }
    }

    const fn put(self) -> &'static str {
        match self {
            Self::Source => put!("source"),
            Self::Target => put!("target"),
        }
    }

    pub(super) const fn list(self) -> &'static str {
        match self {
            Self::Source => concat!("SELECT ", columns!(), ", name FROM source ORDER BY name"),
            Self::Target => concat!("SELECT ", columns!(), ", name FROM target ORDER BY name"),
        }
    }
}

/// The column of the name behind those of a line.
pub(super) const NAME: usize = 7;

/// One event as the ledger needs it.
#[derive(Debug)]
struct Link {
    revision: u64,
    digest: [u8; DIGEST_BYTES],
    command: CommandId,
    cause: [u8; DIGEST_BYTES],
}

/// Events of one side that are not written down yet.
#[derive(Debug, Default)]
pub struct Batch {
    streams: HashMap<StreamId, Vec<Link>>,
    events: usize,
}

impl Batch {
    /// Takes an event in, with the digest of its bytes as they are. Says whether it is time to write the batch down.
    pub fn push(&mut self, copied: &Copied) -> bool {
        let (event, command, command_digest) = copied;
        let mut cause = [0; 16 + DIGEST_BYTES];
        let (id, digest) = cause.split_at_mut(16);
        id.copy_from_slice(command.as_uuid().as_bytes());
        digest.copy_from_slice(&command_digest.0);
        let link = Link {
            revision: event.revision.get(),
            digest: event_digest(event),
            command: *command,
            cause: sha256(&cause),
        };
        match self.streams.get_mut(&event.stream) {
            Some(links) => links.push(link),
            None => drop(self.streams.insert(event.stream.clone(), vec![link])),
        }
        self.events = self.events.saturating_add(1);
        self.events >= BATCH_EVENTS
    }
}

/// What is kept of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) events: u64,
    next: u64,
    pub(super) commands: u64,
    pub(super) chain: [u8; DIGEST_BYTES],
    pub(super) causes: [u8; DIGEST_BYTES],
    newest: Option<[u8; 16]>,
    pub(super) gap: Option<u64>,
}

impl Line {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let gap: Option<i64> = row.get(6)?;
        Ok(Self {
            events: unsigned(row, 0)?,
            next: unsigned(row, 1)?,
            commands: unsigned(row, 2)?,
            chain: row.get(3)?,
            causes: row.get(4)?,
            newest: row.get(5)?,
            gap: gap.and_then(|gap| u64::try_from(gap).ok()),
        })
    }

    /// The same events by the same commands, none of them missing.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        self.events == other.events
            && self.commands == other.commands
            && self.chain == other.chain
            && self.causes == other.causes
            && self.gap.is_none()
            && other.gap.is_none()
    }

    fn follow(&mut self, link: &Link) {
        if link.revision != self.next && self.gap.is_none() {
            self.gap = Some(self.next);
        }
        self.next = link.revision.saturating_add(1);
        self.events = self.events.saturating_add(1);
        self.chain = chained(&self.chain, &link.digest);
        self.causes = chained(&self.causes, &link.cause);
        let command = *link.command.as_uuid().as_bytes();
        if self.newest.replace(command) != Some(command) {
            self.commands = self.commands.saturating_add(1);
        }
    }
}

/// The next value of a [`crate::digest::LogDigest`] that stands at `before`.
pub(super) fn chained(before: &[u8; DIGEST_BYTES], next: &[u8; DIGEST_BYTES]) -> [u8; DIGEST_BYTES] {
    let mut link = [0; 2 * DIGEST_BYTES];
    let (first, second) = link.split_at_mut(DIGEST_BYTES);
    first.copy_from_slice(before);
    second.copy_from_slice(next);
    sha256(&link)
}

/// What a stream adds up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSum {
    pub stream: Box<str>,
    pub events: u64,
    /// [`crate::digest::LogDigest`] over the digests of its events.
    pub digest: [u8; DIGEST_BYTES],
}

/// Compares two logs. The file is of no use to anybody else; remove it when this is dropped.
#[derive(Debug)]
pub struct Ledger {
    conn: Connection,
}

impl Ledger {
    /// A new ledger at `path`, where no file must be.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn create(path: &Path) -> Result<Self, LedgerError> {
        let conn = Connection::open(path)?;
        // Nothing in it outlives the process, so nothing needs to be durable or rolled back.
        conn.pragma_update_and_check(None, "journal_mode", "off", |row| row.get::<_, String>(0))?;
        conn.pragma_update(None, "synchronous", "off")?;
        conn.pragma_update(None, "locking_mode", "exclusive")?;
        conn.pragma_update(None, "cache_size", -CACHE_KIB)?;
        conn.execute_batch(TABLES)?;
        Ok(Self { conn })
    }

    /// Writes a batch down. The batches of a side must come in its order.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&mut self, side: Side, batch: Batch) -> Result<(), LedgerError> {
        let mut streams: Vec<(StreamId, Vec<Link>)> = batch.streams.into_iter().collect();
        // In the order of the table, so that each of its pages is touched once.
        streams.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        self.conn.execute_batch("BEGIN")?;
        let mut find = self.conn.prepare_cached(side.find())?;
        let mut put = self.conn.prepare_cached(side.put())?;
        for (stream, links) in streams {
            let mut line = find.query_row([stream.as_str()], Line::read).optional()?.unwrap_or_default();
            links.iter().for_each(|link| line.follow(link));
            put.execute((
                signed(line.events),
                signed(line.next),
                signed(line.commands),
                line.chain.as_slice(),
                line.causes.as_slice(),
                line.newest.as_ref().map(<[u8; 16]>::as_slice),
                line.gap.map(signed),
                stream.as_str(),
            ))?;
        }
        self.conn.execute_batch("COMMIT")?;
        Ok(())
    }

    /// Compares what was written down of both sides.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn compare(&self) -> Result<Comparison, LedgerError> {
        Ok(compare::compare(&self.conn)?)
    }

    /// Hands out every stream of a side, by name, until `each` breaks off with an error.
    ///
    /// # Errors
    /// The file cannot be read; the inner error is the one of `each`.
    pub fn sums<E>(
        &self,
        side: Side,
        each: &mut dyn FnMut(StreamSum) -> Result<(), E>,
    ) -> Result<Result<(), E>, LedgerError> {
        let mut list = self.conn.prepare(side.list())?;
        let mut rows = list.query([])?;
        while let Some(row) = rows.next()? {
            let line = Line::read(row)?;
            if let Err(error) = each(StreamSum { stream: row.get(NAME)?, events: line.events, digest: line.chain }) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }
}

#[cfg(test)]
mod tests;
