//! Keys, arguments and settings for the tests of this module.

use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;
use cross_border::partner::{Partner, PartnerId, PartnerRegister};
use cross_border::trust::{KeyId, PrivateKey, SigningKey, SuiteName};

use super::CheckArgs;
use super::settings::Settings;
use crate::partner::GRAPHQL_PATH;

/// A key that is valid today.
pub(super) fn signing_key(id: &str) -> SigningKey {
    let now = crate::clock::now();
    SigningKey {
        id: KeyId::parse(id).unwrap(),
        private: PrivateKey::generate(SuiteName::Ed25519Sha256).unwrap(),
        not_before: now - TimeDelta::days(1),
        not_after: now + TimeDelta::days(1),
    }
}

/// Arguments to check Hong Kong's server as Guangdong, with the key in this file.
pub(super) fn args(key: &Path) -> CheckArgs {
    CheckArgs {
        url: format!("https://partners.example.org{GRAPHQL_PATH}"),
        own: PartnerId::parse("gd-consumer-council").unwrap(),
        partner: PartnerId::parse("hk-consumer-council").unwrap(),
        key: key.to_owned(),
        peer_key: vec![toml::to_string(&signing_key("hk-consumer-council:1").verifying()).unwrap()],
        client_certificate: None,
        client_key: None,
        server_ca: None,
        allow_private_address: false,
        allow_plain_http: false,
        seed: None,
        timeout_ms: 1_000,
        recall_wait_ms: 0,
        json: false,
    }
}

/// Hong Kong as Guangdong's partner, whose server signs with `peer`.
pub(super) fn settings(peer: &SigningKey) -> Settings {
    let council =
        |id: &str| -> &'static Partner { PartnerRegister::builtin().get(&PartnerId::parse(id).unwrap()).unwrap() };
    Settings {
        endpoint: "https://partners.example.org/partner/graphql".parse().unwrap(),
        own: council("gd-consumer-council"),
        partner: council("hk-consumer-council"),
        third: council("mo-consumer-council"),
        key: signing_key("gd-consumer-council:1"),
        peer_keys: vec![peer.verifying()],
        seed: 7,
        timeout: Duration::from_secs(1),
        recall_wait: Duration::ZERO,
    }
}
