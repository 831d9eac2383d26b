//! The keys that a node has in memory, and the rule by which they go.
//!
//! A key is in memory only while the store can be asked whether it still stands: every answer of
//! [`KeyStore::destroyed_since`] takes out what was destroyed, and when there was none for `stale_after`, everything
//! goes. A key that an answer brought is kept only if that answer knows every destruction that we know, so that a slow
//! answer, or one of a standby, cannot bring a destroyed key back.
//!
//! That a key was destroyed is remembered under the same rule, so that nobody asks for it again and again. It holds no
//! longer than keys do: a store that was opened anew empties both.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::id::SubjectId;

use crate::sqlite::cache::Generations;
use crate::vault::cipher::DataKey;
use crate::vault::keys::{Cursor, KeyStore, KeyStoreError, News};

/// A clock that never goes back, for the age of what is known.
pub type Monotonic = Arc<dyn Fn() -> Instant + Send + Sync>;

/// What a vault has met since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VaultStats {
    /// The keys lie elsewhere, for several nodes.
    pub shared: bool,
    /// What was destroyed elsewhere is known, so keys are kept in memory.
    pub fresh: bool,
    /// Answers to the question for destroyed keys.
    pub refreshes: u64,
    /// Questions for destroyed keys that had no answer.
    pub refresh_failures: u64,
    /// Times that all keys were dropped because there was no answer for too long.
    pub drops: u64,
}

/// The keys in memory.
#[derive(Debug)]
struct Ring {
    keys: Generations<SubjectId, Arc<DataKey>>,
    /// Whose key is known to be destroyed.
    gone: Generations<SubjectId, ()>,
    /// Of each of the two, in each of two generations.
    keys_max: usize,
    /// `None` when the store belongs to this process alone, so that nobody destroys keys unseen.
    stale_after: Option<Duration>,
    known: Option<Known>,
}

/// What is known of the destructions, and for how long that counts.
#[derive(Debug, Clone, Copy)]
struct Known {
    upto: Cursor,
    until: Option<Instant>,
}

impl Ring {
    fn new(keys_max: usize, stale_after: Option<Duration>) -> Self {
        let (keys, gone) = (Generations::new(keys_max), Generations::new(keys_max));
        Self { keys, gone, keys_max, stale_after, known: None }
    }

    fn clear(&mut self) {
        *self = Self::new(self.keys_max, self.stale_after);
    }

    /// Drops everything when nothing was heard for too long; answers whether that is new.
    fn expire(&mut self, now: Instant) -> bool {
        let stale = self.known.and_then(|known| known.until).is_some_and(|until| now >= until);
        if stale {
            self.clear();
        }
        stale
    }

    /// Takes in an answer to a question that was asked at `asked_at`.
    fn apply(&mut self, news: &News, asked_at: Instant) {
        let until = self.stale_after.map(|stale_after| asked_at + stale_after);
        match (news, self.known) {
            // Answers may overtake one another: what is known stays known.
            (News::Destroyed { subjects, upto }, Some(known)) if known.upto.run == upto.run => {
                subjects.iter().for_each(|subject| self.keys.remove(subject));
                let upto = if upto.covers(known.upto) { *upto } else { known.upto };
                self.known = Some(Known { upto, until: until.max(known.until) });
            }
            (News::Destroyed { upto, .. } | News::Lost { upto }, _) => {
                self.clear();
                self.known = Some(Known { upto: *upto, until });
            }
        }
    }

    fn admit(&mut self, subject: SubjectId, key: &Arc<DataKey>, as_of: Cursor) {
        if self.known.is_some_and(|known| as_of.covers(known.upto)) {
            self.keys.insert(subject, Arc::clone(key));
        }
    }

    fn bury(&mut self, subject: SubjectId, as_of: Cursor) {
        if self.known.is_some_and(|known| as_of.covers(known.upto)) {
            self.gone.insert(subject, ());
        }
    }

    fn lacking(&mut self, subjects: &[SubjectId]) -> Vec<SubjectId> {
        // The file of this process answers one question as fast as a part of many, and what is not kept helps nobody.
        if self.stale_after.is_none() || self.known.is_none() {
            return Vec::new();
        }
        let (mut seen, mut lacking) = (HashSet::new(), Vec::new());
        for subject in subjects {
            if seen.len() >= self.keys_max {
                break;
            }
            // Looking at what is there counts as a use, so that what comes does not push it out.
            if seen.insert(*subject) && self.keys.get(subject).is_none() && self.gone.get(subject).is_none() {
                lacking.push(*subject);
            }
        }
        lacking
    }
}

