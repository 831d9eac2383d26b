//! What the head of a request must not leave open, at whatever listener it arrives.
//!
//! Whoever stands before us may have gone by another one of two credentials, or by another host than we take for
//! granted. So a request of HTTP/1.1 names its host (RFC 9112 section 3.2), and none is sent with two credentials: that
//! header is no list (RFC 9110 sections 5.3 and 11.6.2). Which hosts go together is a matter of [`super::one_host`].

use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::{HeaderMap, Request, Version};
use axum::response::Response;

use super::fault::Fault;
use super::http;
use super::negotiation::MediaType;

/// The answer to a request that no router gets to see; `None` to one that may go on.
pub(crate) fn refused_head<B>(request: &Request<B>) -> Option<Response> {
    let message = open(request.version(), request.headers())?;
    Some(http::refuse(&Fault::bad_request(message), MediaType::Json, |_code| None))
}

/// What is left open, if something is. HTTP/1.0 knows no hosts, and HTTP/2 has `:authority` for them.
fn open(version: Version, headers: &HeaderMap) -> Option<&'static str> {
    if version == Version::HTTP_11 && !headers.contains_key(HOST) {
        return Some("the request has no `Host`; HTTP/1.1 needs it");
    }
    if headers.get_all(AUTHORIZATION).iter().nth(1).is_some() {
        return Some("the request has `Authorization` more than once; send it once");
    }
    None
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use axum::http::StatusCode;
    use serde_json::Value;

    use super::*;

    fn headers(named: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in named.iter().copied() {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_host_is_needed_where_the_version_says_so() {
        for (version, named) in [(Version::HTTP_10, true), (Version::HTTP_11, false), (Version::HTTP_2, true)] {
            assert_eq!(open(version, &headers(&[])).is_none(), named, "{version:?}");
            assert_eq!(open(version, &headers(&[("host", "a.example")])), None);
        }
        // What a client sends whose address has no host.
        assert_eq!(open(Version::HTTP_11, &headers(&[("host", "")])), None);
    }

    #[test]
    fn one_credential_or_none_is_taken_and_two_are_refused_whatever_they_are() {
        let (host, one, other) = (("host", "a"), ("authorization", "Bearer x"), ("authorization", "Basic y"));
        for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
            assert_eq!(open(version, &headers(&[host, one])), None);
            for second in [one, other] {
                let message = open(version, &headers(&[host, one, second])).unwrap();
                assert!(message.contains("`Authorization` more than once"), "{message}");
            }
        }
    }

    #[tokio::test]
    async fn the_answer_is_that_of_every_other_bad_request() {
        let answer = refused_head(&Request::builder().version(Version::HTTP_11).body(()).unwrap()).unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        let body: Value = serde_json::from_slice(&to_bytes(answer.into_body(), 4_096).await.unwrap()).unwrap();
        assert_eq!(body["errors"][0]["extensions"]["code"], "BAD_REQUEST");
    }
}
