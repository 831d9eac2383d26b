//! Random histories, as bad as they come: back-dated, out of order, closed twice, moved while closed.

use domain::clock::ClockKind;
use domain::complaint::ComplaintEvent;
use domain::complaint::event::{
    Accepted, AgreementReached, ClockMet, ClockResumed, ClockStarted, ClockStopped, MediationOpened, NotAccepted,
    Noted, ReceivedByUnit, Registered, Reopened, ReturnedToIntake, Source, Urged,
};
use domain::complaint::vocabulary::{Mode, NoteKind, RefusalGround, ReturnReason, StopReason};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::kit::{self, Log, UNITS, assigned, closed, day, dispatched, hour, registration, terms, unit};

/// One event to be: of which case, of which kind, when it happened, how long after the one before it was recorded.
#[derive(Debug, Clone)]
struct Step {
    case: u128,
    kind: u8,
    on: i64,
    hour: i64,
    later: i64,
    unit: usize,
    number: i64,
}

const CLOCKS: [ClockKind; 3] = [ClockKind::Accept, ClockKind::Mediate, ClockKind::ClueVerify];

impl Step {
    fn event(&self) -> ComplaintEvent {
        let to = UNITS[self.unit].0;
        let clock = CLOCKS[usize::try_from(self.number).unwrap() % CLOCKS.len()];
        let on = day(self.on);
        let due = terms(clock, day(self.on + self.number));
        match self.kind {
            0 | 1 => dispatched(to),
            2 => ComplaintEvent::ReturnedToIntake(ReturnedToIntake {
                from: unit(to),
                to: unit("gz"),
                reason: ReturnReason::NoPower,
                note: None,
            }),
            3 => ComplaintEvent::ReceivedByUnit(ReceivedByUnit { unit: unit(to) }),
            4 => assigned(["h1", "h2"][self.unit % 2]),
            5 => ComplaintEvent::Accepted(Accepted {}),
            6 => ComplaintEvent::NotAccepted(NotAccepted {
                ground: RefusalGround::TooLate,
                reason: "x".into(),
                routes: Vec::new(),
            }),
            7 | 8 => ComplaintEvent::ClockStarted(ClockStarted { terms: due }),
            9 => ComplaintEvent::ClockStopped(ClockStopped { clock, on, reason: StopReason::Testing, evidence: None }),
            10 => ComplaintEvent::ClockResumed(ClockResumed { on, terms: due }),
            11 => ComplaintEvent::ClockMet(ClockMet { clock, on, late: self.unit.is_multiple_of(2) }),
            12 => ComplaintEvent::MediationOpened(MediationOpened { mode: Mode::Phone }),
            13 => ComplaintEvent::AgreementReached(AgreementReached { document: true, amount: None }),
            14 | 15 => closed(self.unit.is_multiple_of(2), (self.number > 5).then_some(self.number * 100)),
            16 => ComplaintEvent::Reopened(Reopened { reason: "x".into(), round: 2 }),
            17 => ComplaintEvent::Urged(Urged { note: "x".into() }),
            _ => ComplaintEvent::Noted(Noted { kind: NoteKind::Call, text: "x".into(), by: None }),
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0_u128..5, 0_u8..19, 0_i64..30, 0_i64..24, 0_i64..14, 0_usize..UNITS.len(), 0_i64..12)
        .prop_map(|(case, kind, on, hour, later, unit, number)| Step { case, kind, on, hour, later, unit, number });
    vec(step, 0..45)
}

/// A log of units and cases in which anything may follow anything.
pub(super) fn histories() -> impl Strategy<Value = Log> {
    (steps(), vec(option::of(0_i64..30), 5)).prop_map(|(steps, deadlines)| {
        let mut log = Log::with_units();
        let mut seen = [false; 5];
        let mut recorded = hour(0, 0);
        for step in steps {
            recorded += chrono::TimeDelta::hours(step.later);
            let at = hour(step.on, step.hour);
            let index = usize::try_from(step.case).unwrap();
            if seen[index] {
                log.case_later(step.case, at, recorded, &step.event());
                continue;
            }
            seen[index] = true;
            let deadline = deadlines[index].map(|on| hour(on, 15));
            let source = Source { system: "old".to_owned(), number: step.case.to_string(), deadline };
            let registered =
                Registered { source: deadline.map(|_| source), ..registration(step.case, UNITS[step.unit].0) };
            log.case_later(step.case, at, recorded, &ComplaintEvent::Registered(Box::new(registered)));
        }
        log
    })
}

/// The days that a history may touch, and some around them.
pub(super) fn days() -> impl Iterator<Item = chrono::NaiveDate> {
    (-2..48).step_by(5).map(kit::day)
}
