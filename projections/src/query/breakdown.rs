//! The numbers of a scope part by part. The parts add up to the whole, except for transfers: what passes between two
//! parts counts for both of them and not for the whole.

use domain::region::RegionTable;
use domain::vocabulary::{Category, Channel};
use rusqlite::{Connection, OptionalExtension};

use super::bound::{Bound, bound};
use super::dashboard::{area_of, changes_by_day, counts, day_behind, reach_of};
use super::sight::{Sight, area_changes};
use super::{BREAKDOWN_DAYS_MAX, Breakdown, BreakdownRow, DashboardQuery};
use crate::cell::Dim;
use crate::error::QueryError;
use crate::hash::PackedMap;
use crate::ledger::Line;
use crate::measure::{Counts, Measure};
use crate::models::ReadModels;
use crate::register::{Reach, Shape, city_of, region_of};
use crate::writer::View;

/// One breakdown under way.
struct Parts<'a> {
    conn: &'a Connection,
    view: &'a View,
    shape: Shape,
    day: i32,
    bound: Bound,
}

impl ReadModels {
    /// The numbers of a scope part by part. Parts without any number are left out, but cities are not.
    ///
    /// # Errors
    /// The read models cannot be read.
    pub fn breakdown(&self, query: &DashboardQuery, by: Breakdown) -> Result<Vec<BreakdownRow>, QueryError> {
        self.ask(|conn, view| {
            let parts = Parts {
                conn,
                view,
                shape: view.register.shape(&query.scope),
                day: domain::day::day_number(query.day()),
                bound: bound(conn, view, query.known)?,
            };
            match by {
                Breakdown::City => parts.by_city(),
                Breakdown::Unit => parts.by_unit(),
                Breakdown::Handler => parts.by_handler(),
                Breakdown::Channel => parts.by_channel(),
                Breakdown::Category => parts.by_category(),
                Breakdown::Day => parts.by_day(),
            }
        })
    }
}

