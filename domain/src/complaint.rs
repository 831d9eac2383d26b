//! One complaint (投诉): its life from registration to closing, under Order 121 and the rules before it.
//!
//! One file per decision; [`state`] holds what the decisions look at, [`event`] the stored shapes.

pub mod accept;
pub mod action;
pub mod assign_handler;
pub mod close;
pub mod decide_clue;
pub mod dispatch;
pub mod event;
pub mod extend_clock;
pub mod give_notice;
pub mod history;
pub mod note;
pub mod open_mediation;
pub mod reach_agreement;
pub mod receive;
pub mod record_clue;
pub mod record_session;
pub mod refuse;
pub mod register;
pub mod rejection;
pub mod reopen;
pub mod resume_clock;
pub mod return_to_intake;
pub mod settle;
pub mod state;
pub mod stop_clock;
pub mod terminate;
mod text;
pub mod urge;
pub mod vocabulary;
pub mod withdraw;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod testing;

use chrono::{DateTime, Duration, Utc};

pub use action::Action;
pub use event::ComplaintEvent;
pub use rejection::Rejection;
pub use state::{Case, Complaint, Stage};
pub use text::{is_disturbing, is_unseen};

pub(crate) use self::text::{check_free, check_note, check_optional, check_text};
use crate::decider::{Context, Decider, Happened};
use crate::privacy::FreeText;

/// An act may be entered at most this many days after it was done.
pub const BACKDATE_DAYS_MAX: i64 = 30;
/// How far a caller's clock may run ahead of ours.
pub const FUTURE_TOLERANCE: Duration = Duration::minutes(5);
/// Longest free text of an act in characters.
pub const TEXT_CHARS_MAX: usize = 2_000;

/// What one may do to a complaint, and when it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComplaintCommand {
    /// The business moment; the moment of the decision when absent.
    pub at: Option<DateTime<Utc>>,
    pub act: Act,
}

/// The acts, one file each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    Register(Box<register::Register>),
    Dispatch(dispatch::Dispatch),
    ReturnToIntake(return_to_intake::ReturnToIntake),
    Receive(receive::Receive),
    AssignHandler(assign_handler::AssignHandler),
    Accept(accept::Accept),
    Refuse(refuse::Refuse),
    OpenMediation(open_mediation::OpenMediation),
    RecordSession(record_session::RecordSession),
    ReachAgreement(reach_agreement::ReachAgreement),
    Settle(settle::Settle),
    Withdraw(withdraw::Withdraw),
    Terminate(terminate::Terminate),
    GiveNotice(give_notice::GiveNotice),
    StopClock(stop_clock::StopClock),
    ResumeClock(resume_clock::ResumeClock),
    ExtendClock(extend_clock::ExtendClock),
    RecordClue(record_clue::RecordClue),
    DecideClue(decide_clue::DecideClue),
    Close(close::Close),
    Reopen(reopen::Reopen),
    Note(note::Note),
    Urge(urge::Urge),
    /// A history that another system kept; see [`history`].
    Adopt(Box<history::Adopt>),
}

impl Act {
    /// The action this act is, for what is allowed; registration and adoption begin a life and are none.
    #[must_use]
    pub const fn action(&self) -> Option<Action> {
        Some(match self {
            Self::Register(_) | Self::Adopt(_) => return None,
            Self::Dispatch(_) => Action::Dispatch,
            Self::ReturnToIntake(_) => Action::ReturnToIntake,
            Self::Receive(_) => Action::Receive,
            Self::AssignHandler(_) => Action::AssignHandler,
            Self::Accept(_) => Action::Accept,
            Self::Refuse(_) => Action::Refuse,
            Self::OpenMediation(_) => Action::OpenMediation,
            Self::RecordSession(_) => Action::RecordSession,
            Self::ReachAgreement(_) => Action::ReachAgreement,
            Self::Settle(_) => Action::Settle,
            Self::Withdraw(_) => Action::Withdraw,
            Self::Terminate(_) => Action::Terminate,
            Self::GiveNotice(_) => Action::GiveNotice,
            Self::StopClock(_) => Action::StopClock,
            Self::ResumeClock(_) => Action::ResumeClock,
            Self::ExtendClock(_) => Action::ExtendClock,
            Self::RecordClue(_) => Action::RecordClue,
            Self::DecideClue(_) => Action::DecideClue,
            Self::Close(_) => Action::Close,
            Self::Reopen(_) => Action::Reopen,
            Self::Note(_) => Action::Note,
            Self::Urge(_) => Action::Urge,
        })
    }
}

