//! Whether this node and the servers trust each other, and why not.
//!
//! The client reads the certificate files itself and panics in a task of its own when it cannot; and what is wrong with
//! a server's certificate it does not pass on. So the files are read here before, and when no connection comes about,
//! one handshake of our own finds the reason.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::problem::{Problem, brief, certificate_problem};
use crate::fault::LogFault;

/// Time to reach a server when looking for what is wrong.
const REACH_TIMEOUT: Duration = Duration::from_secs(2);
/// Time that a server has to say that it does not take our certificate, which it does behind the handshake.
const REFUSAL_WAIT: Duration = Duration::from_millis(500);
/// Servers that are looked at.
const HOSTS_MAX: usize = 3;

/// The files that trust depends on.
#[derive(Debug, Clone)]
pub(super) struct TrustFiles {
    /// The connection is encrypted, and certificates are looked at.
    pub(super) verifies: bool,
    pub(super) ca: Option<PathBuf>,
    pub(super) identity: Option<(PathBuf, PathBuf)>,
}

impl TrustFiles {
    /// Reads all that the client will read. Blocks.
    ///
    /// # Errors
    /// The client could not go on with what is there.
    pub(super) fn read(&self) -> Result<Trust, LogFault> {
        let roots = match &self.ca {
            Some(path) => roots_in(path)?,
            None => roots_of_the_system()?,
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| distrust(format!("TLS cannot be set up: {error}")))?
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            Some((certificate, key)) => {
                let chain = certificates(certificate)?;
                let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error))?;
                builder.with_client_auth_cert(chain, key).map_err(|error| {
                    distrust(format!("{} and its key cannot be used: {error}", certificate.display()))
                })?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Trust { config: self.verifies.then(|| Arc::new(config)) })
    }
}

fn roots_in(path: &Path) -> Result<RootCertStore, LogFault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| distrust(format!("a certificate in {} cannot be a root: {error}", path.display())))?;
    }
    Ok(roots)
}

fn roots_of_the_system() -> Result<RootCertStore, LogFault> {
    let failed = |error: &dyn std::fmt::Display| {
        distrust(format!("the system's authorities cannot be read ({error}); name a CA file"))
    };
    let found = rustls_native_certs::load_native_certs();
    if let Some(error) = found.errors.first() {
        return Err(failed(error));
    }
    let mut roots = RootCertStore::empty();
    for certificate in found.certs {
        roots.add(certificate).map_err(|error| failed(&error))?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, LogFault> {
    let failed = |error: pem::Error| unreadable(path, &error);
    let found: Vec<_> =
        CertificateDer::pem_file_iter(path).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
    if found.is_empty() { Err(distrust(format!("{} holds no certificate", path.display()))) } else { Ok(found) }
}

fn unreadable(path: &Path, error: &pem::Error) -> LogFault {
    distrust(format!("{} cannot be read as PEM: {error}", path.display()))
}

fn distrust(what: String) -> LogFault {
    LogFault::Certificate { what }
}

/// What was read, good for handshakes of our own.
#[derive(Debug, Clone)]
pub(super) struct Trust {
    /// `None` where the connection is not encrypted or nobody looks at certificates.
    config: Option<Arc<ClientConfig>>,
}

impl Trust {
    /// Looks at the servers one after the other for why there is no connection; `None` when they can all be reached and
    /// trusted. A matter of trust counts more than a server that is not there.
    pub(super) async fn look(&self, hosts: &[(String, u16)]) -> Option<Problem> {
        let mut unreached = None;
        for (host, port) in hosts.iter().take(HOSTS_MAX) {
            match self.look_at(host, *port).await {
                Ok(()) => {}
                Err(distrust @ Problem::Certificate(_)) => return Some(distrust),
                Err(problem) => unreached = Some(problem),
            }
        }
        unreached
    }

    async fn look_at(&self, host: &str, port: u16) -> Result<(), Problem> {
        let failed = |error: &str| match certificate_problem(error) {
            Some(what) => Problem::Certificate(format!("{what} ({host}:{port})")),
            None => Problem::Unconnected(format!("{host}:{port}: {}", brief(error))),
        };
        let tcp = match timeout(REACH_TIMEOUT, TcpStream::connect((host, port))).await {
            Ok(Ok(tcp)) => tcp,
            Ok(Err(error)) => return Err(failed(&error.to_string())),
            Err(_elapsed) => return Err(failed("no answer")),
        };
        let Some(config) = &self.config else { return Ok(()) };
        let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(&error.to_string()))?;
        let handshake = TlsConnector::from(Arc::clone(config)).connect(name, tcp);
        let mut tls = match timeout(REACH_TIMEOUT, handshake).await {
            Ok(Ok(tls)) => tls,
            Ok(Err(error)) => return Err(failed(&error.to_string())),
            Err(_elapsed) => return Err(failed("no answer to a handshake")),
        };
        match timeout(REFUSAL_WAIT, tls.read_u8()).await {
            Ok(Err(error)) if certificate_problem(&error.to_string()).is_some() => Err(failed(&error.to_string())),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
