//! The WebSocket edge: `graphql-transport-ws`, with the close codes its protocol names.
//!
//! A connection is one task. It owns its operations as streams, so they end with it, and a client that does not read
//! holds up nobody but itself.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::Executor;
use async_trait::async_trait;
use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{Extensions, StatusCode};
use axum::response::Response;
use futures_util::StreamExt;
use futures_util::stream::{self, AbortHandle, Abortable, BoxStream, SelectAll};
use serde_json::{Map, Value};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use super::answer::Answer;
use super::document::{self, Params};
use super::fault::{Code, Fault};
use super::message::{self, ClientMessage};
use super::negotiation::MediaType;
use super::{Edge, Gatekeeper, Presented, RequestFacts, bearer, bearer_of, http, traceparent, until};

/// The only subprotocol spoken here.
pub const SUBPROTOCOL: &str = "graphql-transport-ws";

/// How much larger than allowed a message may be and still be read, to be refused politely instead of cut off.
const READ_MARGIN: usize = 4;

/// Time for a peer to answer our close frame.
const GOODBYE: Duration = Duration::from_secs(2);

/// Bytes of a close reason; the frame holds 125 with its code.
const REASON_BYTES_MAX: usize = 123;

/// Serves `/graphql/ws`.
pub(super) async fn upgrade<E: Executor, G: Gatekeeper>(
    State(edge): State<Arc<Edge<E, G>>>,
    request: Request,
) -> Response {
    let (mut parts, _body) = request.into_parts();
    let upgrade = match <WebSocketUpgrade as FromRequestParts<()>>::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => {
            let message = format!("this is a WebSocket for {SUBPROTOCOL}");
            let fault = match rejection.status() {
                StatusCode::METHOD_NOT_ALLOWED => Fault::method("GET", message),
                status => Fault::exchange(status, Code::BadRequest, message),
            };
            return http::refuse(&fault, MediaType::Json, |code| edge.gatekeeper.is_retryable(code));
        }
    };
    let opening = Opening {
        bearer: bearer_of(&parts.headers).map(str::to_owned),
        traceparent: traceparent(&parts.headers),
        extensions: parts.extensions,
    };
    let read_max = edge.limits.ws_message_bytes_max.saturating_mul(READ_MARGIN);
    let mut upgrade = upgrade.max_message_size(read_max).max_frame_size(read_max).protocols([SUBPROTOCOL]);
    if upgrade.selected_protocol().is_some() {
        return upgrade.on_upgrade(move |socket| Connection::new(edge, socket, opening).run());
    }
    // A client sees our close code only if the handshake succeeds, and most insist on a protocol they have named.
    let named = upgrade.requested_protocols().find(|name| !name.is_empty()).cloned();
    if let Some(named) = named {
        upgrade.set_selected_protocol(named);
    }
    upgrade.on_upgrade(|mut socket| async move {
        let frame = Close::new(4406, "Subprotocol not acceptable").into_frame();
        if socket.send(Message::Close(Some(frame))).await.is_ok() {
            drain(&mut socket).await;
        }
    })
}

/// The two directions of a socket, so that the protocol can be tested without a network.
#[async_trait]
trait Link: Send + 'static {
    /// The next message, or `None` when the peer is gone. Nothing is lost when the future is dropped.
    async fn receive(&mut self) -> Option<Result<Message, axum::Error>>;

    /// Sends a message; `false` means that the peer is gone.
    async fn transmit(&mut self, message: Message) -> bool;
}

#[async_trait]
impl Link for WebSocket {
    async fn receive(&mut self) -> Option<Result<Message, axum::Error>> {
        self.recv().await
    }

    async fn transmit(&mut self, message: Message) -> bool {
        self.send(message).await.is_ok()
    }
}

/// Why a connection ends.
enum End {
    /// The peer is gone, or does not listen any more.
    Gone,
    /// We close it.
    Close(Close),
}

impl End {
    fn close(code: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Close(Close::new(code, reason))
    }
}

struct Close {
    code: u16,
    reason: Cow<'static, str>,
}

impl Close {
    fn new(code: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: reason.into() }
    }

    /// The frame, with as much of the reason as fits.
    fn into_frame(self) -> CloseFrame {
        let mut end = self.reason.len().min(REASON_BYTES_MAX);
        while !self.reason.is_char_boundary(end) {
            end -= 1;
        }
        let reason = self.reason.get(..end).unwrap_or_default();
        CloseFrame { code: self.code, reason: reason.into() }
    }
}

