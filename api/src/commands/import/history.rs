//! From the rows of a case to its history: what happened, in order, at the source's own times.
//!
//! The registration comes first, whatever its time, because nothing can happen to a case that does not exist. Then come
//! the rows by time, and the closing between them. What a row implies for the case (a transfer, a handler, a wait) is
//! never put before the registration; the note of the row itself keeps its own time. Behind the closing rows are notes
//! and nothing else, until one of them opens the case again.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::complaint::ComplaintEvent;
use domain::complaint::event::{
    Closed, Dispatched, HandlerAssigned, Noted, Registered, Reopened, Source, WaitingBegan, WaitingEnded,
};
use domain::complaint::vocabulary::{NoteKind, Outcome};
use domain::day::local_day;
use domain::decider::Happened;
use domain::id::{ComplaintId, FilingId, UnitId};
use event_log::port::APPEND_EVENTS_MAX;
use thiserror::Error;

use super::mapping::{Mapping, Status};
use super::rows::{CaseRows, Row, SeenUnit};
use super::values::Deadline;

/// The first round of a case; each reopening begins another.
const FIRST_ROUND: u16 = 1;
const REOPENED: &str = "来源系统记录重新办理";

/// Why the rows of a case make no history.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum HistoryError {
    #[error("no row of the case says when it was registered")]
    NotRegistered,
    #[error("no row of the case has a {what}, and there is no default")]
    Missing { what: &'static str },
    #[error("the row id `{id}` stands in line {first} already")]
    SameRow { line: u64, first: u64, id: Arc<str> },
    #[error("its history has {events} events, more than the {APPEND_EVENTS_MAX} of one case")]
    TooLong { events: usize },
}

impl HistoryError {
    /// The line it was found in, when it is about one row.
    pub(super) const fn line(&self) -> Option<u64> {
        match self {
            Self::SameRow { line, .. } => Some(*line),
            Self::NotRegistered | Self::Missing { .. } | Self::TooLong { .. } => None,
        }
    }
}

/// The filing that a case of the source stands for; the same number of the same system is the same filing.
pub(super) fn filing(mapping: &Mapping, number: &str) -> FilingId {
    FilingId::derived(&mapping.system, number)
}

/// The complaint that a case of the source becomes.
pub(super) fn complaint(mapping: &Mapping, number: &str) -> ComplaintId {
    ComplaintId::of_item(filing(mapping, number), 1)
}

/// Builds the history of a case. The same rows give the same history; rows added at the end only lengthen it.
///
/// # Errors
/// The rows leave something out, say something twice, or are too many.
pub(super) fn build(
    case: &CaseRows,
    mapping: &Mapping,
    units: &[SeenUnit],
) -> Result<Vec<Happened<ComplaintEvent>>, HistoryError> {
    check_row_ids(&case.rows)?;
    let first_row = case.rows.first().map(|row| row.at);
    let registered_at = match mapping.registered {
        Some(_) => case.facts.registered,
        None => first_row,
    };
    let Some(registered_at) = registered_at else { return Err(HistoryError::NotRegistered) };
    let mut builder = Builder {
        events: Vec::with_capacity(case.rows.len() + 4),
        registered_at,
        deadline: case.facts.deadline,
        custody: mapping.intake.clone(),
        handler: None,
        waiting: false,
        closed: false,
        round: FIRST_ROUND,
    };
    builder.put(registered_at, ComplaintEvent::Registered(Box::new(registration(case, mapping)?)));
    builder.assign(registered_at, case.facts.handler.as_ref());
    let mut closing = case.facts.closed;
    for row in &case.rows {
        if let Some(at) = closing.take_if(|at| *at < row.at) {
            builder.close_by_column(at);
        }
        builder.row(row, units);
    }
    if let Some(at) = closing {
        builder.close_by_column(at);
    }
    match builder.events.len() {
        events if events > APPEND_EVENTS_MAX => Err(HistoryError::TooLong { events }),
        _ => Ok(builder.events),
    }
}

fn check_row_ids(rows: &[Row]) -> Result<(), HistoryError> {
    let mut lines = HashSet::new();
    for row in rows {
        let Some(id) = &row.id else { continue };
        if !lines.insert(id) {
            let first = rows.iter().find(|other| other.id.as_ref() == Some(id)).map_or(row.line, |other| other.line);
            let (line, first) = (row.line.max(first), row.line.min(first));
            return Err(HistoryError::SameRow { line, first, id: Arc::clone(id) });
        }
    }
    Ok(())
}

