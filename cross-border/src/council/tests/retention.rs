//! What may not be kept any longer is erased, when it has ended and nothing is on its way; otherwise a person is told.

use std::sync::Arc;

use domain::id::ComplaintId;
use tokio::time::Instant;

use super::life::live;
use crate::council::sweep::INDEX_WAIT_MAX;
use crate::council::testing::{
    Clock, FIRST, GUANGDONG, HONG_KONG, MACAO, Node, Pair, SECOND, START, council_id, peer, shared, signing_key,
};
use crate::council::{CouncilError, SweepReport};
use crate::evidence::sniff::tests::PDF;
use crate::evidence::{NoScanner, Scanner};
use crate::exchange::body::{Acknowledgement, Outcome, Progress, Recall, Return};
use crate::exchange::{Digest, RefusalCode, Side};
use crate::referral::draft::Draft;
use crate::referral::event::Drafted;
use crate::referral::vocabulary::{ProgressKind, RecallReason, ReferralOutcome, ReturnCode};
use crate::referral::{Act, ReferralId, Rejection, Stage};
use crate::trust::SigningKey;

/// Every submission of these tests may be kept until 2027-05-18, a Tuesday.
const LAST_DAY: &str = "2027-05-18T23:59:59+08:00";
pub(super) const DAY_AFTER: &str = "2027-05-19T10:00:00+08:00";
const WEEK_AFTER: &str = "2027-05-25T10:00:00+08:00";
const EIGHT_DAYS_AFTER: &str = "2027-05-26T10:00:00+08:00";

const LETTER: &[u8] = b"a letter";

/// As [`Pair::new`], with keys that are valid for as long as the data are kept.
fn pair() -> Pair {
    pair_with(Arc::new(NoScanner))
}

/// As [`pair`]; what the origin keeps is looked through by this scanner.
pub(super) fn pair_with(scanner: Arc<dyn Scanner>) -> Pair {
    let clock = Clock::at(START);
    let key = |id: &str| {
        let not_after = "2029-12-31T16:00:00Z".parse().unwrap();
        SigningKey { not_after, ..signing_key(id, "2026a") }
    };
    let node = |own: &str, other: &str, scanner: Arc<dyn Scanner>| {
        Node::with(own, vec![key(own)], vec![peer(other, &[key(other)])], &clock, scanner)
    };
    let (origin, target) = (node(GUANGDONG, HONG_KONG, scanner), node(HONG_KONG, GUANGDONG, Arc::new(NoScanner)));
    Pair { origin, target, clock }
}

pub(super) async fn sweep(node: &Node) -> SweepReport {
    node.catch_up();
    let report = node.council.sweep().await.unwrap();
    node.catch_up();
    assert_eq!(report.failed, 0, "{report:?}");
    report
}

/// How many messages there are, and how many of them can still be read.
async fn readable(node: &Node, id: ReferralId) -> (usize, usize) {
    let messages = node.council.content(id).await.unwrap();
    (messages.len(), messages.iter().filter(|message| message.said.is_some()).count())
}

/// How often this has happened at a node.
async fn times(node: &Node, kind: &str) -> usize {
    node.events().await.iter().filter(|event| &*event.kind == kind).count()
}

