//! Writes what is pending. The caller holds the transaction, and the checkpoint is part of it.

use std::mem;

use rusqlite::{Connection, params};

use super::{Assembler, load};
use crate::VERSION;
use crate::case::cache::Cache;
use crate::case_table;
use crate::cell::Sums;
use crate::hash::PackedMap;
use crate::register::Register;

/// Lines that a bulk load keeps before it writes them in the order of their keys: the more, the fewer pages are
/// touched.
const LINES_MAX: usize = 393_216;
/// Cells that a bulk load keeps before it writes them.
const CELLS_MAX: usize = 3_000_000;

const INSERT_LINE: &str = "INSERT INTO delta (key, kind, amount) VALUES (?1, ?2, ?3)";
const INSERT_STEP: &str = "INSERT INTO step (position, lines) VALUES (?1, ?2)";
const ADD_CELL: &str = "INSERT INTO cell (key, amount) VALUES (?1, ?2)
    ON CONFLICT (key) DO UPDATE SET amount = amount + excluded.amount";
const ADD_UNIT_CELL: &str = "INSERT INTO unit_cell (key, amount) VALUES (?1, ?2)
    ON CONFLICT (key) DO UPDATE SET amount = amount + excluded.amount";
const SET_UNIT: &str = "INSERT INTO unit (key, id, city, kind, name, region, parent, retired_to)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
    ON CONFLICT (key) DO UPDATE SET city = excluded.city, kind = excluded.kind, name = excluded.name,
        region = excluded.region, parent = excluded.parent, retired_to = excluded.retired_to";
const SET_KNOWN_DAY: &str = "INSERT INTO known_day (day, position) VALUES (?1, ?2)
    ON CONFLICT (day) DO UPDATE SET position = excluded.position";
const SET_CHECKPOINT: &str = "INSERT INTO checkpoint (name, version, position, events, known)
    VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (name) DO UPDATE SET version = excluded.version, position = excluded.position,
        events = excluded.events, known = excluded.known";

/// How much is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// All of it: afterwards the tables say what the checkpoint says.
    Everything,
    /// Only what would fill the memory. The tables are worth nothing until everything was written once.
    Overflow,
}

impl Assembler {
    /// Writes and hands out the sums that were written, for the cube.
    ///
    /// # Errors
    /// The store refused. What was pending is lost: the transaction must be rolled back and the assembler loaded anew.
    pub(crate) fn write(&mut self, conn: &Connection, depth: Depth) -> rusqlite::Result<Sums> {
        let everything = depth == Depth::Everything;
        self.settle_day();
        if everything || self.pending.lines.len() >= LINES_MAX {
            self.write_lines(conn)?;
        }
        self.write_steps(conn)?;
        let mut sums = Sums::default();
        if everything || self.pending.sums.cells.len().max(self.pending.sums.units.len()) >= CELLS_MAX {
            sums = mem::take(&mut self.pending.sums);
            write_sums(conn, ADD_CELL, &sums.cells)?;
            write_sums(conn, ADD_UNIT_CELL, &sums.units)?;
        }
        self.write_names(conn)?;
        self.write_cases(conn, depth)?;
        self.pending.unregistered.drain(..).try_for_each(|change| change.write(conn))?;
        if everything {
            let mark = self.mark;
            let position = mark.position.map(|position| position.get().cast_signed());
            conn.prepare_cached(SET_CHECKPOINT)?.execute((
                load::CHECKPOINT,
                VERSION,
                position,
                mark.events.cast_signed(),
                mark.known,
            ))?;
        }
        Ok(sums)
    }

    /// Writes the ledger's lines, sorted: neighbours in the table are written one behind the other.
    pub(super) fn write_lines(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let mut rows: Vec<_> =
            self.pending.lines.drain(..).map(|line| (line.key(), line.kind(), line.amount)).collect();
        rows.sort_unstable_by_key(|one| one.0);
        let mut statement = conn.prepare_cached(INSERT_LINE)?;
        for (key, kind, amount) in &rows {
            statement.execute((key, kind, amount))?;
        }
        Ok(())
    }

    pub(super) fn write_steps(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let mut statement = conn.prepare_cached(INSERT_STEP)?;
        let mut start = 0;
        for (position, end) in self.pending.steps.drain(..) {
            let lines = self.pending.step_bytes.get(start..end).unwrap_or_default();
            statement.execute((position.cast_signed(), lines))?;
            start = end;
        }
        self.pending.step_bytes.clear();
        Ok(())
    }

    fn write_names(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        if !self.pending.units.is_empty() {
            let mut statement = conn.prepare_cached(SET_UNIT)?;
            for key in mem::take(&mut self.pending.units) {
                let Some(slot) = self.register.slot(key) else { continue };
                let row = slot.row.as_ref();
                statement.execute(params![
                    key,
                    slot.id.as_str(),
                    slot.city,
                    row.map(|row| row.kind.code()),
                    row.map(|row| row.name.as_str()),
                    row.map(|row| row.region.to_string()),
                    row.and_then(|row| row.parent.as_ref()).map(domain::id::UnitId::as_str),
                    row.and_then(|row| row.retired_to.as_ref()).map(domain::id::UnitId::as_str),
                ])?;
            }
        }
        let mut statement = conn.prepare_cached("INSERT INTO handler (key, name) VALUES (?1, ?2)")?;
        for (key, name) in self.handlers.fresh() {
            statement.execute((key, name))?;
        }
        self.handlers.settle();
        let mut statement = conn.prepare_cached(SET_KNOWN_DAY)?;
        for day in mem::take(&mut self.pending.known_days) {
            let position = self.known_days.get(&day).copied().unwrap_or(0);
            statement.execute((day, position.cast_signed()))?;
        }
        Ok(())
    }

    fn write_cases(&mut self, conn: &Connection, depth: Depth) -> rusqlite::Result<()> {
        let Self { cases, pending, register, .. } = self;
        let mut dirty = mem::take(&mut pending.cases);
        if depth == Depth::Everything {
            dirty.sort_unstable_by_key(|(key, _)| *key);
            for (_, id) in dirty {
                if let Some(state) = cases.peek(id).filter(|state| state.dirty) {
                    case_table::write(conn, state, register)?;
                    state.dirty = false;
                }
            }
        }
        if cases.is_full() {
            turn_over(conn, cases, register)?;
        }
        Ok(())
    }

    /// Writes every case in memory whose row is older: the end of a bulk load.
    ///
    /// # Errors
    /// The store refused.
    pub(crate) fn write_all_cases(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let Self { cases, register, .. } = self;
        for state in cases.dirty() {
            case_table::write(conn, state, register)?;
            state.dirty = false;
        }
        Ok(())
    }
}

/// Lets the older generation of cases go; what was not written of it is.
fn turn_over(conn: &Connection, cases: &mut Cache, register: &Register) -> rusqlite::Result<()> {
    let mut gone: Vec<_> = cases.turn().filter(|state| state.dirty).collect();
    gone.sort_unstable_by_key(|state| state.key);
    for state in gone {
        case_table::write(conn, &state, register)?;
    }
    Ok(())
}

fn write_sums(conn: &Connection, sql: &str, sums: &PackedMap<i64>) -> rusqlite::Result<()> {
    let mut rows: Vec<(u64, i64)> =
        sums.iter().filter(|(_, amount)| **amount != 0).map(|(key, amount)| (*key, *amount)).collect();
    rows.sort_unstable();
    let mut statement = conn.prepare_cached(sql)?;
    for (key, amount) in rows {
        statement.execute((key.cast_signed(), amount))?;
    }
    Ok(())
}
