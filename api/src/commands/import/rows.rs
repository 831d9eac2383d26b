//! From rows to cases: every cell is read once, by what its column means, and rows are grouped by case number.
//!
//! Rows of a case may stand anywhere in the file, so all cases are held in memory until the last row is read; that is
//! what [`IMPORT_ROWS_MAX`] bounds.

mod cells;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::id::UnitId;
use domain::region::RegionCode;
use domain::vocabulary::{Category, Channel};
use indicatif::ProgressBar;
use thiserror::Error;

use self::cells::{BadCell, Cells};
use super::mapping::{Mapping, Status};
use super::rejects::{Bad, RejectError, Rejects};
use super::table::{Line, Record, Table, TableError};
use super::values::Deadline;

/// Most rows of one file. A row takes about 150 bytes of memory besides its text.
pub(super) const IMPORT_ROWS_MAX: u64 = 2_000_000;
/// Rows after which the progress bar is told.
const PROGRESS_ROWS: u64 = 1_024;

/// Why the rows of a file could not be read.
#[derive(Debug, Error)]
pub(super) enum RowsError {
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    Reject(#[from] RejectError),
    #[error("the file has more than {rows_max} rows, which is the most that is imported at once; split it by cases")]
    TooMany { rows_max: u64 },
}

/// One row, read.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) at: DateTime<Utc>,
    pub(super) id: Option<Arc<str>>,
    /// The place in [`Cases::units`].
    pub(super) unit: Option<usize>,
    pub(super) handler: Option<Arc<str>>,
    pub(super) status: Option<Status>,
    pub(super) activity: Option<Arc<str>>,
    pub(super) by: Option<Arc<str>>,
}

/// What the rows of a case say of it as a whole.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub(super) registered: Option<DateTime<Utc>>,
    pub(super) deadline: Option<Deadline>,
    pub(super) closed: Option<DateTime<Utc>>,
    pub(super) handler: Option<Arc<str>>,
    pub(super) channel: Option<Channel>,
    pub(super) category: Option<Category>,
    pub(super) region: Option<RegionCode>,
}

/// One case as the file tells it.
#[derive(Debug, Clone)]
pub(super) struct CaseRows {
    /// As the source writes it.
    pub(super) number: Arc<str>,
    /// The line of its first row in the file.
    pub(super) line: u64,
    pub(super) facts: Facts,
    /// By time; rows of the same instant in the order of the file.
    pub(super) rows: Vec<Row>,
    /// A row of it is bad, so the case is left out.
    pub(super) rejected: bool,
}

/// A unit that a value of the unit column stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SeenUnit {
    pub(super) value: String,
    pub(super) id: UnitId,
}

/// A file, read.
#[derive(Debug)]
pub(super) struct Cases {
    /// In the order of their first rows.
    pub(super) cases: Vec<CaseRows>,
    pub(super) units: Vec<SeenUnit>,
    pub(super) rows: u64,
}

/// What has been collected so far.
struct Collector<'a> {
    mapping: &'a Mapping,
    cells: Cells,
    found: Cases,
    by_number: HashMap<Arc<str>, usize>,
    unit_by_value: HashMap<String, Option<usize>>,
    unit_by_id: HashMap<UnitId, usize>,
    /// Texts that many rows share.
    texts: HashSet<Arc<str>>,
}

/// Reads every row of the file.
///
/// # Errors
/// A column is missing, a row is bad and none are collected, a row names no case, or the file is too large.
pub(super) fn read(
    table: &mut Table,
    mapping: &Mapping,
    rows_max: u64,
    rejects: &mut Rejects,
    bar: &ProgressBar,
) -> Result<Cases, RowsError> {
    let mut collector = Collector {
        mapping,
        cells: Cells::find(table, mapping)?,
        found: Cases { cases: Vec::new(), units: Vec::new(), rows: 0 },
        by_number: HashMap::new(),
        unit_by_value: HashMap::new(),
        unit_by_id: HashMap::new(),
        texts: HashSet::new(),
    };
    while let Some(line) = table.read_row()? {
        collector.found.rows += 1;
        if collector.found.rows > rows_max {
            return Err(RowsError::TooMany { rows_max });
        }
        if collector.found.rows.is_multiple_of(PROGRESS_ROWS) {
            bar.set_position(table.bytes_read());
        }
        if let Err(bad) = collector.take(line) {
            rejects.take(*bad)?;
        }
    }
    // Before the columns: a row that could not be read may be the one that has them.
    rejects.check_strays()?;
    // Only a row that was read to its end has been asked for every column.
    if collector.found.cases.iter().any(|case| !case.rows.is_empty()) {
        collector.cells.check_seen()?;
    }
    let mut found = collector.found;
    for case in &mut found.cases {
        case.rows.sort_by_key(|row| row.at);
    }
    Ok(found)
}

