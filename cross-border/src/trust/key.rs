//! Keys: ours to sign with, those of the other councils to verify with, and the time in which each is valid.

use std::fmt;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::trust::TrustError;
use crate::trust::suite::{SuiteName, suite};

/// Longest key id in characters.
pub const KEY_ID_CHARS_MAX: usize = 64;
/// Bytes of a private key in both suites.
pub const SEED_BYTES: usize = 32;
/// Draws before a source of random numbers counts as broken. One draw in four thousand million is no key of SM2.
const DRAWS_MAX: usize = 8;

/// The name of a key, unique over all councils, for example `hk-consumer-council:2026a`.
///
/// A name is never given to a second key: stored signatures are looked up by it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(String);

impl KeyId {
    /// Parses a name: 1 to [`KEY_ID_CHARS_MAX`] characters of a-z, 0-9, `.`, `:` and `-`.
    ///
    /// # Errors
    /// [`TrustError::KeyId`] when the text is something else.
    pub fn parse(raw: &str) -> Result<Self, TrustError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".:-".contains(&byte);
        if raw.is_empty() || raw.len() > KEY_ID_CHARS_MAX || !raw.bytes().all(allowed) {
            return Err(TrustError::KeyId);
        }
        Ok(Self(raw.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for KeyId {
    type Error = TrustError;

    fn try_from(raw: String) -> Result<Self, TrustError> {
        Self::parse(&raw)
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.0
    }
}

/// A public key of one suite: 32 bytes for Ed25519, an uncompressed point of 65 bytes for SM2.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey {
    suite: SuiteName,
    bytes: Vec<u8>,
}

impl PublicKey {
    /// Takes the key's bytes.
    ///
    /// # Errors
    /// [`TrustError::Key`] when they are no key of the suite.
    pub fn from_bytes(name: SuiteName, bytes: Vec<u8>) -> Result<Self, TrustError> {
        suite(name).check_public(&bytes)?;
        Ok(Self { suite: name, bytes })
    }

    /// Reads the key's bytes from base64 (RFC 4648 section 4, with padding).
    ///
    /// # Errors
    /// [`TrustError::Key`] when the text is no key of the suite.
    pub fn from_base64(name: SuiteName, text: &str) -> Result<Self, TrustError> {
        let bytes = STANDARD.decode(text).map_err(|_error| TrustError::Key { suite: name })?;
        Self::from_bytes(name, bytes)
    }

    /// The key's bytes in base64.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(&self.bytes)
    }

    /// The suite it belongs to.
    #[must_use]
    pub fn suite(&self) -> SuiteName {
        self.suite
    }

    /// The key's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {})", self.suite, self.to_base64())
    }
}

/// The secret bytes, overwritten when they are dropped.
#[derive(Clone)]
struct Seed([u8; SEED_BYTES]);

impl Drop for Seed {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// A private key of one suite, with its public part. Its `Debug` shows the public part alone.
#[derive(Clone)]
pub struct PrivateKey {
    seed: Seed,
    public: PublicKey,
}

impl PrivateKey {
    /// Draws a new key.
    ///
    /// # Errors
    /// No random bytes could be drawn.
    pub fn generate(name: SuiteName) -> Result<Self, TrustError> {
        let mut seed = Seed([0; SEED_BYTES]);
        for _ in 0..DRAWS_MAX {
            rand::fill(&mut seed.0).map_err(TrustError::Random)?;
            if let Ok(key) = Self::from_seed(name, &seed.0) {
                return Ok(key);
            }
        }
        Err(TrustError::Key { suite: name })
    }

    /// Takes a key from its secret bytes: the seed of Ed25519, the number of SM2 with its highest byte first.
    ///
    /// # Errors
    /// [`TrustError::Key`] when the suite has no such key: zero, or a number from the order of the curve less one.
    pub fn from_seed(name: SuiteName, seed: &[u8; SEED_BYTES]) -> Result<Self, TrustError> {
        let bytes = suite(name).public_of(seed)?;
        Ok(Self { seed: Seed(*seed), public: PublicKey { suite: name, bytes } })
    }

    /// The suite it belongs to.
    #[must_use]
    pub fn suite(&self) -> SuiteName {
        self.public.suite
    }

    /// The public part.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public.clone()
    }

    pub(super) fn public_bytes(&self) -> &[u8] {
        &self.public.bytes
    }

    pub(super) fn seed(&self) -> &[u8; SEED_BYTES] {
        &self.seed.0
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("public", &self.public).finish_non_exhaustive()
    }
}

/// One of our keys, which signs from its first moment to its last.
#[derive(Debug, Clone)]
pub struct SigningKey {
    pub id: KeyId,
    pub private: PrivateKey,
    /// The first moment.
    pub not_before: DateTime<Utc>,
    /// The last moment.
    pub not_after: DateTime<Utc>,
}

impl SigningKey {
    /// Whether it is valid at the moment.
    #[must_use]
    pub fn is_valid_at(&self, at: DateTime<Utc>) -> bool {
        self.not_before <= at && at <= self.not_after
    }

    /// What the other councils enter of it in their directories.
    #[must_use]
    pub fn verifying(&self) -> VerifyingKey {
        let Self { id, private, not_before, not_after } = self;
        VerifyingKey { id: id.clone(), public: private.public(), not_before: *not_before, not_after: *not_after }
    }
}

/// A key of another council, whose signatures hold from its first moment to its last.
///
/// In a file: `id`, `suite` (`ed25519` or `sm2`), `public` (base64), and `not_before` and `not_after` as quoted times
/// of RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "VerifyingRow", into = "VerifyingRow")]
pub struct VerifyingKey {
    pub id: KeyId,
    pub public: PublicKey,
    /// The first moment.
    pub not_before: DateTime<Utc>,
    /// The last moment.
    pub not_after: DateTime<Utc>,
}

