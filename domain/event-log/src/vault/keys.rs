//! Where a vault keeps its wrapped keys: the port of the vault of one node and of several.
//!
//! What goes through this port is wrapped by the master key, which never does: whoever keeps the keys cannot open one.
//! The executable contract is in [`super::contract`].

use std::fmt;

use chrono::{DateTime, Utc};
use domain::id::SubjectId;
use thiserror::Error;

/// Most keys that a store over a network is asked for, or given, in one request. Callers need not count: a store splits
/// longer lists itself.
pub const KEYS_PER_CALL_MAX: usize = 1_024;
/// Destructions that a store remembers for [`KeyStore::destroyed_since`]. Whoever missed more of them drops all keys.
pub const DESTROYED_KEPT_MAX: usize = 8_192;
/// Longest wrapped key that is taken, in bytes; those of today have 60.
pub const WRAPPED_BYTES_MAX: usize = 256;

/// How far the destructions of a store are known.
///
/// They are counted from the moment the store was opened, so a cursor means nothing to another store, nor to the same
/// one opened again: both answer [`News::Lost`]. That is what makes a restart, a restored backup and a standby safe
/// without a counter in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Drawn at random when the store was opened.
    pub run: u128,
    /// Destructions since then.
    pub number: u64,
}

impl Cursor {
    /// Whether everything that `other` knows is known here too.
    #[must_use]
    pub const fn covers(self, other: Self) -> bool {
        self.run == other.run && self.number >= other.number
    }
}

/// What a store has for a subject.
#[derive(Clone, PartialEq, Eq)]
pub enum StoredKey {
    /// The key, wrapped by the master key.
    Wrapped(Vec<u8>),
    /// Nothing but the moment at which it was destroyed.
    Destroyed(DateTime<Utc>),
}

impl fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrapped(_) => f.write_str("Wrapped(..)"),
            Self::Destroyed(at) => write!(f, "Destroyed({at})"),
        }
    }
}

/// A key that somebody made for a subject.
#[derive(Clone, PartialEq, Eq)]
pub struct NewKey {
    pub subject: SubjectId,
    pub wrapped: Vec<u8>,
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewKey({})", self.subject)
    }
}

/// Everything that a store has of one subject, for a copy of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    pub subject: SubjectId,
    pub created_at: DateTime<Utc>,
    pub key: StoredKey,
}

/// What was asked for, and how far the destructions were known when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    pub given: T,
    pub as_of: Cursor,
}

/// What was destroyed behind a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// These, in the order of their destruction; a subject may stand there more than once.
    Destroyed { subjects: Vec<SubjectId>, upto: Cursor },
    /// The store cannot tell: the cursor is another's, or too old. Every key in memory has to go.
    Lost { upto: Cursor },
}

impl News {
    /// The cursor to ask with next.
    #[must_use]
    pub const fn upto(&self) -> Cursor {
        match self {
            Self::Destroyed { upto, .. } | Self::Lost { upto } => *upto,
        }
    }
}

/// Why a store did not do what was asked.
#[derive(Debug, Error)]
pub enum KeyStoreError {
    /// What it would have done may have been done or not; asking again is safe.
    #[error("{reason}")]
    Unavailable { reason: String },
    #[error("the key is destroyed on the vault node and not yet on its standby; destroy it once more")]
    HalfDestroyed,
    #[error("the key is destroyed, but a reader of the vault's file holds back older pages; destroy it once more")]
    Lingering,
    #[error("the vault node does not speak as this program does ({what}); run the same release on all nodes")]
    Protocol { what: String },
    #[error("the vault's file could not be read or written; check its disk")]
    File(#[source] rusqlite::Error),
}

/// Keeps the wrapped keys of all data subjects of one installation.
///
/// All calls block; none of them depends on a runtime, so they may be made from any thread that may wait. A store over
/// a network bounds each call by a time.
pub trait KeyStore: Send + Sync + 'static {
    /// Where it is, for messages: a path or an address, never a secret.
    fn place(&self) -> String;

    /// The value by which the master key of the installation is known; `None` before the first was registered.
    ///
    /// # Errors
    /// The store cannot be asked.
    fn check_value(&self) -> Result<Option<Vec<u8>>, KeyStoreError>;

    /// Registers the value unless there is one, durably; answers what stands afterwards.
    ///
    /// # Errors
    /// The store cannot be written.
    fn register_check_value(&self, value: &[u8]) -> Result<Vec<u8>, KeyStoreError>;

    /// What there is for each of the subjects, in their order.
    ///
    /// # Errors
    /// The store cannot be asked, or is not sure that it holds everything.
    fn find(&self, subjects: &[SubjectId]) -> Result<Answer<Vec<Option<StoredKey>>>, KeyStoreError>;

    /// Writes each key whose subject has none, durably and on every copy of the store; answers what stands afterwards,
    /// in their order. Whoever comes first wins, and a destroyed key stays destroyed.
    ///
    /// # Errors
    /// The store cannot be written. Some of the keys may be written nevertheless; asking again is safe.
    fn insert_missing(&self, keys: &[NewKey], at: DateTime<Utc>) -> Result<Answer<Vec<StoredKey>>, KeyStoreError>;

    /// Destroys a key, physically and on every copy of the store, before it returns; a subject without a key never gets
    /// one. Answers when that was done first.
    ///
    /// # Errors
    /// The store cannot be written, or the key may still lie in a file; destroying it once more is safe and needed.
    fn destroy(&self, subject: SubjectId, at: DateTime<Utc>) -> Result<Answer<DateTime<Utc>>, KeyStoreError>;

    /// What was destroyed behind `since`. Without a cursor the answer is [`News::Lost`] with one to go on from.
    ///
    /// # Errors
    /// The store cannot be asked.
    fn destroyed_since(&self, since: Option<Cursor>) -> Result<News, KeyStoreError>;
}
