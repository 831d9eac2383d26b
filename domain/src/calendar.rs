//! Working-day calendars: which days are worked, as the yearly notices announce them.
//!
//! A calendar is a data file with an edition name; an edition is never edited. A year that it does not cover is answered by
//! the weekday alone and says so ([`DayKind::UnpublishedWorking`], [`DayKind::UnpublishedWeekend`]), never silently.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use chrono::{Datelike, NaiveDate, Weekday};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest edition name in bytes.
pub const EDITION_BYTES_MAX: usize = 64;

/// Longest announced holiday in days; a longer one is a mistake in the file.
pub const HOLIDAY_DAYS_MAX: u8 = 31;

static MAINLAND: LazyLock<WorkingCalendar> = LazyLock::new(|| {
    WorkingCalendar::parse(include_str!("../data/calendar-cn-2019-2026.toml"))
        .expect("the built-in calendar is valid: the tests parse it")
});

/// Why a calendar file is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CalendarError {
    #[error("the calendar file cannot be read")]
    Toml(#[from] toml::de::Error),
    #[error("an edition name has 1 to {max} bytes", max = EDITION_BYTES_MAX)]
    EditionName,
    #[error("the years {first} to {last} are not a range")]
    Years { first: i32, last: i32 },
    #[error("the holiday {name} from {from} to {to} does not have 1 to {max} days", max = HOLIDAY_DAYS_MAX)]
    HolidayLength { name: String, from: NaiveDate, to: NaiveDate },
    #[error("{day} is outside the years of the edition")]
    OutsideYears { day: NaiveDate },
    #[error("{day} is listed twice")]
    ListedTwice { day: NaiveDate },
    #[error("{day} is a make-up workday, but no Saturday or Sunday")]
    NotAWeekend { day: NaiveDate },
}

/// The name of one published state of a calendar, such as `CN-2019-2026/1`; a due date keeps the one it was computed with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CalendarEdition(String);

impl CalendarEdition {
    /// An edition with this name.
    ///
    /// # Errors
    /// [`CalendarError::EditionName`] if it is empty or longer than [`EDITION_BYTES_MAX`].
    pub fn parse(raw: &str) -> Result<Self, CalendarError> {
        if raw.is_empty() || raw.len() > EDITION_BYTES_MAX {
            return Err(CalendarError::EditionName);
        }
        Ok(Self(raw.to_owned()))
    }

    /// The name as it is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CalendarEdition {
    type Error = CalendarError;

    fn try_from(raw: String) -> Result<Self, Self::Error> {
        Self::parse(&raw)
    }
}

impl From<CalendarEdition> for String {
    fn from(edition: CalendarEdition) -> Self {
        edition.0
    }
}

impl fmt::Display for CalendarEdition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a calendar says about one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DayKind {
    Working,
    /// A Saturday or Sunday that is worked in exchange for a day off.
    MakeUpWorking,
    Weekend,
    /// Part of an announced holiday, by its name; weekend days inside the announced period included.
    Holiday(String),
    /// The year is not in the edition: assumed worked, because it is no weekend.
    UnpublishedWorking,
    /// The year is not in the edition: assumed free, because it is a weekend.
    UnpublishedWeekend,
}

