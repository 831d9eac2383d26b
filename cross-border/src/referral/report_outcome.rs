//! 通报结果: what became of the dispute at the receiving council.

use domain::money::Money;
use domain::privacy::Sealed as SealedText;

use super::event::{OutcomeReported, ReferralEvent};
use super::vocabulary::ReferralOutcome;

/// Records the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportOutcome {
    pub outcome: ReferralOutcome,
    /// What the consumer got back, in the currency it was paid in.
    pub recovered: Option<Money>,
    pub note: Option<SealedText>,
}

impl ReportOutcome {
    pub(super) fn decide(self) -> Vec<ReferralEvent> {
        vec![ReferralEvent::OutcomeReported(OutcomeReported {
            outcome: self.outcome,
            recovered: self.recovered,
            note: self.note,
        })]
    }
}

#[cfg(test)]
mod tests {
    use domain::money::{Currency, Money};

    use super::ReportOutcome;
    use crate::referral::event::{OutcomeReported, ReferralEvent};
    use crate::referral::testing::{acknowledged, given, outcome, progress, sent};
    use crate::referral::vocabulary::{ProgressKind, ReferralOutcome};
    use crate::referral::{Act, Action, Rejection, Stage};

    const NOW: &str = "2026-06-01T09:00:00+08:00";

    #[test]
    fn the_result_is_reported_with_what_the_consumer_got_back() {
        let recovered = Some(Money::new(120_000, Currency::Hkd).unwrap());
        let settled = ReferralOutcome::Settled;
        for history in [acknowledged(), acknowledged().and(NOW, progress(ProgressKind::VideoMediation))] {
            let transfer = given(history)
                .at(NOW)
                .when(Act::ReportOutcome(ReportOutcome { outcome: settled, recovered, note: None }))
                .then([ReferralEvent::OutcomeReported(OutcomeReported { outcome: settled, recovered, note: None })])
                .transfer();
            assert_eq!(transfer.stage, Stage::OutcomeReported(settled));
        }
    }

    #[test]
    fn there_is_one_result_and_only_of_what_was_taken() {
        let reported = acknowledged().and(NOW, outcome(ReferralOutcome::Award));
        for history in [sent(), reported] {
            given(history)
                .at(NOW)
                .when(outcome(ReferralOutcome::Settled))
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::ReportOutcome, .. }));
        }
    }
}
