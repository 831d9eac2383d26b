//! What was seen of all answers together: the first of each kind that must not be.

use cross_border::exchange::RefusalCode;
use serde_json::Value;

use super::report::shown;
use super::unanswered::Unanswered;
use super::wire::{Answer, code_of};
use crate::edge::fault::Code;

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Answers that were read to their end.
    pub(super) answers: u32,
    /// Answers that said no.
    pub(super) refusals: u32,
    pub(super) unanswered_in_a_row: u32,
    /// The first redirect.
    pub(super) redirect: Option<String>,
    /// The first request without an answer in time and size.
    pub(super) unbounded: Option<String>,
    /// The first error that is not in the form of the contract.
    pub(super) untyped: Option<String>,
}

impl Ledger {
    pub(super) fn answered(&mut self, asked: &str, answer: &Answer) {
        self.answers = self.answers.saturating_add(1);
        self.unanswered_in_a_row = 0;
        if answer.is_redirect() {
            let to = answer.location.as_deref().unwrap_or("nowhere");
            let seen = || format!("{asked} was answered with HTTP {} to {to}", answer.status);
            self.redirect.get_or_insert_with(seen);
        } else if answer.is_refusal() {
            self.refusals = self.refusals.saturating_add(1);
            if let Some(what) = untyped(answer) {
                self.untyped.get_or_insert_with(|| format!("{asked} was refused {what}"));
            }
        }
    }

    pub(super) fn unanswered(&mut self, asked: &str, unanswered: &Unanswered) {
        self.unanswered_in_a_row = self.unanswered_in_a_row.saturating_add(1);
        match unanswered {
            Unanswered::Silent(_) | Unanswered::Endless(_) | Unanswered::TooLong(_) => {
                self.unbounded.get_or_insert_with(|| format!("{asked}: {unanswered}"));
            }
            Unanswered::NoConnection(_)
            | Unanswered::PrivateAddress(_)
            | Unanswered::UnknownAuthority(_)
            | Unanswered::Broken(_) => {}
        }
    }
}

/// What is wrong with the form of a refusal.
fn untyped(answer: &Answer) -> Option<String> {
    let status = answer.status;
    if answer.json.is_none() {
        return Some(format!("by HTTP {status} with a body that is not JSON"));
    }
    if answer.errors().is_empty() {
        return Some(format!("by HTTP {status} without `errors` in its body"));
    }
    answer.errors().iter().find_map(wrong_in)
}

fn wrong_in(error: &Value) -> Option<String> {
    let Some(code) = code_of(error) else { return Some("without `extensions.code`".to_owned()) };
    let retryable = error.get("extensions").and_then(|extensions| extensions.get("retryable"));
    let told = retryable.and_then(Value::as_bool);
    let wanted = match RefusalCode::parse(code) {
        Some(known) if told == Some(known.is_retryable()) => return None,
        Some(known) => known.is_retryable(),
        // An error of GraphQL itself: nothing but a changed request helps, and that need not be told.
        None if Code::ALL.iter().any(|known| known.as_str() == code) && told != Some(true) => return None,
        None if Code::ALL.iter().any(|known| known.as_str() == code) => false,
        None => return Some(format!("with {}, which is no code of the contract", shown(code))),
    };
    let told = told.map_or("without `extensions.retryable`", |told| if told { "as retryable" } else { "as final" });
    Some(format!("with {code} {told}, where `retryable: {wanted}` must be told"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn seen(status: u16, body: &Value) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.answered("POST /x", &Answer::new(status, None, None, body.to_string().into_bytes()));
        ledger
    }

    fn error(extensions: &Value) -> Value {
        json!({"errors": [{"message": "no", "extensions": extensions}]})
    }

    #[test]
    fn a_refusal_has_a_code_of_the_contract_and_says_whether_to_come_again() {
        for extensions in [
            json!({"code": "UNKNOWN_KEY", "retryable": false}),
            json!({"code": "UNAVAILABLE", "retryable": true, "requestId": "r"}),
            json!({"code": "METHOD_NOT_ALLOWED"}),
            json!({"code": "GRAPHQL_VALIDATION_FAILED", "retryable": false}),
        ] {
            let ledger = seen(400, &error(&extensions));
            assert_eq!((ledger.untyped, ledger.refusals), (None, 1), "{extensions}");
        }
        for (extensions, what) in [
            (json!({}), "without `extensions.code`"),
            (json!({"code": 7}), "without `extensions.code`"),
            (json!({"code": "NOPE", "retryable": false}), "no code of the contract"),
            (json!({"code": "UNKNOWN_KEY"}), "without `extensions.retryable`"),
            (json!({"code": "UNKNOWN_KEY", "retryable": true}), "as retryable, where `retryable: false`"),
            (json!({"code": "UNAVAILABLE", "retryable": "yes"}), "where `retryable: true` must be told"),
            (json!({"code": "UNAVAILABLE", "retryable": false}), "as final, where `retryable: true`"),
            (json!({"code": "METHOD_NOT_ALLOWED", "retryable": true}), "where `retryable: false` must be told"),
        ] {
            let untyped = seen(200, &error(&extensions)).untyped.unwrap();
            assert!(untyped.contains(what), "{extensions}: {untyped}");
        }
        assert!(seen(500, &json!({})).untyped.unwrap().contains("without `errors`"));
        assert_eq!(seen(200, &json!({"data": {}})).refusals, 0);
    }

    #[test]
    fn a_redirect_and_an_answer_without_end_are_kept() {
        let mut ledger = Ledger::default();
        let to = Some("https://elsewhere.example".to_owned());
        ledger.answered("GET /x", &Answer::new(302, to, None, Vec::new()));
        ledger.answered("GET /y", &Answer::new(307, None, None, Vec::new()));
        assert_eq!(ledger.redirect.as_deref(), Some("GET /x was answered with HTTP 302 to https://elsewhere.example"));
        ledger.unanswered("GET /z", &Unanswered::Broken("reset".to_owned()));
        assert_eq!((ledger.unbounded.is_none(), ledger.unanswered_in_a_row), (true, 1));
        ledger.unanswered("GET /z", &Unanswered::Endless(Duration::from_secs(1)));
        assert!(ledger.unbounded.unwrap().contains("had not ended"));
    }
}
