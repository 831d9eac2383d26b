//! The ids of an exchange. Both councils derive the same id from the same facts, so nobody has to hand ids out.

use std::fmt;

use domain::id::{StreamId, uuid_id};
use event_log::digest::{hex, sha256};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::partner::PartnerId;

/// Namespace of the derived ids of an exchange. Frozen: changing it would change every id, at the partners too.
const NAMESPACE: Uuid = Uuid::from_u128(0x8d1f_03be_52c6_5a47_9be0_71d4_6c2f_a938);

/// Hexadecimal digits of a [`Digest`].
pub const DIGEST_DIGITS: usize = 64;

uuid_id! {
    /// One delivery: one message to one council; the same on every attempt.
    DeliveryId
}
uuid_id! {
    /// The id under which both councils know a referral: the origin's own referral id.
    SharedId
}
uuid_id! {
    /// One offered session of mediation or arbitration.
    SessionId
}

impl DeliveryId {
    /// The delivery of the `sequence`-th message that `from` writes about this referral.
    #[must_use]
    pub fn derived(shared: SharedId, from: &PartnerId, sequence: u32) -> Self {
        let shared = shared.0;
        Self(derive(&[b"delivery", shared.as_bytes(), from.as_str().as_bytes(), &sequence.to_be_bytes()]))
    }

    /// The stream that holds the attempts of this delivery.
    #[must_use]
    pub fn stream(self) -> StreamId {
        StreamId::parse(&format!("delivery-{}", self.0.simple())).expect("a category and 32 hex digits name a stream")
    }
}

impl SessionId {
    /// The `n`-th session offered about this referral.
    #[must_use]
    pub fn derived(shared: SharedId, n: u32) -> Self {
        let shared = shared.0;
        Self(derive(&[b"session", shared.as_bytes(), &n.to_be_bytes()]))
    }
}

/// Hashes the parts with their lengths, so that no two lists of parts run together.
fn derive(parts: &[&[u8]]) -> Uuid {
    let mut name = Vec::new();
    for part in parts {
        name.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        name.extend_from_slice(part);
    }
    Uuid::new_v5(&NAMESPACE, &name)
}

/// Why a text is not a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DigestError {
    #[error("a digest has {DIGEST_DIGITS} hexadecimal digits, not {bytes} bytes")]
    Length { bytes: usize },
    #[error("a digest has lower-case hexadecimal digits only, not {character:?}")]
    Character { character: char },
}

/// A SHA-256 (FIPS 180-4) in 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// Reads a digest.
    ///
    /// # Errors
    /// [`DigestError`] if the text is anything but 64 lower-case hexadecimal digits.
    pub fn parse(raw: &str) -> Result<Self, DigestError> {
        if raw.len() != DIGEST_DIGITS {
            return Err(DigestError::Length { bytes: raw.len() });
        }
        match raw.chars().find(|c| !matches!(c, '0'..='9' | 'a'..='f')) {
            Some(character) => Err(DigestError::Character { character }),
            None => Ok(Self(raw.to_owned())),
        }
    }

    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(hex(&sha256(bytes)))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;
    fn try_from(raw: String) -> Result<Self, DigestError> {
        Self::parse(&raw)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

#[cfg(test)]
mod tests {
    use domain::id::ParseIdError;

    use super::*;

    fn shared() -> SharedId {
        SharedId::parse("7c9e6679-7425-50de-944b-e07fc1f90ae7").unwrap()
    }

    fn council(id: &str) -> PartnerId {
        PartnerId::parse(id).unwrap()
    }

    #[test]
    fn derived_ids_are_frozen() {
        // Reckoned with another implementation of RFC 9562 from the same parts.
        let (guangdong, hong_kong) = (council("gd-consumer-council"), council("hk-consumer-council"));
        for (id, golden) in [
            (DeliveryId::derived(shared(), &guangdong, 1).as_uuid(), "b6ced6a9-e2e7-5c64-94cc-fb5194f7a756"),
            (DeliveryId::derived(shared(), &hong_kong, 1).as_uuid(), "a2ea19a9-7cbc-5142-aec0-6d36073afb14"),
            (SessionId::derived(shared(), 1).as_uuid(), "f6143570-305d-5d70-9e7c-7dbb4c7e4dca"),
        ] {
            assert_eq!(id.to_string(), golden);
        }
    }

    #[test]
    fn ids_differ_by_all_that_makes_them_and_a_delivery_names_its_stream() {
        let hong_kong = council("hk-consumer-council");
        let id = DeliveryId::derived(shared(), &hong_kong, 1);
        let elsewhere = SharedId::parse("7c9e6679-7425-50de-944b-e07fc1f90ae8").unwrap();
        assert_ne!(id, DeliveryId::derived(shared(), &hong_kong, 2));
        assert_ne!(id, DeliveryId::derived(elsewhere, &hong_kong, 1));
        assert_ne!(SessionId::derived(shared(), 1), SessionId::derived(shared(), 2));
        assert_eq!(id.stream().category(), "delivery");
        assert_eq!(DeliveryId::parse(id.stream().name()), Ok(id));
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{id}\""));
    }

    #[test]
    fn what_is_no_id_is_refused() {
        assert_eq!(DeliveryId::parse("1"), Err(ParseIdError::Uuid));
        assert_eq!(SharedId::parse("00000000-0000-0000-0000-000000000000"), Err(ParseIdError::Empty));
        assert_eq!(SharedId::from_uuid(shared().as_uuid()), shared());
    }

    #[test]
    fn a_digest_is_64_lower_case_digits() {
        let digest = Digest::of(b"abc");
        assert_eq!(digest.as_str(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(Digest::parse(digest.as_str()), Ok(digest.clone()));
        assert_eq!(serde_json::from_str::<Digest>(&format!("\"{digest}\"")).unwrap(), digest);
        for length in [DIGEST_DIGITS - 1, DIGEST_DIGITS + 1] {
            assert_eq!(Digest::parse(&"a".repeat(length)), Err(DigestError::Length { bytes: length }));
        }
        let upper = digest.as_str().to_uppercase();
        assert_eq!(Digest::parse(&upper), Err(DigestError::Character { character: 'B' }));
        assert!(serde_json::from_str::<Digest>(&format!("\"{upper}\"")).is_err());
    }
}
