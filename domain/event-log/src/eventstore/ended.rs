//! Getting out of a subscription that the servers have ended.
//!
//! When the servers end a subscription without an error, the client (4.0) asks the ended stream again and again, in a
//! loop that waits for nothing: the task can be neither timed out nor aborted, and a core is busy until the process
//! ends. The one thing that the loop does beside is to log a warning. So the subscription is polled with a subscriber
//! of its own for what is logged, which takes that warning and unwinds: out of the loop, and no further than to here.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::task::Poll;

use tracing::dispatcher::{self, Dispatch};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

// Without unwinding there is no way out of that loop: the whole process would abort instead, whenever the servers end a
// subscription.
#[cfg(panic = "abort")]
compile_error!("the log on servers needs panics that unwind: take `panic = \"abort\"` out of the profile");

/// Where the client logs the warning. It logs no other there while it is asked for the next event.
const LOGGED_FROM: &str = "eventstore::commands";

struct Ended;

struct Watch;

impl Subscriber for Watch {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == LOGGED_FROM && *metadata.level() == Level::WARN
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn new_span(&self, _attributes: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        if self.enabled(event.metadata()) {
            // Not a panic: no hook is called and nothing is printed.
            resume_unwind(Box::new(Ended));
        }
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

/// What polls one subscription after the other.
#[derive(Debug, Clone)]
pub(super) struct Polling(Dispatch);

impl Polling {
    pub(super) fn new() -> Self {
        Self(Dispatch::new(Watch))
    }

    /// What `work` gives, `None` when its subscription has ended or the client has panicked. It must not be asked again
    /// then. What the client logs meanwhile goes nowhere.
    pub(super) async fn output<F: Future>(&self, work: F) -> Option<F::Output> {
        let mut work = pin!(work);
        poll_fn(|context| {
            let poll = || dispatcher::with_default(&self.0, || work.as_mut().poll(context));
            match catch_unwind(AssertUnwindSafe(poll)) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(output)) => Poll::Ready(Some(output)),
                Err(_unwound) => Poll::Ready(None),
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use tracing::{info, warn};

    use super::*;

    #[tokio::test]
    async fn what_ends_well_is_handed_out() {
        let polling = Polling::new();
        let work = async {
            tokio::task::yield_now().await;
            info!(target: "eventstore::commands", "not the warning");
            warn!(target: "eventstore::grpc", "not from there");
            7
        };
        assert_eq!(polling.output(work).await, Some(7));
    }

    #[tokio::test]
    async fn a_loop_that_waits_for_nothing_is_left() {
        let polling = Polling::new();
        let work = async {
            tokio::task::yield_now().await;
            let mut rounds = 0_u64;
            while rounds < u64::MAX {
                warn!(target: "eventstore::commands", "Received an unknown subscription message");
                rounds += 1;
            }
            rounds
        };
        assert_eq!(polling.output(work).await, None);
        assert_eq!(polling.output(async { 1 }).await, Some(1), "and the next is polled as ever");
    }
}
