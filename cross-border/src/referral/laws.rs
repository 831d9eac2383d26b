//! What holds for every referral: for those that decisions can make, for orders of events that nobody could decide, and
//! for two councils whose messages cross.

mod crossing;

use std::sync::LazyLock;

use chrono::{DateTime, Duration, Utc};
use domain::decider::{Decider, Happened};
use domain::wire::Stored;
use proptest::prelude::*;

use super::acknowledge_outcome::AcknowledgeOutcome;
use super::answer_recall::AnswerRecall;
use super::erase::{ErasureReason, HeldFor};
use super::escalate::Escalate;
use super::event::{
    Acknowledged, Assessed, ConsentCaptured, ConsentWithdrawn, Delivered, Erased, ErasureHeld, Escalated,
    EvidenceBrought, EvidenceScanned, EvidenceStored, GivenOut, OfferAnswered, OutcomeAcknowledged, OutcomeReported,
    PassedOver, Presented, Progressed, RecallAnswered, Recalled, ReferralEvent, Reminded, ReminderReceived, Retrieved,
    Returned, Sealed, Sent, SessionHeld, SessionOffered,
};
use super::present::Present;
use super::record_scan::RecordScan;
use super::record_session::RecordSession;
use super::remind::Remind;
use super::retrieve::Retrieve;
use super::return_referral::Return;
use super::store_evidence::StoreEvidence;
use super::testing::{
    ACTOR, Event, HONG_KONG, MACAO, acknowledge, answer, assess, assessment, came_in, capture, clock, consent_to,
    decide, deliver, drafted, drafted_from_macao, drafted_to, expected, file, held, message, next_message, offer,
    outcome, presentation, presented, progress, recall, received, sent, session, submission, time, told,
};
use super::vocabulary::{DataField, LegalRoute, ProgressKind, RecallReason, ReferralOutcome, ReturnCode};
use super::withdraw_consent::WithdrawConsent;
use super::{Act, Action, Referral, ReferralCommand, Rejection, Stage, Transfer, gate};
use crate::exchange::{AgeBand, MessageKind, ScanState, SessionForm, SessionResult, Side, Step};
use crate::partner::Place;

/// What stands in the messages as their moment; nothing is decided by it.
const WRITTEN: &str = "2026-05-20T09:00:00+08:00";

/// Referrals that a message can be about.
static REPLICAS: LazyLock<[Transfer; 3]> =
    LazyLock::new(|| [sent().transfer(), came_in().transfer(), presented().transfer()]);

/// The record of a transfer that was decided.
static RECORDED: LazyLock<ReferralEvent> = LazyLock::new(|| {
    let act = Act::Submit(Box::new(submission(&presented().transfer(), message(), WRITTEN)));
    let happened = decide(&presented().state(), time(WRITTEN), ReferralCommand { at: None, act }).unwrap();
    let mut events = happened.into_iter().map(|happened| happened.event);
    events.find(|event| matches!(event, ReferralEvent::TransferRecorded(_))).expect("sending records the transfer")
});

/// The throws that an act or an event is made from.
#[derive(Debug, Clone, Copy)]
struct Dice {
    which: usize,
    a: usize,
    hours: i64,
}

fn dice() -> impl Strategy<Value = Dice> {
    (0_usize..10_000, 0_usize..10_000, 0_i64..60).prop_map(|(which, a, hours)| Dice { which, a, hours })
}

fn pick<T: Clone>(list: &[T], at: usize) -> T {
    list[at % list.len()].clone()
}

fn some_consent(a: usize) -> ConsentCaptured {
    consent_to(pick(&[HONG_KONG, HONG_KONG, MACAO], a))
}

fn some_assessment(a: usize) -> Assessed {
    let whole = assessment(pick(LegalRoute::ALL, a / 7));
    match a % 7 {
        0 => Assessed { instrument: None, ..whole },
        1 => Assessed { impact: None, ..whole },
        2 => Assessed { important_data: true, ..whole },
        _ => whole,
    }
}

