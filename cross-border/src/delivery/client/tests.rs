//! Partners that misbehave, over real connections.

mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::testing::{Reply, Request, Server};
use super::*;
use crate::delivery::backoff::Backoff;
use crate::trust::http_signature::{Presented, verify_request};
use crate::trust::{KeyId, PrivateKey, SuiteName};

const PARTNER: &str = "hk-consumer-council";
const TEXT: &str = r#"{"body":{"reference":"HK-1"},"header":{"clock":2},"kind":"acknowledgement"}"#;

fn now() -> DateTime<Utc> {
    "2026-04-27T02:00:00Z".parse().unwrap()
}

fn key() -> SigningKey {
    SigningKey {
        id: KeyId::parse("gd-consumer-council:2026a").unwrap(),
        private: PrivateKey::from_seed(SuiteName::Ed25519Sha256, &[7; 32]).unwrap(),
        not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
        not_after: "2027-01-01T00:00:00Z".parse().unwrap(),
    }
}

fn message() -> SignedMessage {
    SignedMessage { text: TEXT.to_owned(), jws: "eyJ..c2ln".to_owned(), key: key().id }
}

/// Short where a test waits for it, and long everywhere else.
fn options(timeout: Duration) -> ClientOptions {
    ClientOptions { timeout, evidence_timeout: timeout, response_bytes_max: 4_096, ..ClientOptions::default() }
}

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(300);

async fn deliver_to(peer: &Peer, timeout: Duration) -> Result<SignedReceipt, CallError> {
    let client = PartnerClient::new(peer, None, options(timeout)).unwrap();
    let key = key();
    client.deliver(Signer { key: &key, now: now() }, MessageKind::Acknowledgement, &message()).await
}

async fn failed(reply: Reply, timeout: Duration) -> CallError {
    let server = Server::fixed(reply).await;
    deliver_to(&server.peer(PARTNER), timeout).await.unwrap_err()
}

fn receipt() -> serde_json::Value {
    json!({"data": {"acknowledgeReferral": {
        "delivery": "b6ced6a9-e2e7-5c64-94cc-fb5194f7a756", "digest": "00", "status": "received",
        "text": "{}", "jws": "eyJ..c2ln", "key": "hk-consumer-council:2026a", "repeated": false,
    }}})
}

#[tokio::test]
async fn a_message_is_posted_signed_and_its_receipt_comes_back() {
    let server = Server::fixed(Reply::json(&receipt())).await;
    let peer = server.peer(PARTNER);
    let taken = deliver_to(&peer, LONG).await.unwrap();
    assert_eq!((taken.text.as_str(), taken.key.as_str()), ("{}", "hk-consumer-council:2026a"));

    let [request]: [Request; 1] = server.requests().try_into().unwrap();
    assert_eq!((&request.method, request.path.as_str()), (&Method::POST, "/partner/graphql"));
    let body = request.json();
    assert_eq!(body["operationName"], "AcknowledgeReferral");
    assert_eq!(body["query"], documents::ACKNOWLEDGE_REFERRAL.text);
    assert_eq!(body["variables"]["body"], json!({"reference": "HK-1"}));
    assert_eq!(body["variables"]["statement"]["jws"], "eyJ..c2ln");

    let target = peer.endpoint.unwrap();
    let presented =
        Presented { method: &request.method, target: &target, headers: &request.headers, body: &request.body };
    let claimed = verify_request(&presented, &key().verifying(), now()).unwrap();
    assert_eq!(claimed.key, key().id);
    let tampered = Presented { body: b"{}", ..presented };
    assert!(verify_request(&tampered, &key().verifying(), now()).is_err());
}

#[tokio::test]
async fn no_two_requests_have_the_same_nonce() {
    let server = Server::fixed(Reply::json(&receipt())).await;
    let peer = server.peer(PARTNER);
    deliver_to(&peer, LONG).await.unwrap();
    deliver_to(&peer, LONG).await.unwrap();
    let signatures: Vec<_> = server.requests().iter().map(|request| request.headers["signature"].clone()).collect();
    assert_ne!(signatures[0], signatures[1]);
}

#[tokio::test]
async fn garbage_with_status_200_is_no_receipt() {
    for garbage in ["", "<html>welcome</html>", "{\"data\":", "\u{0}\u{1}"] {
        let error = failed(Reply::status(200, garbage), LONG).await;
        assert_eq!(error.code, FailureCode::NotJson, "{garbage}");
        assert!(error.is_suspicious() && error.counts_against_the_partner());
        assert_eq!(error.body, Some(Digest::of(garbage.as_bytes())));
        assert_eq!(error.detail, None, "nothing of the answer is kept");
    }
    for empty in [json!({}), json!({"data": null}), json!({"data": {"acknowledgeReferral": {"text": 1}}})] {
        assert_eq!(failed(Reply::json(&empty), LONG).await.code, FailureCode::NoReceipt, "{empty}");
    }
}

