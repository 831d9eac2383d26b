//! Why a request stayed without an answer, and what to try next where an option of the check can help.

use std::error::Error as StdError;
use std::time::Duration;

use cross_border::delivery::client::failure::{causes, is_private_address};
use rustls::CertificateError;
use thiserror::Error;

use super::report::shown;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Unanswered {
    #[error("no connection ({0})")]
    NoConnection(String),
    #[error("no connection ({0}); a server inside one's own network is checked with --allow-private-address")]
    PrivateAddress(String),
    #[error("no connection ({0}); name the authority that issued the server's certificate (PEM) with --server-ca")]
    UnknownAuthority(String),
    #[error("no answer began within {0:?}")]
    Silent(Duration),
    #[error("the answer had not ended after {0:?}")]
    Endless(Duration),
    #[error("the answer has more than {0} bytes")]
    TooLong(usize),
    #[error("the connection broke ({0})")]
    Broken(String),
}

impl Unanswered {
    /// What kept an answer from beginning within `timeout`.
    pub(super) fn before(error: &reqwest::Error, timeout: Duration) -> Self {
        if causes(error).any(is_private_address) {
            Self::PrivateAddress(innermost(error))
        } else if causes(error).any(is_unknown_authority) {
            Self::UnknownAuthority(innermost(error))
        } else if error.is_timeout() {
            Self::Silent(timeout)
        } else if error.is_connect() {
            Self::NoConnection(innermost(error))
        } else {
            Self::Broken(innermost(error))
        }
    }

    /// What kept an answer from ending within `timeout`.
    pub(super) fn within(error: &reqwest::Error, timeout: Duration) -> Self {
        if error.is_timeout() { Self::Endless(timeout) } else { Self::Broken(innermost(error)) }
    }
}

/// The innermost cause, which says most.
pub(super) fn innermost(error: &(dyn StdError + 'static)) -> String {
    causes(error).last().map(|cause| shown(&cause.to_string())).unwrap_or_default()
}

fn is_unknown_authority(cause: &(dyn StdError + 'static)) -> bool {
    // A signature that does not fit is one of another authority with a name that is known.
    match cause.downcast_ref::<rustls::Error>() {
        Some(rustls::Error::InvalidCertificate(refused)) => {
            matches!(refused, CertificateError::UnknownIssuer | CertificateError::BadSignature)
        }
        Some(_) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;
    use std::sync::Arc;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
    use rustls::ServerConfig;
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;
    use tokio_rustls::TlsAcceptor;

    use super::super::settings::{Settings, client};
    use super::super::testing::{args, signing_key};
    use super::*;
    use crate::commands::partner::check::CheckArgs;
    use crate::partner::GRAPHQL_PATH;

    const LOOPBACK: &str = "127.0.0.1";

    fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    /// A TLS server that an authority vouches for and that says nothing; it ends when the set is dropped.
    async fn server(authority: &CertifiedIssuer<'static, KeyPair>) -> (u16, JoinSet<()>) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![LOOPBACK.to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &**authority).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut task = JoinSet::new();
        task.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // A client that is not content breaks the handshake off, and one that is gets no answer.
                drop(acceptor.accept(stream).await);
            }
        });
        (port, task)
    }

    /// What is told of a server that gives no answer.
    async fn told(args: &CheckArgs) -> Unanswered {
        let settings = Settings::of(args, crate::clock::now()).unwrap();
        let http = client(args, &settings).unwrap();
        let error = Box::pin(http.get(settings.endpoint.clone()).send()).await.unwrap_err();
        Unanswered::before(&error, settings.timeout)
    }

    #[tokio::test]
    async fn a_server_of_an_unknown_authority_is_told_with_the_option_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| -> PathBuf {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let theirs = authority("Hong Kong");
        let (port, _task) = server(&theirs).await;
        let key = folder.path().join("gd.key.json");
        signing_key("gd-consumer-council:1").write_new(&key).unwrap();
        let trusting = |server_ca: PathBuf| CheckArgs {
            url: format!("https://{LOOPBACK}:{port}{GRAPHQL_PATH}"),
            server_ca: Some(server_ca),
            allow_private_address: true,
            ..args(&key)
        };
        for name in ["Macao", "Hong Kong"] {
            let unknown = told(&trusting(file("another.pem", &authority(name).pem()))).await;
            assert!(matches!(unknown, Unanswered::UnknownAuthority(_)), "{name}: {unknown:?}");
            assert!(unknown.to_string().contains("--server-ca"), "{name}: {unknown}");
        }
        // With the right one the handshake stands, and what comes then is another failure.
        let known = told(&trusting(file("theirs.pem", &theirs.pem()))).await;
        assert!(!known.to_string().contains("--server-ca"), "{known:?}");
    }

    #[tokio::test]
    async fn a_name_of_ones_own_network_is_told_with_the_option_that_allows_it() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("gd.key.json");
        signing_key("gd-consumer-council:1").write_new(&key).unwrap();
        let url = format!("http://localhost:9{GRAPHQL_PATH}");
        let refused = told(&CheckArgs { url, allow_plain_http: true, ..args(&key) }).await;
        assert!(matches!(refused, Unanswered::PrivateAddress(_)), "{refused:?}");
        let text = refused.to_string();
        assert!(text.contains("`localhost`") && text.contains("--allow-private-address"), "{text}");
    }

    #[test]
    fn an_unknown_authority_is_found_however_deep_it_is_carried() {
        let of = |kind: CertificateError| {
            let refused = rustls::Error::InvalidCertificate(kind);
            io::Error::other(io::Error::new(io::ErrorKind::InvalidData, refused))
        };
        let is_found = |error: &io::Error| causes(error).any(is_unknown_authority);
        assert!(is_found(&of(CertificateError::UnknownIssuer)));
        assert!(is_found(&of(CertificateError::BadSignature)));
        assert!(!is_found(&of(CertificateError::Expired)), "no other authority makes it younger");
        assert!(!is_found(&io::Error::from(io::ErrorKind::ConnectionRefused)));
    }
}
