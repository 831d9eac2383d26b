//! What can happen to a referral. These are the stored shapes: a changed shape is a new schema number and an upcast.

mod exchange;

use chrono::NaiveDate;
use domain::calendar::CalendarEdition;
use domain::id::{ComplaintId, UnitId};
use domain::money::Money;
use domain::privacy::Sealed as SealedText;
use domain::region::RegionCode;
use serde::{Deserialize, Serialize};

pub use self::exchange::{
    ClockStarted, Controller, Escalated, EvidenceAdded, EvidenceBrought, EvidenceScanned, EvidenceStored, GivenOut,
    MessageMeta, OfferAnswered, Presented, PresentedContent, Recipient, Reminded, ReminderReceived, Retrieved,
    SessionHeld, SessionOffered, TransferRecorded,
};
pub use super::erase::{Erased, ErasureHeld};
use super::id::ReferralId;
pub use super::pass_over::PassedOver;
use super::vocabulary::{
    ConsentChannel, DataField, Direction, LegalRoute, ProgressKind, Purpose, RecallReason, ReferralOutcome, ReturnCode,
};
use crate::partner::{Language, PartnerId};

/// 拟转办: the referral exists, between one of our councils and one partner, for one purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Drafted {
    pub referral: ReferralId,
    pub direction: Direction,
    /// The complaint it concerns; what comes in has none until one is registered for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complaint: Option<ComplaintId>,
    /// Our council.
    pub council: UnitId,
    /// Where our council is registered, which decides whether a contract of the Greater Bay Area can carry it.
    pub seat: RegionCode,
    pub partner: PartnerId,
    pub purpose: Purpose,
    /// The partner's own number of what comes in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner_reference: Option<String>,
    /// The last day on which what comes in may be kept, as its sender says. Of what goes out, sending says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_to: Option<NaiveDate>,
}

/// 取得单独同意: the consumer's separate consent to this recipient, purpose and these fields (PIPL Art. 23 and 39).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConsentCaptured {
    pub consent: String,
    /// Which text the consumer agreed to.
    pub text_version: String,
    pub language: Language,
    pub channel: ConsentChannel,
    pub recipient: PartnerId,
    pub purpose: Purpose,
    pub fields: Vec<DataField>,
    /// SHA-256 or SM3 of the record, in hexadecimal.
    pub evidence: String,
    /// A guardian consented for a child under fourteen (PIPL Art. 31).
    pub by_guardian: bool,
}

/// 撤回同意: from now on nothing more may be sent, and what was sent is to be called back (PIPL Art. 15 and 47).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConsentWithdrawn {}

/// A contract, a certificate or an approval on which data may leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Instrument {
    pub number: String,
    /// The first day in force.
    pub valid_from: NaiveDate,
    /// The last day in force.
    pub valid_to: NaiveDate,
    /// The day it was filed, with the filing's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filing: Option<Filed>,
}

/// 备案.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Filed {
    pub number: String,
    pub on: NaiveDate,
}

/// 个人信息保护影响评估 (PIPL Art. 55).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImpactAssessment {
    pub number: String,
    pub version: u16,
    pub assessed_on: NaiveDate,
    /// The last day it may be relied on.
    pub valid_to: NaiveDate,
}

/// 合法性评估: the way on which the data may leave, and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Assessed {
    pub route: LegalRoute,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instrument: Option<Instrument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<ImpactAssessment>,
    /// 重要数据: published or told as such; never sent on this way.
    pub important_data: bool,
}

/// 封装: the message is reduced to what is needed, translated where asked for, signed and encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sealed {
    /// The fields that the message holds.
    pub fields: Vec<DataField>,
    /// The fields that were there and were taken out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<DataField>,
    /// The version of the rule that took them out.
    pub minimisation: String,
    /// Renditions beside the original text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renditions: Vec<Language>,
    /// SHA-256 or SM3 of the message before encryption, in hexadecimal.
    pub payload: String,
    /// The key it is encrypted with, by id.
    pub key: String,
    pub signature: String,
}

/// A day by which the other side is expected to do something, by the calendar of its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expected {
    pub by: NaiveDate,
    pub calendar: CalendarEdition,
    pub provisional: bool,
}

/// 发出: every gate was open and a second person approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sent {
    /// The second person, by work id.
    pub approver: String,
    /// The last day on which the recipient may keep the data.
    pub retention_to: NaiveDate,
    pub acknowledgement: Expected,
}

