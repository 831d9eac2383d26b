//! What the ledger needs to know of one case: its dated facts and its statutory clocks, folded from its events alone.
//!
//! Facts may arrive in any order, because acts are back-dated and histories imported; they are kept sorted by their
//! moment and, within one moment, by their place in the stream. Clocks are matched in the order of the stream, as the
//! decider does it, and carry their own days.

pub(crate) mod codec;

use domain::clock::{ClockKind, ClockTerms};
use domain::complaint::ComplaintEvent;
use domain::day::day_number;
use domain::money::Money;

/// The end of what has not ended.
pub(crate) const NEVER: i32 = i32::MAX;

const MICROS_PER_DAY: i64 = 86_400_000_000;
/// Local time is eight hours ahead of UTC, see [`domain::day`].
const MICROS_AHEAD: i64 = 8 * 3_600_000_000;

/// The local day of an instant in microseconds since 1970, as a day number: [`domain::day::local_day`] for the
/// ledger.
pub(crate) fn day_of(micros: i64) -> i32 {
    let day = micros.saturating_add(MICROS_AHEAD).div_euclid(MICROS_PER_DAY);
    i32::try_from(day).unwrap_or(NEVER - 1)
}

/// The keys of the names in an event; 0 where it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Keys {
    pub(crate) unit: u32,
    pub(crate) handler: u32,
}

/// How a unit came to have the case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handover {
    Dispatched,
    Returned,
    Received,
}

/// Something that happened at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Custody {
        unit: u32,
        how: Handover,
    },
    Handler(u32),
    Accepted,
    Refused,
    /// The acceptance period was met late, whatever met it.
    AcceptLate,
    MediationOpened,
    Succeeded,
    Closed {
        late: bool,
        recovered: Option<Money>,
    },
    Reopened,
    Urged,
}

/// A fact with its place in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fact {
    /// Microseconds since 1970; never before the registration.
    pub(crate) at: i64,
    /// The revision: what happened first among facts of one moment.
    pub(crate) seq: u32,
    pub(crate) what: What,
}

/// A statutory clock, as its events left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clock {
    pub(crate) kind: ClockKind,
    /// The legal last day.
    pub(crate) due: i32,
    pub(crate) provisional: bool,
    /// The first day of the stop that is still open. Those that are over have moved `due`.
    pub(crate) stopped: Option<i32>,
    /// The day on which it was met or fell away.
    pub(crate) end: Option<i32>,
}

impl Clock {
    fn is_running(&self) -> bool {
        self.end.is_none()
    }

    /// Whether nobody can say when the period ends. A stop that began behind the last day changes nothing.
    pub(crate) fn stands_still(&self) -> bool {
        self.stopped.is_some_and(|from| from <= self.due)
    }
}

/// The next legal last day of a case that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) day: i32,
    /// The clock that sets it; `None` for the deadline of a source system.
    pub(crate) clock: Option<ClockKind>,
    pub(crate) provisional: bool,
    /// The first day on which the case counts as overdue by it.
    pub(crate) overdue_from: i32,
}

/// Everything the ledger knows of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Track {
    /// Microseconds since 1970.
    pub(crate) registered: i64,
    pub(crate) intake: u32,
    /// The day that the deadline of a source system falls on, which is the first overdue one.
    pub(crate) deadline: Option<i32>,
    /// The day of the first reopening: a new round has its own periods, and the source's deadline is none of them.
    pub(crate) deadline_end: Option<i32>,
    pub(crate) facts: Vec<Fact>,
    pub(crate) clocks: Vec<Clock>,
}

impl Track {
    pub(crate) const fn new(registered: i64, intake: u32, deadline: Option<i32>) -> Self {
        Self { registered, intake, deadline, deadline_end: None, facts: Vec::new(), clocks: Vec::new() }
    }

