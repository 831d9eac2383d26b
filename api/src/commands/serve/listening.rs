//! The listeners of a server: all of them are bound before any work begins, and answer once nothing can fail any more.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use thiserror::Error;
use tokio::net::TcpListener;

use super::exchange;
use crate::commands::Failure;
use crate::config::Config;
use crate::listen::{Arrivals, Limits, TcpArrivals, Turnstile};
use crate::metrics::Metrics;
use crate::partner::tls::TlsListener;
use crate::shutdown::Shutdown;

/// What the admin port takes: a few who watch this process, none of whom has reason to be slow.
pub(crate) const ADMIN: Limits = Limits {
    header_timeout: std::time::Duration::from_secs(10),
    connections_max: 128,
    connections_per_address_max: 64,
};

/// A listener cannot have its address; the cause is what the system says.
#[derive(Debug, Error)]
#[error(
    "the listener `{name}` cannot have {at}, so nothing was begun: stop whoever has that address, or name another one"
)]
pub struct ListenError {
    /// `api`, `admin`, `partners` or `vault`.
    pub name: &'static str,
    pub at: SocketAddr,
    #[source]
    pub source: io::Error,
}

/// Every listener of a server, bound. Whoever comes waits until it is served.
pub(super) struct Listeners {
    pub(super) api: TcpArrivals,
    pub(super) admin: TcpArrivals,
    /// Over TLS, where partners have a listener of their own.
    pub(super) partners: Option<TlsListener>,
}

/// Where the listeners are.
pub(super) struct Addresses {
    pub(super) addr: SocketAddr,
    pub(super) admin_addr: SocketAddr,
    pub(super) partner_addr: Option<SocketAddr>,
}

impl Listeners {
    /// Binds all that are configured.
    ///
    /// # Errors
    /// [`ListenError`]; or the files of the partners' listener cannot be used.
    pub(super) async fn bind(metrics: &Metrics, config: &Config) -> Result<Self, Failure> {
        let api = bind(metrics, "api", config.server.listen, config.server.connections()).await?;
        let admin = bind(metrics, "admin", config.server.admin_listen, ADMIN).await?;
        let partners = match config.partner.listen {
            Some(at) => {
                let tcp = bind(metrics, "partners", at, config.partner.connections()).await?;
                Some(exchange::over_tls(&config.partner, tcp)?)
            }
            None => None,
        };
        Ok(Self { api, admin, partners })
    }

    /// Where they are.
    ///
    /// # Errors
    /// The system does not tell.
    pub(super) fn addresses(&self) -> io::Result<Addresses> {
        let partner_addr = self.partners.as_ref().map(TlsListener::addr).transpose()?;
        Ok(Addresses { addr: self.api.addr()?, admin_addr: self.admin.addr()?, partner_addr })
    }
}

/// Binds a listener, whose connections the metrics show under its name.
///
/// # Errors
/// [`ListenError`].
pub(crate) async fn bind(
    metrics: &Metrics,
    name: &'static str,
    at: SocketAddr,
    limits: Limits,
) -> Result<TcpArrivals, Failure> {
    let turnstile = Turnstile::new(name, limits);
    let shown = Arc::clone(&turnstile);
    metrics.observe_connections(name, move || shown.connections());
    let listener = TcpListener::bind(at).await.map_err(|source| ListenError { name, at, source })?;
    Ok(TcpArrivals::new(listener, turnstile))
}

/// Serves what arrives until the process stops; it stops when this ends.
pub(crate) fn serve_until<A: Arrivals>(shutdown: &Shutdown, arrivals: A, router: Router) {
    let name = arrivals.turnstile().name();
    shutdown.spawn_vital(name, crate::listen::serve(arrivals, router, shutdown.token()));
}
