//! The development key: tokens without an issuer, for a server on one's own machine.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use serde_json::{Value, json};

use super::Role;
use super::claims::Trust;
use super::key_set::{KeySet, KeySetError};

/// Name of the key's file in the data folder.
pub const DEV_KEY_FILE: &str = "dev-key.pem";

/// Longest life of a token that the development key signs.
pub const DEV_TOKEN_TTL_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

const ISSUER: &str = "baycase-dev";
const AUDIENCE: &str = "baycase";
const FILE_BYTES_MAX: u64 = 16 * 1024;
const PEM_LINE_LENGTH: usize = 64;
const KID_BYTES: usize = 8;

/// Why there is no development key, or it did not sign.
#[derive(Debug, thiserror::Error)]
pub enum DevKeyError {
    /// There is none in the data folder.
    #[error(
        "there is no development key in {}: `baycase token` works only with the key that `baycase serve --dev` or \
         `baycase demo` makes there; tokens for any other server come from its issuer",
        .dir.display()
    )]
    Missing {
        /// The data folder.
        dir: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("the development key {} cannot be read or written", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{} holds no Ed25519 key (PKCS#8, PEM); delete it to have a new one made", .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
    },
    /// No key could be made.
    #[error("the cryptographic library could not make a key")]
    Generate,
    /// The token asked for would not be accepted.
    #[error("no token can be issued: {0}")]
    Refused(&'static str),
    /// The library did not sign.
    #[error("the token could not be signed")]
    Sign {
        /// What the library said.
        #[source]
        source: jsonwebtoken::errors::Error,
    },
}

/// An Ed25519 key in the data folder.
///
/// Whoever can read the file can be anybody. It is made by `serve --dev` and `demo` only.
pub struct DevKey {
    signing: EncodingKey,
    public: Vec<u8>,
    kid: String,
}

impl fmt::Debug for DevKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl DevKey {
    /// Makes a new key in a folder that has none.
    pub fn create(dir: &Path) -> Result<Self, DevKeyError> {
        let path = dir.join(DEV_KEY_FILE);
        // Version 1 of PKCS#8, which other tools read as well.
        let Ok(document) = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1()) else {
            return Err(DevKeyError::Generate);
        };
        let written = fs::create_dir_all(dir).and_then(|()| create_private(&path)).and_then(|mut file| {
            file.write_all(pem(document.as_ref()).as_bytes())?;
            file.sync_all()
        });
        match written {
            Ok(()) => Self::load(dir),
            Err(source) => Err(DevKeyError::File { path, source }),
        }
    }

    /// Reads the key that `create` made.
    pub fn load(dir: &Path) -> Result<Self, DevKeyError> {
        let path = dir.join(DEV_KEY_FILE);
        let mut text = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut text));
        match read {
            Ok(_) => {}
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                return Err(DevKeyError::Missing { dir: dir.to_owned() });
            }
            Err(source) => return Err(DevKeyError::File { path, source }),
        }
        let Ok(signing) = EncodingKey::from_ed_pem(&text) else {
            return Err(DevKeyError::Unusable { path });
        };
        let Ok(pair) = Ed25519KeyPair::from_pkcs8(signing.as_bytes()) else {
            return Err(DevKeyError::Unusable { path });
        };
        let public = pair.public_key().as_ref().to_vec();
        let kid = key_id(&public);
        Ok(Self { signing, public, kid })
    }

    /// The key of this folder, made now if there is none.
    pub fn load_or_create(dir: &Path) -> Result<Self, DevKeyError> {
        match Self::load(dir) {
            Err(DevKeyError::Missing { .. }) => {}
            other => return other,
        }
        match Self::create(dir) {
            // Another process was faster.
            Err(DevKeyError::File { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => Self::load(dir),
            other => other,
        }
    }

    /// The `kid` of its tokens: the first 16 hexadecimal digits of the SHA-256 of the public key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its public half as a key set (JWKS).
    pub fn jwks(&self) -> Value {
        json!({ "keys": [{
            "kty": "OKP",
            "crv": "Ed25519",
            "alg": "EdDSA",
            "use": "sig",
            "kid": self.kid,
            "x": URL_SAFE_NO_PAD.encode(&self.public),
        }] })
    }

    /// Signs a token that says the bearer is `subject` of `unit` with these roles.
    pub fn issue(
        &self,
        roles: &[Role],
        unit: &str,
        subject: &str,
        ttl: Duration,
        now: DateTime<Utc>,
    ) -> Result<String, DevKeyError> {
        if roles.is_empty() {
            return Err(DevKeyError::Refused("it needs a role"));
        }
        if unit.trim().is_empty() || subject.trim().is_empty() {
            return Err(DevKeyError::Refused("it needs a unit and a subject"));
        }
        if ttl > DEV_TOKEN_TTL_MAX {
            return Err(DevKeyError::Refused("it would live longer than seven days"));
        }
        let Ok(ttl_secs) = i64::try_from(ttl.as_secs()) else {
            return Err(DevKeyError::Refused("it would live longer than seven days"));
        };
        let issued = now.timestamp();
        let claims = DevClaims {
            iss: ISSUER,
            aud: AUDIENCE,
            sub: subject,
            unit,
            roles,
            iat: issued,
            nbf: issued,
            exp: issued.saturating_add(ttl_secs),
        };
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, &claims, &self.signing).map_err(|source| DevKeyError::Sign { source })
    }

    /// The public half, and what its tokens must say. Another issuer's name does not help its bearer, nor the reverse.
    pub(super) fn key_set(&self) -> Result<KeySet, KeySetError> {
        let trust = Arc::new(Trust { issuer: ISSUER.to_owned(), audience: AUDIENCE.to_owned() });
        KeySet::parse(self.jwks().to_string().as_bytes(), &trust)
    }
}

