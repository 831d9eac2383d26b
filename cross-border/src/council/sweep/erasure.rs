//! Erasing what may not be kept any longer: what a partner calls back, and what has come to the end of its retention.
//!
//! Who received it destroys the key under which every text of both lanes and every file of the referral is sealed. Who
//! sent it has its texts under the key of the complaint, which they belong to and go with; there only the files go that
//! were kept for the transfer.
//!
//! A key is destroyed when nothing needs it any more. Messages of ours that have not reached the partner could not be
//! brought, nor could those of the partner that wait for others take effect, and what stands behind them in their lane
//! would be held up. So the erasure waits for them, for a week at most; then a person is told, and may order it.
//!
//! Which other referrals need a file is asked of the index, and what the index does not show yet may need it too. So no
//! file goes before the index shows all that the log holds; where it is late, the erasure is left to the next sweep.
//!
//! What is destroyed and what is recorded hangs on the referral as it was read. Where it has moved on, because a file
//! was put in meanwhile for example, nothing is recorded, and the next sweep begins with what it holds then. A file
//! that comes after the record is taken back by whoever puts it in.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{Days, NaiveDate};
use domain::complaint::Complaint;
use domain::day::local_day;
use domain::decider::Decider as _;
use domain::envelope::Revision;
use domain::filing::Filing;
use domain::id::{ComplaintId, SubjectId};
use event_log::execute::{Done, Loaded, load};
use event_log::port::CommandRef;
use tokio::time::Instant;

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
/// How long one sweep, or one order, waits in all for the index to show what the log holds.
pub const INDEX_WAIT_MAX: Duration = Duration::from_secs(5);

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

    /// The last day on which the data might be kept is over. `patience` is what is left of the wait for the index.
    pub(super) async fn sweep_retention(
        &self,
        row: &ReferralRow,
        patience: &mut Duration,
    ) -> Result<Erasure, CouncilError> {
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
        match self.erase(row.id, command, system(transfer), &loaded, false, patience).await {
            Ok(Some(_)) => Ok(Erasure::Done),
            // The referral moved on: the next sweep begins anew.
            Ok(None) | Err(CouncilError::Busy) => Ok(Erasure::Waits),
            Err(CouncilError::NothingToDo) => Ok(Erasure::NotOwed),
            Err(error) => Err(error),
        }
    }

    /// A person has what is due erased, although the referral has not ended or messages are still on their way: those
    /// of ours that were not delivered are given up as erased, and those of the partner that still wait have no effect.
    /// A recall is answered by the next sweep.
    ///
    /// # Errors
    /// Nothing is due ([`crate::referral::Rejection::NotErased`]), the index does not show in time who else needs the
    /// files ([`CouncilError::IndexLate`]), the referral changed meanwhile ([`CouncilError::Busy`]), the vault or the
    /// folder of evidence cannot be written, and as for [`Council::act`]. What was destroyed before a failure stays so;
    /// asked again, it goes on.
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
        let mut patience = INDEX_WAIT_MAX;
        let erased = self.erase(id, command, caller, &loaded, true, &mut patience).await?;
        erased.ok_or(CouncilError::IndexLate)
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

    /// Decides, destroys, records. A crash in between leaves it due, and doing it again does no harm. `None` when the
    /// index is late: nothing was done.
    async fn erase(
        &self,
        id: ReferralId,
        command: CommandRef,
        caller: Caller<'_>,
        loaded: &Loaded<Referral>,
        ordered: bool,
        patience: &mut Duration,
    ) -> Result<Option<Done<Referral>>, CouncilError> {
        let transfer = loaded.state.transfer().ok_or(CouncilError::NotFound { what: "referral" })?;
        // Whether it may be does not hang on the files, so nobody waits for what is refused.
        let decided = {
            let ctx = self.context(caller.unit, caller.actor);
            let act = Act::Erase(Erase { files: Vec::new(), ordered });
            Referral::decide(&loaded.state, ReferralCommand { at: None, act }, &ctx)
        };
        if decided.map_err(CouncilError::Rejected)?.is_empty() {
            return Err(CouncilError::NothingToDo);
        }
        let subject = self.subject_of(transfer).await?;
        let Some(alone) = self.files_to_erase(transfer, subject, patience).await? else { return Ok(None) };
        // A file may have come while the index was waited for.
        if self.load(id).await?.revision != loaded.revision {
            return Err(CouncilError::Busy);
        }
        let stored = alone.iter().filter(|digest| transfer.evidence.get(*digest).is_some_and(|file| file.stored));
        let files: Vec<Digest> = stored.cloned().collect();
        self.destroy(loaded, subject, alone).await?;
        let act = Act::Erase(Erase { files, ordered });
        // On what was read, or a file that came since would stay. Boxed: deciding is a large future.
        match Box::pin(self.act(id, command, caller, loaded.revision, None, act)).await {
            Err(CouncilError::Stale { .. }) => Err(CouncilError::Busy),
            done => done.map(Some),
        }
    }

    /// Takes a file back that was put in for a referral which keeps none any more. It stays where another referral
    /// needs it, as far as the index shows in time: what was written a moment ago is hardly another one's by now.
    pub(in crate::council) async fn take_back(
        &self,
        transfer: &Transfer,
        subject: SubjectId,
        digest: &Digest,
    ) -> Result<(), CouncilError> {
        let mut alone = vec![digest.clone()];
        if transfer.is_outbound() {
            let mut patience = INDEX_WAIT_MAX;
            let _shows_all = self.index_shows_all(&mut patience).await?;
            self.leave_to_others(transfer, subject, &mut alone).await?;
        }
        self.take_away(subject, alone).await
    }

    /// The files of this referral alone, also those of which only the bytes may have come before a crash; `None` while
    /// the index may not show another referral that needs them.
    async fn files_to_erase(
        &self,
        transfer: &Transfer,
        subject: SubjectId,
        patience: &mut Duration,
    ) -> Result<Option<Vec<Digest>>, CouncilError> {
        let mut files: Vec<Digest> = transfer.files().cloned().collect();
        if !transfer.is_outbound() || files.is_empty() {
            return Ok(Some(files));
        }
        if !self.index_shows_all(patience).await? {
            return Ok(None);
        }
        self.leave_to_others(transfer, subject, &mut files).await?;
        Ok(Some(files))
    }

    /// Strikes out the files that another referral needs, as far as the index shows it. The same receipt may belong to
    /// what the same person has with another council, or tries once more.
    async fn leave_to_others(
        &self,
        transfer: &Transfer,
        subject: SubjectId,
        files: &mut Vec<Digest>,
    ) -> Result<(), CouncilError> {
        for other in self.referrals_beside(transfer, subject).await? {
            let loaded = self.load(other).await?;
            let needed = loaded.state.transfer().filter(|other| other.erasure.done.is_none());
            files.retain(|digest| !needed.is_some_and(|other| other.evidence.contains_key(digest)));
        }
        Ok(())
    }

    /// Whether the index shows all that the log holds now. It is waited for as long as there is patience, of which the
    /// wait is taken off.
    async fn index_shows_all(&self, patience: &mut Duration) -> Result<bool, CouncilError> {
        let Some(head) = self.log.head().await.map_err(CouncilError::Read)? else { return Ok(true) };
        let asked = Instant::now();
        let shows = self.index.wait_for(head, *patience).await.is_ok();
        *patience = patience.saturating_sub(asked.elapsed());
        Ok(shows)
    }

    /// The other referrals of the same person, and those of the same filing that name no person yet.
    async fn referrals_beside(
        &self,
        transfer: &Transfer,
        subject: SubjectId,
    ) -> Result<BTreeSet<ReferralId>, CouncilError> {
        let own = transfer.drafted.referral;
        let mut filters = vec![ReferralFilter { subject: Some(subject), ..ReferralFilter::default() }];
        if let Some(complaint) = transfer.drafted.complaint {
            let complaints = self.complaints_beside(complaint).await?.into_iter().map(Some);
            filters.extend(complaints.map(|complaint| ReferralFilter { complaint, ..ReferralFilter::default() }));
        }
        let rows = self.ask_index(move |index| {
            let found = filters.iter().map(|filter| index.referrals(filter, None, ROWS_MAX));
            found.collect::<Result<Vec<_>, _>>()
        });
        Ok(rows.await?.into_iter().flatten().map(|row| row.id).filter(|id| *id != own).collect())
    }

    /// The complaints of the filing that a complaint belongs to, itself among them: of one person, under one key.
    async fn complaints_beside(&self, complaint: ComplaintId) -> Result<BTreeSet<ComplaintId>, CouncilError> {
        let mut complaints = BTreeSet::from([complaint]);
        let loaded = load::<Complaint>(self.log.as_ref(), &complaint.stream(), None).await?;
        let Some(case) = loaded.state.case() else { return Ok(complaints) };
        let filing = load::<Filing>(self.log.as_ref(), &case.filing.stream(), None).await?;
        if let Filing::Received(_, items, _) = filing.state {
            complaints.extend(items.iter().map(|item| ComplaintId::of_item(case.filing, item.item)));
        }
        Ok(complaints)
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
            let evidence = self.evidence.clone();
            let erased = tokio::task::spawn_blocking(move || evidence.erase(subject)).await;
            return Ok(erased.map_err(CouncilError::Task)??);
        }
        self.take_away(subject, files).await
    }

    /// Takes single files away.
    async fn take_away(&self, subject: SubjectId, files: Vec<Digest>) -> Result<(), CouncilError> {
        let evidence = self.evidence.clone();
        let gone = tokio::task::spawn_blocking(move || evidence.erase_files(subject, &files)).await;
        Ok(gone.map_err(CouncilError::Task)??)
    }
}
