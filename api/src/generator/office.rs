//! When people work: hours and days, in seconds since 1970 UTC as everywhere in the generator.

use chrono::{DateTime, NaiveDate, Utc};
use domain::calendar::WorkingCalendar;
use domain::day::{day_number, from_day_number};

use super::dice::Dice;

pub(super) const MINUTE: i64 = 60;
pub(super) const DAY: i64 = 86_400;
/// How far local time is ahead of UTC.
const AHEAD: i64 = 8 * 3_600;
/// 08:30, from the start of the local day.
const OPENS: i64 = 8 * 3_600 + 1_800;
/// 17:30, from the start of the local day.
const CLOSES: i64 = 17 * 3_600 + 1_800;
/// Days behind the last one that are looked up once; later ones do not matter to anybody.
const DAYS_BEHIND: i32 = 120;

/// The local day, in days since 1970.
pub(super) fn local_day(at: i64) -> i64 {
    (at + AHEAD).div_euclid(DAY)
}

/// The first second of a local day.
pub(super) fn day_start(day: i64) -> i64 {
    day * DAY - AHEAD
}

/// The moment as the log keeps it.
pub(super) fn moment(at: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(at, 0).unwrap_or(DateTime::UNIX_EPOCH)
}

/// Which of the generated days are worked.
#[derive(Debug)]
pub(super) struct Office {
    first: i64,
    working: Vec<bool>,
}

impl Office {
    pub(super) fn new(from: NaiveDate, until: NaiveDate, calendar: &WorkingCalendar) -> Self {
        let first = day_number(from);
        let last = day_number(until).saturating_add(DAYS_BEHIND);
        let working =
            (first..=last).map(|day| from_day_number(day).is_some_and(|day| calendar.is_working(day))).collect();
        Self { first: i64::from(first), working }
    }

    fn is_working(&self, day: i64) -> bool {
        let index = usize::try_from(day - self.first).ok();
        // Outside of what was looked up nothing is generated, so any answer that ends a search will do.
        index.and_then(|index| self.working.get(index)).copied().unwrap_or(true)
    }

    /// The same moment if somebody is at work then, else one of the next morning at work.
    pub(super) fn open_at(&self, at: i64, dice: &mut Dice) -> i64 {
        let day = local_day(at);
        let start = day_start(day);
        if self.is_working(day) && at < start + CLOSES {
            return if at < start + OPENS { start + OPENS + dice.span(0, 2_400) } else { at };
        }
        day_start(self.working_day(day, 1)) + OPENS + dice.span(0, 5_400)
    }

    /// A moment at work on the `days`-th working day behind the day of `at`.
    pub(super) fn in_working_days(&self, at: i64, days: u32, dice: &mut Dice) -> i64 {
        let hours = u32::try_from(CLOSES - OPENS).unwrap_or(0);
        day_start(self.working_day(local_day(at), days)) + OPENS + dice.span(0, hours)
    }

    fn working_day(&self, behind: i64, days: u32) -> i64 {
        let mut day = behind;
        for _ in 0..days {
            day += 1;
            while !self.is_working(day) {
                day += 1;
            }
        }
        day
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn at(text: &str) -> i64 {
        text.parse::<DateTime<Utc>>().unwrap().timestamp()
    }

    #[test]
    fn nobody_works_at_night_or_on_a_holiday() {
        let office = Office::new(day("2026-04-01"), day("2026-05-31"), WorkingCalendar::mainland());
        let mut dice = Dice::new(1, 0);
        // A Wednesday at 10:00 local time.
        assert_eq!(office.open_at(at("2026-05-06T02:00:00Z"), &mut dice), at("2026-05-06T02:00:00Z"));
        // The holiday from the 1st to the 5th.
        let next = office.open_at(at("2026-05-01T02:00:00Z"), &mut dice);
        assert_eq!(local_day(next), i64::from(day_number(day("2026-05-06"))));
        // The same Wednesday at 22:00 local time.
        let next = office.open_at(at("2026-05-06T14:00:00Z"), &mut dice);
        assert_eq!(local_day(next), i64::from(day_number(day("2026-05-07"))));
    }

    #[test]
    fn make_up_days_are_working_days() {
        let office = Office::new(day("2026-04-01"), day("2026-05-31"), WorkingCalendar::mainland());
        let mut dice = Dice::new(1, 0);
        // Saturday the 9th is worked.
        let next = office.in_working_days(at("2026-05-08T02:00:00Z"), 1, &mut dice);
        assert_eq!(local_day(next), i64::from(day_number(day("2026-05-09"))));
        for _ in 0..1_000 {
            let second = office.in_working_days(at("2026-05-08T02:00:00Z"), 2, &mut dice) + AHEAD;
            assert!((OPENS..=CLOSES).contains(&second.rem_euclid(DAY)));
        }
    }
}
