//! The limits of what a message may hold, and the checks against them.

use chrono::{DateTime, Datelike, Days, NaiveDate, TimeDelta, Utc};
use domain::complaint::{FUTURE_TOLERANCE, is_unseen};
use domain::day::local_day;
use reqwest::Url;
use thiserror::Error;

use crate::evidence::sniff::{is_taken, taken};
use crate::referral::vocabulary::ProgressKind;

/// Longest name in characters: of a person, a trader, a file, a converter.
pub const NAME_CHARS_MAX: usize = 100;
/// Longest contact of a consumer in characters.
pub const CONTACT_CHARS_MAX: usize = 100;
/// Longest address of a trader in characters.
pub const ADDRESS_CHARS_MAX: usize = 200;
/// Longest link to a shop in characters.
pub const LINK_CHARS_MAX: usize = 500;
/// Longest name of what was bought in characters.
pub const ITEM_CHARS_MAX: usize = 200;
/// Longest number or reference in characters.
pub const REFERENCE_CHARS_MAX: usize = 128;
/// Longest statement of facts, request or report of a session in characters.
pub const TEXT_CHARS_MAX: usize = 8_000;
/// Longest note in characters.
pub const NOTE_CHARS_MAX: usize = 4_000;
/// Most renditions in one message.
pub const RENDITIONS_MAX: usize = 8;
/// Most pieces of evidence that one submission announces.
pub const EVIDENCE_ITEMS_MAX: usize = 50;
/// Longest piece of evidence in bytes that can be announced.
pub const EVIDENCE_ITEM_BYTES_MAX: u64 = 10 * 1024 * 1024;
/// How long a submission may ask its recipient to keep it at most, in days from when it was written: ten years.
pub const KEPT_DAYS_MAX: u64 = 3_653;
/// How long ahead of its offer a session may be proposed at most, in days.
pub const PROPOSED_DAYS_MAX: i64 = 366;

