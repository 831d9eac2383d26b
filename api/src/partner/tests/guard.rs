use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use cross_border::exchange::{Digest, RefusalCode};
use serde_json::json;

use crate::edge::EdgeLimits;
use crate::partner::testing::{GUANGDONG, HOST, House, MACAO, Reply, signing_key, stalled, with_certificate};
use crate::partner::{GRAPHQL_PATH, PartnerEdge, PartnerRate};

const WHO: &str = "{ serverInfo { council } }";

fn who() -> Vec<u8> {
    json!({ "query": WHO }).to_string().into_bytes()
}

/// The request was refused with this code in the form of the contract, and nothing else came of it but a record.
async fn assert_refused(house: &House, reply: &Reply, status: StatusCode, code: RefusalCode) {
    assert_eq!((reply.code().as_str(), reply.status), (code.code(), status), "{:#}", reply.json());
    assert_eq!(reply.extensions()["retryable"], code.is_retryable());
    assert_eq!(reply.extensions()["requestId"], reply.header("x-request-id"));
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(house.journal().await.last().map(String::as_str), Some(code.code()));
}

async fn assert_refused_by_the_signature(house: &House, reply: &Reply, code: RefusalCode) {
    assert_refused(house, reply, StatusCode::UNAUTHORIZED, code).await;
    assert!(reply.header("accept-signature").starts_with("baycase=("));
}

#[tokio::test]
async fn a_signed_request_is_answered_and_nothing_is_journaled() {
    let house = House::new();
    for council in [GUANGDONG, MACAO] {
        let reply = house.ask(council, WHO, json!({})).await;
        assert_eq!(reply.data()["serverInfo"]["council"], "hk-consumer-council");
        assert_ne!(reply.header("x-request-id"), "none");
    }
    assert!(house.journal().await.is_empty());
}

#[tokio::test]
async fn without_a_signature_nothing_is_read() {
    let house = House::new();
    let unsigned = |body: Body| {
        let request = Request::post(GRAPHQL_PATH).header("host", HOST).header("content-type", "application/json");
        request.body(body).unwrap()
    };
    // The second body never ends: nobody waits for it.
    for body in [Body::from(who()), stalled()] {
        let reply = house.send(unsigned(body)).await;
        assert_refused_by_the_signature(&house, &reply, RefusalCode::SignatureMissing).await;
    }
    let reply =
        house.send(Request::get("/partner/evidence/a/b").header("host", HOST).body(Body::empty()).unwrap()).await;
    assert_refused_by_the_signature(&house, &reply, RefusalCode::SignatureMissing).await;
    assert_eq!(house.journal().await.len(), 3);
}

#[tokio::test]
async fn a_body_that_was_changed_is_refused() {
    let house = House::new();
    let (parts, _) = house.asked(GUANGDONG, WHO, json!({})).into_parts();
    let other = json!({ "query": "{ serverInfo { time } }", "variables": {} }).to_string();
    let reply = house.send(Request::from_parts(parts, Body::from(other))).await;
    assert_refused_by_the_signature(&house, &reply, RefusalCode::TamperedBody).await;
}

#[tokio::test]
async fn whatever_else_was_signed_must_come_as_it_was() {
    let house = House::new();
    let key = signing_key(GUANGDONG, 0);
    let elsewhere = house.signed_for(&key, &Method::POST, "http://exchange.mo.example", GRAPHQL_PATH, who());
    let secure = house.signed_for(&key, &Method::POST, &format!("https://{HOST}"), GRAPHQL_PATH, who());
    let other_method = house.signed(&key, &Method::PUT, GRAPHQL_PATH, who());
    let mut put_as_post = other_method;
    *put_as_post.method_mut() = Method::POST;
    let mut other_type = house.signed(&key, &Method::POST, GRAPHQL_PATH, who());
    other_type.headers_mut().insert("content-type", "text/plain".parse().unwrap());
    let mut other_digest = house.signed(&key, &Method::POST, GRAPHQL_PATH, who());
    other_digest.headers_mut().insert("content-digest", "sha-256=:AAAA:".parse().unwrap());
    for request in [elsewhere, secure, put_as_post, other_type, other_digest] {
        let reply = house.send(request).await;
        assert_refused_by_the_signature(&house, &reply, RefusalCode::BadSignature).await;
    }
}

