//! A small schema, a gatekeeper and helpers for the edge's own tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use async_graphql::{Context, Error, ErrorExtensions, Object, Schema, SimpleObject, Subscription};
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{Stream, stream};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use uuid::Uuid;

use super::{Admitted, Edge, EdgeLimits, Gatekeeper, Presented, Refusal, RequestFacts, post_router, router};

/// What common clients ask before anything else.
pub(super) const INTROSPECTION: &str = r"
query IntrospectionQuery {
  __schema {
    queryType { name kind }
    mutationType { name kind }
    subscriptionType { name kind }
    types { ...FullType }
    directives { name description locations args { ...InputValue } }
  }
}
fragment FullType on __Type {
  kind name description
  fields(includeDeprecated: true) {
    name description
    args { ...InputValue }
    type { ...TypeRef }
    isDeprecated deprecationReason
  }
  inputFields { ...InputValue }
  interfaces { ...TypeRef }
  enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }
  possibleTypes { ...TypeRef }
}
fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue }
fragment TypeRef on __Type {
  kind name
  ofType { name kind ofType { name kind ofType { name kind ofType { name kind ofType { name kind
    ofType { name kind ofType { name kind ofType { name kind ofType { name kind } } } } } } } } }
}";

pub(super) type TestSchema = Schema<Query, Mutation, Changes>;

/// How often the mutation `bump` ran.
#[derive(Clone, Default)]
pub(super) struct Bumps(Arc<AtomicUsize>);

impl Bumps {
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// The principal of the tests: the token itself.
#[derive(Clone)]
pub(super) struct Visitor(String);

#[derive(SimpleObject)]
pub(super) struct Node {
    value: i32,
}

pub(super) struct Query;

#[Object]
impl Query {
    async fn hello(&self) -> String {
        "world".to_owned()
    }

    async fn visitor(&self, ctx: &Context<'_>) -> Option<String> {
        ctx.data_opt::<Visitor>().map(|visitor| visitor.0.clone())
    }

    async fn traceparent(&self, ctx: &Context<'_>) -> Option<String> {
        ctx.data_opt::<RequestFacts>().and_then(|facts| facts.traceparent.clone())
    }

    async fn echo(&self, id: Uuid) -> Option<Uuid> {
        Some(id)
    }

    async fn node(&self) -> Node {
        Node { value: 1 }
    }

    async fn panics(&self) -> i32 {
        nothing().expect("the panic's secret")
    }

    async fn leaks(&self) -> Option<async_graphql::Result<i32>> {
        Some(Err(Error::new("the error's secret")))
    }

    async fn refuses(&self) -> Option<async_graphql::Result<i32>> {
        Some(Err(Error::new("not yours").extend_with(|_, values| values.set("code", "FORBIDDEN"))))
    }

    async fn hangs(&self) -> i32 {
        std::future::pending::<i32>().await
    }
}

pub(super) struct Mutation;

#[Object]
impl Mutation {
    async fn bump(&self, ctx: &Context<'_>, by: Option<i32>) -> async_graphql::Result<Node> {
        ctx.data::<Bumps>()?.0.fetch_add(1, Ordering::SeqCst);
        Ok(Node { value: by.unwrap_or(1) })
    }
}

pub(super) struct Changes;

#[Subscription]
impl Changes {
    async fn count(&self, to: i32) -> impl Stream<Item = i32> {
        stream::iter(1..=to)
    }

    async fn never(&self) -> impl Stream<Item = i32> {
        stream::pending::<i32>()
    }

    async fn breaks(&self) -> impl Stream<Item = async_graphql::Result<i32>> {
        stream::iter([Ok(1), Err(Error::new("the stream's secret")), Ok(3)])
    }

