use std::time::Duration;

use tower::ServiceExt;

use super::*;
use crate::edge::testing::{House, INTROSPECTION, SHOWN, Vouched, request};
use crate::edge::{EdgeLimits, RequestId};

const JSON: (&str, &str) = ("accept", "application/json");
const GRAPHQL: (&str, &str) = ("accept", "application/graphql-response+json");

fn house() -> House {
    House::new(EdgeLimits::default())
}

#[tokio::test]
async fn a_query_is_answered_in_the_type_the_client_wants() {
    let house = house();
    for (accept, content_type) in [
        ("", "application/json; charset=utf-8"),
        ("*/*", "application/json; charset=utf-8"),
        ("application/json", "application/json; charset=utf-8"),
        ("application/graphql-response+json", "application/graphql-response+json; charset=utf-8"),
    ] {
        let reply = house.ask("{ hello visitor }", &[("accept", accept)]).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.header("content-type"), content_type);
        assert_eq!(reply.header("cache-control"), "no-store");
        assert_ne!(reply.header("x-request-id"), "none");
        assert_eq!(reply.text, r#"{"data":{"hello":"world","visitor":"good"}}"#);
    }
}

#[tokio::test]
async fn a_refused_document_has_no_data_and_its_status_depends_on_the_type() {
    let house = house();
    for (document, code) in [("{", "GRAPHQL_PARSE_FAILED"), ("{ nothing }", "GRAPHQL_VALIDATION_FAILED")] {
        let newer = house.ask(document, &[GRAPHQL]).await;
        assert_eq!((newer.status, newer.code().as_str()), (StatusCode::BAD_REQUEST, code));
        assert_eq!(newer.json().get("data"), None);
        let older = house.ask(document, &[JSON]).await;
        assert_eq!((older.status, older.code().as_str()), (StatusCode::OK, code));
        assert_eq!(older.json().get("data"), None);
    }
    let body = r#"{"query":"query CoerceFailure($id: ID!) { __typename }","variables":{"id":null}}"#;
    assert_eq!(house.post(body, &[GRAPHQL]).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(house.post(body, &[JSON]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_answer_shows_the_position_that_is_asked_for_or_says_that_it_cannot() {
    let house = house();
    let shown = SHOWN.to_string();
    let reply = house.ask("{ hello }", &[JSON, (MIN_POSITION, shown.as_str())]).await;
    assert_eq!((reply.status, reply.text.as_str()), (StatusCode::OK, r#"{"data":{"hello":"world"}}"#));
    let beyond = (SHOWN + 1).to_string();
    for document in ["{ hello }", "subscription { count(to: 2) }"] {
        let headers = [("accept", "application/json, text/event-stream"), (MIN_POSITION, beyond.as_str())];
        let reply = house.ask(document, &headers).await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "NOT_YET"), "{document}");
    }
    // A mutation acts on the log itself and waits for nothing.
    let reply = house.ask("mutation { bump { value } }", &[JSON, (MIN_POSITION, beyond.as_str())]).await;
    assert_eq!((reply.status, house.bumps.count()), (StatusCode::OK, 1));
    for bad in ["x", "-1", "1.5", "+7", "99999999999999999999"] {
        let reply = house.ask("{ hello }", &[JSON, (MIN_POSITION, bad)]).await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::BAD_REQUEST, "BAD_REQUEST"), "{bad}");
    }
}

#[tokio::test]
async fn only_json_bodies_are_read() {
    let house = house();
    let body = r#"{"query":"mutation { bump { value } }"}"#;
    for content_type in ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1"] {
        let reply = house.post(body, &[("content-type", content_type)]).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE")
        );
    }
    assert_eq!(house.bumps.count(), 0);
    let reply = house.post(body, &[("content-type", "application/json; charset=utf-8")]).await;
    assert_eq!((reply.status, house.bumps.count()), (StatusCode::OK, 1));
}

