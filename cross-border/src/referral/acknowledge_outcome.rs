//! 转告结果: the sending council has the result and has told the consumer; the referral is closed.

use super::event::{OutcomeAcknowledged, ReferralEvent};

/// Closes the referral.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcknowledgeOutcome {}

impl AcknowledgeOutcome {
    pub(super) fn decide(self) -> Vec<ReferralEvent> {
        vec![ReferralEvent::OutcomeAcknowledged(OutcomeAcknowledged {})]
    }
}

#[cfg(test)]
mod tests {
    use super::AcknowledgeOutcome;
    use crate::referral::event::{OutcomeAcknowledged, ReferralEvent};
    use crate::referral::testing::{acknowledged, given, outcome, taken};
    use crate::referral::vocabulary::ReferralOutcome;
    use crate::referral::{Act, Action, Rejection, Stage};

    const NOW: &str = "2026-06-01T09:00:00+08:00";
    const FAILED: ReferralOutcome = ReferralOutcome::ConciliationFailed;

    fn acknowledge_outcome() -> Act {
        Act::AcknowledgeOutcome(AcknowledgeOutcome {})
    }

    #[test]
    fn it_closes_the_referral_on_both_sides() {
        let closed = || [ReferralEvent::OutcomeAcknowledged(OutcomeAcknowledged {})];
        let theirs = acknowledged().received(NOW, outcome(FAILED));
        let ours = taken().told(NOW, outcome(FAILED));
        let theirs = given(theirs).at(NOW).told(acknowledge_outcome()).then(closed());
        let ours = given(ours).at(NOW).received(acknowledge_outcome()).then(closed());
        for transfer in [theirs.transfer(), ours.transfer()] {
            assert_eq!(transfer.stage, Stage::Closed(FAILED));
            assert_eq!(transfer.running().count(), 0);
        }
    }

    #[test]
    fn without_a_result_there_is_nothing_to_close_and_only_the_sender_closes() {
        for history in [acknowledged(), taken().told(NOW, outcome(FAILED))] {
            given(history).at(NOW).told(acknowledge_outcome()).then_err(|refused| {
                matches!(refused, Rejection::NotAllowed { action: Action::AcknowledgeOutcome, .. })
            });
        }
        given(taken()).at(NOW).received(acknowledge_outcome()).then([]);
    }
}
