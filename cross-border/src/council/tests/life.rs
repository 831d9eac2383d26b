//! A referral's whole life, both ways between the three places.

use chrono::Duration;
use domain::money::{Currency, Money};

use crate::council::testing::dispute::NOTE;
use crate::council::testing::{FIRST, GUANGDONG, HONG_KONG, MACAO, Pair, SECOND, nudges, shared, text};
use crate::council::{CouncilError, OpenedMessage};
use crate::delivery::DeliveryState;
use crate::exchange::body::{
    Acknowledgement, Offer, OfferAnswer, Outcome, OutcomeAcknowledgement, Progress, Retrieved, SessionReport,
};
use crate::exchange::{LangText, MessageKind, SessionForm, SessionId, SessionResult, Side, Step};
use crate::partner::Language;
use crate::referral::vocabulary::{ProgressKind, ReferralOutcome};
use crate::referral::{ReferralId, Rejection, Stage};

fn note() -> Option<LangText> {
    Some(text(Language::TraditionalHongKong, NOTE))
}

/// From the delivery to the end, with a mediation in between.
pub(super) async fn live(pair: &Pair, here: ReferralId) {
    let (origin, target, there) = (&pair.origin, &pair.target, pair.there(here));
    let session = SessionId::derived(shared(here), 1);
    let offer = Offer {
        session,
        form: SessionForm::VideoMediation,
        proposed_at: None,
        languages: vec![Language::TraditionalHongKong],
        note: note(),
    };
    target.tell(there, Retrieved {}).await.unwrap();
    target.tell(there, Acknowledgement { reference: "T-9".to_owned() }).await.unwrap();
    target.tell(there, Progress { progress: ProgressKind::Handling, note: note() }).await.unwrap();
    target.tell(there, offer).await.unwrap();
    pair.settle(here).await;
    assert_eq!(pair.assert_agreed(here).await, Stage::InProgress(ProgressKind::MediationOffered));
    let transfer = origin.transfer(here).await;
    assert_eq!(transfer.reference.as_deref(), Some("T-9"));
    assert!(transfer.retrieved);

    let answer = OfferAnswer { session, accepted: true, recording_consent: true, note: note() };
    origin.tell(here, answer).await.unwrap();
    pair.settle(here).await;
    pair.clock.advance(Duration::days(1));
    let report = SessionReport {
        session,
        held_at: pair.clock.now(),
        recorded: true,
        result: SessionResult::Settled,
        amount: Some(Money::new(100_000, Currency::Hkd).unwrap()),
        record: None,
        text: note(),
    };
    target.tell(there, report).await.unwrap();
    let recovered = Some(Money::new(100_000, Currency::Hkd).unwrap());
    target.tell(there, Outcome { outcome: ReferralOutcome::Settled, recovered, note: note() }).await.unwrap();
    pair.settle(here).await;
    assert_eq!(pair.assert_agreed(here).await, Stage::OutcomeReported(ReferralOutcome::Settled));
    origin.tell(here, OutcomeAcknowledgement {}).await.unwrap();
    pair.settle(here).await;
}

#[tokio::test]
async fn a_dispute_goes_its_whole_way_between_any_two_councils() {
    for (from, to) in
        [(GUANGDONG, HONG_KONG), (HONG_KONG, GUANGDONG), (GUANGDONG, MACAO), (MACAO, GUANGDONG), (HONG_KONG, MACAO)]
    {
        let pair = Pair::of(from, to);
        let (here, there) = pair.delivered().await;
        assert_eq!(pair.assert_agreed(here).await, Stage::Delivered);
        live(&pair, here).await;
        assert_eq!(pair.assert_agreed(here).await, Stage::Closed(ReferralOutcome::Settled), "{from} to {to}");

        let ours = pair.origin.council.content(here).await.unwrap();
        let theirs = pair.target.council.content(there).await.unwrap();
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(&theirs) {
            let told = |message: &OpenedMessage| (message.side, message.sequence, message.said.clone());
            assert_eq!(told(ours), told(theirs), "both read the same, in the same order");
        }
        assert_eq!(ours.len(), 9);
        assert!(ours.iter().all(|message| message.said.is_some() && !message.parked));
        assert!(ours.iter().zip(&theirs).all(|(here, there)| here.own != there.own && here.jws == there.jws));
        assert_eq!(ours[0].kind, MessageKind::Submission);
    }
}

