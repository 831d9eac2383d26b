//! The executable contract of [`KeyStore`]: what every store of wrapped keys must do, one function for each promise.
//!
//! The functions panic when a promise is broken. They ask nothing of the store's content but that no other clause runs
//! on it at the same time: each uses subjects of its own.
#![expect(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use domain::id::{CommandId, SubjectId};

use crate::contract::fixture::{SOME_MICROS, moment};
use crate::vault::keys::{Cursor, KEYS_PER_CALL_MAX, KeyStore, NewKey, News, StoredKey};

/// Makers that run at once.
const MAKERS: u8 = 8;
/// Subjects that all of them make keys for.
const SUBJECTS: usize = 20;

/// Numbers the scenes of this process.
static SCENES: AtomicU64 = AtomicU64::new(0);

/// One promise.
#[derive(Debug, Clone, Copy)]
pub struct Clause {
    pub name: &'static str,
    pub run: fn(&dyn KeyStore),
}

macro_rules! clauses {
    ($($name:ident),+ $(,)?) => {
        &[$(Clause { name: stringify!($name), run: $name }),+]
    };
}

/// Every promise.
pub const CLAUSES: &[Clause] = clauses![
    a_stranger_has_no_key,
    whoever_comes_first_wins,
    a_subject_that_is_named_twice_gets_one_key,
    of_many_makers_one_wins,
    more_keys_than_one_request_holds_come_back_in_order,
    a_destroyed_key_stays_destroyed,
    a_subject_without_a_key_can_be_destroyed,
    destructions_are_told_in_order,
    an_answer_tells_what_it_knows,
    a_cursor_of_another_store_is_lost,
    the_first_check_value_stays,
];

/// Runs every clause, each on a store that `make` gives, and prints one line for each.
///
/// # Panics
/// When a promise is broken.
#[expect(clippy::print_stdout, reason = "the lines say which promises a store was held to")]
pub fn run_all(store: &str, mut make: impl FnMut() -> Arc<dyn KeyStore>) {
    for clause in CLAUSES {
        (clause.run)(&*make());
        println!("{store}: {} ok", clause.name);
    }
}

/// Subjects that nobody else uses.
struct Scene(String);

impl Scene {
    fn new(store: &dyn KeyStore) -> Self {
        let run = head(store).run;
        Self(format!("{run} {}", SCENES.fetch_add(1, Ordering::Relaxed)))
    }

    fn subject(&self, which: &str) -> SubjectId {
        SubjectId::from_uuid(CommandId::derived(&["vault contract", &self.0, which]).as_uuid())
    }

    fn key(&self, which: &str, byte: u8) -> NewKey {
        NewKey { subject: self.subject(which), wrapped: vec![byte; 60] }
    }
}

fn head(store: &dyn KeyStore) -> Cursor {
    store.destroyed_since(None).unwrap().upto()
}

fn at(seconds: i64) -> DateTime<Utc> {
    moment(SOME_MICROS) + TimeDelta::seconds(seconds)
}

fn wrapped(byte: u8) -> StoredKey {
    StoredKey::Wrapped(vec![byte; 60])
}

fn find(store: &dyn KeyStore, subject: SubjectId) -> Option<StoredKey> {
    let found = store.find(&[subject]).unwrap().given;
    assert_eq!(found.len(), 1, "one answer for one subject");
    found.into_iter().next().unwrap()
}

/// Nobody has a key before somebody makes one.
pub fn a_stranger_has_no_key(store: &dyn KeyStore) {
    let scene = Scene::new(store);
    assert_eq!(find(store, scene.subject("a")), None);
    assert!(store.find(&[]).unwrap().given.is_empty());
    assert!(store.insert_missing(&[], at(0)).unwrap().given.is_empty());
}

/// The first key stands, whatever comes later.
pub fn whoever_comes_first_wins(store: &dyn KeyStore) {
    let scene = Scene::new(store);
    let first = store.insert_missing(&[scene.key("a", 1)], at(0)).unwrap();
    assert_eq!(first.given, [wrapped(1)]);
    let later = store.insert_missing(&[scene.key("b", 2), scene.key("a", 2)], at(1)).unwrap();
    assert_eq!(later.given, [wrapped(2), wrapped(1)], "in the order in which they were given");
    let found = store.find(&[scene.subject("a"), scene.subject("none"), scene.subject("b")]).unwrap();
    assert_eq!(found.given, [Some(wrapped(1)), None, Some(wrapped(2))]);
}

/// Within one call the first key counts too.
pub fn a_subject_that_is_named_twice_gets_one_key(store: &dyn KeyStore) {
    let scene = Scene::new(store);
    let standing = store.insert_missing(&[scene.key("a", 1), scene.key("a", 2)], at(0)).unwrap();
    assert_eq!(standing.given, [wrapped(1), wrapped(1)]);
}

