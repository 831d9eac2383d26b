//! Two councils with a real connection between them: ours with a worker, the partner's behind a server that plays its
//! node and can be told to fail.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::envelope::RecordedEvent;
use event_log::port::CommandRef;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::record::record;
use super::{Worker, WorkerOptions};
use crate::council::testing::{Clock, GUANGDONG, HONG_KONG, Node, START, council_id, peer, signing_key};
use crate::delivery::client::testing::{Answering, Reply, Request, Server};
use crate::delivery::{DeliveredBy, DeliveryCommand, documents};
use crate::evidence::NoScanner;
use crate::exchange::{Digest, MessageKind, Receipt, Refusal, RefusalCode, SharedId, SignedMessage, SignedReceipt};
use crate::index::OutboxRow;
use crate::peer::{Peer, Transport};
use crate::referral::ReferralId;
use crate::trust::KeyId;
use crate::trust::http_signature::{Presented, verify_request};

/// What a partner's server does to the next request instead of answering it.
#[derive(Clone)]
pub(crate) enum Fault {
    /// Answers as it should.
    None,
    /// Answers this, and does nothing.
    Instead(Reply),
    /// Does what it should, and then the answer is lost.
    AnswerLost,
    /// Does what it should, and gives another receipt.
    OtherReceipt(Arc<dyn Fn(SignedReceipt) -> SignedReceipt + Send + Sync>),
    /// Answers as it should, once it is told to.
    Held(Arc<Notify>),
}

/// The faults of the requests to come; a request behind the last of them is answered as it should be.
pub(crate) type Faults = Arc<Mutex<VecDeque<Fault>>>;

/// A partner's node behind a server.
pub(crate) struct Partner {
    pub(crate) node: Arc<Node>,
    pub(crate) server: Server,
    pub(crate) faults: Faults,
}

impl Partner {
    /// The node of `own`, which knows `peers`, as `from` meets it.
    pub(crate) async fn start(own: &str, from: &'static str, peers: Vec<Peer>, clock: &Clock) -> Self {
        let node = Arc::new(Node::new(own, peers, clock));
        let (faults, answering) = (Faults::default(), Arc::clone(&node));
        let of_server = Arc::clone(&faults);
        let server = Server::serve(move |request| -> Answering {
            let (node, fault) = (Arc::clone(&answering), of_server.lock().unwrap().pop_front());
            Box::pin(async move { answer(&node, from, request, fault).await })
        })
        .await;
        Self { node, server, faults }
    }

    pub(crate) fn will(&self, fault: Fault) {
        self.faults.lock().unwrap().push_back(fault);
    }

    /// How many requests came with this method.
    pub(crate) fn requests(&self, method: &str) -> usize {
        self.server.requests().iter().filter(|request| request.method == method).count()
    }
}

