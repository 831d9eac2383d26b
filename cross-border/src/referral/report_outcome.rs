//! 通报结果: what became of the dispute at the receiving council.

use domain::money::Money;
use domain::privacy::Sealed as SealedText;

use super::Moment;
use super::clock::and_clocks;
use super::event::{OutcomeReported, ReferralEvent};
use super::rejection::Rejection;
use super::state::Transfer;
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
    pub(super) fn decide(self, transfer: &Transfer, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
        let Self { outcome, recovered, note } = self;
        let reported = ReferralEvent::OutcomeReported(OutcomeReported { outcome, recovered, note });
        and_clocks(transfer, reported, moment.day())
    }
}

#[cfg(test)]
mod tests {
    use domain::money::{Currency, Money};

    use super::ReportOutcome;
    use crate::exchange::Step;
    use crate::partner::Place;
    use crate::referral::event::{OutcomeReported, ReferralEvent};
    use crate::referral::testing::{acknowledged, came_in, clock, given, outcome, progress, taken};
    use crate::referral::vocabulary::{ProgressKind, ReferralOutcome};
    use crate::referral::{Act, Action, Rejection, Stage};

    const NOW: &str = "2026-06-01T09:00:00+08:00";

    #[test]
    fn the_result_is_reported_with_what_the_consumer_got_back() {
        let recovered = Some(Money::new(120_000, Currency::Hkd).unwrap());
        let settled = ReferralOutcome::Settled;
        let report = || Act::ReportOutcome(ReportOutcome { outcome: settled, recovered, note: None });
        let reported = || ReferralEvent::OutcomeReported(OutcomeReported { outcome: settled, recovered, note: None });
        let ours = taken().told(NOW, progress(ProgressKind::TraderReplied));
        let theirs = acknowledged().received(NOW, progress(ProgressKind::TraderReplied));
        // Whoever sent the referral now tells its consumer, by its own working days.
        let in_macao = clock(Step::OutcomeAcknowledgement, Place::Macao, "2026-06-01", "2026-06-08");
        let here = clock(Step::OutcomeAcknowledgement, Place::Guangdong, "2026-06-01", "2026-06-08");
        let ours = given(ours).at(NOW).told(report()).then([reported(), in_macao]);
        let theirs = given(theirs).at(NOW).received(report()).then([reported(), here]);
        for history in [ours, theirs] {
            let transfer = history.transfer();
            assert_eq!((transfer.stage, transfer.outcome), (Stage::OutcomeReported(settled), Some(settled)));
            let running: Vec<Step> = transfer.running().map(|(step, _)| step).collect();
            assert_eq!(running, [Step::OutcomeAcknowledgement]);
        }
    }

    #[test]
    fn there_is_one_result_and_only_of_what_was_taken() {
        let reported = taken().told(NOW, outcome(ReferralOutcome::Award));
        for history in [came_in(), reported, acknowledged()] {
            given(history)
                .at(NOW)
                .told(outcome(ReferralOutcome::Settled))
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::ReportOutcome, .. }));
        }
    }
}
