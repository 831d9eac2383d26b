//! The closed lists of referrals as GraphQL enums; the stored codes stay inside.

use async_graphql::Enum;
use cross_border::{delivery, exchange, partner, referral::vocabulary};

use crate::graphql::enums::mirror;

mirror! {
    /// Where a council is.
    Place = partner::Place { Guangdong, HongKong, Macao }
    /// A language and script: zh-Hans-CN, zh-Hant-HK, zh-Hant-MO, en, pt.
    Language = partner::Language {
        SimplifiedChinese, TraditionalHongKong, TraditionalMacao, English, Portuguese,
    }
    /// Which way a referral goes.
    ReferralDirection = vocabulary::Direction { Outbound, Inbound }
    /// What the receiving council may use the data for (PIPL Art. 6 and 23).
    ReferralPurpose = vocabulary::Purpose { Conciliation, Arbitration, Information }
    /// The way on which personal data may leave, under the law of the sender's place.
    LegalRoute = vocabulary::LegalRoute {
        GbaHongKong, GbaMacao, StandardContract, Certification, SecurityAssessment, Exempt, PdpoConsent, MacaoConsent,
    }
    /// The fields that a message could hold. Only the listed ones may leave.
    DataField = vocabulary::DataField {
        ConsumerName, ConsumerContact, ConsumerLanguage, TraderName, TraderAddress, TraderLink, TraderLicence,
        PurchaseDate, PurchaseItem, PurchaseAmount, PurchaseOrder, Facts, Request, Evidence, ConsumerIdNumber,
        ConsumerAddress, ConsumerBirthDate, ConsumerBankCard, ConsumerHealth, ReporterIdentity, ReportContent,
    }
    /// How the consumer consented.
    ConsentChannel = vocabulary::ConsentChannel { Online, Phone, Paper, InPerson }
    /// How old the consumer is, as far as the law asks: below 14, 14 to 17, adult (PIPL Art. 28 and 31).
    AgeBand = exchange::AgeBand { Adult, Minor, Child }
    /// Why a council sends a referral back; closed.
    ReturnCode = vocabulary::ReturnCode {
        NotConsumer, BusinessToBusiness, PrivateDeal, GovernmentService, Investment, GamblingAuction,
        TraderUntraceable, InsufficientInfo, OutOfWarranty, AlreadyHandled, Criminal, NotLocal, NoConsent,
    }
    /// What the receiving council reports on the way.
    ProgressKind = vocabulary::ProgressKind {
        Handling, TraderReplied, MediationOffered, VideoMediation, ArbitrationOffered,
    }
    /// What became of the dispute at the receiving council.
    ReferralOutcome = vocabulary::ReferralOutcome { Settled, ConciliationFailed, Award, OutOfScope, Withdrawn }
    /// Why a referral is called back.
    RecallReason = vocabulary::RecallReason { ConsentWithdrawn, WrongRecipient, WrongContent, SettledHere }
    /// The part a council plays in a referral.
    ReferralSide = exchange::Side { Origin, Target }
    /// The steps of a referral that have a limit of time.
    ReferralStepName = exchange::Step {
        Delivery, Retrieval, Acknowledgement, Feedback, OfferAnswer, Arbitration, Outcome, OutcomeAcknowledgement,
        RecallAnswer,
    }
    /// What a message between councils says.
    MessageKind = exchange::MessageKind {
        Submission, Retrieved, Acknowledgement, Return, Progress, Offer, OfferAnswer, SessionReport, Outcome,
        OutcomeAcknowledgement, Recall, RecallAnswer, Reminder, Evidence,
    }
    /// How the parties are brought together by two councils.
    SessionForm = exchange::SessionForm { VideoMediation, Arbitration }
    /// What came of a session that a council held.
    CouncilSessionResult = exchange::SessionResult { Settled, Award, Failed, Adjourned }
    /// Whether a file was looked through for malicious content.
    ScanState = exchange::ScanState { Unscanned, Clean, Infected, Failed }
    /// How far a delivery is.
    DeliveryState = delivery::DeliveryState { Pending, Leased, Delivered, Dead }
}

/// Where a referral stands.
#[derive(Debug, Enum, Copy, Clone, Eq, PartialEq)]
pub enum ReferralStage {
    /// 拟转办
    Drafted,
    /// 已取得同意
    ConsentCaptured,
    /// 已评估
    Assessed,
    /// 已封装
    Sealed,
    /// 已发出
    Sent,
    /// 已送达
    Delivered,
    /// 已签收
    Acknowledged,
    /// 办理中
    InProgress,
    /// 结果已通报
    OutcomeReported,
    /// 已转告当事人
    Closed,
    /// 被退回
    Returned,
    /// 已撤回
    Recalled,
}

impl ReferralStage {
    /// Every stage with its stored code.
    const CODES: [(Self, &'static str); 12] = [
        (Self::Drafted, "drafted"),
        (Self::ConsentCaptured, "consent-captured"),
        (Self::Assessed, "assessed"),
        (Self::Sealed, "sealed"),
        (Self::Sent, "sent"),
        (Self::Delivered, "delivered"),
        (Self::Acknowledged, "acknowledged"),
        (Self::InProgress, "in-progress"),
        (Self::OutcomeReported, "outcome-reported"),
        (Self::Closed, "closed"),
        (Self::Returned, "returned"),
        (Self::Recalled, "recalled"),
    ];

    /// The stage with a stored code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::CODES.iter().find(|(_, known)| *known == code).map(|(stage, _)| *stage)
    }

    /// The stored code.
    #[must_use]
    pub fn code(self) -> &'static str {
        Self::CODES.iter().find(|(stage, _)| *stage == self).map_or("", |(_, code)| code)
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::resolver_utils::EnumType as _;
    use cross_border::referral::Stage;
    use cross_border::referral::vocabulary::{ProgressKind, ReferralOutcome, ReturnCode};

    use super::*;

    #[test]
    fn every_stage_has_its_code_and_no_code_is_unknown() {
        assert_eq!(ReferralStage::items().len(), ReferralStage::CODES.len());
        for item in ReferralStage::items() {
            assert_eq!(ReferralStage::from_code(item.value.code()), Some(item.value));
        }
        let stages = [
            Stage::Drafted,
            Stage::ConsentCaptured,
            Stage::Assessed,
            Stage::Sealed,
            Stage::Sent,
            Stage::Delivered,
            Stage::Acknowledged,
            Stage::InProgress(ProgressKind::Handling),
            Stage::OutcomeReported(ReferralOutcome::Settled),
            Stage::Closed(ReferralOutcome::Settled),
            Stage::Returned(ReturnCode::NotLocal),
            Stage::Recalled { after_sending: true, erased: None },
        ];
        for stage in stages {
            assert!(ReferralStage::from_code(stage.code()).is_some(), "{stage}");
        }
    }
}
