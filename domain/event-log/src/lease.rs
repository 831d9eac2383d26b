//! One at a time: what only one of several nodes may do is done by the node that holds the lease for it.
//!
//! No clocks of two machines are compared. Whoever waits looks at the lease's newest record; when it has not changed
//! for the whole time to live on the waiting node's own monotonic clock, its holder is taken for gone. The holder
//! counts the same time from before its last renewal began, so it stops before anybody else may start.
//!
//! A lease keeps work from being done twice for nothing. It is not what keeps an effect from happening twice: a process
//! that was stopped between two instructions may go on after its time. That is what exact revisions and derived command
//! ids are for, and everything done under a lease goes through them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::envelope::Position;
use thiserror::Error;
use tokio::time::Instant;
use tracing::debug;

use crate::fault::LogFault;

/// Longest name of a lease, in bytes.
pub const LEASE_NAME_BYTES_MAX: usize = 48;

/// What a lease is for, as `process-manager`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LeaseName(Box<str>);

impl LeaseName {
    /// Parses a name: lower-case ASCII letters, digits and hyphens, at most [`LEASE_NAME_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// The text is something else.
    pub fn parse(raw: &str) -> Result<Self, LeaseNameError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if raw.is_empty() || raw.len() > LEASE_NAME_BYTES_MAX || !raw.bytes().all(allowed) {
            return Err(LeaseNameError { max: LEASE_NAME_BYTES_MAX });
        }
        Ok(Self(raw.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LeaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is not the name of a lease.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the name of a lease is 1 to {max} lower-case letters, digits and hyphens")]
pub struct LeaseNameError {
    pub max: usize,
}

/// Why a lease could not be read or written. Nobody holds it for that reason alone; whoever held it may go on until its
/// time is over.
#[derive(Debug, Error)]
pub enum LeaseError {
    #[error(transparent)]
    Fault(#[from] LogFault),
    #[error(
        "record {version} of lease `{name}` cannot be read; another program wrote it, or a newer version of this one"
    )]
    Damaged { name: LeaseName, version: u64 },
}

/// One entry in the history of a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRecord {
    /// Who wrote it. Unique for every start of a process, or two would take each other's lease for their own.
    pub holder: Box<str>,
    /// One more whenever the lease changes hands.
    pub term: u64,
    /// How far the work is done, for whoever holds the lease next.
    pub progress: Option<Position>,
    /// The holder has given it up; nobody needs to wait.
    pub released: bool,
    /// The number of the record in the lease's history, from 0. The store gives it; what a writer puts here is ignored.
    pub version: u64,
}

/// Where the records of leases are kept.
#[async_trait]
pub trait Leases: Send + Sync + 'static {
    /// Newest record of a lease, `None` before the first.
    async fn read(&self, name: &LeaseName) -> Result<Option<LeaseRecord>, LeaseError>;

    /// Writes the record behind `seen`, the newest one that the writer has read. `false` when that is no longer the
    /// newest: somebody else was faster, and nothing was written.
    ///
    /// After an error it may have been written; reading tells.
    async fn write(&self, name: &LeaseName, seen: Option<&LeaseRecord>, next: LeaseRecord) -> Result<bool, LeaseError>;
}

/// Whether this node holds the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    Holding {
        term: u64,
        /// Stop working then unless a later step says otherwise. It may have passed when the step returns.
        until: Instant,
        /// What the holder before had completed.
        progress: Option<Position>,
    },
    Waiting {
        holder: Box<str>,
    },
}

/// Keeps one lease for one holder.
///
/// It takes the lease when nobody has it, when it was released, or when its record has not changed for the time to
/// live; it renews it every third of that time. It has no timer of its own: whoever keeps it calls
/// [`LeaseKeeper::step`] at least that often, and [`LeaseKeeper::release`] before it ends. One that is merely dropped
/// is waited for by the others.
pub struct LeaseKeeper {
    leases: Arc<dyn Leases>,
    name: LeaseName,
    holder: Box<str>,
    ttl: Duration,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting {
        /// The version of the newest record, and when this node saw it first.
        seen: Option<(u64, Instant)>,
    },
    Holding(Held),
}

#[derive(Debug, Clone)]
struct Held {
    record: LeaseRecord,
    /// Before the write of `record` began.
    renewed: Instant,
    handed_over: Option<Position>,
}

impl LeaseKeeper {
    /// A keeper that holds nothing yet. `holder` must be unique for every start of a process.
    #[must_use]
    pub fn new(leases: Arc<dyn Leases>, name: LeaseName, holder: Box<str>, ttl: Duration) -> Self {
        Self { leases, name, holder, ttl, state: State::Waiting { seen: None } }
    }

    /// One step at `now`, which is not later than the call: reads or renews, whatever is due. `progress` is how far
    /// this holder's work is done; it is written down with the next renewal.
    ///
    /// # Errors
    /// The lease could not be read or written, and this node does not hold it any longer.
    pub async fn step(&mut self, now: Instant, progress: Option<Position>) -> Result<Standing, LeaseError> {
        let State::Holding(held) = &self.state else { return self.try_to_take(now).await };
        let held = held.clone();
        if now.saturating_duration_since(held.renewed) < self.ttl / 3 {
            return Ok(self.holding(&held));
        }
        let next = LeaseRecord { progress: progress.max(held.record.progress), ..held.record.clone() };
        match self.write(Some(&held.record), next).await {
            Ok(Some(record)) => Ok(self.hold(Held { record, renewed: now, handed_over: held.handed_over })),
            // Somebody else holds it, or an earlier write of ours had gone through without our knowing.
            Ok(None) => {
                self.state = State::Waiting { seen: None };
                self.try_to_take(now).await
            }
            Err(error) if now < self.until(held.renewed) => {
                debug!(lease.name = %self.name, error = %error, "A lease was not renewed, there is time left");
                Ok(self.holding(&held))
            }
            Err(error) => {
                self.state = State::Waiting { seen: None };
                Err(error)
            }
        }
    }

