//! Talks to one partner: fixed documents over HTTPS, every request signed, every answer bounded.
//!
//! A partner is not trusted to behave. Redirects are not followed, proxies of the environment are not used, its name
//! must not lead into our own network, connecting and answering have their times, and reading stops at a bound. Each
//! exchange has a connection of its own: one kept open would outlive the check of the partner's address.

pub mod answer;
pub mod failure;
mod transport;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::Method;
use reqwest::Url;
use serde_json::{Map, Value, json};

use self::answer::{MessagePage, ReceiptPayload};
pub use self::failure::{CallError, ClientError};
use self::transport::Outgoing;
pub use self::transport::build as http_client;
use super::documents::{self, Document};
use super::resolver::{GuardedResolver, Lookup, SystemLookup};
use super::vocabulary::FailureCode;
use crate::exchange::{Digest, MessageKind, RefusalCode, SharedId, SignedMessage, SignedReceipt};
use crate::partner::PartnerId;
use crate::peer::Peer;
use crate::trust::SigningKey;

/// Most messages asked for in one page.
pub const PAGE_MESSAGES_MAX: u32 = 50;

/// The bounds of the exchanges with a partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientOptions {
    /// Longest time of an exchange, from looking up the name to the last byte of the answer.
    pub timeout: Duration,
    /// Longest time until the connection stands.
    pub connect_timeout: Duration,
    /// Longest time of an exchange that carries a file.
    pub evidence_timeout: Duration,
    /// Longest answer in bytes; reading stops there.
    pub response_bytes_max: usize,
    /// Longest answer to a question for messages, which carries a page of them.
    pub page_bytes_max: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(5),
            evidence_timeout: Duration::from_mins(2),
            response_bytes_max: 256 * 1024,
            page_bytes_max: 4 * 1024 * 1024,
        }
    }
}

/// Our certificate and its private key (PEM) for partners that ask for one. Its `Debug` shows nothing of them.
#[derive(Clone)]
pub struct Identity(Vec<u8>);

impl Identity {
    /// A PEM text with the certificate chain and the key, in either order.
    #[must_use]
    pub const fn from_pem(pem: Vec<u8>) -> Self {
        Self(pem)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(..)")
    }
}

/// What a request is signed with, and when.
#[derive(Debug, Clone, Copy)]
pub struct Signer<'a> {
    pub key: &'a SigningKey,
    pub now: DateTime<Utc>,
}

/// A client for one partner.
#[derive(Debug, Clone)]
pub struct PartnerClient {
    partner: PartnerId,
    http: reqwest::Client,
    endpoint: Url,
    /// The address, where the endpoint names one instead of a name: no resolver is asked then.
    literal: Option<IpAddr>,
    allow_private: bool,
    options: ClientOptions,
}

impl PartnerClient {
    /// A client for `peer`, which shows `identity` to servers that ask for a certificate.
    ///
    /// # Errors
    /// The peer has no endpoint that may be used, or its certificates or our own cannot be read.
    pub fn new(peer: &Peer, identity: Option<&Identity>, options: ClientOptions) -> Result<Self, ClientError> {
        Self::with_lookup(peer, identity, options, Arc::new(SystemLookup))
    }

