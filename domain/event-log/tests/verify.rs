//! The full check finds what was done to a log, and where.
#![expect(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use std::fs;
use std::path::{Path, PathBuf};

use domain::envelope::{Position, RecordedEvent};
use event_log::contract::fixture::{SOME_MICROS, Scene, moment, read_behind, ticking_stamp};
use event_log::copy::{Batch, Ledger, Side};
use event_log::digest::{LogDigest, event_digest};
use event_log::port::{EventLog, Expected, ReadError};
use event_log::sqlite::{BackupError, LogReader, OpenError, ReaderSettings, SqliteLog, SqliteOptions, backup};
use event_log::verify::{FINDINGS_MAX, VerifyError, VerifyReport, verify};
use rusqlite::Connection;
use tempfile::TempDir;

/// A closed log with one event in each of so many streams, the events, and the folder it lies in.
async fn log_of(streams: u32) -> (TempDir, PathBuf, Vec<RecordedEvent>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.sqlite");
    let log = SqliteLog::open(&path, SqliteOptions { create: true, ..SqliteOptions::new(ticking_stamp()) }).unwrap();
    let scene = Scene::new(&log, "verify").await;
    let appends = (0..streams).map(|number| {
        let payload = format!("{{\"marker\":\"event-{number:06}\",\"text\":\"{}\"}}", "x".repeat(300));
        let name = number.to_string();
        let mut batch = scene.append(&name, Expected::NoStream, &name, &[&payload]);
        batch.events.first_mut().unwrap().occurred_at = moment(SOME_MICROS - 1_000_001 * i64::from(number));
        batch
    });
    let answers = log.append_bulk(appends.collect()).await.unwrap();
    assert!(answers.iter().all(Result::is_ok));
    let events = read_behind(&log, None, 10_000).await;
    log.close();
    (folder, path, events)
}

fn check(path: &Path) -> VerifyReport {
    verify(path, &|_| Ok(()), &mut |_, _| {}).unwrap()
}

fn event(events: &[RecordedEvent], index: usize) -> &RecordedEvent {
    events.get(index).unwrap()
}

/// Where the bytes stand in the file, once.
fn find(bytes: &[u8], needle: &[u8]) -> usize {
    let mut places = bytes.windows(needle.len()).enumerate().filter(|(_, window)| *window == needle);
    let (place, _) = places.next().unwrap();
    assert!(places.next().is_none(), "the bytes stand in the file more than once");
    place
}

/// Flips one bit of the file in the middle of `needle`.
fn flip(path: &Path, needle: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    let place = find(&bytes, needle) + needle.len() / 2;
    *bytes.get_mut(place).unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Does what only somebody who means to can do.
fn tamper(path: &Path, sql: &str) {
    let raw = Connection::open(path).unwrap();
    for table in ["event", "stream", "kind", "command"] {
        raw.execute_batch(&format!("DROP TRIGGER {table}_no_update; DROP TRIGGER {table}_no_delete")).unwrap();
    }
    raw.execute_batch(sql).unwrap();
}

fn found_at(report: &VerifyReport, position: u64, what: &str) -> bool {
    let position = Some(Position::new(position));
    report.findings.iter().any(|finding| finding.position == position && finding.what.contains(what))
}

#[tokio::test]
async fn a_sound_log_is_sound() {
    let (_folder, path, events) = log_of(100).await;
    let mut told = Vec::new();
    let report = verify(&path, &|_| Ok(()), &mut |done, total| told.push((done, total))).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.events, report.streams, report.head), (100, 100, Some(Position::new(100))));
    let mut digest = LogDigest::new();
    events.iter().for_each(|event| digest.push(&event_digest(event)));
    assert_eq!(report.log_digest, digest.value());
    assert_eq!(told.first(), Some(&(0, 100)));
    assert_eq!(told.last(), Some(&(100, 100)));
}

#[tokio::test]
async fn the_content_digest_is_the_one_that_a_copy_is_compared_by() {
    let (folder, path, events) = log_of(40).await;
    let mut reader = LogReader::open(&path, ReaderSettings::default()).unwrap();
    let (copied, at_end) = reader.read_with_commands_blocking(None, 1_000).unwrap();
    assert!(at_end && copied.len() == events.len());
    let mut batch = Batch::default();
    for copied in &copied {
        let _is_full = batch.push(copied);
    }
    let mut ledger = Ledger::create(&folder.path().join("ledger.sqlite")).unwrap();
    ledger.add(Side::Source, batch).unwrap();
    let report = check(&path);
    assert_eq!(report.content_digest, Some(ledger.compare().unwrap().source.digest));
    assert_ne!(report.content_digest, Some(report.log_digest));
}

#[tokio::test]
async fn an_empty_log_is_sound() {
    let (_folder, path, _) = log_of(0).await;
    let report = check(&path);
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.events, report.head), (0, None));
}

