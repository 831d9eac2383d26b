//! The GraphQL edge: HTTP, server-sent events and WebSocket around an `async-graphql` executor.
//!
//! The library executes; everything that faces a network is here, because a document must be measured before it is
//! walked, an answer must be free of internal text, and the protocols' own rules must hold to the letter.
//!
//! Architecture invariant: no document reaches the executor before [`document::prepare`] has accepted it.
//! Architecture invariant: no error leaves without a code; one that came without is masked as `INTERNAL`.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::Executor;
use async_trait::async_trait;
use axum::Router;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, StatusCode};
use axum::routing::any;
use chrono::{DateTime, Utc};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::{NoContext, Timestamp, Uuid};

mod answer;
pub(crate) mod body;
pub mod document;
mod execution;
pub mod fault;
mod head;
mod host;
pub mod http;
mod json;
pub mod limits;
mod message;
pub mod negotiation;
pub mod sse;
mod stray;
#[cfg(test)]
mod testing;
pub mod ws;

pub(crate) use self::head::refused_head;
pub(crate) use self::host::conflict;
pub use self::host::one_host;
pub(crate) use self::stray::other_method;
pub use self::stray::with_typed_refusals;

/// Longest time a connection's expiry timer is set to; a token that lives longer is cut off here.
const CONNECTION_LIFE_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The header that names the position of the log which the answer to a query or a subscription must show at least: what
/// a mutation answered, here or on another node.
pub const MIN_POSITION: &str = "baycase-min-position";

/// Reads the wall clock. It is a parameter so that tests can stand still.
pub type Now = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// Everything that is bounded at the edge.
///
/// "Expanded" counts a fragment's content once for every place that spreads it, as the executor would walk it.
#[derive(Debug, Clone)]
pub struct EdgeLimits {
    /// Bytes of an HTTP body, checked while reading. One more is `BODY_TOO_LARGE` (413).
    pub body_bytes_max: usize,
    /// Bytes of a GraphQL document, before parsing. One more is `DOCUMENT_TOO_LARGE`.
    pub document_bytes_max: usize,
    /// Fields on the longest path from the root; introspection has its own bound. One more is `DOCUMENT_TOO_DEEP`.
    pub depth_max: usize,
    /// Expanded selections: fields, spreads and inline fragments. One more is `DOCUMENT_TOO_COMPLEX`.
    pub fields_max: usize,
    /// Expanded aliases. One more is `TOO_MANY_ALIASES`.
    pub aliases_max: usize,
    /// Expanded directives. One more is `DOCUMENT_TOO_COMPLEX`.
    pub directives_max: usize,
    /// Fields at the root of a mutation, `__typename` not counted. One more is `TOO_MANY_MUTATION_FIELDS`.
    pub mutation_fields_max: usize,
    /// Bytes of one WebSocket message. One more closes the connection with 1009.
    pub ws_message_bytes_max: usize,
    /// Operations open at once on one WebSocket connection. One more is `TOO_MANY_SUBSCRIPTIONS` for that operation.
    pub ws_subscriptions_max: usize,
    /// Subscriptions open at once over all clients, event streams and `WebSockets` together. One more is
    /// `TOO_MANY_SUBSCRIPTIONS` (503).
    pub subscriptions_max: usize,
    /// Time from the WebSocket upgrade to `connection_init`; then 4408.
    pub init_timeout: Duration,
    /// Time to read a body, and again to execute a query or a mutation; then `TIMEOUT`. Subscriptions have no end.
    pub request_timeout: Duration,
    /// Silence after which the server sends a comment (SSE) or a ping (WebSocket).
    pub keep_alive: Duration,
    /// Time for a WebSocket peer to take one message; then it counts as gone.
    pub send_timeout: Duration,
}

impl Default for EdgeLimits {
    fn default() -> Self {
        Self {
            body_bytes_max: 256 * 1024,
            document_bytes_max: 16 * 1024,
            depth_max: 12,
            fields_max: 1_000,
            aliases_max: 30,
            directives_max: 50,
            mutation_fields_max: 1_000,
            ws_message_bytes_max: 256 * 1024,
            ws_subscriptions_max: 16,
            subscriptions_max: 1_000,
            init_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(12),
            send_timeout: Duration::from_secs(10),
        }
    }
}

