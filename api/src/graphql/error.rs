//! What a client may see of an error: one code of a closed list, a sentence, and details it can act on.

use std::fmt;

use async_graphql::ErrorExtensions;
use domain::complaint::Rejection;
use domain::filing::FilingRejection;
use domain::org::UnitRejection;
use domain::wire::WireError;
use event_log::causes::with_causes;
use event_log::execute::{ExecuteError, LoadError};
use event_log::port::{AppendError, LogFault, ReadError};
use projections::QueryError;
use serde_json::{Value, json};

/// The codes of the application; those of the protocol stand in [`crate::edge`].
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal;)+) => {
        /// Why a field has no answer: `extensions.code`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code { $($(#[$doc])* $variant,)+ }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code as it travels.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }
        }
    };
}

codes! {
    /// The token's role or unit does not allow it.
    Forbidden = "FORBIDDEN";
    /// There is nothing with that id that the caller may see.
    NotFound = "NOT_FOUND";
    /// An argument is not of its form.
    InvalidInput = "INVALID_INPUT";
    /// No such unit is registered, or it is retired.
    UnknownUnit = "UNKNOWN_UNIT";
    /// No such region in the table of divisions.
    UnknownRegion = "UNKNOWN_REGION";
    /// No such rule, or none in force on that day.
    UnknownRule = "UNKNOWN_RULE";
    /// The state of the case does not allow the act; `allowed` lists what it does.
    NotAllowedNow = "NOT_ALLOWED_NOW";
    /// A time in the future, too long ago, or before the last act.
    TimeOutOfRange = "TIME_OUT_OF_RANGE";
    /// The stream moved on since the revision the caller had read; `changes` lists what happened.
    StaleRevision = "STALE_REVISION";
    /// The command id was used before with another body.
    CommandReused = "COMMAND_REUSED";
    /// The filing or the unit is registered already.
    AlreadyExists = "ALREADY_EXISTS";
    /// A rule of the law or of the practice forbids it.
    RuleViolated = "RULE_VIOLATED";
    /// Gates before sending across the border are shut; `gates` names each of them.
    GatesShut = "GATES_SHUT";
    /// Our council has no signing key that is valid now, so nothing can be told to partners.
    NoSigningKey = "NO_SIGNING_KEY";
    /// Who prepared a referral cannot approve it too.
    SameApprover = "SAME_APPROVER";
    /// No such partner council in the register.
    UnknownPartner = "UNKNOWN_PARTNER";
    /// No agreement with the partner is in force.
    NoAgreement = "NO_AGREEMENT";
    /// The person was erased; nothing more can be said or read of it. Or the other council called back what it sent,
    /// and until that is erased a head alone reads it.
    Erased = "ERASED";
    /// No such file was announced for this referral.
    EvidenceUnannounced = "EVIDENCE_UNANNOUNCED";
    /// The bytes are not those that were announced.
    EvidenceDigest = "EVIDENCE_DIGEST";
    /// Files of this kind are not taken, or the bytes are of another kind than announced.
    EvidenceType = "EVIDENCE_TYPE";
    /// The file has more bytes than allowed.
    EvidenceTooLarge = "EVIDENCE_TOO_LARGE";
    /// A virus was found in the file.
    EvidenceInfected = "EVIDENCE_INFECTED";
    /// The file was announced, but its bytes are not here.
    EvidenceNotFound = "EVIDENCE_NOT_FOUND";
    /// The read models have not reached the position asked for; try again.
    NotYet = "NOT_YET";
    /// Too many requests; wait and try again.
    RateLimited = "RATE_LIMITED";
    /// The server cannot do it now; try again, here or at another node. An act is repeated with its own `commandId`:
    /// then it happens once, whatever became of it before.
    Unavailable = "UNAVAILABLE";
    /// Our fault; the request id leads to the cause in our log.
    Internal = "INTERNAL";
}

/// An error as a client sees it.
#[derive(Debug, Clone)]
pub struct ApiError {
    pub code: Code,
    pub message: String,
    pub details: Vec<(&'static str, Value)>,
}

/// What every field that can fail returns: the `Option` stands outside, so that a failing field is null and its
/// neighbours keep their answers.
pub type Field<T> = Option<async_graphql::Result<T>>;

impl ApiError {
    /// An error with a code and a sentence.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Vec::new() }
    }

