//! A node that must not show anything: its read models and its log do not belong together. It says so to whoever asks,
//! and waits for a person.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use serde_json::json;

use super::{ADMIN, Server, bind, serve_until};
use crate::admin::{self, Readiness};
use crate::commands::Failure;
use crate::config::Config;
use crate::log::OpenedLog;
use crate::metrics::Metrics;
use crate::origin::Estranged;
use crate::shutdown::Shutdown;
use crate::telemetry;

/// Seconds after which a client may look whether somebody has mended it.
const COME_AGAIN_SECONDS: &str = "60";

/// Answers every request with the reason, and `/readyz` with what to do. Nothing is followed, nothing is brought to
/// partners, and they find nobody.
pub(super) async fn start(
    config: &Config,
    estranged: &Estranged,
    log: OpenedLog,
    shutdown: Shutdown,
    readiness: Readiness,
) -> Result<Server, Failure> {
    tracing::error!("Serving nothing: {estranged}");
    readiness.set("log", Ok(()));
    for condition in ["projections", "referrals"] {
        readiness.set(condition, Err(estranged.short().to_owned()));
    }
    readiness.set("accepting", Err("nothing is served".to_owned()));
    let metrics = Arc::new(Metrics::new(telemetry::resource(&config.telemetry))?);
    let listener = bind(&metrics, "api", config.server.listen, config.server.connections()).await?;
    let admin_listener = bind(&metrics, "admin", config.server.admin_listen, ADMIN).await?;
    let (addr, admin_addr) = (listener.addr()?, admin_listener.addr()?);
    serve_until(&shutdown, listener, router(readiness.clone(), estranged.short()));
    serve_until(&shutdown, admin_listener, admin::admin_routes(readiness.clone(), metrics));
    let grace = config.server.shutdown_grace();
    Ok(Server { addr, admin_addr, partner_addr: None, shutdown, grace, log, followers: None, readiness })
}

fn router(readiness: Readiness, reason: &'static str) -> Router {
    admin::health_routes::<()>(readiness).fallback(move || async move { refuse(reason) })
}

/// In the form of GraphQL, which most who ask speak.
fn refuse(reason: &'static str) -> Response {
    let body = json!({ "errors": [{ "message": reason, "extensions": { "code": "UNAVAILABLE" } }] });
    let headers = [(CACHE_CONTROL, "no-store"), (RETRY_AFTER, COME_AGAIN_SECONDS)];
    (StatusCode::SERVICE_UNAVAILABLE, headers, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn every_request_is_told_why_and_the_process_lives() {
        let readiness = Readiness::expecting(&["projections"]);
        let ask = |path: &'static str| {
            let router = router(readiness.clone(), "another log");
            async move {
                let request = Request::post(path).body(Body::from("{}")).unwrap();
                let response = router.oneshot(request).await.unwrap();
                let status = response.status();
                let body = to_bytes(response.into_body(), 64 * 1024).await.unwrap();
                (status, String::from_utf8(body.to_vec()).unwrap())
            }
        };
        for path in ["/graphql", "/partner/graphql", "/evidence/x/y"] {
            let (status, body) = ask(path).await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
            assert!(body.contains("UNAVAILABLE") && body.contains("another log"), "{body}");
        }
        let live = Request::get("/livez").body(Body::empty()).unwrap();
        let response = router(readiness.clone(), "another log").oneshot(live).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
}
