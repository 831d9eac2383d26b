//! What can go wrong between us and a partner, told apart as far as it matters for what happens next.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::delivery::resolver::ResolveError;
use crate::delivery::vocabulary::FailureCode;
use crate::exchange::{Digest, RefusalCode};
use crate::partner::PartnerId;

/// Why there can be no client for a partner; the configuration must be changed.
#[derive(Debug, Error)]
pub enum ClientError {
    #[error("`{partner}` has no endpoint")]
    NoEndpoint { partner: PartnerId },
    #[error("the endpoint of `{partner}` is not an address that may be used: {what}")]
    Endpoint { partner: PartnerId, what: &'static str },
    #[error("the certificates of `{partner}` in {path} cannot be read")]
    CaFile {
        partner: PartnerId,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} holds no certificate for `{partner}`")]
    NoCertificate { partner: PartnerId, path: PathBuf },
    #[error("our certificate and its key cannot be used")]
    Identity(#[source] reqwest::Error),
    #[error("no client can be made for `{partner}`")]
    Build {
        partner: PartnerId,
        #[source]
        source: reqwest::Error,
    },
}

/// Why an exchange with a partner did not bring what it was for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the exchange with the partner failed: {code}")]
pub struct CallError {
    pub code: FailureCode,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// A code of the contract or a short text of ours; never what a partner sent.
    pub detail: Option<String>,
    /// The partner's typed refusal.
    pub refusal: Option<RefusalCode>,
    /// What the partner asked for in `Retry-After`; not bounded yet.
    pub retry_after: Option<Duration>,
    /// The digest of the answer's body, where there was one.
    pub body: Option<Digest>,
    /// The innermost cause in the words of the system or the TLS library: for the log of the program, kept nowhere.
    pub cause: Option<String>,
}

impl CallError {
    /// A failure of this kind of which nothing else is known.
    #[must_use]
    pub const fn new(code: FailureCode) -> Self {
        Self { code, status: None, detail: None, refusal: None, retry_after: None, body: None, cause: None }
    }

    /// A typed refusal. One for asking too often is told apart, because the partner is well.
    #[must_use]
    pub fn refused(refusal: RefusalCode) -> Self {
        let code = if refusal == RefusalCode::RateLimited { FailureCode::RateLimited } else { FailureCode::Refused };
        Self { detail: Some(refusal.code().to_owned()), refusal: Some(refusal), ..Self::new(code) }
    }

    /// The same with the digest of the body that was answered.
    #[must_use]
    pub fn with_body(self, digest: Digest) -> Self {
        Self { body: Some(digest), ..self }
    }

    /// The same with a short text of ours.
    #[must_use]
    pub fn with_detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// The same failure where a file was sent: what the partner has against the file is about the evidence. What has
    /// to do with the way there stays as it is.
    #[must_use]
    pub(super) fn about_evidence(self) -> Self {
        let about = match self.code {
            FailureCode::Refused => !self.refusal.is_some_and(is_about_the_channel),
            FailureCode::ServerError => self.status.is_some_and(|status| (400..500).contains(&status)),
            _ => false,
        };
        if about { Self { code: FailureCode::Evidence, ..self } } else { self }
    }

    /// Whether the same again may succeed. What a partner holds against the message itself it will hold against it
    /// for ever; everything else may pass.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self.refusal {
            // A file can be refused while the announcement of it is still on its way.
            Some(RefusalCode::EvidenceUnannounced) => true,
            Some(refusal) => refusal.is_retryable() || is_about_the_channel(refusal),
            None => !matches!(self.code, FailureCode::Erased | FailureCode::Lapsed),
        }
    }

