use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;
use crate::edge::EdgeLimits;
use crate::edge::testing::{self, Doorman, House, TestSchema};

/// Longer than anything here takes, so that a test that hangs fails instead.
const PATIENCE: Duration = Duration::from_secs(10);

/// Two queues in place of a socket.
struct Wire {
    heard: UnboundedReceiver<Message>,
    said: UnboundedSender<Message>,
}

#[async_trait]
impl Link for Wire {
    async fn receive(&mut self) -> Option<Result<Message, axum::Error>> {
        self.heard.recv().await.map(Ok)
    }

    async fn transmit(&mut self, message: Message) -> bool {
        self.said.send(message).is_ok()
    }
}

/// The other end of a [`Wire`].
struct Client {
    heard: UnboundedReceiver<Message>,
    said: UnboundedSender<Message>,
    edge: Arc<Edge<TestSchema, Doorman>>,
}

impl Client {
    /// Opens a connection whose upgrade carried this token.
    fn with_header(limits: EdgeLimits, bearer: Option<&str>) -> Self {
        let edge = testing::edge(limits);
        let (said, server_heard) = unbounded_channel();
        let (server_said, heard) = unbounded_channel();
        let wire = Wire { heard: server_heard, said: server_said };
        let opening = Opening { bearer: bearer.map(str::to_owned), ..Opening::default() };
        tokio::spawn(Connection::new(Arc::clone(&edge), wire, opening).run());
        Self { heard, said, edge }
    }

    fn new(limits: EdgeLimits) -> Self {
        Self::with_header(limits, None)
    }

    /// Opens a connection that is acknowledged.
    async fn admitted(limits: EdgeLimits) -> Self {
        let mut client = Self::new(limits);
        client.init("Bearer good");
        assert_eq!(client.hear().await, json!({ "type": "connection_ack" }));
        client
    }

    fn say(&self, message: &Value) {
        self.raw(Message::text(message.to_string()));
    }

    fn raw(&self, message: Message) {
        self.said.send(message).expect("a connection");
    }

    fn init(&self, authorization: &str) {
        self.say(&json!({ "type": "connection_init", "payload": { "authorization": authorization } }));
    }

    fn subscribe(&self, id: &str, query: &str) {
        self.say(&json!({ "type": "subscribe", "id": id, "payload": { "query": query } }));
    }

    async fn next(&mut self) -> Message {
        tokio::time::timeout(PATIENCE, self.heard.recv()).await.expect("in time").expect("a message")
    }

    async fn hear(&mut self) -> Value {
        let text = self.next().await.into_text().expect("a text");
        serde_json::from_str(&text).expect("JSON")
    }

    /// Expects the connection to be closed, and tells how.
    async fn closed(&mut self) -> (u16, String) {
        match self.next().await {
            Message::Close(Some(frame)) => (frame.code, frame.reason.to_string()),
            other => panic!("not closed, but {other:?}"),
        }
    }

    /// Expects the whole answer to a query under this id.
    async fn assert_hello(&mut self, id: &str) {
        self.subscribe(id, "{ hello }");
        assert_eq!(self.hear().await, json!({ "type": "next", "id": id, "payload": { "data": { "hello": "world" } } }));
        assert_eq!(self.hear().await, json!({ "type": "complete", "id": id }));
    }
}

fn code(message: &Value) -> &str {
    message["payload"][0]["extensions"]["code"].as_str().unwrap_or("none")
}

#[tokio::test]
async fn queries_mutations_and_subscriptions_are_answered() {
    let mut client = Client::admitted(EdgeLimits::default()).await;
    client.assert_hello("1").await;
    client.assert_hello("1").await;
    client.subscribe("2", "mutation { bump(by: 4) { value } }");
    assert_eq!(client.hear().await["type"], "next");
    assert_eq!(client.hear().await["type"], "complete");
    client.subscribe("3", "subscription { count(to: 2) }");
    for count in 1..=2 {
        let payload = json!({ "data": { "count": count } });
        assert_eq!(client.hear().await, json!({ "type": "next", "id": "3", "payload": payload }));
    }
    assert_eq!(client.hear().await, json!({ "type": "complete", "id": "3" }));
}

