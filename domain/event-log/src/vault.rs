//! The vault of subject keys: what makes the sealed values of a person readable, and what erases the person.
//!
//! Events hold personal data only as ciphertext. The key of each data subject lies here, in a file apart from the log,
//! wrapped by the master key of the installation. Destroying a key erases the person everywhere at once, in every copy
//! of the log, while hashes, proofs and statistics stay valid. A backup of the vault keeps keys that were destroyed
//! after it was made: destroy them again after restoring one.
//!
//! # Where the keys lie
//!
//! An installation of one node has them in a file of its own ([`file::FileKeys`]). Several nodes share a *vault node*,
//! which serves the same file over mutually authenticated TLS, with a standby beside it that every write reaches before
//! it is answered. It is a node of our own, and not the event store, a database or an object store that the operator
//! has anyway, for one reason: destroying a key must be physical, within a time that can be stated.
//!
//! * EventStoreDB only appends. A deleted event stays on every replica until each has scavenged, and in every backup.
//! * PostgreSQL keeps the dead row until it is vacuumed and its page is written over, and a copy of it in the log that
//!   is archived and sent to replicas.
//! * An object store keeps versions, replicates when it likes, and states no time for the bytes on its disks.
//!
//! The file here overwrites the key (`secure_delete`) and empties its write-ahead log before the call returns.
//!
//! Only wrapped keys leave a node. The master key stays where values are sealed and opened, and a vault node never
//! needs it: whoever takes a vault node has keys that open nothing, whoever takes another node has no keys to destroy.
//! The vault node keeps a check value, so that a node with another master key is refused when it starts.
//!
//! # The promise
//!
//! When [`SubjectVault::destroy`] has returned, the key is gone
//! * from the vault's file and from that of its standby: at once;
//! * from the memory of the node that was asked: at once;
//! * from the memory of every other node: within [`SharedOptions::stale_after`], 30 s unless configured otherwise; as
//!   long as that node reaches the vault node, within [`SharedOptions::refresh`], 5 s, and the time of one answer.
//!
//! Each node asks every `refresh` what was destroyed and forgets it. One that has had no answer to a question asked
//! within the last `stale_after` forgets all keys, and opens nothing without asking for the key again. A key that is
//! forgotten is overwritten in memory (the library does that when it frees one). Not covered: a value that was being
//! opened at that very moment, pages that the system has swapped out, and backups of the vault, whose retention is the
//! operator's.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use domain::id::SubjectId;
use domain::privacy::Sealed;

use crate::memory::{Stamp, whole_micros};
use crate::vault::cipher::DataKey;
use crate::vault::file::FileKeys;
use crate::vault::held::Held;
use crate::vault::keeper::Keeper;
use crate::vault::keys::{Cursor, KeyStore, KeyStoreError, NewKey, StoredKey};

pub use self::error::VaultError;
pub use self::held::{Monotonic, VaultStats};
pub use self::master::{KeyError, MasterKey};
pub use self::opened::{Opened, OpenedBytes};
pub use self::options::{REFRESH_DEFAULT, STALE_AFTER_DEFAULT, SharedOptions, VaultOptions};
pub use self::store::OpenError;

pub mod contract;
pub mod file;
pub mod keys;

mod ahead;
mod cipher;
mod error;
mod held;
mod keeper;
mod master;
mod opened;
mod options;
mod recent;
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

/// The keys of all data subjects of one installation.
///
/// One process at a time opens a vault in a file. All calls block: making a key waits for a disk, here or elsewhere.
pub struct SubjectVault {
    master: MasterKey,
    stamp: Stamp,
    held: Arc<Held>,
    _keeper: Option<Keeper>,
}

impl SubjectVault {
    /// Opens the vault in the file at `path`.
    ///
    /// # Errors
    /// There is no vault and none may be created, another process has it open, or the master key is not the one that
    /// it was made with.
    pub fn open(path: &Path, master: MasterKey, options: VaultOptions) -> Result<Self, OpenError> {
        let store = Arc::new(FileKeys::open_for(path, Some(&master), options.create)?);
        let held = Arc::new(Held::new(store, options.cached_keys_max, None, Arc::new(Instant::now)));
        let failed = |source| OpenError::Keys { place: path.display().to_string(), source };
        held.refresh().map_err(failed)?;
        Ok(Self { master, stamp: options.stamp, held, _keeper: None })
    }

