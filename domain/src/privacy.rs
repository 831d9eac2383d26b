//! Personal data as it stands in events: sealed under the key of one data subject, never in clear.

pub mod numbers;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::SubjectId;

/// A text that only the holder of the subject's key can read (AES-256-GCM; RFC 5116).
///
/// Destroying the key erases the text while the event, its digest and every proof stay as they are
/// (Personal Information Protection Law Art. 47).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    pub subject: SubjectId,
    /// 12 bytes in base64.
    pub nonce: String,
    /// Ciphertext and tag in base64.
    pub ciphertext: String,
}

impl Sealed {
    /// Puts the parts together; only the vault makes new ones.
    #[must_use]
    pub const fn new(subject: SubjectId, nonce: String, ciphertext: String) -> Self {
        Self { subject, nonce, ciphertext }
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({}, {} bytes)", self.subject, self.ciphertext.len())
    }
}

/// A free text of an act.
///
/// Officers name people in notes and reasons, so the edge seals it under the key of the filing's complainant before it is
/// decided upon. Open only where its author vouches that it names nobody: imported activities
/// and generated cases.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FreeText {
    Sealed(Sealed),
    Open(String),
}

impl fmt::Debug for FreeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sealed(sealed) => sealed.fmt(f),
            Self::Open(text) => write!(f, "Open({} bytes)", text.len()),
        }
    }
}

impl From<String> for FreeText {
    fn from(text: String) -> Self {
        Self::Open(text)
    }
}

impl From<&str> for FreeText {
    fn from(text: &str) -> Self {
        Self::Open(text.to_owned())
    }
}