    async fn panics(&self) -> impl Stream<Item = i32> {
        stream::once(async { nothing().expect("the stream's panic") })
    }
}

fn nothing() -> Option<i32> {
    None
}

/// What a layer in front of the edge puts into a request's extensions: the token it stands for.
#[derive(Clone)]
pub(super) struct Vouched(pub(super) &'static str);

/// What the token `thrifty` may spend.
pub(super) const BUDGET: u32 = 3;

/// The newest position that the tests' application shows.
pub(super) const SHOWN: u64 = 7;

/// Lets the token `good` in for ever and `brief` in for a fifth of a second; `broken` breaks the gatekeeper.
///
/// The token `thrifty` is let in for ever too, and may spend [`BUDGET`].
#[derive(Default)]
pub(super) struct Doorman {
    spent: AtomicU32,
}

#[async_trait]
impl Gatekeeper for Doorman {
    type Principal = Visitor;

    async fn authenticate(&self, presented: Presented<'_>) -> Result<Admitted<Visitor>, Refusal> {
        // What a layer in front has verified counts like a token.
        let bearer = presented.extensions.get::<Vouched>().map(|vouched| vouched.0).or(presented.bearer);
        let admitted = |expires_at| Admitted { principal: Visitor(bearer.unwrap_or_default().to_owned()), expires_at };
        match bearer {
            Some("good" | "thrifty") => Ok(admitted(None)),
            Some("brief") => Ok(admitted(Some(start() + TimeDelta::milliseconds(200)))),
            Some("broken") => Err(Refusal {
                status: StatusCode::SERVICE_UNAVAILABLE,
                code: "INTERNAL",
                message: "try later".to_owned(),
            }),
            _ => Err(Refusal {
                status: StatusCode::UNAUTHORIZED,
                code: "UNAUTHENTICATED",
                message: "a valid token is needed".to_owned(),
            }),
        }
    }

    async fn charge(&self, principal: &Visitor, cost: u32) -> Result<(), Refusal> {
        if principal.0 != "thrifty" || self.spent.fetch_add(cost, Ordering::SeqCst) + cost <= BUDGET {
            return Ok(());
        }
        Err(Refusal {
            status: StatusCode::TOO_MANY_REQUESTS,
            code: "RATE_LIMITED",
            message: "the budget is spent".to_owned(),
        })
    }

    async fn reach(&self, position: u64) -> Result<(), Refusal> {
        if position <= SHOWN {
            return Ok(());
        }
        Err(Refusal {
            status: StatusCode::SERVICE_UNAVAILABLE,
            code: "NOT_YET",
            message: "that position does not show yet".to_owned(),
        })
    }
}

/// The moment at which the tests' clock stands still.
pub(super) fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_900_000_000, 0).expect("a time")
}

pub(super) fn schema(bumps: &Bumps) -> TestSchema {
    Schema::build(Query, Mutation, Changes).data(bumps.clone()).finish()
}

/// The edge itself, for tests that need no router.
pub(super) fn edge(limits: EdgeLimits) -> Arc<Edge<TestSchema, Doorman>> {
    let doorman = Arc::new(Doorman::default());
    Arc::new(Edge::new(schema(&Bumps::default()), doorman, limits, CancellationToken::new(), Arc::new(start)))
}

/// A router, and what its tests look at.
pub(super) struct House {
    router: Router,
    pub(super) bumps: Bumps,
    pub(super) shutdown: CancellationToken,
}

/// What came back.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Reply {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("a JSON body")
    }

    /// The code of the first error.
    pub(super) fn code(&self) -> String {
        self.json()["errors"][0]["extensions"]["code"].as_str().unwrap_or("none").to_owned()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("none")
    }
}

impl House {
    pub(super) fn new(limits: EdgeLimits) -> Self {
        let bumps = Bumps::default();
        let shutdown = CancellationToken::new();
        let doorman = Arc::new(Doorman::default());
        let router = router(schema(&bumps), doorman, limits, shutdown.clone(), Arc::new(start));
        Self { router, bumps, shutdown }
    }

    /// The same edge, mounted for POST alone at `/elsewhere`.
    pub(super) fn post_only() -> Self {
        let bumps = Bumps::default();
        let shutdown = CancellationToken::new();
        let doorman = Arc::new(Doorman::default());
        let limits = EdgeLimits::default();
        let router = post_router("/elsewhere", schema(&bumps), doorman, limits, shutdown.clone(), Arc::new(start));
        Self { router, bumps, shutdown }
    }

    pub(super) fn router(&self) -> Router {
        self.router.clone()
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router().oneshot(request).await.expect("routers do not fail");
        let (parts, body) = response.into_parts();
        let reading = axum::body::to_bytes(body, usize::MAX);
        let bytes = tokio::time::timeout(Duration::from_secs(10), reading).await.expect("an end").expect("a body");
        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Reply { status: parts.status, headers: parts.headers, text }
    }

    /// Posts a body with the headers given on top of a good token and the JSON content type.
    pub(super) async fn post(&self, body: impl Into<Body>, headers: &[(&'static str, &str)]) -> Reply {
        self.send(request("POST", "/graphql", body, headers)).await
    }

    /// Posts a document.
    pub(super) async fn ask(&self, document: &str, headers: &[(&'static str, &str)]) -> Reply {
        self.post(serde_json::json!({ "query": document }).to_string(), headers).await
    }

    pub(super) async fn get(&self, query: &str, headers: &[(&'static str, &str)]) -> Reply {
        self.send(request("GET", &format!("/graphql?{query}"), Body::empty(), headers)).await
    }
}

/// A request with a good token and the JSON content type, unless the headers say otherwise; an empty value removes one.
pub(super) fn request(
    method: &str,
    uri: &str,
    body: impl Into<Body>,
    headers: &[(&'static str, &str)],
) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(uri).body(body.into()).expect("a request");
    let defaults = [("authorization", "Bearer good"), ("content-type", "application/json")];
    for (name, value) in defaults.iter().chain(headers) {
        if value.is_empty() {
            request.headers_mut().remove(*name);
        } else {
            request.headers_mut().insert(*name, value.parse().expect("a header value"));
        }
    }
    request
}
