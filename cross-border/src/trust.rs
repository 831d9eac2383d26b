//! Who says what councils tell each other, and how that is proved.
//!
//! Two kinds of signature, for two lengths of time. A request carries an HTTP message signature (RFC 9421): it shows
//! that the caller is who it claims to be at this moment, and is forgotten with its nonce. A message and a receipt
//! carry a detached JWS (RFC 7515, RFC 7797) over their very text: it is stored beside the text, and shows years later
//! who said it. Both are made with the same keys.
//!
//! Architecture invariant: the key decides the algorithm, never what is being checked. A signature only repeats the
//! algorithm's name, and is refused when it names another one; so no signature can choose how it is verified.

mod ed25519;
pub mod http_signature;
pub mod jws;
mod key;
mod key_file;
mod key_ring;
pub mod replay;
mod sm2;
mod suite;

use std::io;
use std::path::PathBuf;

use thiserror::Error;

pub use self::key::{KEY_ID_CHARS_MAX, KeyId, PrivateKey, PublicKey, SEED_BYTES, SigningKey, VerifyingKey};
pub use self::key_ring::{KEY_FILE_SUFFIX, KeyRing};
pub use self::suite::{Suite, SuiteName, suite};

/// Why a key is refused, or a signature cannot be made or does not hold.
#[derive(Debug, Error)]
pub enum TrustError {
    #[error("a key id has 1 to {KEY_ID_CHARS_MAX} characters of a-z, 0-9, `.`, `:` and `-`")]
    KeyId,
    #[error("these bytes are not a key of suite `{suite}`")]
    Key { suite: SuiteName },
    #[error("the key belongs to suite `{key}`, not to `{suite}`")]
    OtherSuite { key: SuiteName, suite: SuiteName },
    #[error("key `{id}` is never valid: its time ends before it begins")]
    NeverValid { id: KeyId },
    #[error("the signature is not this key's over these bytes")]
    Signature,
    #[error("the key of suite `{suite}` could not sign")]
    Sign { suite: SuiteName },
    #[error("no random bytes could be drawn")]
    Random(#[source] aws_lc_rs::error::Unspecified),
    #[error("this is no detached signature of a council: {0}")]
    Jws(&'static str),
    #[error("such a request cannot be signed: {0}")]
    Request(&'static str),
    #[error("`{path}` could not be read or written; check its folder and rights")]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{path}` exists; a signing key is never overwritten")]
    Exists { path: PathBuf },
    #[error("others than its owner may read the signing key `{path}`; take their rights away (mode 0600)")]
    OpenToOthers { path: PathBuf },
    /// Says no more than that: what is wrong with the text of a key must not come into a log with a part of the key.
    #[error("`{path}` does not hold a signing key")]
    Format { path: PathBuf },
    #[error("signing key `{id}` stands in the folder twice")]
    Twice { id: KeyId },
}
