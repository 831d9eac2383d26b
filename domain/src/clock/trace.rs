//! Day by day: why a period ends when it does.

use chrono::{Datelike, NaiveDate};

use super::walk::{Step, walk};
use super::{Basis, ClockError, PeriodUnit, Stop};
use crate::calendar::{DayKind, WorkingCalendar};

/// One day of a period and what was done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceDay {
    pub day: NaiveDate,
    pub verdict: DayVerdict,
    /// Days counted up to and including this one.
    pub count: u16,
}

/// What was done with a day, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DayVerdict {
    /// The day of the act: a period begins with the next (Art. 45).
    NotCountedStart,
    Counted,
    /// A Saturday or Sunday that is worked.
    CountedMakeUp,
    /// A natural day counts though it is a holiday; if it is the last, the end moves.
    CountedHoliday(String),
    /// A natural day of a year without a published calendar: it counts, but it may turn out to be a holiday.
    CountedUnpublished,
    Weekend,
    Holiday(String),
    Stopped,
    /// Counted as a working day by its weekday, because the calendar of its year is not published.
    AssumedWorking,
    /// Passed over as a weekend, because the calendar of its year is not published.
    AssumedWeekend,
    /// The period is over, but ended in this holiday: the end moves on.
    RolledOverHoliday(String),
    /// The first day after the holiday that the period ended in: the legal due day.
    RolledTo,
}

impl DayVerdict {
    /// Whether the day used up one of the period's days.
    #[must_use]
    pub fn counts(&self) -> bool {
        match self {
            Self::Counted
            | Self::CountedMakeUp
            | Self::CountedHoliday(_)
            | Self::CountedUnpublished
            | Self::AssumedWorking => true,
            Self::NotCountedStart
            | Self::Weekend
            | Self::Holiday(_)
            | Self::Stopped
            | Self::AssumedWeekend
            | Self::RolledOverHoliday(_)
            | Self::RolledTo => false,
        }
    }
}

/// The days of a period from the day of the act to the legal due day, the same way as [`reckon`](super::reckon) counts them.
///
/// While a stop is open there is no due day; the trace then ends on the first day that the stop takes.
///
/// # Errors
/// [`ClockError::EmptyPeriod`] if there is nothing to count; [`ClockError::BeyondScan`] and [`ClockError::BeyondDates`] if
/// the end is too far away.
pub fn trace(basis: Basis, stops: &[Stop], calendar: &WorkingCalendar) -> Result<Vec<TraceDay>, ClockError> {
    let mut days = Vec::new();
    walk(basis, stops, calendar, |day, step, count| {
        let verdict = verdict(step, basis.unit, calendar.day_kind(day));
        days.push(TraceDay { day, verdict, count });
    })?;
    Ok(days)
}

/// One line of English about the day, such as `2026-05-01 Fri  holiday: Labour Day`.
#[must_use]
pub fn explain(traced: &TraceDay) -> String {
    let TraceDay { day, verdict, count } = traced;
    let weekday = day.weekday();
    let what = match verdict {
        DayVerdict::NotCountedStart => "start, not counted".to_owned(),
        DayVerdict::Counted => format!("counted {count}"),
        DayVerdict::CountedMakeUp => format!("counted {count} (make-up working day)"),
        DayVerdict::CountedHoliday(name) => format!("counted {count} (holiday: {name})"),
        DayVerdict::CountedUnpublished => format!("counted {count} (calendar not published)"),
        DayVerdict::Weekend => "weekend".to_owned(),
        DayVerdict::Holiday(name) => format!("holiday: {name}"),
        DayVerdict::Stopped => "stopped".to_owned(),
        DayVerdict::AssumedWorking => format!("counted {count} (calendar not published, assumed working)"),
        DayVerdict::AssumedWeekend => "weekend (calendar not published, assumed free)".to_owned(),
        DayVerdict::RolledOverHoliday(name) => format!("end moved on, holiday: {name}"),
        DayVerdict::RolledTo => "end moved here, first day after the holiday".to_owned(),
    };
    format!("{day} {weekday}  {what}")
}

fn verdict(step: Step, unit: PeriodUnit, kind: DayKind) -> DayVerdict {
    match step {
        Step::Start => DayVerdict::NotCountedStart,
        Step::Stopped => DayVerdict::Stopped,
        Step::Day => match unit {
            PeriodUnit::WorkingDays => working_day(kind),
            PeriodUnit::NaturalDays => natural_day(kind),
        },
        Step::AfterEnd => match kind {
            DayKind::Holiday(name) => DayVerdict::RolledOverHoliday(name),
            DayKind::Working
            | DayKind::MakeUpWorking
            | DayKind::Weekend
            | DayKind::UnpublishedWorking
            | DayKind::UnpublishedWeekend => DayVerdict::RolledTo,
        },
    }
}

