//! The connections of the double: plain or TLS, and each of them can be cut.

use std::fmt;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tonic::transport::server::Connected;

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A socket that acknowledges what it has read at once.
///
/// The client leaves Nagle's algorithm on (RFC 896), so that a request of two small segments waits for the
/// acknowledgement of the first, and systems delay that by some 40 ms. Tests append thousands of times one after the
/// other; what they are about is not this wait.
#[derive(Debug)]
pub(super) struct Socket {
    tcp: TcpStream,
    delayed_acks: bool,
}

impl Socket {
    /// A socket that sends at once, and acknowledges at once unless acknowledgements are left to the system.
    pub(super) fn new(tcp: TcpStream, delayed_acks: bool) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        Ok(Self { tcp, delayed_acks })
    }

    #[cfg(target_os = "linux")]
    fn acknowledge(&self) {
        if !self.delayed_acks {
            // Where it cannot be had, the wait is all that it costs.
            let _waits = self.tcp.set_quickack(true);
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn acknowledge(&self) {
        let _left_to_the_system = self.delayed_acks;
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let socket = self.get_mut();
        let read = Pin::new(&mut socket.tcp).poll_read(cx, buffer);
        if read.is_ready() {
            socket.acknowledge();
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}

/// Cuts a connection; a request knows the one that it came over.
#[derive(Debug, Clone)]
pub(super) struct Cutter(watch::Sender<bool>);

impl Cutter {
    /// Cuts it: nothing more is read from it or written to it.
    pub(super) fn cut(&self) {
        self.0.send_replace(true);
    }
}

/// A connection.
pub(super) struct Wire {
    io: Box<dyn Io>,
    cutter: Cutter,
    /// Ends when the connection is to be cut.
    cut: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_cut: bool,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("is_cut", &self.is_cut).finish_non_exhaustive()
    }
}

/// Waits until a flag has a value.
pub(super) async fn until(mut flag: watch::Receiver<bool>, value: bool) {
    // A flag whose owner is gone will not change any more either.
    let _seen = flag.wait_for(|now| *now == value).await;
}

impl Wire {
    /// A connection to a node, cut when the node dies.
    pub(super) fn new<T>(io: T, alive: watch::Receiver<bool>) -> Self
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let cutter = Cutter(watch::Sender::new(false));
        let (cut, dead) = (until(cutter.0.subscribe(), true), until(alive, false));
        let cut = Box::pin(async move {
            tokio::select! {
                () = cut => (),
                () = dead => (),
            }
        });
        Self { io: Box::new(io), cutter, cut, is_cut: false }
    }

    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.is_cut = self.is_cut || self.cut.as_mut().poll(cx).is_ready();
        if self.is_cut { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl Connected for Wire {
    type ConnectInfo = Cutter;

    fn connect_info(&self) -> Cutter {
        self.cutter.clone()
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        wire.check(cx)?;
        Pin::new(&mut wire.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        if wire.is_cut {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut wire.io).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

/// The TLS settings of a node, its provider named: a process-wide one would be in the way of the client's own.
///
/// # Errors
/// A file cannot be read, or certificate and key do not fit each other.
pub(super) fn tls(certificate: &Path, key: &Path) -> io::Result<Arc<ServerConfig>> {
    let unfit = |error: rustls::Error| io::Error::new(io::ErrorKind::InvalidData, error);
    let unread = |error: rustls::pki_types::pem::Error| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(certificate).map_err(unread)?.collect::<Result<_, _>>().map_err(unread)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(unread)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unfit)?;
    config.alpn_protocols.push(b"h2".to_vec());
    Ok(Arc::new(config))
}
