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
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::trust::http_signature::{Claimed, RequestRefused, SKEW_SECONDS};
use crate::trust::key::KeyId;

/// Most signatures that are remembered. At the longest life of a signature that is three hundred requests a second,
/// all day: the limit of requests stops a partner long before.
pub const REPLAY_MAX: usize = 100_000;

/// What makes a signature known again: the key and the nonce.
type Spent = Arc<(KeyId, String)>;

/// The signatures that were used.
#[derive(Debug)]
pub struct ReplayTable {
    /// What earlier processes may have let in.
    past: Past,
    file: Option<PathBuf>,
    /// See [`REPLAY_MAX`].
    spent_max: usize,
    seen: Mutex<Seen>,
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
    spent: HashSet<Spent>,
    by_expiry: BTreeMap<DateTime<Utc>, Vec<Spent>>,
    /// The latest moment that anybody asked at: what expired before it is forgotten, even should the clock go back.
    forgotten_to: DateTime<Utc>,
    /// What the next process will find in the file.
    to_come: Past,
}

impl ReplayTable {
    /// An empty table of a process that started at the moment and leaves nothing to the next one.
    ///
    /// What was made before is refused. What a clock ahead of ours had signed for the time behind the start is good for
    /// one request more; see [`ReplayTable::kept_in`].
    #[must_use]
    pub fn new(started_at: DateTime<Utc>) -> Self {
        Self::with_limit(Past::until(started_at.trunc_subsecs(0)), None, started_at, REPLAY_MAX)
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
        Self::with_limit(past, Some(file), started_at, REPLAY_MAX)
    }

    fn with_limit(past: Past, file: Option<PathBuf>, started_at: DateTime<Utc>, spent_max: usize) -> Self {
        let to_come = past.clone();
        let seen = Seen { spent: HashSet::new(), by_expiry: BTreeMap::new(), forgotten_to: started_at, to_come };
        Self { past, file, spent_max, seen: Mutex::new(seen) }
    }

    /// Uses up a signature that was verified. One that was not must not come here: anybody could fill the table.
    ///
    /// It waits for the disk at most once in a second for each key.
    ///
    /// # Errors
    /// It was used before or may have been by an earlier process, it has expired, too many are remembered, or it cannot
    /// be written down.
    pub fn take(&self, claimed: &Claimed, now: DateTime<Utc>) -> Result<(), RequestRefused> {
        if self.past.may_hold(claimed) {
            return Err(RequestRefused::BeforeStart);
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.forget_to(now);
        if claimed.expires < seen.forgotten_to {
            return Err(RequestRefused::Expired);
        }
        let spent = Arc::new((claimed.key.clone(), claimed.nonce.clone()));
        if seen.spent.contains(&spent) {
            return Err(RequestRefused::Replayed);
        }
        if seen.spent.len() >= self.spent_max {
            return Err(RequestRefused::Full);
        }
        if let Some(file) = &self.file {
            seen.write_down(claimed, file).map_err(|error| {
                tracing::error!(error = %error, "{} cannot be written, so nobody is let in", file.display());
                RequestRefused::Unkept
            })?;
        }
        seen.spent.insert(Arc::clone(&spent));
        seen.by_expiry.entry(claimed.expires).or_default().push(spent);
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

    /// Written beside and moved into place, so that it is never half a file; durable when it returns.
    fn write(&self, file: &Path) -> io::Result<()> {
        let beside = file.with_extension("new");
        let mut written = File::create(&beside)?;
        written.write_all(&serde_json::to_vec(self)?)?;
        written.sync_data()?;
        drop(written);
        fs::rename(&beside, file)?;
        // The name is on the disk when its folder is.
        match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
            Some(_) | None => Ok(()),
        }
    }
}

impl Seen {
    /// Forgets what has expired.
    fn forget_to(&mut self, now: DateTime<Utc>) {
        let to = self.forgotten_to.max(now);
        self.forgotten_to = to;
        while let Some(first) = self.by_expiry.first_entry().filter(|first| *first.key() < to) {
            for spent in first.remove() {
                self.spent.remove(&spent);
            }
        }
    }

