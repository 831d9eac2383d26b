mod cluster;
mod exchange;
mod places;
mod vault;

use std::io::Write as _;

use secrecy::ExposeSecret as _;

use super::*;

fn load(toml: Option<&str>, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let path = toml.map(|text| {
        file.write_all(text.as_bytes()).unwrap();
        file.path().to_owned()
    });
    let flags: Vec<(&str, String)> = flags.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
    let environment = Environment::from_pairs(environment.iter().copied());
    Config::load(path.as_deref(), &environment, &flags)
}

#[test]
fn the_checked_in_file_says_what_the_code_says() {
    assert_eq!(load(None, &[], &[]).unwrap(), Config::default());
}

#[test]
fn the_checked_in_file_explains_every_key() {
    for (section, key) in KnownKeys::of_defaults().iter() {
        let header = format!("\n[{section}]\n");
        let body = DEFAULT_TOML.split_once(&header).unwrap().1;
        let body = body.split("\n[").next().unwrap();
        let lines: Vec<&str> = body.lines().collect();
        let set = format!("{key} = ");
        let unset = format!("# {key} = ");
        let at = lines.iter().position(|line| line.starts_with(&set) || line.starts_with(&unset));
        let at = at.unwrap_or_else(|| panic!("`{section}.{key}` is missing"));
        let above = lines[at.checked_sub(1).unwrap()];
        assert!(above.starts_with("# ") && !above.contains(" = "), "`{section}.{key}` is not explained");
    }
}

#[test]
fn the_examples_of_unset_keys_are_valid() {
    let toml: String = DEFAULT_TOML
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(example) if example.contains(" = \"") || example.starts_with("[[") => format!("{example}\n"),
            _ => format!("{line}\n"),
        })
        .collect();

    let config = load(Some(&toml), &[], &[]).unwrap();

    assert_eq!(config.auth.issuer.as_deref(), Some("https://login.example.org"));
    assert!(config.telemetry.otlp_endpoint.is_some());
    assert!(config.vault.master_key_file.is_some());
    assert_eq!(config.council.region.map(|region| region.number()), Some(440_104));
    assert_eq!(config.partner.peers.len(), 1);
    assert_eq!(config.partner.peers[0].keys.len(), 1);
    assert!(config.log.eventstore.installation.is_some());
    // Both key sources are set, and a cluster that is not used: warnings and not errors.
    let warned: Vec<_> = config.validate().unwrap().iter().map(|warning| warning.keys[0]).collect();
    for key in ["auth.jwks_file", "log.eventstore.connection"] {
        assert!(warned.contains(&key), "{key} in {warned:?}");
    }
}

#[test]
fn later_sources_win() {
    let file = "[server]\nlisten = \"127.0.0.1:1\"\n[log]\nreaders = 7\nqueue_max = 9\n";
    let environment = [("BAYCASE_SERVER__LISTEN", "127.0.0.1:2"), ("BAYCASE_LOG__READERS", "8"), ("PATH", "/bin")];

    let config = load(Some(file), &environment, &[("server.listen", "127.0.0.1:3")]).unwrap();

    assert_eq!(config.server.listen.port(), 3, "a flag wins over a variable");
    assert_eq!(config.log.readers, 8, "a variable wins over the file");
    assert_eq!(config.log.queue_max, 9, "the file wins over the default");
    assert_eq!(config.log.batch_events_max, 4_096, "the rest is the default");
}

#[test]
fn text_is_read_as_the_key_demands() {
    let environment =
        [("BAYCASE_AUTH__DEV", "true"), ("BAYCASE_AUTH__ISSUER", "12345"), ("BAYCASE_TELEMETRY__LOG_FORMAT", "json")];

    let config = load(None, &environment, &[]).unwrap();

    assert!(config.auth.dev);
    assert_eq!(config.auth.issuer.as_deref(), Some("12345"));
    assert_eq!(config.telemetry.log_format, LogFormat::Json);
}

