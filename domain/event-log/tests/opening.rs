//! Opening a SQLite log: what is refused stays as it was, and what was acknowledged is there again.
#![expect(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use std::fs;
use std::path::{Path, PathBuf};

use domain::envelope::RecordedEvent;
use event_log::contract::fixture::{Scene, read_behind, ticking_stamp};
use event_log::port::{AppendError, EventLog, Expected, ReadError};
use event_log::sqlite::{LogReader, OpenError, ReaderSettings, SCHEMA_VERSION, SqliteLog, SqliteOptions};
use event_log::verify::verify;
use rusqlite::Connection;
use tempfile::TempDir;
use uuid::Uuid;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.sqlite");
    (folder, path)
}

fn options() -> SqliteOptions {
    SqliteOptions { create: true, ..SqliteOptions::new(ticking_stamp()) }
}

/// A log with a few events, closed; and the events.
async fn filled(path: &Path) -> Vec<RecordedEvent> {
    let log = SqliteLog::open(path, options()).unwrap();
    let scene = Scene::new(&log, "filled").await;
    let first = log.append(scene.append("a", Expected::NoStream, "1", &["{}", "[1,2]"])).await.unwrap();
    log.append(scene.append("a", Expected::At(first.last_revision), "2", &["{}"])).await.unwrap();
    log.append(scene.append("b", Expected::NoStream, "3", &["{}"])).await.unwrap();
    let events = read_behind(&log, None, 100).await;
    log.close();
    events
}

fn wal(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}-wal", path.display()))
}

