//! Given a delivery's history, when an act, then these events or that refusal; and what no history may ever show.

use chrono::{DateTime, TimeDelta, Utc};
use domain::calendar::WorkingCalendar;
use domain::clock::RuleTable;
use domain::decider::{Context, Decider, Happened, fold};
use domain::id::UnitId;
use proptest::prelude::*;

use super::event::{Alarmed, Dead, Delivered, Failed, Leased, Redriven};
use super::*;
use crate::trust::KeyId;

const ONE: &str = "worker-1";
const OTHER: &str = "worker-2";

/// Seconds after an arbitrary beginning.
fn second(after: i64) -> DateTime<Utc> {
    "2026-05-20T09:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(after)
}

fn receipt() -> SignedReceiptStored {
    SignedReceiptStored {
        text: "{}".to_owned(),
        jws: "a..b".to_owned(),
        key: KeyId::parse("hk-consumer-council:2026a").unwrap(),
    }
}

fn lease(holder: &str, until: i64) -> DeliveryCommand {
    DeliveryCommand::Lease { holder: holder.to_owned(), until: second(until) }
}

fn fail(attempt: u32, retry_at: Option<i64>) -> DeliveryCommand {
    DeliveryCommand::Fail {
        attempt,
        code: FailureCode::Timeout,
        status: None,
        detail: None,
        retry_at: retry_at.map(second),
    }
}

fn deliver(by: DeliveredBy) -> DeliveryCommand {
    DeliveryCommand::Deliver { receipt: receipt(), by }
}

fn give_up() -> DeliveryCommand {
    DeliveryCommand::GiveUp { code: FailureCode::Endless }
}

fn leased(holder: &str, until: i64, attempt: u32) -> DeliveryEvent {
    DeliveryEvent::Leased(Leased { holder: holder.to_owned(), until: second(until), attempt })
}

fn failed(attempt: u32, retry_at: Option<i64>) -> DeliveryEvent {
    DeliveryEvent::Failed(Failed {
        attempt,
        code: FailureCode::Timeout,
        status: None,
        detail: None,
        retry_at: retry_at.map(second),
    })
}

fn delivered(by: DeliveredBy) -> DeliveryEvent {
    DeliveryEvent::Delivered(Box::new(Delivered { receipt: receipt(), by }))
}

fn dead(attempts: u32, code: FailureCode) -> DeliveryEvent {
    DeliveryEvent::Dead(Dead { attempts, code })
}

fn decide_at(state: &Delivery, now: i64, command: DeliveryCommand) -> Result<Vec<Happened<DeliveryEvent>>, Rejection> {
    let ctx = Context {
        now: second(now),
        unit: &UnitId::parse("gd-council").unwrap(),
        actor: "delivery",
        calendar: WorkingCalendar::mainland(),
        rules: RuleTable::builtin(),
    };
    Delivery::decide(state, command, &ctx)
}

/// What happened so far.
#[derive(Debug, Clone, Default)]
struct History(Vec<Happened<DeliveryEvent>>);

impl History {
    fn state(&self) -> Delivery {
        fold::<Delivery>(&self.0)
    }

    /// The same with one more act, which must be allowed.
    #[track_caller]
    fn and(mut self, now: i64, command: DeliveryCommand) -> Self {
        let happened = decide_at(&self.state(), now, command).unwrap();
        self.0.extend(happened);
        self
    }

    /// The act makes exactly these events happen; gives the history with them.
    #[track_caller]
    fn then(mut self, now: i64, command: DeliveryCommand, expected: impl IntoIterator<Item = DeliveryEvent>) -> Self {
        let happened = decide_at(&self.state(), now, command).unwrap();
        let expected: Vec<_> = expected.into_iter().map(|event| Happened { at: second(now), event }).collect();
        assert_eq!(happened, expected);
        self.0.extend(happened);
        self
    }

    /// The act is refused for exactly this reason.
    #[track_caller]
    fn refuses(&self, now: i64, command: DeliveryCommand, rejection: &Rejection) {
        assert_eq!(decide_at(&self.state(), now, command).as_ref(), Err(rejection));
    }
}

fn given() -> History {
    History::default()
}

fn given_up() -> History {
    given().and(0, lease(ONE, 60)).and(10, fail(1, None))
}

#[test]
fn one_worker_at_a_time_may_try() {
    let trying = given().then(0, lease(ONE, 60), [leased(ONE, 60, 1)]);
    trying.refuses(59, lease(OTHER, 120), &Rejection::Leased { holder: ONE.to_owned(), until: second(60) });
    let taken = trying.clone().then(60, lease(OTHER, 120), [leased(OTHER, 120, 2)]);
    assert_eq!(taken.state().lease().unwrap().holder, OTHER);
    // What the first one found out comes too late to count.
    taken.refuses(61, fail(1, Some(70)), &Rejection::OtherAttempt { running: 2 });
}

