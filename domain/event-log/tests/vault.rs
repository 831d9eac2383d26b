//! The vault of subject keys: what is sealed can be opened by its subject, purpose and vault, until it is erased.
#![expect(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use std::fs;
use std::path::{Path, PathBuf};

use domain::id::{CommandId, SubjectId};
use domain::privacy::Sealed;
use event_log::contract::fixture::ticking_stamp;
use event_log::vault::{
    KeyError, MasterKey, OpenError, Opened, OpenedBytes, PLAIN_BYTES_MAX, PURPOSE_BYTES_MAX, SEALED_BYTES_MAX,
    SubjectVault, VaultError, VaultOptions,
};
use rusqlite::Connection;
use tempfile::TempDir;

const MASTER: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER_MASTER: &str = "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.sqlite");
    (folder, path)
}

fn open_with(path: &Path, master: &str, create: bool) -> Result<SubjectVault, OpenError> {
    let options = VaultOptions { create, ..VaultOptions::new(ticking_stamp()) };
    SubjectVault::open(path, MasterKey::from_env_value(master).unwrap(), options)
}

fn open(path: &Path) -> SubjectVault {
    open_with(path, MASTER, true).unwrap()
}

fn subject(which: &str) -> SubjectId {
    SubjectId::from_uuid(CommandId::derived(&["subject", which]).as_uuid())
}

fn plain(text: &str) -> Opened {
    Opened::Plain(text.to_owned())
}

#[test]
fn what_is_sealed_can_be_opened_also_after_reopening() {
    let (_folder, path) = folder();
    let vault = open(&path);
    let sealed = vault.seal(subject("a"), "complainant.name", "陈大文").unwrap();
    assert_eq!(sealed.subject, subject("a"));
    assert_eq!(vault.open_sealed(subject("a"), "complainant.name", &sealed).unwrap(), plain("陈大文"));
    drop(vault);
    let vault = open_with(&path, MASTER, false).unwrap();
    assert_eq!(vault.open_sealed(subject("a"), "complainant.name", &sealed).unwrap(), plain("陈大文"));
}

#[test]
fn a_key_is_durable_when_the_value_is_returned() {
    let (_folder, path) = folder();
    let vault = open(&path);
    let sealed = vault.seal(subject("a"), "name", "陈大文").unwrap();
    // The files as a crash at this moment would leave them.
    let crashed = tempfile::tempdir().unwrap();
    let copy = crashed.path().join("vault.sqlite");
    fs::copy(&path, &copy).unwrap();
    fs::copy(path.with_extension("sqlite-wal"), copy.with_extension("sqlite-wal")).unwrap();
    let again = open_with(&copy, MASTER, false).unwrap();
    assert_eq!(again.open_sealed(subject("a"), "name", &sealed).unwrap(), plain("陈大文"));
}

#[test]
fn a_value_is_bound_to_its_subject_and_its_purpose() {
    let (_folder, path) = folder();
    let vault = open(&path);
    let sealed = vault.seal(subject("a"), "name", "陈大文").unwrap();
    vault.seal(subject("b"), "name", "李小明").unwrap();
    let refused = vault.open_sealed(subject("a"), "phone", &sealed);
    assert!(matches!(refused, Err(VaultError::Tampered { .. })), "{refused:?}");
    let refused = vault.open_sealed(subject("b"), "name", &sealed);
    assert!(matches!(refused, Err(VaultError::Tampered { .. })), "{refused:?}");
    let moved = Sealed { subject: subject("b"), ..sealed };
    let refused = vault.open_sealed(subject("b"), "name", &moved);
    assert!(matches!(refused, Err(VaultError::Tampered { .. })), "{refused:?}");
    let refused = vault.open_sealed(subject("nobody"), "name", &moved);
    assert!(matches!(refused, Err(VaultError::NoKey { .. })), "{refused:?}");
}

#[test]
fn a_changed_value_is_refused() {
    let (_folder, path) = folder();
    let vault = open(&path);
    let sealed = vault.seal(subject("a"), "name", "陈大文").unwrap();
    let flipped = |text: &str| {
        let first = if text.starts_with('A') { "B" } else { "A" };
        format!("{first}{}", text.get(1..).unwrap())
    };
    let (nonce, ciphertext) = (flipped(&sealed.nonce), flipped(&sealed.ciphertext));
    for changed in [
        Sealed { nonce, ..sealed.clone() },
        Sealed { ciphertext, ..sealed.clone() },
        Sealed { ciphertext: String::new(), ..sealed.clone() },
        Sealed { nonce: "AAAA".to_owned(), ..sealed.clone() },
        Sealed { ciphertext: "not base64!".to_owned(), ..sealed.clone() },
    ] {
        let refused = vault.open_sealed(subject("a"), "name", &changed);
        assert!(matches!(refused, Err(VaultError::Tampered { .. })), "{refused:?}");
    }
}

