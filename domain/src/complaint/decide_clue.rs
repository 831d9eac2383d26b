//! 线索核查决定: whether a case is filed on the lead (立案 or not, Order 121 Art. 27).

use super::Moment;
use super::accept::met;
use super::event::{ClueDecided, ComplaintEvent};
use super::rejection::Rejection;
use super::state::Case;
use crate::clock::ClockKind;
use crate::privacy::FreeText;

/// Records the decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecideClue {
    pub filed: bool,
    pub note: Option<FreeText>,
}

impl DecideClue {
    pub(super) fn decide(self, case: &Case, moment: &Moment<'_>) -> Result<Vec<ComplaintEvent>, Rejection> {
        super::check_note("note", self.note.as_ref())?;
        let mut events = vec![ComplaintEvent::ClueDecided(ClueDecided { filed: self.filed, note: self.note })];
        events.extend(met(case, ClockKind::ClueVerify, moment));
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    use super::DecideClue;
    use crate::clock::ClockKind;
    use crate::complaint::event::{ClueDecided, ComplaintEvent};
    use crate::complaint::record_clue::RecordClue;
    use crate::complaint::testing::{agreed, close, given, mediating, met, tell};
    use crate::complaint::vocabulary::{NoticeSubject, Outcome, Party};
    use crate::complaint::{Act, Action, Rejection};

    fn record() -> Act {
        Act::RecordClue(RecordClue { summary: "无标签".into() })
    }

    fn decide(filed: bool) -> Act {
        Act::DecideClue(DecideClue { filed, note: None })
    }

    fn decided(filed: bool) -> ComplaintEvent {
        ComplaintEvent::ClueDecided(ClueDecided { filed, note: None })
    }

    #[test]
    fn the_decision_meets_the_period_in_time_or_late() {
        let found = mediating().and("2026-05-12T10:00:00+08:00", record());
        for (now, on, late) in
            [("2026-06-02T23:59:59+08:00", "2026-06-02", false), ("2026-06-03T00:00:00+08:00", "2026-06-03", true)]
        {
            for filed in [true, false] {
                given(found.clone())
                    .at(now)
                    .when(decide(filed))
                    .then([decided(filed), met(ClockKind::ClueVerify, on, late)]);
            }
        }
    }

    #[test]
    fn an_agreement_does_not_end_the_verification() {
        let found = agreed()
            .and("2026-05-19T10:00:00+08:00", tell(NoticeSubject::Acceptance, Party::Complainant))
            .and("2026-05-19T10:00:00+08:00", record());
        given(found.clone())
            .at("2026-05-20T10:00:00+08:00")
            .when(close(Outcome::Agreement))
            .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::Close, .. }));
        let verified = found.and("2026-05-20T10:00:00+08:00", decide(true));
        assert!(verified.case().allowed().contains(&Action::Close));
    }

    #[test]
    fn without_a_lead_there_is_nothing_to_decide() {
        given(mediating())
            .at("2026-05-12T10:00:00+08:00")
            .when(decide(true))
            .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::DecideClue, .. }));
    }
}