#[test]
fn a_lease_is_prolonged_by_its_holder_and_never_shortened() {
    let trying = given().and(0, lease(ONE, 60));
    trying.clone().then(10, lease(ONE, 90), [leased(ONE, 90, 1)]);
    trying.clone().then(10, lease(ONE, 60), []);
    let state = trying.clone().and(10, lease(ONE, 90)).state();
    assert_eq!((state.leases, state.attempts), (1, 1));
    // One that is over is a new attempt, whoever takes it.
    trying.then(60, lease(ONE, 120), [leased(ONE, 120, 2)]);
}

#[test]
fn a_lease_has_an_end_to_come_and_a_named_holder() {
    given().refuses(0, lease(ONE, 0), &Rejection::LeaseOver { until: second(0) });
    given().refuses(0, lease("", 60), &Rejection::Holder { chars: 0 });
    given().and(0, lease(&"w".repeat(HOLDER_CHARS_MAX), 60));
    let chars = HOLDER_CHARS_MAX + 1;
    given().refuses(0, lease(&"w".repeat(chars), 60), &Rejection::Holder { chars });
}

#[test]
fn a_failed_attempt_is_followed_by_another_not_before_its_time() {
    let waiting = given().and(0, lease(ONE, 60)).then(10, fail(1, Some(100)), [failed(1, Some(100))]);
    let state = waiting.state();
    assert_eq!((state.state(), state.next_at(), state.attempts), (DeliveryState::Pending, Some(second(100)), 1));
    assert_eq!(state.last.as_ref().map(|last| last.code), Some(FailureCode::Timeout));
    waiting.refuses(99, lease(ONE, 200), &Rejection::NotDue { next_at: second(100) });
    waiting.refuses(99, fail(1, Some(200)), &Rejection::NotLeased);
    waiting.then(100, lease(OTHER, 200), [leased(OTHER, 200, 2)]);
}

#[test]
fn what_was_found_out_after_the_lease_ran_out_is_kept() {
    given().and(0, lease(ONE, 60)).then(61, fail(1, Some(100)), [failed(1, Some(100))]);
}

#[test]
fn a_failure_without_another_attempt_gives_the_delivery_up_at_once() {
    let ended = given().and(0, lease(ONE, 60)).and(10, fail(1, Some(20))).and(20, lease(ONE, 80)).then(
        30,
        fail(2, None),
        [failed(2, None), dead(2, FailureCode::Timeout)],
    );
    assert_eq!(ended.state().ended_at(), Some(second(30)));
    ended.refuses(40, lease(ONE, 90), &Rejection::Dead);
    ended.refuses(40, fail(2, None), &Rejection::Dead);
    ended.then(40, give_up(), []);
}

#[test]
fn it_is_given_up_apart_from_any_attempt_too() {
    given().then(0, give_up(), [dead(0, FailureCode::Endless)]);
    given().and(0, lease(ONE, 60)).then(10, give_up(), [dead(1, FailureCode::Endless)]);
}

#[test]
fn a_receipt_counts_in_any_phase_and_once() {
    let trying = given().and(0, lease(ONE, 60));
    let waiting = trying.clone().and(10, fail(1, Some(100)));
    for history in [given(), trying, waiting, given_up()] {
        let done = history.then(20, deliver(DeliveredBy::Pull), [delivered(DeliveredBy::Pull)]);
        assert_eq!(done.state().state(), DeliveryState::Delivered);
        assert_eq!(done.state().next_at(), None);
        // The worker that was overtaken brings the same receipt, or thinks that it failed.
        done.clone().then(30, deliver(DeliveredBy::Push), []);
        done.refuses(30, fail(1, Some(40)), &Rejection::Delivered);
        done.refuses(30, lease(ONE, 90), &Rejection::Delivered);
        done.refuses(30, give_up(), &Rejection::Delivered);
        done.refuses(30, DeliveryCommand::Redrive, &Rejection::NotDead);
        done.refuses(30, DeliveryCommand::Alarm, &Rejection::NotDead);
    }
}

#[test]
fn a_receipt_has_a_limit() {
    let of = |bytes: usize| DeliveryCommand::Deliver {
        receipt: SignedReceiptStored { text: "t".repeat(bytes), ..receipt() },
        by: DeliveredBy::Push,
    };
    given().and(0, of(RECEIPT_BYTES_MAX));
    let bytes = RECEIPT_BYTES_MAX + 1;
    given().refuses(0, of(bytes), &Rejection::ReceiptTooLarge { bytes });
}

