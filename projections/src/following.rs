//! Follows the log on a thread of its own: reads behind a checkpoint, applies, waits for news, and halts before what
//! cannot be taken in. What it is that follows is for others to say: see [`Follows`].

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::envelope::{Position, RecordedEvent};
use event_log::causes::with_causes;
use event_log::port::{Page, ReadError};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{error, info, warn};

use self::outage::{Outage, Spell};

mod outage;

/// How long it waits before it tries again what failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What a follower is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FollowerState {
    /// It follows, or tries again what passes by itself.
    Running,
    /// It stands before an event that it cannot take in, and will until the program is another one or what follows is
    /// built anew. Nothing is skipped.
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

/// What is kept up to date with the log.
pub trait Follows: Send + 'static {
    /// The name of the thread.
    const THREAD: &'static str;
    /// What it is, at the beginning of a sentence in the log of the program.
    const WHAT: &'static str;

    /// The next events behind its checkpoint.
    ///
    /// # Errors
    /// The log cannot be read.
    fn page(&mut self) -> Result<Page, ReadError>;

    /// Takes in events, all of them or none, and moves its checkpoint behind them.
    ///
    /// # Errors
    /// What keeps it from that.
    fn apply(&mut self, events: &[RecordedEvent]) -> Result<(), Stuck>;

    /// Is told when the oldest event was recorded that does not show yet; none when all do.
    fn behind_since(&mut self, _recorded_at: Option<DateTime<Utc>>) {}
}

/// Why events could not be taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// It passes by itself, so it is tried again.
    pub passes: bool,
    /// Of the event that is in the way, where it is one.
    pub position: Option<Position>,
    /// The code of the log's fault, where it is one that a person must mend.
    pub fault: Option<&'static str>,
    /// What happened, and because of what.
    pub reason: String,
}

impl Stuck {
    /// A failure with its causes.
    #[must_use]
    pub fn by(failure: &dyn Error, passes: bool, position: Option<Position>) -> Self {
        Self { passes, position, fault: None, reason: with_causes(failure) }
    }

    /// A log that could not be read while events were taken in.
    #[must_use]
    pub fn unread(failure: &ReadError) -> Self {
        let (passes, position, fault) = match Unread::of(failure) {
            Unread::Again => (true, None, None),
            Unread::Damaged { position, .. } => (false, Some(position), None),
            Unread::Fault { code } => (false, None, Some(code)),
        };
        Self { passes, position, fault, reason: with_causes(failure) }
    }
}

/// The thread. It ends when this is dropped.
pub struct Following {
    what: &'static str,
    state: watch::Receiver<FollowerState>,
    stop: watch::Sender<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Following {
    /// Starts to follow. `appended` wakes it; without news it looks every `poll`.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start<F: Follows>(
        follows: F,
        appended: watch::Receiver<Option<Position>>,
        poll: Duration,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let (announce, state) = watch::channel(FollowerState::Running);
        let (stop, stopped) = watch::channel(false);
        let (outage, now) = (Outage::default(), Box::new(Instant::now));
        let worker = Worker { follows, appended, listening: true, stopped, poll, announce, outage, now };
        let thread = Builder::new().name(F::THREAD.to_owned()).spawn(move || worker.run(&runtime))?;
        Ok(Self { what: F::WHAT, state, stop, thread: Mutex::new(Some(thread)) })
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
            error!("{}: the thread that followed the log had panicked", self.what);
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        // On a thread of a runtime nobody waits: a read under way may need that very thread. It ends by itself.
        if Handle::try_current().is_err() {
            self.stop();
        }
    }
}

impl fmt::Debug for Following {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Following").field("state", &*self.state.borrow()).finish_non_exhaustive()
    }
}

/// What the thread works with.
struct Worker<F> {
    follows: F,
    appended: watch::Receiver<Option<Position>>,
    /// The log still announces what is appended.
    listening: bool,
    stopped: watch::Receiver<bool>,
    poll: Duration,
    announce: watch::Sender<FollowerState>,
    outage: Outage,
    now: Box<dyn Fn() -> Instant + Send>,
}

