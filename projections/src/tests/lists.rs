//! Lists: what a caller may see, the order, the pages, the due list and the workload.

use domain::calendar::WorkingCalendar;
use domain::clock::ClockKind;
use domain::complaint::ComplaintEvent;
use domain::complaint::event::{ClockMet, ClockStarted};
use domain::vocabulary::Channel;

use super::kit::{
    Kit, Log, assigned, case_id, closed, day, dispatched, first_page, hour, province, region, registered, terms, unit,
};
use crate::{
    AsOf, CaseCursor, CaseFilter, Known, Measure, PAGE_ROWS_MAX, PageRequest, QueryError, ReadModels, Scope,
    StageFilter,
};

fn started(kind: ClockKind, due: i64) -> ComplaintEvent {
    ComplaintEvent::ClockStarted(ClockStarted { terms: terms(kind, day(due)) })
}

/// Cases 1 to 9, registered day by day at Guangzhou; 3, 6 and 9 go on to the station, 4 is closed, and each that is
/// still at Guangzhou has twice its number of days.
fn log() -> Log {
    let mut log = Log::with_units();
    for number in 1..10_u128 {
        let on = i64::try_from(number).unwrap();
        log.case(number, hour(on, 9), &registered(number, "gz"));
        log.case(number, hour(on, 9), &started(ClockKind::Accept, 2 * on));
        if number.is_multiple_of(3) {
            log.case(number, hour(on, 10), &dispatched("gz-th-1"));
            log.case(number, hour(on, 11), &assigned(if number == 3 { "h1" } else { "h2" }));
        }
    }
    log.case(4, hour(12, 9), &closed(false, None));
    log
}

fn numbers(models: &ReadModels, filter: &CaseFilter) -> Vec<String> {
    let page = models.cases(filter, &first_page(100)).unwrap();
    assert_eq!(page.total, Some(models.count_cases(filter).unwrap()));
    page.rows.into_iter().map(|(row, _)| row.number.trim_start_matches("44010").to_owned()).collect()
}

#[test]
fn only_what_the_caller_may_see_is_listed() {
    let kit = Kit::new();
    let models = kit.filled("m.sqlite", &log().events, 4);
    assert_eq!(numbers(&models, &CaseFilter::new(province())).len(), 9);
    assert!(numbers(&models, &CaseFilter::new(Vec::new())).is_empty());
    assert!(numbers(&models, &CaseFilter::new(vec![Scope::Region(region("440300"))])).is_empty());
    let station = CaseFilter::new(vec![Scope::Unit(unit("gz-th-1"))]);
    assert_eq!(numbers(&models, &station), ["009", "006", "003"]);
    assert_eq!(numbers(&models, &CaseFilter::new(vec![Scope::Region(region("440106"))])).len(), 3);
    // Narrowing never widens.
    let other = CaseFilter { region: Some(region("440300")), ..station.clone() };
    assert!(numbers(&models, &other).is_empty());
    let other = CaseFilter { unit: Some(unit("gz")), ..station };
    assert!(numbers(&models, &other).is_empty());
    let both = CaseFilter::new(vec![Scope::Unit(unit("gz-th-1")), Scope::Region(region("440300"))]);
    assert_eq!(numbers(&models, &both).len(), 3);
    // The same holds for the list behind a number, where a case counts.
    let measure = Some((Measure::Received, AsOf { day: day(20), known: Known::Now }));
    let station = CaseFilter { measure, ..CaseFilter::new(vec![Scope::Unit(unit("gz-th-1"))]) };
    assert!(numbers(&models, &station).is_empty());
}

#[test]
fn conditions_are_joined() {
    let kit = Kit::new();
    let models = kit.filled("m.sqlite", &log().events, 4);
    let all = CaseFilter::new(province());
    assert_eq!(numbers(&models, &CaseFilter { stage: Some(StageFilter::Closed), ..all.clone() }), ["004"]);
    assert_eq!(numbers(&models, &CaseFilter { stage: Some(StageFilter::Open), ..all.clone() }).len(), 8);
    assert_eq!(numbers(&models, &CaseFilter { stage: Some(StageFilter::Dispatched), ..all.clone() }).len(), 3);
    assert_eq!(numbers(&models, &CaseFilter { handler: Some("h2".to_owned()), ..all.clone() }), ["009", "006"]);
    assert!(numbers(&models, &CaseFilter { handler: Some("nobody".to_owned()), ..all.clone() }).is_empty());
    assert_eq!(numbers(&models, &CaseFilter { number: Some("44010007".to_owned()), ..all.clone() }), ["007"]);
    let web = CaseFilter { channel: Some(Channel::Web), ..all.clone() };
    assert_eq!(numbers(&models, &web), ["009", "006", "003"]);
    let one = CaseFilter { handler: Some("h1".to_owned()), unit: Some(unit("gz-th-1")), ..web };
    assert_eq!(numbers(&models, &one), ["003"]);
    for stage in StageFilter::ALL {
        assert_eq!(StageFilter::from_code(stage.code()), Some(stage));
    }
}

