//! The master key: wraps the keys of the subjects, and comes from a file or from the environment.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{LessSafeKey, MAX_TAG_LEN, NONCE_LEN};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::id::SubjectId;
use thiserror::Error;

use crate::durable;
use crate::vault::cipher::{self, DataKey, KEY_BYTES, wipe};

/// Ends what a wrapped key is bound to; a later form gets another number.
const WRAP_LABEL: &[u8] = b"baycase-vault-1";
/// What the key of fingerprints is derived for.
const FINGERPRINT_LABEL: &[u8] = b"baycase-fingerprint-1";
/// What the check value is bound to, so that it can never be taken for a wrapped key.
const CHECK_LABEL: &[u8] = b"baycase-vault-1 check";
const CHECK_TEXT: &[u8] = b"this is the master key of this vault";
/// A key file holds 44 characters and a line end; more than this is some other file.
const KEY_FILE_BYTES_MAX: u64 = 256;

/// Why there is no master key.
#[derive(Debug, Error)]
pub enum KeyError {
    #[error("`{path}` exists; a master key is never overwritten, because everything sealed under it would be lost")]
    Exists { path: PathBuf },
    #[error("the master key file `{path}` could not be read or written; check its folder and rights")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("a master key is {KEY_BYTES} random bytes in base64; this is something else")]
    Format,
    #[error("no random bytes could be drawn")]
    Random(#[source] Unspecified),
}

/// The key of the whole vault. It never leaves this type and is wiped when it is dropped.
pub struct MasterKey(LessSafeKey, hmac::Key);

impl MasterKey {
    /// Takes the key from the value of an environment variable: 32 bytes in base64.
    ///
    /// # Errors
    /// The text is something else.
    pub fn from_env_value(value: &str) -> Result<Self, KeyError> {
        let mut decoded = STANDARD.decode(value.trim()).ok().ok_or(KeyError::Format)?;
        let bytes = <[u8; KEY_BYTES]>::try_from(decoded.as_slice());
        wipe(&mut decoded);
        let Ok(mut bytes) = bytes else { return Err(KeyError::Format) };
        Self::of(&mut bytes)
    }

    fn of(bytes: &mut [u8; KEY_BYTES]) -> Result<Self, KeyError> {
        // A key of its own, derived, so that nothing sealed and nothing fingerprinted shares one.
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, bytes), FINGERPRINT_LABEL);
        let fingerprint = hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref());
        cipher::expand(bytes).map(|key| Self(key, fingerprint)).map_err(KeyError::Random)
    }

    /// A keyed hash (HMAC-SHA-256) of a text: equal texts are known as equal, and nobody without the key can test a guess.
    pub(super) fn fingerprint(&self, text: &[u8]) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(hmac::sign(&self.1, text).as_ref());
        hash
    }

    /// Reads the key from a file that holds it in base64.
    ///
    /// # Errors
    /// The file cannot be read or holds something else.
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let mut text = String::new();
        File::open(path)
            .and_then(|file| file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text))
            .map_err(|source| KeyError::Io { path: path.to_owned(), source })?;
        let key = Self::from_env_value(&text);
        wipe(&mut text.into_bytes());
        key
    }

    /// Draws a new key and writes it to a new file that only its owner may read; durable when it returns.
    ///
    /// # Errors
    /// There is a file already, or it cannot be written.
    pub fn generate_file(path: &Path) -> Result<Self, KeyError> {
        let io_failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => KeyError::Exists { path: path.to_owned() },
            _ => KeyError::Io { path: path.to_owned(), source },
        };
        let mut bytes = cipher::draw::<KEY_BYTES>().map_err(KeyError::Random)?;
        let mut file = owner_only().write(true).create_new(true).open(path).map_err(io_failed)?;
        let mut text = STANDARD.encode(bytes);
        text.push('\n');
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        wipe(&mut text.into_bytes());
        written.and_then(|()| durable::sync_name(path)).map_err(io_failed)?;
        Self::of(&mut bytes)
    }

    /// Makes a key for a subject, and the form in which the vault keeps it.
    pub(super) fn make_key(&self, subject: SubjectId) -> Result<(DataKey, Vec<u8>), Unspecified> {
        let mut bytes = cipher::draw::<KEY_BYTES>()?;
        let mut plain = Vec::with_capacity(KEY_BYTES + MAX_TAG_LEN);
        plain.extend_from_slice(&bytes);
        let wrapped = self.wrap(&wrap_label(subject), plain)?;
        Ok((DataKey(cipher::expand(&mut bytes)?), wrapped))
    }

    /// The key of a subject from its wrapped form; `None` when that was changed or is another subject's.
    pub(super) fn open_key(&self, subject: SubjectId, wrapped: &[u8]) -> Option<DataKey> {
        let mut plain = self.lift(&wrap_label(subject), wrapped)?;
        let bytes = <[u8; KEY_BYTES]>::try_from(plain.as_slice());
        wipe(&mut plain);
        let Ok(mut bytes) = bytes else { return None };
        cipher::expand(&mut bytes).ok().map(DataKey)
    }

    /// A value by which a vault knows its master key again.
    pub(super) fn check_value(&self) -> Result<Vec<u8>, Unspecified> {
        self.wrap(CHECK_LABEL, CHECK_TEXT.to_vec())
    }

    /// Whether a check value was made with this key.
    pub(super) fn made(&self, check_value: &[u8]) -> bool {
        self.lift(CHECK_LABEL, check_value).is_some_and(|text| text == CHECK_TEXT)
    }

    fn wrap(&self, label: &[u8], plain: Vec<u8>) -> Result<Vec<u8>, Unspecified> {
        let (nonce, ciphertext) = cipher::seal(&self.0, label, plain)?;
        Ok([nonce.as_slice(), ciphertext.as_slice()].concat())
    }

    fn lift(&self, label: &[u8], wrapped: &[u8]) -> Option<Vec<u8>> {
        let (nonce, ciphertext) = wrapped.split_first_chunk::<NONCE_LEN>()?;
        let mut text = ciphertext.to_vec();
        let length = cipher::open(&self.0, label, *nonce, &mut text)?.len();
        text.truncate(length);
        Some(text)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

fn wrap_label(subject: SubjectId) -> Vec<u8> {
    [subject.as_uuid().as_bytes().as_slice(), WRAP_LABEL].concat()
}

/// Options for a file that nobody but its owner may read or write.
pub(super) fn owner_only() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
