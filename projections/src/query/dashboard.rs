//! The numbers of a scope: from memory where everything is known, from cells or the ledger where it was not.

use chrono::NaiveDate;
use domain::day::{day_number, from_day_number};
use rusqlite::Connection;

use super::bound::{Bound, bound, is_now};
use super::sight::{Sight, area_changes};
use super::{Dashboard, DashboardQuery, SERIES_DAYS_MAX};
use crate::cell::{Area, Dim};
use crate::error::QueryError;
use crate::hash::PackedMap;
use crate::measure::{Counts, Measure};
use crate::models::ReadModels;
use crate::register::{Reach, Shape};
use crate::writer::View;

/// Measures that must be counted line by line where a scope is several units: what passes between them does not
/// count.
const TRANSFERS: [Measure; 2] = [Measure::TransferredIn, Measure::TransferredOut];

impl ReadModels {
    /// The numbers of a scope at the end of a day, as known at a moment.
    ///
    /// # Errors
    /// The read models cannot be read.
    pub fn dashboard(&self, query: &DashboardQuery) -> Result<Dashboard, QueryError> {
        let view = self.view()?;
        let day = day_number(query.day());
        if is_now(query.known, &view)
            && let Some(counts) = from_memory(&view, &view.register.shape(&query.scope), day)
        {
            return Ok(Dashboard { counts, position: view.cube.position });
        }
        self.ask(|conn, view| {
            let bound = bound(conn, view, query.known)?;
            let counts = counts(conn, view, &view.register.shape(&query.scope), day, bound)?;
            Ok(Dashboard { counts, position: bound.position(view) })
        })
    }

    /// Whether [`ReadModels::dashboard`] answers this without touching a file, in microseconds.
    #[must_use]
    pub fn answers_from_memory(&self, query: &DashboardQuery) -> bool {
        self.view()
            .is_ok_and(|view| is_now(query.known, &view) && !matches!(view.register.shape(&query.scope), Shape::Set(_)))
    }

    /// What changed on each day from `from` to `to`, both included; for open and overdue the change of the number.
    ///
    /// # Errors
    /// The series is too long, or the read models cannot be read.
    pub fn series(
        &self,
        query: &DashboardQuery,
        measure: Measure,
        from: NaiveDate,
        to: NaiveDate,
    ) -> Result<Vec<(NaiveDate, i64)>, QueryError> {
        let days = day_number(from)..=day_number(to);
        if to.signed_duration_since(from).num_days() >= SERIES_DAYS_MAX {
            return Err(QueryError::SeriesTooLong { max: SERIES_DAYS_MAX });
        }
        let changes = self.ask(|conn, view| {
            let shape = view.register.shape(&query.scope);
            changes_by_day(conn, view, &shape, day_number(query.day()), bound(conn, view, query.known)?, Some(measure))
        })?;
        Ok(days
            .filter_map(from_day_number)
            .map(|day| {
                let counts = changes.get(&key_of(day_number(day)));
                (day, counts.map_or(0, |counts| counts.get(measure)))
            })
            .collect())
    }
}

/// The numbers as far as they lie in memory.
pub(super) fn from_memory(view: &View, shape: &Shape, day: i32) -> Option<Counts> {
    match shape {
        Shape::Province => Some(view.cube.area(Area::PROVINCE, Dim::ALL, day)),
        Shape::City(city) => Some(view.cube.area(Area::city(*city), Dim::ALL, day)),
        Shape::Unit(unit) => Some(view.cube.unit(*unit, day)),
        Shape::Set(_) => None,
    }
}

