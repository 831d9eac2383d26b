//! The stored shapes of a filing's events.

use serde::{Deserialize, Serialize};

use crate::complaint::event::{Respondent, Source};
use crate::id::{FilingId, UnitId};
use crate::money::Money;
use crate::privacy::Sealed;
use crate::region::RegionCode;
use crate::vocabulary::{Category, Channel, Remedy, vocabulary};

vocabulary! {
    /// What a matter is (事项类别), Order 121 Art. 3 and 44.
    ItemKind {
        Complaint = "complaint", "投诉";
        Report = "report", "举报";
        Enquiry = "enquiry", "咨询";
    }
}

/// The person who filed (Order 121 Art. 10): every field sealed under that person's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Complainant {
    pub name: Sealed,
    pub phone: Sealed,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Sealed>,
    /// 是否同意公示投诉信息 (form 1 of April 2026).
    pub consents_to_disclosure: bool,
    /// 是否同意委托调解 (form 1 of April 2026).
    pub consents_to_delegation: bool,
}

/// 来件登记: what came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Received {
    pub filing: FilingId,
    /// The outside system and its number, from which the id was derived.
    pub source: String,
    pub external_number: String,
    pub channel: Channel,
    pub region: RegionCode,
    pub unit: UnitId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complainant: Option<Complainant>,
}

/// One matter of the filing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FilingItem {
    /// 1, 2, 3 … within the filing.
    pub item: u16,
    pub kind: ItemKind,
    pub number: String,
    pub category: Category,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub respondent: Option<Respondent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remedies: Vec<Remedy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Sealed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
}

/// 拆分: the matters that the filing holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Split {
    pub items: Vec<FilingItem>,
}

/// What can happen to a filing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilingEvent {
    Received(Box<Received>),
    Split(Split),
}

crate::wire::event_kinds! {
    FilingEvent {
        Received = "filing.received", 1;
        Split = "filing.split", 1;
    }
}
