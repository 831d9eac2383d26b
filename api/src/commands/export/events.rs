//! The events of the log as they are stored.

use std::io::Write;
use std::ops::ControlFlow;

use chrono::{DateTime, SecondsFormat, Utc};
use domain::envelope::{Position, RecordedEvent};
use event_log::digest::{event_digest, hex};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::super::import::progress;
use super::{ExportError, line};
use crate::log::AnyReader;

/// Events after which the progress bar is told.
const PROGRESS_EVENTS: u64 = 4_096;

/// One line.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventLine<'a> {
    position: u64,
    stream: &'a str,
    revision: u64,
    id: Uuid,
    kind: &'a str,
    schema: u16,
    occurred_at: String,
    recorded_at: String,
    metadata: &'a RawValue,
    data: &'a RawValue,
    /// SHA-256 of the event's canonical form, in hexadecimal.
    digest: String,
}

impl<'a> EventLine<'a> {
    fn new(event: &'a RecordedEvent) -> Result<Self, ExportError> {
        Ok(Self {
            position: event.position.get(),
            stream: event.stream.as_str(),
            revision: event.revision.get(),
            id: event.id.as_uuid(),
            kind: &event.kind,
            schema: event.schema,
            occurred_at: instant(event.occurred_at),
            recorded_at: instant(event.recorded_at),
            metadata: raw(event.position, "metadata", &event.metadata)?,
            data: raw(event.position, "payload", &event.payload)?,
            digest: hex(&event_digest(event)),
        })
    }
}

/// Writes every event behind `after`, up to the newest of the moment it is called; answers how many.
///
/// # Errors
/// The log cannot be read, or the output cannot be written.
pub(super) fn write(
    reader: &mut AnyReader,
    after: Option<Position>,
    out: &mut impl Write,
    quiet: bool,
) -> Result<u64, ExportError> {
    let head = reader.head_blocking().map_err(ExportError::Read)?;
    let first = after.map_or(0, Position::get);
    let bar = progress::bar("exporting", head.map_or(0, Position::get).saturating_sub(first), quiet);
    let mut written = 0_u64;
    let mut failed = None;
    let scanned = reader.scan(after, u64::MAX, &mut |event| {
        if Some(event.position) > head {
            return ControlFlow::Break(());
        }
        if let Err(error) = EventLine::new(&event).and_then(|event| line(out, &event)) {
            failed = Some(error);
            return ControlFlow::Break(());
        }
        written += 1;
        if written.is_multiple_of(PROGRESS_EVENTS) {
            bar.set_position(event.position.get().saturating_sub(first));
        }
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    scanned.map_err(ExportError::Read)?;
    failed.map_or(Ok(written), Err)
}

/// The stored text as it stands, without reading what is in it.
fn raw<'a>(position: Position, what: &'static str, text: &'a str) -> Result<&'a RawValue, ExportError> {
    serde_json::from_str(text).map_err(|source| ExportError::NotJson { position, what, source })
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}
