//! The keys in a file of one node: the store of an installation with one node, and what a vault node serves.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use domain::id::SubjectId;
use rusqlite::Connection;

use crate::sqlite::file::FileLock;
use crate::vault::cipher;
use crate::vault::keys::{Answer, Cursor, KeyRow, KeyStore, KeyStoreError, NewKey, News, StoredKey};
use crate::vault::master::MasterKey;
use crate::vault::recent::Recent;
use crate::vault::store::{self, OpenError};

/// The keys in a SQLite file, which one process at a time has open.
///
/// A key that is destroyed is overwritten in the file and the write-ahead file is emptied before the call returns. The
/// master key is not needed here and is not here.
pub struct FileKeys {
    path: PathBuf,
    inside: Mutex<Inside>,
    _lock: FileLock,
}

/// What one caller at a time works with, so that no answer tells of a moment between two states.
struct Inside {
    conn: Connection,
    recent: Recent,
    /// The write-ahead file may hold a key that was destroyed.
    lingering: bool,
}

impl FileKeys {
    /// Opens the file at `path`, or makes a new one where there is none and `create` says so.
    ///
    /// # Errors
    /// There is no vault and none may be created, another process has it open, or it cannot be used.
    pub fn open(path: &Path, create: bool) -> Result<Self, OpenError> {
        Self::open_for(path, None, create)
    }

    /// Opens the file for a vault with this master key, which it must know or, when `create` says so, learns.
    pub(super) fn open_for(path: &Path, master: Option<&MasterKey>, create: bool) -> Result<Self, OpenError> {
        let run = cipher::draw::<16>().map_err(|source| OpenError::Random { path: path.to_owned(), source })?;
        let (conn, lock) = store::open(path, master, create)?;
        // What an earlier process may have left behind is emptied with the first destruction.
        let inside = Inside { conn, recent: Recent::new(u128::from_be_bytes(run)), lingering: true };
        Ok(Self { path: path.to_owned(), inside: Mutex::new(inside), _lock: lock })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How far the destructions are known.
    #[must_use]
    pub fn head(&self) -> Cursor {
        self.inside().recent.head()
    }

    /// The rows behind `after` in the order of their subjects, at most so many: for a copy of the file elsewhere.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn rows_after(&self, after: Option<SubjectId>, limit: u32) -> Result<Vec<KeyRow>, KeyStoreError> {
        store::rows_after(&self.inside().conn, after, limit).map_err(KeyStoreError::File)
    }

    /// Those of [`FileKeys::rows_after`] whose keys are destroyed. Takes no longer where there are more living keys.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn destroyed_after(&self, after: Option<SubjectId>, limit: u32) -> Result<Vec<KeyRow>, KeyStoreError> {
        store::destroyed_after(&self.inside().conn, after, limit).map_err(KeyStoreError::File)
    }

    /// Writes what is missing here of rows from elsewhere, durably, and destroys what was destroyed there. A key that
    /// is here stays; answers what stands for each row, in their order.
    ///
    /// # Errors
    /// The file cannot be written, or older pages still hold a key that was destroyed.
    pub fn merge(&self, rows: &[KeyRow]) -> Result<Answer<Vec<StoredKey>>, KeyStoreError> {
        self.merge_telling(rows, |_destroyed| {})
    }

    /// [`FileKeys::merge`], which tells how many keys it destroyed that were not before: as soon as they are, also when
    /// older pages are held back then.
    ///
    /// # Errors
    /// As for [`FileKeys::merge`].
    pub fn merge_telling(
        &self,
        rows: &[KeyRow],
        tell: impl FnOnce(usize),
    ) -> Result<Answer<Vec<StoredKey>>, KeyStoreError> {
        let mut inside = self.inside();
        let Inside { conn, recent, lingering } = &mut *inside;
        let of_rows = || rows.iter().filter(|row| matches!(row.key, StoredKey::Destroyed(_))).map(|row| row.subject);
        let written = match store::write(conn, rows) {
            Ok(written) => written,
            Err(error) => {
                // Whether it was committed is not known: whoever drops a key too many fetches it again.
                of_rows().for_each(|subject| recent.push(subject));
                return Err(KeyStoreError::File(error));
            }
        };
        written.destroyed.iter().for_each(|subject| recent.push(*subject));
        tell(written.destroyed.len());
        *lingering |= !written.destroyed.is_empty();
        if *lingering && of_rows().next().is_some() {
            if !store::empty_wal(conn).map_err(KeyStoreError::File)? {
                return Err(KeyStoreError::Lingering);
            }
            *lingering = false;
        }
        Ok(Answer { given: written.stands, as_of: recent.head() })
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyStore for FileKeys {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn check_value(&self) -> Result<Option<Vec<u8>>, KeyStoreError> {
        store::check_value(&self.inside().conn).map_err(KeyStoreError::File)
    }

    fn register_check_value(&self, value: &[u8]) -> Result<Vec<u8>, KeyStoreError> {
        let inside = self.inside();
        store::register(&inside.conn, value).map_err(KeyStoreError::File)?;
        let stands = store::check_value(&inside.conn).map_err(KeyStoreError::File)?;
        stands.ok_or(KeyStoreError::File(rusqlite::Error::QueryReturnedNoRows))
    }

    fn find(&self, subjects: &[SubjectId]) -> Result<Answer<Vec<Option<StoredKey>>>, KeyStoreError> {
        let inside = self.inside();
        let found = subjects.iter().map(|subject| store::find(&inside.conn, *subject));
        let given = found.collect::<rusqlite::Result<_>>().map_err(KeyStoreError::File)?;
        Ok(Answer { given, as_of: inside.recent.head() })
    }

    fn insert_missing(&self, keys: &[NewKey], at: DateTime<Utc>) -> Result<Answer<Vec<StoredKey>>, KeyStoreError> {
        let row = |key: &NewKey| KeyRow {
            subject: key.subject,
            created_at: at,
            key: StoredKey::Wrapped(key.wrapped.clone()),
        };
        self.merge(&keys.iter().map(row).collect::<Vec<_>>())
    }

    fn destroy(&self, subject: SubjectId, at: DateTime<Utc>) -> Result<Answer<DateTime<Utc>>, KeyStoreError> {
        // A destruction that is asked for once more may be so because the write-ahead file could not be emptied.
        self.inside().lingering = true;
        let answer = self.merge(&[KeyRow { subject, created_at: at, key: StoredKey::Destroyed(at) }])?;
        let given = match answer.given.first() {
            Some(StoredKey::Destroyed(first)) => *first,
            Some(StoredKey::Wrapped(_)) | None => at,
        };
        Ok(Answer { given, as_of: answer.as_of })
    }

    fn destroyed_since(&self, since: Option<Cursor>) -> Result<News, KeyStoreError> {
        Ok(self.inside().recent.since(since))
    }
}

impl fmt::Debug for FileKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileKeys").field("path", &self.path).finish_non_exhaustive()
    }
}
