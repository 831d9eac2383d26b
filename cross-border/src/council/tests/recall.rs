//! A consent is withdrawn, the referral recalled, the data erased at the other end, and that is told.

use chrono::Duration;
use domain::id::SubjectId;
use event_log::execute::{Issue, execute};

use crate::council::testing::dispute::{NOTE, ask};
use crate::council::testing::{FIRST, Node, Pair, text};
use crate::council::{Ask, CouncilError, SYSTEM_ACTOR, SweepReport};
use crate::delivery::{Delivery, DeliveryCommand, DeliveryState, FailureCode};
use crate::exchange::body::{Acknowledgement, Outcome, OutcomeAcknowledgement, Progress, Recall, Return};
use crate::exchange::{MessageKind, RefusalCode, Side, Step};
use crate::index::OutboxRow;
use crate::partner::Language;
use crate::referral::vocabulary::{ProgressKind, RecallReason, ReferralOutcome, ReturnCode};
use crate::referral::withdraw_consent::WithdrawConsent;
use crate::referral::{Act, Lapse, ReferralId, Stage};

async fn sweep(node: &Node) -> SweepReport {
    node.catch_up();
    let report = node.council.sweep().await.unwrap();
    node.catch_up();
    assert_eq!(report.failed, 0, "{report:?}");
    report
}

async fn withdraw(pair: &Pair, here: ReferralId) {
    pair.origin.act(here, FIRST, Act::WithdrawConsent(WithdrawConsent {})).await.unwrap();
}

fn noted(kind: ProgressKind) -> Progress {
    Progress { progress: kind, note: Some(text(Language::TraditionalHongKong, NOTE)) }
}

/// A worker takes the right to try.
async fn lease(node: &Node, row: &OutboxRow) {
    let until = node.clock.now() + Duration::seconds(60);
    record(node, row, DeliveryCommand::Lease { holder: "worker-1".to_owned(), until }).await;
}

async fn record(node: &Node, row: &OutboxRow, body: DeliveryCommand) {
    let council = &node.council;
    let ctx = council.context(&node.unit, SYSTEM_ACTOR);
    let (log, stream) = (node.log.as_ref(), row.delivery.stream());
    execute::<Delivery>(log, &stream, node.command(), &Issue::default(), None, &ctx, body).await.unwrap();
}

/// What can still be read of each message.
async fn readable(node: &Node, id: ReferralId) -> Vec<(MessageKind, bool)> {
    let messages = node.council.content(id).await.unwrap();
    messages.iter().map(|message| (message.kind, message.said.is_some())).collect()
}

#[tokio::test]
async fn a_withdrawn_consent_is_recalled_and_the_data_erased_at_the_other_end() {
    let pair = Pair::new();
    let (here, there) = pair.delivered().await;
    assert_eq!(sweep(&pair.origin).await, SweepReport::default());
    withdraw(&pair, here).await;
    assert_eq!(sweep(&pair.origin).await, SweepReport { recalled: 1, ..SweepReport::default() });
    assert_eq!(sweep(&pair.origin).await, SweepReport::default(), "once");
    pair.origin.deliver(here, &pair.target).await;
    assert_eq!(pair.target.stage(there).await, Stage::Recalled { after_sending: true, erased: None });
    assert_eq!(
        readable(&pair.target, there).await,
        [(MessageKind::Submission, true), (MessageKind::Recall, true)],
        "nothing is erased before it is swept"
    );

    assert_eq!(sweep(&pair.target).await, SweepReport { erased: 1, ..SweepReport::default() });
    assert_eq!(sweep(&pair.target).await, SweepReport::default(), "once");
    let subject = SubjectId::of_referral(there.as_uuid());
    assert!(pair.target.council.vault.seal(subject, "message", "anything").is_err());
    assert_eq!(
        readable(&pair.target, there).await,
        [(MessageKind::Submission, false), (MessageKind::Recall, false), (MessageKind::RecallAnswer, true)]
    );
    pair.target.deliver(there, &pair.origin).await;
    let stage = pair.assert_agreed(here).await;
    assert_eq!(stage, Stage::Recalled { after_sending: true, erased: Some(true) });
    assert!(readable(&pair.origin, here).await.iter().all(|(_, readable)| *readable), "the sender keeps its own");
}

