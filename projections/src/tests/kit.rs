//! Logs made by hand, and read models over them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::calendar::CalendarEdition;
use domain::clock::{ClockKind, ClockTerms, PeriodUnit};
use domain::complaint::ComplaintEvent;
use domain::complaint::event::{Closed, Dispatched, HandlerAssigned, Registered, Respondent};
use domain::complaint::vocabulary::Outcome;
use domain::envelope::{Position, RecordedEvent, Revision};
use domain::id::{ComplaintId, EventId, FilingId, StreamId, SubjectId, UnitId};
use domain::money::{Currency, Money};
use domain::org::{UnitEvent, UnitKind, UnitRegistered};
use domain::privacy::Sealed;
use domain::region::RegionCode;
use domain::vocabulary::{Category, Channel};
use domain::wire::Stored;
use event_log::port::{Page, ReadError};
use event_log::source::LogSource;
use tempfile::TempDir;
use uuid::Uuid;

use crate::{FactsError, FactsReader, PageRequest, ReadModelOptions, ReadModels, Scope};

/// The first day of every made-up history.
pub(super) fn day_zero() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 4, 1).unwrap()
}

pub(super) fn day(number: i64) -> NaiveDate {
    day_zero() + TimeDelta::days(number)
}

/// An hour of the local day with this number.
pub(super) fn hour(number: i64, hour: i64) -> DateTime<Utc> {
    domain::day::day_start(day(number)) + TimeDelta::hours(hour)
}

pub(super) fn unit(id: &str) -> UnitId {
    UnitId::parse(id).unwrap()
}

pub(super) fn region(code: &str) -> RegionCode {
    RegionCode::parse(code).unwrap()
}

pub(super) fn case_id(number: u128) -> ComplaintId {
    ComplaintId::from_uuid(Uuid::from_u128(1_000 + number))
}

/// The units of every made-up history: id, kind, region, parent.
pub(super) const UNITS: [(&str, UnitKind, &str, Option<&str>); 6] = [
    ("gd", UnitKind::Province, "440000", None),
    ("gz", UnitKind::City, "440100", Some("gd")),
    ("gz-th", UnitKind::County, "440106", Some("gz")),
    ("gz-th-1", UnitKind::Station, "440106", Some("gz-th")),
    ("sz", UnitKind::City, "440300", Some("gd")),
    ("sz-ft", UnitKind::County, "440304", Some("sz")),
];

/// Scopes of every shape.
pub(super) fn scopes() -> Vec<Scope> {
    let regions = ["440000", "440100", "440300", "440106", "440400"].map(|code| Scope::Region(region(code)));
    let units = ["gz", "gz-th", "gz-th-1", "sz-ft", "gd"].map(|id| Scope::Unit(unit(id)));
    regions.into_iter().chain(units).collect()
}

/// A log in memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    pub(super) events: Vec<RecordedEvent>,
    revisions: HashMap<StreamId, u64>,
}

impl Log {
    /// A log in which the units are registered.
    pub(super) fn with_units() -> Self {
        let mut log = Self::default();
        for (id, kind, code, parent) in UNITS {
            log.register_unit(id, kind, code, parent, hour(-10, 9));
        }
        log
    }

    pub(super) fn register_unit(
        &mut self,
        id: &str,
        kind: UnitKind,
        code: &str,
        parent: Option<&str>,
        at: DateTime<Utc>,
    ) {
        let event = UnitEvent::Registered(UnitRegistered {
            unit: unit(id),
            kind,
            name: format!("{id} 市场监督管理所"),
            region: region(code),
            parent: parent.map(unit),
        });
        self.push(&StreamId::unit(&unit(id)), at, at, &event);
    }

    /// Appends an event of a case that was recorded as it happened.
    pub(super) fn case(&mut self, number: u128, at: DateTime<Utc>, event: &ComplaintEvent) {
        self.case_later(number, at, at, event);
    }

    /// Appends an event of a case.
    pub(super) fn case_later(
        &mut self,
        number: u128,
        at: DateTime<Utc>,
        recorded_at: DateTime<Utc>,
        event: &ComplaintEvent,
    ) {
        self.push(&case_id(number).stream(), at, recorded_at, event);
    }

    fn push(&mut self, stream: &StreamId, at: DateTime<Utc>, recorded_at: DateTime<Utc>, event: &impl Stored) {
        self.record(stream, (at, recorded_at), event.kind(), event.encode().unwrap());
    }

    /// Appends an event that need not be one of ours.
    pub(super) fn foreign(&mut self, stream: &str, kind: &str, at: DateTime<Utc>, payload: &str) {
        self.record(&StreamId::parse(stream).unwrap(), (at, at), (kind, 1), payload.to_owned());
    }

    fn record(
        &mut self,
        stream: &StreamId,
        (at, recorded_at): (DateTime<Utc>, DateTime<Utc>),
        (kind, schema): (&str, u16),
        payload: String,
    ) {
        let revision = self.revisions.entry(stream.clone()).or_insert(0);
        let position = u64::try_from(self.events.len()).unwrap() + 1;
        self.events.push(RecordedEvent {
            position: Position::new(position),
            stream: stream.clone(),
            revision: Revision::new(*revision),
            id: EventId::from_uuid(Uuid::from_u128(u128::from(position))),
            kind: kind.into(),
            schema,
            occurred_at: at,
            recorded_at,
            metadata: "{}".into(),
            payload: payload.into(),
        });
        *revision += 1;
    }

    pub(super) fn last(&self) -> Option<Position> {
        self.events.last().map(|event| event.position)
    }
}