impl Collector<'_> {
    fn take(&mut self, line: Line) -> Result<(), Box<Bad>> {
        let Line { number: line, record } = line;
        let nothing = |reason| Bad { line, case: None, column: None, reason, row: None };
        let record = match record {
            Ok(record) => record,
            Err(reason) => return Err(Box::new(nothing(reason))),
        };
        let number = match self.cells.number(&record) {
            Ok(number) => number,
            Err(BadCell { column, reason }) => {
                let row = Some(record.into_object());
                return Err(Box::new(Bad { column: Some(column), row, ..nothing(reason) }));
            }
        };
        let index = self.case(&number, line);
        let read = self.facts(&record).and_then(|facts| Ok((facts, self.row(&record, line)?)));
        let Some(case) = self.found.cases.get_mut(index) else { return Ok(()) };
        let settled = read.and_then(|(facts, row)| {
            self.cells.settle(&mut case.facts, facts)?;
            Ok(row)
        });
        match settled {
            Ok(_) if case.rejected => Ok(()),
            Ok(row) => {
                case.rows.push(row);
                Ok(())
            }
            Err(BadCell { column, reason }) => {
                case.rejected = true;
                case.rows = Vec::new();
                let (case, row) = (Some(number), Some(record.into_object()));
                Err(Box::new(Bad { case, column: Some(column), row, ..nothing(reason) }))
            }
        }
    }

    /// The place of the case with this number.
    fn case(&mut self, number: &str, line: u64) -> usize {
        if let Some(index) = self.by_number.get(number) {
            return *index;
        }
        let index = self.found.cases.len();
        let number: Arc<str> = number.into();
        self.by_number.insert(Arc::clone(&number), index);
        let case = CaseRows { number, line, facts: Facts::default(), rows: Vec::new(), rejected: false };
        self.found.cases.push(case);
        index
    }

    fn facts(&mut self, record: &Record) -> Result<Facts, BadCell> {
        let mut facts = self.cells.facts(record, self.mapping)?;
        facts.handler = facts.handler.map(|handler| self.shared(&handler));
        Ok(facts)
    }

    fn row(&mut self, record: &Record, line: u64) -> Result<Row, BadCell> {
        let mapping = self.mapping;
        let at = self.cells.time(record, mapping)?;
        let id = self.cells.row_id(record)?.map(Arc::from);
        let handler = self.cells.row_handler(record, mapping)?;
        let status = self.cells.status(record, mapping)?;
        let (activity, by) = self.cells.activity(record)?;
        let unit = match self.cells.unit(record)? {
            Some(value) => self.unit(value)?,
            None => None,
        };
        let mut shared = |text: Option<String>| text.map(|text| self.shared(&text));
        Ok(Row { line, at, id, unit, handler: shared(handler), status, activity: shared(activity), by: shared(by) })
    }

    /// The place of the unit that a value stands for; `None` for a value that names none.
    fn unit(&mut self, value: String) -> Result<Option<usize>, BadCell> {
        if let Some(known) = self.unit_by_value.get(&value) {
            return Ok(*known);
        }
        let index = match self.cells.unit_id(&value, self.mapping)? {
            Some(id) => Some(self.unit_index(&value, id)?),
            None => None,
        };
        self.unit_by_value.insert(value, index);
        Ok(index)
    }

    fn unit_index(&mut self, value: &str, id: UnitId) -> Result<usize, BadCell> {
        let mapping = self.mapping;
        let by_intent = |value: &str| mapping.unit.as_ref().is_some_and(|unit| unit.ids.contains_key(value));
        let next = self.found.units.len();
        let index = *self.unit_by_id.entry(id.clone()).or_insert(next);
        match self.found.units.get(index) {
            None => self.found.units.push(SeenUnit { value: value.to_owned(), id }),
            // The same id given to both in [unit_ids] means one unit.
            Some(other) if by_intent(value) && by_intent(&other.value) => {}
            Some(other) => {
                return Err(self.cells.bad_unit(format!(
                    "`{value}` and `{}` would both become unit `{id}`; give both an id in [unit_ids]",
                    other.value
                )));
            }
        }
        Ok(index)
    }

    fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let text: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&text));
        text
    }
}
