//! Statutory clocks: from the day of an act to the day by which the law wants an answer (SAMR Order 121 Art. 45).
//!
//! The first day is not counted. Working days count from the next working day, natural days from the next day. If the last
//! day falls in an announced holiday, the period ends on the first day after it; an ordinary weekend moves nothing. A clock
//! therefore has two due days: `due_strict` without that move, for warnings, and `due_legal` with it, for "overdue". A period
//! of working days never ends on a holiday, so there the two are one.
//!
//! Invariant: what a clock event stores ([`ClockTerms`], [`Due`]) is enough to replay it; only deciding asks a calendar.

mod kind;
mod rule;
mod trace;
mod walk;

#[cfg(test)]
mod tests;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::kind::{ClockKind, Exclusion, PeriodUnit, UnknownClock};
pub use self::rule::{ClockRule, RuleError, RuleTable};
pub use self::trace::{DayVerdict, TraceDay, explain, trace};
use self::walk::{End, walk};
use crate::calendar::{CalendarEdition, WorkingCalendar};

/// Farthest end of a period, in days after its start: ten years, stops included. Nothing is reckoned beyond it.
pub const SCAN_DAYS_MAX: u16 = 3_660;

/// Why a clock has no due day.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClockError {
    #[error("no rule for {kind} is in force on {on}")]
    NoRuleInForce { kind: ClockKind, on: NaiveDate },
    #[error("a period has at least one day")]
    EmptyPeriod,
    /// The stop began on this day; while nobody resumes the clock it has no due day.
    #[error("the clock has stood still since {since}: it has no due day until it is resumed")]
    StillStopped { since: NaiveDate },
    #[error("the period that starts on {started_on} does not end within {max} days", max = SCAN_DAYS_MAX)]
    BeyondScan { started_on: NaiveDate },
    #[error("the period that starts on {started_on} ends after the last day that a date can express")]
    BeyondDates { started_on: NaiveDate },
}

/// What the event that starts a clock stores: everything needed to replay it without a rule table or a calendar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClockTerms {
    pub rule: ClockKind,
    pub rule_version: String,
    pub article: String,
    /// The calendar that the due days were reckoned with.
    pub calendar: CalendarEdition,
    /// The day of the act, which is not counted.
    pub started_on: NaiveDate,
    /// In `unit`.
    pub length: u16,
    pub unit: PeriodUnit,
    pub due_strict: NaiveDate,
    pub due_legal: NaiveDate,
    /// A day that mattered lies in a year whose calendar was not published.
    pub provisional: bool,
}

impl ClockTerms {
    /// What the period consists of, before any extension.
    #[must_use]
    pub fn basis(&self) -> Basis {
        Basis { started_on: self.started_on, length: self.length, unit: self.unit, extended_by: 0 }
    }

    /// The due days as they stood when the clock was started.
    #[must_use]
    pub fn due(&self) -> Due {
        Due { strict: self.due_strict, legal: self.due_legal, provisional: self.provisional }
    }
}

/// What a period consists of, apart from its stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Basis {
    /// The day of the act, which is not counted.
    pub started_on: NaiveDate,
    /// In `unit`.
    pub length: u16,
    pub unit: PeriodUnit,
    /// What approvals added to the length, in `unit`.
    pub extended_by: u16,
}

impl Basis {
    /// The same period, longer by `by` of its units.
    #[must_use]
    pub fn extended(self, by: u16) -> Self {
        Self { extended_by: self.extended_by.saturating_add(by), ..self }
    }

    /// All that is to be counted, in `unit`. What does not fit is far beyond [`SCAN_DAYS_MAX`] and refused there.
    #[must_use]
    pub fn total(&self) -> u16 {
        self.length.saturating_add(self.extended_by)
    }
}

/// A stop: the day it begins is the first that does not count, the day of resumption counts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stop {
    /// The first day that does not count.
    pub from: NaiveDate,
    /// The first day that counts again; `None` while the clock stands. On or before `from`, the stop takes no day.
    pub to: Option<NaiveDate>,
}

/// When a period ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Due {
    /// The last day counted.
    pub strict: NaiveDate,
    /// `strict`, or the first day after the announced holiday that it falls in.
    pub legal: NaiveDate,
    /// A day that mattered lies in a year whose calendar is not published.
    pub provisional: bool,
}

/// Starts a clock under `rule` with the act of the day `started_on`.
///
/// The caller chooses the rule by the date of that act ([`RuleTable::rule`]).
///
/// # Errors
/// [`ClockError::EmptyPeriod`], [`ClockError::BeyondScan`] or [`ClockError::BeyondDates`] for a rule or a day without a due day.
pub fn start(rule: &ClockRule, calendar: &WorkingCalendar, started_on: NaiveDate) -> Result<ClockTerms, ClockError> {
    let basis = Basis { started_on, length: rule.length, unit: rule.unit, extended_by: 0 };
    let due = reckon(basis, &[], calendar)?;
    Ok(ClockTerms {
        rule: rule.kind,
        rule_version: rule.version.clone(),
        article: rule.article.clone(),
        calendar: calendar.edition().clone(),
        started_on,
        length: rule.length,
        unit: rule.unit,
        due_strict: due.strict,
        due_legal: due.legal,
        provisional: due.provisional,
    })
}

/// When the period ends, given its stops; asked again at every resumption, extension and new calendar edition.
///
/// Stops may overlap and come in any order; a day in several of them is left out once. A stop that begins after the legal due
/// day changes nothing, even while it is open. A stop while the end is being moved past a holiday moves it further, to the
/// first day that is neither holiday nor stopped.
///
/// # Errors
/// [`ClockError::StillStopped`] if an open stop begins before the period is over; [`ClockError::EmptyPeriod`] if there is
/// nothing to count; [`ClockError::BeyondScan`] and [`ClockError::BeyondDates`] if the end is too far away.
pub fn reckon(basis: Basis, stops: &[Stop], calendar: &WorkingCalendar) -> Result<Due, ClockError> {
    match walk(basis, stops, calendar, |_, _, _| {})? {
        End::Due(due) => Ok(due),
        End::Stopped { since } => Err(ClockError::StillStopped { since }),
    }
}

/// The first day on which a clock with this legal due day is overdue: the day after it.
#[must_use]
pub fn overdue_from(due_legal: NaiveDate) -> NaiveDate {
    due_legal.succ_opt().unwrap_or(due_legal)
}
