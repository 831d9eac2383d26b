//! Erasing what may not be kept any longer: what a partner calls back, and what has come to the end of its retention.
//!
//! Who received it destroys the key under which every text of both lanes and every file of the referral is sealed. Who
//! sent it has its texts under the key of the complaint, which they belong to and go with; there only the files go that
//! were kept for the transfer.
//!
//! A key is destroyed when nothing needs it any more. Messages of ours that have not reached the partner could not be
//! brought, nor could those of the partner that wait for others take effect, and what stands behind them in their lane
//! would be held up. So the erasure waits for them, for a week at most; then a person is told, and may order it.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate};
use domain::day::local_day;
use domain::decider::Decider as _;
use domain::envelope::Revision;
use domain::id::SubjectId;
use event_log::execute::{Done, Loaded};
use event_log::port::CommandRef;

use super::nudge::is_working_time;
use super::{ESCALATE_OWN_TO, Erasure};
use crate::council::content::kept;
use crate::council::receipts::system;
use crate::council::{Caller, Council, CouncilError, own_command};
use crate::exchange::body::RecallAnswer;
use crate::exchange::{Digest, Step};
use crate::index::{ROWS_MAX, ReferralFilter, ReferralRow};
use crate::referral::erase::{Erase, HeldFor, HoldErasure};
use crate::referral::{Act, Referral, ReferralCommand, ReferralId, Transfer};

/// Days for which an erasure that is due waits for messages of the referral.
pub const ERASURE_WAITS_DAYS_MAX: u64 = 7;

impl Council {
    /// A partner recalled what it sent: the consumer's key is destroyed, the files go, and the partner is told.
    pub(super) async fn sweep_recalled(&self, row: &ReferralRow) -> Result<Erasure, CouncilError> {
        let loaded = self.load(row.id).await?;
        // The index may be behind: it was answered meanwhile.
        let Some(transfer) = loaded.state.transfer().filter(|transfer| transfer.owes_recall_answer()) else {
            return Ok(Erasure::NotOwed);
        };
        let today = local_day(self.moment());
        let last_day = transfer.clocks.get(&Step::RecallAnswer).map_or(today, |clock| clock.by);
        if let Some(kept) = self.keeps_waiting(row.id, transfer, last_day).await? {
            return Ok(kept);
        }
        let subject = self.subject_of(transfer).await?;
        self.destroy(&loaded, subject, Vec::new()).await?;
        let command = own_command(&["answer-recall", &row.id.to_string()]);
        let body = RecallAnswer { erased: true, note: None }.into();
        self.tell(row.id, command, system(transfer), None, None, body).await?;
        Ok(Erasure::Done)
    }

    /// The last day on which the data might be kept is over.
    pub(super) async fn sweep_retention(&self, row: &ReferralRow) -> Result<Erasure, CouncilError> {
        let loaded = self.load(row.id).await?;
        let today = local_day(self.moment());
        // What is called back is erased with the answer to that.
        let known = loaded.state.transfer().filter(|transfer| !transfer.owes_recall_answer());
        let Some((transfer, last_day)) = known.and_then(|transfer| Some((transfer, transfer.kept_to()?))) else {
            return Ok(Erasure::NotOwed);
        };
        if today <= last_day {
            return Ok(Erasure::NotOwed);
        }
        if !transfer.has_ended() {
            self.hold(row.id, transfer, HeldFor::NotEnded).await?;
            return Ok(Erasure::Held);
        }
        // Files that are gone keep no message from being brought or taken.
        if !transfer.is_outbound()
            && let Some(kept) = self.keeps_waiting(row.id, transfer, last_day).await?
        {
            return Ok(kept);
        }
        let command = own_command(&["erase", &row.id.to_string()]);
        match self.erase(row.id, command, system(transfer), &loaded, false).await {
            Ok(_) => Ok(Erasure::Done),
            Err(CouncilError::NothingToDo) => Ok(Erasure::NotOwed),
            Err(error) => Err(error),
        }
    }

    /// A person has what is due erased, although the referral has not ended or messages are still on their way: those
    /// of ours that were not delivered are given up as erased, and those of the partner that still wait have no effect.
    /// A recall is answered by the next sweep.
    ///
    /// # Errors
    /// Nothing is due ([`crate::referral::Rejection::NotErased`]), the vault or the folder of evidence cannot be
    /// written, and as for [`Council::act`]. What was destroyed before a failure stays so; asked again, it goes on.
    pub async fn order_erasure(
        &self,
        id: ReferralId,
        command: CommandRef,
        caller: Caller<'_>,
        read: Option<Revision>,
    ) -> Result<Done<Referral>, CouncilError> {
        let loaded = self.load(id).await?;
        if let Some(done) = self.repeated(&id.stream(), command).await? {
            return Ok(done);
        }
        if read.is_some() && read != loaded.revision {
            // Answered with what changed; nothing is destroyed for somebody who has not seen that.
            let act = Act::Erase(Erase { files: Vec::new(), ordered: true });
            return self.act(id, command, caller, read, None, act).await;
        }
        self.erase(id, command, caller, &loaded, true).await
    }

    /// Whether the erasure is kept waiting, and how: for messages, or by now for a person.
    async fn keeps_waiting(
        &self,
        id: ReferralId,
        transfer: &Transfer,
        last_day: NaiveDate,
    ) -> Result<Option<Erasure>, CouncilError> {
        // Whoever has ordered it knew.
        if transfer.erasure.done.is_some() || !self.is_outstanding(id, transfer).await? {
            return Ok(None);
        }
        let patience = last_day.checked_add_days(Days::new(ERASURE_WAITS_DAYS_MAX)).unwrap_or(NaiveDate::MAX);
        if local_day(self.moment()) <= patience {
            return Ok(Some(Erasure::Waits));
        }
        self.hold(id, transfer, HeldFor::Outstanding).await?;
        Ok(Some(Erasure::Held))
    }

