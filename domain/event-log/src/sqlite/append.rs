//! One append within the writer's transaction: everything is checked before anything is written, so a refused append
//! has touched nothing and needs no savepoint.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::envelope::{Canonical, Position, Revision};
use domain::id::StreamId;
use rusqlite::{Connection, OptionalExtension, Statement};
use thiserror::Error;

use crate::digest::canonical_digest;
use crate::memory::{Stamp, check_limits};
use crate::port::{Append, AppendError, Appended, Expected};
use crate::sqlite::cache::Generations;
use crate::sqlite::row::{self, FIND_COMMAND, signed};

/// Streams whose heads the writer remembers, in each of two generations: about 15 MB at most.
const STREAM_HEADS_MAX: usize = 65_536;

/// What one append is answered with.
pub(super) type Answer = Result<Appended, AppendError>;

/// One append in the queue.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) append: Append,
    /// The moment that a copied event was recorded at first; `None` stamps it now.
    pub(super) recorded_at: Option<DateTime<Utc>>,
}

/// A copy must keep its moments, and they must not run backwards.
#[derive(Debug, Error)]
#[error("the copied append was recorded before the newest event of this log; copy into an empty log, in log order")]
struct RecordedBackwards;

/// The writer's statements, prepared once.
pub(super) struct Statements<'c> {
    pub(super) begin: Statement<'c>,
    pub(super) commit: Statement<'c>,
    pub(super) rollback: Statement<'c>,
    find_command: Statement<'c>,
    find_stream: Statement<'c>,
    stream_head: Statement<'c>,
    add_stream: Statement<'c>,
    add_kind: Statement<'c>,
    add_event: Statement<'c>,
    add_command: Statement<'c>,
}

impl<'c> Statements<'c> {
    pub(super) fn prepare(conn: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            begin: conn.prepare("BEGIN IMMEDIATE")?,
            commit: conn.prepare("COMMIT")?,
            rollback: conn.prepare("ROLLBACK")?,
            find_command: conn.prepare(FIND_COMMAND)?,
            find_stream: conn.prepare("SELECT key FROM stream WHERE name = ?1")?,
            stream_head: conn.prepare("SELECT revision FROM event WHERE stream = ?1 ORDER BY revision DESC LIMIT 1")?,
            add_stream: conn.prepare("INSERT INTO stream (name) VALUES (?1)")?,
            add_kind: conn.prepare("INSERT INTO kind (name) VALUES (?1)")?,
            add_event: conn.prepare(
                "INSERT INTO event (position, stream, revision, id, kind, schema, occurred_at, recorded_at, digest, \
                 metadata, payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?,
            add_command: conn.prepare(
                "INSERT INTO command (id, digest, stream, first_revision, count, last_position) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?,
        })
    }
}

/// Where a stream stands.
#[derive(Debug, Clone, Copy)]
struct Head {
    key: i64,
    /// The revision that its next event gets, which is how many events it has.
    next: u64,
}

/// What the writer knows of the tables, rows of the open transaction included. Dropped when a transaction is lost.
#[derive(Debug)]
pub(super) struct State {
    streams: Generations<StreamId, Head>,
    kinds: HashMap<Box<str>, i64>,
    last_position: u64,
    /// Microseconds since 1970 of the newest event; the next is not stamped earlier.
    last_recorded: i64,
}

impl State {
    pub(super) fn load(conn: &Connection) -> rusqlite::Result<Self> {
        let newest: Option<(u64, i64)> = conn
            .prepare_cached("SELECT position, recorded_at FROM event ORDER BY position DESC LIMIT 1")?
            .query_row([], |row| Ok((row::unsigned(row, 0)?, row.get(1)?)))
            .optional()?;
        let (last_position, last_recorded) = newest.unwrap_or((0, i64::MIN));
        let kinds = conn
            .prepare_cached("SELECT name, key FROM kind")?
            .query_map([], |row| Ok((row.get::<_, Box<str>>(0)?, row.get::<_, i64>(1)?)))?
            .collect::<rusqlite::Result<HashMap<Box<str>, i64>>>()?;
        Ok(Self { streams: Generations::new(STREAM_HEADS_MAX), kinds, last_position, last_recorded })
    }

    /// The newest position, `None` while the log is empty.
    pub(super) fn head(&self) -> Option<Position> {
        (self.last_position > 0).then(|| Position::new(self.last_position))
    }
}

/// The open transaction.
pub(super) struct Batch<'a, 'c> {
    pub(super) sql: &'a mut Statements<'c>,
    pub(super) state: &'a mut State,
    pub(super) stamp: &'a Stamp,
}