#[tokio::test]
async fn what_is_not_one_request_is_refused_for_every_type() {
    let house = house();
    let cases = [
        ("", "BAD_REQUEST"),
        (r#"{ "not a JSON"#, "BAD_REQUEST"),
        ("1", "BAD_REQUEST"),
        ("{}", "BAD_REQUEST"),
        ("[]", "BATCH_NOT_SUPPORTED"),
        (r#"[{"query":"{ hello }"}]"#, "BATCH_NOT_SUPPORTED"),
        (r#"{"query":{"obj":"ect"}}"#, "BAD_REQUEST"),
        (r#"{"query":0}"#, "BAD_REQUEST"),
        (r#"{"query":"{ hello }","operationName":["a"]}"#, "BAD_REQUEST"),
        (r#"{"query":"{ hello }","variables":"string"}"#, "BAD_REQUEST"),
        (r#"{"query":"{ hello }","variables":["a"]}"#, "BAD_REQUEST"),
        (r#"{"query":"{ hello }","extensions":false}"#, "BAD_REQUEST"),
        (r#"{"query":"{ hello }","query":"mutation { bump { value } }"}"#, "BAD_REQUEST"),
        (r#"{"query":"{ hello }","variables":{"a":[{"b":1,"b":1}]}}"#, "BAD_REQUEST"),
    ];
    for (body, code) in cases {
        for accept in [JSON, GRAPHQL] {
            let reply = house.post(body, &[accept]).await;
            assert_eq!((reply.status, reply.code().as_str()), (StatusCode::BAD_REQUEST, code), "{body}");
        }
    }
    let nulls = r#"{"query":"{ hello }","operationName":null,"variables":null,"extensions":null}"#;
    assert_eq!(house.post(nulls, &[GRAPHQL]).await.text, r#"{"data":{"hello":"world"}}"#);
    let maps = r#"{"query":"query Q { hello }","operationName":"Q","variables":{},"extensions":{"some":"value"}}"#;
    assert_eq!(house.post(maps, &[GRAPHQL]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn get_serves_queries_and_refuses_mutations() {
    let house = house();
    assert_eq!(house.get("query=%7B%20hello%20%7D", &[]).await.text, r#"{"data":{"hello":"world"}}"#);
    let id = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    let query = format!("query=query(%24i%3AUUID!)%7Becho(id%3A%24i)%7D&variables=%7B%22i%22%3A%22{id}%22%7D");
    assert_eq!(house.get(&query, &[]).await.json()["data"]["echo"], id);
    let reply = house.get("query=mutation%7Bbump%7Bvalue%7D%7D", &[GRAPHQL]).await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED"));
    assert_eq!(reply.header("allow"), "POST");
    assert_eq!(house.bumps.count(), 0);
    assert_eq!(house.get("", &[]).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn other_methods_are_not_allowed() {
    let house = house();
    for method in ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"] {
        let reply = house.send(request(method, "/graphql", Body::empty(), &[])).await;
        assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(reply.header("allow"), "GET, POST");
    }
    let reply = house.send(request("POST", "/graphql/ws", Body::empty(), &[])).await;
    assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
    let reply = house.send(request("GET", "/graphql/ws", Body::empty(), &[])).await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::BAD_REQUEST, "BAD_REQUEST"));
}

#[tokio::test]
async fn a_merged_mutation_field_is_refused_and_never_runs() {
    let house = house();
    for document in [
        "mutation { bump(by: 1) { value } bump(by: 1) { __typename } }",
        "mutation { bump { value } ...F } fragment F on Mutation { bump { value } }",
        "mutation { bump { value } ... { bump { value } } }",
    ] {
        let reply = house.ask(document, &[GRAPHQL]).await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::BAD_REQUEST, "DUPLICATE_MUTATION_FIELD"));
    }
    assert_eq!(house.bumps.count(), 0);
    let reply = house.ask("mutation { a: bump { value } b: bump { value } }", &[GRAPHQL]).await;
    assert_eq!((reply.status, house.bumps.count()), (StatusCode::OK, 2));
}

#[tokio::test]
async fn a_body_at_the_limit_is_read_and_one_past_it_is_not() {
    let body = r#"{"query":"{ hello }"}"#;
    let at = House::new(EdgeLimits { body_bytes_max: body.len(), ..EdgeLimits::default() });
    assert_eq!(at.post(body, &[]).await.status, StatusCode::OK);
    let past = House::new(EdgeLimits { body_bytes_max: body.len() - 1, ..EdgeLimits::default() });
    let reply = past.post(body, &[]).await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE"));
}

#[tokio::test]
async fn nothing_is_executed_for_a_stranger() {
    let house = house();
    for authorization in ["", "Bearer bad", "Basic good", "good"] {
        let reply = house.ask("mutation { bump { value } }", &[("authorization", authorization)]).await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"));
        assert_eq!(reply.header("www-authenticate"), "Bearer");
    }
    let reply = house.ask("{ hello }", &[("authorization", "Bearer broken")]).await;
    assert_eq!((reply.status, reply.header("www-authenticate")), (StatusCode::SERVICE_UNAVAILABLE, "none"));
    assert_eq!(house.bumps.count(), 0);
}

#[tokio::test]
async fn internal_text_stays_inside() {
    let house = house();
    let panicked = house.ask("{ panics }", &[JSON]).await;
    assert_eq!((panicked.status, panicked.code().as_str()), (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL"));
    let leaked = house.ask("{ hello leaks }", &[GRAPHQL]).await;
    assert_eq!((leaked.status, leaked.code().as_str()), (StatusCode::OK, "INTERNAL"));
    assert_eq!(leaked.json()["data"]["hello"], "world");
    for reply in [panicked, leaked] {
        assert!(!reply.text.contains("secret"), "{}", reply.text);
        assert_eq!(reply.json()["errors"][0]["extensions"]["requestId"], reply.header("x-request-id"));
    }
    let refused = house.ask("{ refuses }", &[GRAPHQL]).await;
    assert_eq!(refused.json()["errors"][0]["message"], "not yours");
    assert_eq!(refused.code(), "FORBIDDEN");
}

#[tokio::test]
async fn an_argument_that_does_not_fit_is_explained() {
    let reply = house().ask(r#"{ echo(id: "nonsense") }"#, &[GRAPHQL]).await;
    assert_eq!(reply.code(), "GRAPHQL_VALIDATION_FAILED");
    assert!(reply.text.contains("UUID"), "{}", reply.text);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_dropped() {
    let limits = EdgeLimits { request_timeout: Duration::from_millis(50), ..EdgeLimits::default() };
    let reply = House::new(limits).ask("{ hangs }", &[JSON]).await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "TIMEOUT"));
}

#[tokio::test]
async fn what_nobody_accepts_is_not_executed() {
    let house = house();
    let reply = house.ask("mutation { bump { value } }", &[("accept", "text/html")]).await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::NOT_ACCEPTABLE, "NOT_ACCEPTABLE"));
    assert_eq!(house.bumps.count(), 0);
    for accept in ["", "*/*", "application/json"] {
        let reply = house.ask("subscription { count(to: 1) }", &[("accept", accept)]).await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::NOT_ACCEPTABLE, "NOT_ACCEPTABLE"));
        let reply = house.get("query=subscription%7Bcount(to%3A1)%7D", &[("accept", accept)]).await;
        assert_eq!(reply.status, StatusCode::NOT_ACCEPTABLE);
    }
}

#[tokio::test]
async fn the_standard_introspection_is_answered() {
    let reply = house().ask(INTROSPECTION, &[GRAPHQL]).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    assert_eq!(reply.json()["data"]["__schema"]["queryType"]["name"], "Query");
}

#[tokio::test]
async fn resolvers_see_the_trace_context() {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let reply = house().ask("{ traceparent }", &[("traceparent", trace)]).await;
    assert_eq!(reply.json()["data"]["traceparent"], trace);
}

#[tokio::test]
async fn operations_at_the_rate_limit_run_and_one_past_it_is_refused() {
    let house = house();
    let thrifty = ("authorization", "Bearer thrifty");
    // What is not fit for execution costs nothing; a hundred selections cost two.
    assert_eq!(house.ask("{", &[thrifty, GRAPHQL]).await.code(), "GRAPHQL_PARSE_FAILED");
    let long = format!("mutation {{ bump {{ {} }} }}", "value ".repeat(99));
    let short = "mutation { bump { value } }";
    for document in [long.as_str(), short] {
        assert_eq!(house.ask(document, &[thrifty]).await.text, r#"{"data":{"bump":{"value":1}}}"#);
    }
    for accept in [JSON, GRAPHQL, ("accept", "text/event-stream")] {
        let reply = house.ask(short, &[thrifty, accept]).await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED"));
        assert!(!reply.text.contains("retryable"), "nobody promised that here: {}", reply.text);
    }
    assert_eq!(house.bumps.count(), 2);
    assert_eq!(house.ask(short, &[]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_route_for_post_alone_takes_no_get_and_sends_no_stream() {
    let house = House::post_only();
    let body = r#"{"query":"{ hello }"}"#;
    let reply = house.send(request("POST", "/elsewhere", body, &[])).await;
    assert_eq!((reply.status, reply.text.as_str()), (StatusCode::OK, r#"{"data":{"hello":"world"}}"#));
    let reply = house.send(request("GET", "/elsewhere?query=%7Bhello%7D", Body::empty(), &[])).await;
    assert_eq!((reply.status, reply.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "POST"));
    let stream = [("accept", "text/event-stream")];
    let reply = house.send(request("POST", "/elsewhere", body, &stream)).await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::NOT_ACCEPTABLE, "NOT_ACCEPTABLE"));
    let both = [("accept", "text/event-stream, application/json;q=0.1")];
    let reply = house.send(request("POST", "/elsewhere", body, &both)).await;
    assert_eq!(reply.header("content-type"), "application/json; charset=utf-8");
    let subscription = r#"{"query":"subscription { count(to: 1) }"}"#;
    let reply = house.send(request("POST", "/elsewhere", subscription, &both)).await;
    assert_eq!(reply.status, StatusCode::NOT_ACCEPTABLE);
    for path in ["/graphql", "/elsewhere/ws"] {
        assert_eq!(house.send(request("POST", path, body, &[])).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_gatekeeper_and_the_answer_see_what_a_layer_in_front_has_found_out() {
    let house = House::post_only();
    let mut vouched = request("POST", "/elsewhere", r#"{"query":"{ visitor }"}"#, &[("authorization", "")]);
    vouched.extensions_mut().insert(Vouched("good"));
    vouched.extensions_mut().insert(RequestId("r-1".to_owned()));
    let reply = house.send(vouched).await;
    assert_eq!((reply.text.as_str(), reply.header("x-request-id")), (r#"{"data":{"visitor":"good"}}"#, "r-1"));
}

#[tokio::test]
async fn a_response_names_the_code_of_what_was_not_executed() {
    let house = House::post_only();
    let misfit = r#"{ hello echo(id: "nonsense") }"#;
    for (document, code) in [
        ("{", Some("GRAPHQL_PARSE_FAILED")),
        (misfit, Some("GRAPHQL_VALIDATION_FAILED")),
        ("{ leaks }", None),
        ("{ hello }", None),
    ] {
        let body = serde_json::json!({ "query": document }).to_string();
        let response = house.router().oneshot(request("POST", "/elsewhere", body, &[])).await.expect("an answer");
        let refused = response.extensions().get::<Refused>().map(|refused| refused.0.as_str());
        assert_eq!(refused, code, "{document}");
    }
}
