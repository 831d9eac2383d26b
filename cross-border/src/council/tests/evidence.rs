//! Files: announced in a message, brought or fetched, taken only if they are what was announced.

use std::sync::Arc;

use async_trait::async_trait;

use super::life::live;
use crate::council::testing::{
    Clock, FIRST, GUANGDONG, HONG_KONG, MACAO, Node, Pair, START, council_id, peer, shared, signing_key,
};
use crate::council::{CouncilError, SweepReport};
use crate::evidence::sniff::tests::PDF;
use crate::evidence::{EvidenceError, NoScanner, Scanner};
use crate::exchange::body::Return;
use crate::exchange::{Digest, RefusalCode, ScanState};
use crate::referral::vocabulary::{ReferralOutcome, ReturnCode};
use crate::referral::withdraw_consent::WithdrawConsent;
use crate::referral::{Act, ReferralId, Stage};

/// Finds something in every file that says so.
struct Suspicious;

#[async_trait]
impl Scanner for Suspicious {
    async fn scan(&self, bytes: &[u8]) -> ScanState {
        if bytes.windows(5).any(|window| window == b"virus") { ScanState::Infected } else { ScanState::Clean }
    }
}

/// Hong Kong looks through what comes.
fn scanning() -> Pair {
    let clock = Clock::at(START);
    let key = |id: &str| signing_key(id, "2026a");
    let origin = Node::with(
        GUANGDONG,
        vec![key(GUANGDONG)],
        vec![peer(HONG_KONG, &[key(HONG_KONG)])],
        &clock,
        Arc::new(NoScanner),
    );
    let target = Node::with(
        HONG_KONG,
        vec![key(HONG_KONG)],
        vec![peer(GUANGDONG, &[key(GUANGDONG)])],
        &clock,
        Arc::new(Suspicious),
    );
    Pair { origin, target, clock }
}

#[tokio::test]
async fn a_file_is_announced_brought_and_fetched() {
    let pair = scanning();
    let (here, there) = pair.delivered().await;
    let digest = pair.origin.attach(here, "application/pdf", PDF).await.unwrap();
    let bring = || pair.target.council.receive_evidence(pair.origin.own(), shared(here), &digest, PDF.to_vec());
    assert_eq!(bring().await.unwrap_err().code, RefusalCode::EvidenceUnannounced, "the message comes first");
    pair.settle(here).await;
    assert_eq!(bring().await.unwrap(), ScanState::Clean);
    let events = pair.target.events().await.len();
    assert_eq!(bring().await.unwrap(), ScanState::Clean);
    assert_eq!(pair.target.events().await.len(), events, "once");
    let kept = &pair.target.transfer(there).await.evidence[&digest];
    assert_eq!((kept.stored, kept.scan), (true, ScanState::Clean));
    let (item, bytes) = pair.target.council.file(there, &digest).await.unwrap();
    assert_eq!((item.name.as_str(), bytes.as_slice()), ("receipt", PDF));

    let (item, bytes) = pair.origin.council.serve_evidence(pair.target.own(), shared(here), &digest).await.unwrap();
    assert_eq!((item.digest, bytes.as_slice()), (digest.clone(), PDF));
    for (from, wanted, code) in [
        (MACAO, &digest, RefusalCode::ForeignReferral),
        (HONG_KONG, &Digest::of(b"another"), RefusalCode::EvidenceNotFound),
    ] {
        let refused = pair.origin.council.serve_evidence(&council_id(from), shared(here), wanted).await;
        assert_eq!(refused.unwrap_err().code, code, "{from}");
    }
    let stranger = shared(ReferralId::inbound(pair.target.own(), "1"));
    let refused = pair.origin.council.serve_evidence(pair.target.own(), stranger, &digest).await;
    assert_eq!(refused.unwrap_err().code, RefusalCode::UnknownReferral);
}