fn some_presentation(a: usize) -> Present {
    let age = pick(AgeBand::ALL, a / 5);
    match a % 5 {
        0 => Present { age, ..presentation() },
        1 => Present { onward_to: Some("DECO".to_owned()), ..presentation() },
        2 => Present { fields: vec![DataField::Facts], ..presentation() },
        _ => presentation(),
    }
}

fn some_message(a: usize) -> Sealed {
    let mut fields = message().fields;
    if a.is_multiple_of(3) {
        fields.push(pick(DataField::ALL, a / 3));
    }
    Sealed { fields, ..message() }
}

fn some_file(a: usize) -> &'static str {
    pick(&["a", "b", "c"], a)
}

fn some_session(a: usize) -> u128 {
    pick(&[1, 2, 3], a)
}

/// One act of this action, sensible or not.
fn act(transfer: &Transfer, action: Action, a: usize) -> Act {
    match action {
        Action::CaptureConsent => capture(some_consent(a)),
        Action::WithdrawConsent => Act::WithdrawConsent(WithdrawConsent {}),
        Action::Assess => assess(some_assessment(a)),
        Action::Present => Act::Present(some_presentation(a)),
        Action::Submit => Act::Submit(Box::new(submission(transfer, some_message(a), WRITTEN))),
        Action::RecordDelivery => deliver(),
        Action::Retrieve => Act::Retrieve(Retrieve {}),
        Action::Acknowledge => acknowledge(pick(&["HK-9", "HK-9", "HK-10"], a)),
        Action::Return => Act::Return(Return { code: pick(ReturnCode::ALL, a), note: None }),
        Action::ReportProgress => progress(pick(ProgressKind::ALL, a)),
        Action::OfferSession => offer(some_session(a), pick(SessionForm::ALL, a / 3)),
        Action::AnswerOffer => answer(some_session(a), !a.is_multiple_of(4), a.is_multiple_of(2)),
        Action::RecordSession => {
            let report = held(some_session(a), pick(SessionResult::ALL, a / 3));
            // Nothing is reported before it was held.
            Act::RecordSession(RecordSession { held_at: transfer.drafted_at, ..report })
        }
        Action::AddEvidence => Act::AddEvidence(file(some_file(a))),
        Action::StoreEvidence => Act::StoreEvidence(StoreEvidence { digest: file(some_file(a)).digest }),
        Action::RecordScan => {
            Act::RecordScan(RecordScan { digest: file(some_file(a)).digest, scan: pick(ScanState::ALL, a / 3) })
        }
        Action::ReportOutcome => outcome(pick(ReferralOutcome::ALL, a)),
        Action::AcknowledgeOutcome => Act::AcknowledgeOutcome(AcknowledgeOutcome {}),
        Action::Recall => recall(pick(RecallReason::ALL, a)),
        Action::AnswerRecall => Act::AnswerRecall(AnswerRecall { erased: a.is_multiple_of(2), note: None }),
        Action::Remind => Act::Remind(Remind { step: pick(Step::ALL, a) }),
        Action::Escalate => Act::Escalate(Escalate { step: pick(Step::ALL, a), to: "gd-council".to_owned() }),
    }
}

/// The same act with its message where the other council must be told.
fn ready(transfer: &Transfer, act: Act) -> Act {
    if transfer.must_be_told(&act) { told(transfer, act, WRITTEN) } else { act }
}

/// One act of the other council, whether or not it could do it now.
fn act_of_theirs(transfer: &Transfer, a: usize) -> Act {
    let theirs = transfer.own_side().other();
    let told: Vec<Act> = Action::ALL
        .iter()
        .map(|action| act(transfer, *action, a))
        .filter(|act| act.message_kind().is_some_and(|kind| kind.sides().contains(&theirs)))
        .collect();
    received(transfer, pick(&told, a / 11), WRITTEN)
}

