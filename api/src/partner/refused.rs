//! A refusal in front of GraphQL, and of files, as the partner reads it.

use std::time::Duration;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use cross_border::exchange::{Refusal, RefusalCode};
use serde_json::json;

/// What a signature must cover and say, in the form of RFC 9421 section 5.1.
const ACCEPT_SIGNATURE: &str = "baycase=(\"@method\" \"@target-uri\" \"content-digest\" \"content-type\")\
                                ;created;expires;nonce;keyid;alg;tag=\"baycase-partner\"";

/// Seconds to wait where nothing better is known.
const PAUSE: Duration = Duration::from_secs(5);

/// The answer that tells a refusal: the same form as an error of GraphQL, so that a client reads one form everywhere.
pub(super) fn answer(refusal: &Refusal, request_id: &str, wait: Option<Duration>) -> Response {
    let error = json!({
        "message": refusal.message,
        "extensions": {
            "code": refusal.code.code(),
            "retryable": refusal.code.is_retryable(),
            "requestId": request_id,
        },
    });
    let body = json!({ "errors": [error] }).to_string();
    let status = status(refusal.code);
    let headers = [(CONTENT_TYPE, "application/json; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    let mut response = (status, headers, body).into_response();
    let headers = response.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Signature realm=\"baycase-partner\""));
        headers.insert(HeaderName::from_static("accept-signature"), HeaderValue::from_static(ACCEPT_SIGNATURE));
    }
    if let Some(wait) = wait {
        headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
    }
    add_pause(&mut response);
    response
}

/// Says when to come again, where an answer asks for quiet and does not say for how long.
pub(super) fn add_pause(response: &mut Response) {
    if matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        response.headers_mut().entry(RETRY_AFTER).or_insert_with(|| HeaderValue::from(whole_seconds(PAUSE)));
    }
}

/// Seconds, rounded up: who waits as told is served.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0))
}

/// The HTTP status of a refusal.
pub(super) const fn status(code: RefusalCode) -> StatusCode {
    match code {
        RefusalCode::SignatureMissing
        | RefusalCode::BadSignature
        | RefusalCode::SignatureExpired
        | RefusalCode::NonceReplayed
        | RefusalCode::UnknownKey
        | RefusalCode::KeyNotValid
        | RefusalCode::TamperedBody => StatusCode::UNAUTHORIZED,
        RefusalCode::CertificateRefused
        | RefusalCode::WrongSender
        | RefusalCode::ForeignReferral
        | RefusalCode::WrongSide
        | RefusalCode::NoAgreement
        | RefusalCode::ConsentMissing => StatusCode::FORBIDDEN,
        RefusalCode::UnknownReferral | RefusalCode::EvidenceNotFound => StatusCode::NOT_FOUND,
        RefusalCode::Timeout => StatusCode::REQUEST_TIMEOUT,
        RefusalCode::Equivocation
        | RefusalCode::BrokenChain
        | RefusalCode::TooFarAhead
        | RefusalCode::SeenUnknown
        | RefusalCode::EvidenceUnannounced => StatusCode::CONFLICT,
        RefusalCode::Erased => StatusCode::GONE,
        RefusalCode::BodyTooLarge | RefusalCode::EvidenceTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        RefusalCode::EvidenceType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        RefusalCode::WrongRecipient => StatusCode::MISDIRECTED_REQUEST,
        RefusalCode::EvidenceDigest | RefusalCode::EvidenceInfected | RefusalCode::BadStatement => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        RefusalCode::VersionUnsupported | RefusalCode::Invalid | RefusalCode::UnknownCode => StatusCode::BAD_REQUEST,
        RefusalCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        RefusalCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        RefusalCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_has_a_status_that_clients_repeat_by() {
        for code in RefusalCode::ALL {
            let status = status(*code);
            assert!(status.is_client_error() || status.is_server_error(), "{code}");
            // What a generic client repeats by the status alone must be worth it.
            if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
                assert!(code.is_retryable(), "{code}");
            }
        }
    }

    #[test]
    fn an_answer_says_how_to_sign_and_when_to_come_again() {
        let header = |code: RefusalCode, wait: Option<Duration>, name: &str| {
            let response = answer(&Refusal::new(code, "no"), "r", wait);
            response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
        };
        assert!(header(RefusalCode::SignatureMissing, None, "accept-signature").unwrap().starts_with("baycase=("));
        assert!(header(RefusalCode::UnknownKey, None, "www-authenticate").is_some());
        assert_eq!(header(RefusalCode::SignatureMissing, None, "retry-after"), None);
        let wait = Some(Duration::from_millis(1_001));
        assert_eq!(header(RefusalCode::RateLimited, wait, "retry-after").as_deref(), Some("2"));
        assert_eq!(header(RefusalCode::RateLimited, Some(Duration::from_secs(3)), "retry-after").as_deref(), Some("3"));
        assert_eq!(header(RefusalCode::Unavailable, None, "retry-after").as_deref(), Some("5"));
        assert_eq!(header(RefusalCode::RateLimited, None, "accept-signature"), None);
    }
}