#[tokio::test]
async fn what_was_sent_back_is_erased_as_well() {
    let pair = Pair::new();
    let (here, there) = pair.delivered().await;
    pair.target.tell(there, Return { code: ReturnCode::NotLocal, note: None }).await.unwrap();
    pair.settle(here).await;
    assert_eq!(pair.assert_agreed(here).await, Stage::Returned(ReturnCode::NotLocal));
    withdraw(&pair, here).await;
    assert_eq!(sweep(&pair.origin).await, SweepReport { recalled: 1, ..SweepReport::default() });
    pair.origin.deliver(here, &pair.target).await;
    assert_eq!(sweep(&pair.target).await, SweepReport { erased: 1, ..SweepReport::default() });
    pair.settle(here).await;
    assert_eq!(pair.assert_agreed(here).await, Stage::Recalled { after_sending: true, erased: Some(true) });
}

#[tokio::test]
async fn what_was_said_before_reaches_the_other_end_first_or_a_person_decides() {
    let pair = Pair::new();
    let (here, there) = pair.delivered().await;
    pair.target.tell(there, Acknowledgement { reference: "T-9".to_owned() }).await.unwrap();
    withdraw(&pair, here).await;
    sweep(&pair.origin).await;
    pair.origin.deliver(here, &pair.target).await;
    let waiting = SweepReport { waiting: 1, ..SweepReport::default() };
    assert_eq!(sweep(&pair.target).await, waiting);
    assert!(readable(&pair.target, there).await.iter().all(|(_, readable)| *readable));

    let by = pair.target.transfer(there).await.clocks[&Step::RecallAnswer].by;
    while domain::day::local_day(pair.clock.now()) <= by + Duration::days(7) {
        assert_eq!(sweep(&pair.target).await.waiting, 1);
        pair.clock.advance(Duration::days(1));
    }
    // Then a person decides: what was said is never brought any more, and the partner is answered.
    let report = sweep(&pair.target).await;
    assert_eq!((report.waiting, report.held, report.erased), (0, 1, 0));
    assert!(readable(&pair.target, there).await.iter().all(|(_, readable)| *readable));
    let (target, command) = (&pair.target, pair.target.command());
    target.council.order_erasure(there, command, target.caller(FIRST), None).await.unwrap();
    assert_eq!(sweep(target).await.erased, 1);
    let (said, answer) = (target.outbox(there).remove(0), target.outbox(there).remove(1));
    assert_eq!(target.council.issued(&said).await.unwrap(), None);
    target.bring(&answer, &pair.origin).await;
    let parked = pair.origin.council.content(here).await.unwrap().pop().unwrap();
    assert!(parked.parked && parked.kind == MessageKind::RecallAnswer && parked.said.is_some());

    // The same once more, with the partner reached in time.
    let pair = Pair::new();
    let (here, there) = pair.delivered().await;
    pair.target.tell(there, Acknowledgement { reference: "T-9".to_owned() }).await.unwrap();
    withdraw(&pair, here).await;
    sweep(&pair.origin).await;
    pair.origin.deliver(here, &pair.target).await;
    assert_eq!(sweep(&pair.target).await, waiting);
    pair.target.deliver(there, &pair.origin).await;
    assert_eq!(sweep(&pair.target).await, SweepReport { erased: 1, ..SweepReport::default() });
    pair.settle(here).await;
    let stage = pair.assert_agreed(here).await;
    assert_eq!(stage, Stage::Recalled { after_sending: true, erased: Some(true) });
}

#[tokio::test]
async fn a_reminder_that_crosses_the_erasure_is_taken_and_erased() {
    let pair = Pair::new();
    let (here, there) = pair.delivered().await;
    withdraw(&pair, here).await;
    sweep(&pair.origin).await;
    pair.origin.deliver(here, &pair.target).await;
    // Nobody answers for three weeks; then the reminder and the erasure cross each other.
    pair.clock.set("2026-06-08T10:00:00+08:00");
    assert_eq!(sweep(&pair.origin).await.reminded, 1);
    assert_eq!(sweep(&pair.target).await.erased, 1);
    pair.origin.deliver(here, &pair.target).await;
    pair.target.deliver(there, &pair.origin).await;
    let stage = pair.assert_agreed(here).await;
    assert_eq!(stage, Stage::Recalled { after_sending: true, erased: Some(true) });
    let reminders: Vec<_> =
        readable(&pair.target, there).await.into_iter().filter(|(kind, _)| *kind == MessageKind::Reminder).collect();
    assert_eq!(reminders, [(MessageKind::Reminder, false)]);
}

