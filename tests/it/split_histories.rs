//! Every case of a real municipal log, split between two councils: reordered and doubled on the way, both end with the
//! history as it was.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use cross_border::exchange::{DeliveryId, Digest, Entry, Inserted, MessageKind, Next, Segment, SharedId, Side};
use cross_border::partner::PartnerId;
use uuid::Uuid;

/// Most deliveries of one message.
const DELIVERIES_MAX: u64 = 4;

/// One row of the log, by column. Its JSON has sorted members and nothing but texts: canonical as it is (RFC 8785).
type Row = BTreeMap<String, String>;

type Given = (Side, Entry);

/// Numbers that look random and are the same for the same seed (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `sides`.
    fn below(&mut self, sides: usize) -> usize {
        usize::try_from(self.throw() % u64::try_from(sides).unwrap()).unwrap()
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last + 1));
        }
    }
}

/// The seed of this run: `BAYCASE_TEST_SEED`, or another one each time.
fn seed() -> u64 {
    let given = std::env::vars().find(|(key, _)| key == "BAYCASE_TEST_SEED").map(|(_, value)| value);
    given.map_or_else(|| RandomState::new().build_hasher().finish(), |value| value.parse().unwrap())
}

/// The rows of a file without quotes, by case, each case in the order of the file.
fn cases(file: &Path) -> BTreeMap<String, Vec<Row>> {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(!text.contains('"'), "no field of the file is quoted, so a comma ends it");
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
    let mut cases: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        assert_eq!(fields.len(), columns.len(), "{line}");
        let row: Row =
            columns.iter().zip(fields).map(|(column, field)| ((*column).to_owned(), field.to_owned())).collect();
        cases.entry(row["case:concept:name"].clone()).or_default().push(row);
    }
    cases
}

fn council(side: Side) -> PartnerId {
    let id = match side {
        Side::Origin => "gd-consumer-council",
        Side::Target => "hk-consumer-council",
    };
    PartnerId::parse(id).unwrap()
}

fn at(row: &Row) -> DateTime<Utc> {
    DateTime::parse_from_str(&row["time:timestamp"], "%Y-%m-%d %H:%M:%S%.f%:z").unwrap().to_utc()
}

/// The row as the next message of a council that has seen everything before it.
fn written(seen: &Segment, side: Side, shared: SharedId, row: &Row) -> Entry {
    let Next { sequence, clock, previous, seen } = seen.next(side);
    let from = council(side);
    Entry {
        delivery: DeliveryId::derived(shared, &from, sequence),
        from,
        sequence,
        clock,
        previous,
        seen,
        kind: MessageKind::Progress,
        at: at(row),
        digest: Digest::of(serde_json::to_string(row).unwrap().as_bytes()),
    }
}

/// The case as two lanes. Each council takes its turn when it has the other's last message.
fn split(shared: SharedId, rows: &[Row], mut turn: impl FnMut(usize) -> Side) -> Vec<Given> {
    let mut both = Segment::default();
    let mut given = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let side = turn(number);
        let entry = written(&both, side, shared, row);
        assert_eq!(both.insert(side, entry.clone()), Ok(Inserted::Ready(vec![entry.sequence])));
        given.push((side, entry));
    }
    given
}

/// Every message at least once, in any order.
fn deliveries(given: &[Given], dice: &mut Dice) -> Vec<Given> {
    let mut all = Vec::new();
    for message in given {
        let times = 1 + dice.throw() % DELIVERIES_MAX;
        all.extend((0..times).map(|_| message.clone()));
    }
    dice.shuffle(&mut all);
    all
}

/// What came of the deliveries of one or many cases.
#[derive(Debug, Default)]
struct Tally {
    cases: usize,
    messages: usize,
    deliveries: usize,
    duplicates: usize,
    parked: usize,
}

/// A replica that was given these deliveries.
fn replica(deliveries: &[Given], tally: &mut Tally) -> Segment {
    let mut replica = Segment::default();
    for (side, entry) in deliveries {
        match replica.insert(*side, entry.clone()).unwrap() {
            Inserted::Duplicate => tally.duplicates += 1,
            Inserted::Parked => tally.parked += 1,
            Inserted::Ready(_) => {}
        }
    }
    tally.deliveries += deliveries.len();
    replica
}

