//! The history of a referral that two councils share, as one replica holds it.
//!
//! It is two lanes, each written by one council. Taking in a message is a join: what a replica holds afterwards depends
//! on which messages it was given, never on their order or number. What comes before its time is parked: a message is
//! *ready* when every message of its lane before it is ready and so is all that its author had seen of the other lane.
//!
//! Every rule is about two messages of the set, so a set of messages is sound or it is not, whichever came first; and a
//! message that breaks a rule changes nothing.

mod entry;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use thiserror::Error;

pub use self::entry::Entry;
pub(super) use self::entry::clock_follows;
use super::id::{DeliveryId, Digest, SharedId};
use super::message::{SEQUENCE_MAX, Seen};
use super::refusal::RefusalCode;
use super::vocabulary::Side;

/// Most messages of one lane that wait for others, and how far ahead of the ready ones a message may be.
pub const PARKED_MAX: usize = 64;

/// The first line of the text whose digest is a segment's. Frozen: both councils must reckon the same.
const DIGEST_LABEL: &str = "baycase-segment-1";

/// What taking in a message did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted {
    /// It was there already.
    Duplicate,
    /// It waits for others.
    Parked,
    /// The sequences of its lane that are ready now and were not before, in order; its own is the first.
    Ready(Vec<u32>),
}

/// Why a message cannot belong to this history. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SegmentError {
    #[error("the {side} has written two different messages as number {sequence}")]
    Equivocation { side: Side, sequence: u32 },
    #[error("message {sequence} of the {side} does not follow the one before it")]
    BrokenChain { side: Side, sequence: u32 },
    #[error("message {sequence} of the {side} is too far ahead; up to {up_to} can be taken now")]
    TooFar { side: Side, sequence: u32, up_to: u32 },
    #[error("message {sequence} of the {side} claims to have seen a message {seen} that is not the one held")]
    SeenUnknown { side: Side, sequence: u32, seen: u32 },
    #[error("the clock {clock} of message {sequence} of the {side} does not follow from what its author had seen")]
    ClockNotAhead { side: Side, sequence: u32, clock: u32 },
}

impl SegmentError {
    /// The code by which a partner learns of it.
    #[must_use]
    pub const fn refusal(&self) -> RefusalCode {
        match self {
            Self::Equivocation { .. } => RefusalCode::Equivocation,
            Self::BrokenChain { .. } | Self::ClockNotAhead { .. } => RefusalCode::BrokenChain,
            Self::TooFar { .. } => RefusalCode::TooFarAhead,
            Self::SeenUnknown { .. } => RefusalCode::SeenUnknown,
        }
    }
}

/// Where the next message of an author stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    pub sequence: u32,
    pub clock: u32,
    pub previous: Option<Digest>,
    pub seen: Option<Seen>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Lane {
    /// Numbers 1, 2, 3 and so on.
    ready: Vec<Entry>,
    /// By number; each greater than those of the ready ones.
    parked: BTreeMap<u32, Entry>,
}

impl Lane {
    fn count(&self) -> u32 {
        u32::try_from(self.ready.len()).unwrap_or(u32::MAX)
    }

    fn get(&self, sequence: u32) -> Option<&Entry> {
        let index = usize::try_from(sequence.checked_sub(1)?).ok()?;
        self.ready.get(index).or_else(|| self.parked.get(&sequence))
    }

    fn held(&self) -> impl Iterator<Item = &Entry> {
        self.ready.iter().chain(self.parked.values())
    }
}

/// The shared history as one replica holds it.
///
/// Equal to another if and only if both hold the same messages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Segment {
    origin: Lane,
    target: Lane,
}

impl Segment {
    /// Takes in a message of this side.
    ///
    /// # Errors
    /// [`SegmentError`] if it contradicts what is held; then nothing is changed.
    pub fn insert(&mut self, side: Side, entry: Entry) -> Result<Inserted, SegmentError> {
        let sequence = entry.sequence;
        match self.lane(side).get(sequence) {
            Some(held) if *held == entry => return Ok(Inserted::Duplicate),
            Some(_) => return Err(SegmentError::Equivocation { side, sequence }),
            None => self.check(side, &entry)?,
        }
        let before = self.count(side);
        self.lane_mut(side).parked.insert(sequence, entry);
        while self.release(Side::Origin) || self.release(Side::Target) {}
        let now = self.count(side);
        Ok(if now == before { Inserted::Parked } else { Inserted::Ready((before.saturating_add(1)..=now).collect()) })
    }

    /// Takes in a message of the partner at the replica of the other lane's author.
    ///
    /// As [`Segment::insert`], but here our own lane is whole, so a partner who claims to have seen more of it than we
    /// have written is refused instead of being waited for.
    ///
    /// # Errors
    /// [`SegmentError`] if it contradicts what is held; then nothing is changed.
    pub fn receive(&mut self, side: Side, entry: Entry) -> Result<Inserted, SegmentError> {
        let seen = entry.seen_sequence();
        if seen > self.count(side.other()) {
            return Err(SegmentError::SeenUnknown { side, sequence: entry.sequence, seen });
        }
        self.insert(side, entry)
    }

    /// Where the next message of this side stands, at the replica of its author.
    #[must_use]
    pub fn next(&self, side: Side) -> Next {
        let (own, across) = (self.head(side), self.head(side.other()));
        let greatest = own.into_iter().chain(across).map(|entry| entry.clock).max().unwrap_or(0);
        Next {
            sequence: self.count(side).saturating_add(1),
            clock: greatest.saturating_add(1),
            previous: own.map(|entry| entry.digest.clone()),
            seen: across.map(|entry| Seen { sequence: entry.sequence, digest: entry.digest.clone() }),
        }
    }

