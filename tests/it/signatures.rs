//! A second implementation of what councils sign: it verifies ours and refuses what was changed, and we verify its own.
//!
//! It is `tests/clients/http_signatures/verify.py` over the Python packages `http-message-signatures` (RFC 9421) and
//! `cryptography` (Ed25519), in the environment that `.ci/run` makes.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use chrono::{DateTime, TimeDelta, Utc};
use cross_border::delivery::client::{ClientOptions, PartnerClient, Signer};
use cross_border::delivery::documents;
use cross_border::exchange::{Digest, RefusalCode, SharedId};
use cross_border::partner::PartnerId;
use cross_border::peer::{Peer, Transport};
use cross_border::trust::http_signature::{
    Claimed, LIFE_SECONDS, Presented, RequestRefused, SKEW_SECONDS, draw_nonce, sign_request, verify_request,
};
use cross_border::trust::{KeyId, PrivateKey, SigningKey, SuiteName, VerifyingKey};
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};
use tests::TestServer;
use tests::link::Link;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::referrals::sent;

const GUANGDONG: &str = "gd-consumer-council";
const HONG_KONG: &str = "hk-consumer-council";
const GRAPHQL: &str = "https://exchange.hk.example/partner/graphql";
const REFERRAL: &str = "7c9e6679-7425-50de-944b-e07fc1f90ae7";
const FILE: &str = "收据：手表一只，129.00元\r\n";
/// What makes the environment, from the root of the repository.
const MAKE: &str = "python3 -m venv target/python && target/python/bin/python -m pip install -r \
                    tests/clients/http_signatures/requirements.txt";
/// How the script says that a signature is not the key's over what it is given.
const DOES_NOT_HOLD: &str = "the signature does not hold";

/// The other implementation.
struct Other {
    python: PathBuf,
}

impl Other {
    /// `None` where its environment was not made, which is said. In CI it must be there, unless CI said that it cannot.
    fn installed() -> Option<Self> {
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/python/bin/python");
        if python.exists() {
            return Some(Self { python });
        }
        let missing = format!("the second implementation of signatures is not installed; this installs it: {MAKE}");
        let is_set = |name: &str| std::env::vars().any(|(set, _)| set == name);
        assert!(!is_set("CI") || is_set("BAYCASE_TEST_WITHOUT_PYTHON"), "{missing}");
        // Not with `eprintln!`: what that prints is kept back when a test passes.
        let _unheard = writeln!(std::io::stderr(), "NOT RUN: {missing}");
        None
    }

    /// What the script says to each line.
    async fn run(&self, args: &[&str], lines: &[Value]) -> Vec<String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/http_signatures/verify.py");
        let mut child = Command::new(&self.python)
            .arg(script)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let write = async move {
            // A script that ends early tells why on its standard error.
            let _broken = stdin.write_all(text.as_bytes()).await;
        };
        let ((), output) = tokio::join!(write, child.wait_with_output());
        let output = output.unwrap();
        let said: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(said.len(), lines.len(), "{said:#?}\n{errors}");
        let refused = said.iter().any(|line| line.starts_with("REFUSED: "));
        assert_eq!(output.status.code(), Some(i32::from(refused)), "{said:#?}\n{errors}");
        said
    }
}

/// A request as it stands on the wire.
#[derive(Clone)]
struct Request {
    method: Method,
    target: String,
    headers: HeaderMap,
    body: String,
}

impl Request {
    fn new(method: Method, target: &str, content_type: Option<&'static str>, body: &str) -> Self {
        let mut headers = HeaderMap::new();
        if let Some(content_type) = content_type {
            headers.insert("content-type", HeaderValue::from_static(content_type));
        }
        Self { method, target: target.to_owned(), headers, body: body.to_owned() }
    }

    fn set(&mut self, name: &'static str, value: &str) {
        self.headers.insert(name, value.parse().unwrap());
    }

