//! 撤回转办: before sending nothing has left; afterwards the recipient is asked to erase what it has.

use super::event::{Recalled, ReferralEvent};
use super::state::Transfer;
use super::vocabulary::RecallReason;

/// Calls the referral back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recall {
    pub reason: RecallReason,
}

impl Recall {
    pub(super) fn decide(self, transfer: &Transfer) -> Vec<ReferralEvent> {
        // What comes in had left its sender before we knew of it.
        let after_sending = !(transfer.is_outbound() && transfer.stage.is_before_sending());
        vec![ReferralEvent::Recalled(Recalled { reason: self.reason, after_sending })]
    }
}

#[cfg(test)]
mod tests {
    use super::Recall;
    use crate::referral::event::{Recalled, ReferralEvent};
    use crate::referral::testing::{acknowledged, came_in, drafted, given, outcome, sealed, sent};
    use crate::referral::vocabulary::{RecallReason, ReferralOutcome};
    use crate::referral::{Act, Action, Rejection, Stage};

    const NOW: &str = "2026-05-25T09:00:00+08:00";

    fn recall() -> Act {
        Act::Recall(Recall { reason: RecallReason::ConsentWithdrawn })
    }

    #[test]
    fn what_has_left_is_to_be_erased_and_what_has_not_is_at_its_end() {
        for (history, after_sending) in
            [(drafted(), false), (sealed(), false), (sent(), true), (acknowledged(), true), (came_in(), true)]
        {
            let transfer = given(history)
                .at(NOW)
                .when(recall())
                .then([ReferralEvent::Recalled(Recalled { reason: RecallReason::ConsentWithdrawn, after_sending })])
                .transfer();
            assert_eq!(transfer.stage, Stage::Recalled { after_sending, erased: None });
            assert_eq!(transfer.allowed().contains(&Action::AnswerRecall), after_sending);
        }
    }

    #[test]
    fn what_is_decided_is_not_called_back() {
        let decided = acknowledged().and(NOW, outcome(ReferralOutcome::Settled));
        for history in [decided, sent().and(NOW, recall())] {
            given(history)
                .at(NOW)
                .when(recall())
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::Recall, .. }));
        }
    }
}