#[tokio::test]
async fn what_comes_about_a_person_who_was_erased_takes_effect_and_is_not_kept() {
    let pair = Pair::new();
    let (here, there) = pair.delivered().await;
    pair.target.tell(there, Acknowledgement { reference: "T-9".to_owned() }).await.unwrap();
    pair.settle(here).await;
    let subject = pair.origin.transfer(here).await.subject().unwrap();
    pair.origin.council.vault.destroy(subject).unwrap();

    // The later of two comes first and waits.
    pair.target.tell(there, noted(ProgressKind::Handling)).await.unwrap();
    pair.target.tell(there, noted(ProgressKind::TraderReplied)).await.unwrap();
    let rows = pair.target.outbox(there);
    pair.target.bring(&rows[1], &pair.origin).await;
    pair.target.bring(&rows[0], &pair.origin).await;
    assert_eq!(pair.assert_agreed(here).await, Stage::InProgress(ProgressKind::TraderReplied));
    assert!(readable(&pair.origin, here).await.iter().all(|(_, readable)| !readable));

    pair.target
        .tell(there, Outcome { outcome: ReferralOutcome::ConciliationFailed, recovered: None, note: None })
        .await
        .unwrap();
    pair.settle(here).await;
    // Nothing more can be said of the person; what names nobody still can.
    let evidence = crate::exchange::body::Evidence {
        item: crate::exchange::EvidenceItem {
            digest: crate::exchange::Digest::of(b"file"),
            name: "file".to_owned(),
            bytes: 4,
            media: "text/plain".to_owned(),
        },
    };
    let refused = pair.origin.tell(here, evidence).await;
    assert!(matches!(refused, Err(CouncilError::Erased)), "{refused:?}");
    pair.origin.tell(here, OutcomeAcknowledgement {}).await.unwrap();
    pair.settle(here).await;
    assert_eq!(pair.assert_agreed(here).await, Stage::Closed(ReferralOutcome::ConciliationFailed));
}

#[tokio::test]
async fn a_submission_whose_consent_is_withdrawn_before_it_was_tried_is_not_sent() {
    let pair = Pair::new();
    let here = pair.origin.submit(pair.target.own()).await;
    let row = pair.origin.outbox(here).remove(0);
    withdraw(&pair, here).await;
    assert_eq!(pair.origin.council.issued(&row).await.unwrap(), None);
    // Nor by an attempt that begins now, or that began now and broke off.
    lease(&pair.origin, &row).await;
    assert_eq!(pair.origin.council.issued(&row).await.unwrap(), None);
    assert_eq!(pair.origin.council.issued(&OutboxRow { attempts: 1, ..row }).await.unwrap(), None);
}

#[tokio::test]
async fn a_consent_withdrawn_before_anything_left_ends_the_referral_without_an_answer() {
    let ended = Stage::Recalled { after_sending: false, erased: None };
    for swept in [false, true] {
        let pair = Pair::new();
        let here = pair.origin.submit(pair.target.own()).await;
        let row = pair.origin.outbox(here).remove(0);
        let (origin, command) = (&pair.origin, pair.origin.command());
        if swept {
            // A crash came between the withdrawal and what follows from it; a worker was faster than the sweep.
            withdraw(&pair, here).await;
            lease(origin, &row).await;
            assert_eq!(origin.council.issued(&row).await.unwrap(), None);
            assert_eq!(sweep(origin).await, SweepReport { recalled: 1, ..SweepReport::default() });
        } else {
            let withdrawn = || origin.council.withdraw_consent(here, command, origin.caller(FIRST), None, None);
            assert!(!withdrawn().await.unwrap().repeated);
            assert!(withdrawn().await.unwrap().repeated, "once");
        }
        assert_eq!(origin.stage(here).await, ended);
        assert_eq!(origin.transfer(here).await.running().count(), 0, "nobody has to answer");
        assert!(origin.outbox(here).is_empty(), "nothing is brought, and nothing was given up");
        assert_eq!(origin.council.index.dead_letters().unwrap(), 0);
        assert_eq!(sweep(origin).await, SweepReport::default());
        assert_eq!(origin.council.issued(&row).await.unwrap(), None, "not even to somebody who kept the row");
        assert!(pair.target.council.load(pair.there(here)).await.unwrap().state.transfer().is_none());
    }
}

