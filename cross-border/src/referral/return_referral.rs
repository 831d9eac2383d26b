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
    use crate::referral::testing::{acknowledged, came_in, given, sealed, sent};
    use crate::referral::vocabulary::ReturnCode;
    use crate::referral::{Act, Action, Rejection, Stage};

    const NOW: &str = "2026-05-22T09:00:00+08:00";

    fn give_back(code: ReturnCode) -> Act {
        Act::Return(Return { code, note: None })
    }

    #[test]
    fn a_council_gives_back_what_it_does_not_take() {
        for code in ReturnCode::ALL {
            for history in [sent(), came_in()] {
                let transfer = given(history)
                    .at(NOW)
                    .when(give_back(*code))
                    .then([ReferralEvent::Returned(Returned { code: *code, note: None })])
                    .transfer();
                assert_eq!(transfer.stage, Stage::Returned(*code));
                assert!(!transfer.allowed().contains(&Action::Acknowledge));
            }
        }
        assert_eq!(ReturnCode::ALL.len(), 13);
    }

    #[test]
    fn what_it_took_or_never_had_it_does_not_give_back() {
        for history in [sealed(), acknowledged()] {
            given(history)
                .at(NOW)
                .when(give_back(ReturnCode::NotLocal))
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::Return, .. }));
        }
    }
}
