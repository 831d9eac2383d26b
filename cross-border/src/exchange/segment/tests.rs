use super::super::testing::{author, council, message, moment, shared, submitted};
use super::super::vocabulary::MessageKind;
use super::*;

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// The next message of a side over what a replica holds, its digest made from a text.
fn next_entry(replica: &Segment, side: Side, text: &str) -> Entry {
    let Next { sequence, clock, previous, seen } = replica.next(side);
    let from = author(side);
    Entry {
        delivery: DeliveryId::derived(shared(), &from, sequence),
        from,
        sequence,
        clock,
        previous,
        seen,
        kind: MessageKind::Reminder,
        at: moment(),
        digest: digest(text),
    }
}

/// A replica and the messages in it: one side's number 1, 2, 3 and so on, with nothing seen across.
fn alone(side: Side, count: u32) -> (Segment, Vec<Entry>) {
    let mut replica = Segment::default();
    let mut entries = Vec::new();
    for n in 1..=count {
        let entry = next_entry(&replica, side, &format!("{side} {n}"));
        assert_eq!(replica.insert(side, entry.clone()), Ok(Inserted::Ready(vec![n])));
        entries.push(entry);
    }
    (replica, entries)
}

/// Inserting it is refused, and changes nothing.
fn refused(replica: &Segment, side: Side, entry: Entry) -> SegmentError {
    let mut changed = replica.clone();
    let error = changed.insert(side, entry).unwrap_err();
    assert_eq!(&changed, replica);
    error
}

#[test]
fn an_entry_is_the_place_of_its_message() {
    let message = message(MessageKind::Acknowledgement);
    let entry = Entry::of(&message, digest("ack"));
    assert_eq!((entry.sequence, entry.clock, entry.kind), (1, 2, MessageKind::Acknowledgement));
    assert_eq!((&entry.seen, &entry.previous), (&message.header.seen, &None));
    assert_eq!(submitted().insert(Side::Target, entry.clone()), Ok(Inserted::Ready(vec![1])));
    let json = serde_json::to_string(&entry).unwrap();
    assert!(!json.contains("previous"), "what is absent is left out");
    assert_eq!(serde_json::from_str::<Entry>(&json).unwrap(), entry);
}

#[test]
fn a_gap_is_waited_for_and_a_duplicate_changes_nothing() {
    let (whole, entries) = alone(Side::Origin, 4);
    let mut replica = Segment::default();
    assert_eq!(replica.insert(Side::Origin, entries[1].clone()), Ok(Inserted::Parked));
    assert_eq!(replica.insert(Side::Origin, entries[3].clone()), Ok(Inserted::Parked));
    assert_eq!(replica.insert(Side::Origin, entries[1].clone()), Ok(Inserted::Duplicate));
    assert_eq!((replica.count(Side::Origin), replica.parked(Side::Origin).count()), (0, 2));
    assert_eq!(replica.insert(Side::Origin, entries[0].clone()), Ok(Inserted::Ready(vec![1, 2])));
    assert_eq!(replica.find(entries[3].delivery), Some(&entries[3]), "a parked one is found too");
    assert_eq!(replica.insert(Side::Origin, entries[2].clone()), Ok(Inserted::Ready(vec![3, 4])));
    assert_eq!(replica.insert(Side::Origin, entries[0].clone()), Ok(Inserted::Duplicate));
    assert_eq!((replica.head(Side::Origin), &replica), (entries.last(), &whole));
    assert_eq!(replica.find(DeliveryId::derived(shared(), &author(Side::Target), 1)), None);
}

#[test]
fn what_an_author_had_seen_comes_first() {
    let (mut target, origin) = alone(Side::Origin, 2);
    let answer = next_entry(&target, Side::Target, "answer");
    assert_eq!((answer.clock, answer.seen.as_ref().map(|seen| seen.sequence)), (3, Some(2)));
    target.insert(Side::Target, answer.clone()).unwrap();
    let mut third = Segment::default();
    assert_eq!(third.insert(Side::Target, answer.clone()), Ok(Inserted::Parked));
    assert_eq!(third.insert(Side::Origin, origin[0].clone()), Ok(Inserted::Ready(vec![1])));
    assert_eq!(third.count(Side::Target), 0);
    assert_eq!(third.insert(Side::Origin, origin[1].clone()), Ok(Inserted::Ready(vec![2])));
    assert_eq!((third.entries(Side::Target), &third), (&[answer.clone()][..], &target), "it came along");
    // Whoever has written the other lane knows that there is no more of it.
    let (mut own, _) = alone(Side::Origin, 1);
    let error = SegmentError::SeenUnknown { side: Side::Target, sequence: 1, seen: 2 };
    let before = own.clone();
    assert_eq!((own.receive(Side::Target, answer.clone()), &own), (Err(error), &before));
    own.insert(Side::Origin, origin[1].clone()).unwrap();
    assert_eq!(own.receive(Side::Target, answer), Ok(Inserted::Ready(vec![1])));
}

