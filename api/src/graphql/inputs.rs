//! What a mutation is given: the same head on every act, then the act's own fields.

use async_graphql::InputObject;
use chrono::{DateTime, Utc};
use domain::clock::ClockKind;
use domain::complaint::Act;
use domain::complaint::accept::Accept;
use domain::complaint::assign_handler::AssignHandler;
use domain::complaint::close::Close;
use domain::complaint::decide_clue::DecideClue;
use domain::complaint::dispatch::Dispatch;
use domain::complaint::extend_clock::ExtendClock;
use domain::complaint::give_notice::GiveNotice;
use domain::complaint::note::Note;
use domain::complaint::open_mediation::OpenMediation;
use domain::complaint::reach_agreement::ReachAgreement;
use domain::complaint::receive::Receive;
use domain::complaint::record_clue::RecordClue;
use domain::complaint::record_session::RecordSession;
use domain::complaint::refuse::Refuse;
use domain::complaint::reopen::Reopen;
use domain::complaint::resume_clock::ResumeClock;
use domain::complaint::return_to_intake::ReturnToIntake;
use domain::complaint::settle::Settle;
use domain::complaint::stop_clock::StopClock;
use domain::complaint::terminate::Terminate;
use domain::complaint::urge::Urge;
use domain::complaint::withdraw::Withdraw;
use uuid::Uuid;

use super::case::unit_id;
use super::enums::{
    Category, Channel, ItemKind, Manner, Mode, NoteKind, NoticeSubject, Outcome, Party, RefusalGround,
    RegistrationSettlement, Remedy, ReturnReason, Route, SessionResult, StopReason, TerminationGround, UnitKind,
};
use super::error::{ApiError, Code};
use super::money::MoneyInput;
use super::scalars::Revision;

/// What every act on a case says.
#[derive(Debug, Clone)]
pub struct Head {
    pub command_id: Uuid,
    pub case_id: Uuid,
    pub expected_revision: Option<Revision>,
    pub at: Option<DateTime<Utc>>,
    pub on_behalf_of: Option<String>,
}

/// An input that is an act on a case.
pub trait ActInput: std::fmt::Debug + Send {
    /// The fields that every act has.
    fn head(&self) -> Head;

    /// The act itself.
    ///
    /// # Errors
    /// `INVALID_INPUT` or a more exact code for a field that is not of its form.
    fn act(self) -> Result<Act, ApiError>;
}

macro_rules! act_inputs {
    ($($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident: $ty:ty,)* } => |$input:ident| $act:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, InputObject)]
        pub struct $name {
            /// Chosen by you before the first attempt; the same on every retry. A repeated command answers the first answer.
            pub command_id: Uuid,
            pub case_id: Uuid,
            /// The revision you had before your eyes; when the case has moved on, the answer says what changed.
            pub expected_revision: Option<Revision>,
            /// When it was done, at most 30 days ago; now when left out.
            pub at: Option<DateTime<Utc>>,
            /// For whom you act, when not for your own unit: the id of a registered unit or of a council.
            pub on_behalf_of: Option<String>,
            $($(#[$fdoc])* pub $field: $ty,)*
        }

        impl ActInput for $name {
            fn head(&self) -> Head {
                Head {
                    command_id: self.command_id,
                    case_id: self.case_id,
                    expected_revision: self.expected_revision,
                    at: self.at,
                    on_behalf_of: self.on_behalf_of.clone(),
                }
            }

            fn act(self) -> Result<Act, ApiError> {
                let $input = self;
                Ok($act)
            }
        }
    )+};
}

fn money(input: Option<MoneyInput>) -> Result<Option<domain::money::Money>, ApiError> {
    input.map(TryInto::try_into).transpose()
}

fn clock(raw: &str) -> Result<ClockKind, ApiError> {
    ClockKind::parse(raw).map_err(|error| ApiError::new(Code::UnknownRule, error.to_string()))
}

