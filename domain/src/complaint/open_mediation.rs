//! 开始调解: both sides agree to it (Order 121 Art. 18).

use super::event::{ComplaintEvent, MediationOpened};
use super::rejection::Rejection;
use super::vocabulary::Mode;

/// Opens the mediation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenMediation {
    pub mode: Mode,
    /// Both sides have agreed to mediation; without that there is none.
    pub both_agree: bool,
}

impl OpenMediation {
    pub(super) fn decide(self) -> Result<Vec<ComplaintEvent>, Rejection> {
        if !self.both_agree {
            return Err(Rejection::ConsentMissing);
        }
        Ok(vec![ComplaintEvent::MediationOpened(MediationOpened { mode: self.mode })])
    }
}

#[cfg(test)]
mod tests {
    use super::OpenMediation;
    use crate::complaint::event::{ComplaintEvent, MediationOpened};
    use crate::complaint::testing::{accepted, given, mediating, open_mediation, received};
    use crate::complaint::vocabulary::Mode;
    use crate::complaint::{Act, Action, Rejection, Stage};

    const NOW: &str = "2026-05-11T10:00:00+08:00";

    #[test]
    fn mediation_opens_when_both_sides_agree_to_it() {
        let case = given(accepted())
            .at(NOW)
            .when(Act::OpenMediation(OpenMediation { mode: Mode::Video, both_agree: true }))
            .then([ComplaintEvent::MediationOpened(MediationOpened { mode: Mode::Video })])
            .case();
        assert_eq!(case.stage, Stage::Mediating);
    }

    #[test]
    fn without_their_consent_there_is_none() {
        given(accepted())
            .at(NOW)
            .when(Act::OpenMediation(OpenMediation { mode: Mode::Video, both_agree: false }))
            .then_err(|refused| *refused == Rejection::ConsentMissing);
    }

    #[test]
    fn it_opens_once_and_only_after_acceptance() {
        for history in [received(), mediating()] {
            given(history)
                .at(NOW)
                .when(open_mediation())
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::OpenMediation, .. }));
        }
    }
}
