//! Writing a message: its place in our lane, its one text, its signature.

use aws_lc_rs::rand;
use domain::id::SubjectId;
use domain::privacy::Sealed as SealedText;
use event_log::digest::hex;
use event_log::vault::{SubjectVault, VaultError};

use super::{Council, CouncilError, MESSAGE_PURPOSE};
use crate::exchange::message::VERSION;
use crate::exchange::{Body, DeliveryId, Digest, Entry, Header, Message, Next};
use crate::referral::Transfer;
use crate::referral::event::MessageMeta;
use crate::trust::KeyId;
use crate::trust::jws::sign_detached;

/// Random bytes in a message: without them a digest of a short message could be tried out after its text is erased.
const SALT_BYTES: usize = 16;

/// A message of ours, signed and not yet sealed.
pub(super) struct Written {
    pub(super) entry: Entry,
    pub(super) text: String,
    pub(super) jws: String,
    pub(super) key: KeyId,
}

impl Written {
    /// The message as it is stored, its text being sealed.
    pub(super) fn sealed(&self, transfer: &Transfer, content: SealedText) -> MessageMeta {
        MessageMeta {
            entry: self.entry.clone(),
            shared: transfer.shared(),
            key: self.key.clone(),
            jws: self.jws.clone(),
            content,
        }
    }
}

impl Council {
    /// Writes the next message of our lane and signs its text.
    pub(super) fn write(&self, transfer: &Transfer, body: Body) -> Result<Written, CouncilError> {
        let (message, text) = self.draft(transfer, body)?;
        let key = self.keys.active(message.header.at).ok_or(CouncilError::NoSigningKey)?;
        let jws = sign_detached(key, text.as_bytes())?;
        let entry = Entry::of(&message, Digest::of(text.as_bytes()));
        Ok(Written { entry, text, jws, key: key.id.clone() })
    }

    /// The next message of our lane, whole and within its limits, and its one text; not signed yet.
    pub(super) fn draft(&self, transfer: &Transfer, body: Body) -> Result<(Message, String), CouncilError> {
        let Next { sequence, clock, previous, seen } = transfer.next_message();
        let (shared, partner) = (transfer.shared(), transfer.drafted.partner.clone());
        let header = Header {
            version: VERSION,
            delivery: DeliveryId::derived(shared, &self.own, sequence),
            referral: shared,
            origin: if transfer.is_outbound() { self.own.clone() } else { partner.clone() },
            from: self.own.clone(),
            to: partner,
            sequence,
            clock,
            previous,
            seen,
            at: self.moment(),
            salt: salt()?,
        };
        let message = Message { header, body };
        message.check()?;
        let text = message.canonical()?;
        Ok((message, text))
    }
}

fn salt() -> Result<String, CouncilError> {
    let mut bytes = [0; SALT_BYTES];
    rand::fill(&mut bytes).map_err(|_error| CouncilError::Random)?;
    Ok(hex(&bytes))
}

/// Whose key seals a message about a person who was erased: nobody's. It is a subject of its own, for this message.
pub(super) fn subject_of_message(delivery: DeliveryId) -> SubjectId {
    SubjectId::of_referral(delivery.as_uuid())
}

/// Seals the text of a message of ours under the consumer's key. Where the person was erased, what is left to say of
/// the referral (that the data is gone) still has to be said: it is sealed under a subject of its own.
pub(super) fn seal_own(
    vault: &SubjectVault,
    subject: SubjectId,
    delivery: DeliveryId,
    text: &str,
) -> Result<SealedText, VaultError> {
    match vault.seal(subject, MESSAGE_PURPOSE, text) {
        Err(VaultError::Destroyed { .. }) => vault.seal(subject_of_message(delivery), MESSAGE_PURPOSE, text),
        sealed => sealed,
    }
}
