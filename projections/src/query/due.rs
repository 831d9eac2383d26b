//! The due list: open cases by the next day the law names, earliest first.

use chrono::NaiveDate;
use domain::day::day_number;

use super::cases::{COLUMNS, case_row, check_page, in_reach, page_of, raw};
use super::{CaseCursor, CasePage, PageRequest};
use crate::case_table::STAGE_CLOSED;
use crate::error::QueryError;
use crate::models::ReadModels;
use crate::scope::Scope;

impl ReadModels {
    /// Open cases of a scope whose next last day is `until` or before, earliest first. Cases whose clocks all stand
    /// still have none and are not in it.
    ///
    /// # Errors
    /// The page is too large, or the read models cannot be read.
    pub fn due_list(&self, scope: &Scope, until: NaiveDate, page: &PageRequest) -> Result<CasePage, QueryError> {
        check_page(page)?;
        self.ask(|conn, view| {
            let reach = view.register.resolve(scope);
            if reach.is_empty() {
                return Ok(CasePage { total: Some(0), ..CasePage::default() });
            }
            let inside = in_reach(&view.register, &reach).unwrap_or_else(|| "TRUE".to_owned());
            let sql = format!(
                "SELECT {COLUMNS} FROM case_row c WHERE c.stage < {STAGE_CLOSED} AND c.next_due IS NOT NULL \
                 AND c.next_due <= ?1 AND {inside} AND (c.next_due, c.key) > (?2, ?3) \
                 ORDER BY c.next_due, c.key LIMIT ?4"
            );
            let (due, key) =
                page.after.map_or((i64::MIN, 0), |after| (after.due.map_or(i64::MIN, i64::from), i64::from(after.key)));
            let mut statement = conn.prepare_cached(&sql)?;
            let values = (day_number(until), due, key, i64::from(page.limit) + 1);
            let found = statement.query_map(values, raw)?.collect::<rusqlite::Result<Vec<_>>>()?;
            let mut rows = Vec::with_capacity(found.len());
            for found in found {
                let cursor = CaseCursor { due: found.next_due, key: found.key };
                rows.push((case_row(found, &view.register)?, cursor));
            }
            Ok(page_of(rows, page))
        })
    }
}
