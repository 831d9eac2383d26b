//! No lane stands still for ever: not for a text that is gone, a partner that is missing or asked for quiet, nor for
//! two workers that are in each other's way.

use tokio::sync::Notify;
use tokio::task::yield_now;

use super::super::testing::{Fault, World, answer_of, options};
use super::super::*;
use super::long;
use crate::council::testing::{MACAO, council_id, peer, signing_key};
use crate::delivery::DeliveryState;
use crate::delivery::client::testing::Reply;
use crate::evidence::sniff::tests::PDF;
use crate::exchange::body::Recall;
use crate::exchange::{MessageKind, RefusalCode, Side};
use crate::peer::{Directory, Peer};
use crate::referral::Stage;
use crate::referral::vocabulary::RecallReason;

/// How often the partner took in a message of ours.
async fn received(world: &World) -> usize {
    let events = world.partner.node.events().await;
    events.iter().filter(|event| &*event.kind == "referral.message-received").count()
}

#[tokio::test]
async fn of_two_workers_at_the_same_moment_one_posts() {
    let world = World::new().await;
    let id = world.submitted().await;
    let mut workers = [world.worker_with(options("node-a")), world.worker_with(options("node-b"))];
    let mut attempts = [JoinSet::new(), JoinSet::new()];
    for (worker, attempts) in workers.iter_mut().zip(&mut attempts) {
        worker.begin(attempts).await;
        assert_eq!(attempts.len(), 1, "both see it due");
    }
    for (worker, attempts) in workers.iter_mut().zip(&mut attempts) {
        while let Some(ended) = attempts.join_next_with_id().await {
            worker.end(ended);
        }
    }
    let row = world.row(id, 1);
    assert_eq!(row.state, DeliveryState::Delivered);
    assert_eq!(world.history(&row).await, ["delivery.leased", "delivery.delivered"]);
    assert_eq!((world.partner.requests("POST"), received(&world).await), (1, 1));
}

#[tokio::test]
async fn two_workers_that_both_believe_in_their_lease_post_twice_and_record_once() {
    let world = World::new().await;
    let id = world.submitted().await;
    let gate = Arc::new(Notify::new());
    world.partner.will(Fault::Held(Arc::clone(&gate)));
    let mut slow = world.worker_with(options("node-a"));
    let mut attempts = JoinSet::new();
    slow.begin(&mut attempts).await;
    while world.partner.requests("POST") == 0 {
        yield_now().await;
    }
    // Its post is under way when its lease runs out, and it does not know.
    world.clock.advance(TimeDelta::seconds(61));
    let mut other = world.worker_with(options("node-b"));
    assert_eq!(world.turn(&mut other).await, 1);
    assert_eq!(world.row(id, 1).state, DeliveryState::Delivered);
    gate.notify_one();
    while let Some(ended) = attempts.join_next_with_id().await {
        slow.end(ended);
    }
    let row = world.row(id, 1);
    assert_eq!(world.history(&row).await, ["delivery.leased", "delivery.leased", "delivery.delivered"]);
    assert_eq!((world.partner.requests("POST"), received(&world).await), (2, 1));
    assert_eq!(world.origin.stage(id).await, Stage::Delivered);
    assert_eq!(world.turn(&mut slow).await + world.turn(&mut other).await, 0);
}

#[tokio::test]
async fn what_a_person_sets_going_again_is_tried_at_once_and_once_while_the_partner_asks_for_quiet() {
    let world = World::new().await;
    let id = world.submitted().await;
    let busy = || Fault::Instead(Reply::status(429, "").with_header("Retry-After", "3600"));
    world.partner.will(busy());
    let mut worker = world.worker_with(WorkerOptions { attempts_max: 1, ..options("worker-1") });
    assert_eq!(world.turn(&mut worker).await, 1);
    assert_eq!(world.row(id, 1).state, DeliveryState::Dead);
    assert_eq!(world.turn(&mut worker).await, 0);

    world.clock.advance(TimeDelta::minutes(1));
    world.partner.will(busy());
    world.redrive(&world.row(id, 1)).await;
    assert_eq!(world.turn(&mut worker).await, 1, "whatever the partner asked for");
    assert_eq!(world.turn(&mut worker).await, 0, "once");
    world.redrive(&world.row(id, 1)).await;
    assert_eq!(world.turn(&mut worker).await, 1);
    assert_eq!(world.row(id, 1).state, DeliveryState::Delivered);
}

#[tokio::test]
async fn what_a_person_sets_going_again_is_tried_while_the_breaker_is_open() {
    let world = World::new().await;
    let id = world.submitted().await;
    let terms = WorkerOptions { breaker_failures: 1, attempts_max: 1, ..options("worker-1") };
    let mut worker = world.worker_with(terms);
    world.partner.will(Fault::Instead(Reply::Close));
    assert_eq!(world.turn(&mut worker).await, 1);
    assert_eq!(world.turn(&mut worker).await, 0);
    world.clock.advance(TimeDelta::minutes(1));
    world.redrive(&world.row(id, 1)).await;
    assert_eq!(world.turn(&mut worker).await, 1);
    assert_eq!(world.row(id, 1).state, DeliveryState::Delivered);
}

