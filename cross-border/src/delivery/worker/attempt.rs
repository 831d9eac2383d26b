//! One attempt: lease, open, post, check the receipt, bring the files, record.

use std::sync::Arc;
use std::time::Duration;

use domain::envelope::Position;
use event_log::causes::with_causes;
use event_log::execute::ExecuteError;

use super::record::{self, Held, RecordError};
use super::{Terms, evidence, journal, later};
use crate::council::CouncilError;
use crate::delivery::client::{CallError, PartnerClient, Signer};
use crate::delivery::vocabulary::{DeliveredBy, FailureCode};
use crate::delivery::{DeliveryCommand, Rejection};
use crate::exchange::{Receipt, RefusalCode, SignedReceipt};
use crate::index::OutboxRow;
use crate::trust::jws::{key_of, verify_detached};

/// What an attempt says about the partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It answered as a partner does. It may have asked to be left alone for a while.
    Well { hold: Option<Duration> },
    /// It could not be reached, or did not answer as a partner does.
    Unwell { hold: Option<Duration> },
    /// Nothing was sent.
    NotTried,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    /// Where the last event of the attempt stands; `None` when it left none.
    pub(super) position: Option<Position>,
}

/// Why an attempt brought nothing.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The exchange with the partner failed.
    Call(CallError),
    /// Something here failed; the partner has nothing to do with it.
    Own(CouncilError),
    /// The text, or a file, was erased with the person.
    Erased,
    /// None of our keys is valid now.
    NoKey,
}

impl From<CallError> for Trouble {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<CouncilError> for Trouble {
    fn from(error: CouncilError) -> Self {
        match error {
            CouncilError::Erased => Self::Erased,
            CouncilError::NoSigningKey => Self::NoKey,
            CouncilError::Lapsed { what } => {
                let what: Vec<&str> = what.iter().map(|lapse| lapse.code()).collect();
                Self::Call(CallError::new(FailureCode::Lapsed).with_detail(what.join(", ")))
            }
            error => Self::Own(error),
        }
    }
}

/// One delivery that is being tried.
pub(super) struct Attempt<'a> {
    pub(super) terms: &'a Terms,
    pub(super) client: &'a PartnerClient,
    pub(super) row: &'a OutboxRow,
    pub(super) held: Held,
}

/// Tries one delivery.
pub(super) async fn attempt(terms: Arc<Terms>, client: PartnerClient, row: OutboxRow) -> Ended {
    let until = later(terms.council.moment(), terms.options.lease);
    let held = match record::lease(&terms.council, &row, &terms.options.holder, until).await {
        Ok(held) => held,
        Err(error) => {
            tell_of_record(&row, &error);
            return Ended { outcome: Outcome::NotTried, position: None };
        }
    };
    let mut attempt = Attempt { terms: &terms, client: &client, row: &row, held };
    // Boxed: an attempt is a large future, and a worker holds many of them.
    let brought = Box::pin(attempt.bring()).await;
    match brought {
        Ok(()) => attempt.delivered().await,
        Err(trouble) => attempt.failed(trouble).await,
    }
}

