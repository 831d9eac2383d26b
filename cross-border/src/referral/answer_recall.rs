//! 答复撤回: whether the recipient could erase what it had; a law of its own place may keep it from that.

use domain::privacy::Sealed as SealedText;

use super::event::{RecallAnswered, ReferralEvent};

/// Records the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerRecall {
    pub erased: bool,
    pub note: Option<SealedText>,
}

impl AnswerRecall {
    pub(super) fn decide(self) -> Vec<ReferralEvent> {
        vec![ReferralEvent::RecallAnswered(RecallAnswered { erased: self.erased, note: self.note })]
    }
}

#[cfg(test)]
mod tests {
    use super::AnswerRecall;
    use crate::referral::event::{RecallAnswered, ReferralEvent};
    use crate::referral::recall::Recall;
    use crate::referral::testing::{History, given, sealed, sent};
    use crate::referral::vocabulary::RecallReason;
    use crate::referral::{Act, Action, Rejection, Stage};

    const NOW: &str = "2026-05-25T09:00:00+08:00";

    fn recalled(history: History) -> History {
        history.and(NOW, Act::Recall(Recall { reason: RecallReason::WrongContent }))
    }

    fn answer(erased: bool) -> Act {
        Act::AnswerRecall(AnswerRecall { erased, note: None })
    }

    #[test]
    fn the_recipient_says_whether_it_could_erase() {
        for erased in [true, false] {
            let answered = given(recalled(sent()))
                .at(NOW)
                .when(answer(erased))
                .then([ReferralEvent::RecallAnswered(RecallAnswered { erased, note: None })]);
            let stage = Stage::Recalled { after_sending: true, erased: Some(erased) };
            assert_eq!(answered.transfer().stage, stage);
            given(answered)
                .at(NOW)
                .when(answer(erased))
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::AnswerRecall, .. }));
        }
    }

    #[test]
    fn what_never_left_needs_no_answer() {
        for history in [sent(), recalled(sealed())] {
            given(history)
                .at(NOW)
                .when(answer(true))
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::AnswerRecall, .. }));
        }
    }
}
