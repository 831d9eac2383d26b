//! Two councils on one engine: Guangdong's node, and Hong Kong's, which it exchanges messages with.

use std::net::SocketAddr;
use std::time::Duration;

use api::auth::{DevKey, Role};
use api::config::Config;
use chrono::{DateTime, TimeDelta, Utc};
use cross_border::partner::PartnerId;
use cross_border::peer::{Peer, Transport};
use cross_border::trust::{KeyId, PrivateKey, SigningKey, SuiteName, VerifyingKey};
use tempfile::TempDir;
use tests::TestServer;
use tests::engine::Engine;
use tests::link::Link;

pub(super) const GUANGDONG: &str = "gd-consumer-council";
pub(super) const HONG_KONG: &str = "hk-consumer-council";
pub(super) const MACAO: &str = "mo-consumer-council";
/// Where nobody listens: Macao's council does not answer.
const NOBODY: &str = "127.0.0.1:9";
/// Attempts after which a message to Macao is given up.
const ATTEMPTS: u32 = 3;

/// The nodes of both councils.
pub(super) struct Pair {
    pub(super) guangdong: TestServer,
    pub(super) hong_kong: TestServer,
    _links: [Link; 2],
}

/// A signing key of a council.
struct Signer {
    council: &'static str,
    key: SigningKey,
}

impl Signer {
    fn new(council: &'static str, now: DateTime<Utc>) -> Self {
        let key = SigningKey {
            id: KeyId::parse(&format!("{council}:test")).unwrap(),
            private: PrivateKey::generate(SuiteName::Ed25519Sha256).unwrap(),
            not_before: now - TimeDelta::days(40),
            not_after: now + TimeDelta::days(40),
        };
        Self { council, key }
    }
}

impl Pair {
    /// Starts both on an engine; their keys are valid around `now`.
    pub(super) async fn start(engine: Engine, now: DateTime<Utc>) -> Self {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let (to_guangdong, to_hong_kong) = (Link::to(nowhere, 1, false).await, Link::to(nowhere, 2, false).await);
        let signers = [GUANGDONG, HONG_KONG, MACAO].map(|council| Signer::new(council, now));
        let [ours, theirs, silent] = &signers;
        let partners = [peer(theirs, &to_hong_kong.addr().to_string()), peer(silent, NOBODY)];
        let guangdong = Box::pin(node(engine, ours, partners.to_vec())).await;
        let hong_kong = Box::pin(node(engine, theirs, vec![peer(ours, &to_guangdong.addr().to_string())])).await;
        to_guangdong.lead_to(addr(&guangdong));
        to_hong_kong.lead_to(addr(&hong_kong));
        Self { guangdong, hong_kong, _links: [to_guangdong, to_hong_kong] }
    }
}

/// A token for somebody with a name of their own: who prepares a referral does not let it leave.
pub(super) fn token(server: &TestServer, who: &str, roles: &[Role], unit: &str) -> String {
    let key = DevKey::load(server.dir()).unwrap();
    key.issue(roles, unit, who, Duration::from_secs(3_600), api::clock::now()).unwrap()
}

fn addr(server: &TestServer) -> SocketAddr {
    server.url().trim_start_matches("http://").trim_end_matches("/graphql").parse().unwrap()
}

/// The node of a council with its partners, over a folder of its own.
async fn node(engine: Engine, own: &Signer, partners: Vec<Peer>) -> TestServer {
    let mut config: Config = tests::config();
    config.council.id = PartnerId::parse(own.council).unwrap();
    config.partner.peers = partners;
    config.partner.requests_per_minute = 1_000_000;
    config.partner.attempts_max = ATTEMPTS;
    config.partner.base_ms = 10;
    config.partner.max_ms = 40;
    config.partner.lease_ms = 5_000;
    config.partner.timeout_ms = 4_000;
    // A partner that is left alone for a while would be tried less often, by chance.
    config.partner.breaker_failures = 1_000;
    config.partner.poll_ms = 50;
    config.partner.sweep_ms = 300;
    let dir: TempDir = tempfile::tempdir().unwrap();
    engine.prepare(dir.path(), &config).await;
    let keys = config.council.keys_dir(dir.path());
    std::fs::create_dir_all(&keys).unwrap();
    own.key.write_new(&keys.join("test.key.json")).unwrap();
    TestServer::over_on(engine, dir, config).await
}

fn peer(signer: &Signer, at: &str) -> Peer {
    let key: VerifyingKey = signer.key.verifying();
    Peer {
        id: PartnerId::parse(signer.council).unwrap(),
        endpoint: Some(format!("http://{at}/partner/graphql")),
        transport: Transport::Push,
        pull: false,
        keys: vec![key],
        certificates: Vec::new(),
        server_ca_file: None,
        allow_private_address: true,
        allow_plain_http: true,
    }
}
