//! 签收: the receiving council has the case and gives it its own number.

use super::clock::{and_clocks, council, expected};
use super::event::{Acknowledged, ReferralEvent};
use super::rejection::Rejection;
use super::state::Transfer;
use super::{Moment, check_code};
use crate::exchange::Side;

/// Takes the case; from now on its first answer is awaited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledge {
    /// The receiving council's own number.
    pub reference: String,
}

impl Acknowledge {
    pub(super) fn decide(self, transfer: &Transfer, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
        check_code("reference", &self.reference)?;
        let day = moment.day();
        let feedback = if transfer.is_outbound() {
            let partner = council(transfer, Side::Target)?;
            Some(expected(partner, partner.standards.feedback_working_days, day)?)
        } else {
            None
        };
        let acknowledged = Acknowledged { reference: self.reference, feedback };
        and_clocks(transfer, ReferralEvent::Acknowledged(acknowledged), day)
    }
}

#[cfg(test)]
mod tests {
    use crate::exchange::Step;
    use crate::partner::Place;
    use crate::referral::event::{Acknowledged, ReferralEvent};
    use crate::referral::testing::{acknowledge, acknowledged, came_in, clock, day, expected, given, sent};
    use crate::referral::{Action, CODE_CHARS_MAX, Rejection, Stage};

    const NOW: &str = "2026-05-22T09:00:00+08:00";

    #[test]
    fn an_answer_of_theirs_is_expected_nine_working_days_later() {
        let transfer = given(sent())
            .at(NOW)
            .received(acknowledge("HK-9"))
            .then([
                ReferralEvent::Acknowledged(Acknowledged {
                    reference: "HK-9".to_owned(),
                    feedback: Some(expected("2026-06-05", "HK-2026/1")),
                }),
                clock(Step::Feedback, Place::HongKong, "2026-05-22", "2026-06-05"),
            ])
            .transfer();
        assert_eq!((transfer.stage, transfer.reference.as_deref()), (Stage::Acknowledged, Some("HK-9")));
        for step in [Step::Delivery, Step::Acknowledgement] {
            assert_eq!(transfer.clocks[&step].met_on, Some(day("2026-05-22")), "{step}");
        }
        assert_eq!(transfer.clocks[&Step::Outcome].met_on, None);
    }

    #[test]
    fn what_comes_in_is_acknowledged_under_our_number() {
        given(came_in()).at(NOW).told(acknowledge("GD-3")).then([
            ReferralEvent::Acknowledged(Acknowledged { reference: "GD-3".to_owned(), feedback: None }),
            clock(Step::Feedback, Place::Guangdong, "2026-05-22", "2026-06-12"),
        ]);
    }

    #[test]
    fn it_is_taken_once_and_by_the_receiving_council() {
        let taken = came_in().told(NOW, acknowledge("GD-3"));
        for history in [taken, sent()] {
            given(history)
                .at(NOW)
                .told(acknowledge("GD-4"))
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::Acknowledge, .. }));
        }
        // A second one of theirs stands in the lane and changes nothing.
        given(acknowledged()).at(NOW).received(acknowledge("HK-10")).then([]);
    }

    #[test]
    fn the_number_is_there_and_holds_its_limit() {
        given(came_in())
            .at(NOW)
            .told(acknowledge(""))
            .then_err(|refused| *refused == Rejection::CodeMissing { field: "reference" });
        let longest = "號".repeat(CODE_CHARS_MAX);
        assert_eq!(came_in().told(NOW, acknowledge(&longest)).transfer().reference, Some(longest));
        given(came_in())
            .at(NOW)
            .told(acknowledge(&"號".repeat(CODE_CHARS_MAX + 1)))
            .then_err(|refused| matches!(refused, Rejection::CodeTooLong { field: "reference", .. }));
    }
}