#[test]
fn an_erased_subject_stays_erased() {
    let (folder, path) = folder();
    let vault = open(&path);
    let sealed = vault.seal(subject("a"), "name", "陈大文").unwrap();
    let kept = vault.seal(subject("b"), "name", "李小明").unwrap();
    let wrapped = wrapped_key(&path, subject("a"));
    assert!(stands_in(folder.path(), &wrapped), "in the write-ahead file");
    // Closed and opened again, so that the key also lies in the database itself.
    drop(vault);
    let vault = open(&path);
    assert!(stands_in(folder.path(), &wrapped));

    let destroyed = vault.destroy(subject("a")).unwrap();
    assert_eq!(vault.open_sealed(subject("a"), "name", &sealed).unwrap(), Opened::Erased);
    let refused = vault.seal(subject("a"), "name", "陈大文");
    assert!(matches!(refused, Err(VaultError::Destroyed { .. })), "{refused:?}");
    assert_eq!(vault.destroy(subject("a")).unwrap(), destroyed, "the first time counts");
    assert!(!stands_in(folder.path(), &wrapped), "the wrapped key is in none of the vault's files");
    assert_eq!(vault.open_sealed(subject("b"), "name", &kept).unwrap(), plain("李小明"));

    drop(vault);
    let vault = open(&path);
    assert_eq!(vault.open_sealed(subject("a"), "name", &sealed).unwrap(), Opened::Erased);
    vault.destroy(subject("nobody")).unwrap();
    let refused = vault.seal(subject("nobody"), "name", "张三");
    assert!(matches!(refused, Err(VaultError::Destroyed { .. })), "{refused:?}");
}

fn wrapped_key(path: &Path, subject: SubjectId) -> Vec<u8> {
    let id = subject.as_uuid();
    Connection::open(path)
        .unwrap()
        .query_row("SELECT wrapped FROM subject_key WHERE subject = ?1", [id.as_bytes().as_slice()], |row| row.get(0))
        .unwrap()
}

