//! Many at once.

use std::sync::Arc;
use std::time::Duration;

use domain::envelope::{RecordedEvent, Revision};
use tokio::task::JoinSet;

use crate::contract::fixture::{Scene, read_behind};
use crate::port::{AppendError, Appended, EventLog, Expected};

const WRITERS: usize = 8;
const APPENDS: usize = 25;
/// Long enough for the slowest store and machine; a clause that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

pub async fn of_many_writers_with_one_revision_one_wins(log: Arc<dyn EventLog>) {
    let scene = Scene::new(&*log, "race").await;
    let first = log.append(scene.append("a", Expected::NoStream, "first", &["{}"])).await.unwrap();
    let mut newest = first.last_revision;
    for round in 0..5_u8 {
        let mut tasks = JoinSet::new();
        for writer in 0..WRITERS {
            let batch = scene.append("a", Expected::At(newest), &format!("{round} {writer}"), &["{}", "{}"]);
            let log = Arc::clone(&log);
            tasks.spawn(async move { log.append(batch).await });
        }
        let answers = tokio::time::timeout(PATIENCE, tasks.join_all()).await.unwrap();
        let won: Vec<&Appended> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
        let [won] = won.as_slice() else { panic!("{answers:?}") };
        assert_eq!(won.first_revision, newest.next());
        for answer in &answers {
            let Err(AppendError::Conflict { actual, .. }) = answer else { continue };
            assert_eq!(*actual, Some(won.last_revision), "the others are told where the winner left the stream");
        }
        let lost = answers.iter().filter(|answer| matches!(answer, Err(AppendError::Conflict { .. }))).count();
        assert_eq!(lost, WRITERS - 1);
        newest = won.last_revision;
    }
    assert_eq!(scene.events(&*log, &["a"]).await.len(), 11);
}

pub async fn a_command_sent_many_times_at_once_happens_once(log: Arc<dyn EventLog>) {
    let scene = Scene::new(&*log, "duplicates").await;
    let mut tasks = JoinSet::new();
    for _ in 0..WRITERS {
        let batch = scene.append("a", Expected::NoStream, "1", &["{}", "{}"]);
        let log = Arc::clone(&log);
        tasks.spawn(async move { log.append(batch).await });
    }
    let answers = tokio::time::timeout(PATIENCE, tasks.join_all()).await.unwrap();
    let answers: Vec<Appended> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|answer| !answer.repeated).count(), 1);
    for answer in &answers {
        assert_eq!((answer.first_revision, answer.last_revision), (Revision::FIRST, Revision::new(1)));
        assert!(answers.iter().all(|other| other.last_position == answer.last_position));
    }
    assert_eq!(scene.events(&*log, &["a"]).await.len(), 2);
}

pub async fn no_gap_is_filled_behind_a_reader(log: Arc<dyn EventLog>) {
    let scene = Scene::new(&*log, "gaps").await;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (log, scene) = (Arc::clone(&log), scene.clone());
        writers.spawn(async move { write(&*log, &scene, &writer.to_string()).await });
    }
    let seen = tokio::time::timeout(PATIENCE, read_along(&*log, &scene, WRITERS * APPENDS * 2)).await.unwrap();
    tokio::time::timeout(PATIENCE, writers.join_all()).await.unwrap();
    let all = read_behind(&*log, scene.before, 10_000).await;
    assert_eq!(seen, all, "what a reader saw page by page while others wrote is the whole log");
}

/// Appends to a stream of its own, two events at a time.
async fn write(log: &dyn EventLog, scene: &Scene, stream: &str) {
    let mut expected = Expected::NoStream;
    for number in 0..APPENDS {
        let batch = scene.append(stream, expected, &format!("{stream} {number}"), &["{}", "{}"]);
        expected = Expected::At(log.append(batch).await.unwrap().last_revision);
    }
}

/// Reads on from where it is, in small pages, until it has seen so many events.
async fn read_along(log: &dyn EventLog, scene: &Scene, events: usize) -> Vec<RecordedEvent> {
    let mut seen: Vec<RecordedEvent> = Vec::new();
    while seen.len() < events {
        let after = seen.last().map(|event| event.position).or(scene.before);
        let page = log.read_all(after, 7).await.unwrap();
        if page.events.is_empty() {
            tokio::task::yield_now().await;
        }
        seen.extend(page.events);
    }
    seen
}
