//! Servers die, lose each other and come back: nothing that was acknowledged is lost or doubled.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::envelope::{Position, RecordedEvent, Revision};
use domain::id::StreamId;
use event_log::contract::fixture::Scene;
use event_log::eventstore::{EventStoreLog, LogHealth};
use event_log::port::{AppendError, Appended, EventLog as _, Expected, LogFault};
use tests::double::{DoubleOptions, DoubleProcess, Fault, Kind};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::kit::{eventually, hasty, open, options, refused, within};

const WRITERS: usize = 4;

/// Appends until it is told to stop, each command again until it is acknowledged.
async fn write(
    log: Arc<EventStoreLog>,
    scene: Scene,
    stream: String,
    stop: watch::Receiver<bool>,
    acknowledged: watch::Sender<u64>,
) -> Vec<Appended> {
    let mut done: Vec<Appended> = Vec::new();
    while !*stop.borrow() {
        let expected = done.last().map_or(Expected::NoStream, |last| Expected::At(last.last_revision));
        let batch = scene.append(&stream, expected, &format!("{stream} {}", done.len()), &["{}", "{}"]);
        let appended = loop {
            match log.append(batch.clone()).await {
                Ok(appended) => break appended,
                Err(error) => assert!(error.is_retryable(), "{error:?}"),
            }
        };
        done.push(appended);
        acknowledged.send_modify(|acknowledged| *acknowledged += 1);
    }
    done
}

/// Writers at work while something is done to the servers.
struct AtWork {
    scene: Scene,
    writers: JoinSet<Vec<Appended>>,
    stop: watch::Sender<bool>,
    acknowledged: watch::Receiver<u64>,
}

impl AtWork {
    async fn on(log: &Arc<EventStoreLog>, name: &str) -> Self {
        let scene = Scene::new(&**log, name).await;
        let (stop, counter) = (watch::Sender::new(false), watch::Sender::new(0));
        let acknowledged = counter.subscribe();
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let (log, stop) = (Arc::clone(log), stop.subscribe());
            writers.spawn(write(log, scene.clone(), writer.to_string(), stop, counter.clone()));
        }
        Self { scene, writers, stop, acknowledged }
    }

    /// Waits until so many more appends were acknowledged.
    async fn goes_on(&mut self, more: u64) {
        let target = *self.acknowledged.borrow() + more;
        assert!(within(self.acknowledged.wait_for(|count| *count >= target)).await.is_ok());
    }

    /// Stops the writers and compares what was acknowledged with what another reader finds.
    async fn compare(mut self, reader: &EventStoreLog) -> usize {
        self.stop.send_replace(true);
        let mut acknowledged: Vec<Appended> = Vec::new();
        while let Some(done) = within(self.writers.join_next()).await {
            acknowledged.extend(done.unwrap());
        }
        let streams: Vec<String> = (0..WRITERS).map(|writer| writer.to_string()).collect();
        let streams: Vec<&str> = streams.iter().map(String::as_str).collect();
        let events = self.scene.events(reader, &streams).await;
        let mut by_place: HashMap<(StreamId, Revision), &RecordedEvent> = HashMap::new();
        for event in &events {
            assert!(by_place.insert((event.stream.clone(), event.revision), event).is_none(), "twice: {event:?}");
        }
        for appended in &acknowledged {
            let first = by_place.remove(&(appended.stream.clone(), appended.first_revision));
            let last = by_place.remove(&(appended.stream.clone(), appended.last_revision));
            assert!(first.is_some(), "lost: {appended:?}");
            assert_eq!(last.map(|event| event.position), Some(appended.last_position), "lost or moved: {appended:?}");
        }
        assert!(by_place.is_empty(), "nobody was told of these: {by_place:?}");
        for stream in &streams {
            let stream = self.scene.stream(stream);
            let of_stream = events.iter().filter(|event| event.stream == stream);
            assert!(of_stream.map(|event| event.revision.get()).eq(0..count(&events, &stream)), "`{stream}` has gaps");
        }
        assert!(events.is_sorted_by(|one, next| one.position < next.position));
        acknowledged.len()
    }
}

