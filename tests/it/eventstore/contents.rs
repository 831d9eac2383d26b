//! What stands on the servers: our layout, and everything that is not a whole log of ours.

use domain::envelope::Revision;
use domain::id::StreamId;
use event_log::contract::fixture::{KIND, Scene};
use event_log::eventstore::{CopyState, CopyTotals, EventStoreLog, EventStoreOptions};
use event_log::port::{AppendError, EventLog, Expected, LogFault, ReadError};
use serde_json::Value;
use tests::double::control::Order;
use tests::double::{DoubleOptions, DoubleProcess, Fault, Kind};
use uuid::Uuid;

use super::kit::{hasty, open, options, refused};

/// Three events on the scene's stream `a`.
async fn three(log: &EventStoreLog, scene: &Scene) -> StreamId {
    log.append(scene.append("a", Expected::NoStream, "1", &["{}", "{}", "{}"])).await.unwrap();
    scene.stream("a")
}

/// Why a stream cannot be read.
async fn unread(log: &EventStoreLog, stream: &StreamId) -> LogFault {
    match log.read_stream(stream, None, 10).await {
        Err(ReadError::Fault(fault)) => fault,
        read => panic!("{read:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_stands_as_the_layout_says() {
    let double = DoubleProcess::start();
    let log = open(options(&double)).await;
    let scene = Scene::new(&*log, "layout").await;
    let batch = scene.append("a", Expected::NoStream, "1", &["{ \"n\" : 1 }"]);
    let appended = log.append(batch.clone()).await.unwrap();

    let stored = double.read(scene.stream("a").as_str());
    let [event] = stored.as_slice() else { panic!("{stored:?}") };
    assert_eq!((event.kind.as_str(), event.json, event.revision), (KIND, true, 0));
    assert_eq!(event.id, batch.events[0].id.to_string());
    assert_eq!(event.data, "{ \"n\" : 1 }", "payload bytes are not touched");
    assert_eq!(event.position, appended.last_position.get());
    let keys = ["v", "schema", "occurredAt", "recordedAt", "command", "commandDigest", "digest", "metadata"];
    let places: Vec<usize> = keys.iter().map(|key| event.metadata.find(&format!("\"{key}\":")).unwrap()).collect();
    assert!(places.is_sorted(), "the wrapper's keys have an order: {}", event.metadata);
    assert!(event.metadata.contains(&format!("\"metadata\":{}", batch.events[0].metadata)), "metadata is verbatim");
    let wrapper: Value = serde_json::from_str(&event.metadata).unwrap();
    assert_eq!(wrapper["command"], batch.command.id.to_string());

    let claim = double.read(&format!("baycase.command-{}", batch.command.id.as_uuid().simple()));
    assert_eq!(claim.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>(), ["baycase.command-claimed"]);
    let installed = double.read("baycase.installation");
    assert_eq!(installed[0].kind, "baycase.installed");
    assert!(installed[0].data.contains(&log.installation().to_string()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_servers_write_about_themselves_is_not_ours() {
    let double = DoubleProcess::start_with(DoubleOptions { noise: 1, ..DoubleOptions::default() });
    let log = open(options(&double)).await;
    let scene = Scene::new(&*log, "noise").await;
    for number in 0..20_u8 {
        let name = number.to_string();
        log.append(scene.append(&name, Expected::NoStream, &name, &["{}"])).await.unwrap();
        double.append("baycase.note", "note", "", "{}");
    }
    let page = log.read_all(scene.before, 1_000).await.unwrap();
    assert_eq!(page.events.len(), 20);
    assert!(page.at_end && double.stats().events > 80, "{:?}", double.stats());
    assert_eq!(log.head().await.unwrap(), page.events.last().map(|event| event.position));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_whose_beginning_is_hidden_is_not_read_as_whole() {
    let double = DoubleProcess::start();
    let log = open(hasty(&double)).await;
    let scene = Scene::new(&*log, "truncated").await;
    let stream = three(&log, &scene).await;
    for (metadata, found) in [("{\"$tb\":2}", 2), ("{\"$maxCount\":2}", 1)] {
        double.stream_metadata(stream.as_str(), metadata);
        let found = Revision::new(found);
        let truncated = LogFault::Truncated { stream: stream.clone(), expected: Revision::FIRST, found };
        assert_eq!(unread(&log, &stream).await, truncated);
        assert!(!truncated.passes_by_itself());
    }
    double.stream_metadata(stream.as_str(), "{}");
    assert_eq!(log.read_stream(&stream, None, 10).await.unwrap().len(), 3, "what was only hidden can be shown again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_has_lost_events_is_not_read_on() {
    let double = DoubleProcess::start();
    let (log, other) = (open(hasty(&double)).await, open(options(&double)).await);
    let scene = Scene::new(&*log, "scavenged").await;
    let first = log.append(scene.append("a", Expected::NoStream, "1", &["{}"])).await.unwrap();
    assert_eq!(log.read_all(None, 100).await.unwrap().events.len(), 1);
    other.append(scene.append("a", Expected::At(Revision::FIRST), "2", &["{}", "{}"])).await.unwrap();
    let stream = scene.stream("a");
    double.stream_metadata(stream.as_str(), "{\"$tb\":2}");
    double.scavenge();
    let read = log.read_all(Some(first.last_position), 100).await;
    let Err(ReadError::Fault(LogFault::Truncated { expected, found, .. })) = read else { panic!("{read:?}") };
    assert_eq!((expected, found), (Revision::new(1), Revision::new(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_stream_is_neither_read_nor_written() {
    let double = DoubleProcess::start();
    let log = open(hasty(&double)).await;
    let scene = Scene::new(&*log, "deleted").await;
    let stream = three(&log, &scene).await;
    double.tombstone(stream.as_str());
    let deleted = LogFault::Deleted { stream: stream.clone() };
    assert_eq!(unread(&log, &stream).await, deleted);
    let refused = log.append(scene.append("a", Expected::At(Revision::new(2)), "2", &["{}"])).await;
    assert!(matches!(&refused, Err(AppendError::Fault(fault)) if *fault == deleted), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_was_deleted_and_may_come_back_is_not_begun_anew() {
    let double = DoubleProcess::start();
    let log = open(hasty(&double)).await;
    let scene = Scene::new(&*log, "gone").await;
    let stream = three(&log, &scene).await;
    double.delete(stream.as_str());
    let begun = log.append(scene.append("a", Expected::NoStream, "2", &["{}"])).await;
    let refused = begun.expect_err("its first three events are still the log's");
    assert!(!refused.is_retryable(), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_another_program_is_named() {
    let double = DoubleProcess::start();
    let log = open(hasty(&double)).await;
    let scene = Scene::new(&*log, "foreign").await;
    let stream = scene.stream("a");
    double.append(stream.as_str(), "something.happened", "{\"by\":\"others\"}", "{}");
    let (stream, kind) = (stream.as_str().to_owned(), "something.happened".to_owned());
    let foreign = LogFault::ForeignEvent { stream, revision: 0, kind };
    assert_eq!(unread(&log, &scene.stream("a")).await, foreign);
    let read = log.read_all(None, 100).await;
    assert!(matches!(&read, Err(ReadError::Fault(fault)) if *fault == foreign), "{read:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_an_explicit_transaction_is_named() {
    let double = DoubleProcess::start();
    let log = open(hasty(&double)).await;
    let stream = Scene::new(&*log, "split").await.stream("a").as_str().to_owned();
    let (kind, metadata, data) = (KIND.to_owned(), "{}".to_owned(), "{}".to_owned());
    double.order(&Order::Append { stream, kind, metadata, data, split: true });
    let read = log.read_all(None, 100).await;
    assert!(matches!(read, Err(ReadError::Fault(LogFault::SplitPosition { .. }))), "{read:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_do_not_tell_positions_are_too_old() {
    let faults = vec![Fault::always(Kind::OldReads)];
    let double = DoubleProcess::start_with(DoubleOptions { faults, ..DoubleOptions::default() });
    let fault = match EventStoreLog::open(hasty(&double)).await {
        Err(fault) => fault,
        Ok(log) => {
            let scene = Scene::new(&log, "old").await;
            let batch = scene.append("a", Expected::NoStream, "1", &["{}"]);
            match log.append(batch).await {
                Err(AppendError::Fault(fault)) => fault,
                Err(other) => panic!("{other:?}"),
                Ok(_) => unread(&log, &scene.stream("a")).await,
            }
        }
    };
    assert!(matches!(fault, LogFault::TooOld { .. }), "{fault:?}");
    assert!(!fault.passes_by_itself());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_must_be_there_and_be_the_one_that_is_meant() {
    let double = DoubleProcess::start();
    let absent = refused(EventStoreOptions { create: false, ..hasty(&double) }).await;
    assert_eq!(absent, LogFault::NotInstalled);
    assert!(double.read("baycase.installation").is_empty(), "looking does not make a log");

    let chosen = Uuid::from_u128(7);
    let log = open(EventStoreOptions { installation: Some(chosen), ..options(&double) }).await;
    assert_eq!(log.installation(), chosen);
    let expected = Uuid::from_u128(8);
    let other = refused(EventStoreOptions { installation: Some(expected), ..hasty(&double) }).await;
    assert_eq!(other, LogFault::ForeignInstallation { expected, found: chosen });
    let again = open(EventStoreOptions { create: false, ..options(&double) }).await;
    assert_eq!(again.installation(), chosen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_not_complete_is_not_used() {
    let double = DoubleProcess::start();
    let source = Uuid::from_u128(9);
    let copying = || EventStoreOptions { for_copy: true, installation: Some(source), ..options(&double) };
    let copier = open(copying()).await;
    assert!(matches!(copier.begin_copy("sqlite", source).await, Ok(CopyState::Begun)));
    let fault = refused(EventStoreOptions { create: false, ..hasty(&double) }).await;
    assert_eq!(fault, LogFault::UnfinishedCopy);

    let again = open(copying()).await;
    assert!(matches!(again.begin_copy("sqlite", source).await, Ok(CopyState::Resumed)));
    again.finish_copy(&CopyTotals { events: 0, commands: 0, digest: "00".to_owned() }).await.unwrap();
    let log = open(EventStoreOptions { create: false, ..options(&double) }).await;
    let scene = Scene::new(&*log, "copied").await;
    three(&log, &scene).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_above_the_servers_own_limit_is_refused_with_what_to_do() {
    let limited = DoubleOptions { max_append_bytes: Some(100_000), ..DoubleOptions::default() };
    let double = DoubleProcess::start_with(limited);
    let log = open(hasty(&double)).await;
    let scene = Scene::new(&*log, "limit").await;
    let large = format!("\"{}\"", "x".repeat(150_000));
    let refused = log.append(scene.append("a", Expected::NoStream, "1", &[&large])).await;
    let Err(AppendError::Fault(fault)) = refused else { panic!("{refused:?}") };
    assert!(!fault.passes_by_itself() && fault.to_string().contains("100000"), "{fault}");
    assert!(scene.events(&*log, &["a"]).await.is_empty());
    log.append(scene.append("a", Expected::NoStream, "2", &["{}"])).await.unwrap();
}
