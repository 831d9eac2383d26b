//! What the sections `vault` and `vault_node` must satisfy, and what in them looks like a mistake.

use rustls::pki_types::ServerName;

use super::{Faults, Rule, Warning, chosen, http_url, invalid, is_this_machine};
use crate::config::origins::Fault;
use crate::config::{Config, LogEngine, VaultConfig, VaultNodeConfig, VaultRole};

/// Checks both sections.
pub(super) fn check(config: &Config, faults: &mut Faults) {
    client(&config.vault, faults);
    node(&config.vault_node, faults);
}

fn client(vault: &VaultConfig, faults: &mut Faults) {
    faults.within("vault.timeout_ms", vault.timeout_ms, 10..=60_000);
    faults.within("vault.refresh_ms", vault.refresh_ms, 100..=60_000);
    // Shorter, and one question that the vault node and its standby answer slowly would empty the memory.
    let least = vault.refresh_ms.saturating_add(vault.timeout_ms.saturating_mul(2));
    faults.within("vault.stale_after_ms", vault.stale_after_ms, least..=600_000);
    if vault.standby.is_some() && vault.url.is_none() {
        faults.refuse("vault.standby", "is of no use without vault.url");
    }
    if vault.url.is_some() && vault.url == vault.standby {
        faults.refuse("vault.standby", "is the same as vault.url");
    }
    let files = [
        ("vault.ca_file", vault.ca_file.is_some()),
        ("vault.cert_file", vault.cert_file.is_some()),
        ("vault.key_file", vault.key_file.is_some()),
    ];
    faults.keep(address("vault.url", vault.url.as_deref(), files));
    faults.keep(address("vault.standby", vault.standby.as_deref(), files));
}

fn node(node: &VaultNodeConfig, faults: &mut Faults) {
    faults.within("vault_node.standby_timeout_ms", node.standby_timeout_ms, 10..=60_000);
    if node.listen == node.admin_listen && node.listen.port() != 0 {
        faults.refuse_beside("vault_node.admin_listen", "vault_node.listen", "is the same as vault_node.listen");
    }
    let files = [
        ("vault_node.client_ca_file", node.client_ca_file.is_some()),
        ("vault_node.cert_file", node.cert_file.is_some()),
        ("vault_node.key_file", node.key_file.is_some()),
    ];
    let some = files.iter().any(|(_, is_set)| *is_set);
    if let Some((key, _)) = files.iter().find(|(_, is_set)| some && !is_set) {
        faults.refuse(key, "is missing: certificate, key and authority are of no use without one another");
    }
    if !some && !node.listen.ip().is_loopback() {
        let reason = "is missing, and vault_node.listen can be reached by other machines: both sides must show a \
                      certificate, or anybody destroys keys";
        faults.refuse_beside("vault_node.client_ca_file", "vault_node.listen", reason);
    }
    if node.role == VaultRole::Standby && node.standby.is_some() {
        faults.refuse("vault_node.standby", "is set, and this vault node is a standby itself");
    }
    faults.keep(address("vault_node.standby", node.standby.as_deref(), files));
    mirror_clients(node, some, faults);
}

/// Checks the names of those whom a standby believes. The primary may have them too: it is a standby some day.
fn mirror_clients(node: &VaultNodeConfig, has_certificates: bool, faults: &mut Faults) {
    let key = "vault_node.mirror_clients";
    if let Some(name) = node.mirror_clients.iter().find(|name| ServerName::try_from(name.as_str()).is_err()) {
        faults.refuse(key, format!("holds `{name}`, which is no name of a host and no address"));
    }
    if node.role == VaultRole::Standby && has_certificates && node.mirror_clients.is_empty() {
        faults.refuse(key, "is empty, so that nobody may bring this standby keys: name its primary's certificate");
    }
    if !has_certificates && !node.mirror_clients.is_empty() {
        faults.refuse(key, "is of no use without certificates: on this machine alone nobody is asked for a name");
    }
}

/// Checks the address of a vault node, which is spoken to with certificates unless it is on this machine.
fn address(key: &'static str, raw: Option<&str>, files: [(&'static str, bool); 3]) -> Result<(), Fault> {
    let Some(raw) = raw else { return Ok(()) };
    let url = http_url(key, raw)?;
    let has_more = url.path() != "/" || url.query().is_some() || url.fragment().is_some();
    if has_more || !url.username().is_empty() || url.password().is_some() {
        return Err(invalid(key, "has more than scheme, host and port"));
    }
    if url.scheme() != "https" {
        if is_this_machine(&url) {
            return Ok(());
        }
        return Err(invalid(key, "must be https: in clear, anybody on the way could destroy keys"));
    }
    match files.iter().find(|(_, is_set)| !is_set) {
        Some((file, _)) => Err(invalid(file, format!("is missing, without which {key} cannot be reached"))),
        None => Ok(()),
    }
}

pub(super) fn warnings(config: &Config) -> Vec<Warning> {
    let (vault, node) = (&config.vault, &config.vault_node);
    let some_file = [&vault.ca_file, &vault.cert_file, &vault.key_file].iter().any(|file| file.is_some());
    let table: [Rule; 4] = [
        (
            config.log.engine == LogEngine::EventStoreDb && vault.url.is_none(),
            &["vault.url", "log.engine"],
            "the keys lie in this node's data folder: no other node can open what this one seals, nor the reverse",
        ),
        (
            vault.url.is_none() && some_file,
            &["vault.ca_file", "vault.cert_file", "vault.key_file", "vault.url"],
            "none of these files is used without vault.url",
        ),
        (
            node.standby.is_some() && !node.standby_required,
            &["vault_node.standby_required"],
            "keys may be made that the standby does not have: if this vault node is lost then, what they seal is lost",
        ),
        (
            !node.admin_listen.ip().is_loopback(),
            &["vault_node.admin_listen"],
            "other machines can read the metrics, which are not authenticated",
        ),
    ];
    chosen(&table)
}
