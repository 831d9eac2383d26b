//! The directory of the other councils' systems: where each is reached and which keys are its own.
//!
//! The register ([`crate::partner`]) says who the councils are; it is the same everywhere and part of the program. The
//! directory says how this installation reaches them, and stands in its configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use domain::vocabulary::vocabulary;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::exchange::Digest;
use crate::partner::{PartnerId, PartnerRegister};
use crate::trust::{KeyId, KeyRing, VerifyingKey};

/// Most keys of one peer: the one in use, the next, and those of years gone by.
pub const KEYS_MAX: usize = 32;
/// Most certificates of one peer.
pub const CERTIFICATES_MAX: usize = 8;
/// Longest endpoint in bytes.
pub const ENDPOINT_BYTES_MAX: usize = 1_024;
/// How the path of every endpoint ends: the contract says so, and files lie beside it.
pub const ENDPOINT_PATH: &str = "/partner/graphql";

vocabulary! {
    /// How our messages reach a peer.
    Transport {
        /// We bring them.
        Push = "push", "推送";
        /// The peer fetches them from us.
        Poll = "poll", "轮询";
    }
}

impl Transport {
    const fn push() -> Self {
        Self::Push
    }
}

/// One council's system, as the configuration describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// The council, by its id in the register.
    pub id: PartnerId,
    /// The address of its partner API, its path ending in [`ENDPOINT_PATH`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    #[serde(default = "Transport::push")]
    pub transport: Transport,
    /// Whether we fetch its messages.
    #[serde(default)]
    pub pull: bool,
    /// The keys its signatures are checked with. One that is no longer valid stays, for what was signed with it.
    #[serde(default)]
    pub keys: Vec<VerifyingKey>,
    /// SHA-256 of the client certificates it may come with (DER, hexadecimal); with none in the list none is asked for.
    #[serde(default)]
    pub certificates: Vec<String>,
    /// The authority that its server's certificate must come from, as a PEM file; without it those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_ca_file: Option<PathBuf>,
    /// Its name may lead to an address in a private network.
    #[serde(default)]
    pub allow_private_address: bool,
    /// Its endpoint may be plain HTTP; for loopback in tests and demonstrations.
    #[serde(default)]
    pub allow_plain_http: bool,
}

impl Peer {
    fn check(&self) -> Result<(), DirectoryError> {
        let id = || self.id.clone();
        match &self.endpoint {
            Some(endpoint) => {
                check_endpoint(endpoint, self.allow_plain_http)
                    .map_err(|what| DirectoryError::Endpoint { id: id(), what })?;
            }
            None if self.pull || self.transport == Transport::Push => {
                return Err(DirectoryError::EndpointMissing { id: id() });
            }
            None => {}
        }
        if self.keys.len() > KEYS_MAX {
            return Err(DirectoryError::TooMany { id: id(), what: "keys", count: self.keys.len(), max: KEYS_MAX });
        }
        let count = self.certificates.len();
        if count > CERTIFICATES_MAX {
            return Err(DirectoryError::TooMany { id: id(), what: "certificates", count, max: CERTIFICATES_MAX });
        }
        match self.certificates.iter().find(|certificate| Digest::parse(certificate).is_err()) {
            Some(_) => Err(DirectoryError::Certificate { id: id() }),
            None => Ok(()),
        }
    }
}

/// What is wrong with an endpoint, if anything is.
fn check_endpoint(endpoint: &str, allow_plain_http: bool) -> Result<(), &'static str> {
    if endpoint.len() > ENDPOINT_BYTES_MAX {
        return Err("it is too long");
    }
    let url = Url::parse(endpoint).map_err(|_error| "it is not a URL")?;
    match url.scheme() {
        "https" => {}
        "http" if allow_plain_http => {}
        "http" => return Err("it is plain HTTP, which `allow_plain_http` does not allow"),
        _ => return Err("it is neither https nor http"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds a user's name or a password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it has a query or a fragment");
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("it names no host");
    }
    if !url.path().ends_with(ENDPOINT_PATH) {
        return Err("its path does not end in /partner/graphql");
    }
    Ok(())
}

/// Whether the name of a key begins with another council than its owner: whoever reads a stored signature would take it
/// for that council's.
fn bears_anothers_name(key: &KeyId, owner: &PartnerId) -> bool {
    let name = key.as_str().split(':').next().unwrap_or_default();
    name != owner.as_str() && PartnerRegister::builtin().partners().iter().any(|council| council.id.as_str() == name)
}

