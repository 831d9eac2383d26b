//! `baycase partner check`: a node of ours passes, and a server that does one thing wrong fails the check of that name.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Output;

use api::commands::partner::check::{CheckArgs, Finding, Verdict, examine};
use chrono::TimeDelta;
use cross_border::partner::PartnerId;
use cross_border::peer::{Peer, Transport};
use cross_border::trust::{KeyId, PrivateKey, SigningKey, SuiteName};
use serde_json::Value;
use tempfile::TempDir;
use tests::TestServer;
use tests::liar::{Liar, Lie};
use tokio::process::Command;

const GUANGDONG: &str = "gd-consumer-council";
const HONG_KONG: &str = "hk-consumer-council";

/// How many checks there are; whoever takes one away says so here.
const CHECKS: usize = 31;

fn council(id: &str) -> PartnerId {
    PartnerId::parse(id).unwrap()
}

fn signing_key(id: &str, suite: SuiteName) -> SigningKey {
    let now = api::clock::now();
    SigningKey {
        id: KeyId::parse(id).unwrap(),
        private: PrivateKey::generate(suite).unwrap(),
        not_before: now - TimeDelta::days(1),
        not_after: now + TimeDelta::days(1),
    }
}

/// The node of Guangdong, which knows Hong Kong's key; the checks play Hong Kong.
pub(super) struct Node {
    pub(super) server: TestServer,
    /// The node's key.
    key: SigningKey,
    /// Where our own key lies.
    own_key: PathBuf,
    _keys: TempDir,
}

impl Node {
    async fn start() -> Self {
        Self::start_with(SuiteName::Ed25519Sha256).await
    }

    async fn start_with(suite: SuiteName) -> Self {
        // A recall is answered as soon as it is seen.
        Self::start_sweeping(suite, 50).await
    }

    /// A node that looks so often for what has fallen due.
    pub(super) async fn start_sweeping(suite: SuiteName, sweep_ms: u64) -> Self {
        let (key, own) = (signing_key("gd-consumer-council:t", suite), signing_key("hk-consumer-council:t", suite));
        let keys = tempfile::tempdir().unwrap();
        let own_key = keys.path().join("hk.key.json");
        own.write_new(&own_key).unwrap();

        let mut config = tests::config();
        config.partner.requests_per_minute = 1_000_000;
        config.partner.sweep_ms = sweep_ms;
        config.partner.peers = vec![Peer {
            id: council(HONG_KONG),
            endpoint: None,
            transport: Transport::Poll,
            pull: false,
            keys: vec![own.verifying()],
            certificates: Vec::new(),
            server_ca_file: None,
            allow_private_address: false,
            allow_plain_http: false,
        }];
        let dir = tempfile::tempdir().unwrap();
        tests::prepare(dir.path(), &config).await;
        let folder = config.council.keys_dir(dir.path());
        std::fs::create_dir_all(&folder).unwrap();
        key.write_new(&folder.join("gd.key.json")).unwrap();
        let server = TestServer::over_with(dir, config).await;
        Self { server, key, own_key, _keys: keys }
    }

    pub(super) fn addr(&self) -> SocketAddr {
        let url = self.server.url();
        url.trim_start_matches("http://").trim_end_matches("/graphql").parse().unwrap()
    }

    /// What the node's own `baycase partner key new` would have printed.
    fn peer_key(&self) -> String {
        format!("[[partner.peer.keys]]\n{}", toml::to_string(&self.key.verifying()).unwrap())
    }

    /// The check of this node, or of what stands before it.
    pub(super) fn args(&self, at: SocketAddr) -> CheckArgs {
        CheckArgs {
            url: format!("http://{at}/partner/graphql"),
            own: council(HONG_KONG),
            partner: council(GUANGDONG),
            key: self.own_key.clone(),
            peer_key: vec![self.peer_key()],
            client_certificate: None,
            client_key: None,
            server_ca: None,
            allow_private_address: true,
            allow_plain_http: true,
            seed: None,
            timeout_ms: 20_000,
            recall_wait_ms: 0,
            json: false,
        }
    }

