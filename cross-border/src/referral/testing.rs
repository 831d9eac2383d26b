//! Given a history, when an act, then these events or that refusal; every history here was made by decisions.

use chrono::{DateTime, NaiveDate, Utc};
use domain::calendar::{CalendarEdition, WorkingCalendar};
use domain::clock::RuleTable;
use domain::decider::{Context, Decider, Happened, fold};
use domain::id::{ComplaintId, FilingId, UnitId};
use domain::region::RegionCode;

use super::acknowledge::Acknowledge;
use super::assess::Assess;
use super::capture_consent::CaptureConsent;
use super::draft::Draft;
use super::event::{
    Assessed, ConsentCaptured, Drafted, Expected, Filed, ImpactAssessment, Instrument, ReferralEvent, Sealed,
};
use super::record_delivery::RecordDelivery;
use super::report_outcome::ReportOutcome;
use super::report_progress::ReportProgress;
use super::seal::Seal;
use super::send::Send;
use super::vocabulary::{ConsentChannel, DataField, Direction, LegalRoute, ProgressKind, Purpose, ReferralOutcome};
use super::{Act, Referral, ReferralCommand, ReferralId, Rejection, Transfer};
use crate::partner::{Language, PartnerId};

pub(super) const HONG_KONG: &str = "hk-consumer-council";
pub(super) const MACAO: &str = "mo-consumer-council";
/// Who acts in every test.
pub(super) const ACTOR: &str = "officer-1";

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

pub(super) fn decide(state: &Referral, now: DateTime<Utc>, command: ReferralCommand) -> Result<Vec<Event>, Rejection> {
    let ctx = Context {
        now,
        unit: &UnitId::parse("gd-council").unwrap(),
        actor: ACTOR,
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

    pub(super) fn state(&self) -> Referral {
        fold::<Referral>(&self.0)
    }

    #[track_caller]
    pub(super) fn transfer(&self) -> Transfer {
        self.state().transfer().unwrap().clone()
    }
}

pub(super) fn given(history: History) -> Given {
    Given { history, now: None, done: None }
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
        let answer = decide(&self.history.state(), now, ReferralCommand { at: self.done, act });
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
    pub(super) fn then(mut self, expected: impl IntoIterator<Item = ReferralEvent>) -> History {
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

/// From the provincial council, which is registered in Guangzhou, to Hong Kong.
pub(super) fn drafted_to(recipient: &str) -> Drafted {
    let complaint = ComplaintId::of_item(FilingId::derived("12315", "1"), 1);
    Drafted {
        referral: ReferralId::outbound(complaint, &partner(recipient), 1),
        direction: Direction::Outbound,
        complaint: Some(complaint),
        council: UnitId::parse("gd-council").unwrap(),
        seat: region("440104"),
        partner: partner(recipient),
        purpose: Purpose::Conciliation,
        partner_reference: None,
    }
}

/// From Macao to us.
pub(super) fn drafted_from_macao() -> Drafted {
    Drafted {
        referral: ReferralId::inbound(&partner(MACAO), "MO-7"),
        direction: Direction::Inbound,
        complaint: None,
        partner_reference: Some("MO-7".to_owned()),
        ..drafted_to(MACAO)
    }
}

pub(super) fn consent_to(recipient: &str) -> ConsentCaptured {
    ConsentCaptured {
        consent: "C-1".to_owned(),
        text_version: "2026-1".to_owned(),
        language: Language::SimplifiedChinese,
        channel: ConsentChannel::Online,
        recipient: partner(recipient),
        purpose: Purpose::Conciliation,
        fields: vec![
            DataField::ConsumerName,
            DataField::ConsumerContact,
            DataField::TraderName,
            DataField::PurchaseAmount,
            DataField::Facts,
            DataField::Request,
        ],
        evidence: digest('a'),
        by_guardian: false,
    }
}

pub(super) fn instrument() -> Instrument {
    Instrument {
        number: "SCC-2026-1".to_owned(),
        valid_from: day("2026-01-01"),
        valid_to: day("2026-12-31"),
        filing: Some(Filed { number: "F-1".to_owned(), on: day("2026-01-09") }),
    }
}

pub(super) fn assessment(route: LegalRoute) -> Assessed {
    Assessed {
        route,
        instrument: Some(instrument()),
        impact: Some(ImpactAssessment {
            number: "PIA-1".to_owned(),
            version: 2,
            assessed_on: day("2026-03-01"),
            valid_to: day("2026-08-31"),
        }),
        important_data: false,
    }
}

pub(super) fn message() -> Sealed {
    Sealed {
        fields: vec![DataField::ConsumerName, DataField::ConsumerContact, DataField::TraderName, DataField::Facts],
        removed: vec![DataField::ConsumerIdNumber],
        minimisation: "2026-1".to_owned(),
        renditions: vec![Language::TraditionalHongKong],
        payload: digest('b'),
        key: "key-1".to_owned(),
        signature: "sig-1".to_owned(),
    }
}

pub(super) fn draft(drafted: Drafted) -> Act {
    Act::Draft(Box::new(Draft { drafted }))
}

pub(super) fn capture(consent: ConsentCaptured) -> Act {
    Act::CaptureConsent(Box::new(CaptureConsent { consent }))
}

pub(super) fn assess(assessed: Assessed) -> Act {
    Act::Assess(Box::new(Assess { assessed }))
}

pub(super) fn seal(sealed: Sealed) -> Act {
    Act::Seal(Box::new(Seal { sealed }))
}

pub(super) fn send() -> Act {
    Act::Send(Send { approver: "officer-2".to_owned(), retention_to: day("2027-05-20") })
}

pub(super) fn deliver() -> Act {
    Act::RecordDelivery(RecordDelivery { receipt: Some("R-1".to_owned()) })
}

pub(super) fn acknowledge(reference: &str) -> Act {
    Act::Acknowledge(Acknowledge { reference: reference.to_owned() })
}

pub(super) fn progress(kind: ProgressKind) -> Act {
    Act::ReportProgress(ReportProgress { kind, note: None })
}

pub(super) fn outcome(outcome: ReferralOutcome) -> Act {
    Act::ReportOutcome(ReportOutcome { outcome, recovered: None, note: None })
}

pub(super) fn expected(by: &str, calendar: &str) -> Expected {
    Expected { by: day(by), calendar: CalendarEdition::parse(calendar).unwrap(), provisional: false }
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

pub(super) fn sealed() -> History {
    assessed().and("2026-05-19T10:00:00+08:00", seal(message()))
}

/// Sent on 2026-05-20: an acknowledgement is expected by 2026-05-28.
pub(super) fn sent() -> History {
    sealed().and("2026-05-20T09:00:00+08:00", send())
}

/// Acknowledged on 2026-05-22: a first answer is expected by 2026-06-05.
pub(super) fn acknowledged() -> History {
    sent().and("2026-05-20T09:01:00+08:00", deliver()).and("2026-05-22T09:00:00+08:00", acknowledge("HK-9"))
}

pub(super) fn came_in() -> History {
    nothing().and("2026-05-18T09:00:00+08:00", draft(drafted_from_macao())).and("2026-05-18T09:00:00+08:00", deliver())
}
