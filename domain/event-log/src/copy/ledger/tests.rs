use tempfile::TempDir;

use super::*;
use crate::copy::Difference;
use crate::copy::fixture::copied;
use crate::digest::LogDigest;

fn ledger() -> (TempDir, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::create(&folder.path().join("ledger.sqlite")).unwrap();
    (folder, ledger)
}

/// Writes events down, so many at a time.
fn add(ledger: &mut Ledger, side: Side, events: &[Copied], at_a_time: usize) {
    for some in events.chunks(at_a_time) {
        let mut batch = Batch::default();
        for copied in some {
            assert!(!batch.push(copied));
        }
        ledger.add(side, batch).unwrap();
    }
}

fn some() -> Vec<Copied> {
    vec![
        copied(1, "unit-1", 0, "a", 0),
        copied(2, "filing-1", 0, "b", 0),
        copied(3, "filing-1", 1, "b", 0),
        copied(4, "complaint-1", 0, "c", 1),
        copied(5, "filing-1", 2, "d", 1),
    ]
}

#[test]
fn the_order_across_streams_and_the_size_of_batches_do_not_count() {
    let (_folder, mut ledger) = ledger();
    add(&mut ledger, Side::Source, &some(), 2);
    let mut other = some();
    other.sort_by_key(|(event, ..)| event.stream.clone());
    add(&mut ledger, Side::Target, &other, 9);
    let comparison = ledger.compare().unwrap();
    assert!(comparison.is_equal(), "{comparison:?}");
    assert_eq!(comparison.source, comparison.target);
    assert_eq!((comparison.source.streams, comparison.source.events, comparison.source.commands), (3, 5, 4));
}

#[test]
fn the_digest_of_a_stream_is_that_of_a_log_of_it_alone() {
    let (_folder, mut ledger) = ledger();
    add(&mut ledger, Side::Source, &some(), 1);
    let mut expected = LogDigest::new();
    some().iter().filter(|(event, ..)| event.stream.as_str() == "filing-1").for_each(|(event, ..)| {
        expected.push(&event_digest(event));
    });
    let mut sums = Vec::new();
    let mut each = |sum: StreamSum| -> Result<(), ()> {
        sums.push(sum);
        Ok(())
    };
    assert_eq!(ledger.sums(Side::Source, &mut each).unwrap(), Ok(()));
    assert_eq!(sums.iter().map(|sum| &*sum.stream).collect::<Vec<_>>(), ["complaint-1", "filing-1", "unit-1"]);
    assert_eq!((sums[1].events, sums[1].digest), (3, expected.value()));
    assert_eq!(ledger.sums(Side::Source, &mut |_sum| Err("enough")).unwrap(), Err("enough"));
}

#[test]
fn each_difference_is_named() {
    let (_folder, mut ledger) = ledger();
    let mut other = some();
    // One stream less, one more, other bytes, another command, and a hole.
    other[0].0.stream = StreamId::parse("unit-2").unwrap();
    other[3].1 = CommandId::derived(&["another"]);
    other[4].0.payload = "{}".into();
    other.push(copied(6, "gap-1", 0, "e", 2));
    other.push(copied(7, "gap-1", 2, "e", 2));
    let mut source = some();
    source.push(copied(6, "gap-1", 0, "e", 2));
    source.push(copied(7, "gap-1", 1, "e", 2));
    add(&mut ledger, Side::Source, &source, 9);
    add(&mut ledger, Side::Target, &other, 9);
    let comparison = ledger.compare().unwrap();
    let stream = |name| StreamId::parse(name).unwrap();
    let expected = vec![
        Difference::Commands { stream: stream("complaint-1") },
        Difference::Events { stream: stream("filing-1"), source: 3, target: 3 },
        Difference::Gap { side: Side::Target, stream: stream("gap-1"), revision: 1 },
        Difference::Missing { stream: stream("unit-1"), events: 1 },
        Difference::Surplus { stream: stream("unit-2"), events: 1 },
    ];
    assert_eq!(comparison.differences, expected);
    assert_eq!(comparison.differences_total, 5);
    assert!(!comparison.is_equal());
    assert_ne!(comparison.source.digest, comparison.target.digest);
}

#[test]
fn two_empty_logs_are_equal() {
    let (_folder, ledger) = ledger();
    let comparison = ledger.compare().unwrap();
    assert!(comparison.is_equal());
    assert_eq!(comparison.source.digest, LogDigest::new().value());
}
