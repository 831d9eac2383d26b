//! An event as the servers keep it: its payload as data, and a wrapper as metadata that holds all else.
//!
//! The wrapper is written down in the guide for operators, because other programs may read it: a change is a new `v`.

use chrono::{DateTime, Utc};
use domain::envelope::{Canonical, CommandDigest, Position, RecordedEvent, Revision};
use domain::id::{CommandId, EventId, StreamId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::scan::Cursor;
use crate::digest::{canonical_digest, event_digest, hex};
use crate::fault::LogFault;
use crate::port::{CommandRef, ReadError};

/// The version of the wrapper.
const WRAPPER: u16 = 1;
/// What the servers write into a stream that is deleted for good.
const TOMBSTONE: &str = "$streamDeleted";
/// The oldest servers whose answers say where an event stands in the whole log.
pub(super) const SERVER_MIN: &str = "22.10";

/// An event as it goes to the servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) id: Uuid,
    pub(super) kind: String,
    pub(super) data: String,
    /// Empty for technical events.
    pub(super) metadata: String,
}

/// An event as it comes from the servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Incoming {
    pub(super) stream: String,
    pub(super) revision: u64,
    pub(super) id: Uuid,
    pub(super) kind: String,
    pub(super) data: Vec<u8>,
    pub(super) metadata: Vec<u8>,
    pub(super) commit: u64,
    pub(super) prepare: u64,
    /// Whether it is the first that an attempt at a read has brought.
    pub(super) begins: bool,
}

impl Incoming {
    /// Where it stands in the servers' whole log.
    pub(super) const fn place(&self) -> Cursor {
        Cursor { commit: self.commit, prepare: self.prepare }
    }
}

/// An event of the log, and the command that caused it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decoded {
    pub(super) event: RecordedEvent,
    pub(super) command: CommandRef,
}

/// Metadata that is JSON stands in the wrapper as it is, byte for byte; any other as a text.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wrapper<'a> {
    v: u16,
    schema: u16,
    /// Microseconds since 1970, as all times here.
    occurred_at: i64,
    recorded_at: i64,
    command: CommandId,
    command_digest: String,
    /// Over the canonical form of the event.
    digest: String,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata_text: Option<String>,
}

/// The text as a JSON value that is the same text when it is written; `None` when it is not.
///
/// `null` counts as no JSON: it would be read as nothing at all.
pub(super) fn verbatim(text: &str) -> Option<&RawValue> {
    serde_json::from_str::<&RawValue>(text).ok().filter(|raw| raw.get() == text && text != "null")
}

/// An event ready for the servers.
///
/// # Errors
/// It cannot be written as JSON, which cannot happen to what was parsed.
pub(super) fn outgoing(event: &Canonical<'_>, command: &CommandRef) -> Result<Outgoing, serde_json::Error> {
    let metadata = verbatim(event.metadata);
    let wrapper = Wrapper {
        v: WRAPPER,
        schema: event.schema,
        occurred_at: event.occurred_at.timestamp_micros(),
        recorded_at: event.recorded_at.timestamp_micros(),
        command: command.id,
        command_digest: hex(&command.digest.0),
        digest: hex(&canonical_digest(event)),
        metadata,
        metadata_text: metadata.is_none().then(|| event.metadata.to_owned()),
    };
    Ok(Outgoing {
        id: event.id.as_uuid(),
        kind: event.kind.to_owned(),
        data: event.payload.to_owned(),
        metadata: serde_json::to_string(&wrapper)?,
    })
}

/// Reads an event of a stream that is not technical, and checks every byte of it.
///
/// # Errors
/// It was not written by Baycase, or it was changed since, or it tells that its stream was deleted.
pub(super) fn decode(incoming: Incoming) -> Result<Decoded, ReadError> {
    let Ok(stream) = StreamId::parse(&incoming.stream) else { return Err(foreign(&incoming).into()) };
    if incoming.kind == TOMBSTONE {
        return Err(LogFault::Deleted { stream }.into());
    }
    let position = position(&incoming)?;
    let text = std::str::from_utf8(&incoming.metadata).ok();
    let Some(wrapper) = text.and_then(|text| serde_json::from_str::<Wrapper<'_>>(text).ok()) else {
        return Err(foreign(&incoming).into());
    };
    if wrapper.v != WRAPPER {
        let what = format!(
            "event {} of stream `{stream}` was written by a newer version; update this node",
            incoming.revision
        );
        return Err(LogFault::Protocol { what }.into());
    }
    let metadata: Box<str> = match (wrapper.metadata, wrapper.metadata_text) {
        (Some(raw), None) => raw.get().into(),
        (None, Some(text)) => text.into(),
        (Some(_), Some(_)) | (None, None) => return Err(foreign(&incoming).into()),
    };
    let Some(command_digest) = unhex(&wrapper.command_digest) else { return Err(foreign(&incoming).into()) };
    let damaged = |what| ReadError::Damaged { position: position.get(), what };
    let time =
        |micros| DateTime::<Utc>::from_timestamp_micros(micros).ok_or_else(|| damaged("its time is out of range"));
    let (occurred_at, recorded_at) = (time(wrapper.occurred_at)?, time(wrapper.recorded_at)?);
    let payload = String::from_utf8(incoming.data).map_err(|_error| damaged("its payload is not UTF-8"))?;
    let event = RecordedEvent {
        position,
        stream,
        revision: Revision::new(incoming.revision),
        id: EventId::from_uuid(incoming.id),
        kind: incoming.kind.into(),
        schema: wrapper.schema,
        occurred_at,
        recorded_at,
        metadata,
        payload: payload.into(),
    };
    if unhex(&wrapper.digest) != Some(event_digest(&event)) {
        return Err(damaged("its bytes do not match its digest"));
    }
    let command = CommandRef { id: wrapper.command, digest: CommandDigest(command_digest) };
    Ok(Decoded { event, command })
}

/// Where the event stands in the whole log.
fn position(incoming: &Incoming) -> Result<Position, LogFault> {
    let Incoming { revision, commit, prepare, .. } = *incoming;
    // What servers before 22.10 say in answer to a read of one stream; no event of a log stands there.
    if [0, u64::MAX].contains(&commit) {
        let found = "their answers do not say where in the log an event stands".to_owned();
        return Err(LogFault::TooOld { found, needed: SERVER_MIN });
    }
    if commit != prepare {
        return Err(LogFault::SplitPosition { stream: incoming.stream.clone(), revision, commit, prepare });
    }
    Ok(Position::new(commit))
}

/// The event was written by another program.
pub(super) fn foreign(incoming: &Incoming) -> LogFault {
    LogFault::ForeignEvent { stream: incoming.stream.clone(), revision: incoming.revision, kind: incoming.kind.clone() }
}

/// Reads 64 hexadecimal digits.
pub(super) fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16)).map(|d| u8::try_from(d?).ok()).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits
        .chunks(2)
        .map(|pair| match *pair {
            [high, low] => Some((high << 4) | low),
            _ => None,
        })
        .collect::<Option<_>>()?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests;
