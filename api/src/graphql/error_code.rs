//! Every code that `extensions.code` can carry, as one enum of the schema.

use async_graphql::Enum;

/// Why there is no answer: `extensions.code` of an error is one of these.
#[derive(Debug, Enum, Copy, Clone, Eq, PartialEq)]
pub enum ErrorCode {
    /// The filing or the unit is registered already.
    AlreadyExists,
    /// The body or its parameters are not a GraphQL request.
    BadRequest,
    /// Several requests came in one body.
    BatchNotSupported,
    /// The body has more bytes than allowed.
    BodyTooLarge,
    /// The command id was used before with another body; a new act needs a new id.
    CommandReused,
    /// The document selects more, or carries more directives, than allowed.
    DocumentTooComplex,
    /// The document nests deeper than allowed.
    DocumentTooDeep,
    /// The document has more bytes than allowed.
    DocumentTooLarge,
    /// A mutation's root holds one response key twice.
    DuplicateMutationField,
    /// The person was erased; nothing more can be said or read of it. Or the other council called back what it sent,
    /// and until that is erased a head alone reads it.
    Erased,
    /// The bytes are not those that were announced.
    EvidenceDigest,
    /// A virus was found in the file.
    EvidenceInfected,
    /// The file was announced, but its bytes are not here.
    EvidenceNotFound,
    /// The file has more bytes than allowed.
    EvidenceTooLarge,
    /// Files of this kind are not taken, or the bytes are of another kind than announced.
    EvidenceType,
    /// No such file was announced for this referral.
    EvidenceUnannounced,
    /// The token's role or unit does not allow it.
    Forbidden,
    /// Gates before sending across the border are shut; `gates` names each of them.
    GatesShut,
    /// The document is not GraphQL.
    GraphqlParseFailed,
    /// The document, its variables or its arguments do not fit the schema.
    GraphqlValidationFailed,
    /// Our fault; the request id leads to the cause in our log.
    Internal,
    /// An argument is not of its form.
    InvalidInput,
    /// The method is not allowed here, or not for this operation.
    MethodNotAllowed,
    /// Nothing the client accepts can carry the answer.
    NotAcceptable,
    /// No agreement with the partner is in force.
    NoAgreement,
    /// Our council has no signing key that is valid now, so nothing can be told to partners.
    NoSigningKey,
    /// The state of the case does not allow the act; `allowed` lists what it does.
    NotAllowedNow,
    /// There is nothing with that id that the caller may see.
    NotFound,
    /// The read models have not reached the position asked for; try again.
    NotYet,
    /// Too many requests; wait and try again.
    RateLimited,
    /// A rule of the law or of the practice forbids it.
    RuleViolated,
    /// Who prepared a referral cannot approve it too.
    SameApprover,
    /// The case moved on since the revision the caller had read; `changes` lists what happened.
    StaleRevision,
    /// The time for this request is over.
    Timeout,
    /// A time in the future, too long ago, or before the last act.
    TimeOutOfRange,
    /// The document uses more aliases than allowed.
    TooManyAliases,
    /// A mutation's root holds more fields than are carried out at once.
    TooManyMutationFields,
    /// One WebSocket connection asked for more operations at once than allowed.
    TooManySubscriptions,
    /// No valid token came, or it has expired.
    Unauthenticated,
    /// The server cannot do it now; try again, here or at another node. An act is repeated with its own `commandId`:
    /// then it happens once, whatever became of it before.
    Unavailable,
    /// No such partner council in the register.
    UnknownPartner,
    /// No such region in the table of divisions.
    UnknownRegion,
    /// No such rule, or none in force on that day.
    UnknownRule,
    /// No such unit is registered, or it is retired.
    UnknownUnit,
    /// The body is not `application/json` in UTF-8.
    UnsupportedMediaType,
}

#[cfg(test)]
mod tests {
    use async_graphql::resolver_utils::EnumType as _;

    use super::ErrorCode;
    use crate::edge::fault::Code as EdgeCode;
    use crate::graphql::error::Code;

    #[test]
    fn the_schema_lists_every_code_and_no_other() {
        let mut sent: Vec<&str> =
            EdgeCode::ALL.iter().map(|code| code.as_str()).chain(Code::ALL.iter().map(|code| code.as_str())).collect();
        sent.sort_unstable();
        sent.dedup();
        let mut listed: Vec<&str> = ErrorCode::items().iter().map(|item| item.name).collect();
        listed.sort_unstable();
        assert_eq!(listed, sent);
    }
}
