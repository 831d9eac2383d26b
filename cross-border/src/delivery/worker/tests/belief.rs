//! Partners whose receipts and answers are not to be believed, and the files that belong to messages.

use serde_json::json;
use tokio::sync::Notify;
use tokio::task::yield_now;

use super::super::testing::{Fault, World, answer_of, options};
use super::super::*;
use super::long;
use crate::council::Ask;
use crate::council::testing::dispute::ask;
use crate::council::testing::{FIRST, GUANGDONG, HONG_KONG, MACAO, council_id, signing_key};
use crate::delivery::DeliveryState;
use crate::delivery::client::testing::Reply;
use crate::evidence::sniff::tests::PDF;
use crate::exchange::body::{Recall, Return};
use crate::exchange::{DeliveryId, Digest, EvidenceItem, MessageKind, Receipt, RefusalCode, SignedReceipt};
use crate::referral::vocabulary::{RecallReason, ReturnCode};
use crate::referral::withdraw_consent::WithdrawConsent;
use crate::referral::{Act, Stage};
use crate::trust::SigningKey;
use crate::trust::jws::sign_detached;

fn receipted(change: impl Fn(SignedReceipt) -> SignedReceipt + Send + Sync + 'static) -> Fault {
    Fault::OtherReceipt(Arc::new(change))
}

fn signed(receipt: &Receipt, key: &SigningKey) -> SignedReceipt {
    let text = receipt.canonical();
    let jws = sign_detached(key, text.as_bytes()).unwrap();
    SignedReceipt { text, jws, key: key.id.clone() }
}

#[tokio::test]
async fn a_receipt_counts_only_when_it_is_the_partners_for_this_message() {
    let other_key = signing_key(GUANGDONG, "2026a");
    let hong_kong = || signing_key(HONG_KONG, "2026a");
    let changed = move |change: fn(&mut Receipt)| {
        receipted(move |receipt| {
            let mut receipt = Receipt::parse(&receipt.text).unwrap();
            change(&mut receipt);
            signed(&receipt, &hong_kong())
        })
    };
    let faults = [
        changed(|receipt| receipt.delivery = DeliveryId::derived(receipt.referral, &receipt.to, 7)),
        changed(|receipt| receipt.digest = Digest::of(b"another message")),
        changed(|receipt| receipt.from = council_id(MACAO)),
        changed(|receipt| receipt.to = council_id(MACAO)),
        receipted(|receipt| SignedReceipt { text: "{}".to_owned(), ..receipt }),
        receipted(|receipt| SignedReceipt { jws: "eyJ..c2ln".to_owned(), ..receipt }),
        receipted(move |receipt| signed(&Receipt::parse(&receipt.text).unwrap(), &other_key)),
        receipted(|receipt| SignedReceipt { key: signing_key(MACAO, "2026a").id, ..receipt }),
    ];
    for fault in faults {
        let world = World::new().await;
        let id = world.submitted().await;
        world.partner.will(fault);
        let mut worker = world.worker();
        assert_eq!(world.turn(&mut worker).await, 1);
        let row = world.row(id, 1);
        assert_eq!((row.state, row.last_code.as_deref()), (DeliveryState::Pending, Some("bad-receipt")));
        assert_eq!(world.journal().await, ["bad-receipt"]);
        assert_eq!(world.origin.stage(id).await, Stage::Sent);

        world.clock.advance(long());
        assert_eq!(world.turn(&mut worker).await, 1);
        assert_eq!(world.row(id, 1).state, DeliveryState::Delivered, "the right one is taken");
    }
}

#[tokio::test]
async fn what_no_honest_partner_answers_stands_in_the_journal() {
    for (reply, code) in [
        (Reply::status(200, "<html>"), "not-json"),
        (Reply::json(&json!({"data": {}})), "no-receipt"),
        (Reply::status(302, "").with_header("Location", "http://elsewhere.example/"), "redirect"),
        (Reply::Flood, "too-large"),
    ] {
        let world = World::new().await;
        let id = world.submitted().await;
        world.partner.will(Fault::Instead(reply));
        assert_eq!(world.turn(&mut world.worker()).await, 1);
        assert_eq!(world.row(id, 1).last_code.as_deref(), Some(code));
        assert_eq!(world.journal().await, [code]);
    }
}

#[tokio::test]
async fn an_answer_without_an_end_is_cut_off_and_stands_in_the_journal() {
    let world = World::new().await;
    let id = world.submitted().await;
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"data\":".to_vec();
    world.partner.will(Fault::Instead(Reply::Hang(half)));
    let terms = WorkerOptions { timeout: Duration::from_millis(500), ..options("worker-1") };
    assert_eq!(world.turn(&mut world.worker_with(terms)).await, 1);
    assert_eq!(world.row(id, 1).last_code.as_deref(), Some("endless"));
    assert_eq!(world.journal().await, ["endless"]);
}