#[tokio::test]
async fn a_receipt_ends_the_delivery_and_tells_the_referral() {
    let pair = Pair::new();
    let here = pair.origin.submit(pair.target.own()).await;
    assert_eq!(pair.origin.stage(here).await, Stage::Sent);
    let outbox = pair.origin.outbox(here);
    assert_eq!(outbox.iter().map(|row| row.kind).collect::<Vec<_>>(), [MessageKind::Submission]);
    pair.origin.bring(&outbox[0], &pair.target).await;
    assert_eq!(pair.origin.stage(here).await, Stage::Delivered);
    assert!(pair.origin.outbox(here).is_empty());
    let row = pair.origin.council.index.delivery(outbox[0].delivery).unwrap().unwrap();
    assert_eq!(row.state, DeliveryState::Delivered);
    let transfer = pair.target.transfer(pair.there(here)).await;
    assert!(transfer.clocks.contains_key(&Step::Acknowledgement));
    assert_eq!(nudges(&transfer, Step::Acknowledgement), (0, false));
}

#[tokio::test]
async fn a_command_happens_once_and_says_one_thing() {
    let pair = Pair::new();
    let (here, there) = pair.delivered().await;
    let target = &pair.target;
    let command = target.command();
    let tell = |reference: &str| {
        let body = Acknowledgement { reference: reference.to_owned() }.into();
        target.council.tell(there, command, target.caller(FIRST), None, None, body)
    };
    let first = tell("T-9").await.unwrap();
    let again = tell("T-9").await.unwrap();
    assert!(again.repeated && !first.repeated);
    assert_eq!((again.revision, &again.state), (first.revision, &first.state));
    assert_eq!(target.outbox(there).len(), 1);
    // The same id for something else.
    let other = event_log::port::CommandRef { digest: target.command().digest, ..command };
    let body = Acknowledgement { reference: "T-10".to_owned() }.into();
    let reused = target.council.tell(there, other, target.caller(FIRST), None, None, body).await;
    assert!(matches!(reused, Err(CouncilError::CommandReused { .. })), "{reused:?}");
    pair.settle(here).await;
    pair.assert_agreed(here).await;
}

#[tokio::test]
async fn who_had_an_older_state_before_the_eyes_is_told() {
    let pair = Pair::new();
    let (_, there) = pair.delivered().await;
    let target = &pair.target;
    let read = target.council.load(there).await.unwrap().revision;
    target.tell(there, Acknowledgement { reference: "T-9".to_owned() }).await.unwrap();
    let body = Progress { progress: ProgressKind::Handling, note: None }.into();
    let stale = target.council.tell(there, target.command(), target.caller(FIRST), read, None, body).await;
    assert!(matches!(stale, Err(CouncilError::Stale { .. })), "{stale:?}");
    assert_eq!(target.outbox(there).len(), 1);
}

#[tokio::test]
async fn two_acts_at_once_are_told_one_after_the_other() {
    let pair = Pair::new();
    let (here, there) = pair.delivered().await;
    pair.target.tell(there, Acknowledgement { reference: "T-9".to_owned() }).await.unwrap();
    let progress = |kind| pair.target.tell(there, Progress { progress: kind, note: note() });
    let (one, two, three) = tokio::join!(
        progress(ProgressKind::Handling),
        progress(ProgressKind::TraderReplied),
        progress(ProgressKind::Handling)
    );
    for told in [one, two, three] {
        told.unwrap();
    }
    assert_eq!(pair.target.transfer(there).await.segment.count(Side::Target), 4);
    pair.settle(here).await;
    pair.assert_agreed(here).await;
}

#[tokio::test]
async fn the_second_person_lets_it_leave() {
    let pair = Pair::new();
    let origin = &pair.origin;
    let here = origin.prepare(pair.target.own()).await;
    for alone in [FIRST, "OFFICER-1", " officer-1"] {
        let refused = origin.let_go(here, alone).await;
        assert!(matches!(refused, Err(CouncilError::Rejected(Rejection::SameApprover))), "{alone}: {refused:?}");
    }
    assert!(origin.outbox(here).is_empty());
    origin.let_go(here, SECOND).await.unwrap();
    let transfer = origin.transfer(here).await;
    let sealed = transfer.sealed.unwrap();
    assert_eq!(transfer.segment.head(Side::Origin).map(|entry| entry.digest.to_string()), Some(sealed.payload));
}
