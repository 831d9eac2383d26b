//! Requests as they go out, well signed or not, and answers as they come: in bounded time and up to a bounded size.

use std::time::Duration;

use chrono::{DateTime, Utc};
use cross_border::delivery::backoff::retry_after;
use cross_border::exchange::RefusalCode;
use cross_border::trust::SigningKey;
use cross_border::trust::http_signature::{draw_nonce, sign_request};
use reqwest::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER, USER_AGENT};
use reqwest::{Method, Url};
use serde_json::Value;

use super::ledger::Ledger;
use super::report::{Checked, Miss, shown};
use super::unanswered::Unanswered;

/// What the requests call themselves, so that a server's journal tells a check from a council.
const CHECK: &str = concat!("baycase-check/", env!("CARGO_PKG_VERSION"));
const ACCEPT: &str = "application/graphql-response+json, application/json;q=0.9";
/// Longest answer in bytes; a page of the feed is the longest that the contract knows.
pub(super) const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Requests in a row that may stay without an answer; after that nothing more is asked.
const UNANSWERED_MAX: u32 = 3;

/// A request before it is signed.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    /// For people: what it is.
    pub(super) what: &'static str,
    pub(super) method: Method,
    pub(super) url: Url,
    /// Stands with a body and only with one.
    pub(super) content_type: Option<&'static str>,
    pub(super) body: Vec<u8>,
}

impl Draft {
    /// A GraphQL request.
    pub(super) fn post(what: &'static str, url: &Url, body: Vec<u8>) -> Self {
        Self { what, method: Method::POST, url: url.clone(), content_type: Some("application/json"), body }
    }

    /// The request without a signature.
    pub(super) fn unsigned(self) -> Crafted {
        Crafted { draft: self, headers: Vec::new() }
    }

    /// The request, signed as if it were this moment, with a new nonce.
    pub(super) fn signed(self, key: &SigningKey, at: DateTime<Utc>) -> Result<Crafted, Miss> {
        let nonce = draw_nonce().map_err(Miss::here)?;
        let Self { method, url, content_type, body, .. } = &self;
        let signed = sign_request(key, method, url.as_str(), *content_type, body, at, &nonce).map_err(Miss::here)?;
        let headers = vec![
            ("content-digest", signed.content_digest),
            ("signature-input", signed.signature_input),
            ("signature", signed.signature),
        ];
        Ok(Crafted { draft: self, headers })
    }
}

/// A request as it goes out. What is changed in it now is changed behind the signature.
#[derive(Debug, Clone)]
pub(super) struct Crafted {
    pub(super) draft: Draft,
    headers: Vec<(&'static str, String)>,
}

/// The line to the server, and what was seen on it.
#[derive(Debug)]
pub(super) struct Line {
    http: reqwest::Client,
    timeout: Duration,
    pub(super) ledger: Ledger,
}

impl Line {
    pub(super) fn new(http: reqwest::Client, timeout: Duration) -> Self {
        Self { http, timeout, ledger: Ledger::default() }
    }

    /// Whether the server has left so many requests unanswered that nothing more is asked.
    pub(super) fn is_dead(&self) -> bool {
        self.ledger.unanswered_in_a_row >= UNANSWERED_MAX
    }

