//! Keeps the index up to date, on a thread of its own.

use std::io;
use std::time::Duration;

use domain::envelope::{Position, RecordedEvent};
use event_log::port::{Page, ReadError};
use event_log::source::{LogSource, StreamSource};
use projections::{FollowerState, Following, Follows, Stuck};
use tokio::sync::watch;

use super::error::IndexError;
use super::{CATCH_UP_EVENTS, ReferralIndex};

/// Follows the log for as long as it lives. Before an event of ours that it cannot read it halts, and says so: nothing
/// is skipped.
#[derive(Debug)]
pub struct IndexFollower(Following);

impl IndexFollower {
    /// Starts to follow. `appended` wakes it; without news it looks every `poll`.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(
        source: impl LogSource + StreamSource + Send + 'static,
        appended: watch::Receiver<Option<Position>>,
        index: ReferralIndex,
        poll: Duration,
    ) -> io::Result<Self> {
        Following::start(Indexed { source, index }, appended, poll).map(Self)
    }

    /// What it is doing, as it changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<FollowerState> {
        self.0.state()
    }

    /// Ends it when the batch under way is done. Blocks until then; stopping twice does nothing more.
    pub fn stop(&self) {
        self.0.stop();
    }
}

/// The index, as it follows the log.
struct Indexed<S> {
    source: S,
    index: ReferralIndex,
}

impl<S: LogSource + StreamSource + Send + 'static> Follows for Indexed<S> {
    const THREAD: &'static str = "referrals";
    const WHAT: &'static str = "The index of referrals";

    fn page(&mut self) -> Result<Page, ReadError> {
        self.source.page(self.index.position(), CATCH_UP_EVENTS)
    }

    fn apply(&mut self, events: &[RecordedEvent]) -> Result<(), Stuck> {
        let Some(last) = events.last() else { return Ok(()) };
        let applied = self.index.apply(events, last.position, &mut self.source);
        applied.map_err(|failure| match &failure {
            IndexError::Read(unread @ ReadError::Fault(_)) => Stuck::unread(unread),
            _ => Stuck::by(&failure, failure.is_retryable(), failure.position()),
        })
    }
}