#[tokio::test]
async fn a_file_is_put_in_by_whoever_announced_it_and_asked_for_until_then() {
    let pair = scanning();
    let (here, there) = pair.delivered().await;
    let digest = pair.origin.announce(here, "receipt", "application/pdf", PDF).await.unwrap();
    pair.settle(here).await;
    let ask = |digest: &Digest| {
        let (origin, digest) = (Arc::clone(&pair.origin.council), digest.clone());
        async move { origin.serve_evidence(&council_id(HONG_KONG), shared(here), &digest).await }
    };
    for unknown in [&digest, &Digest::of(b"another")] {
        assert_eq!(ask(unknown).await.unwrap_err().code, RefusalCode::EvidenceNotFound);
    }
    let events = pair.origin.events().await;
    let journalled = events.iter().filter(|event| event.stream.category() == "security").count();
    assert_eq!(journalled, 1, "only the one that nobody announced");

    let refused = pair.target.put_in(there, &digest, PDF).await;
    assert!(matches!(refused, Err(CouncilError::NotFound { .. })), "{refused:?}");
    let refused = pair.origin.put_in(here, &Digest::of(b"another"), PDF).await;
    assert!(matches!(refused, Err(CouncilError::NotFound { .. })), "{refused:?}");
    assert_eq!(pair.origin.put_in(here, &digest, PDF).await.unwrap(), ScanState::Unscanned);
    assert_eq!(ask(&digest).await.unwrap().1, PDF);
}

#[tokio::test]
async fn a_file_that_is_not_what_was_announced_is_refused() {
    let pair = scanning();
    let (here, _) = pair.delivered().await;
    let digest = pair.origin.attach(here, "application/pdf", PDF).await.unwrap();
    pair.settle(here).await;
    let other = [PDF, b"x"].concat();
    let bring = |from: &str, bytes: Vec<u8>| {
        let from = council_id(from);
        let digest = digest.clone();
        let council = Arc::clone(&pair.target.council);
        async move { council.receive_evidence(&from, shared(here), &digest, bytes).await }
    };
    assert_eq!(bring(GUANGDONG, other).await.unwrap_err().code, RefusalCode::EvidenceDigest);
    assert_eq!(bring(MACAO, PDF.to_vec()).await.unwrap_err().code, RefusalCode::UnknownReferral);
    let refused = pair.origin.attach(here, "image/png", &[PDF, b"y"].concat()).await;
    assert!(
        matches!(refused, Err(CouncilError::Evidence(EvidenceError::OtherKind { .. }))),
        "an officer cannot attach what no partner would take: {refused:?}"
    );
}

#[tokio::test]
async fn what_is_infected_is_neither_kept_nor_attached_nor_given() {
    let pair = scanning();
    let (here, there) = pair.delivered().await;
    let file = b"this text has a virus";
    // The origin does not look, the target does.
    let digest = pair.origin.attach(here, "text/plain", file).await.unwrap();
    pair.settle(here).await;
    for _ in 0..2 {
        let refused =
            pair.target.council.receive_evidence(pair.origin.own(), shared(here), &digest, file.to_vec()).await;
        assert_eq!(refused.unwrap_err().code, RefusalCode::EvidenceInfected);
    }
    let known = &pair.target.transfer(there).await.evidence[&digest];
    assert_eq!((known.stored, known.scan), (false, ScanState::Infected));
    let refused = pair.target.council.file(there, &digest).await;
    assert!(matches!(refused, Err(CouncilError::Evidence(EvidenceError::Infected))), "{refused:?}");
    let refused = pair.target.attach(there, "text/plain", b"another virus").await;
    assert!(matches!(refused, Err(CouncilError::Evidence(EvidenceError::Infected))), "{refused:?}");
}

