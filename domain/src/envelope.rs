//! What surrounds every event: identity, place in its stream, two times, and who did it for whom and why.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{CommandId, EventId, StreamId, UnitId};

/// Longest payload of one event in bytes of JSON.
pub const PAYLOAD_BYTES_MAX: usize = 256 * 1024;

/// The place of an event in its stream; the first is 0, and they are contiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(u64);

impl Revision {
    /// The first event of a stream.
    pub const FIRST: Self = Self(0);

    /// The revision with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The revision behind this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The place of an event in the whole log: ordered, opaque, not necessarily contiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(u64);

impl Position {
    /// The position with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number itself, for stores and cursors only.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// SHA-256 of a command's canonical body: the same id with another body is another command and is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommandDigest(pub [u8; 32]);

/// Who acted, for whom, from where, and because of what (DESIGN invariant 5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// The acting person or system: the subject of the token, never a personal name.
    pub actor: Box<str>,
    /// The unit in whose name the actor acted.
    pub unit: UnitId,
    /// The person or body the act was done for, when it is not the actor's own unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<Box<str>>,
    /// The command that caused the event.
    pub command: CommandId,
    /// The event that caused the command, when a process manager issued it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation: Option<EventId>,
    /// The first command of the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<CommandId>,
    /// W3C trace context of the request, so that a history links to its trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<Box<str>>,
}

/// An event about to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    pub id: EventId,
    /// The stored name, chosen and frozen, for example `complaint.accepted`.
    pub kind: &'static str,
    /// The version of the payload's shape.
    pub schema: u16,
    /// The business moment, kept to the microsecond; may lie before the recording within the rules of the decision.
    pub occurred_at: DateTime<Utc>,
    /// [`Metadata`] as JSON. Shared by the events of one command.
    pub metadata: std::sync::Arc<str>,
    /// The payload as JSON: these bytes are stored and hashed as they are.
    pub payload: Box<str>,
}

/// An event as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    pub position: Position,
    pub stream: StreamId,
    pub revision: Revision,
    pub id: EventId,
    pub kind: Box<str>,
    pub schema: u16,
    pub occurred_at: DateTime<Utc>,
    /// Stamped by the store as it appended; a copy of the log keeps it.
    pub recorded_at: DateTime<Utc>,
    pub metadata: Box<str>,
    pub payload: Box<str>,
}

impl RecordedEvent {
    /// Reads the metadata.
    ///
    /// # Errors
    /// The stored bytes are not metadata, which `verify` reports as damage.
    pub fn meta(&self) -> Result<Metadata, serde_json::Error> {
        serde_json::from_str(&self.metadata)
    }

    /// Feeds the canonical form of the event, the one its digest covers, to `sink` piece by piece.
    ///
    /// Every part stands behind its length as eight big-endian bytes; numbers are eight big-endian bytes; times are
    /// microseconds since 1970. The position is not part of it: a copy in another engine has the same digest.
    pub fn canonical(&self, sink: &mut impl FnMut(&[u8])) {
        canonical(
            &Canonical {
                stream: self.stream.as_str(),
                revision: self.revision,
                id: self.id,
                kind: &self.kind,
                schema: self.schema,
                occurred_at: self.occurred_at,
                recorded_at: self.recorded_at,
                metadata: &self.metadata,
                payload: &self.payload,
            },
            sink,
        );
    }
}

/// The parts of an event that its digest covers.
#[derive(Debug, Clone, Copy)]
pub struct Canonical<'a> {
    pub stream: &'a str,
    pub revision: Revision,
    pub id: EventId,
    pub kind: &'a str,
    pub schema: u16,
    pub occurred_at: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
    pub metadata: &'a str,
    pub payload: &'a str,
}

/// See [`RecordedEvent::canonical`]. Begins with a version, so that a later form can be told from this one.
pub fn canonical(event: &Canonical<'_>, sink: &mut impl FnMut(&[u8])) {
    sink(b"baycase-event-1\n");
    let text = |part: &[u8], sink: &mut dyn FnMut(&[u8])| {
        sink(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        sink(part);
    };
    text(event.stream.as_bytes(), sink);
    sink(&event.revision.get().to_be_bytes());
    sink(event.id.as_uuid().as_bytes());
    text(event.kind.as_bytes(), sink);
    sink(&u64::from(event.schema).to_be_bytes());
    sink(&event.occurred_at.timestamp_micros().to_be_bytes());
    sink(&event.recorded_at.timestamp_micros().to_be_bytes());
    text(event.metadata.as_bytes(), sink);
    text(event.payload.as_bytes(), sink);
}
