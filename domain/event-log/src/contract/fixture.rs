//! Test data: events and appends that are valid, and different for every clause.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};
use domain::envelope::{Metadata, NewEvent, Position, RecordedEvent};
use domain::id::{CommandId, StreamId, UnitId};

use crate::digest::command_digest;
use crate::memory::Stamp;
use crate::port::{Append, CommandRef, EventLog, Expected};

/// A moment with every digit down to the microsecond: 2026-04-24 in microseconds since 1970.
pub const SOME_MICROS: i64 = 1_777_000_000_123_456;
/// The kind of every test event.
pub const KIND: &str = "contract.happened";
/// Events that reading helpers ask for at a time.
const PAGE: u32 = 1_000;

/// A clock that goes on by one second whenever it is asked.
#[must_use]
pub fn ticking_stamp() -> Stamp {
    let micros = AtomicI64::new(SOME_MICROS);
    Arc::new(move || moment(micros.fetch_add(1_000_000, Ordering::Relaxed)))
}

/// The moment that is so many microseconds behind 1970.
#[must_use]
pub fn moment(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap()
}

/// The streams and commands of one clause.
#[derive(Debug, Clone)]
pub struct Scene {
    name: String,
    /// The newest position before the clause began.
    pub before: Option<Position>,
}

impl Scene {
    /// A scene on `log` that no other has the names of, even if the log was used by an earlier run.
    pub async fn new(log: &dyn EventLog, name: &str) -> Self {
        let before = log.head().await.unwrap();
        Self { name: format!("{name}@{}", before.map_or(0, Position::get)), before }
    }

    /// One of the scene's streams.
    #[must_use]
    pub fn stream(&self, which: &str) -> StreamId {
        let id = CommandId::derived(&["stream", &self.name, which]);
        StreamId::parse(&format!("contract-{}", id.as_uuid().simple())).unwrap()
    }

    /// One of the scene's commands, whose body is its name.
    #[must_use]
    pub fn command(&self, which: &str) -> CommandRef {
        CommandRef { id: CommandId::derived(&["command", &self.name, which]), digest: command_digest(which.as_bytes()) }
    }

    /// An append of one event for each payload, by the command `which`.
    #[must_use]
    pub fn append(&self, stream: &str, expected: Expected, which: &str, payloads: &[&str]) -> Append {
        let (stream, command) = (self.stream(stream), self.command(which));
        let metadata = metadata(command.id);
        let events = payloads
            .iter()
            .enumerate()
            .map(|(index, payload)| NewEvent {
                id: command.id.event(&stream, index),
                kind: KIND,
                schema: 1,
                occurred_at: moment(SOME_MICROS),
                metadata: Arc::clone(&metadata),
                payload: Box::from(*payload),
            })
            .collect();
        Append { stream, expected, command, events }
    }

    /// The scene's events among all of the log, in log order.
    pub async fn events(&self, log: &dyn EventLog, streams: &[&str]) -> Vec<RecordedEvent> {
        let streams: Vec<_> = streams.iter().map(|which| self.stream(which)).collect();
        let mut events = read_behind(log, self.before, PAGE).await;
        events.retain(|event| streams.contains(&event.stream));
        events
    }
}

/// Metadata as a command of a clerk has it.
#[must_use]
pub fn metadata(command: CommandId) -> Arc<str> {
    let metadata = Metadata {
        actor: "clerk-1".into(),
        unit: UnitId::parse("gz-tianhe").unwrap(),
        on_behalf_of: None,
        command,
        causation: None,
        correlation: None,
        traceparent: None,
    };
    serde_json::to_string(&metadata).unwrap().into()
}

/// Everything behind `after`, read in pages of the given size.
pub async fn read_behind(log: &dyn EventLog, after: Option<Position>, page_size: u32) -> Vec<RecordedEvent> {
    let mut events: Vec<RecordedEvent> = Vec::new();
    loop {
        let behind = events.last().map(|event| event.position).or(after);
        let page = log.read_all(behind, page_size).await.unwrap();
        assert!(page.events.len() <= usize::try_from(page_size).unwrap(), "a page holds what was asked for at most");
        assert!(page.at_end || !page.events.is_empty(), "a page that is not the last one moves on");
        let at_end = page.at_end;
        events.extend(page.events);
        if at_end {
            return events;
        }
    }
}
