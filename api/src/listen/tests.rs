//! Listeners over real connections.

use std::net::SocketAddr;

use axum::extract::State;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::*;
use crate::metrics::Connections;

/// Longer than anything here takes, so that a test that hangs fails instead.
const LONG: Duration = Duration::from_secs(20);
/// Short enough to wait for.
const SHORT: Duration = Duration::from_millis(100);

const HELLO: &[u8] = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";

const UPGRADE: &[u8] = b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// More than the system holds for a client that does not read.
const LARGE: usize = 32 * 1024 * 1024;

fn limits() -> Limits {
    Limits { header_timeout: LONG, connections_max: 64, connections_per_address_max: 64 }
}

/// A listener that is served.
struct House {
    addr: SocketAddr,
    turnstile: Arc<Turnstile>,
    stop: CancellationToken,
    served: JoinHandle<()>,
    /// A request to `/held` has come.
    came: Arc<Notify>,
    /// Lets it go.
    go: Arc<Notify>,
}

impl House {
    async fn open(limits: Limits) -> Self {
        let (came, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let held = |State((came, go)): State<(Arc<Notify>, Arc<Notify>)>| async move {
            came.notify_one();
            go.notified().await;
            "gone"
        };
        let greet = |upgrade: WebSocketUpgrade| async move {
            upgrade.on_upgrade(|mut socket| async move {
                socket.send(Message::text("welcome")).await.unwrap();
                while let Some(Ok(_)) = socket.recv().await {}
            })
        };
        let router = Router::new()
            .route("/hello", get(|| async { "world" }))
            .route("/who", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }))
            .route("/large", get(|| async { vec![b'x'; LARGE] }))
            .route("/held", get(held))
            .route("/ws", get(greet))
            .with_state((Arc::clone(&came), Arc::clone(&go)));
        let turnstile = Turnstile::new("test", limits);
        let arrivals = TcpArrivals::new(TcpListener::bind("127.0.0.1:0").await.unwrap(), Arc::clone(&turnstile));
        let addr = arrivals.addr().unwrap();
        let stop = CancellationToken::new();
        let served = tokio::spawn(serve(arrivals, router, stop.clone()));
        Self { addr, turnstile, stop, served, came, go }
    }

    async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.addr).await.unwrap())
    }

    /// Stops, and waits for everybody to leave.
    async fn stop(self) {
        self.stop.cancel();
        timeout(LONG, self.served).await.expect("everybody leaves").unwrap();
        assert_eq!(self.turnstile.connections().open, 0);
    }
}

struct Client(TcpStream);

