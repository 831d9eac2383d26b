//! 不再发出: the consent was withdrawn, or the referral called back, before anything reached the partner.
//!
//! Nobody there has to erase anything or to answer, so the referral is at its end (PIPL Art. 15 and 47).
//! Whether an attempt may have reached the partner stands in the stream of the delivery; whoever decides this has looked
//! there, behind the withdrawal or the recall. What is decided here is what this stream knows of it.

use super::Moment;
use super::clock::and_clocks;
use super::event::{Recalled, ReferralEvent};
use super::rejection::Rejection;
use super::state::{Stage, Transfer};
use super::vocabulary::RecallReason;
use crate::exchange::Side;

/// Ends a referral of which nothing has left our house.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Withhold {
    /// Why it was called back.
    pub reason: RecallReason,
}

impl Withhold {
    /// Nothing happens when nobody called it back, or the partner has the submission or may have it.
    pub(super) fn decide(self, transfer: &Transfer, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
        if !transfer.is_to_be_withheld() {
            return Ok(Vec::new());
        }
        let recalled = Recalled { reason: self.reason, after_sending: false };
        and_clocks(transfer, ReferralEvent::Recalled(recalled), moment.day())
    }
}

impl Transfer {
    /// Whether the consent was withdrawn, or the referral called back, after the second person let it leave, and nothing in
    /// this stream says that the partner has the submission or may have it. Of what was sent before contents were kept it
    /// does not say when it was given out, so that may always have arrived.
    #[must_use]
    pub fn is_to_be_withheld(&self) -> bool {
        let is_told_to = self.stage == Stage::Recalled { after_sending: true, erased: None } && self.is_outbound();
        let is_called_back = is_told_to || (self.recall_is_due() && self.stage == Stage::Sent);
        let is_told_when_given = self.presented.as_ref().is_some_and(|presented| presented.content.is_some());
        let is_silent = self.segment.count(Side::Target) == 0 && self.parked.is_empty();
        let is_here = !self.given_out && !self.delivered && !self.retrieved && is_silent;
        is_called_back && is_told_when_given && is_here
    }

    /// Whether it was called back before anything had left.
    #[must_use]
    pub fn never_left(&self) -> bool {
        matches!(self.stage, Stage::Recalled { after_sending: false, .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::referral::give_out::GiveOut;
    use crate::referral::retrieve::Retrieve;
    use crate::referral::testing::{
        History, acknowledge, acknowledged, came_in, deliver, given, presented, recall, sent, submitted,
    };
    use crate::referral::withdraw_consent::WithdrawConsent;
    use crate::referral::{Act, Action};

    const NOW: &str = "2026-05-20T10:00:00+08:00";

    fn withhold() -> Act {
        Act::Withhold(Withhold { reason: RecallReason::ConsentWithdrawn })
    }

    fn withdrawn(history: History) -> History {
        history.and(NOW, Act::WithdrawConsent(WithdrawConsent {}))
    }

    #[test]
    fn what_nobody_has_ends_by_itself_and_is_not_answered() {
        let recalled =
            ReferralEvent::Recalled(Recalled { reason: RecallReason::ConsentWithdrawn, after_sending: false });
        let ended = given(withdrawn(sent())).at(NOW).when(withhold()).then([recalled]);
        let transfer = ended.transfer();
        assert_eq!(transfer.stage, Stage::Recalled { after_sending: false, erased: None });
        assert!(transfer.never_left() && !transfer.recall_is_due());
        assert_eq!(transfer.running().count(), 0, "nothing is awaited of anybody");
        for unneeded in [Action::Recall, Action::RecordDelivery, Action::AddEvidence, Action::Submit] {
            assert!(!transfer.allowed().contains(&unneeded), "{unneeded}");
        }
        given(ended).at(NOW).when(withhold()).then([]);
    }

    #[test]
    fn a_recall_that_was_written_before_anything_left_is_not_told() {
        let reason = RecallReason::WrongRecipient;
        let called_back = sent().told("2026-05-20T11:00:00+08:00", recall(reason));
        assert_eq!(called_back.transfer().stage, Stage::Recalled { after_sending: true, erased: None });
        let recalled = ReferralEvent::Recalled(Recalled { reason, after_sending: false });
        let act = Act::Withhold(Withhold { reason });
        let ended = given(called_back).at("2026-05-20T11:01:00+08:00").when(act.clone()).then([recalled]).transfer();
        assert!(ended.never_left() && !ended.is_to_be_withheld());
        assert_eq!(ended.running().count(), 0, "nothing is awaited of anybody");
        // The other council's own recall is not ours to end.
        let theirs = came_in().received("2026-05-20T11:00:00+08:00", recall(reason));
        given(theirs).at("2026-05-20T11:01:00+08:00").when(act).then([]);
    }

    #[test]
    fn what_somebody_has_or_may_have_is_called_back() {
        let delivery = sent().transfer().segment.entries(Side::Origin)[0].delivery;
        for history in [
            withdrawn(sent().and(NOW, Act::GiveOut(GiveOut { delivery }))),
            withdrawn(sent().and(NOW, deliver())),
            withdrawn(sent()).received("2026-05-20T11:00:00+08:00", Act::Retrieve(Retrieve {})),
            withdrawn(sent()).received("2026-05-20T11:00:00+08:00", acknowledge("HK-9")),
            acknowledged().and("2026-05-22T10:00:00+08:00", Act::WithdrawConsent(WithdrawConsent {})),
        ] {
            given(history).at("2026-05-22T11:00:00+08:00").when(withhold()).then([]);
        }
    }

    #[test]
    fn what_the_consumer_agrees_to_or_has_not_left_is_not_withheld() {
        for history in [sent(), presented(), withdrawn(presented()), came_in()] {
            given(history).at(NOW).when(withhold()).then([]);
        }
    }

    #[test]
    fn what_was_sent_before_contents_were_kept_may_have_been_given_out_unseen() {
        let mut transfer = withdrawn(submitted(presented(), "2026-05-20T09:00:00+08:00")).transfer();
        assert!(transfer.is_to_be_withheld());
        transfer.presented.as_mut().unwrap().content = None;
        assert!(!transfer.is_to_be_withheld());
        assert!(transfer.recall_is_due());
    }
}
