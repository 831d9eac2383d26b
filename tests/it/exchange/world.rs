//! Councils, their folders and the links between their nodes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use api::auth::DevKey;
use api::commands::init;
use api::config::Config;
use api::data_dir::DataDir;
use cross_border::trust::{KeyId, KeyRing, PrivateKey, SigningKey, SuiteName};
use tempfile::TempDir;
use tests::link::{Link, Weather, mix};

use super::node::Node;

/// What is known of a council beforehand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    pub(super) id: &'static str,
    /// The unit that sends.
    pub(super) sender: &'static str,
    /// The unit that takes what comes in.
    pub(super) taker: &'static str,
    pub(super) region: &'static str,
    pub(super) currency: &'static str,
}

pub(super) const GUANGDONG: Facts = Facts {
    id: "gd-consumer-council",
    sender: "cc-440100",
    taker: "gd-consumer-council",
    region: "440100",
    currency: "CNY",
};
pub(super) const HONG_KONG: Facts = Facts {
    id: "hk-consumer-council",
    sender: "hk-consumer-council",
    taker: "hk-consumer-council",
    region: "810000",
    currency: "HKD",
};
pub(super) const MACAO: Facts = Facts {
    id: "mo-consumer-council",
    sender: "mo-consumer-council",
    taker: "mo-consumer-council",
    region: "820000",
    currency: "MOP",
};

/// Nodes and links; the folder goes with it.
#[derive(Debug)]
pub(super) struct World {
    pub(super) councils: Vec<Facts>,
    pub(super) nodes: BTreeMap<&'static str, Node>,
    /// By sender and receiver.
    pub(super) links: BTreeMap<(&'static str, &'static str), Link>,
    _dir: TempDir,
}

/// How a world is made.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Plan {
    pub(super) seed: u64,
    /// Everything on the wire is kept.
    pub(super) capture: bool,
    /// The council that is never called: it fetches.
    pub(super) polls: Option<&'static str>,
}

impl World {
    /// Starts a node for each council.
    pub(super) async fn start(councils: &[Facts], plan: Plan) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut links = BTreeMap::new();
        for (number, (from, to)) in (0..).zip(pairs(councils)) {
            let link = Link::to(nowhere, mix(plan.seed ^ number), plan.capture).await;
            links.insert((from.id, to.id), link);
        }
        let mut keys = BTreeMap::new();
        for council in councils {
            keys.insert(council.id, prepare(&dir.path().join(council.id), *council).await);
        }
        for council in councils {
            let text = configuration(council.id, councils, &keys, &links, plan);
            std::fs::write(dir.path().join(council.id).join("baycase.toml"), text).unwrap();
        }
        let nodes = councils
            .iter()
            .map(|council| (council.id, Node::start(council.id, &dir.path().join(council.id))))
            .collect();
        let world = Self { councils: councils.to_vec(), nodes, links, _dir: dir };
        world.lead();
        world
    }

    pub(super) fn node(&self, council: Facts) -> &Node {
        &self.nodes[council.id]
    }

    /// Leads every link to where its receiver listens now.
    pub(super) fn lead(&self) {
        for ((_, to), link) in &self.links {
            link.lead_to(self.nodes[to].addr());
        }
    }

    /// The same weather on every link.
    pub(super) fn weather(&self, weather: Weather) {
        self.links.values().for_each(|link| link.set(weather));
    }
}

/// Every council with every other.
fn pairs(councils: &[Facts]) -> Vec<(Facts, Facts)> {
    let others = |from: &Facts| councils.iter().filter(|to| to.id != from.id).copied().collect::<Vec<_>>();
    councils.iter().flat_map(|from| others(from).into_iter().map(|to| (*from, to)).collect::<Vec<_>>()).collect()
}

/// Makes a council's folder with its keys; the signing key's public half as it stands in the others' configuration.
async fn prepare(folder: &Path, council: Facts) -> String {
    let mut config = Config::default();
    config.council.id = cross_border::partner::PartnerId::parse(council.id).unwrap();
    init::prepare(&DataDir::new(folder), &config, true, true).await.unwrap();
    DevKey::load_or_create(folder).unwrap();
    let now = api::clock::now();
    let key = SigningKey {
        id: KeyId::parse(&format!("{}:test", council.id)).unwrap(),
        private: PrivateKey::generate(SuiteName::Ed25519Sha256).unwrap(),
        not_before: now - chrono::Duration::days(1),
        not_after: now + chrono::Duration::days(30),
    };
    let keys = folder.join("council-keys");
    std::fs::create_dir_all(&keys).unwrap();
    key.write_new(&keys.join("test.key.json")).unwrap();
    assert!(KeyRing::read_dir(&keys).unwrap().active(now).is_some());
    let public = key.verifying();
    format!(
        "id = \"{}\"\nsuite = \"ed25519\"\npublic = \"{}\"\nnot_before = \"{}\"\nnot_after = \"{}\"\n",
        public.id,
        public.public.to_base64(),
        public.not_before.to_rfc3339(),
        public.not_after.to_rfc3339()
    )
}

/// Short waits, so that a test sees what days bring otherwise.
fn configuration(
    own: &str,
    councils: &[Facts],
    keys: &BTreeMap<&'static str, String>,
    links: &BTreeMap<(&'static str, &'static str), Link>,
    plan: Plan,
) -> String {
    let mut text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\nrequest_timeout_ms = 15000\n\
         [limits]\nrequests_per_second = 100000\nburst = 100000\n\
         [projections]\npoll_ms = 50\n\
         [council]\nid = \"{own}\"\n\
         [partner]\nrequests_per_minute = 1000000\nlease_ms = 3000\nbase_ms = 50\nmax_ms = 1500\nattempts_max = 10000\n\
         give_up_hours = 8760\nbreaker_failures = 5\nbreaker_open_ms = 200\npoll_ms = 200\ntimeout_ms = 5000\n\
         sweep_ms = 500\n"
    );
    for peer in councils.iter().filter(|peer| peer.id != own) {
        let transport = if plan.polls == Some(peer.id) { "poll" } else { "push" };
        let pull = plan.polls == Some(own);
        let endpoint = links.iter().find(|((from, to), _)| *from == own && *to == peer.id).unwrap().1.addr();
        write!(
            text,
            "[[partner.peer]]\nid = \"{}\"\ntransport = \"{transport}\"\npull = {pull}\n\
             endpoint = \"http://{endpoint}/partner/graphql\"\nallow_private_address = true\nallow_plain_http = true\n\
             [[partner.peer.keys]]\n{}",
            peer.id, keys[peer.id]
        )
        .unwrap();
    }
    text
}
