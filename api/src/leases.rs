//! Work that one node at a time does for all: each piece of it runs while this node holds its lease.
//!
//! A lease keeps work from being done twice for nothing; that nothing *happens* twice is kept by derived command ids
//! and exact revisions. So work that is stopped late does no harm, and neither does work on two nodes for a moment.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::envelope::Position;
use event_log::lease::{LeaseKeeper, LeaseName, Leases, Standing};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// Completes in other streams what filings begin.
pub const PROCESS_MANAGER: &str = "process-manager";
/// Carries out what falls due between councils.
pub const EXCHANGE_SWEEP: &str = "exchange-sweep";
/// Brings messages to partners.
pub const EXCHANGE_DELIVERY: &str = "exchange-delivery";
/// Fetches messages from partners.
pub const EXCHANGE_PULL: &str = "exchange-pull";

/// Looks at a lease within its time to live. It is renewed after a third of that time, so one that fails is tried again
/// several times before it is lost.
const LOOKS: u32 = 6;

/// The leases of this node. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Duties {
    leases: Arc<dyn Leases>,
    holder: Box<str>,
    ttl: Duration,
    /// Whether this node may hold any of them.
    fit: watch::Receiver<bool>,
    held: Arc<Mutex<BTreeMap<&'static str, Arc<AtomicBool>>>>,
}

/// What a piece of work gets when its turn comes.
#[derive(Debug, Clone)]
pub struct Turn {
    /// Ends the work: the lease is lost, or the server stops.
    pub stop: CancellationToken,
    /// How far it is, for whoever has the next turn.
    pub progress: Progress,
}

/// How far a piece of work is. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Progress(Arc<watch::Sender<Option<Position>>>);

impl Progress {
    /// Work that is done up to a position.
    #[must_use]
    pub fn new(done: Option<Position>) -> Self {
        Self(Arc::new(watch::Sender::new(done)))
    }

    /// Up to where it is done; `None` when nothing is.
    #[must_use]
    pub fn done(&self) -> Option<Position> {
        *self.0.borrow()
    }

    /// Notes that it is done up to a position. It never goes back.
    pub fn reach(&self, position: Position) {
        self.0.send_modify(|done| *done = (*done).max(Some(position)));
    }
}

/// How a turn ended.
enum Ended {
    /// The work came to its end by itself, or the server stops.
    Done,
    /// This node is not fit for it any more.
    Unfit,
    /// Somebody else may hold the lease now.
    Lost,
}

impl Duties {
    /// Leases kept in `leases` for `holder`, which is another one with each start of a process.
    #[must_use]
    pub fn new(leases: Arc<dyn Leases>, holder: Box<str>, ttl: Duration) -> Self {
        // Nobody changes it.
        let (_sender, fit) = watch::channel(true);
        Self { leases, holder, ttl, fit, held: Arc::default() }
    }

    /// The same for a node that stands aside while `fit` says so: one that has stopped reading the log must not keep
    /// work from those that go on.
    #[must_use]
    pub fn while_fit(self, fit: watch::Receiver<bool>) -> Self {
        Self { fit, ..self }
    }

    /// Every lease that this node tries for, and whether it holds it.
    #[must_use]
    pub fn held(&self) -> Vec<(&'static str, bool)> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter().map(|(name, held)| (*name, held.load(Ordering::Relaxed))).collect()
    }

