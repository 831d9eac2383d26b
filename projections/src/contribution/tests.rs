//! Worked days: what a case contributes, checked against a calendar on paper.

use chrono::{DateTime, NaiveDate, Utc};
use domain::calendar::CalendarEdition;
use domain::clock::{ClockKind, ClockTerms, PeriodUnit};
use domain::complaint::ComplaintEvent;
use domain::complaint::event::{
    Accepted, AgreementReached, ClockExtended, ClockMet, ClockResumed, ClockStarted, ClockStopped, Closed, Dispatched,
    HandlerAssigned, ReceivedByUnit, Reopened, ReturnedToIntake, Urged, Withdrawn,
};
use domain::complaint::vocabulary::{Outcome, ReturnReason, StopReason};
use domain::day::day_number;
use domain::id::UnitId;
use domain::money::Money;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::track::Keys;

pub(super) const INTAKE: u32 = 1;
const STATION: u32 = 2;

pub(super) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// Ten in the morning, local time.
pub(super) fn morning(text: &str) -> i64 {
    let at: DateTime<Utc> = format!("{text}T02:00:00Z").parse().unwrap();
    at.timestamp_micros()
}

fn terms(rule: ClockKind, due: &str) -> ClockTerms {
    ClockTerms {
        rule,
        rule_version: "1".to_owned(),
        article: "15".to_owned(),
        calendar: CalendarEdition::parse("T/1").unwrap(),
        started_on: day("2026-04-01"),
        length: 7,
        unit: PeriodUnit::WorkingDays,
        due_strict: day(due),
        due_legal: day(due),
        provisional: false,
    }
}

fn started(kind: ClockKind, due: &str) -> ComplaintEvent {
    ComplaintEvent::ClockStarted(ClockStarted { terms: terms(kind, due) })
}

fn met(clock: ClockKind, on: &str, late: bool) -> ComplaintEvent {
    ComplaintEvent::ClockMet(ClockMet { clock, on: day(on), late })
}

fn closed(late: bool, fen: Option<i64>) -> ComplaintEvent {
    let recovered = fen.map(|fen| Money::new(fen, Currency::Cny).unwrap());
    ComplaintEvent::Closed(Closed { outcome: Outcome::Agreement, recovered, late })
}

fn dispatched() -> ComplaintEvent {
    let unit = UnitId::parse("x").unwrap();
    ComplaintEvent::Dispatched(Dispatched { from: unit.clone(), to: unit, note: None })
}

/// A case and the events it has seen.
struct Story {
    track: Track,
    seq: u32,
}

impl Story {
    fn registered(on: &str) -> Self {
        Self { track: Track::new(morning(on), INTAKE, None), seq: 0 }
    }

    fn on(self, on: &str, event: ComplaintEvent) -> Self {
        self.with(on, event, Keys::default())
    }

    fn with(mut self, on: &str, event: ComplaintEvent, keys: Keys) -> Self {
        self.seq += 1;
        self.track.apply(morning(on), self.seq, &event, keys);
        self
    }

    fn dispatched(self, on: &str) -> Self {
        self.with(on, dispatched(), Keys { unit: STATION, handler: 0 })
    }

    /// The number of one measure at the end of a day, at one unit.
    fn at(&self, unit: u32, measure: Measure, on: &str) -> i64 {
        let last = day_number(day(on));
        Contributor::default()
            .of(&self.track)
            .iter()
            .filter(|entry| entry.measure == measure && entry.unit == unit && entry.day <= last)
            .map(|entry| entry.amount)
            .sum()
    }
}

#[test]
fn a_case_is_open_from_its_registration_until_the_day_it_is_closed() {
    let story = Story::registered("2026-04-01").on("2026-04-10", closed(false, None));
    assert_eq!(story.at(INTAKE, Measure::Open, "2026-03-31"), 0);
    assert_eq!(story.at(INTAKE, Measure::Open, "2026-04-01"), 1);
    assert_eq!(story.at(INTAKE, Measure::Open, "2026-04-09"), 1);
    assert_eq!(story.at(INTAKE, Measure::Open, "2026-04-10"), 0);
    assert_eq!(story.at(INTAKE, Measure::Received, "2026-04-10"), 1);
    assert_eq!(story.at(INTAKE, Measure::Closed, "2026-04-10"), 1);
}

#[test]
fn a_case_closed_on_the_day_it_came_was_never_open_at_the_end_of_a_day() {
    let story = Story::registered("2026-04-01").on("2026-04-01", closed(false, None));
    assert_eq!(story.at(INTAKE, Measure::Open, "2026-04-01"), 0);
    assert_eq!(story.at(INTAKE, Measure::Closed, "2026-04-01"), 1);
}

