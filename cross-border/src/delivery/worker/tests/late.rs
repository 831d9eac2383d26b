//! Files that are put in when the message which tells of them has long arrived.

use chrono::TimeDelta;

use super::super::testing::{Fault, World, answer_of};
use crate::council::Ask;
use crate::council::testing::dispute::ask;
use crate::delivery::DeliveryState;
use crate::delivery::client::testing::Reply;
use crate::evidence::sniff::tests::PDF;
use crate::exchange::body::Recall;
use crate::exchange::{Digest, EvidenceItem, RefusalCode};
use crate::referral::vocabulary::RecallReason;
use crate::referral::{ReferralId, Stage};

impl World {
    /// Submitted and told of a file, both brought over; the file is not put in.
    async fn told(&self) -> (ReferralId, Digest) {
        let id = self.submitted().await;
        let digest = self.origin.announce(id, "receipt", "application/pdf", PDF).await.unwrap();
        let mut worker = self.worker();
        assert_eq!(self.turn(&mut worker).await, 1);
        assert_eq!(self.turn(&mut worker).await, 1, "the message does not wait for its file");
        assert_eq!(self.row(id, 2).state, DeliveryState::Delivered);
        assert_eq!((self.turn(&mut worker).await, self.partner.requests("PUT")), (0, 0));
        (id, digest)
    }

    /// What Hong Kong has of the file.
    async fn is_there(&self, id: ReferralId, digest: &Digest) -> bool {
        self.partner.node.transfer(self.there(id)).await.evidence[digest].stored
    }

    /// How our log ends the account of files: with their refusals, if any.
    async fn brought(&self) -> Vec<Option<String>> {
        let events = self.origin.events().await.into_iter().filter(|event| &*event.kind == "referral.evidence-brought");
        let payloads = events.map(|event| serde_json::from_str::<serde_json::Value>(&event.payload).unwrap());
        payloads.map(|payload| payload["refused"].as_str().map(str::to_owned)).collect()
    }
}

#[tokio::test]
async fn a_file_that_is_put_in_later_goes_by_itself_and_once() {
    let world = World::new().await;
    let (id, digest) = world.told().await;
    world.origin.put_in(id, &digest, PDF).await.unwrap();
    let mut worker = world.worker();
    assert_eq!(world.turn(&mut worker).await, 1);
    assert!(world.is_there(id, &digest).await);
    assert_eq!(world.brought().await, [None]);
    assert_eq!((world.turn(&mut worker).await, world.turn(&mut world.worker()).await), (0, 0), "also after a start");
    assert_eq!((world.partner.requests("POST"), world.partner.requests("PUT")), (2, 1));
    assert_eq!(world.history(&world.row(id, 2)).await, ["delivery.leased", "delivery.delivered"]);
}

#[tokio::test]
async fn a_file_of_the_submission_that_is_put_in_later_goes_too() {
    let world = World::new().await;
    let id = world.origin.prepare(world.partner.node.own()).await;
    let digest = world.origin.announce(id, "receipt", "application/pdf", PDF).await.unwrap();
    let item = EvidenceItem {
        digest: digest.clone(),
        name: "receipt".to_owned(),
        bytes: u64::try_from(PDF.len()).unwrap(),
        media: "application/pdf".to_owned(),
    };
    let ask = ask(world.origin.council.place(), world.partner.node.own());
    world.origin.approve(id, Ask { evidence: vec![item], ..ask }).await;
    let mut worker = world.worker();
    assert_eq!(world.turn(&mut worker).await, 1);
    assert_eq!((world.origin.stage(id).await, world.partner.requests("PUT")), (Stage::Delivered, 0));
    world.origin.put_in(id, &digest, PDF).await.unwrap();
    assert_eq!(world.turn(&mut worker).await, 1);
    assert!(world.is_there(id, &digest).await);
}

#[tokio::test]
async fn a_file_that_nobody_puts_in_holds_up_nothing() {
    let world = World::new().await;
    let (id, _) = world.told().await;
    world.origin.tell(id, Recall { reason: RecallReason::SettledHere }).await.unwrap();
    assert_eq!(world.turn(&mut world.worker()).await, 1);
    assert_eq!(world.row(id, 3).state, DeliveryState::Delivered);
}

#[tokio::test]
async fn a_file_that_did_not_arrive_rests_and_goes_again() {
    for fault in [Fault::Instead(Reply::status(500, "")), Fault::AnswerLost] {
        let world = World::new().await;
        let (id, digest) = world.told().await;
        world.origin.put_in(id, &digest, PDF).await.unwrap();
        world.partner.will(fault);
        let mut worker = world.worker();
        assert_eq!(world.turn(&mut worker).await, 1);
        assert!(world.brought().await.is_empty());
        world.clock.advance(TimeDelta::hours(2));
        assert_eq!(world.turn(&mut worker).await, 0, "it rests, and messages would not");
        assert_eq!(world.turn(&mut world.worker()).await, 1, "a start forgets the rest");
        assert!(world.is_there(id, &digest).await);
        assert_eq!(world.brought().await, [None]);
        let there = world.partner.node.events().await;
        let taken = there.iter().filter(|event| &*event.kind == "referral.evidence-stored").count();
        assert_eq!(taken, 1, "the partner took it once");
    }
}

#[tokio::test]
async fn a_late_file_that_is_refused_for_good_is_not_brought_again() {
    let world = World::new().await;
    let (id, digest) = world.told().await;
    world.origin.put_in(id, &digest, PDF).await.unwrap();
    world.partner.will(Fault::Instead(answer_of(RefusalCode::EvidenceInfected)));
    assert_eq!(world.turn(&mut world.worker()).await, 1);
    assert_eq!(world.brought().await, [Some("EVIDENCE_INFECTED".to_owned())]);
    assert_eq!(world.turn(&mut world.worker()).await, 0);
    assert_eq!(world.row(id, 2).state, DeliveryState::Delivered);
}

#[tokio::test]
async fn what_is_called_back_or_erased_sends_no_file_behind() {
    let world = World::new().await;
    let (id, digest) = world.told().await;
    world.origin.put_in(id, &digest, PDF).await.unwrap();
    world.origin.tell(id, Recall { reason: RecallReason::SettledHere }).await.unwrap();
    assert_eq!(world.turn(&mut world.worker()).await, 1, "the recall alone");

    let world = World::new().await;
    let (id, digest) = world.told().await;
    world.origin.put_in(id, &digest, PDF).await.unwrap();
    let subject = world.origin.transfer(id).await.presented.unwrap().subject;
    world.origin.council.vault.destroy(subject).unwrap();
    assert_eq!(world.turn(&mut world.worker()).await, 1);
    assert_eq!(world.turn(&mut world.worker()).await, 0, "nobody tries again");
    assert_eq!(world.brought().await, [Some("ERASED".to_owned())]);
    assert_eq!(world.partner.requests("PUT"), 0);
}
