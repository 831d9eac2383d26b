//! Submitting: the second person lets the minimised message leave, and the whole basis of the transfer is recorded.

use domain::envelope::Revision;
use domain::id::SubjectId;
use event_log::execute::Done;
use event_log::port::CommandRef;

use super::act_of::evidence_of;
use super::message::Written;
use super::{Caller, Council, CouncilError, MESSAGE_PURPOSE};
use crate::exchange::body::Submission;
use crate::partner::Language;
use crate::referral::event::Sealed;
use crate::referral::submit::{Submit, TransferBasis};
use crate::referral::{Act, Referral, ReferralId, Transfer};

/// The version of the rule by which a submission is reduced to what is needed: the fields that were asked for and
/// consented to, nothing else (PIPL Art. 6 and 19).
pub const MINIMISATION: &str = "2026-1";

impl Council {
    /// Lets a submission leave: it is signed and sealed, every gate is asked, and the caller is the second person. What
    /// the filing holds and the submission does not is recorded as taken out.
    ///
    /// # Errors
    /// [`CouncilError`]; nothing was changed, and nothing will be sent. A shut gate is
    /// [`crate::referral::Rejection::Gates`].
    pub async fn submit(
        &self,
        id: ReferralId,
        command: CommandRef,
        caller: Caller<'_>,
        read: Option<Revision>,
        submission: Submission,
    ) -> Result<Done<Referral>, CouncilError> {
        self.tell(id, command, caller, read, None, submission.into()).await
    }

    pub(super) async fn act_submitting(
        &self,
        transfer: &Transfer,
        subject: SubjectId,
        submission: Submission,
        written: Written,
    ) -> Result<Act, CouncilError> {
        let fields = submission.fields();
        let mut removed = match transfer.drafted.complaint {
            Some(complaint) => self.held(complaint).await?,
            None => Vec::new(),
        };
        removed.retain(|field| !fields.contains(field));
        let mut renditions: Vec<Language> = submission.renditions.iter().map(|rendition| rendition.lang).collect();
        renditions.sort_unstable();
        renditions.dedup();
        let sealed = Sealed {
            fields,
            removed,
            minimisation: MINIMISATION.to_owned(),
            renditions,
            payload: written.entry.digest.to_string(),
            key: written.key.to_string(),
            signature: written.jws.clone(),
        };
        let record = TransferBasis::of(&submission);
        let text = written.text.clone();
        let (evidence, content) = self
            .with_vault(move |vault| {
                let seal = |purpose: &'static str, text: &str| vault.seal(subject, purpose, text);
                let evidence = submission.evidence.iter().map(|item| evidence_of(item, &seal));
                let evidence = evidence.collect::<Result<Vec<_>, _>>()?;
                Ok((evidence, vault.seal(subject, MESSAGE_PURPOSE, &text)?))
            })
            .await?;
        let issued = written.sealed(transfer, content);
        Ok(Act::Submit(Box::new(Submit { sealed, record, evidence, issued })))
    }
}
