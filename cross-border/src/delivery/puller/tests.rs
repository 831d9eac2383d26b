//! Hong Kong fetches from Guangdong, over real connections.

use chrono::TimeDelta;
use domain::id::SubjectId;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::council::testing::{Clock, GUANGDONG, HONG_KONG, Node, START, council_id, peer, signing_key};
use crate::delivery::client::testing::Reply;
use crate::delivery::worker::testing::{Fault, Partner, answer_of, options, polling};
use crate::delivery::{DeliveredBy, DeliveryState, FailureCode};
use crate::evidence::sniff::tests::PDF;
use crate::exchange::Digest;
use crate::exchange::body::Return;
use crate::peer::Peer;
use crate::referral::vocabulary::ReturnCode;
use crate::referral::{ReferralId, Stage};

/// Guangdong's node behind a server, and Hong Kong's node, which fetches there.
struct World {
    guangdong: Partner,
    hong_kong: Node,
    folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let clock = Clock::at(START);
        let of_guangdong = polling(peer(HONG_KONG, &[signing_key(HONG_KONG, "2026a")]));
        let guangdong = Partner::start(GUANGDONG, HONG_KONG, vec![of_guangdong], &clock).await;
        let keys = vec![signing_key(GUANGDONG, "2026a").verifying()];
        let of_hong_kong = Peer { keys, pull: true, ..polling(guangdong.server.peer(GUANGDONG)) };
        let hong_kong = Node::new(HONG_KONG, vec![of_hong_kong], &clock);
        Self { guangdong, hong_kong, folder: tempfile::tempdir().unwrap() }
    }

    fn puller_in(&self, folder: &Path) -> Puller {
        Puller::new(&self.hong_kong.council, &options("puller"), folder).unwrap()
    }

    /// One round, as after a start.
    async fn round(&self) -> Result<Pulled, PullError> {
        self.round_in(self.folder.path()).await
    }

    async fn round_in(&self, folder: &Path) -> Result<Pulled, PullError> {
        self.source_in(folder).round().await
    }

    /// The one partner that is asked.
    fn source_in(&self, folder: &Path) -> Source {
        let mut sources = self.puller_in(folder).sources;
        assert_eq!(sources.len(), 1);
        let source = sources.remove(0);
        assert_eq!(*source.client.partner(), council_id(GUANGDONG));
        source
    }

    async fn submitted(&self) -> ReferralId {
        let id = self.guangdong.node.submit(&council_id(HONG_KONG)).await;
        self.guangdong.node.catch_up();
        id
    }

    async fn attach(&self, id: ReferralId, bytes: &[u8]) -> Digest {
        self.guangdong.node.attach(id, "application/pdf", bytes).await.unwrap()
    }

    /// How far each of Guangdong's messages is.
    fn states(&self, id: ReferralId) -> Vec<DeliveryState> {
        self.guangdong.node.catch_up();
        let rows = self.guangdong.node.council.index.deliveries_of(id).unwrap();
        rows.iter().map(|row| row.state).collect()
    }

    fn there(&self, id: ReferralId) -> ReferralId {
        ReferralId::inbound(&council_id(GUANGDONG), &id.to_string())
    }

    /// How many messages Hong Kong has taken in.
    async fn taken(&self) -> usize {
        let events = self.hong_kong.events().await;
        events.iter().filter(|event| &*event.kind == "referral.message-received").count()
    }

    async fn journal(&self) -> Vec<String> {
        let refused = self.hong_kong.events().await.into_iter().filter(|event| &*event.kind == "security.refused");
        let payloads = refused.map(|event| serde_json::from_str::<Value>(&event.payload).unwrap());
        payloads.map(|payload| payload["code"].as_str().unwrap().to_owned()).collect()
    }
}

const fn pulled(taken: usize, refused: usize) -> Pulled {
    Pulled { taken, refused }
}

fn page(messages: &Value, next: Option<&str>, at_end: bool) -> Reply {
    Reply::json(&json!({"data": {"messages": {"messages": messages, "next": next, "atEnd": at_end}}}))
}

#[tokio::test]
async fn what_is_fetched_is_taken_in_and_receipted() {
    let world = World::new().await;
    let id = world.submitted().await;
    assert_eq!(world.round().await.unwrap(), pulled(1, 0));
    assert_eq!(world.hong_kong.stage(world.there(id)).await, Stage::Delivered);
    assert_eq!(world.guangdong.node.stage(id).await, Stage::Delivered);
    assert_eq!(world.states(id), [DeliveryState::Delivered]);
    let row = world.guangdong.node.council.index.deliveries_of(id).unwrap().remove(0);
    assert_eq!(row.delivered_by, Some(DeliveredBy::Pull));

    assert_eq!(world.round().await.unwrap(), pulled(0, 0), "the place is kept over a start");
}

