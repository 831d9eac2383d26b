//! An act together with the message that tells the other council of it: both in one append, or neither.

use super::event::{MessageMeta, ReferralEvent};
use super::rejection::Rejection;
use super::state::Transfer;
use super::{Act, Moment, check_allowed, decide_act, message};

/// Does the act and issues its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tell {
    pub act: Act,
    /// The signed message; it is the next one of our lane and says what the act does.
    pub issued: MessageMeta,
}

impl Tell {
    pub(super) fn decide(self, transfer: &Transfer, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
        let Self { act, issued } = self;
        // A reminder that came in is no act of ours, and nothing is told of a submission but by submitting.
        let (Some(kind), Some(_)) = (act.message_kind(), act.action()) else {
            return Err(Rejection::NothingToTell);
        };
        check_allowed(transfer, &act, moment.at)?;
        if !transfer.must_be_told(&act) {
            return Err(Rejection::NothingToTell);
        }
        message::check_issued(transfer, kind, &issued)?;
        let mut events = decide_act(transfer, act, moment)?;
        events.push(ReferralEvent::MessageIssued(Box::new(issued)));
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    use domain::id::SubjectId;
    use uuid::Uuid;

    use super::Tell;
    use crate::exchange::{DeliveryId, Digest, MessageKind, SharedId, Side};
    use crate::referral::event::{MessageMeta, ReferralEvent};
    use crate::referral::recall::Recall;
    use crate::referral::seal::SIGNATURE_CHARS_MAX;
    use crate::referral::testing::{
        HONG_KONG, MACAO, acknowledge, came_in, draft, drafted, drafted_to, given, next_message, nothing, partner,
        presented, progress, sent, taken,
    };
    use crate::referral::vocabulary::{ProgressKind, RecallReason};
    use crate::referral::{Act, Action, Rejection};

    const NOW: &str = "2026-05-22T10:00:00+08:00";

    fn tell(act: Act, issued: MessageMeta) -> Act {
        Act::Tell(Box::new(Tell { act, issued }))
    }

    fn next(kind: MessageKind) -> MessageMeta {
        next_message(&taken().transfer(), Side::Target, kind, NOW)
    }

    #[test]
    fn an_act_and_its_message_are_one() {
        let before = taken().transfer();
        let history = taken().told(NOW, progress(ProgressKind::Handling));
        let after = history.transfer();
        assert_eq!(after.segment.count(Side::Target), before.segment.count(Side::Target) + 1);
        let last = after.segment.head(Side::Target).unwrap();
        assert_eq!((last.kind, last.sequence), (MessageKind::Progress, before.next_message().sequence));
        assert_ne!(after.segment.digest(after.shared()), before.segment.digest(before.shared()));
        // The next message follows on this one.
        assert_eq!(after.next_message().previous.as_ref(), Some(&last.digest));
    }

    #[test]
    fn what_the_other_council_must_know_is_not_done_without_a_message() {
        for (history, act, action) in [
            (came_in(), acknowledge("GD-3"), Action::Acknowledge),
            (taken(), progress(ProgressKind::Handling), Action::ReportProgress),
            (sent(), Act::Recall(Recall { reason: RecallReason::WrongContent }), Action::Recall),
        ] {
            given(history).at(NOW).when(act).then_err(|refused| *refused == Rejection::MustBeTold { action });
        }
    }

    #[test]
    fn nothing_is_told_before_the_referral_has_left_or_of_what_stays_here() {
        let recall = || Act::Recall(Recall { reason: RecallReason::WrongContent });
        for history in [drafted(), presented()] {
            given(history).at(NOW).told(recall()).then_err(|refused| *refused == Rejection::NothingToTell);
        }
        let issued = || next(MessageKind::Progress);
        let twice = tell(progress(ProgressKind::Handling), issued());
        for act in [draft(drafted_to(MACAO)), tell(twice.clone(), issued()), twice] {
            let told = given(taken()).at(NOW).when(tell(act, issued()));
            told.then_err(|refused| *refused == Rejection::NothingToTell);
        }
        given(nothing())
            .at(NOW)
            .when(tell(progress(ProgressKind::Handling), issued()))
            .then_err(|refused| *refused == Rejection::NotDrafted);
    }

    #[test]
    fn the_message_is_the_next_of_our_lane_about_this_referral_and_says_what_is_done() {
        let good = || next(MessageKind::Progress);
        let done = || progress(ProgressKind::Handling);
        let with = |change: &dyn Fn(&mut MessageMeta)| {
            let mut changed = good();
            change(&mut changed);
            changed
        };
        for (what, issued) in [
            ("kind", next(MessageKind::Outcome)),
            ("sequence", with(&|message: &mut MessageMeta| message.entry.sequence += 1)),
            ("clock", with(&|message: &mut MessageMeta| message.entry.clock += 1)),
            ("previous", with(&|message: &mut MessageMeta| message.entry.previous = Some(Digest::of(b"another")))),
            ("first", with(&|message: &mut MessageMeta| message.entry.previous = None)),
            ("seen", with(&|message: &mut MessageMeta| message.entry.seen = None)),
            ("author", with(&|message: &mut MessageMeta| message.entry.from = partner(MACAO))),
            ("council", with(&|message: &mut MessageMeta| message.entry.from = partner(HONG_KONG))),
            (
                "delivery",
                with(&|message: &mut MessageMeta| message.entry.delivery = DeliveryId::from_uuid(Uuid::from_u128(9))),
            ),
            ("referral", with(&|message: &mut MessageMeta| message.shared = SharedId::from_uuid(Uuid::from_u128(9)))),
        ] {
            let told = given(taken()).at(NOW).when(tell(done(), issued));
            told.then_err(|refused| {
                assert_eq!(*refused, Rejection::MessageOutOfPlace, "{what}");
                true
            });
        }
        let events = given(taken()).at(NOW).when(tell(done(), good())).events();
        assert_eq!(events.last(), Some(&ReferralEvent::MessageIssued(Box::new(good()))));
    }

    #[test]
    fn it_is_signed_and_sealed_for_the_consumer() {
        let signed = |chars: usize| MessageMeta { jws: "s".repeat(chars), ..next(MessageKind::Progress) };
        let done = || progress(ProgressKind::Handling);
        given(taken())
            .at(NOW)
            .when(tell(done(), signed(SIGNATURE_CHARS_MAX + 1)))
            .then_err(|refused| matches!(refused, Rejection::SignatureTooLong { field: "jws", .. }));
        given(taken())
            .at(NOW)
            .when(tell(done(), signed(0)))
            .then_err(|refused| *refused == Rejection::CodeMissing { field: "jws" });
        assert_eq!(given(taken()).at(NOW).when(tell(done(), signed(SIGNATURE_CHARS_MAX))).events().len(), 2);
        let mut foreign = next(MessageKind::Progress);
        foreign.content.subject = SubjectId::from_uuid(Uuid::from_u128(7));
        given(taken()).at(NOW).when(tell(done(), foreign)).then_err(|refused| *refused == Rejection::OtherSubject);
    }
}
