//! The log's port: what every store promises, and what no caller may ask.

use std::sync::Arc;

use async_trait::async_trait;
use domain::envelope::{CommandDigest, NewEvent, Position, RecordedEvent, Revision};
use domain::id::{CommandId, StreamId};
use thiserror::Error;
use tokio::sync::watch;

pub use crate::fault::LogFault;

/// Most events in one append.
pub const APPEND_EVENTS_MAX: usize = 2_048;
/// Most bytes in one append, as [`append_bytes`] counts them, in every engine: a log must be able to move to another.
///
/// EventStoreDB before 25.1 takes 1 MiB in one append; the rest is room for what it counts beside this.
pub const APPEND_BYTES_MAX: usize = 1_000_000;
/// What one event costs beside its texts: its id, its times and its digests, written out.
pub const EVENT_FRAME_BYTES: usize = 352;
/// Most events in one answer of a read.
pub const READ_EVENTS_MAX: u32 = 65_536;

/// What the writer has read of the stream. There is no "any".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The stream must not exist yet.
    NoStream,
    /// The stream's newest event must be this one.
    At(Revision),
}

/// The command behind an append. A store remembers it for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandRef {
    pub id: CommandId,
    pub digest: CommandDigest,
}

/// One append: all of its events or none, on one stream.
#[derive(Debug, Clone)]
pub struct Append {
    pub stream: StreamId,
    pub expected: Expected,
    pub command: CommandRef,
    /// 1 to [`APPEND_EVENTS_MAX`] events.
    pub events: Vec<NewEvent>,
}

/// Where the events of a command stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    pub stream: StreamId,
    pub first_revision: Revision,
    pub last_revision: Revision,
    pub last_position: Position,
    /// The command had been carried out before; nothing was appended now.
    pub repeated: bool,
}

/// The size of the events as [`APPEND_BYTES_MAX`] counts it: payloads, metadata and kinds, and a frame for each event.
#[must_use]
pub fn append_bytes(events: &[NewEvent]) -> usize {
    events.iter().fold(0, |sum, event| {
        let texts = event.payload.len().saturating_add(event.metadata.len()).saturating_add(event.kind.len());
        sum.saturating_add(texts).saturating_add(EVENT_FRAME_BYTES)
    })
}

/// Why nothing was appended.
///
/// After a fault that leaves the outcome open, the same append is simply made again: it happens once.
#[derive(Debug, Error)]
pub enum AppendError {
    #[error("stream `{stream}` is not where the writer thought: it stands at {actual:?}")]
    Conflict { stream: StreamId, expected: Expected, actual: Option<Revision> },
    #[error("command `{command}` was used before with another body, on stream `{stream}`")]
    CommandReused { command: CommandId, stream: StreamId },
    #[error("an append holds 1 to {APPEND_EVENTS_MAX} events, this one has {events}")]
    BatchSize { events: usize },
    #[error("event {index} has a payload of {bytes} bytes, more than {max}")]
    PayloadTooLarge { index: usize, bytes: usize, max: usize },
    #[error("an append holds at most {max} bytes, this one has {bytes}; do it in several steps")]
    TooLarge { bytes: usize, max: usize },
    #[error("too many appends are waiting; try again in a moment")]
    Overloaded,
    #[error("the log cannot be written: its disk is full")]
    DiskFull,
    #[error("the log's writer has stopped and must be restarted")]
    Closed,
    #[error("the log could not be written")]
    Store(#[source] Arc<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Fault(#[from] LogFault),
}

impl AppendError {
    /// Whether the same append may succeed later without a new decision.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Overloaded | Self::DiskFull | Self::Closed | Self::Store(_) => true,
            Self::Fault(fault) => fault.passes_by_itself(),
            Self::Conflict { .. }
            | Self::CommandReused { .. }
            | Self::BatchSize { .. }
            | Self::PayloadTooLarge { .. }
            | Self::TooLarge { .. } => false,
        }
    }
}

/// Why nothing could be read.
#[derive(Debug, Error)]
pub enum ReadError {
    #[error("the event at position {position} is damaged: {what}")]
    Damaged { position: u64, what: &'static str },
    #[error("the log could not be read")]
    Store(#[source] Arc<dyn std::error::Error + Send + Sync>),
    #[error("the log is closed")]
    Closed,
    #[error(transparent)]
    Fault(#[from] LogFault),
}

/// One answer of [`EventLog::read_all`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    pub events: Vec<RecordedEvent>,
    /// Nothing more could be read when this page was made.
    pub at_end: bool,
}

/// The append-only log of every event.
///
/// One process that writes gives every event a recording time that does not go back in log order. Where several
/// processes write one log, that holds for what each of them appends one after the other, and no more: their clocks
/// differ, and an append that began earlier may be recorded later. Positions alone order the whole log.
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// Appends all events of one command, or none.
    ///
    /// Durable when it returns: a position that was handed out is never lost or reused. A command that was carried
    /// out before with the same digest is answered with its first answer and `repeated` set, whatever `expected`
    /// says; with another digest it is refused. Callers retry [`AppendError::Conflict`] only by deciding again.
    async fn append(&self, batch: Append) -> Result<Appended, AppendError>;

    /// Up to `limit` events of one stream behind `after`, oldest first; empty when there is no such stream.
    async fn read_stream(
        &self,
        stream: &StreamId,
        after: Option<Revision>,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, ReadError>;

    /// Up to `limit` events of the whole log behind `after`, in log order.
    ///
    /// Once a reader has seen position p, nothing new ever appears at or below p.
    async fn read_all(&self, after: Option<Position>, limit: u32) -> Result<Page, ReadError>;

    /// Where the events of a command stand, when it has been carried out, and the digest of its body.
    async fn find_command(&self, command: CommandId) -> Result<Option<(CommandDigest, Appended)>, ReadError>;

    /// The newest position, `None` while the log is empty.
    async fn head(&self) -> Result<Option<Position>, ReadError>;

    /// A hint that something was appended; readers poll as well.
    fn appended(&self) -> watch::Receiver<Option<Position>>;
}
