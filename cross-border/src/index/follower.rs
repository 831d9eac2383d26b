//! Keeps the index up to date, on a thread of its own.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use domain::envelope::{Position, RecordedEvent};
use event_log::port::ReadError;
use projections::{FollowerState, Unread};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::error::IndexError;
use super::source::LogSource;
use super::{CATCH_UP_EVENTS, ReferralIndex};
use crate::chain::chain;

/// How long a follower waits before it tries again what failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Follows the log for as long as it lives. Before an event of ours that it cannot read it halts, and says so: nothing
/// is skipped.
pub struct IndexFollower {
    state: watch::Receiver<FollowerState>,
    stop: watch::Sender<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl IndexFollower {
    /// Starts to follow. `appended` wakes it; without news it looks every `poll`.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(
        source: impl LogSource + Send + 'static,
        appended: watch::Receiver<Option<Position>>,
        index: ReferralIndex,
        poll: Duration,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let (announce, state) = watch::channel(FollowerState::Running);
        let (stop, stopped) = watch::channel(false);
        let worker = Worker { source, appended, listening: true, stopped, index, poll, announce };
        let thread = Builder::new().name("referrals".to_owned()).spawn(move || worker.run(&runtime))?;
        Ok(Self { state, stop, thread: Mutex::new(Some(thread)) })
    }

    /// What it is doing, as it changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<FollowerState> {
        self.state.clone()
    }

    /// Ends it when the batch under way is done. Blocks until then; stopping twice does nothing more.
    pub fn stop(&self) {
        self.stop.send_replace(true);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            error!("The thread that keeps the index of referrals had panicked");
        }
    }
}

impl Drop for IndexFollower {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        // On a thread of a runtime nobody waits: a read under way may need that very thread. It ends by itself.
        if Handle::try_current().is_err() {
            self.stop();
        }
    }
}

impl fmt::Debug for IndexFollower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexFollower").field("state", &*self.state.borrow()).finish_non_exhaustive()
    }
}

/// What the thread works with.
struct Worker<S> {
    source: S,
    appended: watch::Receiver<Option<Position>>,
    /// The log still announces what is appended.
    listening: bool,
    stopped: watch::Receiver<bool>,
    index: ReferralIndex,
    poll: Duration,
    announce: watch::Sender<FollowerState>,
}

/// What comes after a look at the log.
enum Then {
    Again,
    Wait(Duration),
    Halt { position: Position, reason: String },
    Fault { code: &'static str, reason: String },
}

impl<S: LogSource> Worker<S> {
    fn run(mut self, runtime: &Runtime) {
        while !*self.stopped.borrow() {
            match self.look() {
                Then::Again => {}
                Then::Wait(pause) => self.wait(runtime, pause),
                Then::Halt { position, reason } => {
                    let at = position.get();
                    error!(log.position = at, "The index of referrals halted at position {at}: {reason}");
                    self.announce.send_replace(FollowerState::Halted { position, reason });
                    return;
                }
                Then::Fault { code, reason } => {
                    error!(log.fault = code, "The index of referrals stopped, the log has a fault: {reason}");
                    self.announce.send_replace(FollowerState::Faulted { code, reason });
                    return;
                }
            }
        }
        info!("Stopped keeping the index of referrals");
    }

    /// Reads one page and applies it.
    fn look(&mut self) -> Then {
        // What is appended from here on is news.
        self.appended.mark_unchanged();
        let page = match self.source.page(self.index.position(), CATCH_UP_EVENTS) {
            Ok(page) => page,
            Err(failure) => return unread(&failure),
        };
        let (Some(first), Some(last)) = (page.events.first(), page.events.last()) else {
            return Then::Wait(self.poll);
        };
        match self.index.apply(&page.events, last.position, &mut self.source) {
            Ok(()) if page.at_end => Then::Wait(self.poll),
            Ok(()) => Then::Again,
            Err(failure) if failure.is_retryable() => again(&failure),
            Err(failure) => self.halt(&page.events, first.position, &failure),
        }
    }

    /// Applies what stands before the event in the way, so that all that can be seen is.
    fn halt(&mut self, events: &[RecordedEvent], first: Position, failure: &IndexError) -> Then {
        if let IndexError::Read(failure @ ReadError::Fault(_)) = failure {
            return unread(failure);
        }
        let reason = chain(failure);
        let Some(position) = failure.position() else { return Then::Halt { position: first, reason } };
        let before = events.iter().take_while(|event| event.position < position).count();
        let readable = events.get(..before).unwrap_or_default();
        if let Some(last) = readable.last()
            && let Err(other) = self.index.apply(readable, last.position, &mut self.source)
        {
            if other.is_retryable() {
                return again(&other);
            }
            return Then::Halt { position: other.position().unwrap_or(first), reason: chain(&other) };
        }
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
        Unread::Again => again(failure),
        Unread::Damaged { position, what } => Then::Halt { position, reason: format!("the event is damaged: {what}") },
        Unread::Fault { code } => Then::Fault { code, reason: chain(failure) },
    }
}

fn again(failure: &dyn Error) -> Then {
    warn!("The index of referrals could not be brought up to date, trying again: {}", chain(failure));
    Then::Wait(RETRY_AFTER)
}