/// The numbers of any scope at any moment with any knowledge.
pub(super) fn counts(
    conn: &Connection,
    view: &View,
    shape: &Shape,
    day: i32,
    bound: Bound,
) -> Result<Counts, QueryError> {
    let mut sum = Counts::default();
    match (bound, shape) {
        (Bound::Now, Shape::Set(reach)) => {
            for unit in reach.members() {
                let unit = view.cube.unit(unit, day);
                for measure in Measure::ALL.into_iter().filter(|measure| !measure.is_transfer()) {
                    sum.add(measure, unit.get(measure));
                }
            }
            let sight = Sight { reach, day, bound, unit_by_unit: false };
            sight.walk(conn, &TRANSFERS, |line| sum.add(line.measure, line.amount))?;
        }
        (Bound::Now, Shape::Province | Shape::City(_) | Shape::Unit(_)) => {
            sum = from_memory(view, shape, day).unwrap_or_default();
        }
        (Bound::Until(until), Shape::Province | Shape::City(_)) => {
            area_changes(conn, view, area_of(shape), Dim::ALL, until, |measure, on, amount| {
                if on <= day {
                    sum.add(measure, amount);
                }
            })?;
        }
        (Bound::Until(_), Shape::Unit(_) | Shape::Set(_)) => {
            let reach = reach_of(view, shape);
            let sight = Sight { reach: &reach, day, bound, unit_by_unit: false };
            sight.walk(conn, &Measure::ALL, |line| sum.add(line.measure, line.amount))?;
        }
    }
    Ok(sum)
}

/// What changed on each day up to `day`, by [`key_of`]; of one measure or of all.
pub(super) fn changes_by_day(
    conn: &Connection,
    view: &View,
    shape: &Shape,
    day: i32,
    bound: Bound,
    only: Option<Measure>,
) -> Result<PackedMap<Counts>, QueryError> {
    let mut days: PackedMap<Counts> = PackedMap::default();
    let mut note = |measure: Measure, on: i32, amount: i64| {
        if on <= day && only.is_none_or(|only| only == measure) {
            days.entry(key_of(on)).or_default().add(measure, amount);
        }
    };
    match (bound, shape) {
        (Bound::Now, Shape::Province | Shape::City(_)) => {
            for measure in Measure::ALL {
                let (area, _) = area_of(shape);
                view.cube.area_changes(area, measure).for_each(|(on, amount)| note(measure, on, amount));
            }
        }
        (Bound::Now, Shape::Unit(unit)) => {
            for measure in Measure::ALL {
                view.cube.unit_changes(*unit, measure).for_each(|(on, amount)| note(measure, on, amount));
            }
        }
        (Bound::Until(until), Shape::Province | Shape::City(_)) => {
            area_changes(conn, view, area_of(shape), Dim::ALL, until, &mut note)?;
        }
        (Bound::Now, Shape::Set(_)) | (Bound::Until(_), Shape::Unit(_) | Shape::Set(_)) => {
            let reach = reach_of(view, shape);
            let sight = Sight { reach: &reach, day, bound, unit_by_unit: false };
            sight.walk(conn, &Measure::ALL, |line| note(line.measure, line.day, line.amount))?;
        }
    }
    Ok(days)
}

/// The area of the province or a city, and which city it is.
pub(super) const fn area_of(shape: &Shape) -> (Area, Option<u8>) {
    match shape {
        Shape::City(city) => (Area::city(*city), Some(*city)),
        Shape::Province | Shape::Unit(_) | Shape::Set(_) => (Area::PROVINCE, None),
    }
}

/// The units of a shape.
pub(super) fn reach_of(view: &View, shape: &Shape) -> Reach {
    match shape {
        Shape::Province => Reach::everything(&view.register),
        Shape::City(city) => Reach::of(&view.register, |_, slot| slot.city == *city),
        Shape::Unit(unit) => Reach::of(&view.register, |key, _| key == *unit),
        Shape::Set(reach) => reach.clone(),
    }
}

/// A day as the key of a map.
pub(super) fn key_of(day: i32) -> u64 {
    u64::from(day.cast_unsigned())
}

/// The day behind a key.
pub(super) fn day_behind(key: u64) -> Option<NaiveDate> {
    u32::try_from(key).ok().and_then(|day| from_day_number(day.cast_signed()))
}
