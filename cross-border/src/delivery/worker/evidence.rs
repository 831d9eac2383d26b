//! The files that belong to a message, brought behind it.

use domain::envelope::Position;
use event_log::causes::with_causes;

use super::Terms;
use super::attempt::{Attempt, Trouble};
use crate::council::CouncilError;
use crate::delivery::client::{CallError, PartnerClient, Signer};
use crate::delivery::vocabulary::FailureCode;
use crate::evidence::EvidenceError;
use crate::exchange::{Body, Digest, EvidenceItem, Message, RefusalCode, SharedId, SignedMessage};
use crate::referral::{ReferralId, Transfer};

/// A file that nobody has to bring any more.
pub(super) struct Brought {
    /// Why the partner will never take it; `None` when it has it.
    pub(super) refused: Option<CallError>,
    /// Where the record of it stands, if there is a new one.
    pub(super) position: Option<Position>,
}

/// The items of evidence that a message announces.
pub(in crate::delivery) fn announced(message: &SignedMessage) -> Vec<EvidenceItem> {
    match Message::parse(&message.text).map(|message| message.body) {
        Ok(Body::Submission(submission)) => submission.evidence,
        Ok(Body::Evidence(evidence)) => vec![evidence.item],
        Ok(_) | Err(_) => Vec::new(),
    }
}

/// Brings every file of the message that lies here, as long as the partner may get any; bringing one again changes
/// nothing. Gives the first refusal of a file that will stay one. A file that is not here yet goes when it comes: see
/// [`super::late`].
pub(super) async fn bring(attempt: &mut Attempt<'_>, message: &SignedMessage) -> Result<Option<CallError>, Trouble> {
    let (terms, client, row) = (attempt.terms, attempt.client, attempt.row);
    let mut refused = None;
    for item in announced(message) {
        // The message itself has to go, or a recall behind it would have no place; its files do not. Asked before each
        // of them: many take long, and the referral may be called back or returned meanwhile.
        if !gives_files(attempt).await? {
            break;
        }
        let bytes = match terms.council.file(row.referral, &item.digest).await {
            Ok((_, bytes)) => bytes,
            Err(CouncilError::Evidence(EvidenceError::NotFound) | CouncilError::NotFound { .. }) => continue,
            // It went with the person, and nobody has to bring it any more. The message did not: the partner has it.
            Err(CouncilError::Erased) => {
                let erased = CallError::refused(RefusalCode::Erased);
                recorded(terms, row.referral, &item.digest, Some(erased)).await;
                continue;
            }
            Err(CouncilError::Evidence(EvidenceError::Infected)) => {
                let infected = CallError::refused(RefusalCode::EvidenceInfected);
                refused = refused.or(Some(CallError { code: FailureCode::Evidence, ..infected }));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        attempt.prolong(terms.options.client().evidence_timeout).await;
        let brought = put(terms, client, (row.referral, row.shared), &item.digest, bytes).await?;
        refused = refused.or(brought.refused);
    }
    Ok(refused)
}

/// Brings the bytes of a file, and records that the partner has them or will never take them.
pub(super) async fn put(
    terms: &Terms,
    client: &PartnerClient,
    (referral, shared): (ReferralId, SharedId),
    digest: &Digest,
    bytes: Vec<u8>,
) -> Result<Brought, Trouble> {
    let council = &terms.council;
    let key = council.keys.active(council.moment()).ok_or(Trouble::NoKey)?;
    let signer = Signer { key, now: council.moment() };
    let refused = match client.put_evidence(signer, shared, digest, bytes).await {
        Ok(()) => None,
        Err(error) if error.may_pass() => return Err(error.into()),
        Err(error) => Some(error),
    };
    Ok(recorded(terms, referral, digest, refused).await)
}

/// Records that a file has not to be brought any more. Where that fails the file is brought once more, which does no
/// harm.
pub(super) async fn recorded(
    terms: &Terms,
    referral: ReferralId,
    digest: &Digest,
    refused: Option<CallError>,
) -> Brought {
    let code = refused.as_ref().map(|error| error.detail.as_deref().unwrap_or_else(|| error.code.code()));
    // Boxed: deciding is a large future.
    let position = match Box::pin(terms.council.record_brought(referral, digest, code)).await {
        Ok(position) => position,
        Err(error) => {
            tracing::error!(referral.id = %referral, error = %with_causes(&error), "A file that was brought is not recorded");
            None
        }
    };
    Brought { refused, position }
}

async fn gives_files(attempt: &Attempt<'_>) -> Result<bool, Trouble> {
    let (_, loaded) = attempt.terms.council.find(&attempt.row.partner, attempt.row.shared).await?;
    Ok(loaded.state.transfer().is_some_and(Transfer::gives_files))
}