    /// Takes in one event of the case behind its registration.
    pub(crate) fn apply(&mut self, at: i64, seq: u32, event: &ComplaintEvent, keys: Keys) {
        match event {
            ComplaintEvent::Dispatched(_) => {
                self.note(at, seq, What::Custody { unit: keys.unit, how: Handover::Dispatched });
            }
            ComplaintEvent::ReturnedToIntake(_) => {
                self.note(at, seq, What::Custody { unit: keys.unit, how: Handover::Returned });
                self.end_clocks(day_of(at));
            }
            ComplaintEvent::ReceivedByUnit(_) => {
                self.note(at, seq, What::Custody { unit: keys.unit, how: Handover::Received });
            }
            ComplaintEvent::HandlerAssigned(_) => self.note(at, seq, What::Handler(keys.handler)),
            ComplaintEvent::Accepted(_) => self.note(at, seq, What::Accepted),
            ComplaintEvent::NotAccepted(_) => self.note(at, seq, What::Refused),
            ComplaintEvent::MediationOpened(_) => self.note(at, seq, What::MediationOpened),
            ComplaintEvent::AgreementReached(_) | ComplaintEvent::Settled(_) => self.note(at, seq, What::Succeeded),
            ComplaintEvent::Closed(event) => {
                self.note(at, seq, What::Closed { late: event.late, recovered: event.recovered });
            }
            ComplaintEvent::Reopened(_) => {
                self.note(at, seq, What::Reopened);
                self.end_clocks(day_of(at));
                self.deadline_end.get_or_insert_with(|| day_of(at));
            }
            ComplaintEvent::Urged(_) => self.note(at, seq, What::Urged),
            ComplaintEvent::ClockStarted(event) => self.start_clock(&event.terms),
            ComplaintEvent::ClockStopped(event) => {
                if let Some(clock) = self.running(event.clock) {
                    clock.stopped = Some(day_number(event.on));
                }
            }
            ComplaintEvent::ClockResumed(event) => self.resume_clock(&event.terms),
            ComplaintEvent::ClockExtended(event) => self.set_due(&event.terms),
            ComplaintEvent::ClockMet(event) => {
                if let Some(clock) = self.running(event.clock) {
                    clock.end = Some(day_number(event.on));
                }
                if event.clock == ClockKind::Accept && event.late {
                    self.note(at, seq, What::AcceptLate);
                }
            }
            ComplaintEvent::Registered(_)
            | ComplaintEvent::Withdrawn(_)
            | ComplaintEvent::Terminated(_)
            | ComplaintEvent::SessionHeld(_)
            | ComplaintEvent::NoticeGiven(_)
            | ComplaintEvent::Noted(_)
            | ComplaintEvent::ClueFound(_)
            | ComplaintEvent::ClueDecided(_)
            | ComplaintEvent::WaitingBegan(_)
            | ComplaintEvent::WaitingEnded(_) => {}
        }
    }

    /// The next last day among the clocks that run and the source's deadline, as known now.
    pub(crate) fn next_due(&self) -> Option<Due> {
        let clocks = self.clocks.iter().filter(|clock| clock.is_running() && !clock.stands_still()).map(|clock| Due {
            day: clock.due,
            clock: Some(clock.kind),
            provisional: clock.provisional,
            overdue_from: clock.due.saturating_add(1),
        });
        let deadline = self.deadline.filter(|_| self.deadline_end.is_none());
        let source = deadline.map(|day| Due { day, clock: None, provisional: false, overdue_from: day });
        clocks.chain(source).min_by_key(|due| (due.overdue_from, due.day))
    }

    fn note(&mut self, at: i64, seq: u32, what: What) {
        // Nothing happens to a case before it is there.
        let at = at.max(self.registered);
        let place = self.facts.partition_point(|fact| (fact.at, fact.seq) <= (at, seq));
        self.facts.insert(place, Fact { at, seq, what });
    }

    fn start_clock(&mut self, terms: &ClockTerms) {
        self.clocks.push(Clock {
            kind: terms.rule,
            due: day_number(terms.due_legal),
            provisional: terms.provisional,
            stopped: None,
            end: None,
        });
    }

    fn resume_clock(&mut self, terms: &ClockTerms) {
        if let Some(clock) = self.running(terms.rule) {
            clock.stopped = None;
        }
        self.set_due(terms);
    }

    fn set_due(&mut self, terms: &ClockTerms) {
        if let Some(clock) = self.running(terms.rule) {
            clock.due = day_number(terms.due_legal);
            clock.provisional = terms.provisional;
        }
    }

    fn end_clocks(&mut self, day: i32) {
        for clock in self.clocks.iter_mut().filter(|clock| clock.is_running()) {
            clock.end = Some(day);
        }
    }

    fn running(&mut self, kind: ClockKind) -> Option<&mut Clock> {
        self.clocks.iter_mut().rev().find(|clock| clock.kind == kind && clock.is_running())
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use domain::day::local_day;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_day_of_an_instant_is_the_domains(micros in -60_000_000_000_000_000_i64..60_000_000_000_000_000) {
            let at: DateTime<Utc> = DateTime::from_timestamp_micros(micros).unwrap();
            prop_assert_eq!(day_of(micros), day_number(local_day(at)));
        }
    }

    #[test]
    fn the_ends_of_time_do_not_panic() {
        assert_eq!(day_of(i64::MIN), -106_751_991);
        assert!(day_of(i64::MAX) < NEVER);
    }
}
