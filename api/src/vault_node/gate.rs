//! Who may speak to the mirror of a vault node: only whom its configuration names.
//!
//! Every certificate of the vault's authority lets its holder find, make and destroy keys, which is what nodes of the
//! API do. The mirror gives every wrapped key there is, takes what comes as its primary's word, and is told there that
//! it holds everything. So a standby asks who it is: one of the names in `vault_node.mirror_clients` must stand in the
//! certificate that was shown. Without certificates nobody but this machine comes in at all, and nobody is asked.

use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::wire::{Fault, FaultCode};
use crate::listen::{Arrival, Arrivals, Turnstile};
use crate::partner::tls::TlsListener;

/// A name that cannot stand in a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{name}` in vault_node.mirror_clients is no name of a certificate: give the name of a host, or its address")]
pub(super) struct NameError {
    name: String,
}

/// The names of `vault_node.mirror_clients`, read.
///
/// # Errors
/// One of them cannot stand in a certificate.
pub(super) fn names(configured: &[String]) -> Result<Vec<ServerName<'static>>, NameError> {
    let read = |name: &String| ServerName::try_from(name.clone()).map_err(|_error| NameError { name: name.clone() });
    configured.iter().map(read).collect()
}

/// Who is at the other end of a connection; handlers find it as `ConnectInfo<VaultPeer>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct VaultPeer {
    /// Its certificate holds one of the configured names.
    pub(super) is_named: bool,
}

/// Who may speak to the mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// Everybody who comes in: without certificates that is this machine.
    ThisMachine,
    /// Nobody: no name is configured.
    Closed,
    /// Whose certificate holds a configured name.
    Named,
}

impl Gate {
    /// Lets a peer pass or says what to do; one that is not known is let in nowhere.
    pub(super) fn check(self, peer: Option<VaultPeer>) -> Result<(), Fault> {
        let what = match self {
            Self::ThisMachine => return Ok(()),
            Self::Named if peer.is_some_and(|peer| peer.is_named) => return Ok(()),
            Self::Named => "holds no name in the certificate that was shown",
            Self::Closed => "is empty",
        };
        let message = format!(
            "`vault_node.mirror_clients` of this vault node {what}: name its primary there, as the primary's \
             certificate does, and start it again"
        );
        Err(Fault::new(FaultCode::MirrorForbidden, message))
    }
}

/// Connections over TLS, each with whether its certificate holds one of some names.
pub(super) struct NamedPeers {
    tls: TlsListener,
    names: Vec<ServerName<'static>>,
}

impl NamedPeers {
    pub(super) const fn new(tls: TlsListener, names: Vec<ServerName<'static>>) -> Self {
        Self { tls, names }
    }
}

impl Arrivals for NamedPeers {
    type Io = TlsStream<TcpStream>;
    type Peer = VaultPeer;

    async fn next(&mut self) -> Arrival<TlsStream<TcpStream>, VaultPeer> {
        let Arrival { io, ticket, peer: _ } = self.tls.next().await;
        let shown = io.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let is_named = shown.is_some_and(|certificate| holds_one(certificate, &self.names));
        Arrival { io, peer: VaultPeer { is_named }, ticket }
    }

    fn turnstile(&self) -> &Arc<Turnstile> {
        self.tls.turnstile()
    }
}

/// Whether a certificate is one for any of these names. That its authority is ours was checked with the handshake.
fn holds_one(certificate: &CertificateDer<'_>, names: &[ServerName<'static>]) -> bool {
    ParsedCertificate::try_from(certificate)
        .is_ok_and(|certificate| names.iter().any(|name| verify_server_name(&certificate, name).is_ok()))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn listed(configured: &[&str]) -> Vec<ServerName<'static>> {
        names(&configured.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_name_counts_where_it_stands_in_the_certificate() {
        let params = CertificateParams::new(["vault-1", "vault-1.example.org", "10.0.0.7"].map(str::to_owned)).unwrap();
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let cases: [(&[&str], bool); 7] = [
            (&["vault-1"], true),
            (&["vault-9", "vault-1.example.org"], true),
            (&["10.0.0.7"], true),
            (&["VAULT-1"], true),
            (&["vault-2", "10.0.0.8"], false),
            (&["example.org"], false),
            (&[], false),
        ];
        for (configured, counts) in cases {
            assert_eq!(holds_one(certificate.der(), &listed(configured)), counts, "{configured:?}");
        }
        let nonsense = CertificateDer::from(vec![0_u8; 16]);
        assert!(!holds_one(&nonsense, &listed(&["vault-1"])));
    }

    #[test]
    fn a_name_that_no_certificate_can_hold_is_told() {
        for wrong in ["", "vault 1", "https://vault-1:8460", "vault-1:8460", "*"] {
            let error = names(&["vault-1".to_owned(), wrong.to_owned()]).unwrap_err();
            assert_eq!(error, NameError { name: wrong.to_owned() });
            assert!(error.to_string().contains("vault_node.mirror_clients"), "{error}");
        }
    }

    #[test]
    fn only_those_who_are_named_pass() {
        let (named, other) = (VaultPeer { is_named: true }, VaultPeer { is_named: false });
        assert!(Gate::ThisMachine.check(None).is_ok());
        assert!(Gate::Named.check(Some(named)).is_ok());
        for (gate, peer) in [
            (Gate::Named, Some(other)),
            (Gate::Named, None),
            (Gate::Closed, Some(named)),
            (Gate::Closed, Some(other)),
            (Gate::Closed, None),
        ] {
            let fault = gate.check(peer).unwrap_err();
            assert_eq!(fault.code, FaultCode::MirrorForbidden);
            assert!(fault.message.contains("`vault_node.mirror_clients`"), "{fault}");
        }
    }
}
