//! Lists of cases: newest first, page by page, never by counting off rows.

mod conditions;
mod row;

use domain::day::day_number;
use domain::id::ComplaintId;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use self::conditions::Conditions;
pub(super) use self::conditions::{in_reach, narrowed};
pub(super) use self::row::{COLUMNS, case_row, raw};
use super::behind::Behind;
use super::bound::bound;
use super::sight::Sight;
use super::{CaseCursor, CaseFilter, CasePage, CaseRow, PAGE_ROWS_MAX, PageRequest};
use crate::cell::Area;
use crate::error::QueryError;
use crate::measure::Measure;
use crate::models::ReadModels;
use crate::register::Reach;
use crate::scope::AsOf;
use crate::writer::View;

impl ReadModels {
    /// A page of the cases that a filter holds, newest first.
    ///
    /// # Errors
    /// The page is too large, a text too long, or the read models cannot be read.
    pub fn cases(&self, filter: &CaseFilter, page: &PageRequest) -> Result<CasePage, QueryError> {
        check_page(page)?;
        self.ask(|conn, view| {
            let reach = narrowed(view, filter);
            let Some(conditions) = Conditions::of(conn, view, filter, &reach)? else {
                return Ok(CasePage { total: Some(0), ..CasePage::default() });
            };
            let rows = match filter.measure {
                Some((measure, as_of)) => rows_behind(conn, view, filter, (measure, as_of), &reach, &conditions, page)?,
                None => rows(conn, view, &conditions, page)?,
            };
            let placed = rows.into_iter().map(|(key, row)| (row, CaseCursor { due: None, key })).collect();
            Ok(page_of(placed, page))
        })
    }

    /// How many cases a filter holds.
    ///
    /// # Errors
    /// A text is too long, or the read models cannot be read.
    pub fn count_cases(&self, filter: &CaseFilter) -> Result<u64, QueryError> {
        self.ask(|conn, view| {
            let reach = narrowed(view, filter);
            let Some(conditions) = Conditions::of(conn, view, filter, &reach)? else { return Ok(0) };
            if let Some((measure, as_of)) = filter.measure {
                return count_behind(conn, view, filter, (measure, as_of), &reach, &conditions);
            }
            if reach.is_all() && conditions.are_none() {
                // Every case was received once.
                let received = view.cube.area_measure(Area::PROVINCE, Measure::Received, i32::MAX);
                return Ok(u64::try_from(received).unwrap_or(0));
            }
            let sql = format!("SELECT count(*) FROM {} WHERE {}", conditions.tables(), conditions.sql());
            let counted: i64 =
                conn.prepare_cached(&sql)?.query_row(params_from_iter(conditions.values()), |row| row.get(0))?;
            Ok(u64::try_from(counted).unwrap_or(0))
        })
    }

    /// One case. Whether the caller may see it is for the caller of this to decide.
    ///
    /// # Errors
    /// The read models cannot be read.
    pub fn case(&self, id: ComplaintId) -> Result<Option<CaseRow>, QueryError> {
        self.ask(|conn, view| one(conn, view, "c.id = ?1", Value::Blob(id.as_uuid().as_bytes().to_vec())))
    }

    /// The case with a number; the oldest, should a source have given it twice.
    ///
    /// # Errors
    /// The read models cannot be read.
    pub fn case_by_number(&self, number: &str) -> Result<Option<CaseRow>, QueryError> {
        self.ask(|conn, view| one(conn, view, "c.number = ?1", Value::Text(number.trim().to_owned())))
    }

