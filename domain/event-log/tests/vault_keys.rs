//! The keys in a file: the contract of every store, and what only a file promises.
#![expect(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::id::{CommandId, SubjectId};
use event_log::contract::fixture::{SOME_MICROS, moment, ticking_stamp};
use event_log::vault::contract::run_all;
use event_log::vault::file::FileKeys;
use event_log::vault::keys::{KeyRow, KeyStore, NewKey, News, StoredKey};
use event_log::vault::{MasterKey, OpenError, Opened, SubjectVault, VaultOptions};
use rusqlite::Connection;
use tempfile::TempDir;

const MASTER: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// The tables as every program since the first has made them.
const FORMAT_1: &str = "
CREATE TABLE vault_info (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE subject_key (
    subject      BLOB PRIMARY KEY,
    wrapped      BLOB NOT NULL,
    created_at   INTEGER NOT NULL,
    destroyed_at INTEGER
) STRICT, WITHOUT ROWID;
";

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.sqlite");
    (folder, path)
}

fn keys(path: &Path) -> FileKeys {
    FileKeys::open(path, true).unwrap()
}

fn vault(path: &Path, create: bool) -> Result<SubjectVault, OpenError> {
    let options = VaultOptions { create, ..VaultOptions::new(ticking_stamp()) };
    SubjectVault::open(path, MasterKey::from_env_value(MASTER).unwrap(), options)
}

/// Subjects in the order of their ids.
fn subject(which: u128) -> SubjectId {
    let known = SubjectId::from_uuid(CommandId::derived(&["subject"]).as_uuid()).as_uuid().as_u128();
    SubjectId::parse(&format!("{:032x}", (known & !0xffff) | which)).unwrap()
}

fn at(seconds: i64) -> DateTime<Utc> {
    moment(SOME_MICROS + seconds * 1_000_000)
}

fn live(which: u128, byte: u8) -> KeyRow {
    KeyRow { subject: subject(which), created_at: at(0), key: StoredKey::Wrapped(vec![byte; 60]) }
}

fn dead(which: u128, seconds: i64) -> KeyRow {
    KeyRow { subject: subject(which), created_at: at(0), key: StoredKey::Destroyed(at(seconds)) }
}

fn stands_in(folder: &Path, needle: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().any(|file| {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}

#[test]
fn a_file_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let mut number = 0;
    run_all("file", || {
        number += 1;
        Arc::new(keys(&folder.path().join(format!("{number}.sqlite"))))
    });
}

#[test]
fn a_file_keeps_the_contract_while_it_is_in_use() {
    let (_folder, path) = folder();
    let store: Arc<dyn KeyStore> = Arc::new(keys(&path));
    run_all("file, one for all", || Arc::clone(&store));
}

#[test]
fn a_cursor_ends_with_the_process() {
    let (_folder, path) = folder();
    let store = keys(&path);
    store.destroy(subject(1), at(0)).unwrap();
    let before = store.head();
    drop(store);
    let store = keys(&path);
    assert_eq!(store.destroyed_since(Some(before)).unwrap(), News::Lost { upto: store.head() });
}

#[test]
fn a_vault_of_an_earlier_program_opens_as_it_is() {
    let (folder, path) = folder();
    // The check value and a key as that program wrote them.
    let made = folder.path().join("made.sqlite");
    let sealed = vault(&made, true).unwrap().seal(subject(1), "name", "陈大文").unwrap();
    let raw = Connection::open(&path).unwrap();
    raw.pragma_update(None, "journal_mode", "wal").unwrap();
    raw.execute_batch(FORMAT_1).unwrap();
    raw.execute("ATTACH ?1 AS made", [made.to_str().unwrap()]).unwrap();
    raw.execute_batch(
        "INSERT INTO vault_info SELECT * FROM made.vault_info;
         INSERT INTO subject_key SELECT * FROM made.subject_key;
         DETACH made;",
    )
    .unwrap();
    let id = subject(2).as_uuid();
    raw.execute("INSERT INTO subject_key VALUES (?1, x'', 5, 7)", [id.as_bytes().as_slice()]).unwrap();
    raw.pragma_update(None, "application_id", 0x4243_5654).unwrap();
    raw.pragma_update(None, "user_version", 1).unwrap();
    drop(raw);

    let opened = vault(&path, false).unwrap();
    assert_eq!(opened.open_sealed(subject(1), "name", &sealed).unwrap(), Opened::Plain("陈大文".to_owned()));
    drop(opened);
    let store = FileKeys::open(&path, false).unwrap();
    assert_eq!(store.find(&[subject(2)]).unwrap().given, [Some(StoredKey::Destroyed(moment(7)))]);
    let destroyed: Vec<SubjectId> = store.destroyed_after(None, 9).unwrap().iter().map(|row| row.subject).collect();
    assert_eq!(destroyed, [subject(2)]);
    drop(store);
    let raw = Connection::open(&path).unwrap();
    let version: i64 = raw.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 1, "and stays readable for that program");
}

