//! One complaint's course: every act is decided by the domain, and what follows is drawn from what came of it.

use std::sync::Arc;

use domain::calendar::WorkingCalendar;
use domain::clock::{ClockKind, RuleTable};
use domain::complaint::{Case, Complaint, ComplaintCommand, Rejection};
use domain::decider::{Context, Decider as _};
use domain::envelope::Revision;
use domain::id::{CommandId, EventId, StreamId, UnitId};
use domain::money::Money;
use domain::vocabulary::Category;
use event_log::digest::command_digest;
use event_log::execute::{Issue, new_events};
use event_log::port::{Append, CommandRef, Expected};

use super::GenerateError;
use super::dice::Dice;
use super::mix::{DECIDED_AFTER, FATES, FIRST_SESSION, Fate, SESSIONS, TOLD_AFTER};
use super::network::{Network, Seat, officer};
use super::office::{DAY, MINUTE, Office, moment};

/// In a thousand: sent to the wrong bureau first. These and the other shares of this file are assumptions.
const ASTRAY: u32 = 40;
/// In a thousand: sent on from the county to a station.
const PASSED_DOWN: u32 = 420;
/// In a thousand: taken up again after it was closed.
const REOPENED: u32 = 8;
/// In a thousand: a lead of a violation is found in mediation.
const CLUE: u32 = 12;
/// In a thousand mediations about the goods themselves: something is tested or appraised.
const TESTED: u32 = 40;
/// A pause of this length leaves room for a call, a visit or an urging.
const PAUSE: i64 = 20 * 60 * MINUTE;
/// In a thousand such pauses: something of the kind happens.
const ASIDE: u32 = 220;

/// What is done to a complaint; [`super::acts`] says how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Dispatch,
    Return,
    Receive,
    PassDown,
    Decide,
    TellRefused,
    TellAccepted,
    OpenMediation,
    StopClock,
    ResumeClock,
    Session,
    RecordClue,
    End,
    TellComplainant,
    TellRespondent,
    TellResult,
    DecideClue,
    Close,
    Reopen,
    /// Beside the course: a note or an urging.
    Aside,
}

/// Everything that all lives share.
pub(super) struct World {
    pub(super) network: Arc<Network>,
    pub(super) office: Office,
}

/// Who acts, in whose name.
pub(super) struct Doer {
    pub(super) unit: UnitId,
    pub(super) officer: String,
}

/// One complaint under way.
pub(super) struct Life {
    stream: StreamId,
    /// The command that registered it; the ids of all others are derived from it.
    command: CommandId,
    acts: u32,
    next_revision: u64,
    state: Complaint,
    pub(super) seat: Seat,
    /// Where it is sent by mistake.
    pub(super) astray: Option<Seat>,
    /// The station it will be passed down to.
    pub(super) station: Option<UnitId>,
    pub(super) fate: Fate,
    pub(super) sessions: u32,
    clue: bool,
    pub(super) recovered: Option<Money>,
    /// The planned step and its moment.
    next: (i64, Step),
    /// Something that happens before it.
    aside: Option<i64>,
}

impl Life {
    /// A complaint that is about to be registered.
    pub(super) fn new(stream: StreamId, command: CommandId, seat: Seat, world: &World, dice: &mut Dice) -> Self {
        let areas = world.network.city(seat).areas.len();
        let astray = (areas > 1 && dice.chance(ASTRAY)).then(|| {
            let other = seat.area.saturating_add(1).saturating_add(dice.index(areas.saturating_sub(1)));
            Seat { city: seat.city, area: other % areas }
        });
        let stations = &world.network.area(seat).stations;
        let passed_down = !stations.is_empty() && dice.chance(PASSED_DOWN);
        let station = passed_down.then(|| stations.get(dice.skewed(stations.len())).cloned()).flatten();
        Self {
            stream,
            command,
            acts: 0,
            next_revision: 0,
            state: Complaint::initial(),
            seat,
            astray,
            station,
            fate: Fate::Forgotten,
            sessions: 0,
            clue: false,
            recovered: None,
            next: (0, Step::Dispatch),
            aside: None,
        }
    }

    pub(super) fn case(&self) -> Option<&Case> {
        self.state.case()
    }

    /// Registers it as the process manager would have: because of the filing's split.
    pub(super) fn register(
        &mut self,
        at: i64,
        doer: &Doer,
        cause: EventId,
        correlation: CommandId,
        command: ComplaintCommand,
    ) -> Result<Append, GenerateError> {
        let digest = command_digest(cause.as_uuid().as_bytes());
        let issue = Issue { causation: Some(cause), correlation: Some(correlation), ..Issue::default() };
        self.carry_out(at, doer, CommandRef { id: self.command, digest }, &issue, command)
    }