/// An answer of the operation `id`; `None` when it has no more.
struct Event {
    id: String,
    answer: Option<Answer>,
}

/// An operation that runs.
struct Operation {
    handle: AbortHandle,
    /// Its place among the open subscriptions of the server.
    _place: Option<OwnedSemaphorePermit>,
}

/// What a connection waits for.
enum Occurrence {
    Heard(Option<Result<Message, axum::Error>>),
    Happened(Event),
    Silence,
    NoInit,
    Expired,
    Shutdown,
}

/// What came with the request that became a connection.
#[derive(Default)]
struct Opening {
    /// The token, for clients that cannot put it into `connection_init`.
    bearer: Option<String>,
    traceparent: Option<String>,
    /// What the layers in front of the edge had found out.
    extensions: Extensions,
}

/// One connection.
struct Connection<E, G: Gatekeeper, L> {
    edge: Arc<Edge<E, G>>,
    link: L,
    opening: Opening,
    /// Whether `connection_init` has come.
    initialised: bool,
    /// Set once the connection is acknowledged.
    principal: Option<G::Principal>,
    expires: Option<Instant>,
    operations: HashMap<String, Operation>,
    events: SelectAll<BoxStream<'static, Event>>,
    heard_at: Instant,
}

impl<E: Executor, G: Gatekeeper, L: Link> Connection<E, G, L> {
    fn new(edge: Arc<Edge<E, G>>, link: L, opening: Opening) -> Self {
        Self {
            edge,
            link,
            opening,
            initialised: false,
            principal: None,
            expires: None,
            operations: HashMap::new(),
            events: SelectAll::new(),
            heard_at: Instant::now(),
        }
    }

    /// Converses until one side ends it, and says goodbye.
    async fn run(mut self) {
        let end = self.converse().await;
        // Whatever the goodbye takes, no operation runs any more.
        self.events.clear();
        self.operations.clear();
        if let End::Close(close) = end
            && self.say(Message::Close(Some(close.into_frame()))).await.is_err()
        {
            return;
        }
        drain(&mut self.link).await;
    }

