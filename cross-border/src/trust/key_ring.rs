//! Our own signing keys, of which one is used at a time.

use std::fs;
use std::path::Path;

use chrono::{DateTime, Utc};

use crate::trust::TrustError;
use crate::trust::key::SigningKey;

/// How the names of key files end.
pub const KEY_FILE_SUFFIX: &str = ".key.json";

/// Our signing keys.
///
/// A key is changed without a gap: the new one is given to the other councils while the old one still signs, and signs
/// from its own first moment; what the old one signed holds until its last.
#[derive(Debug, Default)]
pub struct KeyRing {
    /// The newest last.
    keys: Vec<SigningKey>,
}

impl KeyRing {
    /// Takes the keys.
    #[must_use]
    pub fn new(mut keys: Vec<SigningKey>) -> Self {
        keys.sort_by(|one, other| (one.not_before, &one.id).cmp(&(other.not_before, &other.id)));
        Self { keys }
    }

    /// Reads every key file of a folder: those whose names end in [`KEY_FILE_SUFFIX`].
    ///
    /// # Errors
    /// The folder or one of the files cannot be read, or two files hold keys of one name.
    pub fn read_dir(path: &Path) -> Result<Self, TrustError> {
        let file_failed = |source| TrustError::File { path: path.to_owned(), source };
        let mut keys = Vec::<SigningKey>::new();
        for entry in fs::read_dir(path).map_err(file_failed)? {
            let entry = entry.map_err(file_failed)?;
            if !entry.file_name().as_encoded_bytes().ends_with(KEY_FILE_SUFFIX.as_bytes()) {
                continue;
            }
            let key = SigningKey::read(&entry.path())?;
            if keys.iter().any(|other| other.id == key.id) {
                return Err(TrustError::Twice { id: key.id });
            }
            keys.push(key);
        }
        Ok(Self::new(keys))
    }

    /// The key to sign with at the moment: of those that are valid, the one whose time began last.
    #[must_use]
    pub fn active(&self, at: DateTime<Utc>) -> Option<&SigningKey> {
        self.keys.iter().rev().find(|key| key.is_valid_at(at))
    }

    /// Every key, the newest last.
    #[must_use]
    pub fn keys(&self) -> &[SigningKey] {
        &self.keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::{KeyId, PrivateKey, SuiteName};

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn key(id: &str, from: &str, to: &str) -> SigningKey {
        SigningKey {
            id: KeyId::parse(id).unwrap(),
            private: PrivateKey::generate(SuiteName::Ed25519Sha256).unwrap(),
            not_before: at(from),
            not_after: at(to),
        }
    }

    fn two_years() -> [SigningKey; 2] {
        // The first is valid half a year into the time of the second.
        [
            key("gd:2026", "2026-01-01T00:00:00Z", "2027-06-30T00:00:00Z"),
            key("gd:2027", "2027-01-01T00:00:00Z", "2028-06-30T00:00:00Z"),
        ]
    }

    fn active(ring: &KeyRing, moment: &str) -> Option<String> {
        ring.active(at(moment)).map(|key| key.id.to_string())
    }

    #[test]
    fn of_two_valid_keys_the_newer_signs() {
        let [old, new] = two_years();
        for keys in [vec![old.clone(), new.clone()], vec![new.clone(), old.clone()]] {
            let ring = KeyRing::new(keys);
            for (moment, id) in [
                ("2025-12-31T23:59:59Z", None),
                ("2026-12-31T23:59:59Z", Some("gd:2026")),
                ("2027-01-01T00:00:00Z", Some("gd:2027")),
                ("2027-06-30T00:00:01Z", Some("gd:2027")),
                ("2028-06-30T00:00:01Z", None),
            ] {
                assert_eq!(active(&ring, moment).as_deref(), id, "{moment}");
            }
        }
        // Both are valid in the overlap: what either signed is accepted there.
        assert!([&old, &new].iter().all(|key| key.verifying().is_valid_at(at("2027-03-01T00:00:00Z"))));
    }

    #[test]
    fn a_key_made_for_later_does_not_hide_the_one_of_today() {
        let [old, new] = two_years();
        let short = key("gd:2026-spare", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z");
        let ring = KeyRing::new(vec![new, short, old]);
        assert_eq!(active(&ring, "2026-02-15T00:00:00Z").as_deref(), Some("gd:2026-spare"));
        assert_eq!(active(&ring, "2026-04-01T00:00:00Z").as_deref(), Some("gd:2026"));
        assert_eq!(ring.keys().len(), 3);
    }

    #[test]
    fn a_ring_is_read_from_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert!(KeyRing::read_dir(folder.path()).unwrap().keys().is_empty());
        for key in two_years() {
            let name = key.id.as_str().replace(':', "-") + KEY_FILE_SUFFIX;
            key.write_new(&folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("README"), "not a key").unwrap();
        let ring = KeyRing::read_dir(folder.path()).unwrap();
        let ids: Vec<&str> = ring.keys().iter().map(|key| key.id.as_str()).collect();
        assert_eq!(ids, ["gd:2026", "gd:2027"]);

        let twice = key("gd:2027", "2027-02-01T00:00:00Z", "2028-06-30T00:00:00Z");
        twice.write_new(&folder.path().join("again.key.json")).unwrap();
        let refused = KeyRing::read_dir(folder.path());
        assert!(matches!(refused, Err(TrustError::Twice { id }) if id.as_str() == "gd:2027"));
    }

    #[test]
    fn one_file_that_is_no_key_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broken.key.json");
        key("gd:2026", "2026-01-01T00:00:00Z", "2026-12-31T00:00:00Z").write_new(&path).unwrap();
        fs::write(&path, "{}").unwrap();
        let refused = KeyRing::read_dir(folder.path());
        assert!(matches!(refused, Err(TrustError::Format { path: named }) if named == path));
        assert!(matches!(KeyRing::read_dir(&folder.path().join("absent")), Err(TrustError::File { .. })));
    }
}
