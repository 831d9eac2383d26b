//! The connection string: what the store adds to it, and how much of it may be shown.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use super::options::EventStoreOptions;
use crate::fault::LogFault;

/// Wait between two steps of finding a node, unless the connection string says otherwise. The client waits it out once
/// for every new connection, and its own half second is long for that.
const DISCOVERY_INTERVAL_MS: u64 = 100;
/// Time that a node has to say who leads, unless the connection string says otherwise.
const GOSSIP_TIMEOUT_MAX: Duration = Duration::from_secs(3);
const GOSSIP_TIMEOUT_MIN: Duration = Duration::from_millis(250);
/// The parameters of a connection string that the client (4.0) understands, in whatever case. It passes by any other
/// one. None of them holds a secret: paths, numbers and names.
pub const PARAMETERS: [&str; 13] = [
    "tls",
    "tlsVerifyCert",
    "tlsCaFile",
    "userCertFile",
    "userKeyFile",
    "nodePreference",
    "connectionName",
    "maxDiscoverAttempts",
    "discoveryInterval",
    "gossipTimeout",
    "keepAliveInterval",
    "keepAliveTimeout",
    "defaultDeadline",
];

/// The connection string with what the options and this store's manner of work add to it.
///
/// # Errors
/// It has a parameter that does not exist or that it names twice, or one that the options name as well; or a path is
/// not UTF-8.
pub(super) fn complete(options: &EventStoreOptions) -> Result<String, LogFault> {
    let gossip = (options.attempt_timeout / 4).clamp(GOSSIP_TIMEOUT_MIN, GOSSIP_TIMEOUT_MAX);
    let mut settings = Settings::of(&options.connection);
    settings.check()?;
    if let Some(file) = &options.ca_file {
        settings.file("tlsCaFile", file)?;
    }
    if let Some((certificate, key)) = &options.client_cert {
        settings.file("userCertFile", certificate)?;
        settings.file("userKeyFile", key)?;
    }
    settings.default("nodePreference", "leader");
    settings.default("connectionName", "baycase");
    settings.default("discoveryInterval", &DISCOVERY_INTERVAL_MS.to_string());
    settings.default("gossipTimeout", &gossip.as_millis().to_string());
    Ok(settings.text())
}

/// The connection string without its user, for a log or an error.
pub(super) fn shown(connection: &str) -> String {
    let Some((scheme, rest)) = connection.split_once("://") else { return "(no connection string)".to_owned() };
    // The last `@`, wherever it stands: a password may hold any character.
    let rest = rest.rsplit_once('@').map_or(rest, |(_user, rest)| rest);
    format!("{scheme}://{rest}")
}

struct Settings<'a> {
    /// The whole of it.
    connection: &'a str,
    base: &'a str,
    query: Vec<String>,
}

impl<'a> Settings<'a> {
    fn of(connection: &'a str) -> Self {
        let (base, query) = connection.split_once('?').unwrap_or((connection, ""));
        let query = query.split('&').filter(|pair| !pair.is_empty()).map(str::to_owned).collect();
        // The client takes what stands behind a slash at the end of several hosts for one host more.
        Self { connection, base: base.trim_end_matches('/'), query }
    }

    /// Refuses a parameter that the client would pass by with a line in the log: a mistyped `tls` is not none at all.
    /// And one that is there twice, of which the client takes the last without a word.
    fn check(&self) -> Result<(), LogFault> {
        // Beside an `@` it may be a piece of a password, which holds any character.
        let named = |name: &str| if self.connection.contains('@') { String::new() } else { format!(" `{name}`") };
        let mut seen: Vec<&str> = Vec::new();
        for name in self.query.iter().filter_map(|pair| pair.split('=').next()) {
            let Some(known) = PARAMETERS.into_iter().find(|known| known.eq_ignore_ascii_case(name)) else {
                let (named, known) = (named(name), PARAMETERS.join(", "));
                let what = format!("the connection string has a parameter{named} that is none of {known}");
                return Err(LogFault::Settings { what });
            };
            if seen.contains(&known) {
                let what = format!("the connection string has a parameter{} twice: leave one of them", named(name));
                return Err(LogFault::Settings { what });
            }
            seen.push(known);
        }
        Ok(())
    }

    fn names(&self, key: &str) -> bool {
        self.query.iter().any(|pair| pair.split('=').next().is_some_and(|name| name.eq_ignore_ascii_case(key)))
    }

    fn default(&mut self, key: &str, value: &str) {
        if !self.names(key) {
            self.query.push(format!("{key}={}", encoded(value)));
        }
    }