#[tokio::test]
async fn a_signature_lives_for_minutes() {
    let house = House::new();
    let in_time = house.asked(GUANGDONG, WHO, json!({}));
    let late = house.asked(GUANGDONG, WHO, json!({}));
    house.clock.advance(120);
    assert_eq!(house.send(in_time).await.status, StatusCode::OK);
    house.clock.advance(1);
    let reply = house.send(late).await;
    assert_refused_by_the_signature(&house, &reply, RefusalCode::SignatureExpired).await;

    house.clock.advance(30);
    let ahead = house.asked(GUANGDONG, WHO, json!({}));
    house.clock.advance(1);
    let too_far_ahead = house.asked(GUANGDONG, WHO, json!({}));
    house.clock.advance(-31);
    assert_eq!(house.send(ahead).await.status, StatusCode::OK, "clocks may differ by half a minute");
    let reply = house.send(too_far_ahead).await;
    assert_refused_by_the_signature(&house, &reply, RefusalCode::SignatureExpired).await;
}

#[tokio::test]
async fn only_a_key_of_the_directory_signs() {
    let house = House::new();
    let impostor = house.signed(&signing_key(GUANGDONG, 1), &Method::POST, GRAPHQL_PATH, who());
    let reply = house.send(impostor).await;
    assert_refused_by_the_signature(&house, &reply, RefusalCode::BadSignature).await;

    let stranger = house.signed(&signing_key("sz-consumer-council", 0), &Method::POST, GRAPHQL_PATH, who());
    let reply = house.send(stranger).await;
    assert_refused_by_the_signature(&house, &reply, RefusalCode::UnknownKey).await;

    let ourselves = house.signed(&signing_key("hk-consumer-council", 0), &Method::POST, GRAPHQL_PATH, who());
    let reply = house.send(ourselves).await;
    assert_refused_by_the_signature(&house, &reply, RefusalCode::UnknownKey).await;

    house.clock.advance(300 * 24 * 3_600);
    let reply = house.ask(GUANGDONG, WHO, json!({})).await;
    assert_refused_by_the_signature(&house, &reply, RefusalCode::KeyNotValid).await;
}

#[tokio::test]
async fn a_signature_is_good_for_one_request() {
    let house = House::new();
    let (parts, _) = house.asked(GUANGDONG, WHO, json!({})).into_parts();
    let body = json!({ "query": WHO, "variables": {} }).to_string();
    let again = || Request::from_parts(parts.clone(), Body::from(body.clone()));
    assert_eq!(house.send(again()).await.status, StatusCode::OK);
    for _ in 0..2 {
        let reply = house.send(again()).await;
        assert_refused_by_the_signature(&house, &reply, RefusalCode::NonceReplayed).await;
    }
}

#[tokio::test]
async fn what_was_signed_before_the_start_is_refused_for_now() {
    let house = House::new();
    house.clock.advance(-1);
    let early = house.asked(GUANGDONG, WHO, json!({}));
    house.clock.advance(1);
    let reply = house.send(early).await;
    assert_refused(&house, &reply, StatusCode::SERVICE_UNAVAILABLE, RefusalCode::Unavailable).await;
    assert_eq!(reply.header("retry-after"), "5");
}

#[tokio::test]
async fn what_was_used_before_a_restart_is_not_good_once_more() {
    let folder = tempfile::tempdir().unwrap();
    let restarted = || {
        let signatures_file = Some(folder.path().join("signatures.json"));
        House::with(PartnerEdge { signatures_file, ..PartnerEdge::default() }, &[], &[])
    };
    let house = restarted();
    // The partner's clock is ahead of ours, by less than what is borne with.
    house.clock.advance(20);
    let (parts, _) = house.asked(GUANGDONG, WHO, json!({})).into_parts();
    house.clock.advance(-20);
    let body = json!({ "query": WHO, "variables": {} }).to_string();
    let ahead = || Request::from_parts(parts.clone(), Body::from(body.clone()));
    assert_eq!(house.send(ahead()).await.status, StatusCode::OK);

    let house = restarted();
    let reply = house.send(ahead()).await;
    assert_refused(&house, &reply, StatusCode::SERVICE_UNAVAILABLE, RefusalCode::Unavailable).await;
    house.clock.advance(21);
    assert_eq!(house.ask(GUANGDONG, WHO, json!({})).await.status, StatusCode::OK, "what it signs anew is let in");
}

