//! The bytes of a connection: they hold its place, and a client that takes none of ours is given up.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::activity::Activity;
use super::turnstile::Place;

/// Time for a client to take some of what is sent to it; then the connection is broken off.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);

/// A connection's bytes, its place among all, and what happens on it.
pub(super) struct Wire<I> {
    io: I,
    activity: Arc<Activity>,
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Here and not beside the connection, because a WebSocket keeps the bytes alone.
    _place: Place,
}

impl<I> Wire<I> {
    pub(super) fn new(io: I, activity: Arc<Activity>, place: Place) -> Self {
        Self { io, activity, stalled: None, _place: place }
    }

    /// Notes whether the client takes what it is sent, and gives it up when it does not for too long.
    fn paced<T>(&mut self, cx: &mut Context<'_>, sent: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if sent.is_ready() {
            if self.stalled.take().is_some() {
                self.activity.set_blocked(false);
            }
            return sent;
        }
        if self.stalled.is_none() {
            self.activity.set_blocked(true);
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(WRITE_PATIENCE)));
        stalled.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Wire<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(cx, buf)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Wire<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let sent = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.paced(cx, sent)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let sent = Pin::new(&mut this.io).poll_flush(cx);
        this.paced(cx, sent)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let sent = Pin::new(&mut this.io).poll_shutdown(cx);
        this.paced(cx, sent)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let sent = Pin::new(&mut this.io).poll_write_vectored(cx, bytes);
        this.paced(cx, sent)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::Instant;

    use super::super::turnstile::{Limits, Turnstile};
    use super::*;

    /// A wire that holds four bytes, its other end, and what is known of it.
    async fn wire() -> (Wire<DuplexStream>, DuplexStream, Arc<Activity>, Arc<Turnstile>) {
        let limits =
            Limits { header_timeout: Duration::from_secs(10), connections_max: 1, connections_per_address_max: 1 };
        let turnstile = Turnstile::new("test", limits);
        let ticket = turnstile.admit(Ipv4Addr::LOCALHOST.into()).unwrap();
        let place = turnstile.enter(turnstile.vacancy().await, ticket);
        let (near, far) = duplex(4);
        let activity = Activity::new();
        (Wire::new(near, Arc::clone(&activity), place), far, activity, turnstile)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (mut wire, _far, _activity, _turnstile) = wire().await;
        let from = Instant::now();
        let error = wire.write_all(b"12345").await.unwrap_err();
        assert_eq!((error.kind(), from.elapsed().as_secs()), (io::ErrorKind::TimedOut, WRITE_PATIENCE.as_secs()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_a_little_now_and_then_is_waited_for() {
        let (mut wire, mut far, activity, _turnstile) = wire().await;
        let sending = async { wire.write_all(&[7; 40]).await };
        let taking = async {
            let mut taken = 0;
            while taken < 40 {
                // The whole takes five times the patience, each wait half of it.
                tokio::time::advance(WRITE_PATIENCE / 2).await;
                taken += far.read(&mut [0; 4]).await.unwrap();
            }
        };
        let (sent, ()) = tokio::join!(sending, taking);
        sent.unwrap();
        activity.begin_anew();
        let from = Instant::now();
        activity.quiet(Duration::from_secs(1)).await;
        assert_eq!(from.elapsed().as_secs(), 1, "and nothing waits for it any more");
    }

    #[tokio::test]
    async fn a_place_is_held_for_as_long_as_the_bytes() {
        let (wire, _far, _activity, turnstile) = wire().await;
        assert_eq!(turnstile.connections().open, 1);
        drop(wire);
        assert_eq!(turnstile.connections().open, 0);
        turnstile.emptied().await;
    }
}