/// Why the body of a message is refused. Fields are named as they stand in the message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BodyError {
    #[error("`{field}` is empty; leave it out or fill it in")]
    Empty { field: &'static str },
    #[error("`{field}` has {chars} characters, more than the {max} allowed")]
    TooLong { field: &'static str, chars: usize, max: usize },
    #[error("`{field}` holds a character that nobody sees")]
    Unseen { field: &'static str },
    #[error("`{field}` has {count} entries, more than the {max} allowed")]
    TooMany { field: &'static str, count: usize, max: usize },
    #[error("`{field}` names the same thing twice")]
    Twice { field: &'static str },
    #[error("`{field}` is a moment of the years 1970 to 9999 in whole microseconds")]
    Moment { field: &'static str },
    #[error("`{field}` is no kind of file that is taken; taken are {}", taken())]
    NotTaken { field: &'static str },
    #[error("`{field}` is not an address of the web that begins with https://")]
    Link { field: &'static str },
    #[error("`{field}` is later than the moment at which the message was written")]
    Future { field: &'static str },
    #[error("`{field}` is more than {PROPOSED_DAYS_MAX} days after the moment at which the message was written")]
    TooFarAhead { field: &'static str },
    #[error("`retentionTo` is a day from {first} to {last}: the day after writing at the earliest, ten years at most")]
    Retention { first: NaiveDate, last: NaiveDate },
    #[error("a piece of evidence has 1 to {EVIDENCE_ITEM_BYTES_MAX} bytes, not {bytes}")]
    EvidenceBytes { bytes: u64 },
    #[error("a rendition is of a text that the submission holds in another language")]
    RenditionOfNothing,
    #[error("progress `{progress}` has a kind of message of its own")]
    ProgressElsewhere { progress: ProgressKind },
    #[error("what is sent to a council is for that council: `onwardTransfer` must be false")]
    OnwardTransfer,
}

fn check_length(field: &'static str, text: &str, max: usize) -> Result<(), BodyError> {
    let chars = text.chars().count();
    if text.trim().is_empty() {
        return Err(BodyError::Empty { field });
    }
    if chars > max {
        return Err(BodyError::TooLong { field, chars, max });
    }
    Ok(())
}

/// Checks a text that may have several lines.
pub(crate) fn check_text(field: &'static str, text: &str, max: usize) -> Result<(), BodyError> {
    check_length(field, text, max)?;
    if text.contains(is_unseen) { Err(BodyError::Unseen { field }) } else { Ok(()) }
}

/// Checks a text of one line: a name, a number.
pub(crate) fn check_line(field: &'static str, text: &str, max: usize) -> Result<(), BodyError> {
    check_length(field, text, max)?;
    let unseen = |character: char| character.is_control() || is_unseen(character);
    if text.contains(unseen) { Err(BodyError::Unseen { field }) } else { Ok(()) }
}

/// Checks a text of one line that may be left out.
pub(crate) fn check_optional(field: &'static str, text: Option<&String>, max: usize) -> Result<(), BodyError> {
    text.map_or(Ok(()), |text| check_line(field, text, max))
}

/// Checks the length of a list and that nothing stands in it twice.
pub(crate) fn check_list<T: PartialEq>(field: &'static str, list: &[T], max: usize) -> Result<(), BodyError> {
    if list.len() > max {
        return Err(BodyError::TooMany { field, count: list.len(), max });
    }
    let twice = list.iter().enumerate().any(|(at, one)| list.iter().skip(at.saturating_add(1)).any(|next| next == one));
    if twice { Err(BodyError::Twice { field }) } else { Ok(()) }
}

/// Whether the moment can be written in RFC 3339 and survives every store: whole microseconds, no leap second.
pub(crate) fn is_exact(at: DateTime<Utc>) -> bool {
    let nanos = at.timestamp_subsec_nanos();
    (1970..=9999).contains(&at.year()) && nanos < 1_000_000_000 && nanos.is_multiple_of(1_000)
}

/// Checks a moment.
pub(crate) fn check_moment(field: &'static str, at: DateTime<Utc>) -> Result<(), BodyError> {
    if is_exact(at) { Ok(()) } else { Err(BodyError::Moment { field }) }
}

/// Checks the kind of a file against the list of those that are taken.
pub(crate) fn check_media(field: &'static str, media: &str) -> Result<(), BodyError> {
    if is_taken(media) { Ok(()) } else { Err(BodyError::NotTaken { field }) }
}

/// Checks an address of the web: whoever reads the message may follow it, so it is nothing that runs here (such as
/// `javascript:`) and names nobody to sign in as.
pub(crate) fn check_link(field: &'static str, text: &str, max: usize) -> Result<(), BodyError> {
    check_line(field, text, max)?;
    let is_plain = |url: &Url| {
        let named = url.host_str().is_some_and(|host| !host.is_empty());
        url.scheme() == "https" && named && url.username().is_empty() && url.password().is_none()
    };
    let url = Url::parse(text).ok().filter(is_plain);
    if url.is_some() && text.trim() == text { Ok(()) } else { Err(BodyError::Link { field }) }
}

/// Checks that something that is told of was not later than the telling, as far as two clocks may differ.
pub(crate) fn check_past(field: &'static str, at: DateTime<Utc>, written: DateTime<Utc>) -> Result<(), BodyError> {
    if at.signed_duration_since(written) > FUTURE_TOLERANCE { Err(BodyError::Future { field }) } else { Ok(()) }
}

/// The same for a day.
pub(crate) fn check_past_day(field: &'static str, day: NaiveDate, written: DateTime<Utc>) -> Result<(), BodyError> {
    let latest = local_day(written.checked_add_signed(FUTURE_TOLERANCE).unwrap_or(written));
    if day > latest { Err(BodyError::Future { field }) } else { Ok(()) }
}

/// Checks that what is proposed is not so far ahead that nobody can mean it.
pub(crate) fn check_proposed(field: &'static str, at: DateTime<Utc>, written: DateTime<Utc>) -> Result<(), BodyError> {
    let ahead = at.signed_duration_since(written);
    if ahead > TimeDelta::days(PROPOSED_DAYS_MAX) { Err(BodyError::TooFarAhead { field }) } else { Ok(()) }
}

/// Checks the last day on which the recipient may keep what is sent: nothing is sent that is to be erased the same day,
/// and nothing is kept for ever.
pub(crate) fn check_retention(to: NaiveDate, written: DateTime<Utc>) -> Result<(), BodyError> {
    let day = local_day(written);
    let first = day.succ_opt().unwrap_or(day);
    let last = day.checked_add_days(Days::new(KEPT_DAYS_MAX)).unwrap_or(NaiveDate::MAX);
    if (first..=last).contains(&to) { Ok(()) } else { Err(BodyError::Retention { first, last }) }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn texts_hold_their_limits() {
        let longest = "店".repeat(NAME_CHARS_MAX);
        assert_eq!(check_line("name", &longest, NAME_CHARS_MAX), Ok(()));
        let past = longest + "店";
        let refused = BodyError::TooLong { field: "name", chars: NAME_CHARS_MAX + 1, max: NAME_CHARS_MAX };
        assert_eq!(check_line("name", &past, NAME_CHARS_MAX), Err(refused.clone()));
        assert_eq!(check_text("name", &past, NAME_CHARS_MAX), Err(refused));
        for empty in ["", " ", "\u{3000}\n"] {
            assert_eq!(check_text("note", empty, 9), Err(BodyError::Empty { field: "note" }), "{empty:?}");
        }
        assert_eq!(check_optional("name", None, 9), Ok(()));
        assert_eq!(check_optional("name", Some(&String::new()), 9), Err(BodyError::Empty { field: "name" }));
    }

    #[test]
    fn what_nobody_sees_is_refused_and_line_ends_only_where_lines_are() {
        for unseen in ["a\0", "a\u{202e}b", "\u{feff}a", "a\u{7f}"] {
            assert_eq!(check_text("note", unseen, 9), Err(BodyError::Unseen { field: "note" }), "{unseen:?}");
            assert_eq!(check_line("name", unseen, 9), Err(BodyError::Unseen { field: "name" }), "{unseen:?}");
        }
        assert_eq!(check_text("note", "一\r\n\t二", 9), Ok(()));
        assert_eq!(check_line("name", "一\n二", 9), Err(BodyError::Unseen { field: "name" }));
    }

    #[test]
    fn lists_hold_their_limits() {
        assert_eq!(check_list("list", &[1, 2, 3], 3), Ok(()));
        assert_eq!(check_list("list", &[1, 2, 3], 2), Err(BodyError::TooMany { field: "list", count: 3, max: 2 }));
        assert_eq!(check_list("list", &[1, 2, 1], 3), Err(BodyError::Twice { field: "list" }));
    }

    #[test]
    fn moments_are_whole_microseconds_of_four_digit_years() {
        let at: DateTime<Utc> = "2026-05-18T01:00:00.000001Z".parse().unwrap();
        assert_eq!(check_moment("at", at), Ok(()));
        let leap: DateTime<Utc> = "2016-12-31T23:59:60Z".parse().unwrap();
        let last: DateTime<Utc> = "9999-12-31T23:59:59.999999Z".parse().unwrap();
        assert!(is_exact(last) && is_exact(DateTime::UNIX_EPOCH));
        let before = DateTime::UNIX_EPOCH - TimeDelta::microseconds(1);
        for refused in [at + TimeDelta::nanoseconds(1), leap, last + TimeDelta::microseconds(1), before] {
            assert_eq!(check_moment("at", refused), Err(BodyError::Moment { field: "at" }), "{refused}");
        }
    }

    /// The first moment of 2026-05-19 in the three places.
    fn written() -> DateTime<Utc> {
        "2026-05-18T16:00:00Z".parse().unwrap()
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn data_is_kept_from_the_day_after_writing_for_ten_years_at_most() {
        let bounds = BodyError::Retention { first: day("2026-05-20"), last: day("2036-05-19") };
        for (to, fits) in [
            ("2001-01-01", false),
            ("2026-05-19", false),
            ("2026-05-20", true),
            ("2036-05-19", true),
            ("2036-05-20", false),
            ("9999-12-31", false),
        ] {
            let expected = if fits { Ok(()) } else { Err(bounds.clone()) };
            assert_eq!(check_retention(day(to), written()), expected, "{to}");
        }
    }

    #[test]
    fn what_is_told_of_has_happened() {
        assert_eq!(check_past("heldAt", written() + FUTURE_TOLERANCE, written()), Ok(()));
        let refused = check_past("heldAt", written() + FUTURE_TOLERANCE + TimeDelta::microseconds(1), written());
        assert_eq!(refused, Err(BodyError::Future { field: "heldAt" }));
        assert_eq!(check_past("heldAt", DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC), Ok(()));
        for (told, fits) in [("1999-12-31", true), ("2026-05-19", true), ("2026-05-20", false)] {
            assert_eq!(check_past_day("purchase.date", day(told), written()).is_ok(), fits, "{told}");
        }
        assert_eq!(check_past_day("purchase.date", day("2026-05-19"), written() - FUTURE_TOLERANCE), Ok(()));
        assert!(check_past_day("purchase.date", NaiveDate::MAX, DateTime::<Utc>::MAX_UTC).is_ok());
    }

    #[test]
    fn what_is_proposed_can_be_meant() {
        let ahead = |days: i64| check_proposed("proposedAt", written() + TimeDelta::days(days), written());
        assert_eq!(ahead(PROPOSED_DAYS_MAX), Ok(()));
        assert_eq!(ahead(PROPOSED_DAYS_MAX + 1), Err(BodyError::TooFarAhead { field: "proposedAt" }));
        assert_eq!(ahead(-1), Ok(()), "a letter may be late");
    }

    #[test]
    fn a_link_leads_to_a_page_and_does_nothing() {
        for (link, fits) in [
            ("https://shop.example/1?a=\"b\"", true),
            ("https://xn--fiqs8s.example", true),
            ("https://旺角.example/手機", true),
            ("http://shop.example/1", false),
            ("javascript:alert(1)", false),
            ("data:text/html,x", false),
            ("https://", false),
            ("https://user@shop.example/", false),
            ("https://:secret@shop.example/", false),
            (" https://shop.example/", false),
            ("shop.example/1", false),
            ("//shop.example/1", false),
        ] {
            assert_eq!(check_link("trader.link", link, 100).is_ok(), fits, "{link}");
        }
        let script = check_link("trader.link", "javascript:alert(1)", 100);
        assert_eq!(script, Err(BodyError::Link { field: "trader.link" }));
        let most = format!("{:a<100}", "https://shop.example/");
        assert_eq!(check_link("trader.link", &most, 100), Ok(()));
        assert!(matches!(check_link("trader.link", &(most + "a"), 100), Err(BodyError::TooLong { .. })));
    }

    #[test]
    fn only_kinds_of_files_that_are_taken_are_told_of() {
        for (media, fits) in [
            ("application/pdf", true),
            ("text/plain", true),
            ("text/html", false),
            ("image/svg+xml", false),
            ("image/jpeg; q=1", false),
            ("Image/JPEG", false),
            ("", false),
        ] {
            assert_eq!(check_media("evidence.media", media).is_ok(), fits, "{media}");
        }
        let refused = check_media("evidence.media", "text/html").unwrap_err();
        assert!(refused.to_string().contains("application/pdf"), "{refused}");
    }
}
