//! What holds of every history that two honest councils write, in whatever order, how often and in what parts a replica
//! is given it; and that a changed message changes nothing.

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::testing::{author, moment, shared};
use super::super::vocabulary::MessageKind;
use super::*;

/// Most acts of one script. Each lane stays shorter than what may wait, so no order is refused for being too far ahead.
const ACTS_MAX: usize = 48;

type Given = (Side, Entry);

/// What one council does next.
#[derive(Debug, Clone, Copy)]
enum Act {
    Write(Side),
    /// Reads so many messages of the other lane that it has not read yet.
    Read(Side, usize),
}

fn side() -> impl Strategy<Value = Side> {
    prop::sample::select(Side::ALL)
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![side().prop_map(Act::Write), (side(), 1_usize..4).prop_map(|(side, count)| Act::Read(side, count))]
}

fn write(replica: &mut Segment, side: Side) -> Entry {
    let Next { sequence, clock, previous, seen } = replica.next(side);
    let from = author(side);
    let entry = Entry {
        delivery: DeliveryId::derived(shared(), &from, sequence),
        digest: Digest::of(format!("{side} {sequence} {previous:?} {seen:?}").as_bytes()),
        from,
        sequence,
        clock,
        previous,
        seen,
        kind: MessageKind::Reminder,
        at: moment(),
    };
    assert_eq!(replica.insert(side, entry.clone()), Ok(Inserted::Ready(vec![sequence])));
    entry
}

/// Plays a script with a replica at each council. Gives the messages in the order in which they were written.
fn play(acts: Vec<Act>) -> Vec<Given> {
    let mut replicas = [Segment::default(), Segment::default()];
    let at = |side: Side| usize::from(side == Side::Target);
    let mut written: Vec<Given> = Vec::new();
    for act in acts {
        match act {
            Act::Write(side) => written.push((side, write(&mut replicas[at(side)], side))),
            Act::Read(side, count) => {
                let reader = &mut replicas[at(side)];
                let from = side.other();
                let read = reader.count(from);
                let unread = written.iter().filter(|(by, entry)| *by == from && entry.sequence > read);
                for (_, entry) in unread.take(count) {
                    let ready = Ok(Inserted::Ready(vec![entry.sequence]));
                    assert_eq!(reader.receive(from, entry.clone()), ready);
                }
            }
        }
    }
    written
}

fn history() -> impl Strategy<Value = Vec<Given>> {
    let acts = prop::collection::vec(act(), 0..ACTS_MAX);
    (side(), acts).prop_map(|(first, acts)| play([vec![Act::Write(first)], acts].concat()))
}

/// A history, and its messages in any order, each at least once and some twice.
fn shuffled() -> impl Strategy<Value = (Vec<Given>, Vec<Given>)> {
    history().prop_flat_map(|written| {
        let twice = prop::sample::subsequence(written.clone(), 0..=written.len());
        let delivered = (Just(written.clone()), twice).prop_map(|(once, twice)| [once, twice].concat()).prop_shuffle();
        (Just(written), delivered)
    })
}

/// A history, and for each message the replicas (by bit) that are given it.
fn spread() -> impl Strategy<Value = Vec<(Given, u8)>> {
    history().prop_flat_map(|written| {
        let count = written.len();
        (Just(written), prop::collection::vec(0_u8..8, count))
            .prop_map(|(written, masks)| written.into_iter().zip(masks).collect())
    })
}

/// A history in which each council has read everything before it writes, and its messages in any order.
fn alternating() -> impl Strategy<Value = (Vec<Given>, Vec<Given>)> {
    (side(), 1_usize..ACTS_MAX).prop_flat_map(|(first, count)| {
        let mut pen = Segment::default();
        let sides = [first, first.other()].into_iter().cycle().take(count);
        let written: Vec<Given> = sides.map(|side| (side, write(&mut pen, side))).collect();
        (Just(written.clone()), Just(written).prop_shuffle())
    })
}

