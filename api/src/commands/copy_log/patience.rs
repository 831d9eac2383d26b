//! Waiting for a cluster that does not answer for a while.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event_log::lease::LeaseError;
use event_log::port::{AppendError, LogFault, ReadError};
use tokio::time::{Instant, sleep};

use super::error::CopyError;

/// The first pause between two attempts; each next one is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// An error that may pass by itself.
pub(super) trait Passing: Error + Send + Sync + 'static {
    fn passes(&self) -> bool;
}

impl Passing for LogFault {
    fn passes(&self) -> bool {
        self.passes_by_itself()
    }
}

impl Passing for AppendError {
    fn passes(&self) -> bool {
        self.is_retryable()
    }
}

impl Passing for ReadError {
    fn passes(&self) -> bool {
        matches!(self, Self::Fault(fault) if fault.passes_by_itself())
    }
}

impl Passing for LeaseError {
    fn passes(&self) -> bool {
        matches!(self, Self::Fault(fault) if fault.passes_by_itself())
    }
}

/// How long a cluster is waited for.
pub(super) struct Patience {
    limit: Duration,
    quiet: bool,
    /// The user knows that the cluster does not answer.
    told: AtomicBool,
}

impl Patience {
    pub(super) const fn new(limit: Duration, quiet: bool) -> Self {
        Self { limit, quiet, told: AtomicBool::new(false) }
    }

    /// Makes attempts until one gives an answer, which may be an error that does not pass.
    ///
    /// # Errors
    /// Every attempt failed, for as long as is waited.
    pub(super) async fn with<T, E: Passing>(
        &self,
        attempt: impl AsyncFn() -> Result<T, E>,
    ) -> Result<Result<T, E>, CopyError> {
        let mut since = None;
        let mut pause = PAUSE_MIN;
        loop {
            let error = match attempt().await {
                Err(error) if error.passes() => error,
                answer => {
                    if since.is_some() {
                        self.told.store(false, Ordering::Relaxed);
                    }
                    return Ok(answer);
                }
            };
            let waited = since.get_or_insert_with(Instant::now).elapsed();
            if waited.saturating_add(pause) > self.limit {
                return Err(CopyError::GaveUp { patience: self.limit, last: Box::new(error) });
            }
            if !self.told.swap(true, Ordering::Relaxed) && !self.quiet {
                eprintln!("the cluster does not answer; waiting for it for up to {} s: {error}", self.limit.as_secs());
            }
            sleep(pause).await;
            pause = pause.saturating_mul(2).min(PAUSE_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    fn unreachable() -> LogFault {
        LogFault::Unreachable { last: "refused".to_owned() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_cluster_that_comes_back_is_waited_for() {
        let patience = Patience::new(Duration::from_secs(600), true);
        let attempts = AtomicU32::new(0);
        let answer = patience.with(async || match attempts.fetch_add(1, Ordering::Relaxed) {
            0..7 => Err(unreachable()),
            attempt => Ok(attempt),
        });
        assert_eq!(answer.await.unwrap(), Ok(7));
    }

    #[tokio::test(start_paused = true)]
    async fn the_waiting_has_an_end_that_says_what_to_do() {
        let patience = Patience::new(Duration::from_secs(60), true);
        let began = Instant::now();
        let given_up = patience.with(async || Err::<(), _>(unreachable())).await.unwrap_err();
        assert!(began.elapsed() <= Duration::from_secs(60) && began.elapsed() > Duration::from_secs(40));
        assert!(given_up.to_string().contains("run the same command again"), "{given_up}");
        assert!(given_up.source().is_some_and(|last| last.to_string().contains("refused")));
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_pass_is_told_at_once() {
        let patience = Patience::new(Duration::from_secs(60), true);
        let attempts = AtomicU32::new(0);
        let refused = patience.with(async || {
            attempts.fetch_add(1, Ordering::Relaxed);
            Err::<(), _>(LogFault::NotInstalled)
        });
        assert_eq!(refused.await.unwrap(), Err(LogFault::NotInstalled));
        assert_eq!(attempts.into_inner(), 1);
    }
}
