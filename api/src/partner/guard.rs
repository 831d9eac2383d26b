//! What every request of a partner goes through before anything looks at what it asks for.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use chrono::{DateTime, Utc};
use cross_border::council::Council;
use cross_border::exchange::{Digest, Refusal, RefusalCode};
use cross_border::partner::PartnerId;
use cross_border::peer::{KeyLookup, Peer};
use cross_border::security;
use cross_border::trust::http_signature::{Claimed, Presented, RequestRefused, claimed, verify_request};
use cross_border::trust::replay::ReplayTable;
use cross_border::trust::{KeyId, VerifyingKey};
use reqwest::Url;

use super::rate::Rates;
use super::tls::TlsPeer;
use super::{EVIDENCE_PATH, PartnerCaller, PartnerEdge, SharedNonces, refused};
use crate::edge::body::Unread;
use crate::edge::{self, Refused, RequestId};
use crate::intake::{self, NoPlace, Place, Places};

/// The header that carries the id which the journal and our log know a request by.
const REQUEST_ID: &str = "x-request-id";

/// What stands in for a body that was not read yet: that there is one decides what a signature must cover.
const SOME_BODY: &[u8] = b"?";

/// The checks, and what they remember.
pub(super) struct Guard {
    council: Arc<Council>,
    public_url: Option<String>,
    /// Where the other councils are asked: host and port.
    others: Vec<(String, u16)>,
    replay: Arc<ReplayTable>,
    /// What the other nodes have seen, where there are others.
    nonces: Option<SharedNonces>,
    rates: Arc<Rates>,
    graphql: Door,
    files: Door,
}

/// The bounds of what comes in one way.
struct Door {
    bytes_max: usize,
    /// What one byte more is refused as.
    too_long: RefusalCode,
    patience: Duration,
    /// For the bodies that lie in memory at once. No council has more than half of them.
    places: Places,
}

impl Door {
    fn new(bytes_max: usize, too_long: RefusalCode, patience: Duration, places: usize) -> Self {
        Self { bytes_max, too_long, patience, places: Places::new(places, places.div_ceil(2)) }
    }
}

/// What is known of a request by now, for the journal.
#[derive(Default)]
struct Known {
    partner: Option<PartnerId>,
    key: Option<KeyId>,
    body: Option<Digest>,
    /// How long the caller should wait, if it is told to.
    wait: Option<Duration>,
}

/// A request that may go on.
struct Admitted {
    caller: PartnerCaller,
    body: Vec<u8>,
    /// Kept until the answer is taken: it may be a file.
    place: Place,
}

/// Lets a request through that is a partner's own, and answers every other one itself.
pub(super) async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let request_id = edge::request_id((guard.council.now)());
    let (mut parts, body) = request.into_parts();
    let what = format!("{} {}", parts.method, if is_file(&parts) { EVIDENCE_PATH } else { super::GRAPHQL_PATH });
    let mut known = Known::default();
    let mut response = match guard.admit(&parts, body, &mut known).await {
        Ok(Admitted { caller, body, place }) => {
            parts.extensions.insert(RequestId(request_id.clone()));
            parts.extensions.insert(caller);
            let mut response = next.run(Request::from_parts(parts, Body::from(body))).await;
            refused::add_pause(&mut response);
            // What GraphQL did not execute, or could not give a resolver, was refused by nobody behind this.
            if let Some(Refused(code)) = response.extensions().get::<Refused>().cloned() {
                guard.record(&code, &what, &request_id, known).await;
            }
            response.map(|body| place.held_by(body))
        }
        Err(refusal) => {
            let wait = known.wait;
            // The words of a refusal here are about headers and lengths, never about what a body says.
            let what = format!("{what}: {}", refusal.message);
            guard.record(refusal.code.code(), &what, &request_id, known).await;
            refused::answer(&refusal, &request_id, wait)
        }
    };
    if let Ok(request_id) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID, request_id);
    }
    response
}

impl Guard {
    /// The checks of one node. What an earlier process may have let in is refused: its nonces are not known any more.
    pub(super) fn new(council: Arc<Council>, options: &PartnerEdge) -> Self {
        let started_at = (council.now)();
        let endpoints = council.directory.peers().iter().filter_map(|peer| peer.endpoint.as_deref());
        let others = endpoints.filter_map(host_and_port).collect();
        let replay = match options.signatures_file.clone() {
            Some(file) => ReplayTable::kept_in(file, started_at),
            None => ReplayTable::new(started_at),
        };
        let replay = Arc::new(replay.holding(options.signatures_max));
        Self {
            council,
            public_url: options.public_url.as_ref().map(|url| url.trim_end_matches('/').to_owned()),
            others,
            replay,
            nonces: options.nonces.clone(),
            rates: Arc::new(Rates::new(options.rate)),
            graphql: Door::new(
                options.limits.body_bytes_max,
                RefusalCode::BodyTooLarge,
                options.limits.request_timeout,
                options.bodies_max,
            ),
            files: Door::new(
                options.evidence_bytes_max,
                RefusalCode::EvidenceTooLarge,
                options.evidence_timeout,
                options.files_max,
            ),
        }
    }

