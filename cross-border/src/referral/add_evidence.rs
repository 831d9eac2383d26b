//! 补充证据: a file is attached to the draft or, once the referral has left, announced to the other council.
//!
//! Only what a file is called, how long it is and its digest are known here; the bytes go their own way. A draft that
//! was presented without the file is presented anew.

use domain::privacy::Sealed as SealedText;

use super::event::{EvidenceAdded, ReferralEvent};
use super::rejection::Rejection;
use super::state::Transfer;
use super::{Moment, check_code};
use crate::exchange::{Digest, Side};

/// Adds a file of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddEvidence {
    pub digest: Digest,
    pub name: SealedText,
    pub bytes: u64,
    /// The media type (RFC 6838).
    pub media: String,
}

impl AddEvidence {
    pub(super) fn decide(self, transfer: &Transfer, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
        if transfer.evidence.contains_key(&self.digest) {
            return Err(Rejection::EvidenceKnown(self.digest));
        }
        check_code("media", &self.media)?;
        Ok(vec![self.added(transfer.own_side(), Some(moment.ctx.actor))])
    }

    /// The file of a side, with who of ours added it.
    pub(super) fn added(self, side: Side, by: Option<&str>) -> ReferralEvent {
        let Self { digest, name, bytes, media } = self;
        let by = by.map(str::to_owned);
        ReferralEvent::EvidenceAdded(Box::new(EvidenceAdded { digest, name, bytes, media, side, by }))
    }
}

#[cfg(test)]
mod tests {
    use super::AddEvidence;
    use crate::exchange::{ScanState, Side};
    use crate::referral::recall::Recall;
    use crate::referral::testing::{
        ACTOR, acknowledged, came_in, drafted, file, given, outcome, presented, sent, taken,
    };
    use crate::referral::vocabulary::{RecallReason, ReferralOutcome};
    use crate::referral::{Act, Action, Rejection};

    const NOW: &str = "2026-05-22T10:00:00+08:00";

    fn add(text: &str) -> Act {
        Act::AddEvidence(file(text))
    }

    #[test]
    fn it_is_attached_to_a_draft_and_announced_after_sending() {
        for history in [drafted(), presented()] {
            let attached = given(history).at(NOW).when(add("a")).then([file("a").added(Side::Origin, Some(ACTOR))]);
            let evidence = &attached.transfer().evidence[&file("a").digest];
            assert_eq!((evidence.stored, evidence.scan), (false, ScanState::Unscanned));
            assert_eq!(evidence.by.as_deref(), Some(ACTOR));
        }
        given(sent()).at(NOW).told(add("a")).then([file("a").added(Side::Origin, Some(ACTOR))]);
        given(taken()).at(NOW).told(add("a")).then([file("a").added(Side::Target, Some(ACTOR))]);
        given(sent()).at(NOW).received(add("a")).then([file("a").added(Side::Target, None)]);
        given(came_in()).at(NOW).received(add("a")).then([file("a").added(Side::Origin, None)]);
        given(sent())
            .at(NOW)
            .when(add("a"))
            .then_err(|refused| *refused == Rejection::MustBeTold { action: Action::AddEvidence });
    }

    #[test]
    fn a_file_is_added_once_whoever_adds_it() {
        let known = Rejection::EvidenceKnown(file("a").digest);
        let once = sent().told(NOW, add("a"));
        given(once.clone()).at(NOW).told(add("a")).then_err(|refused| *refused == known);
        given(once).at(NOW).received(add("a")).then([]);
    }

    #[test]
    fn it_has_a_media_type() {
        let shapeless = AddEvidence { media: String::new(), ..file("a") };
        given(drafted())
            .at(NOW)
            .when(Act::AddEvidence(shapeless))
            .then_err(|refused| *refused == Rejection::CodeMissing { field: "media" });
    }

    #[test]
    fn what_is_decided_or_called_back_takes_no_more() {
        let decided = acknowledged().received(NOW, outcome(ReferralOutcome::Settled));
        let recalled = sent().told(NOW, Act::Recall(Recall { reason: RecallReason::WrongContent }));
        for history in [decided, recalled.clone()] {
            given(history)
                .at(NOW)
                .told(add("a"))
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::AddEvidence, .. }));
        }
        given(recalled).at(NOW).received(add("a")).then([]);
    }
}