    /// Whether it tells that the partner is not well and better left alone for a while.
    #[must_use]
    pub fn counts_against_the_partner(&self) -> bool {
        match self.code {
            FailureCode::Connect
            | FailureCode::Timeout
            | FailureCode::Tls
            | FailureCode::PrivateAddress
            | FailureCode::Redirect
            | FailureCode::TooLarge
            | FailureCode::NotJson
            | FailureCode::NoReceipt
            | FailureCode::BadReceipt
            | FailureCode::ServerError
            | FailureCode::Endless => true,
            FailureCode::Refused | FailureCode::Evidence => {
                matches!(self.refusal, Some(RefusalCode::Unavailable | RefusalCode::Internal | RefusalCode::Timeout))
            }
            FailureCode::RateLimited
            | FailureCode::Unsigned
            | FailureCode::Erased
            | FailureCode::NoPeer
            | FailureCode::Lapsed => false,
        }
    }

    /// Whether somebody should look at it: no honest partner in good order answers like this.
    #[must_use]
    pub const fn is_suspicious(&self) -> bool {
        match self.code {
            FailureCode::Redirect
            | FailureCode::TooLarge
            | FailureCode::NotJson
            | FailureCode::NoReceipt
            | FailureCode::BadReceipt
            | FailureCode::PrivateAddress
            | FailureCode::Endless => true,
            FailureCode::Connect
            | FailureCode::Timeout
            | FailureCode::Tls
            | FailureCode::Refused
            | FailureCode::ServerError
            | FailureCode::RateLimited
            | FailureCode::Evidence
            | FailureCode::Unsigned
            | FailureCode::Erased
            | FailureCode::NoPeer
            | FailureCode::Lapsed => false,
        }
    }
}

/// Refusals of the request, not of what it says: a clock that is off, a key that the partner has not entered yet, a
/// request that a bad line brought twice. They pass when the cause does, and the next request is signed anew.
const fn is_about_the_channel(refusal: RefusalCode) -> bool {
    matches!(
        refusal,
        RefusalCode::SignatureMissing
            | RefusalCode::BadSignature
            | RefusalCode::SignatureExpired
            | RefusalCode::NonceReplayed
            | RefusalCode::UnknownKey
            | RefusalCode::KeyNotValid
            | RefusalCode::TamperedBody
            | RefusalCode::CertificateRefused
    )
}

/// How far an exchange had come when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// No answer had begun.
    Asking { https: bool },
    /// The head of the answer was there.
    Reading { status: u16 },
}

/// Tells what an error of the HTTP client is.
pub(super) fn classify(error: &reqwest::Error, stage: Stage) -> CallError {
    let status = match stage {
        Stage::Asking { .. } => None,
        Stage::Reading { status } => Some(status),
    };
    let code = match stage {
        _ if causes(error).any(is_private_address) => FailureCode::PrivateAddress,
        Stage::Asking { .. } if error.is_timeout() => FailureCode::Timeout,
        Stage::Reading { .. } if error.is_timeout() => FailureCode::Endless,
        Stage::Asking { https: true } if causes(error).any(is_tls) => FailureCode::Tls,
        Stage::Asking { .. } if error.is_redirect() => FailureCode::Redirect,
        Stage::Asking { .. } | Stage::Reading { .. } => FailureCode::Connect,
    };
    // The kind alone is kept: a longer text, of a certificate for example, can hold what the partner sent.
    let detail = causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).last();
    let detail = detail.map(|error| error.kind().to_string());
    let cause = causes(error).last().map(ToString::to_string);
    CallError { status, detail, cause, ..CallError::new(code) }
}

/// An error and everything that it came of, the innermost cause last.
///
/// An I/O error passes over what it carries when it is asked for its source, and a connection wraps a failed handshake
/// in two of them; so what it carries is looked at.
pub fn causes<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = match error.downcast_ref::<io::Error>() {
            Some(error) => error.get_ref().map(|carried| carried as &(dyn StdError + 'static)),
            None => error.source(),
        };
        Some(error)
    })
}

/// Whether a cause is that a partner's name leads into a network that it must not lead into.
#[must_use]
pub fn is_private_address(cause: &(dyn StdError + 'static)) -> bool {
    matches!(cause.downcast_ref::<ResolveError>(), Some(ResolveError::Private(_)))
}

/// Whether the TLS library refused: a certificate, a version, or what is no TLS at all.
fn is_tls(cause: &(dyn StdError + 'static)) -> bool {
    cause.is::<rustls::Error>()
}