#[test]
fn two_messages_for_one_place_are_equivocation() {
    let (replica, entries) = alone(Side::Origin, 2);
    let other = Entry { digest: digest("other"), ..entries[0].clone() };
    let error = SegmentError::Equivocation { side: Side::Origin, sequence: 1 };
    assert_eq!(refused(&replica, Side::Origin, other.clone()), error);
    let mut waiting = Segment::default();
    waiting.insert(Side::Origin, entries[1].clone()).unwrap();
    let other = Entry { digest: digest("other"), ..entries[1].clone() };
    assert_eq!(
        refused(&waiting, Side::Origin, other),
        SegmentError::Equivocation { side: Side::Origin, sequence: 2 },
        "a parked one has its place too"
    );
}

#[test]
fn a_chain_does_not_break() {
    let (replica, entries) = alone(Side::Origin, 3);
    let broken = |sequence| SegmentError::BrokenChain { side: Side::Origin, sequence };
    let next = next_entry(&replica, Side::Origin, "next");
    for previous in [None, Some(digest("other")), Some(entries[1].digest.clone())] {
        assert_eq!(refused(&replica, Side::Origin, Entry { previous, ..next.clone() }), broken(4));
    }
    let elsewhere = Entry { from: council("mo-consumer-council"), ..next };
    assert_eq!(refused(&replica, Side::Origin, elsewhere), broken(4));
    let first = Entry { previous: Some(digest("none")), ..entries[0].clone() };
    assert_eq!(refused(&Segment::default(), Side::Origin, first), broken(1));
    assert_eq!(refused(&Segment::default(), Side::Origin, Entry { sequence: 0, ..entries[0].clone() }), broken(0));
    // Number 3 waits, and names the number 2 that it follows.
    let mut waiting = Segment::default();
    waiting.insert(Side::Origin, entries[2].clone()).unwrap();
    let changed = Entry { digest: digest("changed"), ..entries[1].clone() };
    assert_eq!(refused(&waiting, Side::Origin, changed), broken(3));
    assert_eq!(waiting.insert(Side::Origin, entries[1].clone()), Ok(Inserted::Parked));
}

#[test]
fn what_is_seen_is_what_is_there() {
    let (replica, origin) = alone(Side::Origin, 2);
    let unknown = |sequence, seen| SegmentError::SeenUnknown { side: Side::Target, sequence, seen };
    let answer = next_entry(&replica, Side::Target, "answer");
    let saw = |sequence, text: &str| Some(Seen { sequence, digest: digest(text) });
    let other = Entry { seen: saw(2, "other"), ..answer.clone() };
    assert_eq!(refused(&replica, Side::Target, other.clone()), unknown(1, 2));
    assert_eq!(refused(&replica, Side::Target, Entry { seen: saw(0, "other"), ..answer.clone() }), unknown(1, 0));
    // The other way round: the claim waits, and what comes is not what it names.
    let mut waiting = Segment::default();
    waiting.insert(Side::Target, other).unwrap();
    waiting.insert(Side::Origin, origin[0].clone()).unwrap();
    assert_eq!(refused(&waiting, Side::Origin, origin[1].clone()), unknown(1, 2));
    // What was seen once stays seen. The first answer had seen nothing, so the clock leaves room for the claim.
    let (mut replica, _) = alone(Side::Target, 1);
    for entry in origin.clone() {
        replica.insert(Side::Origin, entry).unwrap();
    }
    let second = next_entry(&replica, Side::Target, "second");
    replica.insert(Side::Target, second).unwrap();
    let third = next_entry(&replica, Side::Target, "third");
    let earlier = Some(Seen { sequence: 1, digest: origin[0].digest.clone() });
    assert_eq!(refused(&replica, Side::Target, Entry { seen: earlier, ..third.clone() }), unknown(3, 1));
    assert_eq!(refused(&replica, Side::Target, Entry { seen: saw(2, "other"), ..third.clone() }), unknown(3, 2));
    assert_eq!(replica.insert(Side::Target, third), Ok(Inserted::Ready(vec![3])));
}

