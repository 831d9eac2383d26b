//! `[log.eventstore]`: the EventStoreDB cluster that holds the log of several nodes.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Attempts that fit into the time of one call.
const ATTEMPTS: u32 = 3;

/// The EventStoreDB cluster that holds the log, where `log.engine` says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventStoreConfig {
    /// Its connection string, without a name and a password.
    pub connection: Option<String>,
    /// Who we are there.
    pub user: Option<String>,
    /// File with that user's password; `BAYCASE_EVENTSTORE_PASSWORD` wins over it.
    pub password_file: Option<PathBuf>,
    /// Authorities of the cluster's certificates (PEM); without it those of the system.
    pub ca_file: Option<PathBuf>,
    /// Our certificate towards the cluster (PEM), for users that are known by one.
    pub client_cert_file: Option<PathBuf>,
    /// The private key of that certificate (PEM).
    pub client_key_file: Option<PathBuf>,
    /// Longest time of one call, all of its attempts together.
    pub timeout_ms: u64,
    /// The installation that the log must belong to; any without it.
    pub installation: Option<Uuid>,
}

impl EventStoreConfig {
    /// `timeout_ms` as a duration.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// Longest time of one attempt of a call.
    #[must_use]
    pub fn attempt_timeout(&self) -> Duration {
        self.timeout() / ATTEMPTS
    }
}

impl Default for EventStoreConfig {
    fn default() -> Self {
        Self {
            connection: None,
            user: None,
            password_file: None,
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
            timeout_ms: 15_000,
            installation: None,
        }
    }
}
