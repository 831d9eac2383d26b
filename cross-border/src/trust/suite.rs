//! The two suites of algorithms, behind one trait.

use domain::vocabulary::vocabulary;

use crate::trust::TrustError;
use crate::trust::ed25519::Ed25519;
use crate::trust::key::{PrivateKey, PublicKey, SEED_BYTES};
use crate::trust::sm2::Sm2;

vocabulary! {
    /// What a key signs with, and which digest goes with it.
    SuiteName {
        /// Ed25519 (RFC 8032) with SHA-256: the one that every partner abroad can check.
        Ed25519Sha256 = "ed25519", "国际通用算法";
        /// SM2 (GB/T 32918.2) with SM3 (GB/T 32905), the commercial algorithms of the Cryptography Law (密码法).
        Sm2Sm3 = "sm2", "商用密码算法";
    }
}

impl SuiteName {
    /// Finds a suite by its code; the answer to an unknown code is `None`.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::from_code(code)
    }
}

/// A suite of algorithms: one to sign with, one to digest with, and their names on the wire.
///
/// An implementation signs the same bytes with the same key to the same signature, and refuses a key of another suite.
/// A certified device (密码机) takes the place of the software by another implementation.
pub trait Suite: Send + Sync {
    /// Which suite this is.
    fn name(&self) -> SuiteName;

    /// The value of `alg` in a JWS (RFC 8037 for Ed25519; SM2 has no registered name).
    fn jws_algorithm(&self) -> &'static str;

    /// The value of `alg` in an HTTP message signature (RFC 9421 section 6.2.2; SM2 has no registered name).
    fn http_algorithm(&self) -> &'static str;

    /// The name of the digest in `Content-Digest` (RFC 9530; SM3 has no registered name).
    fn digest_name(&self) -> &'static str;

    /// The digest of the bytes: 32 bytes in both suites.
    fn digest(&self, bytes: &[u8]) -> Vec<u8>;

    /// The public key that belongs to a seed.
    ///
    /// # Errors
    /// [`TrustError::Key`] when no key has this seed.
    fn public_of(&self, seed: &[u8; SEED_BYTES]) -> Result<Vec<u8>, TrustError>;

    /// Whether the bytes are a public key.
    ///
    /// # Errors
    /// [`TrustError::Key`] when they are none.
    fn check_public(&self, bytes: &[u8]) -> Result<(), TrustError>;

    /// Signs the bytes: 64 bytes in both suites.
    ///
    /// # Errors
    /// The key belongs to another suite, or could not sign.
    fn sign(&self, private: &PrivateKey, bytes: &[u8]) -> Result<Vec<u8>, TrustError>;

    /// Checks a signature over the bytes.
    ///
    /// # Errors
    /// [`TrustError::Signature`] when it does not hold; [`TrustError::OtherSuite`] when the key belongs to another
    /// suite.
    fn verify(&self, public: &PublicKey, bytes: &[u8], signature: &[u8]) -> Result<(), TrustError>;
}

/// The suite of this name.
#[must_use]
pub fn suite(name: SuiteName) -> &'static dyn Suite {
    match name {
        SuiteName::Ed25519Sha256 => &Ed25519,
        SuiteName::Sm2Sm3 => &Sm2,
    }
}

/// Refuses a key of another suite.
pub(super) fn check_suite(suite: &dyn Suite, key: SuiteName) -> Result<(), TrustError> {
    if key == suite.name() { Ok(()) } else { Err(TrustError::OtherSuite { key, suite: suite.name() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: [u8; SEED_BYTES] = [7; SEED_BYTES];

    #[test]
    fn every_suite_verifies_what_it_signed_and_nothing_else() {
        for name in SuiteName::ALL {
            let suite = suite(*name);
            assert_eq!(suite.name(), *name);
            let private = PrivateKey::from_seed(*name, &SEED).unwrap();
            let public = private.public();
            let signature = suite.sign(&private, b"a text").unwrap();
            assert_eq!(signature.len(), 64, "{name}");
            assert_eq!(signature, suite.sign(&private, b"a text").unwrap(), "{name} signs the same way twice");
            suite.verify(&public, b"a text", &signature).unwrap();
            assert!(matches!(suite.verify(&public, b"a text.", &signature), Err(TrustError::Signature)));

            let mut changed = signature.clone();
            changed[40] ^= 1;
            let other = PrivateKey::generate(*name).unwrap().public();
            for (key, signature) in [
                (&public, changed.as_slice()),
                (&other, signature.as_slice()),
                (&public, &signature[..63]),
                (&public, &signature[..0]),
            ] {
                assert!(matches!(suite.verify(key, b"a text", signature), Err(TrustError::Signature)), "{name}");
            }
        }
    }

    #[test]
    fn a_key_works_in_its_own_suite_alone() {
        let ed25519 = PrivateKey::from_seed(SuiteName::Ed25519Sha256, &SEED).unwrap();
        let sm2 = PrivateKey::from_seed(SuiteName::Sm2Sm3, &SEED).unwrap();
        for (suite, key) in [(&Sm2 as &dyn Suite, &ed25519), (&Ed25519 as &dyn Suite, &sm2)] {
            assert!(matches!(suite.sign(key, b""), Err(TrustError::OtherSuite { .. })));
            assert!(matches!(suite.verify(&key.public(), b"", &[0; 64]), Err(TrustError::OtherSuite { .. })));
        }
    }

    #[test]
    fn the_names_on_the_wire_are_frozen() {
        let names = SuiteName::ALL.iter().map(|name| {
            let suite = suite(*name);
            [name.code(), suite.jws_algorithm(), suite.http_algorithm(), suite.digest_name()]
        });
        let expected = [["ed25519", "EdDSA", "ed25519", "sha-256"], ["sm2", "SM2", "sm2-sm3", "sm3"]];
        assert_eq!(names.collect::<Vec<_>>(), expected);
    }
}