#[tokio::test]
async fn a_token_may_come_with_the_upgrade_or_the_first_message() {
    let mut client = Client::with_header(EdgeLimits::default(), Some("good"));
    client.say(&json!({ "type": "connection_init" }));
    assert_eq!(client.hear().await["type"], "connection_ack");
    client.subscribe("1", "{ visitor }");
    assert_eq!(client.hear().await["payload"]["data"]["visitor"], "good");

    let mut client = Client::with_header(EdgeLimits::default(), Some("good"));
    client.init("Bearer bad");
    assert_eq!(client.closed().await, (4403, "Forbidden".to_owned()));
    let mut client = Client::new(EdgeLimits::default());
    client.say(&json!({ "type": "connection_init", "payload": null }));
    assert_eq!(client.closed().await, (4403, "Forbidden".to_owned()));
    let mut client = Client::new(EdgeLimits::default());
    client.init("Bearer broken");
    assert_eq!(client.closed().await, (4500, "Internal server error".to_owned()));
}

#[tokio::test]
async fn the_close_codes_of_the_protocol() {
    let mut early = Client::new(EdgeLimits::default());
    early.subscribe("1", "{ hello }");
    assert_eq!(early.closed().await, (4401, "Unauthorized".to_owned()));

    let mut twice = Client::admitted(EdgeLimits::default()).await;
    twice.init("Bearer good");
    assert_eq!(twice.closed().await, (4429, "Too many initialisation requests".to_owned()));

    let mut same = Client::admitted(EdgeLimits::default()).await;
    same.subscribe("x", "subscription { never }");
    same.subscribe("x", "{ hello }");
    assert_eq!(same.closed().await, (4409, "Subscriber for x already exists".to_owned()));

    let silent = EdgeLimits { init_timeout: Duration::from_millis(30), ..EdgeLimits::default() };
    let mut late = Client::new(silent);
    assert_eq!(late.closed().await, (4408, "Connection initialisation timeout".to_owned()));

    for text in ["{", r#"{"type":"start","id":"1"}"#, r#"{"type":"subscribe","id":"1"}"#] {
        let mut client = Client::admitted(EdgeLimits::default()).await;
        client.raw(Message::text(text));
        assert_eq!(client.closed().await.0, 4400, "{text}");
    }
    let mut binary = Client::admitted(EdgeLimits::default()).await;
    binary.raw(Message::binary(vec![1_u8]));
    assert_eq!(binary.closed().await.0, 4400);
}

#[tokio::test]
async fn a_close_reason_always_fits_its_frame() {
    let mut client = Client::admitted(EdgeLimits::default()).await;
    let id = "案".repeat(100);
    client.subscribe(&id, "subscription { never }");
    client.subscribe(&id, "subscription { never }");
    let (code, reason) = client.closed().await;
    assert_eq!(code, 4409);
    assert!(reason.len() <= REASON_BYTES_MAX && reason.starts_with("Subscriber for 案"), "{reason}");
}

#[tokio::test]
async fn a_refused_operation_is_an_error_and_leaves_the_connection_open() {
    let mut client = Client::admitted(EdgeLimits::default()).await;
    for (query, expected) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("mutation { bump { value } bump { value } }", "DUPLICATE_MUTATION_FIELD"),
        ("{ panics }", "INTERNAL"),
    ] {
        client.subscribe("1", query);
        let message = client.hear().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("1")), "{message}");
        assert_eq!(code(&message), expected, "{message}");
    }
    client.assert_hello("1").await;
}

#[tokio::test]
async fn a_stream_that_breaks_ends_with_an_error() {
    let mut client = Client::admitted(EdgeLimits::default()).await;
    client.subscribe("1", "subscription { breaks }");
    assert_eq!(client.hear().await["payload"]["data"]["breaks"], 1);
    let message = client.hear().await;
    assert_eq!((&message["type"], code(&message)), (&json!("error"), "INTERNAL"));
    assert!(!message.to_string().contains("secret"), "{message}");
    // Neither the rest of the stream nor a `complete` follows.
    client.assert_hello("1").await;
}

#[tokio::test]
async fn a_field_that_fails_is_part_of_the_answer() {
    let mut client = Client::admitted(EdgeLimits::default()).await;
    client.subscribe("1", "{ hello leaks }");
    let message = client.hear().await;
    assert_eq!((&message["type"], &message["payload"]["data"]["hello"]), (&json!("next"), &json!("world")));
    assert_eq!(message["payload"]["errors"][0]["extensions"]["code"], "INTERNAL");
    assert_eq!(client.hear().await["type"], "complete");
}

#[tokio::test]
async fn complete_stops_an_operation_and_frees_its_id() {
    let mut client = Client::admitted(EdgeLimits::default()).await;
    client.say(&json!({ "type": "complete", "id": "unknown" }));
    client.subscribe("1", "subscription { never }");
    client.say(&json!({ "type": "complete", "id": "1" }));
    client.assert_hello("1").await;
}

