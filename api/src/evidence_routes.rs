//! Files of evidence for our own officers: `PUT` and `GET /evidence/{referral}/{digest}`, with a bearer token.
//!
//! A file is announced first (`announceEvidence`), with its digest, length and kind; what is put must be exactly that.
//! Whoever may see the referral's content may fetch it. The bytes go past GraphQL, because they are no JSON.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::put;
use axum::{Json, Router};
use cross_border::council::Caller;
use cross_border::exchange::{Digest, EvidenceItem, ScanState};
use cross_border::referral::ReferralId;
use event_log::execute::Issue;
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::auth::bearer_token;
use crate::edge::body::Unread;
use crate::edge::{Gatekeeper as _, Presented, Refusal};
use crate::gatekeeper::TokenGate;
use crate::graphql::authority::Authority;
use crate::graphql::error::{ApiError, Code};
use crate::graphql::referral::folded::Folded;
use crate::graphql::referral::rights::{Deed, content_of, may_do, may_look};
use crate::intake::{self, NoPlace, Places};

/// Where files are served; behind it come the referral and the digest.
pub const EVIDENCE_PATH: &str = "/evidence";
/// Time to read a file.
const FILE_TIMEOUT: Duration = Duration::from_secs(120);
/// Files in memory at once; one more is answered with `UNAVAILABLE`.
const FILES_MAX: usize = 16;
/// Files of one account among them, so that nobody's slow connection holds up all others; one more is answered with
/// `RATE_LIMITED`.
const FILES_PER_CALLER_MAX: usize = 4;

/// What both handlers work with.
#[derive(Debug)]
struct Files {
    app: App,
    gate: Arc<TokenGate>,
    places: Places,
}

/// The routes of files.
pub fn router(app: App, gate: Arc<TokenGate>) -> Router {
    let path = format!("{EVIDENCE_PATH}/{{referral}}/{{digest}}");
    let files = Arc::new(Files { app, gate, places: Places::new(FILES_MAX, FILES_PER_CALLER_MAX) });
    Router::new().route(&path, put(bring).get(fetch)).with_state(files)
}

type Named = Path<(String, String)>;

async fn bring(State(files): State<Arc<Files>>, named: Named, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    match Box::pin(files.bring(&named, &parts, body)).await {
        Ok((item, scan)) => {
            let answer = json!({
                "digest": item.digest.as_str(),
                "bytes": item.bytes,
                "media": item.media,
                "stored": true,
                "scan": scan.code(),
            });
            ([(CACHE_CONTROL, "no-store")], Json(answer)).into_response()
        }
        Err(fault) => fault.into_response(),
    }
}

async fn fetch(State(files): State<Arc<Files>>, named: Named, request: axum::extract::Request) -> Response {
    let (parts, _body) = request.into_parts();
    Box::pin(files.fetch(&named, &parts)).await.unwrap_or_else(IntoResponse::into_response)
}

impl Files {
    /// Who asks, within the rate.
    async fn authority(&self, parts: &Parts) -> Result<Authority, Fault> {
        let credential = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let presented = Presented { bearer: bearer_token(credential).ok(), extensions: &parts.extensions };
        let admitted = self.gate.authenticate(presented).await?;
        self.gate.charge(&admitted.principal, 1).await?;
        Ok(Authority::of(&admitted.principal, &self.app.models)?)
    }

    async fn bring(
        &self,
        named: &(String, String),
        parts: &Parts,
        body: Body,
    ) -> Result<(EvidenceItem, ScanState), Fault> {
        let authority = self.authority(parts).await?;
        let (id, digest) = names(named)?;
        let folded = Folded::seen_by(&self.app, &authority, id).await?;
        may_do(&authority, Deed::Prepare, &folded.transfer.drafted.council)?;
        let own = folded.transfer.own_side();
        if folded.transfer.evidence.get(&digest).is_none_or(|known| known.side != own) {
            return Err(unannounced().into());
        }
        let _place = self.places.take(&authority.principal.subject)?;
        let bytes = intake::read(body, self.app.council.evidence.limits().bytes_max, FILE_TIMEOUT).await?;
        let caller = Caller {
            unit: &authority.unit.id,
            actor: &authority.principal.subject,
            issue: Issue { traceparent: crate::telemetry::current_traceparent().map(Into::into), ..Issue::default() },
        };
        let put_in = Box::pin(self.app.council.put_in(id, &digest, &caller, bytes)).await;
        let (item, scan) = put_in.map_err(ApiError::from)?;
        tracing::info!(referral.id = %id, evidence.digest = %digest, "Stored a file of referral `{id}`");
        Ok((item, scan))
    }

