//! What a unit has on its hands. Now, it is read from the rows of its open cases; for a day that is past, from the
//! ledger.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use domain::calendar::WorkingCalendar;
use domain::day::day_number;
use domain::id::UnitId;
use rusqlite::Connection;

use super::bound::{Bound, bound};
use super::breakdown::handler_name;
use super::sight::Sight;
use super::{HandlerLoad, UnitFilter, Workload};
use crate::case_table::STAGE_CLOSED;
use crate::error::QueryError;
use crate::measure::Measure;
use crate::models::ReadModels;
use crate::register::Reach;
use crate::scope::{Known, Scope};
use crate::writer::View;

/// Working days that "soon" means.
const SOON_WORKING_DAYS: u32 = 3;
/// Days that are looked through for them: more than any holiday has.
const SOON_DAYS_MAX: usize = 60;

/// The days that a workload is about.
#[derive(Debug, Clone, Copy)]
struct Days {
    day: i32,
    /// The third working day behind it.
    soon: i32,
    /// The state at the end of a day that is over, not of now.
    past: bool,
}

/// What is added up for one unit.
#[derive(Debug, Clone, Default)]
struct Load {
    open: i64,
    overdue: i64,
    due_today: i64,
    due_soon: i64,
    /// Open and overdue by handler; 0 is nobody.
    handlers: BTreeMap<u32, (i64, i64)>,
}

impl ReadModels {
    /// A unit's own work at the end of a day; without `as_of`, now. What was due on a day that is past is what was
    /// known to be by its end; all else is as known now.
    ///
    /// # Errors
    /// Nobody has named the unit, or the read models cannot be read.
    pub fn workload(
        &self,
        unit: &UnitId,
        as_of: Option<NaiveDate>,
        today: NaiveDate,
        calendar: &WorkingCalendar,
    ) -> Result<Workload, QueryError> {
        let days = Days::of(as_of, today, calendar);
        self.ask(|conn, view| {
            let key = view.register.find(unit).ok_or_else(|| QueryError::UnknownUnit(unit.clone()))?;
            let mut loads = loads(conn, view, &[key], days)?;
            answer(conn, view, unit, key, loads.remove(&key).unwrap_or_default(), days)
        })
    }

    /// The work of a page of the units of a scope, by id, and whether there are more.
    ///
    /// # Errors
    /// The page is too large, or the read models cannot be read.
    pub fn workloads(
        &self,
        scope: &Scope,
        as_of: Option<NaiveDate>,
        today: NaiveDate,
        calendar: &WorkingCalendar,
        after: Option<&UnitId>,
        limit: u32,
    ) -> Result<(Vec<Workload>, bool), QueryError> {
        let days = Days::of(as_of, today, calendar);
        let filter = UnitFilter { scope: scope.clone(), kind: None, text: None };
        let (rows, has_more) = self.units(&filter, after, limit)?;
        self.ask(|conn, view| {
            let keys: Vec<u32> = rows.iter().filter_map(|row| view.register.find(&row.id)).collect();
            let mut loads = loads(conn, view, &keys, days)?;
            let mut answers = Vec::with_capacity(rows.len());
            for row in &rows {
                if let Some(key) = view.register.find(&row.id) {
                    let load = loads.remove(&key).unwrap_or_default();
                    answers.push(answer(conn, view, &row.id, key, load, days)?);
                }
            }
            Ok((answers, has_more))
        })
    }
}

impl Days {
    fn of(as_of: Option<NaiveDate>, today: NaiveDate, calendar: &WorkingCalendar) -> Self {
        let day = as_of.unwrap_or(today);
        let soon = day
            .iter_days()
            .skip(1)
            .take(SOON_DAYS_MAX)
            .filter(|day| calendar.is_working(*day))
            .take(usize::try_from(SOON_WORKING_DAYS).unwrap_or(usize::MAX))
            .last()
            .unwrap_or(day);
        Self { day: day_number(day), soon: day_number(soon), past: day < today }
    }
}

