//! Files between councils: brought with PUT, fetched with GET, each named by the referral and the digest of its bytes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::put;
use axum::{Extension, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cross_border::council::Council;
use cross_border::exchange::{Digest, EvidenceItem, Refusal, RefusalCode, ScanState, SharedId};
use cross_border::security::Refused;
use serde_json::json;

use super::{EVIDENCE_PATH, PartnerCaller, refused};
use crate::edge::{self, RequestId};

#[derive(Clone)]
struct Files {
    council: Arc<Council>,
    bytes_max: usize,
}

/// The route of files.
pub(super) fn routes(council: Arc<Council>, bytes_max: usize) -> Router {
    let path = format!("{EVIDENCE_PATH}/{{referral}}/{{digest}}");
    let methods = put(bring).get(fetch).fallback(edge::other_method);
    Router::new().route(&path, methods).with_state(Files { council, bytes_max })
}

/// Who asks for which file, and under which request.
type Named = (Path<(String, String)>, Extension<PartnerCaller>, Extension<RequestId>);

/// Takes a file that the partner has announced.
async fn bring(State(files): State<Files>, (path, caller, request): Named, body: Body) -> Response {
    match files.bring(&path, &caller, &request, body).await {
        Ok((digest, scan)) => {
            let headers = [(CACHE_CONTROL, "no-store")];
            (headers, Json(json!({ "digest": digest.as_str(), "stored": true, "scan": scan.code() }))).into_response()
        }
        Err(refusal) => refused::answer(&refusal, &request.0.0, None),
    }
}

/// Gives a file of a referral that is between the partner and us, whichever of the two announced it.
async fn fetch(State(files): State<Files>, (path, caller, request): Named) -> Response {
    match files.fetch(&path, &caller, &request).await {
        Ok((item, bytes)) => file(&item.media, &item.digest, bytes),
        Err(refusal) => refused::answer(&without_others(refusal), &request.0.0, None),
    }
}

impl Files {
    async fn bring(
        &self,
        path: &(String, String),
        caller: &PartnerCaller,
        request: &RequestId,
        body: Body,
    ) -> Result<(Digest, ScanState), Refusal> {
        let (referral, digest) = self.named(path, caller, request, "PUT").await?;
        // The guard has read it within the same bound: what comes here is in memory.
        let bytes = axum::body::to_bytes(body, self.bytes_max)
            .await
            .map_err(|_error| Refusal::new(RefusalCode::EvidenceTooLarge, "the file could not be read again"))?;
        // Boxed: what takes a file in is a large future.
        let taken = Box::pin(self.council.receive_evidence(&caller.partner, referral, &digest, bytes.into()));
        let scan = taken.await?;
        Ok((digest, scan))
    }

    async fn fetch(
        &self,
        path: &(String, String),
        caller: &PartnerCaller,
        request: &RequestId,
    ) -> Result<(EvidenceItem, Vec<u8>), Refusal> {
        let (referral, digest) = self.named(path, caller, request, "GET").await?;
        Box::pin(self.council.serve_evidence(&caller.partner, referral, &digest)).await
    }

    /// Reads the names of the path.
    async fn named(
        &self,
        path: &(String, String),
        caller: &PartnerCaller,
        request: &RequestId,
        method: &str,
    ) -> Result<(SharedId, Digest), Refusal> {
        let (referral, digest) = path;
        let refusal = match (SharedId::parse(referral), Digest::parse(digest)) {
            (Ok(referral), Ok(digest)) => return Ok((referral, digest)),
            (Err(error), _) => Refusal::new(RefusalCode::Invalid, format!("the id of the referral: {error}")),
            (_, Err(error)) => Refusal::new(RefusalCode::Invalid, format!("the digest of the file: {error}")),
        };
        let refused = Refused {
            code: refusal.code.code().to_owned(),
            partner: Some(caller.partner.clone()),
            key: Some(caller.key.to_string()),
            what: format!("{method} {EVIDENCE_PATH} under a name that is none"),
            digest: Some(caller.body.clone()),
            request_id: Some(request.0.clone()),
        };
        self.council.journal.record(refused).await;
        Err(refusal)
    }
}

/// A reader is not told that a referral exists between others.
fn without_others(refusal: Refusal) -> Refusal {
    if refusal.code != RefusalCode::ForeignReferral {
        return refusal;
    }
    Refusal::new(RefusalCode::UnknownReferral, "there is no referral with that id between your council and ours")
}

/// The bytes of a file, in a form that no browser opens.
fn file(media: &str, digest: &Digest, bytes: Vec<u8>) -> Response {
    let media =
        HeaderValue::from_str(media).unwrap_or_else(|_error| HeaderValue::from_static("application/octet-stream"));
    let content_digest = HeaderValue::from_str(&content_digest(digest)).ok();
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, media);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(content_digest) = content_digest {
        headers.insert(HeaderName::from_static("content-digest"), content_digest);
    }
    response
}

/// The value of `Content-Digest` (RFC 9530) for bytes of this SHA-256.
fn content_digest(digest: &Digest) -> String {
    let bytes: Vec<u8> = digest
        .as_str()
        .as_bytes()
        .chunks_exact(2)
        .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    format!("sha-256=:{}:", STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_its_digest_and_is_not_opened_by_browsers() {
        let digest = Digest::of(b"abc");
        let response = file("application/pdf", &digest, b"abc".to_vec());
        let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!(header("content-digest"), "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:");
        assert_eq!(header("content-type"), "application/pdf");
        assert_eq!(header("content-disposition"), "attachment");
        assert_eq!(header("x-content-type-options"), "nosniff");
        let odd = file("text/\nplain", &digest, Vec::new());
        assert_eq!(odd.headers()["content-type"], "application/octet-stream");
    }

    #[test]
    fn a_referral_of_others_is_none() {
        let foreign = without_others(Refusal::new(RefusalCode::ForeignReferral, "not yours"));
        assert_eq!(foreign.code, RefusalCode::UnknownReferral);
        let erased = Refusal::new(RefusalCode::Erased, "gone");
        assert_eq!(without_others(erased.clone()), erased);
    }
}
