//! What holds for every referral: for those that decisions can make, and for orders of events that nobody could decide.

use chrono::{DateTime, Duration, Utc};
use domain::decider::{Decider, Happened};
use domain::wire::Stored;
use proptest::prelude::*;

use super::acknowledge_outcome::AcknowledgeOutcome;
use super::answer_recall::AnswerRecall;
use super::event::{
    Acknowledged, Assessed, ConsentCaptured, ConsentWithdrawn, Delivered, OutcomeAcknowledged, OutcomeReported,
    Progressed, RecallAnswered, Recalled, ReferralEvent, Returned, Sealed, Sent,
};
use super::recall::Recall;
use super::return_referral::Return;
use super::testing::{
    Event, HONG_KONG, MACAO, acknowledge, assess, assessment, capture, consent_to, decide, deliver, draft, drafted,
    drafted_from_macao, drafted_to, expected, message, nothing, outcome, progress, seal, send, time,
};
use super::vocabulary::{DataField, LegalRoute, ProgressKind, RecallReason, ReferralOutcome, ReturnCode};
use super::withdraw_consent::WithdrawConsent;
use super::{Act, Action, Referral, ReferralCommand, Rejection, Stage, Transfer, gate};

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

fn some_message(a: usize) -> Sealed {
    let mut fields = message().fields;
    if a.is_multiple_of(3) {
        fields.push(pick(DataField::ALL, a / 3));
    }
    Sealed { fields, ..message() }
}

/// One act of this action, sensible or not.
fn act(action: Action, a: usize) -> Act {
    match action {
        Action::CaptureConsent => capture(some_consent(a)),
        Action::WithdrawConsent => Act::WithdrawConsent(WithdrawConsent {}),
        Action::Assess => assess(some_assessment(a)),
        Action::Seal => seal(some_message(a)),
        Action::Send => send(),
        Action::RecordDelivery => deliver(),
        Action::Acknowledge => acknowledge(pick(&["HK-9", "HK-9", "HK-10"], a)),
        Action::Return => Act::Return(Return { code: pick(ReturnCode::ALL, a), note: None }),
        Action::ReportProgress => progress(pick(ProgressKind::ALL, a)),
        Action::ReportOutcome => outcome(pick(ReferralOutcome::ALL, a)),
        Action::AcknowledgeOutcome => Act::AcknowledgeOutcome(AcknowledgeOutcome {}),
        Action::Recall => Act::Recall(Recall { reason: pick(RecallReason::ALL, a) }),
        Action::AnswerRecall => Act::AnswerRecall(AnswerRecall { erased: a.is_multiple_of(2), note: None }),
    }
}

/// What is listed is never answered with "not allowed", and what is not listed always is.
fn check_actions(state: &Referral, transfer: &Transfer, now: DateTime<Utc>, dice: Dice) -> Result<(), TestCaseError> {
    let allowed = transfer.allowed();
    for action in Action::ALL {
        let command = ReferralCommand { at: None, act: act(*action, dice.a) };
        prop_assert_eq!(command.act.action(), Some(*action));
        let answer = decide(state, now, command.clone());
        prop_assert_eq!(&answer, &decide(state, now, command), "deciding again gives another answer");
        if allowed.contains(action) {
            let unlisted = matches!(answer, Err(Rejection::NotAllowed { .. }));
            prop_assert!(!unlisted, "{action} is listed and refused while {}", transfer.stage);
        } else {
            let refusal = Rejection::NotAllowed { action: *action, stage: transfer.stage, allowed: allowed.clone() };
            prop_assert_eq!(answer, Err(refusal));
        }
    }
    Ok(())
}

/// Every kind of event, with details by the throw.
fn events(a: usize) -> Vec<ReferralEvent> {
    let note = None;
    vec![
        ReferralEvent::Drafted(Box::new(pick(&[drafted_to(HONG_KONG), drafted_to(MACAO), drafted_from_macao()], a))),
        ReferralEvent::ConsentCaptured(Box::new(some_consent(a))),
        ReferralEvent::ConsentWithdrawn(ConsentWithdrawn {}),
        ReferralEvent::Assessed(Box::new(some_assessment(a))),
        ReferralEvent::Sealed(Box::new(some_message(a))),
        ReferralEvent::Sent(Sent {
            approver: "officer-2".to_owned(),
            retention_to: expected("2027-05-20", "HK-2026/1").by,
            acknowledgement: expected("2026-05-28", "HK-2026/1"),
        }),
        ReferralEvent::Delivered(Delivered { receipt: None }),
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

fn any_event(dice: Dice) -> Event {
    let mut events = events(dice.a);
    let which = dice.which % events.len();
    let at = match dice.a % 8 {
        0 => DateTime::<Utc>::MIN_UTC,
        1 => DateTime::<Utc>::MAX_UTC,
        _ => time("2026-05-18T09:00:00+08:00") + Duration::hours(dice.hours),
    };
    Happened { at, event: events.swap_remove(which) }
}

#[test]
fn every_kind_is_among_them() {
    let mut made: Vec<&str> = events(2).iter().map(|event| event.kind().0).collect();
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
        let begun = if inbound {
            nothing().and("2026-05-18T09:00:00+08:00", draft(drafted_from_macao()))
        } else {
            drafted()
        };
        let mut now = time("2026-05-18T09:00:00+08:00");
        let mut state = begun.state();
        for throw in throws {
            now += Duration::hours(throw.hours);
            let before = state.transfer().unwrap().clone();
            check_actions(&state, &before, now, throw)?;
            let allowed = before.allowed();
            if allowed.is_empty() {
                break;
            }
            let command = ReferralCommand { at: None, act: act(pick(&allowed, throw.which), throw.a) };
            let Ok(happened) = decide(&state, now, command) else { continue };
            for event in &happened {
                if matches!(event.event, ReferralEvent::Sent(_)) {
                    prop_assert_eq!(gate::shut(&before, domain::day::local_day(now)), Vec::<gate::Gate>::new());
                    prop_assert!(before.consent.as_ref().is_some_and(|consent| !consent.withdrawn));
                }
            }
            state = happened.iter().fold(state, Referral::evolve);
            let after = state.transfer().unwrap();
            let ours_left = !inbound && after.stage.has_left();
            prop_assert!(!ours_left || after.sent.is_some(), "{} without having been sent", after.stage);
        }
    }
}

#[test]
fn the_whole_way_out_is_open() {
    let mut state = drafted().state();
    let way = [
        Action::CaptureConsent,
        Action::Assess,
        Action::Seal,
        Action::Send,
        Action::RecordDelivery,
        Action::Acknowledge,
        Action::ReportProgress,
        Action::ReportOutcome,
        Action::AcknowledgeOutcome,
    ];
    let now = time("2026-05-20T09:00:00+08:00");
    for action in way {
        // A whole assessment for Hong Kong, and nothing but listed fields.
        let a = if action == Action::Assess { 3 } else { 1 };
        let happened = decide(&state, now, ReferralCommand { at: None, act: act(action, a) }).unwrap();
        state = happened.iter().fold(state, Referral::evolve);
    }
    let transfer = state.transfer().unwrap();
    assert_eq!(transfer.stage, Stage::Closed(pick(ReferralOutcome::ALL, 1)));
    assert_eq!(transfer.allowed(), [Action::WithdrawConsent, Action::RecordDelivery]);
}
