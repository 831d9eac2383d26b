//! Walks over the part of the ledger that a question is about. Any number can be had this way; the quicker ways must
//! agree with it.

use std::ops::ControlFlow;

use rusqlite::Connection;

use super::bound::{Bound, Until};
use crate::cell::{Area, Cell, Dim};
use crate::error::QueryError;
use crate::ledger::{Line, scan};
use crate::measure::Measure;
use crate::register::{Reach, Register};
use crate::writer::View;

/// What a walk sees.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight<'a> {
    pub(super) reach: &'a Reach,
    /// The last day that counts.
    pub(super) day: i32,
    pub(super) bound: Bound,
    /// Each unit is counted for itself: what passes between two units inside counts as well.
    pub(super) unit_by_unit: bool,
}

impl Sight<'_> {
    /// Whether a line counts.
    pub(super) fn holds(&self, line: &Line) -> bool {
        line.day <= self.day
            && line.position < self.bound.below()
            && self.reach.contains(line.unit)
            && (self.unit_by_unit || !line.measure.is_transfer() || !self.reach.contains(line.peer))
    }

    /// Hands every line of these measures that counts to `each`.
    pub(super) fn walk(
        &self,
        conn: &Connection,
        measures: &[Measure],
        mut each: impl FnMut(&Line),
    ) -> Result<(), QueryError> {
        for measure in measures {
            for city in self.reach.cities() {
                scan(conn, *measure, city, |line| {
                    if self.holds(&line) {
                        each(&line);
                    }
                    ControlFlow::Continue(())
                })?;
            }
        }
        Ok(())
    }
}

/// Hands the changes of an area to `each` as measure, day and amount, as known below a position: whole days from the
/// cells, the rest of one day from its events.
pub(super) fn area_changes(
    conn: &Connection,
    view: &View,
    (area, city): (Area, Option<u8>),
    dim: Dim,
    until: Until,
    mut each: impl FnMut(Measure, i32, i64),
) -> Result<(), QueryError> {
    let (first, last) = Cell::bounds(area, dim);
    let mut statement = conn.prepare_cached(
        "SELECT cell.key, cell.amount FROM known_day CROSS JOIN cell \
         WHERE known_day.day <= ?1 AND cell.key BETWEEN known_day.day * ?2 + ?3 AND known_day.day * ?2 + ?4",
    )?;
    let mut rows = statement.query((until.whole, Cell::KNOWN_UNIT, first, last))?;
    while let Some(row) = rows.next()? {
        let key: i64 = row.get(0)?;
        let cell = Cell::parse(key.cast_unsigned()).ok_or(QueryError::Damaged { what: "a cell" })?;
        each(cell.measure, cell.day, row.get(1)?);
    }
    if until.rest_from >= until.below {
        return Ok(());
    }
    let register: &Register = &view.register;
    let mut statement = conn.prepare_cached("SELECT lines FROM step WHERE position >= ?1 AND position < ?2")?;
    let mut rows = statement.query((until.rest_from.cast_signed(), until.below.cast_signed()))?;
    while let Some(row) = rows.next()? {
        let lines = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        for line in Line::read_step(lines, register) {
            let line = line.ok_or(QueryError::Damaged { what: "a step" })?;
            if dim.holds(&line) && is_in(&line, city, register) {
                each(line.measure, line.day, line.amount);
            }
        }
    }
    Ok(())
}

/// Whether a line counts in a city, or in the province.
fn is_in(line: &Line, city: Option<u8>, register: &Register) -> bool {
    match city {
        None => !line.measure.is_transfer(),
        Some(city) => line.city == city && !(line.measure.is_transfer() && register.city(line.peer) == city),
    }
}
