//! Referrals that live in the log of Guangdong, made of events.

use domain::calendar::CalendarEdition;
use domain::envelope::Position;
use domain::id::{ComplaintId, FilingId, StreamId, SubjectId};
use domain::privacy::Sealed as SealedText;
use domain::region::RegionCode;
use uuid::Uuid;

use super::kit::{GUANGDONG, Log, day, minute, partner, unit};
use crate::exchange::{AgeBand, DeliveryId, Digest, Entry, MessageKind, Next, Segment, SharedId, Side, Step};
use crate::partner::{Language, PartnerId, Place};
use crate::referral::event::{
    ClockStarted, ConsentCaptured, Controller, Delivered, Drafted, EvidenceAdded, Expected, MessageMeta, Presented,
    Recipient, Sent, TransferRecorded,
};
use crate::referral::vocabulary::{ConsentChannel, DataField, Direction, LegalRoute, Purpose};
use crate::referral::{ReferralEvent, ReferralId};
use crate::trust::KeyId;

pub(super) fn subject(number: u128) -> SubjectId {
    SubjectId::from_uuid(Uuid::from_u128(number))
}

pub(super) fn sealed(subject: SubjectId) -> SealedText {
    SealedText::new(subject, "AAAAAAAAAAAAAAAA".to_owned(), "AAAA".to_owned())
}

/// One referral between Guangdong, whose log this is, and a partner.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) id: ReferralId,
    pub(super) stream: StreamId,
    pub(super) shared: SharedId,
    pub(super) partner: PartnerId,
    pub(super) complaint: Option<ComplaintId>,
    direction: Direction,
    pub(super) subject: SubjectId,
    pub(super) segment: Segment,
}

impl Case {
    /// The `number`-th referral to a partner, drafted.
    pub(super) fn outbound(log: &mut Log, to: &str, number: u16) -> Self {
        let complaint = ComplaintId::of_item(FilingId::derived("12315", "1"), number);
        let id = ReferralId::outbound(complaint, &partner(to), 1);
        let shared = SharedId::from_uuid(id.as_uuid());
        let case = Self {
            id,
            stream: id.stream(),
            shared,
            partner: partner(to),
            complaint: Some(complaint),
            direction: Direction::Outbound,
            subject: subject(u128::from(number)),
            segment: Segment::default(),
        };
        log.append(&case.stream, [case.drafted()]);
        case
    }

    /// The `number`-th referral of a partner to us, with its submission.
    pub(super) fn inbound(log: &mut Log, from: &str, number: u16) -> Self {
        let shared = SharedId::from_uuid(Uuid::from_u128(0xabc_0000 + u128::from(number)));
        let id = ReferralId::inbound(&partner(from), &shared.to_string());
        let mut case = Self {
            id,
            stream: id.stream(),
            shared,
            partner: partner(from),
            complaint: None,
            direction: Direction::Inbound,
            subject: SubjectId::of_referral(id.as_uuid()),
            segment: Segment::default(),
        };
        let drafted = case.drafted();
        let submission = case.message(log, case.partner_side(), MessageKind::Submission);
        let delivered = ReferralEvent::Delivered(Delivered { receipt: None });
        log.append(&case.stream, [drafted, ReferralEvent::MessageReceived(Box::new(submission)), delivered]);
        case
    }

    fn drafted(&self) -> ReferralEvent {
        let inbound = self.direction == Direction::Inbound;
        ReferralEvent::Drafted(Box::new(Drafted {
            referral: self.id,
            direction: self.direction,
            complaint: self.complaint,
            council: unit("gd-council"),
            seat: RegionCode::parse("440104").unwrap(),
            partner: self.partner.clone(),
            purpose: Purpose::Conciliation,
            partner_reference: inbound.then(|| self.shared.to_string()),
            retention_to: inbound.then(|| day("2027-05-20")),
        }))
    }

    fn own_side(&self) -> Side {
        match self.direction {
            Direction::Outbound => Side::Origin,
            Direction::Inbound => Side::Target,
        }
    }

    fn partner_side(&self) -> Side {
        self.own_side().other()
    }

    /// The next message of a side.
    fn message(&mut self, log: &Log, side: Side, kind: MessageKind) -> MessageMeta {
        let from = if side == self.own_side() { partner(GUANGDONG) } else { self.partner.clone() };
        let Next { sequence, clock, previous, seen } = self.segment.next(side);
        let digest = Digest::of(format!("{} {from} {sequence}", self.shared).as_bytes());
        let delivery = DeliveryId::derived(self.shared, &from, sequence);
        let entry = Entry { delivery, from, sequence, clock, previous, seen, kind, at: log.now(), digest };
        self.segment.insert(side, entry.clone()).unwrap();
        MessageMeta {
            entry,
            shared: self.shared,
            key: KeyId::parse("any:1").unwrap(),
            jws: "a..b".to_owned(),
            content: sealed(self.subject),
        }
    }

