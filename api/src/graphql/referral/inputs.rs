//! What a mutation on a referral is given: the same head on every act, then the act's own fields.

use async_graphql::InputObject;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::enums::{
    AgeBand, ConsentChannel, CouncilSessionResult, DataField, Language, LegalRoute, ProgressKind, RecallReason,
    ReferralOutcome, ReferralPurpose, ReturnCode, SessionForm,
};
use crate::graphql::money::MoneyInput;
use crate::graphql::scalars::{Date, Revision};

/// What every act on a referral says.
#[derive(Debug, Clone)]
pub struct Head {
    pub command_id: Uuid,
    pub referral_id: Uuid,
    pub expected_revision: Option<Revision>,
    pub at: Option<DateTime<Utc>>,
    pub on_behalf_of: Option<String>,
}

/// An input that is an act on a referral.
pub trait HasHead {
    /// The fields that every act has.
    fn head(&self) -> Head;
}

macro_rules! referral_inputs {
    ($($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident: $ty:ty,)* })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, InputObject)]
        pub struct $name {
            /// Chosen by you before the first attempt; the same on every retry. A repeated command answers the first
            /// answer.
            pub command_id: Uuid,
            pub referral_id: Uuid,
            /// The revision you had before your eyes; when the referral has moved on, the answer says what changed.
            pub expected_revision: Option<Revision>,
            /// When it was done, at most 30 days ago; now when left out.
            pub at: Option<DateTime<Utc>>,
            /// For whom you act, when not for your own unit.
            pub on_behalf_of: Option<String>,
            $($(#[$fdoc])* pub $field: $ty,)*
        }

        impl HasHead for $name {
            fn head(&self) -> Head {
                Head {
                    command_id: self.command_id,
                    referral_id: self.referral_id,
                    expected_revision: self.expected_revision,
                    at: self.at,
                    on_behalf_of: self.on_behalf_of.clone(),
                }
            }
        }
    )+};
}

/// A text with the language it is written in.
#[derive(Debug, Clone, InputObject)]
pub struct LangTextInput {
    pub lang: Language,
    pub text: String,
}

/// The consumer's separate consent to this recipient, purpose and these fields (单独同意, PIPL Art. 23 and 39).
#[derive(Debug, Clone, InputObject)]
pub struct ConsentInput {
    /// The consent's own number.
    pub consent: String,
    /// Which text the consumer agreed to.
    pub text_version: String,
    pub language: Language,
    pub channel: ConsentChannel,
    /// The purpose that the consumer agreed to; the referral's own when left out.
    pub purpose: Option<ReferralPurpose>,
    pub fields: Vec<DataField>,
    /// SHA-256 or SM3 of the record of the consent, 64 hexadecimal digits.
    pub evidence: String,
    /// A guardian consented (PIPL Art. 31).
    #[graphql(default)]
    pub by_guardian: bool,
}

/// A contract, a certificate or an approval on which data may leave.
#[derive(Debug, Clone, InputObject)]
pub struct InstrumentInput {
    pub number: String,
    pub valid_from: Date,
    pub valid_to: Date,
    /// Its number of filing (备案) with the cyberspace administration; goes with `filedOn`.
    pub filing_number: Option<String>,
    pub filed_on: Option<Date>,
}

/// 个人信息保护影响评估 (PIPL Art. 55).
#[derive(Debug, Clone, InputObject)]
pub struct ImpactAssessmentInput {
    pub number: String,
    pub version: u16,
    pub assessed_on: Date,
    /// The last day it may be relied on.
    pub valid_to: Date,
}

/// 合法性评估: the way on which the data may leave, and what it rests on (PIPL Art. 38 and 55).
#[derive(Debug, Clone, InputObject)]
pub struct AssessmentInput {
    pub route: LegalRoute,
    pub instrument: Option<InstrumentInput>,
    pub impact: Option<ImpactAssessmentInput>,
    /// 重要数据: published or told as such; never sent on this way.
    #[graphql(default)]
    pub important_data: bool,
}

/// 送审: what is to leave, laid before a second person.
#[derive(Debug, Clone, InputObject)]
pub struct PresentationInput {
    /// How old the consumer is: what is asked for a child or a minor is asked by it.
    pub age: AgeBand,
    /// The last day on which the recipient may keep the data.
    pub retention_to: Date,
    /// The fields that the message is to hold, and no other.
    pub fields: Vec<DataField>,
    /// To whom the recipient would pass the data on outside the three places; that is never sent on this way.
    pub onward_to: Option<String>,
    /// What the message says beside, or instead of, what the case holds.
    pub content: Option<ReferralContentInput>,
}

/// What the message says beside, or instead of, what the case holds.
///
/// Only of the fields that it is to hold. Texts keep
/// their line feeds; other line ends become one, and tabs become spaces. Numbers of identity documents and bank cards, and
/// of mobile telephones where the contact is not among the fields, keep a text from leaving.
#[derive(Debug, Clone, Default, InputObject)]
pub struct ReferralContentInput {
    /// The complainant's name when left out.
    pub consumer_name: Option<String>,
    /// The complainant's telephone number when left out.
    pub consumer_contact: Option<String>,
    pub consumer_language: Option<Language>,
    /// The respondent's name when left out.
    pub trader_name: Option<String>,
    /// The respondent's address when left out.
    pub trader_address: Option<String>,
    /// The shop on a platform.
    pub trader_link: Option<String>,
    /// The respondent's credit code when left out.
    pub trader_licence: Option<String>,
    pub purchase_date: Option<Date>,
    pub purchase_item: Option<String>,
    /// The amount in dispute when left out.
    pub purchase_amount: Option<MoneyInput>,
    pub purchase_order: Option<String>,
    /// The facts of the complaint when left out.
    pub facts: Option<LangTextInput>,
    pub request: Option<LangTextInput>,
    /// Where the consumer was told to turn to with rights against the recipient; the recipient's own contact when left
    /// out (PIPL Art. 39).
    pub rights_contact: Option<String>,
}

