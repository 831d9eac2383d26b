//! `[partner]`: the listener for partner councils, our identity towards them, delivery, and who they are.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use cross_border::peer::Peer;
use serde::{Deserialize, Serialize};

use crate::listen::Limits;

/// The exchange with partner councils.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartnerConfig {
    /// Address of a listener of its own for partners, over TLS; without it they come in through `server.listen`.
    pub listen: Option<SocketAddr>,
    /// Certificate chain of that listener (PEM).
    pub tls_certificate_file: Option<PathBuf>,
    /// Private key of that certificate (PEM).
    pub tls_key_file: Option<PathBuf>,
    /// Authorities whose client certificates that listener demands (PEM).
    pub client_ca_file: Option<PathBuf>,
    /// Time at that listener for the head of a request, and for an idle connection to send another.
    pub header_timeout_seconds: u32,
    /// Connections open at that listener at the same time; whoever comes then waits.
    pub connections_max: u32,
    /// Connections and handshakes of one address at that listener at the same time; one more is closed at once.
    pub connections_per_address_max: u32,
    /// What stands before `/partner/…` in the addresses that partners sign: scheme, host and port. The request's own
    /// `Host` when absent, which only a listener on loopback may do.
    pub public_url: Option<String>,
    /// Our certificate towards partners (PEM).
    pub client_certificate_file: Option<PathBuf>,
    /// Private key of that certificate (PEM).
    pub client_key_file: Option<PathBuf>,
    /// Largest body of a partner's GraphQL request; evidence has a limit of its own.
    pub body_bytes_max: usize,
    /// Requests of one partner.
    pub requests_per_minute: u32,
    /// How long one attempt of a delivery holds it against other workers.
    pub lease_ms: u64,
    /// Shortest wait before a failed delivery is tried again.
    pub base_ms: u64,
    /// Longest wait before a failed delivery is tried again.
    pub max_ms: u64,
    /// Attempts after which a delivery is given up and alarms until somebody sets it going again.
    pub attempts_max: u32,
    /// Time from its first attempt after which a delivery is given up, however few there were.
    pub give_up_hours: u32,
    /// Failures in a row after which a partner is left alone for a while.
    pub breaker_failures: u32,
    /// How long it is left alone.
    pub breaker_open_ms: u64,
    /// How often a delivery that was given up alarms.
    pub alarm_every_ms: u64,
    /// How often partners that we poll are asked for news.
    pub poll_ms: u64,
    /// Longest time of one exchange with a partner.
    pub timeout_ms: u64,
    /// How often overdue steps, withdrawn consents and recalls are looked for.
    pub sweep_ms: u64,
    /// `host:port` of a clamd that scans evidence; without it evidence stays marked as not scanned.
    pub clamd: Option<String>,
    /// The partners; only a configuration file can name them.
    #[serde(default, rename = "peer")]
    pub peers: Vec<Peer>,
}

impl Default for PartnerConfig {
    fn default() -> Self {
        Self {
            listen: None,
            tls_certificate_file: None,
            tls_key_file: None,
            client_ca_file: None,
            header_timeout_seconds: 10,
            connections_max: 256,
            connections_per_address_max: 64,
            public_url: None,
            client_certificate_file: None,
            client_key_file: None,
            body_bytes_max: 256 * 1024,
            requests_per_minute: 600,
            lease_ms: 60_000,
            base_ms: 5_000,
            max_ms: 15 * 60_000,
            attempts_max: 400,
            give_up_hours: 72,
            breaker_failures: 5,
            breaker_open_ms: 30_000,
            alarm_every_ms: 60 * 60_000,
            poll_ms: 30_000,
            timeout_ms: 20_000,
            sweep_ms: 60_000,
            clamd: None,
            peers: Vec::new(),
        }
    }
}

impl PartnerConfig {
    /// `sweep_ms` as a duration.
    #[must_use]
    pub fn sweep(&self) -> Duration {
        Duration::from_millis(self.sweep_ms)
    }

    /// The bounds of the connections at `listen`.
    #[must_use]
    pub fn connections(&self) -> Limits {
        Limits {
            header_timeout: Duration::from_secs(u64::from(self.header_timeout_seconds)),
            connections_max: self.connections_max,
            connections_per_address_max: self.connections_per_address_max,
        }
    }

    /// `timeout_ms` as a duration.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}
