//! What partners answer, and what it means.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::failure::CallError;
use crate::delivery::vocabulary::FailureCode;
use crate::exchange::{DeliveryId, Digest, RefusalCode, SharedId};
use crate::partner::PartnerId;
use crate::trust::KeyId;

/// A receipt as a partner gives it. Its text says the rest; the fields beside it are for readers, not for us.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ReceiptPayload {
    pub text: String,
    pub jws: String,
    pub key: KeyId,
}

/// A page of what a partner has for us.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessagePage {
    pub messages: Vec<PulledMessage>,
    /// Where the next page begins; opaque.
    pub next: Option<String>,
    pub at_end: bool,
}

/// One message of a page. Its `Debug` shows nothing of what it says.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct PulledMessage {
    /// What to ask behind when this message has been taken in.
    pub cursor: String,
    pub delivery: DeliveryId,
    pub kind: String,
    pub text: String,
    pub jws: String,
    pub key: KeyId,
}

impl fmt::Debug for PulledMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PulledMessage({}, {} bytes, by {})", self.delivery, self.text.len(), self.key)
    }
}

/// A referral as the partner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RemoteReferral {
    pub id: SharedId,
    pub origin: PartnerId,
    pub target: PartnerId,
    pub stage: String,
    pub reference: Option<String>,
    pub segment: RemoteSegment,
}

/// The shared history as the partner holds it: equal to ours exactly when the digests are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RemoteSegment {
    pub digest: Digest,
    pub origin: RemoteLane,
    pub target: RemoteLane,
}

/// One lane of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RemoteLane {
    pub count: u32,
    pub head: Option<Digest>,
}

/// Which council answers, and its clock.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RemoteServer {
    pub version: String,
    pub council: PartnerId,
    pub time: DateTime<Utc>,
}

/// An answer, read to its end and within its bound. Its `Debug` shows nothing of what it says.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}

/// What a GraphQL answer holds in the field that was asked for. Its `Debug` shows nothing of what it says.
pub(super) struct Payload {
    value: Value,
    /// Of the whole answer.
    pub(super) digest: Digest,
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({})", self.digest)
    }
}

impl Payload {
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, serde_json::Error> {
        serde_json::from_value(self.value)
    }
}

impl Answer {
    /// The answer to a GraphQL request, as far as it is one.
    pub(super) fn payload(self, field: &str) -> Result<Payload, CallError> {
        let json: Option<Value> = serde_json::from_slice(&self.body).ok();
        if let Some(error) = self.refusal(json.as_ref()) {
            return Err(error);
        }
        let Some(mut json) = json else { return Err(self.error(FailureCode::NotJson)) };
        match json.pointer_mut("/data").and_then(|data| data.get_mut(field)).map(Value::take) {
            Some(Value::Null) | None => Err(self.error(FailureCode::NoReceipt)),
            Some(value) => Ok(Payload { value, digest: Digest::of(&self.body) }),
        }
    }

    /// The answer to a file that was sent: that it was taken.
    pub(super) fn accepted(self) -> Result<(), CallError> {
        self.bytes().map(drop)
    }

    /// The answer to a question for a file: its bytes.
    pub(super) fn bytes(self) -> Result<Vec<u8>, CallError> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        let json: Option<Value> = serde_json::from_slice(&self.body).ok();
        Err(self.refusal(json.as_ref()).unwrap_or_else(|| self.error(FailureCode::ServerError)))
    }

    /// What the answer refuses, by a code of the contract or by its status.
    fn refusal(&self, json: Option<&Value>) -> Option<CallError> {
        if let Some(refusal) = json.and_then(code_of) {
            let refused = CallError::refused(refusal);
            return Some(CallError { status: Some(self.status), retry_after: self.retry_after, ..refused });
        }
        match self.status {
            429 => Some(self.error(FailureCode::RateLimited)),
            200..=299 => None,
            _ => Some(self.error(FailureCode::ServerError)),
        }
    }

    fn error(&self, code: FailureCode) -> CallError {
        let retry_after = self.retry_after;
        let error = CallError { status: Some(self.status), retry_after, ..CallError::new(code) };
        error.with_body(Digest::of(&self.body))
    }
}