    /// Does `work` whenever this node holds the lease `name`, until `stop` is cancelled; then gives the lease back.
    ///
    /// Work that comes to its end without being told to leaves the lease to others for a while: it may be that another
    /// node can do what this one cannot.
    ///
    /// # Panics
    /// `name` is no name of a lease; they are constants.
    pub async fn run<W, F>(&self, name: &'static str, stop: CancellationToken, mut work: W)
    where
        W: FnMut(Turn) -> F + Send,
        F: Future<Output = ()> + Send,
    {
        let held = self.flag(name);
        let lease = LeaseName::parse(name).expect("the names of leases are lower-case words with hyphens");
        let mut keeper = LeaseKeeper::new(Arc::clone(&self.leases), lease, self.holder.clone(), self.ttl);
        while let Some((until, handed_over)) = self.wait(name, &mut keeper, &stop).await {
            let turn = Turn { stop: stop.child_token(), progress: Progress::new(handed_over) };
            held.store(true, Ordering::Relaxed);
            let working = Box::pin(work(turn.clone()));
            let ended = self.keep(name, &mut keeper, until, &turn, working).await;
            held.store(false, Ordering::Relaxed);
            if matches!(ended, Ended::Lost) {
                tracing::warn!(lease.name = name, "Lost the lease `{name}`; its work goes on where it is held");
                continue;
            }
            if let Err(error) = keeper.release(turn.progress.done()).await {
                tracing::warn!(lease.name = name, error = %error, "The lease `{name}` is not given back, it runs out");
            }
            if stop.is_cancelled() {
                return;
            }
            tracing::warn!(lease.name = name, "The work under the lease `{name}` stopped; others may take it up");
            if matches!(ended, Ended::Done) {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = sleep(self.ttl) => {}
                }
            }
        }
    }

    /// Waits for the lease: until when it is held, and how far the work was done; `None` when told to stop.
    async fn wait(
        &self,
        name: &'static str,
        keeper: &mut LeaseKeeper,
        stop: &CancellationToken,
    ) -> Option<(Instant, Option<Position>)> {
        let mut told = None;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                () = becomes(self.fit.clone(), true) => {}
            }
            let step = tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                step = keeper.step(Instant::now(), None) => step,
            };
            let news = match step {
                Ok(Standing::Holding { until, progress, .. }) if Instant::now() < until => {
                    tracing::info!(lease.name = name, "Holds the lease `{name}`");
                    return Some((until, progress));
                }
                // So slow an answer that the time was over when it came.
                Ok(Standing::Holding { .. }) => continue,
                Ok(Standing::Waiting { holder }) => format!("`{holder}` holds the lease `{name}`"),
                Err(error) => format!("whoever holds the lease `{name}` cannot be told: {error}"),
            };
            if told.as_ref() != Some(&news) {
                tracing::info!(lease.name = name, "Waits: {news}");
                told = Some(news);
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                () = sleep(self.pause()) => {}
            }
        }
    }

    /// Keeps the lease while the work goes on, and ends the work when it is lost.
    async fn keep(
        &self,
        name: &'static str,
        keeper: &mut LeaseKeeper,
        mut until: Instant,
        turn: &Turn,
        mut working: impl Future<Output = ()> + Send + Unpin,
    ) -> Ended {
        loop {
            let step = async {
                sleep(self.pause()).await;
                keeper.step(Instant::now(), turn.progress.done()).await
            };
            tokio::select! {
                biased;
                // Looked at first: a process that was stopped for longer than its time must see that before its work
                // goes on.
                () = sleep_until(until) => break,
                () = becomes(self.fit.clone(), false) => {
                    turn.stop.cancel();
                    working.await;
                    return Ended::Unfit;
                }
                () = &mut working => return Ended::Done,
                step = step => match step {
                    Ok(Standing::Holding { until: renewed, .. }) => until = renewed,
                    Ok(Standing::Waiting { .. }) => break,
                    Err(error) => {
                        tracing::warn!(lease.name = name, error = %error, "The lease `{name}` could not be renewed");
                        break;
                    }
                },
            }
        }
        turn.stop.cancel();
        working.await;
        Ended::Lost
    }

    /// How long to wait between two looks.
    fn pause(&self) -> Duration {
        self.ttl / LOOKS
    }

    fn flag(&self, name: &'static str) -> Arc<AtomicBool> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(held.entry(name).or_default())
    }
}

/// Waits until a node is fit, or until it is not; for ever when nobody can change that.
async fn becomes(mut fit: watch::Receiver<bool>, wanted: bool) {
    if fit.wait_for(|fit| *fit == wanted).await.is_err() {
        std::future::pending::<()>().await;
    }
}

impl fmt::Debug for Duties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Duties").field("holder", &self.holder).field("held", &self.held()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
