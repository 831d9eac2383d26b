//! The id of a referral: derived from what makes it unique, so that drafting it twice is drafting it once.

use std::fmt;

use domain::id::{ComplaintId, ParseIdError, StreamId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::partner::PartnerId;

/// Namespace of the derived ids of referrals. Frozen: changing it would change every id.
const NAMESPACE: Uuid = Uuid::from_u128(0x2b8e_4c1d_7a90_5d3e_8f14_c6a2_03b9_7d55);

/// One referral.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReferralId(Uuid);

impl ReferralId {
    /// The `attempt`-th referral of a complaint to a partner. After a return or a recall the next attempt is another
    /// referral.
    #[must_use]
    pub fn outbound(complaint: ComplaintId, partner: &PartnerId, attempt: u16) -> Self {
        let complaint = complaint.as_uuid();
        derived(&[b"outbound", complaint.as_bytes(), partner.as_str().as_bytes(), &attempt.to_be_bytes()])
    }

    /// What a partner sends under its own number is one referral, however often it arrives.
    #[must_use]
    pub fn inbound(partner: &PartnerId, partner_reference: &str) -> Self {
        derived(&[b"inbound", partner.as_str().as_bytes(), partner_reference.as_bytes()])
    }

    /// Parses the hyphenated or the plain form.
    ///
    /// # Errors
    /// [`ParseIdError::Uuid`] when the text is no UUID, [`ParseIdError::Empty`] for the nil UUID.
    pub fn parse(raw: &str) -> Result<Self, ParseIdError> {
        match Uuid::try_parse(raw) {
            Ok(id) if id.is_nil() => Err(ParseIdError::Empty),
            Ok(id) => Ok(Self(id)),
            Err(_) => Err(ParseIdError::Uuid),
        }
    }

    /// The UUID itself.
    #[must_use]
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }

    /// The stream that holds this referral.
    #[must_use]
    pub fn stream(self) -> StreamId {
        StreamId::parse(&format!("referral-{}", self.0.simple())).expect("a category and 32 hex digits name a stream")
    }
}

impl fmt::Display for ReferralId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Hashes the parts with their lengths, so that no two lists of parts run together.
fn derived(parts: &[&[u8]]) -> ReferralId {
    let mut name = Vec::new();
    for part in parts {
        name.extend_from_slice(&part.len().to_be_bytes());
        name.extend_from_slice(part);
    }
    ReferralId(Uuid::new_v5(&NAMESPACE, &name))
}

#[cfg(test)]
mod tests {
    use domain::id::FilingId;

    use super::*;

    #[test]
    fn ids_differ_by_all_that_makes_a_referral_and_name_its_stream() {
        let complaint = ComplaintId::of_item(FilingId::derived("12315", "1"), 1);
        let hong_kong = PartnerId::parse("hk-consumer-council").unwrap();
        let macao = PartnerId::parse("mo-consumer-council").unwrap();
        let id = ReferralId::outbound(complaint, &hong_kong, 1);
        assert_eq!(id, ReferralId::outbound(complaint, &hong_kong, 1));
        assert_ne!(id, ReferralId::outbound(complaint, &hong_kong, 2));
        assert_ne!(id, ReferralId::outbound(complaint, &macao, 1));
        assert_ne!(ReferralId::inbound(&macao, "1"), ReferralId::inbound(&hong_kong, "1"));
        assert_eq!(ReferralId::parse(&id.to_string()), Ok(id));
        assert_eq!(ReferralId::parse("1"), Err(ParseIdError::Uuid));
        let stream = id.stream();
        assert_eq!(stream.category(), "referral");
        assert_eq!(ReferralId::parse(stream.name()), Ok(id));
    }
}
