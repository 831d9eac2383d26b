//! The dashboard's numbers in memory, as known now: for each area and unit, measure by measure, day by day, already
//! added up. A dashboard is some twenty binary searches.
//!
//! Readers hold a cube for as long as they like: the writer makes the next one beside it, sharing every series that
//! did not change, and puts it in place when its transaction is on the disk.

use std::sync::Arc;

use domain::envelope::Position;
use rusqlite::Connection;

use crate::cell::{Area, Cell, DIMS, Dim, SCOPES, Sums, UnitCell};
use crate::measure::{Counts, Measure};

/// A number that changes on some days, as the sum up to and including each of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Series {
    days: Vec<i32>,
    sums: Vec<i64>,
}

impl Series {
    fn from_changes(mut changes: Vec<(i32, i64)>) -> Self {
        changes.sort_unstable_by_key(|(day, _)| *day);
        let mut series = Self::default();
        let mut sum = 0_i64;
        for stretch in changes.chunk_by(|one, next| one.0 == next.0) {
            let change: i64 = stretch.iter().map(|(_, amount)| *amount).sum();
            if let Some((day, _)) = stretch.first()
                && change != 0
            {
                sum = sum.saturating_add(change);
                series.days.push(*day);
                series.sums.push(sum);
            }
        }
        series
    }

    /// The sum at the end of a day.
    pub(crate) fn until(&self, day: i32) -> i64 {
        let behind = self.days.partition_point(|known| *known <= day);
        behind.checked_sub(1).and_then(|last| self.sums.get(last)).copied().unwrap_or(0)
    }

    /// What changed, day by day.
    fn changes(&self) -> impl Iterator<Item = (i32, i64)> {
        let before = [0].into_iter().chain(self.sums.iter().copied());
        self.days.iter().zip(&self.sums).zip(before).map(|((day, sum), before)| (*day, sum - before))
    }

    fn add(&mut self, day: i32, amount: i64) {
        let place = self.days.partition_point(|known| *known < day);
        if self.days.get(place) != Some(&day) {
            let before = place.checked_sub(1).and_then(|last| self.sums.get(last)).copied().unwrap_or(0);
            self.days.insert(place, day);
            self.sums.insert(place, before);
        }
        for sum in self.sums.iter_mut().skip(place) {
            *sum = sum.saturating_add(amount);
        }
    }
}

/// The series of one area or unit, by number; those that were never needed are not there.
#[derive(Debug, Clone, Default)]
struct Block {
    series: Vec<Arc<Series>>,
}

impl Block {
    fn until(&self, index: usize, day: i32) -> i64 {
        self.series.get(index).map_or(0, |series| series.until(day))
    }

    fn series(&mut self, index: usize) -> Option<&mut Arc<Series>> {
        if self.series.len() <= index {
            self.series.resize_with(index + 1, Arc::default);
        }
        self.series.get_mut(index)
    }

    fn add(&mut self, index: usize, day: i32, amount: i64) {
        if let Some(series) = self.series(index) {
            Arc::make_mut(series).add(day, amount);
        }
    }

    fn set(&mut self, index: usize, changes: Vec<(i32, i64)>) {
        if let Some(series) = self.series(index) {
            *series = Arc::new(Series::from_changes(changes));
        }
    }
}

/// All the numbers as known at one position.
#[derive(Debug, Clone)]
pub(crate) struct Cube {
    pub(crate) position: Option<Position>,
    /// The local day that the newest event was recorded on.
    pub(crate) known: i32,
    areas: Vec<Arc<Block>>,
    units: Arc<Vec<Arc<Block>>>,
}

impl Cube {
    pub(crate) fn empty() -> Self {
        Self { position: None, known: 0, areas: (0..SCOPES).map(|_| Arc::default()).collect(), units: Arc::default() }
    }

    /// Reads the stored cells; their position is for the caller to set.
    pub(crate) fn load(conn: &Connection) -> rusqlite::Result<Self> {
        let mut cube = Self::empty();
        let mut changes: Vec<Vec<Vec<(i32, i64)>>> = vec![Vec::new(); SCOPES];
        each_cell(conn, "SELECT key, amount FROM cell", |key, amount| {
            let cell = Cell::parse(key)?;
            let area = changes.get_mut(cell.area.index())?;
            if area.is_empty() {
                area.resize(DIMS * Measure::COUNT, Vec::new());
            }
            area.get_mut(index_of(cell.dim, cell.measure))?.push((cell.day, amount));
            Some(())
        })?;
        for (block, area) in cube.areas.iter_mut().zip(changes) {
            let block = Arc::make_mut(block);
            for (index, changes) in area.into_iter().enumerate().filter(|(_, changes)| !changes.is_empty()) {
                block.set(index, changes);
            }
        }
        let units = Arc::make_mut(&mut cube.units);
        let mut current: Option<(u32, Measure)> = None;
        let mut changes = Vec::new();
        each_cell(conn, "SELECT key, amount FROM unit_cell ORDER BY key", |key, amount| {
            let cell = UnitCell::parse(key)?;
            if current != Some((cell.unit, cell.measure)) {
                set_unit(units, current, std::mem::take(&mut changes));
                current = Some((cell.unit, cell.measure));
            }
            changes.push((cell.day, amount));
            Some(())
        })?;
        set_unit(units, current, changes);
        Ok(cube)
    }

