//! 证据送达: a file of ours has reached the other council, or it will never take it.
//!
//! Whoever brings files over records it. Until then the file counts as owed ([`Transfer::owes_file`]), whenever its
//! bytes came: with the message that tells of it, or long after.

use super::check_code;
use super::event::{EvidenceBrought, ReferralEvent};
use super::rejection::Rejection;
use super::state::{EvidenceState, Stage, Transfer};
use crate::exchange::{Digest, ScanState};

/// Records that nobody has to bring the file any more; the same again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BringEvidence {
    pub digest: Digest,
    /// The code by which it was refused for good; `None` when it was taken.
    pub refused: Option<String>,
}

impl BringEvidence {
    pub(super) fn decide(self, transfer: &Transfer) -> Result<Vec<ReferralEvent>, Rejection> {
        let Self { digest, refused } = self;
        if let Some(code) = &refused {
            check_code("refused", code)?;
        }
        match transfer.evidence.get(&digest).filter(|evidence| evidence.side == transfer.own_side()) {
            None => Err(Rejection::UnknownEvidence(digest)),
            Some(evidence) if evidence.brought => Ok(Vec::new()),
            Some(_) => Ok(vec![ReferralEvent::EvidenceBrought(EvidenceBrought { digest, refused })]),
        }
    }
}

impl Transfer {
    /// Whether the other council was told of a file of ours, the bytes are here, and it has not got them. What is
    /// called back, was returned or is erased gets nothing more.
    #[must_use]
    pub fn owes_file(&self, digest: &Digest) -> bool {
        let owed = |file: &EvidenceState| {
            let told = file.side == self.own_side() && file.announced.is_some();
            told && file.stored && !file.brought && file.scan != ScanState::Infected
        };
        self.gives_files() && self.evidence.get(digest).is_some_and(owed)
    }

    /// Whether the other council has told of a file of its own whose bytes are not here and may still come.
    #[must_use]
    pub fn awaits_file(&self, digest: &Digest) -> bool {
        let awaited =
            |file: &EvidenceState| file.side != self.own_side() && !file.stored && file.scan != ScanState::Infected;
        !self.moves_no_files() && self.evidence.get(digest).is_some_and(awaited)
    }

    /// Whether the other council may still get a file, by either way: not of what is to be called back either, because
    /// the consent was withdrawn.
    #[must_use]
    pub fn gives_files(&self) -> bool {
        !self.moves_no_files() && !self.recall_is_due()
    }

    /// Whether no file goes to and fro any more: the referral was called back, was returned, or is erased. One that is
    /// closed may still need them.
    #[must_use]
    pub fn moves_no_files(&self) -> bool {
        matches!(self.stage, Stage::Returned(_) | Stage::Recalled { .. }) || self.erasure.done.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::BringEvidence;
    use crate::exchange::{ScanState, Side};
    use crate::referral::acknowledge_outcome::AcknowledgeOutcome;
    use crate::referral::event::{EvidenceBrought, ReferralEvent};
    use crate::referral::recall::Recall;
    use crate::referral::record_scan::RecordScan;
    use crate::referral::return_referral::Return;
    use crate::referral::store_evidence::StoreEvidence;
    use crate::referral::testing::{History, acknowledged, came_in, drafted, file, given, outcome, sent};
    use crate::referral::vocabulary::{RecallReason, ReferralOutcome, ReturnCode};
    use crate::referral::withdraw_consent::WithdrawConsent;
    use crate::referral::{Act, Rejection};

    const NOW: &str = "2026-05-22T10:00:00+08:00";

    fn add() -> Act {
        Act::AddEvidence(file("a"))
    }

    fn store() -> Act {
        Act::StoreEvidence(StoreEvidence { digest: file("a").digest })
    }

    fn bring(refused: Option<&str>) -> Act {
        Act::BringEvidence(BringEvidence { digest: file("a").digest, refused: refused.map(ToOwned::to_owned) })
    }

    fn owes(history: &History) -> bool {
        history.transfer().owes_file(&file("a").digest)
    }

    #[test]
    fn a_file_is_owed_from_when_it_is_told_of_and_here_until_it_is_brought_or_refused() {
        for refused in [None, Some("EVIDENCE_TYPE")] {
            let told = sent().told(NOW, add());
            assert!(!owes(&told), "the bytes are not here");
            let stored = told.and(NOW, store());
            assert!(owes(&stored));
            let event = EvidenceBrought { digest: file("a").digest, refused: refused.map(ToOwned::to_owned) };
            let brought = given(stored).at(NOW).when(bring(refused)).then([ReferralEvent::EvidenceBrought(event)]);
            assert!(!owes(&brought));
            given(brought).at(NOW).when(bring(None)).then([]);
        }
    }

    #[test]
    fn nothing_is_owed_of_a_draft_of_what_is_infected_or_of_what_is_theirs() {
        let attached = drafted().and("2026-05-18T10:00:00+08:00", add()).and("2026-05-18T10:00:00+08:00", store());
        assert!(!owes(&attached), "nobody was told");
        let stored = sent().told(NOW, add()).and(NOW, store());
        let scan = RecordScan { digest: file("a").digest, scan: ScanState::Infected };
        assert!(!owes(&stored.and(NOW, Act::RecordScan(scan))));

        let theirs = came_in().received(NOW, add()).and(NOW, store());
        assert_eq!(theirs.transfer().evidence[&file("a").digest].side, Side::Origin);
        assert!(!owes(&theirs));
        let unknown = Rejection::UnknownEvidence(file("a").digest);
        given(theirs).at(NOW).when(bring(None)).then_err(|refused| *refused == unknown);
        given(sent()).at(NOW).when(bring(None)).then_err(|refused| *refused == unknown);
    }

    #[test]
    fn what_is_called_back_or_was_returned_gets_nothing_more() {
        let stored = sent().told(NOW, add()).and(NOW, store());
        let returned = stored.clone().received(NOW, Act::Return(Return { code: ReturnCode::NotLocal, note: None }));
        let withdrawn = stored.clone().and(NOW, Act::WithdrawConsent(WithdrawConsent {}));
        let recalled = stored.told(NOW, Act::Recall(Recall { reason: RecallReason::WrongContent }));
        for history in [returned, withdrawn, recalled] {
            assert!(!owes(&history) && !history.transfer().gives_files(), "{}", history.transfer().stage);
        }
    }

    #[test]
    fn what_is_closed_is_still_brought_its_files() {
        let told = acknowledged().told(NOW, add()).received(NOW, outcome(ReferralOutcome::Settled));
        let closed = told.told(NOW, Act::AcknowledgeOutcome(AcknowledgeOutcome {})).and(NOW, store());
        assert!(owes(&closed) && closed.transfer().gives_files());
    }

    #[test]
    fn a_message_tells_of_the_files_before_it_and_of_no_later_ones() {
        let history = sent().told(NOW, add()).told(NOW, Act::AddEvidence(file("b")));
        let announced = |text: &str| history.transfer().evidence[&file(text).digest].announced;
        assert_eq!((announced("a"), announced("b")), (Some(2), Some(3)));
    }

    #[test]
    fn a_refusal_has_a_code() {
        let stored = sent().told(NOW, add()).and(NOW, store());
        given(stored)
            .at(NOW)
            .when(bring(Some("")))
            .then_err(|refused| *refused == Rejection::CodeMissing { field: "refused" });
    }
}
