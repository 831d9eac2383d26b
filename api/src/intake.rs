//! What comes in over the network and lies in memory: so much at once, of one caller no more than a share, and none of
//! it too slowly. What goes out lies in memory as well, and holds its place until the network has taken it.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};

use crate::edge::body::{self, Unread};

/// How often it is looked whether a body comes fast enough; it has as long at its beginning.
pub(crate) const PACE_EVERY: Duration = Duration::from_secs(10);
/// Bytes that a body must bring in each [`PACE_EVERY`], unless it ends before: 4 KiB a second.
pub(crate) const PACE_BYTES_MIN: usize = 40 * 1024;

/// Reads a body of at most `limit` bytes within `patience`, as long as it does not come too slowly.
pub(crate) async fn read(body: Body, limit: usize, patience: Duration) -> Result<Vec<u8>, Unread> {
    let come = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&come);
    let body = Body::new(body.map_frame(move |frame| {
        counted.fetch_add(frame.data_ref().map_or(0, Bytes::len), Ordering::Relaxed);
        frame
    }));
    tokio::select! {
        biased;
        read = body::read(body, limit, patience) => read,
        () = falls_behind(&come) => Err(Unread::TooSlow),
    }
}

/// Reads a body that is not taken, and keeps nothing of it.
///
/// So whoever is still sending gets to read why, instead of a broken connection. After `limit` bytes, or
/// [`PACE_EVERY`], it is left.
pub(crate) async fn drain(mut body: Body, limit: usize) {
    let drained = async {
        let mut seen: usize = 0;
        while let Some(Ok(frame)) = body.frame().await {
            seen = seen.saturating_add(frame.data_ref().map_or(0, Bytes::len));
            if seen > limit {
                return;
            }
        }
    };
    let _elapsed = tokio::time::timeout(PACE_EVERY, drained).await;
}

/// Ends when too little has come for a while.
async fn falls_behind(come: &AtomicUsize) {
    let mut before = 0;
    loop {
        tokio::time::sleep(PACE_EVERY).await;
        let now = come.load(Ordering::Relaxed);
        if now.saturating_sub(before) < PACE_BYTES_MIN {
            return;
        }
        before = now;
    }
}

/// Places for what lies in memory, of which one caller has no more than a share.
#[derive(Debug)]
pub(crate) struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    all_max: usize,
    share_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_caller: HashMap<String, usize>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// The caller has its share.
    ShareTaken,
    /// All places are taken.
    AllTaken,
}

impl Places {
    /// So many places, and so many of them for one caller.
    pub(crate) fn new(all_max: usize, share_max: usize) -> Self {
        Self(Arc::new(Shared { all_max, share_max, taken: Mutex::default() }))
    }

    /// Takes a place, which is free again when what this returns is dropped.
    pub(crate) fn take(&self, caller: &str) -> Result<Place, NoPlace> {
        let Self(shared) = self;
        let mut taken = shared.taken();
        let own = taken.by_caller.get(caller).copied().unwrap_or(0);
        if own >= shared.share_max {
            return Err(NoPlace::ShareTaken);
        }
        if taken.all >= shared.all_max {
            return Err(NoPlace::AllTaken);
        }
        taken.all += 1;
        taken.by_caller.insert(caller.to_owned(), own + 1);
        Ok(Place { shared: Arc::clone(shared), caller: caller.to_owned() })
    }
}

