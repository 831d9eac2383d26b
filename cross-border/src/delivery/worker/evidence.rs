//! The files that belong to a message, brought behind it.

use super::attempt::{Attempt, Trouble};
use crate::council::CouncilError;
use crate::delivery::client::{CallError, Signer};
use crate::delivery::vocabulary::FailureCode;
use crate::evidence::EvidenceError;
use crate::exchange::{Body, EvidenceItem, Message, RefusalCode, SignedMessage};

/// The items of evidence that a message announces.
pub(in crate::delivery) fn announced(message: &SignedMessage) -> Vec<EvidenceItem> {
    match Message::parse(&message.text).map(|message| message.body) {
        Ok(Body::Submission(submission)) => submission.evidence,
        Ok(Body::Evidence(evidence)) => vec![evidence.item],
        Ok(_) | Err(_) => Vec::new(),
    }
}

/// Brings every file of the message that lies here; bringing one again changes nothing. Gives the first refusal of a
/// file that will stay one. Announced files that are not here are nobody's to bring.
pub(super) async fn bring(attempt: &mut Attempt<'_>, message: &SignedMessage) -> Result<Option<CallError>, Trouble> {
    let items = announced(message);
    // The message of a referral that was called back has to go, or the recall would have no place; its files do not.
    if items.is_empty() || is_recalled(attempt).await? {
        return Ok(None);
    }
    let (terms, row) = (attempt.terms, attempt.row);
    let council = &terms.council;
    let mut refused = None;
    for item in items {
        let bytes = match council.file(row.referral, &item.digest).await {
            Ok((_, bytes)) => bytes,
            Err(CouncilError::Evidence(EvidenceError::NotFound) | CouncilError::NotFound { .. }) => continue,
            Err(CouncilError::Evidence(EvidenceError::Infected)) => {
                let infected = CallError::refused(RefusalCode::EvidenceInfected);
                refused = refused.or(Some(CallError { code: FailureCode::Evidence, ..infected }));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        attempt.prolong(terms.options.client().evidence_timeout).await;
        let key = council.keys.active(council.moment()).ok_or(Trouble::NoKey)?;
        let signer = Signer { key, now: council.moment() };
        match attempt.client.put_evidence(signer, row.shared, &item.digest, bytes).await {
            Ok(()) => {}
            Err(error) if error.may_pass() => return Err(error.into()),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Ok(refused)
}

async fn is_recalled(attempt: &Attempt<'_>) -> Result<bool, Trouble> {
    let (_, loaded) = attempt.terms.council.find(&attempt.row.partner, attempt.row.shared).await?;
    Ok(loaded.state.transfer().is_some_and(|transfer| transfer.stage.is_recalled()))
}
