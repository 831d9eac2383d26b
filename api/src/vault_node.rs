//! The vault node: keeps the keys of several nodes, and destroys them physically within a stated time.
//!
//! Why there is one, what travels, and what is promised stands in [`event_log::vault`]. This is how it is run.
//!
//! # Setting it up
//!
//! 1. An authority for this alone issues a certificate to each vault node (with its host name) and to each node of the
//!    API. Whoever has one can destroy keys, and none can be opened with it: the master key is on the nodes of the API
//!    only. Two secrets, two places.
//! 2. `baycase vault --data DIR --create` on the standby first, with `vault_node.role = "standby"` and a name of the
//!    primary's certificate in `vault_node.mirror_clients`, then on the primary with `vault_node.standby` naming it.
//!    `--create` is for the first start only: later on a folder without a vault is a mistake, and an empty vault beside
//!    an old log would make everybody in it unreadable.
//! 3. `vault.url`, `vault.standby` and the certificates on each node of the API, then `baycase init` on one of them: it
//!    registers the check value of the master key. A node with another master key is refused when it starts.
//!
//! An installation of one node becomes one of several by moving its `vault.sqlite`, while nothing runs, into the folder
//! of the vault node. Moved, and not copied: a copy that stays behind keeps keys that are destroyed from then on.
//!
//! # What the two vault nodes do
//!
//! A key that is made is on both disks before anybody learns of it. While the standby does not answer, keys that exist
//! are found, none is made (`UNAVAILABLE` for new filings), and a destruction is carried out and answered with an error
//! that says to repeat it; `vault_node.standby_required = false` makes keys all the same, which then exist once. When
//! the standby is back, both files are brought together by themselves, in both directions; what was destroyed anywhere
//! is destroyed everywhere. `vault_node_in_step` in the metrics of both says whether that is so.
//!
//! While the primary does not answer, nodes read from the standby, and nothing is made or destroyed.
//!
//! # Promoting the standby
//!
//! When the primary is lost, a person decides:
//!
//! 1. See that the old primary is down and stays down. Two primaries part for ever.
//! 2. On the standby set `vault_node.role = "primary"`, take care that `vault_node.standby` is unset or names a new
//!    standby, which names it in its `vault_node.mirror_clients`, and start it again.
//! 3. On each node of the API name it in `vault.url`, take it out of `vault.standby`, and start the node again.
//! 4. The old primary comes back with `vault_node.role = "standby"`, named in `vault_node.standby` of the new one, and
//!    is brought in step. Whatever was being destroyed when it was lost is destroyed once more by whoever had asked.
//!
//! To go on without a standby, take `vault.standby` out on every node of the API and stop the standby, before
//! `vault_node.standby` is taken out of the primary: a standby that nobody feeds must not be read from, for it keeps
//! what is destroyed from then on.
//!
//! # Backups
//!
//! `baycase backup --without-log --data DIR --to COPY` on the folder of a vault node, while it runs, and after the log
//! was copied: a vault that is copied later has every key that the copied events need. A destruction that comes
//! meanwhile may answer that a reader holds back pages; it is repeated like any other.
//!
//! Where a restored backup is one of two vault nodes, the other one destroys in it what was destroyed since, before it
//! counts as in step. Where it is the only one, whoever was erased since must be erased once more.

pub mod node;
pub mod remote;
pub mod server;

mod gate;
mod link;
mod mirror;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;

use event_log::vault::{MasterKey, SharedOptions, SubjectVault};

pub use self::link::LinkError;

use self::remote::{RemoteKeys, RemoteOptions};
use crate::commands::Failure;
use crate::config::VaultConfig;
use crate::metrics::Metrics;
use crate::partner::tls::TlsFiles;

/// Opens the vault whose keys are on the vault node at `url`; with `create` a vault node that knows no master key yet
/// learns this one.
///
/// # Errors
/// The vault node does not answer, knows no master key or another one, or the certificates cannot be used.
pub fn open(config: &VaultConfig, url: &str, master: MasterKey, create: bool) -> Result<SubjectVault, Failure> {
    let files = match (&config.cert_file, &config.key_file, &config.ca_file) {
        (Some(certificate), Some(key), Some(authority)) => {
            Some(TlsFiles { certificate: certificate.clone(), key: key.clone(), client_ca: authority.clone() })
        }
        // The configuration allows this towards this machine alone.
        _ => None,
    };
    let (url, standby) = (url.to_owned(), config.standby.clone());
    let keys = Arc::new(RemoteKeys::start(&RemoteOptions { url, standby, files, timeout: config.timeout() })?);
    let options = SharedOptions {
        create,
        refresh: config.refresh(),
        stale_after: config.stale_after(),
        ..SharedOptions::new(Arc::new(crate::clock::now))
    };
    Ok(SubjectVault::over(keys, master, options)?)
}

/// How the vault of a node of the API fares, for those who watch its metrics.
pub fn observe(metrics: &Metrics, vault: &Arc<SubjectVault>) {
    let number = |name, description, read: fn(&SubjectVault) -> u64| {
        let vault = Arc::clone(vault);
        metrics.observe_number(name, description, move || read(&vault));
    };
    number("vault_fresh", "1 while destroyed keys are known and keys may be kept in memory", |vault| {
        u64::from(vault.stats().fresh)
    });
    number("vault_refreshes", "Answers to the question which keys were destroyed", |vault| vault.stats().refreshes);
    number("vault_refresh_failures", "Questions for destroyed keys without an answer", |vault| {
        vault.stats().refresh_failures
    });
    number("vault_drops", "Times that all keys left the memory for want of an answer", |vault| vault.stats().drops);
}