impl Attempt<'_> {
    /// Brings the message and what belongs to it, and has the receipt kept.
    async fn bring(&mut self) -> Result<(), Trouble> {
        let (council, row) = (&self.terms.council, self.row);
        let message = council.issued(row).await?.ok_or(Trouble::Erased)?;
        let receipt = {
            let key = council.keys.active(council.moment()).ok_or(Trouble::NoKey)?;
            let signer = Signer { key, now: council.moment() };
            self.client.deliver(signer, row.kind, &message).await?
        };
        self.check(&receipt)?;
        let refused = evidence::bring(self, &message).await?;
        if let Some(error) = refused {
            self.note_refused_evidence(&error).await;
        }
        let council = &self.terms.council;
        match council.receipt_from(&row.partner, &receipt, DeliveredBy::Push).await {
            Ok(()) => Ok(()),
            // It could not be kept now: the lease runs out, and the partner gives it again.
            Err(refusal) if refusal.code.is_retryable() => Err(Trouble::Own(CouncilError::Busy)),
            Err(refusal) => {
                let error = CallError::new(FailureCode::BadReceipt).with_detail(refusal.code.code());
                Err(Trouble::Call(error))
            }
        }
    }

    /// Whether the receipt is the partner's, for this message. A receipt for another message of ours would be kept for
    /// that one, and this one would be tried for ever.
    fn check(&self, signed: &SignedReceipt) -> Result<(), CallError> {
        let (row, directory) = (self.row, &self.terms.council.directory);
        let bad = |what: &'static str| CallError::new(FailureCode::BadReceipt).with_detail(what);
        let receipt = Receipt::parse(&signed.text).map_err(|_error| bad("it is no receipt"))?;
        if receipt.delivery != row.delivery || receipt.referral != row.shared || receipt.digest != row.digest {
            return Err(bad("it is for another message"));
        }
        if receipt.from != row.partner || receipt.to != self.terms.council.own {
            return Err(bad("it is between other councils"));
        }
        let Some((peer, key)) = directory.key_any(&signed.key) else {
            return Err(bad("nobody has the key it names"));
        };
        let named = key_of(&signed.jws).is_ok_and(|named| named == signed.key);
        if peer.id != row.partner || !named || verify_detached(key, signed.text.as_bytes(), &signed.jws).is_err() {
            return Err(bad("its signature is not the partner's"));
        }
        Ok(())
    }

    /// Prolongs the lease for an exchange of this length.
    pub(super) async fn prolong(&mut self, exchange: Duration) {
        let terms = self.terms;
        let until = later(terms.council.moment(), exchange.saturating_add(terms.options.lease));
        // The number of the attempt and the event that began it stay those of the first lease.
        match record::lease(&terms.council, self.row, &terms.options.holder, until).await {
            Ok(held) => self.held.position = held.position,
            Err(ExecuteError::NothingToDo) => {}
            // Whoever else tries meanwhile does what is repeatable.
            Err(error) => tell_of_record(self.row, &error),
        }
    }

    /// The partner has the message and will never take a file of it. The message counts as delivered, or nothing could
    /// follow it any more, a recall least of all; the refusal stands in the delivery's stream.
    async fn note_refused_evidence(&mut self, error: &CallError) {
        let row = self.row;
        tracing::error!(
            delivery.id = %row.delivery,
            partner = %row.partner,
            code = error.detail.as_deref().unwrap_or_default(),
            "`{}` took the message of delivery `{}` and refused a file that belongs to it",
            row.partner,
            row.delivery,
        );
        let body = DeliveryCommand::Fail {
            attempt: self.held.lease.attempt,
            code: error.code,
            status: error.status,
            detail: error.detail.clone(),
            retry_at: Some(self.terms.council.moment()),
        };
        match record::follow(&self.terms.council, row, &self.held, "evidence-refused", body).await {
            Ok(done) => self.held.position = done.position,
            Err(error) => tell_of_record(row, &error),
        }
    }

    async fn delivered(&self) -> Ended {
        let row = self.row;
        tracing::info!(
            delivery.id = %row.delivery,
            partner = %row.partner,
            kind = %row.kind,
            attempts = self.held.attempts,
            "Delivered `{}` to `{}`",
            row.delivery,
            row.partner,
        );
        // The receipt was kept by the council's service, which does not say where; the log does.
        let head = self.terms.council.log.head().await.ok().flatten();
        Ended { outcome: Outcome::Well { hold: None }, position: head.max(Some(self.held.position)) }
    }

    async fn failed(&self, trouble: Trouble) -> Ended {
        let (row, attempts) = (self.row, self.held.attempts);
        let error = match trouble {
            Trouble::Call(error) => error,
            Trouble::Erased => CallError::new(FailureCode::Erased),
            Trouble::NoKey => CallError::new(FailureCode::Unsigned),
            Trouble::Own(error) if error.is_retryable() => {
                tracing::error!(delivery.id = %row.delivery, error = %with_causes(&error), "A delivery could not be handled");
                return Ended { outcome: Outcome::NotTried, position: Some(self.held.position) };
            }
            Trouble::Own(error) => {
                tracing::error!(delivery.id = %row.delivery, error = %with_causes(&error), "A delivery cannot be handled");
                CallError::refused(RefusalCode::Internal)
            }
        };
        journal(&self.terms.council, &row.partner, &error).await;
        let wait = self.terms.backoff.wait(row.delivery, attempts, error.retry_after);
        let retry_at = (!self.is_over(&error)).then(|| later(self.terms.council.moment(), wait));
        self.tell_of_failure(&error, retry_at.is_some(), wait);
        let body = DeliveryCommand::Fail {
            attempt: self.held.lease.attempt,
            code: error.code,
            status: error.status,
            detail: error.detail.clone(),
            retry_at,
        };
        let position = match record::follow(&self.terms.council, row, &self.held, "failed", body).await {
            Ok(done) => done.position,
            Err(refused) => {
                tell_of_record(row, &refused);
                self.held.position
            }
        };
        Ended { outcome: outcome(self.terms, &error), position: Some(position) }
    }

    /// Whether there is no other attempt: the partner refuses it for good, or it was tried too often or for too long.
    ///
    /// The time counts from the first attempt: a message may wait for days behind another one, and that is no failure of
    /// its own. Number and time stand in the log, so that neither a restart nor another worker begins them anew.
    fn is_over(&self, error: &CallError) -> bool {
        let (options, held) = (&self.terms.options, &self.held);
        let tried = self.terms.council.moment().signed_duration_since(held.tried_since).to_std().unwrap_or_default();
        !error.may_pass() || held.attempts >= options.attempts_max || tried >= options.give_up_after
    }

    fn tell_of_failure(&self, error: &CallError, again: bool, wait: Duration) {
        let row = self.row;
        let (detail, cause) = (error.detail.as_deref().unwrap_or_default(), error.cause.as_deref().unwrap_or_default());
        let (code, status, attempts) = (error.code.code(), error.status, self.held.attempts);
        if again {
            tracing::warn!(
                delivery.id = %row.delivery, partner = %row.partner, code, status, detail, cause, attempts,
                "Delivery `{}` to `{}` failed ({code}); it is tried again in {} seconds",
                row.delivery, row.partner, wait.as_secs(),
            );
        } else {
            tracing::error!(
                delivery.id = %row.delivery, partner = %row.partner, code, status, detail, cause, attempts,
                "Delivery `{}` to `{}` failed ({code}) and is given up",
                row.delivery, row.partner,
            );
        }
    }
}

