//! 退回: the receiving council does not take the case, on a code of the closed list. Another attempt is another referral.

use domain::privacy::Sealed as SealedText;

use super::event::{ReferralEvent, Returned};
use super::vocabulary::ReturnCode;

/// Records the return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Return {
    pub code: ReturnCode,
    pub note: Option<SealedText>,
}

impl Return {
    pub(super) fn decide(self) -> Vec<ReferralEvent> {
        vec![ReferralEvent::Returned(Returned { code: self.code, note: self.note })]
    }
}

#[cfg(test)]
mod tests {
    use super::Return;
    use crate::referral::event::{ReferralEvent, Returned};
    use crate::referral::testing::{acknowledge, acknowledged, came_in, given, sent, taken};
    use crate::referral::vocabulary::ReturnCode;
    use crate::referral::{Act, Action, Rejection, Stage};

    const NOW: &str = "2026-05-22T09:00:00+08:00";

    fn give_back(code: ReturnCode) -> Act {
        Act::Return(Return { code, note: None })
    }

    #[test]
    fn a_council_gives_back_what_it_does_not_take() {
        for code in ReturnCode::ALL {
            let returned = ReferralEvent::Returned(Returned { code: *code, note: None });
            let ours = given(came_in()).at(NOW).told(give_back(*code)).then([returned.clone()]);
            let theirs = given(sent()).at(NOW).received(give_back(*code)).then([returned]);
            for transfer in [ours.transfer(), theirs.transfer()] {
                assert_eq!(transfer.stage, Stage::Returned(*code));
                assert_eq!(transfer.running().count(), 0);
            }
            given(ours)
                .at(NOW)
                .told(acknowledge("GD-3"))
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::Acknowledge, .. }));
        }
        assert_eq!(ReturnCode::ALL.len(), 13);
    }

    #[test]
    fn what_it_took_or_never_had_it_does_not_give_back() {
        for history in [taken(), sent()] {
            given(history)
                .at(NOW)
                .told(give_back(ReturnCode::NotLocal))
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::Return, .. }));
        }
        given(acknowledged()).at(NOW).received(give_back(ReturnCode::NotLocal)).then([]);
    }
}