    /// Sends a request and reads the answer.
    pub(super) async fn send(&mut self, crafted: &Crafted) -> Result<Answer, Miss> {
        if self.is_dead() {
            let reason = format!("the server left {UNANSWERED_MAX} requests in a row without an answer");
            return Err(Miss::NotRun(reason));
        }
        // Boxed: the client's futures are large.
        let outcome = Box::pin(exchange(&self.http, crafted, self.timeout)).await;
        let Draft { what, method, url, .. } = &crafted.draft;
        let asked = format!("{method} {} ({what})", url.path());
        match outcome {
            Ok(answer) => {
                self.ledger.answered(&asked, &answer);
                Ok(answer)
            }
            Err(unanswered) => {
                self.ledger.unanswered(&asked, &unanswered);
                Err(Miss::failed(format!("{asked} was not answered: {unanswered}")))
            }
        }
    }
}

async fn exchange(http: &reqwest::Client, crafted: &Crafted, timeout: Duration) -> Result<Answer, Unanswered> {
    let Draft { method, url, content_type, body, .. } = &crafted.draft;
    let mut request = http.request(method.clone(), url.clone()).timeout(timeout);
    request = request.header("accept", ACCEPT).header(USER_AGENT, CHECK);
    for (name, value) in &crafted.headers {
        request = request.header(*name, value);
    }
    if let Some(content_type) = content_type {
        request = request.header(CONTENT_TYPE, *content_type).body(body.clone());
    }
    let mut response = request.send().await.map_err(|error| Unanswered::before(&error, timeout))?;
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let location = header(LOCATION).map(shown);
    let pause = header(RETRY_AFTER).and_then(|value| retry_after(value, crate::clock::now()));
    let status = response.status().as_u16();
    let mut body = Vec::new();
    loop {
        let chunk = response.chunk().await.map_err(|error| Unanswered::within(&error, timeout))?;
        let Some(chunk) = chunk else { break };
        if body.len().saturating_add(chunk.len()) > ANSWER_BYTES_MAX {
            return Err(Unanswered::TooLong(ANSWER_BYTES_MAX));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer::new(status, location, pause, body))
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) location: Option<String>,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
    /// The body, where it is JSON.
    pub(super) json: Option<Value>,
}

impl Answer {
    pub(super) fn new(status: u16, location: Option<String>, retry_after: Option<Duration>, body: Vec<u8>) -> Self {
        let json = serde_json::from_slice(&body).ok();
        Self { status, location, retry_after, body, json }
    }

    pub(super) const fn is_redirect(&self) -> bool {
        matches!(self.status, 300..=399)
    }

    /// The errors of a GraphQL answer.
    pub(super) fn errors(&self) -> &[Value] {
        let errors = self.json.as_ref().and_then(|json| json.get("errors")?.as_array());
        errors.map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether it says no.
    pub(super) fn is_refusal(&self) -> bool {
        self.status >= 400 || !self.errors().is_empty()
    }

    /// Whether it is what is answered to a file that was taken or given.
    pub(super) fn is_success(&self) -> bool {
        matches!(self.status, 200..=299) && !self.is_refusal()
    }

    /// The code of its first error.
    pub(super) fn code(&self) -> Option<&str> {
        code_of(self.errors().first()?)
    }

    /// What it is, in a few words.
    pub(super) fn shown(&self) -> String {
        let status = self.status;
        if self.is_redirect() {
            return format!("HTTP {status}, a redirect, which is never followed");
        }
        match (self.is_refusal(), self.code()) {
            (true, Some(code)) => format!("HTTP {status} with the code {}", shown(code)),
            (true, None) => format!("HTTP {status} without a code in `errors[0].extensions.code`"),
            (false, _) if self.json.is_none() => format!("HTTP {status} with a body that is not JSON"),
            (false, _) => format!("HTTP {status} without an error"),
        }
    }

    /// What stands in the field that was asked for.
    pub(super) fn data(&self, field: &str) -> Result<&Value, Miss> {
        let missing = || Miss::failed(format!("expected an answer in `data.{field}`, came {}", self.shown()));
        if self.is_redirect() || self.is_refusal() {
            return Err(missing());
        }
        let json = self.json.as_ref().ok_or_else(missing)?;
        let value = json.get("data").and_then(|data| data.get(field)).filter(|value| !value.is_null());
        value.ok_or_else(|| Miss::failed(format!("expected an answer in `data.{field}`, but nothing stands there")))
    }

    /// Checks that the request was refused with one of these codes; otherwise tells what to do.
    pub(super) fn must_refuse(&self, codes: &[RefusalCode], advice: &str) -> Checked {
        if self.is_refusal() && codes.iter().any(|code| self.code() == Some(code.code())) {
            return Ok(None);
        }
        let wanted: Vec<&str> = codes.iter().map(|code| code.code()).collect();
        let wanted = wanted.join(" or ");
        let came = if self.is_refusal() || self.is_redirect() || self.json.is_none() {
            format!("came {}", self.shown())
        } else {
            format!("it was taken (HTTP {})", self.status)
        };
        Err(Miss::failed(format!("expected a refusal with {wanted}, but {came}; {advice}")))
    }

    /// How long the server asks to be left alone, if it does.
    pub(super) fn asks_for_a_pause(&self) -> Option<Duration> {
        let codes = [RefusalCode::RateLimited, RefusalCode::Unavailable];
        let says_so = self.code().is_some_and(|told| codes.iter().any(|code| code.code() == told));
        let is_busy = says_so || matches!(self.status, 429 | 503);
        is_busy.then(|| self.retry_after.unwrap_or(Duration::from_secs(1)))
    }
}

/// The code of an error.
pub(super) fn code_of(error: &Value) -> Option<&str> {
    error.get("extensions")?.get("code")?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::signing_key;
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer::new(status, None, None, body.as_bytes().to_vec())
    }