    fn file(&mut self, key: &str, file: &Path) -> Result<(), LogFault> {
        if self.names(key) {
            let what = format!("the connection string names `{key}`, which the settings beside it name too");
            return Err(LogFault::Settings { what });
        }
        let Some(path) = file.to_str() else {
            let what = format!("the path {} of `{key}` is not UTF-8", file.display());
            return Err(LogFault::Settings { what });
        };
        self.query.push(format!("{key}={}", encoded(path)));
        Ok(())
    }

    fn text(&self) -> String {
        format!("{}?{}", self.base, self.query.join("&"))
    }
}

/// Everything but unreserved characters (RFC 3986 section 2.3) and the slash as percent and hexadecimal digits.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            out.push(char::from(byte));
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::contract::fixture::ticking_stamp;

    fn options(connection: &str) -> EventStoreOptions {
        EventStoreOptions::new(connection.to_owned(), ticking_stamp())
    }

    #[test]
    fn what_is_missing_is_added() {
        let completed = complete(&options("esdb://a:2113,b:2113/?tls=false")).unwrap();
        assert_eq!(
            completed,
            "esdb://a:2113,b:2113?tls=false&nodePreference=leader&connectionName=baycase&discoveryInterval=100&gossipTimeout=1250"
        );
    }

    #[test]
    fn what_the_string_says_stays() {
        let said = "esdb+discover://x?NODEPREFERENCE=follower&discoveryinterval=20&gossipTimeout=7&connectionName=n";
        assert_eq!(complete(&options(said)).unwrap(), said);
    }

    #[test]
    fn files_are_named_so_that_nothing_in_their_names_counts() {
        let mut with = options("esdb://a");
        with.ca_file = Some(PathBuf::from("/etc/a, b & c?/根.pem"));
        with.client_cert = Some((PathBuf::from("/c+1.pem"), PathBuf::from("/k%.pem")));
        let completed = complete(&with).unwrap();
        let expected = "esdb://a?tlsCaFile=/etc/a%2C%20b%20%26%20c%3F/%E6%A0%B9.pem\
            &userCertFile=/c%2B1.pem&userKeyFile=/k%25.pem&nodePreference=leader";
        assert!(completed.starts_with(expected), "{completed}");
    }

    #[test]
    fn a_file_is_not_named_twice() {
        let mut with = options("esdb://a?tlscafile=/x.pem");
        with.ca_file = Some(PathBuf::from("/y.pem"));
        assert!(matches!(complete(&with), Err(LogFault::Settings { .. })));
    }

    #[test]
    fn a_parameter_that_does_not_exist_is_told_and_never_a_piece_of_a_password() {
        for (connection, named) in [
            ("esdb://a:2113?tsl=false", true),
            ("esdb://a:2113?tls=true&tlsVerifyCret=true", true),
            ("esdb://a:2113?tls", false),
            ("esdb://admin:s?ecret&x@a:2113", false),
        ] {
            match complete(&options(connection)) {
                Ok(_) => assert_eq!(connection, "esdb://a:2113?tls"),
                Err(LogFault::Settings { what }) => {
                    assert!(what.contains("tlsVerifyCert") && !what.contains("ecret"), "{what}");
                    assert_eq!(what.contains("parameter `"), named, "{what}");
                }
                Err(other) => panic!("{other}"),
            }
        }
    }

    #[test]
    fn a_parameter_is_named_once_in_whatever_case() {
        for (connection, named) in [
            ("esdb://a:2113?tls=false&tls=true", true),
            ("esdb://a:2113?tls=true&nodePreference=leader&TLS=true", true),
            ("esdb://admin:s?tls&tls@a:2113", false),
        ] {
            let Err(LogFault::Settings { what }) = complete(&options(connection)) else { panic!("{connection}") };
            assert!(what.contains("twice") || !named, "{what}");
            assert_eq!(what.to_lowercase().contains("`tls`"), named, "{what}");
        }
        assert!(complete(&options("esdb://a:2113?tls=true&tlsVerifyCert=true")).is_ok());
    }

    #[test]
    fn the_user_is_never_shown() {
        for (connection, expected) in [
            ("esdb://admin:secret@a:2113?tls=true", "esdb://a:2113?tls=true"),
            ("esdb://admin:s?e@cret@a:2113", "esdb://a:2113"),
            ("esdb://a:1,b:2", "esdb://a:1,b:2"),
            ("admin:secret", "(no connection string)"),
        ] {
            assert_eq!(shown(connection), expected);
            assert!(!shown(connection).contains("secret"));
        }
        let mut with = options("esdb://admin:secret@a:2113");
        with.user = Some(("admin".to_owned(), "secret".to_owned()));
        assert!(!format!("{with:?}").contains("secret"));
    }
}