/// Guangdong with a worker, and Hong Kong.
pub(crate) struct World {
    pub(crate) origin: Arc<Node>,
    pub(crate) partner: Partner,
    pub(crate) clock: Clock,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|peer| peer).await
    }

    /// With Hong Kong's entry in Guangdong's directory changed.
    pub(crate) async fn with(change: impl FnOnce(Peer) -> Peer) -> Self {
        let clock = Clock::at(START);
        let guangdong = peer(GUANGDONG, &[signing_key(GUANGDONG, "2026a")]);
        let partner = Partner::start(HONG_KONG, GUANGDONG, vec![guangdong], &clock).await;
        let keys = vec![signing_key(HONG_KONG, "2026a").verifying()];
        let peers = vec![change(Peer { keys, ..partner.server.peer(HONG_KONG) })];
        let own = vec![signing_key(GUANGDONG, "2026a")];
        let origin = Arc::new(Node::with(GUANGDONG, own, peers, &clock, Arc::new(NoScanner)));
        Self { origin, partner, clock }
    }

    /// A worker that fails and gives up soon.
    pub(crate) fn worker(&self) -> Worker {
        self.worker_with(options("worker-1"))
    }

    pub(crate) fn worker_with(&self, options: WorkerOptions) -> Worker {
        Worker::new(Arc::clone(&self.origin.council), options).unwrap()
    }

    /// Submits to Hong Kong; the submission is not brought over yet.
    pub(crate) async fn submitted(&self) -> ReferralId {
        let id = self.origin.submit(&council_id(HONG_KONG)).await;
        self.origin.catch_up();
        id
    }

    /// Makes every attempt that is due, as the loop does, and waits until they have ended. Tells how many there were.
    pub(crate) async fn turn(&self, worker: &mut Worker) -> usize {
        self.origin.catch_up();
        let mut attempts = JoinSet::new();
        worker.alarm().await;
        worker.begin(&mut attempts).await;
        let begun = attempts.len();
        while let Some(ended) = attempts.join_next_with_id().await {
            worker.end(ended);
        }
        self.origin.catch_up();
        begun
    }

    /// The row of the `sequence`-th message.
    pub(crate) fn row(&self, id: ReferralId, sequence: u32) -> OutboxRow {
        self.origin.catch_up();
        let rows = self.origin.council.index.deliveries_of(id).unwrap();
        rows.into_iter().find(|row| row.sequence == sequence).unwrap()
    }

    /// The kinds of the events of a delivery.
    pub(crate) async fn history(&self, row: &OutboxRow) -> Vec<String> {
        let stream = row.delivery.stream();
        let of_delivery = |event: &RecordedEvent| event.stream == stream;
        let kinds = self.origin.events().await.into_iter().filter(of_delivery).map(|event| event.kind.into());
        kinds.collect()
    }

    /// The codes in our journal of what was refused.
    pub(crate) async fn journal(&self) -> Vec<String> {
        let refused = self.origin.events().await.into_iter().filter(|event| &*event.kind == "security.refused");
        let code = |event: RecordedEvent| {
            let payload: Value = serde_json::from_str(&event.payload).unwrap();
            payload["code"].as_str().unwrap().to_owned()
        };
        refused.map(code).collect()
    }

    /// Has a delivery that was given up tried again.
    pub(crate) async fn redrive(&self, row: &OutboxRow) {
        let command: CommandRef = self.origin.command();
        let issue = event_log::execute::Issue::default();
        record(&self.origin.council, row, command, issue, DeliveryCommand::Redrive).await.unwrap();
        self.origin.catch_up();
    }

    /// Attaches a file to a referral that was sent, which announces it.
    pub(crate) async fn attach(&self, id: ReferralId, bytes: &[u8]) -> Digest {
        let digest = self.origin.attach(id, "application/pdf", bytes).await.unwrap();
        self.origin.catch_up();
        digest
    }

    /// Under which id Hong Kong holds it.
    pub(crate) fn there(&self, id: ReferralId) -> ReferralId {
        ReferralId::inbound(self.origin.own(), &id.to_string())
    }
}

pub(crate) fn options(holder: &str) -> WorkerOptions {
    WorkerOptions {
        holder: holder.to_owned(),
        lease: Duration::from_secs(60),
        base: Duration::from_secs(5),
        max: Duration::from_secs(900),
        attempts_max: 4,
        timeout: Duration::from_secs(30),
        // Whether it opens is what a few tests are about; the others try again and again.
        breaker_failures: 1_000,
        ..WorkerOptions::default()
    }
}

/// Answers as the node of a council does, by its own service.
async fn answer(node: &Node, from: &str, request: Request, fault: Option<Fault>) -> Reply {
    check_signature(node, from, &request);
    match &fault {
        Some(Fault::Instead(reply)) => return reply.clone(),
        Some(Fault::Held(gate)) => gate.notified().await,
        Some(Fault::None | Fault::AnswerLost | Fault::OtherReceipt(_)) | None => {}
    }
    let reply = match (request.method.as_str(), request.path.strip_prefix("/partner/")) {
        ("POST", Some("graphql")) => graphql(node, from, &request.json(), fault.as_ref()).await,
        ("PUT", Some(path)) => put(node, from, path, request.body).await,
        ("GET", Some(path)) => get(node, from, path).await,
        other => panic!("nobody asks for {other:?}"),
    };
    if matches!(fault, Some(Fault::AnswerLost)) { Reply::Close } else { reply }
}

fn check_signature(node: &Node, from: &str, request: &Request) {
    let target = format!("http://{}{}", request.headers["host"].to_str().unwrap(), request.path);
    let presented =
        Presented { method: &request.method, target: &target, headers: &request.headers, body: &request.body };
    verify_request(&presented, &signing_key(from, "2026a").verifying(), node.clock.now()).unwrap();
}

async fn graphql(node: &Node, from: &str, request: &Value, fault: Option<&Fault>) -> Reply {
    let (operation, variables) = (request["operationName"].as_str().unwrap(), &request["variables"]);
    if let Some(kind) = MessageKind::ALL.iter().find(|kind| documents::of(**kind).operation == operation) {
        return message(node, from, *kind, variables, fault).await;
    }
    match operation {
        "Messages" => messages(node, from, variables).await,
        "RecordReceipts" => receipts(node, from, variables).await,
        other => panic!("nobody asks for {other}"),
    }
}

