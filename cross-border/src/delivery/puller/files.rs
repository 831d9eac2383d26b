//! The files that a partner has told of: fetched with their message, or later when the partner has them.

use event_log::causes::with_causes;

use super::super::vocabulary::FailureCode;
use super::super::worker::announced;
use super::{PullError, Source, may_pass};
use crate::evidence::EVIDENCE_BYTES_MAX;
use crate::exchange::{Digest, Message, SharedId, SignedMessage};

/// Most missing files that are asked for at a time.
const MISSING_MAX: u32 = 1_000;

impl Source {
    /// Fetches the files that a message announced and that are not here yet.
    pub(super) async fn fetch_evidence(&self, message: &SignedMessage) -> Result<(), PullError> {
        let items = announced(message);
        let Some(shared) = shared_of(message).filter(|_| !items.is_empty()) else { return Ok(()) };
        for item in items {
            self.fetch_file(shared, &item.digest).await?;
        }
        Ok(())
    }

    /// Asks again for the files that the partner has told of and did not have then; one that fails keeps no other.
    pub(super) async fn fetch_missing(&self) -> Result<(), PullError> {
        let (index, partner) = (self.council.index.clone(), self.client.partner().clone());
        let asked = tokio::task::spawn_blocking(move || index.evidence_missing(&partner, MISSING_MAX)).await;
        let mut failed = None;
        for row in asked.map_err(PullError::Task)?.map_err(PullError::Index)? {
            match self.fetch_file(row.shared, &row.digest).await {
                Ok(()) => {}
                Err(error) if is_about_the_file(&error) => failed = failed.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Logs why missing files could not be asked for.
    pub(super) fn tell_of_missing(&self, fetched: Result<(), PullError>) {
        if let Err(error) = fetched {
            let partner = self.client.partner();
            tracing::warn!(partner = %partner, error = %with_causes(&error), "Files of `{partner}` are still missing");
        }
    }

    async fn fetch_file(&self, shared: SharedId, digest: &Digest) -> Result<(), PullError> {
        if !self.is_awaited(shared, digest).await {
            return Ok(());
        }
        let partner = self.client.partner();
        let fetched = self.client.get_evidence(self.signer()?, shared, digest, EVIDENCE_BYTES_MAX).await;
        let bytes = match self.journaled(fetched).await {
            Ok(bytes) => bytes,
            // The partner told of a file that it does not have, or not yet. Nothing waits for it.
            Err(PullError::Call(error)) if error.code == FailureCode::Evidence && !error.may_pass() => {
                let code = error.detail.as_deref().unwrap_or_default();
                tracing::warn!(partner = %partner, code, "A file announced by `{partner}` is not to be had now");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        match self.council.receive_evidence(partner, shared, digest, bytes).await {
            Ok(_) => Ok(()),
            Err(refusal) if may_pass(&refusal) => Err(PullError::Refused(refusal)),
            Err(refusal) => {
                let code = refusal.code.code();
                tracing::error!(partner = %partner, code, "A file fetched from `{partner}` is refused for good");
                Ok(())
            }
        }
    }

    /// Whether the file may still come: what is here, or would not be taken any more, is not asked for.
    async fn is_awaited(&self, shared: SharedId, digest: &Digest) -> bool {
        // Where the log cannot be read, taking the file in tells why.
        let Ok((_, loaded)) = self.council.find(self.client.partner(), shared).await else { return true };
        loaded.state.transfer().is_some_and(|transfer| transfer.awaits_file(digest))
    }
}

/// Whether the next file may be had although this one was not: the partner answered, and does not ask for quiet.
fn is_about_the_file(error: &PullError) -> bool {
    match error {
        PullError::Call(error) => error.status.is_some() && error.code != FailureCode::RateLimited,
        PullError::Refused(_) => true,
        PullError::NoKey | PullError::Bookmark(_) | PullError::Cursor | PullError::Index(_) | PullError::Task(_) => {
            false
        }
    }
}

fn shared_of(message: &SignedMessage) -> Option<SharedId> {
    Message::parse(&message.text).ok().map(|message| message.header.referral)
}
