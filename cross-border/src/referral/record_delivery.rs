//! 送达: a receipt of the other council's system. Receipts may come late and more than once.

use super::clock::and_clocks;
use super::event::{Delivered, ReferralEvent};
use super::rejection::Rejection;
use super::state::Transfer;
use super::{Moment, check_code};

/// Records the delivery; a second receipt changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordDelivery {
    pub receipt: Option<String>,
}

impl RecordDelivery {
    pub(super) fn decide(self, transfer: &Transfer, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
        if let Some(receipt) = &self.receipt {
            check_code("receipt", receipt)?;
        }
        if transfer.delivered {
            return Ok(Vec::new());
        }
        let delivered = ReferralEvent::Delivered(Delivered { receipt: self.receipt });
        and_clocks(transfer, delivered, moment.day())
    }
}

#[cfg(test)]
mod tests {
    use super::RecordDelivery;
    use crate::exchange::Step;
    use crate::partner::Place;
    use crate::referral::event::{Delivered, ReferralEvent};
    use crate::referral::testing::{
        acknowledge, acknowledged, came_in, clock, day, deliver, drafted, given, presented, sent,
    };
    use crate::referral::{Act, Action, CODE_CHARS_MAX, Rejection, Stage};

    const NOW: &str = "2026-05-21T09:00:00+08:00";

    fn delivered() -> ReferralEvent {
        ReferralEvent::Delivered(Delivered { receipt: Some("R-1".to_owned()) })
    }

    fn retrieval() -> ReferralEvent {
        clock(Step::Retrieval, Place::HongKong, "2026-05-21", "2026-05-26")
    }

    #[test]
    fn a_receipt_is_recorded_once_however_often_it_comes() {
        let once = given(sent()).at(NOW).when(deliver()).then([delivered(), retrieval()]);
        assert_eq!(once.transfer().stage, Stage::Delivered);
        assert_eq!(once.transfer().clocks[&Step::Delivery].met_on, Some(day("2026-05-21")));
        given(once).at(NOW).when(deliver()).then([]);
        given(acknowledged()).at(NOW).when(deliver()).then([]);
    }

    #[test]
    fn an_answer_may_overtake_it() {
        let answered = sent().received("2026-05-22T09:00:00+08:00", acknowledge("HK-9"));
        let transfer = given(answered)
            .at("2026-05-22T10:00:00+08:00")
            .done("2026-05-20T09:00:01+08:00")
            .when(deliver())
            .then([delivered()])
            .transfer();
        assert_eq!((transfer.stage, transfer.delivered), (Stage::Acknowledged, true));
        assert!(!transfer.clocks.contains_key(&Step::Retrieval));
    }

    #[test]
    fn what_has_not_left_or_came_in_has_no_receipt() {
        for history in [drafted(), presented(), came_in()] {
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
            .then([ReferralEvent::Delivered(Delivered { receipt: Some("9".repeat(CODE_CHARS_MAX)) }), retrieval()]);
        given(sent())
            .at(NOW)
            .when(Act::RecordDelivery(numbered(CODE_CHARS_MAX + 1)))
            .then_err(|refused| matches!(refused, Rejection::CodeTooLong { field: "receipt", .. }));
    }
}
