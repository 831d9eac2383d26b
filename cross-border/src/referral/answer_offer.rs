//! 答复建议: what the consumer says to an offered session, told by the sending council.

use domain::privacy::Sealed as SealedText;

use super::Moment;
use super::clock::and_clocks;
use super::event::{OfferAnswered, ReferralEvent};
use super::rejection::Rejection;
use super::state::Transfer;
use crate::exchange::SessionId;

/// Answers an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerOffer {
    pub session: SessionId,
    pub accepted: bool,
    /// The consumer agrees that the session is recorded.
    pub recording_consent: bool,
    pub note: Option<SealedText>,
}

impl AnswerOffer {
    pub(super) fn decide(self, transfer: &Transfer, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
        let Some(session) = transfer.sessions.get(&self.session) else {
            return Err(Rejection::UnknownSession(self.session));
        };
        if session.answer.is_some() {
            return Err(Rejection::SessionAnswered(self.session));
        }
        self.effects(transfer, moment)
    }

    pub(super) fn effects(self, transfer: &Transfer, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
        let Self { session, accepted, recording_consent, note } = self;
        // Nobody agrees to the recording of a session that is not held.
        let recording_consent = accepted && recording_consent;
        let answered = OfferAnswered { session, accepted, recording_consent, note };
        and_clocks(transfer, ReferralEvent::OfferAnswered(answered), moment.day())
    }
}

#[cfg(test)]
mod tests {
    use crate::exchange::{SessionForm, Step};
    use crate::partner::Place;
    use crate::referral::event::{OfferAnswered, ReferralEvent};
    use crate::referral::state::Answer;
    use crate::referral::testing::{History, acknowledged, answer, at_macao, clock, day, given, offer, session, taken};
    use crate::referral::vocabulary::ProgressKind;
    use crate::referral::withdraw_consent::WithdrawConsent;
    use crate::referral::{Act, Action, Rejection, Stage};

    const NOW: &str = "2026-05-25T10:00:00+08:00";

    fn offered(form: SessionForm) -> History {
        acknowledged().received("2026-05-22T10:00:00+08:00", offer(1, form))
    }

    fn answered(accepted: bool, recording_consent: bool) -> ReferralEvent {
        ReferralEvent::OfferAnswered(OfferAnswered { session: session(1), accepted, recording_consent, note: None })
    }

    #[test]
    fn the_answer_is_told_and_moves_nothing_by_itself() {
        for (accepted, recording, expected) in [(true, true, true), (true, false, false), (false, true, false)] {
            let transfer = given(offered(SessionForm::VideoMediation))
                .at(NOW)
                .told(answer(1, accepted, recording))
                .then([answered(accepted, expected)])
                .transfer();
            assert_eq!(transfer.stage, Stage::InProgress(ProgressKind::MediationOffered));
            let known = Answer { accepted, recording_consent: expected };
            assert_eq!(transfer.sessions[&session(1)].answer, Some(known));
            assert_eq!(transfer.clocks[&Step::OfferAnswer].met_on, Some(day("2026-05-25")));
        }
    }

    #[test]
    fn an_accepted_arbitration_is_awaited_where_there_is_a_standard_for_it() {
        let arbitration = || answer(1, true, false);
        given(offered(SessionForm::Arbitration)).at(NOW).told(arbitration()).then([answered(true, false)]);
        // Twelve working days after a Monday that is free there.
        let macao = at_macao().received("2026-05-22T10:00:00+08:00", offer(1, SessionForm::Arbitration));
        given(macao)
            .at(NOW)
            .told(arbitration())
            .then([answered(true, false), clock(Step::Arbitration, Place::Macao, "2026-05-25", "2026-06-10")]);
    }

    #[test]
    fn another_accepted_arbitration_does_not_put_off_the_first() {
        let form = SessionForm::Arbitration;
        let two = at_macao()
            .received("2026-05-22T10:00:00+08:00", offer(1, form))
            .received("2026-05-22T10:00:00+08:00", offer(2, form));
        let one = two.told(NOW, answer(1, true, false));
        let awaited = one.transfer().clocks[&Step::Arbitration].clone();
        assert_eq!((awaited.by, awaited.met_on), (day("2026-06-10"), None));
        let second = OfferAnswered { session: session(2), accepted: true, recording_consent: false, note: None };
        let second = ReferralEvent::OfferAnswered(second);
        let both = given(one).at("2026-05-29T10:00:00+08:00").told(answer(2, true, false)).then([second]);
        assert_eq!(both.transfer().clocks[&Step::Arbitration], awaited);
    }

    #[test]
    fn two_offers_are_answered_one_by_one() {
        let two = offered(SessionForm::VideoMediation).received(NOW, offer(2, SessionForm::VideoMediation));
        let one = two.told(NOW, answer(1, false, false));
        assert_eq!(one.transfer().clocks[&Step::OfferAnswer].met_on, None);
        let both = one.told(NOW, answer(2, true, false)).transfer();
        assert_eq!(both.clocks[&Step::OfferAnswer].met_on, Some(day("2026-05-25")));
    }

    #[test]
    fn an_offer_is_answered_once_and_by_whoever_sent_the_case() {
        let two = offered(SessionForm::VideoMediation).received(NOW, offer(2, SessionForm::VideoMediation));
        given(two.told(NOW, answer(1, true, false)))
            .at(NOW)
            .told(answer(1, false, false))
            .then_err(|refused| *refused == Rejection::SessionAnswered(session(1)));
        given(offered(SessionForm::VideoMediation))
            .at(NOW)
            .told(answer(9, true, false))
            .then_err(|refused| *refused == Rejection::UnknownSession(session(9)));
        let ours = taken().told("2026-05-22T10:00:00+08:00", offer(1, SessionForm::VideoMediation));
        for history in [acknowledged(), ours] {
            given(history)
                .at(NOW)
                .told(answer(1, true, false))
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::AnswerOffer, .. }));
        }
    }

    #[test]
    fn nobody_answers_for_a_consumer_who_has_withdrawn_the_consent() {
        let withdrawn = offered(SessionForm::VideoMediation).and(NOW, Act::WithdrawConsent(WithdrawConsent {}));
        let allowed = withdrawn.transfer().allowed();
        assert!(!allowed.contains(&Action::AnswerOffer) && allowed.contains(&Action::Recall), "{allowed:?}");
        given(withdrawn)
            .at(NOW)
            .told(answer(1, true, false))
            .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::AnswerOffer, .. }));
    }
}
