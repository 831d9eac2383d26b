//! Whether anything happens on a connection.
//!
//! What a client sends is no activity: a head that comes drop by drop would never end. A request under way is, until
//! the last of its answer is handed over, and so is an answer on its way that the client has not taken yet.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What is known of one connection.
#[derive(Debug)]
pub(super) struct Activity(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Requests whose answers have not been handed over whole.
    under_way: u32,
    /// Bytes of ours wait for the client.
    blocked: bool,
    /// The end of the last activity, or the beginning of the connection.
    since: Instant,
}

impl State {
    const fn is_busy(&self) -> bool {
        self.under_way > 0 || self.blocked
    }
}

impl Activity {
    /// A connection that begins now.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { under_way: 0, blocked: false, since: Instant::now() })))
    }

    /// A request has come; it is under way until what this returns is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        let mut state = self.lock();
        state.under_way = state.under_way.saturating_add(1);
        UnderWay(Arc::clone(self))
    }

    /// Whether bytes of ours wait for the client.
    pub(super) fn set_blocked(&self, blocked: bool) {
        let mut state = self.lock();
        state.blocked = blocked;
        state.since = Instant::now();
    }

    /// Counts the quiet from now on.
    pub(super) fn begin_anew(&self) {
        self.lock().since = Instant::now();
    }

    /// Waits until nothing has happened for as long.
    pub(super) async fn quiet(&self, patience: Duration) {
        loop {
            let now = Instant::now();
            let since = self.quiet_since();
            if since.is_some_and(|since| now.duration_since(since) >= patience) {
                return;
            }
            // While something happens it cannot have been quiet for long enough before this.
            tokio::time::sleep_until(since.unwrap_or(now) + patience).await;
        }
    }

    fn quiet_since(&self) -> Option<Instant> {
        let state = self.lock();
        (!state.is_busy()).then_some(state.since)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request under way.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Activity>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.under_way = state.under_way.saturating_sub(1);
        state.since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// How long it takes until it has been quiet for ten seconds.
    async fn until_quiet(activity: &Activity) -> Duration {
        let from = Instant::now();
        activity.quiet(PATIENCE).await;
        from.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_on_which_nothing_is_asked_is_quiet_from_its_beginning() {
        let activity = Activity::new();
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(until_quiet(&activity).await.as_secs(), 6);
        assert_eq!(until_quiet(&activity).await.as_secs(), 0, "and stays so");
        activity.begin_anew();
        assert_eq!(until_quiet(&activity).await.as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn quiet_begins_behind_the_last_request() {
        let activity = Activity::new();
        let (first, second) = (activity.begin(), activity.begin());
        tokio::time::advance(Duration::from_secs(60)).await;
        drop(first);
        assert!(tokio::time::timeout(Duration::from_secs(60), activity.quiet(PATIENCE)).await.is_err());
        drop(second);
        assert_eq!(until_quiet(&activity).await.as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_the_client_has_not_taken_is_not_quiet() {
        let activity = Activity::new();
        activity.set_blocked(true);
        assert!(tokio::time::timeout(Duration::from_secs(60), activity.quiet(PATIENCE)).await.is_err());
        activity.set_blocked(false);
        assert_eq!(until_quiet(&activity).await.as_secs(), 10);
    }
}