#[test]
fn an_empty_variable_clears_what_the_file_set() {
    let file = "[telemetry]\notlp_endpoint = \"http://127.0.0.1:4318\"\n";
    let environment = [("BAYCASE_TELEMETRY__OTLP_ENDPOINT", "")];

    let config = load(Some(file), &environment, &[]).unwrap();

    assert_eq!(config.telemetry.otlp_endpoint, None);
}

#[test]
fn variables_read_apart_are_not_configuration() {
    let pairs = [
        ("BAYCASE_MASTER_KEY", "hunter2"),
        ("BAYCASE_TEST_DATA", "/data"),
        ("BAYCASE_TEST_EVENTSTORE", "esdb://localhost:2113"),
    ];
    let environment = Environment::from_pairs(pairs);

    let config = Config::load(None, &environment, &[]).unwrap();

    assert_eq!(config, Config::default());
    assert_eq!(environment.master_key().unwrap().expose_secret(), "hunter2");
    assert!(!format!("{environment:?}").contains("hunter2"));
}

#[test]
fn the_environment_may_name_the_file() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"[log]\nreaders = 5\n").unwrap();
    let environment = Environment::from_pairs([("BAYCASE_CONFIG", file.path().to_str().unwrap())]);

    let config = Config::load(None, &environment, &[]).unwrap();

    assert_eq!(config.log.readers, 5);
}

