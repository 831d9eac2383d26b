//! What several nodes share beside the log: leases and used nonces.

use std::sync::Arc;
use std::time::Duration;

use domain::envelope::Position;
use event_log::eventstore::EventStoreLog;
use event_log::lease::{LeaseKeeper, LeaseName, Leases, Standing};
use event_log::nonces::Nonces as _;
use serde_json::Value;
use tests::double::{DoubleOptions, DoubleProcess, Fault, Kind};
use tokio::time::Instant;

use super::kit::{open, options, within};

const TTL: Duration = Duration::from_secs(30);

fn keeper(log: &Arc<EventStoreLog>, holder: &str) -> LeaseKeeper {
    let leases: Arc<dyn Leases> = Arc::clone(log) as Arc<dyn Leases>;
    LeaseKeeper::new(leases, LeaseName::parse("sweep").unwrap(), holder.into(), TTL)
}

fn holds(standing: &Standing) -> bool {
    matches!(standing, Standing::Holding { .. })
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Two nodes, each with a connection of its own, pass a lease on; the time is told to them.
async fn pass_on(double: &DoubleProcess) {
    let (one, two) = (open(options(double)).await, open(options(double)).await);
    let (mut one, mut two) = (keeper(&one, "one"), keeper(&two, "two"));
    let start = Instant::now();
    let (first, second) = within(async { tokio::join!(one.step(start, None), two.step(start, None)) }).await;
    let (first, second) = (first.unwrap(), second.unwrap());
    assert!(holds(&first) != holds(&second), "one of them: {first:?} {second:?}");
    let (mut holder, mut other) = if holds(&first) { (one, two) } else { (two, one) };

    let done = Some(Position::new(77));
    assert!(holds(&holder.step(start + seconds(10), done).await.unwrap()), "it is renewed in time");
    assert!(!holds(&other.step(start + seconds(10), None).await.unwrap()));
    assert!(!holds(&other.step(start + seconds(39), None).await.unwrap()), "a lease that may be held is waited for");
    let taken = other.step(start + seconds(41), None).await.unwrap();
    assert!(matches!(taken, Standing::Holding { term: 2, progress, .. } if progress == done), "{taken:?}");
    assert!(!holds(&holder.step(start + seconds(42), None).await.unwrap()), "the holder before finds that out");

    other.release(Some(Position::new(99))).await.unwrap();
    let back = holder.step(start + seconds(43), None).await.unwrap();
    let expected = Some(Position::new(99));
    assert!(matches!(back, Standing::Holding { term: 3, progress, .. } if progress == expected), "{back:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_held_by_one_node_at_a_time() {
    let double = DoubleProcess::start();
    pass_on(&double).await;
    let records = double.read("baycase.lease-sweep");
    assert!(records.iter().all(|record| record.kind == "baycase.lease"), "{records:?}");
    let metadata = double.read("$$baycase.lease-sweep");
    let kept: Value = serde_json::from_str(&metadata.last().unwrap().data).unwrap();
    assert_eq!(kept["$maxCount"], 16, "the history of a lease does not grow for ever");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_held_by_one_node_when_answers_are_lost() {
    let faults = vec![Fault::every(Kind::CutAfter, 2), Fault::every(Kind::BreakReads, 5)];
    let double = DoubleProcess::start_with(DoubleOptions { faults, ..DoubleOptions::default() });
    pass_on(&double).await;
    assert!(double.stats().strikes > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_outlives_its_truncated_history() {
    let double = DoubleProcess::start();
    let log = open(options(&double)).await;
    let mut holder = keeper(&log, "one");
    let start = Instant::now();
    for step in 0..40 {
        assert!(holds(&holder.step(start + seconds(11 * step), None).await.unwrap()));
    }
    double.scavenge();
    assert!(double.read("baycase.lease-sweep").len() <= 16);
    assert!(holds(&holder.step(start + seconds(11 * 40), None).await.unwrap()));
    let mut other = keeper(&open(options(&double)).await, "two");
    assert!(!holds(&other.step(start + seconds(11 * 40), None).await.unwrap()));
    let taken = other.step(start + seconds(11 * 40 + 31), None).await.unwrap();
    assert!(matches!(taken, Standing::Holding { term: 2, .. }), "{taken:?}");
}

/// A nonce is used on two nodes, one after the other and both at once.
async fn use_nonces(double: &DoubleProcess) {
    let (one, two) = (open(options(double)).await, open(options(double)).await);
    assert!(one.first_use("hk:1", "n").await.unwrap());
    assert!(!two.first_use("hk:1", "n").await.unwrap());
    assert!(!one.first_use("hk:1", "n").await.unwrap());
    assert!(two.first_use("mo:1", "n").await.unwrap(), "another key's nonce is another nonce");
    for number in 0..10 {
        let nonce = number.to_string();
        let both = async { tokio::join!(one.first_use("hk:1", &nonce), two.first_use("hk:1", &nonce)) };
        let (first, second) = within(both).await;
        assert!(first.unwrap() != second.unwrap(), "nonce {nonce} is good once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nonce_is_good_once_over_all_nodes() {
    let double = DoubleProcess::start();
    use_nonces(&double).await;
    double.restart();
    let log = open(options(&double)).await;
    assert!(!log.first_use("hk:1", "n").await.unwrap(), "and it is not forgotten");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nonce_is_good_once_when_answers_are_lost() {
    let faults = vec![Fault::every(Kind::CutAfter, 3), Fault::every(Kind::TimeOutAfter, 4)];
    let double = DoubleProcess::start_with(DoubleOptions { faults, ..DoubleOptions::default() });
    use_nonces(&double).await;
    assert!(double.stats().strikes > 0);
}