#[tokio::test]
async fn what_has_ended_is_erased_behind_its_last_day_and_can_still_be_compared() {
    let pair = pair();
    let (here, there) = pair.delivered().await;
    let digest = pair.origin.attach(here, "application/pdf", PDF).await.unwrap();
    pair.settle(here).await;
    let (origin, target) = (&pair.origin, &pair.target);
    target.council.receive_evidence(origin.own(), shared(here), &digest, PDF.to_vec()).await.unwrap();
    live(&pair, here).await;
    pair.clock.set(LAST_DAY);
    for node in [origin, target] {
        assert_eq!(sweep(node).await, SweepReport::default(), "the last day counts whole");
    }
    assert_eq!(readable(target, there).await, (10, 10));

    pair.clock.set(DAY_AFTER);
    for node in [origin, target] {
        assert_eq!(sweep(node).await, SweepReport { expired: 1, ..SweepReport::default() });
        assert_eq!(sweep(node).await, SweepReport::default(), "once");
        assert_eq!(times(node, "referral.erased").await, 1);
    }
    // At the receiving council nobody reads a word any more, and nothing of the files is left.
    assert_eq!(readable(target, there).await, (10, 0));
    let files = std::fs::read_dir(target.folder.path().join("evidence")).unwrap().count();
    assert_eq!(files, 0);
    // At the sending one the texts belong to the complaint; what was kept for the transfer is gone.
    assert_eq!(readable(origin, here).await, (10, 10));
    for (node, id) in [(origin, here), (target, there)] {
        let file = node.council.file(id, &digest).await;
        assert!(matches!(file, Err(CouncilError::Erased)), "{file:?}");
    }
    let fetched = target.council.serve_evidence(origin.own(), shared(here), &digest).await.unwrap_err();
    let brought = target.council.receive_evidence(origin.own(), shared(here), &digest, PDF.to_vec()).await;
    let put_in = origin.put_in(here, &digest, PDF).await;
    assert_eq!((fetched.code, brought.unwrap_err().code), (RefusalCode::Erased, RefusalCode::Erased));
    assert!(matches!(put_in, Err(CouncilError::Erased)), "{put_in:?}");
    assert_eq!(pair.assert_agreed(here).await, Stage::Closed(ReferralOutcome::Settled));
}

#[tokio::test]
async fn an_erasure_that_a_crash_cut_off_is_carried_out_again() {
    let pair = pair();
    let (here, there) = pair.delivered().await;
    live(&pair, here).await;
    pair.clock.set(DAY_AFTER);
    // The key was destroyed, and nothing says so.
    let subject = pair.target.transfer(there).await.subject().unwrap();
    pair.target.council.vault.destroy(subject).unwrap();
    assert_eq!(sweep(&pair.target).await, SweepReport { expired: 1, ..SweepReport::default() });
    assert_eq!(times(&pair.target, "referral.erased").await, 1);
    assert_eq!(sweep(&pair.target).await, SweepReport::default());
}

#[tokio::test]
async fn what_has_not_ended_is_put_before_a_person_who_may_order_it() {
    let pair = pair();
    let (here, there) = pair.delivered().await;
    let target = &pair.target;
    target.tell(there, Acknowledgement { reference: "T-9".to_owned() }).await.unwrap();
    pair.settle(here).await;
    let early = target.council.order_erasure(there, target.command(), target.caller(SECOND), None).await;
    assert!(matches!(early, Err(CouncilError::Rejected(Rejection::NotErased(_)))), "{early:?}");

    pair.clock.set("2027-05-19T03:00:00+08:00");
    assert_eq!(sweep(target).await.held, 1);
    assert_eq!(times(target, "referral.erasure-held").await, 0, "nobody is told in the night");
    pair.clock.set(DAY_AFTER);
    for _ in 0..2 {
        let report = sweep(target).await;
        assert_eq!((report.held, report.expired), (1, 0));
        assert_eq!(times(target, "referral.erasure-held").await, 1, "once");
    }
    assert_eq!(readable(target, there).await, (2, 2));

    let command = target.command();
    let order = || target.council.order_erasure(there, command, target.caller(SECOND), None);
    assert!(!order().await.unwrap().repeated);
    assert!(order().await.unwrap().repeated);
    assert_eq!(readable(target, there).await, (2, 0));
    assert_eq!((sweep(target).await.held, times(target, "referral.erased").await), (0, 1));
    // What still happens to it happens without a word of the person.
    let outcome = Outcome { outcome: ReferralOutcome::ConciliationFailed, recovered: None, note: None };
    target.tell(there, outcome).await.unwrap();
    pair.settle(here).await;
    let reported = Stage::OutcomeReported(ReferralOutcome::ConciliationFailed);
    assert_eq!(pair.assert_agreed(here).await, reported);
}

