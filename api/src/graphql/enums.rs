//! The closed lists as GraphQL enums; the stored codes stay inside.

use async_graphql::Enum;

macro_rules! mirror {
    ($($(#[$doc:meta])* $name:ident = $remote:ty { $($variant:ident),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Enum, Copy, Clone, Eq, PartialEq)]
        pub enum $name { $($variant),+ }

        impl From<$name> for $remote {
            fn from(value: $name) -> Self {
                match value { $($name::$variant => <$remote>::$variant),+ }
            }
        }

        impl From<$remote> for $name {
            fn from(value: $remote) -> Self {
                match value { $(<$remote>::$variant => Self::$variant),+ }
            }
        }
    )+};
}

pub(super) use mirror;

mirror! {
    /// How a matter came in (接收渠道).
    Channel = domain::vocabulary::Channel {
        Web, App, WechatMini, WechatAccount, AlipayMini, BaiduMini, Phone, Sms, Letter, Visit, Hotline12345, Department,
        Staff, Email, ServiceStation, Odr, Council,
    }
    /// What the dispute is about (投诉问题类别).
    Category = domain::vocabulary::Category {
        AfterSales, Quality, FoodSafety, Contract, Advertising, UnfairCompetition, Price, Trademark, Safety, Counterfeit,
        PersonalDignity, Metering, Other,
    }
    /// What the consumer asks for (投诉请求).
    Remedy = domain::vocabulary::Remedy {
        Repair, Redo, Replace, Return, MakeUpQuantity, Refund, Compensation, Other,
    }
    /// What a matter is (事项类别).
    ItemKind = domain::filing::ItemKind { Complaint, Report, Enquiry }
    /// Why a matter led to no complaint (登记障碍).
    ///
    /// Another complaint stands under its id; the id of the command that registers it was spent on something else; it is
    /// too large; the rules for registering refuse it.
    RegistrationObstacle = domain::filing::RegistrationObstacle { AlreadyRegistered, CommandReused, TooLarge, Rejected }
    /// Why a matter that led to no complaint needs none (了结原因).
    ///
    /// The same dispute stands as a complaint already; it was registered in another way, by an import or under another
    /// number; it is no complaint.
    RegistrationSettlement = domain::filing::RegistrationSettlement { Duplicate, RegisteredOtherwise, NotAComplaint }
    /// Grounds of refusing a complaint, Order 121 Art. 16; closed.
    RefusalGround = domain::complaint::vocabulary::RefusalGround {
        NotOurPower, AlreadyHandled, NotConsumption, TooLate, MissingOrFalseMaterial, Impersonation, OtherLaw,
    }
    /// The other routes a refusal must name, Consumer Rights Law Art. 39.
    Route = domain::complaint::vocabulary::Route {
        SettleWithOperator, ConsumerCouncil, Administration, Arbitration, Court,
    }
    /// Grounds of ending a mediation, Order 121 Art. 23(1); closed.
    TerminationGround = domain::complaint::vocabulary::TerminationGround {
        WithdrawnOrSettled, AbsentOrRefused, NoAgreementPossible, AppraisalCost, SixtyDays, RefusalGroundFound, PartyGone,
        OtherLaw,
    }
    /// Why a unit hands a complaint back, Order 121 Art. 41(2).
    ReturnReason = domain::complaint::vocabulary::ReturnReason { NoTerritory, NoPower, Duplicate, WrongData }
    /// What stops a clock, Order 121 Art. 22.
    StopReason = domain::complaint::vocabulary::StopReason { Appraisal, Testing, RecordedBySource }
    /// How a mediation is held, Order 121 Art. 20.
    Mode = domain::complaint::vocabulary::Mode { OnSite, Phone, Audio, Video, Internet }
    /// What came of a session.
    SessionResult = domain::complaint::vocabulary::SessionResult { Continues, Agreed, NotAgreed, PartyAbsent }
    /// What a notice tells.
    NoticeSubject = domain::complaint::vocabulary::NoticeSubject { Acceptance, Refusal, Termination, Result }
    /// Who is told.
    Party = domain::complaint::vocabulary::Party { Complainant, Respondent }
    /// How a notice is given.
    Manner = domain::complaint::vocabulary::Manner { Internet, Phone, Sms, Email, Letter, InPerson }
    /// What became of a complaint.
    Outcome = domain::complaint::vocabulary::Outcome {
        Agreement, Settled, Withdrawn, Terminated, NotAccepted, RecordedBySource,
    }
    /// Kinds of plain work.
    NoteKind = domain::complaint::vocabulary::NoteKind { Call, Visit, Document, Task, Other }
    /// What a unit is.
    UnitKind = domain::org::UnitKind { Province, City, County, Station, Council, ServiceStation, OdrEnterprise }
    /// ISO 4217 codes of the three places.
    Currency = domain::money::Currency { Cny, Hkd, Mop }
    /// The acts that can be allowed on a case.
    Action = domain::complaint::Action {
        Dispatch, ReturnToIntake, Receive, AssignHandler, Accept, Refuse, OpenMediation, RecordSession, ReachAgreement,
        Settle, Withdraw, Terminate, GiveNotice, StopClock, ResumeClock, ExtendClock, RecordClue, DecideClue, Close,
        Reopen, Note, Urge,
    }
}

/// Where a complaint stands.
#[derive(Debug, Enum, Copy, Clone, Eq, PartialEq)]
pub enum Stage {
    /// 已登记
    AtIntake,
    /// 已分送
    Dispatched,
    /// 已签收
    Received,
    /// 已受理
    Accepted,
    /// 调解中
    Mediating,
    /// 调解结束
    Ended,
    /// 不予受理
    NotAccepted,
    /// 已办结
    Closed,
}

impl Stage {
    /// The stage with a stored code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Some(match code {
            "at-intake" => Self::AtIntake,
            "dispatched" => Self::Dispatched,
            "received" => Self::Received,
            "accepted" => Self::Accepted,
            "mediating" => Self::Mediating,
            "ended" => Self::Ended,
            "not-accepted" => Self::NotAccepted,
            "closed" => Self::Closed,
            _ => return None,
        })
    }

    /// The stored code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AtIntake => "at-intake",
            Self::Dispatched => "dispatched",
            Self::Received => "received",
            Self::Accepted => "accepted",
            Self::Mediating => "mediating",
            Self::Ended => "ended",
            Self::NotAccepted => "not-accepted",
            Self::Closed => "closed",
        }
    }
}
