//! The questions, by what they are about. Each is one statement, so each answer is of one moment.

mod conditions;
mod deliveries;
mod referrals;
mod rest;
mod steps;

use rusqlite::{Connection, Params, Row};

use super::ROWS_MAX;
use super::error::IndexError;

/// The number of rows that an answer has at most.
fn at_most(limit: u32) -> u32 {
    limit.min(ROWS_MAX)
}

/// Every row that a statement finds.
fn all<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T, IndexError>,
) -> Result<Vec<T>, IndexError> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// The first row that a statement finds.
fn first<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T, IndexError>,
) -> Result<Option<T>, IndexError> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    match rows.next()? {
        Some(row) => read(row).map(Some),
        None => Ok(None),
    }
}

/// The one number that a statement finds.
fn number(conn: &Connection, sql: &str, params: impl Params) -> Result<u64, IndexError> {
    let number: i64 = conn.prepare_cached(sql)?.query_row(params, |row| row.get(0))?;
    Ok(number.cast_unsigned())
}
