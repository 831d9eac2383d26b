//! The signatures that were used and are still valid: each is good for one request.
//!
//! The table lives in memory. What outlives the process is, of each key, when the newest signature that was let in was
//! made: it stands in a small file before the request is answered. After a restart nothing that was made then or before
//! is let in, for an earlier process may have seen it, and nothing made later can have been seen by one. So no
//! signature is used twice across a restart, however far the clock of a partner is ahead of ours, and nobody who signs
//! anew has to wait.
//!
//! Signatures say when they were made in whole seconds, and are compared so.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use event_log::durable::{self, Access};
use serde::{Deserialize, Serialize};

use crate::trust::http_signature::{Claimed, RequestRefused, SKEW_SECONDS};
use crate::trust::key::KeyId;

/// Most signatures of one key that are remembered. At the longest life of a signature that is three hundred requests a
/// second, all day.
///
/// Each key has a count of its own, so that whoever fills one is refused alone. Only keys of the directory come here,
/// which bounds the memory of all.
pub const REPLAY_PER_KEY_MAX: usize = 100_000;

/// The signatures that were used.
#[derive(Debug)]
pub struct ReplayTable {
    /// What earlier processes may have let in.
    past: Past,
    file: Option<PathBuf>,
    /// See [`REPLAY_PER_KEY_MAX`].
    per_key_max: usize,
    seen: Mutex<Seen>,
    /// What the next process will find in the file. Apart from `seen`, because this waits for the disk, and a look must
    /// not.
    to_come: Mutex<Past>,
}

/// Which signatures may have been let in before. As JSON it is the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Past {
    /// All that were made before this moment.
    before: DateTime<Utc>,
    /// Of each key, those that were made up to this moment.
    newest: BTreeMap<KeyId, DateTime<Utc>>,
}

#[derive(Debug)]
struct Seen {
    by_key: BTreeMap<KeyId, Spent>,
    /// The latest moment that anybody asked at: what expired before it is forgotten, even should the clock go back.
    forgotten_to: DateTime<Utc>,
}

/// The nonces that one key has used.
#[derive(Debug, Default)]
struct Spent {
    nonces: HashSet<Arc<str>>,
    by_expiry: BTreeMap<DateTime<Utc>, Vec<Arc<str>>>,
}

impl ReplayTable {
    /// An empty table of a process that started at the moment and leaves nothing to the next one.
    ///
    /// What was made before is refused. What a clock ahead of ours had signed for the time behind the start is good for
    /// one request more; see [`ReplayTable::kept_in`].
    #[must_use]
    pub fn new(started_at: DateTime<Utc>) -> Self {
        Self::with_past(Past::until(started_at.trunc_subsecs(0)), None, started_at)
    }

    /// A table of a process that started at the moment and goes on where the one before it ended, as the file says.
    ///
    /// Where there is none, no process has let anything in, and only what was made before the start is refused. One
    /// that cannot be read may have held anything: then nothing is let in that could have been signed before the start,
    /// which is over after [`SKEW_SECONDS`].
    #[must_use]
    pub fn kept_in(file: PathBuf, started_at: DateTime<Utc>) -> Self {
        let start = started_at.trunc_subsecs(0);
        let past = match Past::read(&file) {
            Ok(Some(past)) => past,
            Ok(None) => Past::until(start),
            Err(error) => {
                let path = file.display();
                tracing::warn!(
                    error = %error,
                    "{path} cannot be read: partners are answered again in {SKEW_SECONDS} seconds",
                );
                Past::until(start + TimeDelta::seconds(SKEW_SECONDS + 1))
            }
        };
        Self::with_past(past, Some(file), started_at)
    }

    fn with_past(past: Past, file: Option<PathBuf>, started_at: DateTime<Utc>) -> Self {
        let to_come = Mutex::new(past.clone());
        let seen = Mutex::new(Seen { by_key: BTreeMap::new(), forgotten_to: started_at });
        Self { past, file, per_key_max: REPLAY_PER_KEY_MAX, seen, to_come }
    }

    /// Remembers so many signatures of one key instead of [`REPLAY_PER_KEY_MAX`].
    #[must_use]
    pub fn holding(self, per_key_max: usize) -> Self {
        Self { per_key_max, ..self }
    }

    /// Whether a signature that was verified could be used up now. It uses nothing up, and never waits for the disk.
    ///
    /// # Errors
    /// Those of [`ReplayTable::take`], but that of writing it down.
    pub fn look(&self, claimed: &Claimed, now: DateTime<Utc>) -> Result<(), RequestRefused> {
        if self.past.may_hold(claimed) {
            return Err(RequestRefused::BeforeStart);
        }
        self.seen().check(claimed, now, self.per_key_max)
    }

