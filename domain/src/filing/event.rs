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

vocabulary! {
    /// Why a matter led to no complaint, although its filing was taken in (登记障碍).
    RegistrationObstacle {
        /// Another complaint stands under its id: a history that was imported meanwhile.
        AlreadyRegistered = "already-registered", "已有同号投诉";
        /// Somebody spent the id of the command that registers it on something else.
        CommandReused = "command-reused", "命令编号已被占用";
        /// It has more bytes than one event may have.
        TooLarge = "too-large", "内容超出上限";
        /// The rules for registering a complaint refuse it, though those for filings did not.
        Rejected = "rejected", "不符合登记要求";
    }
}

vocabulary! {
    /// Why a matter that led to no complaint needs none (了结原因); closed.
    RegistrationSettlement {
        /// The same dispute came in more than once, and a complaint of it stands.
        Duplicate = "duplicate", "重复来件";
        /// It was registered in another way: imported, or filed anew under another number.
        RegisteredOtherwise = "registered-otherwise", "已另行登记";
        /// It is no complaint: a report, an enquiry, or nothing at all.
        NotAComplaint = "not-a-complaint", "不属于投诉";
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

/// 登记未成: a matter led to no complaint, and would not however often it is asked. Somebody has to look at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegistrationFailed {
    pub item: u16,
    /// The number that the complaint would have had.
    pub number: String,
    /// The unit that took the filing in.
    pub unit: UnitId,
    pub obstacle: RegistrationObstacle,
}

/// 重新登记: the registration of a matter is tried again, by a command of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegistrationRetried {
    pub item: u16,
}

/// 登记了结: a matter that led to no complaint needs none, and nobody has to look at it any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegistrationSettled {
    pub item: u16,
    pub reason: RegistrationSettlement,
}

/// What can happen to a filing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilingEvent {
    Received(Box<Received>),
    Split(Split),
    RegistrationFailed(RegistrationFailed),
    RegistrationRetried(RegistrationRetried),
    RegistrationSettled(RegistrationSettled),
}

crate::wire::event_kinds! {
    FilingEvent {
        Received = "filing.received", 1;
        Split = "filing.split", 1;
        RegistrationFailed = "filing.registration-failed", 1;
        RegistrationRetried = "filing.registration-retried", 1;
        RegistrationSettled = "filing.registration-settled", 1;
    }
}