/// A store with the keys of it that are in memory.
pub(super) struct Held {
    pub(super) store: Arc<dyn KeyStore>,
    ring: Mutex<Ring>,
    now: Monotonic,
    failing: AtomicBool,
    refreshes: AtomicU64,
    refresh_failures: AtomicU64,
    drops: AtomicU64,
}

impl Held {
    pub(super) fn new(
        store: Arc<dyn KeyStore>,
        keys_max: usize,
        stale_after: Option<Duration>,
        now: Monotonic,
    ) -> Self {
        Self {
            store,
            ring: Mutex::new(Ring::new(keys_max, stale_after)),
            now,
            failing: AtomicBool::new(false),
            refreshes: AtomicU64::new(0),
            refresh_failures: AtomicU64::new(0),
            drops: AtomicU64::new(0),
        }
    }

    /// A key that may still be used.
    pub(super) fn get(&self, subject: SubjectId) -> Option<Arc<DataKey>> {
        self.drop_stale();
        self.ring().keys.get(&subject).map(Arc::clone)
    }

    /// Keeps a key that an answer as of this cursor has brought, if that answer knows enough.
    pub(super) fn admit(&self, subject: SubjectId, key: &Arc<DataKey>, as_of: Cursor) {
        self.ring().admit(subject, key, as_of);
    }

    /// Whether the key is known to be destroyed, so that the store need not be asked.
    pub(super) fn is_gone(&self, subject: SubjectId) -> bool {
        self.drop_stale();
        self.ring().gone.get(&subject).is_some()
    }

    /// Remembers that an answer as of this cursor said that the key is destroyed, if that answer knows enough.
    pub(super) fn bury(&self, subject: SubjectId, as_of: Cursor) {
        self.ring().bury(subject, as_of);
    }

    /// Whom of these subjects the store should be asked for ahead of time, each once: those of whom nothing is in
    /// memory, among as many as the memory surely holds.
    ///
    /// None where that gains nothing: the store is this process's own, or what came would not be kept.
    pub(super) fn lacking(&self, subjects: &[SubjectId]) -> Vec<SubjectId> {
        self.drop_stale();
        self.ring().lacking(subjects)
    }

    pub(super) fn forget(&self, subject: SubjectId) {
        self.ring().keys.remove(&subject);
    }

