//! Why the service of a council did not do what was asked.

use domain::envelope::Revision;
use domain::id::CommandId;
use domain::wire::WireError;
use event_log::execute::{Change, ExecuteError, LoadError};
use event_log::port::{AppendError, ReadError};
use event_log::vault::VaultError;
use thiserror::Error;

use super::numbers::{FoundInText, told};
use crate::evidence::EvidenceError;
use crate::exchange::{Digest, MessageError};
use crate::index::IndexError;
use crate::referral::vocabulary::DataField;
use crate::referral::{Lapse, Rejection};
use crate::trust::TrustError;

/// Each names what was wrong; nothing was changed.
#[derive(Debug, Error)]
pub enum CouncilError {
    #[error("{0}")]
    Rejected(#[source] Rejection),
    #[error("the stream moved on from revision {read} to {actual:?}")]
    Stale { read: Revision, actual: Option<Revision>, changes: Vec<Change> },
    #[error("others kept changing the referral; try again")]
    Busy,
    #[error("the index of referrals does not show yet who else needs the files; ask again in a few seconds")]
    IndexLate,
    #[error("the command asks for nothing that is not so already")]
    NothingToDo,
    #[error("command `{command}` was used before with another body")]
    CommandReused { command: CommandId },
    #[error("there is no such {what}")]
    NotFound { what: &'static str },
    #[error("no signing key of this council is valid now; a message cannot be signed")]
    NoSigningKey,
    #[error("the person of this referral was erased; nothing more can be said of the person")]
    Erased,
    #[error("what the referral rests on has ended since it was approved: {}", lapses(.what))]
    Lapsed { what: Vec<Lapse> },
    #[error("no message has a place for `{}`", .field.code())]
    NoPlace { field: DataField },
    #[error("{} would leave and is neither in the case nor given", codes(.fields))]
    Missing { fields: Vec<DataField> },
    #[error("{} is given and not among the fields that would leave", codes(.fields))]
    Beyond { fields: Vec<DataField> },
    #[error("file `{digest}` was announced and is not here yet; put it in first")]
    FileMissing { digest: Digest },
    #[error("{}", told(.0))]
    Numbers(Vec<FoundInText>),
    #[error("the message is not one that may be sent")]
    Message(#[source] MessageError),
    #[error("the evidence was not taken")]
    Evidence(#[source] EvidenceError),
    #[error("a signature could not be made")]
    Trust(#[source] TrustError),
    #[error("no random bytes could be drawn")]
    Random,
    #[error("the vault refused")]
    Vault(#[source] VaultError),
    #[error("the log refused the append")]
    Append(#[source] AppendError),
    #[error("the log could not be read")]
    Read(#[source] ReadError),
    #[error("a stored event cannot be read")]
    Wire(#[source] WireError),
    #[error("an event cannot be written as JSON")]
    Encode(#[source] serde_json::Error),
    #[error("the index of referrals could not be read")]
    Index(#[source] IndexError),
    #[error("a task of ours broke off")]
    Task(#[source] tokio::task::JoinError),
}

fn codes(fields: &[DataField]) -> String {
    fields.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(", ")
}

fn lapses(what: &[Lapse]) -> String {
    what.iter().map(|lapse| format!("`{lapse}`")).collect::<Vec<_>>().join(", ")
}

impl CouncilError {
    /// Whether the same call may succeed later with nothing changed by the caller.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Busy
            | Self::IndexLate
            | Self::NoSigningKey
            | Self::Random
            | Self::Read(_)
            | Self::Index(_)
            | Self::Task(_) => true,
            Self::Append(error) => error.is_retryable(),
            // Another node may run the program that wrote it.
            Self::Wire(error) => error.is_of_newer_program(),
            Self::Vault(error) | Self::Evidence(EvidenceError::Vault(error)) => error.is_retryable(),
            Self::Evidence(error) => matches!(error, EvidenceError::Io(_)),
            Self::Rejected(_)
            | Self::Stale { .. }
            | Self::NothingToDo
            | Self::CommandReused { .. }
            | Self::NotFound { .. }
            | Self::Erased
            | Self::Lapsed { .. }
            | Self::NoPlace { .. }
            | Self::Missing { .. }
            | Self::Beyond { .. }
            | Self::FileMissing { .. }
            | Self::Numbers(_)
            | Self::Message(_)
            | Self::Trust(_)
            | Self::Encode(_) => false,
        }
    }
}

impl From<ExecuteError<Rejection>> for CouncilError {
    fn from(error: ExecuteError<Rejection>) -> Self {
        match error {
            ExecuteError::Rejected(rejection) => Self::Rejected(rejection),
            ExecuteError::Stale { read, actual, changes } => Self::Stale { read, actual, changes },
            ExecuteError::Busy => Self::Busy,
            ExecuteError::NothingToDo => Self::NothingToDo,
            ExecuteError::Append(AppendError::CommandReused { command, .. }) => Self::CommandReused { command },
            ExecuteError::Append(error) => Self::Append(error),
            ExecuteError::Read(error) => Self::Read(error),
            ExecuteError::Wire(error) => Self::Wire(error),
            ExecuteError::Encode(error) => Self::Encode(error),
        }
    }
}

impl From<LoadError> for CouncilError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Read(error) => Self::Read(error),
            LoadError::Wire(error) => Self::Wire(error),
        }
    }
}

impl From<VaultError> for CouncilError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Destroyed { .. } => Self::Erased,
            error => Self::Vault(error),
        }
    }
}

impl From<EvidenceError> for CouncilError {
    fn from(error: EvidenceError) -> Self {
        match error {
            EvidenceError::Erased => Self::Erased,
            error => Self::Evidence(error),
        }
    }
}

impl From<MessageError> for CouncilError {
    fn from(error: MessageError) -> Self {
        Self::Message(error)
    }
}

impl From<TrustError> for CouncilError {
    fn from(error: TrustError) -> Self {
        Self::Trust(error)
    }
}

impl From<WireError> for CouncilError {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

impl From<IndexError> for CouncilError {
    fn from(error: IndexError) -> Self {
        Self::Index(error)
    }
}
