//! The vault of subject keys: what makes the sealed values of a person readable, and what erases the person.
//!
//! Events hold personal data only as ciphertext. The key of each data subject lies here, in a file apart from the log,
//! wrapped by the master key of the installation. Destroying a key erases the person everywhere at once, in every copy
//! of the log, while hashes, proofs and statistics stay valid. A backup of the vault keeps keys that were destroyed
//! after it was made: destroy them again after restoring one.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use domain::id::SubjectId;
use domain::privacy::Sealed;
use rusqlite::Connection;
use thiserror::Error;

use crate::memory::{Stamp, whole_micros};
use crate::sqlite::cache::Generations;
use crate::sqlite::file::FileLock;
use crate::vault::cipher::DataKey;
use crate::vault::store::Stored;

pub use self::master::{KeyError, MasterKey};
pub use self::store::OpenError;

mod cipher;
mod master;
mod store;

/// Longest text that one value may have, in bytes: sealed and in base64 it still fits into a payload beside others.
pub const PLAIN_BYTES_MAX: usize = 64 * 1024;
/// Most bytes of one [`SubjectVault::seal_bytes`]: a file of evidence with room to spare, small enough to be sealed
/// whole.
pub const SEALED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Longest name of a field, in bytes.
pub const PURPOSE_BYTES_MAX: usize = 128;
/// Most values in one [`SubjectVault::seal_many`].
pub const SEAL_MANY_MAX: usize = 65_536;

/// How a vault is opened.
#[derive(Clone)]
pub struct VaultOptions {
    /// The clock that stamps when a key was made and destroyed.
    pub stamp: Stamp,
    /// Makes a new vault where there is none. Without it a missing vault is an error: a new one beside an old log would
    /// make everybody in it unreadable.
    pub create: bool,
    /// Keys that are kept in memory, in each of two generations.
    pub cached_keys_max: usize,
}

impl VaultOptions {
    /// The defaults, with the clock to stamp with.
    #[must_use]
    pub fn new(stamp: Stamp) -> Self {
        Self { stamp, create: false, cached_keys_max: 16_384 }
    }
}

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
    #[error("the cipher refused its work")]
    Cipher(#[source] aws_lc_rs::error::Unspecified),
    #[error("the vault could not be read or written; check its disk")]
    Store(#[source] rusqlite::Error),
}

/// What a sealed value holds.
#[derive(Clone, PartialEq, Eq)]
pub enum Opened {
    Plain(String),
    /// The key was destroyed: nobody can read the value any more.
    Erased,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain(..)",
            Self::Erased => "Erased",
        })
    }
}

/// What sealed bytes hold.
#[derive(Clone, PartialEq, Eq)]
pub enum OpenedBytes {
    Plain(Vec<u8>),
    /// The key was destroyed: nobody can read the bytes any more.
    Erased,
}

impl fmt::Debug for OpenedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain(..)",
            Self::Erased => "Erased",
        })
    }
}

/// The keys of all data subjects of one installation.
///
/// One process at a time opens a vault. All calls block: making a key waits for the disk.
pub struct SubjectVault {
    path: PathBuf,
    master: MasterKey,
    stamp: Stamp,
    /// Keys that were used lately. Entered and removed only while `conn` is locked, so that a key that is being
    /// destroyed cannot come back; taken out without.
    keys: Mutex<Generations<SubjectId, Arc<DataKey>>>,
    conn: Mutex<Connection>,
    _lock: FileLock,
}

impl SubjectVault {
    /// Opens the vault at `path`.
    ///
    /// # Errors
    /// There is no vault and none may be created, another process has it open, or the master key is not the one that
    /// it was made with.
    pub fn open(path: &Path, master: MasterKey, options: VaultOptions) -> Result<Self, OpenError> {
        let (conn, lock) = store::open(path, &master, options.create)?;
        Ok(Self {
            path: path.to_owned(),
            master,
            stamp: options.stamp,
            keys: Mutex::new(Generations::new(options.cached_keys_max)),
            conn: Mutex::new(conn),
            _lock: lock,
        })
    }