    fn get(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// The same with a change.
    fn but(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut changed = self.clone();
        change(&mut changed);
        changed
    }

    /// The same with another text in its `Signature-Input`.
    fn saying(&self, from: &str, to: &str) -> Self {
        let said = self.get("signature-input").replace(from, to);
        assert_ne!(said, self.get("signature-input"), "{from} is not said");
        self.but(|request| request.set("signature-input", &said))
    }

    /// Signs it as our own client does.
    fn signed(mut self, key: &SigningKey, now: DateTime<Utc>) -> Self {
        let content_type = self.headers.get("content-type").map(|value| value.to_str().unwrap());
        let body = self.body.as_bytes();
        let nonce = draw_nonce().unwrap();
        let signed = sign_request(key, &self.method, &self.target, content_type, body, now, &nonce).unwrap();
        self.set("content-digest", &signed.content_digest);
        self.set("signature-input", &signed.signature_input);
        self.set("signature", &signed.signature);
        self
    }

    fn verify(&self, key: &SigningKey, now: DateTime<Utc>) -> Result<Claimed, RequestRefused> {
        let Self { method, target, headers, body } = self;
        verify_request(&Presented { method, target, headers, body: body.as_bytes() }, &key.verifying(), now)
    }

    /// As the script reads it, with the key that it shall be checked with.
    fn line(&self, key: &SigningKey) -> Value {
        let text = |value: &HeaderValue| Value::from(value.to_str().unwrap());
        let headers: Map<String, Value> =
            self.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        json!({
            "method": self.method.as_str(), "url": self.target, "headers": headers, "body": self.body,
            "public_key_raw_base64": key.private.public().to_base64(),
        })
    }

    /// As the script writes it.
    fn read(line: &str) -> Self {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        let mut headers = HeaderMap::new();
        for (name, value) in line["headers"].as_object().unwrap() {
            headers.append(name.parse::<HeaderName>().unwrap(), value.as_str().unwrap().parse().unwrap());
        }
        Self { method: text("method").parse().unwrap(), target: text("url"), headers, body: text("body") }
    }

    /// Sends it and gives the answer, which is JSON.
    async fn send(&self, http: &reqwest::Client) -> Value {
        let Self { method, target, headers, body } = self.clone();
        http.request(method, target).headers(headers).body(body).send().await.unwrap().json().await.unwrap()
    }
}

fn key(id: &str) -> SigningKey {
    let now = api::clock::now();
    SigningKey {
        id: KeyId::parse(id).unwrap(),
        private: PrivateKey::generate(SuiteName::Ed25519Sha256).unwrap(),
        not_before: now - TimeDelta::days(1),
        not_after: now + TimeDelta::days(1),
    }
}

/// Another key under the same name.
fn impostor(key: &SigningKey) -> SigningKey {
    SigningKey { private: PrivateKey::generate(SuiteName::Ed25519Sha256).unwrap(), ..key.clone() }
}

/// The secret of a key, as it stands in its file.
fn seed(key: &SigningKey) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("one.key.json");
    key.write_new(&path).unwrap();
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    file["private"].as_str().unwrap().to_owned()
}

fn with_body() -> Request {
    let body = json!({"query": "# 轉介\n{ serverInfo { council time } }"}).to_string();
    Request::new(Method::POST, GRAPHQL, Some("application/json"), &body)
}

fn without_body() -> Request {
    let target = format!("https://exchange.hk.example/partner/evidence/{REFERRAL}/{}", Digest::of(FILE.as_bytes()));
    Request::new(Method::GET, &target, None, "")
}

/// Requests of every kind that councils send, and some that differ in what is signed.
fn requests() -> Vec<Request> {
    let file = without_body().target;
    vec![
        with_body(),
        Request::new(Method::POST, GRAPHQL, Some("application/json; charset=utf-8"), "{\"query\":\"{ a }\"}"),
        Request::new(Method::PUT, &file, Some("application/octet-stream"), FILE),
        without_body(),
        Request::new(Method::POST, GRAPHQL, None, ""),
        Request::new(Method::GET, "http://127.0.0.1:8443/partner/graphql?query=%7B%20a%20%7D&b=c+d", None, ""),
        Request::new(Method::GET, "https://[::1]:8443/partner/graphql", None, ""),
    ]
}

#[tokio::test]
async fn another_implementation_verifies_what_we_sign() {
    let Some(other) = Other::installed() else { return };
    let (key, now) = (key("gd-consumer-council:t"), api::clock::now());
    let signed: Vec<Request> = requests().into_iter().map(|request| request.signed(&key, now)).collect();
    let lines: Vec<Value> = signed.iter().map(|request| request.line(&key)).collect();
    let created = now.timestamp();
    assert_eq!(other.run(&["--now", &created.to_string()], &lines).await, vec!["OK"; lines.len()]);

    // To the same second for as long as we do.
    for (passed, expected) in [
        (-SKEW_SECONDS - 1, "REFUSED: it was made in the future"),
        (-SKEW_SECONDS, "OK"),
        (LIFE_SECONDS, "OK"),
        (LIFE_SECONDS + 1, "REFUSED: it has expired"),
    ] {
        let clock = created + passed;
        assert_eq!(other.run(&["--now", &clock.to_string()], &lines[..1]).await, [expected], "{passed}");
        let ours = signed[0].verify(&key, DateTime::from_timestamp(clock, 0).unwrap());
        assert_eq!(ours.is_ok(), expected == "OK", "{passed}: {ours:?}");
    }
}

