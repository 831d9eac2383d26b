//! What the tests of the import share: a small register of six cases and its mapping.

use std::fs;
use std::path::Path;

use chrono::{DateTime, FixedOffset};
use domain::complaint::ComplaintEvent;
use domain::decider::Happened;
use domain::wire::Stored as _;
use indicatif::ProgressBar;

use super::mapping::Mapping;
use super::rejects::Rejects;
use super::rows::{Cases, IMPORT_ROWS_MAX, RowsError, read};
use super::table::Table;

pub(super) const MAPPING: &str = include_str!("../../../../tests/fixtures/import-small.toml");
pub(super) const ROWS: &str = include_str!("../../../../tests/fixtures/import-small.csv");

pub(super) fn mapping() -> Mapping {
    Mapping::parse(MAPPING).unwrap()
}

/// Reads rows in CSV, stopping at the first bad one.
pub(super) fn read_rows(mapping: &Mapping, rows: &str, rows_max: u64) -> Result<Cases, RowsError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    fs::write(&path, rows).unwrap();
    let mut table = Table::open(&path, mapping.delimiter).unwrap();
    let mut rejects = Rejects::open(Path::new("rows.csv"), None).unwrap();
    read(&mut table, mapping, rows_max, &mut rejects, &ProgressBar::hidden())
}

/// Reads rows in CSV of which none is bad.
pub(super) fn cases(mapping: &Mapping, rows: &str) -> Cases {
    read_rows(mapping, rows, IMPORT_ROWS_MAX).unwrap()
}

/// One line for each event: local time, kind without its life, and what tells it from others of the kind.
pub(super) fn lines(history: &[Happened<ComplaintEvent>]) -> Vec<String> {
    let zone: FixedOffset = "+08:00".parse().unwrap();
    let line = |happened: &Happened<ComplaintEvent>| {
        let at: DateTime<FixedOffset> = happened.at.with_timezone(&zone);
        let kind = happened.event.kind().0.trim_start_matches("complaint.");
        let detail = match &happened.event {
            ComplaintEvent::Dispatched(event) => format!(" {} {}", event.from, event.to),
            ComplaintEvent::HandlerAssigned(event) => format!(" {}", event.handler),
            ComplaintEvent::Closed(event) if event.late => " late".to_owned(),
            ComplaintEvent::Closed(_) => " in time".to_owned(),
            ComplaintEvent::Reopened(event) => format!(" {}", event.round),
            _ => String::new(),
        };
        format!("{} {kind}{detail}", at.format("%m-%d %H:%M"))
    };
    history.iter().map(line).collect()
}