#[tokio::test]
async fn an_order_that_did_not_see_what_changed_destroys_nothing() {
    let pair = pair();
    let (here, there) = pair.delivered().await;
    let target = &pair.target;
    pair.clock.set(DAY_AFTER);
    target.catch_up();
    let seen = target.council.load(there).await.unwrap().revision;
    target.tell(there, Acknowledgement { reference: "T-9".to_owned() }).await.unwrap();
    let stale = target.council.order_erasure(there, target.command(), target.caller(SECOND), seen).await;
    assert!(matches!(stale, Err(CouncilError::Stale { .. })), "{stale:?}");
    assert_eq!(readable(target, there).await, (2, 2));
    pair.settle(here).await;
}

#[tokio::test]
async fn an_erasure_waits_a_week_for_what_is_on_its_way() {
    for delivered in [true, false] {
        let pair = pair();
        let (here, there) = pair.delivered().await;
        let target = &pair.target;
        target.tell(there, Return { code: ReturnCode::NotLocal, note: None }).await.unwrap();
        for now in [DAY_AFTER, WEEK_AFTER] {
            pair.clock.set(now);
            assert_eq!(sweep(target).await, SweepReport { waiting: 1, ..SweepReport::default() });
        }
        assert_eq!(readable(target, there).await, (2, 2));
        if delivered {
            pair.settle(here).await;
            assert_eq!(sweep(target).await, SweepReport { expired: 1, ..SweepReport::default() });
            assert_eq!(pair.assert_agreed(here).await, Stage::Returned(ReturnCode::NotLocal));
            continue;
        }
        pair.clock.set(EIGHT_DAYS_AFTER);
        for _ in 0..2 {
            assert_eq!(sweep(target).await, SweepReport { held: 1, ..SweepReport::default() });
        }
        assert_eq!(times(target, "referral.erasure-held").await, 1);
        target.council.order_erasure(there, target.command(), target.caller(FIRST), None).await.unwrap();
        assert_eq!(sweep(target).await, SweepReport::default());
        let row = target.outbox(there).remove(0);
        assert_eq!(target.council.issued(&row).await.unwrap(), None, "it can never be brought any more");
    }
}

#[tokio::test]
async fn what_is_called_back_is_erased_as_such_whatever_day_it_is() {
    let pair = pair();
    let (here, there) = pair.delivered().await;
    pair.origin.tell(here, Recall { reason: RecallReason::WrongContent }).await.unwrap();
    pair.settle(here).await;
    pair.clock.set(DAY_AFTER);
    let report = sweep(&pair.target).await;
    assert_eq!((report.erased, report.expired, report.held), (1, 0, 0));
    pair.settle(here).await;
    assert_eq!(sweep(&pair.target).await, SweepReport::default(), "nothing is left to erase");
    assert_eq!(sweep(&pair.origin).await.expired, 1, "the sender's files go too");
    assert_eq!(readable(&pair.target, there).await, (3, 1), "all but our answer, which names nobody");
}

#[tokio::test]
async fn a_message_whose_text_was_erased_while_it_waited_holds_up_nothing() {
    let pair = pair();
    let (here, there) = pair.delivered().await;
    let (origin, target) = (&pair.origin, &pair.target);
    target.tell(there, Acknowledgement { reference: "T-9".to_owned() }).await.unwrap();
    for progress in [ProgressKind::TraderReplied, ProgressKind::Handling] {
        target.tell(there, Progress { progress, note: None }).await.unwrap();
    }
    let rows = target.outbox(there);
    target.bring(&rows[1], origin).await;
    let subject = origin.transfer(here).await.subject().unwrap();
    origin.council.vault.destroy(subject).unwrap();
    target.bring(&rows[0], origin).await;
    assert_eq!(origin.stage(here).await, Stage::Acknowledged, "nobody knows any more what the second said");
    assert_eq!(times(origin, "referral.passed-over").await, 1);
    assert_eq!(origin.transfer(here).await.segment.count(Side::Target), 2);
    target.bring(&rows[2], origin).await;
    assert_eq!(pair.assert_agreed(here).await, Stage::InProgress(ProgressKind::Handling));
    assert!(origin.transfer(here).await.parked.is_empty());
}