/// What is listed is never answered with "not allowed", and what is not listed always is, told or not.
fn check_actions(state: &Referral, transfer: &Transfer, now: DateTime<Utc>, dice: Dice) -> Result<(), TestCaseError> {
    let allowed = transfer.allowed();
    for action in Action::ALL {
        let bare = act(transfer, *action, dice.a);
        prop_assert_eq!(bare.action(), Some(*action));
        let with_message = bare.message_kind().map(|_| told(transfer, bare.clone(), WRITTEN));
        for act in std::iter::once(bare).chain(with_message) {
            let command = ReferralCommand { at: None, act };
            let answer = decide(state, now, command.clone());
            prop_assert_eq!(&answer, &decide(state, now, command), "deciding again gives another answer");
            if allowed.contains(action) {
                let unlisted = matches!(answer, Err(Rejection::NotAllowed { .. }));
                prop_assert!(!unlisted, "{action} is listed and refused while {}", transfer.stage);
            } else {
                let allowed = allowed.clone();
                let refusal = Rejection::NotAllowed { action: *action, stage: transfer.stage, allowed };
                prop_assert_eq!(answer, Err(refusal));
            }
        }
    }
    Ok(())
}

/// Every kind of event of preparing and handling, with details by the throw.
fn events(a: usize) -> Vec<ReferralEvent> {
    let note = None;
    vec![
        ReferralEvent::Drafted(Box::new(pick(&[drafted_to(HONG_KONG), drafted_to(MACAO), drafted_from_macao()], a))),
        ReferralEvent::ConsentCaptured(Box::new(some_consent(a))),
        ReferralEvent::ConsentWithdrawn(ConsentWithdrawn {}),
        ReferralEvent::Assessed(Box::new(some_assessment(a))),
        ReferralEvent::Presented(Box::new(some_presented(a))),
        ReferralEvent::Sealed(Box::new(some_message(a))),
        ReferralEvent::Sent(Sent {
            approver: "officer-2".to_owned(),
            retention_to: expected("2027-05-20", "HK-2026/1").by,
            acknowledgement: expected("2026-05-28", "HK-2026/1"),
        }),
        ReferralEvent::Delivered(Delivered { receipt: None }),
        ReferralEvent::Retrieved(Retrieved {}),
        ReferralEvent::Acknowledged(Acknowledged { reference: format!("HK-{a}"), feedback: None }),
        ReferralEvent::Returned(Returned { code: pick(ReturnCode::ALL, a), note: note.clone() }),
        ReferralEvent::Progressed(Progressed { kind: pick(ProgressKind::ALL, a), note: note.clone() }),
        ReferralEvent::OutcomeReported(OutcomeReported {
            outcome: pick(ReferralOutcome::ALL, a),
            recovered: None,
            note: note.clone(),
        }),
        ReferralEvent::OutcomeAcknowledged(OutcomeAcknowledged {}),
        ReferralEvent::Recalled(Recalled { reason: pick(RecallReason::ALL, a), after_sending: a.is_multiple_of(2) }),
        ReferralEvent::RecallAnswered(RecallAnswered { erased: a.is_multiple_of(2), note }),
    ]
}

fn some_presented(a: usize) -> Presented {
    let Present { subject, age, retention_to, fields, onward_to, content } = some_presentation(a);
    // As it is stored now, and as it was before contents were kept.
    let content = (!a.is_multiple_of(3)).then_some(content);
    Presented { by: ACTOR.to_owned(), subject, age, retention_to, fields, onward_to, content }
}

