//! What is overdue on a day.

use super::case::{Case, clock};
use super::kit::{HONG_KONG, Log, MACAO, caught_up, day, partner, unit};
use crate::exchange::{AgeBand, MessageKind, Step};
use crate::index::{ReferralIndex, StepRow};
use crate::partner::Place;
use crate::referral::ReferralEvent;
use crate::referral::event::{Escalated, Reminded, Retrieved};
use crate::referral::vocabulary::Direction;

fn overdue(index: &ReferralIndex, on: &str) -> Vec<(Step, String)> {
    let rows = index.overdue_steps_after(day(on), None, 10).unwrap();
    rows.into_iter().map(|row| (row.step, row.due.to_string())).collect()
}

#[test]
fn a_step_is_overdue_on_the_day_after_its_last_until_it_is_done() {
    let mut log = Log::new();
    let mut case = Case::outbound(&mut log, HONG_KONG, 1);
    case.send(&mut log, AgeBand::Adult);
    let fresh = caught_up(&log);
    assert_eq!(overdue(&fresh.index, "2026-05-21"), []);
    assert_eq!(overdue(&fresh.index, "2026-05-22"), [(Step::Delivery, "2026-05-21".to_owned())]);
    let both = [(Step::Delivery, "2026-05-21".to_owned()), (Step::Acknowledgement, "2026-05-28".to_owned())];
    assert_eq!(overdue(&fresh.index, "2026-05-29"), both);
    // What was fetched has arrived.
    case.hear(&mut log, MessageKind::Retrieved, [ReferralEvent::Retrieved(Retrieved {})]);
    fresh.index.catch_up(&mut log.source()).unwrap();
    assert_eq!(overdue(&fresh.index, "2026-05-29"), both[1..]);
}

#[test]
fn a_row_says_whose_act_is_awaited_and_what_was_done_about_it() {
    let mut log = Log::new();
    let mut case = Case::outbound(&mut log, HONG_KONG, 1);
    case.send(&mut log, AgeBand::Adult);
    let step = Step::Delivery;
    case.tell(&mut log, MessageKind::Reminder, [ReferralEvent::Reminded(Reminded { step, nth: 2 })]);
    case.record(&mut log, ReferralEvent::Escalated(Escalated { step, to: "director".to_owned() }));
    let fresh = caught_up(&log);
    let expected = StepRow {
        referral: case.id,
        shared: case.shared,
        partner: partner(HONG_KONG),
        direction: Direction::Outbound,
        our_council: unit("gd-council"),
        step,
        council: Place::HongKong,
        started_on: day("2026-05-20"),
        due: day("2026-05-21"),
        provisional: false,
        reminders: 2,
        escalated: true,
    };
    assert_eq!(fresh.index.overdue_steps_after(day("2026-05-22"), None, 10).unwrap(), [expected]);
}

#[test]
fn a_clock_that_is_started_again_runs_anew() {
    let mut log = Log::new();
    let mut case = Case::inbound(&mut log, MACAO, 1);
    case.tell(&mut log, MessageKind::Offer, [clock(Step::OfferAnswer, "2026-05-22")]);
    case.tell(&mut log, MessageKind::Offer, [clock(Step::OfferAnswer, "2026-05-29")]);
    let fresh = caught_up(&log);
    assert_eq!(overdue(&fresh.index, "2026-05-25"), []);
    assert_eq!(overdue(&fresh.index, "2026-06-01"), [(Step::OfferAnswer, "2026-05-29".to_owned())]);
}

#[test]
fn the_list_goes_on_where_it_ended() {
    let mut log = Log::new();
    for number in 1..=4 {
        Case::outbound(&mut log, HONG_KONG, number).send(&mut log, AgeBand::Adult);
    }
    let fresh = caught_up(&log);
    let on = day("2026-06-01");
    let all = fresh.index.overdue_steps_after(on, None, 100).unwrap();
    assert_eq!(all.len(), 8);
    let mut found: Vec<StepRow> = Vec::new();
    loop {
        let after = found.last().map(StepRow::key);
        let page = fresh.index.overdue_steps_after(on, after.as_ref(), 3).unwrap();
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    assert_eq!(found, all);
}