#[test]
fn a_dispatch_moves_what_is_open_and_counts_on_both_sides() {
    let story = Story::registered("2026-04-01").dispatched("2026-04-03");
    assert_eq!(story.at(INTAKE, Measure::Open, "2026-04-02"), 1);
    assert_eq!(story.at(INTAKE, Measure::Open, "2026-04-03"), 0);
    assert_eq!(story.at(STATION, Measure::Open, "2026-04-02"), 0);
    assert_eq!(story.at(STATION, Measure::Open, "2026-04-03"), 1);
    assert_eq!(story.at(INTAKE, Measure::TransferredOut, "2026-04-03"), 1);
    assert_eq!(story.at(STATION, Measure::TransferredIn, "2026-04-03"), 1);
    // Taking over what one has is no transfer.
    let unit = UnitId::parse("x").unwrap();
    let received = ComplaintEvent::ReceivedByUnit(ReceivedByUnit { unit });
    let story = story.with("2026-04-04", received, Keys { unit: STATION, handler: 0 });
    assert_eq!(story.at(STATION, Measure::TransferredIn, "2026-04-30"), 1);
}

#[test]
fn accepting_late_is_overdue_from_the_day_after_the_last_one() {
    let story = Story::registered("2026-04-01")
        .on("2026-04-01", started(ClockKind::Accept, "2026-04-10"))
        .on("2026-04-15", ComplaintEvent::Accepted(Accepted {}))
        .on("2026-04-15", met(ClockKind::Accept, "2026-04-15", true));
    assert_eq!(story.at(INTAKE, Measure::Overdue, "2026-04-10"), 0);
    assert_eq!(story.at(INTAKE, Measure::Overdue, "2026-04-11"), 1);
    assert_eq!(story.at(INTAKE, Measure::Overdue, "2026-04-14"), 1);
    assert_eq!(story.at(INTAKE, Measure::Overdue, "2026-04-15"), 0);
    assert_eq!(story.at(INTAKE, Measure::AcceptDecided, "2026-04-15"), 1);
    assert_eq!(story.at(INTAKE, Measure::AcceptDecidedLate, "2026-04-15"), 1);
}

#[test]
fn a_period_met_in_time_takes_its_future_day_back() {
    let story = Story::registered("2026-04-01").on("2026-04-01", started(ClockKind::Accept, "2026-04-10"));
    assert_eq!(story.at(INTAKE, Measure::Overdue, "2026-05-01"), 1);
    let story = story.on("2026-04-10", met(ClockKind::Accept, "2026-04-10", false));
    assert_eq!(story.at(INTAKE, Measure::Overdue, "2026-05-01"), 0);
    assert!(Contributor::default().of(&story.track).iter().all(|entry| entry.measure != Measure::Overdue));
}

#[test]
fn a_withdrawal_meets_the_period_without_deciding() {
    let withdrawn = ComplaintEvent::Withdrawn(Withdrawn { reason: "x".into() });
    let story = Story::registered("2026-04-01")
        .on("2026-04-01", started(ClockKind::Accept, "2026-04-10"))
        .on("2026-04-20", withdrawn)
        .on("2026-04-20", met(ClockKind::Accept, "2026-04-20", true));
    assert_eq!(story.at(INTAKE, Measure::AcceptDecidedLate, "2026-04-20"), 0);
}

#[test]
fn a_stopped_clock_is_not_overdue_and_a_resumed_one_has_its_new_day() {
    let stopped = ComplaintEvent::ClockStopped(ClockStopped {
        clock: ClockKind::Mediate,
        on: day("2026-04-20"),
        reason: StopReason::Testing,
        evidence: None,
    });
    let story = Story::registered("2026-04-01")
        .on("2026-04-01", started(ClockKind::Mediate, "2026-05-31"))
        .on("2026-04-20", stopped);
    assert_eq!(story.at(INTAKE, Measure::Overdue, "2026-12-31"), 0);
    assert_eq!(story.track.next_due(), None);
    let resumed = ClockResumed { on: day("2026-06-10"), terms: terms(ClockKind::Mediate, "2026-07-21") };
    let story = story.on("2026-06-10", ComplaintEvent::ClockResumed(resumed));
    assert_eq!(story.at(INTAKE, Measure::Overdue, "2026-07-21"), 0);
    assert_eq!(story.at(INTAKE, Measure::Overdue, "2026-07-22"), 1);
    assert_eq!(story.track.next_due().unwrap().day, day_number(day("2026-07-21")));
}

