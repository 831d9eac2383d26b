//! Several nodes behind one address: a signature that was used at one of them is good at none.

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use cross_border::exchange::RefusalCode;
use event_log::nonces::{MemoryNonces, NonceError, Nonces};
use event_log::port::LogFault;
use serde_json::json;

use crate::partner::testing::{GUANGDONG, House, signing_key};
use crate::partner::{GRAPHQL_PATH, PartnerEdge, SharedNonces};

/// A node that shares what was used with others.
fn node(nonces: Arc<dyn Nonces>) -> House {
    House::with(PartnerEdge { nonces: Some(SharedNonces::new(nonces)), ..PartnerEdge::default() }, &[], &[])
}

/// One request of Guangdong, so many times over.
fn copies<const N: usize>(house: &House) -> [Request<Body>; N] {
    let body = json!({ "query": "{ serverInfo { council } }" }).to_string().into_bytes();
    let signed = house.signed(&signing_key(GUANGDONG, 0), &Method::POST, GRAPHQL_PATH, body.clone());
    let (parts, _) = signed.into_parts();
    std::array::from_fn(|_| Request::from_parts(parts.clone(), Body::from(body.clone())))
}

#[tokio::test]
async fn a_signature_is_good_at_one_node() {
    let shared = Arc::new(MemoryNonces::new());
    let (one, two) = (node(shared.clone()), node(shared));
    let [first, second, third] = copies(&one);
    assert_eq!(one.send(first).await.status, StatusCode::OK);
    for (house, request) in [(&two, second), (&one, third)] {
        let reply = house.send(request).await;
        assert_eq!(reply.code(), RefusalCode::NonceReplayed.code());
        assert_eq!(house.journal().await, [RefusalCode::NonceReplayed.code()]);
    }
}

#[tokio::test]
async fn nodes_that_share_nothing_cannot_know() {
    let [one, two] = [(); 2].map(|()| node(Arc::new(MemoryNonces::new())));
    let [first, second] = copies(&one);
    assert_eq!(one.send(first).await.status, StatusCode::OK);
    assert_eq!(two.send(second).await.status, StatusCode::OK);
}

/// A table that cannot be reached.
struct Unreachable;

#[async_trait]
impl Nonces for Unreachable {
    async fn first_use(&self, _key: &str, _nonce: &str) -> Result<bool, NonceError> {
        Err(LogFault::Unreachable { last: "192.0.2.1 refused".to_owned() }.into())
    }
}

#[tokio::test]
async fn what_cannot_be_told_is_not_carried_out() {
    let house = node(Arc::new(Unreachable));
    let [request] = copies(&house);
    let reply = house.send(request).await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"));
    assert_eq!(reply.extensions()["retryable"], true);
    assert!(!reply.json().to_string().contains("192.0.2.1"));
}