    async fn fetch(&self, named: &(String, String), parts: &Parts) -> Result<Response, Fault> {
        let authority = self.authority(parts).await?;
        let (id, digest) = names(named)?;
        let folded = Folded::seen_by(&self.app, &authority, id).await?;
        may_look(&authority, content_of(&folded.transfer))?;
        let known = folded.transfer.evidence.get(&digest).ok_or_else(unannounced)?;
        let place = self.places.take(&authority.principal.subject)?;
        let (item, bytes) = Box::pin(self.app.council.file(id, &digest)).await.map_err(ApiError::from)?;
        // Who read which file, never what stands in it.
        let (actor, unit) = (&authority.principal.subject, &authority.unit.id);
        tracing::info!(
            referral.id = %id,
            evidence.digest = %digest,
            actor,
            unit.id = %unit,
            "Gave out a file of referral `{id}`"
        );
        Ok(file(&item.media, known.scan, bytes).map(|body| place.held_by(body)))
    }
}

fn names(named: &(String, String)) -> Result<(ReferralId, Digest), ApiError> {
    let (referral, digest) = named;
    let id =
        ReferralId::parse(referral).map_err(|error| ApiError::invalid(format!("the id of the referral: {error}")))?;
    let digest =
        Digest::parse(digest).map_err(|error| ApiError::invalid(format!("the digest of the file: {error}")))?;
    Ok((id, digest))
}

fn unannounced() -> ApiError {
    ApiError::new(Code::EvidenceUnannounced, "no such file was announced for this referral; `announceEvidence` does")
}

/// The bytes of a file, in a form that no browser opens.
fn file(media: &str, scan: ScanState, bytes: Vec<u8>) -> Response {
    let media = HeaderValue::from_str(media);
    let media = media.unwrap_or_else(|_error| HeaderValue::from_static("application/octet-stream"));
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, media);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("x-evidence-scan"), HeaderValue::from_static(scan.code()));
    response
}

