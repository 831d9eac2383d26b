//! Questions about awaited steps.

use chrono::NaiveDate;
use domain::id::UnitId;
use rusqlite::{Params, Row};

use super::{all, at_most};
use crate::exchange::{SharedId, Step};
use crate::index::ReferralIndex;
use crate::index::column::{Columns, days};
use crate::index::error::IndexError;
use crate::index::row::{StepKey, StepRow};
use crate::partner::{PartnerId, Place};
use crate::referral::vocabulary::Direction;

/// A statement about steps, with the columns that [`step`] reads, in its order.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT s.referral, r.shared, r.partner, r.direction, r.council, s.step, s.council, s.started_on, s.due, \
             s.provisional, s.reminders, s.escalated FROM step AS s JOIN referral AS r ON r.id = s.referral ",
            $rest
        )
    };
}

impl ReferralIndex {
    /// The steps that are awaited although their last day lies before `on`, that with the earliest first, from behind a
    /// row on.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn overdue_steps_after(
        &self,
        on: NaiveDate,
        after: Option<&StepKey>,
        limit: u32,
    ) -> Result<Vec<StepRow>, IndexError> {
        let Some(StepKey { due, referral, step }) = after else {
            let sql = select!("WHERE s.met_on IS NULL AND s.due < ?1 ORDER BY s.due, s.referral, s.step LIMIT ?2");
            return self.step_rows(sql, (days(on), at_most(limit)));
        };
        let sql = select!(
            "WHERE s.met_on IS NULL AND s.due < ?1 AND (s.due, s.referral, s.step) > (?2, ?3, ?4) \
             ORDER BY s.due, s.referral, s.step LIMIT ?5"
        );
        let referral = referral.as_uuid();
        self.step_rows(sql, (days(on), days(*due), referral.as_bytes(), step.code(), at_most(limit)))
    }

    fn step_rows(&self, sql: &str, params: impl Params) -> Result<Vec<StepRow>, IndexError> {
        self.ask(|conn| all(conn, sql, params, step))
    }
}

fn step(row: &Row<'_>) -> Result<StepRow, IndexError> {
    let mut row = Columns::of(row, "step");
    Ok(StepRow {
        referral: row.referral()?,
        shared: row.uuid().map(SharedId::from_uuid)?,
        partner: row.coded(|id| PartnerId::parse(id).ok())?,
        direction: row.coded(Direction::from_code)?,
        our_council: row.coded(|id| UnitId::parse(id).ok())?,
        step: row.coded(Step::from_code)?,
        council: row.coded(Place::from_code)?,
        started_on: row.day()?,
        due: row.day()?,
        provisional: row.get()?,
        reminders: row.get()?,
        escalated: row.get()?,
    })
}
