//! How a log on servers is opened, and what it tells of itself.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use uuid::Uuid;

use super::settings;
use crate::fault::LogFault;
use crate::memory::Stamp;

/// Time of one attempt, unless the options say otherwise.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time of one operation with all its attempts, unless the options say otherwise.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(15);

/// How a log on servers is opened. Its `Debug` form shows no secret.
#[derive(Clone)]
pub struct EventStoreOptions {
    /// `esdb://host:2113?tls=true`, or several hosts with commas between them, or `esdb+discover://name`.
    ///
    /// The client sends a user that stands in the string as it stands there, percent signs included: give it as `user`.
    pub connection: String,
    /// Name and password.
    pub user: Option<(String, String)>,
    /// The authority that signed the servers' certificates (PEM); `None` trusts the system's.
    pub ca_file: Option<PathBuf>,
    /// Certificate and key (PEM) that this node shows.
    pub client_cert: Option<(PathBuf, PathBuf)>,
    /// The clock that stamps `recorded_at`.
    pub stamp: Stamp,
    /// Makes a new log where there is none. Without it a missing log is an error: a mistyped address must not look like
    /// an empty province.
    pub create: bool,
    /// The installation that the log must belong to, or a new one shall; `None` takes any, and draws a new one's.
    pub installation: Option<Uuid>,
    /// Time of one attempt.
    pub attempt_timeout: Duration,
    /// Time of one operation with all its attempts.
    pub total_timeout: Duration,
    /// Opens a log that is a copy under way, which nobody else may.
    pub for_copy: bool,
}

impl EventStoreOptions {
    /// The defaults, with the connection string and the clock to stamp with.
    #[must_use]
    pub fn new(connection: String, stamp: Stamp) -> Self {
        Self {
            connection,
            user: None,
            ca_file: None,
            client_cert: None,
            stamp,
            create: false,
            installation: None,
            attempt_timeout: ATTEMPT_TIMEOUT,
            total_timeout: TOTAL_TIMEOUT,
            for_copy: false,
        }
    }

    /// Reads the connection string, and what is added to it, as opening the log does. Nothing is connected to, and no
    /// file is opened.
    ///
    /// # Errors
    /// [`LogFault::Settings`]: it cannot be read, has a parameter that does not exist, or one that stands in another of
    /// these options too. The text holds no secret.
    pub fn check(&self) -> Result<(), LogFault> {
        super::Link::new(self).map(drop)
    }
}

impl fmt::Debug for EventStoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStoreOptions")
            .field("connection", &settings::shown(&self.connection))
            .field("user", &self.user.as_ref().map(|_named| ".."))
            .field("ca_file", &self.ca_file)
            .field("client_cert", &self.client_cert)
            .field("create", &self.create)
            .field("installation", &self.installation)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("total_timeout", &self.total_timeout)
            .field("for_copy", &self.for_copy)
            .finish_non_exhaustive()
    }
}

/// Whether the log can be used at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogHealth {
    Ready,
    /// Not now, for this reason. The store goes on trying, and says when it is ready again.
    Unready(LogFault),
}

/// What the store has done since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventStoreStats {
    /// Appends that the servers were asked for, the technical ones included.
    pub appends: u64,
    /// Attempts at an append beyond its first.
    pub append_retries: u64,
    /// Attempts at an append that may have gone through although no answer came.
    pub unknown_outcomes: u64,
    /// Reads that the servers were asked for.
    pub reads: u64,
    /// Connections that were given up for a new one.
    pub reconnects: u64,
    /// Times that the subscription ended and was opened again.
    pub subscription_drops: u64,
    /// A connection stands.
    pub connected: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::fixture::ticking_stamp;

    #[test]
    fn a_connection_string_is_read_before_anything_is_connected_to() {
        let check = |connection: &str| EventStoreOptions::new(connection.to_owned(), ticking_stamp()).check();
        for good in ["esdb://a:2113", "esdb://a:2113,b:2113/?tls=false", "esdb+discover://name?nodePreference=leader"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["esdb://a:2113?tls=ture", "esdb://a:2113?tsl=true", "esdb://a?nodePreference=best", "http://a"] {
            assert!(matches!(check(bad), Err(LogFault::Settings { .. })), "{bad}");
        }
        let named_twice = EventStoreOptions {
            ca_file: Some(PathBuf::from("/ca.pem")),
            ..EventStoreOptions::new("esdb://a?tlsCaFile=/other.pem".to_owned(), ticking_stamp())
        };
        assert!(named_twice.check().unwrap_err().to_string().contains("`tlsCaFile`"));
    }
}
