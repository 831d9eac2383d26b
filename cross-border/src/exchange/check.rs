//! The limits of what a message may hold, and the checks against them.

use chrono::{DateTime, Datelike, Utc};
use domain::complaint::is_unseen;
use thiserror::Error;

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
/// Longest media type in characters.
pub const MEDIA_CHARS_MAX: usize = 100;

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
    #[error("`{field}` is not a media type such as image/jpeg")]
    Media { field: &'static str },
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
}
