//! Telling the other side: what is done and the signed message that says so are one append.

use chrono::{DateTime, Utc};
use domain::envelope::Revision;
use event_log::execute::Done;
use event_log::port::CommandRef;

use super::act::Composes;
use super::message::seal_own;
use super::{Caller, Council, CouncilError, act_of, numbers};
use crate::exchange::Body;
use crate::referral::tell::Tell;
use crate::referral::{Act, Referral, ReferralId, Transfer};

impl Composes for Body {
    async fn compose(&self, council: &Council, transfer: &Transfer) -> Result<Act, CouncilError> {
        council.act_telling(transfer, self.clone()).await
    }
}

impl Council {
    /// Does what the body says and tells the other side. The message is written for the very revision that is decided
    /// upon; when another act comes in between and the caller had no revision before its eyes, it is written anew.
    ///
    /// # Errors
    /// [`CouncilError`]; nothing was changed, and nothing will be sent.
    pub async fn tell(
        &self,
        id: ReferralId,
        command: CommandRef,
        caller: Caller<'_>,
        read: Option<Revision>,
        at: Option<DateTime<Utc>>,
        body: Body,
    ) -> Result<Done<Referral>, CouncilError> {
        self.act_composed(id, command, caller, read, at, &body).await
    }

    /// The act that a body stands for, with its message. Its texts are sealed before anything is decided.
    async fn act_telling(&self, transfer: &Transfer, body: Body) -> Result<Act, CouncilError> {
        numbers::check(transfer, &body)?;
        let written = self.write(transfer, body.clone())?;
        let subject = self.subject_of(transfer).await?;
        let (delivery, text) = (written.entry.delivery, written.text.clone());
        let (act, content) = self
            .with_vault(move |vault| {
                // A note about a person who was erased is refused here; a message without one is not.
                let act = act_of(&body, &|purpose, text| vault.seal(subject, purpose, text))?;
                Ok((act, seal_own(vault, subject, delivery, &text)?))
            })
            .await?;
        // Only a submission has no act, and it goes another way.
        let act = act.ok_or(CouncilError::NothingToDo)?;
        Ok(Act::Tell(Box::new(Tell { act, issued: written.sealed(transfer, content) })))
    }
}
