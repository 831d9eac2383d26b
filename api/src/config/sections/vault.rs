//! `[vault]` and `[vault_node]`: where the keys that seal personal data lie, and the node that keeps them for several.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use event_log::vault::{REFRESH_DEFAULT, STALE_AFTER_DEFAULT};
use serde::{Deserialize, Serialize};

/// The vault of the keys that seal personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaultConfig {
    /// File with the master key; `BAYCASE_MASTER_KEY` wins over it.
    pub master_key_file: Option<PathBuf>,
    /// Address of the vault node that keeps the keys of several nodes; without it they lie in the data folder.
    pub url: Option<String>,
    /// Address of its standby, which is read from while the vault node does not answer.
    pub standby: Option<String>,
    /// The authority that vouches for vault nodes (PEM).
    pub ca_file: Option<PathBuf>,
    /// Our certificate towards them (PEM).
    pub cert_file: Option<PathBuf>,
    /// The private key of that certificate (PEM).
    pub key_file: Option<PathBuf>,
    /// Longest time of one request to a vault node.
    pub timeout_ms: u64,
    /// How often the vault node is asked which keys were destroyed.
    pub refresh_ms: u64,
    /// How long keys stay in memory while it does not answer.
    pub stale_after_ms: u64,
}

impl VaultConfig {
    /// `timeout_ms` as a duration.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// `refresh_ms` as a duration.
    #[must_use]
    pub fn refresh(&self) -> Duration {
        Duration::from_millis(self.refresh_ms)
    }

    /// `stale_after_ms` as a duration.
    #[must_use]
    pub fn stale_after(&self) -> Duration {
        Duration::from_millis(self.stale_after_ms)
    }
}

impl Default for VaultConfig {
    fn default() -> Self {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            master_key_file: None,
            url: None,
            standby: None,
            ca_file: None,
            cert_file: None,
            key_file: None,
            timeout_ms: 5_000,
            refresh_ms: millis(REFRESH_DEFAULT),
            stale_after_ms: millis(STALE_AFTER_DEFAULT),
        }
    }
}

/// What a vault node is to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VaultRole {
    /// It takes what nodes write.
    Primary,
    /// It takes what the primary sends, and is read from while the primary does not answer.
    Standby,
}

/// This process as a vault node (`baycase vault`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaultNodeConfig {
    /// Where nodes come in.
    pub listen: SocketAddr,
    /// Address of `/livez`, `/readyz` and `/metrics`.
    pub admin_listen: SocketAddr,
    /// What it is to the others.
    pub role: VaultRole,
    /// Our certificate chain (PEM), towards nodes and towards the standby.
    pub cert_file: Option<PathBuf>,
    /// The private key of that certificate (PEM).
    pub key_file: Option<PathBuf>,
    /// The authority that vouches for the nodes that may come in, and for the standby (PEM).
    pub client_ca_file: Option<PathBuf>,
    /// Address of the standby that holds every key before a node learns of it.
    pub standby: Option<String>,
    /// Whether keys are made only while the standby takes them too.
    pub standby_required: bool,
    /// Longest time of one request to the standby.
    pub standby_timeout_ms: u64,
    /// On a standby whose word it takes as its primary's: names of hosts in their certificates.
    pub mirror_clients: Vec<String>,
}

impl VaultNodeConfig {
    /// `standby_timeout_ms` as a duration.
    #[must_use]
    pub fn standby_timeout(&self) -> Duration {
        Duration::from_millis(self.standby_timeout_ms)
    }
}

impl Default for VaultNodeConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8460)),
            admin_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9460)),
            role: VaultRole::Primary,
            cert_file: None,
            key_file: None,
            client_ca_file: None,
            standby: None,
            standby_required: true,
            standby_timeout_ms: 2_000,
            mirror_clients: Vec::new(),
        }
    }
}
