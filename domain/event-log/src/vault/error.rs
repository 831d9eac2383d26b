//! Why a value could not be sealed or opened.

use domain::id::SubjectId;
use thiserror::Error;

use crate::vault::keys::KeyStoreError;

/// Why a value could not be sealed or opened.
#[derive(Debug, Error)]
pub enum VaultError {
    #[error("the data of subject {subject} was erased; nothing can be sealed for it any more")]
    Destroyed { subject: SubjectId },
    #[error("the vault has no key for subject {subject}; it may belong to another log, or be older than this one")]
    NoKey { subject: SubjectId },
    #[error("the sealed value was changed, or it is not the `{purpose}` of subject {subject}")]
    Tampered { subject: SubjectId, purpose: String },
    #[error("the key of subject {subject} was changed in the vault; restore the newest backup of the vault")]
    KeyDamaged { subject: SubjectId },
    #[error("a sealed value has at most {max} bytes, this one has {bytes}")]
    TooLong { bytes: usize, max: usize },
    #[error("the name of a field has at most {max} bytes, this one has {bytes}")]
    PurposeTooLong { bytes: usize, max: usize },
    #[error("at most {max} values are sealed at a time, these are {values}")]
    TooMany { values: usize, max: usize },
    #[error("the key is destroyed, but a reader of the vault's file holds back older pages; destroy it once more")]
    Lingering { subject: SubjectId },
    #[error("the key is destroyed on the vault node and not yet on its standby; destroy it once more")]
    HalfDestroyed { subject: SubjectId },
    /// The vault lies on another node. Nothing was sealed or opened; a key may have been made or destroyed all the
    /// same, and the same call is safe to repeat.
    #[error("the vault does not answer: {reason}; try again")]
    Unavailable { reason: String },
    #[error("the vault node does not speak as this program does ({what}); run the same release on all nodes")]
    Protocol { what: String },
    #[error("the cipher refused its work")]
    Cipher(#[source] aws_lc_rs::error::Unspecified),
    #[error("the vault could not be read or written; check its disk")]
    Store(#[source] rusqlite::Error),
}

impl VaultError {
    /// Whether the same call may succeed later with nothing changed by the caller.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Lingering { .. } | Self::HalfDestroyed { .. } | Self::Unavailable { .. } | Self::Store(_) => true,
            Self::Destroyed { .. }
            | Self::NoKey { .. }
            | Self::Tampered { .. }
            | Self::KeyDamaged { .. }
            | Self::TooLong { .. }
            | Self::PurposeTooLong { .. }
            | Self::TooMany { .. }
            | Self::Protocol { .. }
            | Self::Cipher(_) => false,
        }
    }

    /// What a store's failure means for one subject.
    pub(super) fn of_store(error: KeyStoreError, subject: SubjectId) -> Self {
        match error {
            KeyStoreError::Unavailable { reason } => Self::Unavailable { reason },
            KeyStoreError::HalfDestroyed => Self::HalfDestroyed { subject },
            KeyStoreError::Lingering => Self::Lingering { subject },
            KeyStoreError::Protocol { what } => Self::Protocol { what },
            KeyStoreError::File(error) => Self::Store(error),
        }
    }
}
