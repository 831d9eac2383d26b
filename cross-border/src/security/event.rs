//! What the journal of refused attempts holds. These are the stored shapes: a changed shape is a new schema number and
//! an upcast.

use serde::{Deserialize, Serialize};

use crate::exchange::Digest;
use crate::partner::PartnerId;

/// 拒绝: something that claimed to come from a partner was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Refusal {
    /// The code that the caller was answered with.
    pub code: String,
    /// The partner, as far as its key or its certificate says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner: Option<PartnerId>,
    /// The id of the key that the caller named; nothing shows that it has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What was tried, in words of ours; never what stood in it.
    pub what: String,
    /// SHA-256 of the body, so that what a partner complains about can be found here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Refusals with the same code before this one that were counted and not recorded.
    pub suppressed: u64,
}

/// Everything that can happen in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecurityEvent {
    Refused(Refusal),
}

domain::wire::event_kinds! {
    SecurityEvent {
        Refused = "security.refused", 1;
    }
}