    /// Asks what was destroyed, and forgets it.
    pub(super) fn refresh(&self) -> Result<(), KeyStoreError> {
        // The moment before the question: what is destroyed behind it may be missing in the answer.
        let asked_at = (self.now)();
        let since = self.ring().known.map(|known| known.upto);
        match self.store.destroyed_since(since) {
            Ok(news) => {
                self.ring().apply(&news, asked_at);
                self.refreshes.fetch_add(1, Ordering::Relaxed);
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("The vault at `{}` answers again", self.store.place());
                }
                Ok(())
            }
            Err(error) => {
                self.refresh_failures.fetch_add(1, Ordering::Relaxed);
                if !self.failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        error = %error,
                        "The vault at `{}` cannot be asked which keys were destroyed; soon no key is kept in memory",
                        self.store.place()
                    );
                }
                Err(error)
            }
        }
    }

    /// Drops every key when nothing was heard of destroyed ones for too long.
    pub(super) fn drop_stale(&self) {
        let now = (self.now)();
        if self.ring().expire(now) {
            self.drops.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                "Dropped all keys from the memory: the vault at `{}` has not answered for too long",
                self.store.place()
            );
        }
    }

    /// How long what is known still counts; `None` when nothing is known, or when it counts for ever.
    pub(super) fn time_left(&self) -> Option<Duration> {
        let until = self.ring().known?.until?;
        Some(until.saturating_duration_since((self.now)()))
    }

    pub(super) fn stats(&self) -> VaultStats {
        let ring = self.ring();
        VaultStats {
            shared: ring.stale_after.is_some(),
            fresh: ring.known.is_some(),
            refreshes: self.refreshes.load(Ordering::Relaxed),
            refresh_failures: self.refresh_failures.load(Ordering::Relaxed),
            drops: self.drops.load(Ordering::Relaxed),
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use domain::id::CommandId;

    use super::*;
    use crate::vault::cipher::{KEY_BYTES, expand};

    const STALE_AFTER: Duration = Duration::from_secs(30);
    const KEYS_MAX: usize = 16;

    fn subject(which: &str) -> SubjectId {
        SubjectId::from_uuid(CommandId::derived(&["subject", which]).as_uuid())
    }

    fn key() -> Arc<DataKey> {
        Arc::new(DataKey(expand(&mut [7; KEY_BYTES]).unwrap()))
    }

    fn at(number: u64) -> Cursor {
        Cursor { run: 1, number }
    }

    /// A ring that has heard, at `now`, of everything up to `number`.
    fn ring(number: u64, now: Instant) -> Ring {
        let mut ring = Ring::new(KEYS_MAX, Some(STALE_AFTER));
        ring.apply(&News::Lost { upto: at(number) }, now);
        ring
    }

    #[test]
    fn without_an_answer_nothing_is_kept() {
        let mut ring = Ring::new(KEYS_MAX, Some(STALE_AFTER));
        ring.admit(subject("a"), &key(), at(9));
        ring.bury(subject("b"), at(9));
        assert!(ring.keys.get(&subject("a")).is_none() && ring.gone.get(&subject("b")).is_none());
    }

    #[test]
    fn an_answer_that_knows_less_than_we_do_brings_no_key() {
        let mut ring = ring(5, Instant::now());
        for (which, as_of, kept) in [
            ("as new", at(5), true),
            ("newer", at(6), true),
            ("older", at(4), false),
            ("of a standby", Cursor { run: 2, number: 9 }, false),
        ] {
            ring.admit(subject(which), &key(), as_of);
            assert_eq!(ring.keys.get(&subject(which)).is_some(), kept, "{which}");
            ring.bury(subject(which), as_of);
            assert_eq!(ring.gone.get(&subject(which)).is_some(), kept, "{which}");
        }
    }

    #[test]
    fn those_are_lacking_of_whom_nothing_is_known_each_once_and_no_more_than_the_memory_holds() {
        let mut ring = ring(0, Instant::now());
        ring.admit(subject("a"), &key(), at(0));
        ring.bury(subject("b"), at(0));
        let asked = ["c", "a", "d", "b", "c"].map(subject);
        assert_eq!(ring.lacking(&asked), ["c", "d"].map(subject));
        let many: Vec<SubjectId> = (0..2 * KEYS_MAX).map(|which| subject(&which.to_string())).collect();
        assert_eq!(ring.lacking(&many), many[..KEYS_MAX]);
        ring.clear();
        assert!(ring.lacking(&asked).is_empty(), "what comes would not be kept");
        let mut own = Ring::new(KEYS_MAX, None);
        own.apply(&News::Lost { upto: at(0) }, Instant::now());
        assert!(own.lacking(&asked).is_empty(), "a file of our own is asked when it is needed");
    }

    #[test]
    fn everything_goes_when_the_time_is_over_and_not_before() {
        let begin = Instant::now();
        let mut ring = ring(0, begin);
        ring.admit(subject("a"), &key(), at(0));
        ring.bury(subject("b"), at(0));
        assert!(!ring.expire(begin + STALE_AFTER - Duration::from_nanos(1)));
        assert!(ring.keys.get(&subject("a")).is_some() && ring.gone.get(&subject("b")).is_some());
        assert!(ring.expire(begin + STALE_AFTER));
        assert!(ring.keys.get(&subject("a")).is_none() && ring.gone.get(&subject("b")).is_none());
        assert!(!ring.expire(begin + STALE_AFTER), "once is enough");
        ring.admit(subject("a"), &key(), at(9));
        assert!(ring.keys.get(&subject("a")).is_none(), "nothing is kept until the store answers again");
    }

    #[test]
    fn answers_may_overtake_one_another() {
        let begin = Instant::now();
        let mut ring = ring(0, begin);
        for which in ["a", "b"] {
            ring.admit(subject(which), &key(), at(0));
        }
        let later = begin + Duration::from_secs(1);
        ring.apply(&News::Destroyed { subjects: vec![subject("a")], upto: at(2) }, later);
        ring.apply(&News::Destroyed { subjects: vec![subject("a")], upto: at(1) }, begin);
        assert!(ring.keys.get(&subject("a")).is_none());
        assert!(ring.keys.get(&subject("b")).is_some());
        ring.admit(subject("a"), &key(), at(1));
        assert!(ring.keys.get(&subject("a")).is_none(), "what is known stays known");
        assert!(!ring.expire(begin + STALE_AFTER), "and for as long");
    }

    #[test]
    fn a_store_that_cannot_tell_empties_the_memory() {
        let begin = Instant::now();
        for news in [
            News::Lost { upto: at(7) },
            News::Lost { upto: Cursor { run: 2, number: 0 } },
            News::Destroyed { subjects: Vec::new(), upto: Cursor { run: 2, number: 0 } },
        ] {
            let mut ring = ring(5, begin);
            ring.admit(subject("a"), &key(), at(5));
            ring.apply(&news, begin);
            assert!(ring.keys.get(&subject("a")).is_none(), "{news:?}");
            ring.admit(subject("a"), &key(), news.upto());
            assert!(ring.keys.get(&subject("a")).is_some(), "{news:?}");
        }
    }
}
