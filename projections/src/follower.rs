//! Follows the log on a thread of its own: reads behind the checkpoint, applies, and says how far it is.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::envelope::{Position, RecordedEvent};
use event_log::port::{READ_EVENTS_MAX, ReadError};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::error::ApplyError;
use crate::models::ReadModels;
use crate::rebuild::EventSource;

/// How long a follower waits before it tries again what failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The clock that lag is measured with.
pub type Now = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// What a follower is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FollowerState {
    /// It follows, or tries again what passes by itself.
    Running,
    /// It stands before an event that it cannot take in, and will until the program is another one or the read models
    /// are built anew. Nothing is skipped.
    Halted { position: Position, reason: String },
    /// The log has a fault that does not pass by itself: it may be another log than before, or not all of it. `code` is
    /// the fault's, for whoever must not see the reason.
    Faulted { code: &'static str, reason: String },
}

/// What a follower does about a log that could not be read.
#[derive(Debug)]
pub enum Unread {
    /// It passes by itself: warn, and try again.
    Again,
    /// An event is damaged, and stays so.
    Damaged { position: Position, what: &'static str },
    /// The log has a fault that a person must mend.
    Fault { code: &'static str },
}

impl Unread {
    /// Tells by the error.
    #[must_use]
    pub fn of(error: &ReadError) -> Self {
        match *error {
            ReadError::Damaged { position, what } => Self::Damaged { position: Position::new(position), what },
            ReadError::Fault(ref fault) if !fault.passes_by_itself() => Self::Fault { code: fault.code() },
            ReadError::Fault(_) | ReadError::Store(_) | ReadError::Closed => Self::Again,
        }
    }
}

/// Keeps the read models up to date for as long as it lives.
pub struct Follower {
    state: watch::Receiver<FollowerState>,
    lag: Lag,
    stop: watch::Sender<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
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
        source: impl EventSource + 'static,
        appended: watch::Receiver<Option<Position>>,
        models: ReadModels,
        poll: Duration,
        batch_events_max: usize,
        now: Now,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let lag = Lag { head: appended.clone(), models: models.clone(), since: Arc::default(), now };
        let (announce, state) = watch::channel(FollowerState::Running);
        let (stop, stopped) = watch::channel(false);
        let batch = u32::try_from(batch_events_max).unwrap_or(u32::MAX).clamp(1, READ_EVENTS_MAX);
        let worker =
            Worker { source, appended, listening: true, stopped, models, poll, batch, lag: lag.clone(), announce };
        let thread = Builder::new().name("projections".to_owned()).spawn(move || worker.run(&runtime))?;
        Ok(Self { state, lag, stop, thread: Mutex::new(Some(thread)) })
    }

    /// What it is doing, as it changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<FollowerState> {
        self.state.clone()
    }

    /// How far it is behind.
    #[must_use]
    pub fn lag(&self) -> Lag {
        self.lag.clone()
    }

    /// Ends it when the batch under way is done. Blocks until then; stopping twice does nothing more.
    pub fn stop(&self) {
        self.stop.send_replace(true);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            error!("The thread that follows the log had panicked");
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        // On a thread of a runtime nobody waits: a read under way may need that very thread. It ends by itself.
        if Handle::try_current().is_err() {
            self.stop();
        }
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("state", &*self.state.borrow()).field("lag", &self.lag).finish_non_exhaustive()
    }
}

/// What the thread works with.
struct Worker<S> {
    source: S,
    appended: watch::Receiver<Option<Position>>,
    /// The log still announces what is appended.
    listening: bool,
    stopped: watch::Receiver<bool>,
    models: ReadModels,
    poll: Duration,
    batch: u32,
    lag: Lag,
    announce: watch::Sender<FollowerState>,
}

/// What comes after a look at the log.
enum Then {
    Again,
    Wait(Duration),
    Halt { position: Position, reason: String },
    Fault { code: &'static str, reason: String },
}

impl<S: EventSource> Worker<S> {
    fn run(mut self, runtime: &Runtime) {
        while !*self.stopped.borrow() {
            match self.look() {
                Then::Again => {}
                Then::Wait(pause) => self.wait(runtime, pause),
                Then::Halt { position, reason } => {
                    error!(log.position = position.get(), "The projection halted at position {position}: {reason}");
                    self.announce.send_replace(FollowerState::Halted { position, reason });
                    return;
                }
                Then::Fault { code, reason } => {
                    error!(log.fault = code, "The projection stopped, the log has a fault: {reason}");
                    self.announce.send_replace(FollowerState::Faulted { code, reason });
                    return;
                }
            }
        }
        info!("Stopped following the log");
    }

    /// Reads one page and applies it.
    fn look(&mut self) -> Then {
        // What is appended from here on is news.
        self.appended.mark_unchanged();
        let page = match self.source.page(self.models.position(), self.batch) {
            Ok(page) => page,
            Err(failure) => return unread(&failure),
        };
        let Some(first) = page.events.first() else {
            *self.lag.since() = None;
            return Then::Wait(self.poll);
        };
        *self.lag.since() = Some(first.recorded_at);
        let (position, at_end) = (first.position, page.at_end);
        match self.models.apply(&page.events) {
            Ok(()) if at_end => {
                *self.lag.since() = None;
                Then::Wait(self.poll)
            }
            Ok(()) => Then::Again,
            Err(failure) if failure.is_retryable() => {
                warn!("The read models could not be written, trying again: {}", chain(&failure));
                Then::Wait(RETRY_AFTER)
            }
            Err(failure) => self.halt(&page.events, position, &failure),
        }
    }

    /// Applies what stands before the event in the way, so that all that can be seen is.
    fn halt(&self, events: &[RecordedEvent], first: Position, failure: &ApplyError) -> Then {
        let reason = chain(failure);
        let Some(position) = failure.position() else { return Then::Halt { position: first, reason } };
        let before = events.iter().take_while(|event| event.position < position).count();
        let readable = events.get(..before).unwrap_or_default();
        if let Err(other) = self.models.apply(readable) {
            if other.is_retryable() {
                return Then::Wait(RETRY_AFTER);
            }
            return Then::Halt { position: other.position().unwrap_or(first), reason: chain(&other) };
        }
        let in_the_way = events.get(before);
        *self.lag.since() = in_the_way.map(|event| event.recorded_at);
        Then::Halt { position, reason }
    }

    /// Waits for news, for the end, or for as long as `pause`.
    fn wait(&mut self, runtime: &Runtime, pause: Duration) {
        let Self { appended, stopped, listening, .. } = self;
        let heard = runtime.block_on(async {
            tokio::select! {
                _ = stopped.changed() => true,
                changed = appended.changed(), if *listening => changed.is_ok(),
                () = tokio::time::sleep(pause) => true,
            }
        });
        if !heard {
            *listening = false;
        }
    }
}

fn unread(failure: &ReadError) -> Then {
    match Unread::of(failure) {
        Unread::Again => {
            warn!("The log could not be read, trying again: {}", chain(failure));
            Then::Wait(RETRY_AFTER)
        }
        Unread::Damaged { position, what } => Then::Halt { position, reason: format!("the event is damaged: {what}") },
        Unread::Fault { code } => Then::Fault { code, reason: chain(failure) },
    }
}

/// An error with what caused it.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
