//! A vault that several nodes share: one key for each person, and none in any memory longer than promised.
#![expect(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use domain::id::{CommandId, SubjectId};
use event_log::contract::fixture::ticking_stamp;
use event_log::vault::file::FileKeys;
use event_log::vault::keys::{Answer, Cursor, KeyStore, KeyStoreError, NewKey, News, StoredKey};
use event_log::vault::{MasterKey, OpenError, Opened, SharedOptions, SubjectVault, VaultError};

const MASTER: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER_MASTER: &str = "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const STALE_AFTER: Duration = Duration::from_secs(30);
/// Long enough for the slowest machine; a test that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

type Hook = Box<dyn FnOnce() + Send>;

/// One node's way to the keys: it can be cut, and an answer can be held up.
struct Wire {
    keys: Mutex<Arc<FileKeys>>,
    cut: AtomicBool,
    before_an_answer: Mutex<Option<Hook>>,
    asked_for_news: Mutex<Option<mpsc::Sender<()>>>,
}

impl Wire {
    fn to(keys: &Arc<FileKeys>) -> Arc<Self> {
        let (before_an_answer, asked_for_news) = (Mutex::new(None), Mutex::new(None));
        let keys = Mutex::new(Arc::clone(keys));
        Arc::new(Self { keys, cut: AtomicBool::new(false), before_an_answer, asked_for_news })
    }

    fn set_cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::SeqCst);
    }

    fn lead_to(&self, keys: FileKeys) {
        *self.keys.lock().unwrap() = Arc::new(keys);
    }

    fn through(&self) -> Result<Arc<FileKeys>, KeyStoreError> {
        if self.cut.load(Ordering::SeqCst) {
            return Err(KeyStoreError::Unavailable { reason: "the wire is cut".to_owned() });
        }
        Ok(Arc::clone(&self.keys.lock().unwrap()))
    }
}

impl KeyStore for Wire {
    fn place(&self) -> String {
        "a wire".to_owned()
    }

    fn check_value(&self) -> Result<Option<Vec<u8>>, KeyStoreError> {
        self.through()?.check_value()
    }

    fn register_check_value(&self, value: &[u8]) -> Result<Vec<u8>, KeyStoreError> {
        self.through()?.register_check_value(value)
    }

    fn find(&self, subjects: &[SubjectId]) -> Result<Answer<Vec<Option<StoredKey>>>, KeyStoreError> {
        let answer = self.through()?.find(subjects);
        let hook = self.before_an_answer.lock().unwrap().take();
        if let Some(hook) = hook {
            hook();
        }
        answer
    }

    fn insert_missing(&self, keys: &[NewKey], at: DateTime<Utc>) -> Result<Answer<Vec<StoredKey>>, KeyStoreError> {
        self.through()?.insert_missing(keys, at)
    }

    fn destroy(&self, subject: SubjectId, at: DateTime<Utc>) -> Result<Answer<DateTime<Utc>>, KeyStoreError> {
        self.through()?.destroy(subject, at)
    }

    fn destroyed_since(&self, since: Option<Cursor>) -> Result<News, KeyStoreError> {
        if let Some(asked) = &*self.asked_for_news.lock().unwrap() {
            // Nobody listens any more when the test is over.
            let _ = asked.send(());
        }
        self.through()?.destroyed_since(since)
    }
}

/// A clock that stands still until it is moved.
#[derive(Clone)]
struct Clock(Arc<Mutex<Instant>>);

impl Clock {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

fn options(clock: &Clock) -> SharedOptions {
    let clock = clock.clone();
    SharedOptions {
        create: true,
        stale_after: STALE_AFTER,
        monotonic: Arc::new(move || *clock.0.lock().unwrap()),
        background: false,
        ..SharedOptions::new(ticking_stamp())
    }
}

fn node(wire: &Arc<Wire>, clock: &Clock) -> SubjectVault {
    let store: Arc<dyn KeyStore> = Arc::clone(wire) as _;
    SubjectVault::over(store, MasterKey::from_env_value(MASTER).unwrap(), options(clock)).unwrap()
}

fn keys(folder: &Path) -> Arc<FileKeys> {
    Arc::new(FileKeys::open(&folder.join("vault.sqlite"), true).unwrap())
}

fn subject(which: &str) -> SubjectId {
    SubjectId::from_uuid(CommandId::derived(&["subject", which]).as_uuid())
}

fn plain(text: &str) -> Opened {
    Opened::Plain(text.to_owned())
}

#[test]
fn what_one_node_sealed_every_node_opens() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let keys = keys(folder.path());
    let (one, two) = (node(&Wire::to(&keys), &clock), node(&Wire::to(&keys), &clock));
    let first = one.seal(subject("a"), "name", "陈大文").unwrap();
    let second = two.seal(subject("a"), "name", "陳大文").unwrap();
    for node in [&one, &two] {
        assert_eq!(node.open_sealed(subject("a"), "name", &first).unwrap(), plain("陈大文"));
        assert_eq!(node.open_sealed(subject("a"), "name", &second).unwrap(), plain("陳大文"));
    }
    assert_eq!(one.fingerprint(b"text"), two.fingerprint(b"text"));
}

