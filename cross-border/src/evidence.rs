//! The files that show what a dispute is about: receipts, contracts, photographs, recordings.
//!
//! A file is announced before it comes: by its SHA-256, its length and its kind, in a signed message. What comes is
//! taken only if it is exactly that, and only of kinds that are on a short list; what it is is read from its bytes,
//! never from its name. It lies sealed under the key of the consumer, so destroying that key erases it with everything
//! else.

pub mod scan;
pub mod sniff;
pub mod store;

use std::io;

use event_log::vault::VaultError;
use thiserror::Error;

pub use self::scan::{ClamdScanner, NoScanner, Scanner};
pub use self::store::{EvidenceLimits, EvidenceStore, Stored};

use crate::exchange::id::Digest;
use crate::exchange::refusal::{Refusal, RefusalCode};

/// Longest file in bytes: a scanned contract or a few minutes of a recording.
pub const EVIDENCE_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Why a file was not taken or cannot be given.
#[derive(Debug, Error)]
pub enum EvidenceError {
    #[error("a file of evidence has at most {max} bytes, this one has {bytes}")]
    TooLarge { bytes: usize, max: usize },
    #[error("{announced} bytes were announced, {bytes} came")]
    Length { announced: u64, bytes: usize },
    #[error("the bytes are not those that were announced: their SHA-256 is {found}")]
    Digest { found: Digest },
    #[error("files of the kind `{media}` are not taken; taken are {}", sniff::taken())]
    NotTaken { media: String },
    #[error("the file is announced as `{media}`, but its bytes are something else")]
    OtherKind { media: String },
    #[error("a virus was found in the file")]
    Infected,
    #[error("the file is not here")]
    NotFound,
    #[error("the person of this file was erased, and the file with the person")]
    Erased,
    #[error("the file was changed where it is kept; fetch it again from whoever sent it")]
    Damaged,
    #[error("the vault refused")]
    Vault(#[source] VaultError),
    #[error("the folder of evidence could not be read or written; check its disk")]
    Io(#[source] io::Error),
}

impl EvidenceError {
    /// The code by which a partner learns of it.
    #[must_use]
    pub const fn code(&self) -> RefusalCode {
        match self {
            Self::TooLarge { .. } => RefusalCode::EvidenceTooLarge,
            Self::Length { .. } | Self::Digest { .. } => RefusalCode::EvidenceDigest,
            Self::NotTaken { .. } | Self::OtherKind { .. } => RefusalCode::EvidenceType,
            Self::Infected => RefusalCode::EvidenceInfected,
            Self::NotFound => RefusalCode::EvidenceNotFound,
            Self::Erased => RefusalCode::Erased,
            Self::Damaged => RefusalCode::Internal,
            Self::Vault(error) if error.is_retryable() => RefusalCode::Unavailable,
            Self::Vault(_) => RefusalCode::Internal,
            Self::Io(_) => RefusalCode::Unavailable,
        }
    }

    /// What a partner is told: never what went wrong inside.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        let message = match self {
            Self::Damaged | Self::Vault(_) | Self::Io(_) => {
                "the file cannot be handled now; try again later".to_owned()
            }
            told => told.to_string(),
        };
        Refusal { code: self.code(), message }
    }
}

impl From<VaultError> for EvidenceError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Destroyed { .. } => Self::Erased,
            VaultError::Tampered { .. } => Self::Damaged,
            error => Self::Vault(error),
        }
    }
}