#[tokio::test]
async fn another_implementation_refuses_what_was_changed() {
    let Some(other) = Other::installed() else { return };
    let (key, now) = (key("gd-consumer-council:t"), api::clock::now());
    let (post, get) = (with_body().signed(&key, now), without_body().signed(&key, now));
    let fitted = with_body().but(|request| request.body.push(' ')).signed(&key, now);
    let expires = |more: i64| format!("expires={}", now.timestamp() + LIFE_SECONDS + more);
    let nonce = |first: &str| format!("nonce=\"{first}");
    let changed = [
        (post.but(|request| request.method = Method::PUT), DOES_NOT_HOLD),
        (post.but(|request| request.target.push_str("?a=1")), DOES_NOT_HOLD),
        (post.but(|request| request.target = GRAPHQL.replace("hk.", "mo.")), DOES_NOT_HOLD),
        (post.but(|request| request.target = GRAPHQL.replace("https:", "http:")), DOES_NOT_HOLD),
        (post.but(|request| request.set("content-type", "text/plain")), DOES_NOT_HOLD),
        (post.but(|request| request.body.push(' ')), "its body is not the one that was signed"),
        (post.but(|request| request.body.clear()), "it covers"),
        // The body and its digest fit each other, but not the signature.
        (fitted.but(|request| request.set("signature", post.get("signature"))), DOES_NOT_HOLD),
        (fitted.but(|request| request.set("signature-input", post.get("signature-input"))), DOES_NOT_HOLD),
        (post.saying(" \"content-type\"", ""), DOES_NOT_HOLD),
        (post.saying(&expires(0), &expires(1)), DOES_NOT_HOLD),
        (post.saying(&nonce(""), &nonce("x")), DOES_NOT_HOLD),
        (post.saying(key.id.as_str(), "gd-consumer-council:u"), DOES_NOT_HOLD),
        (post.saying("\"ed25519\"", "\"hmac-sha256\""), "algorithm"),
        (post.saying("baycase-partner", "another"), "tag"),
        (post.but(|request| request.set("signature", get.get("signature"))), DOES_NOT_HOLD),
        (post.but(|request| drop(request.headers.remove("signature"))), "it is not signed"),
        (get.but(|request| request.method = Method::DELETE), DOES_NOT_HOLD),
        (get.but(|request| request.target.push('0')), DOES_NOT_HOLD),
        (get.but(|request| request.body.push_str("slipped in")), "it covers"),
    ];

    // The untouched ones stand beside them, so that none is refused for something else.
    let mut lines = vec![post.line(&key), get.line(&key), post.line(&impostor(&key))];
    lines.extend(changed.iter().map(|(request, _)| request.line(&key)));
    let said = other.run(&["--now", &now.timestamp().to_string()], &lines).await;
    assert_eq!(said[..3], ["OK", "OK", &format!("REFUSED: {DOES_NOT_HOLD}")]);
    for ((number, (request, why)), said) in changed.iter().enumerate().zip(&said[3..]) {
        assert!(said.starts_with("REFUSED: ") && said.contains(why), "{number}: {said}, and not {why}");
        assert!(request.verify(&key, now).is_err(), "{number}: we take it");
    }
    assert!(post.verify(&key, now).is_ok() && get.verify(&key, now).is_ok());
}