#[test]
fn what_was_given_up_is_alarmed_until_it_is_re_driven_and_then_begins_anew() {
    let alarmed = given_up().then(100, DeliveryCommand::Alarm, [DeliveryEvent::Alarmed(Alarmed { nth: 1 })]).then(
        200,
        DeliveryCommand::Alarm,
        [DeliveryEvent::Alarmed(Alarmed { nth: 2 })],
    );
    let state = alarmed.state();
    assert_eq!((state.alarms, state.alarmed_at), (2, Some(second(200))));
    let again = alarmed.then(300, DeliveryCommand::Redrive, [DeliveryEvent::Redriven(Redriven {})]);
    let state = again.state();
    assert_eq!((state.state(), state.next_at(), state.attempts, state.alarms), (DeliveryState::Pending, None, 0, 0));
    assert_eq!(state.redriven_at, Some(second(300)));
    for command in [DeliveryCommand::Alarm, DeliveryCommand::Redrive] {
        again.refuses(300, command, &Rejection::NotDead);
    }
    // The numbers of attempts go on, so that a worker of before is not taken for the one of now.
    again.then(300, lease(OTHER, 400), [leased(OTHER, 400, 2)]).refuses(
        310,
        fail(1, None),
        &Rejection::OtherAttempt { running: 2 },
    );
}

#[test]
fn how_long_it_is_tried_counts_from_the_first_lease_since_it_was_issued_or_re_driven() {
    let waited = given().and(500, lease(ONE, 560));
    assert_eq!((given().state().tried_since, waited.state().tried_since), (None, Some(second(500))));
    // Prolonged, and taken by another one.
    let again = waited.and(510, lease(ONE, 590)).and(520, fail(1, Some(600))).and(600, lease(OTHER, 660));
    assert_eq!(again.state().tried_since, Some(second(500)));
    let redriven = again.and(610, fail(2, None)).and(700, DeliveryCommand::Redrive);
    assert_eq!(redriven.state().tried_since, None);
    assert_eq!(redriven.and(900, lease(ONE, 960)).state().tried_since, Some(second(900)));
}

#[test]
fn a_detail_is_cut_to_its_limit_and_has_no_unseen_characters() {
    let told = given().and(0, lease(ONE, 60)).and(
        10,
        DeliveryCommand::Fail {
            attempt: 1,
            code: FailureCode::Refused,
            status: Some(200),
            detail: Some(format!("a\u{202e}{}", "b".repeat(DETAIL_CHARS_MAX))),
            retry_at: Some(second(20)),
        },
    );
    let last = told.state().last.unwrap();
    assert_eq!(last.status, Some(200));
    assert_eq!(last.detail, Some(format!("a {}", "b".repeat(DETAIL_CHARS_MAX - 2))));
}

fn any_command() -> impl Strategy<Value = DeliveryCommand> {
    prop_oneof![
        (prop_oneof![Just(ONE), Just(OTHER)], 0_i64..200).prop_map(|(holder, until)| lease(holder, until)),
        (1_u32..6, proptest::option::of(0_i64..200)).prop_map(|(attempt, retry_at)| fail(attempt, retry_at)),
        Just(deliver(DeliveredBy::Push)),
        Just(give_up()),
        Just(DeliveryCommand::Redrive),
        Just(DeliveryCommand::Alarm),
    ]
}

proptest! {
    #[test]
    fn no_history_delivers_twice_or_lets_two_try_at_once(
        acts in proptest::collection::vec((0_i64..20, any_command()), 0..40),
    ) {
        let mut history = History::default();
        let mut now = 0;
        let mut receipts = 0;
        for (wait, command) in acts {
            now += wait;
            let before = history.state();
            let Ok(happened) = decide_at(&before, now, command) else { continue };
            for event in &happened {
                receipts += u32::from(matches!(event.event, DeliveryEvent::Delivered(_)));
                if let DeliveryEvent::Leased(leased) = &event.event
                    && let Some(running) = before.lease().filter(|running| running.holds(second(now)))
                {
                    prop_assert_eq!(&running.holder, &leased.holder);
                    prop_assert_eq!(running.attempt, leased.attempt);
                }
            }
            let ended = before.state() == DeliveryState::Delivered;
            prop_assert!(!ended || happened.is_empty());
            history.0.extend(happened);
        }
        prop_assert!(receipts <= 1);
        let state = history.state();
        prop_assert!(state.attempts <= state.leases);
        prop_assert_eq!(state.state() == DeliveryState::Delivered, receipts == 1);
    }
}