    /// The same with more booked; what is not touched is shared.
    pub(crate) fn with(&self, sums: &Sums, position: Option<Position>, known: i32) -> Self {
        let mut next = Self { position, known, ..self.clone() };
        for (key, amount) in sums.cells.iter().filter(|(_, amount)| **amount != 0) {
            if let Some(cell) = Cell::parse(*key)
                && let Some(block) = next.areas.get_mut(cell.area.index())
            {
                Arc::make_mut(block).add(index_of(cell.dim, cell.measure), cell.day, *amount);
            }
        }
        if !sums.units.is_empty() {
            let units = Arc::make_mut(&mut next.units);
            for (key, amount) in sums.units.iter().filter(|(_, amount)| **amount != 0) {
                if let Some(cell) = UnitCell::parse(*key)
                    && let Some(block) = unit_block(units, cell.unit)
                {
                    block.add(cell.measure.index(), cell.day, *amount);
                }
            }
        }
        next
    }

    /// The numbers of an area at the end of a day.
    pub(crate) fn area(&self, area: Area, dim: Dim, day: i32) -> Counts {
        let block = self.areas.get(area.index());
        counts(|measure| block.map_or(0, |block| block.until(index_of(dim, measure), day)))
    }

    /// The numbers of a unit at the end of a day; every transfer to or from another unit counts.
    pub(crate) fn unit(&self, unit: u32, day: i32) -> Counts {
        let block = usize::try_from(unit).ok().and_then(|unit| self.units.get(unit));
        counts(|measure| block.map_or(0, |block| block.until(measure.index(), day)))
    }

    /// What changed in one number of an area, day by day.
    pub(crate) fn area_changes(&self, area: Area, measure: Measure) -> impl Iterator<Item = (i32, i64)> {
        let series = self.areas.get(area.index()).and_then(|block| block.series.get(index_of(Dim::ALL, measure)));
        series.into_iter().flat_map(|series| series.changes())
    }

    /// What changed in one number of a unit, day by day.
    pub(crate) fn unit_changes(&self, unit: u32, measure: Measure) -> impl Iterator<Item = (i32, i64)> {
        let block = usize::try_from(unit).ok().and_then(|unit| self.units.get(unit));
        let series = block.and_then(|block| block.series.get(measure.index()));
        series.into_iter().flat_map(|series| series.changes())
    }

    /// One number of an area at the end of a day.
    pub(crate) fn area_measure(&self, area: Area, measure: Measure, day: i32) -> i64 {
        self.areas.get(area.index()).map_or(0, |block| block.until(index_of(Dim::ALL, measure), day))
    }
}

fn index_of(dim: Dim, measure: Measure) -> usize {
    dim.index() * Measure::COUNT + measure.index()
}

fn counts(mut number: impl FnMut(Measure) -> i64) -> Counts {
    let mut counts = Counts::default();
    for measure in Measure::ALL {
        counts.add(measure, number(measure));
    }
    counts
}

fn unit_block(units: &mut Vec<Arc<Block>>, unit: u32) -> Option<&mut Block> {
    let index = usize::try_from(unit).ok()?;
    if units.len() <= index {
        units.resize_with(index + 1, Arc::default);
    }
    units.get_mut(index).map(Arc::make_mut)
}

fn set_unit(units: &mut Vec<Arc<Block>>, of: Option<(u32, Measure)>, changes: Vec<(i32, i64)>) {
    if let Some((unit, measure)) = of
        && let Some(block) = unit_block(units, unit)
    {
        block.set(measure.index(), changes);
    }
}

/// Hands every cell of a table to `each`, which answers `None` for damage.
fn each_cell(conn: &Connection, sql: &str, mut each: impl FnMut(u64, i64) -> Option<()>) -> rusqlite::Result<()> {
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let key: i64 = row.get(0)?;
        each(key.cast_unsigned(), row.get(1)?).ok_or(rusqlite::Error::InvalidQuery)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_series_adds_up_however_it_is_built(changes in vec((0_i32..20, -3_i64..4), 0..30), split in 0_usize..30) {
            let (first, later) = changes.split_at(split.min(changes.len()));
            let mut series = Series::from_changes(first.to_vec());
            for (day, amount) in later {
                series.add(*day, *amount);
            }
            for day in -1..21 {
                let expected: i64 = changes.iter().filter(|(on, _)| *on <= day).map(|(_, amount)| *amount).sum();
                prop_assert_eq!(series.until(day), expected);
            }
        }
    }

    #[test]
    fn a_reader_keeps_the_numbers_it_began_with() {
        let cell = Cell { known: 10, area: Area::city(1), dim: Dim::ALL, measure: Measure::Open, day: 10 };
        let mut sums = Sums::default();
        sums.cells.insert(cell.key(), 2);
        let first = Cube::empty().with(&sums, Some(Position::new(1)), 10);
        let second = first.with(&sums, Some(Position::new(2)), 10);
        assert_eq!(first.area(Area::city(1), Dim::ALL, 10).get(Measure::Open), 2);
        assert_eq!(second.area(Area::city(1), Dim::ALL, 10).get(Measure::Open), 4);
        assert_eq!(second.area(Area::city(1), Dim::ALL, 9).get(Measure::Open), 0);
        assert_eq!(second.area_measure(Area::city(1), Measure::Open, 10), 4);
    }
}
