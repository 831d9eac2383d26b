//! What the texts of an act may hold: something, not too much, and nothing that nobody sees.

use super::TEXT_CHARS_MAX;
use super::rejection::Rejection;
use crate::privacy::FreeText;

/// A character that nobody sees, that can make a text read otherwise than it is stored, or that means nothing outside
/// the house it comes from.
///
/// Beside what [`is_disturbing`] names these are: the soft hyphen, the grapheme joiner, the fillers of Hangul, the
/// selectors of Mongolian, the separators of lines and paragraphs, the joiners and invisible operators, the marks of
/// interlinear notes, the tags, the private areas and what is no character at all (Unicode 16, chapter 23). A name that
/// an old system keeps in a private area is written with the character that Unicode has for it since.
#[must_use]
pub fn is_unseen(character: char) -> bool {
    let is_no_character = u32::from(character) & 0xfffe == 0xfffe;
    is_disturbing(character)
        || is_no_character
        || matches!(
            character,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{180b}'..='\u{180f}'
                | '\u{2028}'..='\u{2029}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{e000}'..='\u{f8ff}'
                | '\u{fdd0}'..='\u{fdef}'
                | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
                | '\u{f0000}'..='\u{10ffff}'
        )
}

/// The part of [`is_unseen`] that also holds for what nobody here can write anew.
///
/// Such as an imported history or a file of evidence. It is controls other than line ends and tabs, spaces and marks
/// without width, and what turns the direction of writing (Unicode Annex 9).
#[must_use]
pub fn is_disturbing(character: char) -> bool {
    let layout = matches!(character, '\n' | '\r' | '\t');
    (character.is_control() && !layout)
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Checks a free text: something stands in it, and not too much.
pub(crate) fn check_text(field: &'static str, text: &str) -> Result<(), Rejection> {
    check_without(field, text, is_unseen)
}

/// Checks a text that another system recorded.
pub(super) fn check_adopted(field: &'static str, text: &str) -> Result<(), Rejection> {
    check_without(field, text, is_disturbing)
}

fn check_without(field: &'static str, text: &str, unseen: fn(char) -> bool) -> Result<(), Rejection> {
    let chars = text.chars().count();
    if text.trim().is_empty() {
        return Err(Rejection::TextMissing { field });
    }
    if chars > TEXT_CHARS_MAX {
        return Err(Rejection::TextTooLong { field, chars });
    }
    if text.contains(unseen) {
        return Err(Rejection::TextUnseen { field });
    }
    Ok(())
}

/// Checks a text that may be left out.
pub(crate) fn check_optional(field: &'static str, text: Option<&String>) -> Result<(), Rejection> {
    text.map_or(Ok(()), |text| check_text(field, text))
}

/// Checks a free text; a sealed one was checked before it was sealed.
pub(crate) fn check_free(field: &'static str, text: &FreeText) -> Result<(), Rejection> {
    match text {
        FreeText::Open(text) => check_text(field, text),
        FreeText::Sealed(_) => Ok(()),
    }
}

/// Checks a free text that may be left out.
pub(crate) fn check_note(field: &'static str, text: Option<&FreeText>) -> Result<(), Rejection> {
    text.map_or(Ok(()), |text| check_free(field, text))
}

#[cfg(test)]
mod tests {
    use super::{Rejection, check_adopted, check_text, is_disturbing, is_unseen};

    /// One of each sort that only new texts are kept free of.
    const WIDER: [char; 23] = [
        '\u{ad}',
        '\u{34f}',
        '\u{61c}',
        '\u{115f}',
        '\u{180b}',
        '\u{180f}',
        '\u{2028}',
        '\u{2029}',
        '\u{2060}',
        '\u{2064}',
        '\u{206f}',
        '\u{3164}',
        '\u{e000}',
        '\u{f8ff}',
        '\u{fdd0}',
        '\u{ffa0}',
        '\u{fff9}',
        '\u{fffb}',
        '\u{ffff}',
        '\u{e0001}',
        '\u{e007f}',
        '\u{f0000}',
        '\u{10fffd}',
    ];

    #[test]
    fn what_nobody_sees_is_no_part_of_a_new_text() {
        for unseen in
            WIDER.into_iter().chain(['\0', '\u{7f}', '\u{85}', '\u{200b}', '\u{202e}', '\u{2066}', '\u{feff}'])
        {
            assert!(is_unseen(unseen), "{:x}", u32::from(unseen));
            let text = format!("手表{unseen}坏了");
            assert_eq!(check_text("note", &text), Err(Rejection::TextUnseen { field: "note" }));
        }
    }

    #[test]
    fn what_is_written_every_day_is_seen() {
        // Layout, full width, rare ideographs, Portuguese, an emoji with its selector, a variant of an ideograph.
        let text = "一\r\n\t二，“三”　Ａ１ 𠮷䶮㐂 ação ❤\u{fe0f} 葛\u{e0100} \u{a0}1";
        assert_eq!(text.find(is_unseen), None);
        assert_eq!(check_text("note", text), Ok(()));
    }

    #[test]
    fn what_another_system_recorded_is_held_to_less() {
        for unseen in WIDER {
            assert!(!is_disturbing(unseen), "{:x}", u32::from(unseen));
            assert_eq!(check_adopted("respondent.name", &format!("商{unseen}店")), Ok(()));
        }
        for unseen in ['\0', '\u{200b}', '\u{202e}', '\u{2069}', '\u{feff}'] {
            let refused = Err(Rejection::TextUnseen { field: "respondent.name" });
            assert_eq!(check_adopted("respondent.name", &format!("商{unseen}店")), refused);
        }
    }
}
