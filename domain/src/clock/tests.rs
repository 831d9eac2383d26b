//! Worked deadlines, limits, and what must hold for any start, length and stops.

use proptest::prelude::*;

use super::*;
use crate::day::from_day_number;

const GOLDEN: &str = include_str!("../../data/deadline-golden.csv");

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn basis(started_on: &str, length: u16, unit: PeriodUnit) -> Basis {
    Basis { started_on: day(started_on), length, unit, extended_by: 0 }
}

fn stop(from: &str, to: &str) -> Stop {
    Stop { from: day(from), to: Some(day(to)) }
}

fn open(from: &str) -> Stop {
    Stop { from: day(from), to: None }
}

fn mainland() -> &'static WorkingCalendar {
    WorkingCalendar::mainland()
}

fn due(strict: &str, legal: &str) -> Result<Due, ClockError> {
    Ok(Due { strict: day(strict), legal: day(legal), provisional: false })
}

#[test]
fn every_golden_deadline_is_met() {
    let mut rows = 0;
    for line in GOLDEN.lines().filter(|line| !line.starts_with('#')).skip(1) {
        let columns: Vec<&str> = line.split(',').collect();
        let (unit, legal) = match columns[0] {
            "WD" => (PeriodUnit::WorkingDays, columns[4]),
            "ND60" => (PeriodUnit::NaturalDays, columns[5]),
            other => panic!("kind {other} is not known: {line}"),
        };
        let length: u16 = columns[3].parse().unwrap();
        let basis = basis(columns[1], length, unit);
        assert_eq!(reckon(basis, &[], mainland()), due(columns[4], legal), "{line}");
        let traced = trace(basis, &[], mainland()).unwrap();
        let last = traced.last().unwrap();
        assert_eq!((last.day, last.count), (day(legal), length), "{line}");
        rows += 1;
    }
    assert_eq!(rows, 18);
}

#[test]
fn an_extension_counts_on_where_the_length_ends() {
    let verify = basis("2026-09-30", 15, PeriodUnit::WorkingDays);
    assert_eq!(reckon(verify, &[], mainland()), due("2026-10-27", "2026-10-27"));
    assert_eq!(reckon(verify.extended(15), &[], mainland()), due("2026-11-17", "2026-11-17"));
}

#[test]
fn the_old_mediation_limit_takes_sixty_nine_days_here() {
    let mediate = basis("2026-08-05", 45, PeriodUnit::WorkingDays);
    assert_eq!(reckon(mediate, &[], mainland()), due("2026-10-13", "2026-10-13"));
}

#[test]
fn starting_records_rule_calendar_and_both_due_days() {
    let accepted = day("2026-08-05");
    let rule = RuleTable::builtin().rule(ClockKind::Mediate, accepted).unwrap();
    let terms = start(rule, mainland(), accepted).unwrap();
    let stored = serde_json::json!({
        "rule": "CLK-MEDIATE",
        "ruleVersion": "order121",
        "article": "SAMR Order 121 Art. 23(1)(5)",
        "calendar": "CN-2019-2026/1",
        "startedOn": "2026-08-05",
        "length": 60,
        "unit": "natural-days",
        "dueStrict": "2026-10-04",
        "dueLegal": "2026-10-08",
        "provisional": false,
    });
    assert_eq!(serde_json::to_value(&terms).unwrap(), stored);
    assert_eq!(serde_json::from_value::<ClockTerms>(stored).unwrap(), terms);
    assert_eq!(reckon(terms.basis(), &[], mainland()), Ok(terms.due()));
    assert_eq!(overdue_from(terms.due_legal), day("2026-10-09"));
}

#[test]
fn a_stop_takes_its_first_day_and_gives_back_the_day_of_resumption() {
    // Without a stop: 04-16 is day 1, 04-24 is day 7.
    let accept = basis("2026-04-15", 7, PeriodUnit::WorkingDays);
    for (stops, legal) in [
        (vec![stop("2026-04-17", "2026-04-20")], "2026-04-27"),
        (vec![stop("2026-04-17", "2026-04-17")], "2026-04-24"),
        (vec![stop("2026-04-18", "2026-04-20")], "2026-04-24"),
        (vec![stop("2026-04-24", "2026-04-25")], "2026-04-27"),
        (vec![stop("2026-04-25", "2026-06-01")], "2026-04-24"),
        (vec![stop("2026-04-01", "2026-04-17")], "2026-04-27"),
        (vec![stop("2026-04-20", "2026-04-22"), stop("2026-04-17", "2026-04-21")], "2026-04-29"),
    ] {
        assert_eq!(reckon(accept, &stops, mainland()), due(legal, legal), "{stops:?}");
    }
}