fn registration(case: &CaseRows, mapping: &Mapping) -> Result<Registered, HistoryError> {
    let facts = &case.facts;
    Ok(Registered {
        filing: filing(mapping, &case.number),
        item: 1,
        number: format!("{}{}", mapping.number_prefix, case.number),
        channel: facts.channel.or(mapping.channel.default).ok_or(HistoryError::Missing { what: "channel" })?,
        category: facts.category.or(mapping.category.default).ok_or(HistoryError::Missing { what: "category" })?,
        region: facts.region.or(mapping.region.default).ok_or(HistoryError::Missing { what: "region" })?,
        unit: mapping.intake.clone(),
        respondent: None,
        amount: None,
        remedies: Vec::new(),
        facts: None,
        source: Some(Source {
            system: mapping.system.clone(),
            number: case.number.to_string(),
            deadline: facts.deadline.map(|deadline| deadline.at),
        }),
    })
}

/// A history as far as it is built, and how the case stands behind it.
struct Builder {
    events: Vec<Happened<ComplaintEvent>>,
    registered_at: DateTime<Utc>,
    deadline: Option<Deadline>,
    custody: UnitId,
    handler: Option<Arc<str>>,
    waiting: bool,
    closed: bool,
    round: u16,
}

impl Builder {
    fn put(&mut self, at: DateTime<Utc>, event: ComplaintEvent) {
        self.events.push(Happened { at, event });
    }

    fn row(&mut self, row: &Row, units: &[SeenUnit]) {
        let at = row.at.max(self.registered_at);
        if self.closed && row.status == Some(Status::OpenAgain) {
            self.round = self.round.saturating_add(1);
            self.closed = false;
            self.put(at, ComplaintEvent::Reopened(Reopened { reason: REOPENED.into(), round: self.round }));
        }
        if self.closed {
            self.note(row);
            return;
        }
        self.move_to(at, row.unit.and_then(|unit| units.get(unit)), row.handler.as_ref());
        self.assign(at, row.handler.as_ref());
        if self.waiting && matches!(row.status, Some(Status::InWork | Status::OpenAgain)) {
            self.waiting = false;
            self.put(at, ComplaintEvent::WaitingEnded(WaitingEnded {}));
        }
        self.note(row);
        match row.status {
            Some(Status::Waiting) if !self.waiting => {
                self.waiting = true;
                self.put(at, ComplaintEvent::WaitingBegan(WaitingBegan {}));
            }
            Some(Status::Closed) => self.close(at, at),
            Some(Status::Waiting | Status::OpenAgain | Status::InWork) | None => {}
        }
    }

    /// A change of the unit is a transfer. It takes the handler off the case, so that the one who keeps it, being the
    /// handler of the case as a whole, is named again.
    fn move_to(&mut self, at: DateTime<Utc>, to: Option<&SeenUnit>, next_handler: Option<&Arc<str>>) {
        let Some(to) = to.filter(|to| to.id != self.custody) else { return };
        let from = std::mem::replace(&mut self.custody, to.id.clone());
        self.put(at, ComplaintEvent::Dispatched(Dispatched { from, to: to.id.clone(), note: None }));
        let kept = self.handler.take();
        if next_handler.is_none() {
            self.assign(at, kept.as_ref());
        }
    }

    fn assign(&mut self, at: DateTime<Utc>, handler: Option<&Arc<str>>) {
        let Some(handler) = handler.filter(|handler| self.handler.as_ref() != Some(*handler)) else { return };
        self.handler = Some(Arc::clone(handler));
        self.put(at, ComplaintEvent::HandlerAssigned(HandlerAssigned { handler: handler.to_string() }));
    }

    fn note(&mut self, row: &Row) {
        let Some(text) = &row.activity else { return };
        let by = row.by.as_ref().map(ToString::to_string);
        self.put(row.at, ComplaintEvent::Noted(Noted { kind: NoteKind::Task, text: text.to_string().into(), by }));
    }

    /// Closes at the time of the closing column. A case that its source closed on a day before it was registered was
    /// never open: it is closed as it is registered, so that no day counts it as closed and not as received.
    fn close_by_column(&mut self, closed_at: DateTime<Utc>) {
        let before = local_day(closed_at) < local_day(self.registered_at);
        self.close(if before { self.registered_at } else { closed_at }, closed_at);
    }

    fn close(&mut self, at: DateTime<Utc>, closed_at: DateTime<Utc>) {
        let late = self.deadline.is_some_and(|deadline| deadline.is_missed_at(closed_at));
        self.closed = true;
        self.waiting = false;
        self.put(at, ComplaintEvent::Closed(Closed { outcome: Outcome::RecordedBySource, recovered: None, late }));
    }
}