/// Every kind of event of exchanging, with details by the throw.
fn exchanged(a: usize) -> Vec<ReferralEvent> {
    let step = pick(Step::ALL, a);
    let place = pick(Place::ALL, a);
    let digest = file(some_file(a)).digest;
    let report = held(some_session(a), pick(SessionResult::ALL, a));
    let message = |side: Side| {
        let replica = &REPLICAS[a / 3 % REPLICAS.len()];
        Box::new(next_message(replica, side, pick(MessageKind::ALL, a), WRITTEN))
    };
    vec![
        RECORDED.clone(),
        ReferralEvent::MessageIssued(message(Side::Origin)),
        ReferralEvent::MessageReceived(message(Side::Target)),
        clock(step, place, "2026-05-20", "2026-05-28"),
        ReferralEvent::Reminded(Reminded { step, nth: 1 }),
        ReferralEvent::Escalated(Escalated { step, to: "gd-council".to_owned() }),
        ReferralEvent::ReminderReceived(ReminderReceived { step }),
        ReferralEvent::SessionOffered(Box::new(SessionOffered {
            session: session(some_session(a)),
            form: pick(SessionForm::ALL, a),
            proposed_at: None,
            languages: Vec::new(),
            note: None,
        })),
        ReferralEvent::OfferAnswered(OfferAnswered {
            session: session(some_session(a)),
            accepted: a.is_multiple_of(2),
            recording_consent: a.is_multiple_of(3),
            note: None,
        }),
        ReferralEvent::SessionHeld(Box::new(SessionHeld {
            session: report.session,
            held_at: report.held_at,
            recorded: report.recorded,
            result: report.result,
            amount: None,
            record: None,
            text: None,
        })),
        file(some_file(a)).added(pick(Side::ALL, a), pick(&[None, Some(ACTOR)], a)),
        ReferralEvent::EvidenceStored(EvidenceStored { digest: digest.clone() }),
        ReferralEvent::EvidenceBrought(EvidenceBrought { digest: digest.clone(), refused: None }),
        ReferralEvent::GivenOut(GivenOut { delivery: REPLICAS[0].segment.entries(Side::Origin)[0].delivery }),
        ReferralEvent::PassedOver(PassedOver { sequence: 1 }),
        ReferralEvent::Erased(Erased {
            reason: pick(ErasureReason::ALL, a),
            texts: a.is_multiple_of(2),
            files: vec![digest.clone()],
            ordered: a.is_multiple_of(3),
        }),
        ReferralEvent::ErasureHeld(ErasureHeld { why: pick(HeldFor::ALL, a), to: "council-head".to_owned() }),
        ReferralEvent::EvidenceScanned(EvidenceScanned { digest, scan: pick(ScanState::ALL, a) }),
    ]
}

fn any_event(dice: Dice) -> Event {
    let mut events = if dice.which.is_multiple_of(2) { events(dice.a) } else { exchanged(dice.a) };
    let which = (dice.which / 2) % events.len();
    let at = match dice.a % 8 {
        0 => DateTime::<Utc>::MIN_UTC,
        1 => DateTime::<Utc>::MAX_UTC,
        _ => time("2026-05-18T09:00:00+08:00") + Duration::hours(dice.hours),
    };
    Happened { at, event: events.swap_remove(which) }
}

#[test]
fn every_kind_is_among_them() {
    let mut made: Vec<&str> = events(2).iter().chain(&exchanged(2)).map(|event| event.kind().0).collect();
    let mut known: Vec<&str> = ReferralEvent::KINDS.iter().map(|(kind, _)| *kind).collect();
    made.sort_unstable();
    known.sort_unstable();
    assert_eq!(made, known);
}