impl Batch<'_, '_> {
    /// Carries out one append, or says why not. An outer error loses the whole transaction.
    ///
    /// The checks come in a fixed order, the same in every store: the limits, then the command, then the stream.
    pub(super) fn append(&mut self, entry: &Entry) -> rusqlite::Result<Answer> {
        let append = &entry.append;
        if let Err(refused) = check_limits(append) {
            return Ok(Err(refused));
        }
        let id = append.command.id;
        let before = self.sql.find_command.query_row([id.as_uuid().as_bytes().as_slice()], row::command).optional()?;
        if let Some((digest, first)) = before {
            if digest == append.command.digest {
                return Ok(Ok(first));
            }
            return Ok(Err(AppendError::CommandReused { command: id, stream: first.stream }));
        }
        let head = self.head(&append.stream)?;
        let actual = head.and_then(|head| head.next.checked_sub(1)).map(Revision::new);
        let agrees = match append.expected {
            Expected::NoStream => actual.is_none(),
            Expected::At(revision) => actual == Some(revision),
        };
        if !agrees {
            let stream = append.stream.clone();
            return Ok(Err(AppendError::Conflict { stream, expected: append.expected, actual }));
        }
        let Some(recorded) = self.recorded(entry.recorded_at) else {
            return Ok(Err(AppendError::Store(Arc::new(RecordedBackwards))));
        };
        let head = match head {
            Some(head) => head,
            None => Head { key: self.sql.add_stream.insert([append.stream.as_str()])?, next: 0 },
        };
        self.record(append, head, recorded).map(Ok)
    }

    fn head(&mut self, stream: &StreamId) -> rusqlite::Result<Option<Head>> {
        if let Some(head) = self.state.streams.get(stream) {
            return Ok(Some(*head));
        }
        let key: Option<i64> = self.sql.find_stream.query_row([stream.as_str()], |row| row.get(0)).optional()?;
        let Some(key) = key else { return Ok(None) };
        let newest = self.sql.stream_head.query_row([key], |row| row::unsigned(row, 0)).optional()?;
        let head = Head { key, next: newest.map_or(0, |newest| newest.saturating_add(1)) };
        self.state.streams.insert(stream.clone(), head);
        Ok(Some(head))
    }

    /// The moment to write down, in microseconds: now, or when the newest event was if the clock went back since; for a
    /// copy its own moment, `None` when that is earlier than the newest event.
    fn recorded(&self, copied: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        let last = self.state.last_recorded;
        let micros = match copied {
            None => (self.stamp)().timestamp_micros().max(last),
            Some(at) if at.timestamp_micros() >= last => at.timestamp_micros(),
            Some(_) => return None,
        };
        DateTime::from_timestamp_micros(micros)
    }

    fn record(&mut self, append: &Append, head: Head, recorded_at: DateTime<Utc>) -> rusqlite::Result<Appended> {
        let recorded = recorded_at.timestamp_micros();
        let mut position = self.state.last_position;
        let mut next = head.next;
        for event in &append.events {
            let kind = self.kind(event.kind)?;
            let digest = canonical_digest(&Canonical {
                stream: append.stream.as_str(),
                revision: Revision::new(next),
                id: event.id,
                kind: event.kind,
                schema: event.schema,
                occurred_at: event.occurred_at,
                recorded_at,
                metadata: &event.metadata,
                payload: &event.payload,
            });
            position += 1;
            self.sql.add_event.execute((
                signed(position),
                head.key,
                signed(next),
                event.id.as_uuid().as_bytes().as_slice(),
                kind,
                event.schema,
                event.occurred_at.timestamp_micros(),
                recorded,
                digest.as_slice(),
                &*event.metadata,
                &*event.payload,
            ))?;
            next += 1;
        }
        let command = append.command;
        self.sql.add_command.execute((
            command.id.as_uuid().as_bytes().as_slice(),
            command.digest.0.as_slice(),
            head.key,
            signed(head.next),
            signed(next - head.next),
            signed(position),
        ))?;
        self.state.last_position = position;
        self.state.last_recorded = recorded;
        self.state.streams.insert(append.stream.clone(), Head { key: head.key, next });
        Ok(Appended {
            stream: append.stream.clone(),
            first_revision: Revision::new(head.next),
            last_revision: Revision::new(next.saturating_sub(1)),
            last_position: Position::new(position),
            repeated: false,
        })
    }

    fn kind(&mut self, name: &str) -> rusqlite::Result<i64> {
        if let Some(key) = self.state.kinds.get(name) {
            return Ok(*key);
        }
        let key = self.sql.add_kind.insert([name])?;
        self.state.kinds.insert(name.into(), key);
        Ok(key)
    }
}
