//! A node that must not show anything: its read models and its log do not belong together. It says so to whoever asks,
//! and waits for a person. So it is from a start on, or from when a node that serves finds it out.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use serde_json::json;

use super::Running;
use super::listening::{ADMIN, Addresses, bind, serve_until};
use crate::admin::{self, Readiness};
use crate::commands::Failure;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::origin::Estranged;
use crate::origin::bar::Bar;
use crate::shutdown::Shutdown;
use crate::telemetry;

/// Seconds after which a client may look whether somebody has mended it.
const COME_AGAIN_SECONDS: &str = "60";

/// Answers every request with the reason, and `/readyz` with what to do. Nothing is followed, nothing is brought to
/// partners, and they find nobody.
pub(super) async fn begin(running: &Running, config: &Config, estranged: &Estranged) -> Result<Addresses, Failure> {
    let (Running { shutdown, readiness, .. }, code) = (running, estranged.code());
    tracing::error!("Serving nothing: {estranged}");
    readiness.set("log", Ok(()));
    for condition in ["projections", "referrals"] {
        readiness.set(condition, Err(format!("{code}; {}", estranged.short())));
    }
    readiness.set("accepting", Err("nothing is served".to_owned()));
    let metrics = Arc::new(Metrics::new(telemetry::resource(&config.telemetry))?);
    metrics.observe_barred(move || Some(code));
    let listener = bind(&metrics, "api", config.server.listen, config.server.connections()).await?;
    let admin_listener = bind(&metrics, "admin", config.server.admin_listen, ADMIN).await?;
    let (addr, admin_addr) = (listener.addr()?, admin_listener.addr()?);
    serve_until(shutdown, listener, router(readiness.clone(), code, estranged.short()));
    serve_until(shutdown, admin_listener, admin::admin_routes(readiness.clone(), metrics));
    Ok(Addresses { addr, admin_addr, partner_addr: None })
}

fn router(readiness: Readiness, fault: &'static str, reason: &'static str) -> Router {
    admin::health_routes::<()>(readiness).fallback(move || async move { refuse(fault, reason) })
}

/// The condition `accepting`: it holds while the bar is up, until the node is asked to stop.
pub(super) fn watch(shutdown: &Shutdown, readiness: &Readiness, bar: &Bar) {
    let (readiness, token, mut news) = (readiness.clone(), shutdown.token(), bar.news());
    let tell = move |is_down: bool| {
        let state = if is_down { Err("nothing is served".to_owned()) } else { Ok(()) };
        readiness.set("accepting", state);
    };
    tell(news.borrow_and_update().is_some());
    shutdown.spawn_named("bar-watch", async move {
        while token.run_until_cancelled(news.changed()).await.is_some_and(|changed| changed.is_ok()) {
            tell(news.borrow_and_update().is_some());
        }
    });
}

/// A layer that refuses every request while the bar is down, before anything looks at who asks and for what.
pub(super) async fn check(State(bar): State<Bar>, request: Request, next: Next) -> Response {
    match bar.barred() {
        None => next.run(request).await,
        Some(barred) => refuse(barred.code(), barred.reason()),
    }
}

/// In the form of GraphQL, which most who ask speak. `fault` says to machines what is the matter.
fn refuse(fault: &str, reason: &str) -> Response {
    let extensions = json!({ "code": "UNAVAILABLE", "fault": fault });
    let body = json!({ "errors": [{ "message": reason, "extensions": extensions }] });
    let headers = [(CACHE_CONTROL, "no-store"), (RETRY_AFTER, COME_AGAIN_SECONDS)];
    (StatusCode::SERVICE_UNAVAILABLE, headers, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use axum::middleware::from_fn_with_state;
    use axum::routing::post;
    use event_log::port::LogFault;
    use tower::ServiceExt as _;

    use super::*;
    use crate::origin::bar::Barred;

    #[tokio::test]
    async fn every_request_is_told_why_and_the_process_lives() {
        let readiness = Readiness::expecting(&["projections"]);
        let ask = |path: &'static str| {
            let router = router(readiness.clone(), "OTHER_INSTALLATION", "another log");
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
        let response = router(readiness.clone(), "OTHER_INSTALLATION", "another log").oneshot(live).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_node_that_serves_refuses_while_its_bar_is_down() {
        let bar = Bar::default();
        let routes = Router::new().route("/graphql", post(|| async { "served" }));
        let routes: Router = routes.route_layer(from_fn_with_state(bar.clone(), check));
        let ask = || {
            let (routes, request) = (routes.clone(), Request::post("/graphql").body(Body::empty()).unwrap());
            async move {
                let response = routes.oneshot(request).await.unwrap();
                let status = response.status();
                let body = to_bytes(response.into_body(), 64 * 1024).await.unwrap();
                (status, String::from_utf8(body.to_vec()).unwrap())
            }
        };
        assert_eq!(ask().await, (StatusCode::OK, "served".to_owned()));
        bar.lower(&Barred::turned_away(&LogFault::NotInstalled).unwrap());
        let (status, body) = ask().await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("UNAVAILABLE") && body.contains("LOG_NOT_INSTALLED"), "{body}");
        bar.lift();
        assert_eq!(ask().await.0, StatusCode::OK);
    }
}
