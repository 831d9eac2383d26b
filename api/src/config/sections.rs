//! The sections of the configuration, one struct per concern, with the defaults in code.
//!
//! `config.default.toml` says the same for people; a test holds the two together.

mod council;
mod eventstore;
mod node;
mod partner;
mod vault;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::listen::Limits;

pub use self::council::CouncilConfig;
pub use self::eventstore::EventStoreConfig;
pub use self::node::{NODE_NAME_CHARS_MAX, NodeConfig};
pub use self::partner::PartnerConfig;
pub use self::vault::{VaultConfig, VaultNodeConfig, VaultRole};

/// Listening addresses and the limits of one HTTP exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Address of GraphQL and of the pages; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Address of `/livez`, `/readyz` and `/metrics`.
    pub admin_listen: SocketAddr,
    /// A request that takes longer is answered with an error.
    pub request_timeout_ms: u64,
    /// How long requests and tasks under way may go on after a signal to stop.
    pub shutdown_grace_ms: u64,
    /// Largest request body.
    pub body_bytes_max: usize,
    /// Subscriptions open at the same time, over all clients.
    pub subscriptions_max: usize,
    /// Time for the head of a request, and for an idle connection to send another.
    pub header_timeout_seconds: u32,
    /// Connections open at the same time; whoever comes then waits.
    pub connections_max: u32,
    /// Connections of one address open at the same time; one more is closed at once.
    pub connections_per_address_max: u32,
}

impl ServerConfig {
    /// `request_timeout_ms` as a duration.
    pub fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    /// `shutdown_grace_ms` as a duration.
    pub fn shutdown_grace(&self) -> Duration {
        Duration::from_millis(self.shutdown_grace_ms)
    }

    /// The bounds of the connections at `listen`.
    pub fn connections(&self) -> Limits {
        Limits {
            header_timeout: Duration::from_secs(u64::from(self.header_timeout_seconds)),
            connections_max: self.connections_max,
            connections_per_address_max: self.connections_per_address_max,
        }
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            admin_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9090)),
            request_timeout_ms: 20_000,
            shutdown_grace_ms: 25_000,
            body_bytes_max: 1024 * 1024,
            subscriptions_max: 1_000,
            header_timeout_seconds: 10,
            connections_max: 4_096,
            connections_per_address_max: 1_024,
        }
    }
}

/// Limits of one GraphQL request, and of its lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphqlConfig {
    /// Longest document, before it is parsed.
    pub document_bytes_max: usize,
    /// Deepest nesting of selections, fragments counted where they are spread.
    pub depth_max: u32,
    /// Most fields of one document after fragments are spread.
    pub fields_max: u32,
    /// Most aliases of one document after fragments are spread.
    pub aliases_max: u32,
    /// Largest page a list answers.
    pub page_max: u32,
    /// Page size where the client names none.
    pub page_default: u32,
    /// Whether `__schema` and `__type` are answered.
    pub introspection: bool,
}

impl Default for GraphqlConfig {
    fn default() -> Self {
        Self {
            document_bytes_max: 64 * 1024,
            depth_max: 16,
            fields_max: 1_000,
            aliases_max: 50,
            page_max: 200,
            page_default: 50,
            introspection: false,
        }
    }
}

/// The store behind the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogEngine {
    /// A file in the data folder.
    Sqlite,
    /// A cluster that several nodes share.
    #[serde(rename = "eventstoredb")]
    EventStoreDb,
}

/// The event log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// Store of the events.
    pub engine: LogEngine,
    /// Most events committed as one transaction.
    pub batch_events_max: usize,
    /// Most bytes committed as one transaction.
    pub batch_bytes_max: usize,
    /// Connections that read the log at the same time.
    pub readers: usize,
    /// Appends that may wait for the writer.
    pub queue_max: usize,
    /// The cluster, where the engine is one.
    pub eventstore: EventStoreConfig,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            engine: LogEngine::Sqlite,
            batch_events_max: 4_096,
            batch_bytes_max: 8 * 1024 * 1024,
            readers: 4,
            queue_max: 4_096,
            eventstore: EventStoreConfig::default(),
        }
    }
}

/// The read models built from the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectionsConfig {
    /// Most events applied as one transaction.
    pub batch_events_max: usize,
    /// How often the log is asked for news when no hint of an append arrives.
    pub poll_ms: u64,
    /// Page cache of the read models' file.
    pub cache_mib: u32,
}

impl ProjectionsConfig {
    /// `poll_ms` as a duration.
    pub fn poll(&self) -> Duration {
        Duration::from_millis(self.poll_ms)
    }
}

impl Default for ProjectionsConfig {
    fn default() -> Self {
        Self { batch_events_max: 1_000, poll_ms: 200, cache_mib: 64 }
    }
}

/// Who may come in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthConfig {
    /// The `iss` a token must carry.
    pub issuer: Option<String>,
    /// A value the `aud` of a token must contain.
    pub audience: Option<String>,
    /// File with the issuer's public keys; used instead of `jwks_url` where both are set.
    pub jwks_file: Option<PathBuf>,
    /// Address of the issuer's public keys.
    pub jwks_url: Option<String>,
    /// How often the keys behind `jwks_url` are read again.
    pub jwks_refresh_secs: u64,
    /// Difference between this clock and the issuer's that is forgiven.
    pub leeway_secs: u32,
    /// Accepts tokens signed by the development key in the data folder.
    pub dev: bool,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            issuer: None,
            audience: None,
            jwks_file: None,
            jwks_url: None,
            jwks_refresh_secs: 300,
            leeway_secs: 30,
            dev: false,
        }
    }
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines, one object a line.
    Json,
}

/// Logs and traces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryConfig {
    /// How a log line is written.
    pub log_format: LogFormat,
    /// What is logged: a level, or directives such as `info,event_log=debug`. The client of EventStoreDB is silent
    /// unless named: `info,eventstore=warn`.
    pub filter: String,
    /// Collector of traces; none are sent without it.
    pub otlp_endpoint: Option<String>,
    /// `service.name` of traces and metrics.
    pub service_name: String,
    /// Share of new traces that are sent, in millionths.
    pub sample_ratio_ppm: u32,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            log_format: LogFormat::Text,
            filter: "info".to_owned(),
            otlp_endpoint: None,
            service_name: "baycase".to_owned(),
            sample_ratio_ppm: 100_000,
        }
    }
}

/// Requests of one principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// Long-term rate.
    pub requests_per_second: u32,
    /// Most requests at once after a pause.
    pub burst: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self { requests_per_second: 500, burst: 1_000 }
    }
}
