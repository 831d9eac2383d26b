//! One message: who says what, in which place of the shared history. Its canonical text is the message; that is what is
//! signed, digested and sealed.

use std::fmt;

use chrono::{DateTime, Utc};
use domain::complaint::is_unseen;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::body::{Body, BodyError, codes};
use super::check::is_exact;
use super::id::{DeliveryId, Digest, SharedId};
use super::refusal::RefusalCode;
use super::segment::clock_follows;
use super::vocabulary::{MessageKind, Side};
use crate::partner::PartnerId;
use crate::trust::KeyId;

/// The version of the message's shape that is written and read here.
pub const VERSION: u16 = 1;
/// Longest canonical text in bytes.
pub const MESSAGE_BYTES_MAX: usize = 48 * 1024;
/// Most messages that one council writes about one referral.
pub const SEQUENCE_MAX: u32 = 1_000;
/// Hexadecimal digits of a salt: 128 random bits.
pub const SALT_DIGITS: usize = 32;
/// Most characters of an unknown code that are repeated in the answer.
pub const CODE_SHOWN_CHARS_MAX: usize = 64;
/// Most characters of a reader's complaint that are repeated in the answer.
pub const REASON_CHARS_MAX: usize = 200;

/// What the author had read of the other lane: the last message of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Seen {
    pub sequence: u32,
    pub digest: Digest,
}

/// Where a message stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Header {
    /// [`VERSION`] of the shape.
    pub version: u16,
    /// Derived from referral, author and sequence; see [`DeliveryId::derived`].
    pub delivery: DeliveryId,
    pub referral: SharedId,
    /// The council that began the referral.
    pub origin: PartnerId,
    /// The author.
    pub from: PartnerId,
    pub to: PartnerId,
    /// The place in the author's lane, from 1 to [`SEQUENCE_MAX`].
    pub sequence: u32,
    /// The place in the common order: one more than the greatest clock that the author had seen, its own included.
    pub clock: u32,
    /// The digest of the author's message before this one; the first has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    /// When it was said, in whole microseconds.
    pub at: DateTime<Utc>,
    /// [`SALT_DIGITS`] random hexadecimal digits, so that nobody can guess at an erased text by its digest.
    pub salt: String,
}

/// A message.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    pub header: Header,
    pub body: Body,
}

/// The members of a message as they are written.
#[derive(Serialize)]
struct Written<'a> {
    header: &'a Header,
    kind: MessageKind,
    body: &'a Body,
}

/// The members of a message as they are read: first the frame, then what the kind asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Frame {
    header: Value,
    kind: String,
    body: Value,
}