/// What a replica has ready, in the order that is the same everywhere: by clock, the origin's first where neither side
/// had seen the other's.
fn in_order(replica: &Segment) -> Vec<Given> {
    let of = |side: Side| replica.entries(side).iter().map(move |entry| (side, entry.clone()));
    let mut all: Vec<Given> = of(Side::Origin).chain(of(Side::Target)).collect();
    all.sort_by_key(|(side, entry)| (entry.clock, *side));
    all
}

/// A replica that is given all that two hold.
fn joined(one: &Segment, other: &Segment) -> Segment {
    let parked = Side::ALL.iter().flat_map(|side| other.parked(*side).map(|entry| (*side, entry.clone())));
    let mut joined = one.clone();
    for (side, entry) in in_order(other).into_iter().chain(parked) {
        joined.insert(side, entry).unwrap();
    }
    joined
}

/// Splits one case, brings it to both councils, and compares what they hold with what was written.
fn check(name: &str, rows: &[Row], given: &[Given], shared: SharedId, dice: &mut Dice, tally: &mut Tally) {
    let expected: Vec<Digest> =
        rows.iter().map(|row| Digest::of(serde_json::to_string(row).unwrap().as_bytes())).collect();
    let mut councils = Vec::new();
    for side in Side::ALL {
        let delivered = deliveries(given, dice);
        let before = tally.duplicates;
        let held = replica(&delivered, tally);
        let order: Vec<Digest> = in_order(&held).into_iter().map(|(_, entry)| entry.digest).collect();
        assert_eq!(order, expected, "{name}: what the {side} holds is not what was written");
        assert_eq!(tally.duplicates - before, delivered.len() - given.len(), "{name}: each repetition was known");
        assert!(Side::ALL.iter().all(|lane| held.parked(*lane).next().is_none()), "{name}: nothing waits");
        councils.push(held);
    }
    assert_eq!(councils[0], councils[1], "{name}");
    assert_eq!(councils[0].digest(shared), councils[1].digest(shared), "{name}");
    // Two replicas with a part each, joined: the same again, whichever takes in the other.
    let delivered = deliveries(given, dice);
    let cut = dice.below(delivered.len() + 1);
    let (one, other) = (replica(&delivered[..cut], tally), replica(&delivered[cut..], tally));
    for (left, right) in [(&one, &other), (&other, &one)] {
        assert_eq!(joined(left, right), councils[0], "{name}");
    }
    // And one message less is seen at once.
    let lost = dice.below(given.len());
    let mut lacking = given.to_vec();
    lacking.remove(lost);
    let lacking = replica(&lacking, tally);
    assert_ne!(lacking.digest(shared), councils[0].digest(shared), "{name}: a lost message went unnoticed");
    tally.messages += given.len();
}

fn check_all(file: &Path, seed: u64) -> Tally {
    let mut dice = Dice(seed);
    let mut tally = Tally::default();
    for (name, rows) in cases(file) {
        let shared = SharedId::from_uuid(Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()));
        let alternating = split(shared, &rows, |number| Side::ALL[number % 2]);
        check(&name, &rows, &alternating, shared, &mut dice, &mut tally);
        let by_lot = split(shared, &rows, |_| Side::ALL[dice.below(2)]);
        check(&name, &rows, &by_lot, shared, &mut dice, &mut tally);
        tally.cases += 1;
    }
    println!("{}: seed {seed}: {tally:?}", file.display());
    assert!(tally.duplicates > 0 && tally.parked > 0, "the deliveries were reordered and doubled: {tally:?}");
    tally
}

#[test]
fn a_small_history_of_our_own_survives_the_way() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/split-histories.csv");
    let seed = seed();
    println!("BAYCASE_TEST_SEED={seed}");
    let tally = check_all(&file, seed);
    assert_eq!((tally.cases, tally.messages), (4, 2 * 18));
}

#[test]
fn every_case_of_a_real_municipal_log_survives_the_way() {
    let Some((_, folder)) = std::env::vars().find(|(key, _)| key == "BAYCASE_TEST_DATA") else {
        eprintln!("NOT RUN: BAYCASE_TEST_DATA is not set, so the real municipal log is not at hand");
        return;
    };
    let seed = seed();
    println!("BAYCASE_TEST_SEED={seed}");
    let tally = check_all(&PathBuf::from(folder).join("receipt.csv"), seed);
    assert_eq!((tally.cases, tally.messages), (1_434, 2 * 8_577));
}
