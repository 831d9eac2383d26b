//! Given a history, when an act, then these events or that refusal; every history here was made by decisions.
//!
//! An act that is told gets the message that must go with it, and one of the other council arrives as the message that
//! it would write: [`Given::told`] and [`Given::received`] put both together from the state, so that a test names the
//! act and what it does.

mod acts;
mod fixtures;
mod messages;

use chrono::{DateTime, NaiveDate, Utc};
use domain::calendar::WorkingCalendar;
use domain::clock::RuleTable;
use domain::decider::{Context, Decider, Happened, fold};
use domain::id::UnitId;
use domain::region::RegionCode;

pub(super) use self::acts::*;
pub(super) use self::fixtures::*;
pub(super) use self::messages::*;
use super::event::ReferralEvent;
use super::receive::{Effect, Receive};
use super::tell::Tell;
use super::vocabulary::LegalRoute;
use super::{Act, Referral, ReferralCommand, Rejection, Transfer};
use crate::exchange::MessageKind;
use crate::partner::PartnerId;

pub(super) const GUANGDONG: &str = "gd-consumer-council";
pub(super) const HONG_KONG: &str = "hk-consumer-council";
pub(super) const MACAO: &str = "mo-consumer-council";
/// Who acts in every test.
pub(super) const ACTOR: &str = "officer-1";
/// Who submits what the other presented.
pub(super) const APPROVER: &str = "officer-2";

pub(super) type Event = Happened<ReferralEvent>;

pub(super) fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(super) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(super) fn partner(id: &str) -> PartnerId {
    PartnerId::parse(id).unwrap()
}

pub(super) fn region(code: &str) -> RegionCode {
    RegionCode::parse(code).unwrap()
}

pub(super) fn digest(digit: char) -> String {
    digit.to_string().repeat(64)
}

/// Decides as the first person, or as the second where two are needed.
pub(super) fn decide(state: &Referral, now: DateTime<Utc>, command: ReferralCommand) -> Result<Vec<Event>, Rejection> {
    let actor = if matches!(command.act, Act::Submit(_)) { APPROVER } else { ACTOR };
    decide_as(actor, state, now, command)
}

pub(super) fn decide_as(
    actor: &str,
    state: &Referral,
    now: DateTime<Utc>,
    command: ReferralCommand,
) -> Result<Vec<Event>, Rejection> {
    let ctx = Context {
        now,
        unit: &UnitId::parse("gd-council").unwrap(),
        actor,
        calendar: WorkingCalendar::mainland(),
        rules: RuleTable::builtin(),
    };
    Referral::decide(state, command, &ctx)
}

/// What happened so far.
#[derive(Debug, Clone)]
pub(super) struct History(Vec<Event>);

impl History {
    /// The same with one more act, which must be allowed.
    #[track_caller]
    pub(super) fn and(mut self, now: &str, act: Act) -> Self {
        let happened = decide(&self.state(), time(now), ReferralCommand { at: None, act }).unwrap();
        self.0.extend(happened);
        self
    }

    /// The same with one more act that the other council was told of.
    #[track_caller]
    pub(super) fn told(self, now: &str, act: Act) -> Self {
        let act = told(&self.transfer(), act, now);
        self.and(now, act)
    }

    /// The same with one more act of the other council.
    #[track_caller]
    pub(super) fn received(self, now: &str, act: Act) -> Self {
        let act = received(&self.transfer(), act, now);
        self.and(now, act)
    }

    /// The same with what somebody else decided, or what older programs stored.
    pub(super) fn with(mut self, happened: impl IntoIterator<Item = Event>) -> Self {
        self.0.extend(happened);
        self
    }

    /// What was presented, as it was stored before contents were kept.
    pub(super) fn forget_content(&mut self) {
        for happened in &mut self.0 {
            if let ReferralEvent::Presented(presented) = &mut happened.event {
                presented.content = None;
            }
        }
    }

    pub(super) fn state(&self) -> Referral {
        fold::<Referral>(&self.0)
    }

    #[track_caller]
    pub(super) fn transfer(&self) -> Transfer {
        self.state().transfer().unwrap().clone()
    }
}

/// The act with the message that must go with it.
pub(super) fn told(transfer: &Transfer, act: Act, at: &str) -> Act {
    let kind = act.message_kind().unwrap_or(MessageKind::Reminder);
    let issued = next_message(transfer, transfer.own_side(), kind, at);
    Act::Tell(Box::new(Tell { act, issued }))
}

/// The message of the other council that says it did the act, having seen all that we sent.
pub(super) fn received(transfer: &Transfer, act: Act, at: &str) -> Act {
    let kind = act.message_kind().expect("a message of the other council says something");
    let message = next_message(transfer, transfer.own_side().other(), kind, at);
    let effects = vec![Effect { sequence: message.entry.sequence, act }];
    Act::Receive(Box::new(Receive { opening: None, message, evidence: Vec::new(), effects }))
}

pub(super) fn given(history: History) -> Given {
    Given { history, now: None, done: None }
}

/// A history and the moment of the next decision.
#[derive(Debug)]
pub(super) struct Given {
    history: History,
    now: Option<String>,
    done: Option<DateTime<Utc>>,
}

impl Given {
    /// When the act is entered.
    pub(super) fn at(self, now: &str) -> Self {
        Self { now: Some(now.to_owned()), ..self }
    }

    /// When it was done, if that is not when it is entered.
    pub(super) fn done(self, at: &str) -> Self {
        Self { done: Some(time(at)), ..self }
    }

