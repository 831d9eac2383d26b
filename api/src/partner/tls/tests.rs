use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::listen::{self, Limits};

const PATIENCE: Duration = Duration::from_secs(10);

/// An authority, and what it issues.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
struct Identity {
    certificate: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }

    fn issue(&self, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &*self.0).unwrap();
        Identity { certificate: certificate.der().clone(), pem: certificate.pem(), key }
    }
}

impl Identity {
    fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.clone()]
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

const LIMITS: Limits = Limits { header_timeout: PATIENCE, connections_max: 64, connections_per_address_max: 64 };

/// A listener of `localhost` that lets in whom the authority has issued a certificate.
async fn listener(authority: &Authority) -> TlsListener {
    bounded(authority, LIMITS).await
}

async fn bounded(authority: &Authority, limits: Limits) -> TlsListener {
    let server = authority.issue("localhost");
    let config = build(provider(), authority.roots(), server.chain(), server.key()).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    TlsListener::new(TcpArrivals::new(tcp, Turnstile::new("partners", limits)), config)
}

/// Serves the fingerprint of whoever asks.
fn serve(listener: TlsListener) -> SocketAddr {
    let addr = listener.addr().unwrap();
    let router = Router::new().route(
        "/who",
        get(|ConnectInfo(peer): ConnectInfo<TlsPeer>| async move { peer.certificate.unwrap().to_string() }),
    );
    tokio::spawn(listen::serve(listener, router, CancellationToken::new()));
    addr
}

/// A client with a certificate or without.
fn client(trusting: &Authority, identity: Option<&Identity>) -> ClientConfig {
    let client = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(trusting.roots());
    match identity {
        Some(identity) => client.with_client_auth_cert(identity.chain(), identity.key()).unwrap(),
        None => client.with_no_client_auth(),
    }
}

/// Asks who we are, with a certificate or without; the body of the answer.
async fn ask(addr: SocketAddr, trusting: &Authority, identity: Option<&Identity>) -> io::Result<String> {
    let client = client(trusting, identity);
    let tcp = TcpStream::connect(addr).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(client)).connect(name, tcp).await?;
    stream.write_all(b"GET /who HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await??;
    Ok(answer.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned()))
}

#[tokio::test]
async fn a_client_is_known_by_the_digest_of_its_certificate() {
    let authority = Authority::new();
    let addr = serve(listener(&authority).await);
    for council in ["hk.example", "mo.example"] {
        let identity = authority.issue(council);
        let told = ask(addr, &authority, Some(&identity)).await.unwrap();
        assert_eq!(told, Digest::of(&identity.certificate).to_string());
    }
}

#[tokio::test]
async fn nobody_comes_in_without_a_certificate_of_the_authority() {
    let authority = Authority::new();
    let addr = serve(listener(&authority).await);
    assert!(ask(addr, &authority, None).await.is_err());
    let stranger = Authority::new().issue("hk.example");
    assert!(ask(addr, &authority, Some(&stranger)).await.is_err());
    assert!(ask(addr, &authority, Some(&authority.issue("hk.example"))).await.is_ok(), "and it serves on");
}

#[tokio::test]
async fn clients_that_say_nothing_hold_up_nobody() {
    let authority = Authority::new();
    let mut listener = listener(&authority).await;
    listener.handshakes_max = 2;
    let addr = serve(listener);
    let mut silent = Vec::new();
    for _ in 0..5 {
        silent.push(TcpStream::connect(addr).await.unwrap());
    }
    let identity = authority.issue("hk.example");
    assert!(ask(addr, &authority, Some(&identity)).await.is_ok());
    // The oldest had to give way: its connection is closed.
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(PATIENCE, silent[0].read_to_end(&mut rest)).await.expect("in time");
    assert!(rest.is_empty(), "{closed:?}");
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_given_up() {
    let authority = Authority::new();
    let mut listener = listener(&authority).await;
    listener.patience = Duration::from_millis(20);
    let addr = serve(listener);
    let mut silent = TcpStream::connect(addr).await.unwrap();
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(PATIENCE, silent.read_to_end(&mut rest)).await.expect("in time");
    assert!(rest.is_empty(), "{closed:?}");
}

#[tokio::test]
async fn a_handshake_counts_for_its_address_and_no_longer_than_it_lasts() {
    let authority = Authority::new();
    let mut listener = bounded(&authority, Limits { connections_per_address_max: 1, ..LIMITS }).await;
    listener.patience = Duration::from_millis(500);
    let turnstile = Arc::clone(listener.turnstile());
    let identity = authority.issue("hk.example");
    let addr = serve(listener);
    let mut silent = TcpStream::connect(addr).await.unwrap();
    assert!(ask(addr, &authority, Some(&identity)).await.is_err(), "the address has what it may have");
    assert_eq!(turnstile.connections().refused, 1);
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(PATIENCE, silent.read_to_end(&mut rest)).await.expect("in time");
    assert!(rest.is_empty(), "{closed:?}");
    assert!(ask(addr, &authority, Some(&identity)).await.is_ok());
}

#[tokio::test]
async fn a_client_that_asks_nothing_after_its_handshake_is_closed() {
    let authority = Authority::new();
    let addr = serve(bounded(&authority, Limits { header_timeout: Duration::from_millis(100), ..LIMITS }).await);
    let identity = authority.issue("hk.example");
    let client = client(&authority, Some(&identity));
    let tcp = TcpStream::connect(addr).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(client)).connect(name, tcp).await.unwrap();
    stream.write_all(b"GET /who HTTP/1.1\r\n").await.unwrap();
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("in time");
    assert!(rest.is_empty(), "{closed:?}");
}

#[tokio::test]
async fn what_is_not_fit_for_a_listener_is_named() {
    let authority = Authority::new();
    let server = authority.issue("localhost");
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let files = TlsFiles {
        certificate: write("server.pem", &server.pem),
        key: write("server.key", &server.key.serialize_pem()),
        client_ca: write("ca.pem", &authority.0.pem()),
    };
    assert!(server_config(&files).is_ok());
    let empty = write("empty.pem", "");
    let cases = [
        (TlsFiles { client_ca: empty.clone(), ..files.clone() }, "holds no certificate"),
        (TlsFiles { certificate: dir.path().join("missing.pem"), ..files.clone() }, "missing.pem"),
        (TlsFiles { key: empty, ..files.clone() }, "cannot be read as PEM"),
    ];
    for (files, expected) in cases {
        let error = server_config(&files).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let other_key = write("other.key", &KeyPair::generate().unwrap().serialize_pem());
    let mismatched = server_config(&TlsFiles { key: other_key, ..files });
    assert!(matches!(mismatched, Err(TlsError::Identity(_))), "{mismatched:?}");
}