    /// Several cases, in the order of the ids; those that there are not are left out.
    ///
    /// # Errors
    /// Too many ids, or the read models cannot be read.
    pub fn cases_by_ids(&self, ids: &[ComplaintId]) -> Result<Vec<CaseRow>, QueryError> {
        let limit = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        if limit > PAGE_ROWS_MAX {
            return Err(QueryError::PageSize { limit, max: PAGE_ROWS_MAX });
        }
        self.ask(|conn, view| {
            let found =
                ids.iter().map(|id| one(conn, view, "c.id = ?1", Value::Blob(id.as_uuid().as_bytes().to_vec())));
            Ok(found.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
        })
    }
}

/// Refuses a page without rows or with too many.
pub(super) fn check_page(page: &PageRequest) -> Result<(), QueryError> {
    if page.limit == 0 || page.limit > PAGE_ROWS_MAX {
        return Err(QueryError::PageSize { limit: page.limit, max: PAGE_ROWS_MAX });
    }
    Ok(())
}

/// Makes a page of up to one row more than it may hold.
pub(super) fn page_of(mut rows: Vec<(CaseRow, CaseCursor)>, page: &PageRequest) -> CasePage {
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let whole = page.after.is_none() && !has_more;
    let total = whole.then(|| u64::try_from(rows.len()).unwrap_or(u64::MAX));
    CasePage { rows, has_more, total }
}

fn one(conn: &Connection, view: &View, condition: &str, value: Value) -> Result<Option<CaseRow>, QueryError> {
    let sql = format!("SELECT {COLUMNS} FROM case_row c WHERE {condition} ORDER BY c.key LIMIT 1");
    let found = conn.prepare_cached(&sql)?.query_row([value], raw).optional()?;
    found.map(|found| case_row(found, &view.register)).transpose()
}

/// One row more than the page holds, if there is one.
fn rows(
    conn: &Connection,
    view: &View,
    conditions: &Conditions,
    page: &PageRequest,
) -> Result<Vec<(u32, CaseRow)>, QueryError> {
    let key = conditions.key();
    let mut values = conditions.values();
    values.push(Value::Integer(page.after.map_or(i64::MAX, |after| i64::from(after.key))));
    values.push(Value::Integer(i64::from(page.limit) + 1));
    let sql = format!(
        "SELECT {COLUMNS} FROM {} WHERE {} AND {key} < ? ORDER BY {key} DESC LIMIT ?",
        conditions.tables(),
        conditions.sql()
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let found = statement.query_map(params_from_iter(values), raw)?.collect::<rusqlite::Result<Vec<_>>>()?;
    found.into_iter().map(|found| Ok((found.key, case_row(found, &view.register)?))).collect()
}

fn rows_behind(
    conn: &Connection,
    view: &View,
    filter: &CaseFilter,
    number: (Measure, AsOf),
    reach: &Reach,
    conditions: &Conditions,
    page: &PageRequest,
) -> Result<Vec<(u32, CaseRow)>, QueryError> {
    let Some(behind) = behind(conn, view, filter, number, reach)? else { return Ok(Vec::new()) };
    let sql = format!("SELECT {COLUMNS} FROM case_row c WHERE {} AND c.key = ?", conditions.of_row());
    let wanted = usize::try_from(page.limit).unwrap_or(usize::MAX).saturating_add(1);
    let mut rows = Vec::new();
    behind.walk(conn, page.after.map(|after| after.key), |case, counted| {
        let mut values = conditions.row_values();
        values.push(Value::Integer(i64::from(case)));
        let found = conn.prepare_cached(&sql)?.query_row(params_from_iter(values), raw).optional()?;
        if let Some(found) = found {
            rows.push((case, CaseRow { counted, ..case_row(found, &view.register)? }));
        }
        Ok(rows.len() < wanted)
    })?;
    Ok(rows)
}

fn count_behind(
    conn: &Connection,
    view: &View,
    filter: &CaseFilter,
    number: (Measure, AsOf),
    reach: &Reach,
    conditions: &Conditions,
) -> Result<u64, QueryError> {
    let Some(behind) = behind(conn, view, filter, number, reach)? else { return Ok(0) };
    let sql = format!("SELECT 1 FROM case_row c WHERE {} AND c.key = ?", conditions.of_row());
    let mut count = 0_u64;
    behind.walk(conn, None, |case, _| {
        let mut fits = !conditions.asks_of_row();
        if !fits {
            let mut values = conditions.row_values();
            values.push(Value::Integer(i64::from(case)));
            fits = conn.prepare_cached(&sql)?.exists(params_from_iter(values))?;
        }
        count += u64::from(fits);
        Ok(true)
    })?;
    Ok(count)
}

/// What of the ledger a filter with a measure is about; `None` when nothing of it can be.
fn behind<'a>(
    conn: &Connection,
    view: &View,
    filter: &CaseFilter,
    (measure, as_of): (Measure, AsOf),
    reach: &'a Reach,
) -> Result<Option<Behind<'a>>, QueryError> {
    let handler = match &filter.handler {
        None => None,
        Some(name) => match handler_key(conn, name)? {
            Some(key) => Some(key),
            None => return Ok(None),
        },
    };
    Ok(Some(Behind {
        sight: Sight { reach, day: day_number(as_of.day), bound: bound(conn, view, as_of.known)?, unit_by_unit: false },
        measure,
        channel: filter.channel.map(|channel| channel as u8),
        category: filter.category.map(|category| category as u8),
        handler,
    }))
}

fn handler_key(conn: &Connection, name: &str) -> Result<Option<u32>, QueryError> {
    let mut statement = conn.prepare_cached("SELECT key FROM handler WHERE name = ?1")?;
    Ok(statement.query_row([name], |row| row.get(0)).optional()?)
}

/// Hands every stored row to `each`, as callers see it.
pub(crate) fn stored_rows(conn: &Connection, view: &View, each: &mut dyn FnMut(CaseRow)) -> Result<(), QueryError> {
    let mut statement = conn.prepare(&format!("SELECT {COLUMNS} FROM case_row c"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        each(case_row(raw(row)?, &view.register)?);
    }
    Ok(())
}