/// The replica that is given these messages in this order.
fn of<'a>(given: impl IntoIterator<Item = &'a Given>) -> Segment {
    let mut replica = Segment::default();
    for (side, entry) in given {
        replica.insert(*side, entry.clone()).unwrap();
    }
    replica
}

/// The replica that is given the messages with this bit.
fn replica(spread: &[(Given, u8)], bits: u8) -> Segment {
    of(spread.iter().filter(|(_, mask)| mask & bits != 0).map(|(given, _)| given))
}

/// What a replica has ready, in the common order: by clock, and the origin's first where neither had seen the other's.
fn in_order(replica: &Segment) -> Vec<Given> {
    let of = |side: Side| replica.entries(side).iter().map(move |entry| (side, entry.clone()));
    let mut all: Vec<Given> = of(Side::Origin).chain(of(Side::Target)).collect();
    all.sort_by_key(|(side, entry)| (entry.clock, *side));
    all
}

/// A replica that is given all that two hold. In the common order nothing comes before what it needs, so nothing is too
/// far ahead on the way.
fn join(one: &Segment, other: &Segment) -> Result<Segment, SegmentError> {
    let parked = Side::ALL.iter().flat_map(|side| other.parked(*side).map(|entry| (*side, entry.clone())));
    let mut joined = one.clone();
    for (side, entry) in in_order(other).into_iter().chain(parked) {
        joined.insert(side, entry)?;
    }
    Ok(joined)
}

fn joined(one: &Segment, other: &Segment) -> Segment {
    join(one, other).unwrap()
}

