//! 发现违法线索: a lead found in mediation must be verified within its own period (Order 121 Art. 27).

use super::Moment;
use super::event::{ClueFound, ComplaintEvent};
use super::receive::start;
use super::rejection::Rejection;
use crate::clock::ClockKind;
use crate::privacy::FreeText;

/// Records the lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordClue {
    pub summary: FreeText,
}

impl RecordClue {
    pub(super) fn decide(self, moment: &Moment<'_>) -> Result<Vec<ComplaintEvent>, Rejection> {
        super::check_free("summary", &self.summary)?;
        Ok(vec![ComplaintEvent::ClueFound(ClueFound { summary: self.summary }), start(ClockKind::ClueVerify, moment)?])
    }
}

#[cfg(test)]
mod tests {
    use super::RecordClue;
    use crate::clock::ClockKind;
    use crate::complaint::decide_clue::DecideClue;
    use crate::complaint::event::{ClueFound, ComplaintEvent};
    use crate::complaint::testing::{
        accepted, agreed, given, longest_text, mediating, overlong_text, received, started,
    };
    use crate::complaint::{Act, Action, Rejection};

    const NOW: &str = "2026-05-19T10:00:00+08:00";

    fn record(summary: String) -> Act {
        Act::RecordClue(RecordClue { summary: summary.into() })
    }

    fn found(summary: String) -> ComplaintEvent {
        ComplaintEvent::ClueFound(ClueFound { summary: summary.into() })
    }

    #[test]
    fn a_lead_is_to_be_verified_within_fifteen_working_days() {
        given(mediating()).at("2026-05-12T10:00:00+08:00").when(record(longest_text())).then([
            found(longest_text()),
            started(ClockKind::ClueVerify, "order121", "2026-05-12", "2026-06-02", "2026-06-02"),
        ]);
    }

    #[test]
    fn it_may_be_found_from_acceptance_until_the_case_is_closed() {
        for history in [accepted(), mediating(), agreed()] {
            let case = history.and(NOW, record("无标签".to_owned())).case();
            assert!(case.running(ClockKind::ClueVerify).is_some());
        }
        given(received())
            .at(NOW)
            .when(record("无标签".to_owned()))
            .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::RecordClue, .. }));
    }

    #[test]
    fn one_lead_is_verified_after_the_other() {
        let one = mediating().and("2026-05-12T10:00:00+08:00", record("无标签".to_owned()));
        given(one.clone())
            .at(NOW)
            .when(record("无中文标签".to_owned()))
            .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::RecordClue, .. }));
        let decided = one.and("2026-05-13T10:00:00+08:00", Act::DecideClue(DecideClue { filed: false, note: None }));
        given(decided).at("2026-05-18T10:00:00+08:00").when(record("无中文标签".to_owned())).then([
            found("无中文标签".to_owned()),
            started(ClockKind::ClueVerify, "order121", "2026-05-18", "2026-06-08", "2026-06-08"),
        ]);
    }

    #[test]
    fn the_summary_is_a_text_within_its_limit() {
        given(mediating())
            .at(NOW)
            .when(record(String::new()))
            .then_err(|refused| *refused == Rejection::TextMissing { field: "summary" });
        given(mediating())
            .at(NOW)
            .when(record(overlong_text()))
            .then_err(|refused| matches!(refused, Rejection::TextTooLong { field: "summary", .. }));
    }
}
