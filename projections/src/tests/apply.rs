//! Following the log: all or nothing, in any batches, with the fields that the domain says.

use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::complaint::state::RunningClock;
use domain::complaint::{Complaint, ComplaintEvent};
use domain::decider::{Happened, fold};
use domain::envelope::Position;
use domain::org::UnitKind;
use domain::wire::{Stored, WireError};
use proptest::prelude::*;

use super::history::histories;
use super::kit::{
    Kit, Log, assigned, case_id, closed, day, dispatched, first_page, hour, province, region, registered,
    registered_with, unit,
};
use crate::{
    ApplyError, CaseFilter, DashboardQuery, Known, Measure, OpenError, ReadModels, Scope, UnitFilter, VERSION,
};

fn small_log() -> Log {
    let mut log = Log::with_units();
    log.case(1, hour(0, 9), &registered(1, "gz"));
    log.case(1, hour(1, 9), &dispatched("gz-th"));
    log.case(1, hour(1, 10), &assigned("h1"));
    log.case(2, hour(2, 9), &registered_with(2, "某某超市", "要求退款"));
    log
}

fn open_in(models: &ReadModels, scope: Scope, on: i64) -> i64 {
    let query = DashboardQuery { scope, as_of: Some(day(on)), today: day(40), known: Known::Now };
    models.dashboard(&query).unwrap().counts.get(Measure::Open)
}

#[test]
fn rows_and_numbers_show_what_was_applied() {
    let kit = Kit::new();
    let log = small_log();
    let models = kit.filled("m.sqlite", &log.events, 100);
    assert_eq!(models.position(), log.last());
    let row = models.case(case_id(1)).unwrap().unwrap();
    assert_eq!((row.unit, row.intake_unit, row.handler.as_deref()), (unit("gz-th"), unit("gz"), Some("h1")));
    assert_eq!(row.stage.code(), "dispatched");
    assert_eq!(models.case_by_number("44010001").unwrap().unwrap().id, case_id(1));
    assert_eq!(models.cases_by_ids(&[case_id(2), case_id(7)]).unwrap().len(), 1);
    assert_eq!(open_in(&models, Scope::Region(region("440100")), 0), 1);
    assert_eq!(open_in(&models, Scope::Region(region("440100")), 2), 2);
    assert_eq!(open_in(&models, Scope::Unit(unit("gz-th-1")), 2), 0);
}

#[test]
fn events_that_were_applied_are_passed_over() {
    let kit = Kit::new();
    let log = small_log();
    let models = kit.filled("m.sqlite", &log.events, 3);
    let before = models.parity_digest().unwrap();
    models.apply(&log.events).unwrap();
    models.apply(&log.events[2..5]).unwrap();
    assert_eq!(models.parity_digest().unwrap(), before);
}

#[test]
fn read_models_go_on_where_they_were_closed() {
    let kit = Kit::new();
    let log = small_log();
    let (first, rest) = log.events.split_at(7);
    drop(kit.filled("m.sqlite", first, 2));
    let models = kit.open("m.sqlite");
    assert_eq!(models.position(), Some(Position::new(7)));
    models.apply(rest).unwrap();
    let whole = kit.filled("n.sqlite", &log.events, 100);
    assert_eq!(models.parity_digest().unwrap(), whole.parity_digest().unwrap());
}

#[test]
fn an_unknown_kind_halts_and_leaves_everything_as_it_was() {
    let kit = Kit::new();
    let mut log = small_log();
    log.case(1, hour(3, 9), &closed(false, None));
    let known = log.events.len();
    log.case(1, hour(3, 10), &assigned("h2"));
    log.events[known].kind = "complaint.beamed-up".into();
    let models = kit.filled("m.sqlite", &log.events[..known - 1], 100);
    let before = models.parity_digest().unwrap();
    let error = models.apply(&log.events[known - 1..]).unwrap_err();
    assert!(!error.is_retryable());
    assert_eq!(error.position(), log.last());
    assert!(matches!(error, ApplyError::Unreadable { source: WireError::UnknownKind { .. }, .. }));
    assert_eq!(models.parity_digest().unwrap(), before);
    assert_eq!(models.position(), Some(Position::new(u64::try_from(known - 1).unwrap())));
    // A schema from the future is no better, not even of a kind whose payload is not read.
    log.events[known].kind = "complaint.noted".into();
    log.events[known].schema = 2;
    let error = models.apply(&log.events[known - 1..]).unwrap_err();
    assert!(matches!(error, ApplyError::Unreadable { source: WireError::UnknownSchema { .. }, .. }));
    // The events before it are as good as ever.
    models.apply(&log.events[known - 1..known]).unwrap();
    assert_eq!(models.case(case_id(1)).unwrap().unwrap().stage.code(), "closed");
}