/// What comes after a look at the log.
enum Then {
    Again,
    Wait(Duration),
    Halt { position: Position, reason: String },
    Fault { code: &'static str, reason: String },
}

impl<F: Follows> Worker<F> {
    fn run(mut self, runtime: &Runtime) {
        while !*self.stopped.borrow() {
            match self.look() {
                Then::Again => {}
                Then::Wait(pause) => self.wait(runtime, pause),
                Then::Halt { position, reason } => {
                    error!(log.position = position.get(), "{} halted at position {position}: {reason}", F::WHAT);
                    self.announce.send_replace(FollowerState::Halted { position, reason });
                    return;
                }
                Then::Fault { code, reason } => {
                    error!(log.fault = code, "{} stopped, the log has a fault: {reason}", F::WHAT);
                    self.announce.send_replace(FollowerState::Faulted { code, reason });
                    return;
                }
            }
        }
        info!("{}: stopped following the log", F::WHAT);
    }

    /// Reads one page and applies it.
    fn look(&mut self) -> Then {
        // What is appended from here on is news.
        self.appended.mark_unchanged();
        let page = match self.follows.page() {
            Ok(page) => page,
            Err(failure) => return self.unread(&failure),
        };
        self.follows.behind_since(page.events.first().map(|event| event.recorded_at));
        let Some(first) = page.events.first() else {
            self.goes_on();
            return Then::Wait(self.poll);
        };
        match self.follows.apply(&page.events) {
            Ok(()) => {
                self.goes_on();
                if !page.at_end {
                    return Then::Again;
                }
                self.follows.behind_since(None);
                Then::Wait(self.poll)
            }
            Err(stuck) if stuck.passes => self.again(&stuck.reason),
            Err(stuck) => self.halt(&page.events, first.position, stuck),
        }
    }

    /// Applies what stands before the event in the way, so that all that can be seen is.
    fn halt(&mut self, events: &[RecordedEvent], first: Position, stuck: Stuck) -> Then {
        let Stuck { position, reason, fault, .. } = stuck;
        if let Some(code) = fault {
            return Then::Fault { code, reason };
        }
        let Some(position) = position else { return Then::Halt { position: first, reason } };
        let before = events.iter().take_while(|event| event.position < position).count();
        let (readable, rest) = events.split_at(before);
        if let Err(other) = self.follows.apply(readable) {
            if other.passes {
                return self.again(&other.reason);
            }
            return Then::Halt { position: other.position.unwrap_or(first), reason: other.reason };
        }
        self.follows.behind_since(rest.first().map(|event| event.recorded_at));
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

    fn unread(&mut self, failure: &ReadError) -> Then {
        match Unread::of(failure) {
            Unread::Again => self.again(&with_causes(failure)),
            Unread::Damaged { position, what } => {
                Then::Halt { position, reason: format!("the event is damaged: {what}") }
            }
            Unread::Fault { code } => Then::Fault { code, reason: with_causes(failure) },
        }
    }

    /// Tries again soon. It is told when that begins or has another cause, and at growing intervals while it goes on.
    fn again(&mut self, reason: &str) -> Then {
        match self.outage.failed((self.now)(), reason) {
            Some(Spell { tries: 1, .. }) => {
                warn!("{} could not be brought up to date, trying again: {reason}", F::WHAT);
            }
            Some(Spell { lasted, tries }) => {
                let seconds = lasted.as_secs();
                warn!("{} could not be brought up to date for {seconds} s in {tries} tries: {reason}", F::WHAT);
            }
            None => {}
        }
        Then::Wait(RETRY_AFTER)
    }

    /// A try went well.
    fn goes_on(&mut self) {
        if let Some(Spell { lasted, tries }) = self.outage.over((self.now)()) {
            let seconds = lasted.as_secs();
            info!("{} can be brought up to date again, after {seconds} s and {tries} tries that failed", F::WHAT);
        }
    }
}

#[cfg(test)]
mod tests;