#[tokio::test]
async fn a_message_whose_text_was_erased_before_it_was_delivered_holds_back_nothing() {
    let world = World::new().await;
    let id = world.submitted().await;
    let mut worker = world.worker();
    assert_eq!(world.turn(&mut worker).await, 1);
    world.attach(id, PDF).await;
    let subject = world.origin.transfer(id).await.presented.unwrap().subject;
    world.origin.council.vault.destroy(subject).unwrap();
    world.origin.tell(id, Recall { reason: RecallReason::ConsentWithdrawn }).await.unwrap();

    assert_eq!(world.turn(&mut worker).await, 1);
    let gone = world.row(id, 2);
    assert_eq!((gone.kind, gone.state), (MessageKind::Evidence, DeliveryState::Dead));
    assert_eq!(gone.last_code.as_deref(), Some("erased"));
    assert_eq!(world.history(&gone).await, ["delivery.leased", "delivery.failed", "delivery.dead"]);
    // What is behind it goes on. The partner keeps it, and sees by the number that something is missing.
    assert_eq!(world.turn(&mut worker).await, 1);
    assert_eq!(world.row(id, 3).state, DeliveryState::Delivered);
    let there = world.partner.node.transfer(world.there(id)).await;
    let waiting: Vec<u32> = there.segment.parked(Side::Origin).map(|entry| entry.sequence).collect();
    assert_eq!((waiting, there.stage), (vec![3], Stage::Delivered));

    for _ in 0..2 {
        world.clock.advance(TimeDelta::hours(2));
        assert_eq!(world.turn(&mut worker).await, 0);
        assert_eq!(world.row(id, 2).alarms, 1, "it is told of once: nobody can set it going again");
    }
}

#[tokio::test]
async fn what_waited_its_turn_for_days_is_tried_as_if_it_had_just_been_issued() {
    let world = World::new().await;
    let id = world.submitted().await;
    world.partner.will(Fault::Instead(answer_of(RefusalCode::WrongSide)));
    let mut worker = world.worker();
    assert_eq!(world.turn(&mut worker).await, 1);
    assert_eq!(world.row(id, 1).state, DeliveryState::Dead);
    world.origin.tell(id, Recall { reason: RecallReason::SettledHere }).await.unwrap();
    assert!(world.row(id, 2).waits);

    world.clock.advance(TimeDelta::days(4));
    world.redrive(&world.row(id, 1)).await;
    assert_eq!(world.turn(&mut worker).await, 1);
    assert_eq!(world.row(id, 1).state, DeliveryState::Delivered);
    world.partner.will(Fault::Instead(Reply::status(503, "")));
    assert_eq!(world.turn(&mut worker).await, 1);
    let recall = world.row(id, 2);
    assert_eq!((recall.kind, recall.state, recall.attempts), (MessageKind::Recall, DeliveryState::Pending, 1));
    world.clock.advance(long());
    assert_eq!(world.turn(&mut worker).await, 1);
    assert_eq!(world.row(id, 2).state, DeliveryState::Delivered);
}

#[tokio::test]
async fn what_is_for_a_partner_without_a_peer_alarms_and_goes_when_the_peer_is_entered() {
    let world = World::new().await;
    let id = world.origin.submit(&council_id(MACAO)).await;
    let mut worker = world.worker();
    for _ in 0..2 {
        assert_eq!(world.turn(&mut worker).await, 0, "nobody can be tried");
    }
    let row = world.row(id, 1);
    assert_eq!((row.state, row.last_code.as_deref(), row.alarms), (DeliveryState::Dead, Some("no-peer"), 1));
    assert_eq!(world.history(&row).await, ["delivery.dead", "delivery.alarmed"]);
    world.clock.advance(TimeDelta::hours(1));
    world.turn(&mut worker).await;
    assert_eq!(world.row(id, 1).alarms, 2, "again and again, like every other that was given up");

    // The configuration names the partner now, and the server was started anew.
    let before = &world.origin.council;
    let macao = Peer {
        endpoint: Some("http://127.0.0.1:1/partner/graphql".to_owned()),
        allow_plain_http: true,
        ..peer(MACAO, &[signing_key(MACAO, "2026a")])
    };
    let council = Arc::new(Council {
        own: before.own.clone(),
        log: Arc::clone(&before.log),
        vault: Arc::clone(&before.vault),
        keys: Arc::clone(&before.keys),
        directory: Arc::new(Directory::new(before.own.clone(), vec![macao]).unwrap()),
        index: before.index.clone(),
        evidence: before.evidence.clone(),
        journal: before.journal.clone(),
        now: Arc::clone(&before.now),
    });
    let restarted = Worker::new(council, options("worker-2")).unwrap();
    restarted.alarm().await;
    let row = world.row(id, 1);
    assert_eq!((row.state, row.attempts, row.waits), (DeliveryState::Pending, 0, false));
    restarted.alarm().await;
    assert_eq!(world.row(id, 1).state, DeliveryState::Pending);
}