    /// Has the next process refuse the signature, if it would not already.
    fn write_down(&mut self, claimed: &Claimed, file: &Path) -> io::Result<()> {
        if self.to_come.may_hold(claimed) {
            return Ok(());
        }
        let mut to_come = self.to_come.clone();
        to_come.newest.insert(claimed.key.clone(), claimed.created);
        to_come.write(file)?;
        self.to_come = to_come;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn signature(key: &str, nonce: &str, created: i64, expires: i64) -> Claimed {
        Claimed { key: KeyId::parse(key).unwrap(), created: at(created), expires: at(expires), nonce: nonce.to_owned() }
    }

    fn remembered(table: &ReplayTable) -> (usize, usize) {
        let seen = table.seen.lock().unwrap();
        (seen.spent.len(), seen.by_expiry.values().map(Vec::len).sum())
    }

    #[test]
    fn a_signature_is_good_for_one_request() {
        let table = ReplayTable::new(at(0));
        let one = signature("hk:1", "n-1", 10, 130);
        assert_eq!(table.take(&one, at(10)), Ok(()));
        for moment in [10, 11, 130] {
            assert_eq!(table.take(&one, at(moment)), Err(RequestRefused::Replayed));
        }
        // The nonce is what counts, not the rest of the signature; and it is that of one key.
        assert_eq!(table.take(&signature("hk:1", "n-1", 20, 140), at(20)), Err(RequestRefused::Replayed));
        assert_eq!(table.take(&signature("hk:1", "n-2", 20, 140), at(130)), Ok(()));
        assert_eq!(table.take(&signature("mo:1", "n-1", 20, 140), at(130)), Ok(()));
    }

    #[test]
    fn what_expired_is_forgotten_and_stays_refused() {
        let table = ReplayTable::new(at(0));
        let one = signature("hk:1", "n-1", 10, 130);
        table.take(&one, at(10)).unwrap();
        table.take(&signature("hk:1", "n-2", 10, 140), at(10)).unwrap();
        assert_eq!(remembered(&table), (2, 2));
        assert_eq!(table.take(&one, at(131)), Err(RequestRefused::Expired));
        assert_eq!(remembered(&table), (1, 1));
        // The clock goes back: the nonce is no longer known, and the signature still not taken.
        assert_eq!(table.take(&one, at(20)), Err(RequestRefused::Expired));
        assert_eq!(table.take(&signature("hk:1", "n-2", 10, 140), at(20)), Err(RequestRefused::Replayed));
        // Whoever reuses a nonce after its time is not told apart from one who draws it anew.
        assert_eq!(table.take(&signature("hk:1", "n-1", 200, 320), at(200)), Ok(()));
        assert_eq!(remembered(&table), (1, 1));
    }

    #[test]
    fn what_was_made_before_the_start_is_refused_by_whole_seconds() {
        // A signature made in the second of the start says so, and half a second more is nothing that it could say.
        let table = ReplayTable::new(at(10) + TimeDelta::milliseconds(500));
        assert_eq!(table.take(&signature("hk:1", "n-1", 9, 129), at(11)), Err(RequestRefused::BeforeStart));
        assert_eq!(table.take(&signature("hk:1", "n-1", 10, 130), at(11)), Ok(()));
    }

    #[test]
    fn no_signature_is_used_again_across_a_restart_however_far_a_clock_is_ahead() {
        let folder = tempfile::tempdir().unwrap();
        let table = |started: i64| ReplayTable::kept_in(folder.path().join("seen.json"), at(started));
        let ahead = signature("hk:1", "n-1", 39, 159);
        let earlier = table(0);
        assert_eq!(earlier.take(&ahead, at(9)), Ok(()));
        assert_eq!(earlier.take(&signature("hk:1", "n-2", 8, 128), at(9)), Ok(()), "an older one changes nothing");

        let later = table(10);
        for moment in [10, 39, 159] {
            assert_eq!(later.take(&ahead, at(moment)), Err(RequestRefused::BeforeStart));
        }
        assert_eq!(later.take(&signature("hk:1", "n-3", 39, 159), at(20)), Err(RequestRefused::BeforeStart));
        assert_eq!(later.take(&signature("hk:1", "n-3", 40, 160), at(20)), Ok(()));
        // Another key's clock goes right: what it signed when nobody was there to take it is let in.
        assert_eq!(later.take(&signature("mo:1", "n-1", 9, 129), at(10)), Ok(()));
        assert_eq!(table(30).take(&signature("mo:1", "n-1", 9, 129), at(30)), Err(RequestRefused::BeforeStart));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_file_that_cannot_be_read_may_have_held_anything() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("seen.json");
        std::fs::write(&file, "{\"before\":").unwrap();
        let table = ReplayTable::kept_in(file.clone(), at(10));
        assert_eq!(table.take(&signature("hk:1", "n-1", 40, 160), at(12)), Err(RequestRefused::BeforeStart));
        assert_eq!(table.take(&signature("hk:1", "n-1", 41, 161), at(12)), Ok(()));
        // Nor is it known by the next process what another key had signed before.
        let next = ReplayTable::kept_in(file, at(13));
        assert_eq!(next.take(&signature("mo:1", "n-1", 40, 160), at(13)), Err(RequestRefused::BeforeStart));
        assert_eq!(next.take(&signature("mo:1", "n-1", 41, 161), at(13)), Ok(()));
    }

    #[test]
    fn what_cannot_be_written_down_is_not_let_in() {
        let folder = tempfile::tempdir().unwrap();
        let table = ReplayTable::kept_in(folder.path().join("absent").join("seen.json"), at(0));
        assert_eq!(table.take(&signature("hk:1", "n-1", 1, 121), at(1)), Err(RequestRefused::Unkept));
        assert_eq!(remembered(&table), (0, 0));
    }

    #[test]
    fn a_full_table_refuses_until_something_expires() {
        let table = ReplayTable::with_limit(Past::until(at(0)), None, at(0), 3);
        for (number, expires) in [(1, 100), (2, 110), (3, 110)] {
            table.take(&signature("hk:1", &format!("n-{number}"), 0, expires), at(0)).unwrap();
        }
        let more = signature("mo:1", "n-4", 1, 121);
        assert_eq!(table.take(&more, at(100)), Err(RequestRefused::Full));
        assert_eq!(table.take(&signature("hk:1", "n-1", 0, 100), at(100)), Err(RequestRefused::Replayed));
        assert_eq!(table.take(&more, at(101)), Ok(()));
        assert_eq!(remembered(&table), (3, 3));
        assert_eq!(ReplayTable::new(at(0)).spent_max, REPLAY_MAX);
    }

    #[test]
    fn of_many_at_once_one_is_first() {
        let table = ReplayTable::new(at(0));
        let one = signature("hk:1", "n-1", 10, 130);
        let taken = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| table.take(&one, at(10)).is_ok())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).filter(|taken| *taken).count()
        });
        assert_eq!(taken, 1);
    }
}
