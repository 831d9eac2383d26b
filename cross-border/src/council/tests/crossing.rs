//! Messages that cross each other: whatever the order, both councils end at the same.

use crate::council::CouncilError;
use crate::council::testing::source::Dice;
use crate::council::testing::{Node, Pair, shared};
use crate::delivery::DeliveredBy;
use crate::exchange::body::{
    Acknowledgement, Evidence, Offer, OfferAnswer, Outcome, OutcomeAcknowledgement, Progress, Recall, Retrieved,
    Return, SessionReport,
};
use crate::exchange::{Body, Digest, EvidenceItem, SessionForm, SessionId, SessionResult, SignedMessage};
use crate::partner::Language;
use crate::referral::vocabulary::{ProgressKind, RecallReason, ReferralOutcome, ReturnCode};
use crate::referral::{ReferralId, Stage};

const SEEDS: u64 = 16;
const TURNS: usize = 60;

fn recall() -> Recall {
    Recall { reason: RecallReason::SettledHere }
}

fn settled() -> Outcome {
    Outcome { outcome: ReferralOutcome::Settled, recovered: None, note: None }
}

#[tokio::test]
async fn a_recall_wins_over_a_result_that_crosses_it() {
    for outcome_first in [true, false] {
        let pair = Pair::new();
        let (here, there) = pair.delivered().await;
        pair.target.tell(there, Acknowledgement { reference: "T-9".to_owned() }).await.unwrap();
        pair.settle(here).await;
        pair.target.tell(there, settled()).await.unwrap();
        pair.origin.tell(here, recall()).await.unwrap();
        if outcome_first {
            pair.target.deliver(there, &pair.origin).await;
            pair.origin.deliver(here, &pair.target).await;
        } else {
            pair.origin.deliver(here, &pair.target).await;
            pair.target.deliver(there, &pair.origin).await;
        }
        let stage = pair.assert_agreed(here).await;
        assert_eq!(stage, Stage::Recalled { after_sending: true, erased: None });
    }
}

#[tokio::test]
async fn whatever_crosses_in_whatever_order_both_agree_in_the_end() {
    for seed in 0..SEEDS {
        let pair = Pair::new();
        let (here, there) = pair.delivered().await;
        let mut dice = Dice(seed);
        let mut seen: Vec<(bool, SignedMessage)> = Vec::new();
        for turn in 0..TURNS {
            let from_origin = dice.below(2) == 0;
            let (from, to, id) =
                if from_origin { (&pair.origin, &pair.target, here) } else { (&pair.target, &pair.origin, there) };
            match dice.below(5) {
                0 | 1 => act(from, id, said(&mut dice, here, from_origin, turn)).await,
                2 | 3 => {
                    let rows = from.outbox(id);
                    if rows.is_empty() {
                        continue;
                    }
                    let message = from.message(&rows[dice.below(rows.len())]).await;
                    seen.push((from_origin, message.clone()));
                    bring(&mut dice, from, to, &message).await;
                }
                _ if seen.is_empty() => {}
                _ => {
                    let (was_origin, message) = seen[dice.below(seen.len())].clone();
                    let (from, to) =
                        if was_origin { (&pair.origin, &pair.target) } else { (&pair.target, &pair.origin) };
                    bring(&mut dice, from, to, &message).await;
                }
            }
        }
        pair.settle(here).await;
        pair.assert_agreed(here).await;
        let messages = pair.origin.council.content(here).await.unwrap();
        assert!(messages.iter().all(|message| !message.parked), "seed {seed}");
    }
}

/// What the state does not allow is not said; anything else that goes wrong is a fault.
async fn act(node: &Node, id: ReferralId, body: Body) {
    match node.tell(id, body).await {
        Ok(_) | Err(CouncilError::Rejected(_)) => {}
        Err(error) => panic!("{error:?}"),
    }
}

/// A message arrives; its receipt may be lost on the way back.
async fn bring(dice: &mut Dice, from: &Node, to: &Node, message: &SignedMessage) {
    let receipt = to.receive(from, message).await.unwrap();
    if dice.below(2) == 0 {
        from.council.receipt_from(to.own(), &receipt, DeliveredBy::Push).await.unwrap();
    }
}

fn said(dice: &mut Dice, here: ReferralId, by_origin: bool, turn: usize) -> Body {
    let session = SessionId::derived(shared(here), u32::try_from(dice.below(2)).unwrap());
    let file = format!("file {turn}");
    let item = EvidenceItem {
        digest: Digest::of(file.as_bytes()),
        name: file.clone(),
        bytes: u64::try_from(file.len()).unwrap(),
        media: "text/plain".to_owned(),
    };
    if by_origin {
        return match dice.below(10) {
            0 => recall().into(),
            1..=3 => Evidence { item }.into(),
            4..=6 => OfferAnswer { session, accepted: true, recording_consent: false, note: None }.into(),
            _ => OutcomeAcknowledgement {}.into(),
        };
    }
    match dice.below(12) {
        0 => Retrieved {}.into(),
        1..=3 => Acknowledgement { reference: "T-9".to_owned() }.into(),
        4 => Return { code: ReturnCode::NotLocal, note: None }.into(),
        5 | 6 => Progress { progress: ProgressKind::Handling, note: None }.into(),
        7 | 8 => {
            let languages = vec![Language::English];
            let form = SessionForm::VideoMediation;
            Offer { session, form, proposed_at: None, languages, note: None }.into()
        }
        9 => SessionReport {
            session,
            held_at: "2026-05-18T01:00:00Z".parse().unwrap(),
            recorded: false,
            result: SessionResult::Adjourned,
            amount: None,
            record: None,
            text: None,
        }
        .into(),
        10 => Evidence { item }.into(),
        _ => settled().into(),
    }
}
