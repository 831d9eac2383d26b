//! A seeded generator of plausible cases, for `demo` and `bench`.
//!
//! Every act goes through the deciders that the API uses, at its own simulated moment, so a generated log holds nothing
//! that could not have happened. Cases run side by side and their events come out in the order of time, as in a real
//! log. The same plan gives the same events, but for the ciphertext of what is sealed, whose keys are drawn at random.
//!
//! Architecture invariant: nothing here reads a clock, the wall's or a timer's.

mod acts;
mod dice;
mod intake;
mod life;
mod mix;
mod network;
mod office;
mod people;
#[cfg(test)]
mod tests;
mod write;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use domain::calendar::WorkingCalendar;
use domain::clock::RuleTable;
use domain::complaint::register::Register;
use domain::complaint::{Act, ComplaintCommand, Rejection};
use domain::day::{day_end, day_start};
use domain::decider::{Context, Decider as _, fold};
use domain::filing::{Filing, FilingCommand, FilingRejection};
use domain::id::{CommandId, ComplaintId, StreamId};
use event_log::digest::command_digest;
use event_log::execute::{Issue, new_events};
use event_log::port::{Append, CommandRef, Expected};
use thiserror::Error;

pub use self::intake::Sealer;
pub use self::write::write;

use self::dice::Dice;
use self::intake::{Arrival, Intake};
use self::life::{Doer, Life, Step, World};
use self::network::{Network, officer};
use self::office::{Office, moment};
use crate::commands::Failure;
use domain::filing::registration;

/// Most cases of one plan.
pub const CASES_MAX: u64 = 100_000_000;
/// Most days of one plan: six years, within the rules that are known.
pub const DAYS_MAX: u32 = 2_192;

/// What is generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// 1 to [`CASES_MAX`] complaints.
    pub cases: u64,
    /// Over how many days they come in, 1 to [`DAYS_MAX`].
    pub days: u32,
    /// The last of these days. Nothing happens after it: what is not finished by then is open.
    pub until: NaiveDate,
    pub seed: u64,
    /// Whether complaints say what happened (sealed, and what a search finds).
    pub facts: bool,
    /// Whether filings say who filed (sealed).
    pub personal: bool,
}

impl Plan {
    /// The first day.
    #[must_use]
    pub fn first_day(&self) -> NaiveDate {
        let before = chrono::Days::new(u64::from(self.days.saturating_sub(1)));
        self.until.checked_sub_days(before).unwrap_or(NaiveDate::MIN)
    }

    /// The first instant of the first day: nothing is recorded before it.
    #[must_use]
    pub fn starts_at(&self) -> DateTime<Utc> {
        day_start(self.first_day())
    }

    fn check(&self) -> Result<(), PlanError> {
        if self.cases == 0 || self.cases > CASES_MAX {
            return Err(PlanError::Cases(self.cases));
        }
        if self.days == 0 || self.days > DAYS_MAX {
            return Err(PlanError::Days(self.days));
        }
        let first_rule = RuleTable::builtin().rules().iter().map(|rule| rule.effective_from).min().unwrap_or_default();
        if self.first_day() < first_rule {
            return Err(PlanError::BeforeTheRules { first_day: self.first_day(), first_rule });
        }
        Ok(())
    }
}

/// Why a plan cannot be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PlanError {
    #[error("a plan has 1 to {CASES_MAX} cases, this one has {0}")]
    Cases(u64),
    #[error("a plan has 1 to {DAYS_MAX} days, this one has {0}")]
    Days(u32),
    #[error("the plan begins on {first_day}; the statutory rules that are known begin on {first_rule}")]
    BeforeTheRules { first_day: NaiveDate, first_rule: NaiveDate },
}

/// Why generating stopped. Every variant but `Seal` is a fault of the generator.
#[derive(Debug, Error)]
pub enum GenerateError {
    #[error("an act on `{stream}` at {at} was refused")]
    Refused {
        stream: StreamId,
        at: DateTime<Utc>,
        #[source]
        source: Box<Rejection>,
    },
    #[error("a filing was refused")]
    Filing(#[source] FilingRejection),
    #[error("an event cannot be written as JSON")]
    Encode(#[source] serde_json::Error),
    #[error("what is known of people could not be sealed")]
    Seal(#[source] Failure),
    #[error("fewer values came back sealed than were given")]
    SealedTooFew,
}

/// How far a generator has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub cases: u64,
    pub events: u64,
}

/// Appends in the order of time, each with the moment to be recorded at.
#[derive(Debug)]
pub struct Batch {
    pub appends: Vec<(Append, DateTime<Utc>)>,
    /// After this batch.
    pub so_far: Tally,
}

/// Makes the events of a plan, batch by batch.
pub struct Generator {
    intake: Intake,
    world: World,
    dice: Dice,
    lives: Vec<Option<Life>>,
    /// Places of `lives` that are empty again.
    free: Vec<usize>,
    /// When which life goes on; the running number settles ties.
    queue: BinaryHeap<Reverse<(i64, u64, usize)>>,
    queued: u64,
    /// The first second behind the plan.
    end: i64,
    so_far: Tally,
}

impl std::fmt::Debug for Generator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generator").field("so_far", &self.so_far).finish_non_exhaustive()
    }
}

