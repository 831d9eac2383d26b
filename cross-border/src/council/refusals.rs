//! What a partner is told when something of it is not taken: a code of the closed list, and words that name no content.

use event_log::causes::with_causes;
use event_log::vault::VaultError;

use super::{Council, CouncilError};
use crate::exchange::{Digest, MessageError, Refusal, RefusalCode, SegmentError};
use crate::partner::PartnerId;
use crate::referral::Rejection;
use crate::security::Refused;
use crate::trust::KeyId;

/// A message that is not one.
#[must_use]
pub fn of_message(error: &MessageError) -> Refusal {
    Refusal::new(error.refusal(), error.to_string())
}

/// A message that does not fit the history that both councils hold.
#[must_use]
pub fn of_segment(error: &SegmentError) -> Refusal {
    Refusal::new(error.refusal(), error.to_string())
}

/// A message that the referral's rules do not take.
#[must_use]
pub fn of_rejection(rejection: &Rejection) -> Refusal {
    let code = match rejection {
        Rejection::Segment(error) => return of_segment(error),
        Rejection::NotDrafted => RefusalCode::UnknownReferral,
        Rejection::ForeignMessage { .. } => RefusalCode::ForeignReferral,
        Rejection::UnknownPartner(_) => RefusalCode::WrongSender,
        Rejection::NoAgreement { .. } => RefusalCode::NoAgreement,
        _ => RefusalCode::Invalid,
    };
    Refusal::new(code, rejection.to_string())
}

/// A failure while something of a partner was taken in. What went wrong inside stays inside.
#[must_use]
pub fn of_council(error: &CouncilError) -> Refusal {
    match error {
        CouncilError::Rejected(rejection) => of_rejection(rejection),
        CouncilError::Message(error) => of_message(error),
        CouncilError::Evidence(error) => error.refusal(),
        CouncilError::NotFound { .. } => Refusal::new(RefusalCode::UnknownReferral, error.to_string()),
        CouncilError::Erased | CouncilError::Vault(VaultError::Destroyed { .. }) => erased(),
        error if error.is_retryable() => {
            tracing::warn!(error = %with_causes(error), "Something of a partner could not be taken now");
            Refusal::new(RefusalCode::Unavailable, "this cannot be taken now; try again later")
        }
        error => {
            tracing::error!(error = %with_causes(error), "Something of a partner could not be taken");
            Refusal::new(RefusalCode::Internal, "an error here; try again later")
        }
    }
}

/// The person was erased.
#[must_use]
pub fn erased() -> Refusal {
    Refusal::new(RefusalCode::Erased, "the data of this person was erased here")
}

impl Council {
    /// Writes into the journal that a partner was refused something, unless it may simply come again.
    pub(super) async fn journal_refusal(
        &self,
        from: &PartnerId,
        key: Option<&KeyId>,
        text: &[u8],
        what: &str,
        refusal: &Refusal,
    ) {
        // What passes by itself is no event. A referral that is not known may be one that belongs to somebody else.
        if refusal.code.is_retryable() && refusal.code != RefusalCode::UnknownReferral {
            return;
        }
        self.journal
            .record(Refused {
                code: refusal.code.code().to_owned(),
                partner: Some(from.clone()),
                key: key.map(ToString::to_string),
                what: what.to_owned(),
                digest: Some(Digest::of(text)),
                request_id: None,
            })
            .await;
    }
}
