//! Fetches what partners have for us, where they cannot bring it or where both ways are to be open.
//!
//! A page of messages is taken in message by message, each with its files; then the receipts are handed over, and only
//! then the place is kept. A crash in between fetches the page again, which changes nothing: a message that is known
//! is answered with the receipt it had. So losing the place is harmless too. A file that the partner did not have yet
//! when its message came is asked for again from time to time.

mod bookmark;
mod files;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use event_log::causes::with_causes;
use thiserror::Error;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::bookmark::Bookmark;
use super::backoff::Backoff;
use super::client::answer::PulledMessage;
use super::client::{CallError, ClientError, PartnerClient, Signer};
use super::resolver::{Lookup, SystemLookup};
use super::worker::{WorkerOptions, journal};
use crate::council::Council;
use crate::exchange::{Refusal, RefusalCode, SignedMessage, SignedReceipt};
use crate::index::IndexError;
use crate::security::Refused;

/// Most pages that are fetched from a partner before the worker looks up.
const PAGES_MAX: usize = 200;
/// Longest cursor that a partner may give, in bytes.
pub const CURSOR_BYTES_MAX: usize = 256;

/// Why a round with a partner ended before its end. What was taken in until then stays so.
#[derive(Debug, Error)]
enum PullError {
    #[error("the exchange with the partner failed")]
    Call(#[source] CallError),
    #[error("a message of the partner could not be taken now")]
    Refused(#[source] Refusal),
    #[error("none of our keys is valid now")]
    NoKey,
    #[error("the place reached cannot be read or kept")]
    Bookmark(#[source] std::io::Error),
    #[error("the partner gives no cursor, or one that leads nowhere")]
    Cursor,
    #[error("the index could not be asked")]
    Index(#[source] IndexError),
    #[error("a task of ours broke off")]
    Task(#[source] JoinError),
}

/// What a round brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Pulled {
    /// Messages that were taken in, those known before included.
    taken: usize,
    /// Messages that will never be taken; each stands in the journal.
    refused: usize,
}

/// Fetches from every peer that is configured so.
#[derive(Debug)]
pub struct Puller {
    sources: Vec<Source>,
    poll_every: Duration,
}

/// One partner that is asked.
#[derive(Debug)]
struct Source {
    council: Arc<Council>,
    client: PartnerClient,
    bookmark: Bookmark,
    backoff: Backoff,
    /// How often files are asked for again that the partner told of and did not have.
    missing_every: Duration,
}

impl Puller {
    /// A puller for all peers with `pull`, which keeps its places in `folder`.
    ///
    /// # Errors
    /// A peer's endpoint or certificates, or our own certificate, cannot be used.
    pub fn new(council: &Arc<Council>, options: &WorkerOptions, folder: &Path) -> Result<Self, ClientError> {
        Self::with_lookup(council, options, folder, &(Arc::new(SystemLookup) as Arc<dyn Lookup>))
    }

    /// As [`Puller::new`], with names looked up elsewhere.
    ///
    /// # Errors
    /// As there.
    pub fn with_lookup(
        council: &Arc<Council>,
        options: &WorkerOptions,
        folder: &Path,
        lookup: &Arc<dyn Lookup>,
    ) -> Result<Self, ClientError> {
        let backoff = Backoff::new(options.base, options.max, options.retry_after_max);
        let mut sources = Vec::new();
        for peer in council.directory.peers().iter().filter(|peer| peer.pull) {
            let identity = options.identity.as_ref();
            let client = PartnerClient::with_lookup(peer, identity, options.client(), Arc::clone(lookup))?;
            let (council, bookmark) = (Arc::clone(council), Bookmark::new(folder, &peer.id));
            sources.push(Source { council, client, bookmark, backoff, missing_every: options.max });
        }
        Ok(Self { sources, poll_every: options.poll_every })
    }

    /// Asks every partner again and again until it is told to stop. A round that is cut off is made again.
    pub async fn run(self, stop: CancellationToken) {
        let mut rounds = JoinSet::new();
        for source in self.sources {
            rounds.spawn(source.run(self.poll_every, stop.clone()));
        }
        while let Some(ended) = rounds.join_next().await {
            if let Err(error) = ended {
                tracing::error!(error = %error, "Fetching from a partner broke off until the next start");
            }
        }
    }
}

impl Source {
    async fn run(self, poll_every: Duration, stop: CancellationToken) {
        let mut missing_at = Instant::now();
        loop {
            let wait = tokio::select! {
                // A node that was held up must not begin one more round after its turn is over.
                biased;
                () = stop.cancelled() => return,
                round = Box::pin(self.round()) => self.tell(round, poll_every),
            };
            if Instant::now() >= missing_at {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    fetched = Box::pin(self.fetch_missing()) => self.tell_of_missing(fetched),
                }
                let now = Instant::now();
                missing_at = now.checked_add(self.missing_every).unwrap_or(now);
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Logs what came of a round, and says how long to wait for the next.
    fn tell(&self, round: Result<Pulled, PullError>, poll_every: Duration) -> Duration {
        let partner = self.client.partner();
        match round {
            Ok(Pulled { taken: 0, refused: 0 }) => poll_every,
            Ok(Pulled { taken, refused }) => {
                tracing::info!(partner = %partner, taken, refused, "Fetched {taken} messages from `{partner}`");
                poll_every
            }
            Err(error) => {
                tracing::warn!(partner = %partner, error = %with_causes(&error), "Fetching from `{partner}` failed");
                match error {
                    PullError::Call(CallError { retry_after: Some(asked), .. }) => {
                        poll_every.max(self.backoff.bounded(asked))
                    }
                    _ => poll_every,
                }
            }
        }
    }

    /// Fetches until the partner has no more.
    async fn round(&self) -> Result<Pulled, PullError> {
        let mut pulled = Pulled::default();
        let mut after = self.bookmark.read().await.map_err(PullError::Bookmark)?;
        for _ in 0..PAGES_MAX {
            let page = self.client.messages(self.signer()?, after.as_deref()).await;
            let page = self.journaled(page).await?;
            let mut receipts = Vec::new();
            let mut reached = None;
            let mut stopped = None;
            for message in page.messages {
                let cursor = message.cursor.clone();
                match self.take(message).await {
                    Ok(Some(receipt)) => {
                        receipts.push(receipt);
                        pulled.taken += 1;
                    }
                    Ok(None) => pulled.refused += 1,
                    Err(error) => {
                        stopped = Some(error);
                        break;
                    }
                }
                reached = Some(cursor);
            }
            // What was taken in is receipted even when the next message could not be.
            if !receipts.is_empty() {
                let recorded = self.client.record_receipts(self.signer()?, &receipts).await;
                self.journaled(recorded).await?;
            }
            let reached = if stopped.is_none() { page.next.or(reached) } else { reached };
            if let Some(reached) = reached.as_ref().filter(|reached| Some(*reached) != after.as_ref()) {
                self.keep(reached).await?;
            }
            match (stopped, reached) {
                (Some(error), _) => return Err(error),
                (None, _) if page.at_end => return Ok(pulled),
                // A partner that goes round in circles would be asked for ever.
                (None, reached) if reached.is_none() || reached == after => return Err(PullError::Cursor),
                (None, reached) => after = reached,
            }
        }
        Ok(pulled)
    }

    async fn keep(&self, cursor: &str) -> Result<(), PullError> {
        if cursor.is_empty() || cursor.len() > CURSOR_BYTES_MAX {
            return Err(PullError::Cursor);
        }
        self.bookmark.write(cursor).await.map_err(PullError::Bookmark)
    }

    /// Takes in one message with its files. `None` is a message that will never be taken: the partner sees by the
    /// missing receipt that we do not have it, and those behind it are not held up.
    async fn take(&self, message: PulledMessage) -> Result<Option<SignedReceipt>, PullError> {
        let PulledMessage { text, jws, key, delivery, .. } = message;
        let signed = SignedMessage { text, jws, key };
        let partner = self.client.partner();
        let receipt = match self.council.receive(partner, signed.clone()).await {
            Ok(receipt) => receipt,
            Err(refusal) if may_pass(&refusal) => return Err(PullError::Refused(refusal)),
            Err(refusal) => {
                self.journal_passed_over(&signed, &refusal).await;
                tracing::error!(
                    delivery.id = %delivery,
                    partner = %partner,
                    code = refusal.code.code(),
                    "A message fetched from `{partner}` is refused for good",
                );
                return Ok(None);
            }
        };
        self.fetch_evidence(&signed).await?;
        Ok(Some(receipt))
    }

    fn signer(&self) -> Result<Signer<'_>, PullError> {
        let now = self.council.moment();
        let key = self.council.keys.active(now).ok_or(PullError::NoKey)?;
        Ok(Signer { key, now })
    }

    /// Writes into the journal what no honest partner answers.
    async fn journaled<T>(&self, answer: Result<T, CallError>) -> Result<T, PullError> {
        if let Err(error) = &answer {
            journal(&self.council, self.client.partner(), error).await;
        }
        answer.map_err(PullError::Call)
    }

    /// Writes into the journal what the council leaves out of it because such a message may come again: not by this way.
    async fn journal_passed_over(&self, message: &SignedMessage, refusal: &Refusal) {
        if !refusal.code.is_retryable() || refusal.code == RefusalCode::UnknownReferral {
            return;
        }
        self.council
            .journal
            .record(Refused {
                code: refusal.code.code().to_owned(),
                partner: Some(self.client.partner().clone()),
                key: Some(message.key.to_string()),
                what: "a message that was fetched".to_owned(),
                digest: Some(message.digest()),
                request_id: None,
            })
            .await;
    }
}

/// Whether a message may be taken another time: the fault passes, or it is about a key that was not entered here yet.
///
/// What a message waits for stands before it in the feed. Where that was refused for good it never comes, and waiting
/// for it would hold up every other referral.
fn may_pass(refusal: &Refusal) -> bool {
    match refusal.code {
        RefusalCode::UnknownKey | RefusalCode::KeyNotValid => true,
        RefusalCode::UnknownReferral | RefusalCode::TooFarAhead => false,
        code => code.is_retryable(),
    }
}