    /// Uses up a signature that was verified. One that was not must not come here: anybody could fill the table.
    ///
    /// It waits for the disk at most once in a second for each key.
    ///
    /// # Errors
    /// It was used before or may have been by an earlier process, it has expired, too many of its key are remembered,
    /// or it cannot be written down.
    pub fn take(&self, claimed: &Claimed, now: DateTime<Utc>) -> Result<(), RequestRefused> {
        if self.past.may_hold(claimed) {
            return Err(RequestRefused::BeforeStart);
        }
        {
            let mut seen = self.seen();
            seen.check(claimed, now, self.per_key_max)?;
            seen.insert(claimed);
        }
        let Some(file) = &self.file else { return Ok(()) };
        self.write_down(claimed, file).map_err(|error| {
            tracing::error!(error = %error, "{} cannot be written, so nobody is let in", file.display());
            self.seen().remove(claimed);
            RequestRefused::Unkept
        })
    }

    /// How long it takes until the first of a key's signatures is forgotten, and there is room for one more.
    #[must_use]
    pub fn room_after(&self, key: &KeyId, now: DateTime<Utc>) -> Duration {
        let first = self.seen().by_key.get(key).and_then(|spent| spent.by_expiry.keys().next().copied());
        // In its last second it is still valid.
        let wait = first.map(|expires| expires.signed_duration_since(now) + TimeDelta::seconds(1));
        wait.and_then(|wait| wait.to_std().ok()).unwrap_or_default()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the next process refuse the signature, if it would not already.
    fn write_down(&self, claimed: &Claimed, file: &Path) -> io::Result<()> {
        let mut to_come = self.to_come.lock().unwrap_or_else(PoisonError::into_inner);
        if to_come.may_hold(claimed) {
            return Ok(());
        }
        let mut next = to_come.clone();
        next.newest.insert(claimed.key.clone(), claimed.created);
        next.write(file)?;
        *to_come = next;
        Ok(())
    }
}

impl Past {
    fn until(before: DateTime<Utc>) -> Self {
        Self { before, newest: BTreeMap::new() }
    }

    fn may_hold(&self, claimed: &Claimed) -> bool {
        claimed.created < self.before || self.newest.get(&claimed.key).is_some_and(|newest| claimed.created <= *newest)
    }

    /// What the file says; `None` where there is none.
    fn read(file: &Path) -> io::Result<Option<Self>> {
        match fs::read(file) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Never half a file, and durable when it returns.
    fn write(&self, file: &Path) -> io::Result<()> {
        durable::write(file, &serde_json::to_vec(self)?, Access::Usual)
    }
}

impl Seen {
    fn check(&mut self, claimed: &Claimed, now: DateTime<Utc>, per_key_max: usize) -> Result<(), RequestRefused> {
        self.forget_to(now);
        if claimed.expires < self.forgotten_to {
            return Err(RequestRefused::Expired);
        }
        let Some(spent) = self.by_key.get(&claimed.key) else { return Ok(()) };
        if spent.nonces.contains(claimed.nonce.as_str()) {
            return Err(RequestRefused::Replayed);
        }
        if spent.nonces.len() >= per_key_max {
            return Err(RequestRefused::Full);
        }
        Ok(())
    }

    /// Forgets what has expired.
    fn forget_to(&mut self, now: DateTime<Utc>) {
        let to = self.forgotten_to.max(now);
        self.forgotten_to = to;
        self.by_key.retain(|_key, spent| {
            spent.forget_to(to);
            !spent.nonces.is_empty()
        });
    }

    fn insert(&mut self, claimed: &Claimed) {
        let nonce: Arc<str> = Arc::from(claimed.nonce.as_str());
        let spent = self.by_key.entry(claimed.key.clone()).or_default();
        spent.nonces.insert(Arc::clone(&nonce));
        spent.by_expiry.entry(claimed.expires).or_default().push(nonce);
    }

    fn remove(&mut self, claimed: &Claimed) {
        let Some(spent) = self.by_key.get_mut(&claimed.key) else { return };
        spent.nonces.remove(claimed.nonce.as_str());
        // By the second in which it expires: a key may have a hundred thousand of them.
        if let Some(nonces) = spent.by_expiry.get_mut(&claimed.expires) {
            nonces.retain(|nonce| **nonce != *claimed.nonce);
            if nonces.is_empty() {
                spent.by_expiry.remove(&claimed.expires);
            }
        }
        if spent.nonces.is_empty() {
            self.by_key.remove(&claimed.key);
        }
    }
}

impl Spent {
    fn forget_to(&mut self, to: DateTime<Utc>) {
        while let Some(first) = self.by_expiry.first_entry().filter(|first| *first.key() < to) {
            for nonce in first.remove() {
                self.nonces.remove(&nonce);
            }
        }
    }
}

#[cfg(test)]
mod tests;
