use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use cross_border::exchange::Digest;
use serde_json::{Value, json};

use crate::partner::testing::{Author, GUANGDONG, HOST, House, MACAO, submission, text_file};
use crate::partner::{EVIDENCE_PATH, PartnerEdge};

/// A house that has a submission which announces one file.
async fn announced(options: PartnerEdge) -> (House, Author) {
    let house = House::with(options, &[], &[]);
    let mut author = Author::new(GUANGDONG);
    let message = author.write(house.clock.now(), submission(vec![text_file().0]));
    house.bring(GUANGDONG, &message).await.data();
    (house, author)
}

async fn stored(house: &House, author: &Author) -> Value {
    let document = "query($id: ID!) { evidence(referral: $id) { digest bytes media side stored scan } }";
    house.ask(GUANGDONG, document, json!({ "id": author.shared })).await.data()["evidence"].clone()
}

#[tokio::test]
async fn an_announced_file_is_taken_once_however_often_it_comes() {
    let (house, author) = announced(PartnerEdge::default()).await;
    let (item, bytes) = text_file();
    let expected = |stored: bool| {
        let (digest, length) = (item.digest.as_str(), item.bytes);
        json!([{ "digest": digest, "bytes": length, "media": "text/plain", "side": "origin", "stored": stored,
                 "scan": "unscanned" }])
    };
    assert_eq!(self::stored(&house, &author).await, expected(false));
    for _ in 0..2 {
        let reply = house.file(GUANGDONG, Method::PUT, author.shared, &item.digest, &bytes).await;
        assert_eq!((reply.status, reply.json()["stored"].clone()), (StatusCode::OK, json!(true)));
    }
    assert_eq!(self::stored(&house, &author).await, expected(true));

    let reply = house.file(GUANGDONG, Method::GET, author.shared, &item.digest, b"").await;
    assert_eq!((reply.status, reply.body.as_slice()), (StatusCode::OK, bytes.as_slice()));
    assert_eq!(reply.header("content-type"), "text/plain");
    assert_eq!(reply.header("content-disposition"), "attachment");
    assert!(reply.header("content-digest").starts_with("sha-256=:"));
    assert!(!house.logged().await.contains("对话"), "not even the name of a file stands in the log in clear");
    assert!(house.journal().await.is_empty());
}

#[tokio::test]
async fn a_file_that_is_fetched_holds_its_place_until_it_is_read() {
    let (house, author) = announced(PartnerEdge { files_max: 1, ..PartnerEdge::default() }).await;
    let (item, bytes) = text_file();
    let fetch = || house.file(GUANGDONG, Method::GET, author.shared, &item.digest, b"");
    assert_eq!(house.file(GUANGDONG, Method::PUT, author.shared, &item.digest, &bytes).await.status, StatusCode::OK);
    let path = format!("{EVIDENCE_PATH}/{}/{}", author.shared, item.digest);
    let key = crate::partner::testing::signing_key(GUANGDONG, 0);
    let unread = house.unread(house.signed(&key, &Method::GET, &path, Vec::new())).await;
    assert_eq!(unread.status(), StatusCode::OK);
    let refused = fetch().await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED"));
    let read = axum::body::to_bytes(unread.into_body(), usize::MAX).await.unwrap();
    assert_eq!(fetch().await.status, StatusCode::TOO_MANY_REQUESTS, "it still lies in memory");
    assert_eq!(read, bytes);
    drop(read);
    assert_eq!(fetch().await.body, bytes);
}

