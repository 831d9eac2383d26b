//! One case as the read models keep it: the fields of its row, its track, and what it contributes to the ledger.

pub(crate) mod cache;

use chrono::{DateTime, Utc};
use domain::complaint::event::Registered;
use domain::complaint::vocabulary::Outcome;
use domain::complaint::{ComplaintEvent, Stage};
use domain::day::{day_number, local_day};
use domain::id::{ComplaintId, FilingId, SubjectId};
use domain::money::Money;
use domain::region::RegionCode;
use domain::vocabulary::{Category, Channel};

use crate::contribution::Entry;
use crate::track::{Due, Keys, Track};

/// The fields of a row that its events set, in the order of the stream: what the domain's own state says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) number: Box<str>,
    pub(crate) filing: FilingId,
    pub(crate) channel: Channel,
    pub(crate) category: Category,
    pub(crate) region: RegionCode,
    pub(crate) intake: u32,
    pub(crate) custody: u32,
    /// 0 while no handler has it.
    pub(crate) handler: u32,
    pub(crate) stage: Stage,
    pub(crate) round: u16,
    /// Instants are microseconds since 1970.
    pub(crate) registered_at: i64,
    pub(crate) closed_at: Option<i64>,
    pub(crate) closed_late: bool,
    pub(crate) recovered: Option<Money>,
    pub(crate) respondent: Option<Box<str>>,
    pub(crate) uscc: Option<Box<str>>,
    /// Adopted from a source system: units change there without our stages.
    pub(crate) imported: bool,
    pub(crate) urged: u32,
    /// Under whose key the facts are sealed.
    pub(crate) subject: Option<SubjectId>,
    pub(crate) revision: u64,
    pub(crate) position: u64,
    pub(crate) last_event_at: i64,
}

/// A case in memory.
#[derive(Debug, Clone)]
pub(crate) struct CaseState {
    /// Counts the cases in log order, from 1: the same in every build of the read models.
    pub(crate) key: u32,
    pub(crate) id: ComplaintId,
    pub(crate) fields: Fields,
    pub(crate) track: Track,
    pub(crate) entries: Vec<Entry>,
    /// The stored row is older than this, and somebody has noted that.
    pub(crate) dirty: bool,
}

/// What surrounds an event, as far as a row keeps it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) position: u64,
    pub(crate) revision: u64,
    /// When it happened, in microseconds since 1970.
    pub(crate) at: i64,
}

impl CaseState {
    /// A case as its registration leaves it; nothing is booked for it yet.
    pub(crate) fn new(key: u32, id: ComplaintId, stamp: Stamp, event: &Registered, keys: Keys) -> Self {
        let deadline = event.source.as_ref().and_then(|source| source.deadline);
        Self {
            key,
            id,
            fields: Fields {
                number: event.number.as_str().into(),
                filing: event.filing,
                channel: event.channel,
                category: event.category,
                region: event.region,
                intake: keys.unit,
                custody: keys.unit,
                handler: 0,
                stage: Stage::AtIntake,
                round: 1,
                registered_at: stamp.at,
                closed_at: None,
                closed_late: false,
                recovered: None,
                respondent: event.respondent.as_ref().map(|respondent| respondent.name.as_str().into()),
                uscc: event.respondent.as_ref().and_then(|respondent| respondent.uscc.as_deref()).map(Into::into),
                imported: event.source.is_some(),
                urged: 0,
                subject: event.facts.as_ref().map(|facts| facts.subject),
                revision: stamp.revision,
                position: stamp.position,
                last_event_at: stamp.at,
            },
            track: Track::new(stamp.at, keys.unit, deadline.map(deadline_day)),
            entries: Vec::new(),
            dirty: false,
        }
    }

    /// Notes that an event happened that changes nothing else here.
    pub(crate) fn touch(&mut self, stamp: Stamp) {
        self.fields.revision = stamp.revision;
        self.fields.position = stamp.position;
        self.fields.last_event_at = self.fields.last_event_at.max(stamp.at);
    }

    /// Takes in one event behind the registration.
    pub(crate) fn apply(&mut self, stamp: Stamp, event: &ComplaintEvent, keys: Keys) {
        self.touch(stamp);
        self.fields.apply(stamp.at, event, keys);
        let seq = u32::try_from(stamp.revision).unwrap_or(u32::MAX);
        self.track.apply(stamp.at, seq, event, keys);
    }

    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.fields.stage, Stage::Closed(_))
    }

    /// The next last day of a case that is open.
    pub(crate) fn next_due(&self) -> Option<Due> {
        if self.is_open() { self.track.next_due() } else { None }
    }
}

/// The deadline of a source lies before the end of its own local day, which is therefore the first overdue one.
fn deadline_day(deadline: DateTime<Utc>) -> i32 {
    day_number(local_day(deadline))
}

impl Fields {
    /// The same transitions as the domain's state makes; a test holds the two together.
    fn apply(&mut self, at: i64, event: &ComplaintEvent, keys: Keys) {
        match event {
            ComplaintEvent::Dispatched(_) => {
                self.custody = keys.unit;
                self.handler = 0;
                if !self.imported || self.stage == Stage::AtIntake {
                    self.stage = Stage::Dispatched;
                }
            }
            ComplaintEvent::ReturnedToIntake(_) => {
                self.custody = keys.unit;
                self.handler = 0;
                self.stage = Stage::AtIntake;
            }
            ComplaintEvent::ReceivedByUnit(_) => {
                self.custody = keys.unit;
                self.stage = Stage::Received;
            }
            ComplaintEvent::HandlerAssigned(_) => self.handler = keys.handler,
            ComplaintEvent::Accepted(_) => self.stage = Stage::Accepted,
            ComplaintEvent::NotAccepted(_) => self.stage = Stage::NotAccepted,
            ComplaintEvent::MediationOpened(_) => self.stage = Stage::Mediating,
            ComplaintEvent::AgreementReached(_) => self.stage = Stage::Ended(Outcome::Agreement),
            ComplaintEvent::Settled(_) => self.stage = Stage::Ended(Outcome::Settled),
            ComplaintEvent::Withdrawn(_) => self.stage = Stage::Ended(Outcome::Withdrawn),
            ComplaintEvent::Terminated(_) => self.stage = Stage::Ended(Outcome::Terminated),
            ComplaintEvent::Closed(event) => {
                self.stage = Stage::Closed(event.outcome);
                self.recovered = event.recovered;
                self.closed_late = event.late;
                self.closed_at = Some(at);
            }
            ComplaintEvent::Reopened(event) => {
                self.stage = Stage::Received;
                self.round = event.round;
                self.recovered = None;
                self.closed_late = false;
                self.closed_at = None;
            }
            ComplaintEvent::Urged(_) => self.urged = self.urged.saturating_add(1),
            ComplaintEvent::Registered(_)
            | ComplaintEvent::ClockStarted(_)
            | ComplaintEvent::ClockStopped(_)
            | ComplaintEvent::ClockResumed(_)
            | ComplaintEvent::ClockExtended(_)
            | ComplaintEvent::ClockMet(_)
            | ComplaintEvent::SessionHeld(_)
            | ComplaintEvent::NoticeGiven(_)
            | ComplaintEvent::Noted(_)
            | ComplaintEvent::ClueFound(_)
            | ComplaintEvent::ClueDecided(_)
            | ComplaintEvent::WaitingBegan(_)
            | ComplaintEvent::WaitingEnded(_) => {}
        }
    }
}
