//! How a life decides: a pure function from state and command to events, and a total one from events to state.

use chrono::{DateTime, NaiveDate, Utc};

use crate::calendar::WorkingCalendar;
use crate::clock::RuleTable;
use crate::day::local_day;
use crate::id::UnitId;

/// All that a decision may know beside the state and the command.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The moment of the decision, chosen by the caller.
    pub now: DateTime<Utc>,
    /// The unit in whose name the actor acts.
    pub unit: &'a UnitId,
    /// The acting person's id.
    pub actor: &'a str,
    pub calendar: &'a WorkingCalendar,
    pub rules: &'a RuleTable,
}

impl Context<'_> {
    /// The local day (UTC+8) of the decision.
    #[must_use]
    pub fn today(&self) -> NaiveDate {
        local_day(self.now)
    }
}

/// An event with the business moment it happened at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened<E> {
    pub at: DateTime<Utc>,
    pub event: E,
}

/// One life: what may happen to it, and what it is after everything that did.
pub trait Decider {
    /// The part of the stream name before the hyphen.
    const CATEGORY: &'static str;
    type Command;
    type Event: Clone;
    type State: Clone;
    type Rejection: std::error::Error;

    /// The state before the first event.
    fn initial() -> Self::State;

    /// What the command would make happen. An empty list means that there is nothing to do.
    ///
    /// # Errors
    /// The rejection names what is not allowed and, where it depends on the state, what is.
    fn decide(
        state: &Self::State,
        command: Self::Command,
        ctx: &Context<'_>,
    ) -> Result<Vec<Happened<Self::Event>>, Self::Rejection>;

    /// The state after one more event. Total: it has no failure, whatever the order of events.
    fn evolve(state: Self::State, event: &Happened<Self::Event>) -> Self::State;
}

/// The state after `events`, from the beginning.
pub fn fold<'e, D: Decider>(events: impl IntoIterator<Item = &'e Happened<D::Event>>) -> D::State
where
    D::Event: 'e,
{
    events.into_iter().fold(D::initial(), D::evolve)
}
