//! The data folders of the three councils: made once, used again, and no other folder touched.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use chrono::{SubsecRound as _, TimeDelta};
use cross_border::partner::{PartnerId, Place};
use cross_border::peer::{Peer, Transport};
use cross_border::trust::{KEY_FILE_SUFFIX, KeyId, KeyRing, PrivateKey, SigningKey, SuiteName, VerifyingKey};
use event_log::durable::{self, Access};
use serde::{Deserialize, Serialize};

use super::place::council;
use crate::auth::DevKey;
use crate::commands::demo::MARKER as OTHER_DEMO;
use crate::commands::path_error::at;
use crate::commands::{Failure, init};
use crate::config::{Config, CouncilConfig, PartnerConfig, VaultConfig};
use crate::data_dir::DataDir;
use crate::partner::GRAPHQL_PATH;

/// Says that a demo of councils made the folder, and how often it was played in.
const MARKER: &str = "councils.json";
/// The folder of the councils' folders.
const COUNCILS: &str = "councils";
/// Days that a signing key of the demo holds.
const KEY_DAYS: i64 = 400;
/// Local clients may ask as often as they like.
const REQUESTS_PER_SECOND: u32 = 100_000;
/// How long a node that stops waits for what is under way.
const GRACE_MS: u64 = 2_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Marker {
    runs: u32,
}

/// Takes the folder for one more run; answers the number of the run, from 1.
///
/// # Errors
/// The folder holds something else, or cannot be written.
pub(super) fn claim(root: &Path) -> Result<u32, Failure> {
    let path = root.join(MARKER);
    let before = match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice::<Marker>(&bytes).map_err(at(&path, "counts no runs"))?.runs,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            check_free(root)?;
            0
        }
        Err(error) => return Err(at(&path, "cannot be read")(error)),
    };
    let run = before.saturating_add(1);
    fs::create_dir_all(root).map_err(at(root, "cannot be made"))?;
    let marker = serde_json::to_vec_pretty(&Marker { runs: run })?;
    durable::write(&path, &marker, Access::Usual).map_err(at(&path, "cannot be written"))?;
    Ok(run)
}

/// What the demo of one node made may lie beside; anything else may not.
fn check_free(root: &Path) -> Result<(), Failure> {
    let dir = DataDir::new(root);
    let holds_data = [dir.log_path(), dir.vault_path(), dir.models_path(), dir.index_path(), dir.master_key_path()]
        .iter()
        .any(|file| file.exists());
    if root.join(COUNCILS).exists() || (holds_data && !root.join(OTHER_DEMO).exists()) {
        let root = root.display();
        return Err(format!("{root} holds data that no demo of councils made; name another folder with --data").into());
    }
    Ok(())
}

/// The data folder of a council.
pub(super) fn folder(root: &Path, place: Place) -> PathBuf {
    root.join(COUNCILS).join(place.code().to_ascii_lowercase())
}

/// Makes what a council's folder lacks: log, vault, units, a development key, a signing key. Answers the keys that the
/// other councils check its signatures with.
///
/// # Errors
/// The folder cannot be written.
pub(super) async fn prepare(root: &Path, base: &Config, place: Place) -> Result<Vec<VerifyingKey>, Failure> {
    let dir = DataDir::new(&folder(root, place));
    let config = own_sections(base, place);
    Box::pin(init::prepare(&dir, &config, true, true)).await?;
    DevKey::load_or_create(dir.root())?;
    keys(&config.council.keys_dir(dir.root()), &config.council.id)
}

/// The public halves of a council's keys, a new one among them when the newest is about to end.
fn keys(folder: &Path, id: &PartnerId) -> Result<Vec<VerifyingKey>, Failure> {
    fs::create_dir_all(folder).map_err(at(folder, "cannot be made"))?;
    let now = crate::clock::now().trunc_subsecs(0);
    let mut ring = KeyRing::read_dir(folder)?;
    if ring.active(now + TimeDelta::days(1)).is_none() {
        let number = ring.keys().len() + 1;
        let key = SigningKey {
            id: KeyId::parse(&format!("{id}:demo-{number}"))?,
            private: PrivateKey::generate(SuiteName::Ed25519Sha256)?,
            not_before: now - TimeDelta::days(1),
            not_after: now + TimeDelta::days(KEY_DAYS),
        };
        key.write_new(&folder.join(format!("demo-{number}{KEY_FILE_SUFFIX}")))?;
        ring = KeyRing::read_dir(folder)?;
    }
    Ok(ring.keys().iter().map(SigningKey::verifying).collect())
}

