//! What the rows of referrals, files, transfers and refusals show.

use domain::envelope::{Position, Revision};
use domain::id::SubjectId;

use super::case::{Case, clock, file_digest, subject};
use super::kit::{HONG_KONG, Log, MACAO, caught_up, day, minute, partner, unit};
use crate::exchange::{AgeBand, Digest, MessageKind, ScanState, SharedId, Side, Step};
use crate::index::{CounterRow, Cursor, ReferralFilter, ReferralIndex, ReferralRow};
use crate::referral::event::{
    Acknowledged, EvidenceScanned, EvidenceStored, OutcomeAcknowledged, OutcomeReported, Progressed, RecallAnswered,
    Recalled, Returned,
};
use crate::referral::vocabulary::{Direction, ProgressKind, Purpose, RecallReason, ReferralOutcome, ReturnCode};
use crate::referral::{ReferralEvent, ReferralId};
use crate::security::{Refusal, SecurityEvent};

fn acknowledged() -> ReferralEvent {
    ReferralEvent::Acknowledged(Acknowledged { reference: "HK-9".to_owned(), feedback: None })
}

fn outcome() -> ReferralEvent {
    ReferralEvent::OutcomeReported(OutcomeReported { outcome: ReferralOutcome::Settled, recovered: None, note: None })
}

fn row(index: &ReferralIndex, id: ReferralId) -> ReferralRow {
    index.referral(id).unwrap().unwrap()
}

#[test]
fn a_draft_shows_with_everything_that_is_known_of_it() {
    let mut log = Log::new();
    log.at(7);
    let case = Case::outbound(&mut log, HONG_KONG, 1);
    let fresh = caught_up(&log);
    let expected = ReferralRow {
        id: case.id,
        shared: case.shared,
        direction: Direction::Outbound,
        partner: partner(HONG_KONG),
        council: unit("gd-council"),
        complaint: case.complaint,
        subject: None,
        purpose: Purpose::Conciliation,
        stage: "drafted".to_owned(),
        detail: None,
        reference: None,
        drafted_at: minute(7),
        sent_at: None,
        last_act_at: minute(7),
        outcome: None,
        next_step: None,
        next_due: None,
        revision: Revision::FIRST,
        position: Position::new(1),
        drafted_position: Position::new(1),
        segment: case.segment.digest(case.shared),
        origin_count: 0,
        target_count: 0,
    };
    assert_eq!(row(&fresh.index, case.id), expected);
    assert_eq!(fresh.index.position(), Some(Position::new(1)));
    let other = Case::outbound(&mut log, HONG_KONG, 2);
    assert_eq!(fresh.index.referral(other.id).unwrap(), None);
}

