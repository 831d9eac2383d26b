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

use super::origins::Fault;
use super::{
    AuthConfig, Config, ConfigError, GraphqlConfig, LogConfig, ProjectionsConfig, ServerConfig, TelemetryConfig,
};

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
    /// Checks every limit and every relation between keys; answers what looks like a mistake.
    ///
    /// # Errors
    /// The first of [`Config::refused`].
    pub fn validate(&self) -> Result<Vec<Warning>, ConfigError> {
        if let Some(first) = self.refused().into_iter().next() {
            return Err(first);
        }
        let mut warnings = self.warnings_of_auth();
        warnings.extend(self.warnings_of_limits());
        warnings.extend(cluster::warnings(self));
        warnings.extend(vault::warnings(self));
        warnings.extend(exchange::warnings(&self.partner));
        Ok(warnings)
    }

    /// Every value that a server does not start with, each with its key and its source.
    #[must_use]
    pub fn refused(&self) -> Vec<ConfigError> {
        let mut faults = Faults::default();
        validate_server(&self.server, &mut faults);
        validate_graphql(&self.graphql, &mut faults);
        validate_log(&self.log, &mut faults);
        validate_auth(&self.auth, &mut faults);
        validate_projections(&self.projections, &mut faults);
        validate_telemetry(&self.telemetry, &mut faults);
        faults.within("limits.requests_per_second", self.limits.requests_per_second, 1..=1_000_000);
        faults.within("limits.burst", self.limits.burst, 1..=1_000_000);
        cluster::check(self, &mut faults);
        vault::check(self, &mut faults);
        exchange::check(self, &mut faults);
        faults.0.into_iter().map(|fault| self.origins.located(fault)).collect()
    }

    /// The council that this node is, as the register holds it.
    ///
    /// # Errors
    /// The register does not hold it, or its region is not in its place.
    pub fn own_council(&self) -> Result<&'static Partner, ConfigError> {
        exchange::own(self).map_err(|fault| self.origins.located(fault))
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
        let table: [Rule; 5] = [
            (
                usize::try_from(self.server.connections_max).is_ok_and(|most| most <= self.server.subscriptions_max),
                &["server.connections_max", "server.subscriptions_max"],
                "as many subscriptions as there may be take every connection, and nobody else is served",
            ),
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

/// What is refused so far.
#[derive(Debug, Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn refuse(&mut self, key: &'static str, reason: impl Into<String>) {
        self.0.push(invalid(key, reason));
    }

    /// A key that cannot stand as it is because of another one.
    fn refuse_beside(&mut self, key: &'static str, beside: &'static str, reason: impl Into<String>) {
        self.0.push(Fault { beside: Some(beside), ..invalid(key, reason) });
    }

    /// Keeps what a check refuses, and goes on.
    fn keep<T>(&mut self, checked: Result<T, Fault>) -> Option<T> {
        match checked {
            Ok(value) => Some(value),
            Err(fault) => {
                self.0.push(fault);
                None
            }
        }
    }

    fn within<T>(&mut self, key: &'static str, value: T, range: RangeInclusive<T>)
    where
        T: PartialOrd + fmt::Display,
    {
        if !range.contains(&value) {
            let (least, most) = range.into_inner();
            self.refuse(key, format!("is {value}, not between {least} and {most}"));
        }
    }
}

fn validate_server(server: &ServerConfig, faults: &mut Faults) {
    faults.within("server.request_timeout_ms", server.request_timeout_ms, 1..=600_000);
    faults.within("server.shutdown_grace_ms", server.shutdown_grace_ms, 0..=600_000);
    faults.within("server.body_bytes_max", server.body_bytes_max, 1_024..=64 * 1024 * 1024);
    faults.within("server.subscriptions_max", server.subscriptions_max, 1..=1_000_000);
    faults.within("server.header_timeout_seconds", server.header_timeout_seconds, 1..=600);
    faults.within("server.connections_max", server.connections_max, 1..=1_000_000);
    faults.within("server.connections_per_address_max", server.connections_per_address_max, 1..=1_000_000);
    if server.listen == server.admin_listen && server.listen.port() != 0 {
        faults.refuse_beside("server.admin_listen", "server.listen", "is the same as server.listen");
    }
}

fn validate_graphql(graphql: &GraphqlConfig, faults: &mut Faults) {
    faults.within("graphql.document_bytes_max", graphql.document_bytes_max, 256..=1024 * 1024);
    faults.within("graphql.depth_max", graphql.depth_max, 1..=100);
    faults.within("graphql.fields_max", graphql.fields_max, 1..=100_000);
    faults.within("graphql.aliases_max", graphql.aliases_max, 0..=10_000);
    faults.within("graphql.page_max", graphql.page_max, 1..=PAGE_ROWS_MAX);
    if !(1..=graphql.page_max).contains(&graphql.page_default) {
        let reason = format!("is {}, not between 1 and {} of graphql.page_max", graphql.page_default, graphql.page_max);
        faults.refuse_beside("graphql.page_default", "graphql.page_max", reason);
    }
}

fn validate_log(log: &LogConfig, faults: &mut Faults) {
    faults.within("log.batch_events_max", log.batch_events_max, 1..=65_536);
    faults.within("log.batch_bytes_max", log.batch_bytes_max, 1_024..=256 * 1024 * 1024);
    faults.within("log.readers", log.readers, 1..=64);
    faults.within("log.queue_max", log.queue_max, 1..=1_048_576);
}

fn validate_auth(auth: &AuthConfig, faults: &mut Faults) {
    faults.within("auth.jwks_refresh_secs", auth.jwks_refresh_secs, 30..=86_400);
    faults.within("auth.leeway_secs", auth.leeway_secs, 0..=300);
    for (key, value) in [("auth.issuer", &auth.issuer), ("auth.audience", &auth.audience)] {
        if value.as_ref().is_some_and(|text| text.trim().is_empty()) {
            faults.refuse(key, "is empty");
        }
    }
    let Some(raw) = &auth.jwks_url else { return };
    if let Some(url) = faults.keep(http_url("auth.jwks_url", raw))
        && url.scheme() != "https"
        && !is_this_machine(&url)
    {
        faults.refuse("auth.jwks_url", "must be https: keys fetched in clear could be anybody's");
    }
}

fn validate_projections(projections: &ProjectionsConfig, faults: &mut Faults) {
    faults.within("projections.batch_events_max", projections.batch_events_max, 1..=100_000);
    faults.within("projections.poll_ms", projections.poll_ms, 10..=60_000);
    faults.within("projections.cache_mib", projections.cache_mib, 1..=16_384);
}

fn validate_telemetry(telemetry: &TelemetryConfig, faults: &mut Faults) {
    faults.within("telemetry.sample_ratio_ppm", telemetry.sample_ratio_ppm, 0..=1_000_000);
    if telemetry.service_name.trim().is_empty() {
        faults.refuse("telemetry.service_name", "is empty");
    }
    if let Err(error) = EnvFilter::try_new(&telemetry.filter) {
        faults.refuse("telemetry.filter", format!("is no filter of logs: {error}"));
    }
    if let Some(endpoint) = &telemetry.otlp_endpoint {
        faults.keep(http_url("telemetry.otlp_endpoint", endpoint));
    }
}

fn http_url(key: &'static str, raw: &str) -> Result<Url, Fault> {
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

fn invalid(key: &'static str, reason: impl Into<String>) -> Fault {
    Fault { key, beside: None, reason: reason.into() }
}
