//! What a complaint is after everything that happened to it.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};

use super::event::{ComplaintEvent, Registered, Respondent, Source};
use super::vocabulary::{NoticeSubject, Outcome, Party};
use crate::calendar::WorkingCalendar;
use crate::clock::{self, ClockError, ClockKind, ClockTerms, Stop};
use crate::day::local_day;
use crate::decider::Happened;
use crate::id::{FilingId, UnitId};
use crate::money::Money;
use crate::region::RegionCode;
use crate::vocabulary::{Category, Channel};

/// Where a complaint stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// 已登记: with the intake unit.
    AtIntake,
    /// 已分送: on its way to a unit that has not received it.
    Dispatched,
    /// 已签收: the acceptance period runs.
    Received,
    /// 已受理: the mediation period runs.
    Accepted,
    /// 调解中.
    Mediating,
    /// 调解结束, not yet closed.
    Ended(Outcome),
    /// 不予受理, not yet closed.
    NotAccepted,
    /// 已办结.
    Closed(Outcome),
}

impl Stage {
    /// The stable code of the stage, without the outcome.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AtIntake => "at-intake",
            Self::Dispatched => "dispatched",
            Self::Received => "received",
            Self::Accepted => "accepted",
            Self::Mediating => "mediating",
            Self::Ended(_) => "ended",
            Self::NotAccepted => "not-accepted",
            Self::Closed(_) => "closed",
        }
    }

    /// The outcome, once there is one.
    #[must_use]
    pub const fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Ended(outcome) | Self::Closed(outcome) => Some(outcome),
            Self::NotAccepted => Some(Outcome::NotAccepted),
            Self::AtIntake | Self::Dispatched | Self::Received | Self::Accepted | Self::Mediating => None,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// One statutory period of the case, as its events left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningClock {
    pub terms: ClockTerms,
    pub stops: Vec<Stop>,
    pub extended_by: u16,
    /// The day the act was done, and whether that was late.
    pub met: Option<(NaiveDate, bool)>,
}

impl RunningClock {
    /// Started and neither met nor ended.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.met.is_none()
    }

    /// The first day of the stop that is still open.
    #[must_use]
    pub fn stopped_on(&self) -> Option<NaiveDate> {
        self.stops.last().filter(|stop| stop.to.is_none()).map(|stop| stop.from)
    }

    /// The terms after `extended_by` and `stops`, reckoned anew.
    pub(super) fn reckoned(
        &self,
        extended_by: u16,
        stops: &[Stop],
        calendar: &WorkingCalendar,
    ) -> Result<ClockTerms, ClockError> {
        let due = clock::reckon(self.terms.basis().extended(extended_by), stops, calendar)?;
        Ok(ClockTerms {
            calendar: calendar.edition().clone(),
            due_strict: due.strict,
            due_legal: due.legal,
            provisional: due.provisional,
            ..self.terms.clone()
        })
    }

    /// Whether `day` lies behind the legal last day while the clock runs. A stop that began in time postpones that day;
    /// one that began after it changes nothing.
    #[must_use]
    pub fn is_exceeded_on(&self, day: NaiveDate) -> bool {
        let stands = self.stopped_on().is_some_and(|from| from <= self.terms.due_legal);
        self.is_running() && !stands && day > self.terms.due_legal
    }
}

/// A notice that was given in this round, and the day it was given on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    pub subject: NoticeSubject,
    pub party: Party,
    pub on: NaiveDate,
}

/// A registered complaint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    pub number: String,
    pub filing: FilingId,
    pub channel: Channel,
    pub category: Category,
    pub region: RegionCode,
    /// The unit that took it in and to which it is returned.
    pub intake: UnitId,
    /// The unit that has it.
    pub custody: UnitId,
    pub handler: Option<String>,
    pub stage: Stage,
    /// 1 for the first handling, one more at each reopening.
    pub round: u16,
    pub registered_at: DateTime<Utc>,
    /// When it came to the unit that has it: registered, sent or handed back there.
    pub arrived_at: DateTime<Utc>,
    /// The last act that moved the case.
    pub last_act_at: DateTime<Utc>,
    pub clocks: Vec<RunningClock>,
    pub notices: Vec<Told>,
    pub respondent: Option<Respondent>,
    pub amount: Option<Money>,
    pub recovered: Option<Money>,
    pub closed_late: bool,
    pub source: Option<Source>,
    pub waiting: bool,
    pub urged: u32,
}