#[derive(Serialize)]
struct DevClaims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    unit: &'a str,
    roles: &'a [Role],
    iat: i64,
    nbf: i64,
    exp: i64,
}

fn key_id(public: &[u8]) -> String {
    digest(&SHA256, public).as_ref().iter().take(KID_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

fn pem(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN PRIVATE KEY-----\n");
    for (at, character) in STANDARD.encode(der).chars().enumerate() {
        if at > 0 && at % PEM_LINE_LENGTH == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push_str("\n-----END PRIVATE KEY-----\n");
    text
}

/// A new file that only its owner can read.
fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");

        let made = DevKey::load_or_create(&data).unwrap();
        let found = DevKey::load_or_create(&data).unwrap();

        assert_eq!(made.kid(), found.kid());
        assert_eq!(made.kid().len(), 16);
        assert_eq!(made.jwks(), found.jwks());
        assert!(matches!(DevKey::create(&data), Err(DevKeyError::File { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_can_read_the_key() {
        use std::os::unix::fs::PermissionsExt as _;

        let dir = tempfile::tempdir().unwrap();
        DevKey::create(dir.path()).unwrap();

        let metadata = fs::metadata(dir.path().join(DEV_KEY_FILE)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn without_a_key_the_error_says_where_tokens_come_from() {
        let dir = tempfile::tempdir().unwrap();

        let text = DevKey::load(dir.path()).unwrap_err().to_string();

        assert!(text.contains("`baycase serve --dev`"), "{text}");
        assert!(text.contains("its issuer"), "{text}");
    }

    #[test]
    fn a_file_that_is_no_key_is_named_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(DEV_KEY_FILE);
        fs::write(&path, "not a key").unwrap();

        assert!(matches!(DevKey::load_or_create(dir.path()), Err(DevKeyError::Unusable { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "not a key");
    }

    #[test]
    fn tokens_live_as_long_as_allowed_and_no_longer() {
        let dir = tempfile::tempdir().unwrap();
        let key = DevKey::create(dir.path()).unwrap();
        let issue =
            |roles: &[Role], unit: &str, ttl: Duration| key.issue(roles, unit, "u-17", ttl, DateTime::UNIX_EPOCH);

        assert!(issue(&[Role::Head], "province", DEV_TOKEN_TTL_MAX).is_ok());
        let longer = DEV_TOKEN_TTL_MAX + Duration::from_nanos(1);
        for refused in
            [issue(&[Role::Head], "province", longer), issue(&[], "province", HOUR), issue(&[Role::Head], " ", HOUR)]
        {
            assert!(matches!(refused, Err(DevKeyError::Refused(_))));
        }
    }
}
