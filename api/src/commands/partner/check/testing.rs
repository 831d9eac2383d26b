//! Keys and settings for the tests of this module.

use std::time::Duration;

use chrono::TimeDelta;
use cross_border::partner::{Partner, PartnerId, PartnerRegister};
use cross_border::trust::{KeyId, PrivateKey, SigningKey, SuiteName};

use super::settings::Settings;

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