fn loads(conn: &Connection, view: &View, keys: &[u32], days: Days) -> Result<HashMap<u32, Load>, QueryError> {
    if days.past {
        return past_loads(conn, view, keys, days);
    }
    keys.iter().map(|key| Ok((*key, present_load(conn, *key, days)?))).collect()
}

/// From the rows of the unit's open cases.
fn present_load(conn: &Connection, unit: u32, days: Days) -> Result<Load, QueryError> {
    let sql =
        format!("SELECT handler, next_due, overdue_from FROM case_row WHERE custody = ?1 AND stage < {STAGE_CLOSED}");
    let mut load = Load::default();
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query([unit])?;
    while let Some(row) = rows.next()? {
        let handler: u32 = row.get(0)?;
        let next_due: Option<i32> = row.get(1)?;
        let overdue_from: Option<i32> = row.get(2)?;
        let overdue = i64::from(overdue_from.is_some_and(|from| from <= days.day));
        load.open += 1;
        load.overdue += overdue;
        load.due_today += i64::from(next_due == Some(days.day));
        load.due_soon += i64::from(next_due.is_some_and(|due| (days.day..=days.soon).contains(&due)));
        let of_handler = load.handlers.entry(handler).or_default();
        of_handler.0 += 1;
        of_handler.1 += overdue;
    }
    Ok(load)
}

/// From the ledger. A period that ends on a day adds to overdue on the next one: that is how what was due is found.
fn past_loads(conn: &Connection, view: &View, keys: &[u32], days: Days) -> Result<HashMap<u32, Load>, QueryError> {
    let mut loads: HashMap<u32, Load> = keys.iter().map(|key| (*key, Load::default())).collect();
    let reach = Reach::of(&view.register, |key, _| keys.contains(&key));
    let now = Sight { reach: &reach, day: days.day, bound: Bound::Now, unit_by_unit: true };
    now.walk(conn, &[Measure::Open, Measure::Overdue], |line| {
        let Some(load) = loads.get_mut(&line.unit) else { return };
        let of_handler = load.handlers.entry(line.handler).or_default();
        if line.measure == Measure::Open {
            load.open += line.amount;
            of_handler.0 += line.amount;
        } else {
            load.overdue += line.amount;
            of_handler.1 += line.amount;
        }
    })?;
    let day = domain::day::from_day_number(days.day).map_or(Known::Now, Known::Day);
    let then = Sight { day: days.soon.saturating_add(1), bound: bound(conn, view, day)?, ..now };
    then.walk(conn, &[Measure::Overdue], |line| {
        let Some(load) = loads.get_mut(&line.unit) else { return };
        if line.day > days.day {
            load.due_soon += line.amount;
        }
        if line.day == days.day.saturating_add(1) {
            load.due_today += line.amount;
        }
    })?;
    Ok(loads)
}

fn answer(
    conn: &Connection,
    view: &View,
    unit: &UnitId,
    key: u32,
    load: Load,
    days: Days,
) -> Result<Workload, QueryError> {
    let flows = view.cube.unit(key, days.day);
    let mut by_handler = Vec::with_capacity(load.handlers.len());
    for (handler, (open, overdue)) in load.handlers {
        if open != 0 || overdue != 0 {
            by_handler.push(HandlerLoad { handler: handler_name(conn, u64::from(handler))?, open, overdue });
        }
    }
    by_handler.sort_by(|one, other| other.open.cmp(&one.open).then_with(|| one.handler.cmp(&other.handler)));
    Ok(Workload {
        unit: unit.clone(),
        open: load.open,
        overdue: load.overdue,
        due_today: load.due_today,
        due_in_3_working_days: load.due_soon,
        transferred_in: flows.get(Measure::TransferredIn),
        transferred_out: flows.get(Measure::TransferredOut),
        returned: flows.get(Measure::Returned),
        by_handler,
    })
}
