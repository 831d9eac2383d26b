//! What the acts of the tests hold: referrals, consents, assessments, files.

use domain::calendar::CalendarEdition;
use domain::id::{ComplaintId, FilingId, SubjectId, UnitId};
use domain::privacy::Sealed as SealedText;
use uuid::Uuid;

use super::{MACAO, day, digest, partner, region, time};
use crate::exchange::{AgeBand, Digest, SessionId, SessionResult, SharedId, Step};
use crate::partner::{Language, Place};
use crate::referral::ReferralId;
use crate::referral::add_evidence::AddEvidence;
use crate::referral::event::{
    Assessed, ClockStarted, ConsentCaptured, Drafted, Expected, Filed, ImpactAssessment, Instrument, PresentedContent,
    ReferralEvent, Sealed,
};
use crate::referral::present::Present;
use crate::referral::record_session::RecordSession;
use crate::referral::vocabulary::{ConsentChannel, DataField, Direction, LegalRoute, Purpose};

fn filing() -> FilingId {
    FilingId::derived("12315", "1")
}

/// Whose data it is.
pub(in crate::referral) fn subject() -> SubjectId {
    SubjectId::in_filing(filing(), "complainant")
}

/// From the provincial council, which is registered in Guangzhou.
pub(in crate::referral) fn drafted_to(recipient: &str) -> Drafted {
    let complaint = ComplaintId::of_item(filing(), 1);
    Drafted {
        referral: ReferralId::outbound(complaint, &partner(recipient), 1),
        direction: Direction::Outbound,
        complaint: Some(complaint),
        council: UnitId::parse("gd-council").unwrap(),
        seat: region("440104"),
        partner: partner(recipient),
        purpose: Purpose::Conciliation,
        partner_reference: None,
        retention_to: None,
    }
}

/// From Macao to us.
pub(in crate::referral) fn drafted_from_macao() -> Drafted {
    let shared = SharedId::from_uuid(Uuid::from_u128(0x4d4f)).to_string();
    Drafted {
        referral: ReferralId::inbound(&partner(MACAO), &shared),
        direction: Direction::Inbound,
        complaint: None,
        partner_reference: Some(shared),
        ..drafted_to(MACAO)
    }
}

pub(in crate::referral) fn consent_to(recipient: &str) -> ConsentCaptured {
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
            DataField::Evidence,
        ],
        evidence: digest('a'),
        by_guardian: false,
    }
}

pub(in crate::referral) fn instrument() -> Instrument {
    Instrument {
        number: "SCC-2026-1".to_owned(),
        valid_from: day("2026-01-01"),
        valid_to: day("2026-12-31"),
        filing: Some(Filed { number: "F-1".to_owned(), on: day("2026-01-09") }),
    }
}

pub(in crate::referral) fn assessment(route: LegalRoute) -> Assessed {
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

/// What is laid before the second person: exactly what [`message`] holds.
pub(in crate::referral) fn presentation() -> Present {
    Present {
        subject: subject(),
        age: AgeBand::Adult,
        retention_to: day("2027-05-20"),
        fields: message().fields,
        onward_to: None,
        content: content(),
    }
}

/// A content without files.
pub(in crate::referral) fn content() -> PresentedContent {
    PresentedContent { digest: Digest::of(b"content"), text: sealed_text(subject()), evidence: Vec::new() }
}

pub(in crate::referral) fn message() -> Sealed {
    Sealed {
        fields: vec![
            DataField::ConsumerName,
            DataField::ConsumerContact,
            DataField::TraderName,
            DataField::Facts,
            DataField::Evidence,
        ],
        removed: vec![DataField::ConsumerIdNumber],
        minimisation: "2026-1".to_owned(),
        renditions: vec![Language::TraditionalHongKong],
        payload: digest('b'),
        key: "key-1".to_owned(),
        signature: "sig-1".to_owned(),
    }
}

/// A text under the consumer's key; nobody here can read it.
pub(in crate::referral) fn sealed_text(subject: SubjectId) -> SealedText {
    SealedText::new(subject, "bm9uY2U=".to_owned(), "Y2lwaGVydGV4dA==".to_owned())
}

/// A file with this content.
pub(in crate::referral) fn file(text: &str) -> AddEvidence {
    AddEvidence {
        digest: Digest::of(text.as_bytes()),
        name: sealed_text(subject()),
        bytes: 1_024,
        media: "application/pdf".to_owned(),
    }
}

pub(in crate::referral) fn session(number: u128) -> SessionId {
    SessionId::from_uuid(Uuid::from_u128(number))
}

/// A session of the morning of 2026-06-02.
pub(in crate::referral) fn held(number: u128, result: SessionResult) -> RecordSession {
    RecordSession {
        session: session(number),
        held_at: time("2026-06-02T10:00:00+08:00"),
        recorded: false,
        result,
        amount: None,
        record: None,
        text: None,
    }
}

pub(in crate::referral) fn expected(by: &str, calendar: &str) -> Expected {
    Expected { by: day(by), calendar: CalendarEdition::parse(calendar).unwrap(), provisional: false }
}

/// A step is awaited in this place from one day to another.
pub(in crate::referral) fn clock(step: Step, council: Place, from: &str, by: &str) -> ReferralEvent {
    ReferralEvent::ClockStarted(ClockStarted {
        step,
        council,
        started_on: day(from),
        by: day(by),
        calendar: council.calendar().edition().clone(),
        provisional: false,
    })
}

/// The clocks that sending to Hong Kong on 2026-05-20 starts.
pub(in crate::referral) fn clocks_of_sending() -> [ReferralEvent; 3] {
    [
        clock(Step::Delivery, Place::Guangdong, "2026-05-20", "2026-05-21"),
        clock(Step::Acknowledgement, Place::HongKong, "2026-05-20", "2026-05-28"),
        clock(Step::Outcome, Place::HongKong, "2026-05-20", "2026-07-19"),
    ]
}
