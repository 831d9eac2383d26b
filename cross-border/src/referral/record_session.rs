//! 通报调解或者仲裁情况: what became of a session that was offered and accepted.

use chrono::{DateTime, Utc};
use domain::complaint::FUTURE_TOLERANCE;
use domain::money::Money;
use domain::privacy::Sealed as SealedText;

use super::Moment;
use super::event::{ReferralEvent, SessionHeld};
use super::rejection::Rejection;
use super::state::Transfer;
use crate::exchange::{Digest, SessionId, SessionResult};

/// Reports a session. One that was adjourned is reported again when it was held again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSession {
    pub session: SessionId,
    pub held_at: DateTime<Utc>,
    pub recorded: bool,
    pub result: SessionResult,
    pub amount: Option<Money>,
    /// The digest of the record, an agreement or an award.
    pub record: Option<Digest>,
    pub text: Option<SealedText>,
}

impl RecordSession {
    pub(super) fn decide(self, transfer: &Transfer, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
        let id = self.session;
        let session = transfer.sessions.get(&id).ok_or(Rejection::UnknownSession(id))?;
        let Some(answer) = session.answer.filter(|answer| answer.accepted) else {
            return Err(Rejection::SessionNotAccepted(id));
        };
        if !session.is_to_be_held() {
            return Err(Rejection::SessionHeldAlready(id));
        }
        if self.recorded && !answer.recording_consent {
            return Err(Rejection::RecordingWithoutConsent(id));
        }
        if self.held_at > moment.ctx.now + FUTURE_TOLERANCE {
            return Err(Rejection::InFuture { at: self.held_at });
        }
        Ok(self.effects())
    }

    pub(super) fn effects(self) -> Vec<ReferralEvent> {
        let Self { session, held_at, recorded, result, amount, record, text } = self;
        vec![ReferralEvent::SessionHeld(Box::new(SessionHeld {
            session,
            held_at,
            recorded,
            result,
            amount,
            record,
            text,
        }))]
    }
}

#[cfg(test)]
mod tests {
    use domain::money::{Currency, Money};

    use super::RecordSession;
    use crate::exchange::{Digest, SessionForm, SessionResult, Step};
    use crate::referral::event::{ReferralEvent, SessionHeld};
    use crate::referral::testing::{
        History, acknowledged, answer, at_macao, day, given, held, offer, session, taken, time,
    };
    use crate::referral::vocabulary::ProgressKind;
    use crate::referral::{Act, Action, Rejection, Stage};

    const NOW: &str = "2026-06-02T15:00:00+08:00";

    fn accepted(recording: bool) -> History {
        taken()
            .told("2026-05-22T10:00:00+08:00", offer(1, SessionForm::VideoMediation))
            .received("2026-05-25T10:00:00+08:00", answer(1, true, recording))
    }

    fn report(held: &RecordSession) -> ReferralEvent {
        let RecordSession { session, held_at, recorded, result, amount, record, text } = held.clone();
        let event = SessionHeld { session, held_at, recorded, result, amount, record, text };
        ReferralEvent::SessionHeld(Box::new(event))
    }

    #[test]
    fn a_mediation_is_reported_with_its_result_its_amount_and_its_record() {
        let settled = RecordSession {
            recorded: true,
            amount: Some(Money::new(88_000, Currency::Mop).unwrap()),
            record: Some(Digest::of(b"agreement")),
            ..held(1, SessionResult::Settled)
        };
        let transfer =
            given(accepted(true)).at(NOW).told(Act::RecordSession(settled.clone())).then([report(&settled)]).transfer();
        assert_eq!(transfer.stage, Stage::InProgress(ProgressKind::VideoMediation));
        let known = transfer.sessions[&session(1)].held.as_ref().unwrap();
        assert_eq!((known.result, known.record.as_ref()), (SessionResult::Settled, settled.record.as_ref()));
    }