proptest! {
    #[test]
    fn evolve_takes_any_event_in_any_order(throws in prop::collection::vec(dice(), 0..40)) {
        let mut state = Referral::initial();
        for throw in throws {
            let happened = any_event(throw);
            let next = Referral::evolve(state.clone(), &happened);
            let begins = matches!(happened.event, ReferralEvent::Drafted(_));
            match (state.transfer(), next.transfer()) {
                (None, after) => prop_assert_eq!(after.is_some(), begins),
                (Some(_), None) => return Err(TestCaseError::fail("a referral was forgotten")),
                (Some(before), Some(after)) => {
                    prop_assert_eq!(&before.drafted, &after.drafted);
                    prop_assert!(before.last_act_at <= after.last_act_at);
                    prop_assert!(!before.delivered || after.delivered);
                    prop_assert!(before.segment.count(Side::Origin) <= after.segment.count(Side::Origin));
                    prop_assert!(before.segment.count(Side::Target) <= after.segment.count(Side::Target));
                }
            }
            state = next;
        }
    }

    #[test]
    fn nothing_leaves_through_a_shut_gate_and_actions_fit_the_stage(
        inbound in any::<bool>(),
        throws in prop::collection::vec(dice(), 1..40),
    ) {
        let begun = if inbound { came_in() } else { drafted() };
        let mut now = time("2026-05-18T09:00:00+08:00");
        let mut state = begun.state();
        for throw in throws {
            now += Duration::hours(throw.hours);
            let before = state.transfer().unwrap().clone();
            // Every act of every action is tried, so not at every step.
            if throw.a.is_multiple_of(4) {
                check_actions(&state, &before, now, throw)?;
            }
            let allowed = before.allowed();
            let theirs = before.stage.has_left() && throw.which.is_multiple_of(2);
            let act = match (theirs, allowed.is_empty()) {
                (true, _) => act_of_theirs(&before, throw.a),
                (false, false) => ready(&before, act(&before, pick(&allowed, throw.which), throw.a)),
                (false, true) => break,
            };
            let Ok(happened) = decide(&state, now, ReferralCommand { at: None, act }) else { continue };
            state = happened.iter().fold(state, Referral::evolve);
            let after = state.transfer().unwrap();
            if happened.iter().any(|happened| matches!(happened.event, ReferralEvent::Sent(_))) {
                prop_assert_eq!(gate::shut(after, domain::day::local_day(now)), Vec::<gate::Gate>::new());
                prop_assert!(after.consent.as_ref().is_some_and(|consent| !consent.withdrawn));
            }
            let follows = |happened: &Event| {
                matches!(&happened.event, ReferralEvent::EvidenceAdded(added) if added.side == Side::Origin)
            };
            if !inbound && before.stage.has_left() && happened.iter().any(follows) {
                prop_assert_eq!(gate::shut_to_file(after, domain::day::local_day(now)), Vec::<gate::Gate>::new());
            }
            let ours_left = !inbound && after.stage.has_left();
            prop_assert!(!ours_left || after.sent.is_some(), "{} without having been sent", after.stage);
        }
    }
}

#[test]
fn the_whole_way_out_is_open() {
    let now = time("2026-05-20T09:00:00+08:00");
    let mut state = drafted().state();
    let mut step = |act: &dyn Fn(&Transfer) -> Act| {
        let act = act(state.transfer().unwrap());
        let happened = decide(&state, now, ReferralCommand { at: None, act }).unwrap();
        state = happened.iter().fold(state.clone(), Referral::evolve);
        state.transfer().unwrap().clone()
    };
    step(&|_: &Transfer| capture(consent_to(HONG_KONG)));
    step(&|_: &Transfer| assess(assessment(LegalRoute::GbaHongKong)));
    step(&|_: &Transfer| Act::Present(presentation()));
    step(&|transfer: &Transfer| Act::Submit(Box::new(submission(transfer, message(), WRITTEN))));
    step(&|_: &Transfer| deliver());
    step(&|transfer: &Transfer| received(transfer, Act::Retrieve(Retrieve {}), WRITTEN));
    step(&|transfer: &Transfer| received(transfer, acknowledge("HK-9"), WRITTEN));
    step(&|transfer: &Transfer| received(transfer, offer(1, SessionForm::VideoMediation), WRITTEN));
    step(&|transfer: &Transfer| told(transfer, answer(1, true, false), WRITTEN));
    step(&|transfer: &Transfer| received(transfer, outcome(ReferralOutcome::Settled), WRITTEN));
    let closed = step(&|transfer: &Transfer| told(transfer, Act::AcknowledgeOutcome(AcknowledgeOutcome {}), WRITTEN));
    assert_eq!(closed.stage, Stage::Closed(ReferralOutcome::Settled));
    assert_eq!(closed.allowed(), [Action::WithdrawConsent, Action::RecordDelivery, Action::Recall]);
    assert_eq!((closed.segment.count(Side::Origin), closed.segment.count(Side::Target)), (3, 4));
}
