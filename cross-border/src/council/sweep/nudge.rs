//! When whoever is late is reminded, and when somebody above has to know.

use std::ops::Range;

use chrono::{DateTime, Duration, NaiveDate, Timelike as _, Utc};
use domain::day::local_day;

use crate::index::StepRow;
use crate::partner::Place;

/// Working days after the last day at which a reminder is due, the first and the second.
pub const REMIND_AFTER_WORKING_DAYS: [usize; 2] = [1, 3];
/// Working days after the last day at which the step is put before somebody above.
pub const ESCALATE_AFTER_WORKING_DAYS: usize = 5;
/// The hours of a working day in which anybody is reminded, local time.
pub const OFFICE_HOURS: Range<u32> = 9..18;

/// How far local time is ahead of UTC in all three places.
const AHEAD_OF_UTC: Duration = Duration::hours(8);

/// What a late step brings about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nudge {
    Remind,
    Escalate,
}

impl Nudge {
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Remind => "remind",
            Self::Escalate => "escalate",
        }
    }
}

/// Whether the council's officers are at work.
pub(super) fn is_working_time(place: Place, now: DateTime<Utc>) -> bool {
    let hour = (now.naive_utc() + AHEAD_OF_UTC).hour();
    OFFICE_HOURS.contains(&hour) && place.calendar().is_working(local_day(now))
}

/// What is due for a late step, by the working days of the place whose act is awaited. A threshold that was missed, the
/// node having stood still, is made up for: one reminder in a day.
pub(super) fn due(row: &StepRow, today: NaiveDate) -> Vec<Nudge> {
    let late = working_days_late(row.council, row.due, today);
    let reminders = REMIND_AFTER_WORKING_DAYS.iter().filter(|days| late >= **days).count();
    let mut due = Vec::new();
    if usize::from(row.reminders) < reminders {
        due.push(Nudge::Remind);
    }
    if late >= ESCALATE_AFTER_WORKING_DAYS && !row.escalated {
        due.push(Nudge::Escalate);
    }
    due
}

/// Working days behind the last day, up to today; counted no further than anything depends on it.
fn working_days_late(place: Place, last: NaiveDate, today: NaiveDate) -> usize {
    let calendar = place.calendar();
    let days = last.iter_days().skip(1).take_while(|day| *day <= today);
    days.filter(|day| calendar.is_working(*day)).take(ESCALATE_AFTER_WORKING_DAYS).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn days_late_are_working_days_of_the_place() {
        // Friday 2026-05-22 was the last day; Monday 05-25 is a holiday in Hong Kong alone.
        for (today, hong_kong, guangdong) in [
            ("2026-05-22", 0, 0),
            ("2026-05-24", 0, 0),
            ("2026-05-25", 0, 1),
            ("2026-05-26", 1, 2),
            ("2026-06-30", 5, 5),
        ] {
            let late = |place| working_days_late(place, day("2026-05-22"), day(today));
            assert_eq!((late(Place::HongKong), late(Place::Guangdong)), (hong_kong, guangdong), "{today}");
        }
    }

    #[test]
    fn officers_are_at_work_from_nine_to_six_on_working_days() {
        for (now, guangdong, hong_kong) in [
            ("2026-05-22T08:59:59+08:00", false, false),
            ("2026-05-22T09:00:00+08:00", true, true),
            ("2026-05-22T17:59:59+08:00", true, true),
            ("2026-05-22T18:00:00+08:00", false, false),
            ("2026-05-23T10:00:00+08:00", false, false),
            ("2026-05-25T10:00:00+08:00", true, false),
        ] {
            let now: DateTime<Utc> = now.parse().unwrap();
            assert_eq!(is_working_time(Place::Guangdong, now), guangdong, "{now}");
            assert_eq!(is_working_time(Place::HongKong, now), hong_kong, "{now}");
        }
    }
}
