//! Readiness follows the log and what is built from it, and the bar comes down where they do not belong together.
//!
//! A log that was restored from an older backup, or exchanged for another, under a node that serves is noticed by what
//! follows it, by new connections to it, and by a look at the log itself. A look asks whose log it is, because a
//! connection may outlive the servers that it led to; and whether the log still holds the event that the read models
//! end with, and the one that they ended with at the look before. Between the moment at which such a log answers and
//! the bar lie at most [`LOOK_EVERY`] and the time of one look: five reads, each of `log.eventstore.timeout_ms` at the
//! very most, and of milliseconds where the servers are well. A look before each append would leave no such time, and
//! cost three reads for every command.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cross_border::index::ReferralIndex;
use event_log::causes::with_causes;
use event_log::eventstore::{EventStoreLog, LogHealth};
use event_log::port::{EventLog, LogFault, ReadError};
use projections::{FollowerState, LastEvent, ReadModels};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::admin::Readiness;
use crate::log::OpenedLog;
use crate::origin::bar::{Bar, Barred};
use crate::origin::{self, CheckError, Estranged};
use crate::shutdown::Shutdown;

/// How often it is looked whether the log is still the one it was; also when it comes back.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often it must be found to be another one before that is believed for good: servers that have just come back may
/// for a moment not show all that they have. The bar is down from the first time on.
const LOOKS: u32 = 3;

/// What is watched, and what follows from it.
pub(super) struct Watched {
    pub(super) models: ReadModels,
    pub(super) index: ReferralIndex,
    pub(super) bar: Bar,
    /// Whether this node may do what one node does for all.
    pub(super) fit: Arc<watch::Sender<bool>>,
    /// Of the read models and of the index.
    pub(super) states: [watch::Receiver<FollowerState>; 2],
    /// Ends the answers that have no end, once the bar is down for good.
    pub(super) streams: CancellationToken,
}

/// Begins to watch the followers and the log.
pub(super) fn start(shutdown: &Shutdown, readiness: &Readiness, log: &OpenedLog, watched: Watched) {
    for (condition, state) in ["projections", "referrals"].into_iter().zip(&watched.states) {
        follower(shutdown, readiness, (&watched.fit, &watched.bar), condition, state.clone());
    }
    let OpenedLog::EventStore(cluster) = log else {
        // It is there, or the server does not start, and nobody exchanges a file that this process has open.
        readiness.set("log", Ok(()));
        return;
    };
    let health = cluster.store().health();
    let record = Arc::clone(cluster.store()) as Arc<dyn Record>;
    let looking = Looking { record, log: log.port(), watched, before: None, found_other: 0, unlooked: None };
    let watch = looking.watch(health, readiness.clone(), shutdown.token());
    shutdown.spawn_named("log-watch", watch);
}

