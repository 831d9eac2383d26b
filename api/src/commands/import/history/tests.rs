//! Histories as the small register tells them, and the edges of telling them.

use super::super::testing::{MAPPING, ROWS, cases, lines, mapping};
use super::*;

fn small(number: &str) -> Vec<String> {
    of(&mapping(), ROWS, number)
}

fn of(mapping: &Mapping, rows: &str, number: &str) -> Vec<String> {
    let found = cases(mapping, rows);
    let case = found.cases.iter().find(|case| &*case.number == number).unwrap();
    lines(&build(case, mapping, &found.units).unwrap())
}

/// A mapping by columns, for cases that are registered and closed by them.
fn by_columns() -> Mapping {
    let status = MAPPING.find("[status]").unwrap()..MAPPING.find("[channel]").unwrap();
    let mut text = MAPPING.to_owned();
    text.replace_range(status, "[closed]\ncolumn = \"结束\"\n\n");
    let text = text.replace("first_row = true", "column = \"登记\"").replace("per = \"row\"", "per = \"case\"");
    Mapping::parse(&text.replace("column = \"地区\"", "default = \"440106\"")).unwrap()
}

const HEADER: &str = "编号,时间,登记,结束,时限,渠道,类别,单位,承办人,环节,经办,行号\n";

#[test]
fn a_case_is_registered_sent_on_worked_and_closed() {
    assert_eq!(
        small("2026-001"),
        [
            "03-02 09:15 registered",
            "03-02 09:15 noted",
            "03-02 10:40 dispatched old-intake old-tianhe",
            "03-02 10:40 handler-assigned w-11",
            "03-02 10:40 noted",
            "03-12 16:20 noted",
            "03-12 16:20 closed in time",
        ]
    );
}

#[test]
fn a_change_of_unit_is_a_transfer() {
    let history = small("2026-002");
    assert_eq!(
        history[4..],
        ["03-05 09:00 dispatched old-yuexiu old-tianhe", "03-05 09:00 handler-assigned w-13", "03-05 09:00 noted"]
    );
}

#[test]
fn a_wait_begins_behind_its_row_and_ends_before_the_next() {
    assert_eq!(
        small("2026-003")[4..],
        [
            "03-06 11:00 noted",
            "03-06 11:00 waiting-began",
            "03-24 09:30 waiting-ended",
            "03-24 09:30 noted",
            "03-26 17:45 noted",
            "03-26 17:45 closed late",
        ]
    );
}

#[test]
fn a_closed_case_is_opened_again_as_its_second_round() {
    assert_eq!(
        small("2026-004")[5..],
        [
            "03-16 15:00 closed in time",
            "03-30 09:20 reopened 2",
            "03-30 09:20 handler-assigned w-22",
            "03-30 09:20 noted",
            "04-08 11:10 noted",
            "04-08 11:10 closed late",
        ]
    );
}

#[test]
fn what_the_source_says_stands_in_the_registration() {
    let (mapping, found) = (mapping(), cases(&mapping(), ROWS));
    let history = build(&found.cases[0], &mapping, &found.units).unwrap();
    let ComplaintEvent::Registered(registered) = &history[0].event else { panic!("not registered first") };
    assert_eq!(registered.number, "OLD-2026-001");
    assert_eq!(registered.channel.code(), "12315-web");
    assert_eq!(registered.region.to_string(), "440106");
    let source = registered.source.as_ref().unwrap();
    assert_eq!((&*source.system, &*source.number), ("old-register", "2026-001"));
    // A bare date is in time until its end.
    assert_eq!(source.deadline.unwrap().to_rfc3339(), "2026-03-31T16:00:00+00:00");
    assert_eq!(registered.filing, FilingId::derived("old-register", "2026-001"));
}

#[test]
fn the_handler_of_a_whole_case_is_kept_over_a_transfer_and_rows_behind_the_closing_are_notes() {
    let rows = format!(
        "{HEADER}\
         7,2026-03-03 10:00,2026-03-02,2026-03-04 12:00,2026-03-04 11:00,网站,质量,天河所,w-11,登记,w-0,1\n\
         7,2026-03-04 10:00,2026-03-02,2026-03-04 12:00,2026-03-04 11:00,网站,质量,越秀所,w-11,转办,w-0,2\n\
         7,2026-03-05 10:00,2026-03-02,2026-03-04 12:00,2026-03-04 11:00,网站,质量,天河所,w-11,归档,w-0,3\n"
    );
    assert_eq!(
        of(&by_columns(), &rows, "7"),
        [
            "03-02 00:00 registered",
            "03-02 00:00 handler-assigned w-11",
            "03-03 10:00 dispatched old-intake old-tianhe",
            "03-03 10:00 handler-assigned w-11",
            "03-03 10:00 noted",
            "03-04 10:00 dispatched old-tianhe old-yuexiu",
            "03-04 10:00 handler-assigned w-11",
            "03-04 10:00 noted",
            "03-04 12:00 closed late",
            "03-05 10:00 noted",
        ]
    );
}

#[test]
fn a_row_before_the_registration_keeps_its_time_and_moves_nothing_before_it() {
    let rows = format!("{HEADER}7,2026-03-01 10:00,2026-03-02 09:00,,,网站,质量,天河所,,预登记,w-0,1\n");
    assert_eq!(
        of(&by_columns(), &rows, "7"),
        ["03-02 09:00 registered", "03-02 09:00 dispatched old-intake old-tianhe", "03-01 10:00 noted"]
    );
}

#[test]
fn a_case_that_was_closed_before_it_was_registered_was_never_open() {
    let row =
        |closed: &str| format!("{HEADER}7,2026-03-05 10:00,2026-03-02 09:00,{closed},,网站,质量,天河所,,归档,w-0,1\n");
    let same_day = of(&by_columns(), &row("2026-03-02 00:00"), "7");
    assert_eq!(same_day, ["03-02 09:00 registered", "03-02 00:00 closed in time", "03-05 10:00 noted"]);
    let day_before = of(&by_columns(), &row("2026-03-01 23:00"), "7");
    assert_eq!(day_before, ["03-02 09:00 registered", "03-02 09:00 closed in time", "03-05 10:00 noted"]);
}

#[test]
fn rows_added_at_the_end_only_lengthen_a_history() {
    let mapping = mapping();
    let shorter: String = ROWS.split_inclusive('\n').take(9).collect();
    let (whole, part) = (of(&mapping, ROWS, "2026-002"), of(&mapping, &shorter, "2026-002"));
    assert_eq!(whole[..part.len()], part);
    assert!(whole.len() > part.len());
}

#[test]
fn a_row_id_stands_once_in_a_case() {
    let found = cases(&mapping(), &ROWS.replacen("办结,8", "办结,7", 1));
    let case = found.cases.iter().find(|case| &*case.number == "2026-003").unwrap();
    let error = build(case, &mapping(), &found.units).unwrap_err();
    assert_eq!(error, HistoryError::SameRow { line: 9, first: 8, id: "7".into() });
}

#[test]
fn a_case_without_registration_time_is_none() {
    let rows = format!("{HEADER}7,2026-03-01 10:00,,,,网站,质量,天河所,,预登记,w-0,1\n");
    let mapping = by_columns();
    let found = cases(&mapping, &rows);
    assert_eq!(build(&found.cases[0], &mapping, &found.units), Err(HistoryError::NotRegistered));
}
