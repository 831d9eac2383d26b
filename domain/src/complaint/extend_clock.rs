//! 延期: only where an article allows it, within its bound, and before the last day.

use super::Moment;
use super::event::{ClockExtended, ComplaintEvent};
use super::rejection::Rejection;
use super::state::Case;
use crate::clock::ClockKind;
use crate::privacy::FreeText;

/// Extends a clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtendClock {
    pub clock: ClockKind,
    /// In the clock's own unit.
    pub by: u16,
    /// The head who approved it, by work id.
    pub approver: String,
    pub reason: FreeText,
}

impl ExtendClock {
    pub(super) fn decide(self, case: &Case, moment: &Moment<'_>) -> Result<Vec<ComplaintEvent>, Rejection> {
        super::check_text("approver", &self.approver)?;
        super::check_free("reason", &self.reason)?;
        let clock = case.running(self.clock).ok_or(Rejection::NotRunning(self.clock))?;
        let rule = moment.ctx.rules.rule(self.clock, clock.terms.started_on)?;
        let max = rule.extension_max.ok_or(Rejection::NotExtendable(self.clock))?;
        let total = clock.extended_by.saturating_add(self.by);
        if self.by == 0 || total > max {
            return Err(Rejection::ExtensionTooLong { clock: self.clock, max });
        }
        if moment.day() > clock.terms.due_legal {
            return Err(Rejection::ExtensionTooLate { due: clock.terms.due_legal });
        }
        let terms = clock.reckoned(total, &clock.stops, moment.ctx.calendar)?;
        Ok(vec![ComplaintEvent::ClockExtended(ClockExtended {
            by: self.by,
            approver: self.approver,
            reason: self.reason,
            terms,
        })])
    }
}

#[cfg(test)]
mod tests {
    use super::ExtendClock;
    use crate::clock::{ClockError, ClockKind};
    use crate::complaint::event::{ClockExtended, ComplaintEvent};
    use crate::complaint::record_clue::RecordClue;
    use crate::complaint::stop_clock::StopClock;
    use crate::complaint::testing::{History, day, given, longest_text, mediating, overlong_text, terms};
    use crate::complaint::vocabulary::StopReason;
    use crate::complaint::{Act, Action, Rejection};

    const NOW: &str = "2026-05-25T10:00:00+08:00";
    const MAX: u16 = 15;

    /// To be verified by 2026-06-02.
    fn with_clue() -> History {
        mediating().and("2026-05-12T10:00:00+08:00", Act::RecordClue(RecordClue { summary: "无标签".into() }))
    }

    fn extend(clock: ClockKind, by: u16) -> Act {
        extend_for(clock, by, "head-1", "检验结果未出".to_owned())
    }

    fn extend_for(clock: ClockKind, by: u16, approver: &str, reason: String) -> Act {
        Act::ExtendClock(ExtendClock { clock, by, approver: approver.to_owned(), reason: reason.into() })
    }

    fn extended(by: u16, due: &str) -> ComplaintEvent {
        ComplaintEvent::ClockExtended(ClockExtended {
            by,
            approver: "head-1".to_owned(),
            reason: "检验结果未出".into(),
            terms: terms(ClockKind::ClueVerify, "order121", "2026-05-12", due, due),
        })
    }

    #[test]
    fn the_verification_of_a_clue_is_extended_by_at_most_fifteen_working_days() {
        let case = given(with_clue())
            .at(NOW)
            .when(extend(ClockKind::ClueVerify, MAX))
            .then([extended(MAX, "2026-06-24")])
            .case();
        assert_eq!(case.running(ClockKind::ClueVerify).map(|clock| clock.extended_by), Some(MAX));
        for by in [0, MAX + 1, u16::MAX] {
            given(with_clue())
                .at(NOW)
                .when(extend(ClockKind::ClueVerify, by))
                .then_err(|refused| *refused == Rejection::ExtensionTooLong { clock: ClockKind::ClueVerify, max: MAX });
        }
    }

    #[test]
    fn the_bound_is_for_all_extensions_together() {
        let almost = with_clue().and(NOW, extend(ClockKind::ClueVerify, 10));
        let all =
            given(almost.clone()).at(NOW).when(extend(ClockKind::ClueVerify, 5)).then([extended(5, "2026-06-24")]);
        for (history, by) in [(almost, 6), (all, 1)] {
            given(history)
                .at(NOW)
                .when(extend(ClockKind::ClueVerify, by))
                .then_err(|refused| matches!(refused, Rejection::ExtensionTooLong { .. }));
        }
    }

    #[test]
    fn it_is_asked_for_on_the_last_day_at_the_latest() {
        given(with_clue())
            .at("2026-06-02T23:59:59+08:00")
            .when(extend(ClockKind::ClueVerify, MAX))
            .then([extended(MAX, "2026-06-24")]);
        given(with_clue())
            .at("2026-06-03T00:00:00+08:00")
            .when(extend(ClockKind::ClueVerify, MAX))
            .then_err(|refused| *refused == Rejection::ExtensionTooLate { due: day("2026-06-02") });
    }

    #[test]
    fn no_article_extends_the_mediation() {
        given(with_clue())
            .at(NOW)
            .when(extend(ClockKind::Mediate, 1))
            .then_err(|refused| *refused == Rejection::NotExtendable(ClockKind::Mediate));
        given(with_clue())
            .at(NOW)
            .when(extend(ClockKind::Accept, 1))
            .then_err(|refused| *refused == Rejection::NotRunning(ClockKind::Accept));
        given(mediating())
            .at(NOW)
            .when(extend(ClockKind::Mediate, 1))
            .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::ExtendClock, .. }));
    }

    #[test]
    fn a_clock_that_stands_still_has_no_last_day_to_move() {
        let stop = StopClock { clock: ClockKind::ClueVerify, reason: StopReason::Testing, evidence: None };
        let standing = with_clue().and("2026-05-20T10:00:00+08:00", Act::StopClock(stop));
        let since = day("2026-05-20");
        given(standing)
            .at(NOW)
            .when(extend(ClockKind::ClueVerify, 1))
            .then_err(|refused| *refused == Rejection::Clock(ClockError::StillStopped { since }));
    }

    #[test]
    fn somebody_approved_it_and_says_why() {
        let asked = |approver: &str, reason: String| {
            given(with_clue()).at(NOW).when(extend_for(ClockKind::ClueVerify, 1, approver, reason))
        };
        asked("", longest_text()).then_err(|refused| *refused == Rejection::TextMissing { field: "approver" });
        asked("head-1", " ".to_owned()).then_err(|refused| *refused == Rejection::TextMissing { field: "reason" });
        asked("head-1", overlong_text())
            .then_err(|refused| matches!(refused, Rejection::TextTooLong { field: "reason", .. }));
    }
}
