//! A request is for one host: one that names two is for none.
//!
//! Whoever stands before us may have gone by the one and we by the other, and what a partner signs is made of it. So it
//! is refused, as RFC 9112 section 3.2 demands.

use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::uri::{Authority, Scheme};
use axum::http::{HeaderMap, Uri};
use axum::middleware::Next;
use axum::response::Response;

use super::fault::Fault;
use super::http;
use super::negotiation::MediaType;

/// A layer that refuses requests with `Host` twice, with one that is none, or with another one than their address has.
pub async fn one_host(request: Request, next: Next) -> Response {
    match conflict(request.headers(), request.uri()) {
        None => next.run(request).await,
        Some(message) => http::refuse(&Fault::bad_request(message), MediaType::Json, |_code| None),
    }
}

/// What is wrong with the host that a request names, if it names one.
pub(crate) fn conflict(headers: &HeaderMap, uri: &Uri) -> Option<&'static str> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next()?;
    if hosts.next().is_some() {
        return Some("the request has `Host` more than once; send it once");
    }
    if host.is_empty() && uri.authority().is_none() {
        // What a client sends whose address has no host.
        return None;
    }
    let named = host.to_str().ok().filter(|host| !host.contains('@')).and_then(|host| host.parse::<Authority>().ok());
    match (named, uri.authority()) {
        (None, _) => Some("`Host` is not a host with or without a port"),
        (Some(named), Some(asked)) if !is_same(&named, asked, uri.scheme()) => {
            Some("`Host` is another one than the host in the address; send one of them")
        }
        (Some(_), _) => None,
    }
}

/// Whether both lead to the same place. The port that is usual for the scheme may be written or not.
fn is_same(one: &Authority, other: &Authority, scheme: Option<&Scheme>) -> bool {
    let usual = if scheme == Some(&Scheme::HTTPS) { 443 } else { 80 };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(usual);
    one.host().eq_ignore_ascii_case(other.host()) && port(one) == port(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(hosts: &[&str], uri: &str) -> bool {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, host.parse().unwrap());
        }
        conflict(&headers, &uri.parse().unwrap()).is_some()
    }

    #[test]
    fn one_host_or_none_is_taken() {
        let taken: [(&[&str], &str); 9] = [
            (&[], "/graphql"),
            (&["a.example"], "/graphql"),
            (&["a.example:8080"], "/graphql"),
            (&["[::1]:8080"], "/graphql"),
            (&[""], "/graphql"),
            (&[], "http://a.example/graphql"),
            (&["a.example"], "http://a.example/graphql"),
            (&["A.Example"], "http://a.example:80/graphql"),
            (&["a.example:443"], "https://a.example/graphql"),
        ];
        for (hosts, uri) in taken {
            assert!(!is_refused(hosts, uri), "{hosts:?} {uri}");
        }
    }

    #[test]
    fn two_hosts_or_one_that_is_none_are_refused() {
        let refused: [(&[&str], &str); 9] = [
            (&["a.example", "b.example"], "/graphql"),
            (&["a.example", "a.example"], "/graphql"),
            (&["a.example, b.example"], "/graphql"),
            (&["user@a.example"], "/graphql"),
            (&["a.example/b"], "/graphql"),
            (&[""], "http://a.example/graphql"),
            (&["b.example"], "http://a.example/graphql"),
            (&["a.example:81"], "http://a.example/graphql"),
            (&["a.example:80"], "https://a.example/graphql"),
        ];
        for (hosts, uri) in refused {
            assert!(is_refused(hosts, uri), "{hosts:?} {uri}");
        }
    }
}