#[tokio::test]
async fn a_recall_before_anything_left_goes_nowhere_and_takes_the_submission_with_it() {
    let ended = Stage::Recalled { after_sending: false, erased: None };
    for crashed in [false, true] {
        let pair = Pair::new();
        let here = pair.origin.submit(pair.target.own()).await;
        let row = pair.origin.outbox(here).remove(0);
        let (origin, command, reason) = (&pair.origin, pair.origin.command(), RecallReason::WrongRecipient);
        if crashed {
            // The recall stands in the log, and nobody came to see whether anything had left.
            origin.tell(here, Recall { reason }).await.unwrap();
            lease(origin, &row).await;
            assert_eq!(origin.council.issued(&row).await.unwrap(), None, "an attempt behind the recall comes too late");
            assert_eq!(sweep(origin).await, SweepReport { recalled: 1, ..SweepReport::default() });
        } else {
            let recall = || origin.council.recall(here, command, origin.caller(FIRST), None, None, reason);
            assert!(!recall().await.unwrap().repeated);
            assert!(recall().await.unwrap().repeated, "once");
            origin.catch_up();
        }
        assert_eq!(origin.stage(here).await, ended, "crashed: {crashed}");
        assert_eq!(origin.transfer(here).await.running().count(), 0, "nobody has to answer");
        assert!(origin.outbox(here).is_empty(), "neither the submission nor the recall is brought");
        assert_eq!(origin.council.issued(&row).await.unwrap(), None, "not even to somebody who kept the row");
        assert_eq!(sweep(origin).await, SweepReport::default());
        // A withdrawal behind it changes nothing.
        withdraw(&pair, here).await;
        assert_eq!(sweep(origin).await, SweepReport::default());
        assert_eq!(origin.stage(here).await, ended);
    }
}

#[tokio::test]
async fn a_recall_behind_an_attempt_finds_the_submission_there() {
    let pair = Pair::new();
    let here = pair.origin.submit(pair.target.own()).await;
    let row = pair.origin.outbox(here).remove(0);
    lease(&pair.origin, &row).await;
    let (origin, command) = (&pair.origin, pair.origin.command());
    let reason = RecallReason::WrongRecipient;
    origin.council.recall(here, command, origin.caller(FIRST), None, None, reason).await.unwrap();
    assert_eq!(origin.stage(here).await, Stage::Recalled { after_sending: true, erased: None });
    assert_eq!(sweep(origin).await, SweepReport::default(), "nobody knows what came of the attempt");
    assert_eq!(origin.deliver(here, &pair.target).await, 2);
    assert_eq!(sweep(&pair.target).await, SweepReport { erased: 1, ..SweepReport::default() });
    pair.settle(here).await;
    assert_eq!(pair.assert_agreed(here).await, Stage::Recalled { after_sending: true, erased: Some(true) });
}

#[tokio::test]
async fn what_a_partner_had_is_not_given_out_again_once_it_is_called_back_or_past_its_time() {
    let pair = Pair::new();
    let (here, _) = pair.delivered().await;
    let submission = pair.origin.every_message(here).remove(0);
    assert_eq!(submission.state, DeliveryState::Delivered);
    assert!(pair.origin.council.issued(&submission).await.unwrap().is_some());
    let last = pair.origin.transfer(here).await.retention_to().unwrap();
    withdraw(&pair, here).await;
    assert_eq!(pair.origin.council.issued(&submission).await.unwrap(), None);
    sweep(&pair.origin).await;
    assert_eq!(pair.origin.council.issued(&submission).await.unwrap(), None);
    let recall = pair.origin.every_message(here).remove(1);
    assert!(pair.origin.council.issued(&recall).await.unwrap().is_some(), "the recall itself names nobody");

    let pair = Pair::new();
    let (here, _) = pair.delivered().await;
    let submission = pair.origin.every_message(here).remove(0);
    pair.clock.set(&format!("{last}T23:00:00+08:00"));
    assert!(pair.origin.council.issued(&submission).await.unwrap().is_some());
    pair.clock.advance(Duration::hours(2));
    assert_eq!(pair.origin.council.issued(&submission).await.unwrap(), None);
}

