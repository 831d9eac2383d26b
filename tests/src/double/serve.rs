//! The double at work: its nodes, each on a port of its own, over one log.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tonic::metadata::MetadataMap;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use super::cluster::Cluster;
use super::control;
use super::faults::{Fault, Faults, Kind};
use super::link::{self, Socket, Wire, until};
use super::status;
use super::store::Store;
use super::streams::Node;
use super::wire::Empty;
use super::wire::gossip::ClusterInfo;
use super::wire::gossip::gossip_server::{Gossip, GossipServer};
use super::wire::server_features::server_features_server::{ServerFeatures, ServerFeaturesServer};
use super::wire::server_features::{SupportedMethod, SupportedMethods};
use super::wire::streams::streams_server::StreamsServer;

/// How long a port that somebody else has for a moment is waited for.
const PORT_PATIENCE: Duration = Duration::from_secs(10);
const PORT_AGAIN: Duration = Duration::from_millis(20);
/// How long a caller may take to shake hands.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// Largest message of a request: more than a server takes, so that what it refuses is refused by its own answer.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How much may be under way before the reader must ask for more.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 1 << 22;
/// Longest that a call waits for a pause to end that nobody ends.
const PAUSE_MAX: Duration = Duration::from_secs(3_600);

/// What a double is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The file of the log.
    pub data: PathBuf,
    /// A port for each node; 0 for any.
    pub ports: Vec<u16>,
    pub control_port: u16,
    /// The name that nodes are told by.
    pub host: String,
    /// `name:password`; everybody is let in when there is none.
    pub user: Option<String>,
    /// Certificate and key as PEM.
    pub tls: Option<(PathBuf, PathBuf)>,
    pub max_append_bytes: u32,
    /// What it says its version is.
    pub version: String,
    /// An event of the server's own stands before every so many appends; 0 for none.
    pub noise: u32,
    /// Whether an append is on the disk when it is answered, or with the system.
    pub fsync: bool,
    /// Leaves acknowledgements of what was read to the system, which delays them by some 40 ms.
    pub delayed_acks: bool,
    pub faults: Vec<Fault>,
}

/// Where a double listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    pub nodes: Vec<u16>,
    pub control: u16,
}

/// What all nodes share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) faults: Faults,
    pub(super) cluster: Cluster,
    /// The header of the user that is let in.
    user: RwLock<Option<String>>,
    pub(super) max_append_bytes: u32,
    version: String,
    delayed_acks: bool,
    pub(super) connections: AtomicU64,
    pub(super) subscriptions: AtomicU64,
}

/// Starts a double; it goes on until the process ends.
///
/// # Errors
/// The file, the certificate or a port cannot be had.
pub async fn start(options: Options) -> io::Result<Listening> {
    let tls = options.tls.as_ref().map(|(certificate, key)| link::tls(certificate, key)).transpose()?;
    let store = Store::open(&options.data, options.fsync, options.noise)?;
    let mut listeners = Vec::new();
    for port in &options.ports {
        listeners.push(bind(*port).await?);
    }
    let control = bind(options.control_port).await?;
    let port_of = |listener: &TcpListener| listener.local_addr().map(|addr| addr.port());
    let nodes = listeners.iter().map(port_of).collect::<io::Result<Vec<u16>>>()?;
    let listening = Listening { nodes: nodes.clone(), control: port_of(&control)? };
    let shared = Arc::new(Shared {
        store,
        faults: Faults::new(&options.faults),
        cluster: Cluster::new(options.host, nodes),
        user: RwLock::new(options.user.as_deref().map(header)),
        max_append_bytes: options.max_append_bytes,
        version: options.version,
        delayed_acks: options.delayed_acks,
        connections: AtomicU64::new(0),
        subscriptions: AtomicU64::new(0),
    });
    for (number, listener) in listeners.into_iter().enumerate() {
        tokio::spawn(serve(Arc::clone(&shared), number, listener, tls.clone()));
    }
    tokio::spawn(control::serve(shared, control));
    Ok(listening)
}

/// Takes a port, and waits for it when a process that was killed has not quite let it go.
async fn bind(port: u16) -> io::Result<TcpListener> {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let taken = async {
        loop {
            match TcpListener::bind(addr).await {
                Err(error) if port != 0 && error.kind() == io::ErrorKind::AddrInUse => {
                    tokio::time::sleep(PORT_AGAIN).await;
                }
                bound => return bound,
            }
        }
    };
    tokio::time::timeout(PORT_PATIENCE, taken).await?
}

