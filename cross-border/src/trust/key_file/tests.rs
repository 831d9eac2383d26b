use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

fn signing(name: SuiteName) -> SigningKey {
    SigningKey {
        id: KeyId::parse("mo-consumer-council:2026a").unwrap(),
        private: PrivateKey::from_seed(name, &[9; SEED_BYTES]).unwrap(),
        not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
        not_after: "2026-12-31T16:00:00Z".parse().unwrap(),
    }
}

/// A folder with the key of Ed25519 in it.
fn written() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("2026a.key.json");
    signing(SuiteName::Ed25519Sha256).write_new(&path).unwrap();
    (folder, path)
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_key_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    for name in SuiteName::ALL {
        let path = folder.path().join(format!("{name}.key.json"));
        let key = signing(*name);
        key.write_new(&path).unwrap();
        let read = SigningKey::read(&path).unwrap();
        assert_eq!((&read.id, read.not_before, read.not_after), (&key.id, key.not_before, key.not_after));
        assert_eq!(read.private.seed(), key.private.seed());
        assert_eq!(read.verifying(), key.verifying());
    }
}

#[test]
fn the_form_of_the_file_is_frozen() {
    let (_folder, path) = written();
    let expected = format!(
        "{{\n  \"id\": \"mo-consumer-council:2026a\",\n  \"suite\": \"ed25519\",\n  \"private\": \"{}\",\n  \
         \"notBefore\": \"2026-01-01T00:00:00Z\",\n  \"notAfter\": \"2026-12-31T16:00:00Z\"\n}}\n",
        STANDARD.encode([9; SEED_BYTES])
    );
    assert_eq!(fs::read_to_string(path).unwrap(), expected);
}

#[test]
fn a_key_is_never_overwritten() {
    let (_folder, path) = written();
    let before = fs::read(&path).unwrap();
    let refused = signing(SuiteName::Sm2Sm3).write_new(&path);
    assert!(matches!(refused, Err(TrustError::Exists { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[cfg(unix)]
#[test]
fn only_its_owner_may_read_it() {
    let (_folder, path) = written();
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&fs::metadata(&path).unwrap()) & 0o777, 0o600);
    for mode in [0o640, 0o604, 0o660, 0o610, 0o602] {
        set_mode(&path, mode);
        assert!(matches!(SigningKey::read(&path), Err(TrustError::OpenToOthers { .. })), "{mode:o}");
    }
    for mode in [0o600, 0o400] {
        set_mode(&path, mode);
        assert!(SigningKey::read(&path).is_ok(), "{mode:o}");
    }
}

#[test]
fn what_is_no_key_is_refused_without_showing_it() {
    let (_folder, path) = written();
    let text = fs::read_to_string(&path).unwrap();
    let seed = STANDARD.encode([9; SEED_BYTES]);
    for (what, changed) in [
        ("another file", "hello".to_owned()),
        ("an empty file", String::new()),
        ("a field too many", text.replace("\"suite\"", "\"colour\": \"red\", \"suite\"")),
        ("a field too few", text.replace("  \"suite\": \"ed25519\",\n", "")),
        ("an unknown suite", text.replace("ed25519", "rsa")),
        ("no base64", text.replace(&seed, &format!("!{seed}"))),
        ("a short secret", text.replace(&seed, &STANDARD.encode([9; SEED_BYTES - 1]))),
        ("a secret that is no text", text.replace(&format!("\"{seed}\""), "909090909")),
        ("a long file", format!("{text}{}", " ".repeat(KEY_FILE_BYTES_MAX))),
    ] {
        fs::write(&path, changed).unwrap();
        let refused = SigningKey::read(&path).unwrap_err();
        assert!(matches!(refused, TrustError::Format { .. }), "{what}: {refused:?}");
        let shown = format!("{refused:?} {refused}");
        assert!(!shown.contains("CQkJ") && !shown.contains("9090"), "{what}: {shown}");
    }
}

#[test]
fn a_key_that_can_never_be_valid_is_refused() {
    let (_folder, path) = written();
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("2026-12-31", "2025-12-31")).unwrap();
    assert!(matches!(SigningKey::read(&path), Err(TrustError::NeverValid { .. })));
    // Zero is no number of SM2.
    let zero =
        text.replace("ed25519", "sm2").replace(&STANDARD.encode([9; SEED_BYTES]), &STANDARD.encode([0; SEED_BYTES]));
    fs::write(&path, zero).unwrap();
    assert!(matches!(SigningKey::read(&path), Err(TrustError::Key { suite: SuiteName::Sm2Sm3 })));
}

#[test]
fn a_missing_file_or_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("absent").join("a.key.json");
    assert!(matches!(SigningKey::read(&path), Err(TrustError::File { path: named, .. }) if named == path));
    let refused = signing(SuiteName::Ed25519Sha256).write_new(&path);
    assert!(matches!(refused, Err(TrustError::File { .. })));
}
