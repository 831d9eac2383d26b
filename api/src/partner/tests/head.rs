//! What is decided by the head of a request, before its body is read: who sends it, for the first time, within its rate
//! and its share of the memory.

use std::pin::pin;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use cross_border::exchange::RefusalCode;
use serde_json::json;

use crate::intake::PACE_EVERY;
use crate::partner::testing::{GUANGDONG, House, MACAO, Reply, signing_key, stalled};
use crate::partner::{EVIDENCE_PATH, GRAPHQL_PATH, PartnerEdge, PartnerRate};

const WHO: &str = "{ serverInfo { council } }";

fn who() -> Vec<u8> {
    json!({ "query": WHO }).to_string().into_bytes()
}

/// A request of Guangdong that can be sent again and again.
fn copies(house: &House) -> impl Fn() -> Request<Body> {
    let (parts, _) = house.signed(&signing_key(GUANGDONG, 0), &Method::POST, GRAPHQL_PATH, who()).into_parts();
    move || Request::from_parts(parts.clone(), Body::from(who()))
}

fn assert_refused(reply: &Reply, status: StatusCode, code: RefusalCode) {
    assert_eq!((reply.code().as_str(), reply.status), (code.code(), status), "{:#}", reply.json());
}

#[tokio::test]
async fn nobody_waits_for_the_body_of_who_has_not_signed() {
    let house = House::new();
    let file = format!("{EVIDENCE_PATH}/x/y");
    for (method, path) in [(Method::POST, GRAPHQL_PATH), (Method::PUT, file.as_str())] {
        // Under the name of a key that is known.
        let (parts, _) = house.signed(&signing_key(GUANGDONG, 1), &method, path, who()).into_parts();
        let reply = house.send(Request::from_parts(parts, stalled())).await;
        assert_refused(&reply, StatusCode::UNAUTHORIZED, RefusalCode::BadSignature);

        let late = house.signed(&signing_key(GUANGDONG, 0), &method, path, who());
        house.clock.advance(121);
        let (parts, _) = late.into_parts();
        let reply = house.send(Request::from_parts(parts, stalled())).await;
        assert_refused(&reply, StatusCode::UNAUTHORIZED, RefusalCode::SignatureExpired);
    }
}

#[tokio::test]
async fn a_council_has_half_of_the_places_and_stands_in_nobodys_way() {
    let house = House::with(PartnerEdge { bodies_max: 4, ..PartnerEdge::default() }, &[], &[]);
    let stuck = || {
        let (parts, _) = house.asked(GUANGDONG, WHO, json!({})).into_parts();
        Request::from_parts(parts, stalled())
    };
    let one = pin!(house.send(stuck()));
    let two = pin!(house.send(stuck()));
    let others = async {
        let more = house.ask(GUANGDONG, WHO, json!({})).await;
        (more, house.ask(MACAO, WHO, json!({})).await)
    };
    // Those that do not end are polled first, and have their places when the others come.
    let (more, other) = tokio::select! {
        biased;
        _ = one => panic!("a body without end was read"),
        _ = two => panic!("a body without end was read"),
        replies = others => replies,
    };
    assert_refused(&more, StatusCode::TOO_MANY_REQUESTS, RefusalCode::RateLimited);
    assert_eq!((&more.extensions()["retryable"], more.header("retry-after")), (&json!(true), "5"));
    assert_eq!(other.status, StatusCode::OK);
    assert_eq!(house.journal().await, ["RATE_LIMITED"]);
}

#[tokio::test]
async fn the_files_of_a_council_leave_room_for_its_other_requests() {
    let house = House::with(PartnerEdge { files_max: 1, ..PartnerEdge::default() }, &[], &[]);
    let key = signing_key(GUANGDONG, 0);
    let put = || house.signed(&key, &Method::PUT, &format!("{EVIDENCE_PATH}/x/y"), who());
    let (parts, _) = put().into_parts();
    let slow = pin!(house.send(Request::from_parts(parts, stalled())));
    let others = async { (house.send(put()).await, house.ask(GUANGDONG, WHO, json!({})).await) };
    let (file, other) = tokio::select! {
        biased;
        _ = slow => panic!("a body without end was read"),
        replies = others => replies,
    };
    assert_refused(&file, StatusCode::TOO_MANY_REQUESTS, RefusalCode::RateLimited);
    assert_eq!(other.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_over_the_rate_uses_no_signature_up() {
    let rate = PartnerRate { requests_per_minute: 1, burst: 1 };
    let house = House::with(PartnerEdge { rate, ..PartnerEdge::default() }, &[], &[]);
    assert_eq!(house.ask(GUANGDONG, WHO, json!({})).await.status, StatusCode::OK);
    let again = copies(&house);
    for _ in 0..2 {
        let reply = house.send(again()).await;
        assert_refused(&reply, StatusCode::TOO_MANY_REQUESTS, RefusalCode::RateLimited);
        let wait: u64 = reply.header("retry-after").parse().unwrap();
        assert!((50..=60).contains(&wait), "{wait}");
    }
}

#[tokio::test]
async fn what_was_used_before_costs_its_council_nothing() {
    let rate = PartnerRate { requests_per_minute: 1, burst: 2 };
    let house = House::with(PartnerEdge { rate, ..PartnerEdge::default() }, &[], &[]);
    let again = copies(&house);
    assert_eq!(house.send(again()).await.status, StatusCode::OK);
    for _ in 0..3 {
        assert_refused(&house.send(again()).await, StatusCode::UNAUTHORIZED, RefusalCode::NonceReplayed);
    }
    assert_eq!(house.ask(GUANGDONG, WHO, json!({})).await.status, StatusCode::OK);
}

#[tokio::test]
async fn nobody_waits_for_the_body_of_what_was_used_before() {
    let house = House::new();
    let again = copies(&house);
    assert_eq!(house.send(again()).await.status, StatusCode::OK);
    let mut endless = again();
    *endless.body_mut() = stalled();
    let answered = tokio::time::timeout(PACE_EVERY / 2, house.send(endless)).await.expect("answered at once");
    assert_refused(&answered, StatusCode::UNAUTHORIZED, RefusalCode::NonceReplayed);
}

#[tokio::test]
async fn a_changed_body_does_not_use_the_signature_up() {
    let house = House::new();
    let again = copies(&house);
    let mut changed = again();
    *changed.body_mut() = Body::from("{}");
    assert_refused(&house.send(changed).await, StatusCode::UNAUTHORIZED, RefusalCode::TamperedBody);
    assert_eq!(house.send(again()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_council_that_fills_its_table_of_used_signatures_is_refused_alone_and_for_a_time_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let signatures_file = Some(folder.path().join("signatures.json"));
    let options = PartnerEdge { signatures_max: 2, signatures_file, ..PartnerEdge::default() };
    let house = House::with(options, &[], &[]);
    for _ in 0..2 {
        assert_eq!(house.ask(GUANGDONG, WHO, json!({})).await.status, StatusCode::OK);
    }
    house.clock.advance(20);
    let reply = house.ask(GUANGDONG, WHO, json!({})).await;
    assert_refused(&reply, StatusCode::SERVICE_UNAVAILABLE, RefusalCode::Unavailable);
    assert_eq!((&reply.extensions()["retryable"], reply.header("retry-after")), (&json!(true), "101"));
    assert_eq!(house.ask(MACAO, WHO, json!({})).await.status, StatusCode::OK);
    house.clock.advance(101);
    assert_eq!(house.ask(GUANGDONG, WHO, json!({})).await.status, StatusCode::OK);
}