#[tokio::test]
async fn files_go_with_the_person() {
    let pair = scanning();
    let (here, there) = pair.delivered().await;
    let digest = pair.origin.attach(here, "application/pdf", PDF).await.unwrap();
    pair.settle(here).await;
    let bring = || pair.target.council.receive_evidence(pair.origin.own(), shared(here), &digest, PDF.to_vec());
    bring().await.unwrap();
    pair.origin.act(here, FIRST, Act::WithdrawConsent(WithdrawConsent {})).await.unwrap();
    let refused = pair.origin.council.serve_evidence(pair.target.own(), shared(here), &digest).await;
    assert_eq!(refused.unwrap_err().code, RefusalCode::Erased, "before the recall is written, too");
    for node in [&pair.origin, &pair.target] {
        node.catch_up();
        let report = node.council.sweep().await.unwrap();
        assert_eq!(report, SweepReport { recalled: report.recalled, erased: report.erased, ..SweepReport::default() });
        pair.settle(here).await;
    }
    let gone = pair.target.council.file(there, &digest).await;
    assert!(matches!(gone, Err(CouncilError::Erased)), "{gone:?}");
    assert_eq!(bring().await.unwrap_err().code, RefusalCode::Erased, "it does not come back");
    let refused = pair.origin.council.serve_evidence(pair.target.own(), shared(here), &digest).await;
    assert_eq!(refused.unwrap_err().code, RefusalCode::Erased);
    let folder = pair.target.folder.path().join("evidence");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
    pair.origin.council.file(here, &digest).await.unwrap();
}

#[tokio::test]
async fn a_file_of_a_draft_is_not_given_before_the_draft_leaves() {
    let pair = scanning();
    let here = pair.origin.prepare(pair.target.own()).await;
    let digest = pair.origin.attach(here, "application/pdf", PDF).await.unwrap();
    assert!(pair.origin.outbox(here).is_empty());
    let known = &pair.origin.transfer(here).await.evidence[&digest];
    assert!(known.stored);
    let refused = pair.origin.council.serve_evidence(pair.target.own(), shared(here), &digest).await;
    assert_eq!(refused.unwrap_err().code, RefusalCode::EvidenceNotFound);
}

#[tokio::test]
async fn no_file_of_what_was_returned_is_taken_or_given() {
    let pair = scanning();
    let (here, there) = pair.delivered().await;
    let (origin, target) = (&pair.origin, &pair.target);
    let [early, late] = [PDF.to_vec(), [PDF, b"x"].concat()];
    let first = origin.attach(here, "application/pdf", &early).await.unwrap();
    let second = origin.attach(here, "application/pdf", &late).await.unwrap();
    pair.settle(here).await;
    target.council.receive_evidence(origin.own(), shared(here), &first, early).await.unwrap();
    target.tell(there, Return { code: ReturnCode::NotLocal, note: None }).await.unwrap();
    // The origin has not heard of it and brings the other one.
    let brought = target.council.receive_evidence(origin.own(), shared(here), &second, late).await;
    assert_eq!(brought.unwrap_err().code, RefusalCode::Erased);
    assert!(!target.transfer(there).await.evidence[&second].stored);
    pair.settle(here).await;
    assert_eq!(pair.assert_agreed(here).await, Stage::Returned(ReturnCode::NotLocal));
    // Neither gives the other a file, whoever announced it. Our own officers still read what is here.
    for digest in [&first, &second] {
        let fetched = origin.council.serve_evidence(target.own(), shared(here), digest).await;
        assert_eq!(fetched.unwrap_err().code, RefusalCode::Erased);
    }
    let fetched = target.council.serve_evidence(origin.own(), shared(here), &first).await;
    assert_eq!(fetched.unwrap_err().code, RefusalCode::Erased);
    origin.council.file(here, &second).await.unwrap();
}

#[tokio::test]
async fn a_file_of_what_was_closed_is_still_taken_and_given() {
    let pair = scanning();
    let (here, _) = pair.delivered().await;
    let digest = pair.origin.attach(here, "application/pdf", PDF).await.unwrap();
    pair.settle(here).await;
    live(&pair, here).await;
    assert_eq!(pair.assert_agreed(here).await, Stage::Closed(ReferralOutcome::Settled));
    pair.origin.council.serve_evidence(pair.target.own(), shared(here), &digest).await.unwrap();
    let brought = pair.target.council.receive_evidence(pair.origin.own(), shared(here), &digest, PDF.to_vec()).await;
    assert_eq!(brought.unwrap(), ScanState::Clean);
}