#[test]
fn of_two_nodes_that_make_a_key_at_once_both_use_the_first() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let keys = keys(folder.path());
    let wire = Wire::to(&keys);
    let (one, two) = (Arc::new(node(&Wire::to(&keys), &clock)), node(&wire, &clock));
    let sealed = Arc::new(Mutex::new(None));
    // While the second node is told that there is no key, the first one makes it.
    let (other, kept) = (Arc::clone(&one), Arc::clone(&sealed));
    *wire.before_an_answer.lock().unwrap() = Some(Box::new(move || {
        *kept.lock().unwrap() = Some(other.seal(subject("a"), "name", "one").unwrap());
    }));
    let second = two.seal(subject("a"), "name", "two").unwrap();
    let first = sealed.lock().unwrap().take().unwrap();
    assert_eq!(one.open_sealed(subject("a"), "name", &second).unwrap(), plain("two"));
    assert_eq!(two.open_sealed(subject("a"), "name", &first).unwrap(), plain("one"));
}

#[test]
fn a_key_that_another_node_destroyed_goes_with_the_next_answer() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let keys = keys(folder.path());
    let (one, two) = (node(&Wire::to(&keys), &clock), node(&Wire::to(&keys), &clock));
    let sealed = one.seal(subject("a"), "name", "陈大文").unwrap();
    assert_eq!(two.open_sealed(subject("a"), "name", &sealed).unwrap(), plain("陈大文"));
    one.destroy(subject("a")).unwrap();
    assert_eq!(one.open_sealed(subject("a"), "name", &sealed).unwrap(), Opened::Erased, "here at once");
    two.refresh().unwrap();
    assert_eq!(two.open_sealed(subject("a"), "name", &sealed).unwrap(), Opened::Erased);
    let refused = two.seal(subject("a"), "name", "陈大文");
    assert!(matches!(refused, Err(VaultError::Destroyed { .. })), "{refused:?}");
}

#[test]
fn a_node_that_hears_nothing_forgets_every_key_in_time() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let keys = keys(folder.path());
    let wire = Wire::to(&keys);
    let (one, two) = (node(&Wire::to(&keys), &clock), node(&wire, &clock));
    let sealed = two.seal(subject("a"), "name", "陈大文").unwrap();
    wire.set_cut(true);
    one.destroy(subject("a")).unwrap();

    clock.advance(STALE_AFTER - Duration::from_nanos(1));
    assert!(two.refresh().is_err());
    assert_eq!(two.open_sealed(subject("a"), "name", &sealed).unwrap(), plain("陈大文"), "it cannot know yet");
    clock.advance(Duration::from_nanos(1));
    let refused = two.open_sealed(subject("a"), "name", &sealed);
    assert!(matches!(&refused, Err(error @ VaultError::Unavailable { .. }) if error.is_retryable()), "{refused:?}");
    assert_eq!((two.stats().drops, two.stats().fresh), (1, false));

    wire.set_cut(false);
    assert_eq!(two.open_sealed(subject("a"), "name", &sealed).unwrap(), Opened::Erased);
    two.refresh().unwrap();
    assert!(two.stats().fresh);
}

#[test]
fn the_time_counts_from_the_question_and_not_from_the_answer() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let keys = keys(folder.path());
    let wire = Wire::to(&keys);
    let two = node(&wire, &clock);
    let sealed = two.seal(subject("a"), "name", "陈大文").unwrap();
    clock.advance(Duration::from_secs(20));
    two.refresh().unwrap();
    wire.set_cut(true);
    clock.advance(STALE_AFTER - Duration::from_secs(1));
    assert_eq!(two.open_sealed(subject("a"), "name", &sealed).unwrap(), plain("陈大文"));
    clock.advance(Duration::from_secs(1));
    two.drop_stale();
    assert_eq!(two.stats().drops, 1, "without anybody asking for a key");
}