#[test]
fn unknown_keys_are_named() {
    let cases = [
        (load(Some("[server]\nlistne = 1\n"), &[], &[]), "server.listne"),
        (load(Some("[serverr]\nlisten = 1\n"), &[], &[]), "serverr"),
        (load(None, &[("BAYCASE_SERVER__LISTNE", "x")], &[]), "BAYCASE_SERVER__LISTNE"),
        (load(None, &[("BAYCASE_LISTEN", "x")], &[]), "BAYCASE_LISTEN"),
        (load(None, &[], &[("server.listne", "x")]), "server.listne"),
    ];
    for (result, expected) in cases {
        match result {
            Err(ConfigError::UnknownKey { key, .. }) => assert_eq!(key, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[test]
fn an_unknown_key_is_answered_with_the_known_ones() {
    let error = load(None, &[("BAYCASE_LOG__READER", "4")], &[]).unwrap_err();

    let text = error.to_string();
    assert!(text.contains("`BAYCASE_LOG__READER`"), "{text}");
    assert!(text.contains("the environment"), "{text}");
    assert!(text.contains("readers"), "{text}");
}

#[test]
fn values_of_the_wrong_type_are_named_with_their_source() {
    let cases = [
        (load(Some("[log]\nreaders = \"four\"\n"), &[], &[]), "log.readers"),
        (load(Some("[log]\nengine = \"files\"\n"), &[], &[]), "log.engine"),
        (load(Some("[server]\nlisten = \"here\"\n"), &[], &[]), "server.listen"),
        (load(None, &[("BAYCASE_LOG__READERS", "four")], &[]), "BAYCASE_LOG__READERS"),
        (load(None, &[("BAYCASE_AUTH__DEV", "yes")], &[]), "BAYCASE_AUTH__DEV"),
    ];
    for (result, expected) in cases {
        match result {
            Err(ConfigError::Invalid { key, .. }) => assert_eq!(key, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[test]
fn a_file_that_is_missing_or_malformed_is_an_error() {
    let missing = Config::load(Some(Path::new("no/such/file.toml")), &Environment::default(), &[]);
    assert!(matches!(missing, Err(ConfigError::Read { .. })));
    assert!(matches!(load(Some("[server\n"), &[], &[]), Err(ConfigError::Syntax { .. })));
}

#[test]
fn limits_hold_at_the_edge_and_refuse_one_past_it() {
    let accepts = |change: fn(&mut Config)| {
        let mut config = Config::default();
        change(&mut config);
        config.validate().is_ok()
    };

    assert!(accepts(|c| c.graphql.page_default = 200));
    assert!(!accepts(|c| c.graphql.page_default = 201));
    assert!(accepts(|c| c.graphql.page_max = 1_000));
    assert!(!accepts(|c| c.graphql.page_max = 1_001));
    assert!(accepts(|c| c.log.readers = 64));
    assert!(!accepts(|c| c.log.readers = 65));
    assert!(!accepts(|c| c.log.readers = 0));
    assert!(accepts(|c| c.log.batch_bytes_max = 1_024));
    assert!(!accepts(|c| c.log.batch_bytes_max = 1_023));
    assert!(accepts(|c| c.telemetry.sample_ratio_ppm = 1_000_000));
    assert!(!accepts(|c| c.telemetry.sample_ratio_ppm = 1_000_001));
    assert!(!accepts(|c| c.telemetry.filter = "not=a=filter".to_owned()));
    assert!(!accepts(|c| c.server.admin_listen = c.server.listen));
    assert!(accepts(|c| c.server.header_timeout_seconds = 1));
    assert!(!accepts(|c| c.server.header_timeout_seconds = 0));
    assert!(accepts(|c| c.server.connections_max = 1_000_000));
    assert!(!accepts(|c| c.server.connections_max = 1_000_001));
    assert!(accepts(|c| c.server.connections_per_address_max = 1));
    assert!(!accepts(|c| c.server.connections_per_address_max = 0));
    assert!(!accepts(|c| c.auth.issuer = Some(" ".to_owned())));
}

#[test]
fn keys_are_fetched_over_tls_or_from_this_machine() {
    for (url, good) in [
        ("https://login.example.org/jwks", true),
        ("http://127.0.0.1:8000/jwks", true),
        ("http://[::1]:8000/jwks", true),
        ("http://localhost/jwks", true),
        ("http://login.example.org/jwks", false),
        ("http://127.0.0.1.example.org/jwks", false),
        ("file:///etc/jwks.json", false),
        ("login.example.org", false),
    ] {
        let mut config = Config::default();
        config.auth.jwks_url = Some(url.to_owned());
        assert_eq!(config.validate().is_ok(), good, "{url}");
    }
}

#[test]
fn defaults_are_safe_and_contradictions_warn() {
    let warned = |change: fn(&mut Config)| -> Vec<&'static str> {
        let mut config = Config::default();
        change(&mut config);
        let warnings = config.validate().unwrap();
        warnings.iter().map(|warning| warning.keys[0]).collect()
    };
    let open = |c: &mut Config| {
        c.auth.dev = true;
        c.server.listen = "0.0.0.0:8080".parse().unwrap();
    };
    let silent = |c: &mut Config| {
        c.telemetry.otlp_endpoint = Some("http://127.0.0.1:4318".to_owned());
        c.telemetry.sample_ratio_ppm = 0;
    };

    assert!(warned(|_| {}).is_empty());
    assert_eq!(warned(open), ["auth.dev"]);
    assert_eq!(warned(silent), ["telemetry.otlp_endpoint"]);
    assert_eq!(warned(|c| c.limits.burst = 1), ["limits.burst"]);
    assert_eq!(warned(|c| c.server.connections_max = 1_000), ["server.connections_max"]);
    assert_eq!(warned(|c| c.auth.audience = Some("baycase".to_owned())), ["auth.issuer"]);
    assert_eq!(warned(|c| c.server.shutdown_grace_ms = 0), ["server.shutdown_grace_ms"]);
}

#[test]
fn the_printed_configuration_hides_secrets_and_can_be_read_again() {
    let mut config = Config::default();
    config.auth.jwks_url = Some("https://user:secret@login.example.org/jwks?key=hidden".to_owned());
    config.telemetry.otlp_endpoint = Some("https://token@collector.example.org".to_owned());

    let shown = config.to_masked_toml().unwrap();

    for secret in ["user", "secret", "hidden", "token"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(shown.contains("https://***@login.example.org/jwks?***"), "{shown}");
    let again = load(Some(&shown), &[], &[]).unwrap();
    assert_eq!(again.server, config.server);
}