#[tokio::test]
async fn operations_at_the_limit_run_and_one_past_it_is_refused() {
    let mut client = Client::admitted(EdgeLimits { ws_subscriptions_max: 2, ..EdgeLimits::default() }).await;
    client.subscribe("1", "subscription { never }");
    client.assert_hello("2").await;
    client.subscribe("2", "subscription { never }");
    client.subscribe("3", "{ hello }");
    let message = client.hear().await;
    assert_eq!((&message["id"], code(&message)), (&json!("3"), "TOO_MANY_SUBSCRIPTIONS"));
    client.say(&json!({ "type": "complete", "id": "1" }));
    client.assert_hello("3").await;
}

#[tokio::test]
async fn a_message_at_the_limit_is_read_and_one_past_it_closes() {
    let limits = EdgeLimits { ws_message_bytes_max: 100, ..EdgeLimits::default() };
    let ping = |bytes: usize| Message::text(format!("{:bytes$}", r#"{"type":"ping"}"#));
    let mut client = Client::new(limits);
    client.raw(ping(100));
    assert_eq!(client.hear().await, json!({ "type": "pong" }));
    client.raw(ping(101));
    assert_eq!(client.closed().await.0, close_code::SIZE);
}

#[tokio::test]
async fn pings_are_answered_and_sent() {
    let mut client = Client::new(EdgeLimits { keep_alive: Duration::from_millis(500), ..EdgeLimits::default() });
    client.say(&json!({ "type": "ping", "payload": { "at": 1 } }));
    assert_eq!(client.hear().await, json!({ "type": "pong", "payload": { "at": 1 } }));
    client.say(&json!({ "type": "pong" }));
    assert_eq!(client.next().await, Message::Ping(Bytes::new()));
}

#[tokio::test]
async fn the_connection_ends_with_the_token() {
    let mut client = Client::new(EdgeLimits::default());
    client.init("Bearer brief");
    assert_eq!(client.hear().await["type"], "connection_ack");
    client.subscribe("1", "subscription { never }");
    assert_eq!(client.closed().await, (4403, "Token expired".to_owned()));
}

#[tokio::test]
async fn a_shutdown_sends_clients_away() {
    let mut client = Client::admitted(EdgeLimits::default()).await;
    client.edge.shutdown.cancel();
    assert_eq!(client.closed().await.0, close_code::AWAY);
}

#[tokio::test]
async fn another_subprotocol_is_closed_with_4406() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let router = House::new(EdgeLimits::default()).router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    for protocol in ["Sec-WebSocket-Protocol: graphql-ws\r\n", ""] {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let handshake = format!(
            "GET /graphql/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{protocol}\r\n"
        );
        stream.write_all(handshake.as_bytes()).await.expect("a handshake");
        let mut bytes = Vec::new();
        // A close frame is its opcode, its length, and the code in network order.
        while !bytes.windows(4).any(|frame| matches!(frame, [0x88, _, 0x11, 0x36])) {
            let reading = tokio::time::timeout(PATIENCE, stream.read_buf(&mut bytes)).await;
            assert_ne!(reading.expect("in time").expect("bytes"), 0, "closed without a frame");
        }
    }
}

#[tokio::test]
async fn operations_at_the_rate_limit_run_and_one_past_it_is_refused() {
    let mut client = Client::new(EdgeLimits::default());
    client.init("Bearer thrifty");
    assert_eq!(client.hear().await, json!({ "type": "connection_ack" }));
    for _ in 0..testing::BUDGET {
        client.assert_hello("1").await;
    }
    client.subscribe("1", "{ hello }");
    let message = client.hear().await;
    assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("1")), "{message}");
    assert_eq!(code(&message), "RATE_LIMITED", "{message}");
    client.say(&json!({ "type": "ping" }));
    assert_eq!(client.hear().await, json!({ "type": "pong" }));
}

#[tokio::test]
async fn subscriptions_of_the_server_at_the_limit_run_and_one_past_it_is_refused() {
    let mut client = Client::admitted(EdgeLimits { subscriptions_max: 2, ..EdgeLimits::default() }).await;
    client.subscribe("1", "subscription { never }");
    client.subscribe("2", "subscription { never }");
    client.subscribe("3", "subscription { never }");
    let message = client.hear().await;
    assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("3")), "{message}");
    assert_eq!(code(&message), "TOO_MANY_SUBSCRIPTIONS", "{message}");
    client.assert_hello("3").await;
    client.say(&json!({ "type": "complete", "id": "1" }));
    // The first leaves its place, and so does each that ends by itself.
    for _ in 0..2 {
        client.subscribe("4", "subscription { count(to: 1) }");
        assert_eq!(client.hear().await["payload"]["data"]["count"], 1);
        assert_eq!(client.hear().await, json!({ "type": "complete", "id": "4" }));
    }
}