impl Client {
    async fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// Reads until the text has come; everything that came up to then.
    async fn hear(&mut self, text: &str) -> String {
        let mut bytes = Vec::new();
        while !String::from_utf8_lossy(&bytes).contains(text) {
            let read = timeout(LONG, self.0.read_buf(&mut bytes)).await.expect("in time").unwrap();
            assert_ne!(read, 0, "closed before `{text}`: {}", String::from_utf8_lossy(&bytes));
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Reads until the server has closed; everything that came up to then.
    async fn closed(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // What was sent and not read breaks the connection instead of closing it.
        let _ended = timeout(LONG, self.0.read_to_end(&mut bytes)).await.expect("closed in time");
        bytes
    }

    /// Whether nothing comes for a moment.
    async fn is_silent(&mut self) -> bool {
        timeout(SHORT, self.0.read_u8()).await.is_err()
    }
}

#[tokio::test]
async fn requests_are_answered_one_after_the_other_and_know_who_asks() {
    let house = House::open(limits()).await;
    let mut client = house.connect().await;
    for _ in 0..3 {
        client.say(HELLO).await;
        let answer = client.hear("world").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("content-length: 5"), "{answer}");
    }
    let own = client.0.local_addr().unwrap().to_string();
    client.say(b"GET /who HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    client.hear(&own).await;
    assert_eq!(house.turnstile.connections(), Connections { open: 1, ..Connections::default() });
    house.stop().await;
}

#[tokio::test]
async fn a_request_without_a_host_or_with_two_credentials_is_refused_before_any_router() {
    let house = House::open(limits()).await;
    for refused in [
        &b"GET /hello HTTP/1.1\r\nAccept: */*\r\n\r\n"[..],
        b"GET /hello HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
        b"GET /nowhere HTTP/1.1\r\n\r\n",
    ] {
        let mut client = house.connect().await;
        client.say(refused).await;
        let answer = client.hear("BAD_REQUEST").await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    let mut old = house.connect().await;
    old.say(b"GET /hello HTTP/1.0\r\nAuthorization: Bearer a\r\n\r\n").await;
    assert!(old.hear("world").await.contains(" 200 OK"), "HTTP/1.0 knows no hosts");
    drop(old);
    house.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_head_is_closed() {
    let house = House::open(Limits { header_timeout: SHORT, ..limits() }).await;
    // Nothing at all, half a head, and what could become HTTP/2.
    for said in [&b""[..], b"G", b"GET /hello HTTP/1.1\r\nHost: localhost\r\n", b"PRI * HTTP/2.0\r\n"] {
        let from = Instant::now();
        let mut client = house.connect().await;
        client.say(said).await;
        assert!(client.closed().await.is_empty(), "{said:?}");
        assert!(from.elapsed() >= SHORT, "{said:?}");
    }
    // Silence behind the greeting of HTTP/2: its settings come, and then its end.
    let mut client = house.connect().await;
    client.say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    assert!(!client.closed().await.is_empty());
    assert_eq!(house.turnstile.connections().timed_out, 5);
    house.stop().await;
}

#[tokio::test]
async fn a_head_that_comes_drop_by_drop_is_not_waited_for() {
    let house = House::open(Limits { header_timeout: SHORT, ..limits() }).await;
    let client = house.connect().await;
    let (mut heard, mut said) = client.0.into_split();
    let dripping = async {
        let mut drops = tokio::time::interval(SHORT / 10);
        while said.write_all(b"G").await.is_ok() {
            drops.tick().await;
        }
    };
    let mut rest = Vec::new();
    let closed = async { timeout(LONG, heard.read_to_end(&mut rest)).await };
    let (_ended, ()) = tokio::join!(closed, dripping);
    assert_eq!(house.turnstile.connections().timed_out, 1);
    house.stop().await;
}

#[tokio::test]
async fn a_connection_on_which_nothing_more_is_asked_is_closed() {
    let house = House::open(Limits { header_timeout: SHORT, ..limits() }).await;
    let mut client = house.connect().await;
    client.say(HELLO).await;
    client.hear("world").await;
    assert!(client.closed().await.is_empty());
    house.stop().await;
}

#[tokio::test]
async fn a_request_under_way_is_not_cut_off_however_long_it_takes() {
    let house = House::open(Limits { header_timeout: SHORT, ..limits() }).await;
    let mut client = house.connect().await;
    client.say(b"GET /held HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    timeout(LONG, house.came.notified()).await.unwrap();
    for _ in 0..3 {
        assert!(client.is_silent().await, "it is still held");
    }
    house.go.notify_one();
    client.hear("gone").await;
    house.stop().await;
}

#[tokio::test]
async fn an_answer_is_sent_whole_to_a_client_that_reads_it_late() {
    let house = House::open(Limits { header_timeout: SHORT, ..limits() }).await;
    let mut client = house.connect().await;
    client.say(b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    // Its last byte is handed over long before its first is read.
    for _ in 0..3 {
        client.0.read_u8().await.unwrap();
        let waited = timeout(SHORT, std::future::pending::<()>()).await;
        assert!(waited.is_err());
    }
    assert!(client.closed().await.len() > LARGE);
    house.stop().await;
}

#[tokio::test]
async fn who_comes_when_the_listener_is_full_is_served_when_another_leaves() {
    let house = House::open(Limits { connections_max: 1, ..limits() }).await;
    let mut first = house.connect().await;
    first.say(HELLO).await;
    first.hear("world").await;
    let mut second = house.connect().await;
    second.say(HELLO).await;
    assert!(second.is_silent().await, "there is no place");
    assert_eq!(house.turnstile.connections().open, 1);
    drop(first);
    second.hear("world").await;
    house.stop().await;
}

#[tokio::test]
async fn silent_clients_do_not_keep_a_full_listener_from_others() {
    let house = House::open(Limits { connections_max: 2, header_timeout: SHORT, ..limits() }).await;
    let _silent = [house.connect().await, house.connect().await, house.connect().await];
    let mut client = house.connect().await;
    client.say(HELLO).await;
    client.hear("world").await;
    house.stop().await;
}

#[tokio::test]
async fn an_address_with_all_it_may_have_is_turned_away_until_one_ends() {
    let house = House::open(Limits { connections_per_address_max: 1, ..limits() }).await;
    let mut first = house.connect().await;
    first.say(HELLO).await;
    first.hear("world").await;
    assert!(house.connect().await.closed().await.is_empty());
    assert_eq!(house.turnstile.connections(), Connections { open: 1, refused: 1, timed_out: 0 });
    first.say(b"GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    first.closed().await;
    // What the server has closed it may count for a moment longer.
    let served = async {
        loop {
            let mut client = house.connect().await;
            if client.0.write_all(HELLO).await.is_ok() && client.0.read_u8().await.is_ok() {
                return;
            }
        }
    };
    timeout(LONG, served).await.expect("the address has a place again");
    house.stop().await;
}

#[tokio::test]
async fn a_web_socket_holds_its_place_and_is_not_timed() {
    let house = House::open(Limits { header_timeout: SHORT, ..limits() }).await;
    let mut client = house.connect().await;
    client.say(UPGRADE).await;
    let answer = client.hear("welcome").await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    for _ in 0..3 {
        assert!(client.is_silent().await);
    }
    assert_eq!(house.turnstile.connections(), Connections { open: 1, ..Connections::default() });
    // The listener waits for it as well.
    house.stop.cancel();
    assert!(client.is_silent().await);
    assert!(!house.served.is_finished());
    drop(client);
    house.stop().await;
}

#[tokio::test]
async fn a_stop_closes_what_is_idle_and_lets_what_is_under_way_end() {
    let house = House::open(limits()).await;
    let mut idle = house.connect().await;
    idle.say(HELLO).await;
    idle.hear("world").await;
    let mut fresh = house.connect().await;
    let mut half = house.connect().await;
    half.say(b"GET /hello HTTP/1.1\r\n").await;
    let mut held = house.connect().await;
    held.say(b"GET /held HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    timeout(LONG, house.came.notified()).await.unwrap();

    house.stop.cancel();

    assert!(idle.closed().await.is_empty());
    assert!(fresh.closed().await.is_empty());
    assert!(half.closed().await.is_empty());
    assert!(TcpStream::connect(house.addr).await.is_err(), "nobody listens any more");
    assert!(!house.served.is_finished());
    house.go.notify_one();
    let answer = String::from_utf8(held.closed().await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("gone"), "{answer}");
    assert_eq!(house.turnstile.connections().timed_out, 0, "leaving is not being late");
    house.stop().await;
}