    /// The caller may not do or see it.
    #[must_use]
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(Code::Forbidden, message)
    }

    /// Nothing with that id that the caller may see: the same answer whether it exists elsewhere or not.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no {what} with that id in your area"))
    }

    /// An argument is wrong.
    #[must_use]
    pub fn invalid(message: impl fmt::Display) -> Self {
        Self::new(Code::InvalidInput, message.to_string())
    }

    /// Our own fault: the cause is logged once, here, and never sent.
    #[must_use]
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error.chain = %with_causes(error), "A request failed for a reason of our own");
        Self::new(Code::Internal, "an error of ours; the request id leads to its cause")
    }

    /// Adds a detail the client can act on.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: Value) -> Self {
        self.details.push((key, value));
        self
    }
}

impl From<ApiError> for async_graphql::Error {
    fn from(error: ApiError) -> Self {
        Self::new(error.message).extend_with(|_, extensions| {
            extensions.set("code", error.code.as_str());
            for (key, value) in error.details {
                if let Ok(value) = async_graphql::Value::from_json(value) {
                    extensions.set(key, value);
                }
            }
        })
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        match &error {
            QueryError::PageSize { .. } | QueryError::TextTooLong { .. } | QueryError::SeriesTooLong { .. } => {
                Self::invalid(error)
            }
            QueryError::UnknownUnit(_) => Self::new(Code::UnknownUnit, "no such unit in your area"),
            _ => Self::internal(&error),
        }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match &error {
            ReadError::Fault(fault) if fault.passes_by_itself() => out_of_reach(fault),
            ReadError::Closed => Self::new(Code::Unavailable, "this server is stopping; try again"),
            ReadError::Fault(_) | ReadError::Store(_) | ReadError::Damaged { .. } => Self::internal(&error),
        }
    }
}

impl From<WireError> for ApiError {
    fn from(error: WireError) -> Self {
        if !error.is_of_newer_program() {
            return Self::internal(&error);
        }
        tracing::warn!(error = %error, "A newer program wrote what was asked for; this node has to be one too");
        let message = "a newer version of this service wrote it, which this node does not run yet; try again";
        Self::new(Code::Unavailable, message)
    }
}

impl From<LoadError> for ApiError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Read(error) => error.into(),
            LoadError::Wire(error) => error.into(),
        }
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        let code = match &rejection {
            Rejection::NotRegistered => Code::NotFound,
            Rejection::AlreadyRegistered(_) => Code::AlreadyExists,
            Rejection::NotAllowed { .. } => Code::NotAllowedNow,
            Rejection::InFuture { .. } | Rejection::TooLongAgo { .. } | Rejection::BeforeLastAct { .. } => {
                Code::TimeOutOfRange
            }
            Rejection::TextMissing { .. }
            | Rejection::TextTooLong { .. }
            | Rejection::TextUnseen { .. }
            | Rejection::Number(_)
            | Rejection::CreditCode
            | Rejection::SameUnit
            | Rejection::RoutesMissing => Code::InvalidInput,
            Rejection::Clock(domain::clock::ClockError::NoRuleInForce { .. }) => Code::UnknownRule,
            _ => Code::RuleViolated,
        };
        let error = Self::new(code, rejection.to_string());
        match rejection {
            Rejection::NotAllowed { stage, allowed, .. } => error
                .with("stage", json!(stage.code()))
                .with("allowed", json!(allowed.iter().map(|action| action.code()).collect::<Vec<_>>())),
            _ => error,
        }
    }
}

impl From<FilingRejection> for ApiError {
    fn from(rejection: FilingRejection) -> Self {
        let code = match &rejection {
            FilingRejection::AlreadyRegistered(_) => Code::AlreadyExists,
            FilingRejection::Items(_)
            | FilingRejection::ItemNumber(_)
            | FilingRejection::InClear { .. }
            | FilingRejection::NoSuchMatter(_) => Code::InvalidInput,
            FilingRejection::NotRegistered => Code::NotFound,
            FilingRejection::NotFailed(_) | FilingRejection::Settled(_) => Code::RuleViolated,
            FilingRejection::Item { source, .. } => Self::from(source.clone()).code,
            FilingRejection::InFuture | FilingRejection::TooLate => Code::TimeOutOfRange,
        };
        Self::new(code, rejection.to_string())
    }
}

impl From<UnitRejection> for ApiError {
    fn from(rejection: UnitRejection) -> Self {
        let code = match &rejection {
            UnitRejection::UnknownRegion(_) => Code::UnknownRegion,
            UnitRejection::AlreadyRegistered(_) => Code::AlreadyExists,
            UnitRejection::Name(_) | UnitRejection::WrongLevel { .. } | UnitRejection::OwnSuccessor => {
                Code::InvalidInput
            }
            UnitRejection::NotRegistered | UnitRejection::Retired(_) => Code::UnknownUnit,
        };
        Self::new(code, rejection.to_string())
    }
}