    /// Seals a value of a data subject for one purpose: the name of the field, without which it cannot be opened.
    ///
    /// The subject's key is made on first use and is durable before this returns. The ciphertext tells the length of
    /// the text only in steps of 32 bytes.
    ///
    /// # Errors
    /// The subject was erased, the text is too long, or the vault cannot be written.
    pub fn seal(&self, subject: SubjectId, purpose: &str, plain: &str) -> Result<Sealed, VaultError> {
        let keys = self.keys_of([(subject, purpose, plain)].iter())?;
        seal_one(&keys, subject, purpose, plain)
    }

    /// [`SubjectVault::seal`] for many values; all the keys that are missing are made in one transaction.
    ///
    /// # Errors
    /// As for one value; then none is sealed.
    pub fn seal_many(&self, values: &[(SubjectId, &str, &str)]) -> Result<Vec<Sealed>, VaultError> {
        if values.len() > SEAL_MANY_MAX {
            return Err(VaultError::TooMany { values: values.len(), max: SEAL_MANY_MAX });
        }
        let keys = self.keys_of(values.iter())?;
        values.iter().map(|(subject, purpose, plain)| seal_one(&keys, *subject, purpose, plain)).collect()
    }

    /// Opens a value that was sealed for this subject and purpose.
    ///
    /// # Errors
    /// The value was changed or is another one, the vault has no key for the subject, or it cannot be read.
    pub fn open_sealed(&self, subject: SubjectId, purpose: &str, sealed: &Sealed) -> Result<Opened, VaultError> {
        let key = match self.existing(subject)? {
            Existing::Live(key) => key,
            Existing::Destroyed => return Ok(Opened::Erased),
            Existing::Missing => return Err(VaultError::NoKey { subject }),
        };
        let plain = (sealed.subject == subject)
            .then(|| cipher::open_text(&key, subject, purpose, &sealed.nonce, &sealed.ciphertext))
            .flatten();
        plain.map(Opened::Plain).ok_or_else(|| VaultError::Tampered { subject, purpose: purpose.to_owned() })
    }

    /// Seals bytes of a data subject for one purpose, up to [`SEALED_BYTES_MAX`]: a nonce, the ciphertext and the tag in
    /// one piece. Unlike a text they are not padded.
    ///
    /// The subject's key is made on first use and is durable before this returns.
    ///
    /// # Errors
    /// The subject was erased, the bytes are too many, or the vault cannot be written.
    pub fn seal_bytes(&self, subject: SubjectId, purpose: &str, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        if plain.len() > SEALED_BYTES_MAX {
            return Err(VaultError::TooLong { bytes: plain.len(), max: SEALED_BYTES_MAX });
        }
        let keys = self.keys_of([(subject, purpose, "")].iter())?;
        let key = keys.get(&subject).ok_or(VaultError::NoKey { subject })?;
        cipher::seal_bytes(key, subject, purpose, plain).map_err(VaultError::Cipher)
    }

    /// Opens bytes that were sealed for this subject and purpose.
    ///
    /// # Errors
    /// They were changed or are others, the vault has no key for the subject, or it cannot be read.
    pub fn open_bytes(&self, subject: SubjectId, purpose: &str, sealed: &[u8]) -> Result<OpenedBytes, VaultError> {
        let key = match self.existing(subject)? {
            Existing::Live(key) => key,
            Existing::Destroyed => return Ok(OpenedBytes::Erased),
            Existing::Missing => return Err(VaultError::NoKey { subject }),
        };
        let plain = cipher::open_bytes(&key, subject, purpose, sealed);
        plain.map(OpenedBytes::Plain).ok_or_else(|| VaultError::Tampered { subject, purpose: purpose.to_owned() })
    }

    /// Destroys the key of a subject: every value that was sealed for it is unreadable from now on, and none can be
    /// sealed any more. Returns when that was done first; destroying twice changes nothing.
    ///
    /// The wrapped key is overwritten in the file and the write-ahead file is emptied before this returns.
    ///
    /// # Errors
    /// The vault cannot be written, or another reader of its file holds back pages that may still have the wrapped key.
    pub fn destroy(&self, subject: SubjectId) -> Result<DateTime<Utc>, VaultError> {
        let conn = locked(&self.conn);
        let now = whole_micros((self.stamp)());
        // First from the memory: whoever comes now waits for the connection and finds the key destroyed.
        locked(&self.keys).remove(&subject);
        let destroyed = store::destroy(&conn, subject, now).map_err(VaultError::Store)?;
        if !store::empty_wal(&conn).map_err(VaultError::Store)? {
            return Err(VaultError::Lingering { subject });
        }
        Ok(destroyed)
    }