/// The configuration of a council's node, with the two others as its partners.
pub(super) fn configuration(
    base: &Config,
    place: Place,
    addrs: &BTreeMap<Place, SocketAddr>,
    keys: &BTreeMap<Place, Vec<VerifyingKey>>,
) -> Config {
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut config = own_sections(base, place);
    config.server.listen = addrs.get(&place).copied().unwrap_or(any_port);
    config.server.admin_listen = any_port;
    config.server.shutdown_grace_ms = GRACE_MS;
    config.limits.requests_per_second = REQUESTS_PER_SECOND;
    config.limits.burst = REQUESTS_PER_SECOND;
    config.projections.poll_ms = 50;
    config.partner.peers = addrs
        .iter()
        .filter(|(peer, _)| **peer != place)
        .map(|(peer, addr)| Peer {
            id: council(*peer).id.clone(),
            endpoint: Some(format!("http://{addr}{GRAPHQL_PATH}")),
            transport: Transport::Push,
            pull: false,
            keys: keys.get(peer).cloned().unwrap_or_default(),
            certificates: Vec::new(),
            server_ca_file: None,
            // They never leave this machine.
            allow_private_address: true,
            allow_plain_http: true,
        })
        .collect();
    config
}

/// What of the configuration is a council's own: whoever configured a node of theirs did not mean these three.
///
/// What waits for minutes elsewhere waits for a moment here, so that there is something to see.
fn own_sections(base: &Config, place: Place) -> Config {
    let mut config = base.clone();
    config.vault = VaultConfig::default();
    config.council = CouncilConfig { id: council(place).id.clone(), ..CouncilConfig::default() };
    config.partner = PartnerConfig {
        requests_per_minute: REQUESTS_PER_SECOND,
        timeout_ms: 5_000,
        lease_ms: 10_000,
        base_ms: 100,
        max_ms: 2_000,
        breaker_open_ms: 500,
        poll_ms: 500,
        sweep_ms: 500,
        ..PartnerConfig::default()
    };
    config
}

#[cfg(test)]
mod tests {
    use super::super::place::PLACES;
    use super::*;

    #[test]
    fn a_folder_is_used_again_with_new_numbers_and_what_others_made_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("new");
        assert_eq!((claim(&root).unwrap(), claim(&root).unwrap()), (1, 2));
        for taken in ["log.sqlite", "vault.sqlite", "read-models.sqlite", "referrals.sqlite", "master.key", COUNCILS] {
            let root = folder.path().join(format!("with-{taken}"));
            fs::create_dir(&root).unwrap();
            fs::write(root.join(taken), b"x").unwrap();
            let refused = claim(&root).unwrap_err().to_string();
            assert!(refused.contains("name another folder with --data"), "{refused}");
            assert!(!root.join(MARKER).exists());
        }
        let beside = folder.path().join("beside");
        fs::create_dir(&beside).unwrap();
        fs::write(beside.join("log.sqlite"), b"x").unwrap();
        fs::write(beside.join(OTHER_DEMO), b"{}").unwrap();
        assert_eq!(claim(&beside).unwrap(), 1);
    }

    #[test]
    fn keys_are_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let id = council(Place::HongKong).id.clone();
        let made = keys(folder.path(), &id).unwrap();
        assert_eq!(made.len(), 1);
        assert_eq!(keys(folder.path(), &id).unwrap(), made);
        assert!(made[0].is_valid_at(crate::clock::now()));
    }

    #[test]
    fn every_node_knows_the_two_others_and_nobody_else() {
        let addrs: BTreeMap<Place, SocketAddr> =
            PLACES.into_iter().zip(4_000_u16..).map(|(at, port)| (at, ([127, 0, 0, 1], port).into())).collect();
        for place in PLACES {
            let folder = tempfile::tempdir().unwrap();
            let made = keys(folder.path(), &council(place).id).unwrap();
            let keys: BTreeMap<_, _> =
                PLACES.into_iter().filter(|at| *at == place).map(|at| (at, made.clone())).collect();
            for node in PLACES {
                let config = configuration(&Config::default(), node, &addrs, &keys);
                config.validate().unwrap();
                assert_eq!(config.server.listen, addrs[&node]);
                assert_eq!(config.partner.peers.len(), 2);
                assert!(config.partner.peers.iter().all(|peer| peer.id != config.council.id));
                let known = config.partner.peers.iter().flat_map(|peer| &peer.keys).count();
                assert_eq!(known, usize::from(node != place));
            }
        }
    }
}