/// What the edge asks of the application.
#[async_trait]
pub trait Gatekeeper: Send + Sync + 'static {
    /// Who is asking. Resolvers find it in the request's data.
    type Principal: Clone + Send + Sync + 'static;

    /// Decides whether what was presented opens the door.
    ///
    /// Called once for an HTTP request and once for a WebSocket connection, always before anything is executed. The
    /// refusal's text is shown to the client.
    async fn authenticate(&self, presented: Presented<'_>) -> Result<Admitted<Self::Principal>, Refusal>;

    /// Takes what an operation costs from what the principal may still ask for.
    ///
    /// Called for every operation that was found fit for execution, over HTTP and WebSocket alike. The cost is at least
    /// 1. A refusal ends the operation; a WebSocket connection stays open.
    async fn charge(&self, principal: &Self::Principal, cost: u32) -> Result<(), Refusal>;

    /// Waits, for a bounded time, until what is answered shows everything up to a position of the log.
    ///
    /// Called over HTTP for every query and subscription whose request has the header [`MIN_POSITION`], once it was
    /// charged. Where there are no positions, nothing has to be waited for.
    async fn reach(&self, _position: u64) -> Result<(), Refusal> {
        Ok(())
    }

    /// Whether the same request may succeed later, by the code of an error; HTTP answers tell it as
    /// `extensions.retryable` where the application has not. `None` tells nothing: so it is for every code, unless the
    /// application has promised its clients more.
    fn is_retryable(&self, _code: &str) -> Option<bool> {
        None
    }
}

/// What a request carries that tells who sends it.
#[derive(Debug, Clone, Copy)]
pub struct Presented<'a> {
    /// The bearer token; `None` means that no usable one came.
    pub bearer: Option<&'a str>,
    /// What the layers in front of the edge have found out, a verified signature for example.
    pub extensions: &'a Extensions,
}

/// A principal that was let in.
#[derive(Debug, Clone)]
pub struct Admitted<P> {
    /// Who it is.
    pub principal: P,
    /// When the permission ends; streams and connections are closed then.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Why a principal was not let in, or not served now. Everything in it is shown to the client.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The HTTP status; 401 adds `WWW-Authenticate: Bearer`. On a WebSocket 5xx closes with 4500, anything else with
    /// 4403.
    pub status: StatusCode,
    /// The error's `extensions.code`.
    pub code: &'static str,
    /// What the client may read.
    pub message: String,
}

/// Facts about one operation that resolvers may want; found in the request's data.
#[derive(Debug, Clone)]
pub struct RequestFacts {
    /// Made here, one for each operation; also sent as `x-request-id` and quoted by internal errors.
    pub request_id: String,
    /// The caller's W3C trace context, if it was well formed.
    pub traceparent: Option<String>,
}

/// The id that a layer in front of the edge gave a request, in its extensions. Without one the edge makes its own.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// The first code of an answer to a request that was not executed, or that was and gave a field an argument which does
/// not fit; in the extensions of the response, for the layers in front of the edge.
#[derive(Debug, Clone)]
pub struct Refused(pub String);

/// Builds the routes `/graphql` (HTTP and SSE) and `/graphql/ws` (`graphql-transport-ws`).
///
/// When `shutdown` is cancelled, event streams end without `complete` and WebSocket connections close with 1001, so
/// that clients reconnect. An upgraded connection outlives the HTTP server's own shutdown: leave it a moment to say
/// goodbye.
pub fn router<E: Executor, G: Gatekeeper>(
    executor: E,
    gatekeeper: Arc<G>,
    limits: EdgeLimits,
    shutdown: CancellationToken,
    now: Now,
) -> Router {
    let edge = Arc::new(Edge::new(executor, gatekeeper, limits, shutdown, now));
    Router::new()
        .route("/graphql", any(http::handle::<E, G>))
        .route("/graphql/ws", any(ws::upgrade::<E, G>))
        .with_state(edge)
}

/// Builds one route at `path` that takes requests by POST only and answers each once: no GET, no event stream, no
/// WebSocket.
///
/// For machines that sign what they send: a GET would put the document into the URL, and a stream has no end that a
/// signature or a retry could refer to.
pub fn post_router<E: Executor, G: Gatekeeper>(
    path: &str,
    executor: E,
    gatekeeper: Arc<G>,
    limits: EdgeLimits,
    shutdown: CancellationToken,
    now: Now,
) -> Router {
    let edge = Edge { surface: Surface::PostOnly, ..Edge::new(executor, gatekeeper, limits, shutdown, now) };
    Router::new().route(path, any(http::handle::<E, G>)).with_state(Arc::new(edge))
}

