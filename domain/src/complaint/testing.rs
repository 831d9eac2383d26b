//! Given a history, when an act, then these events or that refusal.
//!
//! Every history here was made by decisions, so no test starts from a state that nobody can reach. The days are those
//! of May 2026: the 6th is a Wednesday, the 9th a Saturday that is worked, the 1st to the 5th a holiday.

use chrono::{DateTime, NaiveDate, Utc};

use super::accept::Accept;
use super::close::Close;
use super::dispatch::Dispatch;
use super::event::{
    ClockMet, ClockStarted, ComplaintEvent, HandlerAssigned, ReceivedByUnit, Registered, Respondent, Source,
};
use super::give_notice::GiveNotice;
use super::history::Adopt;
use super::open_mediation::OpenMediation;
use super::reach_agreement::ReachAgreement;
use super::receive::Receive;
use super::refuse::Refuse;
use super::register::Register;
use super::terminate::Terminate;
use super::vocabulary::{Manner, Mode, NoticeSubject, Outcome, Party, RefusalGround, Route, TerminationGround};
use super::{Act, Case, Complaint, ComplaintCommand, Rejection, TEXT_CHARS_MAX};
use crate::calendar::{CalendarEdition, WorkingCalendar};
use crate::clock::{ClockKind, ClockTerms, RuleTable};
use crate::decider::{Context, Decider, Happened, fold};
use crate::id::{FilingId, UnitId};
use crate::money::{Currency, Money};
use crate::region::RegionCode;
use crate::vocabulary::{Category, Channel};

/// The unit that takes everything in.
pub(super) const INTAKE: &str = "gz-12315";
/// The bureau it sends cases to.
pub(super) const BUREAU: &str = "gz-tianhe";
/// A station of that bureau.
pub(super) const STATION: &str = "gz-tianhe-shipai";

pub(super) type Event = Happened<ComplaintEvent>;

pub(super) fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(super) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(super) fn unit(id: &str) -> UnitId {
    UnitId::parse(id).unwrap()
}

pub(super) fn yuan(yuan: i64) -> Money {
    Money::new(yuan * 100, Currency::Cny).unwrap()
}

/// The longest text an act may carry, in characters that take three bytes each.
pub(super) fn longest_text() -> String {
    "字".repeat(TEXT_CHARS_MAX)
}

/// One character more.
pub(super) fn overlong_text() -> String {
    "字".repeat(TEXT_CHARS_MAX + 1)
}

/// What a decision makes of a state.
pub(super) fn decide(
    state: &Complaint,
    now: DateTime<Utc>,
    command: ComplaintCommand,
) -> Result<Vec<Event>, Rejection> {
    let ctx = Context {
        now,
        unit: &unit(BUREAU),
        actor: "officer-1",
        calendar: WorkingCalendar::mainland(),
        rules: RuleTable::builtin(),
    };
    Complaint::decide(state, command, &ctx)
}

/// What happened so far.
#[derive(Debug, Clone)]
pub(super) struct History(Vec<Event>);

impl History {
    /// The same with one more act, which must be allowed.
    #[track_caller]
    pub(super) fn and(self, now: &str, act: Act) -> Self {
        self.and_at(now, None, act)
    }

    /// The same with one more act that was done before it was entered.
    #[track_caller]
    pub(super) fn and_at(mut self, now: &str, done: Option<&str>, act: Act) -> Self {
        let command = ComplaintCommand { at: done.map(time), act };
        let happened = decide(&self.state(), time(now), command).unwrap();
        self.0.extend(happened);
        self
    }

    pub(super) fn state(&self) -> Complaint {
        fold::<Complaint>(&self.0)
    }

    #[track_caller]
    pub(super) fn case(&self) -> Case {
        self.state().case().unwrap().clone()
    }
}

impl IntoIterator for History {
    type Item = Event;
    type IntoIter = std::vec::IntoIter<Event>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

pub(super) fn given(history: impl IntoIterator<Item = Event>) -> Given {
    Given { history: History(history.into_iter().collect()), now: None, done: None }
}

/// A history and the moment of the next decision.
#[derive(Debug)]
pub(super) struct Given {
    history: History,
    now: Option<DateTime<Utc>>,
    done: Option<DateTime<Utc>>,
}

impl Given {
    /// When the act is entered.
    pub(super) fn at(self, now: &str) -> Self {
        Self { now: Some(time(now)), ..self }
    }

    /// When it was done, if that is not when it is entered.
    pub(super) fn done(self, at: &str) -> Self {
        Self { done: Some(time(at)), ..self }
    }

