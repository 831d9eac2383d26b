//! The sections `log.eventstore` and `node`.

use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::{Config, ConfigError, Environment, KnownKeys, LogEngine, load};

const CLUSTER: &str = "[log]\nengine = \"eventstoredb\"\n[log.eventstore]\nconnection = \"esdb://a:2113,b:2113\"\n";

/// The key that a validation refuses.
fn refused(change: impl Fn(&mut Config)) -> Option<String> {
    let mut config = Config::default();
    change(&mut config);
    match config.validate() {
        Ok(_) => None,
        Err(ConfigError::Invalid { key, .. }) => Some(key),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_file_names_the_cluster() {
    let config = load(Some(CLUSTER), &[], &[]).unwrap();
    assert_eq!(config.log.engine, LogEngine::EventStoreDb);
    assert_eq!(config.log.eventstore.connection.as_deref(), Some("esdb://a:2113,b:2113"));
    assert_eq!(config.log.eventstore.attempt_timeout(), Duration::from_secs(5));
    assert_eq!(config.log.readers, 4, "the rest is the default");
    let warned: Vec<_> = config.validate().unwrap().iter().map(|warning| warning.keys[0]).collect();
    assert_eq!(warned, ["node.evidence_dir", "vault.url"]);
}

#[test]
fn variables_and_flags_reach_a_table_inside_of_a_section() {
    let environment = [
        ("BAYCASE_LOG__ENGINE", "eventstoredb"),
        ("BAYCASE_LOG__EVENTSTORE__CONNECTION", "esdb+discover://cluster:2113"),
        ("BAYCASE_LOG__EVENTSTORE__USER", "baycase"),
        ("BAYCASE_LOG__READERS", "2"),
        ("BAYCASE_NODE__NAME", "node-b"),
    ];
    let config = load(Some(CLUSTER), &environment, &[("log.eventstore.timeout_ms", "300")]).unwrap();
    assert_eq!(config.log.eventstore.connection.as_deref(), Some("esdb+discover://cluster:2113"));
    assert_eq!(config.log.eventstore.user.as_deref(), Some("baycase"));
    assert_eq!(config.log.eventstore.timeout_ms, 300);
    assert_eq!((config.log.readers, config.node.name.as_deref()), (2, Some("node-b")));
    assert!(KnownKeys::of_defaults().iter().any(|key| key == ("log.eventstore", "connection")));
}

#[test]
fn an_unknown_key_of_the_inner_table_is_named_with_the_known_ones() {
    for result in [
        load(None, &[("BAYCASE_LOG__EVENTSTORE__CONECTION", "x")], &[]),
        load(None, &[], &[("log.eventstore.conection", "x")]),
    ] {
        let Err(ConfigError::UnknownKey { expected, .. }) = result else { panic!("{result:?}") };
        assert!(expected.contains("connection"), "{expected}");
    }
    let found = load(Some("[log.eventstore]\nconection = \"x\"\n"), &[], &[]);
    assert!(matches!(found, Err(ConfigError::UnknownKey { ref key, .. }) if key.contains("conection")), "{found:?}");
    assert!(matches!(load(None, &[("BAYCASE_LOG__EVENTSTORE", "x")], &[]), Err(ConfigError::UnknownKey { .. })));
}

#[test]
fn the_password_is_read_apart_and_never_shown() {
    let environment = Environment::from_pairs([("BAYCASE_EVENTSTORE_PASSWORD", "changeit")]);
    assert_eq!(Config::load(None, &environment, &[]).unwrap(), Config::default());
    assert_eq!(environment.eventstore_password().unwrap().expose_secret(), "changeit");
    let mut config = Config::default();
    config.log.eventstore.connection = Some("esdb://admin:changeit@a:2113,b:2113?tls=true".to_owned());
    let shown = config.to_masked_toml().unwrap();
    assert!(shown.contains("esdb://***@a:2113,b:2113?tls=true") && !shown.contains("changeit"), "{shown}");
}

#[test]
fn a_secret_in_the_query_of_the_connection_string_is_never_shown() {
    for (connection, expected) in [
        ("esdb://a:2113?tls=true&password=changeit", "esdb://a:2113?tls=true&***"),
        ("esdb://a:2113?changeit", "esdb://a:2113?***"),
        ("esdb://a:2113?tls=true;password=changeit", "esdb://a:2113?***"),
        ("esdb://a,b/?tlsCaFile=/etc/ca.pem&TLS=false", "esdb://a,b/?tlsCaFile=/etc/ca.pem&TLS=false"),
    ] {
        let mut config = Config::default();
        config.log.eventstore.connection = Some(connection.to_owned());
        let shown = config.to_masked_toml().unwrap();
        assert!(shown.contains(&format!("\"{expected}\"")) && !shown.contains("changeit"), "{shown}");
    }
}

#[test]
fn whatever_lets_others_read_along_is_warned_of() {
    for (query, expected) in [
        ("tls=true", 0),
        ("tls=false", 1),
        ("TLS=false", 1),
        ("tlsVerifyCert=false", 1),
        ("tlsverifycert=true", 0),
        ("tls=true&connectionName=tls%3Dfalse", 0),
    ] {
        let config = load(Some(&CLUSTER.replace("b:2113", &format!("b:2113?{query}"))), &[], &[]).unwrap();
        let warnings = config.validate().unwrap();
        let told = warnings.iter().filter(|warning| warning.keys == ["log.eventstore.connection"]).count();
        assert_eq!(told, expected, "{query}: {warnings:?}");
    }
}

#[test]
fn what_a_cluster_needs_is_asked_for() {
    let key = |name: &str| Some(format!("log.eventstore.{name}"));
    assert_eq!(refused(|c| c.log.engine = LogEngine::EventStoreDb), key("connection"));
    for (connection, good) in [
        ("esdb://127.0.0.1:2113?tls=false", true),
        ("esdb+discover://cluster.example.org", true),
        ("http://cluster.example.org", false),
        ("esdb://", false),
        ("esdb://?tls=false", false),
        ("esdb://admin:changeit@a:2113", false),
        ("esdb://a:2113?connectionName=a@b", true),
        ("esdb://a:2113?userCertFile=a.pem", false),
        ("esdb://a:2113?tsl=false", false),
        ("esdb://a:2113?tls=ture", false),
        ("esdb://a:2113?tls=false&TLS=true", false),
    ] {
        let refused = refused(|c| c.log.eventstore.connection = Some(connection.to_owned()));
        assert_eq!(refused, if good { None } else { key("connection") }, "{connection}");
    }
    assert_eq!(refused(|c| c.log.eventstore.password_file = Some("p".into())), key("password_file"));
    assert_eq!(refused(|c| c.log.eventstore.user = Some(" ".to_owned())), key("user"));
    assert_eq!(refused(|c| c.log.eventstore.client_key_file = Some("k".into())), key("client_cert_file"));
}

#[test]
fn an_unknown_parameter_of_the_connection_string_is_told_with_its_key_and_its_source() {
    let text = CLUSTER.replace("b:2113", "b:2113?tsl=true");
    let config = load(Some(&text), &[], &[]).unwrap();
    let refused = config.refused();
    let [error] = refused.as_slice() else { panic!("{refused:?}") };
    let ConfigError::Invalid { key, place, reason } = error else { panic!("{error}") };
    assert_eq!(key, "log.eventstore.connection");
    assert!(!place.is_empty() && error.to_string().contains(place.as_str()), "{error}");
    assert!(reason.contains("`tsl`") && reason.contains("tlsVerifyCert"), "{reason}");
    // A file that the string names and the settings beside it name as well.
    let twice = format!("{}ca_file = \"/ca.pem\"\n", CLUSTER.replace("b:2113", "b:2113?tlsCaFile=/a.pem"));
    let refused = load(Some(&twice), &[], &[]).unwrap().refused();
    assert!(matches!(refused.as_slice(), [error] if error.to_string().contains("`tlsCaFile`")), "{refused:?}");
}

#[test]
fn limits_hold_at_the_edge_and_refuse_one_past_it() {
    let timeout = |millis| refused(|c| c.log.eventstore.timeout_ms = millis).is_none();
    assert_eq!([99, 100, 600_000, 600_001].map(timeout), [false, true, true, false]);
    let ttl = |millis| refused(|c| c.node.lease_ttl_ms = millis).is_none();
    assert_eq!([299, 300, 600_000, 600_001].map(ttl), [false, true, true, false]);
    let name = |name: String| refused(|c| c.node.name = Some(name.clone())).is_none();
    assert!(name("node-1.a_B".to_owned()) && name("n".repeat(64)));
    for bad in [String::new(), "n".repeat(65), "a b".to_owned(), "节点".to_owned(), "a/b".to_owned()] {
        assert!(!name(bad.clone()), "{bad}");
    }
}
