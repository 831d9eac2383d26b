//! Why a delivery's decider refuses; every refusal changes nothing.

use chrono::{DateTime, Utc};
use thiserror::Error;

use super::{HOLDER_CHARS_MAX, RECEIPT_BYTES_MAX};

/// A refusal with what was wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejection {
    #[error("`{holder}` is trying until {until}")]
    Leased { holder: String, until: DateTime<Utc> },
    #[error("the next attempt is not before {next_at}")]
    NotDue { next_at: DateTime<Utc> },
    #[error("a lease until {until} would be over when it begins")]
    LeaseOver { until: DateTime<Utc> },
    #[error("a worker's name has 1 to {HOLDER_CHARS_MAX} characters, not {chars}")]
    Holder { chars: usize },
    #[error("no attempt is under way")]
    NotLeased,
    #[error("the attempt under way is number {running}")]
    OtherAttempt { running: u32 },
    #[error("the message is delivered")]
    Delivered,
    #[error("the delivery was given up; it must be re-driven first")]
    Dead,
    #[error("the delivery was not given up")]
    NotDead,
    #[error("a receipt's text and its signature have at most {RECEIPT_BYTES_MAX} bytes each, not {bytes}")]
    ReceiptTooLarge { bytes: usize },
}
