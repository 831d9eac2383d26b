//! Sums of ledger lines: for the province and each city, in all and by channel and category, day by day and by the
//! day they became known; for each unit, day by day.
//!
//! A cell's key is one integer, so that the tables are as small as they can be. Cells of regions begin with the day
//! they became known: new ones are appended at the end, and what was known by a day is what stands before it.

use domain::vocabulary::{Category, Channel};

use crate::hash::PackedMap;
use crate::ledger::Line;
use crate::measure::Measure;

const DAY_BITS: u32 = 17;
const MEASURE_BITS: u32 = 5;
const DIM_BITS: u32 = 6;
const SCOPE_BITS: u32 = 6;

const MEASURE_SHIFT: u32 = DAY_BITS;
const DIM_SHIFT: u32 = MEASURE_SHIFT + MEASURE_BITS;
const SCOPE_SHIFT: u32 = DIM_SHIFT + DIM_BITS;
const KNOWN_SHIFT: u32 = SCOPE_SHIFT + SCOPE_BITS;

/// Days of cells reach from 1970 to 2328; what lies outside is counted on the first or the last of them.
pub(crate) const DAY_MAX: i32 = (1 << DAY_BITS) - 1;
/// Numbers of dimensions and of scopes are smaller than these.
pub(crate) const DIMS: usize = 1 << DIM_BITS;
pub(crate) const SCOPES: usize = 1 << SCOPE_BITS;

/// Dimension 0 is everything; then come the channels, and from 32 the categories, in the domain's order.
const CATEGORY_BASE: u8 = 32;
const _: () = assert!(Channel::ALL.len() < 32 && Category::ALL.len() < 32, "a dimension has six bits");
const _: () = assert!(Measure::COUNT <= 1 << MEASURE_BITS, "a measure has five bits");

/// A part of what is counted: everything, one channel or one category.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dim(u8);

impl Dim {
    pub(crate) const ALL: Self = Self(0);

    pub(crate) const fn channel(channel: u8) -> Self {
        Self(1 + channel)
    }

    pub(crate) const fn category(category: u8) -> Self {
        Self(CATEGORY_BASE + category)
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Whether a line is part of it.
    pub(crate) fn holds(self, line: &Line) -> bool {
        self == Self::ALL || self == Self::channel(line.channel) || self == Self::category(line.category)
    }
}

/// The province or one city.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Area(u8);

impl Area {
    pub(crate) const PROVINCE: Self = Self(0);

    pub(crate) const fn city(city: u8) -> Self {
        Self(1 + city)
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The parts of a region cell's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) known: i32,
    pub(crate) area: Area,
    pub(crate) dim: Dim,
    pub(crate) measure: Measure,
    pub(crate) day: i32,
}

/// The parts of a unit cell's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnitCell {
    pub(crate) unit: u32,
    pub(crate) measure: Measure,
    pub(crate) day: i32,
}

pub(crate) fn day_bits(day: i32) -> u64 {
    u64::try_from(day.clamp(0, DAY_MAX)).unwrap_or(0)
}

fn day_from(bits: u64) -> i32 {
    i32::try_from(bits & ((1 << DAY_BITS) - 1)).unwrap_or(DAY_MAX)
}

fn low_byte(bits: u64, width: u32) -> u8 {
    u8::try_from(bits & ((1 << width) - 1)).unwrap_or(u8::MAX)
}

impl Cell {
    pub(crate) fn key(&self) -> u64 {
        (day_bits(self.known) << KNOWN_SHIFT)
            | Self::stretch(self.area, self.dim)
            | (u64::from(self.measure.id()) << MEASURE_SHIFT)
            | day_bits(self.day)
    }

    /// `None` for damage.
    pub(crate) fn parse(key: u64) -> Option<Self> {
        Some(Self {
            known: day_from(key >> KNOWN_SHIFT),
            area: Area(low_byte(key >> SCOPE_SHIFT, SCOPE_BITS)),
            dim: Dim(low_byte(key >> DIM_SHIFT, DIM_BITS)),
            measure: Measure::from_id(low_byte(key >> MEASURE_SHIFT, MEASURE_BITS))?,
            day: day_from(key),
        })
    }

