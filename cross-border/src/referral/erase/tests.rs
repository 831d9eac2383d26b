//! What is erased when, and what is put before a person instead.

use super::{Erase, Erased, ErasureHeld, ErasureReason, HeldFor, HoldErasure, NotErased};
use crate::referral::acknowledge_outcome::AcknowledgeOutcome;
use crate::referral::add_evidence::AddEvidence;
use crate::referral::answer_recall::AnswerRecall;
use crate::referral::event::{Drafted, ReferralEvent};
use crate::referral::return_referral::Return;
use crate::referral::store_evidence::StoreEvidence;
use crate::referral::testing::{
    History, acknowledge, acknowledged, came_in, day, drafted, drafted_from_macao, file, given, nothing, opening,
    outcome, presented, recall, sent,
};
use crate::referral::vocabulary::{RecallReason, ReferralOutcome, ReturnCode};
use crate::referral::{Act, Action, Rejection, Stage};

/// What was sent may be kept until 2027-05-20.
const LAST: &str = "2027-05-20T23:59:59+08:00";
const OVER: &str = "2027-05-21T00:00:00+08:00";
const EARLY: &str = "2026-05-25T09:00:00+08:00";

fn erase() -> Act {
    Act::Erase(Erase { files: Vec::new(), ordered: false })
}

fn order() -> Act {
    Act::Erase(Erase { files: Vec::new(), ordered: true })
}

fn hold(why: HeldFor) -> Act {
    Act::HoldErasure(HoldErasure { why, to: "council-head".to_owned() })
}

fn erased(reason: ErasureReason, texts: bool, ordered: bool) -> ReferralEvent {
    ReferralEvent::Erased(Erased { reason, texts, files: Vec::new(), ordered })
}

/// Came in from Macao, to be kept until 2027-05-20.
fn received() -> History {
    let drafted = Drafted { retention_to: Some(day("2027-05-20")), ..drafted_from_macao() };
    let now = "2026-05-18T09:00:00+08:00";
    nothing().and(now, Act::Receive(Box::new(opening(drafted, now))))
}

fn returned() -> History {
    received().told(EARLY, Act::Return(Return { code: ReturnCode::NotLocal, note: None }))
}

fn closed() -> History {
    let reported = acknowledged().received(EARLY, outcome(ReferralOutcome::Settled));
    reported.told(EARLY, Act::AcknowledgeOutcome(AcknowledgeOutcome {}))
}

fn called_back() -> History {
    received().received(EARLY, recall(RecallReason::ConsentWithdrawn))
}

#[test]
fn what_has_ended_is_erased_behind_the_last_day_of_keeping_and_once() {
    for (history, texts) in [(returned(), true), (closed(), false)] {
        assert_eq!(history.transfer().kept_to(), Some(day("2027-05-20")));
        let kept = Rejection::NotErased(NotErased::KeptUntil { to: day("2027-05-20") });
        given(history.clone()).at(LAST).when(erase()).then_err(|refused| *refused == kept);
        let (stage, digest) = {
            let transfer = history.transfer();
            (transfer.stage, transfer.segment.digest(transfer.shared()))
        };
        let event = erased(ErasureReason::RetentionEnded, texts, false);
        let over = given(history).at(OVER).when(erase()).then([event]);
        let transfer = over.transfer();
        assert_eq!((transfer.stage, transfer.kept_to()), (stage, None));
        assert_eq!(transfer.segment.digest(transfer.shared()), digest, "both councils can still compare");
        for again in [erase(), order(), hold(HeldFor::NotEnded)] {
            given(over.clone()).at(OVER).when(again).then([]);
        }
    }
}

#[test]
fn what_has_not_ended_is_erased_by_order_alone() {
    let not_ended = Rejection::NotErased(NotErased::NotEnded { stage: Stage::Acknowledged });
    let taken = received().told(EARLY, acknowledge("GD-3"));
    given(taken).at(OVER).when(erase()).then_err(|refused| *refused == not_ended);
    let held = given(received()).at(OVER).when(hold(HeldFor::NotEnded));
    let held =
        held.then([ReferralEvent::ErasureHeld(ErasureHeld { why: HeldFor::NotEnded, to: "council-head".to_owned() })]);
    given(held.clone()).at(OVER).when(hold(HeldFor::NotEnded)).then([]);
    assert_eq!(held.transfer().kept_to(), Some(day("2027-05-20")), "it is still due");
    let ordered = given(held).at(OVER).when(order()).then([erased(ErasureReason::RetentionEnded, true, true)]);
    assert_eq!(ordered.transfer().kept_to(), None);
    // Nobody orders what may be kept.
    for early in [order(), hold(HeldFor::NotEnded)] {
        given(received()).at(LAST).when(early).then_err(|refused| matches!(refused, Rejection::NotErased(_)));
    }
}