    /// What the checks find behind this lie.
    async fn behind(&self, lie: Lie) -> Vec<Finding> {
        let liar = Liar::before(self.addr(), lie, self.key.clone()).await;
        let timeout_ms = if lie == Lie::Endless { 1_000 } else { 20_000 };
        let args = CheckArgs { timeout_ms, ..self.args(liar.addr()) };
        findings(&args).await
    }

    /// The program itself, as a council starts it.
    async fn program(&self, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_baycase-under-test"));
        command.args(["partner", "check", &format!("http://{}/partner/graphql", self.addr())]);
        command
            .args(["--as", HONG_KONG, "--to", GUANGDONG, "--peer-key", &self.peer_key(), "--key"])
            .arg(&self.own_key);
        command.args(["--allow-plain-http", "--allow-private-address", "--recall-wait-ms", "0"]).args(more);
        command.kill_on_drop(true).output().await.unwrap()
    }
}

pub(super) async fn findings(args: &CheckArgs) -> Vec<Finding> {
    let mut told = Vec::new();
    let findings = Box::pin(examine(args, &mut |finding| told.push(finding.clone()))).await.unwrap();
    assert_eq!(told, findings, "each is told as it is made");
    findings
}

fn verdict<'f>(findings: &'f [Finding], name: &str) -> &'f Verdict {
    &findings.iter().find(|finding| finding.name == name).unwrap_or_else(|| panic!("no check `{name}`")).verdict
}

/// All findings, for a test that fails.
fn told(findings: &[Finding]) -> String {
    findings.iter().map(Finding::to_text).collect::<Vec<_>>().join("\n")
}

fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8(bytes.to_vec()).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_ours_passes() {
    for suite in SuiteName::ALL {
        let node = Node::start_with(*suite).await;
        let args = CheckArgs { recall_wait_ms: 20_000, ..node.args(node.addr()) };
        let findings = findings(&args).await;
        assert!(findings.iter().all(Finding::is_passed), "{suite}:\n{}", told(&findings));
        assert_eq!(findings.len(), CHECKS);
        // The node has answered the recall, so there was a message of its own to fetch and to give a receipt for.
        for (name, remark) in [
            ("recall-accepted", "answered: the data were erased"),
            ("receipts-recorded", "receipts for 1 of its messages"),
        ] {
            let passed = Verdict::Passed(Some(remark.to_owned()));
            assert_eq!(*verdict(&findings, name), passed, "{}", told(&findings));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_says_so_and_ends_with_a_code() {
    let node = Node::start().await;
    let passed = node.program(&["--seed", "12315"]).await;
    let (out, err) = (lines(&passed.stdout), lines(&passed.stderr));
    assert!(passed.status.success(), "{out:#?}\n{err:#?}");
    let (summary, checks) = out.split_last().unwrap();
    assert_eq!(*summary, format!("{CHECKS} checks: {CHECKS} passed, 0 failed, 0 not run"));
    assert!(checks.len() == CHECKS && checks.iter().all(|line| line.starts_with("ok ")), "{checks:#?}");

    // The same ids again are the same referral, which is there already: told, and not passed.
    let failed = node.program(&["--seed", "12315", "--json"]).await;
    assert_eq!(failed.status.code(), Some(1));
    let out = lines(&failed.stdout);
    let checks: Vec<Value> = out.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(checks.len(), CHECKS);
    let submission = checks.iter().find(|line| line["check"] == "submission-accepted").unwrap();
    assert_eq!(submission["result"], "failed");
    assert!(submission["reason"].as_str().unwrap().contains("--seed"), "{submission}");
    let unsigned = checks.iter().find(|line| line["check"] == "unsigned-refused").unwrap();
    assert_eq!(unsigned["result"], "passed", "what needs no referral is checked all the same: {unsigned}");
    let recall = checks.iter().find(|line| line["check"] == "recall-accepted").unwrap();
    assert_eq!(recall["result"], "not-run", "{recall}");
    assert!(lines(&failed.stderr).iter().any(|line| line.starts_with(&format!("{CHECKS} checks: "))));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_one_thing_wrong_is_told_which() {
    let node = Node::start().await;
    // The lie, the checks that must fail of it, and words of their reasons.
    let liars: [(Lie, &[(&str, &str)]); 11] = [
        (Lie::Garbage, &[("submission-accepted", "not JSON"), ("server-info", "not JSON")]),
        (Lie::Redirect, &[("no-redirect", "HTTP 307 to https://elsewhere.example/partner/graphql")]),
        (Lie::NoReceipt, &[("submission-accepted", "no whole receipt")]),
        (Lie::OtherDigest, &[("submission-accepted", "the receipt has another `digest`")]),
        (Lie::OtherSigner, &[("submission-accepted", "the receipt's signature is not that of key")]),
        (Lie::ChangingReceipt, &[("same-delivery-same-receipt", "came one with another `text`")]),
        (
            Lie::TakesUnsigned,
            &[
                ("unsigned-refused", "expected a refusal with SIGNATURE_MISSING, but it was taken"),
                ("tampered-body-refused", "expected a refusal with TAMPERED_BODY, but it was taken"),
            ],
        ),
        (
            Lie::TakesOld,
            &[
                ("expired-refused", "expected a refusal with SIGNATURE_EXPIRED, but it was taken"),
                ("replay-refused", "expected a refusal with NONCE_REPLAYED, but it was taken"),
            ],
        ),
        (Lie::Endless, &[("answers-bounded", "had not ended after 1s")]),
        (Lie::Loses, &[("segment-digest", "acknowledged are not in its history"), ("recall-accepted", "`recalled`")]),
        (Lie::Codeless, &[("errors-typed", "without `extensions.code`"), ("unsigned-refused", "without a code")]),
    ];
    for (lie, expected) in liars {
        let findings = node.behind(lie).await;
        assert_eq!(findings.len(), CHECKS, "{lie:?}");
        for (name, words) in expected {
            let Verdict::Failed(reason) = verdict(&findings, name) else {
                panic!("{lie:?} is not found out by {name}:\n{}", told(&findings))
            };
            assert!(reason.contains(words), "{lie:?}: {reason}");
        }
    }
}

/// What the checks say of a good server they must not say of what is only near it: each lie fails no check that has
/// nothing to do with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_small_fault_fails_its_own_check_alone() {
    let node = Node::start().await;
    let liars: [(Lie, &[&str]); 3] = [
        // A message that waited is answered again, too.
        (Lie::ChangingReceipt, &["same-delivery-same-receipt", "out-of-order-parked-then-joined"]),
        (Lie::TakesUnsigned, &["unsigned-refused", "tampered-body-refused"]),
        (Lie::TakesOld, &["expired-refused", "replay-refused"]),
    ];
    for (lie, expected) in liars {
        let findings = node.behind(lie).await;
        let failed: Vec<&str> =
            findings.iter().filter(|finding| !finding.is_passed()).map(|finding| finding.name).collect();
        assert_eq!(failed, expected, "{lie:?}:\n{}", told(&findings));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_asked_three_times() {
    let node = Node::start().await;
    // Nobody listens on a port that was free a moment ago.
    let nowhere = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let findings = findings(&node.args(nowhere)).await;
    let count = |is: fn(&Verdict) -> bool| findings.iter().filter(|finding| is(&finding.verdict)).count();
    assert_eq!(count(|verdict| matches!(verdict, Verdict::Passed(_))), 0, "{}", told(&findings));
    assert_eq!(count(|verdict| matches!(verdict, Verdict::Failed(_))), 3, "{}", told(&findings));
    let Verdict::Failed(reason) = verdict(&findings, "server-info") else { panic!("{}", told(&findings)) };
    assert!(reason.contains("no connection"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_ones_own_network_is_asked_only_when_that_is_said() {
    let node = Node::start().await;
    let url = format!("http://localhost:{}/partner/graphql", node.addr().port());
    let args = CheckArgs { url, allow_private_address: false, ..node.args(node.addr()) };
    let findings = findings(&args).await;
    let Verdict::Failed(reason) = verdict(&findings, "server-info") else { panic!("{}", told(&findings)) };
    assert!(reason.contains("--allow-private-address"), "{reason}");
}