fn header(user: &str) -> String {
    format!("Basic {}", STANDARD.encode(user))
}

/// A node, through its deaths.
async fn serve(shared: Arc<Shared>, number: usize, listener: TcpListener, tls: Option<Arc<ServerConfig>>) {
    let (wires, mut accepted) = mpsc::channel::<io::Result<Wire>>(64);
    let node = Node { shared: Arc::clone(&shared), number };
    let streams = StreamsServer::new(node.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let server = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .add_service(streams)
        .add_service(GossipServer::new(node.clone()))
        .add_service(ServerFeaturesServer::new(node));
    tokio::spawn(server.serve_with_incoming(stream::poll_fn(move |cx| accepted.poll_recv(cx))));
    let mut listener = Some(listener);
    loop {
        let port = shared.cluster.ports[number];
        let bound = match listener.take() {
            Some(bound) => bound,
            None => bind(port).await.unwrap_or_else(|error| panic!("port {port}: {error}")),
        };
        tokio::select! {
            () = accept(&shared, number, &bound, tls.as_ref(), &wires) => {}
            () = until(shared.cluster.alive(number), false) => {}
        }
        drop(bound);
        until(shared.cluster.alive(number), true).await;
    }
}

async fn accept(
    shared: &Arc<Shared>,
    number: usize,
    listener: &TcpListener,
    tls: Option<&Arc<ServerConfig>>,
    wires: &mpsc::Sender<io::Result<Wire>>,
) {
    loop {
        let Ok((socket, _from)) = listener.accept().await else { continue };
        shared.connections.fetch_add(1, Ordering::Relaxed);
        if shared.faults.strike(Kind::RefuseConnections) {
            continue;
        }
        let (alive, tls, wires) = (shared.cluster.alive(number), tls.cloned(), wires.clone());
        let Ok(socket) = Socket::new(socket, shared.delayed_acks) else { continue };
        tokio::spawn(async move {
            // A caller that breaks off the handshake is gone; that is all there is to know.
            if let Ok(Ok(wire)) = tokio::time::timeout(HANDSHAKE_PATIENCE, shake_hands(socket, tls, alive)).await {
                let _stopped = wires.send(Ok(wire)).await;
            }
        });
    }
}

async fn shake_hands(socket: Socket, tls: Option<Arc<ServerConfig>>, alive: watch::Receiver<bool>) -> io::Result<Wire> {
    match tls {
        Some(config) => Ok(Wire::new(TlsAcceptor::from(config).accept(socket).await?, alive)),
        None => Ok(Wire::new(socket, alive)),
    }
}

impl Shared {
    /// Lets another user in from now on, or everybody.
    pub(super) fn set_user(&self, user: Option<&str>) {
        *self.user.write().unwrap_or_else(PoisonError::into_inner) = user.map(header);
    }

    /// Lets a call in: not while the world stands still, and only the user that is known.
    pub(super) async fn admit(&self, metadata: &MetadataMap) -> Result<(), Status> {
        self.pause().await;
        let user = self.user.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(user) = user else { return Ok(()) };
        match metadata.get("authorization") {
            Some(told) if told.as_bytes() == user.as_bytes() => Ok(()),
            Some(_) => Err(status::unauthenticated()),
            None => Err(status::access_denied()),
        }
    }

    async fn pause(&self) {
        if let Some(length) = self.faults.strikes(Kind::Pause, PAUSE_MAX) {
            self.faults.cleared(Kind::Pause, length).await;
        }
    }

    /// Whether appends can be agreed on.
    pub(super) fn has_quorum(&self) -> bool {
        !self.faults.stands(Kind::NoQuorum)
    }
}

#[tonic::async_trait]
impl Gossip for Node {
    async fn read(&self, _request: Request<Empty>) -> Result<Response<ClusterInfo>, Status> {
        self.shared.pause().await;
        Ok(Response::new(self.shared.cluster.gossip(self.shared.has_quorum())))
    }
}

#[tonic::async_trait]
impl ServerFeatures for Node {
    async fn get_supported_methods(&self, _request: Request<Empty>) -> Result<Response<SupportedMethods>, Status> {
        self.shared.pause().await;
        let methods = ["read", "append", "delete", "tombstone"].map(|name| SupportedMethod {
            method_name: name.to_owned(),
            service_name: "event_store.client.streams.streams".to_owned(),
            features: Vec::new(),
        });
        let event_store_server_version = self.shared.version.clone();
        Ok(Response::new(SupportedMethods { methods: methods.into(), event_store_server_version }))
    }
}
