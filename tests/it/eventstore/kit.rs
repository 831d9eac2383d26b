//! How these tests open a log, and how they wait.

use std::sync::Arc;
use std::time::Duration;

use event_log::contract::fixture::ticking_stamp;
use event_log::eventstore::{EventStoreLog, EventStoreOptions};
use event_log::port::LogFault;
use tests::double::DoubleProcess;

/// Long enough for the slowest machine; what takes longer hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// How often a condition is looked at that nothing announces.
const AGAIN: Duration = Duration::from_millis(10);
/// The time of one attempt: short, so that what is never answered costs a test little.
const ATTEMPT: Duration = Duration::from_millis(400);
/// The time of an operation that is to go through in the end, whatever befalls it.
const TOTAL: Duration = Duration::from_secs(45);
/// The time of an operation that is to be given up.
const SHORT: Duration = Duration::from_millis(1_500);

/// How a log is opened that goes through everything, and is made when there is none.
pub(super) fn options(double: &DoubleProcess) -> EventStoreOptions {
    EventStoreOptions {
        create: true,
        attempt_timeout: ATTEMPT,
        total_timeout: TOTAL,
        ..EventStoreOptions::new(double.connection(), ticking_stamp())
    }
}

/// How a log is opened that soon gives up.
pub(super) fn hasty(double: &DoubleProcess) -> EventStoreOptions {
    EventStoreOptions { total_timeout: SHORT, ..options(double) }
}

/// Opens a log.
pub(super) async fn open(options: EventStoreOptions) -> Arc<EventStoreLog> {
    Arc::new(EventStoreLog::open(options).await.unwrap_or_else(|fault| panic!("{fault}")))
}

/// Why a log is not opened.
pub(super) async fn refused(options: EventStoreOptions) -> LogFault {
    EventStoreLog::open(options).await.expect_err("this log must not open")
}

/// What comes in time.
pub(super) async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("in time")
}

/// Waits for a condition that nothing announces.
pub(super) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(AGAIN).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_late| panic!("not in time: {what}"));
}
