//! What the rows of referrals, files and transfers show.

use domain::envelope::{Position, Revision};
use domain::id::SubjectId;

use super::case::{Case, clock, file_digest, subject};
use super::kit::{Fresh, HONG_KONG, Log, MACAO, caught_up, day, delivered, minute, partner, row_of, unit};
use crate::delivery::DeliveredBy;
use crate::exchange::{AgeBand, DeliveryId, Digest, MessageKind, ScanState, Side, Step};
use crate::index::{CounterRow, Cursor, EvidenceRow, ReferralFilter, ReferralIndex, ReferralRow};
use crate::referral::erase::{ErasureReason, HeldFor};
use crate::referral::event::{
    Acknowledged, Erased, ErasureHeld, EvidenceBrought, EvidenceScanned, EvidenceStored, OutcomeAcknowledged,
    OutcomeReported, Progressed, RecallAnswered, Recalled, Returned,
};
use crate::referral::vocabulary::{Direction, ProgressKind, Purpose, RecallReason, ReferralOutcome, ReturnCode};
use crate::referral::{ReferralEvent, ReferralId};

fn acknowledged() -> ReferralEvent {
    ReferralEvent::Acknowledged(Acknowledged { reference: "HK-9".to_owned(), feedback: None })
}

fn outcome() -> ReferralEvent {
    ReferralEvent::OutcomeReported(OutcomeReported { outcome: ReferralOutcome::Settled, recovered: None, note: None })
}