impl Case {
    /// The running clock of a kind.
    #[must_use]
    pub fn running(&self, kind: ClockKind) -> Option<&RunningClock> {
        self.clocks.iter().rev().find(|clock| clock.terms.rule == kind && clock.is_running())
    }

    /// Whether a notice has been given in this round.
    #[must_use]
    pub fn told(&self, subject: NoticeSubject, party: Party) -> bool {
        self.told_on(subject, party).is_some()
    }

    /// The first day on which a notice was given in this round; one from before what it tells of counts for nothing.
    #[must_use]
    pub fn told_on(&self, subject: NoticeSubject, party: Party) -> Option<NaiveDate> {
        let since = match subject {
            NoticeSubject::Acceptance => self.started(ClockKind::Mediate).map(|clock| clock.terms.started_on),
            NoticeSubject::Refusal => self.started(ClockKind::Accept).and_then(|clock| clock.met).map(|(on, _)| on),
            NoticeSubject::Termination => self.started(ClockKind::TermNotice).map(|clock| clock.terms.started_on),
            NoticeSubject::Result => None,
        };
        self.notices
            .iter()
            .filter(|told| told.subject == subject && told.party == party)
            .map(|told| told.on)
            .filter(|on| since.is_none_or(|since| *on >= since))
            .min()
    }

    /// The newest clock of a kind that was started in this round, running or not.
    #[must_use]
    pub fn started(&self, kind: ClockKind) -> Option<&RunningClock> {
        self.clocks.iter().rev().find(|clock| clock.terms.rule == kind)
    }

    fn new(at: DateTime<Utc>, event: &Registered) -> Self {
        Self {
            number: event.number.clone(),
            filing: event.filing,
            channel: event.channel,
            category: event.category,
            region: event.region,
            intake: event.unit.clone(),
            custody: event.unit.clone(),
            handler: None,
            stage: Stage::AtIntake,
            round: 1,
            registered_at: at,
            arrived_at: at,
            last_act_at: at,
            clocks: Vec::new(),
            notices: Vec::new(),
            respondent: event.respondent.clone(),
            amount: event.amount,
            recovered: None,
            closed_late: false,
            source: event.source.clone(),
            waiting: false,
            urged: 0,
        }
    }

    /// Ends the matter other than by an agreement. What was said of that end before it came told nobody anything.
    fn end(&mut self, outcome: Outcome) {
        self.stage = Stage::Ended(outcome);
        self.notices.retain(|told| told.subject != NoticeSubject::Termination);
    }

    fn clock_mut(&mut self, kind: ClockKind) -> Option<&mut RunningClock> {
        self.clocks.iter_mut().rev().find(|clock| clock.terms.rule == kind && clock.is_running())
    }
}

/// The state of a complaint's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Complaint {
    Unregistered,
    Registered(Box<Case>),
}

impl Complaint {
    /// The case, once it is registered.
    #[must_use]
    pub fn case(&self) -> Option<&Case> {
        match self {
            Self::Unregistered => None,
            Self::Registered(case) => Some(case),
        }
    }
}

/// See [`crate::decider::Decider::evolve`].
pub(crate) fn evolve(state: Complaint, happened: &Happened<ComplaintEvent>) -> Complaint {
    match (state, &happened.event) {
        (Complaint::Unregistered, ComplaintEvent::Registered(event)) => {
            Complaint::Registered(Box::new(Case::new(happened.at, event)))
        }
        (Complaint::Unregistered, _) => Complaint::Unregistered,
        (Complaint::Registered(mut case), event) => {
            apply(&mut case, event, happened.at);
            Complaint::Registered(case)
        }
    }
}

