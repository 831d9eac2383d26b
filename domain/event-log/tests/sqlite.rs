//! What only the SQLite store promises: it refuses changes, outlives a full disk and a broken writer, copies itself.
#![expect(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use domain::envelope::{Position, Revision};
use event_log::contract::fixture::{SOME_MICROS, Scene, moment, read_behind, ticking_stamp};
use event_log::digest::event_digest;
use event_log::memory::Stamp;
use event_log::port::{Append, AppendError, EventLog, Expected};
use event_log::sqlite::{BULK_EVENTS_MAX, BackupError, BulkError, SqliteLog, SqliteOptions};
use event_log::verify::verify;
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::task::JoinSet;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.sqlite");
    (folder, path)
}

fn options(stamp: Stamp) -> SqliteOptions {
    SqliteOptions { create: true, ..SqliteOptions::new(stamp) }
}

fn open(path: &Path) -> SqliteLog {
    SqliteLog::open(path, options(ticking_stamp())).unwrap()
}

fn assert_sound(path: &Path) {
    let report = verify(path, &|_| Ok(()), &mut |_, _| {}).unwrap();
    assert!(report.is_sound(), "{report:?}");
}

#[tokio::test]
async fn nothing_can_be_changed_or_removed_through_any_connection() {
    let (_folder, path) = folder();
    let log = open(&path);
    let scene = Scene::new(&log, "triggers").await;
    log.append(scene.append("a", Expected::NoStream, "1", &["{}", "{}"])).await.unwrap();
    let before = read_behind(&log, None, 10).await;
    let raw = Connection::open(&path).unwrap();
    for sql in [
        "UPDATE event SET payload = '[]' WHERE position = 1",
        "UPDATE event SET position = 9 WHERE position = 1",
        "DELETE FROM event WHERE position = 2",
        "DELETE FROM event",
        "UPDATE stream SET name = 'contract-x'",
        "DELETE FROM stream",
        "UPDATE kind SET name = 'contract.other'",
        "DELETE FROM kind",
        "UPDATE command SET count = 1",
        "DELETE FROM command",
    ] {
        let error = raw.execute(sql, []).unwrap_err();
        assert!(error.to_string().contains("append-only"), "{sql}: {error}");
    }
    drop(raw);
    assert_eq!(read_behind(&log, None, 10).await, before);
    log.close();
    assert_sound(&path);
}

#[tokio::test]
async fn a_full_disk_refuses_writing_and_nothing_else() {
    let (_folder, path) = folder();
    let log = SqliteLog::open(&path, SqliteOptions { max_pages: Some(64), ..options(ticking_stamp()) }).unwrap();
    let scene = Scene::new(&log, "full").await;
    let payload = format!("\"{}\"", "x".repeat(3_000));
    let mut acknowledged = 0_usize;
    let refused = loop {
        let name = acknowledged.to_string();
        match log.append(scene.append(&name, Expected::NoStream, &name, &[&payload, &payload])).await {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 1_000, "the bound of 64 pages was never reached");
    };
    assert!(matches!(refused, AppendError::DiskFull), "{refused:?}");
    assert!(refused.is_retryable());
    assert!(acknowledged > 10, "{acknowledged}");
    let events = read_behind(&log, None, 10).await;
    assert_eq!(events.len(), 2 * acknowledged, "reading goes on, and shows exactly what was acknowledged");
    assert_eq!(log.head().await.unwrap(), events.last().map(|event| event.position));
    let again = log.append(scene.append("0", Expected::NoStream, "0", &[&payload, &payload])).await.unwrap();
    assert!(again.repeated, "the writer goes on and answers what needs no room");
    log.close();

    let log = open(&path);
    assert_eq!(read_behind(&log, None, 100).await, events);
    let name = acknowledged.to_string();
    let batch = scene.append(&name, Expected::NoStream, &name, &[&payload, &payload]);
    let appended = log.append(batch).await.unwrap();
    assert!(!appended.repeated, "what was refused had not happened");
    let newest = events.last().unwrap().position.get();
    assert_eq!(appended.last_position, Position::new(newest + 2));
    log.close();
    assert_sound(&path);
}