#[tokio::test]
async fn a_message_with_a_file_counts_only_when_the_file_is_there() {
    let world = World::new().await;
    let id = world.submitted().await;
    let mut worker = world.worker();
    assert_eq!(world.turn(&mut worker).await, 1);
    let digest = world.attach(id, PDF).await;
    assert_eq!(world.row(id, 2).kind, MessageKind::Evidence);

    world.partner.will(Fault::None);
    world.partner.will(Fault::Instead(Reply::status(500, "")));
    assert_eq!(world.turn(&mut worker).await, 1);
    let row = world.row(id, 2);
    assert_eq!((row.state, row.last_code.as_deref()), (DeliveryState::Pending, Some("server-error")));
    let there = world.partner.node.transfer(world.there(id)).await;
    assert!(!there.evidence[&digest].stored, "announced, and not there");

    world.clock.advance(long());
    assert_eq!(world.turn(&mut worker).await, 1);
    let row = world.row(id, 2);
    assert_eq!(row.state, DeliveryState::Delivered);
    assert!(world.partner.node.transfer(world.there(id)).await.evidence[&digest].stored);
    assert_eq!((world.partner.requests("POST"), world.partner.requests("PUT")), (3, 2));
    let kinds = world.history(&row).await;
    // Each file gets the time of its own exchange.
    let expected = ["leased", "leased", "failed", "leased", "leased", "delivered"];
    assert_eq!(kinds, expected.map(|kind| format!("delivery.{kind}")));
}

#[tokio::test]
async fn a_file_that_is_refused_for_good_holds_up_nothing_and_is_not_hushed_up() {
    let world = World::new().await;
    let id = world.submitted().await;
    let mut worker = world.worker();
    assert_eq!(world.turn(&mut worker).await, 1);
    world.attach(id, PDF).await;
    world.partner.will(Fault::None);
    world.partner.will(Fault::Instead(answer_of(RefusalCode::EvidenceInfected)));
    assert_eq!(world.turn(&mut worker).await, 1);
    let row = world.row(id, 2);
    assert_eq!(row.state, DeliveryState::Delivered);
    assert_eq!((row.last_code.as_deref(), row.last_detail.as_deref()), (Some("evidence"), Some("EVIDENCE_INFECTED")));
}

#[tokio::test]
async fn the_files_of_what_was_called_back_stay_here() {
    let world = World::new().await;
    let id = world.submitted().await;
    let mut worker = world.worker();
    assert_eq!(world.turn(&mut worker).await, 1);
    world.attach(id, PDF).await;
    world.origin.tell(id, Recall { reason: RecallReason::SettledHere }).await.unwrap();
    assert_eq!(world.turn(&mut worker).await, 1);
    assert_eq!(world.turn(&mut worker).await, 1);
    assert_eq!(world.row(id, 3).state, DeliveryState::Delivered, "the recall came through");
    assert_eq!(world.partner.requests("PUT"), 0);
}

#[tokio::test]
async fn the_files_of_what_was_returned_stay_here() {
    let world = World::new().await;
    let id = world.submitted().await;
    let mut worker = world.worker();
    assert_eq!(world.turn(&mut worker).await, 1);
    world.attach(id, PDF).await;
    // The return comes before the message that tells of the file has gone.
    let (node, there) = (&world.partner.node, world.there(id));
    node.tell(there, Return { code: ReturnCode::NotLocal, note: None }).await.unwrap();
    assert_eq!(node.deliver(there, &world.origin).await, 1);
    assert_eq!(world.origin.stage(id).await, Stage::Returned(ReturnCode::NotLocal));
    assert_eq!(world.turn(&mut worker).await, 1);
    assert_eq!(world.row(id, 2).state, DeliveryState::Delivered, "the message came through");
    assert_eq!((world.turn(&mut worker).await, world.partner.requests("PUT")), (0, 0));
}

#[tokio::test]
async fn no_further_file_follows_the_one_that_is_under_way_when_the_consent_is_withdrawn() {
    let world = World::new().await;
    let (node, partner) = (&world.origin, world.partner.node.own());
    let id = node.prepare(partner).await;
    let mut evidence = Vec::new();
    for number in [b"1", b"2"] {
        let bytes = [PDF, number].concat();
        let digest = node.attach(id, "application/pdf", &bytes).await.unwrap();
        let (name, media) = ("receipt".to_owned(), "application/pdf".to_owned());
        evidence.push(EvidenceItem { digest, name, bytes: u64::try_from(bytes.len()).unwrap(), media });
    }
    let ask = ask(node.council.place(), partner);
    node.approve(id, Ask { evidence, ..ask }).await;
    node.catch_up();

    let gate = Arc::new(Notify::new());
    world.partner.will(Fault::None);
    world.partner.will(Fault::Held(Arc::clone(&gate)));
    let mut worker = world.worker();
    let mut attempts = JoinSet::new();
    worker.begin(&mut attempts).await;
    while world.partner.requests("PUT") == 0 {
        yield_now().await;
    }
    node.act(id, FIRST, Act::WithdrawConsent(WithdrawConsent {})).await.unwrap();
    gate.notify_one();
    while let Some(ended) = attempts.join_next_with_id().await {
        worker.end(ended);
    }
    assert_eq!(world.row(id, 1).state, DeliveryState::Delivered);
    assert_eq!(world.partner.requests("PUT"), 1);
    assert_eq!((world.turn(&mut worker).await, world.partner.requests("PUT")), (0, 1));
}
