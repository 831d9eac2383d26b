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
use crate::trust::{KeyId, VerifyingKey};

/// Most keys of one peer: the one in use, the next, and those of years gone by.
pub const KEYS_MAX: usize = 32;
/// Most certificates of one peer.
pub const CERTIFICATES_MAX: usize = 8;
/// Longest endpoint in bytes.
pub const ENDPOINT_BYTES_MAX: usize = 1_024;

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
    /// The address of its partner API, ending in `/partner/graphql`.
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
    Ok(())
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

/// The peers of this council, each in the register, and no key under two names.
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
        let mut keys = BTreeMap::new();
        for (place, peer) in peers.iter().enumerate() {
            if register.get(&peer.id).is_none() {
                return Err(DirectoryError::Unknown { id: peer.id.clone() });
            }
            if peer.id == own {
                return Err(DirectoryError::Ourselves { id: own });
            }
            peer.check()?;
            for (index, key) in peer.keys.iter().enumerate() {
                if keys.insert(key.id.clone(), (place, index)).is_some() {
                    return Err(DirectoryError::KeyTwice { key: key.id.clone() });
                }
            }
        }
        Ok(Self { own, peers, keys })
    }

    /// The council whose directory this is.
    #[must_use]
    pub fn own(&self) -> &PartnerId {
        &self.own
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
mod tests {
    use super::*;
    use crate::trust::{PrivateKey, SEED_BYTES, SuiteName};

    const GUANGDONG: &str = "gd-consumer-council";
    const HONG_KONG: &str = "hk-consumer-council";
    const MACAO: &str = "mo-consumer-council";

    fn id(text: &str) -> PartnerId {
        PartnerId::parse(text).unwrap()
    }

    fn key(name: &str) -> VerifyingKey {
        VerifyingKey {
            id: KeyId::parse(name).unwrap(),
            public: PrivateKey::from_seed(SuiteName::Ed25519Sha256, &[7; SEED_BYTES]).unwrap().public(),
            not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
            not_after: "2026-12-31T00:00:00Z".parse().unwrap(),
        }
    }

    fn peer(name: &str) -> Peer {
        Peer {
            id: id(name),
            endpoint: Some(format!("https://{name}.example/partner/graphql")),
            transport: Transport::Push,
            pull: false,
            keys: vec![key(&format!("{name}:2026a"))],
            certificates: Vec::new(),
            server_ca_file: None,
            allow_private_address: false,
            allow_plain_http: false,
        }
    }

    fn refused(peers: Vec<Peer>) -> DirectoryError {
        Directory::new(id(GUANGDONG), peers).unwrap_err()
    }

    #[test]
    fn a_peer_is_read_from_the_configuration_with_safe_defaults() {
        let read: Peer = toml::from_str(&format!("id = \"{HONG_KONG}\"\n")).unwrap();
        assert_eq!(read, Peer { endpoint: None, keys: Vec::new(), ..peer(HONG_KONG) });
        let text = toml::to_string(&peer(HONG_KONG)).unwrap();
        assert_eq!(toml::from_str::<Peer>(&text).unwrap(), peer(HONG_KONG));
        assert!(toml::from_str::<Peer>(&format!("colour = \"red\"\n{text}")).is_err());
        assert!(toml::from_str::<Peer>(&text.replace("\"push\"", "\"fax\"")).is_err());
    }

    #[test]
    fn a_key_leads_to_its_peer_while_it_is_valid_and_later_for_what_was_signed() {
        let directory = Directory::new(id(GUANGDONG), vec![peer(MACAO), peer(HONG_KONG)]).unwrap();
        assert_eq!(directory.own(), &id(GUANGDONG));
        let ids: Vec<&str> = directory.peers().iter().map(|peer| peer.id.as_str()).collect();
        assert_eq!(ids, [HONG_KONG, MACAO]);
        let known = KeyId::parse("mo-consumer-council:2026a").unwrap();
        let unknown = KeyId::parse("mo-consumer-council:2027a").unwrap();
        let (now, late) = ("2026-05-20T00:00:00Z".parse().unwrap(), "2027-01-01T00:00:00Z".parse().unwrap());
        let macao = directory.peer(&id(MACAO)).unwrap();
        assert_eq!(directory.key(&known, now), KeyLookup::Valid(macao, &macao.keys[0]));
        assert_eq!(directory.key(&known, late), KeyLookup::NotValid);
        assert_eq!(directory.key_any(&known), Some((macao, &macao.keys[0])));
        assert_eq!(directory.key(&unknown, now), KeyLookup::Unknown);
        assert_eq!(directory.key_any(&unknown), None);
        assert_eq!(directory.peer(&id(GUANGDONG)), None);
    }

    #[test]
    fn a_directory_that_contradicts_the_register_or_itself_is_refused() {
        let stranger = id("sg-consumer-council");
        assert_eq!(refused(vec![peer("sg-consumer-council")]), DirectoryError::Unknown { id: stranger.clone() });
        assert_eq!(Directory::new(stranger.clone(), Vec::new()), Err(DirectoryError::Unknown { id: stranger }));
        assert_eq!(refused(vec![peer(GUANGDONG)]), DirectoryError::Ourselves { id: id(GUANGDONG) });
        let twice = vec![peer(HONG_KONG), Peer { keys: Vec::new(), ..peer(HONG_KONG) }];
        assert_eq!(refused(twice), DirectoryError::Twice { id: id(HONG_KONG) });
        let borrowed = Peer { keys: peer(HONG_KONG).keys, ..peer(MACAO) };
        let key = KeyId::parse("hk-consumer-council:2026a").unwrap();
        assert_eq!(refused(vec![peer(HONG_KONG), borrowed]), DirectoryError::KeyTwice { key });
    }

    #[test]
    fn an_endpoint_is_there_when_it_is_needed_and_is_a_plain_https_address() {
        let without = |transport, pull| Peer { endpoint: None, transport, pull, ..peer(HONG_KONG) };
        assert!(Directory::new(id(GUANGDONG), vec![without(Transport::Poll, false)]).is_ok());
        for (transport, pull) in [(Transport::Push, false), (Transport::Poll, true)] {
            assert_eq!(refused(vec![without(transport, pull)]), DirectoryError::EndpointMissing { id: id(HONG_KONG) });
        }
        let at = |endpoint: &str| Peer { endpoint: Some(endpoint.to_owned()), ..peer(HONG_KONG) };
        for endpoint in [
            "hk.example/partner/graphql",
            "ftp://hk.example/",
            "http://hk.example/partner/graphql",
            "https://user@hk.example/partner/graphql",
            "https://:secret@hk.example/partner/graphql",
            "https://hk.example/partner/graphql?a=b",
            "https://hk.example/partner/graphql#a",
            "https://",
        ] {
            let error = refused(vec![at(endpoint)]);
            assert!(matches!(error, DirectoryError::Endpoint { .. }), "{endpoint}: {error}");
        }
        let long = |bytes: usize| at(&format!("{:a<bytes$}", "https://hk.example/"));
        assert!(Directory::new(id(GUANGDONG), vec![long(ENDPOINT_BYTES_MAX)]).is_ok());
        assert!(matches!(refused(vec![long(ENDPOINT_BYTES_MAX + 1)]), DirectoryError::Endpoint { .. }));
        let plain = Peer { allow_plain_http: true, ..at("http://127.0.0.1:9/partner/graphql") };
        assert!(Directory::new(id(GUANGDONG), vec![plain]).is_ok());
    }

    #[test]
    fn keys_and_certificates_hold_their_limits() {
        let with_keys = |count: usize| Peer {
            keys: (0..count).map(|number| key(&format!("hk-consumer-council:{number}"))).collect(),
            ..peer(HONG_KONG)
        };
        assert!(Directory::new(id(GUANGDONG), vec![with_keys(KEYS_MAX)]).is_ok());
        assert!(matches!(refused(vec![with_keys(KEYS_MAX + 1)]), DirectoryError::TooMany { what: "keys", .. }));
        let with_certificates = |certificates: Vec<String>| Peer { certificates, ..peer(HONG_KONG) };
        let digest = "a".repeat(64);
        assert!(Directory::new(id(GUANGDONG), vec![with_certificates(vec![digest.clone(); CERTIFICATES_MAX])]).is_ok());
        assert!(matches!(
            refused(vec![with_certificates(vec![digest.clone(); CERTIFICATES_MAX + 1])]),
            DirectoryError::TooMany { what: "certificates", .. }
        ));
        for wrong in [digest.to_uppercase(), "a".repeat(63)] {
            let error = refused(vec![with_certificates(vec![wrong])]);
            assert_eq!(error, DirectoryError::Certificate { id: id(HONG_KONG) });
        }
    }
}
