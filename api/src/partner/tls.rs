//! The listener for partners, and for the clients of a vault node: TLS in which both sides show a certificate.
//!
//! A handshake is a task of its own with an end, and their number is bounded, so that a client that connects and says
//! nothing holds up nobody. It counts for its address from its beginning, and takes a place of the listener when it has
//! succeeded. Who a client is by its certificate travels with the connection as [`TlsPeer`]; which certificate belongs
//! to which council is decided where the request's signature is checked.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cross_border::exchange::Digest;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::listen::{Arrival, Arrivals, TcpArrivals, Turnstile};

/// Time for a handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Handshakes under way at once. When one more comes, the oldest gives way: it had the most time.
const HANDSHAKES_MAX: usize = 256;

/// The files (PEM) that one side is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Our certificate, then those between it and its issuer's root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The certificates of the authorities that vouch for the other side: whose clients are let in, and for a client,
    /// whose servers are believed.
    pub client_ca: PathBuf,
}

/// Why the listener cannot be made.
#[derive(Debug, Error)]
pub enum TlsError {
    #[error("{} cannot be read as PEM", .path.display())]
    Pem { path: PathBuf, source: pem::Error },
    #[error("{} holds no certificate", .path.display())]
    Empty { path: PathBuf },
    #[error("a certificate in {} cannot be a root", .path.display())]
    Root { path: PathBuf, source: rustls::Error },
    #[error("the clients' authorities cannot be used")]
    Clients(#[source] VerifierBuilderError),
    #[error("certificate and key cannot be used; do they belong together?")]
    Identity(#[source] rustls::Error),
}

/// Who is at the other end of a connection; handlers find it as `ConnectInfo<TlsPeer>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsPeer {
    pub addr: SocketAddr,
    /// The SHA-256 of the client's certificate (DER). Nobody comes in without one.
    pub certificate: Option<Digest>,
}

/// Reads the files and builds what the listener needs. No client comes in without a certificate of the authorities.
///
/// # Errors
/// [`TlsError`] names the file.
pub fn server_config(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let (roots, chain, key) = read(files)?;
    build(provider(), roots, chain, key)
}

/// Reads the files and builds what a client needs. It speaks with no server but those of the authorities, and shows its
/// own certificate.
///
/// # Errors
/// [`TlsError`] names the file.
pub fn client_config(files: &TlsFiles) -> Result<ClientConfig, TlsError> {
    let (roots, chain, key) = read(files)?;
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(TlsError::Identity)?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(TlsError::Identity)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The provider is named here and never installed for the process: another library's choice must not change ours.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

type Read = (RootCertStore, Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn read(files: &TlsFiles) -> Result<Read, TlsError> {
    let mut roots = RootCertStore::empty();
    for root in certificates(&files.client_ca)? {
        roots.add(root).map_err(|source| TlsError::Root { path: files.client_ca.clone(), source })?;
    }
    let chain = certificates(&files.certificate)?;
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|source| TlsError::Pem { path: files.key.clone(), source })?;
    Ok((roots, chain, key))
}

fn build(
    provider: Arc<CryptoProvider>,
    roots: RootCertStore,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, TlsError> {
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(TlsError::Clients)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(TlsError::Identity)?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key)
        .map_err(TlsError::Identity)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::Pem { path: path.to_owned(), source };
    let found: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(path).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
    if found.is_empty() { Err(TlsError::Empty { path: path.to_owned() }) } else { Ok(found) }
}

/// A connection whose handshake has succeeded.
type Shaken = Arrival<TlsStream<TcpStream>, TlsPeer>;

/// Accepts connections whose handshake has succeeded.
pub struct TlsListener {
    tcp: TcpArrivals,
    /// Who comes in here, for the log.
    clients: &'static str,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Option<Shaken>>,
    /// The handshakes under way, the oldest first.
    order: VecDeque<AbortHandle>,
    patience: Duration,
    handshakes_max: usize,
}

impl std::fmt::Debug for TlsListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsListener").field("tcp", &self.tcp).finish_non_exhaustive()
    }
}

impl TlsListener {
    /// A listener over the connections of a bound socket.
    #[must_use]
    pub fn new(tcp: TcpArrivals, config: ServerConfig) -> Self {
        Self {
            tcp,
            clients: "partners",
            acceptor: TlsAcceptor::from(Arc::new(config)),
            handshakes: JoinSet::new(),
            order: VecDeque::new(),
            patience: HANDSHAKE_TIMEOUT,
            handshakes_max: HANDSHAKES_MAX,
        }
    }

    /// Says who comes in here, for the log; partners otherwise.
    #[must_use]
    pub fn for_clients(mut self, clients: &'static str) -> Self {
        self.clients = clients;
        self
    }

    /// The address it is bound to.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn addr(&self) -> io::Result<SocketAddr> {
        self.tcp.addr()
    }

    /// Begins a handshake; where as many are under way as may be, the oldest gives way.
    fn begin(&mut self, arrival: Arrival<TcpStream, SocketAddr>) {
        self.order.retain(|handshake| !handshake.is_finished());
        while self.order.len() >= self.handshakes_max {
            let Some(oldest) = self.order.pop_front() else { break };
            oldest.abort();
        }
        let handshake = shake(self.acceptor.clone(), arrival, self.patience, self.clients);
        self.order.push_back(self.handshakes.spawn(handshake));
    }
}

/// One handshake. A failure is logged without the address, which may be a person's.
async fn shake(
    acceptor: TlsAcceptor,
    arrival: Arrival<TcpStream, SocketAddr>,
    patience: Duration,
    clients: &'static str,
) -> Option<Shaken> {
    let Arrival { io, peer: addr, ticket } = arrival;
    let io = match tokio::time::timeout(patience, acceptor.accept(io)).await {
        Ok(Ok(io)) => io,
        Ok(Err(error)) => {
            tracing::info!(error = %error, "A handshake on the listener for {clients} failed");
            return None;
        }
        Err(_elapsed) => {
            tracing::info!("A handshake on the listener for {clients} took too long");
            return None;
        }
    };
    let shown = io.get_ref().1.peer_certificates().and_then(<[_]>::first);
    // The verifier lets nobody in without one; this holds even if its settings ever change.
    let certificate = Digest::of(shown?);
    Some(Arrival { io, peer: TlsPeer { addr, certificate: Some(certificate) }, ticket })
}

impl Arrivals for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Peer = TlsPeer;

    async fn next(&mut self) -> Shaken {
        loop {
            tokio::select! {
                Some(ended) = self.handshakes.join_next(), if !self.handshakes.is_empty() => {
                    if let Ok(Some(connection)) = ended {
                        return connection;
                    }
                }
                arrival = self.tcp.accept() => self.begin(arrival),
            }
        }
    }

    fn turnstile(&self) -> &Arc<Turnstile> {
        self.tcp.turnstile()
    }
}

#[cfg(test)]
mod tests;
