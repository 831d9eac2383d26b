//! 通报进展: what the receiving council has done so far.

use domain::privacy::Sealed as SealedText;

use super::event::{Progressed, ReferralEvent};
use super::vocabulary::ProgressKind;

/// Records the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportProgress {
    pub kind: ProgressKind,
    pub note: Option<SealedText>,
}

impl ReportProgress {
    pub(super) fn decide(self) -> Vec<ReferralEvent> {
        vec![ReferralEvent::Progressed(Progressed { kind: self.kind, note: self.note })]
    }
}

#[cfg(test)]
mod tests {
    use crate::referral::event::{Progressed, ReferralEvent};
    use crate::referral::testing::{acknowledged, given, progress, sent};
    use crate::referral::vocabulary::ProgressKind;
    use crate::referral::{Action, Rejection, Stage};

    const NOW: &str = "2026-06-01T09:00:00+08:00";

    #[test]
    fn the_newest_report_says_where_it_stands() {
        let mut history = acknowledged();
        for kind in ProgressKind::ALL {
            history = given(history)
                .at(NOW)
                .when(progress(*kind))
                .then([ReferralEvent::Progressed(Progressed { kind: *kind, note: None })]);
            assert_eq!(history.transfer().stage, Stage::InProgress(*kind));
        }
    }

    #[test]
    fn nobody_reports_on_what_nobody_has() {
        given(sent())
            .at(NOW)
            .when(progress(ProgressKind::Handling))
            .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::ReportProgress, .. }));
    }
}