    /// Does the step, or what comes before it; answers when to come again, `None` when its course is run.
    pub(super) fn go_on(
        &mut self,
        at: i64,
        world: &World,
        dice: &mut Dice,
    ) -> Result<(Append, Option<i64>), GenerateError> {
        let aside = self.aside.take().is_some();
        let step = if aside { Step::Aside } else { self.next.1 };
        let (doer, command) =
            self.act(step, at, world, dice).ok_or_else(|| self.refused(at, Rejection::NotRegistered))?;
        let id = CommandId::derived_at(moment(at), &[self.stream.as_str(), &self.acts.to_string()]);
        self.acts = self.acts.saturating_add(1);
        let digest = command_digest(id.as_uuid().as_bytes());
        let issue = Issue { correlation: Some(id), ..Issue::default() };
        let append = self.carry_out(at, &doer, CommandRef { id, digest }, &issue, command)?;
        let again = if aside { Some(self.next.0) } else { self.plan(step, at, world, dice) };
        Ok((append, again))
    }

    /// Plans what follows `done`; answers when to come back.
    pub(super) fn plan(&mut self, done: Step, at: i64, world: &World, dice: &mut Dice) -> Option<i64> {
        let (then, step) = self.follow(done, at, &world.office, dice)?;
        self.next = (then, step);
        let pause = then - at;
        if pause > PAUSE && dice.chance(ASIDE) {
            let somewhen = world.office.open_at(at + pause / 100 * dice.span(15, 85), dice);
            self.aside = (somewhen < then).then_some(somewhen);
        }
        Some(self.aside.unwrap_or(then))
    }

    /// What follows a step, and when.
    fn follow(&mut self, done: Step, at: i64, office: &Office, dice: &mut Dice) -> Option<(i64, Step)> {
        let minutes = |from: u32, to: u32, dice: &mut Dice| office.open_at(at + dice.span(from, to) * MINUTE, dice);
        let days = |from: u32, to: u32, dice: &mut Dice| office.in_working_days(at, dice.between(from, to), dice);
        Some(match done {
            Step::Return => (minutes(10, 180, dice), Step::Dispatch),
            Step::Dispatch if self.astray.is_some() && dice.chance(500) => (minutes(60, 600, dice), Step::Return),
            Step::Dispatch | Step::PassDown => {
                let then = if dice.chance(850) { minutes(15, 300, dice) } else { days(1, 1, dice) };
                (then, Step::Receive)
            }
            Step::Receive if self.astray.is_some() => (minutes(60, 900, dice), Step::Return),
            Step::Receive if self.station.is_some() => (minutes(10, 240, dice), Step::PassDown),
            Step::Receive | Step::Reopen => return self.decide_later(at, office, dice),
            Step::Decide => match self.fate {
                Fate::Refused => (minutes(5, 60, dice), Step::TellRefused),
                Fate::WithdrawnEarly => self.close_later(at, office, dice),
                Fate::Forgotten | Fate::Agreement | Fate::Settled | Fate::Withdrawn | Fate::Terminated => {
                    (minutes(2, 40, dice), Step::TellAccepted)
                }
            },
            Step::TellAccepted if self.ends_without_mediation(dice) => {
                (office.open_at(at + dice.span(1, 14) * DAY, dice), Step::End)
            }
            Step::TellAccepted => (days(1, 4, dice), Step::OpenMediation),
            Step::OpenMediation => self.first_session(at, office, dice),
            Step::StopClock => (office.open_at(at + dice.span(8, 25) * DAY, dice), Step::ResumeClock),
            Step::ResumeClock => (days(1, 6, dice), Step::Session),
            Step::Session if std::mem::take(&mut self.clue) => (minutes(10, 60, dice), Step::RecordClue),
            Step::Session | Step::RecordClue if self.sessions > 0 => (days(2, 8, dice), Step::Session),
            Step::Session | Step::RecordClue if dice.chance(700) => (minutes(5, 40, dice), Step::End),
            Step::Session | Step::RecordClue => (days(1, 5, dice), Step::End),
            Step::End if self.fate == Fate::Agreement && dice.chance(500) => (minutes(10, 60, dice), Step::TellResult),
            Step::End if self.fate == Fate::Agreement => self.close_later(at, office, dice),
            Step::End => {
                let later = dice.weighted(&TOLD_AFTER);
                let then = if later == 0 { minutes(10, 90, dice) } else { office.in_working_days(at, later, dice) };
                (then, Step::TellComplainant)
            }
            Step::TellComplainant => (minutes(2, 30, dice), Step::TellRespondent),
            Step::TellRefused | Step::TellRespondent | Step::TellResult | Step::DecideClue => {
                self.close_later(at, office, dice)
            }
            Step::Close if dice.chance(REOPENED) => (days(3, 15, dice), Step::Reopen),
            Step::Close | Step::Aside => return None,
        })
    }

