//! Submitting: the second person lets leave what was presented, word for word, and the whole basis of the transfer is
//! recorded.

use domain::envelope::Revision;
use event_log::execute::Done;
use event_log::port::CommandRef;

use super::act::Composes;
use super::message::Written;
use super::{Caller, Council, CouncilError, MESSAGE_PURPOSE};
use crate::exchange::Digest;
use crate::exchange::body::Submission;
use crate::partner::Language;
use crate::referral::event::Sealed;
use crate::referral::submit::{Submit, TransferBasis};
use crate::referral::{Act, Referral, ReferralId, Transfer};

/// The version of the rule by which a submission is reduced to what is needed: the fields that were asked for and
/// consented to, nothing else (PIPL Art. 6 and 19).
pub const MINIMISATION: &str = "2026-1";

/// The digest of the content that the second person has read.
struct Approved(Digest);

impl Composes for Approved {
    async fn compose(&self, council: &Council, transfer: &Transfer) -> Result<Act, CouncilError> {
        let Self(approved) = self;
        let submission = council.presented(transfer, approved).await?;
        council.submitting(transfer, approved.clone(), submission).await
    }
}

impl Council {
    /// Lets a presented content leave: it is opened, held against the digest that the second person has read, signed and
    /// sealed, and every gate is asked. What the filing holds and the content does not is recorded as taken out.
    ///
    /// # Errors
    /// [`CouncilError`]; nothing was changed, and nothing will be sent. A shut gate is
    /// [`crate::referral::Rejection::Gates`], another content [`crate::referral::Rejection::OtherContent`].
    pub async fn submit(
        &self,
        id: ReferralId,
        command: CommandRef,
        caller: Caller<'_>,
        read: Option<Revision>,
        approved: Digest,
    ) -> Result<Done<Referral>, CouncilError> {
        self.act_composed(id, command, caller, read, None, &Approved(approved)).await
    }

    async fn submitting(
        &self,
        transfer: &Transfer,
        approved: Digest,
        submission: Submission,
    ) -> Result<Act, CouncilError> {
        let written = self.write(transfer, submission.clone().into())?;
        let sealed = self.minimised(transfer, &submission, &written).await?;
        let subject = self.subject_of(transfer).await?;
        let text = written.text.clone();
        let content = self.with_vault(move |vault| vault.seal(subject, MESSAGE_PURPOSE, &text)).await?;
        Ok(Act::Submit(Box::new(Submit {
            approved,
            sealed,
            record: TransferBasis::of(&submission),
            evidence: submission.evidence.into_iter().map(|item| item.digest).collect(),
            issued: written.sealed(transfer, content),
        })))
    }

    /// What the message holds, and what was there and was taken out.
    async fn minimised(
        &self,
        transfer: &Transfer,
        submission: &Submission,
        written: &Written,
    ) -> Result<Sealed, CouncilError> {
        let fields = submission.fields();
        let mut removed = match transfer.drafted.complaint {
            Some(complaint) => self.held(complaint).await?,
            None => Vec::new(),
        };
        removed.retain(|field| !fields.contains(field));
        let mut renditions: Vec<Language> = submission.renditions.iter().map(|rendition| rendition.lang).collect();
        renditions.sort_unstable();
        renditions.dedup();
        Ok(Sealed {
            fields,
            removed,
            minimisation: MINIMISATION.to_owned(),
            renditions,
            payload: written.entry.digest.to_string(),
            key: written.key.to_string(),
            signature: written.jws.clone(),
        })
    }
}
