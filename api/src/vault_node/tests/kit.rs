//! Vault nodes in this process, each with a runtime of its own, and their clients.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::id::{FilingId, SubjectId};
use event_log::contract::fixture::{SOME_MICROS, moment, ticking_stamp};
use event_log::vault::file::FileKeys;
use event_log::vault::keys::{KeyRow, KeyStore as _, NewKey, StoredKey};
use event_log::vault::{MasterKey, OpenError, SharedOptions, SubjectVault};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::commands::Failure;
use crate::config::TelemetryConfig;
use crate::config::{VaultNodeConfig, VaultRole};
use crate::metrics::Metrics;
use crate::partner::tls::TlsFiles;
use crate::shutdown::Shutdown;
use crate::telemetry;
use crate::vault_node::node::VaultNode;
use crate::vault_node::remote::{RemoteKeys, RemoteOptions};
use crate::vault_node::server;
use crate::vault_node::wire::Fault;

pub(super) const MASTER: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub(super) const OTHER_MASTER: &str = "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// Long enough for the slowest machine; a test that takes longer hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// Longest time of one request: long for a machine under load, and short enough to wait for.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A vault node that serves a folder.
pub(super) struct Served {
    runtime: Runtime,
    shutdown: Shutdown,
    pub(super) node: Arc<VaultNode>,
    pub(super) addr: SocketAddr,
    is_tls: bool,
}

impl Served {
    /// Serves the vault in `folder`, made where there is none.
    pub(super) fn start(folder: &Path, config: &VaultNodeConfig) -> Self {
        Self::try_start(folder, config).unwrap()
    }

    /// The same, for what may be refused.
    pub(super) fn try_start(folder: &Path, config: &VaultNodeConfig) -> Result<Self, Failure> {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let shutdown = Shutdown::new();
        let node = server::open(&shutdown, &folder.join("vault.sqlite"), config, true).unwrap();
        let metrics = Metrics::new(telemetry::resource(&TelemetryConfig::default())).unwrap();
        let serving = server::serve(&shutdown, config, Arc::clone(&node), &metrics);
        let (addr, is_tls) = runtime.block_on(serving)?;
        Ok(Self { runtime, shutdown, node, addr, is_tls })
    }

    pub(super) fn url(&self) -> String {
        format!("{}://{}", if self.is_tls { "https" } else { "http" }, self.addr)
    }

    /// One round of keeping the standby in step.
    pub(super) fn step(&self) -> Result<(), Fault> {
        self.runtime.block_on(self.node.step())
    }

    /// Lets the node begin with what it is asked, and hangs up while its file is in use.
    pub(super) fn hang_up<T>(&self, asked: impl Future<Output = T>) {
        let keys = Arc::clone(self.node.keys());
        let (entered, is_entered) = mpsc::channel();
        let (leave, may_leave) = mpsc::channel::<()>();
        let using = std::thread::spawn(move || {
            let hold = |_destroyed| {
                entered.send(()).unwrap();
                // Ends when the other side is dropped.
                may_leave.recv().unwrap_err();
            };
            keys.merge_telling(&[], hold).unwrap();
        });
        is_entered.recv().unwrap();
        let asked = self.runtime.block_on(async { tokio::time::timeout(Duration::ZERO, asked).await });
        assert!(asked.is_err(), "it was answered");
        drop(leave);
        using.join().unwrap();
    }

    /// Stops, and answers where it was.
    pub(super) fn stop(self) -> SocketAddr {
        self.runtime.block_on(self.shutdown.drain(PATIENCE)).unwrap();
        self.addr
    }

    /// What the file of this node has for a subject, asked without a network.
    pub(super) fn has(&self, subject: SubjectId) -> Option<StoredKey> {
        self.node.keys().find(&[subject]).unwrap().given.remove(0)
    }

    /// Every row of the file.
    pub(super) fn rows(&self) -> Vec<KeyRow> {
        self.node.keys().rows_after(None, 100_000).unwrap()
    }
}

/// Any free port of this machine.
pub(super) fn config() -> VaultNodeConfig {
    VaultNodeConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        standby_timeout_ms: 10_000,
        ..VaultNodeConfig::default()
    }
}

pub(super) fn standby_config() -> VaultNodeConfig {
    VaultNodeConfig { role: VaultRole::Standby, ..config() }
}

/// A primary with its standby, in a folder each.
pub(super) struct Pair {
    pub(super) folders: [TempDir; 2],
    pub(super) primary: Served,
    pub(super) standby: Served,
}

impl Pair {
    pub(super) fn start() -> Self {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let standby = Served::start(folders[1].path(), &standby_config());
        let primary = Served::start(folders[0].path(), &primary_config(&standby));
        Self { folders, primary, standby }
    }

    /// A node that reads from both.
    pub(super) fn client(&self) -> RemoteKeys {
        remote(&self.primary.url(), Some(&self.standby.url()), None)
    }
}

/// The configuration of the primary of a standby.
pub(super) fn primary_config(standby: &Served) -> VaultNodeConfig {
    VaultNodeConfig { standby: Some(standby.url()), ..config() }
}

pub(super) fn remote(url: &str, standby: Option<&str>, files: Option<TlsFiles>) -> RemoteKeys {
    let standby = standby.map(str::to_owned);
    RemoteKeys::start(&RemoteOptions { url: url.to_owned(), standby, files, timeout: TIMEOUT }).unwrap()
}

/// A vault over a store, without threads of its own.
pub(super) fn vault(keys: RemoteKeys, master: &str, create: bool) -> Result<SubjectVault, OpenError> {
    let options = SharedOptions { create, background: false, ..SharedOptions::new(ticking_stamp()) };
    SubjectVault::over(Arc::new(keys), MasterKey::from_env_value(master).unwrap(), options)
}

/// A file with these rows, as an earlier life of a vault node left it.
pub(super) fn prepare(folder: &Path, rows: &[KeyRow]) {
    FileKeys::open(&folder.join("vault.sqlite"), true).unwrap().merge(rows).unwrap();
}

pub(super) fn subject(which: &str) -> SubjectId {
    SubjectId::in_filing(FilingId::derived("vault", which), "complainant")
}

pub(super) fn at(seconds: i64) -> DateTime<Utc> {
    moment(SOME_MICROS + seconds * 1_000_000)
}

pub(super) fn made(which: &str, byte: u8) -> NewKey {
    NewKey { subject: subject(which), wrapped: vec![byte; 60] }
}

pub(super) fn wrapped(byte: u8) -> StoredKey {
    StoredKey::Wrapped(vec![byte; 60])
}

pub(super) fn live(which: &str, byte: u8) -> KeyRow {
    KeyRow { subject: subject(which), created_at: at(0), key: wrapped(byte) }
}

pub(super) fn dead(which: &str, seconds: i64) -> KeyRow {
    KeyRow { subject: subject(which), created_at: at(0), key: StoredKey::Destroyed(at(seconds)) }
}

/// Whether bytes stand in any file of a folder.
pub(super) fn stands_in(folder: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|file| {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}
