//! What stands in the messages of a referral, as far as the consumer's key still opens it.

use chrono::{DateTime, Utc};
use domain::day::local_day;
use domain::decider::Decider as _;
use domain::envelope::{RecordedEvent, Revision};
use domain::privacy::Sealed as SealedText;
use domain::wire::{Stored as _, WireError};
use event_log::execute::{Loaded, read};
use event_log::vault::Opened;

use super::{Council, CouncilError, MESSAGE_PURPOSE};
use crate::delivery::DeliveryState;
use crate::exchange::{Body, DeliveryId, Digest, Message, MessageKind, Side, SignedMessage};
use crate::index::OutboxRow;
use crate::referral::event::MessageMeta;
use crate::referral::{Referral, ReferralEvent, ReferralId, Transfer};
use crate::trust::KeyId;

const ISSUED: &str = "referral.message-issued";
const RECEIVED: &str = "referral.message-received";

/// One message of the shared history, for officers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedMessage {
    pub side: Side,
    /// Ours, or the partner's.
    pub own: bool,
    pub sequence: u32,
    pub clock: u32,
    pub delivery: DeliveryId,
    pub kind: MessageKind,
    /// When its author wrote it.
    pub at: DateTime<Utc>,
    /// When our log took it.
    pub recorded_at: DateTime<Utc>,
    pub digest: Digest,
    pub key: KeyId,
    pub jws: String,
    /// It waits for messages before it, and has had no effect so far.
    pub parked: bool,
    /// The canonical text that the signature is over, and what it says; `None` when the person was erased.
    pub said: Option<(String, Body)>,
}

/// A message as our stream holds it.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) revision: Revision,
    pub(super) recorded_at: DateTime<Utc>,
    pub(super) own: bool,
    pub(super) meta: MessageMeta,
}

/// The messages of a stream, in the order in which it took them.
pub(super) fn kept(loaded: &Loaded<Referral>) -> Result<Vec<Kept>, WireError> {
    let messages = loaded.events.iter().filter(|event| matches!(&*event.kind, ISSUED | RECEIVED));
    messages.map(kept_in).filter_map(Result::transpose).collect()
}

fn kept_in(event: &RecordedEvent) -> Result<Option<Kept>, WireError> {
    let (own, meta) = match ReferralEvent::decode(&event.kind, event.schema, &event.payload)? {
        ReferralEvent::MessageIssued(meta) => (true, *meta),
        ReferralEvent::MessageReceived(meta) => (false, *meta),
        _ => return Ok(None),
    };
    Ok(Some(Kept { revision: event.revision, recorded_at: event.recorded_at, own, meta }))
}

/// The message of this delivery, ours or the partner's.
pub(super) fn kept_message(
    loaded: &Loaded<Referral>,
    delivery: DeliveryId,
    own: bool,
) -> Result<Option<Kept>, WireError> {
    Ok(kept(loaded)?.into_iter().find(|kept| kept.own == own && kept.meta.entry.delivery == delivery))
}

/// The state right behind this revision.
pub(super) fn state_at(loaded: &Loaded<Referral>, revision: Revision) -> Result<Referral, WireError> {
    let events = loaded.events.iter().take_while(|event| event.revision <= revision);
    events.map(read::<ReferralEvent>).try_fold(Referral::initial(), |state, event| Ok(Referral::evolve(state, &event?)))
}

/// Whether a message of the sending council that its partner has may not be given out once more: it tells of the
/// consumer, and the referral was called back or is past the last day of its keeping.
fn is_kept_back(transfer: &Transfer, kind: MessageKind, council: &Council) -> bool {
    let tells_of_consumer = matches!(kind, MessageKind::Submission | MessageKind::OfferAnswer | MessageKind::Evidence);
    let is_over = transfer.retention_to().is_some_and(|last| local_day(council.moment()) > last);
    let is_called_back = transfer.stage.is_recalled() || transfer.recall_is_due();
    transfer.is_outbound() && tells_of_consumer && (is_over || is_called_back)
}

impl Council {
    /// A text of a referral, or `None` when the person was erased.
    ///
    /// # Errors
    /// The vault cannot be read, or the text was changed.
    pub async fn open(&self, purpose: &'static str, sealed: &SealedText) -> Result<Option<String>, CouncilError> {
        let sealed = sealed.clone();
        let opened = self.with_vault(move |vault| vault.open_sealed(sealed.subject, purpose, &sealed)).await?;
        Ok(match opened {
            Opened::Plain(text) => Some(text),
            Opened::Erased => None,
        })
    }

    /// A message of ours, to be brought over or given out; `None` when nothing of it may be sent any more: the person was
    /// erased, the submission was called back before it was ever tried or given out, or the partner had it and may keep
    /// it no longer (PIPL Art. 15 and 47).
    ///
    /// # Errors
    /// [`CouncilError::Lapsed`] where a submission that is still here may not leave any more; the log or the vault cannot
    /// be read, or there is no such message.
    pub async fn issued(&self, row: &OutboxRow) -> Result<Option<SignedMessage>, CouncilError> {
        let outstanding = row.kind == MessageKind::Submission && row.state != DeliveryState::Delivered;
        if outstanding && !self.lets_go(row).await? {
            return Ok(None);
        }
        let loaded = self.load(row.referral).await?;
        let transfer = loaded.state.transfer().ok_or(CouncilError::NotFound { what: "message" })?;
        if transfer.never_left() || (row.state == DeliveryState::Delivered && is_kept_back(transfer, row.kind, self)) {
            return Ok(None);
        }
        let kept = kept_message(&loaded, row.delivery, true)?.ok_or(CouncilError::NotFound { what: "message" })?;
        let MessageMeta { key, jws, content, .. } = kept.meta;
        Ok(self.open(MESSAGE_PURPOSE, &content).await?.map(|text| SignedMessage { text, jws, key }))
    }

    /// The shared history of a referral in the order that both councils agree on; what waits for others comes last.
    ///
    /// # Errors
    /// The log or the vault cannot be read, or there is no such referral.
    pub async fn content(&self, id: ReferralId) -> Result<Vec<OpenedMessage>, CouncilError> {
        let loaded = self.load(id).await?;
        let transfer = loaded.state.transfer().ok_or(CouncilError::NotFound { what: "referral" })?;
        let sides = (transfer.own_side(), transfer.own_side().other());
        let parked: Vec<DeliveryId> = transfer.segment.parked(sides.1).map(|entry| entry.delivery).collect();
        let mut messages = Vec::new();
        for kept in kept(&loaded)? {
            let said = match self.open(MESSAGE_PURPOSE, &kept.meta.content).await? {
                Some(text) => {
                    let body = Message::parse(&text)?.body;
                    Some((text, body))
                }
                None => None,
            };
            let entry = kept.meta.entry;
            messages.push(OpenedMessage {
                side: if kept.own { sides.0 } else { sides.1 },
                own: kept.own,
                sequence: entry.sequence,
                clock: entry.clock,
                delivery: entry.delivery,
                kind: entry.kind,
                at: entry.at,
                recorded_at: kept.recorded_at,
                digest: entry.digest,
                key: kept.meta.key,
                jws: kept.meta.jws,
                parked: parked.contains(&entry.delivery),
                said,
            });
        }
        messages.sort_by_key(|message| (message.parked, message.clock, message.side, message.sequence));
        Ok(messages)
    }
}
