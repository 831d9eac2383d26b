//! A link between two nodes that cuts, slows, doubles and reorders what goes over it, by a seed that reproduces it.
//!
//! It forwards one HTTP exchange per connection. What a fault does is done to whole exchanges, because that is what a
//! sender sees: no answer although the other side has acted, an answer twice, an answer late.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Longest head of a request.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Longest time one exchange is given.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(30);

/// How often, in thousandths, each fault befalls an exchange.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    /// The connection is cut before anything is forwarded.
    pub cut_before: u64,
    /// It is forwarded, and the connection is cut before the answer.
    pub cut_after: u64,
    /// It is forwarded twice; the second answer is given.
    pub doubled: u64,
    /// It is held back, so that others overtake it.
    pub held: u64,
    /// Its answer comes in drops.
    pub slow: u64,
}

impl Weather {
    /// A link as bad as links get and still bring something over.
    #[must_use]
    pub const fn rough() -> Self {
        Self { cut_before: 60, cut_after: 60, doubled: 100, held: 100, slow: 20 }
    }
}

#[derive(Debug)]
struct Shared {
    upstream: Mutex<SocketAddr>,
    weather: Mutex<Weather>,
    seed: u64,
    exchanges: AtomicU64,
    /// Everything that went over it, both ways, when it is to be kept.
    capture: Option<Mutex<Vec<u8>>>,
}

/// A listening link; it ends when it is dropped.
#[derive(Debug)]
pub struct Link {
    addr: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Link {
    /// A link to `upstream` in good weather.
    pub async fn to(upstream: SocketAddr, seed: u64, capture: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream: Mutex::new(upstream),
            weather: Mutex::new(Weather::default()),
            seed,
            exchanges: AtomicU64::new(0),
            capture: capture.then(Mutex::default),
        });
        let of_task = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else { return };
                let shared = Arc::clone(&of_task);
                tokio::spawn(async move {
                    // An exchange that breaks is what this is for.
                    let _broken = timeout(EXCHANGE_TIMEOUT, exchange(client, &shared)).await;
                });
            }
        });
        Self { addr, shared, task }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where it leads from now on.
    pub fn lead_to(&self, upstream: SocketAddr) {
        *self.shared.upstream.lock().unwrap() = upstream;
    }

    /// What befalls exchanges from now on.
    pub fn set(&self, weather: Weather) {
        *self.shared.weather.lock().unwrap() = weather;
    }

    /// How many exchanges were begun.
    #[must_use]
    pub fn exchanges(&self) -> u64 {
        self.shared.exchanges.load(Ordering::Relaxed)
    }

    /// Every byte that went over it, both ways.
    #[must_use]
    pub fn captured(&self) -> Vec<u8> {
        self.shared.capture.as_ref().map(|capture| capture.lock().unwrap().clone()).unwrap_or_default()
    }
}

/// `SplitMix64`: small, and the same everywhere.
#[must_use]
pub fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

async fn exchange(mut client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let number = shared.exchanges.fetch_add(1, Ordering::Relaxed);
    let Some(request) = read_request(&mut client).await? else { return Ok(()) };
    keep(shared, &request);
    let weather = *shared.weather.lock().unwrap();
    let upstream = *shared.upstream.lock().unwrap();
    let mut dice = mix(shared.seed ^ mix(number));
    let mut befalls = |thousandths: u64| {
        dice = mix(dice);
        dice % 1_000 < thousandths
    };
    if befalls(weather.cut_before) {
        return Ok(());
    }
    if befalls(weather.held) {
        sleep(Duration::from_millis(20 + mix(shared.seed ^ number) % 300)).await;
    }
    if befalls(weather.doubled) {
        let _first = forward(upstream, &request).await;
    }
    let answer = forward(upstream, &request).await?;
    keep(shared, &answer);
    if befalls(weather.cut_after) {
        return Ok(());
    }
    if befalls(weather.slow) {
        for drop in answer.chunks(64) {
            client.write_all(drop).await?;
            sleep(Duration::from_millis(1)).await;
        }
    } else {
        client.write_all(&answer).await?;
    }
    client.shutdown().await
}

fn keep(shared: &Shared, bytes: &[u8]) {
    if let Some(capture) = &shared.capture {
        capture.lock().unwrap().extend_from_slice(bytes);
    }
}

/// One request, its head changed to ask for an end of the connection behind the answer.
async fn read_request(client: &mut TcpStream) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 8 * 1024];
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        let read = client.read(&mut buffer).await?;
        if read == 0 || bytes.len() > HEAD_BYTES_MAX {
            return Ok(None);
        }
        bytes.extend_from_slice(&buffer[..read]);
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok())
        .unwrap_or(0);
    while bytes.len() < end + length {
        let read = client.read(&mut buffer).await?;
        if read == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(&buffer[..read]);
    }
    let mut request = head.trim_end().as_bytes().to_vec();
    request.extend_from_slice(b"\r\nconnection: close\r\n\r\n");
    request.extend_from_slice(&bytes[end..end + length]);
    Ok(Some(request))
}

async fn forward(upstream: SocketAddr, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(upstream).await?;
    server.write_all(request).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    Ok(answer)
}