/// 跨境转办: begins the referral of a case to a partner council, and takes it as far as what is given allows: all of it
/// at once, or nothing when one step is refused, which `step` of the error names.
#[derive(Debug, Clone, InputObject)]
pub struct ReferAcrossBorderInput {
    /// Chosen by you before the first attempt; the same on every retry. A repeated command answers the first answer.
    pub command_id: Uuid,
    pub case_id: Uuid,
    /// Id of the partner, for example hk-consumer-council; `partners` lists them.
    pub partner: String,
    #[graphql(default_with = "ReferralPurpose::Conciliation")]
    pub purpose: ReferralPurpose,
    /// 1 for the first referral of this case to this partner, one more after a return or a recall.
    #[graphql(default = 1)]
    pub attempt: u16,
    /// As in `recordConsent`.
    pub consent: Option<ConsentInput>,
    /// As in `assessReferral`; takes effect behind a consent.
    pub assessment: Option<AssessmentInput>,
    /// As in `presentReferral`; takes effect behind an assessment.
    pub presentation: Option<PresentationInput>,
    /// When it was done, at most 30 days ago; now when left out.
    pub at: Option<DateTime<Utc>>,
    /// For whom you act, when not for your own unit.
    pub on_behalf_of: Option<String>,
}

referral_inputs! {
    /// 取得单独同意 (PIPL Art. 23 and 39).
    RecordConsentInput { consent: ConsentInput, }
    /// 撤回同意 (PIPL Art. 15): stops what has not left, and calls back what has.
    WithdrawConsentInput { }
    /// 合法性评估 (PIPL Art. 38 and 55).
    AssessReferralInput { assessment: AssessmentInput, }
    /// 送审.
    PresentReferralInput { presentation: PresentationInput, }
    /// 审批发出: by another person than whoever presented it or added a file to it.
    ApproveReferralInput {
        /// The `contentDigest` of the presentation that you have read; when it was presented anew since, nothing leaves.
        content_digest: String,
    }
    /// 撤回转办: before sending this is the end of it; afterwards the partner is asked to erase.
    RecallReferralInput { reason: RecallReason, }
    /// 取件.
    RetrieveReferralInput { }
    /// 签收.
    AcknowledgeReferralInput {
        /// Our own number of the case.
        reference: String,
    }
    /// 退回, on a code of the closed list.
    ReturnReferralInput { code: ReturnCode, note: Option<LangTextInput>, }
    /// 通报进展. Offers and sessions have mutations of their own.
    ReportProgressInput {
        /// `HANDLING` or `TRADER_REPLIED`.
        progress: ProgressKind,
        note: Option<LangTextInput>,
    }
    /// 建议调解或者仲裁.
    OfferSessionInput {
        form: SessionForm,
        proposed_at: Option<DateTime<Utc>>,
        /// The languages in which it can be held, at least one.
        languages: Vec<Language>,
        note: Option<LangTextInput>,
    }
    /// 答复建议: what the consumer says to an offer.
    AnswerOfferInput {
        session_id: Uuid,
        accepted: bool,
        /// The consumer agrees that the session is recorded.
        #[graphql(default)]
        recording_consent: bool,
        note: Option<LangTextInput>,
    }
    /// 记录调解或者仲裁: a session that the councils held together.
    RecordCouncilSessionInput {
        session_id: Uuid,
        held_at: DateTime<Utc>,
        #[graphql(default)]
        recorded: bool,
        result: CouncilSessionResult,
        amount: Option<MoneyInput>,
        /// SHA-256 of the record, an agreement or an award, 64 hexadecimal digits.
        record: Option<String>,
        text: Option<LangTextInput>,
    }
    /// 通报结果.
    ReportOutcomeInput {
        outcome: ReferralOutcome,
        /// What the consumer got back, in the currency it was paid in.
        recovered: Option<MoneyInput>,
        note: Option<LangTextInput>,
    }
    /// 转告结果: the consumer has been told.
    AcknowledgeOutcomeInput { }
    /// 删除: once the last day of keeping is over, or the partner has called the referral back.
    EraseReferralInput { }
    /// 补充证据: the file itself follows by `PUT /evidence/{referralId}/{digest}`.
    AnnounceEvidenceInput {
        /// SHA-256 of the file, 64 hexadecimal digits.
        digest: String,
        /// Name of the file; sealed before it is stored.
        name: String,
        /// Length of the file.
        bytes: u32,
        /// For example application/pdf.
        media: String,
    }
}

/// 重新投递: a delivery that was given up is tried again.
#[derive(Debug, Clone, InputObject)]
pub struct RedriveDeliveryInput {
    /// Chosen by you before the first attempt; the same on every retry.
    pub command_id: Uuid,
    pub delivery_id: Uuid,
}

/// Which referrals a list holds; conditions are joined by "and".
#[derive(Debug, Clone, Default, InputObject)]
pub struct ReferralFilterInput {
    /// Id of the partner.
    pub partner: Option<String>,
    pub direction: Option<super::enums::ReferralDirection>,
    pub stage: Option<super::enums::ReferralStage>,
    pub case_id: Option<Uuid>,
    /// Id of the unit of our council.
    pub council: Option<String>,
    /// Only those that wait for a step whose last day is over.
    #[graphql(default)]
    pub overdue: bool,
}
