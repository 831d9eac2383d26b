//! Receipts: ours for what came in, and the partners' for what we sent.

use domain::id::StreamId;
use event_log::execute::{ExecuteError, Issue, Loaded, execute};

use super::content::{Kept, kept_message, state_at};
use super::refusals::of_council;
use super::{Caller, Council, CouncilError, SYSTEM_ACTOR, own_command};
use crate::delivery::{DeliveredBy, Delivery, DeliveryCommand, Rejection as DeliveryRejection};
use crate::exchange::{DeliveryId, MessageKind, Receipt, ReceiptStatus, Refusal, RefusalCode, SignedReceipt};
use crate::partner::PartnerId;
use crate::referral::record_delivery::RecordDelivery;
use crate::referral::{Act, Referral, ReferralId, Transfer};
use crate::trust::jws::sign_detached;

impl Council {
    /// Our receipt for a message that we hold. Everything in it stands in the log, so it is the same every time; it is
    /// signed with the key that was in use when the message came, as long as we have it.
    pub(super) fn receipt(&self, loaded: &Loaded<Referral>, kept: &Kept) -> Result<SignedReceipt, CouncilError> {
        let then = state_at(loaded, kept.revision)?;
        let entry = &kept.meta.entry;
        let is_parked = |transfer: &Transfer| {
            transfer.segment.parked(transfer.own_side().other()).any(|parked| parked.delivery == entry.delivery)
        };
        let parked = then.transfer().is_some_and(is_parked);
        let recorded = kept.recorded_at;
        let key = self.keys.active(recorded).or_else(|| self.keys.active(self.moment()));
        let key = key.ok_or(CouncilError::NoSigningKey)?;
        // Where the key of that time is lost, another speaks: from its own first moment on, or nobody would believe it.
        let at = recorded.max(key.not_before);
        let text = Receipt {
            delivery: entry.delivery,
            referral: kept.meta.shared,
            digest: entry.digest.clone(),
            from: self.own.clone(),
            to: entry.from.clone(),
            at,
            status: if parked { ReceiptStatus::Parked } else { ReceiptStatus::Received },
        }
        .canonical();
        let jws = sign_detached(key, text.as_bytes())?;
        Ok(SignedReceipt { text, jws, key: key.id.clone() })
    }

    /// Takes a partner's receipt for a message of ours: the delivery is done, and a submission is delivered. The same
    /// receipt again changes nothing.
    ///
    /// # Errors
    /// The receipt is not the partner's, or not for a message of ours; a retryable code when it could not be kept now.
    pub async fn receipt_from(
        &self,
        partner: &PartnerId,
        receipt: &SignedReceipt,
        by: DeliveredBy,
    ) -> Result<(), Refusal> {
        let taken = self.take_receipt(partner, receipt, by).await;
        if let Err(refusal) = &taken {
            self.journal_refusal(partner, Some(&receipt.key), receipt.text.as_bytes(), "a receipt", refusal).await;
        }
        taken
    }

    async fn take_receipt(&self, partner: &PartnerId, signed: &SignedReceipt, by: DeliveredBy) -> Result<(), Refusal> {
        let receipt = self.verified_receipt(partner, signed)?;
        let failed = |error: CouncilError| of_council(&error);
        let (id, loaded) = self.find(partner, receipt.referral).await.map_err(failed)?;
        let Some(transfer) = loaded.state.transfer() else {
            return Err(Refusal::new(RefusalCode::UnknownReferral, "no such referral is known here"));
        };
        if transfer.drafted.partner != *partner {
            return Err(Refusal::new(RefusalCode::ForeignReferral, "the referral is not with this council"));
        }
        let kept = kept_message(&loaded, receipt.delivery, true).map_err(|error| failed(error.into()))?;
        let Some(kept) = kept.filter(|kept| kept.meta.entry.digest == receipt.digest) else {
            return Err(Refusal::new(RefusalCode::Invalid, "the receipt is for no message of this council"));
        };
        let caller = system(transfer);
        self.settle(&caller, receipt.delivery, signed, by).await.map_err(failed)?;
        if kept.meta.entry.kind == MessageKind::Submission {
            self.record_delivery(id, &caller, receipt.delivery).await.map_err(failed)?;
        }
        Ok(())
    }

    /// Ends the delivery. Whoever brought the receipt first has ended it.
    async fn settle(
        &self,
        caller: &Caller<'_>,
        delivery: DeliveryId,
        receipt: &SignedReceipt,
        by: DeliveredBy,
    ) -> Result<(), CouncilError> {
        let stream: StreamId = delivery.stream();
        let command = own_command(&["receipt", &delivery.to_string()]);
        let ctx = self.context(caller.unit, caller.actor);
        let body = DeliveryCommand::Deliver { receipt: receipt.clone().into(), by };
        match execute::<Delivery>(self.log.as_ref(), &stream, command, &caller.issue, None, &ctx, body).await {
            Ok(_) | Err(ExecuteError::NothingToDo | ExecuteError::Rejected(DeliveryRejection::Delivered)) => Ok(()),
            Err(ExecuteError::Busy) => Err(CouncilError::Busy),
            Err(ExecuteError::Append(error)) => Err(CouncilError::Append(error)),
            Err(ExecuteError::Read(error)) => Err(CouncilError::Read(error)),
            Err(ExecuteError::Wire(error)) => Err(CouncilError::Wire(error)),
            Err(ExecuteError::Encode(error)) => Err(CouncilError::Encode(error)),
            // A receipt is taken in every state, and nobody gave a revision.
            Err(ExecuteError::Rejected(_) | ExecuteError::Stale { .. }) => Err(CouncilError::NothingToDo),
        }
    }

    /// Says in the referral that its submission is delivered; once, also when a crash came between the two streams.
    pub(super) async fn record_delivery(
        &self,
        id: ReferralId,
        caller: &Caller<'_>,
        delivery: DeliveryId,
    ) -> Result<(), CouncilError> {
        let receipt = delivery.to_string();
        let command = own_command(&["delivered", &receipt]);
        let act = Act::RecordDelivery(RecordDelivery { receipt: Some(receipt) });
        match self.act(id, command, caller.clone(), None, None, act).await {
            Ok(_) | Err(CouncilError::NothingToDo) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The council itself, acting for a referral.
pub(super) fn system(transfer: &Transfer) -> Caller<'_> {
    Caller { unit: &transfer.drafted.council, actor: SYSTEM_ACTOR, issue: Issue::default() }
}
