//! Which part of the province a question is about, at which moment, and with which knowledge.

use chrono::NaiveDate;
use domain::envelope::Position;
use domain::id::UnitId;
use domain::region::RegionCode;

/// A part of the province. A case is inside while the unit that has it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The units registered in a region or in a part of it. The province holds every unit.
    Region(RegionCode),
    /// A unit, and every unit below it.
    Unit(UnitId),
}

/// How much of the log an answer may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Known {
    /// Everything that the read models have seen.
    #[default]
    Now,
    /// What was recorded by the end of this local day.
    Day(NaiveDate),
    /// What was recorded up to this position.
    Position(Position),
}

/// The moment that a number is for: the state at the end of a local day, with the knowledge of another moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsOf {
    pub day: NaiveDate,
    pub known: Known,
}
