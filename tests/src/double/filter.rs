//! Which events of `$all` a reader asks for.

use regex::Regex;
use tonic::Status;

use super::record::Stored;
use super::wire::streams::read_req::options::FilterOptions;
use super::wire::streams::read_req::options::filter_options::{self, Expression, Window};

/// How many events a subscription considers between two checkpoints unless it says otherwise.
const WINDOW: u64 = 32;

/// A filter as it was asked for.
#[derive(Debug)]
pub(super) struct Filter {
    by: By,
    rule: Rule,
    /// How many events are considered between two checkpoints.
    pub(super) interval: u64,
}

#[derive(Debug)]
enum By {
    Stream,
    Kind,
}

#[derive(Debug)]
enum Rule {
    Prefixes(Vec<String>),
    Matching(Regex),
    /// A pattern that begins with a negative look-ahead, which servers know and this library does not.
    NotMatching(Regex),
}

impl Filter {
    /// Reads a filter; a server ends the call at one that it cannot read.
    pub(super) fn parse(asked: FilterOptions) -> Result<Self, Status> {
        let unreadable = || Status::invalid_argument("the filter cannot be read");
        let (by, expression) = match asked.filter.ok_or_else(unreadable)? {
            filter_options::Filter::StreamIdentifier(expression) => (By::Stream, expression),
            filter_options::Filter::EventType(expression) => (By::Kind, expression),
        };
        let window = match asked.window {
            Some(Window::Max(most)) => u64::from(most).max(1),
            Some(Window::Count(_)) | None => WINDOW,
        };
        let rule = Rule::parse(expression).ok_or_else(unreadable)?;
        Ok(Self { by, rule, interval: window * u64::from(asked.checkpoint_interval_multiplier.max(1)) })
    }

    /// Whether an event is asked for.
    pub(super) fn admits(&self, event: &Stored) -> bool {
        let text = match self.by {
            By::Stream => event.stream(),
            By::Kind => event.kind(),
        };
        self.rule.admits(text)
    }
}

impl Rule {
    fn parse(expression: Expression) -> Option<Self> {
        if expression.regex.is_empty() {
            return Some(Self::Prefixes(expression.prefix));
        }
        if let Some(rest) = expression.regex.strip_prefix("^(?!") {
            let (forbidden, behind) = rest.rsplit_once(')')?;
            let open = matches!(behind, "" | ".*" | ".*$" | ".+" | ".+$");
            return if open { Regex::new(&format!("^(?:{forbidden})")).ok().map(Self::NotMatching) } else { None };
        }
        Regex::new(&expression.regex).ok().map(Self::Matching)
    }

    fn admits(&self, text: &str) -> bool {
        match self {
            Self::Prefixes(prefixes) => prefixes.iter().any(|prefix| text.starts_with(prefix.as_str())),
            Self::Matching(pattern) => pattern.is_match(text),
            Self::NotMatching(pattern) => !pattern.is_match(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(regex: &str, prefix: &[&str]) -> Option<Rule> {
        let prefix = prefix.iter().map(|&one| one.to_owned()).collect();
        Rule::parse(Expression { regex: regex.to_owned(), prefix })
    }

    /// A pattern, prefixes, texts that they let in, and texts that they do not.
    type Case = (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

    #[test]
    fn rules_admit_what_they_say() {
        let cases: [Case; 4] = [
            ("", &["filing-", "unit-"], &["filing-1", "unit-gz"], &["complaint-1", "$stats", "a-filing-1"]),
            (r"^[^\$]", &[], &["filing-1", "baycase.lease-x"], &["$stats", "$$filing-1"]),
            (r"^(?!\$|baycase\.).*", &[], &["filing-1", "baycase"], &["$stats", "baycase.lease-x"]),
            (r"^(?!\$)", &[], &["filing-1"], &["$stats"]),
        ];
        for (regex, prefixes, admitted, refused) in cases {
            let rule = rule(regex, prefixes).unwrap();
            assert!(admitted.iter().all(|text| rule.admits(text)), "{regex}");
            assert!(!refused.iter().any(|text| rule.admits(text)), "{regex}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for regex in ["(", "^(?!a", "^(?!a)b"] {
            assert!(rule(regex, &[]).is_none(), "{regex}");
        }
    }
}