act_inputs! {
    /// 分送: to a unit below yours.
    DispatchCaseInput { to: String, note: Option<String>, }
        => |input| Act::Dispatch(Dispatch { to: unit_id(&input.to)?, note: input.note.map(Into::into) });
    /// 退回: your unit has no power over it (Order 121 Art. 41).
    ReturnToIntakeInput { reason: ReturnReason, note: Option<String>, }
        => |input| Act::ReturnToIntake(ReturnToIntake { reason: input.reason.into(), note: input.note.map(Into::into) });
    /// 签收: your unit has it; the acceptance period runs from this day.
    ReceiveCaseInput {
        /// Work id of the handler, never a personal name.
        handler: Option<String>,
    } => |input| Act::Receive(Receive { handler: input.handler });
    /// 指派.
    AssignHandlerInput {
        /// Work id of the handler, never a personal name.
        handler: String,
    } => |input| Act::AssignHandler(AssignHandler { handler: input.handler });
    /// 受理 (Order 121 Art. 15).
    AcceptComplaintInput { } => |_input| Act::Accept(Accept {});
    /// 不予受理 (Order 121 Art. 15, 16).
    RefuseComplaintInput {
        ground: RefusalGround,
        reason: String,
        /// The other routes the complainant is told of; at least one.
        routes: Vec<Route>,
    } => |input| Act::Refuse(Refuse {
        ground: input.ground.into(),
        reason: input.reason.into(),
        routes: input.routes.into_iter().map(Into::into).collect(),
    });
    /// 开始调解 (Order 121 Art. 18).
    OpenMediationInput {
        mode: Mode,
        /// Both sides have agreed to mediation.
        both_agree: bool,
    } => |input| Act::OpenMediation(OpenMediation { mode: input.mode.into(), both_agree: input.both_agree });
    /// 调解记录.
    RecordSessionInput { mode: Mode, result: SessionResult, note: Option<String>, }
        => |input| Act::RecordSession(RecordSession {
            mode: input.mode.into(),
            result: input.result.into(),
            note: input.note.map(Into::into),
        });
    /// 达成调解协议 (Order 121 Art. 24).
    ReachAgreementInput {
        /// A mediation document was signed.
        document: bool,
        amount: Option<MoneyInput>,
    } => |input| Act::ReachAgreement(ReachAgreement { document: input.document, amount: money(input.amount)? });
    /// 自行和解.
    SettleCaseInput { amount: Option<MoneyInput>, } => |input| Act::Settle(Settle { amount: money(input.amount)? });
    /// 撤回投诉.
    WithdrawCaseInput { reason: String, } => |input| Act::Withdraw(Withdraw { reason: input.reason.into() });
    /// 终止调解 (Order 121 Art. 23).
    TerminateMediationInput { ground: TerminationGround, note: Option<String>, }
        => |input| Act::Terminate(Terminate { ground: input.ground.into(), note: input.note.map(Into::into) });
    /// 告知.
    GiveNoticeInput { subject: NoticeSubject, to: Party, manner: Manner, }
        => |input| Act::GiveNotice(GiveNotice {
            subject: input.subject.into(),
            to: input.to.into(),
            manner: input.manner.into(),
        });
    /// 中止计时 (Order 121 Art. 22).
    StopClockInput {
        /// For example CLK-MEDIATE.
        clock: String,
        reason: StopReason,
        /// What shows it: the number of the commission, the receipt of the laboratory.
        evidence: Option<String>,
    } => |input| Act::StopClock(StopClock {
        clock: clock(&input.clock)?,
        reason: input.reason.into(),
        evidence: input.evidence,
    });
    /// 恢复计时.
    ResumeClockInput {
        /// For example CLK-MEDIATE.
        clock: String,
    } => |input| Act::ResumeClock(ResumeClock { clock: clock(&input.clock)? });
    /// 延期: only where an article allows it.
    ExtendClockInput {
        /// For example CLK-CLUE-VERIFY.
        clock: String,
        /// In the clock's own unit.
        by: u16,
        /// Work id of the head who approved it.
        approver: String,
        reason: String,
    } => |input| Act::ExtendClock(ExtendClock {
        clock: clock(&input.clock)?,
        by: input.by,
        approver: input.approver,
        reason: input.reason.into(),
    });
    /// 发现违法线索 (Order 121 Art. 27).
    RecordClueInput { summary: String, } => |input| Act::RecordClue(RecordClue { summary: input.summary.into() });
    /// 线索核查决定 (Order 121 Art. 27).
    DecideClueInput {
        /// A case is filed (立案).
        filed: bool,
        note: Option<String>,
    } => |input| Act::DecideClue(DecideClue { filed: input.filed, note: input.note.map(Into::into) });
    /// 办结.
    CloseCaseInput {
        outcome: Outcome,
        /// Economic loss recovered for the consumer.
        recovered_loss: Option<MoneyInput>,
    } => |input| Act::Close(Close { outcome: input.outcome.into(), recovered: money(input.recovered_loss)? });
    /// 重办.
    ReopenCaseInput { reason: String, } => |input| Act::Reopen(Reopen { reason: input.reason.into() });
    /// 工作记录.
    NoteWorkInput { kind: NoteKind, text: String, }
        => |input| Act::Note(Note { kind: input.kind.into(), text: input.text.into() });
    /// 催办.
    UrgeCaseInput { note: String, } => |input| Act::Urge(Urge { note: input.note.into() });
}