    /// Whether a message of ours may still reach the partner, or one of the partner's may still take effect.
    async fn is_outstanding(&self, id: ReferralId, transfer: &Transfer) -> Result<bool, CouncilError> {
        let deliveries = self.ask_index(move |index| index.deliveries_of(id)).await?;
        let issued = usize::try_from(transfer.segment.count(transfer.own_side())).unwrap_or(usize::MAX);
        // What the index does not show yet is not delivered either.
        let behind = deliveries.len() < issued;
        Ok(behind || deliveries.iter().any(|row| !row.is_over()) || !transfer.parked.is_empty())
    }

    /// Tells a person, in the office hours of our place and once for each reason.
    async fn hold(&self, id: ReferralId, transfer: &Transfer, why: HeldFor) -> Result<(), CouncilError> {
        if transfer.erasure.held == Some(why) || !is_working_time(self.place(), self.moment()) {
            return Ok(());
        }
        let command = own_command(&["hold-erasure", &id.to_string(), why.code()]);
        let act = Act::HoldErasure(HoldErasure { why, to: ESCALATE_OWN_TO.to_owned() });
        match self.act(id, command, system(transfer), None, None, act).await {
            Ok(_) => {
                tracing::error!(
                    referral.id = %id,
                    why = why.code(),
                    "The data of referral `{id}` should be gone and are not ({why}); end it, or order the erasure",
                );
                Ok(())
            }
            Err(CouncilError::NothingToDo) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Decides, destroys, records. A crash in between leaves it due, and doing it again does no harm.
    async fn erase(
        &self,
        id: ReferralId,
        command: CommandRef,
        caller: Caller<'_>,
        loaded: &Loaded<Referral>,
        ordered: bool,
    ) -> Result<Done<Referral>, CouncilError> {
        let transfer = loaded.state.transfer().ok_or(CouncilError::NotFound { what: "referral" })?;
        let subject = self.subject_of(transfer).await?;
        let files = self.files_to_erase(transfer, subject).await?;
        let act = Act::Erase(Erase { files: files.clone(), ordered });
        let decided = {
            let ctx = self.context(caller.unit, caller.actor);
            Referral::decide(&loaded.state, ReferralCommand { at: None, act: act.clone() }, &ctx)
        };
        if decided.map_err(CouncilError::Rejected)?.is_empty() {
            return Err(CouncilError::NothingToDo);
        }
        self.destroy(loaded, subject, files).await?;
        // Boxed: deciding is a large future.
        Box::pin(self.act(id, command, caller, None, None, act)).await
    }

    /// The files that lie here for this referral alone.
    async fn files_to_erase(&self, transfer: &Transfer, subject: SubjectId) -> Result<Vec<Digest>, CouncilError> {
        let stored = transfer.evidence.iter().filter(|(_, file)| file.stored).map(|(digest, _)| digest.clone());
        let mut files: Vec<Digest> = stored.collect();
        if !transfer.is_outbound() || files.is_empty() {
            return Ok(files);
        }
        // The same receipt may belong to what the same person has with another council, or tries once more.
        for other in self.referrals_beside(transfer, subject).await? {
            let loaded = self.load(other).await?;
            let needed = loaded.state.transfer().filter(|other| other.erasure.done.is_none());
            files.retain(|digest| !needed.is_some_and(|other| other.evidence.contains_key(digest)));
        }
        Ok(files)
    }

    /// The other referrals of the same person, and those of the same complaint that name no person yet.
    async fn referrals_beside(
        &self,
        transfer: &Transfer,
        subject: SubjectId,
    ) -> Result<BTreeSet<ReferralId>, CouncilError> {
        let (own, complaint) = (transfer.drafted.referral, transfer.drafted.complaint);
        let mut filters = vec![ReferralFilter { subject: Some(subject), ..ReferralFilter::default() }];
        if complaint.is_some() {
            filters.push(ReferralFilter { complaint, ..ReferralFilter::default() });
        }
        let rows = self.ask_index(move |index| {
            let found = filters.iter().map(|filter| index.referrals(filter, None, ROWS_MAX));
            found.collect::<Result<Vec<_>, _>>()
        });
        Ok(rows.await?.into_iter().flatten().map(|row| row.id).filter(|id| *id != own).collect())
    }

    /// Destroys the keys that seal what was received, and takes the files away. What a partner said after its person
    /// had been erased is sealed under keys of its own, which go as well; what we still have to say keeps its own.
    async fn destroy(
        &self,
        loaded: &Loaded<Referral>,
        subject: SubjectId,
        files: Vec<Digest>,
    ) -> Result<(), CouncilError> {
        let received = loaded.state.transfer().is_some_and(|transfer| !transfer.is_outbound());
        if received {
            let theirs = kept(loaded)?.into_iter().filter(|kept| !kept.own).map(|kept| kept.meta.content.subject);
            let subjects: BTreeSet<SubjectId> = theirs.chain([subject]).collect();
            self.with_vault(move |vault| subjects.into_iter().try_for_each(|subject| vault.destroy(subject).map(drop)))
                .await?;
        }
        let evidence = self.evidence.clone();
        let taken_away = tokio::task::spawn_blocking(move || {
            if received { evidence.erase(subject) } else { evidence.erase_files(subject, &files) }
        });
        taken_away.await.map_err(CouncilError::Task)??;
        Ok(())
    }
}
