//! From a bearer token to a principal.

#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Utc};
use reqwest::Url;

use crate::config::AuthConfig;

use super::cache::{Fingerprint, TokenCache, Verified};
use super::claims::{self, Trust};
use super::dev_key::{DevKey, DevKeyError};
use super::key_set::{KeySet, KeySetError, TokenHeader};
use super::remote::{KeyFetchError, RemoteKeys};
use super::{AuthError, Principal};

/// Longest token that is looked at.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

const CACHED_TOKENS_MAX: usize = 10_000;
const JWKS_FILE_BYTES_MAX: u64 = 256 * 1024;

/// Why nobody could be let in with this configuration. Each says what to set.
#[derive(Debug, thiserror::Error)]
pub enum AuthSetupError {
    /// There is no way to check a token.
    #[error(
        "authentication is not configured: set auth.jwks_file or auth.jwks_url, with auth.issuer and auth.audience; \
         or start with --dev on a machine that nobody else can reach"
    )]
    NotConfigured,
    /// Keys without the issuer whose they are.
    #[error("auth.issuer is not set: set it to the `iss` of the tokens that the key set signs")]
    NoIssuer,
    /// Keys without a name for us.
    #[error("auth.audience is not set: set it to the `aud` that the issuer gives to tokens for this server")]
    NoAudience,
    /// The file cannot be read.
    #[error("auth.jwks_file: {} cannot be read; set it to the issuer's key set", .path.display())]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is no usable key set.
    #[error("auth.jwks_file: {} is not usable; set it to the issuer's key set", .path.display())]
    UnusableFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: KeySetError,
    },
    /// The address is none.
    #[error("auth.jwks_url is not an address: {reason}")]
    Address {
        /// What the parser said.
        reason: String,
    },
    /// The HTTP client cannot be built, most likely for want of the system's certificates.
    #[error("auth.jwks_url: no HTTP client could be built; are the system's certificates installed?")]
    Client {
        /// What the client said.
        #[source]
        source: reqwest::Error,
    },
    /// The development key cannot be used.
    #[error("the development key cannot be used")]
    DevKey {
        /// Why.
        #[source]
        source: DevKeyError,
    },
    /// The development key's own key set is not usable, which would be a fault of ours.
    #[error("the development key is not usable")]
    DevKeySet {
        /// Why.
        #[source]
        source: KeySetError,
    },
}

/// Checks bearer tokens.
///
/// It is shared by all requests; a token that was checked is remembered until it expires.
pub struct Verifier {
    source: KeySource,
    leeway_secs: u32,
    cache: TokenCache,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("leeway_secs", &self.leeway_secs).finish_non_exhaustive()
    }
}

enum KeySource {
    Fixed(Arc<KeySet>),
    Remote(Arc<RemoteKeys>),
}

impl Verifier {
    /// What the configuration asks for. With `dev` or `auth.dev` the key in `data_dir` is accepted, made if missing.
    ///
    /// Nothing is fetched yet: see [`Verifier::refresh_keys`].
    pub fn from_config(config: &AuthConfig, data_dir: &Path, dev: bool) -> Result<Self, AuthSetupError> {
        let pinned = if dev || config.dev {
            let key = DevKey::load_or_create(data_dir).map_err(|source| AuthSetupError::DevKey { source })?;
            key.key_set().map_err(|source| AuthSetupError::DevKeySet { source })?
        } else {
            KeySet::empty()
        };
        let source = match (&config.jwks_file, &config.jwks_url) {
            (Some(path), _) => {
                let keys = read_key_set(path, &trust_of(config)?)?;
                KeySource::Fixed(Arc::new(keys.with(&pinned)))
            }
            (None, Some(url)) => KeySource::Remote(remote_keys(url, config, pinned)?),
            (None, None) if dev || config.dev => KeySource::Fixed(Arc::new(pinned)),
            (None, None) => return Err(AuthSetupError::NotConfigured),
        };
        Ok(Self { source, leeway_secs: config.leeway_secs, cache: TokenCache::new(CACHED_TOKENS_MAX) })
    }

    /// Fetches the issuer's keys now, for a server that wants to know at its start. Keys in a file are there already.
    pub async fn refresh_keys(&self) -> Result<(), KeyFetchError> {
        match &self.source {
            KeySource::Fixed(_) => Ok(()),
            KeySource::Remote(remote) => remote.refresh_now().await,
        }
    }

    /// Who the bearer of this token is, at `now`.
    pub async fn verify(&self, bearer: &str, now: DateTime<Utc>) -> Result<Principal, AuthError> {
        if bearer.is_empty() {
            return Err(AuthError::Missing);
        }
        if bearer.len() > TOKEN_BYTES_MAX {
            return Err(AuthError::Malformed);
        }
        let fingerprint = fingerprint(bearer);
        let mut keys = match &self.source {
            KeySource::Fixed(keys) => Arc::clone(keys),
            KeySource::Remote(remote) => remote.current(),
        };
        if let Some(principal) = self.remembered(&fingerprint, keys.generation, now) {
            return Ok(principal);
        }

        let header = TokenHeader::parse(bearer)?;
        if let KeySource::Remote(remote) = &self.source
            && !keys.knows(header.kid.as_deref())
        {
            keys = remote.look_for(header.kid.as_deref()).await;
            if !keys.knows(header.kid.as_deref()) && !remote.has_answered() {
                return Err(AuthError::KeysUnavailable);
            }
        }
        let key = keys.find(&header)?;
        let said = key.claims(bearer)?;
        let (principal, validity) = claims::read(&said, &key.trust, now, self.leeway_secs)?;
        self.cache
            .insert(fingerprint, Verified { principal: principal.clone(), validity, generation: keys.generation });
        Ok(principal)
    }

    fn remembered(&self, token: &Fingerprint, generation: u64, now: DateTime<Utc>) -> Option<Principal> {
        let verified = self.cache.get(token)?;
        let is_current = verified.generation == generation && verified.validity.check(now, self.leeway_secs).is_ok();
        is_current.then_some(verified.principal)
    }
}

fn fingerprint(token: &str) -> Fingerprint {
    let digest = digest(&SHA256, token.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 gives 32 bytes")
}

fn trust_of(config: &AuthConfig) -> Result<Arc<Trust>, AuthSetupError> {
    let issuer = config.issuer.clone().ok_or(AuthSetupError::NoIssuer)?;
    let audience = config.audience.clone().ok_or(AuthSetupError::NoAudience)?;
    Ok(Arc::new(Trust { issuer, audience }))
}

fn read_key_set(path: &Path, trust: &Arc<Trust>) -> Result<KeySet, AuthSetupError> {
    let mut json = Vec::new();
    let read = File::open(path).and_then(|file| file.take(JWKS_FILE_BYTES_MAX).read_to_end(&mut json));
    if let Err(source) = read {
        return Err(AuthSetupError::ReadFile { path: path.to_owned(), source });
    }
    KeySet::parse(&json, trust).map_err(|source| AuthSetupError::UnusableFile { path: path.to_owned(), source })
}

fn remote_keys(url: &str, config: &AuthConfig, pinned: KeySet) -> Result<Arc<RemoteKeys>, AuthSetupError> {
    let trust = trust_of(config)?;
    let url = Url::parse(url).map_err(|error| AuthSetupError::Address { reason: error.to_string() })?;
    let refresh = Duration::from_secs(config.jwks_refresh_secs);
    RemoteKeys::new(url, trust, pinned, refresh).map_err(|source| AuthSetupError::Client { source })
}
