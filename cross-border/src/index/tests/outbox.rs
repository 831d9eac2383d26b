//! What may be tried when, what a partner that fetches is given, and what lies there undelivered.

use chrono::{DateTime, Utc};
use domain::envelope::Position;

use super::case::Case;
use super::kit::{
    GUANGDONG, HONG_KONG, Log, MACAO, alarmed, caught_up, dead, delivered, erased, failed, leased, minute, partner,
    redriven, unit,
};
use crate::delivery::{DeliveredBy, DeliveryState, FailureCode};
use crate::exchange::{AgeBand, DeliveryId, MessageKind};
use crate::index::{Cursor, DeliveryFilter, Duty, OutboxRow, ReferralIndex};
use crate::referral::ReferralEvent;
use crate::referral::event::{ConsentWithdrawn, Delivered, RecallAnswered, Recalled};
use crate::referral::vocabulary::RecallReason;

fn due(index: &ReferralIndex, at: i64) -> Vec<DeliveryId> {
    let due_to = |to: &str| index.due_deliveries_to(&partner(to), minute(at), 10).unwrap();
    [due_to(HONG_KONG), due_to(MACAO)].into_iter().flatten().map(|row| row.delivery).collect()
}

fn next_due(index: &ReferralIndex) -> Option<DateTime<Utc>> {
    index.next_due_to(&partner(HONG_KONG)).unwrap()
}

fn row(index: &ReferralIndex, delivery: DeliveryId) -> OutboxRow {
    index.delivery(delivery).unwrap().unwrap()
}

/// A referral to Hong Kong with a submission and two reminders behind it.
fn three(log: &mut Log) -> (Case, [DeliveryId; 3]) {
    let mut case = Case::outbound(log, HONG_KONG, 1);
    let submission = case.send(log, AgeBand::Adult);
    let first = case.tell(log, MessageKind::Reminder, []);
    let second = case.tell(log, MessageKind::Reminder, []);
    (case, [submission, first, second])
}

#[test]
fn an_issued_message_may_be_tried_at_once() {
    let mut log = Log::new();
    let mut case = Case::outbound(&mut log, HONG_KONG, 1);
    log.at(5);
    let delivery = case.send(&mut log, AgeBand::Adult);
    let fresh = caught_up(&log);
    assert_eq!(due(&fresh.index, 4), []);
    assert_eq!(due(&fresh.index, 5), [delivery]);
    assert_eq!(next_due(&fresh.index), Some(minute(5)));
    let row = row(&fresh.index, delivery);
    assert_eq!((row.referral, row.shared, row.sequence), (case.id, case.shared, 1));
    assert_eq!((row.kind, row.state, row.attempts), (MessageKind::Submission, DeliveryState::Pending, 0));
    assert_eq!((row.issued_at, row.since, row.next_at), (minute(5), minute(5), minute(5)));
    assert_eq!((row.council, row.partner, row.waits), (unit("gd-council"), partner(HONG_KONG), false));
    assert_eq!(row.digest, case.segment.entries(crate::exchange::Side::Origin)[0].digest);
    assert_eq!(Some(row.position), fresh.index.position());
    let unknown = DeliveryId::derived(case.shared, &partner(GUANGDONG), 9);
    assert_eq!(fresh.index.delivery(unknown).unwrap(), None);
}

#[test]
fn of_each_referral_only_the_first_undelivered_message_may_be_tried() {
    let mut log = Log::new();
    let (case, [submission, first, second]) = three(&mut log);
    let fresh = caught_up(&log);
    assert_eq!(due(&fresh.index, 0), [submission]);
    let waits = |index: &ReferralIndex| -> Vec<bool> {
        index.deliveries_of(case.id).unwrap().iter().map(|row| row.waits).collect()
    };
    assert_eq!(waits(&fresh.index), [false, true, true]);
    // Messages may arrive out of order; the order of trying stays.
    log.append(&first.stream(), [delivered(DeliveredBy::Pull)]);
    fresh.index.catch_up(&mut log.source()).unwrap();
    assert_eq!(due(&fresh.index, 0), [submission]);
    log.append(&submission.stream(), [delivered(DeliveredBy::Push)]);
    fresh.index.catch_up(&mut log.source()).unwrap();
    assert_eq!(due(&fresh.index, 0), [second]);
    assert_eq!(waits(&fresh.index), [false, false, false]);
    log.append(&second.stream(), [delivered(DeliveredBy::Push)]);
    fresh.index.catch_up(&mut log.source()).unwrap();
    assert_eq!(due(&fresh.index, 1_000_000), []);
    assert_eq!(next_due(&fresh.index), None);
    assert_eq!(row(&fresh.index, first).delivered_by, Some(DeliveredBy::Pull));
}

