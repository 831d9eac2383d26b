//! Writing what is generated: one thread makes batches while the log's writer commits the one before.

use event_log::sqlite::SqliteLog;
use tokio::sync::mpsc;

use super::{Generator, Tally};
use crate::commands::Failure;

/// Events of one transaction of the log.
const BATCH_EVENTS: u64 = 8_192;
/// Batches that are made ahead of the log's writer.
const BATCHES_AHEAD: usize = 3;

/// Writes everything that the generator makes, each append recorded at its simulated moment.
///
/// The log must not hold anything that was recorded later than the plan begins. `progress` hears of every batch.
///
/// # Errors
/// The generator or the log failed; what was written by then stays.
pub async fn write(
    log: &SqliteLog,
    mut generator: Generator,
    mut progress: impl FnMut(Tally),
) -> Result<Tally, Failure> {
    let (sender, mut batches) = mpsc::channel(BATCHES_AHEAD);
    let making = tokio::task::spawn_blocking(move || {
        loop {
            let batch = match generator.next_batch(BATCH_EVENTS) {
                Ok(Some(batch)) => Ok(batch),
                Ok(None) => return,
                Err(error) => Err(error),
            };
            let failed = batch.is_err();
            // Nobody listens any more when the log has failed.
            if sender.blocking_send(batch).is_err() || failed {
                return;
            }
        }
    });
    let mut written = Tally::default();
    while let Some(batch) = batches.recv().await {
        let batch = batch?;
        for answer in log.append_copies(batch.appends).await? {
            answer?;
        }
        written = batch.so_far;
        progress(written);
    }
    making.await?;
    Ok(written)
}