/// What a failure says about the partner.
pub(super) fn outcome(terms: &Terms, error: &CallError) -> Outcome {
    let asked = match error.code {
        FailureCode::RateLimited => Some(error.retry_after.unwrap_or(terms.options.base)),
        FailureCode::ServerError => error.retry_after,
        _ => None,
    };
    let hold = asked.map(|asked| terms.backoff.bounded(asked));
    match error.code {
        FailureCode::Unsigned | FailureCode::Erased | FailureCode::Lapsed => Outcome::NotTried,
        // Refused here, before anything was sent.
        FailureCode::Refused if error.status.is_none() => Outcome::NotTried,
        _ if error.counts_against_the_partner() => Outcome::Unwell { hold },
        _ => Outcome::Well { hold },
    }
}

/// Tells why nothing was recorded. That another was faster is no trouble.
fn tell_of_record(row: &OutboxRow, error: &RecordError) {
    match error {
        ExecuteError::Rejected(
            Rejection::Leased { .. } | Rejection::NotDue { .. } | Rejection::Delivered | Rejection::Dead,
        ) => tracing::debug!(delivery.id = %row.delivery, error = %error, "Another has dealt with a delivery"),
        error => {
            tracing::error!(delivery.id = %row.delivery, error = %with_causes(error), "A delivery could not be recorded")
        }
    }
}