proptest! {
    #[test]
    fn any_order_with_duplicates_gives_the_same_history((written, delivered) in shuffled()) {
        let mut replica = Segment::default();
        let mut held: Vec<Given> = Vec::new();
        for (side, entry) in &delivered {
            let before = replica.count(*side);
            let repeated = held.iter().any(|(by, other)| by == side && other == entry);
            let inserted = replica.insert(*side, entry.clone()).unwrap();
            let now = replica.count(*side);
            match inserted {
                Inserted::Duplicate => prop_assert!(repeated && now == before),
                Inserted::Parked => prop_assert!(!repeated && now == before),
                Inserted::Ready(ready) => {
                    prop_assert!(!repeated && ready[0] == entry.sequence);
                    prop_assert_eq!(ready, (before + 1..=now).collect::<Vec<_>>());
                }
            }
            prop_assert!(replica.parked(*side).count() <= PARKED_MAX);
            held.push((*side, entry.clone()));
        }
        let expected = of(&written);
        prop_assert_eq!(&replica, &expected);
        prop_assert_eq!(replica.digest(shared()), expected.digest(shared()));
        for side in Side::ALL {
            prop_assert_eq!(replica.parked(*side).count(), 0, "nothing waits once all is there");
        }
    }

    #[test]
    fn the_common_order_keeps_what_was_seen_before_what_saw_it((written, _) in shuffled()) {
        let ordered: Vec<Entry> = in_order(&of(&written)).into_iter().map(|(_, entry)| entry).collect();
        prop_assert_eq!(ordered.len(), written.len());
        let place = |digest: &Digest| ordered.iter().position(|entry| entry.digest == *digest);
        for (at, entry) in ordered.iter().enumerate() {
            let needed = entry.previous.iter().chain(entry.seen.as_ref().map(|seen| &seen.digest));
            for digest in needed {
                prop_assert!(place(digest).is_some_and(|before| before < at));
            }
        }
    }

    #[test]
    fn joining_is_commutative_associative_and_idempotent(spread in spread()) {
        let [one, two, three] = [1, 2, 4].map(|bit| replica(&spread, bit));
        prop_assert_eq!(joined(&one, &two), joined(&two, &one));
        prop_assert_eq!(joined(&joined(&one, &two), &three), joined(&one, &joined(&two, &three)));
        prop_assert_eq!(joined(&one, &one), one.clone());
        prop_assert_eq!(joined(&one, &Segment::default()), one.clone());
        prop_assert_eq!(joined(&joined(&one, &two), &three), replica(&spread, 7), "and is the union of what is held");
    }

    #[test]
    fn digests_are_equal_when_the_messages_are(spread in spread()) {
        let [one, two] = [1, 2].map(|bit| replica(&spread, bit));
        let same = spread.iter().all(|(_, mask)| (mask & 1 != 0) == (mask & 2 != 0));
        prop_assert_eq!(one.digest(shared()) == two.digest(shared()), same);
        prop_assert_eq!(one == two, same);
    }

    #[test]
    fn a_part_of_a_history_is_a_prefix_with_what_waits(spread in spread()) {
        let (part, more) = (replica(&spread, 1), replica(&spread, 3));
        let whole = of(spread.iter().map(|(given, _)| given));
        for side in Side::ALL {
            let count = part.entries(*side).len();
            prop_assert_eq!(part.entries(*side), &whole.entries(*side)[..count]);
            prop_assert!(part.count(*side) <= more.count(*side), "more messages never make fewer ready");
        }
    }

    #[test]
    fn a_changed_message_changes_nothing((written, delivered) in shuffled(), which in any::<Index>()) {
        let (side, genuine) = written[which.index(written.len())].clone();
        let changed = Entry { digest: Digest::of(b"changed"), ..genuine.clone() };
        // Where the genuine one is held.
        let whole = of(&written);
        let mut spoilt = whole.clone();
        let error = SegmentError::Equivocation { side, sequence: genuine.sequence };
        prop_assert_eq!(spoilt.insert(side, changed.clone()), Err(error));
        prop_assert_eq!(&spoilt, &whole);
        // Where it is the only one that is missing: whoever follows it or has seen it tells.
        let mut lacking = of(delivered.iter().filter(|(_, entry)| entry.digest != genuine.digest));
        let follower = written.iter().find(|(_, entry)| entry.previous.as_ref() == Some(&genuine.digest));
        let saw = |entry: &Entry| entry.seen.as_ref().is_some_and(|seen| seen.digest == genuine.digest);
        let seer = written.iter().any(|(_, entry)| saw(entry));
        let before = lacking.clone();
        let answer = lacking.insert(side, changed);
        match follower {
            Some((_, after)) => {
                prop_assert_eq!(answer, Err(SegmentError::BrokenChain { side, sequence: after.sequence }));
            }
            None if seer => {
                let told = matches!(answer, Err(SegmentError::SeenUnknown { .. }));
                prop_assert!(told, "whoever has seen it tells");
            }
            // Nobody knows of the last one yet: the first to come holds its place.
            None => prop_assert!(answer.is_ok()),
        }
        if follower.is_some() || seer {
            prop_assert_eq!(&lacking, &before);
            lacking.insert(side, genuine).unwrap();
            prop_assert_eq!(lacking, whole);
        }
    }

    #[test]
    fn contradicting_replicas_do_not_join_either_way(spread in spread(), which in any::<Index>()) {
        let ((side, genuine), _) = spread[which.index(spread.len())].clone();
        let changed = Entry { digest: Digest::of(b"changed"), ..genuine };
        let (one, mut two) = (replica(&spread, 1), replica(&spread, 2));
        let _ = two.insert(side, changed);
        match (join(&one, &two), join(&two, &one)) {
            (Ok(left), Ok(right)) => prop_assert_eq!(left, right),
            (left, right) => prop_assert!(left.is_err() && right.is_err()),
        }
    }

    #[test]
    fn strictly_alternating_authors_get_their_order_back((written, delivered) in alternating()) {
        let replica = of(&delivered);
        prop_assert_eq!(in_order(&replica), written.clone());
        prop_assert_eq!(replica.digest(shared()), of(&written).digest(shared()));
    }
}
