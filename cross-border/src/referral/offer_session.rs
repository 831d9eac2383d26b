//! 建议调解或者仲裁: the receiving council offers the parties a session.

use chrono::{DateTime, Utc};
use domain::privacy::Sealed as SealedText;

use super::Moment;
use super::clock::and_clocks;
use super::event::{ReferralEvent, SessionOffered};
use super::rejection::Rejection;
use super::state::Transfer;
use crate::exchange::{SessionForm, SessionId};
use crate::partner::Language;

/// Offers a session; the consumer answers through the sending council.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferSession {
    pub session: SessionId,
    pub form: SessionForm,
    pub proposed_at: Option<DateTime<Utc>>,
    /// The languages it can be held in.
    pub languages: Vec<Language>,
    pub note: Option<SealedText>,
}

impl OfferSession {
    pub(super) fn decide(self, transfer: &Transfer, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
        if transfer.sessions.contains_key(&self.session) {
            return Err(Rejection::SessionKnown(self.session));
        }
        self.effects(transfer, moment)
    }

    pub(super) fn effects(self, transfer: &Transfer, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
        let Self { session, form, proposed_at, languages, note } = self;
        let offered = SessionOffered { session, form, proposed_at, languages, note };
        and_clocks(transfer, ReferralEvent::SessionOffered(Box::new(offered)), moment.day())
    }
}

#[cfg(test)]
mod tests {
    use crate::exchange::{SessionForm, Step};
    use crate::partner::Place;
    use crate::referral::escalate::Escalate;
    use crate::referral::event::{ReferralEvent, SessionOffered};
    use crate::referral::remind::Remind;
    use crate::referral::testing::{acknowledged, answer, came_in, clock, day, given, offer, session, taken};
    use crate::referral::vocabulary::ProgressKind;
    use crate::referral::{Act, Action, Rejection, Stage};

    const NOW: &str = "2026-05-22T10:00:00+08:00";

    fn offered(number: u128, form: SessionForm) -> ReferralEvent {
        ReferralEvent::SessionOffered(Box::new(SessionOffered {
            session: session(number),
            form,
            proposed_at: None,
            languages: Vec::new(),
            note: None,
        }))
    }

    #[test]
    fn an_offer_says_where_the_referral_stands_and_awaits_the_consumers_answer() {
        for (form, kind) in [
            (SessionForm::VideoMediation, ProgressKind::MediationOffered),
            (SessionForm::Arbitration, ProgressKind::ArbitrationOffered),
        ] {
            let ours = given(taken())
                .at(NOW)
                .told(offer(1, form))
                .then([offered(1, form), clock(Step::OfferAnswer, Place::Macao, "2026-05-22", "2026-06-01")])
                .transfer();
            let theirs = given(acknowledged())
                .at(NOW)
                .received(offer(1, form))
                .then([offered(1, form), clock(Step::OfferAnswer, Place::Guangdong, "2026-05-22", "2026-05-29")])
                .transfer();
            for transfer in [ours, theirs] {
                assert_eq!(transfer.stage, Stage::InProgress(kind));
                assert_eq!(transfer.clocks[&Step::Feedback].met_on, Some(day("2026-05-22")));
                assert_eq!(transfer.sessions[&session(1)].answer, None);
            }
        }
    }

    #[test]
    fn another_offer_does_not_put_off_the_answer_to_the_first() {
        let (step, form) = (Step::OfferAnswer, SessionForm::VideoMediation);
        // The consumer's answer is awaited until 2026-06-01.
        let late = taken()
            .told(NOW, offer(1, form))
            .told("2026-06-02T10:00:00+08:00", Act::Remind(Remind { step }))
            .and("2026-06-08T10:00:00+08:00", Act::Escalate(Escalate { step, to: "council-head".to_owned() }));
        let overdue = late.transfer().clocks[&step].clone();
        assert_eq!((overdue.by, overdue.reminders, overdue.escalated), (day("2026-06-01"), 1, true));
        let now = "2026-06-09T10:00:00+08:00";
        let both = given(late).at(now).told(offer(2, form)).then([offered(2, form)]);
        assert_eq!(both.transfer().clocks[&step], overdue);
        // When all are answered, the next offer is awaited anew.
        let answered = both.received(now, answer(1, false, false)).received(now, answer(2, false, false));
        let anew = answered.told(now, offer(3, form)).transfer().clocks[&step].clone();
        assert_eq!((anew.started_on, anew.met_on), (day("2026-06-09"), None));
        assert_eq!((anew.reminders, anew.escalated), (0, false));
    }

    #[test]
    fn each_session_is_offered_once_and_by_whoever_has_the_case() {
        let mediation = || offer(1, SessionForm::VideoMediation);
        let once = taken().told(NOW, mediation());
        given(once.clone())
            .at(NOW)
            .told(mediation())
            .then_err(|refused| *refused == Rejection::SessionKnown(session(1)));
        let twice = once.told(NOW, offer(2, SessionForm::VideoMediation)).transfer();
        assert_eq!(twice.sessions.len(), 2);
        for history in [came_in(), acknowledged()] {
            given(history)
                .at(NOW)
                .told(mediation())
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::OfferSession, .. }));
        }
    }
}