#[tokio::test]
async fn a_flipped_bit_in_any_column_of_an_event_is_found_with_its_position() {
    let (folder, path, events) = log_of(50).await;
    let damaged = event(&events, 30);
    let (id, digest) = (damaged.id.as_uuid(), event_digest(damaged));
    let occurred = damaged.occurred_at.timestamp_micros().to_be_bytes();
    let recorded = damaged.recorded_at.timestamp_micros().to_be_bytes();
    let command = damaged.meta().unwrap().command.to_string();
    let needles: [(&str, &[u8]); 6] = [
        ("id", id.as_bytes()),
        ("occurred_at", &occurred),
        ("recorded_at", &recorded),
        ("digest", &digest),
        ("metadata", command.as_bytes()),
        ("payload", b"event-000030"),
    ];
    for (column, needle) in needles {
        let copy = folder.path().join("copy.sqlite");
        fs::copy(&path, &copy).unwrap();
        flip(&copy, needle);
        let report = check(&copy);
        assert!(found_at(&report, 31, "do not match its digest"), "{column}: {report:?}");
        let finding = report.findings.iter().find(|finding| finding.stream.is_some()).unwrap();
        assert_eq!((finding.stream.as_ref(), finding.revision), (Some(&damaged.stream), Some(0)), "{column}");
        // A recording time that moved on also puts the events behind it into the wrong order.
        let others = report.findings.iter().filter(|finding| finding.position != Some(damaged.position)).count();
        assert!(others == 0 || column == "recorded_at", "{column}: {report:?}");
        assert_eq!(report.events, 50);
    }
}

#[tokio::test]
async fn a_changed_value_in_any_column_of_an_event_is_found_with_its_position() {
    let (folder, path, _) = log_of(50).await;
    for change in [
        "stream = 999",
        "stream = 30, revision = 1",
        "revision = 1",
        "revision = -1",
        "id = zeroblob(16)",
        "id = x'01'",
        "kind = 99",
        "schema = 2",
        "schema = 70000",
        "occurred_at = 1",
        "occurred_at = 9223372036854775807",
        "recorded_at = recorded_at + 1",
        "digest = zeroblob(32)",
        "digest = x''",
        "metadata = ''",
        "metadata = metadata || ' '",
        "payload = ''",
        "payload = payload || ' '",
        "payload = CAST(x'22ff22' AS TEXT)",
    ] {
        let copy = folder.path().join("copy.sqlite");
        fs::copy(&path, &copy).unwrap();
        tamper(&copy, &format!("UPDATE event SET {change} WHERE position = 31"));
        let report = check(&copy);
        assert!(found_at(&report, 31, ""), "{change}: {report:?}");
        assert_eq!(report.events, 50, "{change}");
    }
}

#[tokio::test]
async fn a_flipped_bit_in_a_name_is_found_at_its_events() {
    let (_folder, path, events) = log_of(50).await;
    tamper(&path, "UPDATE stream SET name = replace(name, 'contract-', 'contract_x-') WHERE key = 8");
    let report = check(&path);
    assert!(found_at(&report, 8, "digest"), "{report:?}");
    assert_eq!(events.len(), 50);
    tamper_again(&path, "UPDATE stream SET name = 'no name' WHERE key = 9");
    assert!(found_at(&check(&path), 9, "row"), "{:?}", check(&path));
}

