//! Two ways to press a server: at a rate that it cannot slow down, and as fast as a few connections can.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::client::Connection;
use super::figures::{Spread, micros, per_second};

/// Connections of the open loop: as many requests may be under way before one waits for another's answer. The time that
/// it waits counts all the same.
const OPEN_CONNECTIONS: usize = 16;
/// Time for all clients to connect before the first request is due.
const LEAD: Duration = Duration::from_millis(100);

/// What a load met with.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Outcome {
    pub(super) answered_per_second: u64,
    /// Answers that were not what they should be, and connections that broke.
    pub(super) errors: u64,
    pub(super) latency: Spread,
}

#[derive(Debug, Default)]
struct Part {
    times: Vec<u64>,
    errors: u64,
}

/// Requests at a fixed rate, whatever becomes of them (an open loop).
///
/// Each is due at its own moment, and its latency counts from that moment to the end of its answer: a server that
/// stalls is charged for every request that should have been sent meanwhile. Nothing is omitted by coordination.
pub(super) fn at_rate(addr: SocketAddr, requests: &[Vec<u8>], rate: u32, lasting: Duration) -> io::Result<Outcome> {
    let planned = u64::try_from(lasting.as_millis()).unwrap_or(u64::MAX).saturating_mul(u64::from(rate)) / 1_000;
    let next = AtomicU64::new(0);
    let began = Instant::now() + LEAD;
    together(OPEN_CONNECTIONS, began, || {
        let mut connection = Connection::open(addr)?;
        let mut part = Part::default();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= planned {
                return Ok(part);
            }
            let due = began + Duration::from_nanos(index.saturating_mul(1_000_000_000) / u64::from(rate.max(1)));
            wait_until(due);
            ask(addr, &mut connection, pick(requests, index), &mut part)?;
            part.times.push(micros(due.elapsed()));
        }
    })
}

/// Requests one after the other on each of a few connections (a closed loop): the most that the server answers.
pub(super) fn at_peak(
    addr: SocketAddr,
    requests: &[Vec<u8>],
    connections: usize,
    lasting: Duration,
) -> io::Result<Outcome> {
    let next = AtomicU64::new(0);
    let began = Instant::now() + LEAD;
    together(connections, began, || {
        let mut connection = Connection::open(addr)?;
        let mut part = Part::default();
        wait_until(began);
        while began.elapsed() < lasting {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let asked = Instant::now();
            ask(addr, &mut connection, pick(requests, index), &mut part)?;
            part.times.push(micros(asked.elapsed()));
        }
        Ok(part)
    })
}

/// Every request once, on one connection; the first answer that is not good is an error with its beginning.
pub(super) fn once(addr: SocketAddr, requests: &[Vec<u8>]) -> io::Result<()> {
    let mut connection = Connection::open(addr)?;
    for request in requests {
        let answer = connection.ask(request)?;
        if !answer.is_good() {
            let shown: String = String::from_utf8_lossy(answer.body).chars().take(300).collect();
            return Err(io::Error::other(format!("status {}: {shown}", answer.status)));
        }
    }
    Ok(())
}

fn together<F>(clients: usize, began: Instant, client: F) -> io::Result<Outcome>
where
    F: Fn() -> io::Result<Part> + Sync,
{
    let mut all = Part::default();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(&client)).collect();
        for thread in threads {
            let part = match thread.join() {
                Ok(part) => part?,
                Err(_panic) => return Err(io::Error::other("a client panicked")),
            };
            all.times.extend(part.times);
            all.errors += part.errors;
        }
        Ok(())
    })?;
    let took = began.elapsed();
    let answered = u64::try_from(all.times.len()).unwrap_or(u64::MAX).saturating_sub(all.errors);
    Ok(Outcome { answered_per_second: per_second(answered, took), errors: all.errors, latency: Spread::of(all.times) })
}

/// Asks once; a connection that broke is an error of the server's and is opened again.
fn ask(addr: SocketAddr, connection: &mut Connection, request: &[u8], part: &mut Part) -> io::Result<()> {
    let outcome = connection.ask(request).map(|answer| answer.is_good());
    match outcome {
        Ok(true) => {}
        Ok(false) => part.errors += 1,
        Err(_) => {
            part.errors += 1;
            *connection = Connection::open(addr)?;
        }
    }
    Ok(())
}

fn pick(requests: &[Vec<u8>], index: u64) -> &[u8] {
    let place = index.checked_rem(u64::try_from(requests.len()).unwrap_or(1)).unwrap_or(0);
    usize::try_from(place).ok().and_then(|place| requests.get(place)).map(Vec::as_slice).unwrap_or_default()
}

/// Waits to within some fifty microseconds; the runtime's timers would be a millisecond late.
pub(super) fn wait_until(due: Instant) {
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

    /// Answers every request on every connection; the first one of all only after `stall`.
    fn serving(stall: Duration) -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        thread::spawn(move || {
            let stalled = std::sync::Arc::new(AtomicU64::new(0));
            for stream in listener.incoming() {
                let (mut stream, stalled) = (stream.unwrap(), std::sync::Arc::clone(&stalled));
                thread::spawn(move || {
                    let mut request = [0; REQUEST.len()];
                    while stream.read_exact(&mut request).is_ok() {
                        if stalled.fetch_add(1, Ordering::Relaxed) == 0 {
                            wait_until(Instant::now() + stall);
                        }
                        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").is_err() {
                            return;
                        }
                    }
                });
            }
        });
        addr
    }

    #[test]
    fn a_rate_is_kept_and_a_stall_is_charged() {
        let addr = serving(Duration::from_millis(100));
        let outcome = at_rate(addr, &[REQUEST.to_vec()], 200, Duration::from_millis(500)).unwrap();
        assert_eq!(outcome.errors, 0);
        assert_eq!(outcome.latency.count, 100);
        assert!(outcome.latency.max_micros >= 100_000, "{outcome:?}");
    }

    #[test]
    fn a_peak_is_answered_on_every_connection() {
        let addr = serving(Duration::ZERO);
        let outcome = at_peak(addr, &[REQUEST.to_vec()], 2, Duration::from_millis(100)).unwrap();
        assert_eq!(outcome.errors, 0);
        assert!(outcome.latency.count > 2);
    }

    #[test]
    fn a_bad_answer_is_shown() {
        let addr = serving(Duration::ZERO);
        assert!(once(addr, &[REQUEST.to_vec()]).is_ok());
        assert_eq!(pick(&[], 3), b"");
        assert_eq!(pick(&[vec![1], vec![2]], 3), [2]);
    }
}