#[test]
fn pages_follow_each_other_without_gap_or_repeat() {
    let kit = Kit::new();
    let models = kit.filled("m.sqlite", &log().events, 4);
    let filter = CaseFilter::new(province());
    let mut page = PageRequest { after: None, limit: 4 };
    let mut seen = Vec::new();
    loop {
        let answer = models.cases(&filter, &page).unwrap();
        seen.extend(answer.rows.iter().map(|(row, _)| row.id));
        if !answer.has_more {
            break;
        }
        assert_eq!(answer.total, None);
        // A cursor survives being sent out and back.
        let cursor = answer.rows.last().map(|(_, cursor)| serde_json::to_string(cursor).unwrap()).unwrap();
        page.after = Some(serde_json::from_str::<CaseCursor>(&cursor).unwrap());
    }
    let expected: Vec<_> = (1..10).rev().map(case_id).collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_page_and_a_text_hold_their_limits() {
    let kit = Kit::new();
    let models = kit.open("m.sqlite");
    let filter = CaseFilter::new(province());
    assert!(models.cases(&filter, &first_page(PAGE_ROWS_MAX)).is_ok());
    for limit in [0, PAGE_ROWS_MAX + 1] {
        assert!(matches!(models.cases(&filter, &first_page(limit)), Err(QueryError::PageSize { .. })));
    }
    let text = |chars: usize| CaseFilter { text: Some("a".repeat(chars)), ..filter.clone() };
    assert!(models.cases(&text(crate::FILTER_CHARS_MAX), &first_page(1)).is_ok());
    let error = models.cases(&text(crate::FILTER_CHARS_MAX + 1), &first_page(1)).unwrap_err();
    assert!(matches!(error, QueryError::TextTooLong { .. }));
}

#[test]
fn the_due_list_is_earliest_first_and_ends_on_its_day() {
    let kit = Kit::new();
    let models = kit.filled("m.sqlite", &log().events, 4);
    let scope = Scope::Region(region("440100"));
    let all = models.due_list(&scope, day(18), &first_page(100)).unwrap();
    let numbers: Vec<_> = all.rows.iter().map(|(row, _)| row.number.as_str()).collect();
    // Case 4 is closed.
    assert_eq!(numbers.len(), 8);
    assert_eq!(numbers[..4], ["44010001", "44010002", "44010003", "44010005"]);
    let due = all.rows[0].0.due.unwrap();
    assert_eq!((due.day, due.clock, due.overdue_from), (day(2), Some(ClockKind::Accept), day(3)));
    let first = models.due_list(&scope, day(10), &first_page(2)).unwrap();
    assert!(first.has_more);
    let after = first.rows.last().map(|(_, cursor)| *cursor);
    let rest = models.due_list(&scope, day(10), &PageRequest { after, limit: 10 }).unwrap();
    let numbers: Vec<_> = rest.rows.iter().map(|(row, _)| row.number.as_str()).collect();
    assert_eq!(numbers, ["44010003", "44010005"]);
    let station = models.due_list(&Scope::Unit(unit("gz-th-1")), day(30), &first_page(9)).unwrap();
    assert_eq!(station.rows.len(), 3);
    assert!(models.due_list(&Scope::Unit(unit("nobody")), day(30), &first_page(9)).unwrap().rows.is_empty());
}

#[test]
fn a_workload_now_is_the_open_cases_of_the_unit() {
    let kit = Kit::new();
    let models = kit.filled("m.sqlite", &log().events, 4);
    // Day 12 is Monday, 13 April 2026. Of the station's cases, 3 was due on day 6, 6 is due today, 9 on day 18.
    let load = models.workload(&unit("gz-th-1"), None, day(12), WorkingCalendar::mainland()).unwrap();
    assert_eq!((load.open, load.overdue, load.due_today, load.due_in_3_working_days), (3, 1, 1, 1));
    assert_eq!((load.transferred_in, load.transferred_out, load.returned), (3, 0, 0));
    let handlers: Vec<_> =
        load.by_handler.iter().map(|load| (load.handler.as_deref(), load.open, load.overdue)).collect();
    assert_eq!(handlers, [(Some("h2"), 2, 0), (Some("h1"), 1, 1)]);
    let error = models.workload(&unit("nobody"), None, day(12), WorkingCalendar::mainland()).unwrap_err();
    assert!(matches!(error, QueryError::UnknownUnit(_)));
}

#[test]
fn a_workload_of_a_past_day_knows_what_was_due_then() {
    let kit = Kit::new();
    let mut log = log();
    let met = ClockMet { clock: ClockKind::Accept, on: day(13), late: true };
    log.case(6, hour(13, 9), &ComplaintEvent::ClockMet(met));
    log.case(3, hour(13, 9), &closed(true, None));
    let models = kit.filled("m.sqlite", &log.events, 4);
    let at = |on: i64| models.workload(&unit("gz-th-1"), Some(day(on)), day(40), WorkingCalendar::mainland()).unwrap();
    let load = at(12);
    assert_eq!((load.open, load.overdue, load.due_today, load.due_in_3_working_days), (3, 1, 1, 1));
    let load = at(13);
    assert_eq!((load.open, load.overdue, load.due_today), (2, 0, 0));
    let (loads, more) = models
        .workloads(&Scope::Region(region("440100")), Some(day(12)), day(40), WorkingCalendar::mainland(), None, 2)
        .unwrap();
    assert_eq!((loads.len(), more), (2, true));
    let (rest, more) = models
        .workloads(
            &Scope::Region(region("440100")),
            Some(day(12)),
            day(40),
            WorkingCalendar::mainland(),
            loads.last().map(|load| &load.unit),
            2,
        )
        .unwrap();
    assert_eq!((rest.len(), more, rest[0].open), (1, false, 3));
}
