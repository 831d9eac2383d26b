//! The keys that a node has in memory, and the rule by which they go.
//!
//! A key is in memory only while the store can be asked whether it still stands: every answer of
//! [`KeyStore::destroyed_since`] takes out what was destroyed, and when there was none for `stale_after`, everything
//! goes. A key that an answer brought is kept only if that answer knows every destruction that we know, so that a slow
//! answer, or one of a standby, cannot bring a destroyed key back.

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
    fn clear(&mut self) {
        self.keys = Generations::new(self.keys_max);
        self.known = None;
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
            ring: Mutex::new(Ring { keys: Generations::new(keys_max), keys_max, stale_after, known: None }),
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
        let stale_after = Some(STALE_AFTER);
        let mut ring = Ring { keys: Generations::new(16), keys_max: 16, stale_after, known: None };
        ring.apply(&News::Lost { upto: at(number) }, now);
        ring
    }

    #[test]
    fn without_an_answer_nothing_is_kept() {
        let mut ring = Ring { keys: Generations::new(16), keys_max: 16, stale_after: Some(STALE_AFTER), known: None };
        ring.admit(subject("a"), &key(), at(9));
        assert!(ring.keys.get(&subject("a")).is_none());
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
        }
    }

    #[test]
    fn everything_goes_when_the_time_is_over_and_not_before() {
        let begin = Instant::now();
        let mut ring = ring(0, begin);
        ring.admit(subject("a"), &key(), at(0));
        assert!(!ring.expire(begin + STALE_AFTER - Duration::from_nanos(1)));
        assert!(ring.keys.get(&subject("a")).is_some());
        assert!(ring.expire(begin + STALE_AFTER));
        assert!(ring.keys.get(&subject("a")).is_none());
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
