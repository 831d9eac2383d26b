//! A council's node behind its edge, and another council that signs what it sends.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};
use cross_border::council::Council;
use cross_border::evidence::{EvidenceLimits, EvidenceStore};
use cross_border::exchange::body::Submission;
use cross_border::exchange::message::VERSION;
use cross_border::exchange::{
    Body as MessageBody, Consumer, DeliveryId, Digest, EvidenceItem, Header, LangText, Message, Next, Purchase,
    Segment, SharedId, Side, SignedMessage, Trader,
};
use cross_border::index::{IndexOptions, ReferralIndex};
use cross_border::partner::{Language, PartnerId};
use cross_border::peer::{Directory, Peer, Transport};
use cross_border::referral::vocabulary::{LegalRoute, Purpose};
use cross_border::security::{PER_MINUTE, SecurityJournal};
use cross_border::trust::http_signature::{SignedHeaders, sign_request};
use cross_border::trust::jws::sign_detached;
use cross_border::trust::{KeyId, KeyRing, PrivateKey, SigningKey, SuiteName};
use event_log::contract::fixture::read_behind;
use event_log::port::EventLog;
use event_log::sqlite::{SqliteLog, SqliteOptions};
use event_log::vault::{MasterKey, SubjectVault, VaultOptions};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use super::tls::TlsPeer;
use super::{EVIDENCE_PATH, GRAPHQL_PATH, PartnerEdge, router};

pub(super) const GUANGDONG: &str = "gd-consumer-council";
pub(super) const HONG_KONG: &str = "hk-consumer-council";
pub(super) const MACAO: &str = "mo-consumer-council";

/// Under which name the node is asked.
pub(super) const HOST: &str = "exchange.hk.example";

/// When the node starts: a Monday morning.
const START: &str = "2026-05-18T01:00:00Z";

const MASTER: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// The clock of the node and of its log.
#[derive(Clone)]
pub(super) struct Clock(Arc<Mutex<DateTime<Utc>>>);

impl Clock {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(START.parse().unwrap())))
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }

    pub(super) fn advance(&self, seconds: i64) {
        *self.0.lock().unwrap() += TimeDelta::seconds(seconds);
    }
}

pub(super) fn council_id(id: &str) -> PartnerId {
    PartnerId::parse(id).unwrap()
}

/// A key of a council, the same in every test; `salt` tells keys of one name apart.
pub(super) fn signing_key(owner: &str, salt: u8) -> SigningKey {
    let mut seed = [salt; 32];
    for (byte, source) in seed.iter_mut().zip(owner.bytes()) {
        *byte = source;
    }
    SigningKey {
        id: KeyId::parse(&format!("{owner}:2026a")).unwrap(),
        private: PrivateKey::from_seed(SuiteName::Ed25519Sha256, &seed).unwrap(),
        not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
        not_after: "2026-12-31T16:00:00Z".parse().unwrap(),
    }
}

fn peer(id: &str, certificates: &[Digest]) -> Peer {
    Peer {
        id: council_id(id),
        endpoint: Some(format!("https://{id}.example{GRAPHQL_PATH}")),
        transport: Transport::Push,
        pull: false,
        keys: vec![signing_key(id, 0).verifying()],
        certificates: certificates.iter().map(ToString::to_string).collect(),
        server_ca_file: None,
        allow_private_address: false,
        allow_plain_http: false,
    }
}

/// The node of the Hong Kong council, with Guangdong and Macao in its directory.
pub(super) struct House {
    router: Router,
    pub(super) council: Arc<Council>,
    log: Arc<SqliteLog>,
    pub(super) clock: Clock,
    nonces: Mutex<u32>,
    _folder: TempDir,
}

/// What came back.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&self.body)))
    }

    /// The data of an answer that must be without errors.
    pub(super) fn data(&self) -> Value {
        let json = self.json();
        assert!(json.get("errors").is_none(), "{json:#}");
        json["data"].clone()
    }

    pub(super) fn extensions(&self) -> Value {
        self.json()["errors"][0]["extensions"].clone()
    }

    pub(super) fn code(&self) -> String {
        self.extensions()["code"].as_str().unwrap_or("none").to_owned()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("none", |value| value.to_str().unwrap())
    }
}

impl House {
    pub(super) fn new() -> Self {
        Self::with(PartnerEdge::default(), &[], &[])
    }