#[tokio::test]
async fn a_body_at_the_limit_is_read_and_one_past_it_is_not() {
    let body_bytes_max = who().len();
    let limits = EdgeLimits { body_bytes_max, ..EdgeLimits::default() };
    let house = House::with(PartnerEdge { limits, ..PartnerEdge::default() }, &[], &[]);
    let key = signing_key(GUANGDONG, 0);
    let at = house.send(house.signed(&key, &Method::POST, GRAPHQL_PATH, who())).await;
    assert_eq!(at.status, StatusCode::OK);
    let mut long = who();
    long.push(b' ');
    let reply = house.send(house.signed(&key, &Method::POST, GRAPHQL_PATH, long)).await;
    assert_refused(&house, &reply, StatusCode::PAYLOAD_TOO_LARGE, RefusalCode::BodyTooLarge).await;
    assert_eq!(PartnerEdge::default().limits.body_bytes_max, 256 * 1024);
    assert_eq!(PartnerEdge::default().evidence_bytes_max, 10 * 1024 * 1024);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let limits = EdgeLimits { request_timeout: Duration::from_millis(20), ..EdgeLimits::default() };
    let house = House::with(PartnerEdge { limits, ..PartnerEdge::default() }, &[], &[]);
    let (parts, _) = house.asked(GUANGDONG, WHO, json!({})).into_parts();
    let reply = house.send(Request::from_parts(parts, stalled())).await;
    assert_refused(&house, &reply, StatusCode::REQUEST_TIMEOUT, RefusalCode::Timeout).await;
}

