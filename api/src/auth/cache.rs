//! Tokens already verified, so that a busy client costs one signature and not thousands.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Principal;
use super::claims::Validity;

/// SHA-256 of a token. The token itself is not kept.
pub(super) type Fingerprint = [u8; 32];

/// What a token was found to say.
#[derive(Clone, Debug)]
pub(super) struct Verified {
    pub(super) principal: Principal,
    pub(super) validity: Validity,
    /// The key set that it was checked with: a withdrawn key withdraws its tokens.
    pub(super) generation: u64,
}

/// A bounded map in two halves.
///
/// When the young half is full it becomes the old one and the old one is dropped; a hit in the old half moves to the
/// young one. That keeps what is in use without bookkeeping on every hit.
#[derive(Debug)]
pub(super) struct TokenCache {
    half_max: usize,
    halves: Mutex<Halves>,
}

#[derive(Debug, Default)]
struct Halves {
    young: HashMap<Fingerprint, Verified>,
    old: HashMap<Fingerprint, Verified>,
}

impl TokenCache {
    /// A cache that never holds more than `entries_max` tokens.
    pub(super) fn new(entries_max: usize) -> Self {
        Self { half_max: (entries_max / 2).max(1), halves: Mutex::default() }
    }

    pub(super) fn get(&self, token: &Fingerprint) -> Option<Verified> {
        let mut halves = self.lock();
        if let Some(found) = halves.young.get(token) {
            return Some(found.clone());
        }
        let found = halves.old.remove(token)?;
        self.put(&mut halves, *token, found.clone());
        Some(found)
    }

    pub(super) fn insert(&self, token: Fingerprint, verified: Verified) {
        let mut halves = self.lock();
        halves.old.remove(&token);
        self.put(&mut halves, token, verified);
    }

    fn put(&self, halves: &mut Halves, token: Fingerprint, verified: Verified) {
        if halves.young.len() >= self.half_max && !halves.young.contains_key(&token) {
            halves.old = std::mem::take(&mut halves.young);
        }
        halves.young.insert(token, verified);
    }

    fn lock(&self) -> MutexGuard<'_, Halves> {
        // A panic cannot leave the maps half changed in a way that matters: entries are independent.
        self.halves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let halves = self.lock();
        halves.young.len() + halves.old.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chrono::DateTime;

    use super::super::Role;
    use super::*;

    fn token(number: u8) -> Fingerprint {
        [number; 32]
    }

    fn verified(subject: u8) -> Verified {
        Verified {
            principal: Principal {
                subject: subject.to_string(),
                roles: BTreeSet::from([Role::Viewer]),
                unit: "province".to_owned(),
                expires_at: DateTime::UNIX_EPOCH,
                display_name: None,
            },
            validity: Validity { not_before: None, expires: 0 },
            generation: 0,
        }
    }

    #[test]
    fn it_never_grows_past_its_bound() {
        let cache = TokenCache::new(10);
        for number in 0..=200 {
            cache.insert(token(number), verified(number));
            assert!(cache.len() <= 10, "after {number}");
        }
    }

    #[test]
    fn it_holds_what_fits_and_keeps_what_is_used() {
        let cache = TokenCache::new(10);
        for number in 0..5 {
            cache.insert(token(number), verified(number));
        }
        for number in 5..100 {
            assert_eq!(cache.get(&token(0)).unwrap().principal.subject, "0");
            cache.insert(token(number), verified(number));
        }
        assert!(cache.get(&token(1)).is_none());
        assert!(cache.get(&token(99)).is_some());
    }

    #[test]
    fn the_latest_finding_about_a_token_replaces_the_former() {
        let cache = TokenCache::new(2);
        cache.insert(token(1), verified(1));
        cache.insert(token(2), verified(2));
        cache.insert(token(1), verified(3));
        assert_eq!(cache.get(&token(1)).unwrap().principal.subject, "3");
        assert!(cache.len() <= 2);
    }
}
