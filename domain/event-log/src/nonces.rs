//! What may be used once, over all nodes of an installation: the nonces of signed requests.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use thiserror::Error;

use crate::digest::sha256;
use crate::fault::LogFault;

/// Most nonces that [`MemoryNonces`] remembers.
pub const MEMORY_NONCES_MAX: usize = 100_000;

/// Why it is not known whether a nonce was used before. The request that brought it must be refused, and may be made
/// again with another nonce.
#[derive(Debug, Error)]
pub enum NonceError {
    #[error(transparent)]
    Fault(#[from] LogFault),
    #[error("{max} nonces are remembered, and no more can be; try again after the process was restarted")]
    Full { max: usize },
}

/// A table of used nonces that every node of an installation shares.
#[async_trait]
pub trait Nonces: Send + Sync + 'static {
    /// Uses a nonce up. `true` the first time, and `false` ever after, whatever node asks.
    ///
    /// A nonce belongs to one key: the same text under another key is another nonce. Only what was verified may come
    /// here, or anybody could fill the table.
    async fn first_use(&self, key: &str, nonce: &str) -> Result<bool, NonceError>;
}

/// The name that a nonce is remembered by, the same length for all: a key and a nonce run together into no other pair.
pub(crate) fn fingerprint(key: &str, nonce: &str) -> [u8; 32] {
    let mut text = Vec::with_capacity(8 + key.len() + nonce.len());
    text.extend_from_slice(&u64::try_from(key.len()).unwrap_or(u64::MAX).to_be_bytes());
    text.extend_from_slice(key.as_bytes());
    text.extend_from_slice(nonce.as_bytes());
    sha256(&text)
}

/// The nonces of one process, for an installation of one node. It never forgets, so it has an end: whoever knows when a
/// nonce expires does better.
#[derive(Debug)]
pub struct MemoryNonces {
    max: usize,
    used: Mutex<HashSet<[u8; 32]>>,
}

impl MemoryNonces {
    /// An empty table for [`MEMORY_NONCES_MAX`] nonces.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(MEMORY_NONCES_MAX)
    }

    /// An empty table for `max` nonces.
    #[must_use]
    pub fn with_limit(max: usize) -> Self {
        Self { max, used: Mutex::default() }
    }
}

impl Default for MemoryNonces {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Nonces for MemoryNonces {
    async fn first_use(&self, key: &str, nonce: &str) -> Result<bool, NonceError> {
        let name = fingerprint(key, nonce);
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.contains(&name) {
            return Ok(false);
        }
        if used.len() >= self.max {
            return Err(NonceError::Full { max: self.max });
        }
        Ok(used.insert(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_nonce_is_good_once_for_each_key() {
        let nonces = MemoryNonces::new();
        assert!(nonces.first_use("hk:1", "n").await.unwrap());
        assert!(!nonces.first_use("hk:1", "n").await.unwrap());
        assert!(nonces.first_use("mo:1", "n").await.unwrap());
        assert!(nonces.first_use("hk:", "1n").await.unwrap(), "a key and a nonce do not run together");
    }

    #[tokio::test]
    async fn a_full_table_refuses_what_is_new_and_knows_what_is_old() {
        let nonces = MemoryNonces::with_limit(2);
        assert!(nonces.first_use("k", "1").await.unwrap());
        assert!(nonces.first_use("k", "2").await.unwrap());
        assert!(matches!(nonces.first_use("k", "3").await, Err(NonceError::Full { max: 2 })));
        assert!(!nonces.first_use("k", "1").await.unwrap());
    }
}
