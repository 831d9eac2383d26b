//! Subscriptions over a WebSocket client that is not ours: cut off and resumed without gap or repeat.

use api::auth::Role;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tests::TestServer;
use tests::flows::{BUREAU, Flow};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

async fn connect(server: &TestServer, token: &str) -> Socket {
    let url = server.url().replace("http://", "ws://") + "/ws";
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let init = json!({"type": "connection_init", "payload": {"authorization": format!("Bearer {token}")}});
    socket.send(Message::text(init.to_string())).await.unwrap();
    assert_eq!(message(&mut socket).await["type"], "connection_ack");
    socket
}

/// The next protocol message; pings of either kind are passed over.
async fn message(socket: &mut Socket) -> Value {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(text) => {
                let message: Value = serde_json::from_str(&text).unwrap();
                if message["type"] != "ping" {
                    return message;
                }
            }
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("unexpected: {other:?}"),
        }
    }
}

async fn follow(socket: &mut Socket, after: Option<&str>) {
    let query = "subscription($after: Position) { caseEvents(after: $after) { position kind revision } }";
    let subscribe = json!({"id": "1", "type": "subscribe", "payload": {"query": query, "variables": {"after": after}}});
    socket.send(Message::text(subscribe.to_string())).await.unwrap();
}

async fn events(socket: &mut Socket, count: usize) -> Vec<Value> {
    let mut events = Vec::new();
    while events.len() < count {
        let message = message(socket).await;
        assert_eq!(message["type"], "next", "{message}");
        assert!(message["payload"].get("errors").is_none(), "{message}");
        events.push(message["payload"]["data"]["caseEvents"].clone());
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_is_cut_off_resumes_without_gap_or_repeat() {
    let server = TestServer::new().await;
    let flow = Flow::filed(&server, "FOLLOW-1").await.accepted().await;
    let token = server.token(&[Role::Auditor], BUREAU);
    let query = "query($id: UUID!) { caseHistory(id: $id) { edges { node { position kind revision } } } }";
    let history = server.data(&token, query, json!({"id": flow.id})).await;
    let all: Vec<Value> =
        history["caseHistory"]["edges"].as_array().unwrap().iter().map(|edge| edge["node"].clone()).collect();
    assert!(all.len() >= 5);
    for cut in 1..all.len() {
        let mut socket = connect(&server, &token).await;
        follow(&mut socket, Some("0")).await;
        let mut seen = events(&mut socket, cut).await;
        drop(socket);
        let last = seen.last().unwrap()["position"].as_str().unwrap().to_owned();
        let mut socket = connect(&server, &token).await;
        follow(&mut socket, Some(&last)).await;
        seen.extend(events(&mut socket, all.len() - cut).await);
        assert_eq!(seen, all, "cut after {cut}");
    }
    // A live event arrives too.
    let mut socket = connect(&server, &token).await;
    follow(&mut socket, all.last().unwrap()["position"].as_str()).await;
    let station = flow.station.clone();
    flow.act(&station, "noteWork", "NoteWorkInput", json!({"kind": "CALL", "text": "联系商家"})).await;
    assert_eq!(events(&mut socket, 1).await[0]["kind"], "complaint.noted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_from_elsewhere_hears_nothing_of_it() {
    let server = TestServer::new().await;
    let stranger = server.token(&[Role::Auditor], "gd-440300");
    let mut socket = connect(&server, &stranger).await;
    follow(&mut socket, Some("0")).await;
    Flow::filed(&server, "QUIET-1").await.accepted().await;
    let clerk = server.token(&[Role::IntakeClerk], "gd-440300");
    let mut input = tests::flows::filing("OWN-1", "要求退款");
    input["region"] = json!("440305");
    server.data(&clerk, tests::flows::REGISTER, json!({"input": input})).await;
    // The first thing it hears is its own city's case.
    let heard = message(&mut socket).await;
    let kind = &heard["payload"]["data"]["caseEvents"]["kind"];
    assert_eq!(*kind, json!("complaint.registered"));
    let query = "{ cases { edges { node { number position } } } }";
    let auditor = server.token(&[Role::Auditor], "gd-440300");
    let own = server.data(&auditor, query, json!({})).await;
    assert_eq!(own["cases"]["edges"][0]["node"]["position"], heard["payload"]["data"]["caseEvents"]["position"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_from_beyond_the_log_is_told_so_and_one_from_its_end_waits() {
    let server = TestServer::new().await;
    let flow = Flow::filed(&server, "BEYOND-1").await.accepted().await;
    let token = server.token(&[Role::Auditor], BUREAU);
    let info = server.data(&token, "{ serverInfo { logPosition } }", json!({})).await;
    let head: u64 = info["serverInfo"]["logPosition"].as_str().unwrap().parse().unwrap();

    let mut socket = connect(&server, &token).await;
    follow(&mut socket, Some(&(head + 1).to_string())).await;
    let refused = message(&mut socket).await;
    assert_eq!(refused["type"], "error", "{refused}");
    let error = &refused["payload"][0];
    assert_eq!(error["extensions"]["code"], "INVALID_INPUT", "{error}");
    assert_eq!(error["extensions"]["head"], json!(head.to_string()), "{error}");
    assert!(error["message"].as_str().unwrap().contains("leave `after` out"), "{error}");

    // The end itself is a position like any other.
    follow(&mut socket, Some(&head.to_string())).await;
    let station = flow.station.clone();
    flow.act(&station, "noteWork", "NoteWorkInput", json!({"kind": "CALL", "text": "联系商家"})).await;
    assert_eq!(events(&mut socket, 1).await[0]["kind"], "complaint.noted");
}