#[test]
fn lives_that_are_not_shown_hold_nothing_up() {
    let referral = "referral-0000000000000000000000000000002a";
    let kit = Kit::new();
    let mut log = small_log();
    log.foreign(referral, "referral.drafted", hour(3, 9), r#"{"to":["HK"],"n":1.5}"#);
    log.case(1, hour(3, 10), &closed(false, None));
    for category in ["rulebook", "calendar", "report", "enquiry", "operator", "subject"] {
        log.foreign(&format!("{category}-1"), &format!("{category}.changed"), hour(4, 9), "[]");
    }
    for batch in [1, 3, 100] {
        let models = kit.filled(&format!("m-{batch}.sqlite"), &log.events, batch);
        assert_eq!(models.position(), log.last());
        assert_eq!(models.case(case_id(1)).unwrap().unwrap().stage.code(), "closed");
        assert_eq!(models.count_cases(&CaseFilter::new(province())).unwrap(), 2);
    }
    // In the lives that are shown, and in those that nobody knows, nothing is passed over.
    let case = case_id(1).stream();
    for (stream, kind) in [
        (case.as_str(), "complaint.xyz"),
        ("filing-0000000000000000000000000000002a", "filing.xyz"),
        ("unit-gz", "unit.xyz"),
        (case.as_str(), "referral.drafted"),
        ("weather-1", "weather.changed"),
    ] {
        let mut log = log.clone();
        let known = log.events.len();
        log.foreign(stream, kind, hour(5, 9), "{}");
        let models = kit.filled(&format!("{kind}-{known}-{}.sqlite", stream.len()), &log.events[..known], 100);
        let error = models.apply(&log.events[known..]).unwrap_err();
        assert!(matches!(error, ApplyError::Unreadable { source: WireError::UnknownKind { .. }, .. }), "{kind}");
        assert_eq!(models.position(), log.events.get(known - 1).map(|event| event.position));
    }
}

#[test]
fn facts_that_cannot_be_opened_hold_everything_up_and_nothing_is_half_done() {
    let kit = Kit::new();
    let log = small_log();
    let models = kit.filled("m.sqlite", &log.events[..6], 100);
    let before = models.parity_digest().unwrap();
    kit.facts.fails.store(true, Ordering::SeqCst);
    let error = models.apply(&log.events[6..]).unwrap_err();
    assert!(error.is_retryable());
    assert_eq!(models.parity_digest().unwrap(), before);
    assert_eq!(open_in(&models, Scope::Region(region("440100")), 9), 0);
    kit.facts.fails.store(false, Ordering::SeqCst);
    models.apply(&log.events[6..]).unwrap();
    assert_eq!(models.parity_digest().unwrap(), kit.filled("n.sqlite", &log.events, 1).parity_digest().unwrap());
}

#[test]
fn a_unit_that_is_registered_after_it_was_named_takes_its_cases_along() {
    let kit = Kit::new();
    let mut log = Log::with_units();
    log.case(1, hour(0, 9), &registered(1, "gz"));
    log.case(1, hour(1, 9), &dispatched("zs-1"));
    let late = log.events.len();
    log.register_unit("zs-1", UnitKind::Station, "442000", None, hour(2, 9));
    log.case(1, hour(3, 9), &dispatched("gz-th"));
    let models = kit.filled("m.sqlite", &log.events[..late], 1);
    let zhongshan = Scope::Region(region("442000"));
    assert_eq!(open_in(&models, zhongshan.clone(), 1), 0);
    models.apply(&log.events[late..]).unwrap();
    assert_eq!(open_in(&models, zhongshan.clone(), 1), 1);
    assert_eq!(open_in(&models, zhongshan.clone(), 3), 0);
    // The cells agree with the ledger, and so does what was known before.
    let query = DashboardQuery { scope: zhongshan, as_of: Some(day(1)), today: day(9), known: Known::Day(day(1)) };
    assert_eq!(models.dashboard(&query).unwrap().counts.get(Measure::TransferredIn), 1);
    let whole = kit.filled("n.sqlite", &log.events, 100);
    assert_eq!(models.parity_digest().unwrap(), whole.parity_digest().unwrap());
}

#[test]
fn files_of_another_version_are_refused() {
    let kit = Kit::new();
    drop(kit.open("m.sqlite"));
    let conn = rusqlite::Connection::open(kit.path().join("m.sqlite")).unwrap();
    conn.execute_batch("PRAGMA user_version = 77").unwrap();
    drop(conn);
    let error = ReadModels::open(kit.options("m.sqlite")).unwrap_err();
    assert!(matches!(error, OpenError::OtherVersion { found: 77, expected: VERSION, .. }));
}

#[test]
fn a_file_that_is_no_database_is_damaged_and_named() {
    let kit = Kit::new();
    for name in ["m.sqlite", "m-search.sqlite"] {
        drop(kit.open("m.sqlite"));
        let file = kit.path().join(name);
        std::fs::write(&file, "To whom it may concern: ".repeat(1_000)).unwrap();
        let error = ReadModels::open(kit.options("m.sqlite")).unwrap_err();
        assert!(matches!(&error, OpenError::Damaged { path, .. } if *path == file), "{error}");
        std::fs::remove_file(file).unwrap();
    }
}

#[test]
fn the_register_answers_from_memory() {
    let kit = Kit::new();
    let models = kit.filled("m.sqlite", &small_log().events, 100);
    assert_eq!(models.unit(&unit("gz-th")).unwrap().unwrap().parent, Some(unit("gz")));
    assert_eq!(models.unit(&unit("nobody")).unwrap(), None);
    assert!(models.is_within(&unit("gz-th-1"), &unit("gz")).unwrap());
    assert!(!models.is_within(&unit("gz"), &unit("gz-th-1")).unwrap());
    let filter = UnitFilter { scope: Scope::Unit(unit("gz")), kind: None, text: None };
    let (page, more) = models.units(&filter, None, 2).unwrap();
    assert_eq!((page.len(), more), (2, true));
    let (rest, more) = models.units(&filter, page.last().map(|row| &row.id), 2).unwrap();
    assert_eq!((rest.len(), more), (1, false));
    let filter = UnitFilter { text: Some("FT 市場".into()), scope: Scope::Region(region("440000")), ..filter };
    assert_eq!(models.units(&filter, None, 9).unwrap().0.len(), 1);
    assert!(models.units(&filter, None, 0).is_err());
}

#[tokio::test]
async fn waiting_ends_when_the_position_shows_or_the_time_is_over() {
    let kit = Kit::new();
    let log = small_log();
    let models = kit.open("m.sqlite");
    let wanted = log.last().unwrap();
    assert!(models.wait_for(wanted, Duration::from_millis(1)).await.is_err());
    let waiting = tokio::spawn({
        let models = models.clone();
        async move { models.wait_for(wanted, Duration::from_secs(60)).await }
    });
    models.apply(&log.events).unwrap();
    assert!(waiting.await.unwrap().is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn rows_say_what_the_domains_own_state_says(log in histories()) {
        let kit = Kit::new();
        let models = kit.filled("m.sqlite", &log.events, 5);
        for number in 0..5 {
            let stream = case_id(number).stream();
            let happened: Vec<Happened<ComplaintEvent>> = log
                .events
                .iter()
                .filter(|event| event.stream == stream)
                .map(|event| Happened {
                    at: event.occurred_at,
                    event: ComplaintEvent::decode(&event.kind, event.schema, &event.payload).unwrap(),
                })
                .collect();
            let state = fold::<Complaint>(&happened);
            let row = models.case(case_id(number)).unwrap();
            prop_assert_eq!(row.is_some(), state.case().is_some());
            let (Some(row), Some(case)) = (row, state.case()) else { continue };
            prop_assert_eq!(&row.number, &case.number);
            prop_assert_eq!(row.stage, case.stage);
            prop_assert_eq!(&row.unit, &case.custody);
            prop_assert_eq!(&row.handler, &case.handler);
            prop_assert_eq!(row.round, case.round);
            prop_assert_eq!(row.urged, case.urged);
            prop_assert_eq!(row.recovered, case.recovered);
            prop_assert_eq!(row.closed_late, case.closed_late);
            prop_assert_eq!(row.registered_at, case.registered_at);
            let stands = |clock: &RunningClock| clock.stopped_on().is_some_and(|from| from <= clock.terms.due_legal);
            let running = case.clocks.iter().filter(|clock| clock.is_running() && !stands(clock));
            let due = running.map(|clock| clock.terms.due_legal).min();
            if case.source.is_none() {
                let open = row.stage.code() != "closed";
                prop_assert_eq!(row.due.map(|due| due.day), due.filter(|_| open));
            }
        }
    }

    #[test]
    fn batches_of_any_size_come_to_the_same(log in histories(), batch in 1_usize..20) {
        let kit = Kit::new();
        let whole = kit.filled("whole.sqlite", &log.events, usize::MAX);
        let parts = kit.filled("parts.sqlite", &log.events, batch);
        prop_assert_eq!(parts.parity_digest().unwrap(), whole.parity_digest().unwrap());
        let report = parts.parity_digest().unwrap();
        let digest = |name| report.tables.iter().find(|table| table.name == name).unwrap().digest.clone();
        prop_assert_eq!(digest("ledger"), digest("steps"));
        let filter = CaseFilter::new(province());
        prop_assert_eq!(parts.count_cases(&filter).unwrap(), whole.cases(&filter, &first_page(9)).unwrap().rows.len() as u64);
    }
}
