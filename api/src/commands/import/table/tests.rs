//! Rows are found with their lines, whatever the format, and what is no row is told.

use std::fs;

use super::*;

fn open(name: &str, content: &[u8]) -> Result<Table, TableError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    Table::open(&path, b',')
}

/// Line number and the two cells `no` and `text` of every row.
/// A row's line, and its two cells or what is wrong with it.
type Line = (u64, Result<(String, String), String>);

fn rows(name: &str, content: &[u8]) -> Vec<Line> {
    let mut table = open(name, content).unwrap();
    let columns = [table.column("case.column", "no").unwrap(), table.column("activity.column", "text").unwrap()];
    let mut rows = Vec::new();
    while let Some(line) = table.read_row().unwrap() {
        let cells = line
            .record
            .and_then(|record| Ok((record.text(&columns[0])?.into_owned(), record.text(&columns[1])?.into_owned())));
        rows.push((line.number, cells));
    }
    rows
}

fn row(no: &str, text: &str) -> Result<(String, String), String> {
    Ok((no.to_owned(), text.to_owned()))
}

#[test]
fn csv_may_begin_with_a_mark_and_end_lines_either_way() {
    for content in ["\u{feff}no,text\n1, 退款 \n2,b\n", "\u{feff}no,text\r\n1,退款\r\n2,b\r\n", "no,text\n1,退款\n2,b"]
    {
        assert_eq!(rows("a.csv", content.as_bytes()), [(2, row("1", "退款")), (3, row("2", "b"))], "{content:?}");
    }
}

#[test]
fn a_quoted_field_may_have_line_breaks() {
    let found = rows("a.csv", b"no,text\n1,\"a\nb\"\n2,c\n");
    assert_eq!(found, [(2, row("1", "a\nb")), (4, row("2", "c"))]);
}

#[test]
fn a_row_of_another_length_is_no_row_and_the_next_one_is() {
    let found = rows("a.csv", b"no,text\n1\n2,b\n");
    assert_eq!(found[0].0, 2);
    assert!(found[0].1.as_ref().unwrap_err().contains("1 fields"));
    assert_eq!(found[1], (3, row("2", "b")));
}

#[test]
fn another_encoding_is_told_with_a_way_out() {
    let found = rows("a.csv", b"no,text\n1,\xcd\xcb\xbf\xee\n");
    assert!(found[0].1.as_ref().unwrap_err().contains("iconv"));
    assert!(matches!(open("a.csv", b"no,\xcd\xcb\n"), Err(TableError::Header)));
}

#[test]
fn a_column_must_be_there_once() {
    let table = open("a.csv", b"no,text,text\n").unwrap();
    let error = table.column("time.column", "when").unwrap_err().to_string();
    assert!(error.contains("`time.column`") && error.contains("`when`") && error.contains("no, text"), "{error}");
    assert!(matches!(table.column("activity.column", "text"), Err(TableError::SameColumns { count: 2, .. })));
}

#[test]
fn ndjson_has_values_of_any_plain_kind() {
    let content = "\u{feff}{\"no\": 7, \"text\": \" 退款 \"}\n\n{\"no\": true}\n[1]\n{\"no\": {}, \"text\": null}\n";
    let found = rows("a.ndjson", content.as_bytes());
    assert_eq!(found[0], (1, row("7", "退款")));
    assert_eq!(found[1], (3, row("true", "")));
    assert!(found[2].1.as_ref().unwrap_err().contains("not a JSON object"));
    assert_eq!(found[3].0, 5);
    assert!(found[3].1.as_ref().unwrap_err().contains("list or an object"));
}

#[test]
fn a_key_that_no_line_has_is_a_mistake_in_the_mapping() {
    let mut table = open("a.jsonl", b"{\"no\": 1}\n").unwrap();
    let (there, missing) = (table.column("case.column", "no").unwrap(), table.column("closed.column", "end").unwrap());
    let record = table.read_row().unwrap().unwrap().record.unwrap();
    assert_eq!(record.text(&there).unwrap(), "1");
    assert_eq!(record.text(&missing).unwrap(), "");
    assert!(Table::check_seen(&there).is_ok());
    assert!(Table::check_seen(&missing).unwrap_err().to_string().contains("`closed.column`"));
}

#[test]
fn a_row_holds_its_limit() {
    let line = |bytes: usize| {
        let frame = "{\"no\":\"\"}\n".len();
        format!("{{\"no\":\"{}\"}}\n", "a".repeat(bytes - frame))
    };
    let mut table = open("a.ndjson", line(ROW_BYTES_MAX).as_bytes()).unwrap();
    assert!(table.read_row().unwrap().unwrap().record.is_ok());
    let mut table = open("a.ndjson", line(ROW_BYTES_MAX + 1).as_bytes()).unwrap();
    assert!(matches!(table.read_row(), Err(TableError::RowTooLong { line: 1 })));
}

#[test]
fn a_quotation_mark_that_is_not_closed_does_not_take_the_file() {
    let mut content = b"no,text\n1,\"".to_vec();
    content.resize(ROW_BYTES_MAX * 2, b'a');
    let mut table = open("a.csv", &content).unwrap();
    assert!(matches!(table.read_row(), Err(TableError::RowTooLong { line: 2 })));
}

#[test]
fn only_known_kinds_of_file_are_read() {
    assert!(matches!(open("a.xlsx", b""), Err(TableError::Extension(_))));
}

#[test]
fn a_row_is_given_back_whole() {
    let mut table = open("a.csv", "no,text\n1,退款\n".as_bytes()).unwrap();
    let object = table.read_row().unwrap().unwrap().record.unwrap().into_object();
    assert_eq!(Value::Object(object), serde_json::json!({"no": "1", "text": "退款"}));
}
