//! Brings what the log holds for partners to them, and appends what came of it.
//!
//! The worker keeps nothing of its own: what is due stands in the index, the right to try is a lease in the log, and
//! so is every outcome. Killed at any moment it loses an attempt and nothing else: the lease runs out, the message is
//! brought again, and the partner answers with the receipt it gave before.
//!
//! Architecture invariant: a delivery counts as done only by a receipt that is signed with a key of the partner and
//! names this very message, and only when those of its files that lie here are there too. A file that is put in later
//! is owed by itself until it is brought.

mod alarm;
mod attempt;
mod due;
mod errand;
mod evidence;
mod lane;
mod late;
mod record;
mod stranded;

#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use event_log::causes::with_causes;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::attempt::{Ended, Outcome};
use self::due::Due;
use self::errand::{Errand, ErrandId};
pub(super) use self::evidence::announced;
use self::lane::Lane;
use super::backoff::Backoff;
use super::client::{CallError, ClientError, ClientOptions, Identity, PartnerClient};
use super::resolver::{Lookup, SystemLookup};
use super::{DETAIL_CHARS_MAX, HOLDER_CHARS_MAX};
use crate::council::Council;
use crate::partner::PartnerId;
use crate::peer::Transport;
use crate::security::Refused;

/// However much is due, the worker lets others run in between.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// How a worker works; see [`WorkerOptions::default`].
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// The worker's name in its leases. Two that run at once must have two: whoever starts a process gives it one that
    /// nobody had before.
    pub holder: String,
    /// How long a lease holds; longer than an exchange takes, or others try what is still under way.
    pub lease: Duration,
    /// Shortest wait before a delivery is tried again.
    pub base: Duration,
    /// Longest wait before a delivery is tried again, unless the partner asks for a longer one.
    pub max: Duration,
    /// Attempts after which a delivery is given up.
    pub attempts_max: u32,
    /// Time after which a failing delivery is given up, from the first attempt since it was issued or re-driven.
    pub give_up_after: Duration,
    /// Failures in a row after which a partner is left alone.
    pub breaker_failures: u32,
    /// How long it is left alone.
    pub breaker_open: Duration,
    /// How often what was given up alarms until it is re-driven.
    pub alarm_every: Duration,
    /// Most attempts at once.
    pub concurrency: usize,
    /// Longest time of one exchange.
    pub timeout: Duration,
    /// Longest time until a connection stands.
    pub connect_timeout: Duration,
    /// Longest time of an exchange that carries a file.
    pub evidence_timeout: Duration,
    /// Longest answer in bytes.
    pub response_bytes_max: usize,
    /// How often the worker looks by itself, and how often partners that we poll are asked.
    pub poll_every: Duration,
    /// Longest wait that a partner may ask for.
    pub retry_after_max: Duration,
    /// Our certificate for partners that ask for one.
    pub identity: Option<Identity>,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            holder: "delivery".to_owned(),
            lease: Duration::from_secs(60),
            base: Duration::from_secs(5),
            max: Duration::from_mins(15),
            attempts_max: 400,
            give_up_after: Duration::from_hours(72),
            breaker_failures: 5,
            breaker_open: Duration::from_secs(30),
            alarm_every: Duration::from_hours(1),
            concurrency: 8,
            timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(5),
            evidence_timeout: Duration::from_mins(2),
            response_bytes_max: 256 * 1024,
            poll_every: Duration::from_secs(30),
            retry_after_max: Duration::from_hours(1),
            identity: None,
        }
    }
}

impl WorkerOptions {
    /// The bounds of a client as these options have them.
    #[must_use]
    pub fn client(&self) -> ClientOptions {
        ClientOptions {
            timeout: self.timeout,
            connect_timeout: self.connect_timeout.min(self.timeout),
            evidence_timeout: self.evidence_timeout.max(self.timeout),
            response_bytes_max: self.response_bytes_max,
            ..ClientOptions::default()
        }
    }
}

/// What every attempt of a worker shares.
#[derive(Debug)]
struct Terms {
    council: Arc<Council>,
    options: WorkerOptions,
    backoff: Backoff,
}

