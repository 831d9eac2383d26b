//! Builds the read models event by event: folds each into its case, books what that changes, and keeps what is to be
//! written until a transaction writes it. The live projection and a rebuild are this same code; they differ only in
//! when they write.

mod load;
mod rehome;
mod write;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use domain::complaint::ComplaintEvent;
use domain::complaint::event::Registered;
use domain::envelope::Position;
use domain::id::{ComplaintId, FilingId, UnitId};
use domain::org::UnitEvent;
use domain::privacy::Sealed;
use rusqlite::Connection;

use crate::case::cache::Cache;
use crate::case::{CaseState, Stamp};
use crate::case_table;
use crate::cell::{Standing, Sums};
use crate::contribution::{Contributor, difference};
use crate::error::ApplyError;
use crate::feed::{Feed, Matter};
use crate::ledger::Line;
use crate::names::Names;
use crate::register::Register;
use crate::track::Keys;
use crate::unregistered::Change;

pub(crate) use self::write::Depth;

/// How far the read models have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Mark {
    pub(crate) position: Option<Position>,
    /// Events taken in since the beginning of the log.
    pub(crate) events: u64,
    /// The local day the newest event was recorded on. Never goes back, whatever the clock did: what is known grows
    /// with the position, so a day and a position are two names for the same knowledge.
    pub(crate) known: i32,
}

/// What the search index must learn of a new case.
#[derive(Debug, Clone)]
pub(crate) struct TextJob {
    pub(crate) key: u32,
    pub(crate) position: Position,
    pub(crate) number: Box<str>,
    pub(crate) respondent: Option<Box<str>>,
    pub(crate) uscc: Option<Box<str>>,
    pub(crate) facts: Option<Sealed>,
}

impl TextJob {
    pub(crate) fn new(key: u32, position: Position, event: &Registered) -> Self {
        let respondent = event.respondent.as_ref();
        Self {
            key,
            position,
            number: event.number.as_str().into(),
            respondent: respondent.map(|respondent| respondent.name.as_str().into()),
            uscc: respondent.and_then(|respondent| respondent.uscc.as_deref()).map(Into::into),
            facts: event.facts.clone(),
        }
    }
}

/// What has been worked out and not written.
#[derive(Debug, Default)]
struct Pending {
    lines: Vec<Line>,
    /// The lines of all events, one event behind the other, and where each event's end.
    step_bytes: Vec<u8>,
    steps: Vec<(u64, usize)>,
    sums: Sums,
    texts: Vec<TextJob>,
    units: BTreeSet<u32>,
    cases: Vec<(u32, ComplaintId)>,
    known_days: BTreeSet<i32>,
    unregistered: Vec<Change>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    pub(crate) register: Arc<Register>,
    pub(crate) mark: Mark,
    /// The matters of filings that led to no complaint.
    unregistered: HashSet<(FilingId, u16)>,
    handlers: Names,
    cases: Cache,
    /// The last position known on each day.
    known_days: BTreeMap<i32, u64>,
    last_case: u32,
    contributor: Contributor,
    pending: Pending,
}

impl Assembler {
    /// Takes in one event. `conn` is for reading cases that are not in memory.
    pub(crate) fn absorb(&mut self, conn: &Connection, feed: Feed) -> Result<(), ApplyError> {
        let Feed { stamp, recorded, matter } = feed;
        if recorded > self.mark.known {
            self.settle_day();
            self.mark.known = recorded;
        }
        self.mark.position = Some(Position::new(stamp.position));
        self.mark.events = self.mark.events.saturating_add(1);
        match matter {
            Matter::Case(id, event) => self.case_event(conn, stamp, id, &event),
            Matter::Touched(id) => {
                if self.fetch(conn, id)?
                    && let Some(state) = self.cases.peek(id)
                {
                    state.touch(stamp);
                    note_dirty(state, &mut self.pending);
                }
                Ok(())
            }
            Matter::Unit(id, event) => self.unit_event(conn, &id, &event),
            Matter::Unregistered(change) => {
                change.count(&mut self.unregistered);
                self.pending.unregistered.push(change);
                Ok(())
            }
            Matter::Other => Ok(()),
        }
    }

    /// How many matters led to no complaint.
    pub(crate) fn unregistered_count(&self) -> u64 {
        u64::try_from(self.unregistered.len()).unwrap_or(u64::MAX)
    }

    /// Notes up to where the day that the newest event was recorded on has come.
    fn settle_day(&mut self) {
        if let Some(position) = self.mark.position {
            self.known_days.insert(self.mark.known, position.get());
            self.pending.known_days.insert(self.mark.known);
        }
    }

    /// The cases that were registered since they were last asked for.
    pub(crate) fn take_texts(&mut self) -> Vec<TextJob> {
        std::mem::take(&mut self.pending.texts)
    }

    fn case_event(
        &mut self,
        conn: &Connection,
        stamp: Stamp,
        id: ComplaintId,
        event: &ComplaintEvent,
    ) -> Result<(), ApplyError> {
        if let ComplaintEvent::Registered(registered) = event
            // The first event of a stream cannot have a row yet.
            && (stamp.revision == 0 || !self.fetch(conn, id)?)
        {
            self.begin(stamp, id, registered)?;
        } else {
            if !self.fetch(conn, id)? {
                // The domain's state ignores what precedes the registration as well.
                return Ok(());
            }
            let keys = self.keys_of(event)?;
            if let Some(state) = self.cases.peek(id) {
                state.apply(stamp, event, keys);
            }
        }
        self.book(id, stamp.position);
        Ok(())
    }