#[test]
fn a_lease_holds_it_back_until_it_is_over_and_a_failure_until_its_time() {
    let mut log = Log::new();
    let (_, [submission, ..]) = three(&mut log);
    log.append(&submission.stream(), [leased(1, 10)]);
    let fresh = caught_up(&log);
    let trying = row(&fresh.index, submission);
    assert_eq!((trying.state, trying.holder.as_deref()), (DeliveryState::Leased, Some("node-1")));
    assert_eq!((trying.lease_until, trying.next_at, trying.attempts), (Some(minute(10)), minute(10), 1));
    assert_eq!((due(&fresh.index, 9), due(&fresh.index, 10)), (vec![], vec![submission]));

    log.append(&submission.stream(), [failed(1, 20)]);
    fresh.index.catch_up(&mut log.source()).unwrap();
    let waiting = row(&fresh.index, submission);
    assert_eq!((waiting.state, waiting.holder, waiting.lease_until), (DeliveryState::Pending, None, None));
    assert_eq!((waiting.last_code.as_deref(), waiting.last_status), (Some("server-error"), Some(503)));
    assert_eq!((waiting.last_detail.as_deref(), waiting.next_at), (Some("again"), minute(20)));
    assert_eq!((due(&fresh.index, 19), due(&fresh.index, 20)), (vec![], vec![submission]));
    assert_eq!(next_due(&fresh.index), Some(minute(20)));
}

#[test]
fn what_was_given_up_holds_back_what_is_behind_it_until_it_is_re_driven() {
    let mut log = Log::new();
    let (_, [submission, first, _]) = three(&mut log);
    log.at(30);
    log.append(&submission.stream(), [leased(1, 40), failed(1, 40), dead(1)]);
    let fresh = caught_up(&log);
    assert_eq!(due(&fresh.index, 1_000_000), []);
    assert_eq!((next_due(&fresh.index), fresh.index.dead_letters().unwrap()), (None, 1));
    let given_up = row(&fresh.index, submission);
    assert_eq!((given_up.state, given_up.ended_at), (DeliveryState::Dead, Some(minute(30))));
    assert_eq!(given_up.last_code.as_deref(), Some("endless"));
    assert!(!given_up.waits && row(&fresh.index, first).waits);

    log.at(50);
    log.append(&submission.stream(), [redriven()]);
    fresh.index.catch_up(&mut log.source()).unwrap();
    let again = row(&fresh.index, submission);
    assert_eq!((again.state, again.attempts, again.since), (DeliveryState::Pending, 0, minute(50)));
    assert_eq!((again.issued_at, again.next_at, again.ended_at), (minute(0), minute(50), None));
    assert_eq!((due(&fresh.index, 50), fresh.index.dead_letters().unwrap()), (vec![submission], 0));
}

#[test]
fn what_was_erased_before_it_was_delivered_holds_back_nothing_and_is_told_of_once() {
    let mut log = Log::new();
    let (_, [submission, first, second]) = three(&mut log);
    log.append(&submission.stream(), [delivered(DeliveredBy::Push)]);
    log.append(&first.stream(), [leased(1, 10), erased()]);
    let fresh = caught_up(&log);
    assert_eq!(due(&fresh.index, 0), [second]);
    assert!(row(&fresh.index, first).is_over() && !row(&fresh.index, first).waits);
    assert!(!row(&fresh.index, second).is_over() && !row(&fresh.index, second).waits);
    let alarms = || fresh.index.alarms_due(minute(1_000), 10).unwrap().len();
    assert_eq!(alarms(), 1);
    log.append(&first.stream(), [alarmed(1)]);
    fresh.index.catch_up(&mut log.source()).unwrap();
    assert_eq!(alarms(), 0, "nobody can set it going again");

    log.append(&second.stream(), [delivered(DeliveredBy::Push)]);
    fresh.index.catch_up(&mut log.source()).unwrap();
    assert_eq!(due(&fresh.index, 1_000), []);
    assert!(!row(&fresh.index, first).waits);
}

