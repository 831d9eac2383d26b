//! Files that are put in while what is kept is being erased: none of their bytes stays behind.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::retention::{DAY_AFTER, pair_with, sweep};
use crate::council::CouncilError;
use crate::council::sweep::INDEX_WAIT_MAX;
use crate::council::testing::dispute::ask;
use crate::council::testing::{FIRST, Node, Pair, SECOND};
use crate::evidence::sniff::tests::PDF;
use crate::evidence::{NoScanner, Scanner};
use crate::exchange::body::Return;
use crate::exchange::{Digest, ScanState};
use crate::referral::erase::ErasureReason;
use crate::referral::recall::Recall;
use crate::referral::vocabulary::{DataField, RecallReason, ReturnCode};
use crate::referral::{Act, ReferralId};

const LETTER: &[u8] = b"a letter";

/// Looks through letters for as long as the test wants.
#[derive(Default)]
struct Thorough {
    /// It has begun to look through one.
    begun: Notify,
    /// Lets it end.
    end: Notify,
}

#[async_trait]
impl Scanner for Thorough {
    async fn scan(&self, bytes: &[u8]) -> ScanState {
        if bytes == LETTER {
            self.begun.notify_one();
            self.end.notified().await;
        }
        ScanState::Unscanned
    }
}

/// Sent back, with a receipt that is here and a letter that was announced. The index shows all of it.
async fn returned(pair: &Pair) -> (ReferralId, Digest, Digest) {
    let (here, _there) = pair.delivered().await;
    let receipt = pair.origin.attach(here, "application/pdf", PDF).await.unwrap();
    let letter = pair.origin.announce(here, "letter", "text/plain", LETTER).await.unwrap();
    pair.settle(here).await;
    pair.target.tell(pair.there(here), Return { code: ReturnCode::NotLocal, note: None }).await.unwrap();
    pair.settle(here).await;
    (here, receipt, letter)
}

/// How many files lie at a node.
fn files(node: &Node) -> usize {
    let Ok(folders) = fs::read_dir(node.folder.path().join("evidence")) else { return 0 };
    folders.map(|folder| fs::read_dir(folder.unwrap().path()).unwrap().count()).sum()
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_stored_while_the_index_is_waited_for_goes_with_the_others() {
    for ordered in [true, false] {
        let pair = pair_with(Arc::new(NoScanner));
        let origin = &pair.origin;
        let (here, receipt, letter) = returned(&pair).await;
        // What the index does not show yet.
        origin.register_other().await;
        pair.clock.set(DAY_AFTER);
        let erasing = async {
            if ordered {
                let order = origin.council.order_erasure(here, origin.command(), origin.caller(SECOND), None).await;
                assert!(matches!(order, Err(CouncilError::Busy)), "{order:?}");
                return;
            }
            let swept = origin.council.sweep().await.unwrap();
            assert_eq!((swept.waiting, swept.expired, swept.failed), (1, 0, 0));
        };
        let storing = async {
            // Time passes only when the other one waits for the index.
            tokio::time::sleep(INDEX_WAIT_MAX / 2).await;
            origin.put_in(here, &letter, LETTER).await.unwrap();
            origin.catch_up();
        };
        tokio::join!(erasing, storing);
        assert_eq!((origin.transfer(here).await.erasure.done, files(origin)), (None, 2));

        assert_eq!(sweep(origin).await.expired, 1);
        let erased = origin.transfer(here).await.erasure.done.unwrap();
        assert_eq!(erased.files.into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([receipt, letter]));
        assert_eq!(files(origin), 0);
    }
}

#[tokio::test]
async fn a_file_that_is_put_in_behind_the_erasure_is_refused_and_taken_back() {
    // For the first time, or once more: then the record that it is here is given again.
    for was_stored in [false, true] {
        let scanner = Arc::new(Thorough::default());
        let looking: Arc<dyn Scanner> = Arc::<Thorough>::clone(&scanner);
        let pair = pair_with(looking);
        let origin = &pair.origin;
        let (here, _receipt, letter) = returned(&pair).await;
        if was_stored {
            scanner.end.notify_one();
            origin.put_in(here, &letter, LETTER).await.unwrap();
            scanner.begun.notified().await;
        }
        pair.clock.set(DAY_AFTER);
        let erasing = async {
            scanner.begun.notified().await;
            assert_eq!(sweep(origin).await.expired, 1);
            assert_eq!(files(origin), 0);
            scanner.end.notify_one();
        };
        let (put_in, ()) = tokio::join!(origin.put_in(here, &letter, LETTER), erasing);
        assert!(matches!(put_in, Err(CouncilError::Erased)), "{put_in:?}");
        assert_eq!(files(origin), 0);
        assert_eq!(origin.transfer(here).await.evidence[&letter].stored, was_stored);
    }
}

#[tokio::test]
async fn bytes_that_came_before_a_crash_and_were_never_recorded_go_too() {
    let pair = pair_with(Arc::new(NoScanner));
    let origin = &pair.origin;
    let (here, receipt, letter) = returned(&pair).await;
    let folder = fs::read_dir(origin.folder.path().join("evidence")).unwrap().next().unwrap().unwrap().path();
    fs::write(folder.join(letter.as_str()), b"sealed").unwrap();
    assert_eq!(files(origin), 2);
    pair.clock.set(DAY_AFTER);
    assert_eq!(sweep(origin).await.expired, 1);
    assert_eq!(files(origin), 0);
    let erased = origin.transfer(here).await.erasure.done.unwrap();
    assert_eq!(erased.files, [receipt], "nothing said that the letter was here");
}

fn call_back() -> Act {
    Act::Recall(Recall { reason: RecallReason::WrongRecipient })
}

#[tokio::test]
async fn files_of_what_never_left_go_at_once() {
    let pair = Pair::new();
    let origin = &pair.origin;
    let here = origin.prepare(pair.target.own()).await;
    let receipt = origin.attach(here, "application/pdf", PDF).await.unwrap();
    assert_eq!(files(origin), 1);
    assert_eq!(sweep(origin).await.expired, 0, "the draft needs it");
    origin.act(here, FIRST, call_back()).await.unwrap();
    assert_eq!(sweep(origin).await.expired, 1);
    assert_eq!(files(origin), 0);
    let erased = origin.transfer(here).await.erasure.done.unwrap();
    assert_eq!((erased.reason, erased.files), (ErasureReason::Recalled, vec![receipt]));
    assert_eq!(sweep(origin).await.expired, 0, "once");
}

#[tokio::test]
async fn a_file_that_was_left_out_goes_with_the_referral() {
    let pair = Pair::new();
    let origin = &pair.origin;
    let here = origin.prepare(pair.target.own()).await;
    let receipt = origin.attach(here, "application/pdf", PDF).await.unwrap();
    // The consumer agrees to everything but files.
    let mut asked = ask(origin.council.place(), pair.target.own());
    asked.fields.retain(|field| *field != DataField::Evidence);
    origin.approve(here, asked).await;
    let sent = origin.transfer(here).await;
    assert!(sent.evidence.is_empty());
    assert_eq!(sent.unshared, BTreeSet::from([receipt]));
    assert_eq!(files(origin), 1);
    let (command, reason) = (origin.command(), RecallReason::WrongRecipient);
    origin.council.recall(here, command, origin.caller(FIRST), None, None, reason).await.unwrap();
    assert_eq!(sweep(origin).await.expired, 1);
    assert_eq!(files(origin), 0);
}
