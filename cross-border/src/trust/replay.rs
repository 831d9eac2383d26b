//! The signatures that were used and are still valid: each is good for one request.
//!
//! The table lives in memory. What an earlier process had seen is not known to this one, so a signature made before
//! it started is refused. The clock of a partner may be ahead of ours by [`SKEW_SECONDS`]; a request of the last such
//! seconds before a restart could then be repeated once after it. That is left so, because closing it would refuse
//! every honest request of the first half minute after each start, while such a repetition does nothing twice (what a
//! request asks is known by its own id) and is answered only to whoever already stood inside the encrypted connection.
//!
//! [`SKEW_SECONDS`]: crate::trust::http_signature::SKEW_SECONDS

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};

use crate::trust::http_signature::{Claimed, RequestRefused};
use crate::trust::key::KeyId;

/// Most signatures that are remembered. At the longest life of a signature that is three hundred requests a second,
/// all day: the limit of requests stops a partner long before.
pub const REPLAY_MAX: usize = 100_000;

/// What makes a signature known again: the key and the nonce.
type Spent = Arc<(KeyId, String)>;

/// The signatures that were used.
#[derive(Debug)]
pub struct ReplayTable {
    started_at: DateTime<Utc>,
    /// See [`REPLAY_MAX`].
    spent_max: usize,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    spent: HashSet<Spent>,
    by_expiry: BTreeMap<DateTime<Utc>, Vec<Spent>>,
    /// The latest moment that anybody asked at: what expired before it is forgotten, even should the clock go back.
    forgotten_to: DateTime<Utc>,
}

impl ReplayTable {
    /// An empty table of a process that started at the moment.
    #[must_use]
    pub fn new(started_at: DateTime<Utc>) -> Self {
        Self::with_limit(started_at, REPLAY_MAX)
    }

    fn with_limit(started_at: DateTime<Utc>, spent_max: usize) -> Self {
        let seen = Seen { spent: HashSet::new(), by_expiry: BTreeMap::new(), forgotten_to: started_at };
        Self { started_at, spent_max, seen: Mutex::new(seen) }
    }

    /// Uses up a signature that was verified. One that was not must not come here: anybody could fill the table.
    ///
    /// # Errors
    /// It was used before, it was made before this process started, it has expired, or too many are remembered.
    pub fn take(&self, claimed: &Claimed, now: DateTime<Utc>) -> Result<(), RequestRefused> {
        if claimed.created < self.started_at {
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
        seen.spent.insert(Arc::clone(&spent));
        seen.by_expiry.entry(claimed.expires).or_default().push(spent);
        Ok(())
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
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

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
    fn what_an_earlier_process_may_have_seen_is_refused() {
        let table = ReplayTable::new(at(10) + TimeDelta::milliseconds(500));
        assert_eq!(table.take(&signature("hk:1", "n-1", 10, 130), at(11)), Err(RequestRefused::BeforeStart));
        assert_eq!(table.take(&signature("hk:1", "n-1", 11, 131), at(11)), Ok(()));
        let table = ReplayTable::new(at(10));
        assert_eq!(table.take(&signature("hk:1", "n-1", 10, 130), at(11)), Ok(()));
    }

    #[test]
    fn what_a_clock_ahead_of_ours_signed_before_the_start_is_good_for_one_request_more() {
        // Used up before the start at 10, by a council whose clock was 30 seconds ahead.
        let table = ReplayTable::new(at(10));
        let ahead = signature("hk:1", "n-1", 39, 159);
        assert_eq!(table.take(&ahead, at(11)), Ok(()));
        for moment in [11, 39, 159] {
            assert_eq!(table.take(&ahead, at(moment)), Err(RequestRefused::Replayed));
        }
    }

    #[test]
    fn a_full_table_refuses_until_something_expires() {
        let table = ReplayTable::with_limit(at(0), 3);
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