impl Generator {
    /// A generator at the beginning of its plan. Its cases are handled by the units of [`crate::units::of_divisions`].
    ///
    /// # Errors
    /// The plan is too large, or older than the rules.
    pub fn new(plan: Plan, sealer: Box<dyn Sealer>) -> Result<Self, PlanError> {
        plan.check()?;
        let network = Arc::new(Network::of_divisions());
        Ok(Self {
            intake: Intake::new(plan, Arc::clone(&network), sealer),
            world: World { network, office: Office::new(plan.first_day(), plan.until, WorkingCalendar::mainland()) },
            dice: Dice::new(plan.seed, 1),
            lives: Vec::new(),
            free: Vec::new(),
            queue: BinaryHeap::new(),
            queued: 0,
            end: day_end(plan.until).timestamp(),
            so_far: Tally::default(),
        })
    }

    /// At least `events` events if there are as many left; `None` at the end.
    ///
    /// # Errors
    /// Nothing can be sealed; anything else is a fault of the generator.
    pub fn next_batch(&mut self, events: u64) -> Result<Option<Batch>, GenerateError> {
        let mut appends = Vec::new();
        let enough = self.so_far.events.saturating_add(events);
        while self.so_far.events < enough && self.step(&mut appends)? {}
        Ok((!appends.is_empty()).then_some(Batch { appends, so_far: self.so_far }))
    }

    /// The next thing that happens: a filing comes in, or a life goes on. `false` when nothing does any more.
    fn step(&mut self, out: &mut Vec<(Append, DateTime<Utc>)>) -> Result<bool, GenerateError> {
        let arrives = self.intake.next_at()?;
        let due = self.queue.peek().map(|Reverse((at, ..))| *at);
        let before = out.len();
        match (arrives, due) {
            (None, None) => return Ok(false),
            (Some(arrives), due) if due.is_none_or(|due| arrives <= due) => {
                if let Some(arrival) = self.intake.take() {
                    self.receive(arrival, out)?;
                }
            }
            _ => self.go_on(out)?,
        }
        let made: usize = out.iter().skip(before).map(|(append, _)| append.events.len()).sum();
        self.so_far.events += u64::try_from(made).unwrap_or(0);
        Ok(true)
    }

    fn go_on(&mut self, out: &mut Vec<(Append, DateTime<Utc>)>) -> Result<(), GenerateError> {
        let Some(Reverse((at, _, place))) = self.queue.pop() else { return Ok(()) };
        let Some(life) = self.lives.get_mut(place).and_then(Option::as_mut) else { return Ok(()) };
        let (append, again) = life.go_on(at, &self.world, &mut self.dice)?;
        out.push((append, moment(at)));
        self.come_back(place, again);
        Ok(())
    }

    /// Puts a life into the queue again, or takes it out of the memory when it has no more to do within the plan.
    fn come_back(&mut self, place: usize, again: Option<i64>) {
        match again.filter(|again| *again < self.end) {
            Some(again) => {
                self.queue.push(Reverse((again, self.queued, place)));
                self.queued += 1;
            }
            None => {
                if let Some(life) = self.lives.get_mut(place) {
                    *life = None;
                    self.free.push(place);
                }
            }
        }
    }

    /// A filing is entered and split, and its complaint registered.
    fn receive(&mut self, arrival: Arrival, out: &mut Vec<(Append, DateTime<Utc>)>) -> Result<(), GenerateError> {
        let Arrival { at, seat, unit, filing: body } = arrival;
        let now = moment(at);
        let clerk = Doer { officer: officer(&unit, &mut self.dice), unit };
        let filing = body.received.filing;
        let stream = filing.stream();
        let id = CommandId::derived_at(now, &["generated", stream.as_str()]);
        let ctx = Context {
            now,
            unit: &clerk.unit,
            actor: &clerk.officer,
            calendar: WorkingCalendar::mainland(),
            rules: RuleTable::builtin(),
        };
        let body = FilingCommand::Register(Box::new(body));
        let happened = Filing::decide(&Filing::initial(), body, &ctx).map_err(GenerateError::Filing)?;
        let issue = Issue { correlation: Some(id), ..Issue::default() };
        let events = new_events(&stream, id, &issue, &ctx, &happened).map_err(GenerateError::Encode)?;
        let split = events.last().map(|split| (split.id, split.occurred_at));
        let digest = command_digest(id.as_uuid().as_bytes());
        let command = CommandRef { id, digest };
        out.push((Append { stream, expected: Expected::NoStream, command, events }, now));

        let Filing::Received(received, items, _) = fold::<Filing>(&happened) else { return Ok(()) };
        let (Some(item), Some((split, occurred_at))) = (items.first(), split) else { return Ok(()) };
        let complaint = ComplaintId::of_item(filing, item.item).stream();
        let registers = split.command(&format!("register-{}", item.item));
        let mut life = Life::new(complaint, registers, seat, &self.world, &mut self.dice);
        let act = Act::Register(Box::new(Register { registered: registration(&received, item), handler: None }));
        let body = ComplaintCommand { at: Some(occurred_at), act };
        out.push((life.register(at, &clerk, split, id, body)?, now));
        // What follows a registration is what follows a return to intake: it is dispatched.
        let again = life.plan(Step::Return, at, &self.world, &mut self.dice);
        let place = self.settle(life);
        self.come_back(place, again);
        self.so_far.cases += 1;
        Ok(())
    }

    fn settle(&mut self, life: Life) -> usize {
        if let Some(place) = self.free.pop()
            && let Some(empty) = self.lives.get_mut(place)
        {
            *empty = Some(life);
            return place;
        }
        self.lives.push(Some(life));
        self.lives.len() - 1
    }
}
