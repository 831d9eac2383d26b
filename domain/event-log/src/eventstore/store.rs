//! What one process knows of the log on the servers, beside the way to it.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use domain::envelope::Position;
use domain::id::CommandId;
use tokio::sync::{Semaphore, watch};

use super::Link;
use super::claims::CopiedBucket;
use super::home::Home;
use super::options::EventStoreOptions;
use super::scan::{Coverage, Tail};
use super::turns::Turns;
use super::wire::Outgoing;
use crate::memory::{Stamp, whole_micros};
use crate::sqlite::cache::Generations;

/// Appends under way at a time; one more is refused as overloaded.
const APPENDS_MAX: usize = 1_024;
/// Buckets of copied commands that are remembered. They do not change once the copy is complete.
const BUCKETS_MAX: usize = 256;

/// What a subscription says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notice {
    /// It stands: whatever is appended from now on it will say.
    Stands,
    /// Something was appended here.
    Appended(Position),
}

/// The store: the way to the servers, and what was learned on it.
pub(super) struct Store {
    pub(super) link: Link,
    stamp: Stamp,
    tail: Mutex<Tail>,
    coverage: Mutex<Coverage>,
    /// The same command is carried out by one caller at a time.
    pub(super) turns: Turns<CommandId>,
    pub(super) places: Semaphore,
    pub(super) hint: watch::Sender<Option<Position>>,
    /// The newest recording time that was written or read here, in microseconds since 1970.
    recorded: AtomicI64,
    home: Mutex<Option<Home>>,
    /// The log is a copy: there are commands that were never claimed.
    copied: AtomicBool,
    pub(super) buckets: Mutex<Generations<u16, Arc<CopiedBucket>>>,
}

impl Store {
    pub(super) fn new(link: Link, options: &EventStoreOptions) -> Self {
        Self {
            link,
            stamp: Arc::clone(&options.stamp),
            tail: Mutex::default(),
            coverage: Mutex::new(Coverage::new()),
            turns: Turns::new(),
            places: Semaphore::new(APPENDS_MAX),
            hint: watch::Sender::new(None),
            recorded: AtomicI64::new(i64::MIN),
            home: Mutex::new(None),
            copied: AtomicBool::new(false),
            buckets: Mutex::new(Generations::new(BUCKETS_MAX)),
        }
    }

    /// The first event of the record of the installation, once it was read.
    pub(super) fn record(&self) -> Option<Outgoing> {
        self.home().as_ref().map(|home| home.record.clone())
    }

    /// Keeps the record as it was read last.
    pub(super) fn keep_home(&self, home: Home) {
        self.copied.store(home.is_copy(), Ordering::Release);
        *self.home() = Some(home);
    }

    /// Whether there may be commands that were never claimed.
    pub(super) fn is_copy(&self) -> bool {
        self.copied.load(Ordering::Acquire)
    }

    /// The moment to record an append at: now, or the newest one that was written or read here when that is later.
    pub(super) fn stamp(&self) -> DateTime<Utc> {
        let now = whole_micros((self.stamp)());
        let micros = now.timestamp_micros();
        let newest = self.recorded.fetch_max(micros, Ordering::AcqRel).max(micros);
        DateTime::from_timestamp_micros(newest).unwrap_or(now)
    }

    /// An event was recorded at this moment, by whoever.
    pub(super) fn saw_recorded(&self, at: DateTime<Utc>) {
        self.recorded.fetch_max(at.timestamp_micros(), Ordering::AcqRel);
    }

    /// Says that there is something at the position.
    pub(super) fn hint_at(&self, position: Position) {
        self.hint.send_if_modified(|known| {
            let moves = *known < Some(position);
            if moves {
                *known = Some(position);
            }
            moves
        });
    }

    /// Says how far the log goes; `false` when it cannot be read.
    pub(super) async fn refresh_hint(&self) -> bool {
        let Ok(head) = self.head().await else { return false };
        if let Some(head) = head {
            self.hint_at(head);
        }
        true
    }

    /// Passes on what a subscription says. It breaks off when the subscription is of no use: what was appended before it
    /// stood could not be looked for, and nobody would hear of that until something else is appended.
    pub(super) async fn heed(&self, notice: Notice) -> ControlFlow<()> {
        match notice {
            Notice::Stands => {
                if !self.refresh_hint().await {
                    return ControlFlow::Break(());
                }
            }
            Notice::Appended(position) => self.hint_at(position),
        }
        ControlFlow::Continue(())
    }

    pub(super) fn tail(&self) -> MutexGuard<'_, Tail> {
        locked(&self.tail)
    }

    pub(super) fn coverage(&self) -> MutexGuard<'_, Coverage> {
        locked(&self.coverage)
    }

    fn home(&self) -> MutexGuard<'_, Option<Home>> {
        locked(&self.home)
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::fixture::ticking_stamp;

    #[tokio::test]
    async fn a_subscription_before_which_nobody_could_look_is_of_no_use() {
        let options = EventStoreOptions::new("esdb://127.0.0.1:1?tls=false".to_owned(), ticking_stamp());
        let store = Store::new(Link::new(&options).unwrap(), &options);
        // From now on no read goes through, and nobody is asked.
        store.link.connection.close();
        assert_eq!(store.heed(Notice::Stands).await, ControlFlow::Break(()));
        assert_eq!(*store.hint.borrow(), None);
        assert_eq!(store.heed(Notice::Appended(Position::new(7))).await, ControlFlow::Continue(()));
        assert_eq!(store.heed(Notice::Appended(Position::new(5))).await, ControlFlow::Continue(()));
        assert_eq!(*store.hint.borrow(), Some(Position::new(7)), "a hint never goes back");
    }
}