/// One edition of one jurisdiction's calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkingCalendar {
    edition: CalendarEdition,
    jurisdiction: String,
    source: String,
    years: RangeInclusive<i32>,
    /// The days that differ from their weekday; all of them lie in `years`.
    marked: BTreeMap<NaiveDate, Mark>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Mark {
    Holiday(String),
    MakeUpWorkday,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CalendarFile {
    edition: CalendarEdition,
    jurisdiction: String,
    source: String,
    first_year: i32,
    last_year: i32,
    make_up_workdays: Vec<NaiveDate>,
    #[serde(default)]
    holiday: Vec<HolidayPeriod>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HolidayPeriod {
    name: String,
    from: NaiveDate,
    to: NaiveDate,
}

impl WorkingCalendar {
    /// Reads a calendar file (TOML, see `data/calendar-cn-2019-2026.toml`).
    ///
    /// # Errors
    /// [`CalendarError`] if the file is malformed or contradicts itself: a day listed twice or outside the years, a make-up
    /// workday on a weekday, a holiday that ends before it begins or is longer than [`HOLIDAY_DAYS_MAX`].
    pub fn parse(raw: &str) -> Result<Self, CalendarError> {
        let file: CalendarFile = toml::from_str(raw)?;
        if file.first_year > file.last_year {
            return Err(CalendarError::Years { first: file.first_year, last: file.last_year });
        }
        let mut calendar = Self {
            edition: file.edition,
            jurisdiction: file.jurisdiction,
            source: file.source,
            years: file.first_year..=file.last_year,
            marked: BTreeMap::new(),
        };
        for period in file.holiday {
            calendar.mark_holiday(period)?;
        }
        for day in file.make_up_workdays {
            if !is_weekend(day) {
                return Err(CalendarError::NotAWeekend { day });
            }
            calendar.mark(day, Mark::MakeUpWorkday)?;
        }
        Ok(calendar)
    }

    /// The calendar of the mainland that is compiled in.
    #[must_use]
    pub fn mainland() -> &'static Self {
        &MAINLAND
    }

    /// The edition; a deadline stores it beside the due date.
    #[must_use]
    pub fn edition(&self) -> &CalendarEdition {
        &self.edition
    }

    /// Whose calendar it is, such as `CN`.
    #[must_use]
    pub fn jurisdiction(&self) -> &str {
        &self.jurisdiction
    }

    /// Where its days were taken from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the year of the day is in this edition. If not, answers about the day are assumptions.
    #[must_use]
    pub fn publishes(&self, day: NaiveDate) -> bool {
        self.years.contains(&day.year())
    }

    /// What the calendar says about the day.
    #[must_use]
    pub fn day_kind(&self, day: NaiveDate) -> DayKind {
        match self.marked.get(&day) {
            Some(Mark::Holiday(name)) => DayKind::Holiday(name.clone()),
            Some(Mark::MakeUpWorkday) => DayKind::MakeUpWorking,
            None => match (self.publishes(day), is_weekend(day)) {
                (true, true) => DayKind::Weekend,
                (true, false) => DayKind::Working,
                (false, true) => DayKind::UnpublishedWeekend,
                (false, false) => DayKind::UnpublishedWorking,
            },
        }
    }

    /// Whether the day is worked; in a year that is not published, whether it is no weekend.
    #[must_use]
    pub fn is_working(&self, day: NaiveDate) -> bool {
        match self.marked.get(&day) {
            Some(Mark::Holiday(_)) => false,
            Some(Mark::MakeUpWorkday) => true,
            None => !is_weekend(day),
        }
    }

    /// Whether the day belongs to an announced holiday; an ordinary weekend does not, nor does a day of an unpublished year.
    #[must_use]
    pub fn is_holiday(&self, day: NaiveDate) -> bool {
        match self.marked.get(&day) {
            Some(Mark::Holiday(_)) => true,
            Some(Mark::MakeUpWorkday) | None => false,
        }
    }

    fn mark_holiday(&mut self, period: HolidayPeriod) -> Result<(), CalendarError> {
        let HolidayPeriod { name, from, to } = period;
        let days = to.signed_duration_since(from).num_days();
        if !(0..i64::from(HOLIDAY_DAYS_MAX)).contains(&days) {
            return Err(CalendarError::HolidayLength { name, from, to });
        }
        for day in from.iter_days().take_while(|day| *day <= to) {
            self.mark(day, Mark::Holiday(name.clone()))?;
        }
        Ok(())
    }

    fn mark(&mut self, day: NaiveDate, mark: Mark) -> Result<(), CalendarError> {
        if !self.publishes(day) {
            return Err(CalendarError::OutsideYears { day });
        }
        match self.marked.insert(day, mark) {
            None => Ok(()),
            Some(_) => Err(CalendarError::ListedTwice { day }),
        }
    }
}

fn is_weekend(day: NaiveDate) -> bool {
    matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
}