#[test]
fn what_was_set_going_again_shows_until_it_is_tried() {
    let mut log = Log::new();
    let (_, [submission, ..]) = three(&mut log);
    let fresh = caught_up(&log);
    let redriven_at = |at: i64| -> Vec<DeliveryId> {
        let rows = fresh.index.redriven_to(&partner(HONG_KONG), minute(at), 10).unwrap();
        rows.into_iter().map(|row| row.delivery).collect()
    };
    assert_eq!(redriven_at(0), [], "it is tried for the first time");
    log.append(&submission.stream(), [leased(1, 40), failed(1, 40), dead(1)]);
    log.at(50);
    log.append(&submission.stream(), [redriven()]);
    fresh.index.catch_up(&mut log.source()).unwrap();
    assert_eq!((redriven_at(49), redriven_at(50)), (vec![], vec![submission]));
    log.append(&submission.stream(), [leased(2, 60)]);
    fresh.index.catch_up(&mut log.source()).unwrap();
    assert_eq!(redriven_at(1_000), [], "once for each time it was set going");
}

#[test]
fn what_was_given_up_is_found_by_its_reason() {
    let mut log = Log::new();
    let (_, [submission, ..]) = three(&mut log);
    log.append(&submission.stream(), [dead(1)]);
    let fresh = caught_up(&log);
    let found = |code, to: &str| fresh.index.given_up_for(code, &partner(to), 10).unwrap().len();
    assert_eq!(found(FailureCode::Endless, HONG_KONG), 1);
    assert_eq!((found(FailureCode::NoPeer, HONG_KONG), found(FailureCode::Endless, MACAO)), (0, 0));
}

#[test]
fn an_alarm_is_due_again_when_the_last_one_is_old() {
    let mut log = Log::new();
    let (_, [submission, ..]) = three(&mut log);
    let mut other = Case::outbound(&mut log, MACAO, 2);
    let untold = other.send(&mut log, AgeBand::Adult);
    log.append(&submission.stream(), [dead(0)]);
    log.append(&untold.stream(), [dead(0)]);
    log.at(60);
    log.append(&submission.stream(), [alarmed(1)]);
    let fresh = caught_up(&log);
    let alarms = |before: i64| -> Vec<DeliveryId> {
        fresh.index.alarms_due(minute(before), 10).unwrap().into_iter().map(|row| row.delivery).collect()
    };
    assert_eq!(alarms(59), [untold]);
    assert_eq!(alarms(60), [untold, submission]);
    assert_eq!((row(&fresh.index, submission).alarms, row(&fresh.index, submission).alarmed_at), (1, Some(minute(60))));
}

#[test]
fn a_partner_has_its_own_queue() {
    let mut log = Log::new();
    let (_, [to_hong_kong, ..]) = three(&mut log);
    log.at(5);
    let to_macao = Case::outbound(&mut log, MACAO, 2).send(&mut log, AgeBand::Adult);
    let fresh = caught_up(&log);
    assert_eq!(due(&fresh.index, 5), [to_hong_kong, to_macao]);
    for (council, delivery, at) in [(HONG_KONG, to_hong_kong, 0), (MACAO, to_macao, 5)] {
        let rows = fresh.index.due_deliveries_to(&partner(council), minute(5), 10).unwrap();
        assert_eq!(rows.into_iter().map(|row| row.delivery).collect::<Vec<_>>(), [delivery]);
        assert_eq!(fresh.index.next_due_to(&partner(council)).unwrap(), Some(minute(at)));
    }
    assert_eq!(fresh.index.next_due_to(&partner(GUANGDONG)).unwrap(), None);
    assert_eq!(fresh.index.due_deliveries_to(&partner(HONG_KONG), minute(5), 0).unwrap(), []);
}

