//! A signing key in its file: a secret that only its owner may read.
//!
//! The file is JSON: `id`, `suite`, `private` (the secret bytes in base64), `notBefore` and `notAfter`.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::trust::TrustError;
use crate::trust::key::{KeyId, PrivateKey, SEED_BYTES, SigningKey, check_time, wipe};
use crate::trust::suite::SuiteName;

/// A key file has some three hundred bytes; more than this is some other file.
const KEY_FILE_BYTES_MAX: usize = 2 * 1024;

impl SigningKey {
    /// Writes the key to a new file that only its owner may read; durable when it returns.
    ///
    /// # Errors
    /// There is a file already, or it cannot be written.
    pub fn write_new(&self, path: &Path) -> Result<(), TrustError> {
        let file_failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => TrustError::Exists { path: path.to_owned() },
            _ => TrustError::File { path: path.to_owned(), source },
        };
        let mut text = Text(serde_json::to_vec_pretty(&KeyFile::of(self)).expect("names, times and base64 are JSON"));
        text.0.push(b'\n');
        let mut file = owner_only().write(true).create_new(true).open(path).map_err(file_failed)?;
        let written = file.write_all(&text.0).and_then(|()| file.sync_all()).and_then(|()| sync_folder(path));
        written.map_err(|source| {
            // A part of a key is no key, and would stand in the way of the next attempt.
            let _ = fs::remove_file(path);
            file_failed(source)
        })
    }

    /// Reads a key from its file.
    ///
    /// # Errors
    /// The file cannot be read, others than its owner may read it, or it holds something else than a key.
    pub fn read(path: &Path) -> Result<Self, TrustError> {
        let file_failed = |source| TrustError::File { path: path.to_owned(), source };
        let file = File::open(path).map_err(file_failed)?;
        // Asked of the open file, so that it is the one that is read.
        if open_to_others(&file.metadata().map_err(file_failed)?) {
            return Err(TrustError::OpenToOthers { path: path.to_owned() });
        }
        // As large as it can become: growing it would leave copies of the secret behind.
        let mut text = Text(Vec::with_capacity(KEY_FILE_BYTES_MAX + 1));
        let limit = u64::try_from(KEY_FILE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
        file.take(limit).read_to_end(&mut text.0).map_err(file_failed)?;
        let format = || TrustError::Format { path: path.to_owned() };
        if text.0.len() > KEY_FILE_BYTES_MAX {
            return Err(format());
        }
        let file = serde_json::from_slice::<KeyFile>(&text.0).map_err(|_error| format())?;
        file.key()?.ok_or_else(format)
    }
}

/// Bytes that hold a secret, overwritten when they are dropped.
struct Text(Vec<u8>);

impl Drop for Text {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeyFile {
    id: KeyId,
    suite: SuiteName,
    private: String,
    not_before: DateTime<Utc>,
    not_after: DateTime<Utc>,
}

impl KeyFile {
    fn of(key: &SigningKey) -> Self {
        Self {
            id: key.id.clone(),
            suite: key.private.suite(),
            private: STANDARD.encode(key.private.seed()),
            not_before: key.not_before,
            not_after: key.not_after,
        }
    }

    /// The key that the file holds; `None` when its secret has not the form of one.
    fn key(&self) -> Result<Option<SigningKey>, TrustError> {
        check_time(&self.id, self.not_before, self.not_after)?;
        let Ok(seed) = STANDARD.decode(&self.private).map(Text) else { return Ok(None) };
        let Ok(seed) = <&[u8; SEED_BYTES]>::try_from(seed.0.as_slice()) else { return Ok(None) };
        let private = PrivateKey::from_seed(self.suite, seed)?;
        Ok(Some(SigningKey { id: self.id.clone(), private, not_before: self.not_before, not_after: self.not_after }))
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        wipe(&mut std::mem::take(&mut self.private).into_bytes());
    }
}

fn owner_only() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(unix)]
fn open_to_others(metadata: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::mode(metadata) & 0o077 != 0
}

/// Elsewhere the rights of a file are not three digits; whoever installs a node there guards its folder.
#[cfg(not(unix))]
fn open_to_others(_metadata: &Metadata) -> bool {
    false
}

/// Makes the name in its folder durable, as the content was made before.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
