//! A server for tests that answers as badly as it is told to: one exchange per connection, on the loopback address.

use std::future::{Future, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::partner::PartnerId;
use crate::peer::{Peer, Transport};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What to do with a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// An answer with these headers (each line with its end) and this body.
    Answer { status: u16, headers: String, body: Vec<u8> },
    /// These bytes, and then nothing more for as long as the client waits.
    Hang(Vec<u8>),
    /// A head, and then a body for as long as the client reads.
    Flood,
    /// These bytes, and the connection is closed behind them.
    Cut(Vec<u8>),
    /// The connection is closed without a word.
    Close,
}

impl Reply {
    pub(crate) fn json(body: &serde_json::Value) -> Self {
        Self::status(200, &body.to_string())
    }

    pub(crate) fn status(status: u16, body: &str) -> Self {
        Self::Answer { status, headers: String::new(), body: body.as_bytes().to_vec() }
    }

    pub(crate) fn with_header(self, name: &str, value: &str) -> Self {
        match self {
            Self::Answer { status, headers, body } => {
                Self::Answer { status, headers: format!("{headers}{name}: {value}\r\n"), body }
            }
            other => other,
        }
    }
}

/// An answer that may take its time.
pub(crate) type Answering = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// What answers. Called once for each request, in the order in which they come.
type Answerer = Arc<dyn Fn(Request) -> Answering + Send + Sync>;

/// A listening server; it ends when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    _task: JoinSet<()>,
}

impl Server {
    /// A server whose answers depend on nothing but the request.
    pub(crate) async fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve(move |request| -> Answering { Box::pin(ready(answer(&request))) }).await
    }

    pub(crate) async fn serve(answer: impl Fn(Request) -> Answering + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen): (Answerer, _) = (Arc::new(answer), Arc::clone(&requests));
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut exchanges = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                exchanges.spawn(exchange(stream, Arc::clone(&answer), Arc::clone(&seen)));
            }
        });
        Self { address, requests, _task: task }
    }

    /// A server that always answers the same.
    pub(crate) async fn fixed(reply: Reply) -> Self {
        Self::start(move |_request| reply.clone()).await
    }

    /// What came so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The peer that this server plays, reached by `host`.
    pub(crate) fn peer_at(&self, id: &str, host: &str) -> Peer {
        Peer {
            id: PartnerId::parse(id).unwrap(),
            endpoint: Some(format!("http://{host}:{}/partner/graphql", self.address.port())),
            transport: Transport::Push,
            pull: false,
            keys: Vec::new(),
            certificates: Vec::new(),
            server_ca_file: None,
            allow_private_address: true,
            allow_plain_http: true,
        }
    }

    /// The peer that this server plays.
    pub(crate) fn peer(&self, id: &str) -> Peer {
        self.peer_at(id, "127.0.0.1")
    }
}

async fn exchange(mut stream: TcpStream, answer: Answerer, seen: Arc<Mutex<Vec<Request>>>) {
    let Some(request) = read_request(&mut stream).await else { return };
    seen.lock().unwrap().push(request.clone());
    let reply = answer(request).await;
    // A client that has enough closes the connection, and then writing fails; that is what some tests are about.
    let _closed = write_reply(&mut stream, reply).await;
}

async fn write_reply(stream: &mut TcpStream, reply: Reply) -> std::io::Result<()> {
    match reply {
        Reply::Answer { status, headers, body } => {
            let length = body.len();
            let head =
                format!("HTTP/1.1 {status} Told\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n");
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&body).await?;
            stream.shutdown().await
        }
        Reply::Hang(bytes) => {
            stream.write_all(&bytes).await?;
            // Until the client gives up.
            stream.read(&mut [0; 1]).await.map(drop)
        }
        Reply::Flood => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").await?;
            loop {
                stream.write_all(&[b' '; 4_096]).await?;
            }
        }
        Reply::Cut(bytes) => {
            stream.write_all(&bytes).await?;
            stream.shutdown().await
        }
        Reply::Close => Ok(()),
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap().split(' ');
    let (method, path) = (first.next().unwrap().parse().unwrap(), first.next().unwrap().to_owned());
    let headers: HeaderMap = lines
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
        })
        .collect();
    let length: usize = headers.get("content-length").map_or(0, |value| value.to_str().unwrap().parse().unwrap());
    let mut body = bytes[head_end + 4..].to_vec();
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Request { method, path, headers, body })
}
