//! Configuration: read once, typed per concern, validated whole.
//!
//! Four sources, the later winning: `config.default.toml`, a TOML file, `BAYCASE_*` variables, flags. An unknown key is
//! an error in any of them. Nothing else in the program reads a variable of the environment.

mod layers;
mod sections;
#[cfg(test)]
mod tests;
mod validate;

use std::io;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::error::Kind;
use reqwest::Url;
use serde::{Deserialize, Serialize};

use self::layers::{KnownKeys, Layer, Setting};

pub use self::layers::Environment;
pub use self::sections::{
    AuthConfig, CouncilConfig, EventStoreConfig, GraphqlConfig, LimitsConfig, LogConfig, LogEngine, LogFormat,
    NODE_NAME_CHARS_MAX, NodeConfig, PartnerConfig, ProjectionsConfig, ServerConfig, TelemetryConfig, VaultConfig,
    VaultNodeConfig, VaultRole,
};
pub use self::validate::{Warning, is_node_name};

/// Every key with its default and its explanation, as checked in.
pub const DEFAULT_TOML: &str = include_str!("../config.default.toml");

const MASK: &str = "***";

/// The whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Listening addresses and the limits of one HTTP exchange.
    pub server: ServerConfig,
    /// Limits of one GraphQL request, and of its lists.
    pub graphql: GraphqlConfig,
    /// The event log.
    pub log: LogConfig,
    /// The read models built from the log.
    pub projections: ProjectionsConfig,
    /// Who may come in.
    pub auth: AuthConfig,
    /// The vault of the keys that seal personal data.
    pub vault: VaultConfig,
    /// This process as a vault node.
    pub vault_node: VaultNodeConfig,
    /// Logs and traces.
    pub telemetry: TelemetryConfig,
    /// Requests of one principal.
    pub limits: LimitsConfig,
    /// What tells this process from others that serve the same log.
    pub node: NodeConfig,
    /// Which council of the partner register this node is.
    pub council: CouncilConfig,
    /// The exchange with partner councils.
    pub partner: PartnerConfig,
}

impl Config {
    /// Reads all sources.
    ///
    /// `file` comes from `--config`; without it `BAYCASE_CONFIG` may name one. `overrides` are flags as
    /// `("server.listen", value)`. The result is typed but not yet validated: see [`Config::validate`].
    pub fn load(
        file: Option<&Path>,
        environment: &Environment,
        overrides: &[(&str, String)],
    ) -> Result<Self, ConfigError> {
        let known = KnownKeys::of_defaults();
        let mut layers = vec![Layer::from_toml("the built-in defaults", DEFAULT_TOML)?];
        let file = file.map(Path::to_path_buf).or_else(|| environment.config_file());
        if let Some(path) = file {
            layers.push(Layer::from_file(&path)?);
        }
        layers.push(environment.layer(&known)?);
        let flags = overrides.iter().map(|(key, value)| Setting { name: key, key: (*key).to_owned(), value });
        layers.push(Layer::from_settings("the command line", flags, &known)?);

        let figment = layers.into_iter().fold(Figment::new(), |figment, layer| figment.merge(layer));
        figment.extract().map_err(|error| ConfigError::from_extraction(&error))
    }

    /// The configuration as TOML, with whatever could be a secret masked. Keys without a value are left out.
    pub fn to_masked_toml(&self) -> Result<String, toml::ser::Error> {
        let mut shown = self.clone();
        for url in [&mut shown.auth.jwks_url, &mut shown.telemetry.otlp_endpoint, &mut shown.partner.public_url] {
            *url = url.as_deref().map(mask_url);
        }
        for peer in &mut shown.partner.peers {
            peer.endpoint = peer.endpoint.as_deref().map(mask_url);
        }
        for url in [&mut shown.vault.url, &mut shown.vault.standby, &mut shown.vault_node.standby] {
            *url = url.as_deref().map(mask_url);
        }
        let connection = &mut shown.log.eventstore.connection;
        *connection = connection.as_deref().map(mask_connection);
        toml::to_string(&shown)
    }
}

/// Hides user, password and query of a URL: the three places where people put credentials.
fn mask_url(raw: &str) -> String {
    let Ok(mut url) = Url::parse(raw) else {
        return MASK.to_owned();
    };
    if url.query().is_some() {
        url.set_query(Some(MASK));
    }
    let has_user = !url.username().is_empty() || url.password().is_some();
    if has_user && (url.set_username(MASK).is_err() || url.set_password(None).is_err()) {
        return MASK.to_owned();
    }
    url.to_string()
}

/// Hides name and password of a connection string, which may name several hosts and is no URL then.
fn mask_connection(raw: &str) -> String {
    let Some((scheme, rest)) = raw.split_once("://") else { return MASK.to_owned() };
    match rest.rsplit_once('@') {
        Some((_credentials, hosts)) => format!("{scheme}://{MASK}@{hosts}"),
        None => raw.to_owned(),
    }
}

/// Why there is no configuration to run with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration file {} cannot be read", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("configuration in {place} is malformed: {reason}")]
    Syntax {
        /// The source it came from.
        place: String,
        /// What the parser said.
        reason: String,
    },
    /// A key that does not exist.
    #[error("unknown configuration key `{key}` in {place}; expected one of: {expected}")]
    UnknownKey {
        /// The key as it was written.
        key: String,
        /// The source it came from.
        place: String,
        /// What could stand there.
        expected: String,
    },
    /// A value that its key cannot take.
    #[error("configuration key `{key}` in {place} {reason}")]
    Invalid {
        /// The key as it was written.
        key: String,
        /// The source it came from.
        place: String,
        /// What is wrong, as the rest of the sentence.
        reason: String,
    },
}

impl ConfigError {
    fn from_extraction(error: &figment::Error) -> Self {
        let key = error.path.join(".");
        let place = match &error.metadata {
            Some(metadata) => metadata.name.to_string(),
            None => "the configuration".to_owned(),
        };
        match &error.kind {
            Kind::UnknownField(_, expected) => Self::UnknownKey { key, place, expected: expected.join(", ") },
            other => Self::Invalid { key, place, reason: format!("is not usable: {other}") },
        }
    }
}