#[tokio::test]
async fn what_is_no_http_is_a_lost_connection() {
    let error = failed(Reply::Hang(b"SSH-2.0-OpenSSH_9.9\r\n\r\n".to_vec()), LONG).await;
    assert_eq!(error.code, FailureCode::Connect);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::fixed(Reply::json(&receipt())).await;
    for status in [301, 302, 303, 307, 308] {
        let target = format!("http://{}/partner/graphql", elsewhere.address);
        let error = failed(Reply::status(status, "").with_header("Location", &target), LONG).await;
        assert_eq!((error.code, error.status), (FailureCode::Redirect, Some(status)));
        assert!(error.is_suspicious());
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn a_body_without_an_end_is_left_at_the_bound() {
    let error = failed(Reply::Flood, LONG).await;
    assert_eq!(error.code, FailureCode::TooLarge);
    assert!(error.is_suspicious());
}

#[tokio::test]
async fn an_announced_length_beyond_the_bound_is_not_read_at_all() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 4097\r\n\r\n".to_vec();
    assert_eq!(failed(Reply::Hang(head), LONG).await.code, FailureCode::TooLarge);
}

#[tokio::test]
async fn an_answer_holds_its_limit() {
    let most = format!("{:<4096}", receipt().to_string());
    let server = Server::fixed(Reply::status(200, &most)).await;
    assert!(deliver_to(&server.peer(PARTNER), LONG).await.is_ok());
    let beyond = format!("{most} ");
    assert_eq!(failed(Reply::status(200, &beyond), LONG).await.code, FailureCode::TooLarge);
}

#[tokio::test]
async fn a_body_that_stops_halfway_is_endless() {
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"data\":".to_vec();
    let error = failed(Reply::Hang(half), SHORT).await;
    assert_eq!((error.code, error.status), (FailureCode::Endless, Some(200)));
    assert!(error.is_suspicious());
}

#[tokio::test]
async fn a_partner_that_says_nothing_is_a_timeout() {
    let error = failed(Reply::Hang(Vec::new()), SHORT).await;
    assert_eq!((error.code, error.status), (FailureCode::Timeout, None));
    assert!(!error.is_suspicious() && error.counts_against_the_partner());
}

#[tokio::test]
async fn a_closed_connection_is_told_from_a_refused_one_by_nothing() {
    assert_eq!(failed(Reply::Close, LONG).await.code, FailureCode::Connect);
    let server = Server::fixed(Reply::Close).await;
    let peer = server.peer(PARTNER);
    drop(server);
    assert_eq!(deliver_to(&peer, LONG).await.unwrap_err().code, FailureCode::Connect);
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_a_lost_connection() {
    for head in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let cut = Reply::Cut(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n10\r\n{{").into_bytes());
        let error = failed(cut, LONG).await;
        assert_eq!((error.code, error.status), (FailureCode::Connect, Some(200)), "{head}");
    }
}

#[tokio::test]
async fn retry_after_is_read_in_both_forms_and_bounded_by_the_caller() {
    let backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(900), Duration::from_secs(3_600));
    for (value, read, bounded) in [
        ("30", Some(30), 30),
        ("0", Some(0), 5),
        ("99999999999999999999", Some(u64::MAX), 3_600),
        ("Mon, 27 Apr 2026 02:02:00 GMT", Some(120), 120),
        ("Mon, 27 Apr 2020 02:02:00 GMT", Some(0), 5),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None, 3_600),
    ] {
        for status in [429, 503] {
            let error = failed(Reply::status(status, "").with_header("Retry-After", value), LONG).await;
            let asked = error.retry_after.unwrap();
            if let Some(read) = read {
                assert_eq!(asked, Duration::from_secs(read), "{value}");
            }
            assert_eq!(backoff.bounded(asked), Duration::from_secs(bounded), "{value}");
            let code = if status == 429 { FailureCode::RateLimited } else { FailureCode::ServerError };
            assert_eq!(error.code, code);
        }
    }
    let error = failed(Reply::status(503, "").with_header("Retry-After", "when I like"), LONG).await;
    assert_eq!(error.retry_after, None);
}

#[tokio::test]
async fn a_typed_refusal_is_told_by_its_code() {
    let body = json!({"data": null, "errors": [{"message": "kept nowhere", "extensions": {"code": "WRONG_SIDE"}}]});
    let error = failed(Reply::json(&body), LONG).await;
    assert_eq!((error.code, error.detail.as_deref()), (FailureCode::Refused, Some("WRONG_SIDE")));
    assert!(!error.may_pass() && !error.is_suspicious() && !error.counts_against_the_partner());
}

struct Names(&'static str);

#[async_trait]
impl Lookup for Names {
    async fn lookup(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        assert_eq!(host, "partner.example");
        Ok(vec![SocketAddr::new(self.0.parse().unwrap(), 0)])
    }
}

#[tokio::test]
async fn private_addresses_are_not_connected_to() {
    let server = Server::fixed(Reply::json(&receipt())).await;
    let port = server.address.port();
    let hosts = ["127.0.0.1", "127.1", "2130706433", "localhost", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1"];
    for host in hosts.into_iter().chain(["169.254.169.254", "100.64.0.1", "[fc00::1]", "[fe80::1]", "0.0.0.0"]) {
        let endpoint = Some(format!("http://{host}:{port}/partner/graphql"));
        let peer = Peer { endpoint, allow_private_address: false, ..server.peer(PARTNER) };
        let error = deliver_to(&peer, LONG).await.unwrap_err();
        assert_eq!(error.code, FailureCode::PrivateAddress, "{host}");
        assert!(error.is_suspicious());
    }
    assert!(server.requests().is_empty(), "nobody was connected to");
}

#[tokio::test]
async fn a_name_is_judged_by_the_address_it_leads_to() {
    let server = Server::fixed(Reply::json(&receipt())).await;
    let key = key();
    let signer = Signer { key: &key, now: now() };
    for (address, allowed) in [("127.0.0.1", true), ("127.0.0.1", false), ("10.0.0.1", false), ("fc00::1", false)] {
        let peer = Peer { allow_private_address: allowed, ..server.peer_at(PARTNER, "partner.example") };
        let client = PartnerClient::with_lookup(&peer, None, options(LONG), Arc::new(Names(address))).unwrap();
        let answer = client.deliver(signer, MessageKind::Acknowledgement, &message()).await;
        match answer {
            Ok(_) => assert!(allowed, "{address}"),
            Err(error) => assert_eq!((error.code, allowed), (FailureCode::PrivateAddress, false), "{address}"),
        }
    }
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn nothing_is_spoken_in_clear_unless_it_is_allowed() {
    let peer = |endpoint: &str, allow_plain_http| Peer {
        id: PartnerId::parse(PARTNER).unwrap(),
        endpoint: Some(endpoint.to_owned()),
        transport: crate::peer::Transport::Push,
        pull: false,
        keys: Vec::new(),
        certificates: Vec::new(),
        server_ca_file: None,
        allow_private_address: false,
        allow_plain_http,
    };
    for endpoint in ["http://hk.example/partner/graphql", "ftp://hk.example/", "hk.example", ""] {
        let refused = PartnerClient::new(&peer(endpoint, false), None, ClientOptions::default());
        assert!(matches!(refused, Err(ClientError::Endpoint { .. })), "{endpoint}");
    }
    assert!(PartnerClient::new(&peer("http://hk.example/", true), None, ClientOptions::default()).is_ok());
    let without = Peer { endpoint: None, ..peer("", true) };
    let refused = PartnerClient::new(&without, None, ClientOptions::default());
    assert!(matches!(refused, Err(ClientError::NoEndpoint { .. })));
}

#[test]
fn certificates_that_cannot_be_read_are_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let peer = |path: std::path::PathBuf| Peer {
        id: PartnerId::parse(PARTNER).unwrap(),
        endpoint: Some("https://hk.example/partner/graphql".to_owned()),
        transport: crate::peer::Transport::Push,
        pull: false,
        keys: Vec::new(),
        certificates: Vec::new(),
        server_ca_file: Some(path),
        allow_private_address: false,
        allow_plain_http: false,
    };
    let missing = PartnerClient::new(&peer(folder.path().join("ca.pem")), None, ClientOptions::default());
    assert!(matches!(missing, Err(ClientError::CaFile { .. })), "{missing:?}");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "nothing\n").unwrap();
    let refused = PartnerClient::new(&peer(empty), None, ClientOptions::default());
    assert!(matches!(refused, Err(ClientError::NoCertificate { .. } | ClientError::Build { .. })), "{refused:?}");
    let identity = Identity::from_pem(b"no key".to_vec());
    let refused = PartnerClient::new(&peer_of_plain(), Some(&identity), ClientOptions::default());
    assert!(matches!(refused, Err(ClientError::Identity(_))), "{refused:?}");
    assert_eq!(format!("{identity:?}"), "Identity(..)");
}

fn peer_of_plain() -> Peer {
    Peer {
        id: PartnerId::parse(PARTNER).unwrap(),
        endpoint: Some("http://127.0.0.1:1/partner/graphql".to_owned()),
        transport: crate::peer::Transport::Push,
        pull: false,
        keys: Vec::new(),
        certificates: Vec::new(),
        server_ca_file: None,
        allow_private_address: true,
        allow_plain_http: true,
    }
}