#[tokio::test]
async fn what_rests_on_nothing_any_more_does_not_leave_and_can_be_called_back() {
    let pair = Pair::new();
    let here = pair.origin.prepare(pair.target.own()).await;
    let asked = ask(pair.origin.council.place(), pair.target.own());
    pair.origin.approve(here, Ask { retention_to: "2026-06-30".parse().unwrap(), ..asked }).await;
    let row = pair.origin.outbox(here).remove(0);
    pair.clock.set("2026-06-30T23:00:00+08:00");
    pair.clock.advance(Duration::hours(2));
    lease(&pair.origin, &row).await;
    let refused = pair.origin.council.issued(&row).await;
    assert!(matches!(&refused, Err(CouncilError::Lapsed { what }) if *what == [Lapse::Retention]), "{refused:?}");
    assert!(!pair.origin.transfer(here).await.given_out);
    let failed = DeliveryCommand::Fail {
        attempt: 1,
        code: FailureCode::Lapsed,
        status: None,
        detail: Some(Lapse::Retention.code().to_owned()),
        retry_at: None,
    };
    record(&pair.origin, &row, failed).await;
    pair.origin.catch_up();
    assert!(pair.origin.every_message(here)[0].is_over());
    // The attempt sent nothing, so that nothing has left.
    let (origin, command) = (&pair.origin, pair.origin.command());
    let reason = RecallReason::WrongRecipient;
    origin.council.recall(here, command, origin.caller(FIRST), None, None, reason).await.unwrap();
    assert_eq!(origin.stage(here).await, Stage::Recalled { after_sending: false, erased: None });
}

#[tokio::test]
async fn what_may_have_arrived_is_called_back_and_answered() {
    for given_out in [false, true] {
        let pair = Pair::new();
        let here = pair.origin.submit(pair.target.own()).await;
        let row = pair.origin.outbox(here).remove(0);
        // A worker tried, or the partner fetched it; nobody knows what came of it.
        if given_out {
            assert!(pair.origin.council.issued(&row).await.unwrap().is_some());
            assert!(pair.origin.transfer(here).await.given_out);
        } else {
            lease(&pair.origin, &row).await;
        }
        let (origin, command) = (&pair.origin, pair.origin.command());
        origin.council.withdraw_consent(here, command, origin.caller(FIRST), None, None).await.unwrap();
        assert_eq!(origin.stage(here).await, Stage::Sent);
        assert_eq!(sweep(origin).await, SweepReport { recalled: 1, ..SweepReport::default() });
        assert_eq!(origin.stage(here).await, Stage::Recalled { after_sending: true, erased: None });
        // The submission still goes, so that the recall finds it there.
        assert_eq!(origin.deliver(here, &pair.target).await, 2);
        assert_eq!(sweep(&pair.target).await, SweepReport { erased: 1, ..SweepReport::default() });
        pair.settle(here).await;
        let stage = pair.assert_agreed(here).await;
        assert_eq!(stage, Stage::Recalled { after_sending: true, erased: Some(true) }, "given out: {given_out}");
    }
}

#[tokio::test]
async fn a_submission_is_given_out_with_one_mark_in_the_log() {
    let pair = Pair::new();
    let here = pair.origin.submit(pair.target.own()).await;
    let row = pair.origin.outbox(here).remove(0);
    let first = pair.origin.message(&row).await;
    let events = pair.origin.events().await;
    assert_eq!(events.iter().filter(|event| &*event.kind == "referral.given-out").count(), 1);
    assert_eq!(pair.origin.message(&row).await, first);
    assert_eq!(pair.origin.events().await, events);
    // What a worker brings has its lease.
    let pair = Pair::new();
    let here = pair.origin.submit(pair.target.own()).await;
    let row = pair.origin.outbox(here).remove(0);
    lease(&pair.origin, &row).await;
    pair.origin.message(&row).await;
    assert!(!pair.origin.transfer(here).await.given_out);
}

#[tokio::test]
async fn a_submission_that_was_erased_before_it_left_is_not_sent() {
    let pair = Pair::new();
    let here = pair.origin.submit(pair.target.own()).await;
    let row = pair.origin.outbox(here).remove(0);
    let message = pair.origin.message(&row).await;
    pair.origin.council.vault.destroy(pair.origin.transfer(here).await.subject().unwrap()).unwrap();
    assert_eq!(pair.origin.council.issued(&row).await.unwrap(), None);

    // And at the other end: what was erased does not come back by being sent again.
    let there = pair.there(here);
    pair.target.council.vault.destroy(SubjectId::of_referral(there.as_uuid())).unwrap();
    let refused = pair.target.receive(&pair.origin, &message).await.unwrap_err();
    assert_eq!(refused.code, RefusalCode::Erased);
    assert!(pair.target.council.load(there).await.unwrap().state.transfer().is_none());
    assert_eq!(pair.origin.transfer(here).await.segment.count(Side::Origin), 1);
}
