//! 提供: a partner that fetches is given the submission.
//!
//! Nobody sees it leave our house, so that it may have left stands in the log before it does; afterwards a consent that is
//! withdrawn, or a recall, is one that the partner must be told of.

use super::event::{GivenOut, ReferralEvent};
use super::rejection::Rejection;
use super::state::Transfer;
use crate::exchange::{DeliveryId, MessageKind};

/// Records that the submission is being given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GiveOut {
    pub delivery: DeliveryId,
}

impl GiveOut {
    /// Nothing happens when it was given out before, or must not be any more.
    pub(super) fn decide(self, transfer: &Transfer) -> Result<Vec<ReferralEvent>, Rejection> {
        let first = transfer.segment.entries(transfer.own_side()).first();
        let is_submission = first.is_some_and(|entry| {
            entry.kind == MessageKind::Submission && entry.delivery == self.delivery && transfer.is_outbound()
        });
        if !is_submission {
            return Err(Rejection::MessageOutOfPlace);
        }
        let is_withdrawn = transfer.consent.as_ref().is_some_and(|consent| consent.withdrawn);
        let is_called_back = is_withdrawn || transfer.stage.is_recalled();
        if transfer.given_out || is_called_back || !transfer.stage.has_left() {
            return Ok(Vec::new());
        }
        Ok(vec![ReferralEvent::GivenOut(GivenOut { delivery: self.delivery })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Side;
    use crate::referral::Act;
    use crate::referral::testing::{came_in, given, presented, recall, sent};
    use crate::referral::vocabulary::RecallReason;
    use crate::referral::withdraw_consent::WithdrawConsent;

    const NOW: &str = "2026-05-20T10:00:00+08:00";

    fn give() -> Act {
        let delivery = sent().transfer().segment.entries(Side::Origin)[0].delivery;
        Act::GiveOut(GiveOut { delivery })
    }

    fn given_out() -> ReferralEvent {
        let Act::GiveOut(GiveOut { delivery }) = give() else { unreachable!("it gives it out") };
        ReferralEvent::GivenOut(GivenOut { delivery })
    }

    #[test]
    fn the_first_time_is_recorded() {
        let before = sent().transfer().stage;
        let once = given(sent()).at(NOW).when(give()).then([given_out()]);
        assert!(once.transfer().given_out && once.transfer().stage == before);
        given(once).at(NOW).when(give()).then([]);
    }

    #[test]
    fn what_was_called_back_before_is_not_given_out() {
        let withdrawn = sent().and(NOW, Act::WithdrawConsent(WithdrawConsent {}));
        let recalled = sent().told(NOW, recall(RecallReason::WrongRecipient));
        for history in [withdrawn, recalled] {
            assert!(!given(history).at(NOW).when(give()).then([]).transfer().given_out);
        }
    }

    #[test]
    fn there_is_nothing_else_to_give() {
        for history in [presented(), came_in()] {
            given(history).at(NOW).when(give()).then_err(|refused| *refused == Rejection::MessageOutOfPlace);
        }
    }
}
