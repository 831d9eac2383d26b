//! Partners with whom no secure connection comes about, over real handshakes.

use std::io;
use std::sync::Arc;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::{LONG, PARTNER, deliver_to};
use crate::delivery::client::CallError;
use crate::delivery::vocabulary::FailureCode;
use crate::partner::PartnerId;
use crate::peer::{Peer, Transport};

const LOOPBACK: &str = "127.0.0.1";

/// A certificate of a server by this name, which nobody but itself vouches for.
fn certificate(name: &str) -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(vec![name.to_owned()]).unwrap()
}

/// A port of the loopback address, and who listens there.
async fn listening() -> (u16, TcpListener) {
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    (listener.local_addr().unwrap().port(), listener)
}

/// A TLS server that shows a certificate and closes behind the handshake; it ends when the set is dropped.
async fn tls_server(shown: &CertifiedKey<KeyPair>) -> (u16, JoinSet<()>) {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(shown.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![shown.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (port, listener) = listening().await;
    let mut task = JoinSet::new();
    task.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // A client that does not trust the certificate breaks the handshake off.
            drop(acceptor.accept(stream).await);
        }
    });
    (port, task)
}

/// A server of plain HTTP, for which no request is a good one; it ends when the set is dropped.
async fn plain_server() -> (u16, JoinSet<()>) {
    let (port, listener) = listening().await;
    let mut task = JoinSet::new();
    task.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            // Closed by the client: a server that closes with something unread can take its own answer back.
            let _closed = stream.read_to_end(&mut Vec::new()).await;
        }
    });
    (port, task)
}

/// What is told of the server at a port by a client that trusts one certificate.
async fn told(port: u16, trusted: &CertifiedKey<KeyPair>) -> CallError {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, trusted.cert.pem()).unwrap();
    let peer = Peer {
        id: PartnerId::parse(PARTNER).unwrap(),
        endpoint: Some(format!("https://{LOOPBACK}:{port}/partner/graphql")),
        transport: Transport::Push,
        pull: false,
        keys: Vec::new(),
        certificates: Vec::new(),
        server_ca_file: Some(path),
        allow_private_address: true,
        allow_plain_http: false,
    };
    deliver_to(&peer, LONG).await.unwrap_err()
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_told_as_such() {
    let (theirs, elsewhere) = (certificate(LOOPBACK), certificate("hk.example"));
    let cases = [("another authority", &theirs, &certificate(LOOPBACK)), ("another name", &elsewhere, &elsewhere)];
    for (what, shown, trusted) in cases {
        let (port, _task) = tls_server(shown).await;
        let error = told(port, trusted).await;
        assert_eq!((error.code, error.status), (FailureCode::Tls, None), "{what}: {error:?}");
        assert_eq!(error.detail, Some(io::ErrorKind::InvalidData.to_string()), "{what}: nothing of the certificate");
        assert!(error.cause.as_deref().unwrap().contains("certificate"), "{what}: {error:?}");
        assert!(error.may_pass() && error.counts_against_the_partner() && !error.is_suspicious(), "{what}");
    }
}

#[tokio::test]
async fn what_fails_behind_a_handshake_that_stands_is_a_lost_connection() {
    let theirs = certificate(LOOPBACK);
    let (port, _task) = tls_server(&theirs).await;
    let error = told(port, &theirs).await;
    assert_eq!(error.code, FailureCode::Connect, "{error:?}");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_told_as_such() {
    let (port, _task) = plain_server().await;
    let error = told(port, &certificate(LOOPBACK)).await;
    assert_eq!((error.code, error.status), (FailureCode::Tls, None), "{error:?}");
}

#[tokio::test]
async fn a_port_where_nobody_listens_has_nothing_to_do_with_tls() {
    let (port, listener) = listening().await;
    drop(listener);
    let error = told(port, &certificate(LOOPBACK)).await;
    assert_eq!(error.code, FailureCode::Connect, "{error:?}");
}
