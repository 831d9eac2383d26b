//! From stored events to what the read models take in. Reading is done here, on whatever thread has the events, so
//! that the thread that applies them only folds.

use domain::complaint::ComplaintEvent;
use domain::day::{day_number, local_day};
use domain::envelope::{Position, RecordedEvent};
use domain::filing::FilingEvent;
use domain::id::{ComplaintId, UnitId};
use domain::org::UnitEvent;
use domain::wire::{self, AnyEvent, Stored, WireError};

use crate::case::Stamp;
use crate::error::ApplyError;
use crate::unregistered::{self, Change};

/// The largest position a ledger line has room for.
pub(crate) const POSITION_MAX: u64 = (1 << 48) - 1;

/// Kinds of a complaint that change no number and no field: their payloads are left unread, which saves a third of
/// the time. Kind and schema are still checked, and revision and position kept.
const PLAIN_KINDS: [&str; 7] = [
    "complaint.noted",
    "complaint.session-held",
    "complaint.notice-given",
    "complaint.clue-found",
    "complaint.clue-decided",
    "complaint.waiting-began",
    "complaint.waiting-ended",
];

/// Streams of other lives, which nothing here shows. Their events move the checkpoint and are not read, so that a
/// kind that only their own life knows holds nothing up. Streams of any other category must be readable.
const FOREIGN_CATEGORIES: [&str; 9] =
    ["referral", "delivery", "security", "rulebook", "calendar", "report", "enquiry", "operator", "subject"];

/// An event that has been read.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) stamp: Stamp,
    /// The local day it was recorded on.
    pub(crate) recorded: i32,
    pub(crate) matter: Matter,
}

/// What an event is to the read models.
#[derive(Debug)]
pub(crate) enum Matter {
    Case(ComplaintId, ComplaintEvent),
    /// It happened to this case, and nothing more.
    Touched(ComplaintId),
    Unit(UnitId, UnitEvent),
    /// A matter of a filing led to no complaint, is tried again, or needs none.
    Unregistered(Change),
    /// Known, or of a life that is not shown: of no concern.
    Other,
}

/// Reads an event.
///
/// # Errors
/// The kind, the schema or the payload is not known. There is no skipping within the lives that are shown: the caller
/// halts.
pub(crate) fn read(event: &RecordedEvent) -> Result<Feed, ApplyError> {
    if event.position.get() > POSITION_MAX {
        return Err(ApplyError::Position { position: event.position });
    }
    let matter = matter(event)?;
    Ok(Feed {
        stamp: Stamp {
            position: event.position.get(),
            revision: event.revision.get(),
            at: event.occurred_at.timestamp_micros(),
        },
        recorded: day_number(local_day(event.recorded_at)),
        matter,
    })
}

fn matter(event: &RecordedEvent) -> Result<Matter, ApplyError> {
    if FOREIGN_CATEGORIES.contains(&event.stream.category()) {
        return Ok(Matter::Other);
    }
    let kind: &str = &event.kind;
    if PLAIN_KINDS.contains(&kind) {
        check::<ComplaintEvent>(event)?;
        return Ok(Matter::Touched(case_of(event)?));
    }
    if kind.starts_with("filing.") {
        check::<FilingEvent>(event)?;
        // What came in is shown by its complaints: the payload, the largest of all, is left unread.
        if matches!(kind, "filing.received" | "filing.split") {
            return Ok(Matter::Other);
        }
        return Ok(unregistered::change(event)?.map_or(Matter::Other, Matter::Unregistered));
    }
    let unreadable = |source| ApplyError::Unreadable { position: event.position, source };
    match wire::decode(kind, event.schema, &event.payload).map_err(unreadable)? {
        AnyEvent::Complaint(decoded) => Ok(Matter::Case(case_of(event)?, decoded)),
        AnyEvent::Unit(decoded) => Ok(Matter::Unit(unit_of(event, &decoded)?, decoded)),
        AnyEvent::Filing(_) => Ok(Matter::Other),
    }
}

/// Checks kind and schema of an event whose payload is not read.
fn check<E: Stored>(event: &RecordedEvent) -> Result<(), ApplyError> {
    let known = E::KINDS.iter().find(|(kind, _)| **kind == *event.kind).map(|(_, schema)| *schema);
    let source = match known {
        Some(known) if (1..=known).contains(&event.schema) => return Ok(()),
        Some(known) => WireError::UnknownSchema { kind: event.kind.clone(), schema: event.schema, known },
        None => WireError::UnknownKind { kind: event.kind.clone() },
    };
    Err(ApplyError::Unreadable { position: event.position, source })
}

fn case_of(event: &RecordedEvent) -> Result<ComplaintId, ApplyError> {
    let stream = &event.stream;
    let id = if stream.category() == "complaint" { ComplaintId::parse(stream.name()).ok() } else { None };
    id.ok_or_else(|| ApplyError::Stream { position: event.position, stream: stream.clone() })
}

fn unit_of(event: &RecordedEvent, decoded: &UnitEvent) -> Result<UnitId, ApplyError> {
    let id = match decoded {
        UnitEvent::Registered(unit) => Some(unit.unit.clone()),
        UnitEvent::Retired(_) => UnitId::parse(event.stream.name()).ok(),
    };
    id.ok_or_else(|| ApplyError::Stream { position: event.position, stream: event.stream.clone() })
}

/// The events behind `after`: a page may begin with what was applied already.
pub(crate) fn behind(events: &[RecordedEvent], after: Option<Position>) -> &[RecordedEvent] {
    let start = events.partition_point(|event| after.is_some_and(|after| event.position <= after));
    events.get(start..).unwrap_or_default()
}
