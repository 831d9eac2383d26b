//! Identifiers, each parsed once at the edge and trusted from there on.
//!
//! An id that must be the same on every attempt is derived (UUID version 5, RFC 9562) from what makes the thing
//! unique, never drawn at random: that is what makes a repeated command harmless.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

/// Namespace of every identifier that Baycase derives. Frozen: changing it would change every id.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f1c_36a2_5f0e_5f1d_9c5b_3b61_79ca_5e01);

/// Longest stream id in bytes; the key of the store's index, so short.
pub const STREAM_ID_BYTES_MAX: usize = 96;
/// Longest unit id in bytes.
pub const UNIT_ID_BYTES_MAX: usize = 64;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParseIdError {
    #[error("an identifier must not be empty")]
    Empty,
    #[error("the identifier has {bytes} bytes, more than the {max} allowed")]
    TooLong { bytes: usize, max: usize },
    #[error("the identifier has the character {character:?}, which is not allowed there")]
    Character { character: char },
    #[error("a stream id is a category, a hyphen and a name")]
    Shape,
    #[error("not a UUID")]
    Uuid,
}

/// An identifier that is a UUID, with one fallible way in from text.
///
/// The crate that uses it needs `serde` and `uuid`.
#[macro_export]
macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(::uuid::Uuid);

        impl $name {
            /// Wraps a UUID that is this id elsewhere, or that the caller chose.
            #[must_use]
            pub const fn from_uuid(id: ::uuid::Uuid) -> Self {
                Self(id)
            }

            /// The UUID itself.
            #[must_use]
            pub const fn as_uuid(self) -> ::uuid::Uuid {
                self.0
            }

            /// Parses the hyphenated or the plain form.
            ///
            /// # Errors
            /// `Uuid` when the text is no UUID, `Empty` for the nil UUID.
            pub fn parse(raw: &str) -> Result<Self, $crate::id::ParseIdError> {
                match ::uuid::Uuid::try_parse(raw) {
                    Ok(id) if id.is_nil() => Err($crate::id::ParseIdError::Empty),
                    Ok(id) => Ok(Self(id)),
                    Err(_) => Err($crate::id::ParseIdError::Uuid),
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}
pub use uuid_id;

uuid_id! {
    /// Chosen by the caller before its first attempt; the same on every retry (DESIGN invariant: a command happens once).
    CommandId
}
uuid_id! {
    /// One event, derived from the command that caused it.
    EventId
}
uuid_id! {
    /// One filing (来件): what came in, once.
    FilingId
}
uuid_id! {
    /// One complaint (投诉).
    ComplaintId
}
uuid_id! {
    /// One data subject (个人信息主体), whose key seals what is known of the person.
    SubjectId
}

impl CommandId {
    /// The id of the `index`-th event of this command on `stream`.
    #[must_use]
    pub fn event(self, stream: &StreamId, index: usize) -> EventId {
        EventId(derive(&[
            self.0.as_bytes(),
            stream.as_str().as_bytes(),
            &u64::try_from(index).unwrap_or(u64::MAX).to_be_bytes(),
        ]))
    }

    /// The id of a command that a process manager issues because of this one.
    #[must_use]
    pub fn follow_up(self, step: &str) -> Self {
        Self(derive(&[self.0.as_bytes(), step.as_bytes()]))
    }

    /// As [`CommandId::derived`], but sorted by time like a UUID of version 7 (RFC 9562 section 5.7): a store's index of
    /// command ids then grows at its end instead of everywhere. Callers that choose version 7 do their server the same good.
    #[must_use]
    pub fn derived_at(at: DateTime<Utc>, parts: &[&str]) -> Self {
        let millis = u64::try_from(at.timestamp_millis()).unwrap_or(0);
        let hash = derive_text("command-at", parts);
        let mut random = [0; 10];
        for (byte, source) in random.iter_mut().zip(hash.as_bytes()) {
            *byte = *source;
        }
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// The id of a command that is determined by what it does, for imports and generated data.
    #[must_use]
    pub fn derived(parts: &[&str]) -> Self {
        Self(derive_text("command", parts))
    }
}

impl EventId {
    /// The id of the command that a process manager issues because of this event.
    #[must_use]
    pub fn command(self, step: &str) -> CommandId {
        CommandId(derive(&[self.0.as_bytes(), step.as_bytes()]))
    }
}

impl FilingId {
    /// The same outside number from the same source is the same filing, so its stream refuses the second copy.
    #[must_use]
    pub fn derived(source: &str, external_number: &str) -> Self {
        Self(derive_text("filing", &[source, external_number]))
    }

    /// The stream that holds this filing.
    #[must_use]
    pub fn stream(self) -> StreamId {
        StreamId::of("filing", self.0)
    }
}

impl ComplaintId {
    /// The `item`-th matter of a filing (Order 121 Art. 9: each under its own procedure).
    #[must_use]
    pub fn of_item(filing: FilingId, item: u16) -> Self {
        Self(derive(&[b"complaint", filing.0.as_bytes(), &item.to_be_bytes()]))
    }

    /// The stream that holds this complaint.
    #[must_use]
    pub fn stream(self) -> StreamId {
        StreamId::of("complaint", self.0)
    }
}

impl SubjectId {
    /// A person named in a filing, by the part the person plays in it.
    #[must_use]
    pub fn in_filing(filing: FilingId, part: &str) -> Self {
        Self(derive(&[b"subject", filing.0.as_bytes(), part.as_bytes()]))
    }

    /// The consumer of a referral that another council sent: known to us by that referral alone.
    #[must_use]
    pub fn of_referral(referral: Uuid) -> Self {
        Self(derive(&[b"subject", b"referral", referral.as_bytes()]))
    }
}

/// Hashes the parts with their lengths, so that no two lists of parts run together.
fn derive(parts: &[&[u8]]) -> Uuid {
    let mut name = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        name.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        name.extend_from_slice(part);
    }
    Uuid::new_v5(&NAMESPACE, &name)
}

fn derive_text(what: &str, parts: &[&str]) -> Uuid {
    let mut all = vec![what.as_bytes()];
    all.extend(parts.iter().map(|part| part.as_bytes()));
    derive(&all)
}

/// The name of one stream: a category, a hyphen, and the name within the category.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamId(Box<str>);

impl StreamId {
    /// Parses a stream name: ASCII letters, digits, `-`, `_` and `.`, at most [`STREAM_ID_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(raw: &str) -> Result<Self, ParseIdError> {
        if raw.is_empty() {
            return Err(ParseIdError::Empty);
        }
        if raw.len() > STREAM_ID_BYTES_MAX {
            return Err(ParseIdError::TooLong { bytes: raw.len(), max: STREAM_ID_BYTES_MAX });
        }
        if let Some(character) = raw.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))) {
            return Err(ParseIdError::Character { character });
        }
        match raw.split_once('-') {
            Some((category, name)) if !category.is_empty() && !name.is_empty() => Ok(Self(raw.into())),
            Some(_) | None => Err(ParseIdError::Shape),
        }
    }

    fn of(category: &str, id: Uuid) -> Self {
        Self(format!("{category}-{}", id.simple()).into())
    }

    /// The stream of one unit of the register.
    #[must_use]
    pub fn unit(id: &UnitId) -> Self {
        Self(format!("unit-{id}").into())
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the first hyphen.
    #[must_use]
    pub fn category(&self) -> &str {
        self.0.split_once('-').map_or(&*self.0, |(category, _)| category)
    }

    /// What stands behind the first hyphen.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.split_once('-').map_or("", |(_, name)| name)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for StreamId {
    type Error = ParseIdError;
    fn try_from(raw: String) -> Result<Self, ParseIdError> {
        Self::parse(&raw)
    }
}

