//! The log's port: what every store promises, and what no caller may ask.

use std::sync::Arc;

use async_trait::async_trait;
use domain::envelope::{CommandDigest, NewEvent, Position, RecordedEvent, Revision};
use domain::id::{CommandId, StreamId};
use thiserror::Error;
use tokio::sync::watch;

/// Most events in one append.
pub const APPEND_EVENTS_MAX: usize = 4_096;
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

/// Why nothing was appended.
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
    #[error("too many appends are waiting; try again in a moment")]
    Overloaded,
    #[error("the log cannot be written: its disk is full")]
    DiskFull,
    #[error("the log's writer has stopped and must be restarted")]
    Closed,
    #[error("the log could not be written")]
    Store(#[source] Arc<dyn std::error::Error + Send + Sync>),
}

impl AppendError {
    /// Whether the same append may succeed later without a new decision.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Overloaded | Self::DiskFull | Self::Closed | Self::Store(_) => true,
            Self::Conflict { .. }
            | Self::CommandReused { .. }
            | Self::BatchSize { .. }
            | Self::PayloadTooLarge { .. } => false,
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
}

/// One answer of [`EventLog::read_all`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    pub events: Vec<RecordedEvent>,
    /// Nothing more could be read when this page was made.
    pub at_end: bool,
}

/// The append-only log of every event.
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