/// Puts the signed text together again from what came, as a partner's server does.
async fn message(node: &Node, from: &str, kind: MessageKind, variables: &Value, fault: Option<&Fault>) -> Reply {
    let body = variables.get("body").cloned().unwrap_or_else(|| json!({}));
    let text = json!({"header": variables["header"], "kind": kind, "body": body});
    let signed = SignedMessage {
        text: serde_json_canonicalizer::to_string(&text).unwrap(),
        jws: variables["statement"]["jws"].as_str().unwrap().to_owned(),
        key: KeyId::parse(variables["statement"]["key"].as_str().unwrap()).unwrap(),
    };
    let mut receipt = match node.council.receive(&council_id(from), signed).await {
        Ok(receipt) => receipt,
        Err(refusal) => return refused(&refusal),
    };
    if let Some(Fault::OtherReceipt(change)) = fault {
        receipt = change(receipt);
    }
    let SignedReceipt { text, jws, key } = receipt;
    let status =
        Receipt::parse(&text).map_or_else(|_error| "received".to_owned(), |receipt| receipt.status.to_string());
    let payload = json!({"text": text, "jws": jws, "key": key, "status": status, "repeated": false});
    Reply::json(&json!({"data": {(documents::of(kind).field): payload}}))
}

/// Two messages a page, so that a handful of them makes several pages.
async fn messages(node: &Node, from: &str, variables: &Value) -> Reply {
    node.catch_up();
    let after = variables["after"].as_str().map(|after| after.parse().map(domain::envelope::Position::new).unwrap());
    let rows = node.council.index.outgoing_after(&council_id(from), after, 2).unwrap();
    let mut messages = Vec::new();
    for row in &rows {
        let Some(SignedMessage { text, jws, key }) = node.council.issued(row).await.unwrap() else { continue };
        let cursor = row.position.to_string();
        messages.push(json!({
            "cursor": cursor, "delivery": row.delivery, "kind": row.kind, "text": text, "jws": jws, "key": key,
        }));
    }
    let next =
        rows.last().map(|row| row.position.to_string()).or_else(|| variables["after"].as_str().map(str::to_owned));
    let page = json!({"messages": messages, "next": next, "atEnd": rows.len() < 2});
    Reply::json(&json!({"data": {"messages": page}}))
}

async fn receipts(node: &Node, from: &str, variables: &Value) -> Reply {
    let receipts: Vec<SignedReceipt> = serde_json::from_value(variables["receipts"].clone()).unwrap();
    for receipt in &receipts {
        if let Err(refusal) = node.council.receipt_from(&council_id(from), receipt, DeliveredBy::Pull).await {
            return refused(&refusal);
        }
    }
    Reply::json(&json!({"data": {"recordReceipts": receipts.len()}}))
}

async fn put(node: &Node, from: &str, path: &str, body: Vec<u8>) -> Reply {
    let (shared, digest) = file_of(path);
    match node.council.receive_evidence(&council_id(from), shared, &digest, body).await {
        Ok(_) => Reply::status(201, ""),
        Err(refusal) => refused(&refusal),
    }
}

async fn get(node: &Node, from: &str, path: &str) -> Reply {
    let (shared, digest) = file_of(path);
    match node.council.serve_evidence(&council_id(from), shared, &digest).await {
        Ok((_, body)) => Reply::Answer { status: 200, headers: String::new(), body },
        Err(refusal) => refused(&refusal),
    }
}

fn file_of(path: &str) -> (SharedId, Digest) {
    let (shared, digest) = path.strip_prefix("evidence/").and_then(|path| path.split_once('/')).unwrap();
    (SharedId::parse(shared).unwrap(), Digest::parse(digest).unwrap())
}

fn refused(refusal: &Refusal) -> Reply {
    answer_of(refusal.code)
}

/// A typed refusal as a partner answers it.
pub(crate) fn answer_of(code: RefusalCode) -> Reply {
    let status = if code == RefusalCode::RateLimited { 429 } else { 422 };
    let body = json!({"errors": [{"message": "refused", "extensions": {"code": code.code()}}]});
    Reply::status(status, &body.to_string())
}

/// A peer that is fetched from, and fetches.
pub(crate) fn polling(peer: Peer) -> Peer {
    Peer { transport: Transport::Poll, ..peer }
}
