//! What a worker, a fetching partner or an operator may do to a delivery.

use chrono::{DateTime, Utc};

use super::event::{Alarmed, Dead, Delivered, DeliveryEvent, Failed, Leased, Redriven, SignedReceiptStored};
use super::rejection::Rejection;
use super::state::{Delivery, Phase};
use super::vocabulary::{DeliveredBy, FailureCode};
use super::{DETAIL_CHARS_MAX, HOLDER_CHARS_MAX, RECEIPT_BYTES_MAX};
use crate::security::clip::clip;

/// The acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryCommand {
    /// Takes the right to try, or prolongs it.
    Lease { holder: String, until: DateTime<Utc> },
    /// Ends the attempt under way without a receipt; without `retry_at` the delivery is given up with it.
    Fail {
        /// The number of the lease.
        attempt: u32,
        code: FailureCode,
        /// The HTTP status, where there was an answer.
        status: Option<u16>,
        /// A code or a short text of ours; never what a partner sent. Cut to [`DETAIL_CHARS_MAX`] characters.
        detail: Option<String>,
        retry_at: Option<DateTime<Utc>>,
    },
    /// Keeps the partner's receipt, which the caller has verified. A partner that fetches may overtake a worker that
    /// tries, and a receipt counts even when nobody tries any more.
    Deliver { receipt: SignedReceiptStored, by: DeliveredBy },
    /// Ends all trying, apart from any attempt.
    GiveUp { code: FailureCode },
    /// Has what was given up tried again.
    Redrive,
    /// Records that somebody was told of what was given up.
    Alarm,
}

/// See [`domain::decider::Decider::decide`].
pub(super) fn decide(
    state: &Delivery,
    command: DeliveryCommand,
    now: DateTime<Utc>,
) -> Result<Vec<DeliveryEvent>, Rejection> {
    match command {
        DeliveryCommand::Lease { holder, until } => lease(state, holder, until, now),
        DeliveryCommand::Fail { attempt, code, status, detail, retry_at } => {
            let detail = detail.map(|detail| clip(&detail, DETAIL_CHARS_MAX));
            fail(state, Failed { attempt, code, status, detail, retry_at })
        }
        DeliveryCommand::Deliver { receipt, by } => deliver(state, receipt, by),
        DeliveryCommand::GiveUp { code } => give_up(state, code),
        DeliveryCommand::Redrive => match state.phase {
            Phase::Dead { .. } => Ok(vec![DeliveryEvent::Redriven(Redriven {})]),
            Phase::Pending { .. } | Phase::Leased(_) | Phase::Delivered { .. } => Err(Rejection::NotDead),
        },
        DeliveryCommand::Alarm => match state.phase {
            Phase::Dead { .. } => Ok(vec![DeliveryEvent::Alarmed(Alarmed { nth: state.alarms.saturating_add(1) })]),
            Phase::Pending { .. } | Phase::Leased(_) | Phase::Delivered { .. } => Err(Rejection::NotDead),
        },
    }
}

fn lease(
    state: &Delivery,
    holder: String,
    until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Vec<DeliveryEvent>, Rejection> {
    let chars = holder.chars().count();
    if chars == 0 || chars > HOLDER_CHARS_MAX {
        return Err(Rejection::Holder { chars });
    }
    if until <= now {
        return Err(Rejection::LeaseOver { until });
    }
    let attempt = match &state.phase {
        Phase::Delivered { .. } => return Err(Rejection::Delivered),
        Phase::Dead { .. } => return Err(Rejection::Dead),
        Phase::Pending { next_at: Some(next_at) } if now < *next_at => {
            return Err(Rejection::NotDue { next_at: *next_at });
        }
        Phase::Leased(running) if running.holds(now) && running.holder != holder => {
            return Err(Rejection::Leased { holder: running.holder.clone(), until: running.until });
        }
        // The worker's own: prolonged, never shortened.
        Phase::Leased(running) if running.holds(now) && until <= running.until => return Ok(Vec::new()),
        Phase::Leased(running) if running.holds(now) => running.attempt,
        Phase::Pending { .. } | Phase::Leased(_) => state.leases.saturating_add(1),
    };
    Ok(vec![DeliveryEvent::Leased(Leased { holder, until, attempt })])
}

fn fail(state: &Delivery, failed: Failed) -> Result<Vec<DeliveryEvent>, Rejection> {
    match &state.phase {
        Phase::Pending { .. } => Err(Rejection::NotLeased),
        Phase::Delivered { .. } => Err(Rejection::Delivered),
        Phase::Dead { .. } => Err(Rejection::Dead),
        Phase::Leased(running) if running.attempt != failed.attempt => {
            Err(Rejection::OtherAttempt { running: running.attempt })
        }
        // Also when the lease has run out, as long as nobody else has taken it: what was found out is worth keeping.
        Phase::Leased(_) => {
            let dead = failed.retry_at.is_none().then_some(Dead { attempts: state.attempts, code: failed.code });
            let mut events = vec![DeliveryEvent::Failed(failed)];
            events.extend(dead.map(DeliveryEvent::Dead));
            Ok(events)
        }
    }
}

fn deliver(state: &Delivery, receipt: SignedReceiptStored, by: DeliveredBy) -> Result<Vec<DeliveryEvent>, Rejection> {
    let bytes = receipt.text.len().max(receipt.jws.len());
    if bytes > RECEIPT_BYTES_MAX {
        return Err(Rejection::ReceiptTooLarge { bytes });
    }
    match state.phase {
        // The first receipt shows it already.
        Phase::Delivered { .. } => Ok(Vec::new()),
        Phase::Pending { .. } | Phase::Leased(_) | Phase::Dead { .. } => {
            Ok(vec![DeliveryEvent::Delivered(Box::new(Delivered { receipt, by }))])
        }
    }
}

fn give_up(state: &Delivery, code: FailureCode) -> Result<Vec<DeliveryEvent>, Rejection> {
    match state.phase {
        Phase::Delivered { .. } => Err(Rejection::Delivered),
        Phase::Dead { .. } => Ok(Vec::new()),
        Phase::Pending { .. } | Phase::Leased(_) => {
            Ok(vec![DeliveryEvent::Dead(Dead { attempts: state.attempts, code })])
        }
    }
}