    #[track_caller]
    pub(super) fn when(self, act: Act) -> Decided {
        let now = self.now.expect("a test says when it is");
        let answer = decide(&self.history.state(), now, ComplaintCommand { at: self.done, act });
        Decided { history: self.history, at: self.done.unwrap_or(now), answer }
    }
}

/// What the decision answered.
#[derive(Debug)]
pub(super) struct Decided {
    history: History,
    at: DateTime<Utc>,
    answer: Result<Vec<Event>, Rejection>,
}

impl Decided {
    /// Exactly these events at the moment of the act; gives the history with them.
    #[track_caller]
    pub(super) fn then(mut self, expected: impl IntoIterator<Item = ComplaintEvent>) -> History {
        let happened = self.answer.unwrap();
        let expected: Vec<Event> = expected.into_iter().map(|event| Happened { at: self.at, event }).collect();
        assert_eq!(happened, expected);
        self.history.0.extend(happened);
        self.history
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

/// The start of a clock, with the two due days written out; length and article are those of the rule's version.
pub(super) fn started(kind: ClockKind, version: &str, on: &str, strict: &str, legal: &str) -> ComplaintEvent {
    ComplaintEvent::ClockStarted(ClockStarted { terms: terms(kind, version, on, strict, legal) })
}

pub(super) fn terms(kind: ClockKind, version: &str, on: &str, strict: &str, legal: &str) -> ClockTerms {
    let rules = RuleTable::builtin().rules();
    let rule = rules.iter().find(|rule| rule.kind == kind && rule.version == version).unwrap();
    ClockTerms {
        rule: kind,
        rule_version: version.to_owned(),
        article: rule.article.clone(),
        calendar: CalendarEdition::parse("CN-2019-2026/1").unwrap(),
        started_on: day(on),
        length: rule.length,
        unit: rule.unit,
        due_strict: day(strict),
        due_legal: day(legal),
        provisional: false,
    }
}

pub(super) fn met(clock: ClockKind, on: &str, late: bool) -> ComplaintEvent {
    ComplaintEvent::ClockMet(ClockMet { clock, on: day(on), late })
}

pub(super) fn received_by(id: &str) -> ComplaintEvent {
    ComplaintEvent::ReceivedByUnit(ReceivedByUnit { unit: unit(id) })
}

pub(super) fn handled_by(handler: &str) -> ComplaintEvent {
    ComplaintEvent::HandlerAssigned(HandlerAssigned { handler: handler.to_owned() })
}

pub(super) fn registration() -> Registered {
    Registered {
        filing: FilingId::derived("12315", "1"),
        item: 1,
        number: "GZ-2026-000001-C1".to_owned(),
        channel: Channel::WechatMini,
        category: Category::AfterSales,
        region: RegionCode::parse("440106").unwrap(),
        unit: unit(INTAKE),
        respondent: Some(Respondent {
            name: "广州某某贸易有限公司".to_owned(),
            uscc: Some("91440101MA5XXXXX0K".to_owned()),
            address: None,
        }),
        amount: Some(yuan(499)),
        remedies: Vec::new(),
        facts: None,
        source: None,
    }
}

pub(super) fn register() -> Act {
    Act::Register(Box::new(Register { registered: registration(), handler: None }))
}

pub(super) fn dispatch(to: &str) -> Act {
    Act::Dispatch(Dispatch { to: unit(to), note: None })
}

pub(super) fn receive() -> Act {
    Act::Receive(Receive { handler: None })
}

pub(super) fn accept() -> Act {
    Act::Accept(Accept {})
}

pub(super) fn refuse() -> Act {
    Act::Refuse(Refuse {
        ground: RefusalGround::NotConsumption,
        reason: "购买数量与生活消费明显不符".into(),
        routes: vec![Route::Court],
    })
}

pub(super) fn open_mediation() -> Act {
    Act::OpenMediation(OpenMediation { mode: Mode::Phone, both_agree: true })
}

pub(super) fn agree() -> Act {
    Act::ReachAgreement(ReachAgreement { document: true, amount: Some(yuan(499)) })
}

pub(super) fn terminate(ground: TerminationGround) -> Act {
    Act::Terminate(Terminate { ground, note: None })
}

pub(super) fn tell(subject: NoticeSubject, to: Party) -> Act {
    Act::GiveNotice(GiveNotice { subject, to, manner: Manner::Sms })
}

pub(super) fn close(outcome: Outcome) -> Act {
    Act::Close(Close { outcome, recovered: None })
}

pub(super) fn nothing() -> History {
    History(Vec::new())
}

pub(super) fn registered() -> History {
    nothing().and("2026-05-06T09:00:00+08:00", register())
}

pub(super) fn dispatched() -> History {
    registered().and("2026-05-06T10:00:00+08:00", dispatch(BUREAU))
}

/// With the bureau since 2026-05-06: to be decided by 2026-05-14.
pub(super) fn received() -> History {
    dispatched().and("2026-05-06T11:00:00+08:00", receive())
}

/// Accepted on 2026-05-08: to be mediated by 2026-07-07.
pub(super) fn accepted() -> History {
    received().and("2026-05-08T10:00:00+08:00", accept())
}

pub(super) fn refused() -> History {
    received().and("2026-05-08T10:00:00+08:00", refuse())
}

pub(super) fn mediating() -> History {
    accepted().and("2026-05-11T10:00:00+08:00", open_mediation())
}

/// Ended on 2026-05-18: both sides to be told by 2026-05-27.
pub(super) fn terminated() -> History {
    mediating().and("2026-05-18T10:00:00+08:00", terminate(TerminationGround::NoAgreementPossible))
}

pub(super) fn agreed() -> History {
    mediating().and("2026-05-18T10:00:00+08:00", agree())
}

/// Closed on 2026-05-20 with an agreement.
pub(super) fn closed() -> History {
    agreed()
        .and("2026-05-19T10:00:00+08:00", tell(NoticeSubject::Acceptance, Party::Complainant))
        .and("2026-05-20T10:00:00+08:00", close(Outcome::Agreement))
}

/// Taken over from another system, which had set its own deadline.
pub(super) fn adopted(deadline: &str, rest: impl IntoIterator<Item = Event>) -> History {
    let source = Source { system: "12345".to_owned(), number: "T-1".to_owned(), deadline: Some(time(deadline)) };
    let registered = Registered { source: Some(source), ..registration() };
    let first =
        Happened { at: time("2026-04-20T09:00:00+08:00"), event: ComplaintEvent::Registered(Box::new(registered)) };
    let history = std::iter::once(first).chain(rest).collect();
    nothing().and("2026-05-06T09:00:00+08:00", Act::Adopt(Box::new(Adopt { history, stored: 0 })))
}