#[test]
fn a_referral_shows_how_far_it_is() {
    let mut log = Log::new();
    let mut case = Case::outbound(&mut log, HONG_KONG, 1);
    log.at(1);
    case.send(&mut log, AgeBand::Adult);
    let fresh = caught_up(&log);
    let sent = row(&fresh.index, case.id);
    assert_eq!((sent.stage.as_str(), sent.sent_at, sent.subject), ("sent", Some(minute(1)), Some(subject(1))));
    assert_eq!((sent.next_step, sent.next_due), (Some(Step::Delivery), Some(day("2026-05-21"))));
    assert_eq!((sent.origin_count, sent.target_count), (1, 0));

    log.at(2);
    case.hear(&mut log, MessageKind::Acknowledgement, [acknowledged(), clock(Step::Feedback, "2026-06-05")]);
    fresh.index.catch_up(&mut log.source()).unwrap();
    let taken = row(&fresh.index, case.id);
    assert_eq!((taken.stage.as_str(), taken.reference.as_deref()), ("acknowledged", Some("HK-9")));
    assert_eq!((taken.next_step, taken.next_due), (Some(Step::Feedback), Some(day("2026-06-05"))));
    assert_eq!((taken.origin_count, taken.target_count), (1, 1));
    assert_eq!(taken.segment, case.segment.digest(case.shared));
    assert_ne!(taken.segment, sent.segment);
    assert_eq!((taken.sent_at, taken.last_act_at), (Some(minute(1)), minute(2)));

    let progressed = ReferralEvent::Progressed(Progressed { kind: ProgressKind::Handling, note: None });
    case.hear(&mut log, MessageKind::Progress, [progressed]);
    fresh.index.catch_up(&mut log.source()).unwrap();
    let handled = row(&fresh.index, case.id);
    assert_eq!((handled.stage.as_str(), handled.detail.as_deref()), ("in-progress", Some("handling")));
    assert_eq!(handled.next_step, None);

    case.hear(&mut log, MessageKind::Outcome, [outcome()]);
    let closed = ReferralEvent::OutcomeAcknowledged(OutcomeAcknowledged {});
    case.tell(&mut log, MessageKind::OutcomeAcknowledgement, [closed]);
    fresh.index.catch_up(&mut log.source()).unwrap();
    let over = row(&fresh.index, case.id);
    assert_eq!((over.stage.as_str(), over.detail.as_deref()), ("closed", Some("settled")));
    assert_eq!((over.outcome, over.origin_count, over.target_count), (Some(ReferralOutcome::Settled), 2, 3));
    assert_eq!(over.drafted_position, Position::new(1));
    assert_eq!(Some(over.position), fresh.index.position());
}

#[test]
fn returns_and_recalls_show_with_their_detail() {
    let mut log = Log::new();
    let recalled = || ReferralEvent::Recalled(Recalled { reason: RecallReason::ConsentWithdrawn, after_sending: true });
    let answered = |erased| ReferralEvent::RecallAnswered(RecallAnswered { erased, note: None });
    let mut details = Vec::new();
    for (number, erased) in [(1, None), (2, Some(true)), (3, Some(false))] {
        let mut case = Case::outbound(&mut log, HONG_KONG, number);
        case.send(&mut log, AgeBand::Adult);
        case.tell(&mut log, MessageKind::Recall, [recalled()]);
        if let Some(erased) = erased {
            case.hear(&mut log, MessageKind::RecallAnswer, [answered(erased)]);
        }
        details.push(row(&caught_up(&log).index, case.id).detail);
    }
    assert_eq!(details, [None, Some("erased".to_owned()), Some("kept".to_owned())]);
    let mut case = Case::outbound(&mut log, MACAO, 4);
    case.send(&mut log, AgeBand::Adult);
    let returned = ReferralEvent::Returned(Returned { code: ReturnCode::NotLocal, note: None });
    case.hear(&mut log, MessageKind::Return, [returned]);
    let row = row(&caught_up(&log).index, case.id);
    assert_eq!((row.stage.as_str(), row.detail.as_deref()), ("returned", Some("NOT_LOCAL")));
}

#[test]
fn what_comes_in_is_found_under_the_id_that_its_sender_gave() {
    let mut log = Log::new();
    log.at(3);
    let case = Case::inbound(&mut log, MACAO, 1);
    let fresh = caught_up(&log);
    let found = fresh.index.by_shared(&partner(MACAO), case.shared).unwrap().unwrap();
    assert_eq!((found.id, found.direction, found.stage.as_str()), (case.id, Direction::Inbound, "delivered"));
    assert_eq!((found.sent_at, found.complaint), (Some(minute(3)), None));
    assert_eq!(found.subject, Some(SubjectId::of_referral(case.id.as_uuid())));
    assert_eq!((found.origin_count, found.target_count), (1, 0));
    // Another council cannot find it by naming the same id.
    assert_eq!(fresh.index.by_shared(&partner(HONG_KONG), case.shared).unwrap(), None);
    let unknown = SharedId::from_uuid(uuid::Uuid::from_u128(1));
    assert_eq!(fresh.index.by_shared(&partner(MACAO), unknown).unwrap(), None);
}