#[test]
fn a_partner_that_fetches_gets_every_message_in_the_order_of_the_log() {
    let mut log = Log::new();
    let mut one = Case::outbound(&mut log, HONG_KONG, 1);
    let mut two = Case::inbound(&mut log, HONG_KONG, 2);
    let mut expected = vec![one.send(&mut log, AgeBand::Adult)];
    expected.push(two.tell(&mut log, MessageKind::Retrieved, []));
    Case::outbound(&mut log, MACAO, 3).send(&mut log, AgeBand::Adult);
    expected.push(one.tell(&mut log, MessageKind::Reminder, []));
    // Delivered or given up: whoever asks again is answered again.
    log.append(&expected[0].stream(), [delivered(DeliveredBy::Pull)]);
    log.append(&expected[1].stream(), [dead(0)]);
    let fresh = caught_up(&log);
    let mut found = Vec::new();
    let mut after: Option<Position> = None;
    loop {
        let page = fresh.index.outgoing_after(&partner(HONG_KONG), after, 2).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.position);
        found.extend(page.into_iter().map(|row| row.delivery));
    }
    assert_eq!(found, expected);
}

#[test]
fn a_list_of_deliveries_has_the_newest_first() {
    let mut log = Log::new();
    let (_, [submission, first, second]) = three(&mut log);
    log.append(&submission.stream(), [dead(0)]);
    let fresh = caught_up(&log);
    let found = |filter: &DeliveryFilter, after: Option<&Cursor>| -> Vec<DeliveryId> {
        fresh.index.deliveries(filter, after, 2).unwrap().into_iter().map(|row| row.delivery).collect()
    };
    let any = DeliveryFilter::default;
    assert_eq!(found(&any(), None), [second, first]);
    assert_eq!(found(&any(), Some(&row(&fresh.index, first).cursor())), [submission]);
    let with_state = DeliveryFilter { state: Some(DeliveryState::Dead), ..any() };
    assert_eq!(found(&with_state, None), [submission]);
    let with_partner = DeliveryFilter { partner: Some(partner(MACAO)), ..any() };
    assert_eq!(found(&with_partner, None), []);
    let with_councils = DeliveryFilter { councils: Some(Vec::new()), ..any() };
    assert_eq!(found(&with_councils, None), []);
}

#[test]
fn what_this_council_owes_shows_until_it_is_done() {
    let mut log = Log::new();
    let mut ours = Case::outbound(&mut log, HONG_KONG, 1);
    ours.consents(&mut log);
    let submission = ours.send(&mut log, AgeBand::Adult);
    let mut theirs = Case::inbound(&mut log, MACAO, 2);
    let fresh = caught_up(&log);
    let owed = |duty: Duty| -> Vec<_> { fresh.index.duties(duty, 10).unwrap().into_iter().map(|row| row.id).collect() };
    for duty in Duty::ALL {
        assert_eq!(owed(*duty), [], "{duty}");
    }
    let recalled = || ReferralEvent::Recalled(Recalled { reason: RecallReason::ConsentWithdrawn, after_sending: true });
    log.append(&submission.stream(), [delivered(DeliveredBy::Push)]);
    ours.record(&mut log, ReferralEvent::ConsentWithdrawn(ConsentWithdrawn {}));
    theirs.hear(&mut log, MessageKind::Recall, [recalled()]);
    fresh.index.catch_up(&mut log.source()).unwrap();
    assert_eq!(owed(Duty::RecordDelivery), [ours.id]);
    assert_eq!(owed(Duty::Recall), [ours.id]);
    assert_eq!(owed(Duty::AnswerRecall), [theirs.id]);

    ours.record(&mut log, ReferralEvent::Delivered(Delivered { receipt: None }));
    ours.tell(&mut log, MessageKind::Recall, [recalled()]);
    let answered = ReferralEvent::RecallAnswered(RecallAnswered { erased: true, note: None });
    theirs.tell(&mut log, MessageKind::RecallAnswer, [answered]);
    fresh.index.catch_up(&mut log.source()).unwrap();
    for duty in Duty::ALL {
        assert_eq!(owed(*duty), [], "{duty}");
    }
}
