//! A log in memory, the index over it, and events of deliveries.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::envelope::{NewEvent, Position, RecordedEvent, Revision};
use domain::id::{CommandId, StreamId, UnitId};
use domain::wire::Stored;
use event_log::digest::command_digest;
use event_log::memory::MemoryLog;
use event_log::port::{Append, CommandRef, EventLog, Expected, Page, ReadError};
use event_log::source::{LogSource, StreamSource};
use rusqlite::{Connection, Row};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::delivery::event::{Alarmed, Dead, Delivered, Failed, Leased, Redriven};
use crate::delivery::{DeliveredBy, DeliveryEvent, FailureCode, SignedReceiptStored};
use crate::index::{IndexOptions, ReferralFilter, ReferralIndex, ReferralRow};
use crate::partner::PartnerId;
use crate::referral::ReferralId;
use crate::trust::KeyId;

pub(super) const GUANGDONG: &str = "gd-consumer-council";
pub(super) const HONG_KONG: &str = "hk-consumer-council";
pub(super) const MACAO: &str = "mo-consumer-council";

pub(super) fn partner(id: &str) -> PartnerId {
    PartnerId::parse(id).unwrap()
}

pub(super) fn unit(id: &str) -> UnitId {
    UnitId::parse(id).unwrap()
}

pub(super) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// Minutes after the beginning of every history here.
pub(super) fn minute(after: i64) -> DateTime<Utc> {
    "2026-05-20T01:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(after)
}

/// The log, with the clock that stamps it.
pub(super) struct Log {
    pub(super) log: Arc<MemoryLog>,
    runtime: Runtime,
    minute: Arc<AtomicI64>,
    lengths: HashMap<StreamId, u64>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.log.fmt(f)
    }
}

impl Log {
    pub(super) fn new() -> Self {
        let clock = Arc::new(AtomicI64::new(0));
        let stamp = Arc::clone(&clock);
        Self {
            log: Arc::new(MemoryLog::new(Arc::new(move || minute(stamp.load(Ordering::Relaxed))))),
            runtime: runtime(),
            minute: clock,
            lengths: HashMap::new(),
        }
    }