/// Why a directory is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DirectoryError {
    #[error("`{id}` does not stand in the register of partners")]
    Unknown { id: PartnerId },
    #[error("peer `{id}` is this council itself")]
    Ourselves { id: PartnerId },
    #[error("peer `{id}` stands in the directory twice")]
    Twice { id: PartnerId },
    #[error("peer `{id}` needs an endpoint: we bring it messages or fetch its own")]
    EndpointMissing { id: PartnerId },
    #[error("the endpoint of peer `{id}` cannot be used: {what}")]
    Endpoint { id: PartnerId, what: &'static str },
    #[error("peer `{id}` has {count} {what}, more than {max}")]
    TooMany { id: PartnerId, what: &'static str, count: usize, max: usize },
    #[error("a certificate of peer `{id}` is not given as 64 hexadecimal digits in lower case")]
    Certificate { id: PartnerId },
    #[error("key `{key}` stands in the directory twice")]
    KeyTwice { key: KeyId },
    #[error("key `{key}` of `{id}` bears the name of another council; each key is named after its own")]
    KeyOfAnother { id: PartnerId, key: KeyId },
    #[error("`{key}` and `{other}` are one key of two councils, so nobody can tell who signed; exchange new ones")]
    KeyShared { key: KeyId, other: KeyId },
}

/// Where each key stands: the place of its peer, and its own among the peer's keys.
fn places_of_keys(peers: &[Peer]) -> Result<BTreeMap<KeyId, (usize, usize)>, DirectoryError> {
    let mut places = BTreeMap::new();
    let mut owned: Vec<(usize, &VerifyingKey)> = Vec::new();
    for (place, peer) in peers.iter().enumerate() {
        for (index, key) in peer.keys.iter().enumerate() {
            if places.insert(key.id.clone(), (place, index)).is_some() {
                return Err(DirectoryError::KeyTwice { key: key.id.clone() });
            }
            if bears_anothers_name(&key.id, &peer.id) {
                return Err(DirectoryError::KeyOfAnother { id: peer.id.clone(), key: key.id.clone() });
            }
            // A council may have entered a key once more, for another time.
            let shared = owned.iter().find(|(owner, other)| *owner != place && other.public == key.public);
            if let Some((_, other)) = shared {
                return Err(DirectoryError::KeyShared { key: key.id.clone(), other: other.id.clone() });
            }
            owned.push((place, key));
        }
    }
    Ok(places)
}

/// What the directory knows of a key at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyLookup<'a> {
    /// No peer has it.
    Unknown,
    /// A peer has it, and it is not valid at that moment.
    NotValid,
    Valid(&'a Peer, &'a VerifyingKey),
}

/// The peers of this council, each in the register, and no key that could be two councils'.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    own: PartnerId,
    /// By id.
    peers: Vec<Peer>,
    /// The places of each key's peer and of the key among its keys.
    keys: BTreeMap<KeyId, (usize, usize)>,
}

impl Directory {
    /// Checks the configured peers of the council `own`.
    ///
    /// # Errors
    /// [`DirectoryError`] with what contradicts the register, or the entry itself.
    pub fn new(own: PartnerId, mut peers: Vec<Peer>) -> Result<Self, DirectoryError> {
        let register = PartnerRegister::builtin();
        if register.get(&own).is_none() {
            return Err(DirectoryError::Unknown { id: own });
        }
        peers.sort_by(|one, other| one.id.cmp(&other.id));
        if let Some((peer, _)) = peers.iter().zip(peers.iter().skip(1)).find(|(one, next)| one.id == next.id) {
            return Err(DirectoryError::Twice { id: peer.id.clone() });
        }
        for peer in &peers {
            if register.get(&peer.id).is_none() {
                return Err(DirectoryError::Unknown { id: peer.id.clone() });
            }
            if peer.id == own {
                return Err(DirectoryError::Ourselves { id: own });
            }
            peer.check()?;
        }
        let keys = places_of_keys(&peers)?;
        Ok(Self { own, peers, keys })
    }

    /// Checks our own signing keys against those of the peers.
    ///
    /// # Errors
    /// One of ours bears the name of another council, or a peer has it too.
    pub fn check_own(&self, ring: &KeyRing) -> Result<(), DirectoryError> {
        for ours in ring.keys() {
            if bears_anothers_name(&ours.id, &self.own) {
                return Err(DirectoryError::KeyOfAnother { id: self.own.clone(), key: ours.id.clone() });
            }
            let public = ours.private.public();
            let shared = self.peers.iter().flat_map(|peer| &peer.keys).find(|key| key.public == public);
            if let Some(other) = shared {
                return Err(DirectoryError::KeyShared { key: ours.id.clone(), other: other.id.clone() });
            }
        }
        Ok(())
    }

    /// Every peer, by id.
    #[must_use]
    pub fn peers(&self) -> &[Peer] {
        &self.peers
    }

    /// The peer with this id.
    #[must_use]
    pub fn peer(&self, id: &PartnerId) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.id == *id)
    }

    /// Whose key it is, for what is signed now.
    #[must_use]
    pub fn key(&self, id: &KeyId, at: DateTime<Utc>) -> KeyLookup<'_> {
        match self.key_any(id) {
            None => KeyLookup::Unknown,
            Some((_, key)) if !key.is_valid_at(at) => KeyLookup::NotValid,
            Some((peer, key)) => KeyLookup::Valid(peer, key),
        }
    }

    /// Whose key it is or was, for statements that are stored.
    #[must_use]
    pub fn key_any(&self, id: &KeyId) -> Option<(&Peer, &VerifyingKey)> {
        let (place, index) = self.keys.get(id)?;
        let peer = self.peers.get(*place)?;
        peer.keys.get(*index).map(|key| (peer, key))
    }
}

#[cfg(test)]
mod tests;
