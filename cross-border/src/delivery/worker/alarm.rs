//! What was given up is told again and again, until somebody re-drives it.

use event_log::causes::with_causes;
use event_log::execute::ExecuteError;
use thiserror::Error;
use tokio::task::JoinError;

use super::{Terms, earlier, record};
use crate::delivery::Rejection;
use crate::index::IndexError;

/// Most deliveries that are told of at a time; the rest follows at the next look.
pub(super) const TOLD_MAX: u32 = 100;

/// Why nothing could be told.
#[derive(Debug, Error)]
pub(super) enum AlarmError {
    #[error("the index could not be asked")]
    Index(#[source] IndexError),
    #[error("a task of ours broke off")]
    Task(#[source] JoinError),
}

/// Tells of every delivery that is dead and was not told of lately. What was told stands in the log, so that a
/// restart does not tell it all again.
pub(super) async fn alarm(terms: &Terms) -> Result<(), AlarmError> {
    let before = earlier(terms.council.moment(), terms.options.alarm_every);
    let index = terms.council.index.clone();
    let rows = tokio::task::spawn_blocking(move || index.alarms_due(before, TOLD_MAX));
    for row in rows.await.map_err(AlarmError::Task)?.map_err(AlarmError::Index)? {
        match record::alarm(&terms.council, &row).await {
            // The index does not show the last alarm yet, or another worker was faster.
            Ok(done) if done.repeated => {}
            Ok(done) => tracing::error!(
                delivery.id = %row.delivery,
                partner = %row.partner,
                code = row.last_code.as_deref().unwrap_or_default(),
                attempts = row.attempts,
                alarm = done.state.alarms,
                "Delivery `{}` to `{}` was given up and waits for somebody to re-drive it",
                row.delivery,
                row.partner,
            ),
            // Delivered or re-driven meanwhile.
            Err(ExecuteError::Rejected(Rejection::NotDead)) => {}
            Err(error) => {
                tracing::error!(delivery.id = %row.delivery, error = %with_causes(&error), "An alarm was not recorded")
            }
        }
    }
    Ok(())
}