fn apply(case: &mut Case, event: &ComplaintEvent, at: DateTime<Utc>) {
    match event {
        ComplaintEvent::Registered(_) | ComplaintEvent::SessionHeld(_) | ComplaintEvent::ClueFound(_) => {}
        ComplaintEvent::Noted(_) | ComplaintEvent::ClueDecided(_) => {}
        ComplaintEvent::Dispatched(event) => {
            case.custody = event.to.clone();
            case.arrived_at = at;
            case.handler = None;
            // An imported history changes units without our stages.
            if case.source.is_none() || case.stage == Stage::AtIntake {
                case.stage = Stage::Dispatched;
            }
        }
        ComplaintEvent::ReturnedToIntake(event) => {
            case.custody = event.to.clone();
            case.arrived_at = at;
            case.handler = None;
            case.clocks.retain(|clock| !clock.is_running());
            case.stage = Stage::AtIntake;
        }
        ComplaintEvent::ReceivedByUnit(event) => {
            case.custody = event.unit.clone();
            case.stage = Stage::Received;
        }
        ComplaintEvent::HandlerAssigned(event) => case.handler = Some(event.handler.clone()),
        ComplaintEvent::Accepted(_) => case.stage = Stage::Accepted,
        ComplaintEvent::NotAccepted(_) => case.stage = Stage::NotAccepted,
        ComplaintEvent::MediationOpened(_) => case.stage = Stage::Mediating,
        ComplaintEvent::AgreementReached(_) => case.stage = Stage::Ended(Outcome::Agreement),
        ComplaintEvent::Settled(_) => case.end(Outcome::Settled),
        ComplaintEvent::Withdrawn(_) => case.end(Outcome::Withdrawn),
        ComplaintEvent::Terminated(_) => case.end(Outcome::Terminated),
        ComplaintEvent::NoticeGiven(event) => {
            case.notices.push(Told { subject: event.subject, party: event.to, on: local_day(at) });
        }
        ComplaintEvent::Closed(event) => {
            case.stage = Stage::Closed(event.outcome);
            case.recovered = event.recovered;
            case.closed_late = event.late;
            case.waiting = false;
        }
        ComplaintEvent::Reopened(event) => {
            case.stage = Stage::Received;
            case.round = event.round;
            // A round stands for itself: neither the periods nor the notices of the one before count in it.
            case.clocks.clear();
            case.notices.clear();
            case.recovered = None;
            case.closed_late = false;
        }
        ComplaintEvent::Urged(_) => case.urged = case.urged.saturating_add(1),
        ComplaintEvent::WaitingBegan(_) => case.waiting = true,
        ComplaintEvent::WaitingEnded(_) => case.waiting = false,
        ComplaintEvent::ClockStarted(_)
        | ComplaintEvent::ClockStopped(_)
        | ComplaintEvent::ClockResumed(_)
        | ComplaintEvent::ClockExtended(_)
        | ComplaintEvent::ClockMet(_) => apply_clock(case, event),
    }
    if moves(event) && at > case.last_act_at {
        case.last_act_at = at;
    }
}

fn apply_clock(case: &mut Case, event: &ComplaintEvent) {
    match event {
        ComplaintEvent::ClockStarted(event) => {
            case.clocks.push(RunningClock { terms: event.terms.clone(), stops: Vec::new(), extended_by: 0, met: None })
        }
        ComplaintEvent::ClockStopped(event) => {
            if let Some(clock) = case.clock_mut(event.clock) {
                clock.stops.push(Stop { from: event.on, to: None });
            }
        }
        ComplaintEvent::ClockResumed(event) => {
            if let Some(clock) = case.clock_mut(event.terms.rule) {
                if let Some(stop) = clock.stops.last_mut() {
                    stop.to = Some(event.on);
                }
                clock.terms = event.terms.clone();
            }
        }
        ComplaintEvent::ClockExtended(event) => {
            if let Some(clock) = case.clock_mut(event.terms.rule) {
                clock.extended_by = clock.extended_by.saturating_add(event.by);
                clock.terms = event.terms.clone();
            }
        }
        ComplaintEvent::ClockMet(event) => {
            if let Some(clock) = case.clock_mut(event.clock) {
                clock.met = Some((event.on, event.late));
            }
        }
        ComplaintEvent::Registered(_)
        | ComplaintEvent::Dispatched(_)
        | ComplaintEvent::ReturnedToIntake(_)
        | ComplaintEvent::ReceivedByUnit(_)
        | ComplaintEvent::HandlerAssigned(_)
        | ComplaintEvent::Accepted(_)
        | ComplaintEvent::NotAccepted(_)
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
        | ComplaintEvent::WaitingEnded(_) => {}
    }
}

/// Events that only add to the record may be entered behind later acts.
const fn moves(event: &ComplaintEvent) -> bool {
    !matches!(
        event,
        ComplaintEvent::Noted(_)
            | ComplaintEvent::Urged(_)
            | ComplaintEvent::NoticeGiven(_)
            | ComplaintEvent::HandlerAssigned(_)
            | ComplaintEvent::ClockMet(_)
    )
}