/// A condition that holds while a follower runs: one that stands before an event, or before a fault of the log, makes
/// the node unready, and no longer fit to do what one node does for all. A fault of the log lets the bar down too.
fn follower(
    shutdown: &Shutdown,
    readiness: &Readiness,
    (fit, bar): (&Arc<watch::Sender<bool>>, &Bar),
    condition: &'static str,
    mut state: watch::Receiver<FollowerState>,
) {
    let (readiness, fit, bar, token) = (readiness.clone(), Arc::clone(fit), bar.clone(), shutdown.token());
    shutdown.spawn_named(format!("{condition}-watch"), async move {
        loop {
            let (holds, barred) = {
                let state = state.borrow_and_update();
                (holds(&state), barred(&state))
            };
            if let Some(barred) = barred {
                bar.lower(&barred);
            }
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

/// Why a follower's state lets the bar down. One that stands before an event does not: the log is the one it was.
fn barred(state: &FollowerState) -> Option<Barred> {
    match *state {
        FollowerState::Running | FollowerState::Halted { .. } => None,
        FollowerState::Faulted { code, .. } => Barred::by_fault(code),
    }
}

/// Says whose log lies on the servers.
#[async_trait]
trait Record: Send + Sync {
    /// See [`EventStoreLog::confirm_installation`].
    async fn confirm(&self) -> Result<Result<(), LogFault>, LogFault>;
}

#[async_trait]
impl Record for EventStoreLog {
    async fn confirm(&self) -> Result<Result<(), LogFault>, LogFault> {
        self.confirm_installation().await
    }
}

/// Looks at a shared log, which comes and goes, and may be another one when it comes back.
struct Looking {
    record: Arc<dyn Record>,
    log: Arc<dyn EventLog>,
    watched: Watched,
    /// What the read models ended with at the last look that found all well.
    before: Option<LastEvent>,
    /// Looks in a row that found another log, or a fault in it.
    found_other: u32,
    /// Why the last look saw nothing.
    unlooked: Option<String>,
}

impl Looking {
    /// The condition `log`, and all that goes with the bar.
    async fn watch(mut self, mut health: watch::Receiver<LogHealth>, readiness: Readiness, stop: CancellationToken) {
        let mut news = self.watched.bar.news();
        loop {
            let seen = health.borrow_and_update().clone();
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.look(&seen) => {}
                // A look at a log that has gone takes long; what is told must not wait for it.
                changed = health.changed() => if changed.is_err() { return } else { continue },
            }
            // What the look itself did to the bar needs no other look; what others do from here on does.
            news.mark_unchanged();
            readiness.set("log", self.settle(&seen));
            tokio::select! {
                () = stop.cancelled() => return,
                changed = health.changed() => if changed.is_err() { return },
                changed = news.changed() => if changed.is_err() { return },
                () = sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Compares a log that can be used with what is shown, and moves the bar.
    async fn look(&mut self, health: &LogHealth) {
        let bar = self.watched.bar.clone();
        if let LogHealth::Unready(fault) = health {
            if let Some(barred) = Barred::turned_away(fault) {
                bar.lower(&barred);
            }
            return;
        }
        if bar.barred().is_some_and(|barred| barred.is_certain()) {
            return;
        }
        let compared = self.compare().await;
        self.unlooked = None;
        self.found_other = if matches!(compared, Ok(Ok(()))) { 0 } else { self.found_other.saturating_add(1) };
        match compared {
            Ok(Ok(())) => bar.lift(),
            Ok(Err(estranged)) => {
                tracing::warn!("The log is not what it was: {}", with_causes(&estranged));
                // The record of somebody else is not there for a moment only.
                let of_others =
                    matches!(estranged, Estranged::Exchanged { fault: LogFault::ForeignInstallation { .. } });
                // A reader that has stopped before a fault is another witness.
                let stopped = bar.barred().is_some_and(|barred| barred.is_final());
                let believed = of_others || stopped || self.found_other >= LOOKS;
                let barred = if believed { Barred::estranged(&estranged) } else { Barred::doubted(&estranged) };
                bar.lower(&barred);
            }
            Err(CheckError::Read(ReadError::Fault(fault))) => self.unseen(&bar, &fault),
            Err(error) => {
                // Nothing that says anything about the log.
                self.found_other = 0;
                tracing::warn!(error = %error, "The log cannot be looked at now");
                self.unlooked = Some("it cannot be looked at now; this node keeps trying".to_owned());
            }
        }
    }

    /// The log could not be read for this.
    fn unseen(&mut self, bar: &Bar, fault: &LogFault) {
        tracing::warn!(log.fault = fault.code(), "The log cannot be looked at now: {fault}");
        self.unlooked = Some(of_fault(fault));
        if fault.passes_by_itself() {
            self.found_other = 0;
        }
        let lasting = (self.found_other >= LOOKS).then(|| Barred::by_fault(fault.code())).flatten();
        if let Some(barred) = Barred::turned_away(fault).or(lasting) {
            bar.lower(&barred);
        }
    }

    /// Whether the log is of this installation, and holds what is shown now, and what was shown before: that something
    /// was taken in from another log meanwhile is seen by the latter.
    async fn compare(&mut self) -> Result<Result<(), Estranged>, CheckError> {
        if let Err(fault) = self.record.confirm().await.map_err(ReadError::from)? {
            return Ok(Err(Estranged::Exchanged { fault }));
        }
        let Watched { models, index, .. } = &self.watched;
        if let Some(before) = &self.before
            && let Err(estranged) = origin::holds(self.log.as_ref(), before).await?
        {
            return Ok(Err(estranged));
        }
        let last = {
            let models = models.clone();
            spawn_blocking(move || models.last_event()).await??
        };
        let compared = origin::still_holds(self.log.as_ref(), models, index).await?;
        if compared.is_ok() {
            self.before = last.or_else(|| self.before.take());
        }
        Ok(compared)
    }

    /// What is told of the log now, that is, what is the matter at present; and who may work.
    fn settle(&self, health: &LogHealth) -> Result<(), String> {
        let Watched { bar, fit, states, streams, .. } = &self.watched;
        let barred = bar.barred();
        // Asked under the lock that whoever watches a follower takes after it has stopped.
        fit.send_if_modified(|fit| {
            let is_fit = barred.is_none() && states.iter().all(|state| *state.borrow() == FollowerState::Running);
            std::mem::replace(fit, is_fit) != is_fit
        });
        match (barred, health) {
            (Some(barred), _) if barred.is_final() => {
                streams.cancel();
                Err(barred.to_string())
            }
            (Some(barred), LogHealth::Unready(fault)) if barred.code() == fault.code() => Err(barred.to_string()),
            (_, LogHealth::Unready(fault)) => Err(of_fault(fault)),
            (Some(barred), LogHealth::Ready) => Err(barred.to_string()),
            (None, LogHealth::Ready) => self.unlooked.clone().map_or(Ok(()), Err),
        }
    }
}

/// What may be told of a shared log: the name of the fault. Its text may name servers and is in our log.
fn of_fault(fault: &LogFault) -> String {
    let next = if fault.passes_by_itself() { "this node keeps trying" } else { "somebody has to mend it" };
    format!("{}; {next}", fault.code())
}

#[cfg(test)]
mod tests;