#[test]
fn what_is_called_back_is_due_at_once() {
    given(called_back())
        .at(EARLY)
        .when(erase())
        .then_err(|refused| matches!(refused, Rejection::NotErased(NotErased::NotEnded { .. })));
    given(called_back()).at(EARLY).when(order()).then([erased(ErasureReason::Recalled, true, true)]);
    let answered = |yes: bool| called_back().told(EARLY, Act::AnswerRecall(AnswerRecall { erased: yes, note: None }));
    assert_eq!(answered(true).transfer().kept_to(), None, "nothing is left to erase");
    // What a law kept us from erasing is for a person to decide.
    given(answered(false))
        .at(OVER)
        .when(erase())
        .then_err(|refused| matches!(refused, Rejection::NotErased(NotErased::NotEnded { .. })));
}

#[test]
fn what_was_received_and_called_back_is_restricted_until_it_is_gone() {
    let answered = |yes: bool| called_back().told(EARLY, Act::AnswerRecall(AnswerRecall { erased: yes, note: None }));
    // The last one: what we sent and called back is ours.
    let ours = sent().told(EARLY, recall(RecallReason::WrongContent));
    for (history, restricted) in [
        (received(), false),
        (returned(), false),
        (called_back(), true),
        (answered(false), true),
        (answered(true), false),
        (called_back().and(EARLY, order()), false),
        (ours, false),
    ] {
        let transfer = history.transfer();
        assert_eq!(transfer.is_restricted(), restricted, "{:?}", transfer.stage);
    }
}

#[test]
fn nothing_is_kept_of_what_never_left_or_named_no_day() {
    let recalled = presented().and("2026-05-20T10:00:00+08:00", recall(RecallReason::WrongContent));
    for history in [drafted(), presented(), recalled, came_in()] {
        assert_eq!(history.transfer().kept_to(), None);
        let nothing_kept = Rejection::NotErased(NotErased::NothingKept);
        given(history).at(OVER).when(order()).then_err(|refused| *refused == nothing_kept);
    }
    assert_eq!(sent().transfer().retention_to(), Some(day("2027-05-20")));
}

#[test]
fn files_that_are_taken_away_belong_to_the_referral() {
    let AddEvidence { digest, .. } = file("a");
    let with_file = sent().told(EARLY, Act::AddEvidence(file("a")));
    let with_file = with_file.and(EARLY, Act::StoreEvidence(StoreEvidence { digest: digest.clone() }));
    let with_file = with_file.received(EARLY, Act::Return(Return { code: ReturnCode::NotLocal, note: None }));
    let taking = |text: &str| Act::Erase(Erase { files: vec![file(text).digest], ordered: false });
    given(with_file.clone())
        .at(OVER)
        .when(taking("b"))
        .then_err(|refused| *refused == Rejection::UnknownEvidence(file("b").digest));
    let event =
        Erased { reason: ErasureReason::RetentionEnded, texts: false, files: vec![digest.clone()], ordered: false };
    let over = given(with_file).at(OVER).when(taking("a")).then([ReferralEvent::Erased(event)]);
    let transfer = over.transfer();
    assert!(!transfer.owes_file(&digest) && !transfer.awaits_file(&digest));
}

#[test]
fn no_file_is_stored_once_what_was_kept_is_erased() {
    let two = sent().told(EARLY, Act::AddEvidence(file("a"))).told(EARLY, Act::AddEvidence(file("b")));
    let store = |text: &str| Act::StoreEvidence(StoreEvidence { digest: file(text).digest });
    let sent_back = Act::Return(Return { code: ReturnCode::NotLocal, note: None });
    let returned = two.and(EARLY, store("a")).received(EARLY, sent_back);
    assert!(!returned.transfer().is_erased());
    let over = returned.and(OVER, erase());
    assert!(over.transfer().is_erased());
    for text in ["a", "b"] {
        let refused = given(over.clone()).at(OVER).when(store(text));
        refused.then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::StoreEvidence, .. }));
    }
}

#[test]
fn somebody_is_told() {
    let nobody = Act::HoldErasure(HoldErasure { why: HeldFor::Outstanding, to: " ".to_owned() });
    given(returned()).at(OVER).when(nobody).then_err(|refused| *refused == Rejection::CodeMissing { field: "to" });
}
