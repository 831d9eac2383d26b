//! What one node does for all: completing what filings begin.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::config::LogEngine;
use crate::data_dir::DataDir;
use crate::leases::{Duties, PROCESS_MANAGER, Turn};
use crate::log::OpenedLog;
use crate::process::{self, Bookmark};
use crate::shutdown::Shutdown;

/// How long the process manager waits before it looks again, when nothing is appended meanwhile.
const CHAIN_RETRY: Duration = Duration::from_secs(10);

/// Completes what filings begin, for a crash between two streams and for filings that came in by other ways.
pub(super) fn process_manager(shutdown: &Shutdown, app: &App, duties: &Duties, log: &OpenedLog, dir: &DataDir) {
    let (app, duties, engine, token) = (app.clone(), duties.clone(), log.engine(), shutdown.token());
    let file = Bookmark::new(dir.root());
    shutdown.spawn_named("process-manager", async move {
        let work = |turn: Turn| {
            let bookmark = match engine {
                LogEngine::Sqlite => file.clone(),
                // Whoever has the next turn begins where this one ended, on whatever machine.
                LogEngine::EventStoreDb => Bookmark::Lease(turn.progress),
            };
            manage(app.clone(), bookmark, turn.stop)
        };
        duties.run(PROCESS_MANAGER, token, work).await;
    });
}

/// Follows the log until it is told to stop, or stands before something that only a newer program can carry out.
async fn manage(app: App, bookmark: Bookmark, stop: CancellationToken) {
    let mut appended = app.log.appended();
    // Not before it is known to lie in the log: what stands behind the end of one that was restored would be passed over.
    loop {
        let fitted = app.log.head().await.map_err(|error| error.to_string());
        let Err(error) = fitted.and_then(|head| bookmark.fit(head).map_err(|error| error.to_string())) else { break };
        tracing::error!(
            error,
            "Whether the process manager's bookmark lies in the log cannot be told; it is tried again"
        );
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(CHAIN_RETRY) => {}
        }
    }
    loop {
        // Left where it stands when the work stops: what is under way is found done, or done again, next time.
        let advanced = tokio::select! {
            // A node that was held up must not take one more step after its turn is over.
            biased;
            () = stop.cancelled() => return,
            advanced = process::advance(&app, &bookmark) => advanced,
        };
        match advanced {
            Ok(()) => {}
            Err(error) if error.is_of_newer_program() => {
                tracing::error!(error = %error, "The process manager stands aside for a newer program");
                return;
            }
            Err(error) => {
                tracing::error!(error = %error, "A chain of commands could not be completed; it is tried again");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = appended.changed() => if changed.is_err() { return },
            () = sleep(CHAIN_RETRY) => {}
        }
    }
}
