//! Keys that are fetched before they are needed: for whoever is about to open the values of many people.

use domain::id::SubjectId;

use super::{SubjectVault, VaultError};
use crate::vault::keys::{KEYS_PER_CALL_MAX, KeyStoreError};

impl SubjectVault {
    /// Brings the keys of these subjects into memory, with one question for every [`KEYS_PER_CALL_MAX`] that are not
    /// there, where opening one value after the other would ask for each.
    ///
    /// It changes nothing but the time that opening takes: a key that comes this way is kept by the same rule as any
    /// other, and goes with the same news. It looks at as many subjects as the memory holds keys
    /// ([`cached_keys_max`](super::SharedOptions::cached_keys_max)) and passes over the rest, and does nothing where
    /// the keys lie in a file of this process: that answers one question as fast as a part of many. Nothing is made.
    ///
    /// # Errors
    /// [`VaultError::Unavailable`] alone: the vault was waited for, and whoever opened a value next would wait again.
    /// Any other failure is told to whoever does.
    pub fn prefetch(&self, subjects: &[SubjectId]) -> Result<(), VaultError> {
        let lacking = self.held.lacking(subjects);
        // One alone costs the same when its value is opened, and a vault that does not answer is waited for once.
        if lacking.len() < 2 {
            return Ok(());
        }
        for part in lacking.chunks(KEYS_PER_CALL_MAX) {
            let found = match self.held.store.find(part) {
                Ok(found) => found,
                Err(KeyStoreError::Unavailable { reason }) => return Err(VaultError::Unavailable { reason }),
                Err(error) => {
                    tracing::debug!(error = %error, "Keys could not be fetched ahead of time");
                    return Ok(());
                }
            };
            for (subject, stored) in part.iter().zip(&found.given) {
                if let Some(stored) = stored {
                    // A damaged key is told of when somebody opens a value with it.
                    let _ = self.learn(*subject, stored, found.as_of);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex};
    use std::time::{Duration, Instant};

    use chrono::{DateTime, Utc};
    use domain::id::CommandId;
    use domain::privacy::Sealed;
    use tempfile::TempDir;

    use super::*;
    use crate::contract::fixture::ticking_stamp;
    use crate::vault::file::FileKeys;
    use crate::vault::keys::{Answer, Cursor, KeyStore, NewKey, News, StoredKey};
    use crate::vault::{MasterKey, Opened, SharedOptions, VaultOptions};

    const MASTER: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const STALE_AFTER: Duration = Duration::from_secs(30);

    type Hook = Box<dyn FnOnce() + Send>;

    /// A way to the keys that counts the questions for them, can be cut, and can hold up an answer.
    struct Counting {
        keys: Arc<FileKeys>,
        /// For how many each question asked.
        questions: Mutex<Vec<usize>>,
        cut: AtomicBool,
        before_an_answer: Mutex<Option<Hook>>,
    }

    impl Counting {
        fn questions(&self) -> Vec<usize> {
            self.questions.lock().unwrap().clone()
        }
    }

    impl KeyStore for Counting {
        fn place(&self) -> String {
            "a counted way".to_owned()
        }

        fn check_value(&self) -> Result<Option<Vec<u8>>, KeyStoreError> {
            self.keys.check_value()
        }

        fn register_check_value(&self, value: &[u8]) -> Result<Vec<u8>, KeyStoreError> {
            self.keys.register_check_value(value)
        }

        fn find(&self, subjects: &[SubjectId]) -> Result<Answer<Vec<Option<StoredKey>>>, KeyStoreError> {
            self.questions.lock().unwrap().push(subjects.len());
            if self.cut.load(Ordering::SeqCst) {
                return Err(KeyStoreError::Unavailable { reason: "the way is cut".to_owned() });
            }
            let answer = self.keys.find(subjects);
            let hook = self.before_an_answer.lock().unwrap().take();
            if let Some(hook) = hook {
                hook();
            }
            answer
        }

        fn insert_missing(&self, keys: &[NewKey], at: DateTime<Utc>) -> Result<Answer<Vec<StoredKey>>, KeyStoreError> {
            self.keys.insert_missing(keys, at)
        }

        fn destroy(&self, subject: SubjectId, at: DateTime<Utc>) -> Result<Answer<DateTime<Utc>>, KeyStoreError> {
            self.keys.destroy(subject, at)
        }

        fn destroyed_since(&self, since: Option<Cursor>) -> Result<News, KeyStoreError> {
            self.keys.destroyed_since(since)
        }
    }

    /// A vault node's keys, on which a first node has sealed the facts of many people.
    struct Scene {
        _folder: TempDir,
        keys: Arc<FileKeys>,
        first: SubjectVault,
        clock: Arc<Mutex<Instant>>,
        facts: Vec<Sealed>,
    }

    impl Scene {
        fn of(people: usize) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let keys = Arc::new(FileKeys::open(&folder.path().join("vault.sqlite"), true).unwrap());
            let clock = Arc::new(Mutex::new(Instant::now()));
            let (first, _) = node(&keys, &clock, 16_384);
            let values: Vec<_> = (0..people).map(|which| (subject(which), "facts", "退款")).collect();
            let facts = first.seal_many(&values).unwrap();
            Self { _folder: folder, keys, first, clock, facts }
        }

        /// Another node, which knows no key yet and has room for so many.
        fn another(&self, cached_keys_max: usize) -> (SubjectVault, Arc<Counting>) {
            node(&self.keys, &self.clock, cached_keys_max)
        }

        fn subjects(&self) -> Vec<SubjectId> {
            self.facts.iter().map(|sealed| sealed.subject).collect()
        }
    }

    fn node(
        keys: &Arc<FileKeys>,
        clock: &Arc<Mutex<Instant>>,
        cached_keys_max: usize,
    ) -> (SubjectVault, Arc<Counting>) {
        let counting = Arc::new(Counting {
            keys: Arc::clone(keys),
            questions: Mutex::default(),
            cut: AtomicBool::new(false),
            before_an_answer: Mutex::default(),
        });
        let clock = Arc::clone(clock);
        let options = SharedOptions {
            create: true,
            cached_keys_max,
            stale_after: STALE_AFTER,
            monotonic: Arc::new(move || *clock.lock().unwrap()),
            background: false,
            ..SharedOptions::new(ticking_stamp())
        };
        let store: Arc<dyn KeyStore> = Arc::clone(&counting) as _;
        let master = MasterKey::from_env_value(MASTER).unwrap();
        (SubjectVault::over(store, master, options).unwrap(), counting)
    }

    fn subject(which: usize) -> SubjectId {
        SubjectId::from_uuid(CommandId::derived(&["ahead", &which.to_string()]).as_uuid())
    }

    fn open(vault: &SubjectVault, sealed: &Sealed) -> Result<Opened, VaultError> {
        vault.open_sealed(sealed.subject, "facts", sealed)
    }

    fn plain() -> Opened {
        Opened::Plain("退款".to_owned())
    }

    #[test]
    fn a_page_of_500_facts_costs_one_question() {
        let scene = Scene::of(500);
        let (vault, way) = scene.another(16_384);
        vault.prefetch(&scene.subjects()).unwrap();
        for sealed in &scene.facts {
            assert_eq!(open(&vault, sealed).unwrap(), plain());
        }
        assert_eq!(way.questions(), [500]);
        vault.prefetch(&scene.subjects()).unwrap();
        assert_eq!(way.questions(), [500], "what is in memory is not asked for");
    }

    #[test]
    fn a_long_page_is_asked_for_in_parts_that_one_request_holds() {
        let scene = Scene::of(2 * KEYS_PER_CALL_MAX + 2);
        let (vault, way) = scene.another(16_384);
        vault.prefetch(&scene.subjects()).unwrap();
        assert!(scene.facts.iter().all(|sealed| open(&vault, sealed).unwrap() == plain()));
        assert_eq!(way.questions(), [KEYS_PER_CALL_MAX, KEYS_PER_CALL_MAX, 2]);
    }

    #[test]
    fn no_more_is_fetched_than_the_memory_holds() {
        let scene = Scene::of(50);
        let (vault, way) = scene.another(20);
        vault.prefetch(&scene.subjects()).unwrap();
        for sealed in &scene.facts[..20] {
            assert_eq!(open(&vault, sealed).unwrap(), plain());
        }
        assert_eq!(way.questions(), [20]);
        assert_eq!(open(&vault, &scene.facts[20]).unwrap(), plain(), "the rest is asked for as it comes");
        assert_eq!(way.questions(), [20, 1]);
    }

    #[test]
    fn one_person_alone_is_asked_for_when_the_value_is_opened() {
        let scene = Scene::of(1);
        let (vault, way) = scene.another(16_384);
        vault.prefetch(&[subject(0), subject(0)]).unwrap();
        assert!(way.questions().is_empty());
        assert_eq!(open(&vault, &scene.facts[0]).unwrap(), plain());
        assert_eq!(way.questions(), [1]);
    }

    #[test]
    fn erased_people_of_a_page_cost_no_question_of_their_own() {
        let scene = Scene::of(10);
        for which in [3, 7] {
            scene.first.destroy(subject(which)).unwrap();
        }
        let (vault, way) = scene.another(16_384);
        vault.prefetch(&scene.subjects()).unwrap();
        for (which, sealed) in scene.facts.iter().enumerate() {
            let expected = if [3, 7].contains(&which) { Opened::Erased } else { plain() };
            assert_eq!(open(&vault, sealed).unwrap(), expected, "{which}");
        }
        assert_eq!(way.questions(), [10]);
        let refused = vault.seal(subject(3), "facts", "退款");
        assert!(matches!(refused, Err(VaultError::Destroyed { .. })), "{refused:?}");
    }

    #[test]
    fn a_stranger_on_a_page_keeps_the_others_from_nothing() {
        let scene = Scene::of(3);
        let (vault, way) = scene.another(16_384);
        let mut subjects = scene.subjects();
        subjects.insert(1, subject(99));
        vault.prefetch(&subjects).unwrap();
        assert!(scene.facts.iter().all(|sealed| open(&vault, sealed).unwrap() == plain()));
        assert_eq!(way.questions(), [4]);
    }

    #[test]
    fn a_vault_that_does_not_answer_is_waited_for_once() {
        let scene = Scene::of(3);
        let (vault, way) = scene.another(16_384);
        way.cut.store(true, Ordering::SeqCst);
        let refused = vault.prefetch(&scene.subjects());
        assert!(matches!(refused, Err(VaultError::Unavailable { .. })), "{refused:?}");
        assert_eq!(way.questions(), [3]);
        way.cut.store(false, Ordering::SeqCst);
        assert_eq!(open(&vault, &scene.facts[0]).unwrap(), plain());
        assert_eq!(way.questions(), [3, 1]);
    }

    #[test]
    fn a_key_that_is_destroyed_after_it_was_fetched_goes_with_the_news_and_without_any_in_time() {
        let scene = Scene::of(3);
        let [(heard, _), (deaf, way)] = [scene.another(16_384), scene.another(16_384)];
        for vault in [&heard, &deaf] {
            vault.prefetch(&scene.subjects()).unwrap();
        }
        scene.first.destroy(subject(1)).unwrap();
        heard.refresh().unwrap();
        assert_eq!(open(&heard, &scene.facts[1]).unwrap(), Opened::Erased);
        assert_eq!(open(&heard, &scene.facts[0]).unwrap(), plain());

        *scene.clock.lock().unwrap() += STALE_AFTER - Duration::from_nanos(1);
        assert_eq!(open(&deaf, &scene.facts[1]).unwrap(), plain(), "it cannot know yet");
        *scene.clock.lock().unwrap() += Duration::from_nanos(1);
        assert_eq!(open(&deaf, &scene.facts[1]).unwrap(), Opened::Erased);
        assert_eq!(way.questions(), [3, 1], "the key was not used, it was asked for");
        deaf.prefetch(&scene.subjects()).unwrap();
        assert_eq!(way.questions(), [3, 1], "what would not be kept is not fetched");
    }

    #[test]
    fn an_answer_that_was_held_up_brings_no_destroyed_key_back() {
        let scene = Scene::of(3);
        let (vault, way) = scene.another(16_384);
        let vault = Arc::new(vault);
        // The keys are under way while one of them is destroyed and the node hears of that.
        let (keys, same) = (Arc::clone(&scene.keys), Arc::clone(&vault));
        *way.before_an_answer.lock().unwrap() = Some(Box::new(move || {
            keys.destroy(subject(1), DateTime::UNIX_EPOCH).unwrap();
            same.refresh().unwrap();
        }));
        vault.prefetch(&scene.subjects()).unwrap();
        assert_eq!(open(&vault, &scene.facts[1]).unwrap(), Opened::Erased);
        assert_eq!(open(&vault, &scene.facts[0]).unwrap(), plain());
    }

    #[test]
    fn a_vault_in_a_file_of_this_process_opens_as_ever() {
        let folder = tempfile::tempdir().unwrap();
        let options = VaultOptions { create: true, ..VaultOptions::new(ticking_stamp()) };
        let master = MasterKey::from_env_value(MASTER).unwrap();
        let vault = SubjectVault::open(&folder.path().join("vault.sqlite"), master, options).unwrap();
        let sealed = [0, 1].map(|which| vault.seal(subject(which), "facts", "退款").unwrap());
        vault.destroy(subject(1)).unwrap();
        vault.prefetch(&[subject(0), subject(1), subject(2)]).unwrap();
        assert_eq!(open(&vault, &sealed[0]).unwrap(), plain());
        assert_eq!(open(&vault, &sealed[1]).unwrap(), Opened::Erased);
    }
}
