//! The rows are what the streams fold to, whatever the batches; and what cannot be read is in the way.

use domain::envelope::{Position, RecordedEvent, Revision};
use domain::id::StreamId;
use event_log::port::ReadError;
use event_log::source::StreamSource;
use proptest::prelude::*;

use super::case::{Case, clock, file_digest};
use super::kit::{
    Fresh, GUANGDONG, HONG_KONG, Log, MACAO, Source, alarmed, caught_up, dead, delivered, dump, erased, failed, fresh,
    leased, minute, partner, redriven, row_of,
};
use crate::delivery::DeliveredBy;
use crate::exchange::{AgeBand, DeliveryId, MessageKind, Side, Step};
use crate::index::IndexError;
use crate::referral::ReferralEvent;
use crate::referral::event::{EvidenceStored, Retrieved};

/// Referrals and deliveries to which anything may happen.
#[derive(Debug)]
struct World {
    log: Log,
    cases: Vec<Case>,
    deliveries: Vec<DeliveryId>,
    number: u16,
}

impl World {
    fn new() -> Self {
        Self { log: Log::new(), cases: Vec::new(), deliveries: Vec::new(), number: 0 }
    }

    /// One more thing happens; which one and to what is for the test runner to choose.
    fn happen(&mut self, what: u8, to: usize) {
        self.number += 1;
        self.log.at(i64::from(self.number));
        match what {
            0 => self.cases.push(Case::outbound(&mut self.log, HONG_KONG, self.number)),
            1 => self.cases.push(Case::inbound(&mut self.log, MACAO, self.number)),
            2..=7 => self.happen_to_a_case(what, to),
            8..=14 => self.happen_to_a_delivery(what, to),
            _ => {
                // Another life, in kinds that only it knows.
                let stream = StreamId::parse("weather-guangzhou").unwrap();
                self.log.append_raw(&stream, [("weather.changed", 7, "{".to_owned())]);
            }
        }
    }

    fn happen_to_a_case(&mut self, what: u8, to: usize) {
        let count = self.cases.len().max(1);
        let Some(case) = self.cases.get_mut(to % count) else { return };
        let log = &mut self.log;
        match what {
            2 if case.complaint.is_some() && case.segment.count(Side::Origin) == 0 => {
                case.consents(log);
                self.deliveries.push(case.send(log, AgeBand::Adult));
            }
            3 => self.deliveries.push(case.tell(log, MessageKind::Reminder, [clock(Step::Outcome, "2026-07-20")])),
            4 => {
                case.hear(log, MessageKind::Retrieved, [ReferralEvent::Retrieved(Retrieved {})]);
            }
            5 => {
                case.record(log, case.file(&file_digest(), Side::Origin));
            }
            6 => {
                case.record(log, ReferralEvent::EvidenceStored(EvidenceStored { digest: file_digest() }));
            }
            _ => {
                case.record(log, clock(Step::Delivery, "2026-05-21"));
            }
        }
    }

    fn happen_to_a_delivery(&mut self, what: u8, to: usize) {
        let count = self.deliveries.len().max(1);
        let Some(delivery) = self.deliveries.get(to % count) else { return };
        let event = match what {
            8 => leased(u32::from(self.number), 10_000),
            9 => failed(u32::from(self.number), 20_000),
            10 => delivered(DeliveredBy::Pull),
            11 => dead(1),
            12 => redriven(),
            13 => erased(),
            _ => alarmed(1),
        };
        self.log.append(&delivery.stream(), [event]);
    }
}

fn last(events: &[RecordedEvent]) -> Position {
    events.last().unwrap().position
}

/// An index that has taken in all of `events` at once.
fn at_once(events: &[RecordedEvent], source: &mut Source) -> Fresh {
    let fresh = fresh();
    fresh.index.apply(events, last(events), source).unwrap();
    fresh
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn batches_of_any_size_give_what_a_rebuild_gives(
        happenings in proptest::collection::vec((0_u8..16, 0_usize..8), 1..60),
        sizes in proptest::collection::vec(1_usize..12, 1..60),
        look in 0_usize..12,
    ) {
        let mut world = World::new();
        for (what, to) in happenings {
            world.happen(what, to);
        }
        let events = world.log.events();
        prop_assume!(!events.is_empty());
        let mut source = world.log.source();
        let batched = fresh();
        let mut taken = 0;
        for (number, size) in sizes.iter().cycle().enumerate() {
            let Some(rest) = events.get(taken..).filter(|rest| !rest.is_empty()) else { break };
            let batch = &rest[..(*size).min(rest.len())];
            batched.index.apply(batch, last(batch), &mut source).unwrap();
            taken += batch.len();
            if number == look {
                prop_assert_eq!(dump(&batched), dump(&at_once(&events[..taken], &mut source)));
            }
        }
        let rebuilt = caught_up(&world.log);
        prop_assert_eq!(dump(&batched), dump(&rebuilt));
        // Again, from anywhere: nothing changes.
        batched.index.apply(&events, last(&events), &mut source).unwrap();
        prop_assert_eq!(dump(&batched), dump(&rebuilt));
        prop_assert_eq!(batched.index.position(), Some(last(&events)));
    }

    #[test]
    fn no_referral_has_two_messages_that_may_be_tried(
        happenings in proptest::collection::vec((0_u8..15, 0_usize..4), 1..60),
    ) {
        let mut world = World::new();
        for (what, to) in happenings {
            world.happen(what, to);
        }
        let fresh = caught_up(&world.log);
        let due_to = |to: &str| fresh.index.due_deliveries_to(&partner(to), minute(1_000_000), 1_000).unwrap();
        let due = [due_to(HONG_KONG), due_to(MACAO)].concat();
        for row in &due {
            let lane = fresh.index.deliveries_of(row.referral).unwrap();
            let first = lane.iter().find(|row| !row.is_over()).unwrap();
            prop_assert_eq!(first.delivery, row.delivery);
        }
        let mut referrals: Vec<_> = due.iter().map(|row| row.referral).collect();
        referrals.sort_unstable();
        referrals.dedup();
        prop_assert_eq!(referrals.len(), due.len());
    }
}