/// The business complained of. It is stored in clear: with an identity, card or mobile number of a person in it, the
/// filing is refused.
#[derive(Debug, Clone, InputObject)]
pub struct RespondentInput {
    pub name: String,
    /// Unified social credit code, 18 characters.
    pub credit_code: Option<String>,
    pub address: Option<String>,
}

/// The person who files; every field is sealed before it is stored.
#[derive(Debug, Clone, InputObject)]
pub struct ComplainantInput {
    pub name: String,
    pub phone: String,
    pub address: Option<String>,
    /// 是否同意公示投诉信息.
    #[graphql(default)]
    pub consents_to_disclosure: bool,
    /// 是否同意委托调解.
    #[graphql(default)]
    pub consents_to_delegation: bool,
}

/// One matter of a filing (Order 121 Art. 9).
#[derive(Debug, Clone, InputObject)]
pub struct FilingItemInput {
    pub kind: ItemKind,
    pub category: Category,
    pub respondent: Option<RespondentInput>,
    pub amount: Option<MoneyInput>,
    #[graphql(default)]
    pub remedies: Vec<Remedy>,
    /// What happened and what is asked; sealed before it is stored.
    pub facts: String,
}

/// 来件登记.
#[derive(Debug, Clone, InputObject)]
pub struct RegisterFilingInput {
    /// Chosen by you before the first attempt; the same on every retry.
    pub command_id: Uuid,
    /// The outside system, for example `12315`.
    pub source: String,
    /// Its number; the same number from the same source is the same filing.
    pub external_number: String,
    pub channel: Channel,
    /// Region code, for example `440106`.
    pub region: String,
    pub complainant: Option<ComplainantInput>,
    pub items: Vec<FilingItemInput>,
    /// When it came in, at most 30 days ago; now when left out.
    pub at: Option<DateTime<Utc>>,
    /// For whom you act, when not for your own unit: the id of a registered unit or of a council.
    pub on_behalf_of: Option<String>,
}

/// 重新登记.
#[derive(Debug, Clone, InputObject)]
pub struct RetryRegistrationInput {
    /// Chosen by you before the first attempt; the same on every retry.
    pub command_id: Uuid,
    pub filing_id: Uuid,
    /// The number of the matter within the filing.
    pub item: u16,
    /// For whom you act, when not for your own unit: the id of a registered unit or of a council.
    pub on_behalf_of: Option<String>,
}

/// 登记了结.
#[derive(Debug, Clone, InputObject)]
pub struct SettleRegistrationInput {
    /// Chosen by you before the first attempt; the same on every retry.
    pub command_id: Uuid,
    pub filing_id: Uuid,
    /// The number of the matter within the filing.
    pub item: u16,
    /// Why it needs no complaint.
    pub reason: RegistrationSettlement,
    /// For whom you act, when not for your own unit: the id of a registered unit or of a council.
    pub on_behalf_of: Option<String>,
}

/// A unit to be registered.
#[derive(Debug, Clone, InputObject)]
pub struct RegisterUnitInput {
    /// Chosen by you before the first attempt; the same on every retry.
    pub command_id: Uuid,
    /// Lower-case letters, digits, `-` and `.`.
    pub id: String,
    pub kind: UnitKind,
    pub name: String,
    /// Region code.
    pub region: String,
    pub parent: Option<String>,
}