#[tokio::test]
async fn we_verify_what_another_implementation_signs_and_refuse_what_was_changed() {
    let Some(other) = Other::installed() else { return };
    let (key, now) = (key("hk-consumer-council:t"), api::clock::now());
    let asked = requests();
    let lines: Vec<Value> = asked.iter().map(|request| request.line(&key)).collect();
    let (seed, clock) = (seed(&key), now.timestamp().to_string());
    let written = other.run(&["--sign", &seed, "--key-id", key.id.as_str(), "--now", &clock], &lines).await;
    for (asked, written) in asked.iter().zip(&written) {
        let signed = Request::read(written);
        assert_eq!((&signed.method, &signed.target, &signed.body), (&asked.method, &asked.target, &asked.body));
        let claimed = signed.verify(&key, now).unwrap();
        assert_eq!((&claimed.key, claimed.created.timestamp()), (&key.id, now.timestamp()));
        assert_eq!(claimed.expires - claimed.created, TimeDelta::seconds(LIFE_SECONDS));

        let refused = |changed: Request| changed.verify(&key, now).unwrap_err();
        assert_eq!(refused(signed.but(|request| request.method = Method::DELETE)), RequestRefused::Signature);
        assert_eq!(refused(signed.but(|request| request.target.push('0'))), RequestRefused::Signature);
        assert_eq!(refused(signed.saying("nonce=\"", "nonce=\"x")), RequestRefused::Signature);
        let digest = "sha-256=:AAAA:";
        assert_eq!(refused(signed.but(|request| request.set("content-digest", digest))), RequestRefused::Signature);
        let more_body = refused(signed.but(|request| request.body.push(' ')));
        let expected = if asked.body.is_empty() { RequestRefused::Components } else { RequestRefused::BodyDigest };
        assert_eq!(more_body, expected);
        assert_eq!(signed.verify(&impostor(&key), now), Err(RequestRefused::Signature));
        let late = now + TimeDelta::seconds(LIFE_SECONDS + 1);
        assert_eq!(signed.verify(&key, late), Err(RequestRefused::Expired));
    }
}

fn peer(id: &str, endpoint: Option<String>, key: VerifyingKey) -> Peer {
    Peer {
        id: PartnerId::parse(id).unwrap(),
        endpoint,
        transport: Transport::Poll,
        pull: false,
        keys: vec![key],
        certificates: Vec::new(),
        server_ca_file: None,
        allow_private_address: true,
        allow_plain_http: true,
    }
}

/// The node of Guangdong, which signs with its own key and knows Hong Kong's.
async fn node(own: &SigningKey, partner: &SigningKey) -> TestServer {
    let mut config = tests::config();
    config.partner.requests_per_minute = 1_000_000;
    config.partner.peers = vec![peer(HONG_KONG, None, partner.verifying())];
    let dir = tempfile::tempdir().unwrap();
    tests::prepare(dir.path(), &config).await;
    let keys = config.council.keys_dir(dir.path());
    std::fs::create_dir_all(&keys).unwrap();
    own.write_new(&keys.join("gd.key.json")).unwrap();
    TestServer::over_with(dir, config).await
}

/// The requests among what went over a link.
fn on_wire(captured: &[u8]) -> Vec<Request> {
    let mut requests = Vec::new();
    let mut rest = captured;
    while let Some(end) = rest.windows(4).position(|window| window == b"\r\n\r\n") {
        let head = std::str::from_utf8(&rest[..end]).unwrap();
        let (first, fields) = head.split_once("\r\n").unwrap();
        let mut headers = HeaderMap::new();
        for field in fields.split("\r\n") {
            let (name, value) = field.split_once(':').unwrap();
            headers.append(name.parse::<HeaderName>().unwrap(), value.trim().parse().unwrap());
        }
        let length = headers.get("content-length").map_or(0, |value| value.to_str().unwrap().parse::<usize>().unwrap());
        let (body, next) = rest[end + 4..].split_at(length);
        // Else it is an answer.
        if let [method, path, "HTTP/1.1"] = *first.split(' ').collect::<Vec<_>>() {
            let target = format!("http://{}{path}", headers["host"].to_str().unwrap());
            let body = String::from_utf8(body.to_vec()).unwrap();
            requests.push(Request { method: method.parse().unwrap(), target, headers, body });
        }
        rest = next;
    }
    requests
}