/// Why a file was not taken or given, in the form of a GraphQL error.
#[derive(Debug)]
struct Fault {
    status: StatusCode,
    code: &'static str,
    message: String,
    details: Vec<(&'static str, Value)>,
}

impl From<ApiError> for Fault {
    fn from(error: ApiError) -> Self {
        let ApiError { code, message, details } = error;
        Self { status: status(code), code: code.as_str(), message, details }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let Refusal { status, code, message } = refusal;
        Self { status, code, message, details: Vec::new() }
    }
}

impl From<NoPlace> for Fault {
    fn from(no_place: NoPlace) -> Self {
        let error = match no_place {
            NoPlace::ShareTaken => ApiError::new(
                Code::RateLimited,
                format!("{FILES_PER_CALLER_MAX} files of this account are on their way; let one of them end first"),
            ),
            NoPlace::AllTaken => ApiError::new(Code::Unavailable, "too many files are on their way; try again"),
        };
        error.into()
    }
}

impl From<Unread> for Fault {
    fn from(unread: Unread) -> Self {
        let (status, code, message) = match unread {
            Unread::TooLong => {
                return ApiError::new(Code::EvidenceTooLarge, "the file has more bytes than allowed").into();
            }
            Unread::TooSlow => (StatusCode::REQUEST_TIMEOUT, "TIMEOUT", "the file came too slowly, or took too long"),
            Unread::Broken => (StatusCode::BAD_REQUEST, "BAD_REQUEST", "the file could not be read"),
        };
        Self { status, code, message: message.to_owned(), details: Vec::new() }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut extensions: Map<String, Value> =
            self.details.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        extensions.insert("code".to_owned(), self.code.into());
        let body = json!({ "errors": [{ "message": self.message, "extensions": extensions }] });
        let mut response = (self.status, [(CACHE_CONTROL, "no-store")], Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

const fn status(code: Code) -> StatusCode {
    match code {
        Code::Forbidden => StatusCode::FORBIDDEN,
        Code::NotFound | Code::EvidenceUnannounced | Code::EvidenceNotFound => StatusCode::NOT_FOUND,
        Code::InvalidInput => StatusCode::BAD_REQUEST,
        Code::EvidenceTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::EvidenceType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::Erased => StatusCode::GONE,
        Code::NotAllowedNow | Code::StaleRevision | Code::CommandReused | Code::AlreadyExists => StatusCode::CONFLICT,
        Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Code::NotYet | Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Code::UnknownUnit
        | Code::UnknownRegion
        | Code::UnknownRule
        | Code::UnknownPartner
        | Code::TimeOutOfRange
        | Code::RuleViolated
        | Code::GatesShut
        | Code::NoSigningKey
        | Code::SameApprover
        | Code::NoAgreement
        | Code::EvidenceDigest
        | Code::EvidenceInfected => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_status_of_a_failure() {
        for code in Code::ALL {
            assert!(status(*code).is_client_error() || status(*code).is_server_error(), "{}", code.as_str());
        }
    }

    #[tokio::test]
    async fn a_fault_has_the_form_of_a_graphql_error() {
        let fault = Fault::from(ApiError::not_found("referral").with("hint", json!("ask again")));
        let response = fault.into_response();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        let body = axum::body::to_bytes(response.into_body(), 4_096).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["errors"][0]["extensions"], json!({"code": "NOT_FOUND", "hint": "ask again"}));
        let stranger = Fault::from(Refusal {
            status: StatusCode::UNAUTHORIZED,
            code: "UNAUTHENTICATED",
            message: "no token".to_owned(),
        });
        assert_eq!(stranger.into_response().headers()["www-authenticate"], "Bearer");
    }

    #[test]
    fn who_has_its_share_on_the_way_is_told_apart_from_a_busy_server() {
        let places = Places::new(FILES_MAX, FILES_PER_CALLER_MAX);
        let refused = |caller: &str| Fault::from(places.take(caller).unwrap_err());
        let eager: Vec<_> = (0..FILES_PER_CALLER_MAX).map(|_| places.take("officer-1").unwrap()).collect();
        let fault = refused("officer-1");
        assert_eq!((fault.status, fault.code), (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED"));
        assert!(fault.message.contains("let one of them end first"), "{}", fault.message);
        let callers = (FILES_PER_CALLER_MAX..FILES_MAX).map(|number| format!("officer-{}", number + 2));
        let others: Vec<_> = callers.map(|caller| places.take(&caller).unwrap()).collect();
        let fault = refused("officer-2");
        assert_eq!((fault.status, fault.code), (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"));
        drop(others);
        assert!(places.take("officer-2").is_ok());
        drop(eager);
    }

    #[test]
    fn a_file_is_not_opened_by_browsers() {
        let response = file("image/jpeg", ScanState::Clean, vec![1, 2, 3]);
        let header = |name: &str| response.headers()[name].to_str().unwrap();
        assert_eq!((header("content-type"), header("content-disposition")), ("image/jpeg", "attachment"));
        assert_eq!((header("x-content-type-options"), header("x-evidence-scan")), ("nosniff", "clean"));
        assert_eq!(file("a\nb", ScanState::Clean, Vec::new()).headers()["content-type"], "application/octet-stream");
    }

    #[test]
    fn a_name_that_is_none_is_told() {
        let good = ("7c9e6679-7425-50de-944b-e07fc1f90ae7".to_owned(), "a".repeat(64));
        assert!(names(&good).is_ok());
        for bad in [("x".to_owned(), "a".repeat(64)), (good.0.clone(), "A".repeat(64))] {
            assert_eq!(names(&bad).unwrap_err().code, Code::InvalidInput);
        }
    }
}