    /// A node that knows these certificates of Guangdong and of Macao.
    pub(super) fn with(options: PartnerEdge, guangdong: &[Digest], macao: &[Digest]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::new();
        let reader = clock.clone();
        let now: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync> = Arc::new(move || reader.now());
        let log_options = SqliteOptions { create: true, ..SqliteOptions::new(Arc::clone(&now)) };
        let log = Arc::new(SqliteLog::open(&folder.path().join("log.sqlite"), log_options).unwrap());
        let shared: Arc<dyn EventLog> = Arc::<SqliteLog>::clone(&log);
        let vault_options = VaultOptions { create: true, ..VaultOptions::new(Arc::clone(&now)) };
        let master = MasterKey::from_env_value(MASTER).unwrap();
        let vault = Arc::new(SubjectVault::open(&folder.path().join("vault.sqlite"), master, vault_options).unwrap());
        let own = council_id(HONG_KONG);
        let peers = vec![peer(GUANGDONG, guangdong), peer(MACAO, macao)];
        let council = Arc::new(Council {
            own: own.clone(),
            log: Arc::clone(&shared),
            vault: Arc::clone(&vault),
            keys: Arc::new(KeyRing::new(vec![signing_key(HONG_KONG, 0)])),
            directory: Arc::new(Directory::new(own, peers).unwrap()),
            index: ReferralIndex::open(IndexOptions::new(folder.path().join("referrals.sqlite"))).unwrap(),
            evidence: EvidenceStore::new(folder.path().join("evidence"), vault, EvidenceLimits::default()),
            journal: SecurityJournal::new(shared, Arc::clone(&now), PER_MINUTE),
            now,
        });
        let router = router(Arc::clone(&council), options);
        Self { router, council, log, clock, nonces: Mutex::new(0), _folder: folder }
    }

    /// Brings the index up to the end of the log.
    pub(super) fn catch_up(&self) {
        self.council.index.catch_up(&mut self.log.reader().unwrap()).unwrap();
    }

    /// The codes in the journal, in the order in which they were written.
    pub(super) async fn journal(&self) -> Vec<String> {
        let events = read_behind(self.log.as_ref(), None, 1_000).await;
        let refused = events.iter().filter(|event| &*event.kind == "security.refused");
        refused
            .map(|event| {
                let payload: Value = serde_json::from_str(&event.payload).unwrap();
                payload["code"].as_str().unwrap().to_owned()
            })
            .collect()
    }

    /// Every payload of the log as one text.
    pub(super) async fn logged(&self) -> String {
        let events = read_behind(self.log.as_ref(), None, 1_000).await;
        events.iter().map(|event| event.payload.to_string()).collect()
    }

    /// The answer to a request, of which nothing is read yet.
    pub(super) async fn unread(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.expect("routers do not fail")
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.unread(request).await;
        let (parts, body) = response.into_parts();
        let reading = axum::body::to_bytes(body, usize::MAX);
        let body = tokio::time::timeout(Duration::from_secs(10), reading).await.expect("an end").expect("a body");
        Reply { status: parts.status, headers: parts.headers, body: body.to_vec() }
    }

    /// A nonce that was never used before.
    pub(super) fn nonce(&self) -> String {
        let mut nonces = self.nonces.lock().unwrap();
        *nonces += 1;
        format!("nonce-{:026}", *nonces)
    }

    /// A request as a council signs it.
    pub(super) fn signed(&self, key: &SigningKey, method: &Method, path: &str, body: Vec<u8>) -> Request<Body> {
        self.signed_for(key, method, &format!("http://{HOST}"), path, body)
    }

    /// A request signed for another address than the one it is sent to.
    pub(super) fn signed_for(
        &self,
        key: &SigningKey,
        method: &Method,
        base: &str,
        path: &str,
        body: Vec<u8>,
    ) -> Request<Body> {
        let media = if path == GRAPHQL_PATH { "application/json" } else { "application/octet-stream" };
        let media = (!body.is_empty()).then_some(media);
        let (target, nonce) = (format!("{base}{path}"), self.nonce());
        let signed = sign_request(key, method, &target, media, &body, self.clock.now(), &nonce).unwrap();
        let SignedHeaders { content_digest, signature_input, signature } = signed;
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", HOST)
            .header("content-digest", content_digest)
            .header("signature-input", signature_input)
            .header("signature", signature);
        if let Some(media) = media {
            request = request.header("content-type", media);
        }
        request.body(Body::from(body)).unwrap()
    }

    /// A GraphQL request of a council.
    pub(super) fn asked(&self, council: &str, document: &str, variables: Value) -> Request<Body> {
        let body = json!({ "query": document, "variables": variables }).to_string().into_bytes();
        self.signed(&signing_key(council, 0), &Method::POST, GRAPHQL_PATH, body)
    }

