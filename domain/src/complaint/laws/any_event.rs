//! Any event in any order: `evolve` takes them all.

use chrono::{DateTime, Duration, NaiveDate, Utc};
use proptest::prelude::*;

use super::super::event::{
    Accepted, AgreementReached, ClockExtended, ClockMet, ClockResumed, ClockStarted, ClockStopped, Closed, ClueDecided,
    ClueFound, ComplaintEvent, Dispatched, HandlerAssigned, MediationOpened, NotAccepted, Noted, NoticeGiven,
    ReceivedByUnit, Registered, Reopened, ReturnedToIntake, SessionHeld, Settled, Terminated, Urged, WaitingBegan,
    WaitingEnded, Withdrawn,
};
use super::super::testing::{BUREAU, Event, INTAKE, STATION, day, registration, terms, time, unit};
use super::super::vocabulary::{
    Manner, Mode, NoteKind, NoticeSubject, Outcome, Party, RefusalGround, ReturnReason, SessionResult, StopReason,
    TerminationGround,
};
use super::{Dice, dice, pick};
use crate::clock::{ClockKind, ClockTerms};
use crate::complaint::{Action, Complaint};
use crate::decider::{Decider, Happened};
use crate::id::UnitId;
use crate::wire::Stored;

fn some_unit(at: usize) -> UnitId {
    unit(pick(&[INTAKE, BUREAU, STATION], at))
}

fn some_day(dice: Dice) -> NaiveDate {
    match dice.b % 8 {
        0 => NaiveDate::MIN,
        1 => NaiveDate::MAX,
        _ => day("2026-05-06") + Duration::hours(dice.hours * 24),
    }
}

fn some_time(dice: Dice) -> DateTime<Utc> {
    match dice.a % 8 {
        0 => DateTime::<Utc>::MIN_UTC,
        1 => DateTime::<Utc>::MAX_UTC,
        _ => time("2026-05-06T09:00:00+08:00") + Duration::hours(dice.hours),
    }
}

fn some_terms(dice: Dice) -> ClockTerms {
    let mediate = terms(ClockKind::Mediate, "order121", "2026-05-08", "2026-07-07", "2026-07-07");
    let due = some_day(dice);
    ClockTerms { rule: pick(&ClockKind::ALL, dice.a), due_strict: due, due_legal: due, ..mediate }
}

fn small(dice: Dice) -> u16 {
    pick(&[0, 1, 15, u16::MAX], dice.b)
}

/// The events that move the case.
fn steps(dice: Dice) -> Vec<ComplaintEvent> {
    let Dice { a, b, .. } = dice;
    let number = format!("GZ-2026-{a}");
    vec![
        ComplaintEvent::Registered(Box::new(Registered { number, ..registration() })),
        ComplaintEvent::Dispatched(Dispatched { from: some_unit(a), to: some_unit(b), note: None }),
        ComplaintEvent::ReturnedToIntake(ReturnedToIntake {
            from: some_unit(a),
            to: some_unit(b),
            reason: pick(ReturnReason::ALL, a),
            note: None,
        }),
        ComplaintEvent::ReceivedByUnit(ReceivedByUnit { unit: some_unit(a) }),
        ComplaintEvent::HandlerAssigned(HandlerAssigned { handler: format!("officer-{a}") }),
        ComplaintEvent::Accepted(Accepted {}),
        ComplaintEvent::NotAccepted(NotAccepted {
            ground: pick(RefusalGround::ALL, a),
            reason: "理由".into(),
            routes: Vec::new(),
        }),
        ComplaintEvent::MediationOpened(MediationOpened { mode: pick(Mode::ALL, a) }),
        ComplaintEvent::SessionHeld(SessionHeld {
            mode: pick(Mode::ALL, a),
            result: pick(SessionResult::ALL, b),
            note: None,
        }),
        ComplaintEvent::AgreementReached(AgreementReached { document: false, amount: None }),
        ComplaintEvent::Settled(Settled { amount: None }),
        ComplaintEvent::Withdrawn(Withdrawn { reason: "理由".into() }),
        ComplaintEvent::Terminated(Terminated { ground: pick(TerminationGround::ALL, a), note: None }),
        ComplaintEvent::Closed(Closed { outcome: pick(Outcome::ALL, a), recovered: None, late: b.is_multiple_of(2) }),
        ComplaintEvent::Reopened(Reopened { reason: "理由".into(), round: small(dice) }),
    ]
}