    #[track_caller]
    pub(super) fn when(self, act: Act) -> Decided {
        let now = time(self.now.as_deref().expect("a test says when it is"));
        let answer = decide(&self.history.state(), now, ReferralCommand { at: self.done, act });
        Decided { history: self.history, at: self.done.unwrap_or(now), message: None, answer }
    }

    /// The act together with its message.
    #[track_caller]
    pub(super) fn told(self, act: Act) -> Decided {
        let now = self.now.clone().expect("a test says when it is");
        let act = told(&self.history.transfer(), act, &now);
        let Act::Tell(tell) = &act else { unreachable!("it is told") };
        let issued = ReferralEvent::MessageIssued(Box::new(tell.issued.clone()));
        Decided { message: Some((End::Last, issued)), ..self.when(act) }
    }

    /// The act of the other council, as its message.
    #[track_caller]
    pub(super) fn received(self, act: Act) -> Decided {
        let now = self.now.clone().expect("a test says when it is");
        let act = received(&self.history.transfer(), act, &now);
        let Act::Receive(receive) = &act else { unreachable!("it is received") };
        let message = ReferralEvent::MessageReceived(Box::new(receive.message.clone()));
        Decided { message: Some((End::First, message)), ..self.when(act) }
    }
}

/// Where the message's own event stands: behind what was decided here, before what was decided elsewhere.
#[derive(Debug, Clone, Copy)]
enum End {
    First,
    Last,
}

/// What the decision answered.
#[derive(Debug)]
pub(super) struct Decided {
    history: History,
    at: DateTime<Utc>,
    message: Option<(End, ReferralEvent)>,
    answer: Result<Vec<Event>, Rejection>,
}

impl Decided {
    /// Exactly these events at the moment of the act, beside that of its message; gives the history with them.
    #[track_caller]
    pub(super) fn then(mut self, expected: impl IntoIterator<Item = ReferralEvent>) -> History {
        let happened = self.answer.unwrap();
        let mut events: Vec<ReferralEvent> = expected.into_iter().collect();
        match self.message {
            Some((End::First, message)) => events.insert(0, message),
            Some((End::Last, message)) => events.push(message),
            None => {}
        }
        let expected: Vec<Event> = events.into_iter().map(|event| Happened { at: self.at, event }).collect();
        assert_eq!(happened, expected);
        self.history.0.extend(happened);
        self.history
    }

    /// All events, whatever they are.
    #[track_caller]
    pub(super) fn events(self) -> Vec<ReferralEvent> {
        self.answer.unwrap().into_iter().map(|happened| happened.event).collect()
    }

    /// A refusal of this kind.
    #[track_caller]
    pub(super) fn then_err(self, is: impl FnOnce(&Rejection) -> bool) {
        match self.answer {
            Ok(happened) => panic!("this was not refused: {happened:?}"),
            Err(rejection) => assert!(is(&rejection), "refused for another reason: {rejection}"),
        }
    }
}

pub(super) fn nothing() -> History {
    History(Vec::new())
}

pub(super) fn drafted() -> History {
    nothing().and("2026-05-18T09:00:00+08:00", draft(drafted_to(HONG_KONG)))
}

pub(super) fn consented() -> History {
    drafted().and("2026-05-18T10:00:00+08:00", capture(consent_to(HONG_KONG)))
}

pub(super) fn assessed() -> History {
    consented().and("2026-05-19T09:00:00+08:00", assess(assessment(LegalRoute::GbaHongKong)))
}

pub(super) fn presented() -> History {
    assessed().and("2026-05-19T10:00:00+08:00", Act::Present(presentation()))
}

/// Sent on 2026-05-20: an acknowledgement is expected by 2026-05-28.
pub(super) fn sent() -> History {
    submitted(presented(), "2026-05-20T09:00:00+08:00")
}

/// Acknowledged on 2026-05-22: a first answer is expected by 2026-06-05.
pub(super) fn acknowledged() -> History {
    sent().and("2026-05-20T09:01:00+08:00", deliver()).received("2026-05-22T09:00:00+08:00", acknowledge("HK-9"))
}

/// Sent to Macao and acknowledged there on 2026-05-21.
pub(super) fn at_macao() -> History {
    let presented = nothing()
        .and("2026-05-18T09:00:00+08:00", draft(drafted_to(MACAO)))
        .and("2026-05-18T10:00:00+08:00", capture(consent_to(MACAO)))
        .and("2026-05-19T09:00:00+08:00", assess(assessment(LegalRoute::GbaMacao)))
        .and("2026-05-19T10:00:00+08:00", Act::Present(presentation()));
    submitted(presented, "2026-05-20T09:00:00+08:00").received("2026-05-21T09:00:00+08:00", acknowledge("MO-9"))
}

/// Came in from Macao on 2026-05-18.
pub(super) fn came_in() -> History {
    let now = "2026-05-18T09:00:00+08:00";
    nothing().and(now, Act::Receive(Box::new(opening(drafted_from_macao(), now))))
}

/// Came in from Macao and was taken under our number on 2026-05-19.
pub(super) fn taken() -> History {
    came_in().told("2026-05-19T09:00:00+08:00", acknowledge("GD-3"))
}

/// The same, approved and sent with exactly what was presented.
#[track_caller]
pub(super) fn submitted(presented: History, now: &str) -> History {
    let act = Act::Submit(Box::new(submission(&presented.transfer(), message(), now)));
    presented.and(now, act)
}
