//! What a delivery is after everything that happened to it.

use chrono::{DateTime, Utc};
use domain::decider::Happened;

use super::event::{Delivered, DeliveryEvent, SignedReceiptStored};
use super::vocabulary::{DeliveredBy, DeliveryState, FailureCode};

/// The right to try, for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub holder: String,
    /// The first moment at which it no longer holds.
    pub until: DateTime<Utc>,
    pub attempt: u32,
}

impl Lease {
    /// Whether it holds at that moment.
    #[must_use]
    pub fn holds(&self, at: DateTime<Utc>) -> bool {
        at < self.until
    }
}

/// Why the newest failed attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub at: DateTime<Utc>,
    pub code: FailureCode,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    pub detail: Option<String>,
}

/// How far the delivery is, with what belongs to that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Nobody tries; not before `next_at`, where that is given.
    Pending {
        next_at: Option<DateTime<Utc>>,
    },
    Leased(Lease),
    Delivered {
        at: DateTime<Utc>,
        by: DeliveredBy,
        receipt: Box<SignedReceiptStored>,
    },
    Dead {
        at: DateTime<Utc>,
        code: FailureCode,
    },
}

/// The state of a delivery's stream. A delivery to which nothing has happened is pending: that the message was issued
/// stands in the referral's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub phase: Phase,
    /// Leases ever given.
    pub leases: u32,
    /// Leases given since the message was issued or last re-driven.
    pub attempts: u32,
    /// When the first of them was given.
    pub tried_since: Option<DateTime<Utc>>,
    /// Alarms since it was given up.
    pub alarms: u32,
    pub alarmed_at: Option<DateTime<Utc>>,
    pub last: Option<Failure>,
    pub redriven_at: Option<DateTime<Utc>>,
}

impl Default for Delivery {
    fn default() -> Self {
        Self::new()
    }
}

impl Delivery {
    /// A delivery to which nothing has happened.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            phase: Phase::Pending { next_at: None },
            leases: 0,
            attempts: 0,
            tried_since: None,
            alarms: 0,
            alarmed_at: None,
            last: None,
            redriven_at: None,
        }
    }

    /// How far it is.
    #[must_use]
    pub const fn state(&self) -> DeliveryState {
        match self.phase {
            Phase::Pending { .. } => DeliveryState::Pending,
            Phase::Leased(_) => DeliveryState::Leased,
            Phase::Delivered { .. } => DeliveryState::Delivered,
            Phase::Dead { .. } => DeliveryState::Dead,
        }
    }

    /// The newest lease, while nothing has ended its attempt; it may have run out.
    #[must_use]
    pub const fn lease(&self) -> Option<&Lease> {
        match &self.phase {
            Phase::Leased(lease) => Some(lease),
            Phase::Pending { .. } | Phase::Delivered { .. } | Phase::Dead { .. } => None,
        }
    }

    /// The earliest moment at which anybody may try; `None` when that is at once, or never.
    #[must_use]
    pub const fn next_at(&self) -> Option<DateTime<Utc>> {
        match &self.phase {
            Phase::Pending { next_at } => *next_at,
            Phase::Leased(lease) => Some(lease.until),
            Phase::Delivered { .. } | Phase::Dead { .. } => None,
        }
    }

    /// When it came to its end.
    #[must_use]
    pub const fn ended_at(&self) -> Option<DateTime<Utc>> {
        match &self.phase {
            Phase::Delivered { at, .. } | Phase::Dead { at, .. } => Some(*at),
            Phase::Pending { .. } | Phase::Leased(_) => None,
        }
    }
}

/// See [`domain::decider::Decider::evolve`].
pub(super) fn evolve(mut state: Delivery, happened: &Happened<DeliveryEvent>) -> Delivery {
    let at = happened.at;
    match &happened.event {
        DeliveryEvent::Leased(leased) => {
            if leased.attempt > state.leases {
                state.leases = leased.attempt;
                state.attempts = state.attempts.saturating_add(1);
            }
            state.tried_since = state.tried_since.or(Some(at));
            state.phase =
                Phase::Leased(Lease { holder: leased.holder.clone(), until: leased.until, attempt: leased.attempt });
        }
        DeliveryEvent::Failed(failed) => {
            state.phase = Phase::Pending { next_at: failed.retry_at };
            state.last = Some(Failure { at, code: failed.code, status: failed.status, detail: failed.detail.clone() });
        }
        DeliveryEvent::Delivered(delivered) => {
            let Delivered { receipt, by } = delivered.as_ref();
            state.phase = Phase::Delivered { at, by: *by, receipt: Box::new(receipt.clone()) };
        }
        DeliveryEvent::Dead(dead) => {
            state.phase = Phase::Dead { at, code: dead.code };
            state.alarms = 0;
            state.alarmed_at = None;
        }
        DeliveryEvent::Redriven(_) => {
            state.phase = Phase::Pending { next_at: None };
            state.attempts = 0;
            state.tried_since = None;
            state.alarms = 0;
            state.alarmed_at = None;
            state.redriven_at = Some(at);
        }
        DeliveryEvent::Alarmed(alarmed) => {
            state.alarms = alarmed.nth;
            state.alarmed_at = Some(at);
        }
    }
    state
}
