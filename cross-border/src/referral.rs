//! One hand-over of a dispute to a partner council or from one, with its receipts.
//!
//! A referral that goes out is drafted, the consumer consents, the legal route is assessed, the message is reduced to
//! what is needed and sealed, and only then sent. One that comes in was prepared by its sender under the law of its
//! own place: its life here begins with what we recorded of it and its delivery. From the delivery on both go the
//! same way, with the roles exchanged. Nothing here talks to a partner: what is to be sent is read from these events,
//! and what came of it is appended.

pub mod acknowledge;
pub mod acknowledge_outcome;
pub mod action;
pub mod answer_recall;
pub mod assess;
pub mod capture_consent;
pub mod draft;
pub mod event;
pub mod gate;
pub mod id;
pub mod recall;
pub mod record_delivery;
pub mod rejection;
pub mod report_outcome;
pub mod report_progress;
pub mod return_referral;
pub mod seal;
pub mod send;
pub mod state;
pub mod vocabulary;
pub mod withdraw_consent;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod testing;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use domain::complaint::{BACKDATE_DAYS_MAX, FUTURE_TOLERANCE};
use domain::decider::{Context, Decider, Happened};

pub use self::action::Action;
pub use self::event::ReferralEvent;
pub use self::gate::Gate;
pub use self::id::ReferralId;
pub use self::rejection::Rejection;
pub use self::state::{Referral, Stage, Transfer};

/// Longest number, name or digest that an act may carry, in characters.
pub const CODE_CHARS_MAX: usize = 128;

/// What one may do to a referral, and when it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferralCommand {
    /// The business moment; the moment of the decision when absent.
    pub at: Option<DateTime<Utc>>,
    pub act: Act,
}

/// The acts, one file each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    Draft(Box<draft::Draft>),
    CaptureConsent(Box<capture_consent::CaptureConsent>),
    WithdrawConsent(withdraw_consent::WithdrawConsent),
    Assess(Box<assess::Assess>),
    Seal(Box<seal::Seal>),
    Send(send::Send),
    RecordDelivery(record_delivery::RecordDelivery),
    Acknowledge(acknowledge::Acknowledge),
    Return(return_referral::Return),
    ReportProgress(report_progress::ReportProgress),
    ReportOutcome(report_outcome::ReportOutcome),
    AcknowledgeOutcome(acknowledge_outcome::AcknowledgeOutcome),
    Recall(recall::Recall),
    AnswerRecall(answer_recall::AnswerRecall),
}

impl Act {
    /// The action this act is, for what is allowed; drafting begins a life and is none.
    #[must_use]
    pub const fn action(&self) -> Option<Action> {
        Some(match self {
            Self::Draft(_) => return None,
            Self::CaptureConsent(_) => Action::CaptureConsent,
            Self::WithdrawConsent(_) => Action::WithdrawConsent,
            Self::Assess(_) => Action::Assess,
            Self::Seal(_) => Action::Seal,
            Self::Send(_) => Action::Send,
            Self::RecordDelivery(_) => Action::RecordDelivery,
            Self::Acknowledge(_) => Action::Acknowledge,
            Self::Return(_) => Action::Return,
            Self::ReportProgress(_) => Action::ReportProgress,
            Self::ReportOutcome(_) => Action::ReportOutcome,
            Self::AcknowledgeOutcome(_) => Action::AcknowledgeOutcome,
            Self::Recall(_) => Action::Recall,
            Self::AnswerRecall(_) => Action::AnswerRecall,
        })
    }
}

/// The situation of one decision.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment<'a> {
    pub(crate) at: DateTime<Utc>,
    pub(crate) ctx: &'a Context<'a>,
}

impl Moment<'_> {
    pub(crate) fn day(&self) -> NaiveDate {
        domain::day::local_day(self.at)
    }
}

impl Decider for Referral {
    const CATEGORY: &'static str = "referral";
    type Command = ReferralCommand;
    type Event = ReferralEvent;
    type State = Self;
    type Rejection = Rejection;

    fn initial() -> Self {
        Self::Unknown
    }

    fn decide(
        state: &Self,
        command: ReferralCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<Happened<ReferralEvent>>, Rejection> {
        let ReferralCommand { at, act } = command;
        let moment = Moment { at: at.unwrap_or(ctx.now), ctx };
        check_window(&moment)?;
        let events = match (state, act) {
            (Self::Unknown, Act::Draft(draft)) => draft.decide(&moment)?,
            (Self::Unknown, _) => return Err(Rejection::NotDrafted),
            (Self::Known(transfer), act) => {
                check_allowed(transfer, &act, moment.at)?;
                decide_act(transfer, act, &moment)?
            }
        };
        Ok(events.into_iter().map(|event| Happened { at: moment.at, event }).collect())
    }

    fn evolve(state: Self, event: &Happened<ReferralEvent>) -> Self {
        state::evolve(state, event)
    }
}

fn decide_act(transfer: &Transfer, act: Act, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
    match act {
        Act::Draft(_) => Err(Rejection::AlreadyDrafted(transfer.drafted.referral)),
        Act::CaptureConsent(act) => act.decide(),
        Act::WithdrawConsent(act) => Ok(act.decide()),
        Act::Assess(act) => act.decide(moment),
        Act::Seal(act) => act.decide(),
        Act::Send(act) => act.decide(transfer, moment),
        Act::RecordDelivery(act) => act.decide(transfer),
        Act::Acknowledge(act) => act.decide(transfer, moment),
        Act::Return(act) => Ok(act.decide()),
        Act::ReportProgress(act) => Ok(act.decide()),
        Act::ReportOutcome(act) => Ok(act.decide()),
        Act::AcknowledgeOutcome(act) => Ok(act.decide()),
        Act::Recall(act) => Ok(act.decide(transfer)),
        Act::AnswerRecall(act) => Ok(act.decide()),
    }
}

fn check_allowed(transfer: &Transfer, act: &Act, at: DateTime<Utc>) -> Result<(), Rejection> {
    let Some(action) = act.action() else { return Ok(()) };
    let allowed = transfer.allowed();
    if !allowed.contains(&action) {
        return Err(Rejection::NotAllowed { action, stage: transfer.stage, allowed });
    }
    let last = if action.keeps_the_order() { transfer.last_act_at } else { transfer.drafted_at };
    if at < last {
        return Err(Rejection::BeforeLastAct { at, last });
    }
    Ok(())
}

/// An act is entered when it is done, or a bounded number of days later; the same bounds as for a complaint.
fn check_window(moment: &Moment<'_>) -> Result<(), Rejection> {
    let now = moment.ctx.now;
    if moment.at > now + FUTURE_TOLERANCE {
        return Err(Rejection::InFuture { at: moment.at });
    }
    if moment.at < now - Duration::days(BACKDATE_DAYS_MAX) {
        return Err(Rejection::TooLongAgo { at: moment.at });
    }
    Ok(())
}

/// Checks a number or a name: something stands in it, and not too much.
pub(crate) fn check_code(field: &'static str, text: &str) -> Result<(), Rejection> {
    let chars = text.chars().count();
    if text.trim().is_empty() {
        return Err(Rejection::CodeMissing { field });
    }
    if chars > CODE_CHARS_MAX {
        return Err(Rejection::CodeTooLong { field, chars });
    }
    Ok(())
}