#[test]
fn an_answer_that_was_held_up_brings_no_destroyed_key_back() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let keys = keys(folder.path());
    let wire = Wire::to(&keys);
    let (one, two) = (Arc::new(node(&Wire::to(&keys), &clock)), Arc::new(node(&wire, &clock)));
    let sealed = one.seal(subject("a"), "name", "陈大文").unwrap();
    // The answer with the key is under way while the key is destroyed and the node hears of that.
    let (other, same) = (Arc::clone(&one), Arc::clone(&two));
    *wire.before_an_answer.lock().unwrap() = Some(Box::new(move || {
        other.destroy(subject("a")).unwrap();
        same.refresh().unwrap();
    }));
    assert_eq!(two.open_sealed(subject("a"), "name", &sealed).unwrap(), plain("陈大文"), "it was asked for before");
    assert_eq!(two.open_sealed(subject("a"), "name", &sealed).unwrap(), Opened::Erased, "and was not kept");
}

#[test]
fn a_vault_that_begins_anew_empties_the_memory() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let wire = Wire::to(&keys(folder.path()));
    let vault = node(&wire, &clock);
    let sealed = vault.seal(subject("a"), "name", "陈大文").unwrap();
    // The same keys in another process: the vault node was started again, or restored from a backup.
    let other = tempfile::tempdir().unwrap();
    for file in ["vault.sqlite", "vault.sqlite-wal"] {
        std::fs::copy(folder.path().join(file), other.path().join(file)).unwrap();
    }
    wire.lead_to(FileKeys::open(&other.path().join("vault.sqlite"), false).unwrap());
    assert_eq!(vault.open_sealed(subject("a"), "name", &sealed).unwrap(), plain("陈大文"));
    vault.refresh().unwrap();
    wire.set_cut(true);
    let refused = vault.open_sealed(subject("a"), "name", &sealed);
    assert!(matches!(refused, Err(VaultError::Unavailable { .. })), "nothing was kept: {refused:?}");
    wire.set_cut(false);
    assert_eq!(vault.open_sealed(subject("a"), "name", &sealed).unwrap(), plain("陈大文"));
    wire.set_cut(true);
    assert_eq!(vault.open_sealed(subject("a"), "name", &sealed).unwrap(), plain("陈大文"), "and is kept again");
}

#[test]
fn while_the_vault_is_away_nothing_new_is_sealed_and_known_keys_serve() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let wire = Wire::to(&keys(folder.path()));
    let vault = node(&wire, &clock);
    let sealed = vault.seal(subject("a"), "name", "陈大文").unwrap();
    wire.set_cut(true);
    assert_eq!(vault.open_sealed(subject("a"), "name", &sealed).unwrap(), plain("陈大文"));
    vault.seal(subject("a"), "phone", "13800000000").unwrap();
    for refused in [
        vault.seal(subject("b"), "name", "李小明").map(drop),
        vault.seal_bytes(subject("b"), "evidence", b"%PDF").map(drop),
        vault.destroy(subject("a")).map(drop),
    ] {
        assert!(matches!(refused, Err(VaultError::Unavailable { .. })), "{refused:?}");
    }
    wire.set_cut(false);
    vault.seal(subject("b"), "name", "李小明").unwrap();
}

#[test]
fn a_node_with_another_master_key_is_refused() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let wire = Wire::to(&keys(folder.path()));
    let over = |master: &str, create: bool| {
        let store: Arc<dyn KeyStore> = Arc::clone(&wire) as _;
        let options = SharedOptions { create, ..options(&clock) };
        SubjectVault::over(store, MasterKey::from_env_value(master).unwrap(), options)
    };
    let refused = over(MASTER, false);
    assert!(matches!(refused, Err(OpenError::Unregistered { .. })), "{refused:?}");
    over(MASTER, true).unwrap();
    over(MASTER, false).unwrap();
    for create in [false, true] {
        let refused = over(OTHER_MASTER, create);
        assert!(matches!(refused, Err(OpenError::WrongMasterKey { .. })), "{refused:?}");
    }
    wire.set_cut(true);
    let refused = over(MASTER, false);
    assert!(matches!(refused, Err(OpenError::Keys { .. })), "{refused:?}");
}

#[test]
fn by_itself_a_node_asks_for_news_and_forgets() {
    let folder = tempfile::tempdir().unwrap();
    let wire = Wire::to(&keys(folder.path()));
    let (told, heard) = mpsc::channel();
    *wire.asked_for_news.lock().unwrap() = Some(told);
    let store: Arc<dyn KeyStore> = Arc::clone(&wire) as _;
    let options = SharedOptions {
        create: true,
        refresh: Duration::from_millis(1),
        stale_after: Duration::from_millis(20),
        ..SharedOptions::new(ticking_stamp())
    };
    let vault = SubjectVault::over(store, MasterKey::from_env_value(MASTER).unwrap(), options).unwrap();
    for _ in 0..3 {
        heard.recv_timeout(PATIENCE).unwrap();
    }
    wire.set_cut(true);
    let begin = Instant::now();
    while vault.stats().drops == 0 {
        assert!(begin.elapsed() < PATIENCE, "nothing was dropped");
        std::thread::yield_now();
    }
}