impl VerifyingKey {
    /// Whether it is valid at the moment.
    #[must_use]
    pub fn is_valid_at(&self, at: DateTime<Utc>) -> bool {
        self.not_before <= at && at <= self.not_after
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifyingRow {
    id: KeyId,
    suite: SuiteName,
    public: String,
    not_before: DateTime<Utc>,
    not_after: DateTime<Utc>,
}

impl TryFrom<VerifyingRow> for VerifyingKey {
    type Error = TrustError;

    fn try_from(row: VerifyingRow) -> Result<Self, TrustError> {
        let VerifyingRow { id, suite, public, not_before, not_after } = row;
        check_time(&id, not_before, not_after)?;
        Ok(Self { id, public: PublicKey::from_base64(suite, &public)?, not_before, not_after })
    }
}

impl From<VerifyingKey> for VerifyingRow {
    fn from(key: VerifyingKey) -> Self {
        let VerifyingKey { id, public, not_before, not_after } = key;
        Self { id, suite: public.suite, public: public.to_base64(), not_before, not_after }
    }
}

/// Refuses a key whose time ends before it begins.
pub(super) fn check_time(id: &KeyId, not_before: DateTime<Utc>, not_after: DateTime<Utc>) -> Result<(), TrustError> {
    if not_before <= not_after { Ok(()) } else { Err(TrustError::NeverValid { id: id.clone() }) }
}

/// Overwrites secret bytes. `black_box` keeps the compiler from leaving out a write that nothing reads.
pub(super) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    let _ = std::hint::black_box(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: [u8; SEED_BYTES] = [0xa7; SEED_BYTES];

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn signing(name: SuiteName) -> SigningKey {
        SigningKey {
            id: KeyId::parse("hk-consumer-council:2026a").unwrap(),
            private: PrivateKey::from_seed(name, &SEED).unwrap(),
            not_before: at("2026-01-01T00:00:00Z"),
            not_after: at("2027-06-30T16:00:00Z"),
        }
    }

    #[test]
    fn key_ids_hold_their_limits() {
        for id in ["a", "hk-consumer-council:2026a", "0.9:-", &"k".repeat(KEY_ID_CHARS_MAX)] {
            let parsed = KeyId::parse(id).unwrap();
            assert_eq!((parsed.as_str(), parsed.to_string().as_str()), (id, id));
            assert_eq!(serde_json::to_string(&parsed).unwrap(), format!("\"{id}\""));
        }
        for id in ["", "A", "a b", "a\"", "a/b", "鑰", "a\n", &"k".repeat(KEY_ID_CHARS_MAX + 1)] {
            assert!(matches!(KeyId::parse(id), Err(TrustError::KeyId)), "{id}");
            let json = serde_json::to_string(id).unwrap();
            assert!(serde_json::from_str::<KeyId>(&json).is_err(), "{id}");
        }
    }

    #[test]
    fn a_seed_shows_in_no_debug_text() {
        for name in SuiteName::ALL {
            let key = signing(*name);
            let text = format!("{key:?} {:#?}", key.private);
            for secret in ["167", "a7a7", "A7A7", "p6en", "Seed"] {
                assert!(!text.contains(secret), "{secret} in {text}");
            }
            assert!(text.contains(&key.private.public().to_base64()));
        }
    }

    #[test]
    fn drawn_keys_differ() {
        for name in SuiteName::ALL {
            let keys = [PrivateKey::generate(*name).unwrap(), PrivateKey::generate(*name).unwrap()];
            assert_ne!(keys[0].public(), keys[1].public());
            let again = PrivateKey::from_seed(*name, keys[0].seed()).unwrap();
            assert_eq!(again.public(), keys[0].public());
        }
    }

    #[test]
    fn a_public_key_is_read_as_it_was_written() {
        for name in SuiteName::ALL {
            let public = signing(*name).private.public();
            assert_eq!(PublicKey::from_base64(*name, &public.to_base64()).unwrap(), public);
            for wrong in ["", "!", public.to_base64().trim_end_matches('='), "AAAA"] {
                assert!(matches!(PublicKey::from_base64(*name, wrong), Err(TrustError::Key { .. })), "{wrong}");
            }
        }
        let ed25519 = signing(SuiteName::Ed25519Sha256).private.public().to_base64();
        assert!(PublicKey::from_base64(SuiteName::Sm2Sm3, &ed25519).is_err());
    }

    #[test]
    fn a_directory_holds_the_public_part() {
        for name in SuiteName::ALL {
            let key = signing(*name).verifying();
            let text = toml::to_string(&key).unwrap();
            assert_eq!(toml::from_str::<VerifyingKey>(&text).unwrap(), key);
            assert!(text.contains("not_before = \"2026-01-01T00:00:00Z\""), "{text}");
            assert!(toml::from_str::<VerifyingKey>(&format!("{text}private = \"\"\n")).is_err());
            let reversed = text.replace("2027-06-30", "2025-06-30");
            let refused = toml::from_str::<VerifyingKey>(&reversed).unwrap_err().to_string();
            assert!(refused.contains("never valid"), "{refused}");
        }
    }

    #[test]
    fn a_key_is_valid_from_its_first_moment_to_its_last() {
        let key = signing(SuiteName::Ed25519Sha256);
        for (moment, valid) in [
            ("2025-12-31T23:59:59.999999Z", false),
            ("2026-01-01T00:00:00Z", true),
            ("2027-06-30T16:00:00Z", true),
            ("2027-06-30T16:00:00.000001Z", false),
        ] {
            assert_eq!(key.is_valid_at(at(moment)), valid, "{moment}");
            assert_eq!(key.verifying().is_valid_at(at(moment)), valid, "{moment}");
        }
    }
}
