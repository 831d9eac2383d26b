//! 达成调解协议: the mediation ends well (Order 121 Art. 24).

use super::Moment;
use super::accept::met;
use super::event::{AgreementReached, ComplaintEvent};
use super::state::Case;
use crate::clock::ClockKind;
use crate::money::Money;

/// Records the agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReachAgreement {
    /// A mediation document was signed; none is needed when it is performed at once or both waive it.
    pub document: bool,
    pub amount: Option<Money>,
}

impl ReachAgreement {
    pub(super) fn decide(self, case: &Case, moment: &Moment<'_>) -> Vec<ComplaintEvent> {
        let mut events =
            vec![ComplaintEvent::AgreementReached(AgreementReached { document: self.document, amount: self.amount })];
        events.extend(met(case, ClockKind::Mediate, moment));
        events
    }
}

#[cfg(test)]
mod tests {
    use crate::clock::ClockKind;
    use crate::complaint::event::{AgreementReached, ComplaintEvent};
    use crate::complaint::testing::{accepted, agree, given, mediating, met, yuan};
    use crate::complaint::vocabulary::Outcome;
    use crate::complaint::{Action, Rejection, Stage};

    fn agreed() -> ComplaintEvent {
        ComplaintEvent::AgreementReached(AgreementReached { document: true, amount: Some(yuan(499)) })
    }

    #[test]
    fn an_agreement_ends_the_mediation_and_needs_no_notice_of_it() {
        let case = given(mediating())
            .at("2026-05-18T10:00:00+08:00")
            .when(agree())
            .then([agreed(), met(ClockKind::Mediate, "2026-05-18", false)])
            .case();
        assert_eq!(case.stage, Stage::Ended(Outcome::Agreement));
        assert!(case.clocks.iter().all(|clock| !clock.is_running()));
    }

    #[test]
    fn it_is_in_time_on_the_sixtieth_day_and_late_on_the_next() {
        for (now, on, late) in
            [("2026-07-07T23:59:59+08:00", "2026-07-07", false), ("2026-07-08T00:00:00+08:00", "2026-07-08", true)]
        {
            given(mediating()).at(now).when(agree()).then([agreed(), met(ClockKind::Mediate, on, late)]);
        }
    }

    #[test]
    fn there_is_no_agreement_outside_a_mediation() {
        given(accepted())
            .at("2026-05-18T10:00:00+08:00")
            .when(agree())
            .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::ReachAgreement, .. }));
    }
}