    fn begin(&mut self, stamp: Stamp, id: ComplaintId, registered: &Registered) -> Result<(), ApplyError> {
        let key = self.last_case.checked_add(1).ok_or(ApplyError::Full { what: "cases" })?;
        let keys = Keys { unit: self.unit_key(&registered.unit)?, handler: 0 };
        self.last_case = key;
        self.pending.texts.push(TextJob::new(key, Position::new(stamp.position), registered));
        self.cases.put(Box::new(CaseState::new(key, id, stamp, registered, keys)));
        Ok(())
    }

    /// Books the difference that the last event made to what the case contributes.
    fn book(&mut self, id: ComplaintId, position: u64) {
        let Self { cases, contributor, pending, register, mark, .. } = self;
        let Some(state) = cases.peek(id) else { return };
        let fresh = contributor.of(&state.track);
        let before = pending.step_bytes.len();
        difference(&state.entries, fresh, |entry| {
            let line = Line {
                measure: entry.measure,
                city: register.city(entry.unit),
                case: state.key,
                day: entry.day,
                position,
                unit: entry.unit,
                handler: entry.handler,
                peer: entry.peer,
                channel: state.fields.channel as u8,
                category: state.fields.category as u8,
                amount: entry.amount,
            };
            line.append_to(&mut pending.step_bytes);
            let standing = Standing { city: line.city, peer_city: register.city(line.peer), known: mark.known };
            pending.sums.add(&line, standing);
            pending.lines.push(line);
        });
        state.entries.clone_from(fresh);
        if pending.step_bytes.len() > before {
            pending.steps.push((position, pending.step_bytes.len()));
        }
        note_dirty(state, pending);
    }

    /// Brings a case into memory; false if there is none.
    fn fetch(&mut self, conn: &Connection, id: ComplaintId) -> Result<bool, ApplyError> {
        if self.cases.get(id).is_some() {
            return Ok(true);
        }
        let Some(mut state) = case_table::find(conn, id)? else { return Ok(false) };
        state.entries.clone_from(self.contributor.of(&state.track));
        self.cases.put(Box::new(state));
        Ok(true)
    }

    fn keys_of(&mut self, event: &ComplaintEvent) -> Result<Keys, ApplyError> {
        let unit = match event {
            ComplaintEvent::Registered(event) => Some(&event.unit),
            ComplaintEvent::Dispatched(event) => Some(&event.to),
            ComplaintEvent::ReturnedToIntake(event) => Some(&event.to),
            ComplaintEvent::ReceivedByUnit(event) => Some(&event.unit),
            ComplaintEvent::HandlerAssigned(event) => {
                return Ok(Keys { unit: 0, handler: self.handlers.key(&event.handler)? });
            }
            ComplaintEvent::Accepted(_)
            | ComplaintEvent::NotAccepted(_)
            | ComplaintEvent::ClockStarted(_)
            | ComplaintEvent::ClockStopped(_)
            | ComplaintEvent::ClockResumed(_)
            | ComplaintEvent::ClockExtended(_)
            | ComplaintEvent::ClockMet(_)
            | ComplaintEvent::MediationOpened(_)
            | ComplaintEvent::SessionHeld(_)
            | ComplaintEvent::AgreementReached(_)
            | ComplaintEvent::Settled(_)
            | ComplaintEvent::Withdrawn(_)
            | ComplaintEvent::Terminated(_)
            | ComplaintEvent::NoticeGiven(_)
            | ComplaintEvent::Closed(_)
            | ComplaintEvent::Reopened(_)
            | ComplaintEvent::Noted(_)
            | ComplaintEvent::Urged(_)
            | ComplaintEvent::ClueFound(_)
            | ComplaintEvent::ClueDecided(_)
            | ComplaintEvent::WaitingBegan(_)
            | ComplaintEvent::WaitingEnded(_) => None,
        };
        let unit = unit.map(|unit| self.unit_key(unit)).transpose()?;
        Ok(Keys { unit: unit.unwrap_or(0), handler: 0 })
    }

    /// The key of a unit; one that the register does not know yet stands at the province until it is registered.
    fn unit_key(&mut self, id: &UnitId) -> Result<u32, ApplyError> {
        if let Some(key) = self.register.find(id) {
            return Ok(key);
        }
        let key = Arc::make_mut(&mut self.register).name(id)?;
        self.pending.units.insert(key);
        Ok(key)
    }

    fn unit_event(&mut self, conn: &Connection, id: &UnitId, event: &UnitEvent) -> Result<(), ApplyError> {
        let before = self.register.find(id).map(|key| self.register.city(key));
        let key = Arc::make_mut(&mut self.register).apply(event, id)?;
        self.pending.units.insert(key);
        match before {
            Some(before) if before != self.register.city(key) => self.rehome(conn, key, before),
            Some(_) | None => Ok(()),
        }
    }
}

fn note_dirty(state: &mut CaseState, pending: &mut Pending) {
    if !state.dirty {
        state.dirty = true;
        pending.cases.push((state.key, state.id));
    }
}
