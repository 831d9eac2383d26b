use super::*;

fn store(path: &Path) -> Store {
    Store::open(path, false, 0).unwrap()
}

fn proposals(ids: &[u128]) -> Vec<Proposal> {
    let proposal = |id: &u128| Proposal {
        id: Uuid::from_u128(*id),
        kind: "happened".to_owned(),
        json: true,
        split: false,
        metadata: Bytes::from_static(b"{}"),
        data: Bytes::from(format!("{{\"id\":{id}}}")),
    };
    ids.iter().map(proposal).collect()
}

fn append(store: &Store, stream: &str, expected: Expected, ids: &[u128]) -> Outcome {
    store.append(stream, expected, &proposals(ids)).unwrap()
}

fn ids(store: &Store, stream: &str) -> Vec<u128> {
    store.everything_of(stream).unwrap().iter().map(|event| event.id.as_u128()).collect()
}

#[test]
fn appends_are_taken_and_refused_as_servers_do() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("log"));
    let first = append(&store, "a-1", Expected::NoStream, &[1, 2, 3]);
    let Outcome::Appended { last: 2, position } = first else { panic!("{first:?}") };
    let repeated = |last, position| Outcome::Repeated { last, position: Some(position) };
    let second = store.everything_of("a-1").unwrap()[1].position;
    let newest = Outcome::Wrong { current: Some(2) };
    let cases: [(Expected, &[u128], Outcome); 14] = [
        (Expected::NoStream, &[1, 2, 3], repeated(2, position)),
        (Expected::NoStream, &[1, 2], repeated(1, second)),
        (Expected::At(0), &[2, 3], repeated(2, position)),
        (Expected::Any, &[1, 2], repeated(1, second)),
        (Expected::Exists, &[2], repeated(1, second)),
        (Expected::NoStream, &[9], newest),
        (Expected::NoStream, &[2], newest),
        (Expected::At(0), &[9], newest),
        (Expected::At(1), &[2], newest),
        (Expected::At(3), &[3], newest),
        (Expected::NoStream, &[1, 9], Outcome::Corrupted),
        (Expected::At(1), &[3, 4], Outcome::Corrupted),
        (Expected::Any, &[1, 9], Outcome::Corrupted),
        (Expected::At(2), &[], Outcome::Nothing { current: Some(2) }),
    ];
    for (expected, ids, outcome) in cases {
        assert_eq!(append(&store, "a-1", expected, ids), outcome, "{expected:?} {ids:?}");
    }
    assert_eq!(ids(&store, "a-1"), [1, 2, 3], "none of these has written anything");
    assert_eq!(append(&store, "b-1", Expected::At(0), &[1]), Outcome::Wrong { current: None });
    assert_eq!(append(&store, "b-1", Expected::Exists, &[1]), Outcome::Wrong { current: None });
    assert!(matches!(append(&store, "a-1", Expected::At(2), &[4]), Outcome::Appended { last: 3, .. }));
    assert!(matches!(append(&store, "a-1", Expected::Any, &[5]), Outcome::Appended { last: 4, .. }));
    assert!(matches!(append(&store, "b-1", Expected::Any, &[1]), Outcome::Appended { last: 0, .. }));
}

#[test]
fn positions_ascend_and_are_not_contiguous() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("log"));
    append(&store, "a-1", Expected::NoStream, &[1, 2]);
    append(&store, "b-1", Expected::NoStream, &[3]);
    let positions: Vec<u64> = (0..3).map(|number| store.kept().index.position(number).unwrap()).collect();
    assert!(positions.windows(2).all(|pair| pair[1] > pair[0] + 1), "{positions:?}");
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let before = store(&path);
    append(&before, "a-1", Expected::NoStream, &[1, 2]);
    append(&before, "b-1", Expected::NoStream, &[3]);
    before.set_metadata("a-1", "{\"$tb\":1}").unwrap();
    before.scavenge().unwrap();
    append(&before, "a-1", Expected::At(1), &[4]);
    let events = before.everything_of("a-1").unwrap();
    drop(before);
    let after = store(&path);
    assert_eq!(after.everything_of("a-1").unwrap(), events);
    assert_eq!(ids(&after, "a-1"), [2, 4]);
    assert_eq!(ids(&after, "b-1"), [3]);
    assert!(matches!(append(&after, "a-1", Expected::At(2), &[5]), Outcome::Appended { last: 3, .. }));
}

#[test]
fn a_torn_tail_is_cut_wherever_it_is_torn() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let whole = store(&path);
    append(&whole, "a-1", Expected::NoStream, &[1, 2]);
    let end = std::fs::metadata(&path).unwrap().len();
    append(&whole, "a-1", Expected::At(1), &[3, 4]);
    drop(whole);
    let bytes = std::fs::read(&path).unwrap();
    for length in narrow(end)..bytes.len() {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let torn = store(&path);
        assert_eq!(ids(&torn, "a-1"), [1, 2], "torn behind {length} bytes");
        assert!(matches!(append(&torn, "a-1", Expected::At(1), &[3, 4]), Outcome::Appended { last: 3, .. }));
        assert_eq!(std::fs::read(&path).unwrap().len(), bytes.len());
    }
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &changed).unwrap();
    assert_eq!(ids(&store(&path), "a-1"), [1, 2], "a changed byte");
    std::fs::write(&path, b"something else altogether").unwrap();
    assert!(Store::open(&path, false, 0).is_err());
}

#[test]
fn a_deleted_stream_comes_back_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("log"));
    append(&store, "a-1", Expected::NoStream, &[1, 2]);
    store.set_metadata("a-1", &format!("{{\"$tb\":{NEVER}}}")).unwrap();
    assert!(store.kept().index.view("a-1").unwrap().softly_deleted());
    assert_eq!(append(&store, "a-1", Expected::Exists, &[3]), Outcome::Deleted);
    assert!(matches!(append(&store, "a-1", Expected::NoStream, &[3]), Outcome::Appended { last: 2, .. }));
    assert_eq!(store.kept().index.view("a-1").unwrap().first, 2);
}

#[test]
fn a_tombstone_is_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let alive = store(&path);
    append(&alive, "a-1", Expected::NoStream, &[1]);
    assert!(alive.tombstone("a-1").unwrap().is_some());
    assert!(alive.tombstone("a-1").unwrap().is_none());
    drop(alive);
    let buried = store(&path);
    for expected in [Expected::Any, Expected::NoStream, Expected::At(0), Expected::Exists] {
        assert_eq!(append(&buried, "a-1", expected, &[2]), Outcome::Deleted);
    }
}

#[test]
fn the_server_writes_about_itself_in_between() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("log"), false, 2).unwrap();
    for id in 0..6 {
        append(&store, &format!("a-{id}"), Expected::NoStream, &[id]);
    }
    assert_eq!(store.everything_of(STATS).unwrap().len(), 3);
    assert_eq!(store.kept().index.events(), 9);
}
