//! What vault nodes and their clients say to each other: JSON over HTTP/1.1, one request for each call of the port.
//!
//! Keys travel in base64, wrapped by a master key that neither message nor vault node has. Every answer tells as of
//! which destruction it was read, and whether the standby is known to hold everything.

use std::fmt;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use domain::id::SubjectId;
use event_log::vault::keys::{Cursor, KEYS_PER_CALL_MAX, KeyRow, KeyStoreError, StoredKey, WRAPPED_BYTES_MAX};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Largest body of a request or an answer: 1,024 keys take a fifth of it, 8,192 subjects a third.
pub(super) const BODY_BYTES_MAX: usize = 1024 * 1024;

/// What a node asks of the vault node.
pub(super) const FIND: &str = "/v1/find";
pub(super) const INSERT_MISSING: &str = "/v1/insert-missing";
pub(super) const DESTROY: &str = "/v1/destroy";
pub(super) const DESTROYED_SINCE: &str = "/v1/destroyed-since";
pub(super) const CHECK_VALUE: &str = "/v1/check-value";
/// What a vault node asks of its standby, which answers nobody else: see [`super::gate`].
pub(super) const MIRROR_MERGE: &str = "/v1/mirror/merge";
pub(super) const MIRROR_ROWS: &str = "/v1/mirror/rows";
pub(super) const MIRROR_CHECK_VALUE: &str = "/v1/mirror/check-value";

/// One opening of a vault's file, in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Run(pub(super) u128);

impl Serialize for Run {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:032x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Run {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match u128::from_str_radix(&text, 16) {
            Ok(run) if text.len() == 32 => Ok(Self(run)),
            Ok(_) | Err(_) => Err(D::Error::custom("a run is 32 hexadecimal digits")),
        }
    }
}

/// How far the destructions are known.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct At {
    pub(super) run: Run,
    number: u64,
}

impl From<Cursor> for At {
    fn from(cursor: Cursor) -> Self {
        Self { run: Run(cursor.run), number: cursor.number }
    }
}

impl From<At> for Cursor {
    fn from(at: At) -> Self {
        Self { run: at.run.0, number: at.number }
    }
}

/// Bytes in base64, no more than a wrapped key may have. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match STANDARD.decode(text) {
            Ok(bytes) if !bytes.is_empty() && bytes.len() <= WRAPPED_BYTES_MAX => Ok(Self(bytes)),
            Ok(_) => Err(D::Error::custom(format!("a wrapped key has 1 to {WRAPPED_BYTES_MAX} bytes"))),
            // The text may be a key: it is not quoted.
            Err(_) => Err(D::Error::custom("a wrapped key is base64")),
        }
    }
}

/// A moment in microseconds since 1970 UTC.
#[derive(Clone, Copy)]
pub(super) struct Micros(pub(super) DateTime<Utc>);

impl Serialize for Micros {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0.timestamp_micros())
    }
}

impl<'de> Deserialize<'de> for Micros {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let micros = i64::deserialize(deserializer)?;
        DateTime::from_timestamp_micros(micros).map(Self).ok_or_else(|| D::Error::custom("no such moment"))
    }
}

/// What there is for a subject.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Stored {
    Wrapped(Bytes),
    DestroyedAt(Micros),
}

impl From<StoredKey> for Stored {
    fn from(key: StoredKey) -> Self {
        match key {
            StoredKey::Wrapped(wrapped) => Self::Wrapped(Bytes(wrapped)),
            StoredKey::Destroyed(at) => Self::DestroyedAt(Micros(at)),
        }
    }
}