    /// Gives the lease up with the last `progress`, so that nobody waits for it to run out. Does nothing when it is not
    /// held.
    ///
    /// # Errors
    /// It could not be written; the others wait out the time to live.
    pub async fn release(&mut self, progress: Option<Position>) -> Result<(), LeaseError> {
        let State::Holding(held) = std::mem::replace(&mut self.state, State::Waiting { seen: None }) else {
            return Ok(());
        };
        if self.give_up(&held.record, progress).await? {
            return Ok(());
        }
        // The record that stands in the way may be our own, of a renewal whose answer nobody has waited for.
        match self.leases.read(&self.name).await? {
            Some(newest) if newest.holder == self.holder && !newest.released => {
                self.give_up(&newest, progress).await?;
            }
            Some(_) | None => {}
        }
        Ok(())
    }

    /// Writes behind `seen` that its holder gives the lease up; `false` when it is not the newest record.
    async fn give_up(&self, seen: &LeaseRecord, progress: Option<Position>) -> Result<bool, LeaseError> {
        let next = LeaseRecord { progress: progress.max(seen.progress), released: true, ..seen.clone() };
        Ok(self.write(Some(seen), next).await?.is_some())
    }

    async fn try_to_take(&mut self, now: Instant) -> Result<Standing, LeaseError> {
        let asked = Instant::now();
        let Some(newest) = self.leases.read(&self.name).await? else {
            let holder = self.holder.clone();
            let first = LeaseRecord { holder, term: 1, progress: None, released: false, version: 0 };
            return self.take(None, first, now).await;
        };
        if newest.holder == self.holder && !newest.released {
            // Our own, from a write whose outcome was not known. Written again, so that its time counts from now.
            return self.take(Some(&newest), newest.clone(), now).await;
        }
        let since = match self.state {
            State::Waiting { seen: Some((version, since)) } if version == newest.version => since,
            // Known from here on: a read that took long must not count as time in which its holder was silent.
            State::Waiting { .. } | State::Holding(_) => now + asked.elapsed(),
        };
        self.state = State::Waiting { seen: Some((newest.version, since)) };
        let unchanged = now.saturating_duration_since(since);
        if !newest.released && unchanged < self.ttl {
            return Ok(Standing::Waiting { holder: newest.holder });
        }
        let term = newest.term.saturating_add(1);
        let next = LeaseRecord { holder: self.holder.clone(), term, released: false, ..newest.clone() };
        self.take(Some(&newest), next, now).await
    }

    /// Writes the first record of a term, or finds that somebody else was faster.
    async fn take(
        &mut self,
        seen: Option<&LeaseRecord>,
        next: LeaseRecord,
        now: Instant,
    ) -> Result<Standing, LeaseError> {
        if let Some(record) = self.write(seen, next).await? {
            let handed_over = record.progress;
            return Ok(self.hold(Held { record, renewed: now, handed_over }));
        }
        let newest = self.leases.read(&self.name).await?;
        Ok(Standing::Waiting { holder: newest.map_or_else(|| "".into(), |newest| newest.holder) })
    }

    /// Writes `next` behind `seen`; answers it with the version it has got, `None` when somebody else was faster.
    async fn write(&self, seen: Option<&LeaseRecord>, next: LeaseRecord) -> Result<Option<LeaseRecord>, LeaseError> {
        let version = seen.map_or(0, |seen| seen.version.saturating_add(1));
        let next = LeaseRecord { version, ..next };
        let written = self.leases.write(&self.name, seen, next.clone()).await?;
        Ok(written.then_some(next))
    }

    fn hold(&mut self, held: Held) -> Standing {
        let standing = self.holding(&held);
        self.state = State::Holding(held);
        standing
    }

    fn holding(&self, held: &Held) -> Standing {
        let until = self.until(held.renewed);
        Standing::Holding { term: held.record.term, until, progress: held.handed_over }
    }

    /// A tenth before the time to live is over: what is under way then has that long to end.
    fn until(&self, renewed: Instant) -> Instant {
        renewed + self.ttl.saturating_sub(self.ttl / 10)
    }
}

impl fmt::Debug for LeaseKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseKeeper")
            .field("name", &self.name)
            .field("holder", &self.holder)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// Leases in the memory of one process: for an installation of one node, which is always the one.
#[derive(Debug, Default)]
pub struct MemoryLeases {
    newest: Mutex<HashMap<LeaseName, LeaseRecord>>,
}

impl MemoryLeases {
    /// No lease has been held yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Leases for MemoryLeases {
    async fn read(&self, name: &LeaseName) -> Result<Option<LeaseRecord>, LeaseError> {
        Ok(self.newest.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned())
    }

    async fn write(&self, name: &LeaseName, seen: Option<&LeaseRecord>, next: LeaseRecord) -> Result<bool, LeaseError> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let (there, seen) = (newest.get(name).map(|record| record.version), seen.map(|record| record.version));
        if there != seen {
            return Ok(false);
        }
        let version = seen.map_or(0, |seen| seen.saturating_add(1));
        newest.insert(name.clone(), LeaseRecord { version, ..next });
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