/// 送达: the message has reached the other side's system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Delivered {
    /// What shows it, such as the number of the other system's receipt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
}

/// 签收: the receiving council has the case, under its own number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Acknowledged {
    pub reference: String,
    /// When its first answer is expected; only for what went out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<Expected>,
}

/// 退回: the receiving council does not take the case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Returned {
    pub code: ReturnCode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<SealedText>,
}

/// 进展.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Progressed {
    pub kind: ProgressKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<SealedText>,
}

/// 结果通报.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OutcomeReported {
    pub outcome: ReferralOutcome,
    /// What the consumer got back, in the currency it was paid in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<SealedText>,
}

/// 结果已转告: the sending council has the result and has told the consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OutcomeAcknowledged {}

/// 撤回转办: before it was sent, or when nothing of what was sent has reached anybody, this is the end of it; afterwards
/// the recipient is asked to erase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recalled {
    pub reason: RecallReason,
    pub after_sending: bool,
}

/// 撤回答复: whether the recipient could erase what it had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecallAnswered {
    pub erased: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<SealedText>,
}

/// Everything that can happen to a referral.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReferralEvent {
    Drafted(Box<Drafted>),
    ConsentCaptured(Box<ConsentCaptured>),
    ConsentWithdrawn(ConsentWithdrawn),
    Assessed(Box<Assessed>),
    Sealed(Box<Sealed>),
    Sent(Sent),
    Delivered(Delivered),
    Acknowledged(Acknowledged),
    Returned(Returned),
    Progressed(Progressed),
    OutcomeReported(OutcomeReported),
    OutcomeAcknowledged(OutcomeAcknowledged),
    Recalled(Recalled),
    RecallAnswered(RecallAnswered),
    Presented(Box<Presented>),
    TransferRecorded(Box<TransferRecorded>),
    MessageIssued(Box<MessageMeta>),
    MessageReceived(Box<MessageMeta>),
    Retrieved(Retrieved),
    ClockStarted(ClockStarted),
    Reminded(Reminded),
    Escalated(Escalated),
    ReminderReceived(ReminderReceived),
    SessionOffered(Box<SessionOffered>),
    OfferAnswered(OfferAnswered),
    SessionHeld(Box<SessionHeld>),
    EvidenceAdded(Box<EvidenceAdded>),
    EvidenceStored(EvidenceStored),
    EvidenceScanned(EvidenceScanned),
    EvidenceBrought(EvidenceBrought),
    GivenOut(GivenOut),
    PassedOver(PassedOver),
    Erased(Erased),
    ErasureHeld(ErasureHeld),
}

domain::wire::event_kinds! {
    ReferralEvent {
        Drafted = "referral.drafted", 2;
        ConsentCaptured = "referral.consent-captured", 1;
        ConsentWithdrawn = "referral.consent-withdrawn", 1;
        Assessed = "referral.assessed", 1;
        Sealed = "referral.sealed", 1;
        Sent = "referral.sent", 1;
        Delivered = "referral.delivered", 1;
        Acknowledged = "referral.acknowledged", 1;
        Returned = "referral.returned", 1;
        Progressed = "referral.progressed", 1;
        OutcomeReported = "referral.outcome-reported", 1;
        OutcomeAcknowledged = "referral.outcome-acknowledged", 1;
        Recalled = "referral.recalled", 1;
        RecallAnswered = "referral.recall-answered", 1;
        Presented = "referral.presented", 2;
        TransferRecorded = "referral.transfer-recorded", 1;
        MessageIssued = "referral.message-issued", 1;
        MessageReceived = "referral.message-received", 1;
        Retrieved = "referral.retrieved", 1;
        ClockStarted = "referral.clock-started", 1;
        Reminded = "referral.reminded", 1;
        Escalated = "referral.escalated", 1;
        ReminderReceived = "referral.reminder-received", 1;
        SessionOffered = "referral.session-offered", 1;
        OfferAnswered = "referral.offer-answered", 1;
        SessionHeld = "referral.session-held", 1;
        EvidenceAdded = "referral.evidence-added", 2;
        EvidenceStored = "referral.evidence-stored", 1;
        EvidenceScanned = "referral.evidence-scanned", 1;
        EvidenceBrought = "referral.evidence-brought", 1;
        GivenOut = "referral.given-out", 1;
        PassedOver = "referral.passed-over", 1;
        Erased = "referral.erased", 1;
        ErasureHeld = "referral.erasure-held", 1;
    }
}
