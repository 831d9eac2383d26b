//! The sections `vault` and `vault_node`.

use super::{Config, ConfigError, load};
use crate::config::{LogEngine, VaultConfig, VaultRole};

const SHARED: &str = "[vault]\nurl = \"https://vault-1.example.org:8460\"\n\
                      standby = \"https://vault-2.example.org:8460\"\n\
                      ca_file = \"ca.pem\"\ncert_file = \"node.crt\"\nkey_file = \"node.key\"\n";
const SERVED: &str = "[vault_node]\nlisten = \"0.0.0.0:8460\"\nstandby = \"https://vault-2.example.org:8460\"\n\
                      client_ca_file = \"ca.pem\"\ncert_file = \"vault.crt\"\nkey_file = \"vault.key\"\n";

fn shared() -> Config {
    load(Some(SHARED), &[], &[]).unwrap()
}

fn served() -> Config {
    load(Some(SERVED), &[], &[]).unwrap()
}

/// The key that a validation refuses after a change.
fn refused(mut config: Config, change: impl Fn(&mut Config)) -> Option<String> {
    change(&mut config);
    match config.validate() {
        Ok(_) => None,
        Err(ConfigError::Invalid { key, .. }) => Some(key),
        Err(other) => panic!("{other}"),
    }
}

/// A change of the defaults, and the key that is told of it.
type Case = (fn(&mut Config), &'static str);

#[test]
fn a_file_names_the_vault_node_and_its_standby() {
    assert_eq!(refused(shared(), |_| {}), None);
    assert_eq!(refused(served(), |_| {}), None);
    let again = load(Some(&shared().to_masked_toml().unwrap()), &[], &[]).unwrap();
    // An address is told in its full form.
    let whole = |address: &Option<String>| address.as_ref().map(|address| format!("{address}/"));
    let expected = shared().vault;
    let (url, standby) = (whole(&expected.url), whole(&expected.standby));
    assert_eq!(again.vault, VaultConfig { url, standby, ..expected });
    let role = load(None, &[("BAYCASE_VAULT_NODE__ROLE", "standby")], &[]).unwrap().vault_node.role;
    assert_eq!(role, VaultRole::Standby);
}

#[test]
fn the_promise_holds_with_the_defaults_and_its_limits_at_the_edge() {
    let config = Config::default().vault;
    assert_eq!((config.refresh_ms, config.stale_after_ms), (5_000, 30_000));
    let key = |change: fn(&mut Config)| refused(Config::default(), change);
    assert_eq!(key(|c| c.vault.stale_after_ms = 15_000), None);
    assert_eq!(key(|c| c.vault.stale_after_ms = 14_999).as_deref(), Some("vault.stale_after_ms"));
    assert_eq!(key(|c| c.vault.stale_after_ms = 600_000), None);
    assert_eq!(key(|c| c.vault.stale_after_ms = 600_001).as_deref(), Some("vault.stale_after_ms"));
    assert_eq!(key(|c| c.vault.refresh_ms = 100), None);
    assert_eq!(key(|c| c.vault.refresh_ms = 99).as_deref(), Some("vault.refresh_ms"));
    assert_eq!(key(|c| c.vault.timeout_ms = 9).as_deref(), Some("vault.timeout_ms"));
    assert_eq!(key(|c| c.vault_node.standby_timeout_ms = 9).as_deref(), Some("vault_node.standby_timeout_ms"));
}

#[test]
fn keys_travel_with_certificates_or_on_this_machine() {
    let url = |url: &'static str| refused(shared(), move |c| c.vault.url = Some(url.to_owned()));
    for good in ["https://vault-1.example.org:8460/", "http://127.0.0.1:8460", "http://localhost:8460"] {
        assert_eq!(url(good), None, "{good}");
    }
    for bad in [
        "http://vault-1.example.org:8460",
        "https://user@vault-1.example.org:8460",
        "https://vault-1.example.org:8460/v1",
        "https://vault-1.example.org:8460?a=1",
        "vault-1.example.org:8460",
        "https://vault-2.example.org:8460",
    ] {
        assert!(url(bad).is_some_and(|key| key.starts_with("vault.")), "{bad}");
    }
    let cases: [Case; 4] = [
        (|c| c.vault.ca_file = None, "vault.ca_file"),
        (|c| c.vault.cert_file = None, "vault.cert_file"),
        (|c| c.vault.key_file = None, "vault.key_file"),
        (|c| c.vault.url = None, "vault.standby"),
    ];
    for (change, key) in cases {
        assert_eq!(refused(shared(), change).as_deref(), Some(key));
    }
}

#[test]
fn a_vault_node_lets_nobody_in_without_a_certificate_but_from_this_machine() {
    assert_eq!(refused(Config::default(), |_| {}), None);
    let cases: [Case; 5] = [
        (|c| c.vault_node.client_ca_file = None, "vault_node.client_ca_file"),
        (|c| c.vault_node.cert_file = None, "vault_node.cert_file"),
        (|c| c.vault_node.role = VaultRole::Standby, "vault_node.standby"),
        (|c| c.vault_node.standby = Some("http://vault-2.example.org".to_owned()), "vault_node.standby"),
        (|c| c.vault_node.admin_listen = c.vault_node.listen, "vault_node.admin_listen"),
    ];
    for (change, key) in cases {
        assert_eq!(refused(served(), change).as_deref(), Some(key));
    }
    let alone = |c: &mut Config| {
        c.vault_node.role = VaultRole::Standby;
        c.vault_node.standby = None;
    };
    assert_eq!(refused(served(), alone).as_deref(), Some("vault_node.mirror_clients"), "nobody unless named");
    let open = refused(Config::default(), |c| c.vault_node.listen = "0.0.0.0:8460".parse().unwrap());
    assert_eq!(open.as_deref(), Some("vault_node.client_ca_file"));
}

#[test]
fn a_standby_names_those_whose_word_it_takes() {
    const STANDBY: &str = "[vault_node]\nlisten = \"0.0.0.0:8460\"\nrole = \"standby\"\n\
                           mirror_clients = [\"vault-1\", \"10.0.0.7\"]\n\
                           client_ca_file = \"ca.pem\"\ncert_file = \"vault.crt\"\nkey_file = \"vault.key\"\n";
    let standby = load(Some(STANDBY), &[], &[]).unwrap();
    assert_eq!(standby.vault_node.mirror_clients, ["vault-1", "10.0.0.7"]);
    assert_eq!(refused(standby.clone(), |_| {}), None);
    assert_eq!(refused(served(), |c| c.vault_node.mirror_clients = vec!["vault-2".to_owned()]), None);
    let cases: [Case; 3] = [
        (|c| c.vault_node.mirror_clients.clear(), "vault_node.mirror_clients"),
        (|c| c.vault_node.mirror_clients.push("https://vault-1".to_owned()), "vault_node.mirror_clients"),
        (|c| c.vault_node.mirror_clients.push(String::new()), "vault_node.mirror_clients"),
    ];
    for (change, key) in cases {
        assert_eq!(refused(standby.clone(), change).as_deref(), Some(key));
    }
    let unasked = |c: &mut Config| c.vault_node.mirror_clients = vec!["vault-1".to_owned()];
    assert_eq!(refused(Config::default(), unasked).as_deref(), Some("vault_node.mirror_clients"));
}

#[test]
fn what_loses_keys_warns() {
    let warned = |mut config: Config, change: fn(&mut Config)| -> Vec<&'static str> {
        change(&mut config);
        config.validate().unwrap().iter().map(|warning| warning.keys[0]).collect()
    };
    assert!(warned(shared(), |_| {}).is_empty());
    assert!(warned(served(), |_| {}).is_empty());
    assert_eq!(warned(served(), |c| c.vault_node.standby_required = false), ["vault_node.standby_required"]);
    let unused = |c: &mut Config| {
        c.vault.url = None;
        c.vault.standby = None;
    };
    assert_eq!(warned(shared(), unused), ["vault.ca_file"]);
    let cluster = |c: &mut Config| {
        c.log.engine = LogEngine::EventStoreDb;
        c.log.eventstore.connection = Some("esdb+discover://eventstore.example.org:2113".to_owned());
    };
    assert!(warned(Config::default(), cluster).contains(&"vault.url"));
    assert!(!warned(shared(), cluster).contains(&"vault.url"));
}
