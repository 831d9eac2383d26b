//! What single cells of a row mean, column by column.

use domain::complaint::TEXT_CHARS_MAX;
use domain::id::UnitId;

use super::super::mapping::{Mapping, Status};
use super::super::table::{Column, Record, Table, TableError};
use super::super::values::{self, Deadline, Time};
use super::Facts;

/// Longest work id in characters.
const WORK_ID_CHARS_MAX: usize = 64;

/// What is wrong with a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadCell {
    pub(super) column: String,
    pub(super) reason: String,
}

/// The columns that the mapping names, found in the file.
#[derive(Debug)]
pub(super) struct Cells {
    case: Column,
    time: Column,
    row_id: Option<Column>,
    registered: Option<Column>,
    deadline: Option<Column>,
    closed: Option<Column>,
    status: Option<Column>,
    channel: Option<Column>,
    category: Option<Column>,
    region: Option<Column>,
    unit: Option<Column>,
    handler: Option<Column>,
    activity: Option<Column>,
    by: Option<Column>,
}

impl Cells {
    /// Finds every column.
    ///
    /// # Errors
    /// One is not in the file, or twice.
    pub(super) fn find(table: &Table, mapping: &Mapping) -> Result<Self, TableError> {
        let find = |key, name: Option<&String>| name.map(|name| table.column(key, name)).transpose();
        let activity = mapping.activity.as_ref();
        Ok(Self {
            case: table.column("case.column", &mapping.case)?,
            time: table.column("time.column", &mapping.time)?,
            row_id: find("row_id.column", mapping.row_id.as_ref())?,
            registered: find("registered.column", mapping.registered.as_ref())?,
            deadline: find("deadline.column", mapping.deadline.as_ref())?,
            closed: find("closed.column", mapping.closed.as_ref())?,
            status: find("status.column", mapping.status.as_ref().map(|status| &status.column))?,
            channel: find("channel.column", mapping.channel.column.as_ref())?,
            category: find("category.column", mapping.category.column.as_ref())?,
            region: find("region.column", mapping.region.column.as_ref())?,
            unit: find("unit.column", mapping.unit.as_ref().map(|unit| &unit.column))?,
            handler: find("handler.column", mapping.handler.as_ref().map(|handler| &handler.column))?,
            activity: find("activity.column", activity.map(|activity| &activity.column))?,
            by: find("activity.by", activity.and_then(|activity| activity.by.as_ref()))?,
        })
    }

    /// Says that a column was in no row.
    ///
    /// # Errors
    /// One was in none.
    pub(super) fn check_seen(&self) -> Result<(), TableError> {
        let optional = [
            &self.row_id,
            &self.registered,
            &self.deadline,
            &self.closed,
            &self.status,
            &self.channel,
            &self.category,
            &self.region,
            &self.unit,
            &self.handler,
            &self.activity,
            &self.by,
        ];
        optional.into_iter().flatten().chain([&self.case, &self.time]).try_for_each(Table::check_seen)
    }

    /// The case number.
    pub(super) fn number(&self, record: &Record) -> Result<String, BadCell> {
        match text(record, &self.case)? {
            Some(number) => Ok(number),
            None => Err(bad(&self.case, "the case number is missing")),
        }
    }

    /// When the row's step happened.
    pub(super) fn time(&self, record: &Record, mapping: &Mapping) -> Result<chrono::DateTime<chrono::Utc>, BadCell> {
        match time(record, &self.time, mapping)? {
            Some(time) => Ok(time.at),
            None => Err(bad(&self.time, "the time is missing")),
        }
    }

    /// What tells the row apart.
    pub(super) fn row_id(&self, record: &Record) -> Result<Option<String>, BadCell> {
        optional(record, self.row_id.as_ref())
    }

    /// What the row says of its case as a whole.
    pub(super) fn facts(&self, record: &Record, mapping: &Mapping) -> Result<Facts, BadCell> {
        let time = |column: &Option<Column>| match column {
            Some(column) => time(record, column, mapping),
            None => Ok(None),
        };
        Ok(Facts {
            registered: time(&self.registered)?.map(|time| time.at),
            deadline: time(&self.deadline)?.map(Deadline::new),
            closed: time(&self.closed)?.map(|time| time.at),
            handler: self.handler(record, mapping, true)?.map(Into::into),
            channel: coded(record, self.channel.as_ref(), |raw| mapping.channel.read(raw))?,
            category: coded(record, self.category.as_ref(), |raw| mapping.category.read(raw))?,
            region: coded(record, self.region.as_ref(), |raw| mapping.region.read(raw))?,
        })
    }

    /// Adds what a row says of its case to what earlier rows said.
    ///
    /// # Errors
    /// They disagree.
    pub(super) fn settle(&self, known: &mut Facts, said: Facts) -> Result<(), BadCell> {
        agree(&mut known.registered, said.registered, self.registered.as_ref())?;
        agree(&mut known.deadline, said.deadline, self.deadline.as_ref())?;
        agree(&mut known.closed, said.closed, self.closed.as_ref())?;
        agree(&mut known.handler, said.handler, self.handler.as_ref())?;
        agree(&mut known.channel, said.channel, self.channel.as_ref())?;
        agree(&mut known.category, said.category, self.category.as_ref())?;
        agree(&mut known.region, said.region, self.region.as_ref())
    }

