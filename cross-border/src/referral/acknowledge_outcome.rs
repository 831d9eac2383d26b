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
    use crate::referral::testing::{acknowledge, acknowledged, came_in, given, outcome};
    use crate::referral::vocabulary::ReferralOutcome;
    use crate::referral::{Act, Action, Rejection, Stage};

    const NOW: &str = "2026-06-01T09:00:00+08:00";

    fn acknowledge_outcome() -> Act {
        Act::AcknowledgeOutcome(AcknowledgeOutcome {})
    }

    #[test]
    fn it_closes_the_referral_either_way() {
        let ours = came_in().and("2026-05-19T09:00:00+08:00", acknowledge("GD-3"));
        for history in [acknowledged(), ours] {
            let transfer = given(history.and(NOW, outcome(ReferralOutcome::ConciliationFailed)))
                .at(NOW)
                .when(acknowledge_outcome())
                .then([ReferralEvent::OutcomeAcknowledged(OutcomeAcknowledged {})])
                .transfer();
            assert_eq!(transfer.stage, Stage::Closed(ReferralOutcome::ConciliationFailed));
            assert!(!transfer.allowed().contains(&Action::Recall));
        }
    }

    #[test]
    fn without_a_result_there_is_nothing_to_close() {
        given(acknowledged())
            .at(NOW)
            .when(acknowledge_outcome())
            .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::AcknowledgeOutcome, .. }));
    }
}
