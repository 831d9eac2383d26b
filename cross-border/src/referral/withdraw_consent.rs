//! 撤回同意: as easy as giving it (PIPL Art. 15). It stops what has not left; what has left is then called back.

use super::event::{ConsentWithdrawn, ReferralEvent};

/// Records the withdrawal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WithdrawConsent {}

impl WithdrawConsent {
    pub(super) fn decide(self) -> Vec<ReferralEvent> {
        vec![ReferralEvent::ConsentWithdrawn(ConsentWithdrawn {})]
    }
}

#[cfg(test)]
mod tests {
    use super::WithdrawConsent;
    use crate::referral::event::{ConsentWithdrawn, ReferralEvent};
    use crate::referral::testing::{
        HONG_KONG, acknowledged, capture, consent_to, consented, drafted, given, presented, sent,
    };
    use crate::referral::{Act, Action, Rejection, Stage};

    const NOW: &str = "2026-05-25T10:00:00+08:00";

    fn withdraw() -> Act {
        Act::WithdrawConsent(WithdrawConsent {})
    }

    #[test]
    fn a_consent_is_withdrawn_at_any_stage() {
        for history in [consented(), presented(), sent(), acknowledged()] {
            let before = history.transfer().stage;
            let transfer = given(history)
                .at(NOW)
                .when(withdraw())
                .then([ReferralEvent::ConsentWithdrawn(ConsentWithdrawn {})])
                .transfer();
            assert!(transfer.consent.is_some_and(|consent| consent.withdrawn));
            assert_eq!(transfer.stage, before);
        }
    }

    #[test]
    fn one_that_was_given_to_somebody_earlier_may_be_entered_after_sending() {
        given(sent())
            .at(NOW)
            .done("2026-05-19T10:00:00+08:00")
            .when(withdraw())
            .then([ReferralEvent::ConsentWithdrawn(ConsentWithdrawn {})]);
        given(sent())
            .at(NOW)
            .done("2026-05-18T08:59:59+08:00")
            .when(withdraw())
            .then_err(|refused| matches!(refused, Rejection::BeforeLastAct { .. }));
    }

    #[test]
    fn it_is_withdrawn_once_and_may_be_given_again() {
        let withdrawn = presented().and(NOW, withdraw());
        for history in [drafted(), withdrawn.clone()] {
            given(history)
                .at(NOW)
                .when(withdraw())
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::WithdrawConsent, .. }));
        }
        let again = withdrawn.and(NOW, capture(consent_to(HONG_KONG))).transfer();
        assert_eq!(again.stage, Stage::Assessed);
        assert!(again.consent.is_some_and(|consent| !consent.withdrawn));
    }
}
