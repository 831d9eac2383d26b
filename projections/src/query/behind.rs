//! The list behind a number: the cases whose ledger lines make it up, and how much each adds to it.

use rusqlite::{CachedStatement, Connection, Rows};

use super::sight::Sight;
use crate::error::QueryError;
use crate::ledger::{Line, after_city, case_key, line_of};
use crate::measure::Measure;

const NEWEST_FIRST: &str = "SELECT key, kind, amount FROM delta WHERE key >= ?1 AND key < ?2 ORDER BY key DESC";

/// What of the ledger the list is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Behind<'a> {
    pub(super) sight: Sight<'a>,
    pub(super) measure: Measure,
    pub(super) channel: Option<u8>,
    pub(super) category: Option<u8>,
    pub(super) handler: Option<u32>,
}

impl Behind<'_> {
    fn holds(&self, line: &Line) -> bool {
        self.channel.is_none_or(|channel| channel == line.channel)
            && self.category.is_none_or(|category| category == line.category)
            && self.handler.is_none_or(|handler| handler == line.handler)
            && self.sight.holds(line)
    }

    /// Hands each case that counts, the newest first, with what it adds to `each`, until it has had enough. Begins
    /// below the case `before`, if one is given.
    ///
    /// A case may have lines in several cities, so their stretches of the ledger are walked side by side.
    pub(super) fn walk(
        &self,
        conn: &Connection,
        before: Option<u32>,
        mut each: impl FnMut(u32, i64) -> Result<bool, QueryError>,
    ) -> Result<(), QueryError> {
        let cities = self.sight.reach.cities();
        let mut statements: Vec<CachedStatement<'_>> = Vec::with_capacity(cities.len());
        for _ in &cities {
            statements.push(conn.prepare_cached(NEWEST_FIRST)?);
        }
        let mut lanes = Vec::with_capacity(cities.len());
        for (statement, city) in statements.iter_mut().zip(cities) {
            let first = [self.measure.id(), city];
            let rows = match before {
                Some(case) => statement.query((first, case_key(self.measure, city, case)))?,
                None => statement.query((first, after_city(self.measure, city)))?,
            };
            lanes.push(Lane::start(rows)?);
        }
        while let Some(case) = lanes.iter().filter_map(|lane| lane.head.map(|line| line.case)).max() {
            let mut sum = 0_i64;
            for lane in &mut lanes {
                while let Some(line) = lane.head.filter(|line| line.case == case) {
                    if self.holds(&line) {
                        sum = sum.saturating_add(line.amount);
                    }
                    lane.advance()?;
                }
            }
            if sum != 0 && !each(case, sum)? {
                break;
            }
        }
        Ok(())
    }
}

/// The stretch of one city, with the line that is next.
struct Lane<'stmt> {
    rows: Rows<'stmt>,
    head: Option<Line>,
}

impl<'stmt> Lane<'stmt> {
    fn start(rows: Rows<'stmt>) -> Result<Self, QueryError> {
        let mut lane = Self { rows, head: None };
        lane.advance()?;
        Ok(lane)
    }

    fn advance(&mut self) -> Result<(), QueryError> {
        self.head = match self.rows.next()? {
            Some(row) => Some(line_of(row)?),
            None => None,
        };
        Ok(())
    }
}
