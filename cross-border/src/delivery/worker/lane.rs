//! One partner as the worker sees it: its client, its breaker, what is under way and what rests.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use domain::envelope::Position;
use tokio::time::Instant;

use super::attempt::{Ended, Outcome};
use super::errand::ErrandId;
use crate::delivery::breaker::{Admission, Breaker};
use crate::delivery::client::PartnerClient;

/// What was just tried. Until the index shows what came of it, its row says that it is due.
#[derive(Debug, Clone, Copy)]
struct Rest {
    until: Instant,
    position: Option<Position>,
}

/// The errands to one partner.
#[derive(Debug)]
pub(super) struct Lane {
    client: PartnerClient,
    breaker: Breaker,
    running: HashSet<ErrandId>,
    /// Of those, what the breaker was not asked about.
    ordered: HashSet<ErrandId>,
    resting: HashMap<ErrandId, Rest>,
}

impl Lane {
    pub(super) fn new(client: PartnerClient, failures_max: u32, open_for: Duration) -> Self {
        let breaker = Breaker::new(failures_max, open_for);
        Self { client, breaker, running: HashSet::new(), ordered: HashSet::new(), resting: HashMap::new() }
    }

    pub(super) const fn client(&self) -> &PartnerClient {
        &self.client
    }

    /// Attempts under way.
    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    /// Rows to ask for, so that enough are left when those under way and at rest are taken out.
    pub(super) fn rows_asked(&self, slots: usize) -> u32 {
        let rows = slots.saturating_add(self.running.len()).saturating_add(self.resting.len());
        u32::try_from(rows).unwrap_or(u32::MAX)
    }

    /// Whether nothing is being done about the errand.
    pub(super) fn is_free(&self, errand: &ErrandId) -> bool {
        !self.running.contains(errand) && !self.resting.contains_key(errand)
    }

    /// Until when the partner is left alone.
    pub(super) fn waits_until(&self, now: Instant) -> Option<Instant> {
        self.breaker.waits_until(now)
    }

    /// When something changes by itself: the partner may be tried again, or an errand has rested.
    pub(super) fn wakes_at(&self, now: Instant) -> Option<Instant> {
        let rests = self.resting.values().map(|rest| rest.until).filter(|until| *until > now);
        rests.chain(self.breaker.waits_until(now)).min()
    }

    /// Drops what has rested and shows in the index.
    pub(super) fn forget_rests(&mut self, shown: Option<Position>, now: Instant) {
        self.resting.retain(|_, rest| rest.until > now || rest.position > shown);
    }

    /// Takes up an errand, unless the breaker says no.
    pub(super) fn begin(&mut self, errand: ErrandId, now: Instant) -> bool {
        match self.breaker.admit(now) {
            Admission::Go | Admission::Probe => self.running.insert(errand),
            Admission::Wait(_) | Admission::Probing => false,
        }
    }

    /// Takes up an errand that a person has ordered, whatever the breaker says.
    pub(super) fn begin_ordered(&mut self, errand: ErrandId) -> bool {
        self.ordered.insert(errand.clone());
        self.running.insert(errand)
    }

    /// Takes in what came of an attempt; tells whether the partner is left alone from now on.
    pub(super) fn end(&mut self, errand: ErrandId, ended: Ended, pause: Duration, now: Instant) -> bool {
        let Ended { outcome, position } = ended;
        self.running.remove(&errand);
        let ordered = self.ordered.remove(&errand);
        // Where nothing was appended, nothing else would keep it from being taken up again at once.
        let rests = outcome == Outcome::NotTried || position.is_none();
        let until = if rests { now.checked_add(pause).unwrap_or(now) } else { now };
        let (hold, opened) = match outcome {
            Outcome::Well { hold } => {
                self.breaker.succeeded();
                (hold, false)
            }
            Outcome::Unwell { hold } => (hold, self.breaker.failed(now)),
            // It was no probe, so none is given back.
            Outcome::NotTried if ordered => (None, false),
            Outcome::NotTried => {
                self.breaker.abandoned(now);
                (None, false)
            }
        };
        if let Some(wait) = hold {
            self.breaker.hold(now, wait);
        }
        self.resting.insert(errand, Rest { until, position });
        opened
    }
}
