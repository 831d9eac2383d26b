//! Personal data as it stands in events: sealed under the key of one data subject, never in clear.

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