#[test]
fn the_clock_rises_and_does_not_run_away() {
    let (replica, entries) = alone(Side::Origin, 2);
    let wrong = |side, sequence, clock| SegmentError::ClockNotAhead { side, sequence, clock };
    let next = next_entry(&replica, Side::Origin, "next");
    assert_eq!(next.clock, 3);
    for clock in [0, 2, 4, u32::MAX] {
        let error = refused(&replica, Side::Origin, Entry { clock, ..next.clone() });
        assert_eq!(error, wrong(Side::Origin, 3, clock));
    }
    let answer = next_entry(&replica, Side::Target, "answer");
    let early = Entry { clock: 2, ..answer.clone() };
    assert_eq!(refused(&replica, Side::Target, early), wrong(Side::Target, 1, 2));
    // Two that have each seen the other cannot both be later.
    let saw = |entry: &Entry| Some(Seen { sequence: entry.sequence, digest: entry.digest.clone() });
    let one = Entry { seen: saw(&answer), clock: 3, ..entries[1].clone() };
    let mut circle = Segment::default();
    circle.insert(Side::Target, Entry { clock: 3, seen: saw(&one), ..answer }).unwrap();
    assert!(matches!(refused(&circle, Side::Origin, one), SegmentError::ClockNotAhead { .. }));
}

#[test]
fn how_much_waits_is_bounded() {
    let most = u32::try_from(PARKED_MAX).unwrap();
    let (_, entries) = alone(Side::Origin, most + 2);
    let mut replica = Segment::default();
    let error = |sequence, up_to| SegmentError::TooFar { side: Side::Origin, sequence, up_to };
    assert_eq!(refused(&replica, Side::Origin, entries[PARKED_MAX].clone()), error(most + 1, most));
    for entry in entries[1..PARKED_MAX].iter().rev() {
        assert_eq!(replica.insert(Side::Origin, entry.clone()), Ok(Inserted::Parked));
    }
    assert_eq!(replica.parked(Side::Origin).count(), PARKED_MAX - 1);
    let all = (1..=most).collect();
    assert_eq!(replica.insert(Side::Origin, entries[0].clone()), Ok(Inserted::Ready(all)));
    assert_eq!(replica.parked(Side::Origin).count(), 0);
    assert_eq!(replica.insert(Side::Origin, entries[PARKED_MAX + 1].clone()), Ok(Inserted::Parked), "now it can be");
    // No lane is longer than a message's number may be.
    let (long, _) = alone(Side::Target, SEQUENCE_MAX);
    let past = next_entry(&long, Side::Target, "past");
    assert_eq!(past.sequence, SEQUENCE_MAX + 1);
    let expected = SegmentError::TooFar { side: Side::Target, sequence: SEQUENCE_MAX + 1, up_to: SEQUENCE_MAX };
    assert_eq!(refused(&long, Side::Target, past), expected);
}

#[test]
fn the_digest_can_be_reckoned_by_anybody() {
    // Both by another program from the description alone.
    let empty = Segment::default().digest(shared());
    assert_eq!(empty.as_str(), "afe0ec5c14fbcea3e9af6ef1cf3ec08f62a1e03a397dbb7b19e6f31d30da9091");
    let mut both = submitted();
    let answer = message(MessageKind::Acknowledgement);
    let digest = Digest::of(answer.canonical().unwrap().as_bytes());
    both.insert(Side::Target, Entry::of(&answer, digest)).unwrap();
    let told = both.digest(shared());
    assert_eq!(told.as_str(), "059c7810cfc3887bb0aef37b26e148c07dab4cf488e1e33ebd5f627cda1ad9da");
    let elsewhere = SharedId::from_uuid(uuid::Uuid::from_u128(7));
    assert_ne!(both.digest(elsewhere), told, "of this referral");
}

#[test]
fn errors_have_their_codes() {
    let (side, sequence) = (Side::Origin, 2);
    for (error, code) in [
        (SegmentError::Equivocation { side, sequence }, RefusalCode::Equivocation),
        (SegmentError::BrokenChain { side, sequence }, RefusalCode::BrokenChain),
        (SegmentError::TooFar { side, sequence, up_to: 1 }, RefusalCode::TooFarAhead),
        (SegmentError::SeenUnknown { side, sequence, seen: 1 }, RefusalCode::SeenUnknown),
        (SegmentError::ClockNotAhead { side, sequence, clock: 1 }, RefusalCode::BrokenChain),
    ] {
        assert_eq!(error.refusal(), code);
    }
}
