//! Readiness follows the log and what is built from it.

use std::sync::Arc;
use std::time::Duration;

use cross_border::index::ReferralIndex;
use event_log::eventstore::LogHealth;
use event_log::port::LogFault;
use projections::{FollowerState, ReadModels};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::admin::Readiness;
use crate::log::OpenedLog;
use crate::origin::still_holds;
use crate::shutdown::Shutdown;

/// How long to wait before it is looked again whether a log that came back is still the one it was.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How often it must be found to be another one before that is believed: servers that have just come back may for a
/// moment not show all that they have.
const LOOKS: u32 = 3;

/// A condition that holds while a follower runs: one that stands before an event, or before a fault of the log, makes
/// the node unready, and no longer `fit` to do what one node does for all.
pub(super) fn follower(
    shutdown: &Shutdown,
    readiness: &Readiness,
    fit: &Arc<watch::Sender<bool>>,
    condition: &'static str,
    mut state: watch::Receiver<FollowerState>,
) {
    let (readiness, fit, token) = (readiness.clone(), Arc::clone(fit), shutdown.token());
    shutdown.spawn_named(format!("{condition}-watch"), async move {
        loop {
            let holds = holds(&state.borrow_and_update());
            if holds.is_err() {
                fit.send_replace(false);
            }
            readiness.set(condition, holds);
            tokio::select! {
                () = token.cancelled() => return,
                changed = state.changed() => if changed.is_err() { return },
            }
        }
    });
}

/// What may be told of a follower. The reason is in our log; it may quote what stands in an event.
fn holds(state: &FollowerState) -> Result<(), String> {
    match state {
        FollowerState::Running => Ok(()),
        FollowerState::Halted { position, .. } => Err(format!("halted at position {position}")),
        FollowerState::Faulted { code, .. } => Err(format!("stopped, the log has a fault: {code}")),
    }
}

/// The condition `log`: a log in a file is there or the server does not start; a shared one comes and goes.
///
/// One that comes back may have been restored from a backup meanwhile. Where it does not hold any more what this node
/// shows, the node stops: started again it shows nothing, and says why.
pub(super) fn log(
    shutdown: &Shutdown,
    readiness: &Readiness,
    log: &OpenedLog,
    models: ReadModels,
    index: ReferralIndex,
) {
    let OpenedLog::EventStore(cluster) = log else {
        readiness.set("log", Ok(()));
        return;
    };
    let (mut health, port) = (cluster.store().health(), log.port());
    let (readiness, token, shutdown_of_task) = (readiness.clone(), shutdown.token(), shutdown.clone());
    shutdown.spawn_named("log-watch", async move {
        let (mut certain, mut found_other) = (true, 0);
        loop {
            let state = told(&health.borrow_and_update());
            if state.is_err() {
                certain = false;
            } else if !certain {
                match still_holds(port.as_ref(), &models, &index).await {
                    Ok(Ok(())) => (certain, found_other) = (true, 0),
                    Ok(Err(estranged)) if found_other + 1 < LOOKS => {
                        found_other += 1;
                        tracing::warn!("The log came back, and is looked at again: {estranged}");
                    }
                    Ok(Err(estranged)) => {
                        readiness.set("log", Err(estranged.short().to_owned()));
                        tracing::error!("Stopping, because the log is not what it was: {estranged}");
                        shutdown_of_task.begin();
                        return;
                    }
                    Err(error) => tracing::warn!(error = %error, "The log came back and cannot be looked at yet"),
                }
            }
            if certain || state.is_err() {
                readiness.set("log", state);
            }
            tokio::select! {
                () = token.cancelled() => return,
                changed = health.changed() => if changed.is_err() { return },
                () = sleep(LOOK_AGAIN), if !certain => {}
            }
        }
    });
}

/// What may be told of a shared log: the name of the fault. Its text may name servers and is in our log.
fn told(health: &LogHealth) -> Result<(), String> {
    match health {
        LogHealth::Ready => Ok(()),
        LogHealth::Unready(fault) => Err(of_fault(fault)),
    }
}

fn of_fault(fault: &LogFault) -> String {
    let next = if fault.passes_by_itself() { "this node keeps trying" } else { "somebody has to mend it" };
    format!("{}; {next}", fault.code())
}

#[cfg(test)]
mod tests {
    use domain::envelope::Position;
    use projections::FollowerState::{Faulted, Halted, Running};

    use super::*;

    #[test]
    fn what_is_told_names_no_server_and_quotes_no_event() {
        let reason = || "192.0.2.1 said 张三".to_owned();
        let halted = Halted { position: Position::new(7), reason: reason() };
        assert_eq!(holds(&Running), Ok(()));
        assert_eq!(holds(&halted), Err("halted at position 7".to_owned()));
        let faulted = Faulted { code: "LOG_TRUNCATED", reason: reason() };
        assert_eq!(holds(&faulted), Err("stopped, the log has a fault: LOG_TRUNCATED".to_owned()));
        assert_eq!(told(&LogHealth::Ready), Ok(()));
        let unready = told(&LogHealth::Unready(LogFault::Unreachable { last: reason() }));
        assert_eq!(unready, Err("LOG_UNREACHABLE; this node keeps trying".to_owned()));
        assert!(told(&LogHealth::Unready(LogFault::NotInstalled)).is_err_and(|told| told.contains("mend")));
    }

    #[tokio::test]
    async fn a_follower_that_stops_makes_the_node_unready_and_unfit() {
        let (shutdown, readiness) = (Shutdown::new(), Readiness::expecting(&["projections"]));
        let fit = Arc::new(watch::Sender::new(true));
        let (announce, state) = watch::channel(Running);
        follower(&shutdown, &readiness, &fit, "projections", state);
        let mut told = fit.subscribe();
        announce.send_replace(Halted { position: Position::new(3), reason: String::new() });
        told.wait_for(|fit| !fit).await.unwrap();
        // Set right behind it, on the one thread of this test.
        tokio::task::yield_now().await;
        assert_eq!(readiness.report().conditions["projections"], "halted at position 3");
        shutdown.drain(Duration::from_secs(10)).await.unwrap();
    }
}
