//! The signature of one request (RFC 9421), in the one profile that councils use with each other.
//!
//! Label `baycase`, tag `baycase-partner`. Covered, in this order: `@method`, `@target-uri`, `content-digest`, and with
//! a body `content-type`. The parameters `created`, `expires`, `nonce`, `keyid`, `alg` and `tag`, all of them and no
//! other, in any order. A request without a body is signed with the digest of nothing, so that none can be slipped in.
//!
//! The structured fields are read and the components written by `httpsig`. The text that is signed is put together
//! here: the library orders the parameters as it likes, and forgets those it does not know, while section 2.5 wants
//! them as they stand in the field.

mod base;
mod field;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, HeaderValue, Method};
use httpsig::prelude::HttpSignatureParams;
use thiserror::Error;

use self::base::{Parts, is_target};
use self::field::Fields;
use crate::exchange::refusal::RefusalCode;
use crate::trust::TrustError;
use crate::trust::key::{KeyId, SigningKey, VerifyingKey};
use crate::trust::suite::{Suite, suite};

/// The name of our signature among those of a request.
pub const LABEL: &str = "baycase";
/// What our signatures are for.
pub const TAG: &str = "baycase-partner";
/// Seconds for which our own signatures are valid.
pub const LIFE_SECONDS: i64 = 120;
/// Longest life of a signature that is accepted, in seconds: so long must its nonce be remembered.
pub const LIFE_SECONDS_MAX: i64 = 300;
/// Seconds by which the clock of a partner may be ahead of ours.
pub const SKEW_SECONDS: i64 = 30;
/// Shortest nonce in characters: room for as many random bits as make guesses and chance repeats hopeless.
pub const NONCE_CHARS_MIN: usize = 16;
/// Longest nonce in characters.
pub const NONCE_CHARS_MAX: usize = 128;
/// Random bytes of a nonce that we draw.
const NONCE_BYTES: usize = 16;

/// What a signed request carries beside its other headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeaders {
    /// The value of `Content-Digest` (RFC 9530).
    pub content_digest: String,
    /// The value of `Signature-Input`.
    pub signature_input: String,
    /// The value of `Signature`.
    pub signature: String,
}

/// Signs a request for the next [`LIFE_SECONDS`] with a nonce that was never used before ([`draw_nonce`]).
///
/// `target` is the whole URL as the partner knows it. The content type of a request without a body is not covered.
///
/// # Errors
/// The request does not fit the profile, or the key could not sign.
pub fn sign_request(
    key: &SigningKey,
    method: &Method,
    target: &str,
    content_type: Option<&str>,
    body: &[u8],
    now: DateTime<Utc>,
    nonce: &str,
) -> Result<SignedHeaders, TrustError> {
    if !is_nonce(nonce) {
        return Err(TrustError::Request("its nonce is too short, too long, or has other characters"));
    }
    if !is_target(target) || has_lower_case(method) {
        return Err(TrustError::Request("its method or target is not one of HTTP"));
    }
    let content_type = content_type.filter(|_| !body.is_empty());
    if content_type.is_none() && !body.is_empty() {
        return Err(TrustError::Request("it has a body and no content type"));
    }
    if content_type.is_some_and(|text| !text.is_ascii() || HeaderValue::from_str(text).is_err() || text.trim() != text)
    {
        return Err(TrustError::Request("its content type is none"));
    }
    let before_1970 = |_error| TrustError::Request("it is made before 1970");
    let created = u64::try_from(now.timestamp()).map_err(before_1970)?;
    let expires = u64::try_from(now.timestamp().saturating_add(LIFE_SECONDS)).map_err(before_1970)?;

    let suite = suite(key.private.suite());
    let content_digest = digest_field(suite, body);
    let parts = Parts { method, target, content_digest: &content_digest, content_type };
    let params = HttpSignatureParams {
        created: Some(created),
        expires: Some(expires),
        nonce: Some(nonce.to_owned()),
        alg: Some(suite.http_algorithm().to_owned()),
        keyid: Some(key.id.to_string()),
        tag: Some(TAG.to_owned()),
        covered_components: parts.covered(),
    };
    let params = params.to_string();
    let signature = suite.sign(&key.private, &parts.signature_base(&params))?;
    Ok(SignedHeaders {
        content_digest,
        signature_input: format!("{LABEL}={params}"),
        signature: format!("{LABEL}=:{}:", STANDARD.encode(signature)),
    })
}

/// Draws a nonce: 128 random bits.
///
/// # Errors
/// No random bytes could be drawn.
pub fn draw_nonce() -> Result<String, TrustError> {
    let mut bytes = [0; NONCE_BYTES];
    rand::fill(&mut bytes).map_err(TrustError::Random)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// A request as it came in.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    pub method: &'a Method,
    /// The whole URL under which the partners know what was called; not what a `Host` header says of it.
    pub target: &'a str,
    pub headers: &'a HeaderMap,
    /// The whole body as it came in.
    pub body: &'a [u8],
}

/// What a signature says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    pub key: KeyId,
    /// In whole seconds.
    pub created: DateTime<Utc>,
    /// The last moment at which it is valid, in whole seconds.
    pub expires: DateTime<Utc>,
    pub nonce: String,
}