/// The ways in that a route offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Surface {
    /// POST, GET for queries, event streams.
    Full,
    /// POST, one answer each.
    PostOnly,
}

/// What every request and connection shares.
struct Edge<E, G> {
    executor: E,
    gatekeeper: Arc<G>,
    limits: EdgeLimits,
    /// The places for open subscriptions that are still free.
    subscriptions: Arc<Semaphore>,
    shutdown: CancellationToken,
    now: Now,
    surface: Surface,
}

impl<E, G> Edge<E, G> {
    fn new(executor: E, gatekeeper: Arc<G>, limits: EdgeLimits, shutdown: CancellationToken, now: Now) -> Self {
        let subscriptions = Arc::new(Semaphore::new(limits.subscriptions_max.min(Semaphore::MAX_PERMITS)));
        Self { executor, gatekeeper, limits, subscriptions, shutdown, now, surface: Surface::Full }
    }

    /// The facts of one operation that arrives like this.
    fn facts(&self, parts: &Parts) -> RequestFacts {
        let given = parts.extensions.get::<RequestId>().map(|id| id.0.clone());
        RequestFacts {
            request_id: given.unwrap_or_else(|| self.request_id()),
            traceparent: traceparent(&parts.headers),
        }
    }

    fn request_id(&self) -> String {
        request_id((self.now)())
    }

    /// The moment on the runtime's clock at which a permission ends; a past one is now.
    fn deadline(&self, expires_at: Option<DateTime<Utc>>) -> Option<Instant> {
        let left = (expires_at? - (self.now)()).to_std().unwrap_or_default();
        Some(Instant::now() + left.min(CONNECTION_LIFE_MAX))
    }
}

/// A fresh id of a request that sorts by time, so that logs of one moment lie together.
pub(crate) fn request_id(now: DateTime<Utc>) -> String {
    let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos())).to_string()
}

/// Waits for the deadline, or for ever when there is none.
async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The token of an `Authorization: Bearer` credential.
fn bearer(credential: &str) -> Option<&str> {
    let (scheme, token) = credential.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The token of the request's `Authorization` header.
fn bearer_of(headers: &HeaderMap) -> Option<&str> {
    bearer(headers.get(axum::http::header::AUTHORIZATION)?.to_str().ok()?)
}

/// The `traceparent` header if it is a well-formed version 00 context; anything else is dropped, not repaired.
fn traceparent(headers: &HeaderMap) -> Option<String> {
    let raw = headers.get("traceparent")?.to_str().ok()?;
    let mut parts = raw.split('-');
    let version = parts.next()?;
    let trace = parts.next()?;
    let span = parts.next()?;
    let flags = parts.next()?;
    let ids_are_set = [trace, span].iter().all(|id| id.bytes().any(|digit| digit != b'0'));
    let well_formed = version == "00"
        && is_hex(trace, 32)
        && is_hex(span, 16)
        && is_hex(flags, 2)
        && ids_are_set
        && parts.next().is_none();
    well_formed.then(|| raw.to_owned())
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_takes_only_a_bearer_credential() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("Bearer "), None);
        assert_eq!(bearer("abc"), None);
    }

    #[test]
    fn traceparent_is_taken_whole_or_not_at_all() {
        let of = |raw: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", raw.parse().expect("a header value"));
            traceparent(&headers)
        };
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(of(good).as_deref(), Some(good));
        assert_eq!(of("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), None);
        assert_eq!(of("00-00000000000000000000000000000000-b7ad6b7169203331-01"), None);
        assert_eq!(of("00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), None);
        assert_eq!(of(&format!("{good}-x")), None);
        assert_eq!(traceparent(&HeaderMap::new()), None);
    }

    #[test]
    fn a_deadline_in_the_past_is_now_and_none_stays_none() {
        let edge = testing::edge(EdgeLimits::default());
        let before = Instant::now();
        let past = edge.deadline(Some(testing::start() - chrono::TimeDelta::seconds(5))).expect("a deadline");
        assert!(past >= before && past <= Instant::now());
        assert_eq!(edge.deadline(None), None);
        let capped = edge.deadline(Some(DateTime::<Utc>::MAX_UTC)).expect("a deadline");
        assert!(capped <= Instant::now() + CONNECTION_LIFE_MAX);
    }

    #[test]
    fn request_ids_differ() {
        let edge = testing::edge(EdgeLimits::default());
        assert_ne!(edge.request_id(), edge.request_id());
    }
}
