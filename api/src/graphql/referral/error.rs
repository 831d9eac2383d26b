//! What a client may see of a refusal of the exchange.

use cross_border::council::CouncilError;
use cross_border::delivery;
use cross_border::evidence::EvidenceError;
use cross_border::exchange::MessageError;
use cross_border::index::IndexError;
use cross_border::referral::Rejection;
use event_log::execute::ExecuteError;
use event_log::vault::VaultError;
use serde_json::json;

use crate::graphql::error::{ApiError, Code};

impl From<CouncilError> for ApiError {
    fn from(error: CouncilError) -> Self {
        // What a command on a stream can fail with is told as for every other life.
        let executed = |error: ExecuteError<Rejection>| Self::from(error);
        match error {
            CouncilError::Rejected(rejection) => rejection.into(),
            CouncilError::Stale { read, actual, changes } => executed(ExecuteError::Stale { read, actual, changes }),
            CouncilError::Busy => executed(ExecuteError::Busy),
            CouncilError::NothingToDo => executed(ExecuteError::NothingToDo),
            CouncilError::Append(error) => executed(ExecuteError::Append(error)),
            CouncilError::Read(error) => error.into(),
            CouncilError::Wire(error) => error.into(),
            CouncilError::Index(error) => error.into(),
            CouncilError::CommandReused { .. } => command_reused(),
            CouncilError::NotFound { what } => Self::not_found(what),
            CouncilError::NoSigningKey => Self::new(
                Code::NoSigningKey,
                "our council has no signing key that is valid now; `baycase partner key new` makes one",
            ),
            CouncilError::Erased => erased(),
            CouncilError::Message(error @ MessageError::WrongSide { .. }) => {
                Self::new(Code::NotAllowedNow, error.to_string())
            }
            CouncilError::Message(error) => Self::invalid(error),
            error @ CouncilError::NoPlace { .. } => Self::invalid(error),
            CouncilError::Evidence(error) => error.into(),
            CouncilError::Vault(error) => vault(&error),
            error @ (CouncilError::Trust(_)
            | CouncilError::Random
            | CouncilError::Encode(_)
            | CouncilError::Task(_)) => Self::internal(&error),
        }
    }
}

/// What a client is told when a command id comes with another body.
pub(super) fn command_reused() -> ApiError {
    ApiError::new(Code::CommandReused, "this command id was used before with another body; a new act needs a new id")
}

fn erased() -> ApiError {
    ApiError::new(Code::Erased, "the person of this referral was erased; nothing more can be said or read of it")
}

fn vault(error: &VaultError) -> ApiError {
    match error {
        VaultError::Destroyed { .. } => erased(),
        error => error.into(),
    }
}

impl From<EvidenceError> for ApiError {
    fn from(error: EvidenceError) -> Self {
        let code = match &error {
            EvidenceError::TooLarge { .. } => Code::EvidenceTooLarge,
            EvidenceError::Length { .. } | EvidenceError::Digest { .. } => Code::EvidenceDigest,
            EvidenceError::NotTaken { .. } | EvidenceError::OtherKind { .. } => Code::EvidenceType,
            EvidenceError::Infected => Code::EvidenceInfected,
            EvidenceError::NotFound => Code::EvidenceNotFound,
            EvidenceError::Erased => return erased(),
            EvidenceError::Vault(error) => return vault(error),
            EvidenceError::Io(error) => {
                tracing::warn!(error = %error, "The folder of evidence cannot be read or written now");
                let message = "files of evidence cannot be read or written now; nothing was changed; try again";
                return Self::new(Code::Unavailable, message);
            }
            EvidenceError::Damaged => return Self::internal(&error),
        };
        Self::new(code, error.to_string())
    }
}