#[test]
fn a_stop_behind_the_last_day_changes_nothing() {
    let stopped = ComplaintEvent::ClockStopped(ClockStopped {
        clock: ClockKind::Mediate,
        on: day("2026-04-20"),
        reason: StopReason::Testing,
        evidence: None,
    });
    let resumed = ClockResumed { on: day("2026-04-25"), terms: terms(ClockKind::Mediate, "2026-04-10") };
    let stopped = Story::registered("2026-04-01")
        .on("2026-04-01", started(ClockKind::Mediate, "2026-04-10"))
        .on("2026-04-20", stopped);
    assert_eq!(stopped.track.next_due().unwrap().day, day_number(day("2026-04-10")));
    for on in ["2026-04-11", "2026-04-19", "2026-04-20", "2026-04-30"] {
        assert_eq!(stopped.at(INTAKE, Measure::Overdue, on), 1);
    }
    let resumed = stopped.on("2026-04-25", ComplaintEvent::ClockResumed(resumed));
    for on in ["2026-04-11", "2026-04-19", "2026-04-20", "2026-04-30"] {
        assert_eq!(resumed.at(INTAKE, Measure::Overdue, on), 1);
    }
}

#[test]
fn an_extension_moves_the_overdue_day() {
    let extended = ClockExtended {
        by: 15,
        approver: "0001".to_owned(),
        reason: "x".into(),
        terms: terms(ClockKind::ClueVerify, "2026-05-20"),
    };
    let story = Story::registered("2026-04-01")
        .on("2026-04-01", started(ClockKind::ClueVerify, "2026-04-22"))
        .on("2026-04-21", ComplaintEvent::ClockExtended(extended));
    assert_eq!(story.at(INTAKE, Measure::Overdue, "2026-05-20"), 0);
    assert_eq!(story.at(INTAKE, Measure::Overdue, "2026-05-21"), 1);
}

#[test]
fn two_periods_exceeded_at_once_count_once() {
    let story = Story::registered("2026-04-01")
        .on("2026-04-01", started(ClockKind::Mediate, "2026-04-10"))
        .on("2026-04-01", started(ClockKind::ClueVerify, "2026-04-12"))
        .on("2026-04-15", met(ClockKind::Mediate, "2026-04-15", true));
    assert_eq!(story.at(INTAKE, Measure::Overdue, "2026-04-13"), 1);
    assert_eq!(story.at(INTAKE, Measure::Overdue, "2026-04-16"), 1);
}

#[test]
fn the_deadline_of_a_source_makes_its_own_day_overdue() {
    let deadline = day_of(morning("2026-04-09"));
    let mut story = Story::registered("2026-04-01");
    story.track.deadline = Some(deadline);
    assert_eq!(story.at(INTAKE, Measure::Overdue, "2026-04-08"), 0);
    assert_eq!(story.at(INTAKE, Measure::Overdue, "2026-04-09"), 1);
    let story = story.on("2026-04-12", closed(true, None));
    assert_eq!(story.at(INTAKE, Measure::Overdue, "2026-04-11"), 1);
    assert_eq!(story.at(INTAKE, Measure::Overdue, "2026-04-12"), 0);
    assert_eq!(story.at(INTAKE, Measure::ClosedLate, "2026-04-12"), 1);
    // A new round has its own periods.
    let reopened = ComplaintEvent::Reopened(Reopened { reason: "x".into(), round: 2 });
    let story = story.on("2026-04-20", reopened);
    assert_eq!(story.at(INTAKE, Measure::Open, "2026-04-20"), 1);
    assert_eq!(story.at(INTAKE, Measure::Overdue, "2026-04-20"), 0);
    assert_eq!(story.at(INTAKE, Measure::Overdue, "2026-04-11"), 1);
    assert_eq!(story.track.next_due(), None);
}

#[test]
fn overdue_days_move_with_the_case_and_its_handler() {
    let assigned = ComplaintEvent::HandlerAssigned(HandlerAssigned { handler: "h".to_owned() });
    let story = Story::registered("2026-04-01")
        .on("2026-04-01", started(ClockKind::Mediate, "2026-04-10"))
        .dispatched("2026-04-12")
        .with("2026-04-14", assigned, Keys { unit: 0, handler: 9 });
    assert_eq!(story.at(INTAKE, Measure::Overdue, "2026-04-11"), 1);
    assert_eq!(story.at(INTAKE, Measure::Overdue, "2026-04-12"), 0);
    assert_eq!(story.at(STATION, Measure::Overdue, "2026-04-12"), 1);
    let entries = Contributor::default().of(&story.track).clone();
    let of_handler: i64 = entries
        .iter()
        .filter(|entry| entry.measure == Measure::Overdue && entry.handler == 9)
        .map(|entry| entry.amount)
        .sum();
    assert_eq!(of_handler, 1);
}

