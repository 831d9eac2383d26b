//! Why a complaint's decider refuses; every refusal changes nothing.

use chrono::{DateTime, NaiveDate, Utc};
use thiserror::Error;

use super::action::Action;
use super::state::Stage;
use super::{BACKDATE_DAYS_MAX, TEXT_CHARS_MAX};
use crate::clock::{ClockError, ClockKind};

/// A refusal with what was wrong and, where the state decides, what is allowed now.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejection {
    #[error("there is no such complaint")]
    NotRegistered,
    #[error("complaint `{0}` is registered already")]
    AlreadyRegistered(String),
    #[error("`{action}` is not allowed while the complaint is `{stage}`; allowed now: {}", list(.allowed))]
    NotAllowed { action: Action, stage: Stage, allowed: Vec<Action> },
    #[error("an act must not lie in the future: {at}")]
    InFuture { at: DateTime<Utc> },
    #[error("an act may be entered at most {BACKDATE_DAYS_MAX} days late: {at}")]
    TooLongAgo { at: DateTime<Utc> },
    #[error("an act at {at} would lie before the last one at {last}")]
    BeforeLastAct { at: DateTime<Utc>, last: DateTime<Utc> },
    #[error("`{field}` must not be empty")]
    TextMissing { field: &'static str },
    #[error("`{field}` has {chars} characters, more than {TEXT_CHARS_MAX}")]
    TextTooLong { field: &'static str, chars: usize },
    #[error("`{field}` has a character that nobody sees or that means nothing elsewhere; write it without")]
    TextUnseen { field: &'static str },
    #[error("the number of a complaint has 1 to 64 characters, this one has {0}")]
    Number(usize),
    #[error("the unified social credit code must have 18 capital letters and digits")]
    CreditCode,
    #[error("a case cannot be dispatched to the unit that has it")]
    SameUnit,
    #[error("a refusal names at least one other route (Order 121 Art. 15(2))")]
    RoutesMissing,
    #[error("ground 23-5 is open only after the period's last day, {due}")]
    PeriodNotOver { due: NaiveDate },
    #[error("ground 23-1 is recorded as a withdrawal or a settlement")]
    UseWithdrawOrSettle,
    #[error("clock `{0}` is not running")]
    NotRunning(ClockKind),
    #[error("clock `{0}` stands still already")]
    AlreadyStopped(ClockKind),
    #[error("clock `{0}` is not stopped")]
    NotStopped(ClockKind),
    #[error("no article lets clock `{0}` stand still for this reason")]
    NotStoppable(ClockKind),
    #[error("no article lets clock `{0}` be extended")]
    NotExtendable(ClockKind),
    #[error("clock `{clock}` may be extended by at most {max} days in all")]
    ExtensionTooLong { clock: ClockKind, max: u16 },
    #[error("an extension must be asked for before the period's last day, {due}")]
    ExtensionTooLate { due: NaiveDate },
    #[error("a clock resumes on or after the day it was stopped, {stopped_on}")]
    ResumedBeforeStop { stopped_on: NaiveDate },
    #[error("the case must be closed with outcome `{expected}`")]
    OutcomeDiffers { expected: super::vocabulary::Outcome },
    #[error("before closing, these must still be told: {0}")]
    NoticesMissing(String),
    #[error("mediation needs the consent of both sides (Order 121 Art. 18)")]
    ConsentMissing,
    #[error("the history must begin with its registration")]
    HistoryBeginning,
    #[error(transparent)]
    Clock(#[from] ClockError),
}

fn list(actions: &[Action]) -> String {
    actions.iter().map(|action| action.code()).collect::<Vec<_>>().join(", ")
}