/// Which attempt a task makes.
#[derive(Debug, Clone)]
struct Job {
    partner: PartnerId,
    errand: ErrandId,
}

/// The delivery worker of one node.
#[derive(Debug)]
pub struct Worker {
    terms: Arc<Terms>,
    lanes: BTreeMap<PartnerId, Lane>,
    jobs: HashMap<Id, Job>,
}

impl Worker {
    /// A worker for all the peers that we push to.
    ///
    /// # Errors
    /// A peer's endpoint or certificates, or our own certificate, cannot be used.
    pub fn new(council: Arc<Council>, options: WorkerOptions) -> Result<Self, ClientError> {
        Self::with_lookup(council, options, &(Arc::new(SystemLookup) as Arc<dyn Lookup>))
    }

    /// As [`Worker::new`], with names looked up elsewhere.
    ///
    /// # Errors
    /// As there.
    pub fn with_lookup(
        council: Arc<Council>,
        mut options: WorkerOptions,
        lookup: &Arc<dyn Lookup>,
    ) -> Result<Self, ClientError> {
        options.holder = options.holder.chars().take(HOLDER_CHARS_MAX).collect();
        options.concurrency = options.concurrency.max(1);
        let mut lanes = BTreeMap::new();
        for peer in council.directory.peers().iter().filter(|peer| peer.transport == Transport::Push) {
            let identity = options.identity.as_ref();
            let client = PartnerClient::with_lookup(peer, identity, options.client(), Arc::clone(lookup))?;
            lanes.insert(peer.id.clone(), Lane::new(client, options.breaker_failures, options.breaker_open));
        }
        let backoff = Backoff::new(options.base, options.max, options.retry_after_max);
        Ok(Self { terms: Arc::new(Terms { council, options, backoff }), lanes, jobs: HashMap::new() })
    }

