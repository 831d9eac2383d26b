//! What a check found, and how it is told.

use serde_json::json;

/// Most characters of a text of the server that are repeated.
const SHOWN_CHARS_MAX: usize = 120;

/// What came of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As the contract wants it, perhaps with a remark.
    Passed(Option<String>),
    /// Otherwise: what was expected, what came, and what to do.
    Failed(String),
    /// It could not be looked at, because something before it failed.
    NotRun(String),
}

/// One check by its name, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub name: &'static str,
    pub verdict: Verdict,
}

impl Finding {
    /// One line for people.
    #[must_use]
    pub fn to_text(&self) -> String {
        let name = self.name;
        match &self.verdict {
            Verdict::Passed(None) => format!("ok {name}"),
            Verdict::Passed(Some(remark)) => format!("ok {name} ({remark})"),
            Verdict::Failed(reason) => format!("FAIL {name}: {reason}"),
            Verdict::NotRun(reason) => format!("skip {name}: {reason}"),
        }
    }

    /// One line for programs: an object with `check`, `result` (`passed`, `failed` or `not-run`), and where there is
    /// one `remark` or `reason`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let name = self.name;
        let line = match &self.verdict {
            Verdict::Passed(None) => json!({"check": name, "result": "passed"}),
            Verdict::Passed(Some(remark)) => json!({"check": name, "result": "passed", "remark": remark}),
            Verdict::Failed(reason) => json!({"check": name, "result": "failed", "reason": reason}),
            Verdict::NotRun(reason) => json!({"check": name, "result": "not-run", "reason": reason}),
        };
        line.to_string()
    }

    /// Whether it is as the contract wants it.
    #[must_use]
    pub const fn is_passed(&self) -> bool {
        matches!(self.verdict, Verdict::Passed(_))
    }
}

/// The last line: how many there were of each.
pub(super) fn summary(findings: &[Finding]) -> String {
    let count = |is: fn(&Verdict) -> bool| findings.iter().filter(|finding| is(&finding.verdict)).count();
    let passed = count(|verdict| matches!(verdict, Verdict::Passed(_)));
    let failed = count(|verdict| matches!(verdict, Verdict::Failed(_)));
    let not_run = count(|verdict| matches!(verdict, Verdict::NotRun(_)));
    format!("{} checks: {passed} passed, {failed} failed, {not_run} not run", findings.len())
}

/// Why a check is not passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Miss {
    Failed(String),
    NotRun(String),
}

/// What a check answers: a remark, or why it is not passed.
pub(super) type Checked = Result<Option<String>, Miss>;

impl Miss {
    /// The check failed because of what the server did.
    pub(super) fn failed(reason: impl Into<String>) -> Self {
        Self::Failed(reason.into())
    }

    /// The check could not be made, because something failed here and not at the server.
    pub(super) fn here(error: impl std::fmt::Display) -> Self {
        Self::NotRun(format!("this program could not make the request: {error}"))
    }

    /// Why, in words.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Failed(reason) | Self::NotRun(reason) => reason,
        }
    }

    /// The same miss with more to say.
    pub(super) fn and(self, more: &str) -> Self {
        match self {
            Self::Failed(reason) => Self::Failed(format!("{reason}; {more}")),
            Self::NotRun(reason) => Self::NotRun(format!("{reason}; {more}")),
        }
    }
}

/// What stands in a field of the answer has another form than the contract gives it.
pub(super) fn not_as_agreed(field: &str, error: &serde_json::Error) -> Miss {
    Miss::failed(format!("`data.{field}` has not the form that the contract gives it: {}", shown(&error.to_string())))
}

impl From<Miss> for Verdict {
    fn from(miss: Miss) -> Self {
        match miss {
            Miss::Failed(reason) => Self::Failed(reason),
            Miss::NotRun(reason) => Self::NotRun(reason),
        }
    }
}

/// A text of the server as it may be printed: in one line, bounded, and nothing in it that a terminal would act on.
pub(super) fn shown(text: &str) -> String {
    let visible = |character: char| {
        if character.is_control() || domain::complaint::is_unseen(character) { '?' } else { character }
    };
    let mut line: String = text.chars().map(visible).take(SHOWN_CHARS_MAX).collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> [Finding; 4] {
        [
            Finding { name: "a", verdict: Verdict::Passed(None) },
            Finding { name: "b", verdict: Verdict::Passed(Some("answered".to_owned())) },
            Finding { name: "c", verdict: Verdict::Failed("expected 1, came 2".to_owned()) },
            Finding { name: "d", verdict: Verdict::NotRun("it needs c".to_owned()) },
        ]
    }

    #[test]
    fn a_finding_is_one_line() {
        let lines = findings().map(|finding| finding.to_text());
        assert_eq!(lines, ["ok a", "ok b (answered)", "FAIL c: expected 1, came 2", "skip d: it needs c"]);
        let lines = findings().map(|finding| finding.to_json());
        assert!(lines.iter().all(|line| !line.contains('\n')));
        let read = lines.map(|line| serde_json::from_str::<serde_json::Value>(&line).unwrap());
        assert_eq!(read[0], json!({"check": "a", "result": "passed"}));
        assert_eq!(read[2], json!({"check": "c", "result": "failed", "reason": "expected 1, came 2"}));
        assert_eq!(findings().map(|finding| finding.is_passed()), [true, true, false, false]);
    }

    #[test]
    fn the_summary_counts() {
        assert_eq!(summary(&findings()), "4 checks: 2 passed, 1 failed, 1 not run");
        assert_eq!(summary(&[]), "0 checks: 0 passed, 0 failed, 0 not run");
    }

    #[test]
    fn what_a_server_says_cannot_act_on_a_terminal() {
        assert_eq!(shown("a\u{1b}[2Jb\nc"), "a?[2Jb?c");
        assert_eq!(shown(&"x".repeat(SHOWN_CHARS_MAX)), "x".repeat(SHOWN_CHARS_MAX));
        assert_eq!(shown(&"x".repeat(SHOWN_CHARS_MAX + 1)).chars().count(), SHOWN_CHARS_MAX + 1);
    }
}
