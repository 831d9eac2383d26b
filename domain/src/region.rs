//! Administrative divisions of Guangdong: province, cities, counties, towns, with the days they are valid.
//!
//! Dongguan and Zhongshan have no counties: their towns lie directly under the city, and the city bureau acts as the county's.

mod file;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::iter;
use std::sync::LazyLock;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::file::{RegionLineError, RegionTableError};

static BUILTIN: LazyLock<RegionTable> = LazyLock::new(|| {
    RegionTable::parse(include_str!("../data/guangdong-divisions.csv"), include_str!("../data/guangdong-towns.csv"))
        .expect("the built-in divisions are valid: the tests parse them")
});

/// The code of a division: six digits (GB/T 2260), or nine for a town.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RegionCode(u32);

/// A text that cannot be the code of a division.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a region code has six digits, or nine for a town, and does not begin with 0")]
pub struct ParseRegionCodeError;

impl RegionCode {
    /// The province.
    pub const GUANGDONG: Self = Self(440_000);

    /// Reads a code; whether the division exists is for [`RegionTable::get`] to say.
    ///
    /// # Errors
    /// [`ParseRegionCodeError`] for anything but six or nine digits.
    pub fn parse(raw: &str) -> Result<Self, ParseRegionCodeError> {
        let shaped =
            matches!(raw.len(), 6 | 9) && raw.bytes().all(|byte| byte.is_ascii_digit()) && !raw.starts_with('0');
        if !shaped {
            return Err(ParseRegionCodeError);
        }
        raw.parse().ok().map(Self).ok_or(ParseRegionCodeError)
    }

    /// The code as a number, for read models.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl TryFrom<String> for RegionCode {
    type Error = ParseRegionCodeError;

    fn try_from(raw: String) -> Result<Self, Self::Error> {
        Self::parse(&raw)
    }
}

impl From<RegionCode> for String {
    fn from(code: RegionCode) -> Self {
        code.to_string()
    }
}

impl fmt::Display for RegionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The rank of a division, highest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegionLevel {
    Province,
    /// 地级市
    City,
    /// 县级: districts, counties, county-level cities.
    County,
    /// 乡级: streets and towns; in the table also farms and zones of that rank.
    Town,
}

/// One division as it was, or is, for a span of days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    pub code: RegionCode,
    pub name: String,
    pub level: RegionLevel,
    /// The division above; only the province has none.
    pub parent: Option<RegionCode>,
    /// In one of the nine mainland cities of the Greater Bay Area.
    pub gba9: bool,
    /// The first day that the row is valid.
    pub valid_from: NaiveDate,
    /// The last day that the row is valid.
    pub valid_to: Option<NaiveDate>,
}

/// All divisions. Every parent is in the table and of a higher level, so a walk upwards ends after at most three steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionTable {
    /// Ordered by code, then by the first valid day; the days of one code do not overlap.
    rows: Vec<Region>,
    /// By the latest row of each code.
    children: BTreeMap<RegionCode, Vec<RegionCode>>,
}

impl RegionTable {
    /// The divisions of Guangdong that are compiled in.
    #[must_use]
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// Reads the two files (CSV, see `data/guangdong-divisions.csv` and `data/guangdong-towns.csv`).
    ///
    /// # Errors
    /// [`RegionTableError`] if a file is malformed, a code is valid twice on one day, or a parent is missing or of no higher
    /// level.
    pub fn parse(divisions: &str, towns: &str) -> Result<Self, RegionTableError> {
        let mut rows = file::divisions(divisions)?;
        let towns = file::towns(towns, &rows)?;
        rows.extend(towns);
        rows.sort_by_key(|row| (row.code, row.valid_from));
        let mut table = Self { rows, children: BTreeMap::new() };
        table.check()?;
        let mut children: BTreeMap<RegionCode, Vec<RegionCode>> = BTreeMap::new();
        for region in table.latest() {
            if let Some(parent) = region.parent {
                children.entry(parent).or_default().push(region.code);
            }
        }
        table.children = children;
        Ok(table)
    }

    /// The division as it is, or last was.
    #[must_use]
    pub fn get(&self, code: RegionCode) -> Option<&Region> {
        self.versions(code).last()
    }

    /// The division as it was on the day; `None` if the code was not valid then.
    #[must_use]
    pub fn get_on(&self, code: RegionCode, day: NaiveDate) -> Option<&Region> {
        self.versions(code).iter().find(|row| row.valid_from <= day && row.valid_to.is_none_or(|to| day <= to))
    }

    /// The divisions directly below, by code.
    pub fn children(&self, code: RegionCode) -> impl Iterator<Item = &Region> {
        self.children.get(&code).into_iter().flatten().filter_map(move |child| self.get(*child))
    }

    /// The division itself, then those above it up to the province; nothing for an unknown code.
    pub fn lineage(&self, code: RegionCode) -> impl Iterator<Item = &Region> {
        iter::successors(self.get(code), move |region| region.parent.and_then(|parent| self.get(parent)))
    }

    /// The city that the division is, or lies in; `None` for the province and for an unknown code.
    #[must_use]
    pub fn city_of(&self, code: RegionCode) -> Option<RegionCode> {
        self.lineage(code).find(|region| region.level == RegionLevel::City).map(|region| region.code)
    }

    /// Whether `code` is `ancestor` or lies in it. An unknown code lies nowhere.
    #[must_use]
    pub fn contains(&self, ancestor: RegionCode, code: RegionCode) -> bool {
        self.lineage(code).any(|region| region.code == ancestor)
    }

    /// The cities, by code.
    pub fn cities(&self) -> impl Iterator<Item = &Region> {
        self.latest().filter(|region| region.level == RegionLevel::City)
    }

    /// Whether a bureau of this division has the powers of a county bureau (县级): a county, or a city without counties.
    #[must_use]
    pub fn is_county_role(&self, code: RegionCode) -> bool {
        self.get(code).is_some_and(|region| match region.level {
            RegionLevel::County => true,
            RegionLevel::City => self.children(code).all(|child| child.level != RegionLevel::County),
            RegionLevel::Province | RegionLevel::Town => false,
        })
    }

    /// Every row of a code, oldest first.
    fn versions(&self, code: RegionCode) -> &[Region] {
        let from = self.rows.partition_point(|row| row.code < code);
        let to = self.rows.partition_point(|row| row.code <= code);
        self.rows.get(from..to).unwrap_or_default()
    }

    /// The last row of each code.
    fn latest(&self) -> impl Iterator<Item = &Region> {
        self.rows.chunk_by(|one, next| one.code == next.code).filter_map(|rows| rows.last())
    }

    fn check(&self) -> Result<(), RegionTableError> {
        for (earlier, later) in self.rows.iter().zip(self.rows.iter().skip(1)) {
            if earlier.code == later.code && earlier.valid_to.is_none_or(|to| to >= later.valid_from) {
                return Err(RegionTableError::Overlap { code: later.code });
            }
        }
        for row in &self.rows {
            let sound = match row.parent {
                None => row.level == RegionLevel::Province,
                // Every row of the parent, so that the walk upwards ends whichever of them it meets.
                Some(parent) => {
                    let above = self.versions(parent);
                    !above.is_empty() && above.iter().all(|above| above.level < row.level)
                }
            };
            if !sound {
                return Err(RegionTableError::Parent { code: row.code });
            }
        }
        Ok(())
    }
}
