//! `[node]`: what tells this process from others that serve the same log.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Longest name of a node in characters.
pub const NODE_NAME_CHARS_MAX: usize = 64;

/// What tells this process from others that serve the same log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// Its name in leases, metrics and logs; the host's when absent, and a random one where the host has none.
    pub name: Option<String>,
    /// Folder of the sealed files of evidence, which all nodes share; `evidence` in the data folder when absent.
    pub evidence_dir: Option<PathBuf>,
    /// How long work that one node does for all stays with a node that does not say any more that it is at it.
    pub lease_ttl_ms: u64,
}

impl NodeConfig {
    /// `lease_ttl_ms` as a duration.
    #[must_use]
    pub fn lease_ttl(&self) -> Duration {
        Duration::from_millis(self.lease_ttl_ms)
    }
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self { name: None, evidence_dir: None, lease_ttl_ms: 15_000 }
    }
}