#[test]
fn a_file_without_a_master_key_gets_one_when_that_is_asked_for() {
    let (_folder, path) = folder();
    drop(keys(&path));
    let refused = vault(&path, false);
    assert!(matches!(refused, Err(OpenError::Unregistered { .. })), "{refused:?}");
    drop(vault(&path, true).unwrap());
    vault(&path, false).unwrap();
}

#[test]
fn keys_that_nobody_can_vouch_for_get_no_master_key() {
    let (_folder, path) = folder();
    keys(&path).merge(&[live(1, 1)]).unwrap();
    let refused = vault(&path, true);
    assert!(matches!(refused, Err(OpenError::Damaged { .. })), "{refused:?}");
}

#[test]
fn rows_come_in_the_order_of_their_subjects_in_pages_of_any_size() {
    let (_folder, path) = folder();
    let store = keys(&path);
    let rows: Vec<KeyRow> = (1..=7).map(|which| if which == 4 { dead(which, 9) } else { live(which, 1) }).collect();
    store.merge(&rows.iter().rev().cloned().collect::<Vec<_>>()).unwrap();
    for limit in [1, 3, 7, 100] {
        let mut read: Vec<KeyRow> = Vec::new();
        loop {
            let page = store.rows_after(read.last().map(|row| row.subject), limit).unwrap();
            assert!(page.len() <= usize::try_from(limit).unwrap());
            if page.is_empty() {
                break;
            }
            read.extend(page);
        }
        assert_eq!(read, rows, "pages of {limit}");
    }
    assert_eq!(store.destroyed_after(None, 100).unwrap(), [dead(4, 9)]);
    assert!(store.destroyed_after(Some(subject(4)), 100).unwrap().is_empty());
    store.merge(&[dead(2, 9), dead(6, 9)]).unwrap();
    assert_eq!(store.destroyed_after(None, 2).unwrap().last().map(|row| row.subject), Some(subject(4)));
    assert_eq!(store.destroyed_after(Some(subject(4)), 2).unwrap(), [dead(6, 9)]);
}

#[test]
fn merging_adds_what_is_missing_and_a_destruction_wins() {
    let (_folder, path) = folder();
    let store = keys(&path);
    store.merge(&[live(1, 1), live(2, 1), dead(3, 1)]).unwrap();
    let begin = store.head();
    let merged = store.merge(&[live(1, 2), dead(2, 5), live(3, 2), live(4, 2), dead(5, 5), dead(3, 8)]).unwrap();
    let destroyed = |seconds| StoredKey::Destroyed(at(seconds));
    let wrapped = |byte| StoredKey::Wrapped(vec![byte; 60]);
    let expected = [wrapped(1), destroyed(5), destroyed(1), wrapped(2), destroyed(5), destroyed(1)];
    assert_eq!(merged.given, expected);
    let news = News::Destroyed { subjects: vec![subject(2), subject(5)], upto: merged.as_of };
    assert_eq!(store.destroyed_since(Some(begin)).unwrap(), news, "only the new ones");
    assert_eq!(store.merge(&[live(1, 2), dead(2, 9)]).unwrap().as_of, merged.as_of, "merging again changes nothing");
}

#[test]
fn a_key_whose_destruction_is_merged_is_in_none_of_the_files() {
    let (folder, path) = folder();
    let store = keys(&path);
    let wrapped = [0x5a; 60];
    store.insert_missing(&[NewKey { subject: subject(1), wrapped: wrapped.to_vec() }], at(0)).unwrap();
    assert!(stands_in(folder.path(), &wrapped));
    store.merge(&[dead(1, 1)]).unwrap();
    assert!(!stands_in(folder.path(), &wrapped));
}
