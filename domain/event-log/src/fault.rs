//! What stands between this process and a log that lies on servers.

use domain::envelope::Revision;
use domain::id::StreamId;
use thiserror::Error;
use uuid::Uuid;

/// What is wrong with the log or with the way to it. Each text says what to do next; none holds a secret.
///
/// The embedded log has none of these: its file is there or it is not opened.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LogFault {
    #[error(
        "the log's servers cannot be reached ({last}); check that they run and that the connection string names them; this node keeps trying"
    )]
    Unreachable { last: String },
    #[error(
        "the log's servers take nothing in ({last}); a majority of them must run and agree on a leader; this node keeps trying"
    )]
    NoLeader { last: String },
    #[error(
        "the log's servers refuse this node's user; check its name and password, and that it may read `$all` and write every stream"
    )]
    Credentials,
    #[error("the connection to the log's servers cannot be trusted: {what}; this node keeps trying")]
    Certificate { what: String },
    #[error("the log's servers are too old ({found}); this node needs EventStoreDB {needed} or newer")]
    TooOld { found: String, needed: &'static str },
    #[error("the settings of the log cannot be used: {what}")]
    Settings { what: String },
    #[error("this node belongs to installation {expected}, the log to {found}; check the connection string")]
    ForeignInstallation { expected: Uuid, found: Uuid },
    #[error(
        "there is no log of Baycase on these servers; check the connection string, or make a new log with `init`, or a copy with `copy-log`"
    )]
    NotInstalled,
    #[error("the log on these servers is a copy that is not complete; run `copy-log` again until it says so")]
    UnfinishedCopy,
    #[error(
        "stream `{stream}` goes on at revision {found} where {expected} must stand: events were removed or hidden on the servers; restore the log from a backup"
    )]
    Truncated { stream: StreamId, expected: Revision, found: Revision },
    #[error("stream `{stream}` was deleted on the servers; restore the log from a backup")]
    Deleted { stream: StreamId },
    #[error(
        "event {revision} of stream `{stream}`, a `{kind}`, was not written by Baycase; another program uses the same servers and must use others"
    )]
    ForeignEvent { stream: String, revision: u64, kind: String },
    #[error(
        "event {revision} of stream `{stream}` was written in an explicit transaction ({commit}/{prepare}), which Baycase never does; another program uses the same servers and must use others"
    )]
    SplitPosition { stream: String, revision: u64, commit: u64, prepare: u64 },
    #[error(
        "the log's servers did not answer in time; whether an append was made is told by sending the same command again"
    )]
    TimedOut,
    #[error("the log's servers answered what this program does not understand: {what}")]
    Protocol { what: String },
}

impl LogFault {
    /// Whether it can pass while this process runs: the servers come back, or a person mends them. The others need a
    /// person at this node or at the log's content, and trying again changes nothing.
    #[must_use]
    pub const fn passes_by_itself(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::NoLeader { .. }
            | Self::TimedOut
            | Self::Credentials
            | Self::Certificate { .. } => true,
            Self::TooOld { .. }
            | Self::Settings { .. }
            | Self::ForeignInstallation { .. }
            | Self::NotInstalled
            | Self::UnfinishedCopy
            | Self::Truncated { .. }
            | Self::Deleted { .. }
            | Self::ForeignEvent { .. }
            | Self::SplitPosition { .. }
            | Self::Protocol { .. } => false,
        }
    }

    /// A name for machines, which stays the same when the text does not.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "LOG_UNREACHABLE",
            Self::NoLeader { .. } => "LOG_NO_LEADER",
            Self::Credentials => "LOG_CREDENTIALS",
            Self::Certificate { .. } => "LOG_CERTIFICATE",
            Self::TooOld { .. } => "LOG_TOO_OLD",
            Self::Settings { .. } => "LOG_SETTINGS",
            Self::ForeignInstallation { .. } => "LOG_FOREIGN_INSTALLATION",
            Self::NotInstalled => "LOG_NOT_INSTALLED",
            Self::UnfinishedCopy => "LOG_UNFINISHED_COPY",
            Self::Truncated { .. } => "LOG_TRUNCATED",
            Self::Deleted { .. } => "LOG_DELETED",
            Self::ForeignEvent { .. } => "LOG_FOREIGN_EVENT",
            Self::SplitPosition { .. } => "LOG_SPLIT_POSITION",
            Self::TimedOut => "LOG_TIMED_OUT",
            Self::Protocol { .. } => "LOG_PROTOCOL",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn all() -> Vec<LogFault> {
        let stream = StreamId::parse("filing-1").unwrap();
        let text = || "text".to_owned();
        vec![
            LogFault::Unreachable { last: text() },
            LogFault::NoLeader { last: text() },
            LogFault::Credentials,
            LogFault::Certificate { what: text() },
            LogFault::TooOld { found: text(), needed: "22.10" },
            LogFault::Settings { what: text() },
            LogFault::ForeignInstallation { expected: Uuid::nil(), found: Uuid::max() },
            LogFault::NotInstalled,
            LogFault::UnfinishedCopy,
            LogFault::Truncated { stream: stream.clone(), expected: Revision::new(1), found: Revision::new(2) },
            LogFault::Deleted { stream },
            LogFault::ForeignEvent { stream: text(), revision: 1, kind: text() },
            LogFault::SplitPosition { stream: text(), revision: 1, commit: 2, prepare: 3 },
            LogFault::TimedOut,
            LogFault::Protocol { what: text() },
        ]
    }

    #[test]
    fn every_fault_has_a_code_of_its_own() {
        let codes: HashSet<&str> = all().iter().map(LogFault::code).collect();
        assert_eq!(codes.len(), all().len());
        assert!(codes.iter().all(|code| code.chars().all(|c| c.is_ascii_uppercase() || c == '_')));
    }

    #[test]
    fn what_the_servers_may_mend_passes_by_itself() {
        let passing: Vec<&str> = all().iter().filter(|fault| fault.passes_by_itself()).map(LogFault::code).collect();
        assert_eq!(
            passing,
            ["LOG_UNREACHABLE", "LOG_NO_LEADER", "LOG_CREDENTIALS", "LOG_CERTIFICATE", "LOG_TIMED_OUT"]
        );
    }
}
