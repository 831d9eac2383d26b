//! The sections `council` and `partner`.

use cross_border::partner::Place;
use cross_border::peer::{Peer, Transport};

use super::{Config, ConfigError, KnownKeys, load};

const KEY: &str = "[[partner.peer.keys]]\nid = \"hk-consumer-council:2026a\"\nsuite = \"ed25519\"\n\
                   public = \"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"\n\
                   not_before = \"2026-01-01T00:00:00Z\"\nnot_after = \"2027-02-01T00:00:00Z\"\n";

fn peer_toml(rest: &str) -> String {
    let endpoint = "https://hk.example.org/partner/graphql";
    format!("[[partner.peer]]\nid = \"hk-consumer-council\"\nendpoint = \"{endpoint}\"\n{rest}{KEY}")
}

fn with_peer(rest: &str) -> Config {
    load(Some(&peer_toml(rest)), &[], &[]).unwrap()
}

fn peer(config: &mut Config) -> &mut Peer {
    &mut config.partner.peers[0]
}

/// The key that a validation refuses.
fn refused(config: &Config) -> Option<String> {
    match config.validate() {
        Ok(_) => None,
        Err(ConfigError::Invalid { key, .. }) => Some(key),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_file_names_the_partners() {
    let config = with_peer("");
    let hong_kong = &config.partner.peers[0];
    assert_eq!(hong_kong.id.as_str(), "hk-consumer-council");
    assert!(matches!(hong_kong.transport, Transport::Push));
    assert!(!hong_kong.pull && !hong_kong.allow_plain_http && !hong_kong.allow_private_address);
    assert_eq!(hong_kong.keys[0].id.as_str(), "hk-consumer-council:2026a");
    assert_eq!(refused(&config), None);
    let again = load(Some(&config.to_masked_toml().unwrap()), &[], &[]).unwrap();
    assert_eq!(again.partner, config.partner);
}

#[test]
fn an_unknown_key_of_a_partner_is_an_error() {
    let unknown = load(Some(&peer_toml("endpiont = \"x\"\n")), &[], &[]);
    assert!(matches!(unknown, Err(ConfigError::UnknownKey { ref key, .. }) if key.contains("peer")), "{unknown:?}");
    let half = load(Some("[[partner.peer]]\ntransport = \"push\"\n"), &[], &[]);
    assert!(matches!(half, Err(ConfigError::Invalid { .. })), "{half:?}");
}

#[test]
fn no_variable_and_no_flag_names_partners() {
    assert!(KnownKeys::of_defaults().iter().all(|key| key != ("partner", "peer")));
    for refused in [load(None, &[("BAYCASE_PARTNER__PEER", "x")], &[]), load(None, &[], &[("partner.peer", "x")])] {
        assert!(matches!(refused, Err(ConfigError::UnknownKey { .. })), "{refused:?}");
    }
    let config = load(None, &[("BAYCASE_COUNCIL__ID", "mo-consumer-council")], &[]).unwrap();
    assert_eq!(config.own_council().unwrap().place, Place::Macao);
}

#[test]
fn a_node_is_a_council_of_the_register_in_its_place() {
    for (id, place, region) in [
        ("gd-consumer-council", Place::Guangdong, "440104"),
        ("hk-consumer-council", Place::HongKong, "810000"),
        ("mo-consumer-council", Place::Macao, "820000"),
    ] {
        let config = load(Some(&format!("[council]\nid = \"{id}\"\n")), &[], &[]).unwrap();
        assert_eq!(config.own_council().unwrap().place, place);
        assert_eq!(config.council.region(place).to_string(), region);
        assert_eq!(refused(&config), None);
    }
    let stranger = load(Some("[council]\nid = \"sg-consumer-council\"\n"), &[], &[]).unwrap();
    assert_eq!(refused(&stranger).as_deref(), Some("council.id"));
    let elsewhere = load(Some("[council]\nregion = \"810000\"\n"), &[], &[]).unwrap();
    assert_eq!(refused(&elsewhere).as_deref(), Some("council.region"));
    let shenzhen = load(Some("[council]\nregion = \"440300\"\n"), &[], &[]).unwrap();
    assert_eq!(refused(&shenzhen), None);
    let ourselves = load(
        Some(&peer_toml("").replace("[[partner.peer]]", "[council]\nid = \"hk-consumer-council\"\n[[partner.peer]]")),
        &[],
        &[],
    );
    assert_eq!(refused(&ourselves.unwrap()).as_deref(), Some("partner.peer"));
}

#[test]
fn the_limits_of_the_exchange_hold_at_the_edge_and_one_past_it() {
    let accepts = |change: fn(&mut Config)| {
        let mut config = Config::default();
        change(&mut config);
        config.validate().is_ok()
    };
    assert!(accepts(|c| c.partner.body_bytes_max = 1_024));
    assert!(!accepts(|c| c.partner.body_bytes_max = 1_023));
    assert!(accepts(|c| c.partner.max_ms = c.partner.base_ms));
    assert!(!accepts(|c| c.partner.max_ms = c.partner.base_ms - 1));
    assert!(accepts(|c| c.partner.attempts_max = 10_000));
    assert!(!accepts(|c| c.partner.attempts_max = 10_001));
    assert!(!accepts(|c| c.partner.give_up_hours = 0));
    assert!(accepts(|c| c.partner.sweep_ms = 10));
    assert!(!accepts(|c| c.partner.sweep_ms = 9));
    assert!(accepts(|c| c.partner.header_timeout_seconds = 600));
    assert!(!accepts(|c| c.partner.header_timeout_seconds = 601));
    assert!(accepts(|c| c.partner.connections_max = 1));
    assert!(!accepts(|c| c.partner.connections_max = 0));
    assert!(accepts(|c| c.partner.connections_per_address_max = 1_000_000));
    assert!(!accepts(|c| c.partner.connections_per_address_max = 1_000_001));
    assert!(accepts(|c| c.partner.requests_per_minute = 1));
    assert!(!accepts(|c| c.partner.requests_per_minute = 0));
    assert!(accepts(|c| c.partner.clamd = Some("127.0.0.1:3310".to_owned())));
    assert!(!accepts(|c| c.partner.clamd = Some("clamd".to_owned())));
    assert!(!accepts(|c| c.partner.clamd = Some(":3310".to_owned())));
    assert!(!accepts(|c| c.partner.public_url = Some("partners.example.org".to_owned())));
    assert!(!accepts(|c| c.partner.public_url = Some("https://partners.example.org/?a=1".to_owned())));
    assert!(!accepts(|c| c.partner.public_url = Some("https://partners.example.org/partner".to_owned())));
    assert!(accepts(|c| c.partner.public_url = Some("https://partners.example.org/".to_owned())));
    assert!(!accepts(|c| c.partner.client_key_file = Some("key.pem".into())));
    assert!(!accepts(|c| c.partner.listen = Some("127.0.0.1:8443".parse().unwrap())));
}

#[test]
fn a_partner_is_reached_in_clear_only_when_that_is_said() {
    let mut config = with_peer("");
    peer(&mut config).endpoint = Some("http://hk.example.org/partner/graphql".to_owned());
    assert_eq!(refused(&config).as_deref(), Some("partner.peer"));
    peer(&mut config).allow_plain_http = true;
    assert_eq!(refused(&config), None);
    peer(&mut config).endpoint = None;
    assert_eq!(refused(&config).as_deref(), Some("partner.peer"));
    peer(&mut config).transport = Transport::Poll;
    assert_eq!(refused(&config), None);
    peer(&mut config).pull = true;
    assert_eq!(refused(&config).as_deref(), Some("partner.peer"));
}

#[test]
fn what_opens_the_exchange_too_far_warns() {
    let warned = |change: fn(&mut Config)| -> Vec<&'static str> {
        let mut config = with_peer("");
        config.partner.listen = Some("127.0.0.1:8443".parse().unwrap());
        config.partner.tls_certificate_file = Some("partner.crt".into());
        config.partner.tls_key_file = Some("partner.key".into());
        config.partner.client_ca_file = Some("ca.pem".into());
        config.partner.public_url = Some("https://partners.example.org".to_owned());
        change(&mut config);
        config.validate().unwrap().iter().map(|warning| warning.keys[0]).collect()
    };
    assert!(warned(|_| {}).is_empty());
    assert_eq!(warned(|c| c.partner.public_url = None), ["partner.public_url"]);
    assert_eq!(warned(|c| c.partner.lease_ms = c.partner.timeout_ms - 1), ["partner.lease_ms"]);
    assert_eq!(warned(|c| peer(c).keys.clear()), ["partner.peer.keys"]);
    assert_eq!(warned(|c| peer(c).allow_plain_http = true), ["partner.peer.allow_plain_http"]);
    assert_eq!(warned(|c| peer(c).allow_private_address = true), ["partner.peer.allow_private_address"]);
    assert_eq!(warned(|c| c.partner.listen = None), ["partner.listen", "partner.tls_certificate_file"]);
    let pinned = |c: &mut Config| {
        c.partner.listen = None;
        peer(c).certificates = vec!["0".repeat(64)];
    };
    assert_eq!(warned(pinned), ["partner.listen", "partner.tls_certificate_file", "partner.peer.certificates"]);
}

#[test]
fn the_host_of_a_request_is_believed_on_loopback_alone() {
    let with = |main: &str, apart: Option<&str>, public_url: Option<&str>| {
        let mut config = with_peer("");
        config.server.listen = main.parse().unwrap();
        config.partner.listen = apart.map(|listen| listen.parse().unwrap());
        config.partner.tls_certificate_file = Some("partner.crt".into());
        config.partner.tls_key_file = Some("partner.key".into());
        config.partner.client_ca_file = Some("ca.pem".into());
        config.partner.public_url = public_url.map(str::to_owned);
        config
    };
    let url = Some("https://partners.example.org");
    for (main, apart) in [("0.0.0.0:80", None), ("192.0.2.1:80", None), ("127.0.0.1:80", Some("[::]:443"))] {
        assert_eq!(refused(&with(main, apart, None)).as_deref(), Some("partner.public_url"), "{main} {apart:?}");
        assert_eq!(refused(&with(main, apart, url)), None, "{main} {apart:?}");
        let mut alone = with(main, apart, None);
        alone.partner.peers.clear();
        assert_eq!(refused(&alone), None, "without partners nobody signs anything");
    }
    // With a listener of their own they do not come in at the main one.
    for (main, apart) in [("127.0.0.1:80", None), ("[::1]:80", None), ("0.0.0.0:80", Some("127.0.0.1:443"))] {
        assert_eq!(refused(&with(main, apart, None)), None, "{main} {apart:?}");
    }
    let told = with("0.0.0.0:80", None, None).validate().unwrap_err().to_string();
    assert!(told.contains("0.0.0.0:80 (server.listen)") && told.contains("https://"), "{told}");
}

#[test]
fn no_password_in_an_address_of_a_partner_is_printed() {
    let mut config = with_peer("");
    peer(&mut config).endpoint = Some("https://user:secret@hk.example.org/partner/graphql".to_owned());
    let shown = config.to_masked_toml().unwrap();
    assert!(!shown.contains("secret"), "{shown}");
}
