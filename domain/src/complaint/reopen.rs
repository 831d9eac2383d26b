//! 重办: the same number is taken up again as a new round with a new acceptance period.

use super::Moment;
use super::event::{ComplaintEvent, Reopened};
use super::receive::start;
use super::rejection::Rejection;
use super::state::Case;
use crate::clock::ClockKind;
use crate::privacy::FreeText;

/// Reopens a closed case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reopen {
    pub reason: FreeText,
}

impl Reopen {
    pub(super) fn decide(self, case: &Case, moment: &Moment<'_>) -> Result<Vec<ComplaintEvent>, Rejection> {
        super::check_free("reason", &self.reason)?;
        let round = case.round.saturating_add(1);
        Ok(vec![ComplaintEvent::Reopened(Reopened { reason: self.reason, round }), start(ClockKind::Accept, moment)?])
    }
}

#[cfg(test)]
mod tests {
    use super::Reopen;
    use crate::clock::ClockKind;
    use crate::complaint::event::{ComplaintEvent, Reopened};
    use crate::complaint::testing::{agreed, closed, given, longest_text, overlong_text, received, started, tell};
    use crate::complaint::vocabulary::{NoticeSubject, Outcome, Party};
    use crate::complaint::{Act, Action, Rejection, Stage};

    const NOW: &str = "2026-05-22T10:00:00+08:00";

    fn reopen(reason: String) -> Act {
        Act::Reopen(Reopen { reason: reason.into() })
    }

    #[test]
    fn a_new_round_has_its_own_acceptance_period_and_nothing_of_the_old_one() {
        let case = given(closed())
            .at(NOW)
            .when(reopen(longest_text()))
            .then([
                ComplaintEvent::Reopened(Reopened { reason: longest_text().into(), round: 2 }),
                started(ClockKind::Accept, "order121", "2026-05-22", "2026-06-02", "2026-06-02"),
            ])
            .case();
        assert_eq!((case.stage, case.round, case.clocks.len()), (Stage::Received, 2, 1));
        assert!(!case.told(NoticeSubject::Acceptance, Party::Complainant));
        assert_eq!((case.recovered, case.closed_late), (None, false));
        assert_eq!(case.stage.outcome(), None);
    }

    #[test]
    fn only_what_is_closed_is_reopened() {
        for history in [received(), agreed()] {
            given(history)
                .at(NOW)
                .when(reopen("未履行".to_owned()))
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::Reopen, .. }));
        }
    }

    #[test]
    fn it_says_why() {
        given(closed())
            .at(NOW)
            .when(reopen(" ".to_owned()))
            .then_err(|refused| *refused == Rejection::TextMissing { field: "reason" });
        given(closed())
            .at(NOW)
            .when(reopen(overlong_text()))
            .then_err(|refused| matches!(refused, Rejection::TextTooLong { field: "reason", .. }));
    }

    #[test]
    fn a_closed_case_can_still_be_told_of() {
        let case = closed().and(NOW, tell(NoticeSubject::Result, Party::Complainant)).case();
        assert_eq!(case.stage, Stage::Closed(Outcome::Agreement));
        assert!(case.told(NoticeSubject::Result, Party::Complainant));
    }
}
