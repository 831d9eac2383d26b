//! What can happen to a delivery. These are the stored shapes: a changed shape is a new schema number and an upcast.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::vocabulary::{DeliveredBy, FailureCode};
use crate::exchange::SignedReceipt;
use crate::trust::KeyId;

/// 领取: a worker tries, until then and no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Leased {
    /// The worker's name.
    pub holder: String,
    pub until: DateTime<Utc>,
    /// Counts every lease from 1; a lease that is prolonged keeps its number.
    pub attempt: u32,
}

/// 未送达: an attempt brought no receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Failed {
    pub attempt: u32,
    pub code: FailureCode,
    /// The HTTP status, where there was an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// A code or a short text of ours; never what a partner sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The earliest moment of the next attempt; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<DateTime<Utc>>,
}

/// A receipt as it is kept: the signed text, letter by letter, with its detached signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedReceiptStored {
    pub text: String,
    pub jws: String,
    pub key: KeyId,
}

impl From<SignedReceipt> for SignedReceiptStored {
    fn from(receipt: SignedReceipt) -> Self {
        let SignedReceipt { text, jws, key } = receipt;
        Self { text, jws, key }
    }
}

impl From<SignedReceiptStored> for SignedReceipt {
    fn from(receipt: SignedReceiptStored) -> Self {
        let SignedReceiptStored { text, jws, key } = receipt;
        Self { text, jws, key }
    }
}

/// 已送达: the partner has the message, as its receipt shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Delivered {
    pub receipt: SignedReceiptStored,
    pub by: DeliveredBy,
}

/// 停止投递: nobody tries any more, until a person has it tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dead {
    /// Since the message was issued or last re-driven.
    pub attempts: u32,
    pub code: FailureCode,
}

/// 重新投递: it is tried again, as if it had just been issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Redriven {}

/// 告警: somebody was told, once more, that it lies there undelivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Alarmed {
    /// Counts from 1 since it was given up.
    pub nth: u32,
}

/// Everything that can happen to a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryEvent {
    Leased(Leased),
    Failed(Failed),
    Delivered(Box<Delivered>),
    Dead(Dead),
    Redriven(Redriven),
    Alarmed(Alarmed),
}

domain::wire::event_kinds! {
    DeliveryEvent {
        Leased = "delivery.leased", 1;
        Failed = "delivery.failed", 1;
        Delivered = "delivery.delivered", 1;
        Dead = "delivery.dead", 1;
        Redriven = "delivery.redriven", 1;
        Alarmed = "delivery.alarmed", 1;
    }
}