#[tokio::test]
async fn reopening_keeps_everything() {
    let (_folder, path) = folder();
    let events = filled(&path).await;
    assert_eq!(events.len(), 4);
    assert!(!wal(&path).exists(), "a closed log is one file");
    let log = SqliteLog::open(&path, SqliteOptions::new(ticking_stamp())).unwrap();
    assert_eq!(read_behind(&log, None, 3).await, events);
    assert_eq!(*log.appended().borrow(), events.last().map(|event| event.position));
    let scene = Scene::new(&log, "later").await;
    let appended = log.append(scene.append("a", Expected::NoStream, "1", &["{}"])).await.unwrap();
    assert!(Some(appended.last_position) > events.last().map(|event| event.position));
    let after = read_behind(&log, None, 100).await;
    assert!(after.is_sorted_by_key(|event| event.recorded_at), "also when the clock began anew");
    let info = log.info().clone();
    drop(log);
    assert_eq!(LogReader::open(&path, ReaderSettings::default()).unwrap().info().unwrap(), info);
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_crash() {
    let (_folder, path) = folder();
    let log = SqliteLog::open(&path, options()).unwrap();
    let scene = Scene::new(&log, "crash").await;
    for number in 0..20_u8 {
        let name = number.to_string();
        log.append(scene.append(&name, Expected::NoStream, &name, &["{}"])).await.unwrap();
    }
    // The files as a crash at this moment would leave them.
    let crashed = tempfile::tempdir().unwrap();
    let copy = crashed.path().join("log.sqlite");
    fs::copy(&path, &copy).unwrap();
    fs::copy(wal(&path), wal(&copy)).unwrap();
    let events = read_behind(&log, None, 100).await;
    assert_eq!(events.len(), 20);
    let again = SqliteLog::open(&copy, SqliteOptions::new(ticking_stamp())).unwrap();
    assert_eq!(read_behind(&again, None, 100).await, events);
    assert!(log.append(scene.append("0", Expected::NoStream, "0", &["{}"])).await.unwrap().repeated);
    again.close();
    assert!(verify(&copy, &|_| Ok(()), &mut |_, _| {}).unwrap().is_sound());
}

#[test]
fn a_missing_log_is_created_only_when_asked() {
    let (folder, path) = folder();
    let error = SqliteLog::open(&path, SqliteOptions::new(ticking_stamp())).unwrap_err();
    assert!(matches!(error, OpenError::Missing { .. }), "{error:?}");
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was left behind");
    assert!(LogReader::open(&path, ReaderSettings::default()).is_err());
    assert!(verify(&path, &|_| Ok(()), &mut |_, _| {}).is_err());
}

#[test]
fn what_is_not_a_log_is_refused_untouched() {
    let (folder, path) = folder();
    fs::write(&path, "a letter to the council, longer than the header of a database file, ".repeat(20)).unwrap();
    let before = fs::read(&path).unwrap();
    let error = SqliteLog::open(&path, options()).unwrap_err();
    assert!(matches!(error, OpenError::NotALog { .. }), "{error:?}");
    assert_eq!(fs::read(&path).unwrap(), before);

    let other = folder.path().join("other.sqlite");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE mine (x)").unwrap();
    let before = fs::read(&other).unwrap();
    let error = SqliteLog::open(&other, options()).unwrap_err();
    assert!(matches!(error, OpenError::NotALog { .. }), "{error:?}");
    assert_eq!(fs::read(&other).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing was left behind");
}

#[tokio::test]
async fn a_newer_log_is_refused_untouched() {
    let (_folder, path) = folder();
    filled(&path).await;
    let newer = Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();

    // First while the new number stands only in the write-ahead file.
    let (before, wal_before) = (fs::read(&path).unwrap(), fs::read(wal(&path)).unwrap());
    assert!(!wal_before.is_empty());
    let refuse = || {
        let error = SqliteLog::open(&path, options()).unwrap_err();
        let OpenError::NewerSchema { found, known, .. } = error else { panic!("{error:?}") };
        assert_eq!((found, known), (SCHEMA_VERSION + 1, SCHEMA_VERSION));
    };
    refuse();
    assert_eq!((fs::read(&path).unwrap(), fs::read(wal(&path)).unwrap()), (before, wal_before));

    drop(newer);
    let before = fs::read(&path).unwrap();
    refuse();
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(!wal(&path).exists());
    assert!(verify(&path, &|_| Ok(()), &mut |_, _| {}).is_err());
}

#[tokio::test]
async fn one_process_writes_and_others_may_read() {
    let (_folder, path) = folder();
    let log = SqliteLog::open(&path, options()).unwrap();
    let error = SqliteLog::open(&path, options()).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error:?}");
    let scene = Scene::new(&log, "locked").await;
    log.append(scene.append("a", Expected::NoStream, "1", &["{}"])).await.unwrap();
    let mut reader = LogReader::open(&path, ReaderSettings::default()).unwrap();
    assert_eq!(reader.read_all_blocking(None, 10).unwrap().events, read_behind(&log, None, 10).await);
    log.close();
    SqliteLog::open(&path, options()).unwrap();
}

#[tokio::test]
async fn a_closed_log_says_so() {
    let (_folder, path) = folder();
    let log = SqliteLog::open(&path, options()).unwrap();
    let scene = Scene::new(&log, "closed").await;
    log.close();
    log.close();
    let refused = log.append(scene.append("a", Expected::NoStream, "1", &["{}"])).await;
    assert!(matches!(refused, Err(AppendError::Closed)), "{refused:?}");
    assert!(log.append_bulk(Vec::new()).await.is_err());
    assert!(matches!(log.read_all(None, 1).await, Err(ReadError::Closed)));
    assert!(log.reader().is_err());
}

#[test]
fn the_installation_must_be_the_expected_one() {
    let (_folder, path) = folder();
    let ours = Uuid::from_u128(1);
    let log = SqliteLog::open(&path, SqliteOptions { installation: Some(ours), ..options() }).unwrap();
    assert_eq!(log.info().installation, ours);
    drop(log);
    let before = fs::read(&path).unwrap();
    let theirs = SqliteOptions { installation: Some(Uuid::from_u128(2)), ..options() };
    let error = SqliteLog::open(&path, theirs).unwrap_err();
    assert!(matches!(error, OpenError::OtherInstallation { found, .. } if found == ours), "{error:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
    SqliteLog::open(&path, SqliteOptions { installation: Some(ours), ..options() }).unwrap();
}

#[tokio::test]
async fn a_damaged_end_is_found_when_the_log_is_opened() {
    let (_folder, path) = folder();
    let events = filled(&path).await;
    let raw = Connection::open(&path).unwrap();
    raw.execute_batch(
        "DROP TRIGGER event_no_update; UPDATE event SET payload = '{\"changed\":1}' WHERE position = 3; \
         CREATE TRIGGER event_no_update BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, ''); END;",
    )
    .unwrap();
    drop(raw);
    assert_eq!(events.len(), 4);
    let error = SqliteLog::open(&path, options()).unwrap_err();
    let OpenError::Damaged { what, .. } = &error else { panic!("{error:?}") };
    assert!(what.contains("position 3"), "{what}");

    let raw = Connection::open(&path).unwrap();
    raw.execute_batch("DROP TRIGGER command_no_delete").unwrap();
    drop(raw);
    let error = SqliteLog::open(&path, options()).unwrap_err();
    let OpenError::Damaged { what, .. } = &error else { panic!("{error:?}") };
    assert!(what.contains("command_no_delete"), "{what}");
}
