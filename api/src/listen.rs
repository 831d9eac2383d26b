//! The listeners: how many connections are taken, of whom, and how long each may be silent.
//!
//! Every listener of this process is served by [`serve`]. A connection holds a place from when it is taken until it is
//! closed, also when it has become a WebSocket. Where all places are taken, the others wait in the system's queue; no
//! address takes all of them; and a connection on which nothing is asked is closed after a while, whether its client
//! says nothing, sends the head of a request drop by drop, or has what it wanted. A client that takes nothing of an
//! answer is cut off as well. How long the body of a request may take, and an answer, is for the edges to say.
//!
//! What is no HTTP is answered by the library itself, with a status and without a body: 400 for a head that cannot be
//! read, 414 for an address of 64 KiB, 431 for too many header fields or too long ones. A head that can be read and
//! leaves open for which host or by whom it is gets a typed refusal here, before any router sees it.

mod activity;
mod arrivals;
#[cfg(test)]
mod tests;
mod turnstile;
mod wire;

use std::convert::Infallible;
use std::error::Error;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::response::Response;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use self::activity::{Activity, UnderWay};
use self::wire::Wire;
use crate::edge;

pub use self::arrivals::{Arrival, Arrivals, TcpArrivals};
pub use self::turnstile::{Limits, Ticket, Turnstile};

/// Time for a connection that is to end, once nothing is under way on it, to do so by itself.
const GOODBYE: Duration = Duration::from_secs(1);
/// Silence on an HTTP/2 connection after which its client is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(20);
/// Time to answer that.
const PING_PATIENCE: Duration = Duration::from_secs(10);
/// Requests that one HTTP/2 connection may have under way at once.
const STREAMS_MAX: u32 = 32;

type Http = Builder<TokioExecutor>;

/// Serves what arrives until it is told to stop, and then lets what is under way end.
///
/// When `stop` is cancelled no more connections are taken and the address is free for others. A connection on which
/// nothing is asked is closed; one with a request under way is closed behind its answer. It returns when the last of
/// them is gone, those that have become `WebSockets` included, however long that takes: whoever waits must bound the
/// wait.
///
/// A handler finds the other end as [`ConnectInfo`] of what the listener calls a peer.
pub async fn serve<A: Arrivals>(mut arrivals: A, router: Router, stop: CancellationToken) {
    let turnstile = Arc::clone(arrivals.turnstile());
    let http = Arc::new(http(turnstile.limits()));
    // Done once here instead of with every request.
    let router: Router = router.with_state(());
    loop {
        let taking = async {
            let vacancy = turnstile.vacancy().await;
            (vacancy, arrivals.next().await)
        };
        let (vacancy, arrival) = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            taken = taking => taken,
        };
        let Arrival { io, peer, ticket } = arrival;
        let activity = Activity::new();
        let wire = Wire::new(io, Arc::clone(&activity), turnstile.enter(vacancy, ticket));
        let visit = Visit {
            http: Arc::clone(&http),
            router: router.clone(),
            turnstile: Arc::clone(&turnstile),
            activity,
            stop: stop.clone(),
        };
        // Waited for by its place, which it holds for as long as it lives.
        tokio::spawn(visit.serve(wire, peer));
    }
    // Frees the address, and ends what had not come as far as a request.
    drop(arrivals);
    turnstile.emptied().await;
}

/// How HTTP is spoken at a listener.
fn http(limits: Limits) -> Http {
    let mut http = Builder::new(TokioExecutor::new());
    // Runs while the head of a request is awaited, the first one and every further one.
    http.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_timeout);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_PATIENCE)
        .max_concurrent_streams(STREAMS_MAX);
    http
}

/// One connection, from its first byte to its last, or until it has become a WebSocket.
struct Visit {
    http: Arc<Http>,
    router: Router,
    turnstile: Arc<Turnstile>,
    activity: Arc<Activity>,
    stop: CancellationToken,
}

impl Visit {
    async fn serve<I, P>(self, wire: Wire<I>, peer: P)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        P: Clone + Send + Sync + 'static,
    {
        let Self { http, router, turnstile, activity, stop } = self;
        let requests = Arc::clone(&activity);
        let service = service_fn(move |request: Request<Incoming>| {
            let under_way = requests.begin();
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer.clone()));
            let answer = answered(router.clone(), request);
            async move { answer.await.map(|response| response.map(|body| Answer { body, _under_way: under_way })) }
        });
        let mut connection = pin!(http.serve_connection_with_upgrades(TokioIo::new(wire), service));
        let mut leaving = false;
        loop {
            let patience = if leaving { GOODBYE } else { turnstile.limits().header_timeout };
            tokio::select! {
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        // One that is to leave was counted before, or is not late at all.
                        if !leaving && is_late(error.as_ref()) {
                            turnstile.count_timed_out();
                        }
                        let name = turnstile.name();
                        tracing::debug!(error = %error, "A connection of the listener `{name}` broke");
                    }
                    return;
                }
                () = stop.cancelled(), if !leaving => {}
                // The library times the heads of HTTP/1 alone: it has no limit for finding out which protocol is
                // spoken, nor for an HTTP/2 connection without a stream. This covers every kind.
                () = activity.quiet(patience) => {
                    if leaving {
                        return;
                    }
                    turnstile.count_timed_out();
                }
            }
            leaving = true;
            activity.begin_anew();
            connection.as_mut().graceful_shutdown();
        }
    }
}

/// The router's answer, or the refusal of a head that is the same at every listener.
async fn answered(router: Router, request: Request<Body>) -> Result<Response, Infallible> {
    let refused = edge::refused_head(&request);
    if let Some(refused) = refused {
        return Ok(refused);
    }
    router.oneshot(request).await
}

/// Whether a connection broke because a head did not come in time.
fn is_late(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_timeout)
}

/// The body of an answer: its request is under way until the last of it is handed to the connection.
struct Answer {
    body: Body,
    _under_way: UnderWay,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
