//! 调解记录: one session was held (Order 121 Art. 20).

use super::event::{ComplaintEvent, SessionHeld};
use super::rejection::Rejection;
use super::vocabulary::{Mode, SessionResult};
use crate::privacy::FreeText;

/// Records a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSession {
    pub mode: Mode,
    pub result: SessionResult,
    pub note: Option<FreeText>,
}

impl RecordSession {
    pub(super) fn decide(self) -> Result<Vec<ComplaintEvent>, Rejection> {
        super::check_note("note", self.note.as_ref())?;
        Ok(vec![ComplaintEvent::SessionHeld(SessionHeld { mode: self.mode, result: self.result, note: self.note })])
    }
}

#[cfg(test)]
mod tests {
    use super::RecordSession;
    use crate::complaint::event::{ComplaintEvent, SessionHeld};
    use crate::complaint::testing::{accepted, given, longest_text, mediating, overlong_text};
    use crate::complaint::vocabulary::{Mode, SessionResult};
    use crate::complaint::{Act, Action, Rejection, Stage};

    const NOW: &str = "2026-05-12T10:00:00+08:00";

    fn session(note: Option<String>) -> Act {
        Act::RecordSession(RecordSession {
            mode: Mode::OnSite,
            result: SessionResult::Continues,
            note: note.map(Into::into),
        })
    }

    #[test]
    fn a_session_is_recorded_and_the_mediation_goes_on() {
        for note in [None, Some(longest_text())] {
            let case = given(mediating())
                .at(NOW)
                .when(session(note.clone()))
                .then([ComplaintEvent::SessionHeld(SessionHeld {
                    mode: Mode::OnSite,
                    result: SessionResult::Continues,
                    note: note.map(Into::into),
                })])
                .case();
            assert_eq!(case.stage, Stage::Mediating);
        }
    }

    #[test]
    fn a_note_holds_its_limit() {
        given(mediating())
            .at(NOW)
            .when(session(Some(overlong_text())))
            .then_err(|refused| matches!(refused, Rejection::TextTooLong { field: "note", .. }));
    }

    #[test]
    fn there_is_no_session_outside_a_mediation() {
        given(accepted())
            .at(NOW)
            .when(session(None))
            .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::RecordSession, .. }));
    }
}