    /// A keyed hash of a text that may hold personal data: equal texts are known as equal, and a guess cannot be tested
    /// without the master key, not even after the person was erased.
    #[must_use]
    pub fn fingerprint(&self, text: &[u8]) -> [u8; 32] {
        self.master.fingerprint(text)
    }

    fn existing(&self, subject: SubjectId) -> Result<Existing, VaultError> {
        if let Some(key) = locked(&self.keys).get(&subject) {
            return Ok(Existing::Live(Arc::clone(key)));
        }
        let conn = locked(&self.conn);
        self.load(&conn, subject)
    }

    /// Reads a key from the file into the memory. The connection is locked meanwhile, as the field `keys` demands.
    fn load(&self, conn: &Connection, subject: SubjectId) -> Result<Existing, VaultError> {
        match store::find(conn, subject).map_err(VaultError::Store)? {
            None => Ok(Existing::Missing),
            Some(Stored::Destroyed) => Ok(Existing::Destroyed),
            Some(Stored::Wrapped(wrapped)) => {
                let key = self.master.open_key(subject, &wrapped).ok_or(VaultError::KeyDamaged { subject })?;
                let key = Arc::new(key);
                locked(&self.keys).insert(subject, Arc::clone(&key));
                Ok(Existing::Live(key))
            }
        }
    }

    /// The keys of all the subjects, made where they are missing. Checks the values first, so that a value that cannot
    /// be sealed leaves no key behind.
    fn keys_of<'v>(
        &self,
        values: impl Iterator<Item = &'v (SubjectId, &'v str, &'v str)>,
    ) -> Result<HashMap<SubjectId, Arc<DataKey>>, VaultError> {
        let mut keys = HashMap::new();
        let mut missing = Vec::new();
        for (subject, purpose, plain) in values {
            check_value(purpose, plain)?;
            match locked(&self.keys).get(subject) {
                Some(key) => drop(keys.insert(*subject, Arc::clone(key))),
                None => missing.push(*subject),
            }
        }
        if missing.is_empty() {
            return Ok(keys);
        }
        let conn = locked(&self.conn);
        let mut made = HashMap::new();
        for subject in missing {
            if keys.contains_key(&subject) || made.contains_key(&subject) {
                continue;
            }
            match self.load(&conn, subject)? {
                Existing::Live(key) => drop(keys.insert(subject, key)),
                Existing::Destroyed => return Err(VaultError::Destroyed { subject }),
                Existing::Missing => {
                    drop(made.insert(subject, self.master.make_key(subject).map_err(VaultError::Cipher)?))
                }
            }
        }
        if !made.is_empty() {
            let now = whole_micros((self.stamp)());
            let rows = made.iter().map(|(subject, (_, wrapped))| (*subject, wrapped.as_slice()));
            store::insert(&conn, rows, now).map_err(VaultError::Store)?;
        }
        for (subject, (key, _)) in made {
            let key = Arc::new(key);
            locked(&self.keys).insert(subject, Arc::clone(&key));
            keys.insert(subject, key);
        }
        Ok(keys)
    }
}

impl fmt::Debug for SubjectVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubjectVault").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What the vault has for a subject.
enum Existing {
    Live(Arc<DataKey>),
    Destroyed,
    Missing,
}

fn check_value(purpose: &str, plain: &str) -> Result<(), VaultError> {
    if plain.len() > PLAIN_BYTES_MAX {
        return Err(VaultError::TooLong { bytes: plain.len(), max: PLAIN_BYTES_MAX });
    }
    if purpose.len() > PURPOSE_BYTES_MAX {
        return Err(VaultError::PurposeTooLong { bytes: purpose.len(), max: PURPOSE_BYTES_MAX });
    }
    Ok(())
}

fn seal_one(
    keys: &HashMap<SubjectId, Arc<DataKey>>,
    subject: SubjectId,
    purpose: &str,
    plain: &str,
) -> Result<Sealed, VaultError> {
    let key = keys.get(&subject).ok_or(VaultError::NoKey { subject })?;
    let (nonce, ciphertext) = cipher::seal_text(key, subject, purpose, plain).map_err(VaultError::Cipher)?;
    Ok(Sealed::new(subject, nonce, ciphertext))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
