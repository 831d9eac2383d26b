//! 证据入库: the bytes of a file are here and have the digest that was announced.

use super::event::{EvidenceStored, ReferralEvent};
use super::rejection::Rejection;
use super::state::Transfer;
use crate::exchange::Digest;

/// Records that the bytes are here; the same again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreEvidence {
    pub digest: Digest,
}

impl StoreEvidence {
    pub(super) fn decide(self, transfer: &Transfer) -> Result<Vec<ReferralEvent>, Rejection> {
        match transfer.evidence.get(&self.digest) {
            None => Err(Rejection::UnknownEvidence(self.digest)),
            Some(evidence) if evidence.stored => Ok(Vec::new()),
            Some(_) => Ok(vec![ReferralEvent::EvidenceStored(EvidenceStored { digest: self.digest })]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::StoreEvidence;
    use crate::referral::event::{EvidenceStored, ReferralEvent};
    use crate::referral::testing::{file, given, sent};
    use crate::referral::{Act, Action, Rejection};

    const NOW: &str = "2026-05-22T10:00:00+08:00";

    fn store(text: &str) -> Act {
        Act::StoreEvidence(StoreEvidence { digest: file(text).digest })
    }

    #[test]
    fn the_bytes_of_a_known_file_are_stored_once() {
        let two = sent().told(NOW, Act::AddEvidence(file("a"))).told(NOW, Act::AddEvidence(file("b")));
        let stored = EvidenceStored { digest: file("a").digest };
        let one = given(two).at(NOW).when(store("a")).then([ReferralEvent::EvidenceStored(stored)]);
        assert!(one.transfer().evidence[&file("a").digest].stored);
        given(one.clone()).at(NOW).when(store("a")).then([]);
        given(one)
            .at(NOW)
            .when(store("c"))
            .then_err(|refused| *refused == Rejection::UnknownEvidence(file("c").digest));
        given(sent())
            .at(NOW)
            .when(store("a"))
            .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::StoreEvidence, .. }));
    }
}
