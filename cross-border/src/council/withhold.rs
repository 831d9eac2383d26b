//! Consents that are withdrawn, and referrals that are called back, while the submission waits to be brought over: what
//! nobody can have is not sent any more, and the referral ends without anybody's answer (PIPL Art. 15 and 47).
//!
//! Two ways lead out of the house, and each leaves a mark in the log before a text goes over it: whoever brings a message
//! takes a lease on its delivery, and of what a partner fetches the referral says that it was given out. So a withdrawal
//! or a recall that stands in the log before either mark came in time, and one behind it did not: then the partner may
//! have the submission, whatever became of the attempt, and is asked to erase it.

use chrono::{DateTime, Utc};
use domain::day::local_day;
use domain::envelope::{Position, Revision};
use event_log::causes::with_causes;
use event_log::execute::{Done, Loaded, load, read};
use event_log::port::CommandRef;

use super::receipts::system;
use super::{Caller, Council, CouncilError, own_command};
use crate::delivery::{Delivery, DeliveryEvent, FailureCode};
use crate::exchange::body::Recall;
use crate::exchange::{DeliveryId, Side};
use crate::index::OutboxRow;
use crate::referral::give_out::GiveOut;
use crate::referral::vocabulary::RecallReason;
use crate::referral::withdraw_consent::WithdrawConsent;
use crate::referral::withhold::Withhold;
use crate::referral::{Act, Referral, ReferralEvent, ReferralId};

const WITHDRAWN: &str = "referral.consent-withdrawn";
const RECALLED: &str = "referral.recalled";

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
        self.withhold_now(id).await;
        Ok(done)
    }

    /// Calls a referral back that was sent: the partner is asked to erase what it has, or, where nothing has left, the
    /// referral ends and nobody is asked.
    ///
    /// # Errors
    /// [`CouncilError`]; nothing was changed. Whether nothing has left is seen to in any case.
    pub async fn recall(
        &self,
        id: ReferralId,
        command: CommandRef,
        caller: Caller<'_>,
        read: Option<Revision>,
        at: Option<DateTime<Utc>>,
        reason: RecallReason,
    ) -> Result<Done<Referral>, CouncilError> {
        let done = self.tell(id, command, caller, read, at, Recall { reason }.into()).await?;
        self.withhold_now(id).await;
        Ok(done)
    }

    async fn withhold_now(&self, id: ReferralId) {
        if let Err(error) = Box::pin(self.withhold(id)).await {
            let error = with_causes(&error);
            tracing::warn!(referral.id = %id, error, "Whether referral `{id}` is withheld is seen to by the next sweep");
        }
    }

    /// Ends a referral that was called back, or whose consent was withdrawn, before its submission went anywhere; whether
    /// it did now.
    ///
    /// # Errors
    /// The log cannot be read or written.
    pub async fn withhold(&self, id: ReferralId) -> Result<bool, CouncilError> {
        let loaded = self.load(id).await?;
        let (Some(transfer), Some((called_back, reason))) = (loaded.state.transfer(), called_back(&loaded)?) else {
            return Ok(false);
        };
        let submission = transfer.segment.entries(Side::Origin).first();
        let Some(submission) = submission.filter(|_| transfer.is_to_be_withheld()) else { return Ok(false) };
        // Read behind the mark: no lease from before it can be missing.
        if self.first_lease(submission.delivery).await?.is_some_and(|leased| leased < called_back) {
            return Ok(false);
        }
        let command = own_command(&["withhold", &id.to_string()]);
        match self.act(id, command, system(transfer), None, None, Act::Withhold(Withhold { reason })).await {
            Ok(done) => Ok(!done.repeated),
            Err(CouncilError::NothingToDo) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether the text of a submission may go out of the house now. Where nobody brings it, the partner fetches it, and
    /// that stands in the log when this returns.
    ///
    /// # Errors
    /// [`CouncilError::Lapsed`] where what it rests on has ended: somebody has to call it back, and refer the dispute anew.
    /// The log cannot be read or written.
    pub(super) async fn lets_go(&self, row: &OutboxRow) -> Result<bool, CouncilError> {
        let leased = self.first_lease(row.delivery).await?;
        let loaded = self.load(row.referral).await?;
        let transfer = loaded.state.transfer().ok_or(CouncilError::NotFound { what: "message" })?;
        let is_known = transfer.given_out || transfer.delivered;
        if let Some((called_back, _)) = called_back(&loaded)?
            && !is_known
            && leased.is_none_or(|leased| leased > called_back)
        {
            return Ok(false);
        }
        if !is_known {
            let what = transfer.lapsed(local_day(self.moment()));
            if !what.is_empty() {
                return Err(CouncilError::Lapsed { what });
            }
        }
        if is_known || leased.is_some() {
            return Ok(true);
        }
        let command = own_command(&["give-out", &row.delivery.to_string()]);
        let act = Act::GiveOut(GiveOut { delivery: row.delivery });
        match self.act(row.referral, command, system(transfer), None, None, act).await {
            Ok(_) => Ok(true),
            // Called back meanwhile, or given to somebody else.
            Err(CouncilError::NothingToDo) => {
                let loaded = self.load(row.referral).await?;
                Ok(loaded.state.transfer().is_some_and(|transfer| transfer.given_out))
            }
            Err(error) => Err(error),
        }
    }

    /// Where the first attempt to bring a message stands in the log that may have brought it. One that found that the
    /// message may not leave any more sent nothing.
    async fn first_lease(&self, delivery: DeliveryId) -> Result<Option<Position>, CouncilError> {
        let loaded = load::<Delivery>(self.log.as_ref(), &delivery.stream(), None).await?;
        let mut leases: Vec<(u32, Position)> = Vec::new();
        for event in &loaded.events {
            match read::<DeliveryEvent>(event)?.event {
                DeliveryEvent::Leased(leased) => leases.push((leased.attempt, event.position)),
                DeliveryEvent::Failed(failed) if failed.code == FailureCode::Lapsed => {
                    leases.retain(|(attempt, _)| *attempt != failed.attempt);
                }
                _ => {}
            }
        }
        Ok(leases.first().map(|(_, position)| *position))
    }
}

/// Where it stands in the log that the consent was withdrawn, or the sent referral called back, whichever was first, and
/// the reason that a recall gives; `None` while neither is so.
fn called_back(loaded: &Loaded<Referral>) -> Result<Option<(Position, RecallReason)>, CouncilError> {
    let Some(transfer) = loaded.state.transfer() else { return Ok(None) };
    let newest = |kind: &str| loaded.events.iter().rev().find(|event| &*event.kind == kind);
    let is_withdrawn = transfer.consent.as_ref().is_some_and(|consent| consent.withdrawn);
    let withdrawn = newest(WITHDRAWN).filter(|_| is_withdrawn).map(|event| event.position);
    // The first one is the one that was told.
    let told = loaded.events.iter().find(|event| &*event.kind == RECALLED).filter(|_| transfer.stage.is_recalled());
    let recalled = match told.map(read::<ReferralEvent>).transpose()?.map(|happened| happened.event) {
        Some(ReferralEvent::Recalled(recalled)) => told.map(|event| (event.position, recalled.reason)),
        _ => None,
    };
    Ok(match (withdrawn, recalled) {
        (Some(withdrawn), Some((recalled, reason))) => Some((withdrawn.min(recalled), reason)),
        (Some(withdrawn), None) => Some((withdrawn, RecallReason::ConsentWithdrawn)),
        (None, recalled) => recalled,
    })
}
