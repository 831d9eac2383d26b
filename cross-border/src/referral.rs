//! One hand-over of a dispute to a partner council or from one, with its receipts.
//!
//! A referral that goes out is drafted, the consumer consents, the legal route is assessed, one person presents it and
//! another submits it. One that comes in was prepared by its sender under the law of its own place: its life here
//! begins with its submission. From then on both councils know it, and an act that the other must know of is one with
//! the message that tells of it ([`tell`]); what the other council does arrives as such a message ([`receive`]).
//! Nothing here talks to a partner: what is to be sent is read from these events, and what came of it is appended.
//!
//! Architecture invariant: whatever messages cross on their way, both councils come to the same stage and hold the same
//! messages. A test lets two councils act at random over a line that delays, doubles and crosses, and compares them.

pub mod acknowledge;
pub mod acknowledge_outcome;
pub mod action;
pub mod add_evidence;
pub mod answer_offer;
pub mod answer_recall;
pub mod assess;
pub mod begin;
pub mod bring_evidence;
pub mod capture_consent;
mod clock;
pub mod draft;
pub mod erase;
pub mod escalate;
pub mod event;
pub mod gate;
pub mod give_out;
pub mod id;
mod identity;
pub mod lapse;
mod message;
pub mod note_reminder;
pub mod offer_session;
pub mod pass_over;
pub mod present;
pub mod recall;
pub mod receive;
pub mod record_delivery;
pub mod record_scan;
pub mod record_session;
pub mod rejection;
pub mod remind;
pub mod report_outcome;
pub mod report_progress;
pub mod retrieve;
pub mod return_referral;
pub mod seal;
pub mod state;
pub mod store_evidence;
pub mod submit;
pub mod tell;
pub mod vocabulary;
pub mod withdraw_consent;
pub mod withhold;

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
pub use self::lapse::Lapse;
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
    Begin(Box<begin::Begin>),
    CaptureConsent(Box<capture_consent::CaptureConsent>),
    WithdrawConsent(withdraw_consent::WithdrawConsent),
    Withhold(withhold::Withhold),
    Assess(Box<assess::Assess>),
    Present(present::Present),
    Submit(Box<submit::Submit>),
    Tell(Box<tell::Tell>),
    Receive(Box<receive::Receive>),
    RecordDelivery(record_delivery::RecordDelivery),
    Retrieve(retrieve::Retrieve),
    Acknowledge(acknowledge::Acknowledge),
    Return(return_referral::Return),
    ReportProgress(report_progress::ReportProgress),
    OfferSession(offer_session::OfferSession),
    AnswerOffer(answer_offer::AnswerOffer),
    RecordSession(record_session::RecordSession),
    AddEvidence(add_evidence::AddEvidence),
    StoreEvidence(store_evidence::StoreEvidence),
    RecordScan(record_scan::RecordScan),
    BringEvidence(bring_evidence::BringEvidence),
    GiveOut(give_out::GiveOut),
    ReportOutcome(report_outcome::ReportOutcome),
    AcknowledgeOutcome(acknowledge_outcome::AcknowledgeOutcome),
    Recall(recall::Recall),
    AnswerRecall(answer_recall::AnswerRecall),
    Remind(remind::Remind),
    Escalate(escalate::Escalate),
    NoteReminder(note_reminder::NoteReminder),
    PassOver(pass_over::PassOver),
    Erase(erase::Erase),
    HoldErasure(erase::HoldErasure),
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
            (Self::Unknown, Act::Begin(begin)) => begin.decide(&moment)?,
            (Self::Unknown, Act::Receive(receive)) => receive.open(&moment)?,
            (Self::Unknown, _) => return Err(Rejection::NotDrafted),
            (Self::Known(transfer), Act::Receive(receive)) => receive.decide(transfer, &moment)?,
            (Self::Known(transfer), Act::Tell(tell)) => tell.decide(transfer, &moment)?,
            (Self::Known(transfer), act) => {
                check_allowed(transfer, &act, moment.at)?;
                check_untold(transfer, &act)?;
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
        Act::Draft(_) | Act::Begin(_) => Err(Rejection::AlreadyDrafted(transfer.drafted.referral)),
        Act::CaptureConsent(act) => act.decide(),
        Act::WithdrawConsent(act) => Ok(act.decide()),
        Act::Withhold(act) => act.decide(transfer, moment),
        Act::Assess(act) => act.decide(moment),
        Act::Present(act) => act.decide(transfer, moment),
        Act::Submit(act) => act.decide(transfer, moment),
        Act::RecordDelivery(act) => act.decide(transfer, moment),
        Act::Retrieve(act) => Ok(act.decide()),
        Act::Acknowledge(act) => act.decide(transfer, moment),
        Act::Return(act) => Ok(act.decide()),
        Act::ReportProgress(act) => act.decide(),
        Act::OfferSession(act) => act.decide(transfer, moment),
        Act::AnswerOffer(act) => act.decide(transfer, moment),
        Act::RecordSession(act) => act.decide(transfer, moment),
        Act::AddEvidence(act) => act.decide(transfer, moment),
        Act::StoreEvidence(act) => act.decide(transfer),
        Act::RecordScan(act) => act.decide(transfer),
        Act::BringEvidence(act) => act.decide(transfer),
        Act::GiveOut(act) => act.decide(transfer),
        Act::ReportOutcome(act) => act.decide(transfer, moment),
        Act::AcknowledgeOutcome(act) => Ok(act.decide()),
        Act::Recall(act) => act.decide(transfer, moment),
        Act::AnswerRecall(act) => Ok(act.decide()),
        Act::Remind(act) => act.decide(transfer, moment),
        Act::Escalate(act) => act.decide(transfer, moment),
        Act::Erase(act) => act.decide(transfer, moment),
        Act::HoldErasure(act) => act.decide(transfer, moment),
        Act::NoteReminder(_) | Act::PassOver(_) => Err(Rejection::OnlyReceived),
        // A message about a message: these two are decided by themselves.
        Act::Tell(_) | Act::Receive(_) => Err(Rejection::NothingToTell),
    }
}

/// What the other council must know is done together with its message ([`tell`]), never by itself.
fn check_untold(transfer: &Transfer, act: &Act) -> Result<(), Rejection> {
    match act.action() {
        Some(action) if transfer.must_be_told(act) => Err(Rejection::MustBeTold { action }),
        Some(_) | None => Ok(()),
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