#[tokio::test]
async fn a_broken_writer_is_told_and_loses_nothing() {
    let (_folder, path) = folder();
    let broken = Arc::new(AtomicBool::new(false));
    let stamp: Stamp = {
        let broken = Arc::clone(&broken);
        Arc::new(move || {
            assert!(!broken.load(Ordering::Relaxed), "the clock of this test is broken on purpose");
            moment(SOME_MICROS)
        })
    };
    let log = SqliteLog::open(&path, options(stamp)).unwrap();
    let scene = Scene::new(&log, "panic").await;
    log.append(scene.append("a", Expected::NoStream, "1", &["{}"])).await.unwrap();
    broken.store(true, Ordering::Relaxed);
    for number in 2..5_u8 {
        let batch = scene.append("a", Expected::At(Revision::FIRST), &number.to_string(), &["{}"]);
        let refused = log.append(batch).await;
        assert!(matches!(refused, Err(AppendError::Closed)), "{refused:?}");
    }
    let refused = log.append_bulk(vec![scene.append("b", Expected::NoStream, "9", &["{}"])]).await;
    assert!(matches!(refused, Err(BulkError::Closed)), "{refused:?}");
    assert_eq!(read_behind(&log, None, 10).await.len(), 1, "reading goes on");
    log.close();
    let log = open(&path);
    log.append(scene.append("a", Expected::At(Revision::FIRST), "2", &["{}"])).await.unwrap();
    log.close();
    assert_sound(&path);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_queue_refuses_at_once() {
    let (_folder, path) = folder();
    let (open_gate, gate) = mpsc::channel::<()>();
    let (gate, closed) = (Mutex::new(gate), Arc::new(AtomicBool::new(false)));
    let stamp: Stamp = {
        let closed = Arc::clone(&closed);
        Arc::new(move || {
            if closed.load(Ordering::Relaxed) {
                // Ends when the test drops its side.
                gate.lock().unwrap().recv().unwrap_err();
            }
            moment(SOME_MICROS)
        })
    };
    let small = SqliteOptions { queue_max: 2, batch_events_max: 1, ..options(stamp) };
    let log = Arc::new(SqliteLog::open(&path, small).unwrap());
    let scene = Scene::new(&*log, "queue").await;
    closed.store(true, Ordering::Relaxed);
    let mut tasks = JoinSet::new();
    for number in 0..10_u8 {
        let name = number.to_string();
        let batch = scene.append(&name, Expected::NoStream, &name, &["{}"]);
        let log = Arc::clone(&log);
        tasks.spawn(async move { log.append(batch).await });
    }
    // One append may be with the writer and two may wait; the other seven are refused while the writer stands still.
    for _ in 0..7 {
        let refused = tasks.join_next().await.unwrap().unwrap();
        assert!(matches!(refused, Err(AppendError::Overloaded)), "{refused:?}");
    }
    drop(open_gate);
    let answers = tasks.join_all().await;
    let written = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!((2..=3).contains(&written), "{answers:?}");
    assert_eq!(read_behind(&*log, None, 10).await.len(), written);
    let large = SqliteOptions { queue_bytes_max: 1, ..options(ticking_stamp()) };
    let other = SqliteLog::open(&path.with_extension("other"), large).unwrap();
    let batch = scene.append("a", Expected::NoStream, "1", &["{}"]);
    assert!(other.append(batch).await.is_ok(), "an append that waits for nothing is never too large for the queue");
}

#[tokio::test]
async fn a_bulk_is_one_transaction_with_an_answer_for_each() {
    let (_folder, path) = folder();
    let log = open(&path);
    let scene = Scene::new(&log, "bulk").await;
    let first = scene.append("a", Expected::NoStream, "1", &["{}", "{}"]);
    let mut reused = scene.append("b", Expected::NoStream, "1", &["{}"]);
    reused.command.digest.0 = [7; 32];
    let answers = log
        .append_bulk(vec![
            first.clone(),
            scene.append("a", Expected::At(Revision::new(1)), "2", &["{}"]),
            scene.append("a", Expected::At(Revision::new(1)), "3", &["{}"]),
            first,
            reused,
            scene.append("b", Expected::NoStream, "4", &[]),
            scene.append("b", Expected::NoStream, "5", &["{}"]),
        ])
        .await
        .unwrap();
    let told: Vec<String> = answers
        .iter()
        .map(|answer| match answer {
            Ok(appended) => format!("{} {}", appended.last_position, appended.repeated),
            Err(AppendError::Conflict { actual, .. }) => format!("conflict {actual:?}"),
            Err(AppendError::CommandReused { .. }) => "reused".to_owned(),
            Err(AppendError::BatchSize { events }) => format!("size {events}"),
            Err(error) => format!("{error:?}"),
        })
        .collect();
    assert_eq!(told, ["2 false", "3 false", "conflict Some(Revision(2))", "2 true", "reused", "size 0", "4 false"]);
    let over = vec!["{}"; BULK_EVENTS_MAX / 16 + 1];
    let bulk: Vec<Append> =
        (0..16).map(|n| scene.append(&n.to_string(), Expected::NoStream, &n.to_string(), &over)).collect();
    let refused = log.append_bulk(bulk).await;
    assert!(matches!(refused, Err(BulkError::TooLarge { max: BULK_EVENTS_MAX, .. })), "{refused:?}");
    assert_eq!(read_behind(&log, None, 10).await.len(), 4);
    log.close();
    assert_sound(&path);
}

#[tokio::test]
async fn a_copy_keeps_its_recording_times_and_digests() {
    let (folder, path) = folder();
    let log = open(&path);
    let scene = Scene::new(&log, "copy").await;
    let appends = ["a", "b", "c"].map(|name| scene.append(name, Expected::NoStream, name, &["{}", "{}"]));
    for batch in appends.clone() {
        log.append(batch).await.unwrap();
    }
    let events = read_behind(&log, None, 10).await;
    let copy = SqliteLog::open(&folder.path().join("copy.sqlite"), options(ticking_stamp())).unwrap();
    let moments: Vec<_> = events.iter().step_by(2).map(|event| event.recorded_at).collect();
    let copies = appends.into_iter().zip(moments).collect();
    assert!(copy.append_copies(copies).await.unwrap().iter().all(Result::is_ok));
    let copied = read_behind(&copy, None, 10).await;
    assert_eq!(copied, events);
    assert!(copied.iter().map(event_digest).eq(events.iter().map(event_digest)));
    let late = vec![(scene.append("d", Expected::NoStream, "d", &["{}"]), moment(SOME_MICROS - 1))];
    let refused = copy.append_copies(late).await.unwrap();
    assert!(matches!(refused.as_slice(), [Err(AppendError::Store(_))]), "{refused:?}");
}

#[tokio::test]
async fn a_clock_that_goes_back_does_not_take_the_log_back() {
    let (_folder, path) = folder();
    let micros = AtomicI64::new(SOME_MICROS);
    let log = SqliteLog::open(&path, options(Arc::new(move || moment(micros.fetch_sub(10, Ordering::Relaxed)))));
    let log = log.unwrap();
    let scene = Scene::new(&log, "clock").await;
    for name in ["a", "b", "c"] {
        log.append(scene.append(name, Expected::NoStream, name, &["{}"])).await.unwrap();
    }
    let events = read_behind(&log, None, 10).await;
    assert!(events.is_sorted_by_key(|event| event.recorded_at), "{events:?}");
    log.close();
    assert_sound(&path);
}

#[tokio::test]
async fn a_scan_stops_where_it_is_told_to() {
    let (_folder, path) = folder();
    let log = open(&path);
    let scene = Scene::new(&log, "scan").await;
    for name in ["a", "b", "c", "d"] {
        log.append(scene.append(name, Expected::NoStream, name, &["{}"; 10])).await.unwrap();
    }
    let all = read_behind(&log, None, 100).await;
    let mut seen = Vec::new();
    let mut take = |after: Option<u64>, limit: u64, most: usize| {
        seen.clear();
        let given = log
            .scan(after.map(Position::new), limit, &mut |event| {
                seen.push(event);
                if seen.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })
            .unwrap();
        assert_eq!(given, u64::try_from(seen.len()).unwrap());
        seen.clone()
    };
    assert_eq!(take(None, u64::MAX, usize::MAX), all);
    assert!(take(None, 7, usize::MAX).iter().eq(all.iter().take(7)));
    assert!(take(Some(5), u64::MAX, 3).iter().eq(all.iter().skip(5).take(3)));
    assert!(take(Some(40), u64::MAX, usize::MAX).is_empty());
}

#[tokio::test]
async fn a_backup_is_a_whole_log_and_never_overwrites() {
    let (folder, path) = folder();
    let log = open(&path);
    let scene = Scene::new(&log, "backup").await;
    log.append(scene.append("a", Expected::NoStream, "1", &["{}", "{}"])).await.unwrap();
    let events = read_behind(&log, None, 10).await;
    let to = folder.path().join("backup.sqlite");
    let backup = log.backup(&to).unwrap();
    assert_eq!(backup.head, Some(Position::new(2)));
    assert_sound(&to);
    log.append(scene.append("b", Expected::NoStream, "2", &["{}"])).await.unwrap();
    assert!(matches!(log.backup(&to), Err(BackupError::Exists { .. })));
    let nowhere = folder.path().join("nowhere").join("backup.sqlite");
    assert!(matches!(log.backup(&nowhere), Err(BackupError::Store { .. })));
    let stats = log.stats().await.unwrap();
    assert_eq!((stats.events, stats.streams, stats.head), (3, 2, Some(Position::new(3))));
    assert!(stats.file_bytes + stats.wal_bytes > 0);

    let restored = open(&to);
    assert_eq!(read_behind(&restored, None, 10).await, events);
    assert_eq!(restored.info(), log.info());
    let appended = restored.append(scene.append("b", Expected::NoStream, "2", &["{}"])).await.unwrap();
    assert_eq!(appended.last_position, Position::new(3));
}