    /// The last ready message of a side.
    #[must_use]
    pub fn head(&self, side: Side) -> Option<&Entry> {
        self.entries(side).last()
    }

    /// How many messages of a side are ready.
    #[must_use]
    pub fn count(&self, side: Side) -> u32 {
        self.lane(side).count()
    }

    /// The ready messages of a side.
    #[must_use]
    pub fn entries(&self, side: Side) -> &[Entry] {
        &self.lane(side).ready
    }

    /// The messages of a side that wait for others, at most [`PARKED_MAX`].
    pub fn parked(&self, side: Side) -> impl Iterator<Item = &Entry> {
        self.lane(side).parked.values()
    }

    /// A message by its delivery, ready or parked.
    #[must_use]
    pub fn find(&self, delivery: DeliveryId) -> Option<&Entry> {
        self.origin.held().chain(self.target.held()).find(|entry| entry.delivery == delivery)
    }

    /// The digest by which two councils compare what they hold: equal if and only if the messages are the same.
    ///
    /// It is the SHA-256 of lines of text, each ended by a line feed: a label, the referral, and for every message,
    /// ready or parked, its side, number and digest, the origin's first.
    #[must_use]
    pub fn digest(&self, referral: SharedId) -> Digest {
        let mut lines = format!("{DIGEST_LABEL}\n{referral}\n");
        for side in Side::ALL {
            for entry in self.lane(*side).held() {
                // Writing to a `String` cannot fail.
                let _ = writeln!(lines, "{side} {} {}", entry.sequence, entry.digest);
            }
        }
        Digest::of(lines.as_bytes())
    }

    const fn lane(&self, side: Side) -> &Lane {
        match side {
            Side::Origin => &self.origin,
            Side::Target => &self.target,
        }
    }

    const fn lane_mut(&mut self, side: Side) -> &mut Lane {
        match side {
            Side::Origin => &mut self.origin,
            Side::Target => &mut self.target,
        }
    }

    /// Moves the first parked message of a lane to the ready ones if nothing is missing before it.
    fn release(&mut self, side: Side) -> bool {
        let across = self.count(side.other());
        let lane = self.lane_mut(side);
        let next = lane.count().saturating_add(1);
        match lane.parked.first_entry() {
            Some(first) if *first.key() == next && first.get().seen_sequence() <= across => {
                lane.ready.push(first.remove());
                true
            }
            Some(_) | None => false,
        }
    }

    /// Checks a message that is not held yet by itself and against every held one that it has to do with.
    fn check(&self, side: Side, entry: &Entry) -> Result<(), SegmentError> {
        let sequence = entry.sequence;
        check_alone(side, entry)?;
        let lane = self.lane(side);
        let ahead = u32::try_from(PARKED_MAX).unwrap_or(u32::MAX);
        let up_to = lane.count().saturating_add(ahead).min(SEQUENCE_MAX);
        if sequence > up_to {
            return Err(SegmentError::TooFar { side, sequence, up_to });
        }
        if let Some(before) = lane.get(sequence.saturating_sub(1)) {
            check_follows(side, before, entry)?;
        }
        if let Some(after) = lane.get(sequence.saturating_add(1)) {
            check_follows(side, entry, after)?;
        }
        let across = self.lane(side.other());
        if let Some(seen) = &entry.seen
            && let Some(held) = across.get(seen.sequence)
        {
            check_saw(side, entry, seen, held)?;
        }
        // Who is ready has seen only what is held, so only parked ones can have seen this one.
        for claimant in across.parked.values() {
            if let Some(seen) = &claimant.seen
                && seen.sequence == sequence
            {
                check_saw(side.other(), claimant, seen, entry)?;
            }
        }
        Ok(())
    }
}

/// What must hold of a message whatever else is held.
fn check_alone(side: Side, entry: &Entry) -> Result<(), SegmentError> {
    let Entry { sequence, clock, .. } = *entry;
    if sequence == 0 || entry.previous.is_some() != (sequence > 1) {
        return Err(SegmentError::BrokenChain { side, sequence });
    }
    if entry.seen.as_ref().is_some_and(|seen| seen.sequence == 0) {
        return Err(SegmentError::SeenUnknown { side, sequence, seen: 0 });
    }
    if !clock_follows(clock, sequence, entry.seen.as_ref()) {
        return Err(SegmentError::ClockNotAhead { side, sequence, clock });
    }
    Ok(())
}

/// What must hold of two messages that follow each other in a lane: one author, one chain, a rising clock, and nothing
/// once seen is forgotten.
fn check_follows(side: Side, before: &Entry, after: &Entry) -> Result<(), SegmentError> {
    let Entry { sequence, clock, .. } = *after;
    if after.previous.as_ref() != Some(&before.digest) || after.from != before.from {
        return Err(SegmentError::BrokenChain { side, sequence });
    }
    if clock <= before.clock {
        return Err(SegmentError::ClockNotAhead { side, sequence, clock });
    }
    let (seen, seen_before) = (after.seen_sequence(), before.seen_sequence());
    if seen < seen_before || (seen == seen_before && after.seen != before.seen) {
        return Err(SegmentError::SeenUnknown { side, sequence, seen });
    }
    Ok(())
}

/// What must hold of a message and of the last one that its author had seen across.
fn check_saw(side: Side, entry: &Entry, seen: &Seen, held: &Entry) -> Result<(), SegmentError> {
    let Entry { sequence, clock, .. } = *entry;
    if seen.digest != held.digest {
        return Err(SegmentError::SeenUnknown { side, sequence, seen: seen.sequence });
    }
    if clock <= held.clock {
        return Err(SegmentError::ClockNotAhead { side, sequence, clock });
    }
    Ok(())
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