/// Why a text is not a message, or a message is not one that may be sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MessageError {
    #[error("the message has {bytes} bytes, more than the {MESSAGE_BYTES_MAX} allowed")]
    TooLarge { bytes: usize },
    /// The reason names no value of the text: values are about people.
    #[error("the {part} does not have its shape: {reason}")]
    Malformed { part: &'static str, reason: String },
    #[error("the text is not its own canonical form (RFC 8785): sorted members, each once, no white space, no null")]
    NotCanonical,
    #[error("`{field}` holds the code {value:?}; known here are {}", list(.known))]
    UnknownCode { field: String, value: String, known: Vec<&'static str> },
    #[error("the message is of version {version}; version {VERSION} is read here")]
    VersionUnsupported { version: u64 },
    #[error("`{field}` of the header {reason}")]
    Header { field: &'static str, reason: &'static str },
    #[error("`{kind}` is not for the {side} of a referral to say")]
    WrongSide { kind: MessageKind, side: Side },
    #[error(transparent)]
    Body(#[from] BodyError),
}

impl MessageError {
    /// The code by which a partner learns of it.
    #[must_use]
    pub const fn refusal(&self) -> RefusalCode {
        match self {
            Self::TooLarge { .. } => RefusalCode::BodyTooLarge,
            Self::UnknownCode { .. } => RefusalCode::UnknownCode,
            Self::VersionUnsupported { .. } => RefusalCode::VersionUnsupported,
            Self::WrongSide { .. } => RefusalCode::WrongSide,
            Self::Body(BodyError::NotTaken { .. }) => RefusalCode::EvidenceType,
            Self::Malformed { .. } | Self::NotCanonical | Self::Header { .. } | Self::Body(_) => RefusalCode::Invalid,
        }
    }

    fn malformed(part: &'static str, error: &serde_json::Error) -> Self {
        Self::Malformed { part, reason: without_values(error) }
    }

    fn unknown_code(field: String, value: &str, known: Vec<&'static str>) -> Self {
        Self::UnknownCode { field, value: value.chars().take(CODE_SHOWN_CHARS_MAX).collect(), known }
    }
}

fn list(known: &[&str]) -> String {
    known.join(", ")
}

/// What a reader of JSON complains of, without the values it quotes.
fn without_values(error: &serde_json::Error) -> String {
    let whole = error.to_string();
    let told = match whole.split_once('"').and_then(|(head, rest)| Some((head, rest.rsplit_once('"')?.1))) {
        Some((head, tail)) => format!("{head}…{tail}"),
        None => whole,
    };
    let shown = |character: char| if character.is_control() || is_unseen(character) { '?' } else { character };
    told.chars().map(shown).take(REASON_CHARS_MAX).collect()
}

impl Message {
    /// The one text of this message: RFC 8785 over its header, kind and body, what is absent left out.
    ///
    /// # Errors
    /// [`MessageError::Malformed`] only if it cannot be JSON at all, which no message can.
    pub fn canonical(&self) -> Result<String, MessageError> {
        let written = Written { header: &self.header, kind: self.body.kind(), body: &self.body };
        serde_json_canonicalizer::to_string(&written).map_err(|error| MessageError::malformed("message", &error))
    }

    /// The canonical text of a message that came in parts, where an absent member may stand as null.
    ///
    /// The text need not be a message; [`Message::parse`] tells.
    ///
    /// # Errors
    /// [`MessageError::Malformed`] if a part cannot be JSON of this kind, such as a number that is not finite.
    pub fn assemble(header: Value, kind: &str, body: Value) -> Result<String, MessageError> {
        let parts = [("header", without_nulls(header)), ("kind", Value::from(kind)), ("body", without_nulls(body))];
        let whole: serde_json::Map<String, Value> =
            parts.into_iter().map(|(name, part)| (name.to_owned(), part)).collect();
        serde_json_canonicalizer::to_string(&whole).map_err(|error| MessageError::malformed("message", &error))
    }

    /// Reads a message from its canonical text, and from no other text. Limits are left to [`Message::check`].
    ///
    /// # Errors
    /// [`MessageError`]: a code that is not known here is told from a text that is no message.
    pub fn parse(canonical: &str) -> Result<Self, MessageError> {
        if canonical.len() > MESSAGE_BYTES_MAX {
            return Err(MessageError::TooLarge { bytes: canonical.len() });
        }
        let Frame { header, kind, body } =
            serde_json::from_str(canonical).map_err(|error| MessageError::malformed("message", &error))?;
        // Another version may have another header and other kinds, so it is told before anything else is.
        match header.get("version").and_then(Value::as_u64) {
            Some(version) if version != u64::from(VERSION) => return Err(MessageError::VersionUnsupported { version }),
            Some(_) | None => {}
        }
        let kind = MessageKind::from_code(&kind).ok_or_else(|| {
            let known = MessageKind::ALL.iter().map(|kind| kind.code()).collect();
            MessageError::unknown_code("kind".to_owned(), &kind, known)
        })?;
        if let Some(codes::Unknown { field, value, known }) = codes::unknown(kind, &body) {
            return Err(MessageError::unknown_code(field, &value, known));
        }
        let header = serde_json::from_value(header).map_err(|error| MessageError::malformed("header", &error))?;
        let body = Body::read(kind, body).map_err(|error| MessageError::malformed("body", &error))?;
        let message = Self { header, body };
        // Two texts of one message would have two digests. This also finds a member that stands there twice, a number
        // written otherwise, and a moment that is not in UTC.
        if message.canonical()? == canonical { Ok(message) } else { Err(MessageError::NotCanonical) }
    }

    /// Checks what can be checked without knowing the referral: the header fits together, the side may say this, the
    /// body holds its limits, and the days that it names can be meant.
    ///
    /// # Errors
    /// [`MessageError`] about the first thing that is wrong.
    pub fn check(&self) -> Result<(), MessageError> {
        let kind = self.body.kind();
        let side = self.side();
        self.header.check()?;
        if !kind.sides().contains(&side) {
            return Err(MessageError::WrongSide { kind, side });
        }
        let opens = side == Side::Origin && self.header.sequence == 1;
        if opens != (kind == MessageKind::Submission) {
            let reason = "is 1 for the submission of the origin and for nothing else of it";
            return Err(MessageError::Header { field: "sequence", reason });
        }
        if side == Side::Target && self.header.seen.is_none() {
            return Err(MessageError::Header { field: "seen", reason: "must name the submission or what followed it" });
        }
        self.body.check()?;
        self.body.check_days(self.header.at)?;
        let bytes = self.canonical()?.len();
        if bytes > MESSAGE_BYTES_MAX { Err(MessageError::TooLarge { bytes }) } else { Ok(()) }
    }

    /// The side of the referral that its author stands on.
    #[must_use]
    pub fn side(&self) -> Side {
        if self.header.from == self.header.origin { Side::Origin } else { Side::Target }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("header", &self.header).field("kind", &self.body.kind()).finish_non_exhaustive()
    }
}

impl Header {
    fn check(&self) -> Result<(), MessageError> {
        let wrong = |field, reason| Err(MessageError::Header { field, reason });
        if self.version != VERSION {
            return Err(MessageError::VersionUnsupported { version: u64::from(self.version) });
        }
        if self.referral.as_uuid().is_nil() {
            return wrong("referral", "is the nil UUID");
        }
        if self.from == self.to {
            return wrong("to", "is the author");
        }
        if self.origin != self.from && self.origin != self.to {
            return wrong("origin", "is neither the author nor the recipient");
        }
        if self.sequence == 0 || self.sequence > SEQUENCE_MAX {
            return wrong("sequence", "is not between 1 and the most that a lane may have");
        }
        if self.delivery != DeliveryId::derived(self.referral, &self.from, self.sequence) {
            return wrong("delivery", "is not derived from referral, author and sequence");
        }
        if self.previous.is_some() != (self.sequence > 1) {
            return wrong("previous", "stands in every message of a lane but the first");
        }
        if self.seen.as_ref().is_some_and(|seen| seen.sequence == 0 || seen.sequence > SEQUENCE_MAX) {
            return wrong("seen", "has a sequence that no message of a lane may have");
        }
        if !clock_follows(self.clock, self.sequence, self.seen.as_ref()) {
            return wrong("clock", "does not follow from what the author had written and seen");
        }
        if !is_exact(self.at) {
            return wrong("at", "is not a moment of the years 1970 to 9999 in whole microseconds");
        }
        if self.salt.len() != SALT_DIGITS || !self.salt.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')) {
            return wrong("salt", "is not 32 lower-case hexadecimal digits");
        }
        Ok(())
    }
}

/// Leaves out the members of objects that are null, at every depth.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .filter(|(_, member)| !member.is_null())
                .map(|(name, member)| (name, without_nulls(member)))
                .collect(),
        ),
        Value::Array(list) => Value::Array(list.into_iter().map(without_nulls).collect()),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}

/// A message with its author's signature.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedMessage {
    /// The canonical text.
    pub text: String,
    /// A detached JWS over it (RFC 7515 Appendix F, RFC 7797).
    pub jws: String,
    pub key: KeyId,
}

impl SignedMessage {
    /// The digest by which the history knows it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.text.as_bytes())
    }
}

impl fmt::Debug for SignedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedMessage({}, {} bytes, by {})", self.digest(), self.text.len(), self.key)
    }
}

#[cfg(test)]
mod tests;