    /// Opens a vault whose keys lie elsewhere, for several nodes.
    ///
    /// # Errors
    /// The store does not answer, it knows no master key yet and none may be registered, or it knows another one.
    pub fn over(store: Arc<dyn KeyStore>, master: MasterKey, options: SharedOptions) -> Result<Self, OpenError> {
        let place = store.place();
        let failed = |source| OpenError::Keys { place: place.clone(), source };
        let check = match store.check_value().map_err(failed)? {
            Some(check) => check,
            None if options.create => {
                let random = |source| OpenError::Random { path: place.clone().into(), source };
                store.register_check_value(&master.check_value().map_err(random)?).map_err(failed)?
            }
            None => return Err(OpenError::Unregistered { place }),
        };
        if !master.made(&check) {
            return Err(OpenError::WrongMasterKey { path: place.into() });
        }
        let stale_after = Some(options.stale_after);
        let held = Arc::new(Held::new(store, options.cached_keys_max, stale_after, options.monotonic));
        held.refresh().map_err(failed)?;
        let keeper =
            options.background.then(|| Keeper::start(&held, options.refresh)).transpose().map_err(|error| {
                let reason = format!("no thread can be started for it: {error}");
                OpenError::Keys { place: place.clone(), source: KeyStoreError::Unavailable { reason } }
            })?;
        Ok(Self { master, stamp: options.stamp, held, _keeper: keeper })
    }

    /// Asks what was destroyed, and forgets it.
    ///
    /// # Errors
    /// The store does not answer.
    pub fn refresh(&self) -> Result<(), KeyStoreError> {
        self.held.refresh()
    }

    /// Drops every key from the memory when the store has not answered for too long.
    pub fn drop_stale(&self) {
        self.held.drop_stale();
    }

    /// How the vault fares, for metrics.
    #[must_use]
    pub fn stats(&self) -> VaultStats {
        self.held.stats()
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

    /// [`SubjectVault::seal`] for many values; all the keys that are missing are made at once.
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
        let Some(key) = self.existing(subject)? else { return Ok(Opened::Erased) };
        let plain = (sealed.subject == subject)
            .then(|| cipher::open_text(&key, subject, purpose, &sealed.nonce, &sealed.ciphertext))
            .flatten();
        plain.map(Opened::Plain).ok_or_else(|| VaultError::Tampered { subject, purpose: purpose.to_owned() })
    }