#[test]
fn a_list_has_the_newest_first_and_goes_on_where_it_ended() {
    let mut log = Log::new();
    let mut cases: Vec<Case> = (1..=5).map(|number| Case::outbound(&mut log, HONG_KONG, number)).collect();
    cases.push(Case::inbound(&mut log, MACAO, 6));
    // What happens later does not change the order.
    cases[0].send(&mut log, AgeBand::Adult);
    let fresh = caught_up(&log);
    let all = ReferralFilter::default();
    let mut found = Vec::new();
    let mut after: Option<Cursor> = None;
    loop {
        let page = fresh.index.referrals(&all, after.as_ref(), 4).unwrap();
        let Some(last) = page.last() else { break };
        after = Cursor::parse(&last.cursor().to_string());
        found.extend(page.into_iter().map(|row| row.id));
    }
    let expected: Vec<ReferralId> = cases.iter().rev().map(|case| case.id).collect();
    assert_eq!(found, expected);
    for text in ["", "+1", "01", "A", "8000000000000000", "x"] {
        assert_eq!(Cursor::parse(text), None, "{text}");
    }
}

#[test]
fn a_filter_lets_through_what_it_names_and_counts_the_same() {
    let mut log = Log::new();
    let mut one = Case::outbound(&mut log, HONG_KONG, 1);
    let two = Case::outbound(&mut log, MACAO, 2);
    let three = Case::inbound(&mut log, MACAO, 3);
    one.send(&mut log, AgeBand::Adult);
    let fresh = caught_up(&log);
    let any = ReferralFilter::default;
    for (filter, expected) in [
        (any(), vec![three.id, two.id, one.id]),
        (ReferralFilter { partner: Some(partner(MACAO)), ..any() }, vec![three.id, two.id]),
        (ReferralFilter { direction: Some(Direction::Inbound), ..any() }, vec![three.id]),
        (ReferralFilter { stage: Some("sent".to_owned()), ..any() }, vec![one.id]),
        (ReferralFilter { complaint: two.complaint, ..any() }, vec![two.id]),
        (ReferralFilter { subject: Some(subject(1)), ..any() }, vec![one.id]),
        (ReferralFilter { overdue_on: Some(day("2026-05-22")), ..any() }, vec![one.id]),
        (ReferralFilter { overdue_on: Some(day("2026-05-21")), ..any() }, vec![]),
        (ReferralFilter { councils: Some(vec![unit("gd-council")]), ..any() }, vec![three.id, two.id, one.id]),
        (ReferralFilter { councils: Some(vec![unit("sz-council")]), ..any() }, vec![]),
        (ReferralFilter { councils: Some(Vec::new()), ..any() }, vec![]),
        (ReferralFilter { partner: Some(partner(MACAO)), direction: Some(Direction::Outbound), ..any() }, vec![two.id]),
    ] {
        let found: Vec<_> = fresh.index.referrals(&filter, None, 10).unwrap().into_iter().map(|row| row.id).collect();
        assert_eq!(found, expected, "{filter:?}");
        assert_eq!(fresh.index.count(&filter).unwrap(), u64::try_from(expected.len()).unwrap(), "{filter:?}");
    }
}

