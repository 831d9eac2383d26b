//! What can go wrong in one attempt, told from what the client says, and what follows from it.

use std::time::Duration;

use crate::fault::LogFault;
use crate::lease::LeaseError;
use crate::nonces::NonceError;
use crate::port::{AppendError, ReadError};

/// The first pause between two attempts; each next one is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Why one attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Problem {
    /// The stream is not where the append expected it.
    WrongRevision { actual: Option<u64> },
    /// There is no such stream.
    NotFound,
    /// The stream was deleted for good.
    Deleted,
    /// The user is not known, or may not do this.
    Denied,
    /// A node that does not lead was asked; the client turns to the leader by itself.
    NotLeader,
    /// A node says that nobody leads, or that it is not ready.
    NoLeader(String),
    /// A majority did not confirm the append in the servers' own time.
    Unconfirmed(String),
    /// There is no connection, so nothing was asked.
    Unconnected(String),
    /// The connection or the node failed after it was asked.
    Lost(String),
    /// No answer came in time.
    TimedOut,
    /// The two sides do not trust each other.
    Certificate(String),
    /// The store was closed.
    Closed,
    /// Trying again changes nothing.
    Final(LogFault),
}

impl Problem {
    /// Whether another attempt may go through.
    pub(super) const fn passes(&self) -> bool {
        match self {
            Self::NotLeader
            | Self::NoLeader(_)
            | Self::Unconfirmed(_)
            | Self::Unconnected(_)
            | Self::Lost(_)
            | Self::TimedOut => true,
            Self::WrongRevision { .. }
            | Self::NotFound
            | Self::Deleted
            | Self::Denied
            | Self::Certificate(_)
            | Self::Closed
            | Self::Final(_) => false,
        }
    }

    /// Whether an append may have gone through all the same.
    pub(super) const fn leaves_open(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::TimedOut | Self::Unconfirmed(_) | Self::NoLeader(_))
    }

    /// What the caller is told when the attempts are over.
    pub(super) fn fault(self) -> LogFault {
        match self {
            Self::Denied => LogFault::Credentials,
            Self::NotLeader => LogFault::NoLeader { last: "the nodes name each other as the leader".to_owned() },
            Self::NoLeader(last) | Self::Unconfirmed(last) => LogFault::NoLeader { last },
            Self::Unconnected(last) | Self::Lost(last) => LogFault::Unreachable { last },
            Self::TimedOut => LogFault::TimedOut,
            Self::Certificate(what) => LogFault::Certificate { what },
            Self::Final(fault) => fault,
            Self::Closed => LogFault::Unreachable { last: "the log was closed".to_owned() },
            Self::WrongRevision { actual } => {
                LogFault::Protocol { what: format!("a conflict nobody asked for, at revision {actual:?}") }
            }
            Self::NotFound => LogFault::Protocol { what: "a stream that must be there is not".to_owned() },
            Self::Deleted => LogFault::Protocol { what: "a stream that must be there was deleted".to_owned() },
        }
    }
}

impl From<Problem> for LogFault {
    fn from(problem: Problem) -> Self {
        problem.fault()
    }
}

impl From<Problem> for ReadError {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Closed => Self::Closed,
            other => Self::Fault(other.fault()),
        }
    }
}

impl From<Problem> for AppendError {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Closed => Self::Closed,
            other => Self::Fault(other.fault()),
        }
    }
}

impl From<Problem> for LeaseError {
    fn from(problem: Problem) -> Self {
        Self::Fault(problem.fault())
    }
}

impl From<Problem> for NonceError {
    fn from(problem: Problem) -> Self {
        Self::Fault(problem.fault())
    }
}

/// What a text of the servers or of the connection means. The client collapses several of their answers into one text.
pub(super) fn of_text(text: &str) -> Problem {
    if let Some(what) = certificate_problem(text) {
        return Problem::Certificate(what);
    }
    let lower = text.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if says(&["invalidposition", "invalid position"]) {
        let what = "the position asked for is the place of no event; was the log restored from a backup?".to_owned();
        return Problem::Final(LogFault::Protocol { what });
    }
    if says(&["no leader", "not ready", "leader not found", "no quorum"]) {
        return Problem::NoLeader(brief(text));
    }
    if says(&["operation timed out", "prepare timeout", "commit timeout"]) {
        return Problem::Unconfirmed(brief(text));
    }
    Problem::Lost(brief(text))
}

/// What an answer means that the client passes on with its gRPC status code.
pub(super) fn of_status(code: i32, text: &str) -> Problem {
    const CANCELLED: i32 = 1;
    const INVALID_ARGUMENT: i32 = 3;
    const DEADLINE_EXCEEDED: i32 = 4;
    const RESOURCE_EXHAUSTED: i32 = 8;
    const ABORTED: i32 = 10;
    match code {
        DEADLINE_EXCEEDED => Problem::TimedOut,
        CANCELLED | RESOURCE_EXHAUSTED | ABORTED => of_text(text),
        INVALID_ARGUMENT if text.to_ascii_lowercase().contains("append size") => {
            let what = format!("{}; the servers' `MaxAppendSize` must be 1 MiB or more", brief(text));
            Problem::Final(LogFault::Settings { what })
        }
        _ => match of_text(text) {
            Problem::Lost(text) => Problem::Final(LogFault::Protocol { what: format!("status {code}, {text}") }),
            told => told,
        },
    }
}

