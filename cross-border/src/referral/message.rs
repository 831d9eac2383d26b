//! Where a message must stand before it is issued or taken: in its lane, by its author, about this referral.

use domain::id::SubjectId;

use super::event::MessageMeta;
use super::rejection::Rejection;
use super::seal::check_signature;
use super::state::Transfer;
use crate::exchange::{DeliveryId, MessageKind, Next, Side};
use crate::partner::PartnerRegister;

/// A message of ours is exactly the next one of our lane, and says what was decided.
pub(super) fn check_issued(transfer: &Transfer, kind: MessageKind, issued: &MessageMeta) -> Result<(), Rejection> {
    let entry = &issued.entry;
    let Next { sequence, clock, previous, seen } = transfer.next_message();
    let next = entry.sequence == sequence
        && entry.clock == clock
        && entry.previous == previous
        && entry.seen == seen
        && entry.kind == kind;
    if !next || !is_ours(transfer, issued) {
        return Err(Rejection::MessageOutOfPlace);
    }
    check(transfer, transfer.own_side(), issued)
}

/// A message of theirs; where it stands in their lane is for the segment to say.
pub(super) fn check_received(transfer: &Transfer, message: &MessageMeta) -> Result<(), Rejection> {
    let from = &message.entry.from;
    if *from != transfer.drafted.partner {
        return Err(Rejection::ForeignMessage { from: from.clone() });
    }
    check(transfer, transfer.own_side().other(), message)
}

/// Its author is the council of our place, and the same in every message.
fn is_ours(transfer: &Transfer, issued: &MessageMeta) -> bool {
    let from = &issued.entry.from;
    let place = PartnerRegister::builtin().get(from).map(|council| council.place);
    let same = transfer.segment.head(transfer.own_side()).is_none_or(|last| last.from == *from);
    same && place.is_some() && place == transfer.place()
}

fn check(transfer: &Transfer, side: Side, message: &MessageMeta) -> Result<(), Rejection> {
    let entry = &message.entry;
    // The submission is where a referral's messages begin, and nothing else is.
    let opens = side == Side::Origin && entry.sequence == 1;
    let in_place = message.shared == transfer.shared()
        && entry.delivery == DeliveryId::derived(message.shared, &entry.from, entry.sequence)
        && entry.kind.sides().contains(&side)
        && opens == (entry.kind == MessageKind::Submission);
    if !in_place {
        return Err(Rejection::MessageOutOfPlace);
    }
    check_signature("jws", &message.jws)?;
    // What is said after the person was erased is sealed under a key of its own, which goes as soon as it was heard.
    let alone = SubjectId::of_referral(entry.delivery.as_uuid());
    let fits = |subject| message.content.subject == subject || message.content.subject == alone;
    if transfer.subject().is_some_and(|subject| !fits(subject)) {
        return Err(Rejection::OtherSubject);
    }
    Ok(())
}