#[test]
fn an_open_stop_leaves_no_due_day_unless_the_period_is_over() {
    let accept = basis("2026-04-15", 7, PeriodUnit::WorkingDays);
    assert_eq!(
        reckon(accept, &[open("2026-04-24")], mainland()),
        Err(ClockError::StillStopped { since: day("2026-04-24") })
    );
    assert_eq!(reckon(accept, &[open("2026-04-25")], mainland()), due("2026-04-24", "2026-04-24"));
}

#[test]
fn a_stop_while_the_end_moves_past_a_holiday_moves_it_further() {
    // The last day counted is 10-04, the first day after the holiday is 10-08.
    let mediate = basis("2026-08-05", 60, PeriodUnit::NaturalDays);
    for (stops, legal) in [
        (vec![stop("2026-10-05", "2026-10-20")], "2026-10-20"),
        (vec![stop("2026-10-05", "2026-10-07")], "2026-10-08"),
        (vec![stop("2026-10-08", "2026-10-09")], "2026-10-09"),
        (vec![stop("2026-10-09", "2026-10-20")], "2026-10-08"),
        (vec![open("2026-10-09")], "2026-10-08"),
    ] {
        assert_eq!(reckon(mediate, &stops, mainland()), due("2026-10-04", legal), "{stops:?}");
    }
    assert_eq!(
        reckon(mediate, &[open("2026-10-05")], mainland()),
        Err(ClockError::StillStopped { since: day("2026-10-05") })
    );
}

#[test]
fn what_reaches_a_year_that_is_not_published_is_provisional() {
    use PeriodUnit::{NaturalDays, WorkingDays};
    for (started_on, length, unit, legal, provisional) in [
        ("2026-12-22", 7, WorkingDays, "2026-12-31", false),
        ("2026-12-25", 7, WorkingDays, "2027-01-05", true),
        ("2026-11-01", 60, NaturalDays, "2026-12-31", false),
        ("2026-11-02", 60, NaturalDays, "2027-01-01", true),
        ("2018-12-31", 7, WorkingDays, "2019-01-10", false),
        ("2018-12-28", 7, WorkingDays, "2019-01-09", true),
    ] {
        let found = reckon(basis(started_on, length, unit), &[], mainland()).unwrap();
        assert_eq!((found.legal, found.provisional), (day(legal), provisional), "{started_on}");
    }
}

#[test]
fn a_period_ends_within_the_scan_or_not_at_all() {
    let started_on = day("2026-06-01");
    let at_limit = basis("2026-06-01", SCAN_DAYS_MAX, PeriodUnit::NaturalDays);
    let found = reckon(at_limit, &[], mainland()).unwrap();
    assert_eq!((found.legal - started_on).num_days(), i64::from(SCAN_DAYS_MAX));
    let beyond = Err(ClockError::BeyondScan { started_on });
    assert_eq!(reckon(at_limit.extended(1), &[], mainland()), beyond);
    assert_eq!(reckon(at_limit.extended(u16::MAX), &[], mainland()), beyond);
    assert_eq!(reckon(at_limit, &[stop("2026-07-01", "2026-07-02")], mainland()), beyond);
}

#[test]
fn a_period_without_days_or_at_the_end_of_time_is_refused() {
    let empty = basis("2026-04-15", 0, PeriodUnit::NaturalDays);
    assert_eq!(reckon(empty, &[], mainland()), Err(ClockError::EmptyPeriod));
    let last = Basis { started_on: NaiveDate::MAX, ..basis("2026-04-15", 1, PeriodUnit::NaturalDays) };
    assert_eq!(reckon(last, &[], mainland()), Err(ClockError::BeyondDates { started_on: NaiveDate::MAX }));
    assert_eq!(overdue_from(NaiveDate::MAX), NaiveDate::MAX);
}

/// From 2019-01-01 to 2026-12-31.
fn days() -> impl Strategy<Value = NaiveDate> {
    (17_897_i32..=20_818).prop_map(|number| from_day_number(number).unwrap())
}

