//! What a client may see of a refusal of the exchange.

use cross_border::council::{CouncilError, FoundInText};
use cross_border::delivery;
use cross_border::evidence::EvidenceError;
use cross_border::exchange::MessageError;
use cross_border::index::IndexError;
use cross_border::referral::{Action, Rejection, Stage};
use event_log::execute::ExecuteError;
use event_log::vault::VaultError;
use serde_json::json;

use super::mutations::{mutation_of, mutations_of};
use crate::graphql::error::{ApiError, Code};

impl From<CouncilError> for ApiError {
    fn from(error: CouncilError) -> Self {
        // What a command on a stream can fail with is told as for every other life.
        let executed = |error: ExecuteError<Rejection>| Self::from(error);
        match error {
            CouncilError::Rejected(rejection) => rejection.into(),
            CouncilError::Stale { read, actual, changes } => executed(ExecuteError::Stale { read, actual, changes }),
            CouncilError::Busy => executed(ExecuteError::Busy),
            error @ CouncilError::IndexLate => Self::new(Code::Unavailable, error.to_string()),
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
            error @ CouncilError::Lapsed { .. } => Self::new(Code::GatesShut, error.to_string()),
            CouncilError::Message(error @ MessageError::WrongSide { .. }) => {
                Self::new(Code::NotAllowedNow, error.to_string())
            }
            CouncilError::Message(error) => Self::invalid(error),
            error @ CouncilError::NoPlace { .. } => Self::invalid(error),
            CouncilError::Missing { ref fields } | CouncilError::Beyond { ref fields } => {
                let fields: Vec<&str> = fields.iter().map(|field| field.code()).collect();
                Self::invalid(&error).with("fields", json!(fields))
            }
            CouncilError::FileMissing { ref digest } => Self::new(
                Code::EvidenceNotFound,
                "a file that was announced is not here yet; send it by `PUT /evidence/{referralId}/{digest}`",
            )
            .with("digest", json!(digest.as_str())),
            CouncilError::Numbers(ref found) => numbers(&error, found),
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

/// Each number by its gate, its text and the characters before it; never the number.
fn numbers(error: &CouncilError, found: &[FoundInText]) -> ApiError {
    let mut gates: Vec<&str> = found.iter().map(|found| found.gate.code()).collect();
    gates.sort_unstable();
    gates.dedup();
    let place = |found: &FoundInText| json!({ "gate": found.gate.code(), "text": found.text, "offset": found.offset });
    ApiError::new(Code::GatesShut, error.to_string())
        .with("gates", json!(gates))
        .with("texts", found.iter().map(place).collect())
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
            Rejection::NotAllowed { action, stage, allowed } => not_allowed(action, stage, &allowed),
            Rejection::Gates(gates) => {
                error.with("gates", json!(gates.iter().map(|gate| gate.code()).collect::<Vec<_>>()))
            }
            Rejection::OtherContent { presented } => error.with("contentDigest", json!(presented.as_str())),
            Rejection::InStep { step, refused } => Self::from(*refused).with("step", json!(mutation_of(step))),
            _ => error,
        }
    }
}

/// What is refused and what may be done instead, by the names of mutations.
fn not_allowed(action: Action, stage: Stage, allowed: &[Action]) -> ApiError {
    let allowed = mutations_of(allowed);
    let asked = mutation_of(action).unwrap_or_else(|| action.code());
    let instead = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
    let message = format!("`{asked}` is not allowed while the referral is `{stage}`; allowed now: {instead}");
    ApiError::new(Code::NotAllowedNow, message).with("stage", json!(stage.code())).with("allowed", json!(allowed))
}

fn code(rejection: &Rejection) -> Code {
    match rejection {
        Rejection::NotDrafted => Code::NotFound,
        Rejection::AlreadyDrafted(_) | Rejection::EvidenceKnown(_) | Rejection::SessionKnown(_) => Code::AlreadyExists,
        Rejection::NotAllowed { .. }
        | Rejection::NothingToTell
        | Rejection::SessionAnswered(_)
        | Rejection::SessionNotAccepted(_)
        | Rejection::SessionHeldAlready(_)
        | Rejection::StepNotAwaited { .. }
        | Rejection::NotOverdue { .. }
        | Rejection::NotErased(_) => Code::NotAllowedNow,
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
        // Somebody presented anew since the caller read it.
        Rejection::OtherContent { .. } => Code::StaleRevision,
        Rejection::InStep { refused, .. } => code(refused),
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
    use cross_border::exchange::Digest;
    use cross_border::referral::Gate;
    use cross_border::referral::vocabulary::DataField;

    use super::*;

    #[test]
    fn shut_gates_are_named_one_by_one() {
        let rejection = Rejection::Gates(vec![Gate::ConsentMissing, Gate::NotAssessed]);
        let error = ApiError::from(CouncilError::Rejected(rejection));
        assert_eq!(error.code, Code::GatesShut);
        assert_eq!(error.details, [("gates", json!(["consent-missing", "not-assessed"]))]);
    }

    #[test]
    fn what_may_be_done_instead_is_told_by_the_names_of_mutations() {
        let allowed = vec![Action::AddEvidence, Action::RecordScan, Action::Remind, Action::Recall];
        let rejection = Rejection::NotAllowed { action: Action::Submit, stage: Stage::Sent, allowed };
        let error = ApiError::from(rejection);
        let told = "`approveReferral` is not allowed while the referral is `sent`; allowed now: announceEvidence, \
                    recallReferral";
        assert_eq!((error.code, error.message.as_str()), (Code::NotAllowedNow, told));
        let details = [("stage", json!("sent")), ("allowed", json!(["announceEvidence", "recallReferral"]))];
        assert_eq!(error.details, details);
        let nothing = Rejection::NotAllowed { action: Action::Escalate, stage: Stage::Sent, allowed: Vec::new() };
        assert!(ApiError::from(nothing).message.ends_with("allowed now: nothing"));
    }

    #[test]
    fn a_step_that_is_refused_is_named_with_its_reason() {
        let refused = Box::new(Rejection::FieldsMissing);
        let error = ApiError::from(Rejection::InStep { step: Action::Present, refused });
        assert_eq!((error.code, error.details), (Code::InvalidInput, vec![("step", json!("presentReferral"))]));
        let again = Rejection::OtherContent { presented: Digest::of(b"content") };
        let error = ApiError::from(again);
        let expected = vec![("contentDigest", json!(Digest::of(b"content").as_str()))];
        assert_eq!((error.code, error.details), (Code::StaleRevision, expected));
    }

    #[test]
    fn a_number_is_told_by_its_gate_its_text_and_its_place() {
        let at = |gate, text, offset| FoundInText { gate, text, offset };
        let found = vec![at(Gate::BankCardInText, "facts", 7), at(Gate::BankCardInText, "renditions", 7)];
        let error = ApiError::from(CouncilError::Numbers(found));
        let place = |text: &str| json!({"gate": "bank-card-in-text", "text": text, "offset": 7});
        let expected =
            vec![("gates", json!(["bank-card-in-text"])), ("texts", json!([place("facts"), place("renditions")]))];
        assert_eq!((error.code, error.details), (Code::GatesShut, expected));
    }

    #[test]
    fn each_fault_has_its_code() {
        for (error, code) in [
            (CouncilError::NoSigningKey, Code::NoSigningKey),
            (CouncilError::Erased, Code::Erased),
            (CouncilError::Busy, Code::Unavailable),
            (CouncilError::IndexLate, Code::Unavailable),
            (CouncilError::NothingToDo, Code::RuleViolated),
            (CouncilError::NotFound { what: "referral" }, Code::NotFound),
            (CouncilError::Rejected(Rejection::SameApprover), Code::SameApprover),
            (CouncilError::Rejected(Rejection::MessageOutOfPlace), Code::Internal),
            (CouncilError::Evidence(EvidenceError::Infected), Code::EvidenceInfected),
            (CouncilError::Evidence(EvidenceError::TooLarge { bytes: 2, max: 1 }), Code::EvidenceTooLarge),
            (CouncilError::Evidence(EvidenceError::Erased), Code::Erased),
            (CouncilError::Missing { fields: vec![DataField::Facts] }, Code::InvalidInput),
            (CouncilError::Beyond { fields: vec![DataField::Facts] }, Code::InvalidInput),
            (CouncilError::FileMissing { digest: Digest::of(b"x") }, Code::EvidenceNotFound),
            (CouncilError::Random, Code::Internal),
        ] {
            let text = error.to_string();
            assert_eq!(ApiError::from(error).code, code, "{text}");
        }
    }
}