    fn stretch(area: Area, dim: Dim) -> u64 {
        (u64::from(area.0) << SCOPE_SHIFT) | (u64::from(dim.0) << DIM_SHIFT)
    }

    /// The first and the last key of an area and dimension, to be added to a known day times [`Cell::KNOWN_UNIT`].
    pub(crate) fn bounds(area: Area, dim: Dim) -> (i64, i64) {
        let first = Self::stretch(area, dim);
        (first.cast_signed(), (first | ((1 << DIM_SHIFT) - 1)).cast_signed())
    }

    /// What a known day counts for in a key.
    pub(crate) const KNOWN_UNIT: i64 = 1 << KNOWN_SHIFT;
}

impl UnitCell {
    pub(crate) fn key(&self) -> u64 {
        (u64::from(self.unit) << DIM_SHIFT) | (u64::from(self.measure.id()) << MEASURE_SHIFT) | day_bits(self.day)
    }

    /// `None` for damage.
    pub(crate) fn parse(key: u64) -> Option<Self> {
        Some(Self {
            unit: u32::try_from(key >> DIM_SHIFT).ok()?,
            measure: Measure::from_id(low_byte(key >> MEASURE_SHIFT, MEASURE_BITS))?,
            day: day_from(key),
        })
    }
}

/// Where the two sides of a line stand, and since when it is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    pub(crate) city: u8,
    /// The city of the unit on the other side of a transfer.
    pub(crate) peer_city: u8,
    pub(crate) known: i32,
}

/// Sums that have not been stored yet.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    pub(crate) cells: PackedMap<i64>,
    pub(crate) units: PackedMap<i64>,
}

impl Sums {
    /// Books a line everywhere it counts.
    pub(crate) fn add(&mut self, line: &Line, standing: Standing) {
        self.add_areas(line, standing, 1);
        let cell = UnitCell { unit: line.unit, measure: line.measure, day: line.day };
        *self.units.entry(cell.key()).or_insert(0) += line.amount;
    }

    /// Books a line in its regions, or takes it out of them with `sign` -1.
    pub(crate) fn add_areas(&mut self, line: &Line, standing: Standing, sign: i64) {
        let amount = line.amount.saturating_mul(sign);
        let transfer = line.measure.is_transfer();
        // Nothing crosses the border of the province, and within a city nothing crosses the city's.
        if !transfer {
            self.add_area(line, Area::PROVINCE, standing.known, amount);
        }
        if !(transfer && standing.city == standing.peer_city) {
            self.add_area(line, Area::city(standing.city), standing.known, amount);
        }
    }

    fn add_area(&mut self, line: &Line, area: Area, known: i32, amount: i64) {
        let all = Cell { known, area, dim: Dim::ALL, measure: line.measure, day: line.day };
        for dim in [Dim::ALL, Dim::channel(line.channel), Dim::category(line.category)] {
            *self.cells.entry(Cell { dim, ..all }.key()).or_insert(0) += amount;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn cells_read_back(
            known in 0..=DAY_MAX, area in 0_u8..64, dim in 0_u8..64, measure in 0_usize..Measure::COUNT, day in 0..=DAY_MAX,
            unit in 0_u32..1 << 24,
        ) {
            let measure = Measure::ALL[measure];
            let cell = Cell { known, area: Area(area), dim: Dim(dim), measure, day };
            prop_assert_eq!(Cell::parse(cell.key()), Some(cell));
            let (first, last) = Cell::bounds(cell.area, cell.dim);
            let key = cell.key().cast_signed() - i64::from(known) * Cell::KNOWN_UNIT;
            prop_assert!(first <= key && key <= last);
            let cell = UnitCell { unit, measure, day };
            prop_assert_eq!(UnitCell::parse(cell.key()), Some(cell));
        }
    }

    #[test]
    fn days_outside_the_range_are_counted_at_its_ends() {
        assert_eq!(day_bits(-1), 0);
        assert_eq!(day_bits(DAY_MAX + 1), day_bits(DAY_MAX));
    }
}
