//! A council's server that does one thing wrong: it stands before a real node and spoils what goes through.
//!
//! It forwards one HTTP exchange per connection. What it needs for a convincing lie it is given: the node's own key.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use cross_border::delivery::documents;
use cross_border::exchange::{Digest, Message, MessageKind, Receipt, ReceiptStatus};
use cross_border::trust::jws::sign_detached;
use cross_border::trust::{PrivateKey, SigningKey};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Longest time one exchange is given.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest head of a request in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// What it does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Every answer is a page of HTML with status 200.
    Garbage,
    /// Every answer leads elsewhere.
    Redirect,
    /// Answers to messages hold no receipt.
    NoReceipt,
    /// Receipts are of another text, and well signed.
    OtherDigest,
    /// Receipts are signed by somebody else under the node's name.
    OtherSigner,
    /// A message that comes again gets another receipt.
    ChangingReceipt,
    /// Requests without a signature, or with another body than was signed, are answered as if they were right.
    TakesUnsigned,
    /// Signatures out of their time, or used before, are answered as if they were right.
    TakesOld,
    /// No answer ends.
    Endless,
    /// Messages behind the submission are acknowledged and thrown away.
    Loses,
    /// Errors have no code.
    Codeless,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    lie: Lie,
    key: SigningKey,
    impostor: SigningKey,
    /// The last good answer to each operation.
    answers: Mutex<BTreeMap<String, Answer>>,
}

/// A listening liar; it ends when it is dropped.
#[derive(Debug)]
pub struct Liar {
    addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Liar {
    /// A liar before the node at `upstream`, whose signing key is `key`.
    pub async fn before(upstream: SocketAddr, lie: Lie, key: SigningKey) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let impostor = SigningKey { private: PrivateKey::generate(key.private.suite()).unwrap(), ..key.clone() };
        let shared = Arc::new(Shared { upstream, lie, key, impostor, answers: Mutex::default() });
        let task = tokio::spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else { return };
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    // A client that has heard enough closes the connection.
                    let _broken = timeout(EXCHANGE_TIMEOUT, exchange(client, &shared)).await;
                });
            }
        });
        Self { addr, task }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

/// A request as it came.
struct Request {
    raw: Vec<u8>,
    /// Its body, where it is that of a GraphQL request.
    asked: Option<Value>,
}

impl Request {
    fn operation(&self) -> Option<&str> {
        self.asked.as_ref()?.get("operationName")?.as_str()
    }

    /// The kind of message that it brings.
    fn kind(&self) -> Option<MessageKind> {
        let operation = self.operation()?;
        MessageKind::ALL.iter().copied().find(|kind| documents::of(*kind).operation == operation)
    }
}

/// An answer with a body of JSON, or any other as it came.
#[derive(Debug, Clone)]
struct Answer {
    status: u16,
    /// Whether the sender is asked to wait, and for how long.
    retry_after: Option<String>,
    body: Value,
}

impl Answer {
    fn is_good(&self) -> bool {
        self.status == 200 && self.body.get("errors").is_none()
    }

    fn code(&self) -> &str {
        self.body["errors"][0]["extensions"]["code"].as_str().unwrap_or_default()
    }

    fn bytes(&self) -> Vec<u8> {
        let body = self.body.to_string();
        let retry_after = self.retry_after.as_ref().map(|wait| format!("retry-after: {wait}\r\n")).unwrap_or_default();
        let Self { status, .. } = self;
        let length = body.len();
        format!(
            "HTTP/1.1 {status} Told\r\ncontent-type: application/json\r\n{retry_after}content-length: {length}\r\n\
             connection: close\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

async fn exchange(mut client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let Some(request) = read_request(&mut client).await? else { return Ok(()) };
    match shared.lie {
        Lie::Garbage => {
            let page = "<html><body>It works!</body></html>";
            let length = page.len();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\n");
            client.write_all(format!("{head}connection: close\r\n\r\n{page}").as_bytes()).await?;
        }
        Lie::Redirect => {
            let elsewhere = "location: https://elsewhere.example/partner/graphql\r\n";
            let head = format!("HTTP/1.1 307 Temporary Redirect\r\n{elsewhere}content-length: 0\r\n");
            client.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).await?;
        }
        Lie::Endless => {
            client.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"data\":").await?;
            // Until the client gives up.
            client.read(&mut [0; 1]).await.map(drop)?;
        }
        _ => {
            let answer = match shared.thrown_away(&request) {
                Some(answer) => answer.bytes(),
                None => {
                    let answer = forward(shared.upstream, &request.raw).await?;
                    shared.spoiled(&request, answer)
                }
            };
            client.write_all(&answer).await?;
        }
    }
    client.shutdown().await
}

impl Shared {
    /// The receipt for a message that nobody will ever see again.
    fn thrown_away(&self, request: &Request) -> Option<Answer> {
        let kind = request.kind().filter(|kind| self.lie == Lie::Loses && *kind != MessageKind::Submission)?;
        let variables = &request.asked.as_ref()?["variables"];
        let body = variables.get("body").cloned().unwrap_or_else(|| json!({}));
        let text = Message::assemble(variables["header"].clone(), kind.code(), body).unwrap();
        let header = Message::parse(&text).ok()?.header;
        let receipt = Receipt {
            delivery: header.delivery,
            referral: header.referral,
            digest: Digest::of(text.as_bytes()),
            from: header.to,
            to: header.from,
            at: header.at,
            status: ReceiptStatus::Received,
        };
        let mut payload = json!({"delivery": receipt.delivery, "status": receipt.status, "repeated": false});
        sign_into(&mut payload, &receipt, &self.key);
        let field = documents::of(kind).field;
        Some(Answer { status: 200, retry_after: None, body: json!({"data": {field: payload}}) })
    }