    /// The rates of the councils, which a long document is charged to as well.
    pub(super) fn rates(&self) -> Arc<Rates> {
        Arc::clone(&self.rates)
    }

    /// From the outside in: what the headers tell costs no body, and only what is signed counts against a council.
    ///
    /// The signature is over the headers, the digest of the body among them. So a body is read for nobody but a council
    /// that comes for the first time with what it signed, within its rate and within its share of the memory; and what
    /// is over the rate fills no table.
    async fn admit(&self, parts: &Parts, body: Body, known: &mut Known) -> Result<Admitted, Refusal> {
        let target = self.target(parts)?;
        let has_body = matches!(parts.method, Method::POST | Method::PUT);
        let expected = if has_body { SOME_BODY } else { &[][..] };
        let head = presented(parts, &target, expected);
        let claim = claimed(&head).map_err(refusal_of)?;
        known.key = Some(claim.key.clone());
        let now = (self.council.now)();
        let (peer, key) = match self.council.directory.key(&claim.key, now) {
            KeyLookup::Valid(peer, key) => (peer, key),
            KeyLookup::Unknown => return Err(refusal_of(RequestRefused::UnknownKey)),
            KeyLookup::NotValid => return Err(refusal_of(RequestRefused::KeyNotValid)),
        };
        known.partner = Some(peer.id.clone());
        self.check_certificate(peer, certificate_of(parts))?;
        verify_head(&head, key, now).map_err(refusal_of)?;
        let door = if is_file(parts) { &self.files } else { &self.graphql };
        let place = match self.enter(door, &peer.id, &claim, known) {
            Ok(place) => place,
            Err(refusal) => {
                // A council that is still sending gets to read why it must wait, instead of a broken connection. What
                // is brought a second time costs no more than its head: anybody may have seen it.
                if refusal.code.is_retryable() {
                    intake::drain(body, door.bytes_max).await;
                }
                return Err(refusal);
            }
        };
        let body = door.read(body).await?;
        let digest = Digest::of(&body);
        known.body = Some(digest.clone());
        // Reading takes time: a signature must be valid when the request is whole.
        let now = (self.council.now)();
        let claim = verify_request(&presented(parts, &target, &body), key, now).map_err(refusal_of)?;
        let (replay, taken) = (Arc::clone(&self.replay), claim.clone());
        // It may wait for the disk.
        let taken = tokio::task::spawn_blocking(move || replay.take(&taken, now)).await;
        let taken = taken.unwrap_or(Err(RequestRefused::Unkept));
        taken.map_err(|refused| self.unusable(refused, &claim, known))?;
        // Last, for it is an append: what this node had seen, and what is over its rate, costs none.
        if let Some(nonces) = &self.nonces {
            nonces.first_use(&claim).await?;
        }
        let caller = PartnerCaller { partner: peer.id.clone(), key: key.id.clone(), body: digest };
        Ok(Admitted { caller, body, place })
    }

    /// Lets a council in that has signed: for the first time, within its rate, and to a place of its share.
    fn enter(&self, door: &Door, council: &PartnerId, claim: &Claimed, known: &mut Known) -> Result<Place, Refusal> {
        // What was used before is not charged: whoever brings it again need not be the council that signed it.
        self.replay.look(claim, (self.council.now)()).map_err(|refused| self.unusable(refused, claim, known))?;
        self.rates.check(council, 1).map_err(|wait| {
            known.wait = Some(wait.after);
            Refusal::new(RefusalCode::RateLimited, wait.to_string())
        })?;
        door.places.take(council.as_str()).map_err(no_place)
    }

    /// The refusal of a signature that cannot be used now.
    fn unusable(&self, refused: RequestRefused, claim: &Claimed, known: &mut Known) -> Refusal {
        if refused == RequestRefused::Full {
            known.wait = Some(self.replay.room_after(&claim.key, (self.council.now)()));
        }
        refusal_of(refused)
    }

