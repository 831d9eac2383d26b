//! 分送: the intake body, or a unit towards its own subordinate, sends the case on.
//!
//! There is no edge from a unit to its peer (Order 121 Art. 41(2)). That `to` stands below the acting unit is read
//! from the register by the caller, which knows the tree of units; this decision knows only the case.

use super::event::{ComplaintEvent, Dispatched};
use super::rejection::Rejection;
use super::state::Case;
use crate::id::UnitId;
use crate::privacy::FreeText;

/// Sends the case to a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    pub to: UnitId,
    pub note: Option<FreeText>,
}

impl Dispatch {
    pub(super) fn decide(self, case: &Case) -> Result<Vec<ComplaintEvent>, Rejection> {
        super::check_note("note", self.note.as_ref())?;
        if self.to == case.custody {
            return Err(Rejection::SameUnit);
        }
        Ok(vec![ComplaintEvent::Dispatched(Dispatched { from: case.custody.clone(), to: self.to, note: self.note })])
    }
}

#[cfg(test)]
mod tests {
    use super::Dispatch;
    use crate::clock::ClockKind;
    use crate::complaint::event::{ComplaintEvent, Dispatched};
    use crate::complaint::testing::{
        BUREAU, INTAKE, STATION, accepted, day, dispatch, dispatched, given, longest_text, overlong_text, received,
        registered, unit,
    };
    use crate::complaint::{Act, Action, Rejection, Stage};

    const NOW: &str = "2026-05-08T10:00:00+08:00";

    fn sent(from: &str, to: &str) -> ComplaintEvent {
        ComplaintEvent::Dispatched(Dispatched { from: unit(from), to: unit(to), note: None })
    }

    #[test]
    fn the_intake_sends_the_case_to_a_unit() {
        let case = given(registered()).at(NOW).when(dispatch(BUREAU)).then([sent(INTAKE, BUREAU)]).case();
        assert_eq!((case.stage, case.custody, case.intake), (Stage::Dispatched, unit(BUREAU), unit(INTAKE)));
    }

    #[test]
    fn what_nobody_has_received_can_be_sent_elsewhere() {
        given(dispatched()).at(NOW).when(dispatch("gz-yuexiu")).then([sent(BUREAU, "gz-yuexiu")]);
    }

    #[test]
    fn passing_a_case_down_does_not_stop_its_period() {
        let case = given(received()).at(NOW).when(dispatch(STATION)).then([sent(BUREAU, STATION)]).case();
        let clock = case.running(ClockKind::Accept).unwrap();
        assert_eq!((case.stage, clock.terms.started_on), (Stage::Dispatched, day("2026-05-06")));
    }

    #[test]
    fn a_case_is_not_sent_to_the_unit_that_has_it() {
        given(registered()).at(NOW).when(dispatch(INTAKE)).then_err(|refused| *refused == Rejection::SameUnit);
    }

    #[test]
    fn a_case_that_was_accepted_stays() {
        given(accepted()).at(NOW).when(dispatch(STATION)).then_err(|refused| {
            matches!(refused, Rejection::NotAllowed { action: Action::Dispatch, stage: Stage::Accepted, .. })
        });
    }

    #[test]
    fn a_note_holds_its_limit() {
        let noted = |note: String| Act::Dispatch(Dispatch { to: unit(BUREAU), note: Some(note.into()) });
        given(registered()).at(NOW).when(noted(longest_text())).then([ComplaintEvent::Dispatched(Dispatched {
            from: unit(INTAKE),
            to: unit(BUREAU),
            note: Some(longest_text().into()),
        })]);
        given(registered())
            .at(NOW)
            .when(noted(overlong_text()))
            .then_err(|refused| matches!(refused, Rejection::TextTooLong { field: "note", .. }));
    }
}