impl Parts<'_> {
    fn by_city(&self) -> Result<Vec<BreakdownRow>, QueryError> {
        let cities: Vec<u8> = match &self.shape {
            Shape::Province => {
                let cities = RegionTable::builtin().cities().map(|city| city_of(city.code));
                [0].into_iter().chain(cities).collect()
            }
            Shape::City(city) => vec![*city],
            Shape::Unit(unit) => vec![self.view.register.city(*unit)],
            Shape::Set(reach) => reach.cities(),
        };
        let mut rows = Vec::with_capacity(cities.len());
        for city in cities {
            let part = match &self.shape {
                Shape::Province | Shape::City(_) => Shape::City(city),
                Shape::Unit(unit) => Shape::Unit(*unit),
                Shape::Set(reach) => {
                    Shape::Set(Reach::of(&self.view.register, |key, slot| slot.city == city && reach.contains(key)))
                }
            };
            let counts = counts(self.conn, self.view, &part, self.day, self.bound)?;
            // The province's own units are no city; without work they need no row.
            if city != 0 || !counts.is_zero() {
                rows.push(BreakdownRow { key: region_of(city).to_string(), counts });
            }
        }
        Ok(rows)
    }

    fn by_unit(&self) -> Result<Vec<BreakdownRow>, QueryError> {
        let reach = reach_of(self.view, &self.shape);
        let known = match self.bound {
            Bound::Now => None,
            Bound::Until(_) => Some(self.grouped(true, |line| u64::from(line.unit))?),
        };
        let mut rows = Vec::new();
        for unit in reach.members() {
            let counts = match &known {
                None => self.view.cube.unit(unit, self.day),
                Some(known) => known.get(&u64::from(unit)).copied().unwrap_or_default(),
            };
            if let Some(slot) = self.view.register.slot(unit)
                && !counts.is_zero()
            {
                rows.push(BreakdownRow { key: slot.id.to_string(), counts });
            }
        }
        Ok(rows)
    }

    fn by_handler(&self) -> Result<Vec<BreakdownRow>, QueryError> {
        let mut rows = Vec::new();
        for (handler, counts) in self.grouped(false, |line| u64::from(line.handler))? {
            if !counts.is_zero() {
                rows.push(BreakdownRow { key: handler_name(self.conn, handler)?.unwrap_or_default(), counts });
            }
        }
        rows.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        Ok(rows)
    }

    fn by_channel(&self) -> Result<Vec<BreakdownRow>, QueryError> {
        let parts: Vec<_> =
            Channel::ALL.iter().map(|channel| (channel.code(), Dim::channel(*channel as u8), *channel as u8)).collect();
        self.by_dim(&parts, |line| line.channel)
    }

    fn by_category(&self) -> Result<Vec<BreakdownRow>, QueryError> {
        let parts: Vec<_> = Category::ALL
            .iter()
            .map(|category| (category.code(), Dim::category(*category as u8), *category as u8))
            .collect();
        self.by_dim(&parts, |line| line.category)
    }

    fn by_dim(
        &self,
        parts: &[(&'static str, Dim, u8)],
        place_in: impl Fn(&Line) -> u8,
    ) -> Result<Vec<BreakdownRow>, QueryError> {
        let known = match &self.shape {
            Shape::Province | Shape::City(_) => None,
            Shape::Unit(_) | Shape::Set(_) => Some(self.grouped(false, |line| u64::from(place_in(line)))?),
        };
        let mut rows = Vec::new();
        for (code, dim, place) in parts {
            let counts = match &known {
                None => self.of_dim(*dim)?,
                Some(known) => known.get(&u64::from(*place)).copied().unwrap_or_default(),
            };
            if !counts.is_zero() {
                rows.push(BreakdownRow { key: (*code).to_owned(), counts });
            }
        }
        Ok(rows)
    }

    /// One channel or category of the province or a city.
    fn of_dim(&self, dim: Dim) -> Result<Counts, QueryError> {
        let (area, city) = area_of(&self.shape);
        let until = match self.bound {
            Bound::Now => return Ok(self.view.cube.area(area, dim, self.day)),
            Bound::Until(until) => until,
        };
        let mut sum = Counts::default();
        area_changes(self.conn, self.view, (area, city), dim, until, |measure, on, amount| {
            if on <= self.day {
                sum.add(measure, amount);
            }
        })?;
        Ok(sum)
    }

    fn by_day(&self) -> Result<Vec<BreakdownRow>, QueryError> {
        let days = changes_by_day(self.conn, self.view, &self.shape, self.day, self.bound, None)?;
        let mut rows: Vec<_> =
            days.into_iter().filter_map(|(key, counts)| day_behind(key).map(|day| (day, counts))).collect();
        rows.retain(|(_, counts)| !counts.is_zero());
        rows.sort_unstable_by_key(|(day, _)| *day);
        let surplus = rows.len().saturating_sub(BREAKDOWN_DAYS_MAX);
        let last = rows.into_iter().skip(surplus);
        Ok(last.map(|(day, counts)| BreakdownRow { key: day.to_string(), counts }).collect())
    }

    /// Sums of the ledger, by whatever a line says.
    fn grouped(&self, unit_by_unit: bool, group: impl Fn(&Line) -> u64) -> Result<PackedMap<Counts>, QueryError> {
        let reach = reach_of(self.view, &self.shape);
        let sight = Sight { reach: &reach, day: self.day, bound: self.bound, unit_by_unit };
        let mut groups: PackedMap<Counts> = PackedMap::default();
        sight.walk(self.conn, &Measure::ALL, |line| {
            groups.entry(group(line)).or_default().add(line.measure, line.amount);
        })?;
        Ok(groups)
    }
}

/// The work id behind a key; 0 is nobody's.
pub(super) fn handler_name(conn: &Connection, key: u64) -> Result<Option<String>, QueryError> {
    let mut statement = conn.prepare_cached("SELECT name FROM handler WHERE key = ?1")?;
    Ok(statement.query_row([key.cast_signed()], |row| row.get(0)).optional()?)
}
