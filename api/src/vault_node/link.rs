//! The way to a vault node: one request and its answer, bounded in time and size.

use std::error::Error;
use std::time::Duration;

use event_log::vault::keys::KeyStoreError;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::wire::{BODY_BYTES_MAX, FaultBody, FaultCode};
use crate::partner::tls::{TlsError, TlsFiles, client_config};

const USER_AGENT: &str = concat!("baycase/", env!("CARGO_PKG_VERSION"));
/// An idle connection that is older may be closed at the other end.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// Why there is no way to a vault node.
#[derive(Debug, Error)]
pub enum LinkError {
    #[error("the certificates towards the vault node cannot be used")]
    Tls(#[source] TlsError),
    #[error("no HTTP client can be built for the vault node")]
    Client(#[source] reqwest::Error),
    #[error("`{0}` is not the address of a vault node")]
    Address(String),
    #[error("the thread that speaks with the vault node cannot be started")]
    Thread(#[source] std::io::Error),
}

/// Why a request has no answer.
#[derive(Debug)]
pub(super) enum CallError {
    /// Nothing came back; whether it was carried out is not known.
    Unreached { reason: String, timed_out: bool },
    /// The vault node does not do it.
    Refused { code: FaultCode, message: String },
    /// Something came back that this program does not know.
    Protocol { what: String },
}

impl CallError {
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Unreached { reason, .. } => reason,
            Self::Refused { message, .. } => message,
            Self::Protocol { what } => what,
        }
    }
}

impl From<CallError> for KeyStoreError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Unreached { reason, .. } => Self::Unavailable { reason },
            CallError::Refused { code: FaultCode::HalfDestroyed, .. } => Self::HalfDestroyed,
            CallError::Refused { code: FaultCode::Lingering, .. } => Self::Lingering,
            CallError::Refused { code: FaultCode::Invalid | FaultCode::NotStandby, message } => {
                Self::Protocol { what: message }
            }
            CallError::Refused { message, .. } => Self::Unavailable { reason: message },
            CallError::Protocol { what } => Self::Protocol { what },
        }
    }
}

/// Builds the client for one or more vault nodes. With files it shows a certificate and demands one of the authority;
/// without, it speaks plain HTTP, which the configuration allows on this machine alone.
pub(super) fn client(files: Option<&TlsFiles>, timeout: Duration) -> Result<Client, LinkError> {
    let builder = Client::builder()
        .user_agent(USER_AGENT)
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .http1_only()
        .pool_idle_timeout(IDLE_TIMEOUT)
        .connect_timeout(timeout)
        .timeout(timeout);
    let builder = match files {
        Some(files) => builder.tls_backend_preconfigured(client_config(files).map_err(LinkError::Tls)?),
        // No certificate will be checked, so those of the system are not needed; there may be none.
        None => builder.tls_certs_only(Vec::new()),
    };
    builder.build().map_err(LinkError::Client)
}

/// One vault node.
#[derive(Debug, Clone)]
pub(super) struct Link {
    http: Client,
    base: Url,
}

impl Link {
    pub(super) fn new(http: Client, url: &str) -> Result<Self, LinkError> {
        let base = Url::parse(url).map_err(|_error| LinkError::Address(url.to_owned()))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(LinkError::Address(url.to_owned()));
        }
        Ok(Self { http, base })
    }

    /// Where it is.
    pub(super) fn place(&self) -> &str {
        self.base.as_str()
    }

    /// Sends one request and reads its answer.
    pub(super) async fn call<A: Serialize, B: DeserializeOwned>(&self, path: &str, ask: &A) -> Result<B, CallError> {
        let unwritten = |error: serde_json::Error| CallError::Protocol { what: error.to_string() };
        let body = serde_json::to_vec(ask).map_err(unwritten)?;
        let url = self.base.join(path).map_err(|error| CallError::Protocol { what: error.to_string() })?;
        let request = self.http.post(url).header(CONTENT_TYPE, "application/json").body(body);
        // Boxed: reqwest's futures are large, and this one is held by many others.
        let (status, answer) = Box::pin(async {
            let response = request.send().await.map_err(|error| unreached(&error))?;
            let status = response.status();
            Ok::<_, CallError>((status, read(response).await?))
        })
        .await?;
        if status.is_success() {
            // What came may hold keys: the parser's words name its form and not its content.
            return serde_json::from_slice(&answer).map_err(|error| CallError::Protocol {
                what: format!("an answer that cannot be read, at line {} column {}", error.line(), error.column()),
            });
        }
        let fault: Option<FaultBody> = serde_json::from_slice(&answer).ok();
        let known = fault.and_then(|fault| Some((FaultCode::parse(&fault.code)?, fault.message)));
        Err(match known {
            Some((code, message)) => CallError::Refused { code, message },
            None => CallError::Protocol { what: format!("status {status}") },
        })
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, CallError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreached(&error))? {
        if body.len().saturating_add(chunk.len()) > BODY_BYTES_MAX {
            return Err(CallError::Protocol { what: format!("an answer of more than {BODY_BYTES_MAX} bytes") });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The innermost cause says most: a refused connection, a certificate that nobody vouches for.
fn unreached(error: &reqwest::Error) -> CallError {
    let mut cause: &(dyn Error + 'static) = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let timed_out = error.is_timeout();
    let reason = if timed_out { "it did not answer in time".to_owned() } else { cause.to_string() };
    CallError::Unreached { reason, timed_out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_none_is_named() {
        let http = client(None, Duration::from_secs(1)).unwrap();
        for wrong in ["", "vault:8460", "ftp://vault", "not an address"] {
            let error = Link::new(http.clone(), wrong).unwrap_err();
            assert!(matches!(&error, LinkError::Address(text) if text == wrong), "{error:?}");
        }
        assert_eq!(Link::new(http, "http://127.0.0.1:8460").unwrap().place(), "http://127.0.0.1:8460/");
    }

    #[test]
    fn a_refusal_says_whether_asking_again_helps() {
        let of = |code| KeyStoreError::from(CallError::Refused { code, message: "words".to_owned() });
        assert!(matches!(of(FaultCode::HalfDestroyed), KeyStoreError::HalfDestroyed));
        assert!(matches!(of(FaultCode::Lingering), KeyStoreError::Lingering));
        for code in [FaultCode::NotPrimary, FaultCode::NotInStep, FaultCode::StandbyUnavailable, FaultCode::File] {
            assert!(matches!(of(code), KeyStoreError::Unavailable { .. }), "{code:?}");
        }
        for code in [FaultCode::Invalid, FaultCode::NotStandby] {
            assert!(matches!(of(code), KeyStoreError::Protocol { .. }), "{code:?}");
        }
    }
}
