//! 工作记录: a call, a visit, a document.

use super::event::{ComplaintEvent, Noted};
use super::rejection::Rejection;
use super::vocabulary::NoteKind;
use crate::privacy::FreeText;

/// Adds a work note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub kind: NoteKind,
    pub text: FreeText,
}

impl Note {
    pub(super) fn decide(self) -> Result<Vec<ComplaintEvent>, Rejection> {
        super::check_free("text", &self.text)?;
        Ok(vec![ComplaintEvent::Noted(Noted { kind: self.kind, text: self.text, by: None })])
    }
}

#[cfg(test)]
mod tests {
    use super::Note;
    use crate::complaint::event::{ComplaintEvent, Noted};
    use crate::complaint::testing::{closed, given, longest_text, mediating, nothing, overlong_text};
    use crate::complaint::vocabulary::NoteKind;
    use crate::complaint::{Act, Rejection};

    const NOW: &str = "2026-05-22T10:00:00+08:00";

    fn note(text: String) -> Act {
        Act::Note(Note { kind: NoteKind::Call, text: text.into() })
    }

    fn noted(text: String) -> ComplaintEvent {
        ComplaintEvent::Noted(Noted { kind: NoteKind::Call, text: text.into(), by: None })
    }

    #[test]
    fn work_is_noted_at_any_stage_and_behind_later_acts() {
        for history in [mediating(), closed()] {
            let before = history.case();
            let after = given(history)
                .at(NOW)
                .done("2026-05-10T10:00:00+08:00")
                .when(note(longest_text()))
                .then([noted(longest_text())])
                .case();
            assert_eq!(after, before);
        }
    }

    #[test]
    fn it_needs_a_complaint_and_a_text_within_its_limit() {
        given(nothing())
            .at(NOW)
            .when(note("联系商家".to_owned()))
            .then_err(|refused| *refused == Rejection::NotRegistered);
        given(mediating())
            .at(NOW)
            .when(note(String::new()))
            .then_err(|refused| *refused == Rejection::TextMissing { field: "text" });
        given(mediating())
            .at(NOW)
            .when(note(overlong_text()))
            .then_err(|refused| matches!(refused, Rejection::TextTooLong { field: "text", chars: 2_001 }));
    }
}