    /// Draws how it will end, and when somebody decides on it; nobody does on one that is forgotten.
    fn decide_later(&mut self, at: i64, office: &Office, dice: &mut Dice) -> Option<(i64, Step)> {
        self.fate = dice.weighted(&FATES);
        if self.fate == Fate::Forgotten {
            return None;
        }
        let later = dice.weighted(&DECIDED_AFTER);
        let then = if later == 0 {
            office.open_at(at + dice.span(40, 240) * MINUTE, dice)
        } else {
            office.in_working_days(at, later, dice)
        };
        Some((then, Step::Decide))
    }

    fn ends_without_mediation(&self, dice: &mut Dice) -> bool {
        let in_thousand = match self.fate {
            Fate::Settled | Fate::Withdrawn => 550,
            Fate::Terminated => 250,
            Fate::Forgotten | Fate::Refused | Fate::WithdrawnEarly | Fate::Agreement => 0,
        };
        dice.chance(in_thousand)
    }

    fn first_session(&mut self, at: i64, office: &Office, dice: &mut Dice) -> (i64, Step) {
        self.sessions = dice.weighted(&SESSIONS);
        self.clue = dice.chance(CLUE);
        let of_goods = self.case().is_some_and(|case| {
            matches!(case.category, Category::Quality | Category::FoodSafety | Category::Safety | Category::Counterfeit)
        });
        if of_goods && dice.chance(TESTED) {
            return (office.open_at(at + dice.span(1, 5) * DAY, dice), Step::StopClock);
        }
        let (from, to) = dice.weighted(&FIRST_SESSION);
        let then = at + dice.span(from, to) * DAY + dice.span(0, 300) * MINUTE;
        (office.open_at(then, dice), Step::Session)
    }

    /// Closing, unless a lead must be decided on first.
    fn close_later(&self, at: i64, office: &Office, dice: &mut Dice) -> (i64, Step) {
        if self.case().is_some_and(|case| case.running(ClockKind::ClueVerify).is_some()) {
            return (office.in_working_days(at, dice.between(3, 9), dice), Step::DecideClue);
        }
        let then = if dice.chance(450) {
            office.open_at(at + dice.span(10, 120) * MINUTE, dice)
        } else {
            office.in_working_days(at, dice.between(1, 2), dice)
        };
        (then, Step::Close)
    }

    fn carry_out(
        &mut self,
        at: i64,
        doer: &Doer,
        command: CommandRef,
        issue: &Issue,
        body: ComplaintCommand,
    ) -> Result<Append, GenerateError> {
        let ctx = Context {
            now: moment(at),
            unit: &doer.unit,
            actor: &doer.officer,
            calendar: WorkingCalendar::mainland(),
            rules: RuleTable::builtin(),
        };
        let happened = Complaint::decide(&self.state, body, &ctx).map_err(|source| self.refused(at, source))?;
        let events = new_events(&self.stream, command.id, issue, &ctx, &happened).map_err(GenerateError::Encode)?;
        let state = std::mem::replace(&mut self.state, Complaint::Unregistered);
        self.state = happened.iter().fold(state, Complaint::evolve);
        let expected = match self.next_revision.checked_sub(1) {
            Some(newest) => Expected::At(Revision::new(newest)),
            None => Expected::NoStream,
        };
        self.next_revision = self.next_revision.saturating_add(u64::try_from(events.len()).unwrap_or(0));
        Ok(Append { stream: self.stream.clone(), expected, command, events })
    }

    fn refused(&self, at: i64, source: Rejection) -> GenerateError {
        GenerateError::Refused { stream: self.stream.clone(), at: moment(at), source: Box::new(source) }
    }

    /// Whoever has the case: its handler, or somebody of the unit.
    pub(super) fn holder(&self, dice: &mut Dice) -> Option<Doer> {
        let case = self.case()?;
        let officer = case.handler.clone().unwrap_or_else(|| officer(&case.custody, dice));
        Some(Doer { unit: case.custody.clone(), officer })
    }

    /// Somebody of the unit that took it in.
    pub(super) fn intake(&self, dice: &mut Dice) -> Option<Doer> {
        let case = self.case()?;
        Some(Doer { unit: case.intake.clone(), officer: officer(&case.intake, dice) })
    }
}
