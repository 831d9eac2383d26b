//! What runs in a storm: the protocol double, the vault node, the nodes of one council, and a partner council.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use api::auth::{DEV_KEY_FILE, DevKey, Role};
use api::commands::{init, vault};
use api::config::Config;
use api::data_dir::DataDir;
use cross_border::partner::PartnerId;
use cross_border::trust::{KeyId, PrivateKey, SigningKey, SuiteName};
use event_log::vault::MasterKey;
use tempfile::TempDir;
use tests::double::{DoubleOptions, DoubleProcess};
use tests::link::{Link, mix};

use super::program::{Program, program};

/// Nodes of the council that serve one log.
pub(super) const NODES: usize = 3;
/// How long work that one node does for all stays with a node that says nothing.
pub(super) const LEASE: Duration = Duration::from_millis(1_500);
/// Long enough for a process to start on the slowest machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);

pub(super) const GUANGDONG: &str = "gd-consumer-council";
pub(super) const HONG_KONG: &str = "hk-consumer-council";

const SERVES: &str = "listening on http://";
/// Where the vault node's port is looked for: below those that the system gives to connections, so that nobody takes it
/// while the vault node is dead.
const PORTS: std::ops::Range<u64> = 20_000..32_000;

/// Everything that runs, and the folder it works in.
#[derive(Debug)]
pub(super) struct World {
    pub(super) double: DoubleProcess,
    pub(super) vault: Program,
    pub(super) nodes: Vec<Program>,
    pub(super) partner: Program,
    /// To the nodes, from the partner, and the other way.
    to_nodes: Link,
    to_partner: Link,
    key: DevKey,
    partner_key: DevKey,
    dir: TempDir,
}

impl World {
    /// Makes everything anew and starts it; all of it listens when this returns.
    pub(super) async fn start(seed: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let to_nodes = Link::to(nowhere, mix(seed ^ 1), false).await;
        let to_partner = Link::to(nowhere, mix(seed ^ 2), false).await;
        let data = Some(root.join("double.log"));
        let double = DoubleProcess::start_with(DoubleOptions { nodes: 3, data, ..DoubleOptions::default() });
        let vault = vault_node(root, seed).await;
        vault.start();
        MasterKey::generate_file(&root.join("master.key")).unwrap();
        let keys = [GUANGDONG, HONG_KONG].map(|council| signing_key(&root.join(format!("keys-{council}")), council));
        let shared = Shared {
            connection: double.connection(),
            vault: vault.listening(PATIENCE).await,
            partner: peer(HONG_KONG, to_partner.addr(), &keys[1]),
        };
        let nodes: Vec<Program> = (1..=NODES).map(|number| node(root, number, &shared)).collect();
        initialise(&nodes[0]).await;
        let key = DevKey::load_or_create(nodes[0].folder()).unwrap();
        for node in &nodes[1..] {
            std::fs::copy(nodes[0].folder().join(DEV_KEY_FILE), node.folder().join(DEV_KEY_FILE)).unwrap();
        }
        let (partner, partner_key) = partner(root, &peer(GUANGDONG, to_nodes.addr(), &keys[0])).await;
        let world = Self { double, vault, nodes, partner, to_nodes, to_partner, key, partner_key, dir };
        world.nodes.iter().chain([&world.partner]).for_each(Program::start);
        for node in world.nodes.iter().chain([&world.partner]) {
            node.listening(PATIENCE).await;
        }
        world.steer(0);
        world
    }

    /// A node more, over an empty folder: it learns everything from the log.
    pub(super) fn newcomer(&self) -> Program {
        let shared = Shared {
            connection: self.double.connection(),
            vault: self.vault.addr().unwrap(),
            // It is asked, and brings nothing to anybody.
            partner: String::new(),
        };
        let node = node(self.dir.path(), NODES + 1, &shared);
        std::fs::copy(self.nodes[0].folder().join(DEV_KEY_FILE), node.folder().join(DEV_KEY_FILE)).unwrap();
        node
    }

