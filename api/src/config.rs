//! Configuration: read once, typed per concern, validated whole.
//!
//! Four sources, the later winning: `config.default.toml`, a TOML file, `BAYCASE_*` variables, flags. An unknown key is
//! an error in any of them. Nothing else in the program reads a variable of the environment.

mod layers;
mod origins;
mod sections;
#[cfg(test)]
mod tests;
mod validate;

use std::io;
use std::path::{Path, PathBuf};

use event_log::eventstore::PARAMETERS;
use event_log::vault::KeyError;
use figment::Figment;
use figment::error::Kind;
use reqwest::Url;
use serde::{Deserialize, Serialize};

use self::layers::{DEFAULTS, FLAGS, KnownKeys, Layer, Setting};
use self::origins::{NOWHERE, Origins};

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
    /// Where each value came from, for the errors that a validation finds.
    #[serde(skip)]
    origins: Origins,
}

impl Config {
    /// Reads all sources.
    ///
    /// `file` comes from `--config`; without it `BAYCASE_CONFIG` may name one. `overrides` are flags as
    /// `("server.listen", value)`. The result is typed but not yet validated: see [`Config::validate`].
    ///
    /// # Errors
    /// A source cannot be read, or holds a key that is unknown or a value that its key cannot take; the text names the
    /// source and the key.
    pub fn load(
        file: Option<&Path>,
        environment: &Environment,
        overrides: &[(&str, String)],
    ) -> Result<Self, ConfigError> {
        let known = KnownKeys::of_defaults();
        let mut layers = vec![Layer::from_toml(DEFAULTS, DEFAULT_TOML)?];
        let file = file.map(Path::to_path_buf).or_else(|| environment.config_file());
        if let Some(path) = file {
            layers.push(Layer::from_file(&path)?);
        }
        layers.push(environment.layer(&known)?);
        let flags = overrides.iter().map(|(key, value)| Setting { name: key, key: (*key).to_owned(), value });
        layers.push(Layer::from_settings(FLAGS, flags, &known)?);

        let origins = Origins::of(&layers);
        let figment = layers.into_iter().fold(Figment::new(), |figment, layer| figment.merge(layer));
        match figment.extract::<Self>() {
            Ok(config) => Ok(Self { origins, ..config }),
            Err(error) => Err(ConfigError::from_extraction(&error, &origins)),
        }
    }

    /// The error of a file or folder that `key` names, found out when it was to be used.
    pub fn unusable(
        &self,
        key: &str,
        path: &Path,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> ConfigError {
        let place = self.origins.place(key).unwrap_or(NOWHERE).to_owned();
        ConfigError::Unusable { key: key.to_owned(), place, path: path.to_owned(), source: source.into() }
    }

    /// Says that a value was given by a flag after everything was read, so that an error about it does not name a file.
    pub fn given_by_flag(&mut self, key: &str) {
        self.origins.set(key, FLAGS);
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

/// Hides name and password of a connection string, which may name several hosts and is no URL then, and whatever in its
/// query is no parameter as it should be: people put passwords there too.
fn mask_connection(raw: &str) -> String {
    let Some((scheme, rest)) = raw.split_once("://") else { return MASK.to_owned() };
    let (user, rest) = match rest.rsplit_once('@') {
        Some((_credentials, hosts)) => (format!("{MASK}@"), hosts),
        None => (String::new(), rest),
    };
    let Some((hosts, query)) = rest.split_once('?') else { return format!("{scheme}://{user}{rest}") };
    let shown: Vec<&str> = query.split('&').map(|pair| if is_shown(pair) { pair } else { MASK }).collect();
    format!("{scheme}://{user}{hosts}?{}", shown.join("&"))
}

/// Whether a pair of a query is empty, or a parameter without secrets whose value hides nothing behind it.
fn is_shown(pair: &str) -> bool {
    let Some((name, value)) = pair.split_once('=') else { return pair.is_empty() };
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | '~' | '/' | '%' | '+');
    PARAMETERS.iter().any(|known| known.eq_ignore_ascii_case(name)) && value.chars().all(is_plain)
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
    /// A file or folder that a key names and that is of no use.
    #[error("configuration key `{key}` in {place} names `{}`, which cannot be used", .path.display())]
    Unusable {
        /// The key.
        key: String,
        /// The source it came from.
        place: String,
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The master key that was made in the data folder is of no use.
    #[error("the master key in the data folder, `{}`, cannot be used", .path.display())]
    MasterKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: KeyError,
    },
}

impl ConfigError {
    /// The key that is wrong, as it was written; none where a whole source is.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Read { .. } | Self::Syntax { .. } | Self::MasterKey { .. } => None,
            Self::UnknownKey { key, .. } | Self::Invalid { key, .. } | Self::Unusable { key, .. } => Some(key),
        }
    }

    fn from_extraction(error: &figment::Error, origins: &Origins) -> Self {
        let mut path = error.path.clone();
        if let Kind::MissingField(field) = &error.kind {
            path.push(field.clone().into_owned());
        }
        let key = path.join(".");
        // A value that is missing came from nowhere; what it is missing in did not.
        let place = match &error.metadata {
            Some(metadata) => metadata.name.clone().into_owned(),
            None => origins.place(&key).unwrap_or(NOWHERE).to_owned(),
        };
        match &error.kind {
            Kind::UnknownField(_, expected) => Self::UnknownKey { key, place, expected: expected.join(", ") },
            Kind::MissingField(_) => Self::Invalid { key, place, reason: "is missing".to_owned() },
            other => Self::Invalid { key, place, reason: format!("is not usable: {other}") },
        }
    }
}
