//! Ed25519 (RFC 8032) with SHA-256.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use crate::trust::TrustError;
use crate::trust::key::{PrivateKey, PublicKey, SEED_BYTES};
use crate::trust::suite::{Suite, SuiteName, check_suite};

/// Bytes of a public key.
const PUBLIC_BYTES: usize = 32;

/// The suite [`SuiteName::Ed25519Sha256`].
pub(super) struct Ed25519;

impl Suite for Ed25519 {
    fn name(&self) -> SuiteName {
        SuiteName::Ed25519Sha256
    }

    fn jws_algorithm(&self) -> &'static str {
        "EdDSA"
    }

    fn http_algorithm(&self) -> &'static str {
        "ed25519"
    }

    fn digest_name(&self) -> &'static str {
        "sha-256"
    }

    fn digest(&self, bytes: &[u8]) -> Vec<u8> {
        digest(&SHA256, bytes).as_ref().to_vec()
    }

    fn public_of(&self, seed: &[u8; SEED_BYTES]) -> Result<Vec<u8>, TrustError> {
        let pair =
            Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_error| TrustError::Key { suite: self.name() })?;
        Ok(pair.public_key().as_ref().to_vec())
    }

    fn check_public(&self, bytes: &[u8]) -> Result<(), TrustError> {
        if bytes.len() == PUBLIC_BYTES { Ok(()) } else { Err(TrustError::Key { suite: self.name() }) }
    }

    fn sign(&self, private: &PrivateKey, bytes: &[u8]) -> Result<Vec<u8>, TrustError> {
        check_suite(self, private.suite())?;
        let failed = || TrustError::Sign { suite: self.name() };
        // With the public key beside it: a seed that was damaged in memory is found before it signs anything.
        let pair = Ed25519KeyPair::from_seed_and_public_key(private.seed(), private.public_bytes())
            .map_err(|_error| failed())?;
        Ok(pair.try_sign(bytes).map_err(|_error| failed())?.as_ref().to_vec())
    }

    fn verify(&self, public: &PublicKey, bytes: &[u8], signature: &[u8]) -> Result<(), TrustError> {
        check_suite(self, public.suite())?;
        UnparsedPublicKey::new(&ED25519, public.as_bytes())
            .verify(bytes, signature)
            .map_err(|_error| TrustError::Signature)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    #[test]
    fn it_signs_as_rfc_8037_shows() {
        // Appendices A.1, A.2 and A.4: the key, its public part, and a JWS that it signed.
        let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let private = PrivateKey::from_seed(SuiteName::Ed25519Sha256, &seed.try_into().unwrap()).unwrap();
        let public = private.public();
        assert_eq!(URL_SAFE_NO_PAD.encode(public.as_bytes()), "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        let signed = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature = Ed25519.sign(&private, signed).unwrap();
        assert_eq!(
            URL_SAFE_NO_PAD.encode(&signature),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        );
        Ed25519.verify(&public, signed, &signature).unwrap();
    }

    #[test]
    fn a_public_key_has_its_length() {
        assert!(Ed25519.check_public(&[1; 32]).is_ok());
        for bytes in [0, 31, 33, 65] {
            assert!(Ed25519.check_public(&vec![1; bytes]).is_err(), "{bytes}");
        }
    }
}
