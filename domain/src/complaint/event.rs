//! What can happen to a complaint. These are the stored shapes: a changed shape is a new schema number and an upcast.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::vocabulary::{
    Manner, Mode, NoteKind, NoticeSubject, Outcome, Party, RefusalGround, ReturnReason, Route, SessionResult,
    StopReason, TerminationGround,
};
use crate::clock::{ClockKind, ClockTerms};
use crate::id::{FilingId, UnitId};
use crate::money::Money;
use crate::privacy::{FreeText, Sealed};
use crate::region::RegionCode;
use crate::vocabulary::{Category, Channel, Remedy};

/// The business complained of (被投诉人). A company's name and address are not personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Respondent {
    pub name: String,
    /// Unified social credit code (统一社会信用代码), 18 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uscc: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// Where an imported history came from, and the deadline its own system had set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    pub system: String,
    pub number: String,
    /// Recorded by the source: an instant, not a statutory date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<DateTime<Utc>>,
}

/// 登记: the complaint exists and stands with the unit that took it in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Registered {
    pub filing: FilingId,
    pub item: u16,
    /// The number people use; unique by derivation.
    pub number: String,
    pub channel: Channel,
    pub category: Category,
    pub region: RegionCode,
    /// The intake unit (统一接收工作机构).
    pub unit: UnitId,
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

/// 分送: sent down or across by a body with that power.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dispatched {
    pub from: UnitId,
    pub to: UnitId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<FreeText>,
}

/// 退回: handed back to the intake body, the only way a unit without power may go (Art. 41(2)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReturnedToIntake {
    pub from: UnitId,
    pub to: UnitId,
    pub reason: ReturnReason,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<FreeText>,
}

/// 签收: the competent unit has it; from this day the acceptance period runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReceivedByUnit {
    pub unit: UnitId,
}

/// 指派: a named handler has the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HandlerAssigned {
    /// The officer's work id, never a personal name.
    pub handler: String,
}

/// 受理 (Art. 15(1)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Accepted {}

/// 不予受理, with its reason and the other routes (Art. 15(2), 16).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NotAccepted {
    pub ground: RefusalGround,
    pub reason: FreeText,
    pub routes: Vec<Route>,
}

/// A statutory period begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClockStarted {
    pub terms: ClockTerms,
}

/// The period stands still from this day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClockStopped {
    pub clock: ClockKind,
    pub on: NaiveDate,
    pub reason: StopReason,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

/// The period runs again; the new dates stand in the event so that no replay needs a calendar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClockResumed {
    pub on: NaiveDate,
    pub terms: ClockTerms,
}

/// The period is longer, by whose approval and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClockExtended {
    pub by: u16,
    pub approver: String,
    pub reason: FreeText,
    pub terms: ClockTerms,
}

/// The act that the period was for has been done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClockMet {
    pub clock: ClockKind,
    pub on: NaiveDate,
    /// Done after the legal last day.
    pub late: bool,
}

/// 开始调解: both sides agree to it (Art. 18).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MediationOpened {
    pub mode: Mode,
}

/// One session (Art. 20).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionHeld {
    pub mode: Mode,
    pub result: SessionResult,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<FreeText>,
}

/// 达成调解协议 (Art. 24).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgreementReached {
    /// A mediation document was signed; none is needed when it is performed at once or both waive it.
    pub document: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
}

/// 自行和解 (Art. 23(1)(1)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settled {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
}

/// 撤回投诉 (Art. 23(1)(1)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Withdrawn {
    pub reason: FreeText,
}

/// 终止调解, with its ground (Art. 23(1)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Terminated {
    pub ground: TerminationGround,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<FreeText>,
}

/// 告知: who was told what, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NoticeGiven {
    pub subject: NoticeSubject,
    pub to: Party,
    pub manner: Manner,
}

/// 办结: nothing is left to do, with what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Closed {
    pub outcome: Outcome,
    /// Economic loss recovered for the consumer (挽回经济损失).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<Money>,
    /// After a deadline: a statutory period that was exceeded, or the source's own deadline.
    pub late: bool,
}

/// 重办: taken up again under the same number, as a new round with new periods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reopened {
    pub reason: FreeText,
    pub round: u16,
}

/// A plain work note: a call, a visit, a step recorded by a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Noted {
    pub kind: NoteKind,
    pub text: FreeText,
    /// Who did it, by work id, when that is not the actor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// 催办: somebody above or the consumer presses for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Urged {
    pub note: FreeText,
}

/// 发现违法线索: a lead found in mediation, to be verified within its own period (Art. 27).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClueFound {
    pub summary: FreeText,
}

/// 线索核查决定: whether a case is filed on the lead (诉转案).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClueDecided {
    pub filed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<FreeText>,
}

/// The source's system waits for somebody outside; recorded as it stood there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WaitingBegan {}

/// The source's system goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WaitingEnded {}

/// Everything that can happen to a complaint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComplaintEvent {
    Registered(Box<Registered>),
    Dispatched(Dispatched),
    ReturnedToIntake(ReturnedToIntake),
    ReceivedByUnit(ReceivedByUnit),
    HandlerAssigned(HandlerAssigned),
    Accepted(Accepted),
    NotAccepted(NotAccepted),
    ClockStarted(ClockStarted),
    ClockStopped(ClockStopped),
    ClockResumed(ClockResumed),
    ClockExtended(ClockExtended),
    ClockMet(ClockMet),
    MediationOpened(MediationOpened),
    SessionHeld(SessionHeld),
    AgreementReached(AgreementReached),
    Settled(Settled),
    Withdrawn(Withdrawn),
    Terminated(Terminated),
    NoticeGiven(NoticeGiven),
    Closed(Closed),
    Reopened(Reopened),
    Noted(Noted),
    Urged(Urged),
    ClueFound(ClueFound),
    ClueDecided(ClueDecided),
    WaitingBegan(WaitingBegan),
    WaitingEnded(WaitingEnded),
}

crate::wire::event_kinds! {
    ComplaintEvent {
        Registered = "complaint.registered", 1;
        Dispatched = "complaint.dispatched", 1;
        ReturnedToIntake = "complaint.returned-to-intake", 1;
        ReceivedByUnit = "complaint.received-by-unit", 1;
        HandlerAssigned = "complaint.handler-assigned", 1;
        Accepted = "complaint.accepted", 1;
        NotAccepted = "complaint.not-accepted", 1;
        ClockStarted = "complaint.clock-started", 1;
        ClockStopped = "complaint.clock-stopped", 1;
        ClockResumed = "complaint.clock-resumed", 1;
        ClockExtended = "complaint.clock-extended", 1;
        ClockMet = "complaint.clock-met", 1;
        MediationOpened = "complaint.mediation-opened", 1;
        SessionHeld = "complaint.session-held", 1;
        AgreementReached = "complaint.agreement-reached", 1;
        Settled = "complaint.settled", 1;
        Withdrawn = "complaint.withdrawn", 1;
        Terminated = "complaint.terminated", 1;
        NoticeGiven = "complaint.notice-given", 1;
        Closed = "complaint.closed", 1;
        Reopened = "complaint.reopened", 1;
        Noted = "complaint.noted", 1;
        Urged = "complaint.urged", 1;
        ClueFound = "complaint.clue-found", 1;
        ClueDecided = "complaint.clue-decided", 1;
        WaitingBegan = "complaint.waiting-began", 1;
        WaitingEnded = "complaint.waiting-ended", 1;
    }
}