#[tokio::test]
async fn a_lost_place_is_harmless() {
    let world = World::new().await;
    let id = world.submitted().await;
    assert_eq!(world.round().await.unwrap(), pulled(1, 0));
    let before = world.hong_kong.events().await.len();
    let elsewhere = tempfile::tempdir().unwrap();
    assert_eq!(world.round_in(elsewhere.path()).await.unwrap(), pulled(1, 0), "known, and receipted again");
    assert_eq!(world.hong_kong.events().await.len(), before, "and nothing has changed");
    assert_eq!(world.states(id), [DeliveryState::Delivered]);
}

#[tokio::test]
async fn several_pages_are_fetched_with_their_files() {
    let world = World::new().await;
    let id = world.submitted().await;
    let mut digests = Vec::new();
    for number in [b"1", b"2", b"3"] {
        digests.push(world.attach(id, &[PDF, number].concat()).await);
    }
    // Two messages a page: two full pages, and an empty one that says that it is the last.
    assert_eq!(world.round().await.unwrap(), pulled(4, 0));
    assert_eq!(world.states(id), [DeliveryState::Delivered; 4]);
    let files = world.hong_kong.transfer(world.there(id)).await.evidence;
    assert!(digests.iter().all(|digest| files[digest].stored));
    assert_eq!(world.guangdong.requests("GET"), 3);

    let elsewhere = tempfile::tempdir().unwrap();
    assert_eq!(world.round_in(elsewhere.path()).await.unwrap(), pulled(4, 0));
    assert_eq!(world.guangdong.requests("GET"), 3, "what is here is not fetched again");
}

#[tokio::test]
async fn receipts_that_were_not_handed_over_are_handed_over_again() {
    for fault in [Fault::Instead(Reply::status(500, "")), Fault::AnswerLost] {
        let world = World::new().await;
        let id = world.submitted().await;
        world.guangdong.will(Fault::None);
        world.guangdong.will(fault);
        assert!(matches!(world.round().await, Err(PullError::Call(_))));
        assert_eq!(world.round().await.unwrap(), pulled(1, 0), "the place was not kept");
        assert_eq!((world.states(id), world.taken().await), (vec![DeliveryState::Delivered], 1));
    }
}

#[tokio::test]
async fn a_file_that_could_not_be_fetched_is_fetched_the_next_time() {
    let world = World::new().await;
    let id = world.submitted().await;
    assert_eq!(world.round().await.unwrap(), pulled(1, 0));
    let digest = world.attach(id, PDF).await;
    world.guangdong.will(Fault::None);
    world.guangdong.will(Fault::Instead(Reply::Close));
    assert!(matches!(world.round().await, Err(PullError::Call(_))));
    assert_eq!(world.states(id)[1], DeliveryState::Pending, "not receipted without its file");
    assert_eq!(world.round().await.unwrap(), pulled(1, 0));
    assert!(world.hong_kong.transfer(world.there(id)).await.evidence[&digest].stored);
    assert_eq!(world.states(id), [DeliveryState::Delivered; 2]);
}

#[tokio::test]
async fn a_file_that_is_not_to_be_had_holds_up_nothing() {
    let world = World::new().await;
    let id = world.submitted().await;
    assert_eq!(world.round().await.unwrap(), pulled(1, 0));
    world.attach(id, PDF).await;
    world.guangdong.will(Fault::None);
    world.guangdong.will(Fault::Instead(answer_of(RefusalCode::EvidenceNotFound)));
    assert_eq!(world.round().await.unwrap(), pulled(1, 0));
    assert_eq!(world.states(id), [DeliveryState::Delivered; 2]);
}

#[tokio::test]
async fn a_file_that_is_put_in_later_is_asked_for_again() {
    let world = World::new().await;
    let id = world.submitted().await;
    let node = &world.guangdong.node;
    let digest = node.announce(id, "receipt", "application/pdf", PDF).await.unwrap();
    assert_eq!(world.round().await.unwrap(), pulled(2, 0));
    assert_eq!(world.states(id), [DeliveryState::Delivered; 2], "the message does not wait for its file");

    let source = world.source_in(world.folder.path());
    let stored = async || world.hong_kong.transfer(world.there(id)).await.evidence[&digest].stored;
    world.hong_kong.catch_up();
    source.fetch_missing().await.unwrap();
    assert_eq!((stored().await, world.guangdong.requests("GET")), (false, 2));

    node.put_in(id, &digest, PDF).await.unwrap();
    world.guangdong.will(Fault::Instead(Reply::status(500, "")));
    assert!(matches!(source.fetch_missing().await, Err(PullError::Call(_))));
    source.fetch_missing().await.unwrap();
    assert_eq!((stored().await, world.guangdong.requests("GET")), (true, 4));
    world.hong_kong.catch_up();
    source.fetch_missing().await.unwrap();
    assert_eq!(world.guangdong.requests("GET"), 4, "what is here is not asked for");
    let refused = node.events().await.into_iter().filter(|event| &*event.kind == "security.refused").count();
    assert_eq!(refused, 0, "who was told of a file may ask for it");
}

