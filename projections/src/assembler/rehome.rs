//! A unit that cases named before it was registered stood at the province until then. When the register says where it
//! stands, its part of the ledger moves there as a whole, as if it had always been known.
//!
//! This reads two measures from end to end and is rare: registers are set up before work begins.

use std::ops::ControlFlow;

use rusqlite::Connection;

use super::Assembler;
use crate::cell::Standing;
use crate::error::ApplyError;
use crate::ledger::{Line, scan};
use crate::measure::Measure;

impl Assembler {
    pub(super) fn rehome(&mut self, conn: &Connection, unit: u32, before: u8) -> Result<(), ApplyError> {
        self.write_lines(conn)?;
        let after = self.register.city(unit);
        for line in self.lines_of(conn, unit, before)? {
            let known = self.known_on(line.position);
            let was = |key: u32| if key == unit { before } else { self.register.city(key) };
            let old = Standing { city: was(line.unit), peer_city: was(line.peer), known };
            let new = Standing { city: self.register.city(line.unit), peer_city: self.register.city(line.peer), known };
            self.pending.sums.add_areas(&line, old, -1);
            self.pending.sums.add_areas(&line, new, 1);
            if line.unit == unit {
                let moved = Line { city: after, ..line };
                conn.prepare_cached("UPDATE delta SET key = ?2 WHERE key = ?1")?.execute((line.key(), moved.key()))?;
            }
        }
        conn.execute("UPDATE case_row SET city = ?2 WHERE custody = ?1", (unit, after))?;
        Ok(())
    }

    /// The lines that count elsewhere when a unit moves: its own, and the other sides of its transfers.
    fn lines_of(&self, conn: &Connection, unit: u32, city: u8) -> Result<Vec<Line>, ApplyError> {
        let mut lines = Vec::new();
        for measure in Measure::ALL {
            let cities = if measure.is_transfer() { 0..=u8::MAX } else { city..=city };
            for city in cities {
                scan(conn, measure, city, |line| {
                    if line.unit == unit || line.peer == unit {
                        lines.push(line);
                    }
                    ControlFlow::Continue(())
                })?;
            }
        }
        Ok(lines)
    }

    /// The day on which what stands at a position became known.
    fn known_on(&self, position: u64) -> i32 {
        let day = self.known_days.iter().find(|(_, last)| **last >= position).map(|(day, _)| *day);
        day.unwrap_or(self.mark.known)
    }
}