    /// Leads the partner to one of the nodes that listen, and the nodes to the partner.
    pub(super) fn steer(&self, draw: u64) {
        let living: Vec<SocketAddr> = self.nodes.iter().filter_map(Program::addr).collect();
        if !living.is_empty() {
            let chosen = usize::try_from(draw % living.len() as u64).unwrap();
            self.to_nodes.lead_to(living[chosen]);
        }
        if let Some(addr) = self.partner.addr() {
            self.to_partner.lead_to(addr);
        }
    }

    /// A token for the nodes.
    pub(super) fn token(&self, who: &str, roles: &[Role], unit: &str) -> String {
        issue(&self.key, who, roles, unit)
    }

    /// A token for the partner's node.
    pub(super) fn partner_token(&self, who: &str, roles: &[Role], unit: &str) -> String {
        issue(&self.partner_key, who, roles, unit)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for process in self.nodes.iter().chain([&self.vault, &self.partner]) {
                eprintln!("{}", process.last_words());
            }
        }
    }
}

fn issue(key: &DevKey, who: &str, roles: &[Role], unit: &str) -> String {
    key.issue(roles, unit, who, Duration::from_secs(24 * 3_600), api::clock::now()).unwrap()
}

/// What the nodes of the council have in common.
struct Shared {
    connection: String,
    vault: SocketAddr,
    /// The partner, as it stands in the configuration; empty for nobody.
    partner: String,
}

/// A node that does not run yet, its folder and its configuration.
fn node(root: &Path, number: usize, shared: &Shared) -> Program {
    let name = format!("node-{number}");
    let folder = root.join(&name);
    std::fs::create_dir_all(&folder).unwrap();
    let root = root.display();
    let text = format!(
        "{}[log]\nengine = \"eventstoredb\"\n\
         [log.eventstore]\nconnection = \"{}\"\ntimeout_ms = 6000\n\
         [node]\nname = \"{name}\"\nevidence_dir = \"{root}/evidence\"\nlease_ttl_ms = {}\n\
         [vault]\nmaster_key_file = \"{root}/master.key\"\nurl = \"http://{}\"\ntimeout_ms = 1000\nrefresh_ms = 500\n\
         stale_after_ms = 5000\n\
         [council]\nid = \"{GUANGDONG}\"\nkeys_dir = \"{root}/keys-{GUANGDONG}\"\n{}{}",
        common(),
        shared.connection,
        LEASE.as_millis(),
        shared.vault,
        exchange(),
        shared.partner,
    );
    std::fs::write(folder.join("baycase.toml"), text).unwrap();
    Program::new(&name, &folder, serve(&folder), SERVES)
}

/// The partner council: one node with a log in a file, which nobody kills.
async fn partner(root: &Path, peer: &str) -> (Program, DevKey) {
    let folder = root.join("partner");
    let mut config = Config::default();
    config.council.id = PartnerId::parse(HONG_KONG).unwrap();
    Box::pin(init::prepare(&DataDir::new(&folder), &config, true, true)).await.unwrap();
    let key = DevKey::load_or_create(&folder).unwrap();
    let mut text = common();
    let keys = root.join(format!("keys-{HONG_KONG}"));
    write!(text, "[council]\nid = \"{HONG_KONG}\"\nkeys_dir = \"{}\"\n{}{peer}", keys.display(), exchange()).unwrap();
    std::fs::write(folder.join("baycase.toml"), text).unwrap();
    (Program::new("partner", &folder, serve(&folder), SERVES), key)
}