#[tokio::test]
async fn no_file_is_fetched_of_what_was_returned() {
    let world = World::new().await;
    let id = world.submitted().await;
    assert_eq!(world.round().await.unwrap(), pulled(1, 0));
    world.attach(id, PDF).await;
    let back = Return { code: ReturnCode::NotLocal, note: None };
    world.hong_kong.tell(world.there(id), back).await.unwrap();
    assert_eq!(world.round().await.unwrap(), pulled(1, 0), "the message is taken in");
    assert_eq!(world.guangdong.requests("GET"), 0);
    assert!(world.journal().await.is_empty());
}

#[tokio::test]
async fn a_message_that_is_none_is_passed_over_and_stands_in_the_journal() {
    let world = World::new().await;
    let garbage = json!([{
        "cursor": "1", "delivery": "b6ced6a9-e2e7-5c64-94cc-fb5194f7a756", "kind": "submission", "text": "{}",
        "jws": "eyJ..c2ln", "key": "gd-consumer-council:2026a",
    }]);
    world.guangdong.will(Fault::Instead(page(&garbage, Some("1"), true)));
    assert_eq!(world.round().await.unwrap(), pulled(0, 1));
    assert_eq!(world.journal().await, ["BAD_STATEMENT"]);
}

#[tokio::test]
async fn what_follows_a_submission_that_was_refused_for_good_holds_up_nothing() {
    let world = World::new().await;
    let id = world.submitted().await;
    world.attach(id, PDF).await;
    let subject = SubjectId::of_referral(world.there(id).as_uuid());
    world.hong_kong.council.vault.destroy(subject).unwrap();
    assert_eq!(world.round().await.unwrap(), pulled(0, 2));
    assert_eq!(world.journal().await, ["ERASED", "UNKNOWN_REFERRAL"]);
    assert_eq!(world.round().await.unwrap(), pulled(0, 0), "the place has moved");
}

#[tokio::test]
async fn a_key_that_is_not_entered_yet_is_waited_for() {
    let world = World::new().await;
    let foreign = json!([{
        "cursor": "1", "delivery": "b6ced6a9-e2e7-5c64-94cc-fb5194f7a756", "kind": "submission", "text": "{}",
        "jws": "eyJ..c2ln", "key": "gd-consumer-council:2027a",
    }]);
    world.guangdong.will(Fault::Instead(page(&foreign, Some("1"), true)));
    assert!(matches!(world.round().await, Err(PullError::Refused(_))));
    let id = world.submitted().await;
    assert_eq!(world.round().await.unwrap(), pulled(1, 0), "and the place has not moved");
    assert_eq!(world.states(id), [DeliveryState::Delivered]);
}

#[tokio::test]
async fn pages_that_lead_nowhere_end_the_round() {
    let long = "a".repeat(CURSOR_BYTES_MAX + 1);
    for next in [None, Some(long.as_str()), Some("")] {
        let world = World::new().await;
        world.guangdong.will(Fault::Instead(page(&json!([]), next, false)));
        assert!(matches!(world.round().await, Err(PullError::Cursor)), "{next:?}");
    }
    let world = World::new().await;
    world.guangdong.will(Fault::Instead(page(&json!([]), Some("5"), false)));
    world.guangdong.will(Fault::Instead(page(&json!([]), Some("5"), false)));
    assert!(matches!(world.round().await, Err(PullError::Cursor)), "in circles");
}

#[tokio::test]
async fn garbage_instead_of_a_page_stands_in_the_journal() {
    let world = World::new().await;
    world.guangdong.will(Fault::Instead(Reply::status(200, "<html>")));
    let Err(PullError::Call(error)) = world.round().await else { panic!("a failed exchange") };
    assert_eq!(error.code, FailureCode::NotJson);
    assert_eq!(world.journal().await, ["not-json"]);
}

#[tokio::test]
async fn without_a_valid_key_nobody_is_asked() {
    let world = World::new().await;
    world.hong_kong.clock.advance(TimeDelta::days(400));
    assert!(matches!(world.round().await, Err(PullError::NoKey)));
    assert_eq!(world.guangdong.requests("POST"), 0);
}

#[tokio::test]
async fn a_running_puller_fetches_and_stops_when_it_is_told() {
    let world = World::new().await;
    let id = world.submitted().await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(world.puller_in(world.folder.path()).run(stop.clone()));
    let mut appended = event_log::port::EventLog::appended(world.guangdong.node.log.as_ref());
    let delivered = async {
        while world.states(id) != [DeliveryState::Delivered] {
            appended.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), delivered).await.unwrap();
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(60), running).await.unwrap().unwrap();
}
