//! What a typed configuration must still satisfy, and what is allowed but looks like a mistake.

mod cluster;
mod exchange;
mod vault;

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use cross_border::partner::Partner;
use projections::PAGE_ROWS_MAX;
use reqwest::Url;
use tracing_subscriber::EnvFilter;

use super::{AuthConfig, Config, ConfigError, GraphqlConfig, LogConfig, ServerConfig};

/// Whether a text can be a node's name: it stands in leases, in metrics and in the log.
#[must_use]
pub fn is_node_name(name: &str) -> bool {
    cluster::is_name(name)
}

/// Two settings that contradict each other, or one that is dangerous; the program runs all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The keys concerned.
    pub keys: &'static [&'static str],
    /// What will happen.
    pub text: &'static str,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.keys.join(", "), self.text)
    }
}

impl Config {
    /// Checks every limit and every relation between keys.
    pub fn validate(&self) -> Result<Vec<Warning>, ConfigError> {
        validate_server(&self.server)?;
        validate_graphql(&self.graphql)?;
        validate_log(&self.log)?;
        validate_auth(&self.auth)?;
        self.validate_projections()?;
        self.validate_telemetry()?;
        within("limits.requests_per_second", self.limits.requests_per_second, 1..=1_000_000)?;
        within("limits.burst", self.limits.burst, 1..=1_000_000)?;
        cluster::check(self)?;
        vault::check(self)?;
        exchange::check(self)?;

        let mut warnings = self.warnings_of_auth();
        warnings.extend(self.warnings_of_limits());
        warnings.extend(cluster::warnings(self));
        warnings.extend(vault::warnings(self));
        warnings.extend(exchange::warnings(&self.partner));
        Ok(warnings)
    }

    /// The council that this node is, as the register holds it.
    ///
    /// # Errors
    /// The register does not hold it, or its region is not in its place.
    pub fn own_council(&self) -> Result<&'static Partner, ConfigError> {
        exchange::own(self)
    }

    fn validate_projections(&self) -> Result<(), ConfigError> {
        let projections = &self.projections;
        within("projections.batch_events_max", projections.batch_events_max, 1..=100_000)?;
        within("projections.poll_ms", projections.poll_ms, 10..=60_000)?;
        within("projections.cache_mib", projections.cache_mib, 1..=16_384)
    }

    fn validate_telemetry(&self) -> Result<(), ConfigError> {
        let telemetry = &self.telemetry;
        within("telemetry.sample_ratio_ppm", telemetry.sample_ratio_ppm, 0..=1_000_000)?;
        if telemetry.service_name.trim().is_empty() {
            return Err(invalid("telemetry.service_name", "is empty"));
        }
        if let Err(error) = EnvFilter::try_new(&telemetry.filter) {
            return Err(invalid("telemetry.filter", error.to_string()));
        }
        match &telemetry.otlp_endpoint {
            Some(endpoint) => http_url("telemetry.otlp_endpoint", endpoint).map(drop),
            None => Ok(()),
        }
    }

    fn warnings_of_auth(&self) -> Vec<Warning> {
        let auth = &self.auth;
        let has_issuer_keys = auth.jwks_file.is_some() || auth.jwks_url.is_some();
        let table: [Rule; 5] = [
            (
                auth.jwks_file.is_some() && auth.jwks_url.is_some(),
                &["auth.jwks_file", "auth.jwks_url"],
                "both are set; the file is used and the address is ignored",
            ),
            (
                auth.dev && has_issuer_keys,
                &["auth.dev", "auth.jwks_file", "auth.jwks_url"],
                "tokens of the development key are accepted beside those of the issuer",
            ),
            (
                auth.dev && !self.server.listen.ip().is_loopback(),
                &["auth.dev", "server.listen"],
                "the development key opens a server that other machines can reach",
            ),
            (
                !has_issuer_keys && (auth.issuer.is_some() || auth.audience.is_some()),
                &["auth.issuer", "auth.audience"],
                "neither is used without auth.jwks_file or auth.jwks_url",
            ),
            (
                !self.server.admin_listen.ip().is_loopback(),
                &["server.admin_listen"],
                "other machines can read the metrics, which are not authenticated",
            ),
        ];
        chosen(&table)
    }

    fn warnings_of_limits(&self) -> Vec<Warning> {
        let telemetry = &self.telemetry;
        let table: [Rule; 4] = [
            (
                self.graphql.document_bytes_max > self.server.body_bytes_max,
                &["graphql.document_bytes_max", "server.body_bytes_max"],
                "the longest document does not fit in the largest body",
            ),
            (
                self.limits.burst < self.limits.requests_per_second,
                &["limits.burst", "limits.requests_per_second"],
                "a burst smaller than the rate of one second refuses steady clients",
            ),
            (
                self.server.shutdown_grace_ms < self.server.request_timeout_ms,
                &["server.shutdown_grace_ms", "server.request_timeout_ms"],
                "slow requests may be cut off when the server stops",
            ),
            (
                telemetry.otlp_endpoint.is_some() && telemetry.sample_ratio_ppm == 0,
                &["telemetry.otlp_endpoint", "telemetry.sample_ratio_ppm"],
                "no trace that begins here is sent",
            ),
        ];
        chosen(&table)
    }
}

