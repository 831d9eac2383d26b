//! The walk over all events in log order.

use std::collections::HashMap;

use domain::envelope::{Metadata, Position, RecordedEvent};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row};
use serde::de::IgnoredAny;

use crate::digest::{ContentDigest, DIGEST_BYTES, LogDigest, event_digest};
use crate::port::ReadError;
use crate::sqlite::reader::newest_position;
use crate::sqlite::row::{self, Names, event_columns, signed, unsigned};
use crate::verify::commands::Commands;
use crate::verify::{Decode, Draft, Findings, VerifyError, VerifyReport};

/// Events that one statement reads, and after which progress is told.
const CHUNK_EVENTS: u32 = 16_384;
/// How far behind unreadable pages the next readable event is looked for, as a power of two.
const SEEK_BITS: u32 = 40;

const READ: &str = concat!(
    "SELECT ",
    event_columns!(),
    ", digest FROM event WHERE position > ?1 AND position <= ?2 ORDER BY position LIMIT ?3"
);

/// Stands for the next revision of a stream some of whose events may lie in unreadable pages.
const UNKNOWN: u64 = u64::MAX;

pub(super) struct Walk<'a> {
    conn: &'a Connection,
    decode: &'a Decode<'a>,
    findings: Findings,
    commands: Commands<'a>,
    names: Names,
    /// The newest position when the walk began, when it could be read.
    head: Option<Position>,
    /// Nothing behind this position is looked at.
    bound: u64,
    /// The position of the row before the one at hand, 0 before the first.
    last: u64,
    /// The highest position that was read.
    furthest: u64,
    /// The revision that the next event of each stream must have.
    next: HashMap<i64, u64>,
    recorded: i64,
    digest: LogDigest,
    /// Over the events of each stream.
    streams: HashMap<i64, LogDigest>,
    events: u64,
    /// Some event could not be read, so what is counted from the events is too low.
    incomplete: bool,
}

/// How a statement ended.
enum Chunk {
    /// It read as many rows as it may.
    Full,
    /// There was no further row.
    End,
    /// The rows behind [`Walk::last`] cannot be read.
    Broken(rusqlite::Error),
}

impl<'a> Walk<'a> {
    pub(super) fn new(conn: &'a Connection, decode: &'a Decode<'a>, findings: Findings) -> Self {
        Self {
            conn,
            decode,
            findings,
            commands: Commands::new(conn),
            names: Names::new(),
            head: None,
            bound: 0,
            last: 0,
            furthest: 0,
            next: HashMap::new(),
            recorded: i64::MIN,
            digest: LogDigest::new(),
            streams: HashMap::new(),
            events: 0,
            incomplete: false,
        }
    }