#[tokio::test(flavor = "multi_thread")]
async fn another_implementation_verifies_what_our_client_sends_to_a_node() {
    let Some(other) = Other::installed() else { return };
    let (guangdong, hong_kong) = (key("gd-consumer-council:t"), key("hk-consumer-council:t"));
    let server = node(&guangdong, &hong_kong).await;
    let addr: SocketAddr = server.url().trim_start_matches("http://").trim_end_matches("/graphql").parse().unwrap();
    let link = Link::to(addr, 0, true).await;
    let endpoint = format!("http://{}/partner/graphql", link.addr());
    let peer = peer(GUANGDONG, Some(endpoint), guangdong.verifying());
    let client = PartnerClient::new(&peer, None, ClientOptions::default()).unwrap();

    let signer = Signer { key: &hong_kong, now: api::clock::now() };
    client.messages(signer, None).await.unwrap();
    client.record_receipts(signer, &[]).await.unwrap();
    // The node knows no such referral, which it says only to a partner.
    let (referral, digest) = (SharedId::parse(REFERRAL).unwrap(), Digest::of(FILE.as_bytes()));
    let put = client.put_evidence(signer, referral, &digest, FILE.as_bytes().to_vec()).await.unwrap_err();
    let got = client.get_evidence(signer, referral, &digest, 1_024).await.unwrap_err();
    assert_eq!([put.refusal, got.refusal], [Some(RefusalCode::UnknownReferral); 2], "{put:?} {got:?}");

    let sent = on_wire(&link.captured());
    let methods: Vec<&str> = sent.iter().map(|request| request.method.as_str()).collect();
    assert_eq!(methods, ["POST", "POST", "PUT", "GET"]);
    let lines: Vec<Value> = sent.iter().map(|request| request.line(&hong_kong)).collect();
    assert_eq!(other.run(&[], &lines).await, ["OK"; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_implementation_fetches_a_stored_message_and_verifies_its_statement() {
    let Some(other) = Other::installed() else { return };
    let (guangdong, hong_kong) = (key("gd-consumer-council:t"), key("hk-consumer-council:t"));
    let server = node(&guangdong, &hong_kong).await;
    sent(&server, "SIGNED-1").await;

    let target = server.url().replace("/graphql", "/partner/graphql");
    let body = documents::MESSAGES.request(Map::new()).to_string();
    let mut asked = Request::new(Method::POST, &target, Some("application/json"), &body).line(&hong_kong);
    asked["created"] = json!(api::clock::now().timestamp());
    let written = other.run(&["--sign", &seed(&hong_kong), "--key-id", hong_kong.id.as_str()], &[asked]).await;
    let request = Request::read(&written[0]);
    let refused = |answer: &Value, code: &str| {
        assert_eq!(answer["errors"][0]["extensions"]["code"], code, "{answer:#}");
    };
    // A body that is not the signed one does not use the signature up.
    refused(&request.but(|request| request.body.push(' ')).send(server.http()).await, "TAMPERED_BODY");
    let answer = request.send(server.http()).await;
    let stored = &answer["data"]["messages"]["messages"][0];
    assert_eq!((&stored["kind"], &stored["key"]), (&json!("submission"), &json!(guangdong.id)), "{answer:#}");
    refused(&request.send(server.http()).await, "NONCE_REPLAYED");

    let (text, jws) = (stored["text"].as_str().unwrap(), stored["jws"].as_str().unwrap());
    let (header, signature) = jws.split_once("..").unwrap();
    let kept = |text: &str, jws: &str, id: &KeyId, key: &SigningKey| {
        let public = key.private.public().to_base64();
        json!({"text": text, "jws": jws, "key": id, "public_key_raw_base64": public})
    };
    let changed = text.replace("\"sequence\":1", "\"sequence\":2");
    assert_ne!(changed, text);
    // {"alg":"none","b64":false,"crit":["b64"],"kid":"gd-consumer-council:t"}
    let no_algorithm =
        "eyJhbGciOiJub25lIiwiYjY0IjpmYWxzZSwiY3JpdCI6WyJiNjQiXSwia2lkIjoiZ2QtY29uc3VtZXItY291bmNpbDp0In0";
    let id = &guangdong.id;
    let lines = [
        (kept(text, jws, id, &guangdong), "OK"),
        (kept(&changed, jws, id, &guangdong), DOES_NOT_HOLD),
        (kept(&format!("{text}\n"), jws, id, &guangdong), DOES_NOT_HOLD),
        (kept("", jws, id, &guangdong), DOES_NOT_HOLD),
        (kept(text, jws, id, &impostor(&guangdong)), DOES_NOT_HOLD),
        (kept(text, jws, &hong_kong.id, &guangdong), "the header of the JWS is"),
        (kept(text, &format!("{no_algorithm}..{signature}"), id, &guangdong), "the header of the JWS is"),
        (kept(text, &format!("{header}.e30.{signature}"), id, &guangdong), "not a header, nothing, and a signature"),
    ];
    let (lines, expected): (Vec<Value>, Vec<&str>) = lines.into_iter().unzip();
    let said = other.run(&["--jws"], &lines).await;
    assert_eq!(said[0], "OK", "{text}\n{jws}");
    for (number, (said, why)) in said.iter().zip(&expected).enumerate().skip(1) {
        assert!(said.starts_with("REFUSED: ") && said.contains(why), "{number}: {said}, and not {why}");
    }
}
