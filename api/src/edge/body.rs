//! Reading a request's body: in bounded time, and up to a bounded size.

use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;

/// Bytes read and thrown away behind a body's limit, so that a client that is still sending gets to read the refusal
/// instead of a broken connection.
const DRAINED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Why a body was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It has more bytes than allowed.
    TooLong,
    /// It did not end in time.
    TooSlow,
    /// The connection broke, or the body's framing did.
    Broken,
}

/// Reads a body of at most `limit` bytes within `patience`, which covers what is drained behind the limit as well.
pub(crate) async fn read(body: Body, limit: usize, patience: Duration) -> Result<Vec<u8>, Unread> {
    tokio::time::timeout(patience, collect(body, limit)).await.map_err(|_elapsed| Unread::TooSlow)?
}

/// Keeps at most `limit` bytes of a body, and reads at most [`DRAINED_BYTES_MAX`] more.
async fn collect(mut body: Body, limit: usize) -> Result<Vec<u8>, Unread> {
    let mut kept = Vec::new();
    let mut seen: usize = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_broken| Unread::Broken)?.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        if seen <= limit {
            kept.extend_from_slice(&data);
        } else if seen > limit.saturating_add(DRAINED_BYTES_MAX) {
            return Err(Unread::TooLong);
        }
    }
    if seen > limit { Err(Unread::TooLong) } else { Ok(kept) }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::Bytes;
    use futures_util::{StreamExt, stream};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_body_at_the_limit_is_kept_and_one_past_it_is_not() {
        assert_eq!(read(Body::from("12345"), 5, PATIENCE).await, Ok(b"12345".to_vec()));
        assert_eq!(read(Body::from("123456"), 5, PATIENCE).await, Err(Unread::TooLong));
        assert_eq!(read(Body::empty(), 0, PATIENCE).await, Ok(Vec::new()));
    }

    #[tokio::test]
    async fn a_body_without_end_is_drained_for_a_while_and_then_left() {
        let chunk = Bytes::from(vec![0; 1024 * 1024]);
        let endless = stream::repeat_with(move || Ok::<_, Infallible>(chunk.clone()));
        assert_eq!(read(Body::from_stream(endless), 5, PATIENCE).await, Err(Unread::TooLong));
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let stalled = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"1"))]).chain(stream::pending());
        let patience = Duration::from_millis(20);
        assert_eq!(read(Body::from_stream(stalled), 5, patience).await, Err(Unread::TooSlow));
    }

    #[tokio::test]
    async fn a_body_that_breaks_is_no_body() {
        let broken = stream::iter([Err::<Bytes, _>(std::io::Error::other("gone"))]);
        assert_eq!(read(Body::from_stream(broken), 5, PATIENCE).await, Err(Unread::Broken));
    }
}