impl From<StreamId> for String {
    fn from(id: StreamId) -> Self {
        id.0.into()
    }
}

/// One unit of the register (办理单位): a bureau, a station, a council, an ODR enterprise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnitId(Box<str>);

impl UnitId {
    /// Parses a unit id: lower-case ASCII letters, digits, `-` and `.`, at most [`UNIT_ID_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(raw: &str) -> Result<Self, ParseIdError> {
        if raw.is_empty() {
            return Err(ParseIdError::Empty);
        }
        if raw.len() > UNIT_ID_BYTES_MAX {
            return Err(ParseIdError::TooLong { bytes: raw.len(), max: UNIT_ID_BYTES_MAX });
        }
        match raw.chars().find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.'))) {
            Some(character) => Err(ParseIdError::Character { character }),
            None => Ok(Self(raw.into())),
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UnitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for UnitId {
    type Error = ParseIdError;
    fn try_from(raw: String) -> Result<Self, ParseIdError> {
        Self::parse(&raw)
    }
}

impl From<UnitId> for String {
    fn from(id: UnitId) -> Self {
        id.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_ids_hold_their_limits() {
        let longest = format!("unit-{}", "a".repeat(STREAM_ID_BYTES_MAX - 5));
        assert!(StreamId::parse(&longest).is_ok());
        assert_eq!(
            StreamId::parse(&format!("{longest}a")),
            Err(ParseIdError::TooLong { bytes: STREAM_ID_BYTES_MAX + 1, max: STREAM_ID_BYTES_MAX })
        );
        assert_eq!(StreamId::parse("complaint"), Err(ParseIdError::Shape));
        assert_eq!(StreamId::parse("-x"), Err(ParseIdError::Shape));
        assert_eq!(StreamId::parse(""), Err(ParseIdError::Empty));
        assert_eq!(StreamId::parse("unit-a b"), Err(ParseIdError::Character { character: ' ' }));
    }

    #[test]
    fn unit_ids_hold_their_limits() {
        assert!(UnitId::parse(&"a".repeat(UNIT_ID_BYTES_MAX)).is_ok());
        assert!(UnitId::parse(&"a".repeat(UNIT_ID_BYTES_MAX + 1)).is_err());
        assert_eq!(UnitId::parse("Tianhe"), Err(ParseIdError::Character { character: 'T' }));
    }

    #[test]
    fn derived_ids_are_frozen() {
        let filing = FilingId::derived("12315", "1440100002026042700001");
        assert_eq!(filing, FilingId::derived("12315", "1440100002026042700001"));
        assert_ne!(filing, FilingId::derived("1231", "51440100002026042700001"));
        let golden = [filing.to_string(), ComplaintId::of_item(filing, 1).to_string()];
        assert_eq!(golden, include_str!("../data/derived-ids.txt").lines().collect::<Vec<_>>()[..]);
    }

    #[test]
    fn ids_derived_at_a_time_sort_by_it() {
        let at = |seconds| CommandId::derived_at(DateTime::from_timestamp(seconds, 0).unwrap(), &["a"]);
        assert!(at(1) < at(2) && at(2) < at(3_000_000_000));
        assert_eq!(at(7), at(7));
        assert_ne!(at(7), CommandId::derived_at(DateTime::from_timestamp(7, 0).unwrap(), &["b"]));
        assert_eq!(at(7).as_uuid().get_version_num(), 7);
    }

    #[test]
    fn event_ids_differ_by_command_stream_and_index() {
        let command = CommandId::derived(&["a"]);
        let one = StreamId::parse("complaint-1").unwrap();
        let two = StreamId::parse("complaint-2").unwrap();
        assert_ne!(command.event(&one, 0), command.event(&one, 1));
        assert_ne!(command.event(&one, 0), command.event(&two, 0));
        assert_eq!(command.event(&one, 0), command.event(&one, 0));
    }
}