impl Act {
    /// The free texts of the act with the names of their fields, for the edge to check and seal.
    pub fn free_texts_mut(&mut self) -> Vec<(&'static str, &mut FreeText)> {
        let one = |name, text| vec![(name, text)];
        let maybe = |text: Option<_>| text.map_or_else(Vec::new, |text| vec![("note", text)]);
        match self {
            Self::Dispatch(act) => maybe(act.note.as_mut()),
            Self::ReturnToIntake(act) => maybe(act.note.as_mut()),
            Self::RecordSession(act) => maybe(act.note.as_mut()),
            Self::Terminate(act) => maybe(act.note.as_mut()),
            Self::DecideClue(act) => maybe(act.note.as_mut()),
            Self::Refuse(act) => one("reason", &mut act.reason),
            Self::Withdraw(act) => one("reason", &mut act.reason),
            Self::ExtendClock(act) => one("reason", &mut act.reason),
            Self::Reopen(act) => one("reason", &mut act.reason),
            Self::RecordClue(act) => one("summary", &mut act.summary),
            Self::Note(act) => one("text", &mut act.text),
            Self::Urge(act) => one("note", &mut act.note),
            Self::Register(_)
            | Self::Adopt(_)
            | Self::Receive(_)
            | Self::AssignHandler(_)
            | Self::Accept(_)
            | Self::OpenMediation(_)
            | Self::ReachAgreement(_)
            | Self::Settle(_)
            | Self::GiveNotice(_)
            | Self::StopClock(_)
            | Self::ResumeClock(_)
            | Self::Close(_) => Vec::new(),
        }
    }

    /// Checks the free texts as the decision would, for the edge to ask before it seals them.
    ///
    /// # Errors
    /// One is empty or too long.
    pub fn check_texts(&mut self) -> Result<(), Rejection> {
        self.free_texts_mut().into_iter().try_for_each(|(field, text)| check_free(field, text))
    }
}

/// The situation of one decision: the moment it is for, and everything it may know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment<'a> {
    pub(crate) at: DateTime<Utc>,
    pub(crate) ctx: &'a Context<'a>,
}

impl Moment<'_> {
    pub(crate) fn day(&self) -> chrono::NaiveDate {
        crate::day::local_day(self.at)
    }
}

impl Decider for Complaint {
    const CATEGORY: &'static str = "complaint";
    type Command = ComplaintCommand;
    type Event = ComplaintEvent;
    type State = Self;
    type Rejection = Rejection;

    fn initial() -> Self {
        Self::Unregistered
    }

    fn decide(
        state: &Self,
        command: ComplaintCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<Happened<ComplaintEvent>>, Rejection> {
        let ComplaintCommand { at, act } = command;
        let moment = Moment { at: at.unwrap_or(ctx.now), ctx };
        let case = match (state, act) {
            (Self::Unregistered, Act::Register(register)) => {
                check_window(&moment)?;
                return Ok(stamp(moment.at, register.decide()?));
            }
            (state, Act::Adopt(adopt)) => return adopt.decide(state, ctx),
            (Self::Registered(case), Act::Register(_)) => {
                return Err(Rejection::AlreadyRegistered(case.number.clone()));
            }
            (Self::Unregistered, _) => return Err(Rejection::NotRegistered),
            (Self::Registered(case), act) => (case, act),
        };
        let (case, act) = case;
        check_window(&moment)?;
        if let Some(action) = act.action() {
            let allowed = case.allowed();
            if !allowed.contains(&action) {
                return Err(Rejection::NotAllowed { action, stage: case.stage, allowed });
            }
            // What only adds to the record may lie behind later acts, but not before the case.
            let last = if action.moves_the_case() { case.last_act_at } else { case.registered_at };
            if moment.at < last {
                return Err(Rejection::BeforeLastAct { at: moment.at, last });
            }
        }
        Ok(stamp(moment.at, decide_act(case, act, &moment)?))
    }

    fn evolve(state: Self, event: &Happened<ComplaintEvent>) -> Self {
        state::evolve(state, event)
    }
}

fn decide_act(case: &Case, act: Act, moment: &Moment<'_>) -> Result<Vec<ComplaintEvent>, Rejection> {
    match act {
        Act::Dispatch(act) => act.decide(case),
        Act::ReturnToIntake(act) => act.decide(case),
        Act::Receive(act) => act.decide(case, moment),
        Act::AssignHandler(act) => act.decide(),
        Act::Accept(act) => act.decide(case, moment),
        Act::Refuse(act) => act.decide(case, moment),
        Act::OpenMediation(act) => act.decide(),
        Act::RecordSession(act) => act.decide(),
        Act::ReachAgreement(act) => Ok(act.decide(case, moment)),
        Act::Settle(act) => act.decide(case, moment),
        Act::Withdraw(act) => act.decide(case, moment),
        Act::Terminate(act) => act.decide(case, moment),
        Act::GiveNotice(act) => Ok(act.decide(case, moment)),
        Act::StopClock(act) => act.decide(case, moment),
        Act::ResumeClock(act) => act.decide(case, moment),
        Act::ExtendClock(act) => act.decide(case, moment),
        Act::RecordClue(act) => act.decide(moment),
        Act::DecideClue(act) => act.decide(case, moment),
        Act::Close(act) => act.decide(case, moment),
        Act::Reopen(act) => act.decide(case, moment),
        Act::Note(act) => act.decide(),
        Act::Urge(act) => act.decide(),
        Act::Register(_) | Act::Adopt(_) => Err(Rejection::AlreadyRegistered(case.number.clone())),
    }
}

fn stamp(at: DateTime<Utc>, events: Vec<ComplaintEvent>) -> Vec<Happened<ComplaintEvent>> {
    events.into_iter().map(|event| Happened { at, event }).collect()
}

/// An act is entered when it is done, or at most [`BACKDATE_DAYS_MAX`] days later.
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