    /// The address that the partner asked, as it knows it.
    fn target(&self, parts: &Parts) -> Result<String, Refusal> {
        if let Some(message) = edge::conflict(&parts.headers, &parts.uri) {
            return Err(Refusal::new(RefusalCode::Invalid, message));
        }
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        if let Some(url) = &self.public_url {
            return Ok(format!("{url}{path}"));
        }
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        let Some(host) = parts.uri.authority().map(|authority| authority.as_str()).or(host) else {
            return Err(Refusal::new(RefusalCode::Invalid, "the request names no host"));
        };
        let scheme = if certificate_of(parts).is_some() { "https" } else { "http" };
        let target = format!("{scheme}://{host}{path}");
        // What was signed for another council does not become ours by being brought here under that council's name.
        if host_and_port(&target).is_some_and(|asked| self.others.contains(&asked)) {
            return Err(Refusal::new(RefusalCode::WrongRecipient, "the request is for another council's address"));
        }
        Ok(target)
    }

    /// A council whose certificates are known comes with one of them; nobody comes with one of another council.
    fn check_certificate(&self, peer: &Peer, shown: Option<&Digest>) -> Result<(), Refusal> {
        let has = |peer: &Peer, shown: &Digest| peer.certificates.iter().any(|known| known == shown.as_str());
        let message = match shown {
            None if peer.certificates.is_empty() => return Ok(()),
            None => "this council must come with its client certificate",
            Some(shown) if has(peer, shown) => return Ok(()),
            Some(shown) => {
                let is_of_another = self.council.directory.peers().iter().any(|other| has(other, shown));
                if peer.certificates.is_empty() && !is_of_another {
                    return Ok(());
                }
                "the client certificate is not one of the council whose key signed"
            }
        };
        Err(Refusal::new(RefusalCode::CertificateRefused, message))
    }

    async fn record(&self, code: &str, what: &str, request_id: &str, known: Known) {
        let refused = security::Refused {
            code: code.to_owned(),
            partner: known.partner,
            key: known.key.map(|key| key.to_string()),
            what: what.to_owned(),
            digest: known.body,
            request_id: Some(request_id.to_owned()),
        };
        self.council.journal.record(refused).await;
    }
}

impl Door {
    async fn read(&self, body: Body) -> Result<Vec<u8>, Refusal> {
        let (code, message) = match intake::read(body, self.bytes_max, self.patience).await {
            Ok(bytes) => return Ok(bytes),
            Err(Unread::TooLong) => (self.too_long, format!("the body is longer than {} bytes", self.bytes_max)),
            Err(Unread::TooSlow) => (RefusalCode::Timeout, "the body came too slowly, or took too long".to_owned()),
            Err(Unread::Broken) => (RefusalCode::Invalid, "the body could not be read".to_owned()),
        };
        Err(Refusal::new(code, message))
    }
}

fn presented<'a>(parts: &'a Parts, target: &'a str, body: &'a [u8]) -> Presented<'a> {
    Presented { method: &parts.method, target, headers: &parts.headers, body }
}

/// Checks all that a signature is over, but for the body: that has not come yet.
///
/// Whether the digest is that of the body is looked at last, behind the signature. Where only this fails, the digest is
/// the signer's own, and the body will be held against it.
fn verify_head(head: &Presented<'_>, key: &VerifyingKey, now: DateTime<Utc>) -> Result<(), RequestRefused> {
    match verify_request(head, key, now) {
        Ok(_) | Err(RequestRefused::BodyDigest) => Ok(()),
        Err(refused) => Err(refused),
    }
}

fn no_place(no_place: NoPlace) -> Refusal {
    match no_place {
        NoPlace::ShareTaken => {
            let message = "as many requests of this council are being read as may be; let one of them end first";
            Refusal::new(RefusalCode::RateLimited, message)
        }
        NoPlace::AllTaken => {
            let message = "as many requests are being read as may be; try again in a moment";
            Refusal::new(RefusalCode::Unavailable, message)
        }
    }
}

fn refusal_of(refused: RequestRefused) -> Refusal {
    Refusal::new(refused.code(), refused.to_string())
}

fn host_and_port(address: &str) -> Option<(String, u16)> {
    let url = Url::parse(address).ok()?;
    Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
}

fn is_file(parts: &Parts) -> bool {
    parts.uri.path().starts_with(EVIDENCE_PATH)
}

/// The certificate that the connection came with, if it came through mutual TLS.
fn certificate_of(parts: &Parts) -> Option<&Digest> {
    parts.extensions.get::<ConnectInfo<TlsPeer>>()?.0.certificate.as_ref()
}