fn working_day(kind: DayKind) -> DayVerdict {
    match kind {
        DayKind::Working => DayVerdict::Counted,
        DayKind::MakeUpWorking => DayVerdict::CountedMakeUp,
        DayKind::Weekend => DayVerdict::Weekend,
        DayKind::Holiday(name) => DayVerdict::Holiday(name),
        DayKind::UnpublishedWorking => DayVerdict::AssumedWorking,
        DayKind::UnpublishedWeekend => DayVerdict::AssumedWeekend,
    }
}

fn natural_day(kind: DayKind) -> DayVerdict {
    match kind {
        DayKind::Working | DayKind::MakeUpWorking | DayKind::Weekend => DayVerdict::Counted,
        DayKind::Holiday(name) => DayVerdict::CountedHoliday(name),
        DayKind::UnpublishedWorking | DayKind::UnpublishedWeekend => DayVerdict::CountedUnpublished,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn lines(started_on: &str, length: u16, unit: PeriodUnit, stops: &[Stop]) -> Vec<String> {
        let basis = Basis { started_on: day(started_on), length, unit, extended_by: 0 };
        trace(basis, stops, WorkingCalendar::mainland()).unwrap().iter().map(explain).collect()
    }

    #[test]
    fn working_days_over_a_holiday_and_a_make_up_day() {
        assert_eq!(
            lines("2026-04-27", 7, PeriodUnit::WorkingDays, &[]),
            [
                "2026-04-27 Mon  start, not counted",
                "2026-04-28 Tue  counted 1",
                "2026-04-29 Wed  counted 2",
                "2026-04-30 Thu  counted 3",
                "2026-05-01 Fri  holiday: Labour Day",
                "2026-05-02 Sat  holiday: Labour Day",
                "2026-05-03 Sun  holiday: Labour Day",
                "2026-05-04 Mon  holiday: Labour Day",
                "2026-05-05 Tue  holiday: Labour Day",
                "2026-05-06 Wed  counted 4",
                "2026-05-07 Thu  counted 5",
                "2026-05-08 Fri  counted 6",
                "2026-05-09 Sat  counted 7 (make-up working day)",
            ]
        );
    }

    #[test]
    fn natural_days_that_end_in_a_holiday() {
        assert_eq!(
            lines("2026-09-23", 3, PeriodUnit::NaturalDays, &[]),
            [
                "2026-09-23 Wed  start, not counted",
                "2026-09-24 Thu  counted 1",
                "2026-09-25 Fri  counted 2 (holiday: Mid-autumn Festival)",
                "2026-09-26 Sat  counted 3 (holiday: Mid-autumn Festival)",
                "2026-09-27 Sun  end moved on, holiday: Mid-autumn Festival",
                "2026-09-28 Mon  end moved here, first day after the holiday",
            ]
        );
    }

    #[test]
    fn an_ordinary_weekend_moves_nothing() {
        assert_eq!(
            lines("2026-04-16", 2, PeriodUnit::NaturalDays, &[]),
            ["2026-04-16 Thu  start, not counted", "2026-04-17 Fri  counted 1", "2026-04-18 Sat  counted 2",]
        );
    }

    #[test]
    fn a_year_that_is_not_published_is_said_to_be_assumed() {
        assert_eq!(
            lines("2026-12-31", 2, PeriodUnit::WorkingDays, &[]),
            [
                "2026-12-31 Thu  start, not counted",
                "2027-01-01 Fri  counted 1 (calendar not published, assumed working)",
                "2027-01-02 Sat  weekend (calendar not published, assumed free)",
                "2027-01-03 Sun  weekend (calendar not published, assumed free)",
                "2027-01-04 Mon  counted 2 (calendar not published, assumed working)",
            ]
        );
        assert_eq!(
            lines("2026-12-31", 1, PeriodUnit::NaturalDays, &[]),
            ["2026-12-31 Thu  start, not counted", "2027-01-01 Fri  counted 1 (calendar not published)",]
        );
    }

    #[test]
    fn an_open_stop_ends_the_trace_on_its_first_day() {
        let stop = Stop { from: day("2026-04-17"), to: None };
        assert_eq!(
            lines("2026-04-15", 7, PeriodUnit::WorkingDays, &[stop]),
            ["2026-04-15 Wed  start, not counted", "2026-04-16 Thu  counted 1", "2026-04-17 Fri  stopped",]
        );
    }
}