/// The code of the first error: in the form of GraphQL, or alone as the answer to a file. A code that the contract
/// does not know is none.
fn code_of(json: &Value) -> Option<RefusalCode> {
    let code = json.pointer("/errors/0/extensions/code").or_else(|| json.get("code"))?;
    RefusalCode::parse(code.as_str()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, retry_after: Some(Duration::from_secs(7)), body: body.as_bytes().to_vec() }
    }

    fn code(status: u16, body: &str) -> FailureCode {
        answer(status, body).payload("remind").unwrap_err().code
    }

    #[test]
    fn only_the_field_that_was_asked_for_is_an_answer() {
        let payload = answer(200, r#"{"data":{"remind":{"a":1},"other":2}}"#).payload("remind").unwrap();
        assert_eq!(payload.read::<Value>().unwrap(), serde_json::json!({"a": 1}));
        for garbage in ["", "<html>", "{", "\u{feff}{}", "NaN"] {
            assert_eq!(code(200, garbage), FailureCode::NotJson, "{garbage}");
        }
        for empty in ["{}", "[]", "1", "null", r#"{"data":null}"#, r#"{"data":{"remind":null}}"#, r#"{"data":[]}"#] {
            assert_eq!(code(200, empty), FailureCode::NoReceipt, "{empty}");
        }
    }

    #[test]
    fn what_an_answer_says_is_not_in_its_debug() {
        let message = r#"{"cursor":"1","delivery":"b6ced6a9-e2e7-5c64-94cc-fb5194f7a756","kind":"陈大文","text":"陈大文",
            "jws":"陈大文","key":"gd-consumer-council:2026a"}"#;
        let pulled = serde_json::from_str::<PulledMessage>(message).unwrap();
        let body = format!(r#"{{"data":{{"messages":{message}}}}}"#);
        let payload = answer(200, &body).payload("messages").unwrap();
        for shown in [format!("{pulled:?}"), format!("{:?}", answer(200, &body)), format!("{payload:?}")] {
            assert!(!shown.contains("陈大文"), "{shown}");
            assert!(!shown.contains(&format!("{:?}", "陈".as_bytes())), "{shown}");
        }
    }

    #[test]
    fn codes_of_the_contract_are_refusals_whatever_the_status() {
        for status in [200, 400, 422, 500] {
            let error = answer(status, r#"{"errors":[{"extensions":{"code":"BROKEN_CHAIN"}}],"data":null}"#);
            let error = error.payload("remind").unwrap_err();
            assert_eq!(error.code, FailureCode::Refused, "{status}");
            assert_eq!(error.refusal, Some(RefusalCode::BrokenChain));
            assert_eq!(error.detail.as_deref(), Some("BROKEN_CHAIN"));
            assert_eq!(error.status, Some(status));
            assert!(!error.may_pass());
        }
        let busy = answer(429, r#"{"errors":[{"extensions":{"code":"RATE_LIMITED"}}]}"#).payload("remind").unwrap_err();
        assert_eq!((busy.code, busy.retry_after), (FailureCode::RateLimited, Some(Duration::from_secs(7))));
        assert!(busy.may_pass() && !busy.counts_against_the_partner());
    }

    #[test]
    fn a_code_that_nobody_knows_is_never_kept() {
        let error = answer(200, r#"{"errors":[{"extensions":{"code":"<script>"}}]}"#).payload("remind").unwrap_err();
        assert_eq!((error.code, error.detail), (FailureCode::NoReceipt, None));
    }

    #[test]
    fn other_statuses_speak_for_themselves() {
        assert_eq!(code(429, "slow down"), FailureCode::RateLimited);
        for status in [400, 401, 404, 405, 500, 502, 503, 504] {
            assert_eq!(code(status, "<html>"), FailureCode::ServerError, "{status}");
            assert_eq!(code(status, r#"{"data":{"remind":{}}}"#), FailureCode::ServerError, "{status}");
        }
    }

    #[test]
    fn a_refused_file_is_about_the_evidence_and_a_lost_one_about_the_way() {
        let refused = |status, body: &str| answer(status, body).accepted().unwrap_err().about_evidence();
        let infected = refused(422, r#"{"code":"EVIDENCE_INFECTED"}"#);
        assert_eq!((infected.code, infected.detail.as_deref()), (FailureCode::Evidence, Some("EVIDENCE_INFECTED")));
        assert!(!infected.may_pass());
        let early = refused(404, r#"{"errors":[{"extensions":{"code":"EVIDENCE_UNANNOUNCED"}}]}"#);
        assert!(early.code == FailureCode::Evidence && early.may_pass());
        assert_eq!(refused(413, "").code, FailureCode::Evidence);
        assert_eq!(refused(502, "").code, FailureCode::ServerError);
        assert_eq!(refused(401, r#"{"code":"SIGNATURE_EXPIRED"}"#).code, FailureCode::Refused);
        assert!(answer(204, "").accepted().is_ok());
        assert!(answer(201, "anything").accepted().is_ok());
    }

    #[test]
    fn refusals_of_the_request_may_pass_and_refusals_of_the_message_may_not() {
        for passing in ["NONCE_REPLAYED", "SIGNATURE_EXPIRED", "UNKNOWN_KEY", "UNAVAILABLE", "UNKNOWN_REFERRAL"] {
            assert!(CallError::refused(RefusalCode::parse(passing).unwrap()).may_pass(), "{passing}");
        }
        for lasting in ["INVALID", "WRONG_SIDE", "EQUIVOCATION", "BAD_STATEMENT", "ERASED", "NO_AGREEMENT"] {
            assert!(!CallError::refused(RefusalCode::parse(lasting).unwrap()).may_pass(), "{lasting}");
        }
    }
}
