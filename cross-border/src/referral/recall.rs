//! 撤回转办: before sending nothing has left; afterwards the recipient is asked to erase what it has, however far it got
//! (a consent may be withdrawn at any time, PIPL Art. 15 and 47).

use super::Moment;
use super::clock::and_clocks;
use super::event::{Recalled, ReferralEvent};
use super::rejection::Rejection;
use super::state::Transfer;
use super::vocabulary::RecallReason;

/// Calls the referral back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recall {
    pub reason: RecallReason,
}

impl Recall {
    pub(super) fn decide(self, transfer: &Transfer, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
        // What comes in had left its sender before we knew of it.
        let after_sending = !(transfer.is_outbound() && transfer.stage.is_before_sending());
        let recalled = ReferralEvent::Recalled(Recalled { reason: self.reason, after_sending });
        and_clocks(transfer, recalled, moment.day())
    }
}

#[cfg(test)]
mod tests {
    use crate::exchange::Step;
    use crate::partner::Place;
    use crate::referral::acknowledge_outcome::AcknowledgeOutcome;
    use crate::referral::event::{Recalled, ReferralEvent};
    use crate::referral::return_referral::Return;
    use crate::referral::testing::{
        acknowledged, came_in, clock, day, drafted, given, outcome, presented, recall, sent, taken,
    };
    use crate::referral::vocabulary::{RecallReason, ReferralOutcome, ReturnCode};
    use crate::referral::{Act, Action, Rejection, Stage};

    const NOW: &str = "2026-05-25T10:00:00+08:00";

    fn recalled(after_sending: bool) -> ReferralEvent {
        ReferralEvent::Recalled(Recalled { reason: RecallReason::ConsentWithdrawn, after_sending })
    }

    fn call_back() -> Act {
        recall(RecallReason::ConsentWithdrawn)
    }

    #[test]
    fn what_has_not_left_is_at_its_end() {
        for history in [drafted(), presented()] {
            let transfer = given(history).at(NOW).when(call_back()).then([recalled(false)]).transfer();
            assert_eq!(transfer.stage, Stage::Recalled { after_sending: false, erased: None });
            assert!(!transfer.allowed().contains(&Action::Recall));
        }
    }

    #[test]
    fn what_has_left_is_to_be_erased_however_far_it_got() {
        let reported = acknowledged().received(NOW, outcome(ReferralOutcome::Settled));
        let closed = reported.clone().told(NOW, Act::AcknowledgeOutcome(AcknowledgeOutcome {}));
        let returned = sent().received(NOW, Act::Return(Return { code: ReturnCode::NotLocal, note: None }));
        for history in [sent(), acknowledged(), reported, closed, returned] {
            let transfer = given(history)
                .at(NOW)
                .told(call_back())
                .then([recalled(true), clock(Step::RecallAnswer, Place::HongKong, "2026-05-25", "2026-06-01")])
                .transfer();
            assert_eq!(transfer.stage, Stage::Recalled { after_sending: true, erased: None });
            let running: Vec<Step> = transfer.running().map(|(step, _)| step).collect();
            assert_eq!(running, [Step::RecallAnswer], "nothing else is awaited any longer");
        }
    }

    #[test]
    fn one_that_comes_in_wins_over_whatever_happened_here() {
        let returned = came_in().told(NOW, Act::Return(Return { code: ReturnCode::NotLocal, note: None }));
        let reported = taken().told(NOW, outcome(ReferralOutcome::Settled));
        for history in [came_in(), taken(), returned, reported] {
            let transfer = given(history)
                .at(NOW)
                .received(call_back())
                .then([recalled(true), clock(Step::RecallAnswer, Place::Guangdong, "2026-05-25", "2026-06-01")])
                .transfer();
            assert_eq!(transfer.stage, Stage::Recalled { after_sending: true, erased: None });
            assert_eq!(transfer.clocks[&Step::RecallAnswer].started_on, day("2026-05-25"));
            assert!(transfer.allowed().contains(&Action::AnswerRecall));
        }
        let twice = taken().received(NOW, call_back());
        given(twice).at(NOW).received(call_back()).then([]);
    }

    #[test]
    fn what_was_called_back_is_not_called_back_again_nor_what_is_not_ours() {
        for history in [sent().told(NOW, call_back()), taken()] {
            given(history)
                .at(NOW)
                .told(call_back())
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::Recall, .. }));
        }
    }
}
