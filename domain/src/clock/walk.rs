//! The one walk over the days of a period, which gives both the due days and their explanation.

use chrono::NaiveDate;

use super::{Basis, ClockError, Due, PeriodUnit, SCAN_DAYS_MAX, Stop};
use crate::calendar::WorkingCalendar;

/// What the walk did with a day; what the calendar says of it is left to whoever wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The day of the act.
    Start,
    /// Left out because the clock stood.
    Stopped,
    /// Counted, or passed over because it is not worked.
    Day,
    /// Reached after the last day counted, which was a holiday: another day of it, or the day that the end moves to.
    AfterEnd,
}

/// How the walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Due(Due),
    Stopped { since: NaiveDate },
}

/// Walks from the day of the act to the legal due day, or to the first day of a stop that is still open.
///
/// `visit` gets each day, what was done with it, and how many days are counted up to and including it.
pub(super) fn walk(
    basis: Basis,
    stops: &[Stop],
    calendar: &WorkingCalendar,
    mut visit: impl FnMut(NaiveDate, Step, u16),
) -> Result<End, ClockError> {
    let total = basis.total();
    if total == 0 {
        return Err(ClockError::EmptyPeriod);
    }
    let stops = StopSet::new(stops);
    let mut scan = Scan::after(basis.started_on);
    let mut count: u16 = 0;
    let mut provisional = false;
    let mut last_counted: Option<NaiveDate> = None;
    visit(basis.started_on, Step::Start, count);
    loop {
        let day = scan.advance()?;
        if let Some(stop) = stops.covering(day) {
            visit(day, Step::Stopped, count);
            if stop.to.is_none() {
                return Ok(End::Stopped { since: stop.from });
            }
            continue;
        }
        provisional |= !calendar.publishes(day);
        let strict = match last_counted {
            Some(strict) => {
                visit(day, Step::AfterEnd, count);
                strict
            }
            None => {
                if counts(basis.unit, calendar, day) {
                    count = count.saturating_add(1);
                }
                visit(day, Step::Day, count);
                if count < total {
                    continue;
                }
                last_counted = Some(day);
                day
            }
        };
        if !calendar.is_holiday(day) {
            return Ok(End::Due(Due { strict, legal: day, provisional }));
        }
    }
}

fn counts(unit: PeriodUnit, calendar: &WorkingCalendar, day: NaiveDate) -> bool {
    match unit {
        PeriodUnit::WorkingDays => calendar.is_working(day),
        PeriodUnit::NaturalDays => true,
    }
}

/// The days after a start, at most [`SCAN_DAYS_MAX`] of them.
struct Scan {
    started_on: NaiveDate,
    day: NaiveDate,
    left: u16,
}

impl Scan {
    fn after(started_on: NaiveDate) -> Self {
        Self { started_on, day: started_on, left: SCAN_DAYS_MAX }
    }

    fn advance(&mut self) -> Result<NaiveDate, ClockError> {
        let started_on = self.started_on;
        self.left = self.left.checked_sub(1).ok_or(ClockError::BeyondScan { started_on })?;
        self.day = self.day.succ_opt().ok_or(ClockError::BeyondDates { started_on })?;
        Ok(self.day)
    }
}

/// Stops in order, none empty, none touching the next.
struct StopSet(Vec<Stop>);

impl StopSet {
    fn new(stops: &[Stop]) -> Self {
        let mut ordered: Vec<Stop> =
            stops.iter().copied().filter(|stop| stop.to.is_none_or(|to| to > stop.from)).collect();
        ordered.sort_unstable_by_key(|stop| stop.from);
        let mut merged: Vec<Stop> = Vec::with_capacity(ordered.len());
        for stop in ordered {
            if let Some(last) = merged.last_mut()
                && last.to.is_none_or(|to| to >= stop.from)
            {
                // An open end outlasts every other.
                last.to = last.to.zip(stop.to).map(|(one, other)| one.max(other));
            } else {
                merged.push(stop);
            }
        }
        Self(merged)
    }

    /// The stop that the day falls in.
    fn covering(&self, day: NaiveDate) -> Option<&Stop> {
        let begun = self.0.partition_point(|stop| stop.from <= day);
        let stop = self.0.get(begun.checked_sub(1)?)?;
        stop.to.is_none_or(|to| day < to).then_some(stop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn stop(from: &str, to: &str) -> Stop {
        Stop { from: day(from), to: Some(day(to)) }
    }

    fn open(from: &str) -> Stop {
        Stop { from: day(from), to: None }
    }

    #[test]
    fn stops_are_put_in_order_and_joined() {
        let set = StopSet::new(&[
            stop("2026-05-10", "2026-05-12"),
            stop("2026-05-01", "2026-05-05"),
            stop("2026-05-03", "2026-05-04"),
            stop("2026-05-05", "2026-05-06"),
        ]);
        assert_eq!(set.0, [stop("2026-05-01", "2026-05-06"), stop("2026-05-10", "2026-05-12")]);
    }

    #[test]
    fn a_stop_that_ends_when_it_begins_takes_no_day() {
        let set = StopSet::new(&[stop("2026-05-01", "2026-05-01"), stop("2026-05-09", "2026-05-02")]);
        assert!(set.0.is_empty());
    }

    #[test]
    fn an_open_stop_swallows_what_follows() {
        let set =
            StopSet::new(&[stop("2026-05-20", "2026-05-22"), open("2026-05-10"), stop("2026-05-08", "2026-05-11")]);
        assert_eq!(set.0, [open("2026-05-08")]);
    }

    #[test]
    fn the_first_day_is_in_the_stop_and_the_day_of_resumption_is_not() {
        let set = StopSet::new(&[stop("2026-05-10", "2026-05-12")]);
        assert_eq!(set.covering(day("2026-05-09")), None);
        assert!(set.covering(day("2026-05-10")).is_some());
        assert!(set.covering(day("2026-05-11")).is_some());
        assert_eq!(set.covering(day("2026-05-12")), None);
    }
}