fn count(events: &[RecordedEvent], stream: &StreamId) -> u64 {
    u64::try_from(events.iter().filter(|event| event.stream == *stream).count()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_is_killed_while_appends_go_on_loses_and_doubles_nothing() {
    let double = DoubleProcess::start();
    let log = open(options(&double)).await;
    let mut work = AtWork::on(&log, "kills").await;
    for _ in 0..8 {
        work.goes_on(25).await;
        double.restart();
    }
    work.goes_on(25).await;
    let acknowledged = work.compare(&*open(options(&double)).await).await;
    let stats = log.stats();
    assert!(acknowledged >= 225 && stats.reconnects > 0 && stats.connected, "{acknowledged}: {stats:?}");
    println!("8 kills, {acknowledged} acknowledged, {stats:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn leaders_that_die_while_appends_go_on_lose_and_double_nothing() {
    let double = DoubleProcess::start_with(DoubleOptions { nodes: 3, ..DoubleOptions::default() });
    let log = open(options(&double)).await;
    let mut work = AtWork::on(&log, "leaders").await;
    for _ in 0..6 {
        work.goes_on(25).await;
        let leader = double.stats().leader.unwrap();
        double.kill_node(leader);
        work.goes_on(25).await;
        assert_ne!(double.stats().leader, Some(leader), "another leads");
        double.revive_node(leader);
    }
    let acknowledged = work.compare(&*open(options(&double)).await).await;
    println!("6 leaders died, {acknowledged} acknowledged, {:?}", log.stats());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_lead_goes_over_without_anybody_dying() {
    let double = DoubleProcess::start_with(DoubleOptions { nodes: 3, ..DoubleOptions::default() });
    let log = open(options(&double)).await;
    let mut work = AtWork::on(&log, "elections").await;
    for round in 0..6 {
        work.goes_on(25).await;
        double.lead((round + 1) % 3);
    }
    work.goes_on(25).await;
    let acknowledged = work.compare(&*open(options(&double)).await).await;
    println!("6 elections, {acknowledged} acknowledged, {:?}", log.stats());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_stands_still_is_waited_for() {
    let double = DoubleProcess::start();
    let log = open(options(&double)).await;
    let mut work = AtWork::on(&log, "frozen").await;
    for _ in 0..2 {
        work.goes_on(25).await;
        let before = log.stats().unknown_outcomes;
        double.freeze();
        eventually("an answer is missed", || log.stats().unknown_outcomes > before).await;
        double.thaw();
    }
    work.goes_on(25).await;
    work.compare(&*open(options(&double)).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_a_quorum_nothing_is_taken_in_and_everything_is_read() {
    let double = DoubleProcess::start();
    let log = open(hasty(&double)).await;
    let scene = Scene::new(&*log, "quorum").await;
    log.append(scene.append("a", Expected::NoStream, "1", &["{}"])).await.unwrap();

    double.fault(Fault::always(Kind::NoQuorum).lasting(Duration::from_millis(100)));
    let batch = scene.append("a", Expected::At(Revision::FIRST), "2", &["{}"]);
    let refused = log.append(batch.clone()).await;
    let Err(AppendError::Fault(fault)) = refused else { panic!("{refused:?}") };
    assert!(matches!(fault, LogFault::NoLeader { .. }) && fault.passes_by_itself(), "{fault:?}");
    assert_eq!(scene.events(&*log, &["a"]).await.len(), 1, "what stands there is read all the same");
    let mut health = log.health();
    assert!(within(health.wait_for(|health| matches!(health, LogHealth::Unready(_)))).await.is_ok());

    double.clear(Kind::NoQuorum);
    let ready = within(health.wait_for(|health| *health == LogHealth::Ready)).await.is_ok();
    assert!(ready, "it recovers by itself");
    assert_eq!(log.append(batch).await.unwrap().first_revision, Revision::new(1));
    assert_eq!(scene.events(&*log, &["a"]).await.len(), 2, "the command that was refused happened once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_comes_late_is_found() {
    let double = DoubleProcess::start();
    double.kill();
    let fault = refused(hasty(&double)).await;
    assert!(matches!(fault, LogFault::Unreachable { .. }), "{fault:?}");

    let opening = tokio::spawn(open(options(&double)));
    double.restart();
    let log = within(opening).await.unwrap();
    let scene = Scene::new(&*log, "late").await;
    log.append(scene.append("a", Expected::NoStream, "1", &["{}"])).await.unwrap();

    double.kill();
    let lost = log.append(scene.append("b", Expected::NoStream, "2", &["{}"]));
    let (lost, ()) = within(async { tokio::join!(lost, async { double.restart() }) }).await;
    assert_eq!(lost.unwrap().first_revision, Revision::FIRST, "an append waits for its server");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_answer_that_was_lost_is_found_again() {
    let double = DoubleProcess::start();
    let log = open(options(&double)).await;
    let scene = Scene::new(&*log, "lost").await;
    for (name, kind) in [("cut", Kind::CutAfter), ("hang", Kind::HangAfter), ("time out", Kind::TimeOutAfter)] {
        let before: Option<Position> = log.head().await.unwrap();
        // Of the answers to what one append asks for, the first two.
        double.fault(Fault::times(kind, 2));
        let batch = scene.append(name, Expected::NoStream, name, &["{}", "{}"]);
        let appended = log.append(batch.clone()).await.unwrap();
        assert_eq!((appended.first_revision, appended.last_revision), (Revision::FIRST, Revision::new(1)), "{name}");
        assert!(Some(appended.last_position) > before);
        assert_eq!(scene.events(&*log, &[name]).await.len(), 2, "{name}: it happened once");
        assert_eq!(log.append(batch).await.unwrap(), Appended { repeated: true, ..appended }, "{name}");
        double.clear(kind);
    }
    assert!(log.stats().unknown_outcomes >= 3, "{:?}", log.stats());
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_were_exchanged_are_not_taken_for_ours() {
    let (double, other) = (DoubleProcess::start(), DoubleProcess::start());
    let log = open(options(&double)).await;
    assert_eq!(log.confirm_installation().await, Ok(Ok(())));
    open(options(&other)).await.close().await;
    other.kill();
    double.kill();
    std::fs::copy(other.data(), double.data()).unwrap();
    double.restart();
    // On the old connection, where it has come back by itself; else a new one is turned away.
    let (Ok(Err(fault)) | Err(fault)) = within(log.confirm_installation()).await else {
        panic!("the log of another installation passes for ours")
    };
    assert!(matches!(fault, LogFault::ForeignInstallation { .. }), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_restored_ends_where_its_servers_say() {
    let double = DoubleProcess::start();
    let log = open(options(&double)).await;
    let scene = Scene::new(&*log, "restored").await;
    let first = log.append(scene.append("a", Expected::NoStream, "1", &["{}"])).await.unwrap();
    double.kill();
    let older = std::fs::read(double.data()).unwrap();
    double.restart();
    let second = log.append(scene.append("b", Expected::NoStream, "2", &["{}"])).await.unwrap();
    assert_eq!(within(log.head()).await.unwrap(), Some(second.last_position));
    double.kill();
    std::fs::write(double.data(), older).unwrap();
    double.restart();
    assert_eq!(within(log.head()).await.unwrap(), Some(first.last_position), "what was known does not count any more");
}
