//! 通报进展: what the receiving council has done so far.

use domain::privacy::Sealed as SealedText;

use super::event::{Progressed, ReferralEvent};
use super::rejection::Rejection;
use super::vocabulary::ProgressKind;

/// Records the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportProgress {
    pub kind: ProgressKind,
    pub note: Option<SealedText>,
}

impl ReportProgress {
    /// What follows from an offer or a session is told with it, never by itself.
    pub(super) fn decide(self) -> Result<Vec<ReferralEvent>, Rejection> {
        match self.kind {
            ProgressKind::Handling | ProgressKind::TraderReplied => Ok(self.effects()),
            ProgressKind::MediationOffered | ProgressKind::VideoMediation | ProgressKind::ArbitrationOffered => {
                Err(Rejection::ProgressByOffer { kind: self.kind })
            }
        }
    }

    pub(super) fn effects(self) -> Vec<ReferralEvent> {
        vec![ReferralEvent::Progressed(Progressed { kind: self.kind, note: self.note })]
    }
}

#[cfg(test)]
mod tests {
    use crate::exchange::Step;
    use crate::referral::event::{Progressed, ReferralEvent};
    use crate::referral::testing::{acknowledged, came_in, day, given, progress, taken};
    use crate::referral::vocabulary::ProgressKind;
    use crate::referral::{Action, Rejection, Stage};

    const NOW: &str = "2026-06-01T09:00:00+08:00";

    fn progressed(kind: ProgressKind) -> ReferralEvent {
        ReferralEvent::Progressed(Progressed { kind, note: None })
    }

    #[test]
    fn the_newest_report_says_where_it_stands() {
        let (mut ours, mut theirs) = (taken(), acknowledged());
        for kind in [ProgressKind::Handling, ProgressKind::TraderReplied, ProgressKind::Handling] {
            ours = given(ours).at(NOW).told(progress(kind)).then([progressed(kind)]);
            theirs = given(theirs).at(NOW).received(progress(kind)).then([progressed(kind)]);
            for transfer in [ours.transfer(), theirs.transfer()] {
                assert_eq!(transfer.stage, Stage::InProgress(kind));
                assert_eq!(transfer.clocks[&Step::Feedback].met_on, Some(day("2026-06-01")));
            }
        }
    }

    #[test]
    fn what_follows_from_an_offer_is_not_reported_by_itself() {
        for kind in [ProgressKind::MediationOffered, ProgressKind::VideoMediation, ProgressKind::ArbitrationOffered] {
            given(taken())
                .at(NOW)
                .told(progress(kind))
                .then_err(|refused| *refused == Rejection::ProgressByOffer { kind });
        }
    }

    #[test]
    fn nobody_reports_on_what_nobody_here_has() {
        for history in [came_in(), acknowledged()] {
            given(history)
                .at(NOW)
                .told(progress(ProgressKind::Handling))
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::ReportProgress, .. }));
        }
    }
}