    /// What is appended from now on happens at this minute.
    pub(super) fn at(&self, after: i64) {
        self.minute.store(after, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        minute(self.minute.load(Ordering::Relaxed))
    }

    /// Appends events of any kind in one append; gives the position of the last.
    pub(super) fn append<E: Stored>(&mut self, stream: &StreamId, events: impl IntoIterator<Item = E>) -> Position {
        let encoded = events.into_iter().map(|event| {
            let (kind, schema) = event.kind();
            (kind, schema, event.encode().unwrap())
        });
        self.append_raw(stream, encoded)
    }

    /// Appends payloads as they are.
    pub(super) fn append_raw(
        &mut self,
        stream: &StreamId,
        events: impl IntoIterator<Item = (&'static str, u16, String)>,
    ) -> Position {
        let length = self.lengths.entry(stream.clone()).or_default();
        let expected = length.checked_sub(1).map_or(Expected::NoStream, |last| Expected::At(Revision::new(last)));
        let id = CommandId::derived(&[stream.as_str(), &length.to_string()]);
        let at = minute(self.minute.load(Ordering::Relaxed));
        let events: Vec<NewEvent> = events
            .into_iter()
            .enumerate()
            .map(|(index, (kind, schema, payload))| NewEvent {
                id: id.event(stream, index),
                kind,
                schema,
                occurred_at: at,
                metadata: "{}".into(),
                payload: payload.into(),
            })
            .collect();
        *length += u64::try_from(events.len()).unwrap();
        let command = CommandRef { id, digest: command_digest(b"") };
        let batch = Append { stream: stream.clone(), expected, command, events };
        self.runtime.block_on(self.log.append(batch)).unwrap().last_position
    }

    /// Everything that is in it.
    pub(super) fn events(&self) -> Vec<RecordedEvent> {
        self.runtime.block_on(self.log.read_all(None, u32::MAX)).unwrap().events
    }

    /// Waits for something asynchronous.
    pub(super) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// The log as an index reads it.
    pub(super) fn source(&self) -> Source {
        Source { log: Arc::clone(&self.log), runtime: runtime() }
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

/// Reads the log in memory from a plain thread.
#[derive(Debug)]
pub(super) struct Source {
    log: Arc<MemoryLog>,
    runtime: Runtime,
}

impl StreamSource for Source {
    fn read_stream(
        &mut self,
        stream: &StreamId,
        after: Option<Revision>,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        self.runtime.block_on(self.log.read_stream(stream, after, limit))
    }
}

impl LogSource for Source {
    fn page(&mut self, after: Option<Position>, limit: u32) -> Result<Page, ReadError> {
        self.runtime.block_on(self.log.read_all(after, limit))
    }

    fn head(&mut self) -> Result<Option<Position>, ReadError> {
        self.runtime.block_on(self.log.head())
    }
}

/// An index in a folder that goes with it.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) folder: TempDir,
    pub(super) index: ReferralIndex,
}

pub(super) fn fresh() -> Fresh {
    let folder = tempfile::tempdir().unwrap();
    let index = open(&folder);
    Fresh { folder, index }
}

pub(super) fn open(folder: &TempDir) -> ReferralIndex {
    ReferralIndex::open(IndexOptions { readers: 1, ..IndexOptions::new(folder.path().join("index.sqlite")) }).unwrap()
}

/// An index that has taken in the whole log.
pub(super) fn caught_up(log: &Log) -> Fresh {
    let fresh = fresh();
    fresh.index.catch_up(&mut log.source()).unwrap();
    fresh
}

/// The row of a referral, if it shows.
pub(super) fn row_of(index: &ReferralIndex, id: ReferralId) -> Option<ReferralRow> {
    let rows = index.referrals(&ReferralFilter::default(), None, u32::MAX).unwrap();
    rows.into_iter().find(|row| row.id == id)
}

/// Every row of every table, as text.
pub(super) fn dump(fresh: &Fresh) -> Vec<String> {
    let conn = Connection::open(fresh.folder.path().join("index.sqlite")).unwrap();
    let texts = |sql: &str| -> Vec<String> {
        let mut statement = conn.prepare(sql).unwrap();
        let columns = statement.column_count();
        let text = |row: &Row<'_>| -> String {
            (0..columns).map(|column| format!("{:?} ", row.get_ref(column).unwrap())).collect()
        };
        statement.query_map([], |row| Ok(text(row))).unwrap().map(Result::unwrap).collect()
    };
    let mut statement = conn.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
    let tables: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    tables
        .iter()
        .flat_map(|table| {
            let rows = texts(&format!("SELECT * FROM {table} ORDER BY 1, 2"));
            rows.into_iter().map(move |row| format!("{table}: {row}"))
        })
        .collect()
}

pub(super) fn leased(attempt: u32, until: i64) -> DeliveryEvent {
    DeliveryEvent::Leased(Leased { holder: "node-1".to_owned(), until: minute(until), attempt })
}

pub(super) fn failed(attempt: u32, retry_at: i64) -> DeliveryEvent {
    DeliveryEvent::Failed(Failed {
        attempt,
        code: FailureCode::ServerError,
        status: Some(503),
        detail: Some("again".to_owned()),
        retry_at: Some(minute(retry_at)),
    })
}

pub(super) fn delivered(by: DeliveredBy) -> DeliveryEvent {
    let receipt =
        SignedReceiptStored { text: "{}".to_owned(), jws: "a..b".to_owned(), key: KeyId::parse("any:2").unwrap() };
    DeliveryEvent::Delivered(Box::new(Delivered { receipt, by }))
}

pub(super) fn dead(attempts: u32) -> DeliveryEvent {
    DeliveryEvent::Dead(Dead { attempts, code: FailureCode::Endless })
}

/// Given up because its text is gone.
pub(super) fn erased() -> DeliveryEvent {
    DeliveryEvent::Dead(Dead { attempts: 1, code: FailureCode::Erased })
}

pub(super) fn redriven() -> DeliveryEvent {
    DeliveryEvent::Redriven(Redriven {})
}

pub(super) fn alarmed(nth: u32) -> DeliveryEvent {
    DeliveryEvent::Alarmed(Alarmed { nth })
}
