//! The codes of the contract as an enum of the schema.

use async_graphql::Enum;

/// Why a request was not answered as asked: `extensions.code` of an error.
///
/// Beside it `extensions.retryable` says whether the same request may succeed later. Errors of the GraphQL protocol itself (`GRAPHQL_VALIDATION_FAILED` and
/// others, see the guide) are never retryable.
#[derive(Debug, Enum, Copy, Clone, Eq, PartialEq)]
#[graphql(remote = "cross_border::exchange::RefusalCode")]
pub enum RefusalCode {
    /// The request carries no signature with the label `baycase`.
    SignatureMissing,
    /// The signature does not fit the profile, or is not the key's over this request.
    BadSignature,
    /// The signature has expired, or was made in the future. Compare the clocks, and sign every attempt anew.
    SignatureExpired,
    /// The signature was used before. Sign every attempt anew, with a new nonce.
    NonceReplayed,
    /// No council has the key that the signature names. Exchange keys first.
    UnknownKey,
    /// The key is not valid at this time.
    KeyNotValid,
    /// The body is not the one that was signed.
    TamperedBody,
    /// The connection shows no client certificate, or not one of the council whose key signed.
    CertificateRefused,
    /// The message or the receipt is for another council.
    WrongRecipient,
    /// The message or the receipt is by another council than the one that brought it.
    WrongSender,
    /// The JWS is not that of the named key over the text of the message.
    BadStatement,
    /// The message is of another version than 1.
    VersionUnsupported,
    /// The message breaks a limit or a rule; the text says which.
    Invalid,
    /// A code that is not known here; the text lists those that are. Never guess another in its place.
    UnknownCode,
    /// There is no such referral between the two councils, or not yet: its submission may still be under way.
    UnknownReferral,
    /// The referral is between other councils, or was begun by another than the message says.
    ForeignReferral,
    /// This kind of message is for the other council to send.
    WrongSide,
    /// Another message was taken for this place of the lane. A lane is written once; a person must find out which
    /// holds.
    Equivocation,
    /// The message does not follow the one before it, or its clock does not.
    BrokenChain,
    /// More than 64 messages before it are missing here. Send those first.
    TooFarAhead,
    /// The message claims to have seen a message that was never written here, or another one.
    SeenUnknown,
    /// No message has announced this file.
    EvidenceUnannounced,
    /// The bytes are not those that were announced.
    EvidenceDigest,
    /// Files of this kind are not taken, or the bytes are of another kind than announced.
    EvidenceType,
    /// The file has more than 10,485,760 bytes.
    EvidenceTooLarge,
    /// Malicious content was found in the file.
    EvidenceInfected,
    /// The file is not here.
    EvidenceNotFound,
    /// The body of the request, or the text of the message, has more bytes than allowed.
    BodyTooLarge,
    /// The body did not come in time, or the answer was not ready in time.
    Timeout,
    /// Too many requests; `Retry-After` says how many seconds to wait.
    RateLimited,
    /// No agreement between the two places is in force.
    NoAgreement,
    /// The consent that the message needs is not there.
    ConsentMissing,
    /// The person's data were erased; nothing can be added to them. Or it is about a file, and the referral was
    /// recalled or returned.
    Erased,
    /// It cannot be done now. Nothing was changed.
    Unavailable,
    /// An error of ours. Nothing was changed, or the same message will find what was.
    Internal,
}

#[cfg(test)]
mod tests {
    use async_graphql::resolver_utils::EnumType as _;
    use cross_border::exchange::RefusalCode as Code;

    use super::RefusalCode;

    #[test]
    fn the_schema_lists_every_code_by_its_own_name() {
        let listed: Vec<&str> = RefusalCode::items().iter().map(|item| item.name).collect();
        let codes: Vec<&str> = Code::ALL.iter().map(|code| code.code()).collect();
        assert_eq!(listed, codes);
    }
}
