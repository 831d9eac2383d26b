//! 送达: a receipt of the other side's system, or our own of what came in. Receipts may come late and more than once.

use super::check_code;
use super::event::{Delivered, ReferralEvent};
use super::rejection::Rejection;
use super::state::Transfer;

/// Records the delivery; a second receipt changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordDelivery {
    pub receipt: Option<String>,
}

impl RecordDelivery {
    pub(super) fn decide(self, transfer: &Transfer) -> Result<Vec<ReferralEvent>, Rejection> {
        if let Some(receipt) = &self.receipt {
            check_code("receipt", receipt)?;
        }
        if transfer.delivered {
            return Ok(Vec::new());
        }
        Ok(vec![ReferralEvent::Delivered(Delivered { receipt: self.receipt })])
    }
}

#[cfg(test)]
mod tests {
    use super::RecordDelivery;
    use crate::referral::event::{Delivered, ReferralEvent};
    use crate::referral::testing::{
        acknowledge, acknowledged, deliver, draft, drafted, drafted_from_macao, given, nothing, sealed, sent,
    };
    use crate::referral::{Act, Action, CODE_CHARS_MAX, Rejection, Stage};

    const NOW: &str = "2026-05-25T09:00:00+08:00";

    fn delivered() -> ReferralEvent {
        ReferralEvent::Delivered(Delivered { receipt: Some("R-1".to_owned()) })
    }

    #[test]
    fn a_receipt_is_recorded_once_however_often_it_comes() {
        let once = given(sent()).at(NOW).when(deliver()).then([delivered()]);
        assert_eq!(once.transfer().stage, Stage::Delivered);
        given(once).at(NOW).when(deliver()).then([]);
        given(acknowledged()).at(NOW).when(deliver()).then([]);
    }

    #[test]
    fn an_answer_may_overtake_it() {
        let answered = sent().and("2026-05-22T09:00:00+08:00", acknowledge("HK-9"));
        let transfer =
            given(answered).at(NOW).done("2026-05-20T09:00:01+08:00").when(deliver()).then([delivered()]).transfer();
        assert_eq!((transfer.stage, transfer.delivered), (Stage::Acknowledged, true));
    }

    #[test]
    fn what_comes_in_begins_with_its_delivery() {
        let begun = nothing().and("2026-05-18T09:00:00+08:00", draft(drafted_from_macao()));
        let transfer = given(begun).at("2026-05-18T09:00:00+08:00").when(deliver()).then([delivered()]).transfer();
        assert_eq!(transfer.stage, Stage::Delivered);
    }

    #[test]
    fn what_has_not_left_is_not_delivered() {
        for history in [drafted(), sealed()] {
            given(history)
                .at(NOW)
                .when(deliver())
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::RecordDelivery, .. }));
        }
    }

    #[test]
    fn a_receipts_number_holds_its_limit() {
        let numbered = |chars| RecordDelivery { receipt: Some("9".repeat(chars)) };
        given(sent())
            .at(NOW)
            .when(Act::RecordDelivery(numbered(CODE_CHARS_MAX)))
            .then([ReferralEvent::Delivered(Delivered { receipt: Some("9".repeat(CODE_CHARS_MAX)) })]);
        given(sent())
            .at(NOW)
            .when(Act::RecordDelivery(numbered(CODE_CHARS_MAX + 1)))
            .then_err(|refused| matches!(refused, Rejection::CodeTooLong { field: "receipt", .. }));
    }
}
