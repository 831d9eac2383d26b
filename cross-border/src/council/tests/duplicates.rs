//! Messages that come again, at once, too early: each is kept once and receipted the same.

use std::sync::Arc;

use chrono::Duration;

use crate::council::Council;
use crate::council::testing::{Clock, GUANGDONG, HONG_KONG, Node, Pair, START, peer, signing_key};
use crate::delivery::DeliveredBy;
use crate::evidence::NoScanner;
use crate::exchange::body::{Acknowledgement, Progress};
use crate::exchange::{Receipt, ReceiptStatus, Side};
use crate::referral::Stage;
use crate::referral::vocabulary::ProgressKind;
use crate::trust::KeyRing;

fn handling() -> Progress {
    Progress { progress: ProgressKind::Handling, note: None }
}

#[tokio::test]
async fn the_same_message_gets_the_very_same_receipt() {
    let pair = Pair::new();
    let here = pair.origin.submit(pair.target.own()).await;
    let row = pair.origin.outbox(here).remove(0);
    let message = pair.origin.message(&row).await;
    let first = pair.target.receive(&pair.origin, &message).await.unwrap();
    let events = pair.target.events().await;
    pair.clock.advance(Duration::days(3));
    for _ in 0..3 {
        assert_eq!(pair.target.receive(&pair.origin, &message).await.unwrap(), first);
    }
    assert_eq!(pair.target.events().await, events, "nothing was appended");
    let receipt = Receipt::parse(&first.text).unwrap();
    assert_eq!((receipt.status, receipt.at), (ReceiptStatus::Received, START.parse().unwrap()));

    for _ in 0..2 {
        pair.origin.council.receipt_from(pair.target.own(), &first, DeliveredBy::Push).await.unwrap();
    }
    pair.origin.council.receipt_from(pair.target.own(), &first, DeliveredBy::Pull).await.unwrap();
    assert_eq!(pair.origin.stage(here).await, Stage::Delivered);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_message_at_once_is_one_append() {
    let pair = Pair::new();
    let here = pair.origin.submit(pair.target.own()).await;
    let row = pair.origin.outbox(here).remove(0);
    let message = pair.origin.message(&row).await;
    let mut tasks = Vec::new();
    for _ in 0..16 {
        let (council, from) = (Arc::clone(&pair.target.council), pair.origin.own().clone());
        let message = message.clone();
        tasks.push(tokio::spawn(async move { council.receive(&from, message).await }));
    }
    let mut receipts = Vec::new();
    for task in tasks {
        receipts.push(task.await.unwrap().unwrap());
    }
    assert!(receipts.iter().all(|receipt| *receipt == receipts[0]));
    let events = pair.target.events().await;
    assert_eq!(events.iter().filter(|event| &*event.kind == "referral.message-received").count(), 1);
}

#[tokio::test]
async fn a_message_that_comes_too_early_waits_and_keeps_its_receipt() {
    let pair = Pair::new();
    let (here, there) = pair.delivered().await;
    pair.target.tell(there, Acknowledgement { reference: "T-9".to_owned() }).await.unwrap();
    pair.target.tell(there, handling()).await.unwrap();
    let rows = pair.target.outbox(there);
    let (first, second) = (pair.target.message(&rows[0]).await, pair.target.message(&rows[1]).await);

    let parked = pair.origin.receive(&pair.target, &second).await.unwrap();
    assert_eq!(Receipt::parse(&parked.text).unwrap().status, ReceiptStatus::Parked);
    assert_eq!(pair.origin.stage(here).await, Stage::Delivered, "it has no effect yet");
    let content = pair.origin.council.content(here).await.unwrap();
    assert!(content.last().unwrap().parked && content.last().unwrap().said.is_some());

    pair.origin.receive(&pair.target, &first).await.unwrap();
    assert_eq!(pair.origin.stage(here).await, Stage::InProgress(ProgressKind::Handling), "both have effect now");
    assert_eq!(pair.origin.transfer(here).await.segment.count(Side::Target), 2);
    assert_eq!(pair.origin.receive(&pair.target, &second).await.unwrap(), parked, "as it was the first time");
    pair.settle(here).await;
    pair.assert_agreed(here).await;
}

#[tokio::test]
async fn a_receipt_is_signed_by_the_key_of_its_time() {
    let clock = Clock::at(START);
    let mut next = signing_key(HONG_KONG, "2026b");
    next.not_before = "2026-06-01T00:00:00Z".parse().unwrap();
    let old = signing_key(HONG_KONG, "2026a");
    let keys = vec![old.clone(), next.clone()];
    let target = Node::with(
        HONG_KONG,
        keys.clone(),
        vec![peer(GUANGDONG, &[signing_key(GUANGDONG, "2026a")])],
        &clock,
        Arc::new(NoScanner),
    );
    let origin = Node::new(GUANGDONG, vec![peer(HONG_KONG, &keys)], &clock);
    let pair = Pair { origin, target, clock };
    let here = pair.origin.submit(pair.target.own()).await;
    let row = pair.origin.outbox(here).remove(0);
    let message = pair.origin.message(&row).await;
    let first = pair.target.receive(&pair.origin, &message).await.unwrap();
    assert_eq!(first.key, old.id);
    pair.clock.set("2026-06-02T09:00:00+08:00");
    assert_eq!(pair.target.receive(&pair.origin, &message).await.unwrap(), first);
    pair.origin.council.receipt_from(pair.target.own(), &first, DeliveredBy::Push).await.unwrap();

    let there = pair.there(here);
    pair.target.tell(there, Acknowledgement { reference: "T-9".to_owned() }).await.unwrap();
    let row = pair.target.outbox(there).remove(0);
    assert_eq!(pair.target.message(&row).await.key, next.id, "what is said now is signed with the new key");
    pair.settle(here).await;
    pair.assert_agreed(here).await;
}

#[tokio::test]
async fn a_receipt_is_believed_when_the_key_of_its_time_is_lost() {
    let clock = Clock::at(START);
    let mut next = signing_key(HONG_KONG, "2026b");
    next.not_before = "2026-06-01T00:00:00Z".parse().unwrap();
    let both = [signing_key(HONG_KONG, "2026a"), next.clone()];
    let target = Node::new(HONG_KONG, vec![peer(GUANGDONG, &[signing_key(GUANGDONG, "2026a")])], &clock);
    let origin = Node::new(GUANGDONG, vec![peer(HONG_KONG, &both)], &clock);
    let pair = Pair { origin, target, clock };
    let here = pair.origin.submit(pair.target.own()).await;
    let row = pair.origin.outbox(here).remove(0);
    let message = pair.origin.message(&row).await;
    pair.target.receive(&pair.origin, &message).await.unwrap();

    // The answer was lost, and then the disk with the key.
    pair.clock.set("2026-06-02T09:00:00+08:00");
    let before = &pair.target.council;
    let restored = Council {
        own: before.own.clone(),
        log: Arc::clone(&before.log),
        vault: Arc::clone(&before.vault),
        keys: Arc::new(KeyRing::new(vec![next.clone()])),
        directory: Arc::clone(&before.directory),
        index: before.index.clone(),
        evidence: before.evidence.clone(),
        journal: before.journal.clone(),
        now: Arc::clone(&before.now),
    };
    let again = restored.receive(pair.origin.own(), message.clone()).await.unwrap();
    assert_eq!(again.key, next.id);
    assert_eq!(restored.receive(pair.origin.own(), message).await.unwrap(), again, "the same every time");
    pair.origin.council.receipt_from(pair.target.own(), &again, DeliveredBy::Push).await.unwrap();
    assert_eq!(pair.origin.stage(here).await, Stage::Delivered);
}