    /// Works until it is told to stop. Then no attempt is begun any more, and those under way get the time of one
    /// exchange; one that is cut off is repeated after its lease, which does no harm.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut shown = self.terms.council.index.watch();
        let mut listening = true;
        let mut attempts = JoinSet::new();
        while !stop.is_cancelled() {
            // Seen before the index is asked: what comes in meanwhile wakes the wait below.
            shown.mark_unchanged();
            self.alarm().await;
            let next_at = self.begin(&mut attempts).await;
            let wait = self.wait(next_at);
            tokio::select! {
                () = stop.cancelled() => {}
                Some(ended) = attempts.join_next_with_id() => self.end(ended),
                changed = shown.changed(), if listening => listening = changed.is_ok(),
                () = tokio::time::sleep(wait) => {}
            }
        }
        let timeout = self.terms.options.timeout;
        let rest = async {
            while let Some(ended) = attempts.join_next_with_id().await {
                self.end(ended);
            }
        };
        if tokio::time::timeout(timeout, rest).await.is_err() {
            tracing::warn!("Deliveries under way are cut off; they are repeated when their leases have run out");
        }
    }

    /// Begins as many attempts as may be, fairly over the partners. Gives the moment at which the next is due.
    async fn begin(&mut self, attempts: &mut JoinSet<Ended>) -> Option<DateTime<Utc>> {
        let now = self.terms.council.moment();
        let due = match self.due(now).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(error = %with_causes(&error), "The index cannot say which deliveries are due");
                return None;
            }
        };
        let next_at = due.values().filter_map(|due| due.next_at).filter(|at| *at > now).min();
        let mut waiting: BTreeMap<PartnerId, _> = due
            .into_iter()
            .map(|(partner, Due { errands, ordered, .. })| (partner, (errands.into_iter(), ordered)))
            .collect();
        while self.jobs.len() < self.terms.options.concurrency {
            // The partner with the fewest attempts under way comes first, and each turn takes one of its deliveries.
            let Some(partner) = self.next_lane(&waiting) else { break };
            let (Some(lane), Some((errands, ordered))) = (self.lanes.get_mut(&partner), waiting.get_mut(&partner))
            else {
                break;
            };
            let Some(errand) = errands.next() else {
                waiting.remove(&partner);
                continue;
            };
            let id = errand.id();
            let begun = if *ordered { lane.begin_ordered(id.clone()) } else { lane.begin(id.clone(), Instant::now()) };
            if !begun {
                waiting.remove(&partner);
                continue;
            }
            let (terms, client) = (Arc::clone(&self.terms), lane.client().clone());
            let task = match errand {
                Errand::Message(row) => attempts.spawn(attempt::attempt(terms, client, *row)),
                Errand::File(row) => attempts.spawn(late::attempt(terms, client, row)),
            };
            self.jobs.insert(task.id(), Job { partner, errand: id });
        }
        next_at
    }

    /// The partner whose turn it is. A slot is kept free for every other partner, so that one that is slow does not
    /// hold up the rest.
    fn next_lane<R>(&self, waiting: &BTreeMap<PartnerId, R>) -> Option<PartnerId> {
        let others = self.lanes.len().saturating_sub(1);
        let share = self.terms.options.concurrency.saturating_sub(others).max(1);
        let candidates =
            self.lanes.iter().filter(|(partner, lane)| waiting.contains_key(*partner) && lane.running() < share);
        candidates.min_by_key(|(_, lane)| lane.running()).map(|(partner, _)| partner.clone())
    }

    /// How long nothing happens by itself.
    fn wait(&self, next_at: Option<DateTime<Utc>>) -> Duration {
        let (now, instant) = (self.terms.council.moment(), Instant::now());
        let due = next_at.map(|at| at.signed_duration_since(now).to_std().unwrap_or(Duration::ZERO));
        let lanes = self.lanes.values().filter_map(|lane| lane.wakes_at(instant));
        let lanes = lanes.map(|at| at.saturating_duration_since(instant));
        due.into_iter().chain(lanes).fold(self.terms.options.poll_every, Duration::min).max(WAIT_MIN)
    }

    fn end(&mut self, ended: Result<(Id, Ended), JoinError>) {
        let (id, ended) = match ended {
            Ok((id, ended)) => (id, ended),
            Err(error) => {
                tracing::error!(error = %error, "An attempt of a delivery broke off");
                (error.id(), Ended { outcome: Outcome::NotTried, position: None })
            }
        };
        let Some(Job { partner, errand }) = self.jobs.remove(&id) else { return };
        let Some(lane) = self.lanes.get_mut(&partner) else { return };
        let pause = match errand {
            ErrandId::Message(_) => self.terms.options.base,
            // Nothing stands in the log of a file that did not go, so that its waits do not grow: it has the longest.
            ErrandId::File(..) => self.terms.options.max,
        };
        if lane.end(errand, ended, pause, Instant::now()) {
            let seconds = self.terms.options.breaker_open.as_secs();
            tracing::warn!(partner = %partner, "`{partner}` keeps failing and is left alone for {seconds} seconds");
        }
    }

    async fn alarm(&self) {
        for told in [stranded::strand(&self.terms).await, alarm::alarm(&self.terms).await] {
            if let Err(error) = told {
                tracing::error!(error = %with_causes(&error), "Deliveries that were given up could not be looked for");
            }
        }
    }
}

/// The moment so long after `now`; the last one there is when that lies behind it.
fn later(now: DateTime<Utc>, wait: Duration) -> DateTime<Utc> {
    let wait = TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX);
    now.checked_add_signed(wait).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The moment so long before `now`; the first one there is when that lies before it.
fn earlier(now: DateTime<Utc>, age: Duration) -> DateTime<Utc> {
    let age = TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX);
    now.checked_sub_signed(age).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

/// Writes into the journal what no honest partner answers.
pub(super) async fn journal(council: &Council, partner: &PartnerId, error: &CallError) {
    if !error.is_suspicious() {
        return;
    }
    let status = error.status.map(|status| format!(", status {status}")).unwrap_or_default();
    let what = format!("answer of the partner: {}{status}", error.code);
    council
        .journal
        .record(Refused {
            code: error.code.code().to_owned(),
            partner: Some(partner.clone()),
            key: None,
            what: what.chars().take(DETAIL_CHARS_MAX).collect(),
            digest: error.body.clone(),
            request_id: None,
        })
        .await;
}