    pub(super) fn run(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<(), VerifyError> {
        self.bound = match newest_position(self.conn) {
            Ok(head) => {
                self.head = head;
                head.map_or(0, Position::get)
            }
            Err(error) => {
                self.findings.of_file(format!("the newest position cannot be read: {}", damage(error)?));
                1 << SEEK_BITS
            }
        };
        // Where the next statement begins; it grows with every turn, whatever positions a damaged page shows.
        let mut from = 0;
        progress(0, self.bound);
        while from < self.bound {
            let ended = self.chunk(from);
            let sane = self.last > from && self.last <= self.bound;
            let reached = if sane { self.last } else { self.furthest.clamp(from, self.bound) };
            progress(reached, self.bound);
            let why = match ended {
                Chunk::Full if reached > from => {
                    from = reached;
                    continue;
                }
                Chunk::End if reached == self.bound => break,
                Chunk::Full | Chunk::End => "the pages before them do not lead there".to_owned(),
                Chunk::Broken(error) => damage(error)?.to_string(),
            };
            match self.resume(from, reached, &why) {
                Some(next) => from = next,
                None => break,
            }
        }
        Ok(())
    }

    /// Finds where reading works again behind `reached`, and says what lies between. The answer is more than `from`.
    fn resume(&mut self, from: u64, reached: u64, why: &str) -> Option<u64> {
        self.incomplete = true;
        let Some(next) = self.next_readable(reached) else {
            self.findings.at(reached, format!("nothing behind this position can be read: {why}"));
            return None;
        };
        let resume = next.saturating_sub(1).max(from.saturating_add(1));
        let what = format!("the events behind this position, up to {resume}, cannot be read: {why}");
        self.findings.at(reached, what);
        self.next.values_mut().for_each(|next| *next = UNKNOWN);
        self.last = resume;
        Some(resume)
    }

    /// Checks the rows behind `from`.
    fn chunk(&mut self, from: u64) -> Chunk {
        let conn = self.conn;
        let mut statement = match conn.prepare_cached(READ) {
            Ok(statement) => statement,
            Err(error) => return Chunk::Broken(error),
        };
        let mut rows = match statement.query((signed(from), signed(self.bound), CHUNK_EVENTS)) {
            Ok(rows) => rows,
            Err(error) => return Chunk::Broken(error),
        };
        for _ in 0..CHUNK_EVENTS {
            match rows.next() {
                Ok(Some(row)) => self.check_row(row),
                Ok(None) => return Chunk::End,
                Err(error) => return Chunk::Broken(error),
            }
        }
        Chunk::Full
    }

    fn check_row(&mut self, row: &Row<'_>) {
        self.events = self.events.saturating_add(1);
        let position = row::position(row).unwrap_or(self.last);
        self.check_position(position);
        self.last = position;
        self.furthest = self.furthest.max(position);
        let event = match row::event(row, self.conn, &mut self.names) {
            Ok(event) => event,
            Err(error) => return self.skip(row, position, &error),
        };
        let digest = event_digest(&event);
        self.digest.push(&digest);
        if row.get::<_, [u8; DIGEST_BYTES]>(10).ok() != Some(digest) {
            self.findings.of_event(&event, "its bytes do not match its digest");
        }
        // `row::event` has read this column, so it is a number.
        let stream: i64 = row.get(1).unwrap_or_default();
        self.streams.entry(stream).or_default().push(&digest);
        self.check_order(&event, stream);
        self.check_content(&event, stream);
    }

    /// Reports an event that cannot be read, and takes its place in its stream from what is left of it.
    fn skip(&mut self, row: &Row<'_>, position: u64, error: &ReadError) {
        self.incomplete = true;
        match error {
            ReadError::Damaged { what, .. } => self.findings.at(position, *what),
            ReadError::Store(_) | ReadError::Closed | ReadError::Fault(_) => {
                self.findings.at(position, error.to_string());
            }
        }
        if let (Ok(stream), Ok(revision)) = (row.get::<_, i64>(1), unsigned(row, 2)) {
            self.next.insert(stream, revision.saturating_add(1));
        }
    }

    fn check_position(&mut self, position: u64) {
        let expected = self.last.saturating_add(1);
        if position > expected {
            self.findings.at(position, format!("the events from {expected} to {} are missing", position - 1));
        } else if position < expected {
            self.findings.at(position, format!("it stands behind position {}", self.last));
        }
    }

    fn check_order(&mut self, event: &RecordedEvent, stream: i64) {
        let revision = event.revision.get();
        let expected = self.next.insert(stream, revision.saturating_add(1));
        match expected {
            Some(expected) if expected != revision && expected != UNKNOWN => {
                self.findings.of_event(event, format!("its revision should be {expected}"));
            }
            // The events before it may be among those that could not be read.
            None if revision != 0 && !self.incomplete => {
                self.findings.of_event(event, "its stream begins with it, so its revision should be 0");
            }
            Some(_) | None => {}
        }
        let recorded = event.recorded_at.timestamp_micros();
        if recorded < self.recorded {
            self.findings.of_event(event, "it was recorded before the event ahead of it");
        }
        self.recorded = self.recorded.max(recorded);
    }

    fn check_content(&mut self, event: &RecordedEvent, stream: i64) {
        if let Err(error) = serde_json::from_str::<IgnoredAny>(&event.payload) {
            self.findings.of_event(event, format!("its payload is not JSON: {error}"));
        } else if let Err(what) = (self.decode)(event) {
            self.findings.of_event(event, format!("it cannot be decoded: {what}"));
        }
        match event.meta() {
            Ok(Metadata { command, .. }) => match self.commands.check(command, event, stream) {
                Ok(None) => {}
                Ok(Some(what)) => self.findings.of_event(event, what),
                Err(error) => self.findings.of_event(event, format!("its command cannot be read: {error}")),
            },
            Err(error) => {
                self.incomplete = true;
                self.findings.of_event(event, format!("its metadata cannot be read: {error}"));
            }
        }
    }

    /// The first position behind `after` at which reading works again.
    ///
    /// Doubles the distance until a seek works, then halves it to lose no readable event in between.
    fn next_readable(&self, after: u64) -> Option<u64> {
        if after >= self.bound {
            return None;
        }
        let mut broken = after;
        for bit in 0..=SEEK_BITS {
            let mut works = after.saturating_add(1_u64 << bit).min(self.bound);
            if let Some(mut found) = self.seek(works) {
                while works - broken > 1 {
                    let middle = broken + (works - broken) / 2;
                    match self.seek(middle) {
                        Some(earlier) => (works, found) = (middle, earlier),
                        None => broken = middle,
                    }
                }
                return Some(found);
            }
            if works == self.bound {
                break;
            }
            broken = works;
        }
        None
    }

    /// The first event at or behind `from`, when the way to it and all of its row can be read.
    fn seek(&self, from: u64) -> Option<u64> {
        let found = self
            .conn
            .prepare_cached(
                "SELECT position, length(digest), length(metadata), length(payload) FROM event \
                 WHERE position >= ?1 AND position <= ?2 ORDER BY position LIMIT 1",
            )
            .and_then(|mut seek| seek.query_row((signed(from), signed(self.bound)), |row| unsigned(row, 0)).optional());
        found.ok().flatten().filter(|found| *found >= from)
    }

    /// There must be as many commands as there are first events of commands.
    pub(super) fn check_command_count(&mut self) {
        match self.commands.count(self.bound) {
            Ok(count) if count == self.commands.seen() || self.incomplete => {}
            Ok(count) => self.findings.of_file(format!(
                "the list of commands has {count} commands, the events have {}",
                self.commands.seen()
            )),
            Err(error) => self.findings.of_file(format!("the list of commands cannot be read: {error}")),
        }
    }

    /// The digest of what the log holds, whatever its order; `None` when some of that could not be read.
    fn content_digest(&self) -> Option<[u8; DIGEST_BYTES]> {
        if self.incomplete {
            return None;
        }
        let mut statement = self.conn.prepare("SELECT key, name FROM stream ORDER BY name").ok()?;
        let mut rows = statement.query([]).ok()?;
        let (mut digest, mut taken) = (ContentDigest::new(), 0);
        while let Some(row) = rows.next().ok()? {
            let (key, name): (i64, String) = (row.get(0).ok()?, row.get(1).ok()?);
            // One that was begun since has no events here.
            if let Some(events) = self.streams.get(&key) {
                digest.push(&name, events);
                taken += 1;
            }
        }
        (taken == self.streams.len()).then(|| digest.value())
    }

    pub(super) fn into_report(self) -> Draft {
        let report = VerifyReport {
            events: self.events,
            streams: u64::try_from(self.next.len()).unwrap_or(u64::MAX),
            head: self.head,
            log_digest: self.digest.value(),
            content_digest: self.content_digest(),
            findings: Vec::new(),
            findings_total: 0,
        };
        Draft { report, findings: self.findings }
    }
}

/// Whether an error is damage, which is a finding, or another failure, which ends the check.
fn damage(error: rusqlite::Error) -> Result<rusqlite::Error, VerifyError> {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::OutOfMemory | ErrorCode::OperationInterrupted) => {
            Err(VerifyError::Store(error))
        }
        Some(_) | None => Ok(error),
    }
}
