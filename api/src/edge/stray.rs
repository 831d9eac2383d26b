//! Requests that no route takes, answered in the form of every other error.
//!
//! What the library finds wrong before it knows the address (a head that is no HTTP, an address or header fields too
//! long) it answers itself, with 400, 414 or 431 and without a body; nothing here sees it.

use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;

use super::fault::{Code, Fault};
use super::http;
use super::negotiation::MediaType;

/// The same routes, with a typed answer for an address where nothing is served (404) and for a method that a route does
/// not take (405).
///
/// For a router that has no answers of its own for these, as the last thing that is done to it.
pub fn with_typed_refusals(router: Router) -> Router {
    router.fallback(nothing_here).method_not_allowed_fallback(other_method)
}

async fn nothing_here() -> Response {
    let message = "nothing is served at this address";
    refuse(&Fault::exchange(StatusCode::NOT_FOUND, Code::NotFound, message))
}

/// Answers a method that a route does not take; the router adds `Allow`.
pub(crate) async fn other_method() -> Response {
    let message = "this address takes other methods, those in `Allow`";
    refuse(&Fault::exchange(StatusCode::METHOD_NOT_ALLOWED, Code::MethodNotAllowed, message))
}

fn refuse(fault: &Fault) -> Response {
    http::refuse(fault, MediaType::Json, |_code| None)
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use axum::middleware::from_fn;
    use axum::routing::{get, put};
    use serde_json::Value;
    use tower::ServiceExt;

    use super::*;
    use crate::edge::one_host;

    fn router() -> Router {
        let ours = Router::new().route("/file", put(|| async {}).get(|| async {})).layer(from_fn(one_host));
        with_typed_refusals(ours.merge(Router::new().route("/other", get(|| async {}))))
    }

    /// The status, the code and `Allow` of an answer.
    async fn told(request: Request<Body>) -> (StatusCode, String, String) {
        let response = router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 4_096).await.unwrap();
        let body: Value = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
        let code = body["errors"][0]["extensions"]["code"].as_str().unwrap_or("none").to_owned();
        let allow = parts.headers.get("allow").map_or("none", |allow| allow.to_str().unwrap()).to_owned();
        (parts.status, code, allow)
    }

    fn request(method: &str, uri: &str, hosts: &[&str]) -> Request<Body> {
        let request = Request::builder().method(method).uri(uri);
        let request = hosts.iter().fold(request, |request, host| request.header("host", *host));
        request.body(Body::empty()).unwrap()
    }

    #[tokio::test]
    async fn what_no_route_takes_is_answered_with_a_code() {
        let (status, code, _) = told(request("GET", "/nowhere", &[])).await;
        assert_eq!((status, code.as_str()), (StatusCode::NOT_FOUND, "NOT_FOUND"));
        for path in ["/file", "/other"] {
            let (status, code, allow) = told(request("DELETE", path, &[])).await;
            assert_eq!((status, code.as_str()), (StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED"));
            assert!(allow.contains("GET"), "{allow}");
        }
        let (status, code, _) = told(request("GET", "/file", &["a.example"])).await;
        assert_eq!((status, code.as_str()), (StatusCode::OK, "none"));
    }

    #[tokio::test]
    async fn a_request_for_two_hosts_is_answered_with_a_code() {
        let refused: [(&str, &[&str]); 3] =
            [("/file", &["a.example", "b.example"]), ("http://a.example/file", &["b.example"]), ("/file", &["@"])];
        for (uri, hosts) in refused {
            let (status, code, _) = told(request("GET", uri, hosts)).await;
            assert_eq!((status, code.as_str()), (StatusCode::BAD_REQUEST, "BAD_REQUEST"), "{uri} {hosts:?}");
        }
    }
}
