//! One message as the history knows it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::super::id::{DeliveryId, Digest};
use super::super::message::{Message, Seen};
use super::super::vocabulary::MessageKind;
use crate::partner::PartnerId;

/// A message's place in the history, without what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Entry {
    pub delivery: DeliveryId,
    /// The author.
    pub from: PartnerId,
    pub sequence: u32,
    pub clock: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    pub kind: MessageKind,
    pub at: DateTime<Utc>,
    /// Of the message's canonical text.
    pub digest: Digest,
}

impl Entry {
    /// The place of a message whose canonical text has this digest.
    #[must_use]
    pub fn of(message: &Message, digest: Digest) -> Self {
        let header = &message.header;
        Self {
            delivery: header.delivery,
            from: header.from.clone(),
            sequence: header.sequence,
            clock: header.clock,
            previous: header.previous.clone(),
            seen: header.seen.clone(),
            kind: message.body.kind(),
            at: header.at,
            digest,
        }
    }

    /// The number of the last message seen across; 0 if none was.
    pub(super) fn seen_sequence(&self) -> u32 {
        self.seen.as_ref().map_or(0, |seen| seen.sequence)
    }
}

/// Whether the clock can follow from the author's own messages and from what it had seen.
///
/// The clock is one more than the greatest seen, so it is at least the number of own messages and more than the number
/// of those seen, and never more than both together. The upper bound keeps an author from running the clock to its end.
pub(in crate::exchange) fn clock_follows(clock: u32, sequence: u32, seen: Option<&Seen>) -> bool {
    let seen = seen.map_or(0, |seen| seen.sequence);
    clock >= sequence && clock > seen && clock <= sequence.saturating_add(seen)
}