    /// We tell the partner something; gives the delivery of the message.
    pub(super) fn tell(
        &mut self,
        log: &mut Log,
        kind: MessageKind,
        effects: impl IntoIterator<Item = ReferralEvent>,
    ) -> DeliveryId {
        let message = self.message(log, self.own_side(), kind);
        let delivery = message.entry.delivery;
        let events = effects.into_iter().chain([ReferralEvent::MessageIssued(Box::new(message))]);
        log.append(&self.stream, events);
        delivery
    }

    /// The partner tells us something.
    pub(super) fn hear(
        &mut self,
        log: &mut Log,
        kind: MessageKind,
        effects: impl IntoIterator<Item = ReferralEvent>,
    ) -> Position {
        let message = self.message(log, self.partner_side(), kind);
        let events = [ReferralEvent::MessageReceived(Box::new(message))].into_iter().chain(effects);
        log.append(&self.stream, events)
    }

    /// The consumer of an outbound referral consents.
    pub(super) fn consents(&self, log: &mut Log) -> Position {
        log.append(&self.stream, [ReferralEvent::ConsentCaptured(Box::new(self.consent(AgeBand::Adult)))])
    }

    /// Something happens that the partner is not told.
    pub(super) fn record(&self, log: &mut Log, event: ReferralEvent) -> Position {
        log.append(&self.stream, [event])
    }

    /// Presents and sends an outbound referral; gives the delivery of the submission.
    pub(super) fn send(&mut self, log: &mut Log, age: AgeBand) -> DeliveryId {
        let presented = ReferralEvent::Presented(Box::new(Presented {
            by: "officer-1".to_owned(),
            subject: self.subject,
            age,
            retention_to: day("2027-05-20"),
            fields: vec![DataField::ConsumerName],
            onward_to: None,
            content: None,
        }));
        log.append(&self.stream, [presented]);
        let sent = ReferralEvent::Sent(Sent {
            approver: "officer-2".to_owned(),
            retention_to: day("2027-05-20"),
            acknowledgement: Expected {
                by: day("2026-05-28"),
                calendar: CalendarEdition::parse("HK-2026/1").unwrap(),
                provisional: false,
            },
        });
        let delivery = DeliveryId::derived(self.shared, &partner(GUANGDONG), 1);
        let effects = [
            sent,
            self.recorded(delivery, age),
            clock(Step::Delivery, "2026-05-21"),
            clock(Step::Acknowledgement, "2026-05-28"),
        ];
        self.tell(log, MessageKind::Submission, effects)
    }

    fn consent(&self, age: AgeBand) -> ConsentCaptured {
        ConsentCaptured {
            consent: "C-1".to_owned(),
            text_version: "2026-1".to_owned(),
            language: Language::SimplifiedChinese,
            channel: ConsentChannel::Online,
            recipient: self.partner.clone(),
            purpose: Purpose::Conciliation,
            fields: vec![DataField::ConsumerName],
            evidence: "a".repeat(64),
            by_guardian: age != AgeBand::Adult,
        }
    }

    fn recorded(&self, transfer: DeliveryId, age: AgeBand) -> ReferralEvent {
        ReferralEvent::TransferRecorded(Box::new(TransferRecorded {
            transfer,
            referral: self.id,
            complaint: self.complaint,
            direction: self.direction,
            controller: Controller {
                council: partner(GUANGDONG),
                name: "广东省消费者委员会".to_owned(),
                uscc: None,
                seat: RegionCode::parse("440104").unwrap(),
            },
            recipient: Recipient {
                council: self.partner.clone(),
                name: "消費者委員會".to_owned(),
                contact: "contact".to_owned(),
                place: Place::HongKong,
            },
            route: LegalRoute::GbaHongKong,
            instrument: None,
            impact: None,
            consent: self.consent(age),
            consented_at: minute(0),
            purpose: Purpose::Conciliation,
            subject: self.subject,
            subjects: 1,
            age,
            sensitive: age == AgeBand::Child,
            fields: vec![DataField::ConsumerName],
            evidence: vec![file_digest()],
            minimisation: "2026-1".to_owned(),
            removed: Vec::new(),
            payload: "b".repeat(64),
            key: "any:1".to_owned(),
            signature: "a..b".to_owned(),
            presented_by: "officer-1".to_owned(),
            approver: "officer-2".to_owned(),
            retention_to: day("2027-05-20"),
            onward_transfer: false,
            rights_contact: "contact".to_owned(),
        }))
    }

    /// A file of the referral.
    pub(super) fn file(&self, digest: &Digest, side: Side) -> ReferralEvent {
        ReferralEvent::EvidenceAdded(Box::new(EvidenceAdded {
            digest: digest.clone(),
            name: sealed(self.subject),
            bytes: 1_234,
            media: "application/pdf".to_owned(),
            side,
            by: None,
        }))
    }
}

/// The digest of the one file that submissions list.
pub(super) fn file_digest() -> Digest {
    Digest::of(b"receipt")
}

pub(super) fn clock(step: Step, by: &str) -> ReferralEvent {
    ReferralEvent::ClockStarted(ClockStarted {
        step,
        council: Place::HongKong,
        started_on: day("2026-05-20"),
        by: day(by),
        calendar: CalendarEdition::parse("HK-2026/1").unwrap(),
        provisional: false,
    })
}
