//! The acts one may do; each appends events or changes nothing.

use async_graphql::{Context, Object, SimpleObject};
use uuid::Uuid;

use self::act::act;
use self::filing::register_filing;
use self::unit::register_unit;
use super::case;
use super::error::Field;
use super::inputs::{
    AcceptComplaintInput, AssignHandlerInput, CloseCaseInput, DecideClueInput, DispatchCaseInput, ExtendClockInput,
    GiveNoticeInput, NoteWorkInput, OpenMediationInput, ReachAgreementInput, ReceiveCaseInput, RecordClueInput,
    RecordSessionInput, RefuseComplaintInput, RegisterFilingInput, RegisterUnitInput, ReopenCaseInput,
    ResumeClockInput, RetryRegistrationInput, ReturnToIntakeInput, SettleCaseInput, SettleRegistrationInput,
    StopClockInput, TerminateMediationInput, UrgeCaseInput, WithdrawCaseInput,
};
use super::scalars::{Position, Revision};
use super::unregistered::{self, UnregisteredMatter};

mod act;
pub mod command;
pub mod filing;
mod unit;

/// What an act on a case answers.
#[derive(Debug, Clone, SimpleObject)]
pub struct CasePayload {
    /// The case right behind the act.
    pub case: case::Case,
    pub revision: Revision,
    /// Pass it as `atLeast` to see the act in lists and dashboards.
    pub position: Position,
    /// It had been carried out before; this is its first answer.
    pub repeated: bool,
}

/// What a filing answers.
#[derive(Debug, Clone, SimpleObject)]
pub struct FilingPayload {
    pub filing_id: Uuid,
    /// The complaints it led to, in the order of its matters.
    pub cases: Vec<case::Case>,
    /// Its matters that led to no complaint, though the filing stands: see `unregisteredMatters`.
    pub unregistered: Vec<UnregisteredMatter>,
    /// Pass it as `atLeast` to see the cases in lists and dashboards.
    pub position: Position,
    /// It had been carried out before; this is its first answer.
    pub repeated: bool,
}

/// What the register of units answers.
#[derive(Debug, Clone, SimpleObject)]
pub struct UnitPayload {
    pub unit_id: String,
    pub position: Position,
    /// It had been carried out before; this is its first answer.
    pub repeated: bool,
}

/// The acts one may do on cases, filings and units.
#[derive(Debug, Clone, Copy, Default)]
pub struct CaseMutation;

macro_rules! acts {
    ($($(#[$doc:meta])* $name:ident($input:ty);)+) => {
        #[Object]
        impl CaseMutation {
            /// 来件登记: takes in a filing, splits it, and registers its complaints.
            async fn register_filing(&self, ctx: &Context<'_>, input: RegisterFilingInput) -> Field<FilingPayload> {
                Some(register_filing(ctx, input).await.map_err(Into::into))
            }

            /// 重新登记: has a matter of `unregisteredMatters` tried again, by a command of its own. Only the unit that
            /// took the filing in may.
            async fn retry_registration(
                &self,
                ctx: &Context<'_>,
                input: RetryRegistrationInput,
            ) -> Field<FilingPayload> {
                Some(unregistered::retry(ctx, &input).await.map_err(Into::into))
            }

            /// 登记了结: a matter of `unregisteredMatters` needs no complaint. It leaves the list and is never tried again.
            /// Only the unit that took the filing in may.
            async fn settle_registration(
                &self,
                ctx: &Context<'_>,
                input: SettleRegistrationInput,
            ) -> Field<FilingPayload> {
                Some(unregistered::settle(ctx, &input).await.map_err(Into::into))
            }

            /// Registers a unit (办理单位).
            async fn register_unit(&self, ctx: &Context<'_>, input: RegisterUnitInput) -> Field<UnitPayload> {
                Some(register_unit(ctx, input).await.map_err(Into::into))
            }

            $(
                $(#[$doc])*
                async fn $name(&self, ctx: &Context<'_>, input: $input) -> Field<CasePayload> {
                    Some(act(ctx, stringify!($name), input).await.map_err(Into::into))
                }
            )+
        }
    };
}

acts! {
    /// 分送: sends the case to a unit below yours.
    dispatch_case(DispatchCaseInput);
    /// 退回: hands the case back to intake; a unit may not pass it on itself.
    return_to_intake(ReturnToIntakeInput);
    /// 签收: your unit has the case; the acceptance period begins.
    receive_case(ReceiveCaseInput);
    /// 指派: gives the case to a handler.
    assign_handler(AssignHandlerInput);
    /// 受理: accepts the complaint; the mediation period begins.
    accept_complaint(AcceptComplaintInput);
    /// 不予受理: refuses the complaint on a ground of the closed list.
    refuse_complaint(RefuseComplaintInput);
    /// 开始调解: opens the mediation.
    open_mediation(OpenMediationInput);
    /// 调解记录: records a session.
    record_session(RecordSessionInput);
    /// 达成调解协议: the mediation ends in agreement.
    reach_agreement(ReachAgreementInput);
    /// 自行和解: the sides settled themselves.
    settle_case(SettleCaseInput);
    /// 撤回投诉: the complainant withdraws.
    withdraw_case(WithdrawCaseInput);
    /// 终止调解: ends the mediation on a ground of the closed list.
    terminate_mediation(TerminateMediationInput);
    /// 告知: records that a side was told.
    give_notice(GiveNoticeInput);
    /// 中止计时: stops a clock for appraisal or testing.
    stop_clock(StopClockInput);
    /// 恢复计时: the clock runs again.
    resume_clock(ResumeClockInput);
    /// 延期: extends a clock where an article allows it.
    extend_clock(ExtendClockInput);
    /// 发现违法线索: records a lead; its verification period begins.
    record_clue(RecordClueInput);
    /// 线索核查决定: decides on the lead.
    decide_clue(DecideClueInput);
    /// 办结: closes the case with its outcome.
    close_case(CloseCaseInput);
    /// 重办: takes a closed case up again.
    reopen_case(ReopenCaseInput);
    /// 工作记录: adds a work note.
    note_work(NoteWorkInput);
    /// 催办: urges the unit that has the case.
    urge_case(UrgeCaseInput);
}