fn row(index: &ReferralIndex, id: ReferralId) -> ReferralRow {
    row_of(index, id).unwrap()
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
    assert_eq!(row_of(&fresh.index, other.id), None);
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
fn what_comes_in_shows_with_the_id_that_its_sender_gave() {
    let mut log = Log::new();
    log.at(3);
    let case = Case::inbound(&mut log, MACAO, 1);
    let fresh = caught_up(&log);
    let found = row(&fresh.index, case.id);
    assert_eq!((found.shared, found.direction, found.stage.as_str()), (case.shared, Direction::Inbound, "delivered"));
    assert_eq!((found.sent_at, found.complaint), (Some(minute(3)), None));
    assert_eq!(found.subject, Some(SubjectId::of_referral(case.id.as_uuid())));
    assert_eq!((found.origin_count, found.target_count), (1, 0));
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

fn stored(digest: &Digest) -> ReferralEvent {
    ReferralEvent::EvidenceStored(EvidenceStored { digest: digest.clone() })
}

fn digests(rows: Vec<EvidenceRow>) -> Vec<Digest> {
    rows.into_iter().map(|row| row.digest).collect()
}

/// One of our messages has reached the partner.
fn arrives(log: &mut Log, fresh: &Fresh, delivery: DeliveryId) {
    log.append(&delivery.stream(), [delivered(DeliveredBy::Push)]);
    fresh.index.catch_up(&mut log.source()).unwrap();
}

#[test]
fn a_file_of_ours_is_owed_from_when_the_partner_knows_of_it_until_it_is_brought() {
    let mut log = Log::new();
    let mut case = Case::outbound(&mut log, HONG_KONG, 1);
    let (listed, left_out, later) = (file_digest(), Digest::of(b"a private letter"), Digest::of(b"found later"));
    for digest in [&listed, &left_out] {
        case.record(&mut log, case.file(digest, Side::Origin));
        case.record(&mut log, stored(digest));
    }
    let submission = case.send(&mut log, AgeBand::Adult);
    let fresh = caught_up(&log);
    let owed = |to: &str| digests(fresh.index.evidence_owed_to(&partner(to), 10).unwrap());
    assert!(owed(HONG_KONG).is_empty(), "the message goes first");
    arrives(&mut log, &fresh, submission);
    assert_eq!(owed(HONG_KONG), std::slice::from_ref(&listed), "the message lists one of the two");
    assert!(owed(MACAO).is_empty());
    let row = fresh.index.evidence_owed_to(&partner(HONG_KONG), 10).unwrap().remove(0);
    assert_eq!((row.referral, row.shared, row.partner), (case.id, case.shared, partner(HONG_KONG)));

    // Told of, and only put in when the message has long arrived.
    let file = case.file(&later, Side::Origin);
    let told = case.tell(&mut log, MessageKind::Evidence, [file]);
    arrives(&mut log, &fresh, told);
    assert_eq!(owed(HONG_KONG), std::slice::from_ref(&listed));
    case.record(&mut log, stored(&later));
    fresh.index.catch_up(&mut log.source()).unwrap();
    assert_eq!(owed(HONG_KONG).len(), 2);
    let brought = EvidenceBrought { digest: listed, refused: None };
    case.record(&mut log, ReferralEvent::EvidenceBrought(brought));
    fresh.index.catch_up(&mut log.source()).unwrap();
    assert_eq!(owed(HONG_KONG), [later]);

    let recalled = Recalled { reason: RecallReason::ConsentWithdrawn, after_sending: true };
    case.tell(&mut log, MessageKind::Recall, [ReferralEvent::Recalled(recalled)]);
    fresh.index.catch_up(&mut log.source()).unwrap();
    assert!(owed(HONG_KONG).is_empty());
}

#[test]
fn a_file_of_theirs_is_missing_until_it_is_here_or_nobody_wants_it() {
    let mut log = Log::new();
    let mut case = Case::inbound(&mut log, HONG_KONG, 1);
    let files = [b"1", b"2", b"3"].map(|bytes| Digest::of(bytes));
    for digest in &files {
        let file = case.file(digest, Side::Origin);
        case.hear(&mut log, MessageKind::Evidence, [file]);
    }
    let fresh = caught_up(&log);
    let missing = |to: &str| digests(fresh.index.evidence_missing(&partner(to), 10).unwrap());
    assert_eq!((missing(HONG_KONG).len(), missing(MACAO).len()), (3, 0));
    let [here, infected, last] = files;
    case.record(&mut log, stored(&here));
    let scanned = EvidenceScanned { digest: infected, scan: ScanState::Infected };
    case.record(&mut log, ReferralEvent::EvidenceScanned(scanned));
    fresh.index.catch_up(&mut log.source()).unwrap();
    assert_eq!(missing(HONG_KONG), [last]);
    let returned = ReferralEvent::Returned(Returned { code: ReturnCode::NotLocal, note: None });
    case.tell(&mut log, MessageKind::Return, [returned]);
    fresh.index.catch_up(&mut log.source()).unwrap();
    assert!(missing(HONG_KONG).is_empty());
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
fn what_is_kept_too_long_shows_until_it_is_gone() {
    let mut log = Log::new();
    let mut ours = Case::outbound(&mut log, HONG_KONG, 1);
    let theirs = Case::inbound(&mut log, MACAO, 2);
    let mut recalled = Case::inbound(&mut log, HONG_KONG, 3);
    let fresh = caught_up(&log);
    let kept = |on: &str| -> Vec<ReferralId> {
        fresh.index.kept_too_long(day(on), 10).unwrap().into_iter().map(|row| row.id).collect()
    };
    assert_eq!(kept("2027-05-20"), [], "the last day counts whole");
    assert_eq!(kept("2027-05-21"), [theirs.id, recalled.id], "nothing is kept of a draft");
    ours.send(&mut log, AgeBand::Adult);
    fresh.index.catch_up(&mut log.source()).unwrap();
    assert_eq!(kept("2027-05-21"), [ours.id, theirs.id, recalled.id]);

    let held = ErasureHeld { why: HeldFor::NotEnded, to: "council-head".to_owned() };
    ours.record(&mut log, ReferralEvent::ErasureHeld(held));
    fresh.index.catch_up(&mut log.source()).unwrap();
    assert_eq!(kept("2027-05-21"), [theirs.id, recalled.id, ours.id], "whoever was told holds up nobody else");

    let reason = ErasureReason::RetentionEnded;
    let erased = || ReferralEvent::Erased(Erased { reason, texts: true, files: Vec::new(), ordered: false });
    theirs.record(&mut log, erased());
    ours.record(&mut log, erased());
    let called_back = Recalled { reason: RecallReason::ConsentWithdrawn, after_sending: true };
    recalled.hear(&mut log, MessageKind::Recall, [ReferralEvent::Recalled(called_back)]);
    let answered = ReferralEvent::RecallAnswered(RecallAnswered { erased: true, note: None });
    recalled.tell(&mut log, MessageKind::RecallAnswer, [answered]);
    fresh.index.catch_up(&mut log.source()).unwrap();
    assert_eq!(kept("2027-05-21"), []);
}