/// The events of clocks, and those that only add to the record.
fn records(dice: Dice) -> Vec<ComplaintEvent> {
    let Dice { a, b, .. } = dice;
    let clock = pick(&ClockKind::ALL, a);
    let on = some_day(dice);
    vec![
        ComplaintEvent::ClockStarted(ClockStarted { terms: some_terms(dice) }),
        ComplaintEvent::ClockStopped(ClockStopped { clock, on, reason: pick(StopReason::ALL, b), evidence: None }),
        ComplaintEvent::ClockResumed(ClockResumed { on, terms: some_terms(dice) }),
        ComplaintEvent::ClockExtended(ClockExtended {
            by: small(dice),
            approver: "head-1".to_owned(),
            reason: "理由".into(),
            terms: some_terms(dice),
        }),
        ComplaintEvent::ClockMet(ClockMet { clock, on, late: b.is_multiple_of(2) }),
        ComplaintEvent::NoticeGiven(NoticeGiven {
            subject: pick(NoticeSubject::ALL, a),
            to: pick(Party::ALL, b),
            manner: pick(Manner::ALL, a),
        }),
        ComplaintEvent::Noted(Noted { kind: pick(NoteKind::ALL, a), text: "记录".into(), by: None }),
        ComplaintEvent::Urged(Urged { note: "催办".into() }),
        ComplaintEvent::ClueFound(ClueFound { summary: "线索".into() }),
        ComplaintEvent::ClueDecided(ClueDecided { filed: b.is_multiple_of(2), note: None }),
        ComplaintEvent::WaitingBegan(WaitingBegan {}),
        ComplaintEvent::WaitingEnded(WaitingEnded {}),
    ]
}

fn any_event(dice: Dice) -> Event {
    let mut events = steps(dice);
    events.extend(records(dice));
    let which = dice.which % events.len();
    Happened { at: some_time(dice), event: events.swap_remove(which) }
}

#[test]
fn every_kind_is_among_them() {
    let dice = Dice { which: 0, a: 2, b: 2, hours: 1 };
    let mut made: Vec<&str> = steps(dice).iter().chain(&records(dice)).map(|event| event.kind().0).collect();
    let mut known: Vec<&str> = ComplaintEvent::KINDS.iter().map(|(kind, _)| *kind).collect();
    made.sort_unstable();
    known.sort_unstable();
    assert_eq!(made, known);
}

proptest! {
    #[test]
    fn evolve_takes_any_event_in_any_order(throws in prop::collection::vec(dice(), 0..60)) {
        let mut state = Complaint::initial();
        for throw in throws {
            let happened = any_event(throw);
            let next = Complaint::evolve(state.clone(), &happened);
            prop_assert_eq!(&Complaint::evolve(state.clone(), &happened), &next);
            let begins = matches!(happened.event, ComplaintEvent::Registered(_));
            match (state.case(), next.case()) {
                (None, after) => prop_assert_eq!(after.is_some(), begins),
                (Some(_), None) => return Err(TestCaseError::fail("a complaint was forgotten")),
                (Some(before), Some(after)) => {
                    prop_assert_eq!(&before.number, &after.number);
                    prop_assert_eq!(before.registered_at, after.registered_at);
                    prop_assert!(before.last_act_at <= after.last_act_at);
                    prop_assert!(before.urged <= after.urged);
                    for clock in &after.clocks {
                        prop_assert!(clock.met.is_none() || !clock.is_exceeded_on(NaiveDate::MAX));
                    }
                    prop_assert!(after.allowed().contains(&Action::Note));
                }
            }
            state = next;
        }
    }
}
