//! The mutations by which people do what the referral's rules allow: the names that are told, wherever "what may be done
//! now" is told.

use cross_border::referral::Action;

/// The mutation by which a person does this; what happens by itself, or by another door, is none.
pub(super) const fn mutation_of(action: Action) -> Option<&'static str> {
    match action {
        Action::Submit => Some("approveReferral"),
        Action::AddEvidence => Some("announceEvidence"),
        Action::StoreEvidence
        | Action::RecordScan
        | Action::RecordDelivery
        | Action::AnswerRecall
        | Action::Remind
        | Action::Escalate => None,
        Action::CaptureConsent
        | Action::WithdrawConsent
        | Action::Assess
        | Action::Present
        | Action::Retrieve
        | Action::Acknowledge
        | Action::Return
        | Action::ReportProgress
        | Action::OfferSession
        | Action::AnswerOffer
        | Action::RecordSession
        | Action::ReportOutcome
        | Action::AcknowledgeOutcome
        | Action::Recall => Some(action.code()),
    }
}

/// The mutations of a list of acts.
pub(super) fn mutations_of(actions: &[Action]) -> Vec<&'static str> {
    actions.iter().copied().filter_map(mutation_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::sdl;

    #[test]
    fn every_name_is_a_mutation_of_the_schema() {
        let sdl = sdl();
        for name in mutations_of(Action::ALL) {
            assert!(sdl.contains(&format!("\t{name}(input: ")), "{name}");
        }
        assert_eq!(
            mutations_of(&[Action::Submit, Action::Remind, Action::Recall]),
            ["approveReferral", "recallReferral"]
        );
    }
}
