use std::fs;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// The file that trusts this authority.
    fn files(&self, folder: &TempDir) -> TrustFiles {
        let path = folder.path().join("ca.pem");
        fs::write(&path, self.0.pem()).unwrap();
        TrustFiles { verifies: true, ca: Some(path), identity: None }
    }

    /// A server of this name that speaks TLS; its port.
    async fn server(&self, name: &str, expired: bool) -> u16 {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if expired {
            params.not_before = date_time_ymd(2_020, 1, 1);
            params.not_after = date_time_ymd(2_021, 1, 1);
        }
        let certificate = params.signed_by(&key, &*self.0).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                // Whether the client trusts it is the client's matter.
                let _ = acceptor.accept(tcp).await;
            }
        });
        port
    }
}

async fn look(files: &TrustFiles, host: &str, port: u16) -> Option<Problem> {
    files.read().unwrap().look(&[(host.to_owned(), port)]).await
}

fn distrust_of(problem: Option<Problem>) -> String {
    match problem {
        Some(Problem::Certificate(what)) => what,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_reason_of_a_failed_handshake_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let files = authority.files(&folder);
    let good = authority.server("localhost", false).await;
    assert_eq!(look(&files, "localhost", good).await, None);
    let expired = authority.server("localhost", true).await;
    assert!(distrust_of(look(&files, "localhost", expired).await).contains("expired"));
    let renamed = authority.server("log.example", false).await;
    assert!(distrust_of(look(&files, "localhost", renamed).await).contains("another name"));
    let strange = Authority::new().server("localhost", false).await;
    let what = distrust_of(look(&files, "localhost", strange).await);
    assert!(what.contains("CA file") && what.contains(&strange.to_string()), "{what}");

    let both = [("localhost".to_owned(), good), ("localhost".to_owned(), expired)];
    assert!(distrust_of(files.read().unwrap().look(&both).await).contains("expired"));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_not_a_matter_of_trust() {
    let folder = tempfile::tempdir().unwrap();
    let files = Authority::new().files(&folder);
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let Some(Problem::Unconnected(last)) = look(&files, "127.0.0.1", gone).await else { panic!("it is not there") };
    assert!(last.contains(&gone.to_string()), "{last}");
}

#[tokio::test]
async fn a_server_without_tls_is_called_that() {
    let folder = tempfile::tempdir().unwrap();
    let files = Authority::new().files(&folder);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        // Held open until the other side has read it.
        let _ = tcp.read_u8().await;
    });
    assert!(distrust_of(look(&files, "127.0.0.1", port).await).contains("does not speak TLS"));
    let open = TrustFiles { verifies: false, ..files };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    assert_eq!(look(&open, "127.0.0.1", listener.local_addr().unwrap().port()).await, None);
}

#[test]
fn files_that_the_client_would_trip_over_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let refused = |ca: PathBuf, identity: Option<(PathBuf, PathBuf)>| {
        let read = TrustFiles { verifies: true, ca: Some(ca), identity }.read();
        match read {
            Err(LogFault::Certificate { what }) => what,
            other => panic!("{other:?}"),
        }
    };
    assert!(refused(folder.path().join("missing.pem"), None).contains("missing.pem"));
    assert!(refused(path("empty.pem", ""), None).contains("no certificate"));
    let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(refused(path("cut.pem", cut), None).contains("cannot be a root"));
    let authority = Authority::new();
    let ca = path("ca.pem", &authority.0.pem());
    let mine = path("mine.pem", &authority.0.pem());
    let other_key = path("key.pem", &KeyPair::generate().unwrap().serialize_pem());
    assert!(refused(ca.clone(), Some((mine.clone(), other_key))).contains("mine.pem"));
    assert!(refused(ca, Some((mine, folder.path().join("none.key")))).contains("none.key"));
}