fn units() -> impl Strategy<Value = PeriodUnit> {
    prop_oneof![Just(PeriodUnit::WorkingDays), Just(PeriodUnit::NaturalDays)]
}

/// Stops as (first day after the start, days taken), in any order, overlapping, some of them empty.
fn stop_plans() -> impl Strategy<Value = Vec<(i32, i32)>> {
    prop::collection::vec((-10_i32..250, 0_i32..40), 0..6)
}

fn planned(started_on: NaiveDate, plans: &[(i32, i32)]) -> Vec<Stop> {
    let shifted = |by: i32| from_day_number(started_on.to_epoch_days() + by).unwrap();
    plans.iter().map(|(after, taken)| Stop { from: shifted(*after), to: Some(shifted(after + taken)) }).collect()
}

/// Whether a day falls in a stop, told without putting the stops in order first.
fn stopped(stops: &[Stop], day: NaiveDate) -> bool {
    stops.iter().any(|stop| stop.from <= day && stop.to.is_none_or(|to| day < to))
}

proptest! {
    #[test]
    fn due_is_monotone_in_the_start(
        one in days(), other in days(), length in 1_u16..=200, unit in units(), plans in stop_plans(),
    ) {
        let (earlier, later) = (one.min(other), one.max(other));
        let stops = planned(later, &plans);
        let reckoned = |started_on| {
            reckon(Basis { started_on, length, unit, extended_by: 0 }, &stops, mainland()).unwrap()
        };
        let (first, second) = (reckoned(earlier), reckoned(later));
        prop_assert!(first.strict <= second.strict);
        prop_assert!(first.legal <= second.legal);
    }

    #[test]
    fn due_is_monotone_in_the_length(
        started_on in days(), length in 1_u16..=200, more in 0_u16..=30, unit in units(), plans in stop_plans(),
    ) {
        let stops = planned(started_on, &plans);
        let basis = Basis { started_on, length, unit, extended_by: 0 };
        let short = reckon(basis, &stops, mainland()).unwrap();
        let long = reckon(basis.extended(more), &stops, mainland()).unwrap();
        prop_assert!(short.strict <= long.strict);
        prop_assert!(short.legal <= long.legal);
    }

    #[test]
    fn elapsed_is_the_whole_less_what_was_stopped(
        started_on in days(), length in 1_u16..=200, extended_by in 0_u16..=30, unit in units(), plans in stop_plans(),
    ) {
        let stops = planned(started_on, &plans);
        let basis = Basis { started_on, length, unit, extended_by };
        let total = usize::from(length + extended_by);
        let due = reckon(basis, &stops, mainland()).unwrap();
        let traced = trace(basis, &stops, mainland()).unwrap();

        let by_trace = traced.iter().filter(|traced| traced.verdict.counts()).count();
        prop_assert_eq!(by_trace, total);
        let by_days = started_on
            .iter_days()
            .skip(1)
            .take_while(|day| *day <= due.strict)
            .filter(|day| !stopped(&stops, *day))
            .filter(|day| unit == PeriodUnit::NaturalDays || mainland().is_working(*day))
            .count();
        prop_assert_eq!(by_days, total);
        prop_assert!(!stopped(&stops, due.strict));

        let last = traced.last().unwrap();
        prop_assert_eq!((last.day, usize::from(last.count)), (due.legal, total));
        for traced in &traced {
            let stopped = stopped(&stops, traced.day) && traced.day != started_on;
            prop_assert_eq!(traced.verdict == DayVerdict::Stopped, stopped);
        }
    }

    #[test]
    fn the_legal_day_is_the_first_after_the_holiday(
        started_on in days(), length in 1_u16..=200, unit in units(), plans in stop_plans(),
    ) {
        let stops = planned(started_on, &plans);
        let due = reckon(Basis { started_on, length, unit, extended_by: 0 }, &stops, mainland()).unwrap();
        prop_assert!(due.legal >= due.strict);
        prop_assert!(!mainland().is_holiday(due.legal));
        for day in due.strict.iter_days().take_while(|day| *day < due.legal) {
            prop_assert!(mainland().is_holiday(day) || stopped(&stops, day));
        }
        if unit == PeriodUnit::WorkingDays {
            prop_assert!(mainland().is_working(due.strict));
            prop_assert_eq!(due.strict, due.legal);
        }
        prop_assert!(!due.provisional || !mainland().publishes(due.legal));
    }
}