    /// Seals bytes of a data subject for one purpose, up to [`SEALED_BYTES_MAX`]: a nonce, the ciphertext and the tag
    /// in one piece. Unlike a text they are not padded.
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
        let Some(key) = self.existing(subject)? else { return Ok(OpenedBytes::Erased) };
        let plain = cipher::open_bytes(&key, subject, purpose, sealed);
        plain.map(OpenedBytes::Plain).ok_or_else(|| VaultError::Tampered { subject, purpose: purpose.to_owned() })
    }

    /// Destroys the key of a subject: every value that was sealed for it is unreadable from now on, and none can be
    /// sealed any more. Returns when that was done first; destroying twice changes nothing.
    ///
    /// What is promised when it has returned stands in the [module's documentation](self).
    ///
    /// # Errors
    /// The vault cannot be written, or a copy of the key may still lie somewhere; destroy it once more then.
    pub fn destroy(&self, subject: SubjectId) -> Result<DateTime<Utc>, VaultError> {
        let now = whole_micros((self.stamp)());
        self.held.forget(subject);
        let destroyed = self.held.store.destroy(subject, now);
        // Also after a failure, behind which the key may be destroyed: no answer that is older can bring it back.
        // Where the store does not answer this either, its news are still to come, and in time.
        let _ = self.held.refresh();
        self.held.forget(subject);
        destroyed.map(|answer| answer.given).map_err(|error| VaultError::of_store(error, subject))
    }

    /// Whether the subject has a key, readable or not, or had one that was destroyed. One of a mistyped id has none.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub fn knows(&self, subject: SubjectId) -> Result<bool, VaultError> {
        let found = self.held.store.find(&[subject]).map_err(|error| VaultError::of_store(error, subject))?;
        Ok(found.given.into_iter().flatten().next().is_some())
    }

    /// A keyed hash of a text that may hold personal data: equal texts are known as equal, and a guess cannot be tested
    /// without the master key, not even after the person was erased.
    #[must_use]
    pub fn fingerprint(&self, text: &[u8]) -> [u8; 32] {
        self.master.fingerprint(text)
    }

    /// The key of a subject; `None` when it was destroyed.
    fn existing(&self, subject: SubjectId) -> Result<Option<Arc<DataKey>>, VaultError> {
        if let Some(key) = self.held.get(subject) {
            return Ok(Some(key));
        }
        if self.held.is_gone(subject) {
            return Ok(None);
        }
        let found = self.held.store.find(&[subject]).map_err(|error| VaultError::of_store(error, subject))?;
        match found.given.first() {
            Some(Some(stored)) => self.learn(subject, stored, found.as_of),
            Some(None) | None => Err(VaultError::NoKey { subject }),
        }
    }

    /// Takes in what the store has for a subject; `None` when its key was destroyed.
    fn learn(&self, subject: SubjectId, stored: &StoredKey, as_of: Cursor) -> Result<Option<Arc<DataKey>>, VaultError> {
        match stored {
            StoredKey::Wrapped(wrapped) => self.take(subject, wrapped, as_of).map(Some),
            StoredKey::Destroyed(_) => {
                self.held.bury(subject, as_of);
                Ok(None)
            }
        }
    }

    /// Opens a key that the store has given, and keeps it in memory.
    fn take(&self, subject: SubjectId, wrapped: &[u8], as_of: Cursor) -> Result<Arc<DataKey>, VaultError> {
        let key = self.master.open_key(subject, wrapped).ok_or(VaultError::KeyDamaged { subject })?;
        let key = Arc::new(key);
        self.held.admit(subject, &key, as_of);
        Ok(key)
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
            match self.held.get(*subject) {
                Some(key) => drop(keys.insert(*subject, key)),
                None => missing.push(*subject),
            }
        }
        missing.sort_unstable();
        missing.dedup();
        let Some(first) = missing.first().copied() else { return Ok(keys) };
        let found = self.held.store.find(&missing).map_err(|error| VaultError::of_store(error, first))?;
        let mut lacking = Vec::new();
        for (subject, stored) in missing.into_iter().zip(found.given) {
            match stored {
                Some(StoredKey::Wrapped(wrapped)) => {
                    keys.insert(subject, self.take(subject, &wrapped, found.as_of)?);
                }
                Some(StoredKey::Destroyed(_)) => return Err(VaultError::Destroyed { subject }),
                None => lacking.push(subject),
            }
        }
        self.make(&lacking, &mut keys)?;
        Ok(keys)
    }

    /// Makes keys for subjects that had none. Another node may do the same: the key of whoever comes first counts.
    fn make(&self, subjects: &[SubjectId], keys: &mut HashMap<SubjectId, Arc<DataKey>>) -> Result<(), VaultError> {
        let Some(first) = subjects.first().copied() else { return Ok(()) };
        let (mut rows, mut made) = (Vec::with_capacity(subjects.len()), Vec::with_capacity(subjects.len()));
        for subject in subjects.iter().copied() {
            let (key, wrapped) = self.master.make_key(subject).map_err(VaultError::Cipher)?;
            rows.push(NewKey { subject, wrapped });
            made.push(Arc::new(key));
        }
        let now = whole_micros((self.stamp)());
        let failed = |error| VaultError::of_store(error, first);
        let standing = self.held.store.insert_missing(&rows, now).map_err(failed)?;
        for ((NewKey { subject, wrapped }, key), stands) in rows.into_iter().zip(made).zip(standing.given) {
            let key = match stands {
                StoredKey::Destroyed(_) => return Err(VaultError::Destroyed { subject }),
                StoredKey::Wrapped(stands) if stands == wrapped => {
                    self.held.admit(subject, &key, standing.as_of);
                    key
                }
                StoredKey::Wrapped(stands) => self.take(subject, &stands, standing.as_of)?,
            };
            keys.insert(subject, key);
        }
        Ok(())
    }
}

impl fmt::Debug for SubjectVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubjectVault").field("place", &self.held.store.place()).finish_non_exhaustive()
    }
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
