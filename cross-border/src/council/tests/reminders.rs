//! Whoever is late is reminded: in working time, once for each threshold, and then somebody above is told.

use crate::council::SweepReport;
use crate::council::testing::{Node, Pair, nudges};
use crate::exchange::body::{Acknowledgement, Retrieved};
use crate::exchange::{MessageKind, Step};
use crate::referral::ReferralId;

const STEP: Step = Step::Acknowledgement;

async fn sweep(node: &Node) -> SweepReport {
    node.catch_up();
    let report = node.council.sweep().await.unwrap();
    assert_eq!(report.failed, 0, "{report:?}");
    report
}

/// Submitted on Monday 2026-05-18 and fetched: Hong Kong is to acknowledge by 2026-05-26, for 05-25 is free there.
async fn awaited() -> (Pair, ReferralId, ReferralId) {
    let pair = Pair::new();
    let (here, there) = pair.delivered().await;
    pair.target.tell(there, Retrieved {}).await.unwrap();
    pair.settle(here).await;
    assert_eq!(pair.origin.transfer(here).await.clocks[&STEP].by, "2026-05-26".parse().unwrap());
    (pair, here, there)
}

fn nothing() -> SweepReport {
    SweepReport::default()
}

#[tokio::test]
async fn a_partner_is_reminded_twice_and_then_put_before_the_liaison() {
    let (pair, here, there) = awaited().await;
    let reminded = SweepReport { reminded: 1, ..nothing() };
    for (now, report) in [
        ("2026-05-26T17:00:00+08:00", nothing()),
        ("2026-05-27T08:59:00+08:00", nothing()),
        ("2026-05-27T18:00:00+08:00", nothing()),
        ("2026-05-27T17:59:00+08:00", reminded),
        ("2026-05-27T17:59:30+08:00", nothing()),
        ("2026-05-28T10:00:00+08:00", nothing()),
        ("2026-05-29T10:00:00+08:00", reminded),
        ("2026-05-29T11:00:00+08:00", nothing()),
        ("2026-05-31T10:00:00+08:00", nothing()),
        ("2026-06-01T10:00:00+08:00", nothing()),
        ("2026-06-02T10:00:00+08:00", SweepReport { escalated: 1, ..nothing() }),
        ("2026-06-03T10:00:00+08:00", nothing()),
    ] {
        pair.clock.set(now);
        assert_eq!(sweep(&pair.origin).await, report, "{now}");
    }
    assert_eq!(nudges(&pair.origin.transfer(here).await, STEP), (2, true));
    let reminders = pair.origin.outbox(here);
    assert_eq!(reminders.iter().map(|row| row.kind).collect::<Vec<_>>(), [MessageKind::Reminder; 2]);
    pair.settle(here).await;
    pair.assert_agreed(here).await;
    assert_eq!(pair.target.transfer(there).await.clocks[&STEP].received, 2);
}

#[tokio::test]
async fn our_own_people_are_reminded_without_telling_anybody() {
    let (pair, here, there) = awaited().await;
    for (now, report) in [
        ("2026-05-27T10:00:00+08:00", SweepReport { noted: 1, ..nothing() }),
        ("2026-05-29T10:00:00+08:00", SweepReport { noted: 1, ..nothing() }),
        ("2026-06-02T10:00:00+08:00", SweepReport { escalated: 1, ..nothing() }),
    ] {
        pair.clock.set(now);
        assert_eq!(sweep(&pair.target).await, report, "{now}");
    }
    assert_eq!(nudges(&pair.target.transfer(there).await, STEP), (2, true));
    assert!(pair.target.outbox(there).is_empty());
    pair.assert_agreed(here).await;
}

#[tokio::test]
async fn what_was_missed_is_made_up_for_one_reminder_in_a_day() {
    let (pair, here, _) = awaited().await;
    pair.clock.set("2026-06-03T10:00:00+08:00");
    assert_eq!(sweep(&pair.origin).await, SweepReport { reminded: 1, escalated: 1, ..nothing() });
    pair.clock.set("2026-06-03T17:00:00+08:00");
    assert_eq!(sweep(&pair.origin).await, nothing());
    pair.clock.set("2026-06-04T10:00:00+08:00");
    assert_eq!(sweep(&pair.origin).await, SweepReport { reminded: 1, ..nothing() });
    pair.clock.set("2026-06-05T10:00:00+08:00");
    assert_eq!(sweep(&pair.origin).await, nothing());
    assert_eq!(nudges(&pair.origin.transfer(here).await, STEP), (2, true));
}

#[tokio::test]
async fn what_is_done_is_not_reminded_of_even_if_the_index_is_behind() {
    let (pair, here, there) = awaited().await;
    pair.origin.catch_up();
    pair.target.tell(there, Acknowledgement { reference: "T-9".to_owned() }).await.unwrap();
    for row in pair.target.outbox(there) {
        pair.target.bring(&row, &pair.origin).await;
    }
    pair.clock.set("2026-05-27T10:00:00+08:00");
    let report = pair.origin.council.sweep().await.unwrap();
    assert_eq!(report, nothing());
    assert_eq!(nudges(&pair.origin.transfer(here).await, STEP), (0, false));
}

#[tokio::test]
async fn a_submission_that_is_not_delivered_is_our_own_delay() {
    let pair = Pair::new();
    let here = pair.origin.submit(pair.target.own()).await;
    pair.clock.set("2026-05-20T10:00:00+08:00");
    assert_eq!(sweep(&pair.origin).await, SweepReport { noted: 1, ..nothing() });
    assert_eq!(nudges(&pair.origin.transfer(here).await, Step::Delivery), (1, false));
    assert_eq!(pair.origin.outbox(here).len(), 1, "nothing but the submission itself");
}