/// Whether to warn, of which keys, and what.
type Rule = (bool, &'static [&'static str], &'static str);

fn chosen(table: &[Rule]) -> Vec<Warning> {
    table.iter().filter(|(applies, ..)| *applies).map(|&(_, keys, text)| Warning { keys, text }).collect()
}

fn validate_server(server: &ServerConfig) -> Result<(), ConfigError> {
    within("server.request_timeout_ms", server.request_timeout_ms, 1..=600_000)?;
    within("server.shutdown_grace_ms", server.shutdown_grace_ms, 0..=600_000)?;
    within("server.body_bytes_max", server.body_bytes_max, 1_024..=64 * 1024 * 1024)?;
    within("server.subscriptions_max", server.subscriptions_max, 1..=1_000_000)?;
    if server.listen == server.admin_listen && server.listen.port() != 0 {
        return Err(invalid("server.admin_listen", "is the same as server.listen"));
    }
    Ok(())
}

fn validate_graphql(graphql: &GraphqlConfig) -> Result<(), ConfigError> {
    within("graphql.document_bytes_max", graphql.document_bytes_max, 256..=1024 * 1024)?;
    within("graphql.depth_max", graphql.depth_max, 1..=100)?;
    within("graphql.fields_max", graphql.fields_max, 1..=100_000)?;
    within("graphql.aliases_max", graphql.aliases_max, 0..=10_000)?;
    within("graphql.page_max", graphql.page_max, 1..=PAGE_ROWS_MAX)?;
    within("graphql.page_default", graphql.page_default, 1..=graphql.page_max)
}

fn validate_log(log: &LogConfig) -> Result<(), ConfigError> {
    within("log.batch_events_max", log.batch_events_max, 1..=65_536)?;
    within("log.batch_bytes_max", log.batch_bytes_max, 1_024..=256 * 1024 * 1024)?;
    within("log.readers", log.readers, 1..=64)?;
    within("log.queue_max", log.queue_max, 1..=1_048_576)
}

fn validate_auth(auth: &AuthConfig) -> Result<(), ConfigError> {
    within("auth.jwks_refresh_secs", auth.jwks_refresh_secs, 30..=86_400)?;
    within("auth.leeway_secs", auth.leeway_secs, 0..=300)?;
    for (key, value) in [("auth.issuer", &auth.issuer), ("auth.audience", &auth.audience)] {
        if value.as_ref().is_some_and(|text| text.trim().is_empty()) {
            return Err(invalid(key, "is empty"));
        }
    }
    if let Some(raw) = &auth.jwks_url {
        let url = http_url("auth.jwks_url", raw)?;
        if url.scheme() != "https" && !is_this_machine(&url) {
            return Err(invalid("auth.jwks_url", "must be https: keys fetched in clear could be anybody's"));
        }
    }
    Ok(())
}

fn within<T>(key: &str, value: T, range: RangeInclusive<T>) -> Result<(), ConfigError>
where
    T: PartialOrd + fmt::Display,
{
    if range.contains(&value) {
        return Ok(());
    }
    let (least, most) = range.into_inner();
    Err(invalid(key, format!("is {value}, not between {least} and {most}")))
}

fn http_url(key: &str, raw: &str) -> Result<Url, ConfigError> {
    match Url::parse(raw) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        Ok(_) => Err(invalid(key, "is neither an http nor an https address")),
        Err(error) => Err(invalid(key, format!("is not an address: {error}"))),
    }
}

fn is_this_machine(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn invalid(key: &str, reason: impl Into<String>) -> ConfigError {
    ConfigError::Invalid { key: key.to_owned(), place: "the configuration".to_owned(), reason: reason.into() }
}
