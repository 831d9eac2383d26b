//! Rows become cases, and every bad cell is told with its column.

use super::super::testing::{MAPPING, ROWS, cases, mapping, read_rows};
use super::*;

/// The line, column and reason of the first bad row.
fn bad(rows: &str) -> (u64, String, String) {
    match read_rows(&mapping(), rows, IMPORT_ROWS_MAX).unwrap_err() {
        RowsError::Reject(RejectError::Stop { bad, .. }) => (bad.line, bad.column.unwrap_or_default(), bad.reason),
        error => panic!("{error}"),
    }
}

/// The small register with one text replaced, which must stand in it.
fn with(old: &str, new: &str) -> String {
    assert!(ROWS.contains(old), "{old}");
    ROWS.replacen(old, new, 1)
}

#[test]
fn rows_are_grouped_by_number_and_sorted_by_time() {
    let found = cases(&mapping(), ROWS);
    assert_eq!(found.rows, 17);
    let numbers: Vec<&str> = found.cases.iter().map(|case| &*case.number).collect();
    assert_eq!(numbers, ["2026-001", "2026-002", "2026-003", "2026-004", "2026-005", "2026-006"]);
    let lines: Vec<Vec<u64>> = found.cases.iter().map(|case| case.rows.iter().map(|row| row.line).collect()).collect();
    assert_eq!(lines[0], [2, 3, 5]);
    assert_eq!(lines[1], [4, 10]);
    assert_eq!(lines[4], [16, 19]);
    let units: Vec<(&str, &str)> = found.units.iter().map(|unit| (&*unit.value, unit.id.as_str())).collect();
    assert_eq!(units, [("天河所", "old-tianhe"), ("越秀所", "old-yuexiu"), ("North 1", "old-north-1")]);
}

#[test]
fn rows_in_any_order_are_the_same_cases() {
    let mut lines: Vec<&str> = ROWS.split_inclusive('\n').collect();
    // The one row with a line break in it stays as it is.
    let broken = lines.iter().position(|line| line.starts_with("2026-004") && line.contains('"')).unwrap();
    let tail = lines.split_off(broken);
    lines[1..].reverse();
    let shuffled: String = lines.into_iter().chain(tail).collect();
    let (one, other) = (cases(&mapping(), ROWS), cases(&mapping(), &shuffled));
    for case in &one.cases {
        let same = other.cases.iter().find(|other| other.number == case.number).unwrap();
        let times = |case: &CaseRows| case.rows.iter().map(|row| (row.at, row.id.clone())).collect::<Vec<_>>();
        assert_eq!(times(case), times(same));
    }
}

#[test]
fn every_bad_cell_is_told_by_line_column_and_reason() {
    let cases = [
        (with("2026-03-05 09:00,", "soon,"), 10, "时间", "is not a time"),
        (with("2026-03-05 09:00,", ","), 10, "时间", "the time is missing"),
        (with("2026-03-20,电话,食品,越秀,天河所", "2026-03-21,电话,食品,越秀,天河所"), 10, "时限", "differs"),
        (with("售后,越秀", "售后,荔湾"), 11, "地区", "in no map"),
        (with("等待材料", "挂起"), 18, "状态", "in no list"),
        (with("越秀所,w-21,电话登记", "荔湾所,w-21,电话登记"), 4, "单位", "[unit_ids]"),
        (with("2026-005,2026/3/10", ",2026/3/10"), 16, "编号", "number is missing"),
        (with("天河所,w-11,签收", &format!("天河所,{},签收", "w".repeat(65))), 3, "承办人", "65 characters"),
    ];
    for (rows, line, column, reason) in cases {
        let found = bad(&rows);
        assert_eq!((found.0, &*found.1), (line, column), "{}", found.2);
        assert!(found.2.contains(reason), "{}", found.2);
    }
}

#[test]
fn a_text_holds_its_limit() {
    let rows = |chars: usize| with("签收并联系商家", &"字".repeat(chars));
    let max = domain::complaint::TEXT_CHARS_MAX;
    assert!(read_rows(&mapping(), &rows(max), IMPORT_ROWS_MAX).is_ok());
    assert_eq!(bad(&rows(max + 1)).1, "环节");
}

#[test]
fn a_file_holds_its_limit() {
    assert!(read_rows(&mapping(), ROWS, 17).is_ok());
    assert!(matches!(read_rows(&mapping(), ROWS, 16), Err(RowsError::TooMany { rows_max: 16 })));
}

#[test]
fn two_values_are_one_unit_only_by_intent() {
    let same = with("天河所,w-13", "North-1,w-13");
    let (_, column, reason) = bad(&same);
    assert_eq!(column, "单位");
    assert!(reason.contains("old-north-1") && reason.contains("[unit_ids]"), "{reason}");
    let both = "[unit_ids]\n\"North 1\" = \"old-north\"\n\"North-1\" = \"old-north\"";
    let mapping = Mapping::parse(&MAPPING.replacen("[unit_ids]", both, 1)).unwrap();
    let found = cases(&mapping, &same);
    assert_eq!(found.units.iter().filter(|unit| unit.id.as_str() == "old-north").count(), 1);
}

#[test]
fn a_column_that_is_not_there_is_told_by_its_key() {
    let error = read_rows(&mapping(), &with("时限", "期限"), IMPORT_ROWS_MAX).unwrap_err().to_string();
    assert!(error.contains("`deadline.column`") && error.contains("`时限`"), "{error}");
}
