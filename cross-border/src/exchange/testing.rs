//! Samples for the tests of this module: one message of each kind, and councils that write them.

use chrono::{DateTime, Utc};
use domain::money::{Currency, Money};

use super::body::{
    Acknowledgement, Body, Evidence, Offer, OfferAnswer, Outcome, OutcomeAcknowledgement, Progress, Recall,
    RecallAnswer, Reminder, Retrieved, Return, SessionReport, Submission,
};
use super::content::{Consumer, EvidenceItem, LangText, Purchase, Rendition, Trader};
use super::id::{DeliveryId, Digest, SessionId, SharedId};
use super::message::{Header, Message, VERSION};
use super::segment::{Entry, Segment};
use super::vocabulary::{MessageKind, SessionForm, SessionResult, Side, Step};
use crate::partner::{Language, PartnerId};
use crate::referral::vocabulary::{LegalRoute, ProgressKind, Purpose, RecallReason, ReferralOutcome, ReturnCode};

pub(super) const GUANGDONG: &str = "gd-consumer-council";
pub(super) const HONG_KONG: &str = "hk-consumer-council";

pub(super) fn council(id: &str) -> PartnerId {
    PartnerId::parse(id).unwrap()
}

/// The council of a side in every sample.
pub(super) fn author(side: Side) -> PartnerId {
    match side {
        Side::Origin => council(GUANGDONG),
        Side::Target => council(HONG_KONG),
    }
}

pub(super) fn shared() -> SharedId {
    SharedId::parse("7c9e6679-7425-50de-944b-e07fc1f90ae7").unwrap()
}

pub(super) fn session() -> SessionId {
    SessionId::derived(shared(), 1)
}

pub(super) fn moment() -> DateTime<Utc> {
    "2026-05-18T01:00:00.000001Z".parse().unwrap()
}

pub(super) fn note(text: &str) -> LangText {
    LangText { lang: Language::SimplifiedChinese, text: text.to_owned() }
}

pub(super) fn item(n: u8) -> EvidenceItem {
    EvidenceItem {
        digest: Digest::of(&[n]),
        name: format!("收据{n}.pdf"),
        bytes: 20_480,
        media: "application/pdf".to_owned(),
    }
}

/// A submission with every field that a referral may have.
pub(super) fn submission() -> Submission {
    let text = |text: &str| Some(text.to_owned());
    Submission {
        purpose: Purpose::Conciliation,
        consumer: Consumer {
            name: text("陈大文"),
            contact: text("chan@example.org"),
            language: Some(Language::SimplifiedChinese),
        },
        trader: Trader {
            name: text("示例商店"),
            address: text("九龍示例街1號"),
            link: text("https://shop.example/1?a=\"b\""),
            licence: text("HK-00000001"),
        },
        purchase: Purchase {
            date: Some("2026-05-02".parse().unwrap()),
            item: text("相机"),
            amount: Some(Money::new(1_234_500, Currency::Hkd).unwrap()),
            order: text("A-1/2"),
        },
        facts: Some(note("商家不退款\n一直推脱")),
        request: Some(note("退款")),
        renditions: vec![Rendition {
            of: "facts".to_owned(),
            lang: Language::TraditionalHongKong,
            text: "商家不退款\n一直推脱".to_owned(),
            derived_by: "opencc s2hk".to_owned(),
        }],
        evidence: vec![item(1), item(2)],
        consent: "consent-1".to_owned(),
        consent_text_version: "hk-2026-05".to_owned(),
        route: LegalRoute::GbaHongKong,
        contract: text("GBA-HK-2026-1"),
        retention_to: "2027-05-18".parse().unwrap(),
        onward_transfer: false,
        rights_contact: "rights@example.org".to_owned(),
    }
}

/// A body of this kind with every member there is.
pub(super) fn sample(kind: MessageKind) -> Body {
    let amount = Some(Money::new(50_000, Currency::Hkd).unwrap());
    let note = Some(note("说明"));
    match kind {
        MessageKind::Submission => submission().into(),
        MessageKind::Retrieved => Retrieved {}.into(),
        MessageKind::Acknowledgement => Acknowledgement { reference: "HK-2026/1".to_owned() }.into(),
        MessageKind::Return => Return { code: ReturnCode::InsufficientInfo, note }.into(),
        MessageKind::Progress => Progress { progress: ProgressKind::TraderReplied, note }.into(),
        MessageKind::Offer => Offer {
            session: session(),
            form: SessionForm::VideoMediation,
            proposed_at: Some(moment()),
            languages: vec![Language::TraditionalHongKong, Language::English],
            note,
        }
        .into(),
        MessageKind::OfferAnswer => {
            OfferAnswer { session: session(), accepted: true, recording_consent: false, note }.into()
        }
        MessageKind::SessionReport => SessionReport {
            session: session(),
            held_at: moment(),
            recorded: true,
            result: SessionResult::Settled,
            amount,
            record: Some(Digest::of(b"recording")),
            text: note,
        }
        .into(),
        MessageKind::Outcome => Outcome { outcome: ReferralOutcome::Settled, recovered: amount, note }.into(),
        MessageKind::OutcomeAcknowledgement => OutcomeAcknowledgement {}.into(),
        MessageKind::Recall => Recall { reason: RecallReason::ConsentWithdrawn }.into(),
        MessageKind::RecallAnswer => RecallAnswer { erased: true, note }.into(),
        MessageKind::Reminder => Reminder { step: Step::Acknowledgement }.into(),
        MessageKind::Evidence => Evidence { item: item(9) }.into(),
    }
}

/// The next message of a side over this history.
pub(super) fn next_message(segment: &Segment, side: Side, body: Body) -> Message {
    let next = segment.next(side);
    let from = author(side);
    Message {
        header: Header {
            version: VERSION,
            delivery: DeliveryId::derived(shared(), &from, next.sequence),
            referral: shared(),
            origin: author(Side::Origin),
            from,
            to: author(side.other()),
            sequence: next.sequence,
            clock: next.clock,
            previous: next.previous,
            seen: next.seen,
            at: moment(),
            salt: "00112233445566778899aabbccddeeff".to_owned(),
        },
        body,
    }
}

/// The history of a submission that the other side has.
pub(super) fn submitted() -> Segment {
    let mut segment = Segment::default();
    let message = next_message(&segment, Side::Origin, submission().into());
    let digest = Digest::of(message.canonical().unwrap().as_bytes());
    segment.insert(Side::Origin, Entry::of(&message, digest)).unwrap();
    segment
}

/// A message of this kind in a place where it may stand: the submission first, all others behind it.
pub(super) fn message(kind: MessageKind) -> Message {
    let segment = if kind == MessageKind::Submission { Segment::default() } else { submitted() };
    next_message(&segment, kind.sides()[0], sample(kind))
}
