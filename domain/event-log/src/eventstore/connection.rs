//! One connection at a time, whatever it is made of: when it is replaced, how long to wait, and what is told of it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::rand;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tracing::{info, warn};

use super::options::{EventStoreStats, LogHealth};
use super::problem::{Problem, pause};
use crate::fault::LogFault;

/// Failures of the servers in a row after which the connection is replaced.
const LOST_MAX: u32 = 3;
/// Attempts in a row without an answer after which the connection is replaced.
const LATE_MAX: u32 = 2;
/// Attempts to connect in a row that make do with one client.
const SPARE_MAX: u32 = 4;

/// The connection, and what is known of it.
pub(super) struct Connection<C> {
    state: Mutex<State<C>>,
    /// Held by the one that connects.
    connecting: tokio::sync::Mutex<()>,
    /// Counts the connections; tells that there is a new one.
    generation: watch::Sender<u64>,
    pub(super) health: watch::Sender<LogHealth>,
    pub(super) counters: Counters,
}

struct State<C> {
    client: Option<C>,
    generation: u64,
    closed: bool,
    /// In a row, on the standing connection.
    lost: u32,
    late: u32,
    /// In a row, of attempts to connect.
    failures: u32,
    not_before: Option<Instant>,
    last: Option<Problem>,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) appends: AtomicU64,
    pub(super) append_retries: AtomicU64,
    pub(super) unknown_outcomes: AtomicU64,
    pub(super) reads: AtomicU64,
    reconnects: AtomicU64,
    pub(super) subscription_drops: AtomicU64,
    /// An append was given up since the last one that went through: reading alone does not make the log ready again.
    stuck: AtomicBool,
}

/// The attempts of one operation so far.
#[derive(Debug, Default)]
pub(super) struct Tries {
    failures: u32,
    /// The connection on which a node said last that it does not lead.
    not_leader: Option<u64>,
    /// An attempt may have gone through without an answer.
    pub(super) open: bool,
}

