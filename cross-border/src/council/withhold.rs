//! Consents that are withdrawn while the submission waits to be brought over: what nobody can have is not sent any more,
//! and the referral ends without anybody's answer (PIPL Art. 15 and 47).
//!
//! Two ways lead out of the house, and each leaves a mark in the log before a text goes over it: whoever brings a message
//! takes a lease on its delivery, and of what a partner fetches the referral says that it was given out. So a withdrawal
//! that stands in the log before either mark came in time, and one behind it did not: then the partner may have the
//! submission, whatever became of the attempt, and is asked to erase it.

use chrono::{DateTime, Utc};
use domain::envelope::{Position, Revision};
use event_log::causes::with_causes;
use event_log::execute::{Done, Loaded, load};
use event_log::port::CommandRef;

use super::receipts::system;
use super::{Caller, Council, CouncilError, own_command};
use crate::delivery::Delivery;
use crate::exchange::{DeliveryId, Side};
use crate::index::OutboxRow;
use crate::referral::give_out::GiveOut;
use crate::referral::withdraw_consent::WithdrawConsent;
use crate::referral::withhold::Withhold;
use crate::referral::{Act, Referral, ReferralId, Transfer};

const WITHDRAWN: &str = "referral.consent-withdrawn";
const LEASED: &str = "delivery.leased";

impl Council {
    /// Records that the consumer withdrew the consent, and ends the referral where nothing has left.
    ///
    /// # Errors
    /// [`CouncilError`]; nothing was changed. What follows from the withdrawal follows by itself in any case.
    pub async fn withdraw_consent(
        &self,
        id: ReferralId,
        command: CommandRef,
        caller: Caller<'_>,
        read: Option<Revision>,
        at: Option<DateTime<Utc>>,
    ) -> Result<Done<Referral>, CouncilError> {
        let act = Act::WithdrawConsent(WithdrawConsent {});
        let done = self.act(id, command, caller, read, at, act).await?;
        if let Err(error) = Box::pin(self.withhold(id)).await {
            let error = with_causes(&error);
            tracing::warn!(referral.id = %id, error, "Whether referral `{id}` is withheld is seen to by the next sweep");
        }
        Ok(done)
    }

    /// Ends a referral whose consent was withdrawn before its submission went anywhere; whether it did now.
    ///
    /// # Errors
    /// The log cannot be read or written.
    pub async fn withhold(&self, id: ReferralId) -> Result<bool, CouncilError> {
        let loaded = self.load(id).await?;
        let (Some(transfer), Some(withdrawn)) = (loaded.state.transfer(), withdrawn_at(&loaded)) else {
            return Ok(false);
        };
        let submission = transfer.segment.entries(Side::Origin).first();
        let Some(submission) = submission.filter(|_| transfer.is_to_be_withheld()) else { return Ok(false) };
        // Read behind the withdrawal: no lease from before it can be missing.
        if self.first_lease(submission.delivery).await?.is_some_and(|leased| leased < withdrawn) {
            return Ok(false);
        }
        let command = own_command(&["withhold", &id.to_string()]);
        match self.act(id, command, system(transfer), None, None, Act::Withhold(Withhold {})).await {
            Ok(done) => Ok(!done.repeated),
            Err(CouncilError::NothingToDo) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether the text of a submission may go out of the house now. Where nobody brings it, the partner fetches it, and
    /// that stands in the log when this returns.
    pub(super) async fn lets_go(&self, row: &OutboxRow) -> Result<bool, CouncilError> {
        let leased = self.first_lease(row.delivery).await?;
        let loaded = self.load(row.referral).await?;
        let transfer = loaded.state.transfer().ok_or(CouncilError::NotFound { what: "message" })?;
        let is_known = transfer.given_out || transfer.delivered;
        if let Some(withdrawn) = withdrawn_at(&loaded) {
            return Ok(is_known || leased.is_some_and(|leased| leased < withdrawn));
        }
        if is_known || leased.is_some() {
            return Ok(true);
        }
        let command = own_command(&["give-out", &row.delivery.to_string()]);
        let act = Act::GiveOut(GiveOut { delivery: row.delivery });
        match self.act(row.referral, command, system(transfer), None, None, act).await {
            Ok(_) => Ok(true),
            // Withdrawn meanwhile, or given to somebody else.
            Err(CouncilError::NothingToDo) => {
                let loaded = self.load(row.referral).await?;
                Ok(loaded.state.transfer().is_some_and(|transfer| transfer.given_out))
            }
            Err(error) => Err(error),
        }
    }

    /// Where the first attempt to bring a message stands in the log.
    async fn first_lease(&self, delivery: DeliveryId) -> Result<Option<Position>, CouncilError> {
        let loaded = load::<Delivery>(self.log.as_ref(), &delivery.stream(), None).await?;
        Ok(loaded.events.iter().find(|event| &*event.kind == LEASED).map(|event| event.position))
    }
}

/// Where the withdrawal stands in the log, while the consent is withdrawn.
fn withdrawn_at(loaded: &Loaded<Referral>) -> Option<Position> {
    let is_withdrawn = |transfer: &Transfer| transfer.consent.as_ref().is_some_and(|consent| consent.withdrawn);
    let newest = loaded.events.iter().rev().find(|event| &*event.kind == WITHDRAWN);
    newest.filter(|_| loaded.state.transfer().is_some_and(is_withdrawn)).map(|event| event.position)
}
