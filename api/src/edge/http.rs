//! GraphQL over HTTP: one request, one answer, or one event stream.
//!
//! The checks run from the outside in: method, media types, credentials, body, document. A request without credentials
//! costs no body, and a document that is not fit costs no execution.

use std::sync::Arc;

use async_graphql::Executor;
use async_graphql::parser::types::OperationType;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::answer::Answer;
use super::body::{self, Unread};
use super::document::{self, Params};
use super::fault::{Code, Fault, Scope};
use super::negotiation::{self, Acceptable, MediaType};
use super::{Edge, Gatekeeper, MIN_POSITION, Refused, RequestFacts, Surface, sse};

/// The header that carries the id which internal errors quote.
const REQUEST_ID: &str = "x-request-id";

/// Serves `/graphql`, or wherever else the edge is mounted.
pub(super) async fn handle<E: Executor, G: Gatekeeper>(
    State(edge): State<Arc<Edge<E, G>>>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let facts = edge.facts(&parts);
    let request_id = HeaderValue::from_str(&facts.request_id).ok();
    let acceptable = match edge.surface {
        Surface::Full => negotiation::acceptable(&parts.headers),
        Surface::PostOnly => negotiation::acceptable(&parts.headers).without_streams(),
    };
    let mut response = match respond(&edge, acceptable, facts, &parts, body).await {
        Ok(response) => response,
        Err(fault) => refuse(&fault, acceptable.for_refusal(), |code| edge.gatekeeper.is_retryable(code)),
    };
    if let Some(request_id) = request_id {
        response.headers_mut().insert(REQUEST_ID, request_id);
    }
    response
}

async fn respond<E: Executor, G: Gatekeeper>(
    edge: &Arc<Edge<E, G>>,
    acceptable: Acceptable,
    facts: RequestFacts,
    parts: &Parts,
    body: Body,
) -> Result<Response, Fault> {
    check_exchange(parts, acceptable, edge.surface)?;
    let wanted = min_position(&parts.headers)?;
    let admitted = edge.admit(parts).await?;
    let params = if parts.method == Method::GET { Params::from_uri(&parts.uri)? } else { read(edge, body).await? };
    let prepared = document::prepare(params, &edge.limits)?;
    edge.charge(&admitted.principal, prepared.cost()).await?;
    let kind = prepared.kind();
    if kind == OperationType::Mutation && parts.method == Method::GET {
        return Err(Fault::method("POST", "mutations are not executed by GET"));
    }
    let media = media_type(kind, acceptable)?;
    edge.reach(kind, wanted).await?;
    if media == MediaType::EventStream {
        let place = edge.place(kind)?;
        let expires = edge.deadline(admitted.expires_at);
        let answers = edge.answers(prepared, admitted.principal, facts);
        return Ok(sse::response(answers, &edge.limits, expires, edge.shutdown.clone(), place));
    }
    let (request, inquiry) = prepared.into_request(admitted.principal, facts);
    let answer = edge.execute(request, &inquiry).await;
    Ok(write(&answer.with_retryable(|code| edge.gatekeeper.is_retryable(code)), media))
}

/// What can be refused by the headers alone.
fn check_exchange(parts: &Parts, acceptable: Acceptable, surface: Surface) -> Result<(), Fault> {
    let method = &parts.method;
    match surface {
        Surface::Full if method != Method::GET && method != Method::POST => {
            return Err(Fault::method("GET, POST", "use POST, or GET for queries"));
        }
        Surface::PostOnly if method != Method::POST => return Err(Fault::method("POST", "use POST")),
        Surface::Full | Surface::PostOnly => {}
    }
    if acceptable.is_nothing() {
        let message = match surface {
            Surface::Full => "answers are application/graphql-response+json, application/json or text/event-stream",
            Surface::PostOnly => "answers are application/graphql-response+json or application/json",
        };
        return Err(Fault::exchange(StatusCode::NOT_ACCEPTABLE, Code::NotAcceptable, message));
    }
    // Browsers send other types across sites without asking first; a body of theirs must not be read.
    if parts.method == Method::POST && !negotiation::is_json(&parts.headers) {
        let message = "send application/json in UTF-8";
        return Err(Fault::exchange(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::UnsupportedMediaType, message));
    }
    Ok(())
}

/// The position that the answer must show at least.
fn min_position(headers: &HeaderMap) -> Result<Option<u64>, Fault> {
    let Some(value) = headers.get(MIN_POSITION) else { return Ok(None) };
    let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.and_then(|digits| digits.parse().ok()) {
        Some(position) => Ok(Some(position)),
        None => Err(Fault::bad_request(format!("`{MIN_POSITION}` is a `position` that an answer gave: digits alone"))),
    }
}

/// The type of the answer to this kind of operation.
fn media_type(kind: OperationType, acceptable: Acceptable) -> Result<MediaType, Fault> {
    let (media, message) = match kind {
        OperationType::Query | OperationType::Mutation => (acceptable.for_single(), "nothing fits `Accept`"),
        OperationType::Subscription => (
            acceptable.for_subscription(),
            "a subscription needs `Accept: text/event-stream`, or the WebSocket at /graphql/ws",
        ),
    };
    media.ok_or_else(|| Fault::exchange(StatusCode::NOT_ACCEPTABLE, Code::NotAcceptable, message))
}

/// Reads the parameters from the body, in bounded time and up to a bounded size.
async fn read<E, G>(edge: &Edge<E, G>, body: Body) -> Result<Params, Fault> {
    let limit = edge.limits.body_bytes_max;
    match body::read(body, limit, edge.limits.request_timeout).await {
        Ok(bytes) => Params::from_body(&bytes),
        Err(Unread::TooLong) => {
            let message = format!("the body is longer than {limit} bytes");
            Err(Fault::exchange(StatusCode::PAYLOAD_TOO_LARGE, Code::BodyTooLarge, message))
        }
        Err(Unread::Broken) => Err(Fault::bad_request("the body could not be read")),
        Err(Unread::TooSlow) => {
            let message = "the body took too long";
            Err(Fault::exchange(StatusCode::REQUEST_TIMEOUT, Code::Timeout, message))
        }
    }
}

/// The response that tells a fault.
///
/// To a client that reads nothing but an event stream a fault of the document is an event; a fault of the exchange is
/// a status, which is what such clients retry by.
pub(super) fn refuse(fault: &Fault, media: MediaType, is_retryable: impl Fn(&str) -> Option<bool>) -> Response {
    let answer = Answer::of_fault(fault).with_retryable(is_retryable);
    let mut response = match media {
        MediaType::EventStream if fault.scope == Scope::Document => sse::refusal(&answer),
        MediaType::EventStream => write(&answer, MediaType::Json),
        media => write(&answer, media),
    };
    let headers = response.headers_mut();
    if !fault.allow.is_empty() {
        headers.insert(ALLOW, HeaderValue::from_static(fault.allow));
    }
    if fault.status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn write(answer: &Answer, media: MediaType) -> Response {
    let headers = [(CONTENT_TYPE, media.content_type()), (CACHE_CONTROL, "no-store")];
    let mut response = (answer.status(media), headers, answer.to_json()).into_response();
    if let Some(code) = answer.refusal_code() {
        response.extensions_mut().insert(Refused(code.to_owned()));
    }
    response
}

#[cfg(test)]
mod tests;
