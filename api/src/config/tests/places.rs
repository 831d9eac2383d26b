//! Every error names the source that has to be changed, and the key in it.

use std::path::PathBuf;

use tempfile::TempDir;

use super::{Config, ConfigError, Environment};

fn file(toml: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gd.toml");
    std::fs::write(&path, toml).unwrap();
    (folder, path)
}

/// What a server that reads this file ends with.
fn refused(toml: &str) -> ConfigError {
    let (_folder, path) = file(toml);
    let config = Config::load(Some(&path), &Environment::default(), &[]);
    config.and_then(|config| config.validate()).unwrap_err()
}

#[test]
fn an_error_of_a_file_names_the_file_and_the_key() {
    for (toml, key) in [
        ("[server]\nlistne = 1\n", "server.listne"),
        ("[log]\nreaders = \"four\"\n", "log.readers"),
        ("[log]\nreaders = 65\n", "log.readers"),
        ("[graphql]\npage_max = 10\n", "graphql.page_default"),
        ("[server]\nlisten = \"127.0.0.1:9090\"\n", "server.admin_listen"),
        ("[telemetry]\nfilter = \"not=a=filter\"\n", "telemetry.filter"),
        ("[auth]\njwks_url = \"http://login.example.org/jwks\"\n", "auth.jwks_url"),
        ("[council]\nid = \"sg-consumer-council\"\n", "council.id"),
        ("[council]\nid = \"hk-consumer-council\"\nregion = \"440104\"\n", "council.region"),
        ("[partner]\nlisten = \"127.0.0.1:8443\"\n", "partner.tls_certificate_file"),
        ("[partner]\nbase_ms = 3600000\n", "partner.max_ms"),
        ("[[partner.peer]]\ntransport = \"push\"\n", "partner.peer.0.id"),
        ("[[partner.peer]]\nid = \"hk-consumer-council\"\nendpiont = \"x\"\n", "partner.peer.0.endpiont"),
        ("[[partner.peer]]\nid = \"hk-consumer-council\"\n", "partner.peer"),
    ] {
        let error = refused(toml);
        assert_eq!(error.key(), Some(key), "{error}");
        let text = error.to_string();
        assert!(text.contains("gd.toml") && text.contains(&format!("`{key}`")), "{text}");
    }
    let malformed = refused("[server\n");
    assert!(malformed.key().is_none() && malformed.to_string().contains("gd.toml"), "{malformed}");
}

#[test]
fn an_error_of_a_variable_or_a_flag_names_those() {
    let (_folder, path) = file("[log]\nreaders = 7\n");
    let environment = Environment::from_pairs([("BAYCASE_LOG__READERS", "65")]);
    let config = Config::load(Some(&path), &environment, &[]).unwrap();
    let text = config.validate().unwrap_err().to_string();
    assert!(text.contains("the environment") && !text.contains("gd.toml"), "{text}");

    let flag = [("log.readers", "66".to_owned())];
    let config = Config::load(Some(&path), &environment, &flag).unwrap();
    let text = config.validate().unwrap_err().to_string();
    assert!(text.contains("the command line"), "{text}");

    let mut config = Config::load(Some(&path), &Environment::default(), &[]).unwrap();
    config.server.listen = config.server.admin_listen;
    config.given_by_flag("server.listen");
    let text = config.validate().unwrap_err().to_string();
    assert!(text.contains("`server.admin_listen` in the command line"), "{text}");
}

#[test]
fn everything_that_is_refused_is_told_at_once() {
    let (_folder, path) = file("[log]\nreaders = 65\nqueue_max = 0\n[partner]\nclamd = \"clamd\"\n");
    let config = Config::load(Some(&path), &Environment::default(), &[]).unwrap();
    let refused = config.refused();
    let keys: Vec<_> = refused.iter().map(|error| error.key().unwrap()).collect();
    assert_eq!(keys, ["log.readers", "log.queue_max", "partner.clamd"]);
    assert_eq!(config.validate().unwrap_err().to_string(), refused[0].to_string(), "a start ends with the first");
}

#[test]
fn where_a_value_stands_makes_no_other_configuration() {
    let (_folder, path) = file("[log]\nreaders = 4\n");
    assert_eq!(Config::load(Some(&path), &Environment::default(), &[]).unwrap(), Config::default());
}
