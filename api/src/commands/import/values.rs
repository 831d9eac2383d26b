//! What single cells mean: times, and unit values as parts of an id.

use chrono::{DateTime, Datelike, Days, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, SubsecRound, TimeZone, Utc};

/// Years that a real time lies in. What lies outside is a placeholder for "none" and is refused, not stored.
const YEARS: std::ops::RangeInclusive<i32> = 1970..=2099;

/// A time as read from a cell, to the microsecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time {
    /// The instant; of a bare date the first of its day.
    pub(super) at: DateTime<Utc>,
    /// The cell held a bare date.
    pub(super) whole_day: bool,
}

/// Reads a time: RFC 3339, the same with a space, `YYYY-MM-DD HH:MM[:SS]`, or a bare date; `/` may stand for `-`.
/// A time without an offset is one of `zone`.
///
/// # Errors
/// What is wrong, as the rest of a sentence.
pub(super) fn time(raw: &str, zone: FixedOffset) -> Result<Time, String> {
    let text = raw.replace('/', "-");
    let read = with_offset(&text)
        .or_else(|| local(&text).and_then(|at| in_zone(at, zone)))
        .map(|at| (at, false))
        .or_else(|| {
            let day = NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok()?;
            Some((in_zone(day.and_time(NaiveTime::MIN), zone)?, true))
        });
    let Some((at, whole_day)) = read else {
        return Err(format!("`{raw}` is not a time such as 2026-04-27T09:30:00+08:00, 2026-04-27 09:30 or 2026-04-27"));
    };
    if !YEARS.contains(&at.year()) {
        return Err(format!(
            "`{raw}` lies outside the years {} to {}; leave the cell empty instead",
            YEARS.start(),
            YEARS.end()
        ));
    }
    Ok(Time { at: at.trunc_subsecs(6), whole_day })
}

fn with_offset(text: &str) -> Option<DateTime<Utc>> {
    let read = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z"))
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%#z"));
    read.ok().map(|at| at.with_timezone(&Utc))
}

fn local(text: &str) -> Option<NaiveDateTime> {
    const SHAPES: [&str; 4] = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"];
    SHAPES.iter().find_map(|shape| NaiveDateTime::parse_from_str(text, shape).ok())
}

fn in_zone(at: NaiveDateTime, zone: FixedOffset) -> Option<DateTime<Utc>> {
    zone.from_local_datetime(&at).single().map(|at| at.with_timezone(&Utc))
}

/// The deadline of a source: an instant, or the end of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deadline {
    /// The instant; of a bare date the one at which the next day begins, so that the day itself is still in time.
    pub(super) at: DateTime<Utc>,
    whole_day: bool,
}

impl Deadline {
    /// The deadline that a cell names.
    pub(super) fn new(time: Time) -> Self {
        let at = if time.whole_day { time.at.checked_add_days(Days::new(1)).unwrap_or(time.at) } else { time.at };
        Self { at, whole_day: time.whole_day }
    }

    /// Whether something done at `at` came after it.
    pub(super) fn is_missed_at(&self, at: DateTime<Utc>) -> bool {
        if self.whole_day { at >= self.at } else { at > self.at }
    }
}

/// The part of an id that a value becomes: lower case, runs of anything but letters and digits as one hyphen.
///
/// `None` for a value with characters beyond ASCII, which would be lost, and for one without letters and digits.
pub(super) fn slug(value: &str) -> Option<String> {
    let mut slug = String::with_capacity(value.len());
    for character in value.chars() {
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !character.is_ascii() {
            return None;
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    (!slug.is_empty()).then(|| slug.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone() -> FixedOffset {
        "+08:00".parse().unwrap()
    }

    fn at(raw: &str) -> String {
        time(raw, zone()).unwrap().at.to_rfc3339()
    }

    #[test]
    fn a_time_is_read_in_every_shape_that_is_promised() {
        assert_eq!(at("2011-10-11T13:45:40.276000+02:00"), "2011-10-11T11:45:40.276+00:00");
        assert_eq!(at("2011-10-11 13:45:40.276000+02:00"), "2011-10-11T11:45:40.276+00:00");
        assert_eq!(at("2011-10-11T13:45:40Z"), "2011-10-11T13:45:40+00:00");
        assert_eq!(at("2011-10-11 13:45:40+0200"), "2011-10-11T11:45:40+00:00");
        assert_eq!(at("2026-04-27 09:30:15"), "2026-04-27T01:30:15+00:00");
        assert_eq!(at("2026-04-27 09:30"), "2026-04-27T01:30:00+00:00");
        assert_eq!(at("2026/4/27 9:05"), "2026-04-27T01:05:00+00:00");
        assert_eq!(at("2026-04-27"), "2026-04-26T16:00:00+00:00");
    }

    #[test]
    fn a_time_is_kept_to_the_microsecond() {
        assert_eq!(at("2026-04-27T00:00:00.1234567Z"), "2026-04-27T00:00:00.123456+00:00");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for raw in ["", "soon", "2026-13-01", "2026-02-30", "27.04.2026", "2026-04-27 25:00"] {
            assert!(time(raw, zone()).unwrap_err().contains("is not a time"), "{raw}");
        }
    }

    #[test]
    fn a_placeholder_is_refused() {
        assert!(time("9999-12-31", zone()).unwrap_err().contains("outside the years"));
        assert!(time("1900-01-01 00:00", zone()).unwrap_err().contains("outside the years"));
        assert!(time("2099-12-31", zone()).is_ok());
    }

    #[test]
    fn a_deadline_that_is_an_instant_is_missed_behind_it() {
        let deadline = Deadline::new(time("2026-05-09 12:00", zone()).unwrap());
        assert!(!deadline.is_missed_at(time("2026-05-09 12:00", zone()).unwrap().at));
        assert!(deadline.is_missed_at(time("2026-05-09 12:00:01", zone()).unwrap().at));
    }

    #[test]
    fn a_deadline_that_is_a_day_lasts_to_its_end() {
        let deadline = Deadline::new(time("2026-05-09", zone()).unwrap());
        assert!(!deadline.is_missed_at(time("2026-05-09 23:59:59", zone()).unwrap().at));
        assert!(deadline.is_missed_at(time("2026-05-10", zone()).unwrap().at));
    }

    #[test]
    fn a_slug_loses_nothing_that_tells_values_apart() {
        assert_eq!(slug("Group 1").as_deref(), Some("group-1"));
        assert_eq!(slug("  A.B / c_ ").as_deref(), Some("a-b-c"));
        assert_eq!(slug("天河所"), None);
        assert_eq!(slug("--"), None);
    }
}