    /// As [`PartnerClient::new`], with names looked up elsewhere.
    ///
    /// # Errors
    /// As there.
    pub fn with_lookup(
        peer: &Peer,
        identity: Option<&Identity>,
        options: ClientOptions,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Self, ClientError> {
        let endpoint = transport::endpoint(peer)?;
        let literal = transport::literal(&endpoint);
        let resolver = GuardedResolver::new(lookup, peer.allow_private_address);
        let http =
            transport::build(peer, &endpoint, identity.map(|identity| identity.0.as_slice()), &options, resolver)?;
        let allow_private = peer.allow_private_address;
        Ok(Self { partner: peer.id.clone(), http, endpoint, literal, allow_private, options })
    }

    /// The partner it talks to.
    #[must_use]
    pub const fn partner(&self) -> &PartnerId {
        &self.partner
    }

    /// Brings a message and gives the receipt as it came: whose it is, and of what, is for the caller to check.
    ///
    /// # Errors
    /// What kept the partner from giving one.
    pub async fn deliver(
        &self,
        signer: Signer<'_>,
        kind: MessageKind,
        message: &SignedMessage,
    ) -> Result<SignedReceipt, CallError> {
        let document = documents::of(kind);
        // The partner would refuse it with the same code, so it is not sent.
        let variables =
            documents::variables(kind, message).map_err(|_error| CallError::refused(RefusalCode::Invalid))?;
        let payload = self.ask(signer, document, variables, self.options.response_bytes_max).await?;
        let digest = payload.digest.clone();
        let ReceiptPayload { text, jws, key } =
            payload.read().map_err(|_error| CallError::new(FailureCode::NoReceipt).with_body(digest))?;
        Ok(SignedReceipt { text, jws, key })
    }

    /// Brings the file of an announced item of evidence. Bringing it again changes nothing.
    ///
    /// # Errors
    /// What kept the partner from taking it; a refusal of the file itself has the code [`FailureCode::Evidence`].
    pub async fn put_evidence(
        &self,
        signer: Signer<'_>,
        referral: SharedId,
        digest: &Digest,
        bytes: Vec<u8>,
    ) -> Result<(), CallError> {
        let outgoing = Outgoing {
            method: Method::PUT,
            url: self.evidence_url(referral, digest),
            content_type: Some("application/octet-stream"),
            body: bytes,
            timeout: self.options.evidence_timeout,
            response_bytes_max: self.options.response_bytes_max,
        };
        let answer = self.send(signer, outgoing).await?;
        answer.accepted().map_err(CallError::about_evidence)
    }

    /// Fetches the file of an item of evidence that the partner announced, of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// What kept the partner from giving it. Whether the bytes are the announced ones is for the caller to check.
    pub async fn get_evidence(
        &self,
        signer: Signer<'_>,
        referral: SharedId,
        digest: &Digest,
        bytes_max: usize,
    ) -> Result<Vec<u8>, CallError> {
        let outgoing = Outgoing {
            method: Method::GET,
            url: self.evidence_url(referral, digest),
            content_type: None,
            body: Vec::new(),
            timeout: self.options.evidence_timeout,
            response_bytes_max: bytes_max.max(self.options.response_bytes_max),
        };
        let answer = self.send(signer, outgoing).await?;
        answer.bytes().map_err(CallError::about_evidence)
    }

    /// A page of what the partner has for us behind `after`.
    ///
    /// # Errors
    /// What kept the partner from answering.
    pub async fn messages(&self, signer: Signer<'_>, after: Option<&str>) -> Result<MessagePage, CallError> {
        let mut variables = Map::from_iter([("first".to_owned(), json!(PAGE_MESSAGES_MAX))]);
        variables.extend(after.map(|after| ("after".to_owned(), json!(after))));
        self.question(signer, documents::MESSAGES, variables, self.options.page_bytes_max).await
    }

    /// Hands over our receipts for what was fetched, and gives the number of those that were new to the partner.
    ///
    /// # Errors
    /// What kept the partner from taking them.
    pub async fn record_receipts(&self, signer: Signer<'_>, receipts: &[SignedReceipt]) -> Result<u64, CallError> {
        let receipts: Vec<Value> = receipts
            .iter()
            .map(|receipt| json!({"text": receipt.text, "jws": receipt.jws, "key": receipt.key}))
            .collect();
        let variables = Map::from_iter([("receipts".to_owned(), Value::Array(receipts))]);
        self.question(signer, documents::RECORD_RECEIPTS, variables, self.options.response_bytes_max).await
    }

    async fn question<T: serde::de::DeserializeOwned>(
        &self,
        signer: Signer<'_>,
        document: Document,
        variables: Map<String, Value>,
        response_bytes_max: usize,
    ) -> Result<T, CallError> {
        let payload = self.ask(signer, document, variables, response_bytes_max).await?;
        let digest = payload.digest.clone();
        payload.read().map_err(|_error| CallError::new(FailureCode::NotJson).with_body(digest))
    }

    async fn ask(
        &self,
        signer: Signer<'_>,
        document: Document,
        variables: Map<String, Value>,
        response_bytes_max: usize,
    ) -> Result<answer::Payload, CallError> {
        let outgoing = Outgoing {
            method: Method::POST,
            url: self.endpoint.clone(),
            content_type: Some("application/json"),
            body: document.request(variables).to_string().into_bytes(),
            timeout: self.options.timeout,
            response_bytes_max,
        };
        self.send(signer, outgoing).await?.payload(document.field)
    }

    async fn send(&self, signer: Signer<'_>, outgoing: Outgoing) -> Result<answer::Answer, CallError> {
        if !self.allow_private {
            transport::check_literal(self.literal)?;
        }
        // Boxed: reqwest's futures are large, and a worker holds many of them.
        Box::pin(transport::send(&self.http, signer, outgoing)).await
    }

    /// Evidence lies beside the GraphQL endpoint: `…/partner/evidence/{referral}/{digest}`.
    fn evidence_url(&self, referral: SharedId, digest: &Digest) -> Url {
        self.endpoint
            .join(&format!("evidence/{referral}/{digest}"))
            .expect("hexadecimal digits and hyphens are a relative address")
    }
}