impl<R> From<ExecuteError<R>> for ApiError
where
    R: std::error::Error + 'static,
    Self: From<R>,
{
    fn from(error: ExecuteError<R>) -> Self {
        match error {
            ExecuteError::Rejected(rejection) => rejection.into(),
            ExecuteError::Stale { read, actual, changes } => {
                let actual = actual.map(|revision| revision.to_string());
                Self::new(Code::StaleRevision, format!("it moved on since revision {read}; read it again"))
                    .with("revision", json!(actual))
                    .with(
                        "changes",
                        changes
                            .iter()
                            .map(|change| {
                                json!({
                                    "revision": change.revision.to_string(),
                                    "kind": &*change.kind,
                                    "actor": &*change.actor,
                                })
                            })
                            .collect(),
                    )
            }
            ExecuteError::Busy => Self::new(Code::Unavailable, "others keep changing it; try again"),
            ExecuteError::NothingToDo => Self::new(Code::RuleViolated, "it is so already; nothing was changed"),
            ExecuteError::Append(error) => append(&error),
            ExecuteError::Read(error) => error.into(),
            ExecuteError::Wire(error) => error.into(),
            error @ ExecuteError::Encode(_) => Self::internal(&error),
        }
    }
}

/// What a client is told when the servers of the log cannot be reached, or do not answer in time.
fn out_of_reach(fault: &LogFault) -> ApiError {
    tracing::warn!(log.fault = fault.code(), error = %fault, "The log cannot be reached now");
    ApiError::new(Code::Unavailable, "the log cannot be reached now; try again, an act with the same `commandId`")
}

fn append(error: &AppendError) -> ApiError {
    match error {
        AppendError::CommandReused { .. } => ApiError::new(
            Code::CommandReused,
            "this command id was used before with another body; a new act needs a new id",
        ),
        AppendError::PayloadTooLarge { .. } | AppendError::BatchSize { .. } | AppendError::TooLarge { .. } => {
            ApiError::invalid(error)
        }
        AppendError::Fault(fault) if fault.passes_by_itself() => out_of_reach(fault),
        AppendError::Overloaded | AppendError::DiskFull | AppendError::Closed => {
            tracing::warn!(error = %error, "The log does not take an append now");
            ApiError::new(Code::Unavailable, "the log cannot be written now; nothing was changed; try again")
        }
        AppendError::Conflict { .. } | AppendError::Store(_) | AppendError::Fault(_) => ApiError::internal(error),
    }
}

#[cfg(test)]
mod tests {
    use domain::envelope::Revision;
    use domain::id::StreamId;

    use super::*;

    #[test]
    fn what_passes_is_to_be_tried_again_and_what_does_not_is_ours() {
        let truncated = || LogFault::Truncated {
            stream: StreamId::parse("filing-1").unwrap(),
            expected: Revision::new(1),
            found: Revision::new(2),
        };
        let last = || "192.0.2.1 refused".to_owned();
        for (error, code) in [
            (ApiError::from(ReadError::Fault(LogFault::TimedOut)), Code::Unavailable),
            (ApiError::from(ReadError::Fault(LogFault::Unreachable { last: last() })), Code::Unavailable),
            (ApiError::from(ReadError::Closed), Code::Unavailable),
            (ApiError::from(ReadError::Fault(truncated())), Code::Internal),
            (ApiError::from(LoadError::Read(ReadError::Fault(LogFault::TimedOut))), Code::Unavailable),
            (append(&AppendError::Fault(LogFault::NoLeader { last: last() })), Code::Unavailable),
            (append(&AppendError::Fault(truncated())), Code::Internal),
            (append(&AppendError::Overloaded), Code::Unavailable),
            (append(&AppendError::TooLarge { bytes: 2, max: 1 }), Code::InvalidInput),
        ] {
            assert_eq!(error.code, code, "{}", error.message);
            // Where our servers are is nobody's business.
            assert!(!error.message.contains("192.0.2.1"), "{}", error.message);
        }
    }

    #[test]
    fn what_a_newer_program_wrote_may_be_had_elsewhere() {
        let kind = || "complaint.beamed-up".into();
        let newer = WireError::UnknownSchema { kind: kind(), schema: 2, known: 1 };
        for error in [WireError::UnknownKind { kind: kind() }, newer] {
            assert_eq!(ApiError::from(LoadError::Wire(error)).code, Code::Unavailable);
        }
        let source = serde_json::from_str::<u8>("x").unwrap_err();
        assert_eq!(ApiError::from(WireError::Shape { kind: kind(), schema: 1, source }).code, Code::Internal);
    }
}
