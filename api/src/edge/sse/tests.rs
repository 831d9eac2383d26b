use tower::ServiceExt as _;

use super::*;
use crate::edge::testing::{House, Reply, request};

const STREAM: (&str, &str) = ("accept", "text/event-stream");

fn house() -> House {
    House::new(EdgeLimits::default())
}

fn next(json: &str) -> String {
    format!("event: next\ndata: {json}\n\n")
}

fn assert_is_stream(reply: &Reply) {
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.header("content-type"), "text/event-stream; charset=utf-8");
    assert_eq!(reply.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_subscription_is_streamed_by_post_and_by_get() {
    let house = house();
    let one = next(r#"{"data":{"count":1}}"#);
    let two = next(r#"{"data":{"count":2}}"#);
    let expected = format!("{COMMENT}{one}{two}{COMPLETE}");
    let posted = house.ask("subscription { count(to: 2) }", &[STREAM]).await;
    assert_is_stream(&posted);
    assert_eq!(posted.text, expected);
    let got = house.get("query=subscription%7Bcount(to%3A2)%7D", &[STREAM]).await;
    assert_eq!(got.text, expected);
    let either = house.ask("subscription { count(to: 2) }", &[("accept", "application/json, text/event-stream")]).await;
    assert_eq!(either.text, expected);
}

#[tokio::test]
async fn queries_and_mutations_are_streamed_too() {
    let house = house();
    let reply = house.ask("{ hello }", &[STREAM]).await;
    let answer = next(r#"{"data":{"hello":"world"}}"#);
    assert_eq!(reply.text, format!("{COMMENT}{answer}{COMPLETE}"));
    house.ask("mutation { bump { value } }", &[STREAM]).await;
    assert_eq!(house.bumps.count(), 1);
    let reply = house.get("query=mutation%7Bbump%7Bvalue%7D%7D", &[STREAM]).await;
    assert_eq!((reply.status, house.bumps.count()), (StatusCode::METHOD_NOT_ALLOWED, 1));
}

#[tokio::test]
async fn a_refused_document_is_an_event_and_a_broken_exchange_is_a_status() {
    let house = house();
    for document in ["{", "subscription { nothing }", "mutation { bump { value } bump { value } }"] {
        let reply = house.ask(document, &[STREAM]).await;
        assert_is_stream(&reply);
        assert_eq!(reply.text.matches("event: next\ndata: {\"errors\":").count(), 1, "{}", reply.text);
        assert!(reply.text.ends_with(COMPLETE), "{}", reply.text);
        assert!(!reply.text.contains("\"data\""), "{}", reply.text);
    }
    let reply = house.ask("{ hello }", &[STREAM, ("authorization", "")]).await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"));
    let reply = house.post("[]", &[STREAM]).await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::BAD_REQUEST, "BATCH_NOT_SUPPORTED"));
}

#[tokio::test]
async fn an_error_in_the_middle_is_told_and_completes_the_stream() {
    let house = house();
    let reply = house.ask("subscription { breaks }", &[STREAM]).await;
    assert_eq!(reply.text.matches("event: next").count(), 2, "{}", reply.text);
    assert!(reply.text.contains(r#"{"data":{"breaks":1}}"#) && reply.text.contains("\"INTERNAL\""), "{}", reply.text);
    assert!(reply.text.ends_with(COMPLETE) && !reply.text.contains("secret"), "{}", reply.text);
    let reply = house.ask("subscription { panics }", &[STREAM]).await;
    assert!(reply.text.contains("\"INTERNAL\"") && reply.text.ends_with(COMPLETE), "{}", reply.text);
}

#[tokio::test]
async fn silence_is_filled_and_the_stream_ends_with_the_token() {
    let limits = EdgeLimits { keep_alive: Duration::from_millis(20), ..EdgeLimits::default() };
    let house = House::new(limits);
    let reply = house.ask("subscription { never }", &[STREAM, ("authorization", "Bearer brief")]).await;
    assert!(reply.text.matches(COMMENT).count() > 1, "{}", reply.text);
    assert!(reply.text.contains("UNAUTHENTICATED") && reply.text.ends_with(COMPLETE), "{}", reply.text);
}

#[tokio::test]
async fn a_shutdown_ends_the_stream_without_completing_it() {
    let house = house();
    let body = r#"{"query":"subscription { never }"}"#;
    let (reply, ()) = tokio::join!(house.send(request("POST", "/graphql", body, &[STREAM])), async {
        tokio::task::yield_now().await;
        house.shutdown.cancel();
    });
    assert_is_stream(&reply);
    assert_eq!(reply.text, COMMENT);
}

#[tokio::test]
async fn subscriptions_at_the_limit_are_streamed_and_one_past_it_is_refused() {
    let house = House::new(EdgeLimits { subscriptions_max: 1, ..EdgeLimits::default() });
    let never = || request("POST", "/graphql", r#"{"query":"subscription { never }"}"#, &[STREAM]);
    let held = house.router().oneshot(never()).await.expect("routers do not fail");
    assert_eq!(held.status(), StatusCode::OK);
    let refused = house.send(never()).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "TOO_MANY_SUBSCRIPTIONS"));
    // A query needs no place, streamed or not.
    assert_is_stream(&house.ask("{ hello }", &[STREAM]).await);
    drop(held);
    // Each stream leaves its place to the next one.
    for _ in 0..2 {
        assert_is_stream(&house.ask("subscription { count(to: 1) }", &[STREAM]).await);
    }
}
