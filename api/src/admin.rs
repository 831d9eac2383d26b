//! Whether this process lives, whether it can serve, and how it fares.
//!
//! The admin port answers all three; the public port only the first two. Neither asks who is asking.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tracing::{info, warn};

use crate::metrics::{self, Metrics};
use crate::version::{KnownEvents, VERSION};

/// The conditions under which this process can serve, each with its state.
///
/// Handles are cheap to clone and show the same conditions.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    conditions: Arc<Mutex<BTreeMap<&'static str, Condition>>>,
}

#[derive(Debug)]
enum Condition {
    /// It holds, or does not for this reason.
    Stands(Result<(), String>),
    /// It was taken back for this reason, and nothing brings it again.
    Withdrawn(String),
}

impl Condition {
    fn state(&self) -> Result<(), &str> {
        match self {
            Self::Stands(Ok(())) => Ok(()),
            Self::Stands(Err(reason)) | Self::Withdrawn(reason) => Err(reason),
        }
    }
}

/// What `/readyz` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReadinessReport {
    /// Whether every condition holds.
    pub ready: bool,
    /// Each condition with "ok", or with the reason why it does not hold.
    pub conditions: BTreeMap<&'static str, String>,
    /// The program's version.
    pub version: &'static str,
    /// The events that it can read.
    pub events: &'static KnownEvents,
}

impl Readiness {
    /// Waits for these conditions: none holds until it is set.
    pub fn expecting(conditions: &[&'static str]) -> Self {
        let readiness = Self::default();
        for &condition in conditions {
            readiness.lock().insert(condition, Condition::Stands(Err("starting".to_owned())));
        }
        readiness
    }

    /// Sets a condition; one that was withdrawn stays so.
    ///
    /// The reason is shown to anybody who asks, so it is a few words of ours ("rebuilding", "halted"): never the text
    /// of an error, which belongs in the log.
    pub fn set(&self, condition: &'static str, state: Result<(), String>) {
        {
            let mut conditions = self.lock();
            let known = conditions.get(condition);
            let is_known = known.is_some_and(|known| known.state() == state.as_ref().copied().map_err(String::as_str));
            if is_known || matches!(known, Some(Condition::Withdrawn(_))) {
                return;
            }
            conditions.insert(condition, Condition::Stands(state.clone()));
        }
        match state {
            Ok(()) => info!(condition, "Condition `{condition}` holds"),
            Err(reason) => warn!(condition, reason, "Condition `{condition}` does not hold: {reason}"),
        }
    }

    /// Takes a condition back for good because the node is asked to stop: nothing is wrong.
    pub fn withdraw(&self, condition: &'static str, reason: &str) {
        self.lock().insert(condition, Condition::Withdrawn(reason.to_owned()));
        info!(condition, reason, "Condition `{condition}` is taken back: {reason}");
    }

    /// Whether every condition holds.
    pub fn is_ready(&self) -> bool {
        self.lock().values().all(|condition| condition.state().is_ok())
    }

    /// Every condition with its state.
    pub fn report(&self) -> ReadinessReport {
        let conditions = self.lock();
        ReadinessReport {
            ready: conditions.values().all(|condition| condition.state().is_ok()),
            conditions: conditions
                .iter()
                .map(|(name, condition)| (*name, condition.state().err().unwrap_or("ok").to_owned()))
                .collect(),
            version: VERSION,
            events: KnownEvents::own(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Condition>> {
        self.conditions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `/livez` and `/readyz`, for the public port.
pub fn health_routes<S>(readiness: Readiness) -> Router<S> {
    Router::new().route("/livez", get(livez)).route("/readyz", get(readyz)).with_state(readiness)
}

/// `/livez`, `/readyz` and `/metrics`, for the admin port.
pub fn admin_routes(readiness: Readiness, metrics: Arc<Metrics>) -> Router {
    let scraped: Router = Router::new().route("/metrics", get(scrape)).with_state(metrics);
    health_routes::<()>(readiness).merge(scraped)
}

async fn livez() -> Response {
    let live = serde_json::json!({ "live": true });
    ([(CACHE_CONTROL, "no-store")], Json(live)).into_response()
}

async fn readyz(State(readiness): State<Readiness>) -> Response {
    let report = readiness.report();
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(CACHE_CONTROL, "no-store")], Json(report)).into_response()
}

async fn scrape(State(metrics): State<Arc<Metrics>>) -> Response {
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics.encode()).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use opentelemetry_sdk::Resource;
    use serde_json::{Value, json};
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(router: Router, path: &str) -> (StatusCode, String) {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 1024 * 1024).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn ask_readiness(readiness: &Readiness) -> (StatusCode, Value) {
        let (status, body) = ask(health_routes(readiness.clone()), "/readyz").await;
        (status, serde_json::from_str(&body).unwrap())
    }

    #[tokio::test]
    async fn it_is_ready_when_every_expected_condition_holds() {
        let readiness = Readiness::expecting(&["log", "projections"]);
        let (status, body) = ask_readiness(&readiness).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(body["ready"], false);
        assert_eq!(body["conditions"], json!({ "log": "starting", "projections": "starting" }));
        assert_eq!((&body["version"], &body["events"]["digest"]), (&json!(VERSION), &json!(KnownEvents::own().digest)));

        readiness.set("log", Ok(()));
        readiness.set("projections", Err("rebuilding".to_owned()));
        let (status, body) = ask_readiness(&readiness).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(body["conditions"], json!({ "log": "ok", "projections": "rebuilding" }));
        assert!(!readiness.is_ready());

        readiness.clone().set("projections", Ok(()));
        let (status, body) = ask_readiness(&readiness).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(body["ready"], true);
        assert_eq!(body["conditions"], json!({ "log": "ok", "projections": "ok" }));
        assert!(readiness.is_ready());
    }

    #[tokio::test]
    async fn it_lives_whether_or_not_it_is_ready() {
        let readiness = Readiness::expecting(&["log"]);
        let (status, body) = ask(health_routes(readiness), "/livez").await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, r#"{"live":true}"#));
    }

    #[tokio::test]
    async fn metrics_are_on_the_admin_port_only() {
        let resource = Resource::builder_empty().with_service_name("test").build();
        let metrics = Arc::new(Metrics::new(resource).unwrap());
        metrics.observe_log_position(|| 3);
        let readiness = Readiness::default();

        let (status, body) = ask(admin_routes(readiness.clone(), metrics), "/metrics").await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.contains("log_position 3"), "{body}");
        let (status, _) = ask(health_routes(readiness), "/metrics").await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
}