/// The vault node, over a vault that was made before.
async fn vault_node(root: &Path, seed: u64) -> Program {
    let folder = root.join("vault");
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut config = Config::default();
    config.vault_node.listen = any;
    config.vault_node.admin_listen = any;
    Box::pin(vault::start(&tests::global(&folder), &config, true)).await.unwrap().stop().await;
    let listen = format!("127.0.0.1:{}", spare_port(seed));
    let mut args: Vec<OsString> = vec!["vault".into(), "--data".into(), folder.clone().into()];
    args.extend(["--listen", &listen, "--admin-listen", "127.0.0.1:0"].map(OsString::from));
    Program::new("vault", &folder, args, "vault on http://")
}

/// A port that nobody listens on; the vault node must come back to the same one.
fn spare_port(seed: u64) -> u16 {
    let first = mix(seed ^ u64::from(std::process::id()));
    let span = PORTS.end - PORTS.start;
    let candidates = (0..span).map(|step| PORTS.start + first.wrapping_add(step) % span);
    let mut ports = candidates.map(|port| u16::try_from(port).unwrap());
    ports.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()).unwrap()
}

/// Makes the log on the servers and registers the vault's master key, as an operator does.
async fn initialise(node: &Program) {
    let (went_well, said) = baycase(&["init"], node.folder()).await;
    assert!(went_well, "{said}");
}

/// Runs a command over the folder of a node; whether it went well, and what it said.
pub(super) async fn baycase(args: &[&str], folder: &Path) -> (bool, String) {
    let mut command = tokio::process::Command::new(program());
    command.args(args).args(common_args(folder)).kill_on_drop(true);
    let output = command.output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

fn common_args(folder: &Path) -> [OsString; 4] {
    let config: PathBuf = folder.join("baycase.toml");
    ["--data".into(), folder.into(), "--config".into(), config.into()]
}

fn serve(folder: &Path) -> Vec<OsString> {
    let mut args: Vec<OsString> = vec!["serve".into(), "--dev".into()];
    args.extend(common_args(folder));
    args
}

/// Free ports, no limits, small waits.
fn common() -> String {
    "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\nrequest_timeout_ms = 10000\n\
     shutdown_grace_ms = 3000\n\
     [limits]\nrequests_per_second = 100000\nburst = 100000\n\
     [projections]\npoll_ms = 50\n"
        .to_owned()
}

/// Short waits, so that a test sees what days bring otherwise.
fn exchange() -> &'static str {
    "[partner]\nrequests_per_minute = 1000000\nlease_ms = 3000\nbase_ms = 50\nmax_ms = 1000\nattempts_max = 10000\n\
     give_up_hours = 8760\nbreaker_failures = 5\nbreaker_open_ms = 200\npoll_ms = 200\ntimeout_ms = 5000\n\
     sweep_ms = 500\n"
}

/// A council as it stands in the configuration of another.
fn peer(council: &str, addr: SocketAddr, key: &str) -> String {
    format!(
        "[[partner.peer]]\nid = \"{council}\"\ntransport = \"push\"\npull = false\n\
         endpoint = \"http://{addr}/partner/graphql\"\nallow_private_address = true\nallow_plain_http = true\n\
         [[partner.peer.keys]]\n{key}"
    )
}

/// Makes a council's signing key; its public half as it stands in the configuration of the other.
fn signing_key(folder: &Path, council: &str) -> String {
    let now = api::clock::now();
    let key = SigningKey {
        id: KeyId::parse(&format!("{council}:test")).unwrap(),
        private: PrivateKey::generate(SuiteName::Ed25519Sha256).unwrap(),
        not_before: now - chrono::Duration::days(1),
        not_after: now + chrono::Duration::days(30),
    };
    std::fs::create_dir_all(folder).unwrap();
    key.write_new(&folder.join("test.key.json")).unwrap();
    let public = key.verifying();
    format!(
        "id = \"{}\"\nsuite = \"ed25519\"\npublic = \"{}\"\nnot_before = \"{}\"\nnot_after = \"{}\"\n",
        public.id,
        public.public.to_base64(),
        public.not_before.to_rfc3339(),
        public.not_after.to_rfc3339()
    )
}
