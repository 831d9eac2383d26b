//! Whether two builds of the read models say the same: a digest of each table's content.
//!
//! Rows are named by what they are about, never by an internal key, and their digests are added up, so neither the
//! order of rows nor the size of the batches that wrote them matters.

use std::collections::HashMap;

use domain::envelope::Position;
use event_log::digest::{hex, sha256};
use rusqlite::Connection;

use crate::cell::UnitCell;
use crate::error::QueryError;
use crate::ledger::{Line, line_of};
use crate::models::ReadModels;
use crate::query::stored_rows;
use crate::unregistered;
use crate::writer::View;

/// What the tables hold at a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParityReport {
    pub position: Option<Position>,
    pub tables: Vec<TableParity>,
}

/// What one table holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableParity {
    pub name: &'static str,
    pub rows: u64,
    /// Hexadecimal.
    pub digest: String,
}

impl ParityReport {
    /// The tables that differ from those of another report.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let differs = |table: &&TableParity| !other.tables.contains(table);
        self.tables.iter().filter(differs).map(|table| table.name).collect()
    }
}

impl ReadModels {
    /// The digest of everything. Reads every table; blocks for as long as that takes.
    ///
    /// # Errors
    /// The read models cannot be read, or are damaged.
    pub fn parity_digest(&self) -> Result<ParityReport, QueryError> {
        self.ask(|conn, view| {
            let names = Names::load(conn, view)?;
            let position: Option<i64> = conn.query_row("SELECT max(position) FROM checkpoint", [], |row| row.get(0))?;
            let position = position.map(|position| Position::new(position.cast_unsigned()));
            let tables = vec![
                plain(conn, "units", "SELECT id, city, kind, name, region, parent, retired_to FROM unit")?,
                cases(conn, view)?,
                ledger(conn, &names)?,
                steps(conn, view, &names)?,
                plain(conn, "cells", "SELECT key, amount FROM cell WHERE amount <> 0")?,
                unit_cells(conn, &names)?,
                plain(conn, "unregistered", unregistered::EVERYTHING)?,
                plain(conn, "known-days", "SELECT day, position FROM known_day")?,
                plain(conn, "terms", "SELECT term, doc, cnt FROM search.case_term")?,
                plain(conn, "checkpoints", "SELECT name, version, position, events, known FROM checkpoint")?,
            ];
            Ok(ParityReport { position, tables })
        })
    }
}

/// A sum of digests.
#[derive(Debug, Default)]
struct Sum {
    rows: u64,
    lanes: [u64; 4],
}

impl Sum {
    fn add(&mut self, row: &[u8]) {
        self.rows += 1;
        let digest = sha256(row);
        for (lane, part) in self.lanes.iter_mut().zip(digest.chunks_exact(8)) {
            let part: [u8; 8] = part.try_into().unwrap_or_default();
            *lane = lane.wrapping_add(u64::from_be_bytes(part));
        }
    }

    fn table(&self, name: &'static str) -> TableParity {
        let bytes: Vec<u8> = self.lanes.iter().flat_map(|lane| lane.to_be_bytes()).collect();
        TableParity { name, rows: self.rows, digest: hex(&bytes) }
    }
}

/// What internal keys stand for.
struct Names {
    cases: HashMap<u32, [u8; 16]>,
    handlers: HashMap<u32, String>,
    units: HashMap<u32, String>,
}

impl Names {
    fn load(conn: &Connection, view: &View) -> Result<Self, QueryError> {
        let mut statement = conn.prepare("SELECT key, id FROM case_row")?;
        let cases = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let cases = cases.collect::<rusqlite::Result<HashMap<_, _>>>()?;
        let mut statement = conn.prepare("SELECT key, name FROM handler")?;
        let handlers = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let handlers = handlers.collect::<rusqlite::Result<HashMap<_, _>>>()?;
        let units = view.register.slots().map(|(key, slot)| (key, slot.id.to_string())).collect();
        Ok(Self { cases, handlers, units })
    }

    /// A ledger line as bytes that do not depend on keys.
    fn line(&self, line: &Line) -> Result<Vec<u8>, QueryError> {
        let mut out = Vec::with_capacity(128);
        out.extend_from_slice(self.cases.get(&line.case).ok_or(QueryError::Damaged { what: "the case of a line" })?);
        out.push(line.measure.id());
        out.extend_from_slice(&line.day.to_be_bytes());
        out.extend_from_slice(&line.position.to_be_bytes());
        for (names, key) in [(&self.units, line.unit), (&self.handlers, line.handler), (&self.units, line.peer)] {
            out.extend_from_slice(names.get(&key).map(String::as_bytes).unwrap_or_default());
            out.push(0);
        }
        out.extend_from_slice(&line.kind().to_be_bytes());
        out.extend_from_slice(&line.amount.to_be_bytes());
        Ok(out)
    }
}

/// A table whose rows hold no keys.
fn plain(conn: &Connection, name: &'static str, sql: &str) -> Result<TableParity, QueryError> {
    let mut sum = Sum::default();
    let mut statement = conn.prepare(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let values = (0..columns).map(|column| row.get_ref(column)).collect::<rusqlite::Result<Vec<_>>>()?;
        sum.add(format!("{values:?}").as_bytes());
    }
    Ok(sum.table(name))
}

fn cases(conn: &Connection, view: &View) -> Result<TableParity, QueryError> {
    let mut sum = Sum::default();
    stored_rows(conn, view, &mut |row| sum.add(format!("{row:?}").as_bytes()))?;
    Ok(sum.table("cases"))
}

fn ledger(conn: &Connection, names: &Names) -> Result<TableParity, QueryError> {
    let mut sum = Sum::default();
    let mut statement = conn.prepare("SELECT key, kind, amount FROM delta")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        sum.add(&names.line(&line_of(row)?)?);
    }
    Ok(sum.table("ledger"))
}

/// The lines by event are the same lines once more, so this digest must be that of the ledger.
fn steps(conn: &Connection, view: &View, names: &Names) -> Result<TableParity, QueryError> {
    let mut sum = Sum::default();
    let mut statement = conn.prepare("SELECT lines FROM step")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let lines = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        for line in Line::read_step(lines, &view.register) {
            sum.add(&names.line(&line.ok_or(QueryError::Damaged { what: "a step" })?)?);
        }
    }
    Ok(sum.table("steps"))
}

fn unit_cells(conn: &Connection, names: &Names) -> Result<TableParity, QueryError> {
    let mut sum = Sum::default();
    let mut statement = conn.prepare("SELECT key, amount FROM unit_cell WHERE amount <> 0")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let key: i64 = row.get(0)?;
        let cell = UnitCell::parse(key.cast_unsigned()).ok_or(QueryError::Damaged { what: "a unit cell" })?;
        let amount: i64 = row.get(1)?;
        let unit = names.units.get(&cell.unit).map_or("", String::as_str);
        sum.add(format!("{unit} {} {} {amount}", cell.measure, cell.day).as_bytes());
    }
    Ok(sum.table("unit-cells"))
}
