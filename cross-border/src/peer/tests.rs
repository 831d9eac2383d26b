//! What a directory may hold.

use super::*;
use crate::trust::{PrivateKey, SEED_BYTES, SigningKey, SuiteName};

const GUANGDONG: &str = "gd-consumer-council";
const HONG_KONG: &str = "hk-consumer-council";
const MACAO: &str = "mo-consumer-council";

fn id(text: &str) -> PartnerId {
    PartnerId::parse(text).unwrap()
}

/// A key that is drawn from its name.
fn signing_key(name: &str) -> SigningKey {
    let mut seed = [7; SEED_BYTES];
    for (byte, source) in seed.iter_mut().zip(name.bytes()) {
        *byte = source;
    }
    SigningKey {
        id: KeyId::parse(name).unwrap(),
        private: PrivateKey::from_seed(SuiteName::Ed25519Sha256, &seed).unwrap(),
        not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
        not_after: "2026-12-31T00:00:00Z".parse().unwrap(),
    }
}

fn key(name: &str) -> VerifyingKey {
    signing_key(name).verifying()
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
fn nobody_signs_with_a_key_that_could_be_anothers() {
    let named = |name: &str| VerifyingKey { id: KeyId::parse(name).unwrap(), ..key("new") };
    let with = |keys: Vec<VerifyingKey>| Peer { keys, ..peer(HONG_KONG) };
    for name in ["mo-consumer-council:2026a", "gd-consumer-council:2026a", "mo-consumer-council"] {
        let key = KeyId::parse(name).unwrap();
        let expected = DirectoryError::KeyOfAnother { id: id(HONG_KONG), key };
        assert_eq!(refused(vec![with(vec![named(name)])]), expected);
    }
    // Whatever else it is called is the business of its council, and so is entering it once more.
    let renewed = VerifyingKey { id: KeyId::parse("hk:1").unwrap(), ..key("hk-consumer-council:2026a") };
    let keys = vec![key("hk-consumer-council:2026a"), renewed, named("mo-consumer-council-2:a")];
    assert!(Directory::new(id(GUANGDONG), vec![with(keys)]).is_ok());

    let (mine, theirs) = ("hk-consumer-council:2026a", "mo-consumer-council:2026a");
    let copied = VerifyingKey { id: KeyId::parse(theirs).unwrap(), ..key(mine) };
    let shared = DirectoryError::KeyShared { key: copied.id.clone(), other: KeyId::parse(mine).unwrap() };
    assert_eq!(refused(vec![peer(HONG_KONG), Peer { keys: vec![copied], ..peer(MACAO) }]), shared);
}

#[test]
fn our_own_keys_are_ours_alone() {
    let directory = Directory::new(id(GUANGDONG), vec![peer(MACAO), peer(HONG_KONG)]).unwrap();
    let check = |key: SigningKey| directory.check_own(&KeyRing::new(vec![key]));
    assert_eq!(check(signing_key("gd-consumer-council:2026a")), Ok(()));
    let theirs = KeyId::parse("hk-consumer-council:2026a").unwrap();
    let copied = SigningKey { id: KeyId::parse("gd:1").unwrap(), ..signing_key(theirs.as_str()) };
    let shared = DirectoryError::KeyShared { key: copied.id.clone(), other: theirs.clone() };
    assert_eq!(check(copied), Err(shared));
    let named = SigningKey { id: theirs.clone(), ..signing_key("new") };
    assert_eq!(check(named), Err(DirectoryError::KeyOfAnother { id: id(GUANGDONG), key: theirs }));
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
        "https://hk.example",
        "https://hk.example/graphql",
        "https://hk.example/partner/graphql/",
        "/partner/graphql",
    ] {
        let error = refused(vec![at(endpoint)]);
        assert!(matches!(error, DirectoryError::Endpoint { .. }), "{endpoint}: {error}");
    }
    // A path before it is that of whoever stands before the node.
    let before = |bytes: usize| format!("{:a<bytes$}", "https://hk.example/");
    let long = |bytes: usize| at(&(before(bytes - ENDPOINT_PATH.len()) + ENDPOINT_PATH));
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
