//! 证据检查: what a scanner for malicious content said of a file.

use super::event::{EvidenceScanned, ReferralEvent};
use super::rejection::Rejection;
use super::state::Transfer;
use crate::exchange::{Digest, ScanState};

/// Records what a scan found; the same again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordScan {
    pub digest: Digest,
    pub scan: ScanState,
}

impl RecordScan {
    pub(super) fn decide(self, transfer: &Transfer) -> Result<Vec<ReferralEvent>, Rejection> {
        let Self { digest, scan } = self;
        match transfer.evidence.get(&digest) {
            None => Err(Rejection::UnknownEvidence(digest)),
            Some(evidence) if evidence.scan == scan => Ok(Vec::new()),
            Some(_) => Ok(vec![ReferralEvent::EvidenceScanned(EvidenceScanned { digest, scan })]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RecordScan;
    use crate::exchange::ScanState;
    use crate::referral::event::{EvidenceScanned, ReferralEvent};
    use crate::referral::testing::{drafted, file, given};
    use crate::referral::{Act, Action, Rejection};

    const NOW: &str = "2026-05-19T10:00:00+08:00";

    fn scan(text: &str, scan: ScanState) -> Act {
        Act::RecordScan(RecordScan { digest: file(text).digest, scan })
    }

    #[test]
    fn the_newest_finding_stands() {
        let mut history = drafted().and(NOW, Act::AddEvidence(file("a")));
        for found in [ScanState::Failed, ScanState::Clean, ScanState::Infected] {
            let event = EvidenceScanned { digest: file("a").digest, scan: found };
            history = given(history).at(NOW).when(scan("a", found)).then([ReferralEvent::EvidenceScanned(event)]);
            assert_eq!(history.transfer().evidence[&file("a").digest].scan, found);
            given(history.clone()).at(NOW).when(scan("a", found)).then([]);
        }
        given(history)
            .at(NOW)
            .when(scan("b", ScanState::Clean))
            .then_err(|refused| *refused == Rejection::UnknownEvidence(file("b").digest));
        given(drafted())
            .at(NOW)
            .when(scan("a", ScanState::Clean))
            .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::RecordScan, .. }));
    }
}