impl LogSource for Log {
    fn page(&mut self, after: Option<Position>, limit: u32) -> Result<Page, ReadError> {
        let start = self.events.partition_point(|event| Some(event.position) <= after);
        let rest = &self.events[start..];
        // Pages smaller than asked for, so that there are several.
        let events: Vec<_> = rest.iter().take(usize::try_from(limit).unwrap().min(7)).cloned().collect();
        let at_end = events.len() == rest.len();
        Ok(Page { events, at_end })
    }

    fn head(&mut self) -> Result<Option<Position>, ReadError> {
        Ok(self.last())
    }
}

/// A registration; the case's number is made of its own.
pub(super) fn registration(number: u128, intake: &str) -> Registered {
    Registered {
        filing: FilingId::from_uuid(Uuid::from_u128(5_000 + number)),
        item: 1,
        number: format!("4401{number:04}"),
        channel: Channel::ALL[usize::try_from(number).unwrap() % 3],
        category: Category::ALL[usize::try_from(number).unwrap() % 2],
        region: region("440106"),
        unit: unit(intake),
        respondent: None,
        amount: None,
        remedies: Vec::new(),
        facts: None,
        source: None,
    }
}

pub(super) fn registered(number: u128, intake: &str) -> ComplaintEvent {
    ComplaintEvent::Registered(Box::new(registration(number, intake)))
}

/// A registration with a business and facts; the "seal" keeps the text as it is.
pub(super) fn registered_with(number: u128, business: &str, facts: &str) -> ComplaintEvent {
    let subject = SubjectId::from_uuid(Uuid::from_u128(9_000 + number));
    ComplaintEvent::Registered(Box::new(Registered {
        respondent: Some(Respondent {
            name: business.to_owned(),
            uscc: Some(format!("91440101MA5{number:07}")),
            address: None,
        }),
        facts: Some(Sealed::new(subject, String::new(), facts.to_owned())),
        ..registration(number, "gz-th")
    }))
}

pub(super) fn subject(number: u128) -> SubjectId {
    SubjectId::from_uuid(Uuid::from_u128(9_000 + number))
}

pub(super) fn dispatched(to: &str) -> ComplaintEvent {
    ComplaintEvent::Dispatched(Dispatched { from: unit("gz"), to: unit(to), note: None })
}

pub(super) fn assigned(handler: &str) -> ComplaintEvent {
    ComplaintEvent::HandlerAssigned(HandlerAssigned { handler: handler.to_owned() })
}

pub(super) fn closed(late: bool, fen: Option<i64>) -> ComplaintEvent {
    let recovered = fen.map(|fen| Money::new(fen, Currency::Cny).unwrap());
    ComplaintEvent::Closed(Closed { outcome: Outcome::Agreement, recovered, late })
}

pub(super) fn terms(rule: ClockKind, due: NaiveDate) -> ClockTerms {
    ClockTerms {
        rule,
        rule_version: "1".to_owned(),
        article: "15".to_owned(),
        calendar: CalendarEdition::parse("T/1").unwrap(),
        started_on: day_zero(),
        length: 7,
        unit: PeriodUnit::WorkingDays,
        due_strict: due,
        due_legal: due,
        provisional: false,
    }
}

/// Opens the "seals" of [`registered_with`], unless it is told to fail.
#[derive(Debug, Default)]
pub(super) struct PlainFacts {
    /// Nobody answers for keys.
    pub(super) silent: AtomicBool,
    pub(super) fails: AtomicBool,
    pub(super) erased: AtomicBool,
    /// Whose facts were announced, and whose were opened, in this order.
    pub(super) asked: Mutex<Vec<Asked>>,
}

/// What a reader of facts was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    Prepare(Vec<SubjectId>),
    Open(SubjectId),
}

impl FactsReader for PlainFacts {
    fn prepare(&self, subjects: &[SubjectId]) -> Result<(), FactsError> {
        self.asked.lock().unwrap().push(Asked::Prepare(subjects.to_vec()));
        if self.silent.load(Ordering::SeqCst) {
            return Err(FactsError::new(std::io::Error::other("no answer")));
        }
        Ok(())
    }

    fn open(&self, sealed: &Sealed) -> Result<Option<String>, FactsError> {
        self.asked.lock().unwrap().push(Asked::Open(sealed.subject));
        if self.fails.load(Ordering::SeqCst) {
            return Err(FactsError::new(std::io::Error::other("no vault")));
        }
        Ok((!self.erased.load(Ordering::SeqCst)).then(|| sealed.ciphertext.clone()))
    }
}

/// A folder with read models in it.
pub(super) struct Kit {
    pub(super) folder: TempDir,
    pub(super) facts: Arc<PlainFacts>,
}

impl Kit {
    pub(super) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), facts: Arc::default() }
    }

    pub(super) fn options(&self, name: &str) -> ReadModelOptions {
        ReadModelOptions {
            path: self.folder.path().join(name),
            cache_kib: 2_048,
            readers: 2,
            facts: Arc::clone(&self.facts) as Arc<dyn FactsReader>,
        }
    }

    pub(super) fn open(&self, name: &str) -> ReadModels {
        ReadModels::open(self.options(name)).unwrap()
    }

    /// Read models with these events, taken in batch by batch.
    pub(super) fn filled(&self, name: &str, events: &[RecordedEvent], batch: usize) -> ReadModels {
        let models = self.open(name);
        for events in events.chunks(batch.max(1)) {
            models.apply(events).unwrap();
        }
        models
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

pub(super) fn first_page(limit: u32) -> PageRequest {
    PageRequest { after: None, limit }
}

pub(super) fn province() -> Vec<Scope> {
    vec![Scope::Region(RegionCode::GUANGDONG)]
}