impl From<Stored> for StoredKey {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Wrapped(Bytes(wrapped)) => Self::Wrapped(wrapped),
            Stored::DestroyedAt(Micros(at)) => Self::Destroyed(at),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FindRequest {
    pub(super) subjects: Vec<SubjectId>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InsertRequest {
    pub(super) at: Micros,
    pub(super) keys: Vec<Made>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Made {
    pub(super) subject: SubjectId,
    pub(super) wrapped: Bytes,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DestroyRequest {
    pub(super) subject: SubjectId,
    pub(super) at: Micros,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SinceRequest {
    pub(super) since: Option<At>,
}

/// `None` asks for the value, `Some` registers it where there is none.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckRequest {
    pub(super) value: Option<Bytes>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Row {
    pub(super) subject: SubjectId,
    pub(super) created_at: Micros,
    pub(super) key: Stored,
}

impl From<KeyRow> for Row {
    fn from(row: KeyRow) -> Self {
        Self { subject: row.subject, created_at: Micros(row.created_at), key: row.key.into() }
    }
}

impl From<Row> for KeyRow {
    fn from(row: Row) -> Self {
        Self { subject: row.subject, created_at: row.created_at.0, key: row.key.into() }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MergeRequest {
    pub(super) rows: Vec<Row>,
    /// The run of the standby that the primary knows to hold everything.
    pub(super) in_step_with: Option<Run>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RowsRequest {
    pub(super) after: Option<SubjectId>,
    /// Only rows of destroyed keys. Not sent otherwise: a standby of an earlier release does not know it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) destroyed_only: bool,
}

/// What was destroyed; `None` when that cannot be told.
pub(super) type Gone = Option<Vec<SubjectId>>;

/// Every answer.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Reply<T> {
    pub(super) as_of: At,
    /// Whether the standby of whoever answers is known to hold everything.
    pub(super) standby_in_step: bool,
    pub(super) given: T,
}

/// Why a vault node did not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FaultCode {
    /// The request is not one.
    Invalid,
    /// A standby is asked to write.
    NotPrimary,
    /// A primary is asked to be a copy.
    NotStandby,
    /// Somebody asks a standby to be a copy whom it does not know as its primary.
    MirrorForbidden,
    /// A standby that may lack something is read from.
    NotInStep,
    /// The standby does not take a key.
    StandbyUnavailable,
    /// The standby has another key for a subject, or belongs to another installation.
    StandbyDiffers,
    /// A key is destroyed here and not on the standby.
    HalfDestroyed,
    /// Pages with a destroyed key are held back.
    Lingering,
    /// The file cannot be read or written.
    File,
    Internal,
}

impl FaultCode {
    const ALL: [(Self, &'static str, StatusCode); 11] = [
        (Self::Invalid, "INVALID", StatusCode::BAD_REQUEST),
        (Self::NotPrimary, "NOT_PRIMARY", StatusCode::CONFLICT),
        (Self::NotStandby, "NOT_STANDBY", StatusCode::CONFLICT),
        (Self::MirrorForbidden, "MIRROR_FORBIDDEN", StatusCode::FORBIDDEN),
        (Self::NotInStep, "NOT_IN_STEP", StatusCode::SERVICE_UNAVAILABLE),
        (Self::StandbyUnavailable, "STANDBY_UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE),
        (Self::StandbyDiffers, "STANDBY_DIFFERS", StatusCode::CONFLICT),
        (Self::HalfDestroyed, "HALF_DESTROYED", StatusCode::SERVICE_UNAVAILABLE),
        (Self::Lingering, "LINGERING", StatusCode::SERVICE_UNAVAILABLE),
        (Self::File, "FILE", StatusCode::SERVICE_UNAVAILABLE),
        (Self::Internal, "INTERNAL", StatusCode::INTERNAL_SERVER_ERROR),
    ];

    /// As it travels, and the status it travels with.
    pub(super) fn as_sent(self) -> (&'static str, StatusCode) {
        let found = Self::ALL.iter().find(|(code, ..)| *code == self);
        found.map_or(("INTERNAL", StatusCode::INTERNAL_SERVER_ERROR), |(_, text, status)| (*text, *status))
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known == text).map(|(code, ..)| *code)
    }
}

/// Why a vault node did not do what was asked, with words that hold no key.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) code: FaultCode,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(code: FaultCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<KeyStoreError> for Fault {
    fn from(error: KeyStoreError) -> Self {
        let code = match &error {
            KeyStoreError::HalfDestroyed => FaultCode::HalfDestroyed,
            KeyStoreError::Lingering => FaultCode::Lingering,
            KeyStoreError::File(source) => {
                tracing::error!(error = %source, "The file of the vault cannot be read or written");
                FaultCode::File
            }
            KeyStoreError::Unavailable { .. } | KeyStoreError::Protocol { .. } => FaultCode::Internal,
        };
        Self::new(code, error.to_string())
    }
}

/// A [`Fault`] as it travels.
#[derive(Serialize, Deserialize)]
pub(super) struct FaultBody {
    pub(super) code: String,
    pub(super) message: String,
}

/// Refuses more in one request than anybody sends.
pub(super) fn check_count(count: usize) -> Result<(), Fault> {
    if count <= KEYS_PER_CALL_MAX {
        return Ok(());
    }
    let message = format!("a request holds at most {KEYS_PER_CALL_MAX} keys, this one {count}");
    Err(Fault::new(FaultCode::Invalid, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back_as_it_was_sent() {
        for (code, text, status) in FaultCode::ALL {
            assert_eq!(FaultCode::parse(text), Some(code));
            assert_eq!(code.as_sent(), (text, status));
            assert!(status.is_client_error() || status.is_server_error(), "{text}");
        }
        assert_eq!(FaultCode::parse("SOMETHING_NEW"), None);
    }

    #[test]
    fn keys_have_one_form_on_the_wire() {
        let stored: Vec<Option<Stored>> = vec![
            None,
            Some(Stored::Wrapped(Bytes(vec![1, 2, 3]))),
            Some(StoredKey::Destroyed(DateTime::UNIX_EPOCH).into()),
        ];
        let text = serde_json::to_string(&stored).unwrap();
        assert_eq!(text, r#"[null,{"wrapped":"AQID"},{"destroyedAt":0}]"#);
        let at = At::from(Cursor { run: 0xab, number: 7 });
        let text = serde_json::to_string(&at).unwrap();
        assert_eq!(text, r#"{"run":"000000000000000000000000000000ab","number":7}"#);
        assert_eq!(Cursor::from(serde_json::from_str::<At>(&text).unwrap()), Cursor { run: 0xab, number: 7 });
    }

    #[test]
    fn a_wrapped_key_holds_its_limit_and_is_never_quoted() {
        let read = |bytes: usize| {
            let text = serde_json::to_string(&Bytes(vec![7; bytes])).unwrap();
            serde_json::from_str::<Bytes>(&text)
        };
        assert!(read(WRAPPED_BYTES_MAX).is_ok());
        for bytes in [0, WRAPPED_BYTES_MAX + 1] {
            assert!(read(bytes).is_err(), "{bytes}");
        }
        let error = serde_json::from_str::<Bytes>("\"c2VjcmV0!\"").err().unwrap().to_string();
        assert!(!error.contains("c2VjcmV0"), "{error}");
    }

    #[test]
    fn a_request_holds_its_limit() {
        assert!(check_count(KEYS_PER_CALL_MAX).is_ok());
        assert!(check_count(KEYS_PER_CALL_MAX + 1).is_err());
    }
}