#[test]
fn handing_back_ends_the_clocks_and_is_counted_where_it_was_done() {
    let unit = UnitId::parse("x").unwrap();
    let returned = ReturnedToIntake { from: unit.clone(), to: unit, reason: ReturnReason::NoPower, note: None };
    let story = Story::registered("2026-04-01")
        .dispatched("2026-04-02")
        .on("2026-04-02", started(ClockKind::Accept, "2026-04-10"))
        .with("2026-04-13", ComplaintEvent::ReturnedToIntake(returned), Keys { unit: INTAKE, handler: 0 });
    assert_eq!(story.at(STATION, Measure::Returned, "2026-04-13"), 1);
    assert_eq!(story.at(STATION, Measure::Overdue, "2026-04-12"), 1);
    assert_eq!(story.at(INTAKE, Measure::Overdue, "2026-12-31"), 0);
    assert_eq!(story.at(INTAKE, Measure::Open, "2026-04-13"), 1);
}

#[test]
fn reopening_counts_again_but_not_the_money_twice() {
    let reopened = ComplaintEvent::Reopened(Reopened { reason: "x".into(), round: 2 });
    let story = Story::registered("2026-04-01")
        .on("2026-04-01", started(ClockKind::TermNotice, "2026-04-05"))
        .on("2026-04-10", closed(false, Some(500)))
        .on("2026-05-01", reopened);
    assert_eq!(story.at(INTAKE, Measure::Open, "2026-04-30"), 0);
    assert_eq!(story.at(INTAKE, Measure::Open, "2026-05-01"), 1);
    assert_eq!(story.at(INTAKE, Measure::Reopened, "2026-05-01"), 1);
    assert_eq!(story.at(INTAKE, Measure::RecoveredFen, "2026-04-30"), 500);
    assert_eq!(story.at(INTAKE, Measure::RecoveredFen, "2026-05-01"), 0);
    // The old round's clock fell away with it.
    assert_eq!(story.at(INTAKE, Measure::Overdue, "2026-12-31"), 0);
    let story = story.on("2026-05-10", closed(false, Some(700)));
    assert_eq!(story.at(INTAKE, Measure::RecoveredFen, "2026-05-10"), 700);
    assert_eq!(story.at(INTAKE, Measure::Closed, "2026-05-10"), 2);
}

#[test]
fn a_closing_that_is_entered_late_is_dated_when_it_was_done() {
    let urged = ComplaintEvent::Urged(Urged { note: "x".into() });
    let agreed = ComplaintEvent::AgreementReached(AgreementReached { document: true, amount: None });
    let before = Story::registered("2026-04-01").on("2026-04-20", urged);
    let old = Contributor::default().of(&before.track).clone();
    let after = before.on("2026-04-08", agreed).on("2026-04-09", closed(false, None));
    assert_eq!(after.at(INTAKE, Measure::Open, "2026-04-08"), 1);
    assert_eq!(after.at(INTAKE, Measure::Open, "2026-04-09"), 0);
    assert_eq!(after.at(INTAKE, Measure::Succeeded, "2026-04-08"), 1);
    let mut booked = Vec::new();
    difference(&old, Contributor::default().of(&after.track), |entry| {
        booked.push((entry.measure, entry.day, entry.amount));
    });
    let (eighth, ninth) = (day_number(day("2026-04-08")), day_number(day("2026-04-09")));
    assert_eq!(booked, [(Measure::Succeeded, eighth, 1), (Measure::Closed, ninth, 1), (Measure::Open, ninth, -1)]);
}

#[test]
fn nothing_counts_before_the_registration() {
    let story = Story::registered("2026-04-05").dispatched("2026-04-01");
    assert_eq!(story.at(INTAKE, Measure::Open, "2026-04-04"), 0);
    assert_eq!(story.at(STATION, Measure::Open, "2026-04-04"), 0);
    assert_eq!(story.at(STATION, Measure::Open, "2026-04-05"), 1);
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let entry = (0_u8..4, 1_u32..3, 0_u32..2, 0_i32..3, -2_i64..3).prop_map(|(measure, unit, handler, day, amount)| {
        Entry { measure: Measure::from_id(measure).unwrap(), unit, handler, peer: 0, day, amount }
    });
    vec(entry, 0..12).prop_map(|mut entries| {
        net(&mut entries);
        entries
    })
}

proptest! {
    #[test]
    fn booking_the_difference_leads_from_the_old_to_the_new(old in entries(), new in entries()) {
        let mut booked = old.clone();
        difference(&old, &new, |entry| booked.push(entry));
        net(&mut booked);
        prop_assert_eq!(booked, new);
    }

    #[test]
    fn united_spans_cover_the_same_days(spans in vec((0_i32..20, 0_i32..20), 0..6)) {
        let spans: Vec<_> = spans.into_iter().map(|(from, length)| (from, from + length + 1)).collect();
        let mut united = spans.clone();
        unite(&mut united);
        for day in 0..45 {
            let covers = |spans: &[(i32, i32)]| spans.iter().filter(|(from, to)| *from <= day && day < *to).count();
            prop_assert_eq!(covers(&united), usize::from(covers(&spans) > 0));
        }
    }
}