#[test]
fn events_behind_the_checkpoint_and_beyond_it_are_passed_over() {
    let mut log = Log::new();
    let mut case = Case::outbound(&mut log, HONG_KONG, 1);
    case.send(&mut log, AgeBand::Adult);
    let events = log.events();
    let mut source = log.source();
    let upto = events[0].position;
    let fresh = fresh();
    // All events are given and the whole stream can be read, but only the first of them is asked for.
    fresh.index.apply(&events, upto, &mut source).unwrap();
    assert_eq!(fresh.index.position(), Some(upto));
    assert_eq!(row_of(&fresh.index, case.id).unwrap().stage, "drafted");
    assert_eq!(dump(&fresh), dump(&at_once(&events[..1], &mut source)));
    fresh.index.apply(&events, last(&events), &mut source).unwrap();
    assert_eq!(dump(&fresh), dump(&caught_up(&log)));
}

#[test]
fn what_happened_to_a_delivery_before_its_message_shows_with_the_message() {
    let mut log = Log::new();
    let mut case = Case::outbound(&mut log, HONG_KONG, 1);
    let id = DeliveryId::derived(case.shared, &partner(GUANGDONG), 1);
    log.append(&id.stream(), [delivered(DeliveredBy::Pull)]);
    let fresh = caught_up(&log);
    assert_eq!(fresh.index.delivery(id).unwrap(), None);
    case.send(&mut log, AgeBand::Adult);
    fresh.index.catch_up(&mut log.source()).unwrap();
    assert_eq!(fresh.index.delivery(id).unwrap().unwrap().delivered_by, Some(DeliveredBy::Pull));
    assert_eq!(fresh.index.next_due_to(&partner(HONG_KONG)).unwrap(), None);
}

fn a_referral(log: &mut Log) -> StreamId {
    Case::outbound(log, HONG_KONG, 1).stream
}

fn a_delivery(log: &mut Log) -> StreamId {
    Case::outbound(log, HONG_KONG, 1).send(log, AgeBand::Adult).stream()
}

#[test]
fn an_event_of_ours_that_cannot_be_read_is_in_the_way() {
    type Stream = fn(&mut Log) -> StreamId;
    let events: [(Stream, &'static str, u16, &str); 4] = [
        (a_referral, "referral.unheard-of", 1, "{}"),
        (a_referral, "referral.retrieved", 2, "{}"),
        (a_referral, "complaint.accepted", 1, "{}"),
        (a_delivery, "delivery.redriven", 1, "1"),
    ];
    for (stream, kind, schema, payload) in events {
        let mut log = Log::new();
        let stream = stream(&mut log);
        let before = caught_up(&log);
        let position = log.append_raw(&stream, [(kind, schema, payload.to_owned())]);
        let rows = dump(&before);
        let error = before.index.catch_up(&mut log.source()).unwrap_err();
        assert!(matches!(error, IndexError::Unreadable { .. }), "{kind}: {error}");
        assert_eq!((error.position(), error.is_retryable()), (Some(position), false));
        assert_eq!(dump(&before), rows);
    }
}

#[test]
fn a_stream_of_ours_that_names_no_id_is_in_the_way() {
    for name in ["referral-1", "delivery-x", "referral-7c9e6679-7425-50de-944b-e07fc1f90ae7"] {
        let mut log = Log::new();
        let stream = StreamId::parse(name).unwrap();
        let position = log.append(&stream, [ReferralEvent::Retrieved(Retrieved {})]);
        let error = fresh().index.catch_up(&mut log.source()).unwrap_err();
        assert!(matches!(error, IndexError::Stream { .. }), "{name}: {error}");
        assert_eq!(error.position(), Some(position));
    }
}

/// A log that leaves one revision out of its streams, and all behind another.
struct Lossy {
    source: Source,
    without: Option<Revision>,
    until: Option<Revision>,
}

impl StreamSource for Lossy {
    fn read_stream(
        &mut self,
        stream: &StreamId,
        after: Option<Revision>,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        let mut events = self.source.read_stream(stream, after, limit)?;
        events.retain(|event| Some(event.revision) != self.without);
        events.retain(|event| self.until.is_none_or(|until| event.revision < until));
        Ok(events)
    }
}

#[test]
fn a_stream_with_a_hole_is_not_taken_in() {
    let mut log = Log::new();
    let mut case = Case::outbound(&mut log, HONG_KONG, 1);
    case.send(&mut log, AgeBand::Adult);
    let events = log.events();
    let fresh = fresh();
    let lossy = |without, until| Lossy { source: log.source(), without, until };
    let holed = fresh.index.apply(&events, last(&events), &mut lossy(Some(Revision::new(1)), None)).unwrap_err();
    assert!(matches!(holed, IndexError::Gap { .. }) && !holed.is_retryable(), "{holed}");
    let short = fresh.index.apply(&events, last(&events), &mut lossy(None, Some(Revision::new(1)))).unwrap_err();
    assert!(matches!(short, IndexError::Behind { .. }) && short.is_retryable(), "{short}");
    assert_eq!(fresh.index.position(), None);
}
