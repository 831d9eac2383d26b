//! A station's work: what is open, what is due, and who has it.

use async_graphql::SimpleObject;
use projections::Workload as Load;

use super::scalars::Date;

/// One handler's part of a unit's work.
#[derive(Debug, Clone, SimpleObject)]
pub struct HandlerLoad {
    /// Work id; null for cases without a handler.
    pub handler: Option<String>,
    pub open: u32,
    pub overdue: u32,
}

/// A unit's work at the end of a day.
#[derive(Debug, Clone, SimpleObject)]
pub struct Workload {
    pub unit_id: String,
    pub as_of: Date,
    pub open: u32,
    pub overdue: u32,
    /// Due on the day itself.
    pub due_today: u32,
    /// Due on the day or within the three working days behind it.
    pub due_in_three_working_days: u32,
    pub transferred_in: u32,
    pub transferred_out: u32,
    /// Handed back to intake.
    pub returned: u32,
    /// Most open first.
    pub by_handler: Vec<HandlerLoad>,
}

impl Workload {
    /// A workload for a client.
    #[must_use]
    pub fn new(load: Load, day: chrono::NaiveDate) -> Self {
        let count = |number: i64| u32::try_from(number).unwrap_or(0);
        Self {
            unit_id: load.unit.to_string(),
            as_of: Date(day),
            open: count(load.open),
            overdue: count(load.overdue),
            due_today: count(load.due_today),
            due_in_three_working_days: count(load.due_in_3_working_days),
            transferred_in: count(load.transferred_in),
            transferred_out: count(load.transferred_out),
            returned: count(load.returned),
            by_handler: load
                .by_handler
                .into_iter()
                .map(|load| HandlerLoad { handler: load.handler, open: count(load.open), overdue: count(load.overdue) })
                .collect(),
        }
    }
}