    pub(super) async fn ask(&self, council: &str, document: &str, variables: Value) -> Reply {
        self.send(self.asked(council, document, variables)).await
    }

    /// Brings a message the way its kind is brought.
    pub(super) async fn bring(&self, council: &str, message: &SignedMessage) -> Reply {
        let text: Value = serde_json::from_str(&message.text).unwrap();
        let kind = cross_border::exchange::MessageKind::from_code(text["kind"].as_str().unwrap()).unwrap();
        let document = cross_border::delivery::documents::of(kind);
        let variables = cross_border::delivery::documents::variables(kind, message).unwrap();
        self.ask(council, document.text, Value::Object(variables)).await
    }

    pub(super) async fn file(
        &self,
        council: &str,
        method: Method,
        of: SharedId,
        digest: &Digest,
        body: &[u8],
    ) -> Reply {
        let path = format!("{EVIDENCE_PATH}/{of}/{digest}");
        self.send(self.signed(&signing_key(council, 0), &method, &path, body.to_vec())).await
    }
}

/// The same request over a connection with a client certificate.
pub(super) fn with_certificate(mut request: Request<Body>, certificate: &Digest) -> Request<Body> {
    let addr = "192.0.2.1:1000".parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(TlsPeer { addr, certificate: Some(certificate.clone()) }));
    request
}

/// A body that begins and does not end.
pub(super) fn stalled() -> Body {
    let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"{"))]);
    Body::from_stream(first.chain(stream::pending()))
}

/// The lane of a council that writes to Hong Kong, and what it has seen of the other.
pub(super) struct Author {
    pub(super) key: SigningKey,
    pub(super) id: PartnerId,
    pub(super) shared: SharedId,
    pub(super) segment: Segment,
}

impl Author {
    pub(super) fn new(council: &str) -> Self {
        Self {
            key: signing_key(council, 0),
            id: council_id(council),
            shared: SharedId::parse("7c9e6679-7425-50de-944b-e07fc1f90ae7").unwrap(),
            segment: Segment::default(),
        }
    }

    /// The next message of the lane, signed.
    pub(super) fn write(&mut self, at: DateTime<Utc>, body: impl Into<MessageBody>) -> SignedMessage {
        let Next { sequence, clock, previous, seen } = self.segment.next(Side::Origin);
        let header = Header {
            version: VERSION,
            delivery: DeliveryId::derived(self.shared, &self.id, sequence),
            referral: self.shared,
            origin: self.id.clone(),
            from: self.id.clone(),
            to: council_id(HONG_KONG),
            sequence,
            clock,
            previous,
            seen,
            at,
            salt: "0".repeat(32),
        };
        let message = Message { header, body: body.into() };
        message.check().unwrap();
        let signed = self.sign(message.canonical().unwrap());
        let entry = cross_border::exchange::Entry::of(&message, signed.digest());
        self.segment.insert(Side::Origin, entry).unwrap();
        signed
    }

    pub(super) fn sign(&self, text: String) -> SignedMessage {
        let jws = sign_detached(&self.key, text.as_bytes()).unwrap();
        SignedMessage { text, jws, key: self.key.id.clone() }
    }
}

/// A name that must never stand in clear.
pub(super) const NAME: &str = "陈大文";

pub(super) fn submission(evidence: Vec<EvidenceItem>) -> Submission {
    Submission {
        purpose: Purpose::Conciliation,
        consumer: Consumer { name: Some(NAME.to_owned()), ..Consumer::default() },
        trader: Trader::default(),
        purchase: Purchase::default(),
        facts: Some(LangText { lang: Language::SimplifiedChinese, text: "商家不退款".to_owned() }),
        request: None,
        renditions: Vec::new(),
        evidence,
        consent: "consent-1".to_owned(),
        consent_text_version: "hk-2026-05".to_owned(),
        route: LegalRoute::GbaHongKong,
        contract: Some("GBA-HK-2026-1".to_owned()),
        retention_to: "2027-05-18".parse().unwrap(),
        onward_transfer: false,
        rights_contact: "rights@example.org".to_owned(),
    }
}

/// A file of text, and how it is announced.
pub(super) fn text_file() -> (EvidenceItem, Vec<u8>) {
    let bytes = "订单号 A-1，未退款。\n".as_bytes().to_vec();
    let item = EvidenceItem {
        digest: Digest::of(&bytes),
        name: "对话.txt".to_owned(),
        bytes: u64::try_from(bytes.len()).unwrap(),
        media: "text/plain".to_owned(),
    };
    (item, bytes)
}