/// What is wrong with a certificate, when that is what a text of the TLS library is about.
pub(super) fn certificate_problem(text: &str) -> Option<String> {
    /// The library's words, as the text of an error or as its name, and ours.
    const MEANINGS: [(&str, &str); 15] = [
        ("certificate expired", "the server's certificate has expired; renew it"),
        ("invalid peer certificate: Expired", "the server's certificate has expired; renew it"),
        ("certificate not valid yet", "the server's certificate is not valid yet; check the clocks"),
        ("NotValidYet", "the server's certificate is not valid yet; check the clocks"),
        (
            "UnknownIssuer",
            "the server's certificate is of an authority that this node does not know; check the CA file",
        ),
        // An authority of the same name with another key.
        ("BadSignature", "the server's certificate is of an authority that this node does not know; check the CA file"),
        ("not valid for name", "the server's certificate is for another name; name the server as its certificate does"),
        ("NotValidForName", "the server's certificate is for another name; name the server as its certificate does"),
        ("Revoked", "the server's certificate was revoked"),
        ("CertificateRequired", "the servers ask this node for a certificate, and it has none to show"),
        ("fatal alert: CertificateExpired", "the servers say that this node's certificate has expired; renew it"),
        ("fatal alert: UnknownCA", "the servers do not know the authority of this node's certificate"),
        ("fatal alert: BadCertificate", "the servers do not take this node's certificate"),
        ("fatal alert: AccessDenied", "the servers do not take this node's certificate"),
        ("InvalidContentType", "the server does not speak TLS at this address; check `tls` in the connection string"),
    ];
    if let Some((_, meaning)) = MEANINGS.iter().find(|(words, _)| text.contains(words)) {
        return Some((*meaning).to_owned());
    }
    text.contains("invalid peer certificate")
        .then(|| format!("the server's certificate cannot be used ({})", brief(text)))
}

/// The beginning of a text that comes from outside, on one line.
pub(super) fn brief(text: &str) -> String {
    const CHARS_MAX: usize = 200;
    text.chars().take(CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The pause behind so many failures in a row: it grows, and `draw`, a number drawn at random, spreads it, so that
/// many who failed together do not come back together.
pub(super) fn pause(failures: u32, draw: u8) -> Duration {
    let whole = PAUSE_MIN.saturating_mul(2_u32.saturating_pow(failures.min(16))).min(PAUSE_MAX);
    whole / 2 + whole / 2 * u32::from(draw) / u32::from(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_a_distrust_is_told() {
        for (text, word) in [
            ("invalid peer certificate: certificate expired: verification time 1 (UNIX), but", "expired"),
            ("invalid peer certificate: Expired", "expired"),
            ("invalid peer certificate: UnknownIssuer", "CA file"),
            ("invalid peer certificate: BadSignature", "CA file"),
            ("invalid peer certificate: certificate not valid for name \"a\"; certificate is only valid for b", "name"),
            ("invalid peer certificate: NotValidForName", "name"),
            ("invalid peer certificate: BadEncoding", "BadEncoding"),
            ("received fatal alert: CertificateRequired", "none to show"),
            ("received corrupt message of type InvalidContentType", "does not speak TLS"),
        ] {
            let Problem::Certificate(what) = of_text(text) else { panic!("{text}") };
            assert!(what.contains(word), "{text}: {what}");
        }
        assert_eq!(certificate_problem("connection refused"), None);
    }

    #[test]
    fn texts_of_the_servers_are_told_apart() {
        let of = |text: &str| of_text(&format!("status: Unknown, message: \"{text}\", details: []"));
        assert!(matches!(of("No leader info available in response"), Problem::NoLeader(_)));
        assert!(matches!(of("Server Is Not Ready"), Problem::NoLeader(_)));
        assert!(matches!(of("Unexpected ReadAllResult: InvalidPosition"), Problem::Final(LogFault::Protocol { .. })));
        assert!(matches!(of("client error (Connect)"), Problem::Lost(_)));
        assert!(matches!(of_status(10, "Operation timed out. Details: commit"), Problem::Unconfirmed(_)));
        assert_eq!(of_status(4, "late"), Problem::TimedOut);
        let small = of_status(3, "Maximum Append Size of 1000 Exceeded.");
        assert!(matches!(small, Problem::Final(LogFault::Settings { .. })));
        assert!(matches!(of_status(9, "what is this"), Problem::Final(LogFault::Protocol { .. })));
    }

    #[test]
    fn only_what_was_asked_and_not_answered_is_open() {
        let text = String::new;
        for open in [Problem::Lost(text()), Problem::TimedOut, Problem::Unconfirmed(text()), Problem::NoLeader(text())]
        {
            assert!(open.leaves_open() && open.passes(), "{open:?}");
        }
        assert!(!Problem::Unconnected(text()).leaves_open() && Problem::Unconnected(text()).passes());
        assert!(!Problem::NotLeader.leaves_open() && Problem::NotLeader.passes());
        for settled in [Problem::Denied, Problem::Deleted, Problem::NotFound, Problem::WrongRevision { actual: None }] {
            assert!(!settled.leaves_open() && !settled.passes(), "{settled:?}");
        }
    }

    #[test]
    fn pauses_grow_to_a_limit_and_are_spread() {
        assert_eq!(pause(0, 0), Duration::from_millis(25));
        assert_eq!(pause(0, 255), Duration::from_millis(50));
        assert_eq!(pause(3, 255), Duration::from_millis(400));
        for failures in [6, 16, u32::MAX] {
            assert_eq!((pause(failures, 0), pause(failures, 255)), (PAUSE_MAX / 2, PAUSE_MAX));
        }
    }

    #[test]
    fn a_text_from_outside_is_short_and_on_one_line() {
        assert_eq!(brief("a\nb\u{1b}[1m"), "a b [1m");
        assert_eq!(brief(&"根".repeat(300)).chars().count(), 200);
    }
}