#[tokio::test]
async fn only_the_announced_bytes_are_taken() {
    let (house, author) = announced(PartnerEdge::default()).await;
    let (item, bytes) = text_file();
    let other = b"something else";
    let put = |digest: Digest, bytes: Vec<u8>| {
        let (house, shared) = (&house, author.shared);
        async move { house.file(GUANGDONG, Method::PUT, shared, &digest, &bytes).await }
    };
    let unannounced = put(Digest::of(other), other.to_vec()).await;
    assert_eq!((unannounced.status, unannounced.code().as_str()), (StatusCode::CONFLICT, "EVIDENCE_UNANNOUNCED"));
    let changed = put(item.digest.clone(), other.to_vec()).await;
    assert_eq!((changed.status, changed.code().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "EVIDENCE_DIGEST"));
    assert_eq!(changed.extensions()["retryable"], json!(false));
    let early = house.file(GUANGDONG, Method::GET, author.shared, &item.digest, b"").await;
    assert_eq!((early.status, early.code().as_str()), (StatusCode::NOT_FOUND, "EVIDENCE_NOT_FOUND"));
    assert_eq!(house.journal().await, ["EVIDENCE_UNANNOUNCED", "EVIDENCE_DIGEST", "EVIDENCE_NOT_FOUND"]);
    assert_eq!(put(item.digest.clone(), bytes).await.status, StatusCode::OK);
}

#[tokio::test]
async fn files_of_others_are_nobodys_business() {
    let (house, author) = announced(PartnerEdge::default()).await;
    let (item, bytes) = text_file();
    house.file(GUANGDONG, Method::PUT, author.shared, &item.digest, &bytes).await;
    let fetched = house.file(MACAO, Method::GET, author.shared, &item.digest, b"").await;
    assert_eq!((fetched.status, fetched.code().as_str()), (StatusCode::NOT_FOUND, "UNKNOWN_REFERRAL"));
    let brought = house.file(MACAO, Method::PUT, author.shared, &item.digest, &bytes).await;
    assert_eq!((brought.status, brought.code().as_str()), (StatusCode::NOT_FOUND, "UNKNOWN_REFERRAL"));
}

#[tokio::test]
async fn a_file_at_the_limit_is_read_and_one_past_it_is_not() {
    let (item, bytes) = text_file();
    let options = PartnerEdge { evidence_bytes_max: bytes.len(), ..PartnerEdge::default() };
    let (house, author) = announced(options).await;
    assert_eq!(house.file(GUANGDONG, Method::PUT, author.shared, &item.digest, &bytes).await.status, StatusCode::OK);
    let mut long = bytes;
    long.push(b'\n');
    let reply = house.file(GUANGDONG, Method::PUT, author.shared, &item.digest, &long).await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "EVIDENCE_TOO_LARGE"));
    assert_eq!((&reply.extensions()["retryable"], reply.header("cache-control")), (&json!(false), "no-store"));
    assert_eq!(house.journal().await, ["EVIDENCE_TOO_LARGE"]);
}

#[tokio::test]
async fn a_path_that_names_nothing_is_refused_and_other_methods_too() {
    let (house, author) = announced(PartnerEdge::default()).await;
    let key = crate::partner::testing::signing_key(GUANGDONG, 0);
    let digest = text_file().0.digest;
    for path in [format!("/partner/evidence/x/{digest}"), format!("/partner/evidence/{}/x", author.shared)] {
        let reply = house.send(house.signed(&key, &Method::GET, &path, Vec::new())).await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::BAD_REQUEST, "INVALID"));
        assert_eq!(reply.extensions()["requestId"], reply.header("x-request-id"));
    }
    assert_eq!(house.journal().await, ["INVALID", "INVALID"]);
    let path = format!("/partner/evidence/{}/{digest}", author.shared);
    let reply = house.send(house.signed(&key, &Method::DELETE, &path, Vec::new())).await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED"));
    assert!(reply.header("allow").contains("PUT"), "{}", reply.header("allow"));
    assert_eq!(house.journal().await.last().map(String::as_str), Some("METHOD_NOT_ALLOWED"));
    // Who has not shown who it is learns not even that.
    let unsigned = Request::delete(path.as_str()).header("host", HOST).body(Body::empty()).unwrap();
    assert_eq!(house.send(unsigned).await.code(), "SIGNATURE_MISSING");
}
