//! 个人信息出境记录: the record of one transfer, which an auditor of transfers reads alone.

use async_graphql::Object;
use chrono::{DateTime, Utc};
use cross_border::referral::event::TransferRecorded;
use uuid::Uuid;

use super::enums::{AgeBand, DataField, LegalRoute, ReferralDirection, ReferralPurpose};
use super::parts::{ImpactAssessment, Instrument};
use crate::graphql::scalars::Date;

/// A record, and when the data were sent.
#[derive(Debug, Clone)]
pub struct TransferRecord {
    pub sent_at: DateTime<Utc>,
    pub recorded: TransferRecorded,
}

/// 个人信息出境记录: the whole basis of one transfer, kept for three years at least (PIPL Art. 23, 39, 55 and 56).
#[Object]
impl TransferRecord {
    /// Id of the delivery that carried it.
    async fn transfer_id(&self) -> Uuid {
        self.recorded.transfer.as_uuid()
    }

    async fn direction(&self) -> ReferralDirection {
        self.recorded.direction.into()
    }

    async fn sent_at(&self) -> DateTime<Utc> {
        self.sent_at
    }

    /// Id of the council that decided on the transfer.
    async fn controller(&self) -> &str {
        self.recorded.controller.council.as_str()
    }

    async fn controller_name(&self) -> &str {
        &self.recorded.controller.name
    }

    /// 统一社会信用代码, where the council has one.
    async fn controller_credit_code(&self) -> Option<&str> {
        self.recorded.controller.uscc.as_deref()
    }

    /// Code of the region it is registered in.
    async fn controller_region(&self) -> String {
        self.recorded.controller.seat.to_string()
    }

    /// Id of the council that received the data.
    async fn recipient(&self) -> &str {
        self.recorded.recipient.council.as_str()
    }

    async fn recipient_name(&self) -> &str {
        &self.recorded.recipient.name
    }

    async fn recipient_contact(&self) -> &str {
        &self.recorded.recipient.contact
    }

    async fn route(&self) -> LegalRoute {
        self.recorded.route.into()
    }

    async fn instrument(&self) -> Option<Instrument> {
        self.recorded.instrument.clone().map(Into::into)
    }

    async fn impact(&self) -> Option<ImpactAssessment> {
        self.recorded.impact.clone().map(Into::into)
    }

    /// Number of the consent.
    async fn consent(&self) -> &str {
        &self.recorded.consent.consent
    }

    async fn consent_text_version(&self) -> &str {
        &self.recorded.consent.text_version
    }

    async fn consented_at(&self) -> DateTime<Utc> {
        self.recorded.consented_at
    }

    async fn by_guardian(&self) -> bool {
        self.recorded.consent.by_guardian
    }

    async fn purpose(&self) -> ReferralPurpose {
        self.recorded.purpose.into()
    }

    /// How many people the data are of.
    async fn subjects(&self) -> u32 {
        self.recorded.subjects
    }

    async fn age(&self) -> AgeBand {
        self.recorded.age.into()
    }

    /// 敏感个人信息 (PIPL Art. 28).
    async fn sensitive(&self) -> bool {
        self.recorded.sensitive
    }

    async fn fields(&self) -> Vec<DataField> {
        self.recorded.fields.iter().map(|field| (*field).into()).collect()
    }

    /// What the filing held and the message does not.
    async fn removed_fields(&self) -> Vec<DataField> {
        self.recorded.removed.iter().map(|field| (*field).into()).collect()
    }

    /// Version of the rule that took them out.
    async fn minimisation(&self) -> &str {
        &self.recorded.minimisation
    }

    /// Digests of the evidence that the message lists.
    async fn evidence(&self) -> Vec<String> {
        self.recorded.evidence.iter().map(ToString::to_string).collect()
    }

    /// Digest of the message.
    async fn payload_digest(&self) -> &str {
        &self.recorded.payload
    }

    /// Key of its signature.
    async fn key(&self) -> &str {
        &self.recorded.key
    }

    /// The detached signature over the message.
    async fn signature(&self) -> &str {
        &self.recorded.signature
    }

    /// Work id of the first person.
    async fn presented_by(&self) -> &str {
        &self.recorded.presented_by
    }

    /// Work id of the second person.
    async fn approver(&self) -> &str {
        &self.recorded.approver
    }

    /// The last day on which the recipient may keep the data.
    async fn retention_to(&self) -> Date {
        Date(self.recorded.retention_to)
    }

    /// Always false: what would be passed on is not sent.
    async fn onward_transfer(&self) -> bool {
        self.recorded.onward_transfer
    }

    /// Where the consumer was told to turn to with rights against the recipient (PIPL Art. 39).
    async fn rights_contact(&self) -> &str {
        &self.recorded.rights_contact
    }
}