    #[test]
    fn an_arbitration_that_was_held_is_no_longer_awaited() {
        let awaited = at_macao()
            .received("2026-05-22T10:00:00+08:00", offer(1, SessionForm::Arbitration))
            .told("2026-05-25T10:00:00+08:00", answer(1, true, false));
        let award = held(1, SessionResult::Award);
        let transfer =
            given(awaited).at(NOW).received(Act::RecordSession(award.clone())).then([report(&award)]).transfer();
        assert_eq!(transfer.stage, Stage::InProgress(ProgressKind::ArbitrationOffered));
        assert_eq!(transfer.clocks[&Step::Arbitration].met_on, Some(day("2026-06-02")));
    }

    #[test]
    fn arbitration_is_awaited_until_each_has_had_a_hearing() {
        let form = SessionForm::Arbitration;
        let (offered, answered) = ("2026-05-22T10:00:00+08:00", "2026-05-25T10:00:00+08:00");
        // The third is refused, and awaited of nobody.
        let mut history = at_macao()
            .received(offered, offer(1, form))
            .received(offered, offer(2, form))
            .received(offered, offer(3, form))
            .told(answered, answer(1, true, false))
            .told(answered, answer(2, true, false))
            .told(answered, answer(3, false, false));
        for (now, number, result, met_on) in [
            ("2026-06-02T15:00:00+08:00", 1, SessionResult::Adjourned, None),
            ("2026-06-03T15:00:00+08:00", 1, SessionResult::Settled, None),
            ("2026-06-04T15:00:00+08:00", 2, SessionResult::Adjourned, Some(day("2026-06-04"))),
            ("2026-06-05T15:00:00+08:00", 2, SessionResult::Award, Some(day("2026-06-04"))),
        ] {
            history = history.received(now, Act::RecordSession(held(number, result)));
            assert_eq!(history.transfer().clocks[&Step::Arbitration].met_on, met_on, "{now}");
        }
    }

    #[test]
    fn an_adjourned_session_is_held_again_and_a_finished_one_is_not() {
        let adjourned = accepted(false).told(NOW, Act::RecordSession(held(1, SessionResult::Adjourned)));
        let failed = adjourned.told(NOW, Act::RecordSession(held(1, SessionResult::Failed)));
        // A second session keeps the act allowed, so that the refusal is about the first.
        let another = failed.told(NOW, offer(2, SessionForm::VideoMediation)).received(NOW, answer(2, true, false));
        given(another)
            .at(NOW)
            .told(Act::RecordSession(held(1, SessionResult::Settled)))
            .then_err(|refused| *refused == Rejection::SessionHeldAlready(session(1)));
    }

    #[test]
    fn only_an_accepted_session_is_held_and_only_a_consenting_consumer_recorded() {
        let open = accepted(false).told(NOW, offer(2, SessionForm::VideoMediation));
        for (report, rejection) in [
            (held(2, SessionResult::Settled), Rejection::SessionNotAccepted(session(2))),
            (held(9, SessionResult::Settled), Rejection::UnknownSession(session(9))),
            (
                RecordSession { recorded: true, ..held(1, SessionResult::Settled) },
                Rejection::RecordingWithoutConsent(session(1)),
            ),
            (
                RecordSession { held_at: time("2026-06-02T15:05:01+08:00"), ..held(1, SessionResult::Settled) },
                Rejection::InFuture { at: time("2026-06-02T15:05:01+08:00") },
            ),
        ] {
            given(open.clone()).at(NOW).told(Act::RecordSession(report)).then_err(|refused| *refused == rejection);
        }
        let refused = taken()
            .told("2026-05-22T10:00:00+08:00", offer(1, SessionForm::VideoMediation))
            .received("2026-05-25T10:00:00+08:00", answer(1, false, false));
        for history in [refused, taken(), acknowledged()] {
            given(history)
                .at(NOW)
                .told(Act::RecordSession(held(1, SessionResult::Settled)))
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::RecordSession, .. }));
        }
    }
}