    fn refused(status: u16, code: &str) -> Answer {
        answer(status, &json!({"errors": [{"message": "no", "extensions": {"code": code}}]}).to_string())
    }

    #[test]
    fn only_a_refusal_with_the_right_code_is_the_right_refusal() {
        let wanted = [RefusalCode::TamperedBody];
        assert_eq!(refused(401, "TAMPERED_BODY").must_refuse(&wanted, ""), Ok(None));
        assert_eq!(refused(200, "TAMPERED_BODY").must_refuse(&wanted, ""), Ok(None));
        for (answer, came) in [
            (refused(401, "BAD_SIGNATURE"), "HTTP 401 with the code BAD_SIGNATURE"),
            (answer(500, "oops"), "without a code"),
            (answer(200, r#"{"errors":[{"message":"no"}]}"#), "without a code"),
            (answer(200, r#"{"data":{"remind":{}}}"#), "it was taken (HTTP 200)"),
            (answer(200, "<html>"), "not JSON"),
            (answer(307, ""), "a redirect"),
        ] {
            let missed = answer.must_refuse(&wanted, "check the digest").unwrap_err();
            let Miss::Failed(reason) = missed else { panic!("{missed:?}") };
            assert!(reason.contains("TAMPERED_BODY") && reason.contains(came), "{reason}");
            assert!(reason.ends_with("check the digest"), "{reason}");
        }
    }

    #[test]
    fn data_is_what_stands_in_the_field_of_an_answer_without_errors() {
        assert_eq!(answer(200, r#"{"data":{"remind":1}}"#).data("remind"), Ok(&json!(1)));
        for other in [
            answer(200, r#"{"data":{"remind":null}}"#),
            answer(200, r#"{"data":null}"#),
            answer(200, "[]"),
            answer(200, "garbage"),
            answer(200, r#"{"data":{"remind":1},"errors":[{"message":"no"}]}"#),
            answer(307, r#"{"data":{"remind":1}}"#),
            refused(401, "UNKNOWN_KEY"),
        ] {
            assert!(matches!(other.data("remind"), Err(Miss::Failed(_))), "{other:?}");
        }
    }

    #[test]
    fn a_server_that_is_busy_is_left_alone_for_as_long_as_it_asks() {
        let asked = Some(Duration::from_secs(7));
        let busy = Answer { retry_after: asked, ..refused(503, "UNAVAILABLE") };
        assert_eq!(busy.asks_for_a_pause(), asked);
        assert_eq!(refused(200, "RATE_LIMITED").asks_for_a_pause(), Some(Duration::from_secs(1)));
        let behind_a_balancer = Answer { retry_after: asked, ..answer(503, "<html>") };
        assert_eq!(behind_a_balancer.asks_for_a_pause(), asked);
        assert_eq!(refused(500, "INTERNAL").asks_for_a_pause(), None);
        assert_eq!(answer(200, "{}").asks_for_a_pause(), None);
    }

    #[test]
    fn a_request_is_changed_behind_its_signature() {
        let url = Url::parse("https://partners.example.org/partner/graphql").unwrap();
        let draft = Draft::post("a question", &url, b"{}".to_vec());
        assert!(draft.clone().unsigned().headers.is_empty());
        let (key, now) = (signing_key("gd-consumer-council:1"), crate::clock::now());
        let (mut one, other) = (draft.clone().signed(&key, now).unwrap(), draft.signed(&key, now).unwrap());
        assert_ne!(one.headers, other.headers, "each has a nonce of its own");
        let before = one.headers.clone();
        one.draft.body.push(b' ');
        assert_eq!(one.headers, before);
    }
}