/// Reads what the signature claims. Nothing is verified yet: it tells which key to look for.
///
/// # Errors
/// There is no signature, or it does not fit the profile.
pub fn claimed(presented: &Presented<'_>) -> Result<Claimed, RequestRefused> {
    Fields::read(presented).map(|fields| fields.claimed)
}

/// Checks that the request was signed with the key, is fresh, and came in as it was signed.
///
/// That it comes for the first time only [`crate::trust::replay::ReplayTable`] can tell, which is asked after this.
///
/// # Errors
/// What is wrong with the signature or the request.
pub fn verify_request(
    presented: &Presented<'_>,
    key: &VerifyingKey,
    now: DateTime<Utc>,
) -> Result<Claimed, RequestRefused> {
    let Fields { claimed, algorithm, content_digest, content_type, params, signature } = Fields::read(presented)?;
    if claimed.key != key.id {
        return Err(RequestRefused::UnknownKey);
    }
    if !key.is_valid_at(now) {
        return Err(RequestRefused::KeyNotValid);
    }
    let suite = suite(key.public.suite());
    if algorithm != suite.http_algorithm() {
        return Err(RequestRefused::Algorithm);
    }
    check_time(&claimed, now)?;
    let Presented { method, target, body, .. } = *presented;
    let parts = Parts { method, target, content_digest, content_type };
    suite
        .verify(&key.public, &parts.signature_base(&params), &signature)
        .map_err(|_error| RequestRefused::Signature)?;
    // After the signature: only now is it known that the digest is the signer's, and the body is what was changed.
    if content_digest != digest_field(suite, body) {
        return Err(RequestRefused::BodyDigest);
    }
    Ok(claimed)
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RequestRefused {
    #[error("the request is not signed with the label `{LABEL}`")]
    Missing,
    #[error("the signature does not fit the profile: {0}")]
    Malformed(&'static str),
    #[error("the signature must cover the method, the target, the digest of the body, and with a body its type")]
    Components,
    #[error("no council has the key that the signature names")]
    UnknownKey,
    #[error("the key that the signature names is not valid now")]
    KeyNotValid,
    #[error("the algorithm that the signature names is not that of its key")]
    Algorithm,
    #[error("a signature is valid for at most {LIFE_SECONDS_MAX} seconds")]
    TooLongLived,
    #[error("the signature was made in the future; compare the clocks")]
    NotYet,
    #[error("the signature has expired; sign the request anew")]
    Expired,
    #[error("the signature is not the key's over this request")]
    Signature,
    #[error("the body is not the one that was signed")]
    BodyDigest,
    #[error("the signature was used before; sign every request anew, with a new nonce")]
    Replayed,
    #[error("the signature was made before this council started, or in that very second; sign the request anew")]
    BeforeStart,
    #[error("too many signatures are remembered; try again in some minutes")]
    Full,
    #[error("the use of the signature cannot be written down; try again in some minutes")]
    Unkept,
}

impl RequestRefused {
    /// The code that the caller is answered with.
    #[must_use]
    pub fn code(self) -> RefusalCode {
        match self {
            Self::Missing => RefusalCode::SignatureMissing,
            Self::Malformed(_) | Self::Components | Self::Algorithm | Self::TooLongLived | Self::Signature => {
                RefusalCode::BadSignature
            }
            Self::UnknownKey => RefusalCode::UnknownKey,
            Self::KeyNotValid => RefusalCode::KeyNotValid,
            Self::NotYet | Self::Expired => RefusalCode::SignatureExpired,
            Self::BodyDigest => RefusalCode::TamperedBody,
            Self::Replayed => RefusalCode::NonceReplayed,
            // Not the caller's fault, and over soon: a code that says so.
            Self::BeforeStart | Self::Full | Self::Unkept => RefusalCode::Unavailable,
        }
    }
}

fn check_time(claimed: &Claimed, now: DateTime<Utc>) -> Result<(), RequestRefused> {
    let life = claimed.expires.signed_duration_since(claimed.created);
    if life <= TimeDelta::zero() {
        return Err(RequestRefused::Malformed("it expires before it is made"));
    }
    if life > TimeDelta::seconds(LIFE_SECONDS_MAX) {
        return Err(RequestRefused::TooLongLived);
    }
    if claimed.created.signed_duration_since(now) > TimeDelta::seconds(SKEW_SECONDS) {
        return Err(RequestRefused::NotYet);
    }
    if claimed.expires < now {
        return Err(RequestRefused::Expired);
    }
    Ok(())
}

/// The value of `Content-Digest` for a body: one digest, in the algorithm of the suite.
fn digest_field(suite: &dyn Suite, body: &[u8]) -> String {
    format!("{}=:{}:", suite.digest_name(), STANDARD.encode(suite.digest(body)))
}

/// Whether a nonce has a length and characters that need no escape in a structured field.
fn is_nonce(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    (NONCE_CHARS_MIN..=NONCE_CHARS_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

/// Methods are told apart by case, but `httpsig` writes them in upper case: `post` would be signed as `POST`.
fn has_lower_case(method: &Method) -> bool {
    method.as_str().bytes().any(|byte| byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
