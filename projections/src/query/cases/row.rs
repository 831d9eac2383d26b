//! From a stored row to the one that callers see: keys become names again.

use chrono::{DateTime, Utc};
use domain::day::from_day_number;
use domain::envelope::{Position, Revision};
use domain::id::{ComplaintId, FilingId, UnitId};
use domain::vocabulary::{Category, Channel};
use rusqlite::Row;

use super::super::{CaseRow, NextDue};
use crate::case_table::{clock_from, listed, money_from, region_from, stage_of, uuid_at};
use crate::error::QueryError;
use crate::register::Register;

/// The columns that [`raw`] reads.
pub(in crate::query) const COLUMNS: &str = "c.key, c.id, c.number, c.filing, c.channel, c.category, c.region, c.intake, \
     c.custody, (SELECT name FROM handler WHERE handler.key = c.handler), c.stage, c.outcome, c.round, c.registered_at, \
     c.closed_at, c.closed_late, c.recovered, c.currency, c.respondent, c.uscc, c.next_due, c.due_rule, c.provisional, \
     c.overdue_from, c.urged, c.revision, c.position, c.last_event_at";

/// A row as it is stored.
#[derive(Debug)]
pub(in crate::query) struct Raw {
    pub(in crate::query) key: u32,
    pub(in crate::query) next_due: Option<i32>,
    id: ComplaintId,
    number: String,
    filing: FilingId,
    channel: u8,
    category: u8,
    region: u32,
    intake: u32,
    custody: u32,
    handler: Option<String>,
    stage: u8,
    outcome: Option<u8>,
    round: u16,
    registered_at: i64,
    closed_at: Option<i64>,
    closed_late: bool,
    recovered: Option<i64>,
    currency: Option<u8>,
    respondent: Option<String>,
    uscc: Option<String>,
    due_rule: Option<u8>,
    provisional: bool,
    overdue_from: Option<i32>,
    urged: u32,
    revision: i64,
    position: i64,
    last_event_at: i64,
}

/// Reads the columns of [`COLUMNS`].
pub(in crate::query) fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        key: row.get(0)?,
        id: ComplaintId::from_uuid(uuid_at(row, 1)?),
        number: row.get(2)?,
        filing: FilingId::from_uuid(uuid_at(row, 3)?),
        channel: row.get(4)?,
        category: row.get(5)?,
        region: row.get(6)?,
        intake: row.get(7)?,
        custody: row.get(8)?,
        handler: row.get(9)?,
        stage: row.get(10)?,
        outcome: row.get(11)?,
        round: row.get(12)?,
        registered_at: row.get(13)?,
        closed_at: row.get(14)?,
        closed_late: row.get(15)?,
        recovered: row.get(16)?,
        currency: row.get(17)?,
        respondent: row.get(18)?,
        uscc: row.get(19)?,
        next_due: row.get(20)?,
        due_rule: row.get(21)?,
        provisional: row.get(22)?,
        overdue_from: row.get(23)?,
        urged: row.get(24)?,
        revision: row.get(25)?,
        position: row.get(26)?,
        last_event_at: row.get(27)?,
    })
}

/// The row that callers see.
///
/// # Errors
/// [`QueryError::Damaged`] for what no writer wrote.
pub(in crate::query) fn case_row(raw: Raw, register: &Register) -> Result<CaseRow, QueryError> {
    let damaged = |what| QueryError::Damaged { what };
    let stage = stage_of(raw.stage, raw.outcome).ok_or_else(|| damaged("the stage of a case"))?;
    let due = match (raw.next_due.and_then(from_day_number), raw.overdue_from.and_then(from_day_number)) {
        (Some(day), Some(overdue_from)) => {
            Some(NextDue { day, clock: clock_from(raw.due_rule), provisional: raw.provisional, overdue_from })
        }
        _ => None,
    };
    Ok(CaseRow {
        id: raw.id,
        number: raw.number,
        filing: raw.filing,
        channel: listed(Channel::ALL, raw.channel).ok_or_else(|| damaged("the channel of a case"))?,
        category: listed(Category::ALL, raw.category).ok_or_else(|| damaged("the category of a case"))?,
        region: region_from(raw.region).ok_or_else(|| damaged("the region of a case"))?,
        intake_unit: unit(register, raw.intake)?,
        unit: unit(register, raw.custody)?,
        handler: raw.handler,
        stage,
        outcome: stage.outcome(),
        round: raw.round,
        registered_at: instant(raw.registered_at)?,
        closed_at: raw.closed_at.map(instant).transpose()?,
        closed_late: raw.closed_late,
        recovered: money_from(raw.recovered, raw.currency),
        respondent: raw.respondent,
        respondent_uscc: raw.uscc,
        due,
        urged: raw.urged,
        revision: Revision::new(raw.revision.cast_unsigned()),
        position: Position::new(raw.position.cast_unsigned()),
        last_event_at: instant(raw.last_event_at)?,
        counted: 1,
    })
}

fn unit(register: &Register, key: u32) -> Result<UnitId, QueryError> {
    register.slot(key).map(|slot| slot.id.clone()).ok_or(QueryError::Damaged { what: "the unit of a case" })
}

fn instant(micros: i64) -> Result<DateTime<Utc>, QueryError> {
    DateTime::from_timestamp_micros(micros).ok_or(QueryError::Damaged { what: "a moment of a case" })
}
