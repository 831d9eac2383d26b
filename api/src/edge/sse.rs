//! Event streams in graphql-sse's distinct connections mode: `next` for each answer, then `complete`.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::answer::Answer;
use super::fault::{Code, Fault};
use super::negotiation::MediaType;
use super::{EdgeLimits, until};

/// A comment, which clients skip. It opens the stream, so that proxies pass the headers on, and fills silences.
const COMMENT: &str = ":\n\n";

/// The data field is there, and empty, because browsers drop events without one.
const COMPLETE: &str = "event: complete\ndata: \n\n";

/// Streams the answers until they end, one is a refusal, the permission expires or the server shuts down.
///
/// A shutdown ends the stream without `complete`, so that clients come back; everything else completes it.
/// The stream's place among the open subscriptions is free again when it ends.
pub(super) fn response(
    answers: BoxStream<'static, Answer>,
    limits: &EdgeLimits,
    expires: Option<Instant>,
    shutdown: CancellationToken,
    place: Option<OwnedSemaphorePermit>,
) -> Response {
    let keep_alive = limits.keep_alive;
    let feed = Feed { answers, keep_alive, expires, shutdown, stage: Stage::Opening, _place: place };
    let chunks = stream::unfold(feed, |mut feed| async move {
        let chunk = feed.chunk().await?;
        Some((Ok::<String, Infallible>(chunk), feed))
    });
    respond(Body::from_stream(chunks))
}

/// A stream that tells one refusal and ends.
pub(super) fn refusal(answer: &Answer) -> Response {
    respond(Body::from(format!("{}{COMPLETE}", next_event(answer))))
}

fn respond(body: Body) -> Response {
    let headers = [
        (CONTENT_TYPE, MediaType::EventStream.content_type()),
        (CACHE_CONTROL, "no-store"),
        // Asks nginx and its kind not to hold events back.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (StatusCode::OK, headers, body).into_response()
}

fn next_event(answer: &Answer) -> String {
    // The JSON is on one line: a line break inside a text is escaped.
    format!("event: next\ndata: {}\n\n", answer.to_json())
}

/// What the rest of the stream is made from.
struct Feed {
    answers: BoxStream<'static, Answer>,
    keep_alive: Duration,
    expires: Option<Instant>,
    shutdown: CancellationToken,
    stage: Stage,
    /// Held as long as the stream is.
    _place: Option<OwnedSemaphorePermit>,
}

enum Stage {
    Opening,
    Flowing,
    Completing,
    Over,
}

impl Feed {
    async fn chunk(&mut self) -> Option<String> {
        match self.stage {
            Stage::Opening => {
                self.stage = Stage::Flowing;
                Some(COMMENT.to_owned())
            }
            Stage::Flowing => self.flow().await,
            Stage::Completing => {
                self.stage = Stage::Over;
                Some(COMPLETE.to_owned())
            }
            Stage::Over => None,
        }
    }

    async fn flow(&mut self) -> Option<String> {
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => {
                self.stage = Stage::Over;
                None
            }
            () = until(self.expires) => {
                self.stage = Stage::Completing;
                let fault = Fault::exchange(StatusCode::UNAUTHORIZED, Code::Unauthenticated, "the token has expired");
                Some(next_event(&Answer::of_fault(&fault)))
            }
            answer = self.answers.next() => match answer {
                Some(answer) => {
                    if answer.is_refusal() {
                        self.stage = Stage::Completing;
                    }
                    Some(next_event(&answer))
                }
                None => {
                    self.stage = Stage::Over;
                    Some(COMPLETE.to_owned())
                }
            },
            () = tokio::time::sleep(self.keep_alive) => Some(COMMENT.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
