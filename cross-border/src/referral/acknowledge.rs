//! 签收: the receiving council has the case and gives it its own number.

use super::event::{Acknowledged, ReferralEvent};
use super::rejection::Rejection;
use super::send::{expected, partner};
use super::state::Transfer;
use super::{Moment, check_code};

/// Records the acknowledgement; the same again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledge {
    /// The receiving council's own number.
    pub reference: String,
}

impl Acknowledge {
    pub(super) fn decide(self, transfer: &Transfer, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
        check_code("reference", &self.reference)?;
        match &transfer.reference {
            Some(known) if *known == self.reference => return Ok(Vec::new()),
            Some(known) => return Err(Rejection::OtherReference { known: known.clone() }),
            None => {}
        }
        let feedback = if transfer.is_outbound() {
            let partner = partner(transfer)?;
            Some(expected(partner, moment.day(), partner.standards.feedback_working_days)?)
        } else {
            None
        };
        Ok(vec![ReferralEvent::Acknowledged(Acknowledged { reference: self.reference, feedback })])
    }
}

#[cfg(test)]
mod tests {
    use crate::referral::event::{Acknowledged, ReferralEvent};
    use crate::referral::testing::{acknowledge, acknowledged, came_in, expected, given, sealed, sent};
    use crate::referral::{Action, Rejection, Stage};

    const NOW: &str = "2026-05-22T09:00:00+08:00";

    #[test]
    fn an_answer_of_theirs_is_expected_nine_working_days_later() {
        let transfer = given(sent())
            .at(NOW)
            .when(acknowledge("HK-9"))
            .then([ReferralEvent::Acknowledged(Acknowledged {
                reference: "HK-9".to_owned(),
                feedback: Some(expected("2026-06-05", "HK-2026/1")),
            })])
            .transfer();
        assert_eq!((transfer.stage, transfer.reference.as_deref()), (Stage::Acknowledged, Some("HK-9")));
    }

    #[test]
    fn what_comes_in_is_acknowledged_under_our_number() {
        given(came_in())
            .at(NOW)
            .when(acknowledge("GD-3"))
            .then([ReferralEvent::Acknowledged(Acknowledged { reference: "GD-3".to_owned(), feedback: None })]);
    }

    #[test]
    fn the_same_again_is_nothing_and_another_number_is_refused() {
        given(acknowledged()).at(NOW).when(acknowledge("HK-9")).then([]);
        given(acknowledged())
            .at(NOW)
            .when(acknowledge("HK-10"))
            .then_err(|refused| *refused == Rejection::OtherReference { known: "HK-9".to_owned() });
    }

    #[test]
    fn what_has_not_left_is_not_acknowledged() {
        given(sealed())
            .at(NOW)
            .when(acknowledge("HK-9"))
            .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::Acknowledge, .. }));
        given(sent())
            .at(NOW)
            .when(acknowledge(""))
            .then_err(|refused| *refused == Rejection::CodeMissing { field: "reference" });
    }
}