/// Sent back with two files: the receipt, which may be needed elsewhere, and a letter. The index shows all of it.
async fn returned_with_files(pair: &Pair) -> (ReferralId, Digest, Digest) {
    let (here, there) = pair.delivered().await;
    let receipt = pair.origin.attach(here, "application/pdf", PDF).await.unwrap();
    let letter = pair.origin.attach(here, "text/plain", LETTER).await.unwrap();
    pair.settle(here).await;
    pair.target.tell(there, Return { code: ReturnCode::NotLocal, note: None }).await.unwrap();
    pair.settle(here).await;
    (here, receipt, letter)
}

/// A draft of a referral to Macao, with the same receipt.
async fn drafted_with_receipt(node: &Node, complaint: ComplaintId) -> ReferralId {
    let macao = council_id(MACAO);
    let id = ReferralId::outbound(complaint, &macao, 1);
    let drafted = Drafted { referral: id, complaint: Some(complaint), ..node.draft(&macao).drafted };
    node.act(id, FIRST, Act::Draft(Box::new(Draft { drafted }))).await.unwrap();
    node.attach(id, "application/pdf", PDF).await.unwrap();
    id
}

#[tokio::test]
async fn a_file_that_another_referral_of_the_person_needs_stays() {
    // The next attempt, or one of the other matter of the same filing.
    for of_other_matter in [false, true] {
        let pair = pair();
        let origin = &pair.origin;
        let (here, receipt, letter) = returned_with_files(&pair).await;
        let complaint = if of_other_matter { origin.register_other().await } else { origin.complaint() };
        let next = drafted_with_receipt(origin, complaint).await;

        pair.clock.set(DAY_AFTER);
        assert_eq!(sweep(origin).await.expired, 1);
        let erased = origin.transfer(here).await.erasure.done.unwrap();
        assert_eq!((erased.files, erased.texts, erased.ordered), (vec![letter.clone()], false, false));
        assert_eq!(origin.council.file(next, &receipt).await.unwrap().1, PDF);
        for digest in [&receipt, &letter] {
            let file = origin.council.file(here, digest).await;
            assert!(matches!(file, Err(CouncilError::Erased)), "{file:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_file_goes_before_the_index_shows_who_else_needs_it() {
    let pair = pair();
    let origin = &pair.origin;
    let (here, receipt, letter) = returned_with_files(&pair).await;
    let next = drafted_with_receipt(origin, origin.complaint()).await;
    pair.clock.set(DAY_AFTER);
    // Nothing brings the index up to the draft: neither a sweep nor an order waits for it longer than its bound.
    let began = Instant::now();
    let swept = origin.council.sweep().await.unwrap();
    assert_eq!((swept.waiting, swept.expired, swept.failed), (1, 0, 0));
    let ordered = origin.council.order_erasure(here, origin.command(), origin.caller(SECOND), None).await;
    assert!(matches!(ordered, Err(CouncilError::IndexLate)), "{ordered:?}");
    assert!(began.elapsed() < INDEX_WAIT_MAX * 3);
    assert_eq!(origin.transfer(here).await.erasure.done, None);
    for (id, digest, bytes) in [(here, &receipt, PDF), (here, &letter, LETTER), (next, &receipt, PDF)] {
        assert_eq!(origin.council.file(id, digest).await.unwrap().1, bytes);
    }

    assert_eq!(sweep(origin).await.expired, 1);
    assert_eq!(origin.transfer(here).await.erasure.done.unwrap().files, [letter]);
    assert_eq!(origin.council.file(next, &receipt).await.unwrap().1, PDF);
}