impl Shared {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the places.
#[derive(Debug)]
pub(crate) struct Place {
    shared: Arc<Shared>,
    caller: String,
}

impl Place {
    /// The same body, which holds the place until the last of its bytes is out of memory: handed to the network, or
    /// given up with the connection.
    ///
    /// The bytes hold it and not the body, because a server takes a whole file from its body at once and keeps it until
    /// the client has taken it.
    pub(crate) fn held_by(self, body: Body) -> Body {
        Body::new(Held { body, place: Arc::new(self) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.shared.taken();
        taken.all = taken.all.saturating_sub(1);
        let left = taken.by_caller.get(&self.caller).copied().unwrap_or(0).saturating_sub(1);
        if left == 0 {
            taken.by_caller.remove(&self.caller);
        } else {
            taken.by_caller.insert(self.caller.clone(), left);
        }
    }
}

/// A body whose bytes hold a place.
struct Held {
    body: Body,
    place: Arc<Place>,
}

/// Bytes of such a body.
struct Placed {
    bytes: Bytes,
    _place: Arc<Place>,
}

impl AsRef<[u8]> for Placed {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        let placed = |bytes| Bytes::from_owner(Placed { bytes, _place: Arc::clone(&this.place) });
        polled.map_ok(|frame| frame.map_data(placed))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{StreamExt, stream};
    use tokio::time::Instant;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    /// A body of so many pieces, one every second.
    fn dripping(pieces: usize, bytes: usize) -> Body {
        let pieces = stream::iter(0..pieces).then(move |_| async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok::<_, Infallible>(Bytes::from(vec![b'x'; bytes]))
        });
        Body::from_stream(pieces)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_keeps_the_pace_is_read_however_long_it_takes() {
        // Nine pieces are enough: the tenth comes at the very moment of the look.
        let a_second = PACE_BYTES_MIN / 8;
        let read = read(dripping(60, a_second), usize::MAX, HOUR).await;
        assert_eq!(read.map(|bytes| bytes.len()), Ok(60 * a_second));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_falls_behind_is_given_up_though_it_does_not_stop() {
        let begun = Instant::now();
        assert_eq!(read(dripping(60, PACE_BYTES_MIN / 20), usize::MAX, HOUR).await, Err(Unread::TooSlow));
        assert_eq!(begun.elapsed().as_secs(), PACE_EVERY.as_secs());
        // What came fast before buys no time later.
        let fast = stream::iter([Ok::<_, Infallible>(Bytes::from(vec![0; 100 * PACE_BYTES_MIN]))]);
        let stalled = Body::from_stream(fast.chain(stream::pending()));
        let begun = Instant::now();
        assert_eq!(read(stalled, usize::MAX, HOUR).await, Err(Unread::TooSlow));
        assert_eq!(begun.elapsed().as_secs(), 2 * PACE_EVERY.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_body_has_the_time_of_the_first_look_and_the_bounds_stay() {
        assert_eq!(read(dripping(9, 1), 9, HOUR).await, Ok(vec![b'x'; 9]));
        assert_eq!(read(dripping(2, 5), 9, HOUR).await, Err(Unread::TooLong));
        let begun = Instant::now();
        let patience = Duration::from_millis(1_500);
        assert_eq!(read(dripping(2, 1), 9, patience).await, Err(Unread::TooSlow));
        assert_eq!(begun.elapsed().as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_taken_is_drained_for_a_while() {
        for (body, limit, seconds) in [
            (dripping(5, 2), 10, 5),
            (dripping(5, 2), 3, 2),
            (dripping(60, 2), 1_000, PACE_EVERY.as_secs()),
            (Body::empty(), 0, 0),
        ] {
            let begun = Instant::now();
            drain(body, limit).await;
            assert_eq!(begun.elapsed().as_secs(), seconds);
        }
    }

    #[test]
    fn who_has_its_share_waits_alone() {
        let places = Places::new(3, 2);
        let first = places.take("a").unwrap();
        let second = places.take("a").unwrap();
        assert_eq!(places.take("a").unwrap_err(), NoPlace::ShareTaken);
        let other = places.take("b").unwrap();
        assert_eq!(places.take("b").unwrap_err(), NoPlace::AllTaken);
        drop(first);
        assert!(places.take("b").is_ok());
        drop((second, other));
        assert!(places.take("a").is_ok());
    }

    #[tokio::test]
    async fn what_goes_out_holds_its_place_until_it_is_taken() {
        let places = Places::new(1, 1);
        let mut body = places.take("a").unwrap().held_by(Body::from(vec![b'x'; 9]));
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(9), false));
        let bytes = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(body.is_end_stream());
        drop(body);
        let (first, rest) = (bytes.slice(..4), bytes.slice(4..));
        drop((bytes, first));
        assert_eq!(places.take("a").unwrap_err(), NoPlace::ShareTaken);
        assert_eq!(rest, vec![b'x'; 5]);
        drop(rest);
        // Whoever leaves without having read anything frees it as well.
        drop(places.take("a").unwrap().held_by(Body::from("unread")));
        assert!(places.take("a").is_ok());
    }

    #[test]
    fn nothing_is_remembered_of_who_has_left() {
        let places = Places::new(3, 2);
        drop([places.take("a"), places.take("a"), places.take("a"), places.take("b")]);
        let taken = places.0.taken();
        assert_eq!((taken.all, taken.by_caller.len()), (0, 0));
    }
}
