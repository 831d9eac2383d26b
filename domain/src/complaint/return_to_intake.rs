//! 退回: a unit without power hands the case back to the intake body (Order 121 Art. 41(2)).

use super::event::{ComplaintEvent, ReturnedToIntake};
use super::rejection::Rejection;
use super::state::Case;
use super::vocabulary::ReturnReason;
use crate::privacy::FreeText;

/// Hands the case back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnToIntake {
    pub reason: ReturnReason,
    pub note: Option<FreeText>,
}

impl ReturnToIntake {
    pub(super) fn decide(self, case: &Case) -> Result<Vec<ComplaintEvent>, Rejection> {
        super::check_note("note", self.note.as_ref())?;
        Ok(vec![ComplaintEvent::ReturnedToIntake(ReturnedToIntake {
            from: case.custody.clone(),
            to: case.intake.clone(),
            reason: self.reason,
            note: self.note,
        })])
    }
}

#[cfg(test)]
mod tests {
    use super::ReturnToIntake;
    use crate::clock::ClockKind;
    use crate::complaint::event::{ComplaintEvent, ReturnedToIntake};
    use crate::complaint::testing::{
        BUREAU, INTAKE, STATION, accepted, dispatch, dispatched, given, longest_text, overlong_text, receive, received,
        received_by, registered, started, unit,
    };
    use crate::complaint::vocabulary::ReturnReason;
    use crate::complaint::{Act, Action, Rejection, Stage};

    const NOW: &str = "2026-05-08T10:00:00+08:00";

    fn hand_back(note: Option<String>) -> Act {
        Act::ReturnToIntake(ReturnToIntake { reason: ReturnReason::NoPower, note: note.map(Into::into) })
    }

    fn handed_back(note: Option<String>) -> ComplaintEvent {
        ComplaintEvent::ReturnedToIntake(ReturnedToIntake {
            from: unit(BUREAU),
            to: unit(INTAKE),
            reason: ReturnReason::NoPower,
            note: note.map(Into::into),
        })
    }

    #[test]
    fn a_unit_without_power_hands_the_case_back() {
        let case = given(dispatched()).at(NOW).when(hand_back(None)).then([handed_back(None)]).case();
        assert_eq!((case.stage, case.custody), (Stage::AtIntake, unit(INTAKE)));
    }

    #[test]
    fn its_period_ends_because_it_had_nothing_to_decide() {
        let case = given(received()).at(NOW).when(hand_back(None)).then([handed_back(None)]).case();
        assert!(case.clocks.is_empty());
    }

    #[test]
    fn the_next_unit_has_the_whole_period_from_its_own_receipt() {
        let again = received().and(NOW, hand_back(None)).and("2026-05-08T11:00:00+08:00", dispatch("gz-yuexiu"));
        given(again).at("2026-05-11T09:00:00+08:00").when(receive()).then([
            received_by("gz-yuexiu"),
            started(ClockKind::Accept, "order121", "2026-05-11", "2026-05-20", "2026-05-20"),
        ]);
    }

    #[test]
    fn a_station_hands_back_to_intake_and_not_to_its_bureau() {
        let at_station = received().and("2026-05-07T09:00:00+08:00", dispatch(STATION));
        let case = given(at_station)
            .at(NOW)
            .when(hand_back(None))
            .then([ComplaintEvent::ReturnedToIntake(ReturnedToIntake {
                from: unit(STATION),
                to: unit(INTAKE),
                reason: ReturnReason::NoPower,
                note: None,
            })])
            .case();
        assert_eq!((case.running(ClockKind::Accept), case.stage), (None, Stage::AtIntake));
    }

    #[test]
    fn the_intake_has_nobody_to_hand_back_to() {
        let own = registered().and("2026-05-06T10:00:00+08:00", receive());
        given(own).at(NOW).when(hand_back(None)).then_err(|refused| {
            matches!(refused, Rejection::NotAllowed { action: Action::ReturnToIntake, stage: Stage::Received, .. })
        });
    }

    #[test]
    fn a_case_that_was_accepted_stays() {
        given(accepted())
            .at(NOW)
            .when(hand_back(None))
            .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::ReturnToIntake, .. }));
    }

    #[test]
    fn a_note_holds_its_limit() {
        let longest = Some(longest_text());
        given(dispatched()).at(NOW).when(hand_back(longest.clone())).then([handed_back(longest)]);
        given(dispatched())
            .at(NOW)
            .when(hand_back(Some(overlong_text())))
            .then_err(|refused| matches!(refused, Rejection::TextTooLong { field: "note", .. }));
    }
}