    async fn converse(&mut self) -> End {
        let init_until = Instant::now() + self.edge.limits.init_timeout;
        let mut silent_until = Instant::now() + self.edge.limits.keep_alive;
        loop {
            let occurrence = tokio::select! {
                heard = self.link.receive() => Occurrence::Heard(heard),
                Some(event) = self.events.next(), if !self.events.is_empty() => Occurrence::Happened(event),
                () = tokio::time::sleep_until(silent_until) => Occurrence::Silence,
                () = tokio::time::sleep_until(init_until), if !self.initialised => Occurrence::NoInit,
                () = until(self.expires) => Occurrence::Expired,
                () = self.edge.shutdown.cancelled() => Occurrence::Shutdown,
            };
            let done = match occurrence {
                Occurrence::Heard(Some(Ok(message))) => self.hear(message).await,
                // What cannot be read is too large even to be refused politely, or no WebSocket message.
                Occurrence::Heard(Some(Err(_unreadable))) => Err(End::close(close_code::SIZE, "Message not readable")),
                Occurrence::Heard(None) => Err(End::Gone),
                Occurrence::Happened(event) => self.report(event).await,
                Occurrence::Silence => {
                    silent_until = Instant::now() + self.edge.limits.keep_alive;
                    self.knock().await
                }
                Occurrence::NoInit => Err(End::close(4408, "Connection initialisation timeout")),
                Occurrence::Expired => Err(End::close(4403, "Token expired")),
                Occurrence::Shutdown => Err(End::close(close_code::AWAY, "Server is shutting down")),
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    /// Pings a silent peer; one that has answered nothing for three rounds is gone.
    async fn knock(&mut self) -> Result<(), End> {
        if self.heard_at.elapsed() > self.edge.limits.keep_alive.saturating_mul(3) {
            return Err(End::Gone);
        }
        self.say(Message::Ping(Bytes::new())).await
    }

    async fn hear(&mut self, message: Message) -> Result<(), End> {
        self.heard_at = Instant::now();
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => return Err(End::close(4400, "Invalid message: not a text")),
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(End::Gone),
        };
        if text.len() > self.edge.limits.ws_message_bytes_max {
            return Err(End::close(close_code::SIZE, "Message too big"));
        }
        match ClientMessage::parse(&text).map_err(|reason| End::close(4400, reason))? {
            ClientMessage::Init(payload) => self.init(payload.as_ref()).await,
            ClientMessage::Ping(payload) => self.say(message::pong(payload.as_ref())).await,
            ClientMessage::Pong => Ok(()),
            ClientMessage::Subscribe { id, params } => self.subscribe(id, params).await,
            ClientMessage::Complete { id } => {
                self.forget(&id);
                Ok(())
            }
        }
    }

    async fn init(&mut self, payload: Option<&Map<String, Value>>) -> Result<(), End> {
        if self.initialised {
            return Err(End::close(4429, "Too many initialisation requests"));
        }
        self.initialised = true;
        let given = payload.and_then(|payload| payload.get("authorization").or_else(|| payload.get("Authorization")));
        let token = match given {
            Some(credential) => credential.as_str().and_then(bearer).map(str::to_owned),
            None => self.opening.bearer.take(),
        };
        let presented = Presented { bearer: token.as_deref(), extensions: &self.opening.extensions };
        let asked = self.edge.gatekeeper.authenticate(presented);
        let admitted = match timeout(self.edge.limits.init_timeout, asked).await {
            Ok(Ok(admitted)) => admitted,
            Ok(Err(refusal)) if refusal.status.is_server_error() => {
                return Err(End::close(4500, "Internal server error"));
            }
            Ok(Err(_refusal)) => return Err(End::close(4403, "Forbidden")),
            Err(_elapsed) => return Err(End::close(4408, "Connection initialisation timeout")),
        };
        self.expires = self.edge.deadline(admitted.expires_at);
        self.principal = Some(admitted.principal);
        self.say(message::ack()).await
    }

    async fn subscribe(&mut self, id: String, params: Params) -> Result<(), End> {
        let Some(principal) = self.principal.clone() else {
            return Err(End::close(4401, "Unauthorized"));
        };
        if self.operations.contains_key(&id) {
            return Err(End::close(4409, format!("Subscriber for {id} already exists")));
        }
        let operations_max = self.edge.limits.ws_subscriptions_max;
        if self.operations.len() >= operations_max {
            let message = format!("a connection may have {operations_max} operations at once");
            let fault = Fault::exchange(StatusCode::TOO_MANY_REQUESTS, Code::TooManySubscriptions, message);
            return self.say(message::error(&id, &[fault.to_error()])).await;
        }
        let prepared = match document::prepare(params, &self.edge.limits) {
            Ok(prepared) => prepared,
            Err(fault) => return self.say(message::error(&id, &[fault.to_error()])).await,
        };
        let admission = match self.edge.charge(&principal, prepared.cost()).await {
            Ok(()) => self.edge.place(prepared.kind()),
            Err(fault) => Err(fault),
        };
        let place = match admission {
            Ok(place) => place,
            Err(fault) => return self.say(message::error(&id, &[fault.to_error()])).await,
        };
        let facts = RequestFacts { request_id: self.edge.request_id(), traceparent: self.opening.traceparent.clone() };
        let answers = self.edge.answers(prepared, principal, facts);
        let (handle, registration) = AbortHandle::new_pair();
        let name = id.clone();
        let events = answers
            .map(Some)
            .chain(stream::once(std::future::ready(None)))
            .map(move |answer| Event { id: name.clone(), answer });
        self.events.push(Abortable::new(events, registration).boxed());
        self.operations.insert(id, Operation { handle, _place: place });
        Ok(())
    }

    /// Passes an operation's event on.
    async fn report(&mut self, event: Event) -> Result<(), End> {
        let Event { id, answer } = event;
        let message = match answer {
            Some(answer) if answer.is_refusal() => {
                self.forget(&id);
                message::error(&id, answer.errors())
            }
            Some(answer) => message::next(&id, &answer),
            None => {
                self.forget(&id);
                message::complete(&id)
            }
        };
        self.say(message).await
    }

    /// Stops an operation, if it still runs, and frees its id.
    fn forget(&mut self, id: &str) {
        if let Some(operation) = self.operations.remove(id) {
            operation.handle.abort();
        }
    }

    async fn say(&mut self, message: Message) -> Result<(), End> {
        let patience = self.edge.limits.send_timeout;
        match timeout(patience, self.link.transmit(message)).await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(End::Gone),
        }
    }
}

/// Reads on until the peer has closed too, for a moment: what is cut off with unread data loses our close frame.
async fn drain(link: &mut impl Link) {
    let reading = async { while let Some(Ok(_)) = link.receive().await {} };
    if timeout(GOODBYE, reading).await.is_err() {
        tracing::debug!("A WebSocket peer did not answer our close frame");
    }
}

#[cfg(test)]
mod tests;
