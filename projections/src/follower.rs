//! Keeps the read models up to date, and says how far behind they are.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::envelope::{Position, RecordedEvent};
use event_log::port::{Page, READ_EVENTS_MAX, ReadError};
use event_log::source::LogSource;
use tokio::sync::watch;

use crate::following::{FollowerState, Following, Follows, Stuck};
use crate::models::ReadModels;

/// The clock that lag is measured with.
pub type Now = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// Keeps the read models up to date for as long as it lives.
pub struct Follower {
    following: Following,
    lag: Lag,
}

/// How far the read models are behind the log.
#[derive(Clone)]
pub struct Lag {
    head: watch::Receiver<Option<Position>>,
    models: ReadModels,
    /// When the oldest event that is not applied was recorded, as far as one is known.
    since: Arc<Mutex<Option<DateTime<Utc>>>>,
    now: Now,
}

impl Lag {
    /// Events that do not show yet; where positions are not contiguous, an upper bound of them.
    #[must_use]
    pub fn events(&self) -> u64 {
        let head = self.head.borrow().map_or(0, Position::get);
        head.saturating_sub(self.models.position().map_or(0, Position::get))
    }

    /// The age of the oldest event that does not show yet, in seconds; 0 when all do.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        let Some(since) = *self.since() else { return 0 };
        let age = (self.now)().signed_duration_since(since).num_seconds();
        u64::try_from(age).unwrap_or(0)
    }

    fn since(&self) -> MutexGuard<'_, Option<DateTime<Utc>>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Lag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lag").field("events", &self.events()).field("seconds", &self.seconds()).finish()
    }
}

impl Follower {
    /// Starts to follow. `appended` wakes it; without news it looks every `poll`. One transaction holds at most
    /// `batch_events_max` events.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(
        source: impl LogSource + Send + 'static,
        appended: watch::Receiver<Option<Position>>,
        models: ReadModels,
        poll: Duration,
        batch_events_max: usize,
        now: Now,
    ) -> io::Result<Self> {
        let lag = Lag { head: appended.clone(), models: models.clone(), since: Arc::default(), now };
        let batch = u32::try_from(batch_events_max).unwrap_or(u32::MAX).clamp(1, READ_EVENTS_MAX);
        let following = Following::start(Shown { source, models, batch, lag: lag.clone() }, appended, poll)?;
        Ok(Self { following, lag })
    }

    /// What it is doing, as it changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<FollowerState> {
        self.following.state()
    }

    /// How far it is behind.
    #[must_use]
    pub fn lag(&self) -> Lag {
        self.lag.clone()
    }

    /// Ends it when the batch under way is done. Blocks until then; stopping twice does nothing more.
    pub fn stop(&self) {
        self.following.stop();
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("following", &self.following).field("lag", &self.lag).finish()
    }
}

/// The read models, as they follow the log.
struct Shown<S> {
    source: S,
    models: ReadModels,
    batch: u32,
    lag: Lag,
}

impl<S: LogSource + Send + 'static> Follows for Shown<S> {
    const THREAD: &'static str = "projections";
    const WHAT: &'static str = "The read models";

    fn page(&mut self) -> Result<Page, ReadError> {
        self.source.page(self.models.position(), self.batch)
    }

    fn apply(&mut self, events: &[RecordedEvent]) -> Result<(), Stuck> {
        let applied = self.models.apply(events);
        applied.map_err(|failure| Stuck::by(&failure, failure.is_retryable(), failure.position()))
    }

    fn behind_since(&mut self, recorded_at: Option<DateTime<Utc>>) {
        *self.lag.since() = recorded_at;
    }
}
