//! The local calendar day: UTC+8 the whole year, in the mainland, Hong Kong and Macao alike.
//!
//! A receipt after office hours still falls on that calendar day. Every function here is total: at the two ends of what a
//! date can express the answer is the end itself.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

/// How far local time is ahead of UTC. None of the three places has daylight saving.
const AHEAD_OF_UTC: TimeDelta = TimeDelta::hours(8);

/// The local day that the instant falls on.
#[must_use]
pub fn local_day(at: DateTime<Utc>) -> NaiveDate {
    at.naive_utc().checked_add_signed(AHEAD_OF_UTC).map_or(NaiveDate::MAX, |local| local.date())
}

/// The first instant of the local day.
#[must_use]
pub fn day_start(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).checked_sub_signed(AHEAD_OF_UTC).unwrap_or(NaiveDateTime::MIN).and_utc()
}

/// The first instant that no longer belongs to the local day: the start of the next one.
#[must_use]
pub fn day_end(day: NaiveDate) -> DateTime<Utc> {
    day.succ_opt().map_or(DateTime::<Utc>::MAX_UTC, day_start)
}

/// Days since 1970-01-01, negative before it; for read models that keep a day as an integer.
#[must_use]
pub fn day_number(day: NaiveDate) -> i32 {
    day.to_epoch_days()
}

/// The day with this number of days since 1970-01-01, if a date can express it.
#[must_use]
pub fn from_day_number(number: i32) -> Option<NaiveDate> {
    NaiveDate::from_epoch_days(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn the_local_day_turns_at_sixteen_hours_utc() {
        assert_eq!(local_day(at("2026-04-15T15:59:59Z")), day("2026-04-15"));
        assert_eq!(local_day(at("2026-04-15T16:00:00Z")), day("2026-04-16"));
        assert_eq!(local_day(at("2025-12-31T16:00:00Z")), day("2026-01-01"));
    }

    #[test]
    fn a_day_runs_from_its_start_up_to_its_end() {
        assert_eq!(day_start(day("2026-04-15")), at("2026-04-14T16:00:00Z"));
        assert_eq!(day_end(day("2026-04-15")), at("2026-04-15T16:00:00Z"));
        assert_eq!(day_end(day("2026-04-15")), day_start(day("2026-04-16")));
    }

    #[test]
    fn the_ends_of_the_range_do_not_panic() {
        assert_eq!(local_day(DateTime::<Utc>::MAX_UTC), NaiveDate::MAX);
        assert_eq!(local_day(DateTime::<Utc>::MIN_UTC), NaiveDate::MIN);
        assert_eq!(day_start(NaiveDate::MIN), DateTime::<Utc>::MIN_UTC);
        assert_eq!(day_end(NaiveDate::MAX), DateTime::<Utc>::MAX_UTC);
        assert_eq!(from_day_number(i32::MAX), None);
        assert_eq!(from_day_number(i32::MIN), None);
    }

    #[test]
    fn day_numbers_count_from_1970() {
        assert_eq!(day_number(day("1970-01-01")), 0);
        assert_eq!(day_number(day("1969-12-31")), -1);
        assert_eq!(from_day_number(1), Some(day("1970-01-02")));
        for end in [NaiveDate::MIN, NaiveDate::MAX] {
            assert_eq!(from_day_number(day_number(end)), Some(end));
        }
    }

    proptest! {
        #[test]
        fn every_day_finds_itself(number in -100_000_i32..100_000) {
            let day = from_day_number(number).unwrap();
            prop_assert_eq!(day_number(day), number);
            prop_assert_eq!(local_day(day_start(day)), day);
            prop_assert_eq!(local_day(day_end(day) - TimeDelta::nanoseconds(1)), day);
            prop_assert_eq!(local_day(day_end(day)), day.succ_opt().unwrap());
        }
    }
}