#[test]
fn files_show_as_long_as_they_belong_to_the_referral() {
    let mut log = Log::new();
    let mut case = Case::outbound(&mut log, HONG_KONG, 1);
    let (kept, left_out) = (file_digest(), Digest::of(b"a private letter"));
    case.record(&mut log, case.file(&kept, Side::Origin));
    case.record(&mut log, case.file(&left_out, Side::Origin));
    let fresh = caught_up(&log);
    assert_eq!(fresh.index.evidence(case.id).unwrap().len(), 2);
    // The message lists one of the two.
    case.send(&mut log, AgeBand::Adult);
    let theirs = Digest::of(b"their reply");
    let file = case.file(&theirs, Side::Target);
    case.hear(&mut log, MessageKind::Evidence, [file]);
    case.record(&mut log, ReferralEvent::EvidenceStored(EvidenceStored { digest: kept.clone() }));
    let scanned = EvidenceScanned { digest: kept.clone(), scan: ScanState::Clean };
    case.record(&mut log, ReferralEvent::EvidenceScanned(scanned));
    fresh.index.catch_up(&mut log.source()).unwrap();
    assert_eq!(fresh.index.evidence_by_digest(&left_out).unwrap(), []);
    let ours = fresh.index.evidence_by_digest(&kept).unwrap().remove(0);
    assert_eq!((ours.referral, ours.shared, ours.partner), (case.id, case.shared, partner(HONG_KONG)));
    assert_eq!((ours.stored, ours.scan, ours.side), (true, ScanState::Clean, Side::Origin));
    assert_eq!((ours.bytes, ours.media.as_str(), ours.name.subject), (1_234, "application/pdf", subject(1)));
    let missing = fresh.index.evidence_missing(&partner(HONG_KONG), 10).unwrap();
    assert_eq!(missing.into_iter().map(|row| row.digest).collect::<Vec<_>>(), [theirs]);
    assert_eq!(fresh.index.evidence_missing(&partner(MACAO), 10).unwrap(), []);
}

#[test]
fn counters_count_transfers_persons_and_persons_with_sensitive_data() {
    let mut log = Log::new();
    // The same person is referred to both councils; another one is a child.
    for (to, number, age) in
        [(HONG_KONG, 1, AgeBand::Adult), (MACAO, 1, AgeBand::Adult), (HONG_KONG, 2, AgeBand::Child)]
    {
        Case::outbound(&mut log, to, number).send(&mut log, age);
    }
    // The year ends at midnight in the three places: this is 2027 already.
    let hours = (day("2027-01-01") - day("2026-05-20")).num_hours() - 8;
    log.at(60 * (hours - 1));
    Case::outbound(&mut log, HONG_KONG, 3).send(&mut log, AgeBand::Adult);
    Case::outbound(&mut log, HONG_KONG, 4);
    let fresh = caught_up(&log);
    let counter = |to: &str, transfers, persons, sensitive| CounterRow {
        council: unit("gd-council"),
        partner: partner(to),
        transfers,
        persons,
        sensitive,
    };
    assert_eq!(fresh.index.counters(2026).unwrap(), [counter(HONG_KONG, 2, 2, 1), counter(MACAO, 1, 1, 0)]);
    assert_eq!(fresh.index.counters(2027).unwrap(), [counter(HONG_KONG, 1, 1, 0)]);
    assert_eq!(fresh.index.counters(2025).unwrap(), []);
}

#[test]
fn refused_attempts_show_in_both_directions() {
    let mut log = Log::new();
    let stream = domain::id::StreamId::parse("security-20260520").unwrap();
    let refusal = |code: &str| Refusal {
        code: code.to_owned(),
        partner: Some(partner(MACAO)),
        key: Some("mo:1".to_owned()),
        what: "a message was posted".to_owned(),
        digest: Some(file_digest()),
        request_id: None,
        suppressed: 4,
    };
    for code in ["A", "B", "C"] {
        log.append(&stream, [SecurityEvent::Refused(refusal(code))]);
    }
    let fresh = caught_up(&log);
    let codes = |rows: Vec<crate::index::SecurityRow>| rows.into_iter().map(|row| row.code).collect::<Vec<_>>();
    assert_eq!(codes(fresh.index.security(None, 2).unwrap()), ["A", "B"]);
    assert_eq!(codes(fresh.index.security(Some(Position::new(2)), 2).unwrap()), ["C"]);
    assert_eq!(codes(fresh.index.security_before(None, 2).unwrap()), ["C", "B"]);
    assert_eq!(codes(fresh.index.security_before(Some(Position::new(2)), 2).unwrap()), ["A"]);
    let row = fresh.index.security(None, 1).unwrap().remove(0);
    assert_eq!((row.at, row.partner, row.suppressed), (minute(0), Some(partner(MACAO)), 4));
    assert_eq!((row.digest, row.request_id), (Some(file_digest()), None));
}
