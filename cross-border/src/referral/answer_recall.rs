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
    use crate::exchange::Step;
    use crate::referral::event::{RecallAnswered, ReferralEvent};
    use crate::referral::testing::{came_in, day, given, presented, recall, sent, taken};
    use crate::referral::vocabulary::RecallReason;
    use crate::referral::{Act, Action, Rejection, Stage};

    const NOW: &str = "2026-05-25T09:00:00+08:00";

    fn called_back() -> Act {
        recall(RecallReason::WrongContent)
    }

    fn answer(erased: bool) -> Act {
        Act::AnswerRecall(AnswerRecall { erased, note: None })
    }

    #[test]
    fn the_recipient_says_once_whether_it_could_erase() {
        for erased in [true, false] {
            let answered = ReferralEvent::RecallAnswered(RecallAnswered { erased, note: None });
            let ours =
                given(taken().received(NOW, called_back())).at(NOW).told(answer(erased)).then([answered.clone()]);
            let theirs = given(sent().told(NOW, called_back())).at(NOW).received(answer(erased)).then([answered]);
            for history in [ours.clone(), theirs.clone()] {
                let transfer = history.transfer();
                assert_eq!(transfer.stage, Stage::Recalled { after_sending: true, erased: Some(erased) });
                assert_eq!(transfer.clocks[&Step::RecallAnswer].met_on, Some(day("2026-05-25")));
            }
            given(ours)
                .at(NOW)
                .told(answer(erased))
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::AnswerRecall, .. }));
            given(theirs).at(NOW).received(answer(!erased)).then([]);
        }
    }

    #[test]
    fn what_was_not_called_back_from_us_needs_no_answer_of_ours() {
        for history in [came_in(), sent().told(NOW, called_back()), presented().and(NOW, called_back())] {
            given(history)
                .at(NOW)
                .told(answer(true))
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::AnswerRecall, .. }));
        }
    }
}