impl<C: Clone> Connection<C> {
    /// No connection stands yet.
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State::new(None, 0)),
            connecting: tokio::sync::Mutex::new(()),
            generation: watch::Sender::new(0),
            health: watch::Sender::new(LogHealth::Ready),
            counters: Counters::default(),
        }
    }

    /// Lets the connection go for good.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.client = None;
    }

    pub(super) fn stats(&self) -> EventStoreStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        EventStoreStats {
            appends: count(&self.counters.appends),
            append_retries: count(&self.counters.append_retries),
            unknown_outcomes: count(&self.counters.unknown_outcomes),
            reads: count(&self.counters.reads),
            reconnects: count(&self.counters.reconnects),
            subscription_drops: count(&self.counters.subscription_drops),
            connected: self.state().client.is_some(),
        }
    }

    /// The connection that stands, and its number; `make` makes one when none does. Many who need one at a time wait
    /// for the one that makes it, and its attempts keep their distance.
    pub(super) async fn connected(
        &self,
        deadline: Instant,
        make: impl Future<Output = Result<C, Problem>>,
    ) -> Result<(C, u64), Problem> {
        if let Some(standing) = self.standing()? {
            return Ok(standing);
        }
        let Ok(_turn) = timeout_at(deadline, self.connecting.lock()).await else { return Err(self.last_problem()) };
        if let Some(standing) = self.standing()? {
            return Ok(standing);
        }
        let not_before = self.state().not_before;
        if let Some(not_before) = not_before {
            sleep_until(not_before.min(deadline)).await;
            if not_before >= deadline {
                return Err(self.last_problem());
            }
        }
        match make.await {
            Ok(client) => self.begin(client),
            Err(problem) => {
                self.put_off(&problem);
                self.unready(problem.clone().fault());
                Err(problem)
            }
        }
    }

    /// Waits until another connection stands than the one with this number, which may be so already.
    pub(super) async fn replaced(&self, generation: u64) {
        let mut newest = self.generation.subscribe();
        // It cannot fail: whoever sends is borrowed here.
        let _ = newest.wait_for(|newest| *newest != generation).await;
    }

    /// Waits before the next attempt, and lets the connection go when it may be dead. Gives the problem back when there
    /// is to be no other attempt.
    pub(super) async fn again(
        &self,
        deadline: Instant,
        problem: Problem,
        generation: Option<u64>,
        tries: &mut Tries,
    ) -> Result<(), Problem> {
        if let Some(generation) = generation {
            let twice = problem == Problem::NotLeader && tries.not_leader == Some(generation);
            tries.not_leader = (problem == Problem::NotLeader).then_some(generation);
            self.weigh(generation, &problem, twice);
        }
        if !problem.passes() {
            return Err(problem);
        }
        let wait = pause(tries.failures, draw());
        tries.failures = tries.failures.saturating_add(1);
        if Instant::now() + wait >= deadline {
            return Err(problem);
        }
        sleep(wait).await;
        Ok(())
    }

    /// The servers have answered on the connection with this number; `append` when they took an append, or refused it
    /// for what stands in its stream.
    pub(super) fn went_well(&self, generation: u64, append: bool) {
        let mut state = self.state();
        if state.generation == generation {
            (state.lost, state.late) = (0, 0);
        }
        drop(state);
        if append {
            self.counters.stuck.store(false, Ordering::Relaxed);
        }
        self.ready();
    }

    /// An operation was given up for this problem. When it is one of the way to the log, the log cannot be used.
    pub(super) fn gave_up(&self, problem: &Problem, append: bool) {
        if append && problem.passes() {
            self.counters.stuck.store(true, Ordering::Relaxed);
        }
        if problem.passes() || matches!(problem, Problem::Denied | Problem::Certificate(_)) {
            self.unready(problem.clone().fault());
        }
    }

    fn standing(&self) -> Result<Option<(C, u64)>, Problem> {
        let state = self.state();
        if state.closed {
            return Err(Problem::Closed);
        }
        Ok(state.client.clone().map(|client| (client, state.generation)))
    }

    fn begin(&self, client: C) -> Result<(C, u64), Problem> {
        let mut state = self.state();
        if state.closed {
            return Err(Problem::Closed);
        }
        let generation = state.generation.saturating_add(1);
        *state = State::new(Some(client.clone()), generation);
        drop(state);
        self.generation.send_replace(generation);
        self.ready();
        Ok((client, generation))
    }

    fn put_off(&self, problem: &Problem) {
        let mut state = self.state();
        state.not_before = Some(Instant::now() + pause(state.failures, draw()));
        state.failures = state.failures.saturating_add(1);
        state.last = Some(problem.clone());
    }

    fn last_problem(&self) -> Problem {
        self.state().last.clone().unwrap_or(Problem::TimedOut)
    }

    /// Counts a failure of a connection, and lets it go when it may be dead.
    fn weigh(&self, generation: u64, problem: &Problem, at_once: bool) {
        let mut state = self.state();
        if state.generation != generation || state.client.is_none() {
            return;
        }
        let dead = match problem {
            Problem::Unconnected(_) => true,
            Problem::Lost(_) => {
                state.lost = state.lost.saturating_add(1);
                state.lost >= LOST_MAX
            }
            Problem::TimedOut => {
                state.late = state.late.saturating_add(1);
                state.late >= LATE_MAX
            }
            _ => at_once,
        };
        if dead {
            state.client = None;
            state.last = Some(problem.clone());
            drop(state);
            self.counters.reconnects.fetch_add(1, Ordering::Relaxed);
            info!(log.problem = ?problem, "The connection to the log is replaced");
        }
    }

    fn ready(&self) {
        if self.counters.stuck.load(Ordering::Relaxed) {
            return;
        }
        let changed = self.health.send_if_modified(|health| {
            let before = std::mem::replace(health, LogHealth::Ready);
            before != LogHealth::Ready
        });
        if changed {
            info!("The log can be used again");
        }
    }

    fn unready(&self, fault: LogFault) {
        let changed = self.health.send_if_modified(|health| {
            let before = std::mem::replace(health, LogHealth::Unready(fault.clone()));
            before != *health
        });
        if changed {
            warn!(log.fault = fault.code(), "The log cannot be used: {fault}");
        }
    }

    fn state(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> State<C> {
    fn new(client: Option<C>, generation: u64) -> Self {
        Self { client, generation, closed: false, lost: 0, late: 0, failures: 0, not_before: None, last: None }
    }
}

/// A client that has connected and is of no use yet, because nobody leads. It goes over to the leader by itself, as soon
/// as its node names one.
///
/// Each client that is dropped leaves its task and its connection behind, and an outage is made of many attempts. One
/// whose node is cut off from the others never hears of a leader, though: after some attempts another takes its place.
pub(super) struct Spare<C>(Mutex<Option<(C, u32)>>);

impl<C> Spare<C> {
    /// Nothing is kept yet.
    pub(super) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Takes the client out, and says how many attempts it has served.
    pub(super) fn take(&self) -> Option<(C, u32)> {
        self.kept().take()
    }

    /// Keeps a client that had served so many attempts before this one, which failed, for the next one. When its node
    /// may be dead it is let go: the client stays on it.
    pub(super) fn keep(&self, client: C, served: u32, problem: &Problem) {
        let served = served.saturating_add(1);
        let waits = matches!(problem, Problem::NotLeader | Problem::NoLeader(_) | Problem::Unconfirmed(_));
        *self.kept() = (waits && served < SPARE_MAX).then_some((client, served));
    }

    fn kept(&self) -> MutexGuard<'_, Option<(C, u32)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A byte drawn at random, to spread waits with. Without one all wait the same.
pub(super) fn draw() -> u8 {
    let mut byte = [0];
    match rand::fill(&mut byte) {
        Ok(()) => u8::from_be_bytes(byte),
        Err(_unavailable) => u8::MAX,
    }
}

#[cfg(test)]
mod tests;
