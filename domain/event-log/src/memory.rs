//! The reference model: a log in memory, as simple as it can be, which says what every other store must do.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::envelope::{CommandDigest, PAYLOAD_BYTES_MAX, Position, RecordedEvent, Revision};
use domain::id::{CommandId, StreamId};
use tokio::sync::watch;

use crate::port::{
    APPEND_BYTES_MAX, APPEND_EVENTS_MAX, Append, AppendError, Appended, EventLog, Expected, Page, READ_EVENTS_MAX,
    ReadError, append_bytes,
};

/// The clock that a store stamps `recorded_at` with. It is asked once for every append that is accepted.
pub type Stamp = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// Refuses what no store takes, whatever it holds: no events, too many of them, a payload or a whole that is too large.
pub(crate) fn check_limits(batch: &Append) -> Result<(), AppendError> {
    let events = batch.events.len();
    if events == 0 || events > APPEND_EVENTS_MAX {
        return Err(AppendError::BatchSize { events });
    }
    for (index, event) in batch.events.iter().enumerate() {
        let bytes = event.payload.len();
        if bytes > PAYLOAD_BYTES_MAX {
            return Err(AppendError::PayloadTooLarge { index, bytes, max: PAYLOAD_BYTES_MAX });
        }
    }
    let bytes = append_bytes(&batch.events);
    if bytes > APPEND_BYTES_MAX {
        return Err(AppendError::TooLarge { bytes, max: APPEND_BYTES_MAX });
    }
    Ok(())
}

/// The moment without what lies below the microsecond, as every store keeps it.
#[must_use]
pub fn whole_micros(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at)
}

/// A log in memory: durable for as long as the process lives.
pub struct MemoryLog {
    kept: Mutex<Kept>,
    head: watch::Sender<Option<Position>>,
    stamp: Stamp,
}

#[derive(Debug, Default)]
struct Kept {
    events: Vec<RecordedEvent>,
    /// The indexes into `events`, by stream, in the order of the revisions.
    streams: HashMap<StreamId, Vec<usize>>,
    commands: HashMap<CommandId, (CommandDigest, Appended)>,
}

impl MemoryLog {
    /// An empty log that stamps with `stamp`.
    #[must_use]
    pub fn new(stamp: Stamp) -> Self {
        Self { kept: Mutex::default(), head: watch::Sender::new(None), stamp }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLog").field("events", &self.kept().events.len()).finish_non_exhaustive()
    }
}

impl Kept {
    fn append(&mut self, batch: Append, stamp: &Stamp) -> Result<Appended, AppendError> {
        check_limits(&batch)?;
        if let Some((digest, first)) = self.commands.get(&batch.command.id) {
            if *digest == batch.command.digest {
                return Ok(Appended { repeated: true, ..first.clone() });
            }
            return Err(AppendError::CommandReused { command: batch.command.id, stream: first.stream.clone() });
        }
        let length = self.streams.get(&batch.stream).map_or(0, Vec::len);
        let actual = length.checked_sub(1).map(|newest| Revision::new(number(newest)));
        let agrees = match batch.expected {
            Expected::NoStream => actual.is_none(),
            Expected::At(revision) => actual == Some(revision),
        };
        if !agrees {
            return Err(AppendError::Conflict { stream: batch.stream, expected: batch.expected, actual });
        }
        let now = whole_micros(stamp());
        let recorded_at = self.events.last().map_or(now, |newest| newest.recorded_at.max(now));
        Ok(self.record(batch, length, recorded_at))
    }

    fn record(&mut self, batch: Append, length: usize, recorded_at: DateTime<Utc>) -> Appended {
        let places = self.streams.entry(batch.stream.clone()).or_default();
        let count = batch.events.len();
        for event in batch.events {
            let revision = Revision::new(number(places.len()));
            places.push(self.events.len());
            self.events.push(RecordedEvent {
                position: Position::new(number(self.events.len()) + 1),
                stream: batch.stream.clone(),
                revision,
                id: event.id,
                kind: event.kind.into(),
                schema: event.schema,
                occurred_at: whole_micros(event.occurred_at),
                recorded_at,
                metadata: Box::from(&*event.metadata),
                payload: event.payload,
            });
        }
        let appended = Appended {
            stream: batch.stream,
            first_revision: Revision::new(number(length)),
            last_revision: Revision::new(number(length + count - 1)),
            last_position: Position::new(number(self.events.len())),
            repeated: false,
        };
        self.commands.insert(batch.command.id, (batch.command.digest, appended.clone()));
        appended
    }
}

#[async_trait]
impl EventLog for MemoryLog {
    async fn append(&self, batch: Append) -> Result<Appended, AppendError> {
        let mut kept = self.kept();
        let appended = kept.append(batch, &self.stamp)?;
        if !appended.repeated {
            self.head.send_replace(Some(appended.last_position));
        }
        Ok(appended)
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        after: Option<Revision>,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        let kept = self.kept();
        let places = kept.streams.get(stream).map(Vec::as_slice).unwrap_or_default();
        Ok(places
            .iter()
            .filter_map(|place| kept.events.get(*place))
            .filter(|event| after.is_none_or(|after| event.revision > after))
            .take(most(limit))
            .cloned()
            .collect())
    }

    async fn read_all(&self, after: Option<Position>, limit: u32) -> Result<Page, ReadError> {
        let kept = self.kept();
        let start = kept.events.partition_point(|event| after.is_some_and(|after| event.position <= after));
        let rest = kept.events.get(start..).unwrap_or_default();
        let events: Vec<_> = rest.iter().take(most(limit)).cloned().collect();
        let at_end = events.len() == rest.len();
        Ok(Page { events, at_end })
    }

    async fn find_command(&self, command: CommandId) -> Result<Option<(CommandDigest, Appended)>, ReadError> {
        let kept = self.kept();
        Ok(kept
            .commands
            .get(&command)
            .map(|(digest, appended)| (*digest, Appended { repeated: true, ..appended.clone() })))
    }

    async fn head(&self) -> Result<Option<Position>, ReadError> {
        Ok(self.kept().events.last().map(|newest| newest.position))
    }

    fn appended(&self) -> watch::Receiver<Option<Position>> {
        self.head.subscribe()
    }
}

fn number(index: usize) -> u64 {
    u64::try_from(index).unwrap_or(u64::MAX)
}

/// A page's size: what was asked for, at most [`READ_EVENTS_MAX`].
fn most(limit: u32) -> usize {
    usize::try_from(limit.min(READ_EVENTS_MAX)).unwrap_or(usize::MAX)
}
