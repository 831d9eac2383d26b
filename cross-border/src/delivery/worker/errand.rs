//! What is brought to a partner: a message, or a file that came later than the message which tells of it.

use crate::exchange::{DeliveryId, Digest};
use crate::index::{EvidenceRow, OutboxRow};
use crate::referral::ReferralId;

/// One thing to bring, as the index has it.
#[derive(Debug)]
pub(super) enum Errand {
    Message(Box<OutboxRow>),
    File(EvidenceRow),
}

/// What tells errands from each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum ErrandId {
    Message(DeliveryId),
    File(ReferralId, Digest),
}

impl Errand {
    pub(super) fn id(&self) -> ErrandId {
        match self {
            Self::Message(row) => ErrandId::Message(row.delivery),
            Self::File(row) => ErrandId::File(row.referral, row.digest.clone()),
        }
    }
}
