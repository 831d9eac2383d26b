//! The register of units, from memory.

use domain::id::UnitId;

use super::{PAGE_ROWS_MAX, UnitFilter};
use crate::error::QueryError;
use crate::models::ReadModels;
use crate::register::UnitRow;
use crate::text::{QUERY_CHARS_MAX, fold};

impl ReadModels {
    /// A unit of the register; `None` for one that nobody registered, even if cases name it.
    ///
    /// # Errors
    /// The read models are closed.
    pub fn unit(&self, id: &UnitId) -> Result<Option<UnitRow>, QueryError> {
        Ok(self.view()?.register.row(id).cloned())
    }

    /// A page of the units that a filter holds, by id, and whether there are more.
    ///
    /// # Errors
    /// The page is too large, the text too long, or the read models are closed.
    pub fn units(
        &self,
        filter: &UnitFilter,
        after: Option<&UnitId>,
        limit: u32,
    ) -> Result<(Vec<UnitRow>, bool), QueryError> {
        if limit == 0 || limit > PAGE_ROWS_MAX {
            return Err(QueryError::PageSize { limit, max: PAGE_ROWS_MAX });
        }
        let chars = filter.text.as_ref().map_or(0, |text| text.chars().count());
        if chars > QUERY_CHARS_MAX {
            return Err(QueryError::TextTooLong { chars, max: QUERY_CHARS_MAX });
        }
        let register = self.view()?.register;
        let reach = register.resolve(&filter.scope);
        let text = filter.text.as_deref().map(fold);
        let mut rows: Vec<&UnitRow> = register
            .slots()
            .filter(|(key, _)| reach.contains(*key))
            .filter_map(|(_, slot)| slot.row.as_ref())
            .filter(|row| after.is_none_or(|after| row.id > *after))
            .filter(|row| filter.kind.is_none_or(|kind| row.kind == kind))
            .filter(|row| {
                text.as_ref().is_none_or(|text| fold(&row.name).contains(text) || row.id.as_str().contains(text))
            })
            .collect();
        rows.sort_unstable_by(|one, other| one.id.cmp(&other.id));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        Ok((rows.into_iter().take(limit).cloned().collect(), has_more))
    }

    /// Whether a unit is another one or stands below it.
    ///
    /// # Errors
    /// The read models are closed.
    pub fn is_within(&self, unit: &UnitId, ancestor: &UnitId) -> Result<bool, QueryError> {
        let register = self.view()?.register;
        Ok(match (register.find(unit), register.find(ancestor)) {
            (Some(unit), Some(ancestor)) => register.is_within(unit, ancestor),
            _ => unit == ancestor,
        })
    }
}