/// All makers of a key learn the same one.
pub fn of_many_makers_one_wins(store: &dyn KeyStore) {
    let scene = Scene::new(store);
    let names: Vec<String> = (0..SUBJECTS).map(|which| which.to_string()).collect();
    let standing: Vec<Vec<StoredKey>> = std::thread::scope(|threads| {
        let makers: Vec<_> = (0..MAKERS)
            .map(|maker| {
                let (scene, mut names) = (&scene, names.clone());
                // Each begins elsewhere, so that no one of them wins everywhere.
                names.rotate_left(usize::from(maker));
                threads.spawn(move || {
                    let make = |name: &String| store.insert_missing(&[scene.key(name, maker)], at(0)).unwrap().given;
                    let mut made: Vec<_> = names.iter().flat_map(make).collect();
                    made.rotate_right(usize::from(maker));
                    made
                })
            })
            .collect();
        makers.into_iter().map(|maker| maker.join().unwrap()).collect()
    });
    let subjects: Vec<_> = names.iter().map(|name| scene.subject(name)).collect();
    let found: Vec<_> = store.find(&subjects).unwrap().given.into_iter().map(Option::unwrap).collect();
    assert_eq!(found.len(), SUBJECTS);
    for made in standing {
        assert_eq!(made, found, "every maker was told what stands");
    }
}

/// Long lists are the store's business.
pub fn more_keys_than_one_request_holds_come_back_in_order(store: &dyn KeyStore) {
    let scene = Scene::new(store);
    let byte = |which: usize| u8::try_from(which % 250).unwrap();
    let count = 2 * KEYS_PER_CALL_MAX + 1;
    let keys: Vec<_> = (0..count).map(|which| scene.key(&which.to_string(), byte(which))).collect();
    let expected: Vec<_> = (0..count).map(|which| wrapped(byte(which))).collect();
    assert_eq!(store.insert_missing(&keys, at(0)).unwrap().given, expected);
    let subjects: Vec<_> = keys.iter().map(|key| key.subject).collect();
    let found: Vec<_> = store.find(&subjects).unwrap().given.into_iter().map(Option::unwrap).collect();
    assert_eq!(found, expected);
}

/// No later key takes the place of one that was destroyed.
pub fn a_destroyed_key_stays_destroyed(store: &dyn KeyStore) {
    let scene = Scene::new(store);
    store.insert_missing(&[scene.key("a", 1), scene.key("b", 1)], at(0)).unwrap();
    assert_eq!(store.destroy(scene.subject("a"), at(1)).unwrap().given, at(1));
    assert_eq!(find(store, scene.subject("a")), Some(StoredKey::Destroyed(at(1))));
    let standing = store.insert_missing(&[scene.key("a", 2)], at(2)).unwrap();
    assert_eq!(standing.given, [StoredKey::Destroyed(at(1))]);
    assert_eq!(store.destroy(scene.subject("a"), at(3)).unwrap().given, at(1), "the first time counts");
    assert_eq!(find(store, scene.subject("b")), Some(wrapped(1)), "and nobody else's is touched");
}

/// Whoever is destroyed before having a key never gets one.
pub fn a_subject_without_a_key_can_be_destroyed(store: &dyn KeyStore) {
    let scene = Scene::new(store);
    assert_eq!(store.destroy(scene.subject("a"), at(1)).unwrap().given, at(1));
    let standing = store.insert_missing(&[scene.key("a", 1)], at(2)).unwrap();
    assert_eq!(standing.given, [StoredKey::Destroyed(at(1))]);
}

/// Everything behind a cursor is told, and nothing twice to those who go on from there.
pub fn destructions_are_told_in_order(store: &dyn KeyStore) {
    let scene = Scene::new(store);
    let News::Lost { upto: begin } = store.destroyed_since(None).unwrap() else { panic!("no cursor, no news") };
    assert_eq!(store.destroyed_since(Some(begin)).unwrap(), News::Destroyed { subjects: Vec::new(), upto: begin });
    for which in ["a", "b"] {
        store.destroy(scene.subject(which), at(0)).unwrap();
    }
    let News::Destroyed { subjects, upto } = store.destroyed_since(Some(begin)).unwrap() else {
        panic!("the cursor is of this store")
    };
    assert_eq!(subjects, [scene.subject("a"), scene.subject("b")]);
    assert!(upto.covers(begin) && !begin.covers(upto));
    assert_eq!(store.destroyed_since(Some(upto)).unwrap(), News::Destroyed { subjects: Vec::new(), upto });
}

/// Every answer says as of which destruction it was read.
pub fn an_answer_tells_what_it_knows(store: &dyn KeyStore) {
    let scene = Scene::new(store);
    let begin = head(store);
    assert!(store.find(&[scene.subject("a")]).unwrap().as_of.covers(begin));
    let destroyed = store.destroy(scene.subject("a"), at(0)).unwrap();
    assert!(!begin.covers(destroyed.as_of));
    let upto = head(store);
    assert!(store.find(&[scene.subject("a")]).unwrap().as_of.covers(upto));
    assert!(store.insert_missing(&[scene.key("b", 1)], at(0)).unwrap().as_of.covers(upto));
}

/// What another store counted means nothing here.
pub fn a_cursor_of_another_store_is_lost(store: &dyn KeyStore) {
    let upto = head(store);
    let other = Cursor { run: !upto.run, ..upto };
    let beyond = Cursor { number: upto.number + 1, ..upto };
    for since in [other, beyond] {
        assert_eq!(store.destroyed_since(Some(since)).unwrap(), News::Lost { upto });
    }
}

/// Nobody's master key takes the place of the one that is registered.
pub fn the_first_check_value_stays(store: &dyn KeyStore) {
    let stands = store.register_check_value(&[1; 64]).unwrap();
    assert_eq!(store.register_check_value(&[2; 64]).unwrap(), stands);
    assert_eq!(store.check_value().unwrap(), Some(stands));
}
