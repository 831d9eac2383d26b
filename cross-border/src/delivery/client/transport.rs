//! One exchange over HTTP: signed, timed, and read no further than its bound.

use std::net::IpAddr;
use std::time::Duration;

use http::Method;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::Url;

use super::answer::Answer;
use super::failure::{CallError, ClientError, Stage, classify};
use super::{ClientOptions, Signer};
use crate::delivery::backoff::retry_after;
use crate::delivery::resolver::{GuardedResolver, is_public};
use crate::delivery::vocabulary::FailureCode;
use crate::peer::Peer;
use crate::trust::http_signature::{draw_nonce, sign_request};

const ACCEPT: &str = "application/graphql-response+json, application/json;q=0.9";
const USER_AGENT: &str = concat!("baycase/", env!("CARGO_PKG_VERSION"));

/// A request before it is signed.
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) content_type: Option<&'static str>,
    pub(super) body: Vec<u8>,
    pub(super) timeout: Duration,
    pub(super) response_bytes_max: usize,
}

/// Reads the endpoint of a peer, whose form the directory has checked. What it is spoken to with is checked once more:
/// nothing may go out in clear because somebody made a peer without a directory.
pub(super) fn endpoint(peer: &Peer) -> Result<Url, ClientError> {
    let partner = || peer.id.clone();
    let refused = |what| ClientError::Endpoint { partner: partner(), what };
    let text = peer.endpoint.as_deref().ok_or_else(|| ClientError::NoEndpoint { partner: partner() })?;
    let url = Url::parse(text).map_err(|_error| refused("it is not a URL"))?;
    match url.scheme() {
        "https" => {}
        "http" if peer.allow_plain_http => {}
        _ => return Err(refused("only https may be spoken with this partner")),
    }
    Ok(url)
}

/// The address in a URL that names one instead of a name. The parser has brought every way to write it into one form.
pub(super) fn literal(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Refuses an address that no resolver is asked about.
pub(super) fn check_literal(literal: Option<IpAddr>) -> Result<(), CallError> {
    if literal.is_none_or(is_public) { Ok(()) } else { Err(CallError::new(FailureCode::PrivateAddress)) }
}

/// Builds the HTTP client of a peer: no redirects, no proxies, and a connection of its own for each exchange.
///
/// # Errors
/// The certificates of the peer or our own cannot be read.
pub fn build(
    peer: &Peer,
    endpoint: &Url,
    identity: Option<&[u8]>,
    options: &ClientOptions,
    resolver: GuardedResolver,
) -> Result<reqwest::Client, ClientError> {
    let failed = |source| ClientError::Build { partner: peer.id.clone(), source };
    let https = endpoint.scheme() == "https";
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .http1_only()
        .https_only(https)
        .pool_max_idle_per_host(0)
        .connect_timeout(options.connect_timeout)
        .timeout(options.timeout)
        .dns_resolver(resolver);
    if !https {
        // No certificate will be checked, so those of the system are not needed; there may be none.
        builder = builder.tls_certs_only(Vec::new());
    } else if let Some(path) = &peer.server_ca_file {
        // Whoever names the partner's own authority means that one, and not the hundreds of the system beside it.
        let pem = std::fs::read(path).map_err(|source| ClientError::CaFile {
            partner: peer.id.clone(),
            path: path.clone(),
            source,
        })?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(failed)?;
        if certificates.is_empty() {
            return Err(ClientError::NoCertificate { partner: peer.id.clone(), path: path.clone() });
        }
        builder = builder.tls_certs_only(certificates);
    }
    if let Some(pem) = identity {
        builder = builder.identity(reqwest::Identity::from_pem(pem).map_err(ClientError::Identity)?);
    }
    builder.build().map_err(failed)
}

/// Signs the request, sends it, and reads the answer.
pub(super) async fn send(http: &reqwest::Client, signer: Signer<'_>, outgoing: Outgoing) -> Result<Answer, CallError> {
    let Outgoing { method, url, content_type, body, timeout, response_bytes_max } = outgoing;
    let signed = draw_nonce()
        .and_then(|nonce| sign_request(signer.key, &method, url.as_str(), content_type, &body, signer.now, &nonce))
        .map_err(|error| CallError::new(FailureCode::Unsigned).with_detail(error.to_string()))?;
    let https = url.scheme() == "https";
    let mut request = http
        .request(method, url)
        .timeout(timeout)
        .header("accept", ACCEPT)
        .header("content-digest", signed.content_digest)
        .header("signature-input", signed.signature_input)
        .header("signature", signed.signature);
    if let Some(content_type) = content_type {
        request = request.header(CONTENT_TYPE, content_type).body(body);
    }
    let response = request.send().await.map_err(|error| classify(&error, Stage::Asking { https }))?;
    read(response, signer, response_bytes_max).await
}

async fn read(mut response: reqwest::Response, signer: Signer<'_>, bytes_max: usize) -> Result<Answer, CallError> {
    let status = response.status().as_u16();
    let failed = |code| CallError { status: Some(status), ..CallError::new(code) };
    if response.status().is_redirection() {
        return Err(failed(FailureCode::Redirect));
    }
    // A length that is announced is believed when it is too large; whatever is announced, the bytes are counted.
    if response.content_length().is_some_and(|length| usize::try_from(length).unwrap_or(usize::MAX) > bytes_max) {
        return Err(failed(FailureCode::TooLarge));
    }
    let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = asked.and_then(|value| retry_after(value, signer.now));
    let mut body = Vec::new();
    loop {
        let chunk = response.chunk().await.map_err(|error| classify(&error, Stage::Reading { status }))?;
        let Some(chunk) = chunk else { return Ok(Answer { status, retry_after, body }) };
        if body.len().saturating_add(chunk.len()) > bytes_max {
            return Err(failed(FailureCode::TooLarge));
        }
        body.extend_from_slice(&chunk);
    }
}