fn stands_in(folder: &Path, needle: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().any(|file| {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}

#[test]
fn another_master_key_is_refused_untouched() {
    let (_folder, path) = folder();
    drop(open(&path));
    let before = fs::read(&path).unwrap();
    let error = open_with(&path, OTHER_MASTER, true).unwrap_err();
    assert!(matches!(error, OpenError::WrongMasterKey { .. }), "{error:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
    open_with(&path, MASTER, false).unwrap();
}

#[test]
fn a_vault_is_opened_by_one_and_created_only_when_asked() {
    let (folder, path) = folder();
    let error = open_with(&path, MASTER, false).unwrap_err();
    assert!(matches!(error, OpenError::Missing { .. }), "{error:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was left behind");
    let vault = open(&path);
    let error = open_with(&path, MASTER, true).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error:?}");
    drop(vault);

    let raw = Connection::open(&path).unwrap();
    raw.pragma_update(None, "user_version", 2).unwrap();
    drop(raw);
    let error = open_with(&path, MASTER, true).unwrap_err();
    assert!(matches!(error, OpenError::NewerSchema { found: 2, known: 1, .. }), "{error:?}");
    fs::write(&path, "not a vault ".repeat(100)).unwrap();
    let error = open_with(&path, MASTER, true).unwrap_err();
    assert!(matches!(error, OpenError::NotAVault { .. }), "{error:?}");
}

#[test]
fn a_damaged_key_is_told_from_a_damaged_value() {
    let (_folder, path) = folder();
    let vault = open(&path);
    let sealed = vault.seal(subject("a"), "name", "陈大文").unwrap();
    drop(vault);
    let raw = Connection::open(&path).unwrap();
    raw.execute("UPDATE subject_key SET wrapped = zeroblob(60)", []).unwrap();
    drop(raw);
    let vault = open(&path);
    let refused = vault.open_sealed(subject("a"), "name", &sealed);
    assert!(matches!(refused, Err(VaultError::KeyDamaged { .. })), "{refused:?}");
}

#[test]
fn many_values_are_sealed_at_once_or_none() {
    let (_folder, path) = folder();
    let vault = open(&path);
    let values = [(subject("a"), "name", "陈大文"), (subject("a"), "phone", "13800000000"), (subject("b"), "name", "")];
    let sealed = vault.seal_many(&values).unwrap();
    assert_eq!(sealed.len(), 3);
    for ((subject, purpose, text), sealed) in values.iter().zip(&sealed) {
        assert_eq!(vault.open_sealed(*subject, purpose, sealed).unwrap(), plain(text));
        assert_eq!(sealed.ciphertext.len(), 64, "32 bytes of text and 16 of tag in base64");
    }
    let long = "x".repeat(PLAIN_BYTES_MAX + 1);
    let refused = vault.seal_many(&[(subject("c"), "name", "ok"), (subject("c"), "text", &long)]);
    assert!(matches!(refused, Err(VaultError::TooLong { .. })), "{refused:?}");
    let moved = Sealed { subject: subject("c"), ..sealed.first().unwrap().clone() };
    let none = vault.open_sealed(subject("c"), "name", &moved);
    assert!(matches!(none, Err(VaultError::NoKey { .. })), "a refusal leaves no key behind: {none:?}");
}

#[test]
fn texts_and_purposes_hold_their_limits() {
    let (_folder, path) = folder();
    let vault = open(&path);
    let long = "x".repeat(PLAIN_BYTES_MAX);
    let sealed = vault.seal(subject("a"), "text", &long).unwrap();
    assert_eq!(vault.open_sealed(subject("a"), "text", &sealed).unwrap(), plain(&long));
    let refused = vault.seal(subject("a"), "text", &format!("{long}x"));
    assert!(matches!(refused, Err(VaultError::TooLong { max: PLAIN_BYTES_MAX, .. })), "{refused:?}");
    vault.seal(subject("a"), &"p".repeat(PURPOSE_BYTES_MAX), "x").unwrap();
    let refused = vault.seal(subject("a"), &"p".repeat(PURPOSE_BYTES_MAX + 1), "x");
    assert!(matches!(refused, Err(VaultError::PurposeTooLong { .. })), "{refused:?}");
}

#[test]
fn bytes_are_sealed_for_a_subject_and_a_purpose_until_it_is_erased() {
    let (_folder, path) = folder();
    let vault = open(&path);
    let file = b"%PDF-1.7 \x00\xff a receipt".as_slice();
    let sealed = vault.seal_bytes(subject("a"), "evidence", file).unwrap();
    assert!(!sealed.windows(4).any(|window| window == b"%PDF"));
    drop(vault);
    let vault = open_with(&path, MASTER, false).unwrap();
    let opened = |who: &str, purpose: &str, sealed: &[u8]| vault.open_bytes(subject(who), purpose, sealed);
    assert_eq!(opened("a", "evidence", &sealed).unwrap(), OpenedBytes::Plain(file.to_owned()));

    vault.seal_bytes(subject("b"), "evidence", file).unwrap();
    let mut flipped = sealed.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for (who, purpose, bytes) in [
        ("a", "message", sealed.as_slice()),
        ("b", "evidence", &sealed),
        ("a", "evidence", &flipped),
        ("a", "evidence", &[]),
    ] {
        let refused = opened(who, purpose, bytes);
        assert!(matches!(refused, Err(VaultError::Tampered { .. })), "{who} {purpose}: {refused:?}");
    }
    assert!(matches!(opened("nobody", "evidence", &sealed), Err(VaultError::NoKey { .. })));

    vault.destroy(subject("a")).unwrap();
    assert_eq!(opened("a", "evidence", &sealed).unwrap(), OpenedBytes::Erased);
    let refused = vault.seal_bytes(subject("a"), "evidence", file);
    assert!(matches!(refused, Err(VaultError::Destroyed { .. })), "{refused:?}");
}

#[test]
fn sealed_bytes_hold_their_limit() {
    let (_folder, path) = folder();
    let vault = open(&path);
    let mut most = vec![7; SEALED_BYTES_MAX];
    let sealed = vault.seal_bytes(subject("a"), "evidence", &most).unwrap();
    assert!(
        vault.open_bytes(subject("a"), "evidence", &sealed).unwrap() == OpenedBytes::Plain(most.clone()),
        "the bytes come back"
    );
    most.push(7);
    let refused = vault.seal_bytes(subject("b"), "evidence", &most);
    assert!(matches!(refused, Err(VaultError::TooLong { max: SEALED_BYTES_MAX, .. })), "{refused:?}");
    let refused = vault.open_bytes(subject("b"), "evidence", &sealed);
    assert!(matches!(refused, Err(VaultError::NoKey { .. })), "a refusal leaves no key behind: {refused:?}");
}

#[test]
fn a_master_key_file_is_private_and_never_overwritten() {
    let (folder, path) = folder();
    let key_file = folder.path().join("master.key");
    drop(SubjectVault::open(
        &path,
        MasterKey::generate_file(&key_file).unwrap(),
        VaultOptions { create: true, ..VaultOptions::new(ticking_stamp()) },
    ));
    let before = fs::read(&key_file).unwrap();
    assert!(matches!(MasterKey::generate_file(&key_file), Err(KeyError::Exists { .. })));
    assert_eq!(fs::read(&key_file).unwrap(), before);
    let key = MasterKey::from_file(&key_file).unwrap();
    assert_eq!(format!("{key:?}"), "MasterKey(..)");
    SubjectVault::open(&path, key, VaultOptions::new(ticking_stamp())).unwrap();
    for wrong in ["", "short", "AAECAwQF", "not base64 at all, not at all, not at all!!!"] {
        assert!(matches!(MasterKey::from_env_value(wrong), Err(KeyError::Format)), "{wrong}");
    }
    assert!(matches!(MasterKey::from_file(&folder.path().join("none")), Err(KeyError::Io { .. })));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        for file in [&key_file, &path] {
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
        }
    }
}
