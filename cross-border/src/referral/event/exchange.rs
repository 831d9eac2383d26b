//! The stored shapes of what two councils do together: presenting, recording a transfer, messages, sessions, evidence.

use chrono::{DateTime, NaiveDate, Utc};
use domain::calendar::CalendarEdition;
use domain::id::{ComplaintId, SubjectId};
use domain::money::Money;
use domain::privacy::Sealed as SealedText;
use domain::region::RegionCode;
use serde::{Deserialize, Serialize};

use super::{ConsentCaptured, ImpactAssessment, Instrument};
use crate::exchange::{
    AgeBand, DeliveryId, Digest, Entry, ScanState, SessionForm, SessionId, SessionResult, SharedId, Side, Step,
};
use crate::partner::{Language, PartnerId, Place};
use crate::referral::id::ReferralId;
use crate::referral::vocabulary::{DataField, Direction, LegalRoute, Purpose};
use crate::trust::KeyId;

/// 送审: the first person lays the message before the second, who alone can let it leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Presented {
    /// The first person, by work id.
    pub by: String,
    /// Whose data it is; every text of the referral is sealed under this person's key.
    pub subject: SubjectId,
    pub age: AgeBand,
    /// The last day on which the recipient may keep the data.
    pub retention_to: NaiveDate,
    /// The fields that the message is to hold.
    pub fields: Vec<DataField>,
    /// To whom the recipient would pass the data on, outside the three places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onward_to: Option<String>,
    /// What is to leave, word for word. Absent of what was presented before it was kept, when the second person could
    /// still change it: such a referral is presented again before it can leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<PresentedContent>,
}

/// What the second person has before the eyes, and what then leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PresentedContent {
    /// Keyed, so that nobody can guess at an erased text by it; over the text and the terms beside it.
    pub digest: Digest,
    /// The body of the submission in its canonical form (RFC 8785).
    pub text: SealedText,
    /// The files that it lists, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Digest>,
}

/// Who decided on the transfer, as the register has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Controller {
    pub council: PartnerId,
    pub name: String,
    /// 统一社会信用代码, where the council has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uscc: Option<String>,
    pub seat: RegionCode,
}

/// Who received the data, as the register has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recipient {
    pub council: PartnerId,
    pub name: String,
    pub contact: String,
    pub place: Place,
}

/// 个人信息出境记录: the whole basis of one transfer in one place, to be kept for three years at least (PIPL Art. 23, 39,
/// 55 and 56).
///
/// It repeats what earlier events say, because an auditor of transfers reads this one alone. When it was sent is the
/// moment of the event; receipts, recalls and their answers are later events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransferRecorded {
    pub transfer: DeliveryId,
    pub referral: ReferralId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complaint: Option<ComplaintId>,
    pub direction: Direction,
    pub controller: Controller,
    pub recipient: Recipient,
    pub route: LegalRoute,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instrument: Option<Instrument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<ImpactAssessment>,
    pub consent: ConsentCaptured,
    pub consented_at: DateTime<Utc>,
    pub purpose: Purpose,
    pub subject: SubjectId,
    /// How many people the data are of.
    pub subjects: u32,
    pub age: AgeBand,
    /// 敏感个人信息: the consumer is a child under fourteen (PIPL Art. 28); nothing else that is sensitive can be sent.
    pub sensitive: bool,
    pub fields: Vec<DataField>,
    /// The evidence that the message lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Digest>,
    pub minimisation: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<DataField>,
    pub payload: String,
    pub key: String,
    pub signature: String,
    /// The first person, by work id.
    pub presented_by: String,
    /// The second person, by work id.
    pub approver: String,
    pub retention_to: NaiveDate,
    pub onward_transfer: bool,
    /// Where the consumer was told to turn to.
    pub rights_contact: String,
}

/// A signed message of either lane: what both councils hold of it, and its text under the consumer's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MessageMeta {
    pub entry: Entry,
    pub shared: SharedId,
    /// The key of its signature.
    pub key: KeyId,
    /// The detached signature over the canonical text (RFC 7515 appendix F).
    pub jws: String,
    /// The canonical text.
    pub content: SealedText,
}

/// A partner that fetches was given the submission: from here on it may have it, whether or not a receipt ever comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GivenOut {
    pub delivery: DeliveryId,
}

/// 已取件: an officer of the receiving council has fetched the referral.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retrieved {}

/// A step is awaited of one of the two councils from now on, by the calendar of its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClockStarted {
    pub step: Step,
    /// Whose act is awaited.
    pub council: Place,
    /// The day of the act that started it, which is not counted.
    pub started_on: NaiveDate,
    /// The last day.
    pub by: NaiveDate,
    pub calendar: CalendarEdition,
    /// A day that mattered lies in a year whose calendar is not published.
    pub provisional: bool,
}

/// 催办: whoever is late was reminded by us, for the n-th time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reminded {
    pub step: Step,
    pub nth: u16,
}

/// 升级: reminding did not help; somebody higher was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Escalated {
    pub step: Step,
    /// A unit or a person, by id.
    pub to: String,
}

/// The other council reminded us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReminderReceived {
    pub step: Step,
}

/// 建议调解或者仲裁: the receiving council offers a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionOffered {
    pub session: SessionId,
    pub form: SessionForm,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<Language>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<SealedText>,
}

/// What the consumer answered, as the sending council says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OfferAnswered {
    pub session: SessionId,
    pub accepted: bool,
    /// The consumer agrees that the session is recorded.
    pub recording_consent: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<SealedText>,
}

/// 已举行: what became of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionHeld {
    pub session: SessionId,
    pub held_at: DateTime<Utc>,
    pub recorded: bool,
    pub result: SessionResult,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// The digest of the record, an agreement or an award, which is evidence of the referral.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<SealedText>,
}

/// A file belongs to the referral; its bytes are kept apart, under the consumer's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EvidenceAdded {
    pub digest: Digest,
    pub name: SealedText,
    pub bytes: u64,
    /// The media type (RFC 6838).
    pub media: String,
    /// Who has it and gives it to the other.
    pub side: Side,
    /// Who of ours added it, by work id; absent of what came in, and of what was added before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// Its bytes are here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EvidenceStored {
    pub digest: Digest,
}

/// 证据送达: the other council has its bytes from us, or will never take them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EvidenceBrought {
    pub digest: Digest,
    /// The code by which they were refused for good; absent when they were taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// What a scanner said of its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EvidenceScanned {
    pub digest: Digest,
    pub scan: ScanState,
}