    /// Who handles the case from this row on.
    pub(super) fn row_handler(&self, record: &Record, mapping: &Mapping) -> Result<Option<String>, BadCell> {
        self.handler(record, mapping, false)
    }

    fn handler(&self, record: &Record, mapping: &Mapping, per_case: bool) -> Result<Option<String>, BadCell> {
        let (Some(column), Some(map)) = (&self.handler, &mapping.handler) else { return Ok(None) };
        if map.per_case != per_case {
            return Ok(None);
        }
        match text(record, column)?.filter(|handler| !map.ignore.contains(handler)) {
            Some(handler) => limited(handler, WORK_ID_CHARS_MAX, column).map(Some),
            None => Ok(None),
        }
    }

    /// How the case stands behind this row.
    pub(super) fn status(&self, record: &Record, mapping: &Mapping) -> Result<Option<Status>, BadCell> {
        let (Some(column), Some(map)) = (&self.status, &mapping.status) else { return Ok(None) };
        let Some(value) = text(record, column)? else { return Ok(None) };
        match map.meanings.get(&value) {
            Some(meaning) => Ok(Some(*meaning)),
            None if map.ignore_unlisted => Ok(Some(Status::InWork)),
            None => Err(bad(column, format!("`{value}` is in no list of [status]"))),
        }
    }

    /// What was done, and by whom.
    pub(super) fn activity(&self, record: &Record) -> Result<(Option<String>, Option<String>), BadCell> {
        let Some(column) = &self.activity else { return Ok((None, None)) };
        let what = match text(record, column)? {
            Some(what) => Some(limited(what, TEXT_CHARS_MAX, column)?),
            None => None,
        };
        let by = match &self.by {
            Some(column) => match text(record, column)? {
                Some(by) => Some(limited(by, WORK_ID_CHARS_MAX, column)?),
                None => None,
            },
            None => None,
        };
        Ok((what, by))
    }

    /// The value that names the unit.
    pub(super) fn unit(&self, record: &Record) -> Result<Option<String>, BadCell> {
        optional(record, self.unit.as_ref())
    }

    /// The unit that a value names; `None` for one that is ignored.
    pub(super) fn unit_id(&self, value: &str, mapping: &Mapping) -> Result<Option<UnitId>, BadCell> {
        let Some(map) = &mapping.unit else { return Ok(None) };
        if map.ignore.iter().any(|ignored| ignored == value) {
            return Ok(None);
        }
        if let Some(id) = map.ids.get(value) {
            return Ok(Some(id.clone()));
        }
        let Some(slug) = values::slug(value) else {
            return Err(self.bad_unit(format!("`{value}` does not make an id; give it one in [unit_ids]")));
        };
        match UnitId::parse(&format!("{}{slug}", map.id_prefix)) {
            Ok(id) => Ok(Some(id)),
            Err(error) => {
                Err(self.bad_unit(format!("`{value}` does not make an id: {error}; give it one in [unit_ids]")))
            }
        }
    }

    /// Something wrong in the unit column.
    pub(super) fn bad_unit(&self, reason: String) -> BadCell {
        bad(self.unit.as_ref().unwrap_or(&self.case), reason)
    }
}

fn bad(column: &Column, reason: impl Into<String>) -> BadCell {
    BadCell { column: column.name().to_owned(), reason: reason.into() }
}

/// The text of a cell, if there is any.
fn text(record: &Record, column: &Column) -> Result<Option<String>, BadCell> {
    let text = record.text(column).map_err(|reason| bad(column, reason))?;
    Ok((!text.is_empty()).then(|| text.into_owned()))
}

fn optional(record: &Record, column: Option<&Column>) -> Result<Option<String>, BadCell> {
    column.map_or(Ok(None), |column| text(record, column))
}

fn time(record: &Record, column: &Column, mapping: &Mapping) -> Result<Option<Time>, BadCell> {
    let Some(raw) = text(record, column)? else { return Ok(None) };
    values::time(&raw, mapping.zone).map(Some).map_err(|reason| bad(column, reason))
}

fn coded<T>(
    record: &Record,
    column: Option<&Column>,
    read: impl Fn(&str) -> Result<Option<T>, String>,
) -> Result<Option<T>, BadCell> {
    let Some(column) = column else { return Ok(None) };
    let Some(raw) = text(record, column)? else { return Ok(None) };
    read(&raw).map_err(|reason| bad(column, reason))
}

fn limited(text: String, chars_max: usize, column: &Column) -> Result<String, BadCell> {
    match text.chars().count() {
        chars if chars > chars_max => Err(bad(column, format!("it has {chars} characters, more than {chars_max}"))),
        _ => Ok(text),
    }
}

fn agree<T: PartialEq>(known: &mut Option<T>, said: Option<T>, column: Option<&Column>) -> Result<(), BadCell> {
    let Some(said) = said else { return Ok(()) };
    match known {
        None => *known = Some(said),
        Some(before) if *before == said => {}
        Some(_) => {
            return Err(BadCell {
                column: column.map(|column| column.name().to_owned()).unwrap_or_default(),
                reason: "it differs from what an earlier row of the case says".to_owned(),
            });
        }
    }
    Ok(())
}
