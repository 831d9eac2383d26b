//! Files that came later than their message, or could not be brought with it: each goes on its own account.
//!
//! An officer may tell of a file and put it in days later. The message does not wait for it, or a file that nobody ever
//! puts in would hold up all that follows, a recall among it. What is owed stands in the index, and that it was brought
//! stands in the referral; between the two nothing is kept but when to try again.

use std::sync::Arc;

use event_log::causes::with_causes;

use super::attempt::{Ended, Outcome, Trouble, outcome};
use super::evidence::{self, Brought};
use super::{Terms, journal};
use crate::council::CouncilError;
use crate::delivery::client::{CallError, PartnerClient};
use crate::delivery::vocabulary::FailureCode;
use crate::exchange::RefusalCode;
use crate::index::EvidenceRow;

/// Tries to bring one file. No lease is taken: two workers that bring the same file do what is repeatable.
pub(super) async fn attempt(terms: Arc<Terms>, client: PartnerClient, row: EvidenceRow) -> Ended {
    // Boxed: it is a large future, and a worker holds many of them.
    let brought = Box::pin(bring(&terms, &client, &row)).await;
    let (partner, referral) = (&row.partner, row.referral);
    match brought {
        Ok(Some(Brought { refused: None, position })) => {
            tracing::info!(
                referral.id = %referral,
                partner = %partner,
                "Brought a file of `{referral}` to `{partner}`",
            );
            Ended { outcome: Outcome::Well { hold: None }, position }
        }
        Ok(Some(Brought { refused: Some(error), position })) => {
            let code = error.detail.as_deref().unwrap_or_default();
            tracing::error!(
                referral.id = %referral,
                partner = %partner,
                code,
                "`{partner}` refuses a file of `{referral}` for good",
            );
            Ended { outcome: outcome(&terms, &error), position }
        }
        // The index is behind: it was brought, called back or erased meanwhile.
        Ok(None) => Ended { outcome: Outcome::NotTried, position: None },
        Err(trouble) => failed(&terms, &row, trouble).await,
    }
}

async fn bring(terms: &Terms, client: &PartnerClient, row: &EvidenceRow) -> Result<Option<Brought>, Trouble> {
    let council = &terms.council;
    let (_, loaded) = council.find(&row.partner, row.shared).await?;
    if !loaded.state.transfer().is_some_and(|transfer| transfer.owes_file(&row.digest)) {
        return Ok(None);
    }
    let bytes = match council.file(row.referral, &row.digest).await {
        Ok((_, bytes)) => bytes,
        // It went with the person, and nobody has to bring it any more.
        Err(CouncilError::Erased) => {
            let erased = CallError::refused(RefusalCode::Erased);
            evidence::recorded(terms, row.referral, &row.digest, Some(erased)).await;
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    evidence::put(terms, client, (row.referral, row.shared), &row.digest, bytes).await.map(Some)
}

/// Tells why the file did not go. It rests and is tried again; nothing waits for it meanwhile.
async fn failed(terms: &Terms, row: &EvidenceRow, trouble: Trouble) -> Ended {
    let (partner, referral, rest) = (&row.partner, row.referral, terms.options.max.as_secs());
    let error = match trouble {
        Trouble::Call(error) => error,
        Trouble::NoKey => CallError::new(FailureCode::Unsigned),
        Trouble::Erased => CallError::new(FailureCode::Erased),
        Trouble::Own(error) => {
            let error = with_causes(&error);
            tracing::error!(
                referral.id = %referral,
                partner = %partner,
                error,
                "A file of `{referral}` could not be handled; it is tried again in {rest} seconds",
            );
            return Ended { outcome: Outcome::NotTried, position: None };
        }
    };
    journal(&terms.council, partner, &error).await;
    tracing::warn!(
        referral.id = %referral,
        partner = %partner,
        code = error.code.code(),
        status = error.status,
        detail = error.detail.as_deref().unwrap_or_default(),
        cause = error.cause.as_deref().unwrap_or_default(),
        "A file of `{referral}` did not reach `{partner}`; it is tried again in {rest} seconds",
    );
    Ended { outcome: outcome(terms, &error), position: None }
}