impl From<IndexError> for ApiError {
    fn from(error: IndexError) -> Self {
        match error {
            IndexError::Read(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        let error = Self::new(code(&rejection), rejection.to_string());
        match rejection {
            Rejection::NotAllowed { stage, allowed, .. } => error
                .with("stage", json!(stage.code()))
                .with("allowed", json!(allowed.iter().map(|action| action.code()).collect::<Vec<_>>())),
            Rejection::Gates(gates) => {
                error.with("gates", json!(gates.iter().map(|gate| gate.code()).collect::<Vec<_>>()))
            }
            _ => error,
        }
    }
}

const fn code(rejection: &Rejection) -> Code {
    match rejection {
        Rejection::NotDrafted => Code::NotFound,
        Rejection::AlreadyDrafted(_) | Rejection::EvidenceKnown(_) | Rejection::SessionKnown(_) => Code::AlreadyExists,
        Rejection::NotAllowed { .. }
        | Rejection::NothingToTell
        | Rejection::SessionAnswered(_)
        | Rejection::SessionNotAccepted(_)
        | Rejection::SessionHeldAlready(_)
        | Rejection::StepNotAwaited { .. }
        | Rejection::NotOverdue { .. } => Code::NotAllowedNow,
        Rejection::InFuture { .. } | Rejection::TooLongAgo { .. } | Rejection::BeforeLastAct { .. } => {
            Code::TimeOutOfRange
        }
        Rejection::CodeMissing { .. }
        | Rejection::CodeTooLong { .. }
        | Rejection::SignatureTooLong { .. }
        | Rejection::Digest { .. }
        | Rejection::FieldsMissing
        | Rejection::Dates { .. }
        | Rejection::Retention { .. }
        | Rejection::Misstated { .. }
        | Rejection::ProgressByOffer { .. }
        | Rejection::UnknownSession(_)
        | Rejection::ComplaintMissing
        | Rejection::PartnerReferenceMissing => Code::InvalidInput,
        Rejection::UnknownEvidence(_) => Code::EvidenceUnannounced,
        Rejection::UnknownPartner(_) => Code::UnknownPartner,
        Rejection::NoAgreement { .. } => Code::NoAgreement,
        Rejection::UnknownRegion(_) => Code::UnknownRegion,
        Rejection::Gates(_) => Code::GatesShut,
        Rejection::SameApprover => Code::SameApprover,
        Rejection::Clock(_) | Rejection::RecordingWithoutConsent(_) => Code::RuleViolated,
        // It left while this was being done: asked again, it is told.
        Rejection::MustBeTold { .. } => Code::Unavailable,
        // The council writes the messages itself: whatever is wrong with one is ours.
        Rejection::OnlyReceived
        | Rejection::MessageOutOfPlace
        | Rejection::ForeignMessage { .. }
        | Rejection::OtherSubject
        | Rejection::Segment(_)
        | Rejection::EffectsMissing { .. }
        | Rejection::EffectMismatch { .. } => Code::Internal,
    }
}

impl From<delivery::Rejection> for ApiError {
    fn from(rejection: delivery::Rejection) -> Self {
        Self::new(Code::NotAllowedNow, rejection.to_string())
    }
}

#[cfg(test)]
mod tests {
    use cross_border::referral::Gate;

    use super::*;

    #[test]
    fn shut_gates_are_named_one_by_one() {
        let rejection = Rejection::Gates(vec![Gate::ConsentMissing, Gate::NotAssessed]);
        let error = ApiError::from(CouncilError::Rejected(rejection));
        assert_eq!(error.code, Code::GatesShut);
        assert_eq!(error.details, [("gates", json!(["consent-missing", "not-assessed"]))]);
    }

    #[test]
    fn each_fault_has_its_code() {
        for (error, code) in [
            (CouncilError::NoSigningKey, Code::NoSigningKey),
            (CouncilError::Erased, Code::Erased),
            (CouncilError::Busy, Code::Unavailable),
            (CouncilError::NothingToDo, Code::RuleViolated),
            (CouncilError::NotFound { what: "referral" }, Code::NotFound),
            (CouncilError::Rejected(Rejection::SameApprover), Code::SameApprover),
            (CouncilError::Rejected(Rejection::MessageOutOfPlace), Code::Internal),
            (CouncilError::Evidence(EvidenceError::Infected), Code::EvidenceInfected),
            (CouncilError::Evidence(EvidenceError::TooLarge { bytes: 2, max: 1 }), Code::EvidenceTooLarge),
            (CouncilError::Evidence(EvidenceError::Erased), Code::Erased),
            (CouncilError::Random, Code::Internal),
        ] {
            let text = error.to_string();
            assert_eq!(ApiError::from(error).code, code, "{text}");
        }
    }
}