    /// The node's answer with the lie in it.
    fn spoiled(&self, request: &Request, raw: Vec<u8>) -> Vec<u8> {
        let (Some(mut answer), Some(operation)) = (read_answer(&raw), request.operation()) else { return raw };
        let mut answers = self.answers.lock().unwrap();
        if answer.is_good() {
            answers.insert(operation.to_owned(), answer.clone());
        }
        match self.lie {
            Lie::TakesUnsigned | Lie::TakesOld => {
                let overlooked: &[&str] = match self.lie {
                    Lie::TakesUnsigned => &["SIGNATURE_MISSING", "TAMPERED_BODY"],
                    _ => &["SIGNATURE_EXPIRED", "NONCE_REPLAYED"],
                };
                let overlooks = overlooked.contains(&answer.code());
                match answers.get(operation).filter(|_| overlooks) {
                    Some(former) => former.bytes(),
                    None => raw,
                }
            }
            Lie::Codeless => {
                for error in answer.body.get_mut("errors").and_then(Value::as_array_mut).into_iter().flatten() {
                    error["extensions"].as_object_mut().unwrap().remove("code");
                }
                answer.bytes()
            }
            _ => match request.kind().and_then(|kind| answer.body["data"].get_mut(documents::of(kind).field)) {
                Some(payload) if payload.is_object() => {
                    self.spoil(payload);
                    answer.bytes()
                }
                _ => raw,
            },
        }
    }

    /// Changes the receipt in an answer.
    fn spoil(&self, payload: &mut Value) {
        let mut receipt = Receipt::parse(payload["text"].as_str().unwrap()).unwrap();
        match self.lie {
            Lie::NoReceipt => {
                for member in ["text", "jws", "key"] {
                    payload.as_object_mut().unwrap().remove(member);
                }
            }
            Lie::OtherDigest => {
                receipt.digest = Digest::of(b"another text");
                sign_into(payload, &receipt, &self.key);
            }
            Lie::OtherSigner => sign_into(payload, &receipt, &self.impostor),
            Lie::ChangingReceipt if payload["repeated"] == true => {
                receipt.at -= TimeDelta::milliseconds(1);
                sign_into(payload, &receipt, &self.key);
            }
            _ => {}
        }
    }
}

/// Puts a receipt into an answer, signed.
fn sign_into(payload: &mut Value, receipt: &Receipt, key: &SigningKey) {
    let text = receipt.canonical();
    payload["jws"] = json!(sign_detached(key, text.as_bytes()).unwrap());
    payload["key"] = json!(key.id);
    payload["digest"] = json!(receipt.digest);
    payload["text"] = json!(text);
}

/// One request, its head changed to ask for an end of the connection behind the answer.
async fn read_request(client: &mut TcpStream) -> std::io::Result<Option<Request>> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    let end = loop {
        if let Some(at) = end_of_head(&bytes) {
            break at;
        }
        let read = client.read(&mut buffer).await?;
        if read == 0 || bytes.len() > HEAD_BYTES_MAX {
            return Ok(None);
        }
        bytes.extend_from_slice(&buffer[..read]);
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = header(&head, "content-length").and_then(|value| value.parse::<usize>().ok()).unwrap_or(0);
    while bytes.len() < end + length {
        let read = client.read(&mut buffer).await?;
        if read == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(&buffer[..read]);
    }
    let body = &bytes[end..end + length];
    let mut raw = head.trim_end().as_bytes().to_vec();
    raw.extend_from_slice(b"\r\nconnection: close\r\n\r\n");
    raw.extend_from_slice(body);
    Ok(Some(Request { raw, asked: serde_json::from_slice(body).ok() }))
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// An answer whose body is JSON.
fn read_answer(raw: &[u8]) -> Option<Answer> {
    let end = end_of_head(raw)?;
    let head = std::str::from_utf8(&raw[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let retry_after = header(head, "retry-after").map(str::to_owned);
    Some(Answer { status, retry_after, body: serde_json::from_slice(&raw[end..]).ok()? })
}

async fn forward(upstream: SocketAddr, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(upstream).await?;
    server.write_all(request).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    Ok(answer)
}
