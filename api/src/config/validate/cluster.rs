//! What the sections `log.eventstore` and `node` must satisfy, and what in them looks like a mistake.

use std::sync::Arc;

use event_log::eventstore::EventStoreOptions;
use event_log::port::LogFault;

use super::{Faults, Rule, Warning, chosen, invalid};
use crate::config::origins::Fault;
use crate::config::{Config, EventStoreConfig, LogEngine, NODE_NAME_CHARS_MAX, NodeConfig};

/// How a connection string begins: one node, or a name behind which all of them are found.
const SCHEMES: [&str; 2] = ["esdb://", "esdb+discover://"];
const CONNECTION: &str = "log.eventstore.connection";

/// Checks both sections.
pub(super) fn check(config: &Config, faults: &mut Faults) {
    let cluster = &config.log.eventstore;
    if config.log.engine == LogEngine::EventStoreDb && cluster.connection.is_none() {
        let reason = "is missing, and log.engine is `eventstoredb`: name the cluster, as in esdb+discover://host:2113";
        faults.refuse_beside(CONNECTION, "log.engine", reason);
    }
    eventstore(cluster, faults);
    node(&config.node, faults);
}

fn eventstore(cluster: &EventStoreConfig, faults: &mut Faults) {
    faults.within("log.eventstore.timeout_ms", cluster.timeout_ms, 100..=600_000);
    if let Some(connection) = &cluster.connection {
        faults.keep(connection_string(connection).and_then(|()| read(cluster, connection)));
    }
    if cluster.user.as_ref().is_some_and(|user| user.trim().is_empty()) {
        faults.refuse("log.eventstore.user", "is empty");
    }
    if cluster.password_file.is_some() && cluster.user.is_none() {
        faults.refuse("log.eventstore.password_file", "is of no use without log.eventstore.user");
    }
    if cluster.client_cert_file.is_some() != cluster.client_key_file.is_some() {
        let (certificate, key) = ("log.eventstore.client_cert_file", "log.eventstore.client_key_file");
        faults.refuse_beside(certificate, key, "and log.eventstore.client_key_file are of no use alone");
    }
}

fn connection_string(connection: &str) -> Result<(), Fault> {
    let Some(rest) = SCHEMES.iter().find_map(|scheme| connection.strip_prefix(scheme)) else {
        return Err(invalid(CONNECTION, "does not begin with `esdb://` or `esdb+discover://`"));
    };
    let hosts = rest.split(['/', '?']).next().unwrap_or_default();
    if hosts.is_empty() {
        return Err(invalid(CONNECTION, "names no host"));
    }
    if hosts.contains('@') {
        let reason = "holds a name and a password: put the name into log.eventstore.user, and the password into a \
                      file (log.eventstore.password_file) or into BAYCASE_EVENTSTORE_PASSWORD";
        return Err(invalid(CONNECTION, reason));
    }
    Ok(())
}

/// Has the string read by the store itself, so that nothing is let pass here that a server does not start with.
fn read(cluster: &EventStoreConfig, connection: &str) -> Result<(), Fault> {
    let options = EventStoreOptions {
        ca_file: cluster.ca_file.clone(),
        client_cert: cluster.client_cert_file.clone().zip(cluster.client_key_file.clone()),
        ..EventStoreOptions::new(connection.to_owned(), Arc::new(crate::clock::now))
    };
    options.check().map_err(|fault| match fault {
        LogFault::Settings { what } => invalid(CONNECTION, format!("cannot be used: {what}")),
        other => invalid(CONNECTION, format!("cannot be used: {other}")),
    })
}

fn node(node: &NodeConfig, faults: &mut Faults) {
    // A third of it passes between two renewals, and each of them is an append.
    faults.within("node.lease_ttl_ms", node.lease_ttl_ms, 300..=600_000);
    if node.name.as_ref().is_some_and(|name| !is_name(name)) {
        let reason = format!("is not 1 to {NODE_NAME_CHARS_MAX} letters, digits, hyphens, underscores and dots");
        faults.refuse("node.name", reason);
    }
}

pub(super) fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= NODE_NAME_CHARS_MAX && name.chars().all(allowed)
}

pub(super) fn warnings(config: &Config) -> Vec<Warning> {
    let is_cluster = config.log.engine == LogEngine::EventStoreDb;
    let cluster = &config.log.eventstore;
    let says_no = |name: &str| is_cluster && cluster.connection.as_deref().is_some_and(|text| is_false(text, name));
    let table: [Rule; 4] = [
        (
            !is_cluster && cluster.connection.is_some(),
            &["log.eventstore.connection", "log.engine"],
            "the cluster is not used: the log is the file in the data folder",
        ),
        (
            is_cluster && config.node.evidence_dir.is_none(),
            &["node.evidence_dir", "log.engine"],
            "each node keeps the files of evidence that come to it for itself: name a folder that all of them share",
        ),
        (says_no("tls"), &["log.eventstore.connection"], "events, and the password, go to the cluster in clear"),
        (
            says_no("tlsVerifyCert") && !says_no("tls"),
            &["log.eventstore.connection"],
            "events, and the password, go to whoever passes for the cluster, as good as in clear: nobody looks at its \
             certificate",
        ),
    ];
    chosen(&table)
}

/// Whether a parameter of the connection string is switched off. Names count in whatever case.
fn is_false(connection: &str, name: &str) -> bool {
    let query = connection.split_once('?').map_or("", |(_, query)| query);
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.any(|(found, value)| found.eq_ignore_ascii_case(name) && value.eq_ignore_ascii_case("false"))
}
