//! The edge for partner councils: `/partner/graphql` and `/partner/evidence/{referral}/{digest}`.
//!
//! A request is believed for its signature alone (RFC 9421). It is checked before anything looks at what the request
//! asks for. Before its body is read: the key, the certificate of the connection, the signature over the headers, that
//! it comes for the first time, the rate of its council, and that this one has not too much under way. Then the body:
//! its length, its pace, and its digest. Every refusal has a code of the contract and is written to the journal.
//!
//! What [`crate::listen`] refuses comes before all of this and stands in no journal: nobody has asked for anything of
//! ours yet. A request without `Host` or with `Authorization` more than once is `BAD_REQUEST`, and what cannot be read
//! as HTTP is answered with a status alone.
//!
//! Architecture invariant: nothing behind [`guard`] runs for a request without a [`PartnerCaller`], and only [`guard`]
//! makes one.

mod evidence;
mod gate;
mod guard;
mod nonces;
mod rate;
mod refused;
pub mod schema;
pub mod tls;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use cross_border::council::Council;
use cross_border::evidence::EVIDENCE_BYTES_MAX;
use cross_border::exchange::Digest;
use cross_border::partner::PartnerId;
use cross_border::trust::KeyId;
use cross_border::trust::replay::REPLAY_PER_KEY_MAX;
use event_log::nonces::Nonces;
use tokio_util::sync::CancellationToken;

use self::gate::SignedGate;
use self::guard::Guard;
use crate::edge::{self, EdgeLimits};

pub use self::rate::PartnerRate;

/// Where the partners' GraphQL is served.
pub const GRAPHQL_PATH: &str = "/partner/graphql";
/// Where files are served; behind it come the referral and the digest.
pub const EVIDENCE_PATH: &str = "/partner/evidence";

/// How the edge for partners is set up.
#[derive(Debug, Clone)]
pub struct PartnerEdge {
    /// The address under which the partners know this node, without a path: `https://exchange.council.example`. Their
    /// signatures cover it. Without it the scheme of the listener and the `Host` header are put together, and only the
    /// addresses of the directory tell what was signed for another council: good enough on one machine, which is why a
    /// server that others reach does not start without it.
    pub public_url: Option<String>,
    /// Limits of one GraphQL request; `body_bytes_max` and `request_timeout` bound its body.
    pub limits: EdgeLimits,
    /// Bytes of a file. One more is `EVIDENCE_TOO_LARGE` (413).
    pub evidence_bytes_max: usize,
    /// Time to read a file; then `TIMEOUT`.
    pub evidence_timeout: Duration,
    /// GraphQL requests under way at once over all partners, and so the memory of their bodies. One more is
    /// `UNAVAILABLE`. Of one council there are no more than half of them, rounded up: one more is `RATE_LIMITED`.
    pub bodies_max: usize,
    /// Requests for files under way at once, in the same way. The half of one council is what our own worker sends.
    pub files_max: usize,
    /// Requests of one council.
    pub rate: PartnerRate,
    /// Used signatures of one key that are remembered. One more is `UNAVAILABLE` until the first of them expires.
    pub signatures_max: usize,
    /// Where that is written down which the next process has to know of used signatures. Without it, what a clock ahead
    /// of ours had signed for the time behind a restart is good for one request more.
    pub signatures_file: Option<PathBuf>,
    /// Ends when the server stops.
    pub shutdown: CancellationToken,
    /// The used signatures of all nodes that partners reach under one address; `None` where there is one node.
    pub nonces: Option<SharedNonces>,
}

/// The table of used signatures that several nodes share. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct SharedNonces(Arc<dyn Nonces>);

impl SharedNonces {
    /// What `nonces` remembers.
    #[must_use]
    pub fn new(nonces: Arc<dyn Nonces>) -> Self {
        Self(nonces)
    }
}

impl fmt::Debug for SharedNonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedNonces").finish_non_exhaustive()
    }
}

impl Default for PartnerEdge {
    fn default() -> Self {
        Self {
            public_url: None,
            limits: EdgeLimits::default(),
            evidence_bytes_max: EVIDENCE_BYTES_MAX,
            evidence_timeout: Duration::from_secs(60),
            bodies_max: 256,
            files_max: 16,
            rate: PartnerRate { requests_per_minute: 3_000, burst: 200 },
            signatures_max: REPLAY_PER_KEY_MAX,
            signatures_file: None,
            shutdown: CancellationToken::new(),
            nonces: None,
        }
    }
}

/// A partner council whose request was found to be its own. Resolvers and handlers find it in the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnerCaller {
    /// The council.
    pub partner: PartnerId,
    /// The key that signed the request.
    pub key: KeyId,
    /// SHA-256 of the request's body, for the journal.
    pub body: Digest,
}

/// Builds the routes for partners.
///
/// Build them once and clone them where two listeners serve them: the table of used signatures and the rates are in
/// here, and a signature that was used at one listener must not be good at the other.
pub fn router(council: Arc<Council>, options: PartnerEdge) -> Router {
    let guard = Arc::new(Guard::new(Arc::clone(&council), &options));
    let gate = Arc::new(SignedGate::new(guard.rates()));
    let PartnerEdge { limits, shutdown, evidence_bytes_max, .. } = options;
    // Of two acts in one request the first could be carried out and the second not, and an answer with an error would
    // not mean any more that nothing was stored. It is a matter of the contract and not of a limit that may be set.
    let limits = EdgeLimits { mutation_fields_max: 1, ..limits };
    let now = Arc::clone(&council.now);
    let schema = schema::schema(Arc::clone(&council));
    edge::post_router(GRAPHQL_PATH, schema, gate, limits, shutdown, now)
        .merge(evidence::routes(council, evidence_bytes_max))
        .route_layer(from_fn_with_state(guard, guard::check))
}
