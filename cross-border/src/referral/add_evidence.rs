//! 补充证据: a file is attached to the draft or, once the referral has left, announced to the other council.
//!
//! Only what a file is called, how long it is and its digest are known here; the bytes go their own way. A draft that
//! was presented without the file is presented anew. What is announced leaves as it is announced, so all that the
//! submission had to rest on must still hold.

use chrono::NaiveDate;
use domain::privacy::Sealed as SealedText;

use super::event::{EvidenceAdded, ReferralEvent};
use super::rejection::Rejection;
use super::state::Transfer;
use super::{Moment, check_code, gate, present, submit};
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
        // Of a draft this is asked when it leaves, and what came in rests on a transfer of the other council.
        if transfer.is_outbound() && transfer.stage.has_left() {
            // Not the day on which it is said to have been done: the file leaves now.
            check_may_follow(transfer, moment.ctx.today())?;
        }
        Ok(vec![self.added(transfer.own_side(), Some(moment.ctx.actor))])
    }

    /// The file of a side, with who of ours added it.
    pub(super) fn added(self, side: Side, by: Option<&str>) -> ReferralEvent {
        let Self { digest, name, bytes, media } = self;
        let by = by.map(str::to_owned);
        ReferralEvent::EvidenceAdded(Box::new(EvidenceAdded { digest, name, bytes, media, side, by }))
    }
}

/// What was asked when the submission left is asked of the file that follows it, on the day on which it does.
fn check_may_follow(transfer: &Transfer, day: NaiveDate) -> Result<(), Rejection> {
    let shut = gate::shut_to_file(transfer, day);
    if !shut.is_empty() {
        return Err(Rejection::Gates(shut));
    }
    if let Some(to) = transfer.retention_to() {
        present::check_retention(to, day)?;
    }
    submit::under_agreement(transfer, day)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::AddEvidence;
    use crate::exchange::{ScanState, Side};
    use crate::referral::event::{ConsentCaptured, ReferralEvent, Sealed};
    use crate::referral::present::Present;
    use crate::referral::recall::Recall;
    use crate::referral::record_scan::RecordScan;
    use crate::referral::testing::{
        ACTOR, HONG_KONG, History, acknowledged, assessed, came_in, capture, consent_to, day, drafted, file, given,
        message, outcome, presentation, presented, sent, submission, submitted, taken,
    };
    use crate::referral::vocabulary::{DataField, RecallReason, ReferralOutcome};
    use crate::referral::withdraw_consent::WithdrawConsent;
    use crate::referral::{Act, Action, Gate, Rejection};

    const BEFORE: &str = "2026-05-19T10:00:00+08:00";
    const LEFT: &str = "2026-05-20T09:00:00+08:00";
    const NOW: &str = "2026-05-22T10:00:00+08:00";

    fn add(text: &str) -> Act {
        Act::AddEvidence(file(text))
    }

    fn added(text: &str, side: Side) -> ReferralEvent {
        file(text).added(side, Some(ACTOR))
    }

    /// Sent with the fields that were presented, all of which the consumer had agreed to.
    fn sent_with(agreed: &[DataField], approved: &[DataField]) -> History {
        let consent = ConsentCaptured { fields: agreed.to_vec(), ..consent_to(HONG_KONG) };
        let presentation = Present { fields: approved.to_vec(), ..presentation() };
        let laid = assessed().and(BEFORE, capture(consent)).and(BEFORE, Act::Present(presentation));
        let message = Sealed { fields: approved.to_vec(), ..message() };
        let act = Act::Submit(Box::new(submission(&laid.transfer(), message, LEFT)));
        laid.and(LEFT, act)
    }

    fn withdrawn(history: History) -> History {
        history.and(NOW, Act::WithdrawConsent(WithdrawConsent {}))
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

    #[test]
    fn one_follows_what_has_left_only_if_files_were_agreed_to_and_approved() {
        let without = [DataField::ConsumerName, DataField::Facts];
        let with = [DataField::ConsumerName, DataField::Facts, DataField::Evidence];
        given(sent_with(&with, &with)).at(NOW).told(add("a")).then([added("a", Side::Origin)]);
        for (agreed, shut) in [
            (&with[..], vec![Gate::NotAsPresented]),
            (&without[..], vec![Gate::ConsentForFewerFields, Gate::NotAsPresented]),
        ] {
            let refusal = Rejection::Gates(shut);
            given(sent_with(agreed, &without)).at(NOW).told(add("a")).then_err(|refused| *refused == refusal);
        }
    }

    #[test]
    fn one_follows_only_while_the_basis_of_the_transfer_holds() {
        // The assessment of the impact may be relied on until 2026-08-31, and the contract ends with the year.
        given(sent()).at("2026-08-31T23:59:59+08:00").told(add("a")).then([added("a", Side::Origin)]);
        for (now, shut) in [
            ("2026-09-01T00:00:00+08:00", vec![Gate::ImpactExpired]),
            ("2027-01-01T00:00:00+08:00", vec![Gate::InstrumentNotInForce, Gate::ImpactExpired]),
        ] {
            let refusal = Rejection::Gates(shut);
            given(sent()).at(now).told(add("a")).then_err(|refused| *refused == refusal);
        }
        let expired = Rejection::Gates(vec![Gate::ImpactExpired]);
        given(sent())
            .at("2026-09-01T10:00:00+08:00")
            .done("2026-08-31T10:00:00+08:00")
            .told(add("a"))
            .then_err(|refused| *refused == expired);
        // What we tell the council that sent it to us does not rest on its transfer.
        given(taken()).at("2027-01-01T00:00:00+08:00").told(add("a")).then([added("a", Side::Target)]);
    }

    #[test]
    fn nothing_follows_what_may_not_be_kept_any_longer() {
        let short = Present { retention_to: day("2026-05-21"), ..presentation() };
        let short = submitted(assessed().and(BEFORE, Act::Present(short)), LEFT);
        given(short.clone()).at("2026-05-21T23:59:59+08:00").told(add("a")).then([added("a", Side::Origin)]);
        given(short)
            .at("2026-05-22T00:00:00+08:00")
            .told(add("a"))
            .then_err(|refused| matches!(refused, Rejection::Retention { .. }));
    }

    #[test]
    fn what_was_found_in_another_file_or_left_before_contents_were_kept_stops_none() {
        let scan = RecordScan { digest: file("a").digest, scan: ScanState::Infected };
        let infected = sent().told(NOW, add("a")).and(NOW, Act::RecordScan(scan));
        given(infected).at(NOW).told(add("b")).then([added("b", Side::Origin)]);
        let mut old = sent();
        old.forget_content();
        given(old).at(NOW).told(add("a")).then([added("a", Side::Origin)]);
    }

    #[test]
    fn nothing_of_ours_follows_a_withdrawal_even_before_the_recall_is_told() {
        for history in [sent(), acknowledged()] {
            let history = withdrawn(history);
            assert!(!history.transfer().allowed().contains(&Action::AddEvidence));
            given(history.clone())
                .at(NOW)
                .told(add("a"))
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::AddEvidence, .. }));
            // What they wrote before they knew is taken.
            given(history).at(NOW).received(add("a")).then([file("a").added(Side::Target, None)]);
        }
        // Of a draft another consent may be given.
        given(withdrawn(presented())).at(NOW).when(add("a")).then([added("a", Side::Origin)]);
    }
}