fn tamper_again(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

#[tokio::test]
async fn a_removed_event_is_missed() {
    let (_folder, path, _) = log_of(50).await;
    tamper(&path, "DELETE FROM event WHERE position BETWEEN 20 AND 22");
    let report = check(&path);
    assert!(found_at(&report, 23, "from 20 to 22 are missing"), "{report:?}");
    assert!(report.findings.iter().any(|finding| finding.what.contains("`event_no_update` is missing")), "{report:?}");
    assert_eq!(report.events, 47);
}

#[tokio::test]
async fn a_changed_order_is_found() {
    let (_folder, path, _) = log_of(50).await;
    tamper(&path, "UPDATE event SET revision = 5 WHERE position = 10");
    let report = check(&path);
    assert!(found_at(&report, 10, "digest") && found_at(&report, 10, "revision should be 0"), "{report:?}");
    tamper_again(&path, "UPDATE event SET recorded_at = 7 WHERE position = 40");
    assert!(found_at(&check(&path), 40, "recorded before"), "{:?}", check(&path));
}

#[tokio::test]
async fn a_changed_list_of_commands_is_found() {
    let (_folder, path, _) = log_of(50).await;
    tamper(&path, "UPDATE command SET last_position = 49 WHERE last_position = 3");
    assert!(found_at(&check(&path), 3, "another place"), "{:?}", check(&path));
    tamper_again(&path, "DELETE FROM command WHERE last_position = 11");
    assert!(found_at(&check(&path), 11, "not in the list of commands"), "{:?}", check(&path));
    tamper_again(
        &path,
        "INSERT INTO command VALUES (zeroblob(16), zeroblob(32), 1, 0, 1, 1), (x'01', x'', 1, 0, 1, 1)",
    );
    let report = check(&path);
    assert!(report.findings.iter().any(|finding| finding.what.contains("51 commands")), "{report:?}");
}

#[tokio::test]
async fn what_the_program_cannot_decode_is_found_and_counted() {
    let (_folder, path, events) = log_of(150).await;
    let refused = event(&events, 99).payload.clone();
    let one = verify(&path, &|event| if event.payload == refused { Err("no".into()) } else { Ok(()) }, &mut |_, _| {});
    let one = one.unwrap();
    assert!(found_at(&one, 100, "no") && one.findings_total == 1, "{one:?}");
    let all = verify(&path, &|_| Err("unknown".into()), &mut |_, _| {}).unwrap();
    assert_eq!((all.findings.len(), all.findings_total), (FINDINGS_MAX, 150));
    tamper(
        &path,
        "UPDATE event SET payload = '{\"a\":' WHERE position = 7; UPDATE event SET metadata = '{}' WHERE position = 9",
    );
    let report = check(&path);
    assert!(found_at(&report, 7, "not JSON") && found_at(&report, 9, "metadata"), "{report:?}");
}

#[tokio::test]
async fn behind_a_destroyed_page_the_check_goes_on() {
    let (_folder, path, events) = log_of(3_000).await;
    let mut bytes = fs::read(&path).unwrap();
    let page = find(&bytes, b"event-001500") / 8_192 * 8_192;
    bytes.get_mut(page..page + 8_192).unwrap().fill(0);
    fs::write(&path, bytes).unwrap();

    let report = check(&path);
    assert!(!report.is_sound());
    assert!((2_900..3_000).contains(&report.events), "{report:?}");
    let broken = report.findings.iter().find(|finding| finding.what.contains("cannot be read")).unwrap();
    let last_good = broken.position.unwrap().get();
    assert!((1_480..1_501).contains(&last_good), "{broken:?}");
    assert!(report.findings.iter().any(|finding| finding.what.starts_with("SQLite")), "{report:?}");

    // No copy is made of it, and whoever wants one is told to check the log, not the room on the disk.
    let to = path.with_file_name("copy.sqlite");
    let refused = backup(&path, &to).unwrap_err();
    assert!(matches!(refused, BackupError::Damaged { .. }), "{refused:?}");
    assert!(refused.to_string().contains("`baycase verify`"), "{refused}");
    assert!(!to.exists());

    let log = SqliteLog::open(&path, SqliteOptions::new(ticking_stamp())).unwrap();
    let damage = log.read_all(None, 10_000).await.unwrap_err();
    let ReadError::Damaged { position, .. } = damage else { panic!("{damage:?}") };
    assert_eq!(position, last_good);
    drop(log);
    let mut reader = LogReader::open(&path, ReaderSettings::default()).unwrap();
    let behind = reader.read_all_blocking(Some(Position::new(1_600)), 10_000).unwrap().events;
    assert!(behind.iter().eq(events.iter().skip(1_600)), "what is not damaged can be read");
}

/// Who runs the check must not be told to run it, nor be sent away from a file that is the log's own.
#[tokio::test]
async fn what_cannot_be_checked_at_all_is_told_with_advice_that_fits_a_check() {
    let (folder, path, _) = log_of(3).await;
    let refused = |spoil: &dyn Fn(&Path)| -> VerifyError {
        let copy = folder.path().join("copy.sqlite");
        fs::copy(&path, &copy).unwrap();
        spoil(&copy);
        verify(&copy, &|_| Ok(()), &mut |_, _| {}).unwrap_err()
    };
    let told = |error: &VerifyError| {
        let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        format!("{error}; {cause}")
    };
    let format = refused(&|copy| Connection::open(copy).unwrap().pragma_update(None, "user_version", -1).unwrap());
    assert!(matches!(format, VerifyError::Unreadable { .. }), "{format:?}");
    let overwritten = refused(&|copy| {
        let mut bytes = fs::read(copy).unwrap();
        bytes.get_mut(..16).unwrap().fill(0);
        fs::write(copy, bytes).unwrap();
    });
    assert!(matches!(overwritten, VerifyError::Open(OpenError::NotALog { .. })), "{overwritten:?}");
    let emptied = refused(&|copy| fs::write(copy, b"").unwrap());
    assert!(matches!(emptied, VerifyError::Open(OpenError::Empty { .. })), "{emptied:?}");
    for error in [format, overwritten, emptied] {
        let text = told(&error);
        assert!(text.contains("restore the newest backup that verifies"), "{text}");
        assert!(text.contains("copy.sqlite") && !text.contains("run `baycase verify`"), "{text}");
    }
}
