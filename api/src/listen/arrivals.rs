//! Where connections come from.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use super::turnstile::{Ticket, Turnstile};

/// Wait after an error of the system, such as too many open files, before the next connection is taken.
const PAUSE: Duration = Duration::from_secs(1);

/// Gives one connection after the other.
pub trait Arrivals: Send + 'static {
    /// The bytes of a connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// Who is at its other end, as handlers learn it.
    type Peer: Clone + Send + Sync + 'static;

    /// The next connection. What fails is logged and passed over, and nothing is lost when the future is dropped.
    fn next(&mut self) -> impl Future<Output = Arrival<Self::Io, Self::Peer>> + Send;

    /// Who may come in.
    fn turnstile(&self) -> &Arc<Turnstile>;
}

/// A connection that has come.
#[derive(Debug)]
pub struct Arrival<I, P> {
    /// Its bytes.
    pub io: I,
    /// Who is at its other end.
    pub peer: P,
    /// The count of its address.
    pub ticket: Ticket,
}

/// Plain connections over TCP.
#[derive(Debug)]
pub struct TcpArrivals {
    tcp: TcpListener,
    turnstile: Arc<Turnstile>,
}

impl TcpArrivals {
    /// Those of a bound socket.
    #[must_use]
    pub const fn new(tcp: TcpListener, turnstile: Arc<Turnstile>) -> Self {
        Self { tcp, turnstile }
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// The next connection of an address that may have one more.
    ///
    /// What is written to it goes out at once (`TCP_NODELAY`): an answer is written whole, and waiting for more of it
    /// only costs time.
    pub async fn accept(&self) -> Arrival<TcpStream, SocketAddr> {
        loop {
            match self.tcp.accept().await {
                Ok((io, peer)) => {
                    // Whoever has too many is closed at once.
                    let Some(ticket) = self.turnstile.admit(peer.ip()) else { continue };
                    if let Err(error) = io.set_nodelay(true) {
                        tracing::debug!(error = %error, "A connection is sent with delay");
                    }
                    return Arrival { io, peer, ticket };
                }
                Err(error) if is_of_the_connection(&error) => {}
                Err(error) => {
                    let name = self.turnstile.name();
                    tracing::error!(error = %error, "The listener `{name}` could not take a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

impl Arrivals for TcpArrivals {
    type Io = TcpStream;
    type Peer = SocketAddr;

    async fn next(&mut self) -> Arrival<TcpStream, SocketAddr> {
        self.accept().await
    }

    fn turnstile(&self) -> &Arc<Turnstile> {
        &self.turnstile
    }
}

/// Whether an error concerns one connection, so that the next can be taken at once.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_system_lacks_makes_the_listener_pause() {
        // 24 is EMFILE: too many open files.
        assert!(!is_of_the_connection(&io::Error::from_raw_os_error(24)));
        assert!(is_of_the_connection(&io::ErrorKind::ConnectionAborted.into()));
    }
}
