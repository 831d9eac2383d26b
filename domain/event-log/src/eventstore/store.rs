//! What one process knows of the log on the servers, beside the way to it.

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

    /// Says how far the log goes, if it can be read.
    pub(super) async fn refresh_hint(&self) {
        if let Ok(Some(head)) = self.head().await {
            self.hint_at(head);
        }
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
