//! The signature that is stored beside a text: a detached JWS (RFC 7515 appendix F) over its bytes as they are
//! (RFC 7797, `b64` false).
//!
//! Only one form is accepted: compact, with the four parameters `alg`, `b64`, `crit` and `kid` and no other, so there
//! is nothing in a header to be misunderstood.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::trust::TrustError;
use crate::trust::key::{KeyId, SigningKey, VerifyingKey};
use crate::trust::suite::suite;

/// Longest signature in bytes; one of ours has some two hundred.
pub const JWS_BYTES_MAX: usize = 1024;
/// The extension that says that the text is signed as it is.
const EXTENSION: &str = "b64";

/// Signs the text with the key.
///
/// The same key gives the same text the same signature. The key's time is not looked at: the caller takes the key
/// that is valid ([`crate::trust::KeyRing::active`]).
///
/// # Errors
/// The key could not sign.
pub fn sign_detached(key: &SigningKey, text: &[u8]) -> Result<String, TrustError> {
    let suite = suite(key.private.suite());
    let header = Protected {
        alg: suite.jws_algorithm().to_owned(),
        b64: false,
        crit: vec![EXTENSION.to_owned()],
        kid: key.id.clone(),
    };
    let header = serde_json::to_vec(&header).expect("texts and a boolean are JSON");
    let header = URL_SAFE_NO_PAD.encode(header);
    let signature = suite.sign(&key.private, &signed_bytes(&header, text))?;
    Ok(format!("{header}..{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// The key that a signature names. Nothing is verified yet: it only tells which key to verify with.
///
/// # Errors
/// [`TrustError::Jws`] when it has not our form.
pub fn key_of(jws: &str) -> Result<KeyId, TrustError> {
    Parts::of(jws).map(|parts| parts.header.kid)
}

/// Checks that the text was signed with the key.
///
/// The key's time is not looked at: a stored signature outlives its key, and the caller knows when it was made.
///
/// # Errors
/// [`TrustError::Jws`] when the signature has not our form, or names another key or algorithm;
/// [`TrustError::Signature`] when it does not hold.
pub fn verify_detached(key: &VerifyingKey, text: &[u8], jws: &str) -> Result<(), TrustError> {
    let Parts { protected, header, signature } = Parts::of(jws)?;
    let suite = suite(key.public.suite());
    if header.kid != key.id {
        return Err(TrustError::Jws("it names another key"));
    }
    if header.alg != suite.jws_algorithm() {
        return Err(TrustError::Jws("its algorithm is not that of the key"));
    }
    suite.verify(&key.public, &signed_bytes(protected, text), &signature)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Protected {
    alg: String,
    b64: bool,
    crit: Vec<String>,
    kid: KeyId,
}

/// A signature taken apart.
struct Parts<'j> {
    /// The header as it was signed.
    protected: &'j str,
    header: Protected,
    signature: Vec<u8>,
}

impl<'j> Parts<'j> {
    fn of(jws: &'j str) -> Result<Self, TrustError> {
        if jws.len() > JWS_BYTES_MAX {
            return Err(TrustError::Jws("it is too long"));
        }
        let mut parts = jws.split('.');
        let (Some(protected), Some(""), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TrustError::Jws("it is not a header, nothing, and a signature"));
        };
        // The engine takes one form alone: no padding, no stray bits, no line ends.
        let decode =
            |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_error| TrustError::Jws("a part is not base64url"));
        let header = serde_json::from_slice::<Protected>(&decode(protected)?)
            .map_err(|_error| TrustError::Jws("its header has other parameters"))?;
        if header.b64 || header.crit != [EXTENSION] {
            return Err(TrustError::Jws("it does not sign the text as it is"));
        }
        Ok(Self { protected, header, signature: decode(signature)? })
    }
}

/// What is signed (RFC 7797 section 3): the header in base64url, a full stop, and the text as it is.
fn signed_bytes(protected: &str, text: &[u8]) -> Vec<u8> {
    [protected.as_bytes(), b".", text].concat()
}

#[cfg(test)]
mod tests;
