//! The worker against a partner that answers, fails, lies and falls silent.

mod belief;
mod late;
mod moving;

use super::testing::{Fault, World, answer_of, options, polling};
use super::*;
use crate::council::testing::source::MemorySource;
use crate::council::testing::{GUANGDONG, HONG_KONG, MACAO, Node, council_id, peer, signing_key};
use crate::delivery::client::testing::Reply;
use crate::delivery::{DeliveredBy, DeliveryState};
use crate::evidence::sniff::tests::PDF;
use crate::exchange::{DeliveryId, RefusalCode};
use crate::index::IndexFollower;
use crate::peer::Peer;
use crate::referral::Stage;

/// Behind every wait that there can be after a few failures.
fn long() -> TimeDelta {
    TimeDelta::hours(2)
}

#[tokio::test]
async fn a_submission_is_brought_over_and_its_receipt_kept() {
    let world = World::new().await;
    let id = world.submitted().await;
    let mut worker = world.worker();
    assert_eq!(world.turn(&mut worker).await, 1);

    let row = world.row(id, 1);
    assert_eq!((row.state, row.delivered_by), (DeliveryState::Delivered, Some(DeliveredBy::Push)));
    assert_eq!(world.history(&row).await, ["delivery.leased", "delivery.delivered"]);
    assert_eq!(world.origin.stage(id).await, Stage::Delivered);
    assert_eq!(world.partner.node.stage(world.there(id)).await, Stage::Delivered);

    assert_eq!(world.turn(&mut worker).await, 0, "nothing is left to do");
    assert_eq!(world.partner.requests("POST"), 1);
    assert!(world.journal().await.is_empty());
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_nothing_is_doubled() {
    let world = World::new().await;
    let id = world.submitted().await;
    world.partner.will(Fault::AnswerLost);
    let mut worker = world.worker();
    assert_eq!(world.turn(&mut worker).await, 1);
    let row = world.row(id, 1);
    assert_eq!((row.state, row.last_code.as_deref()), (DeliveryState::Pending, Some("connect")));
    assert_eq!(world.turn(&mut worker).await, 0, "it waits for its time");

    world.clock.advance(TimeDelta::seconds(16));
    assert_eq!(world.turn(&mut worker).await, 1);
    assert_eq!(world.row(id, 1).state, DeliveryState::Delivered);
    let taken = world.partner.node.events().await;
    let taken = taken.iter().filter(|event| &*event.kind == "referral.message-received").count();
    assert_eq!(taken, 1, "the partner took it once");
}

#[tokio::test]
async fn messages_of_a_referral_go_in_order() {
    let world = World::new().await;
    let id = world.submitted().await;
    world.attach(id, PDF).await;
    assert!(world.row(id, 2).waits);
    let mut worker = world.worker();
    assert_eq!(world.turn(&mut worker).await, 1, "the second waits for the first");
    assert_eq!(world.turn(&mut worker).await, 1);
    assert_eq!(world.row(id, 2).state, DeliveryState::Delivered);
}

#[tokio::test]
async fn failures_wait_within_their_bounds_and_as_long_as_the_partner_asks() {
    for (reply, code, at_least) in [
        (Reply::status(500, ""), "server-error", 5),
        (Reply::status(503, "").with_header("Retry-After", "100"), "server-error", 100),
        (Reply::status(429, "").with_header("Retry-After", "99999999999"), "rate-limited", 3_600),
        (Reply::status(429, "").with_header("Retry-After", "Mon, 18 May 2026 01:02:00 GMT"), "rate-limited", 120),
        (answer_of(RefusalCode::Unavailable), "refused", 5),
        (answer_of(RefusalCode::NonceReplayed), "refused", 5),
        (Reply::Close, "connect", 5),
    ] {
        let world = World::new().await;
        let id = world.submitted().await;
        world.partner.will(Fault::Instead(reply));
        assert_eq!(world.turn(&mut world.worker()).await, 1);
        let row = world.row(id, 1);
        assert_eq!((row.state, row.last_code.as_deref()), (DeliveryState::Pending, Some(code)));
        let wait = (row.next_at - world.clock.now()).num_seconds();
        assert!((at_least..=at_least.max(15)).contains(&wait), "{code}: {wait}");
        assert_eq!(world.history(&row).await, ["delivery.leased", "delivery.failed"]);
    }
}

#[tokio::test]
async fn a_partner_that_asks_for_quiet_is_left_alone() {
    let world = World::new().await;
    let id = world.submitted().await;
    world.partner.will(Fault::Instead(Reply::status(429, "").with_header("Retry-After", "600")));
    let mut worker = world.worker();
    assert_eq!(world.turn(&mut worker).await, 1);
    world.clock.advance(long());
    assert_eq!(world.turn(&mut worker).await, 0, "not even what is due");
    assert_eq!(world.history(&world.row(id, 1)).await.len(), 2);
}

#[tokio::test]
async fn a_refusal_for_good_is_a_dead_letter_that_alarms_until_it_is_redriven() {
    let world = World::new().await;
    let id = world.submitted().await;
    world.partner.will(Fault::Instead(answer_of(RefusalCode::WrongSide)));
    let mut worker = world.worker();
    assert_eq!(world.turn(&mut worker).await, 1);
    let row = world.row(id, 1);
    assert_eq!((row.state, row.last_code.as_deref()), (DeliveryState::Dead, Some("refused")));
    assert_eq!((row.last_detail.as_deref(), row.last_status), (Some("WRONG_SIDE"), Some(422)));
    assert_eq!(world.origin.council.index.dead_letters().unwrap(), 1);

    for alarms in [1, 1, 1] {
        assert_eq!(world.turn(&mut worker).await, 0);
        assert_eq!(world.row(id, 1).alarms, alarms, "once in an hour");
    }
    world.clock.advance(TimeDelta::hours(1));
    assert_eq!(world.turn(&mut worker).await, 0);
    assert_eq!(world.row(id, 1).alarms, 2);

    world.redrive(&world.row(id, 1)).await;
    assert_eq!(world.turn(&mut worker).await, 1);
    assert_eq!(world.row(id, 1).state, DeliveryState::Delivered);
    world.clock.advance(long());
    assert_eq!(world.turn(&mut worker).await, 0);
    assert_eq!(world.origin.council.index.dead_letters().unwrap(), 0);
}

#[tokio::test]
async fn too_many_attempts_end_in_a_dead_letter() {
    let world = World::new().await;
    let id = world.submitted().await;
    let mut worker = world.worker();
    for attempt in 1..=4 {
        world.partner.will(Fault::Instead(Reply::status(500, "")));
        assert_eq!(world.turn(&mut worker).await, 1);
        let state = if attempt < 4 { DeliveryState::Pending } else { DeliveryState::Dead };
        assert_eq!(world.row(id, 1).state, state, "after attempt {attempt}");
        world.clock.advance(TimeDelta::hours(1));
    }
    assert_eq!(world.turn(&mut worker).await, 0);
    assert_eq!(world.row(id, 1).attempts, 4);
}

#[tokio::test]
async fn too_old_a_message_ends_in_a_dead_letter() {
    let world = World::new().await;
    let id = world.submitted().await;
    for (minutes, state) in [(90, DeliveryState::Pending), (59, DeliveryState::Pending), (1, DeliveryState::Dead)] {
        world.clock.advance(TimeDelta::minutes(minutes));
        world.partner.will(Fault::Instead(Reply::status(500, "")));
        // Each time another worker: when the first attempt was, the log knows.
        let give_up_after = Duration::from_secs(3_600);
        let terms = WorkerOptions { attempts_max: 1_000, give_up_after, ..options(&format!("worker-{minutes}")) };
        assert_eq!(world.turn(&mut world.worker_with(terms)).await, 1);
        assert_eq!(world.row(id, 1).state, state);
    }
}

#[tokio::test]
async fn an_erased_text_is_given_up_and_never_sent() {
    let world = World::new().await;
    let id = world.submitted().await;
    let subject = world.origin.transfer(id).await.presented.unwrap().subject;
    world.origin.council.vault.destroy(subject).unwrap();
    assert_eq!(world.turn(&mut world.worker()).await, 1);
    let row = world.row(id, 1);
    assert_eq!(row.state, DeliveryState::Dead);
    assert_eq!((row.last_code.as_deref(), row.last_detail.as_deref()), (Some("erased"), None));
    assert_eq!(world.partner.requests("POST"), 0);
}

#[tokio::test]
async fn without_a_valid_key_nothing_is_sent() {
    let world = World::new().await;
    let id = world.submitted().await;
    world.clock.set("2027-01-02T00:00:00Z");
    let terms = WorkerOptions { give_up_after: Duration::from_hours(24 * 366), ..options("worker-1") };
    assert_eq!(world.turn(&mut world.worker_with(terms)).await, 1);
    let row = world.row(id, 1);
    assert_eq!((row.state, row.last_code.as_deref()), (DeliveryState::Pending, Some("unsigned")));
    assert_eq!(world.partner.requests("POST"), 0);
}

#[tokio::test]
async fn while_the_breaker_is_open_deliveries_simply_wait() {
    let world = World::new().await;
    let id = world.submitted().await;
    let terms = WorkerOptions { breaker_failures: 2, breaker_open: Duration::from_secs(3_600), ..options("worker-1") };
    let mut worker = world.worker_with(terms);
    for _ in 0..2 {
        world.partner.will(Fault::Instead(Reply::Close));
        assert_eq!(world.turn(&mut worker).await, 1);
        world.clock.advance(long());
    }
    assert_eq!(world.turn(&mut worker).await, 0);
    let kinds = world.history(&world.row(id, 1)).await;
    assert_eq!(kinds.len(), 4, "no lease and no event: {kinds:?}");
}

#[tokio::test]
async fn only_one_of_two_workers_tries() {
    let world = World::new().await;
    let id = world.submitted().await;
    let row = world.row(id, 1);
    let until = world.clock.now() + TimeDelta::seconds(60);
    record::lease(&world.origin.council, &row, "worker-2", until).await.unwrap();

    // The index does not show the lease yet; the log does.
    let mut worker = world.worker();
    let mut attempts = JoinSet::new();
    worker.begin(&mut attempts).await;
    let (_, ended) = attempts.join_next_with_id().await.unwrap().unwrap();
    assert_eq!(ended, Ended { outcome: Outcome::NotTried, position: None });
    assert_eq!(world.partner.requests("POST"), 0);

    assert_eq!(world.turn(&mut world.worker()).await, 0, "now the index shows it");
    world.clock.advance(TimeDelta::seconds(60));
    assert_eq!(world.turn(&mut world.worker()).await, 1, "a lease that has run out is nobody's");
    assert_eq!(world.row(id, 1).state, DeliveryState::Delivered);
}

#[tokio::test]
async fn nothing_is_brought_to_a_partner_that_fetches() {
    let world = World::with(polling).await;
    let id = world.submitted().await;
    assert_eq!(world.turn(&mut world.worker()).await, 0);
    let row = world.row(id, 1);
    assert!(world.history(&row).await.is_empty());
    assert_eq!(world.partner.requests("POST"), 0);
}

#[tokio::test]
async fn a_slow_partner_leaves_room_for_the_others() {
    let world = World::new().await;
    let plain = |id: &str| Peer {
        endpoint: Some("http://127.0.0.1:1/partner/graphql".to_owned()),
        allow_plain_http: true,
        ..peer(id, &[signing_key(id, "2026a")])
    };
    let node = Node::new(GUANGDONG, vec![plain(HONG_KONG), plain(MACAO)], &world.clock);
    let terms = WorkerOptions { concurrency: 3, ..options("worker-1") };
    let mut worker = Worker::new(Arc::clone(&node.council), terms).unwrap();
    let (hong_kong, macao) = (council_id(HONG_KONG), council_id(MACAO));
    let both = BTreeMap::from([(hong_kong.clone(), ()), (macao.clone(), ())]);
    let first_only = BTreeMap::from([(hong_kong.clone(), ())]);
    let begin = |worker: &mut Worker, partner: &PartnerId, number: u128| {
        let delivery = DeliveryId::from_uuid(uuid::Uuid::from_u128(number));
        assert!(worker.lanes.get_mut(partner).unwrap().begin(ErrandId::Message(delivery), Instant::now()));
    };
    assert_eq!(worker.next_lane(&first_only), Some(hong_kong.clone()));
    begin(&mut worker, &hong_kong, 1);
    assert_eq!(worker.next_lane(&both), Some(macao.clone()), "the one with fewer under way");
    assert_eq!(worker.next_lane(&first_only), Some(hong_kong.clone()));
    begin(&mut worker, &hong_kong, 2);
    assert_eq!(worker.next_lane(&first_only), None, "the third place is kept for Macao");
    assert_eq!(worker.next_lane(&both), Some(macao));
}

#[tokio::test]
async fn a_peer_that_cannot_be_used_is_told_at_the_start() {
    let world = World::with(|peer| Peer { server_ca_file: Some("/nowhere/ca.pem".into()), ..peer }).await;
    assert!(Worker::new(Arc::clone(&world.origin.council), options("worker-1")).is_ok(), "not asked without TLS");
    let https = |peer: Peer| Peer {
        endpoint: Some("https://hk.example/partner/graphql".to_owned()),
        server_ca_file: Some("/nowhere/ca.pem".into()),
        ..peer
    };
    let world = World::with(https).await;
    let refused = Worker::new(Arc::clone(&world.origin.council), options("worker-1"));
    assert!(matches!(refused, Err(ClientError::CaFile { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_running_worker_wakes_by_itself_and_stops_when_it_is_told() {
    let world = World::new().await;
    let council = &world.origin.council;
    let (source, appended) = (MemorySource(Arc::clone(&world.origin.log)), council.log.appended());
    let follower = IndexFollower::start(source, appended, council.index.clone(), Duration::from_secs(30)).unwrap();
    let stop = CancellationToken::new();
    // It would look by itself in an hour: what wakes it is the message.
    let terms = WorkerOptions { poll_every: Duration::from_secs(3_600), ..options("worker-1") };
    let running = tokio::spawn(world.worker_with(terms).run(stop.clone()));

    let mut shown = council.index.watch();
    let id = world.origin.submit(&council_id(HONG_KONG)).await;
    let delivered = async {
        loop {
            let rows = council.index.deliveries_of(id).unwrap();
            if rows.iter().any(|row| row.state == DeliveryState::Delivered) {
                return;
            }
            shown.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), delivered).await.unwrap();
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(60), running).await.unwrap().unwrap();
    follower.stop();
}