#[tokio::test]
async fn as_many_bodies_are_read_at_once_as_may_be() {
    let house = House::with(PartnerEdge { bodies_max: 1, ..PartnerEdge::default() }, &[], &[]);
    let (parts, _) = house.asked(GUANGDONG, WHO, json!({})).into_parts();
    let second = house.asked(MACAO, WHO, json!({}));
    // The first holds its place until it is given up; polled first, it has it when the second comes.
    let slow = house.send(Request::from_parts(parts, stalled()));
    let reply = tokio::select! {
        biased;
        _ = slow => panic!("a body without end was read"),
        reply = house.send(second) => reply,
    };
    assert_refused(&house, &reply, StatusCode::SERVICE_UNAVAILABLE, RefusalCode::Unavailable).await;
    assert_eq!(house.ask(MACAO, WHO, json!({})).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_council_whose_certificates_are_known_comes_with_one_of_them() {
    let [guangdong, next, macao, stranger] = ["gd", "gd-next", "mo", "x"].map(|name| Digest::of(name.as_bytes()));
    let house = House::with(PartnerEdge::default(), &[guangdong.clone(), next.clone()], std::slice::from_ref(&macao));
    // Through mutual TLS the address is https.
    let request = || {
        let key = signing_key(GUANGDONG, 0);
        house.signed_for(&key, &Method::POST, &format!("https://{HOST}"), GRAPHQL_PATH, who())
    };
    for certificate in [&guangdong, &next] {
        assert_eq!(house.send(with_certificate(request(), certificate)).await.status, StatusCode::OK);
    }
    for certificate in [&macao, &stranger] {
        let reply = house.send(with_certificate(request(), certificate)).await;
        assert_refused(&house, &reply, StatusCode::FORBIDDEN, RefusalCode::CertificateRefused).await;
    }
    let reply = house.ask(GUANGDONG, WHO, json!({})).await;
    assert_refused(&house, &reply, StatusCode::FORBIDDEN, RefusalCode::CertificateRefused).await;
}

#[tokio::test]
async fn a_council_without_known_certificates_comes_with_any_but_anothers() {
    let [macao, other] = ["mo", "x"].map(|name| Digest::of(name.as_bytes()));
    let house = House::with(PartnerEdge::default(), &[], std::slice::from_ref(&macao));
    let request = || {
        let key = signing_key(GUANGDONG, 0);
        house.signed_for(&key, &Method::POST, &format!("https://{HOST}"), GRAPHQL_PATH, who())
    };
    assert_eq!(house.send(with_certificate(request(), &other)).await.status, StatusCode::OK);
    assert_eq!(house.ask(GUANGDONG, WHO, json!({})).await.status, StatusCode::OK);
    let reply = house.send(with_certificate(request(), &macao)).await;
    assert_refused(&house, &reply, StatusCode::FORBIDDEN, RefusalCode::CertificateRefused).await;
}

#[tokio::test]
async fn each_council_has_its_own_rate() {
    let rate = PartnerRate { requests_per_minute: 60, burst: 1 };
    let house = House::with(PartnerEdge { rate, ..PartnerEdge::default() }, &[], &[]);
    // A forged request costs the council nothing.
    let forged = house.signed(&signing_key(GUANGDONG, 1), &Method::POST, GRAPHQL_PATH, who());
    assert_eq!(house.send(forged).await.code(), "BAD_SIGNATURE");
    assert_eq!(house.ask(GUANGDONG, WHO, json!({})).await.status, StatusCode::OK);
    let reply = house.ask(GUANGDONG, WHO, json!({})).await;
    assert_refused(&house, &reply, StatusCode::TOO_MANY_REQUESTS, RefusalCode::RateLimited).await;
    assert_eq!(reply.header("retry-after"), "1");
    assert_eq!(house.ask(MACAO, WHO, json!({})).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_refused_behind_the_guard_says_whether_to_come_again() {
    let rate = PartnerRate { requests_per_minute: 60, burst: 1 };
    let house = House::with(PartnerEdge { rate, ..PartnerEdge::default() }, &[], &[]);
    // The request is within the rate; what a document of a hundred selections costs beside it is not.
    let long = format!("{{ serverInfo {{ {} }} }}", "council ".repeat(99));
    let reply = house.ask(GUANGDONG, &long, json!({})).await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED"));
    assert_eq!((&reply.extensions()["retryable"], reply.header("retry-after")), (&json!(true), "5"));
    assert_eq!(house.journal().await, ["RATE_LIMITED"]);
    // What is wrong with a document is no code of the contract, and promises nothing.
    let reply = house.ask(MACAO, "{", json!({})).await;
    assert_eq!((reply.code().as_str(), reply.extensions().get("retryable").is_none()), ("GRAPHQL_PARSE_FAILED", true));
}

#[tokio::test]
async fn the_public_address_is_what_the_partners_sign() {
    let public_url = Some("https://exchange.council.example/".to_owned());
    let house = House::with(PartnerEdge { public_url, ..PartnerEdge::default() }, &[], &[]);
    let key = signing_key(GUANGDONG, 0);
    let public = house.signed_for(&key, &Method::POST, "https://exchange.council.example", GRAPHQL_PATH, who());
    assert_eq!(house.send(public).await.status, StatusCode::OK);
    let reply = house.ask(GUANGDONG, WHO, json!({})).await;
    assert_refused_by_the_signature(&house, &reply, RefusalCode::BadSignature).await;
}

#[tokio::test]
async fn what_was_signed_for_another_council_is_not_for_us() {
    let house = House::new();
    // Guangdong asked Macao, which brings the request here as it came, its own name included.
    let host = format!("{MACAO}.example");
    let key = signing_key(GUANGDONG, 0);
    let mut request = house.signed_for(&key, &Method::POST, &format!("https://{host}"), GRAPHQL_PATH, who());
    request.headers_mut().insert("host", host.parse().unwrap());
    let reply = house.send(with_certificate(request, &Digest::of(b"mo"))).await;
    assert_refused(&house, &reply, StatusCode::MISDIRECTED_REQUEST, RefusalCode::WrongRecipient).await;
}

#[tokio::test]
async fn a_request_that_names_two_hosts_is_for_nobody() {
    let public_url = Some(format!("http://{HOST}"));
    for options in [PartnerEdge::default(), PartnerEdge { public_url, ..PartnerEdge::default() }] {
        let house = House::with(options, &[], &[]);
        let mut twice = house.asked(GUANGDONG, WHO, json!({}));
        twice.headers_mut().append("host", "exchange.mo.example".parse().unwrap());
        let mut apart = house.asked(GUANGDONG, WHO, json!({}));
        *apart.uri_mut() = format!("http://exchange.mo.example{GRAPHQL_PATH}").parse().unwrap();
        for request in [twice, apart] {
            let reply = house.send(request).await;
            assert_refused(&house, &reply, StatusCode::BAD_REQUEST, RefusalCode::Invalid).await;
        }
        // The whole address in the first line is as good as `Host`, and both may say the same.
        let mut whole = house.asked(GUANGDONG, WHO, json!({}));
        *whole.uri_mut() = format!("http://{HOST}{GRAPHQL_PATH}").parse().unwrap();
        assert_eq!(house.send(whole).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_body_that_can_be_read_in_two_ways_is_refused() {
    let house = House::new();
    let key = signing_key(GUANGDONG, 0);
    for body in [
        format!(r#"{{"query":"{WHO}","query":"{{ serverInfo {{ time }} }}"}}"#),
        format!(r#"{{"query":"{WHO}","variables":{{"a":{{"b":1,"b":2}}}}}}"#),
    ] {
        let reply = house.send(house.signed(&key, &Method::POST, GRAPHQL_PATH, body.into_bytes())).await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::BAD_REQUEST, "BAD_REQUEST"));
    }
    assert_eq!(house.journal().await, ["BAD_REQUEST", "BAD_REQUEST"]);
}

#[tokio::test]
async fn a_request_carries_one_mutation() {
    let house = House::new();
    let two = "mutation { a: recordReceipts(receipts: []) b: recordReceipts(receipts: []) }";
    let reply = house.ask(GUANGDONG, two, json!({})).await;
    assert_eq!(reply.code(), "TOO_MANY_MUTATION_FIELDS");
    assert!(reply.json().get("data").is_none(), "neither was carried out");
    assert_eq!(house.journal().await, ["TOO_MANY_MUTATION_FIELDS"]);
    let one = house.ask(GUANGDONG, "mutation { recordReceipts(receipts: []) __typename }", json!({})).await;
    assert_eq!(one.data()["recordReceipts"], 0);
}

#[tokio::test]
async fn an_argument_that_does_not_fit_is_journaled_though_other_fields_are_answered() {
    let house = House::new();
    for (document, variables) in [
        ("{ messages(first: 99999999999) { atEnd } }", json!({})),
        ("query($first: Int) { messages(first: $first) { atEnd } }", json!({ "first": 99_999_999_999_u64 })),
        ("{ serverInfo { council } messages(first: 99999999999) { atEnd } }", json!({})),
    ] {
        let reply = house.ask(GUANGDONG, document, variables).await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::OK, "GRAPHQL_VALIDATION_FAILED"), "{document}");
    }
    assert_eq!(house.journal().await, ["GRAPHQL_VALIDATION_FAILED"; 3]);
}

#[tokio::test]
async fn documents_are_taken_by_post_alone_and_refused_ones_are_journaled() {
    let house = House::new();
    let key = signing_key(GUANGDONG, 0);
    let path = format!("{GRAPHQL_PATH}?query=%7BserverInfo%7Bcouncil%7D%7D");
    let reply = house.send(house.signed(&key, &Method::GET, &path, Vec::new())).await;
    assert_eq!((reply.status, reply.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "POST"));
    let reply = house.ask(GUANGDONG, "{", json!({})).await;
    assert_eq!(reply.code(), "GRAPHQL_PARSE_FAILED");
    let reply = house.ask(GUANGDONG, "{ nothing }", json!({})).await;
    assert_eq!(reply.code(), "GRAPHQL_VALIDATION_FAILED");
    let reply = house.ask(GUANGDONG, "subscription { x }", json!({})).await;
    assert_ne!(reply.status, StatusCode::OK);
    assert_eq!(house.journal().await[..3], ["METHOD_NOT_ALLOWED", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"]);
}
