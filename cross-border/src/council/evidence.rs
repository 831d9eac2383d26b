//! Files of a referral: put in by our officers, brought by partners, given to them.

use std::sync::Arc;

use domain::envelope::Position;
use domain::id::SubjectId;
use event_log::execute::Done;
use event_log::port::CommandRef;

use super::receipts::system;
use super::refusals::{erased, of_council};
use super::{Caller, Council, CouncilError, EVIDENCE_NAME_PURPOSE, own_command};
use crate::evidence::{EvidenceError, Stored};
use crate::exchange::{Digest, EvidenceItem, Refusal, RefusalCode, ScanState, SharedId};
use crate::partner::PartnerId;
use crate::referral::bring_evidence::BringEvidence;
use crate::referral::record_scan::RecordScan;
use crate::referral::state::EvidenceState;
use crate::referral::store_evidence::StoreEvidence;
use crate::referral::{Act, Referral, ReferralId, Transfer};

impl Council {
    /// A file of ours that an officer puts in, as it was attached to the draft or announced: looked through, sealed,
    /// recorded. Whoever brings messages over brings it, with its message or, when that has gone, by itself.
    ///
    /// # Errors
    /// [`CouncilError::Evidence`] when it is not what was announced or is infected, [`CouncilError::NotFound`] when we
    /// announced no such file, [`CouncilError::Erased`] when none may be kept any longer, also where it came to that
    /// while this one was taken in, and as for [`Council::act`].
    pub async fn put_in(
        &self,
        id: ReferralId,
        digest: &Digest,
        caller: &Caller<'_>,
        bytes: Vec<u8>,
    ) -> Result<(EvidenceItem, ScanState), CouncilError> {
        let loaded = self.load(id).await?;
        let transfer = loaded.state.transfer().ok_or(CouncilError::NotFound { what: "referral" })?;
        let ours = transfer.evidence.get(digest).filter(|file| file.side == transfer.own_side());
        let announced = ours.ok_or(CouncilError::NotFound { what: "file" })?;
        if transfer.erasure.done.is_some() {
            return Err(CouncilError::Erased);
        }
        let item = self.item(digest, announced).await?;
        // The name was sealed for whoever's data it is, and so are the bytes.
        let kept = self.keep(id, caller, announced.name.subject, item.clone(), bytes);
        // Boxed: deciding is a large future, and this does it twice.
        let scan = Box::pin(kept).await?;
        Ok((item, scan))
    }

    /// Records that a partner has a file of ours, or that it will never take it, which is what `refused` says. Gives
    /// where that stands; `None` when it was known.
    ///
    /// # Errors
    /// [`CouncilError`]; the file still counts as owed.
    pub async fn record_brought(
        &self,
        id: ReferralId,
        digest: &Digest,
        refused: Option<&str>,
    ) -> Result<Option<Position>, CouncilError> {
        let loaded = self.load(id).await?;
        let transfer = loaded.state.transfer().ok_or(CouncilError::NotFound { what: "referral" })?;
        let command = own_command(&["bring-evidence", &id.to_string(), digest.as_str()]);
        let brought = BringEvidence { digest: digest.clone(), refused: refused.map(ToOwned::to_owned) };
        let done = self.followed(id, command, &system(transfer), Act::BringEvidence(brought)).await?;
        Ok(done.map(|done| done.position))
    }

    /// A file that a partner brings, which one of its messages has announced.
    ///
    /// # Errors
    /// The partner's fault by its code; a retryable code when the fault is ours, or the message has not come yet.
    pub async fn receive_evidence(
        &self,
        from: &PartnerId,
        shared: SharedId,
        digest: &Digest,
        bytes: Vec<u8>,
    ) -> Result<ScanState, Refusal> {
        let taken = self.take_evidence(from, shared, digest, bytes).await;
        if let Err(refusal) = &taken {
            self.journal_refusal(from, None, digest.as_str().as_bytes(), "a file of evidence", refusal).await;
        }
        taken
    }

    async fn take_evidence(
        &self,
        from: &PartnerId,
        shared: SharedId,
        digest: &Digest,
        bytes: Vec<u8>,
    ) -> Result<ScanState, Refusal> {
        let failed = |error: CouncilError| of_council(&error);
        let (id, loaded) = self.find(from, shared).await.map_err(failed)?;
        let transfer = of_partner(loaded.state.transfer(), from)?;
        let announced = transfer.evidence.get(digest).filter(|file| file.side == transfer.own_side().other());
        let Some(announced) = announced else {
            let message = "no message of this council has announced the file";
            return Err(Refusal::new(RefusalCode::EvidenceUnannounced, message));
        };
        if transfer.moves_no_files() {
            return Err(no_more_files(transfer));
        }
        if announced.scan == ScanState::Infected {
            return Err(EvidenceError::Infected.refusal());
        }
        let subject = self.subject_of(transfer).await.map_err(failed)?;
        let item = self.item(digest, announced).await.map_err(failed)?;
        let caller = system(transfer);
        Box::pin(self.keep(id, &caller, subject, item, bytes)).await.map_err(failed)
    }

    /// A file of a referral, for our officers and for whoever brings it to the partner.
    ///
    /// # Errors
    /// There is no such file here, or the person was erased.
    pub async fn file(&self, id: ReferralId, digest: &Digest) -> Result<(EvidenceItem, Vec<u8>), CouncilError> {
        let loaded = self.load(id).await?;
        let transfer = loaded.state.transfer().ok_or(CouncilError::NotFound { what: "referral" })?;
        let known = transfer.evidence.get(digest).ok_or(CouncilError::NotFound { what: "file" })?;
        if transfer.erasure.done.is_some() {
            return Err(CouncilError::Erased);
        }
        if known.scan == ScanState::Infected {
            return Err(EvidenceError::Infected.into());
        }
        let subject = self.subject_of(transfer).await?;
        let item = self.item(digest, known).await?;
        let (evidence, digest) = (self.evidence.clone(), digest.clone());
        let got = tokio::task::spawn_blocking(move || evidence.get(subject, &digest)).await;
        Ok((item, got.map_err(CouncilError::Task)??))
    }

    /// A file that a partner fetches: of a referral that both know, and told of in a message or listed in the
    /// submission.
    ///
    /// # Errors
    /// The partner's fault by its code; a retryable code when the fault is ours.
    pub async fn serve_evidence(
        &self,
        from: &PartnerId,
        shared: SharedId,
        digest: &Digest,
    ) -> Result<(EvidenceItem, Vec<u8>), Refusal> {
        let served = self.give_evidence(from, shared, digest).await;
        if let Err(refusal) = &served
            && !(refusal.code == RefusalCode::EvidenceNotFound && self.is_to_come(from, shared, digest).await)
        {
            self.journal_refusal(from, None, digest.as_str().as_bytes(), "fetching a file", refusal).await;
        }
        served
    }

    /// Whether we told a partner of a file that is not here yet: whoever fetches is right to ask for it again.
    async fn is_to_come(&self, from: &PartnerId, shared: SharedId, digest: &Digest) -> bool {
        let Ok((_, loaded)) = self.find(from, shared).await else { return false };
        let Ok(transfer) = of_partner(loaded.state.transfer(), from) else { return false };
        transfer.evidence.get(digest).is_some_and(|file| file.announced.is_some() && !file.stored)
    }

    async fn give_evidence(
        &self,
        from: &PartnerId,
        shared: SharedId,
        digest: &Digest,
    ) -> Result<(EvidenceItem, Vec<u8>), Refusal> {
        let failed = |error: CouncilError| of_council(&error);
        let (id, loaded) = self.find(from, shared).await.map_err(failed)?;
        let transfer = of_partner(loaded.state.transfer(), from)?;
        // What is called back or was returned is given to nobody any more, and what was attached to a draft has not
        // been shared.
        if !transfer.gives_files() {
            return Err(no_more_files(transfer));
        }
        if !transfer.stage.has_left() || !transfer.evidence.contains_key(digest) {
            return Err(EvidenceError::NotFound.refusal());
        }
        self.file(id, digest).await.map_err(failed)
    }

    /// A file as it was announced, its name opened.
    async fn item(&self, digest: &Digest, known: &EvidenceState) -> Result<EvidenceItem, CouncilError> {
        let name = self.open(EVIDENCE_NAME_PURPOSE, &known.name).await?.ok_or(CouncilError::Erased)?;
        Ok(EvidenceItem { digest: digest.clone(), name, bytes: known.bytes, media: known.media.clone() })
    }

    /// Keeps a file that was announced: held against the announcement, looked through, sealed, recorded. What cannot be
    /// recorded is not kept.
    async fn keep(
        &self,
        id: ReferralId,
        caller: &Caller<'_>,
        subject: SubjectId,
        item: EvidenceItem,
        bytes: Vec<u8>,
    ) -> Result<ScanState, CouncilError> {
        let (digest, bytes) = (item.digest.clone(), Arc::new(bytes));
        let scan = match self.look_through(&item, &bytes).await {
            Err(CouncilError::Evidence(error @ EvidenceError::Infected)) => {
                self.record_scan(id, caller, &digest, ScanState::Infected).await?;
                return Err(error.into());
            }
            looked => looked?,
        };
        self.put(subject, item, bytes).await?;
        let command = own_command(&["store-evidence", &id.to_string(), digest.as_str()]);
        let act = Act::StoreEvidence(StoreEvidence { digest: digest.clone() });
        let recorded = self.followed(id, command, caller, act).await.map(drop);
        // Looking through it takes time, in which the referral may have been erased; and of a file that was here before
        // the record alone does not tell, for it is given again.
        let loaded = self.load(id).await?;
        let transfer = loaded.state.transfer().ok_or(CouncilError::NotFound { what: "referral" })?;
        let is_stored = transfer.evidence.get(&digest).is_some_and(|file| file.stored);
        let is_refused = !is_stored && matches!(recorded, Err(CouncilError::Rejected(_)));
        if transfer.is_erased() || is_refused {
            self.take_back(transfer, subject, &digest).await?;
        }
        if transfer.is_erased() {
            return Err(CouncilError::Erased);
        }
        recorded?;
        self.record_scan(id, caller, &digest, scan).await?;
        Ok(scan)
    }

    /// Checks a file against its announcement and looks through it. Nothing infected is kept.
    async fn look_through(&self, item: &EvidenceItem, bytes: &Arc<Vec<u8>>) -> Result<ScanState, CouncilError> {
        // Reckoning the digest of ten megabytes is work for a thread that may be busy.
        let (evidence, declared, content) = (self.evidence.clone(), item.clone(), Arc::clone(bytes));
        let checked = tokio::task::spawn_blocking(move || evidence.check(&declared.digest, &declared, &content)).await;
        checked.map_err(CouncilError::Task)??;
        match self.evidence.scan(bytes).await {
            ScanState::Infected => Err(EvidenceError::Infected.into()),
            scan => Ok(scan),
        }
    }

    async fn put(&self, subject: SubjectId, item: EvidenceItem, bytes: Arc<Vec<u8>>) -> Result<Stored, CouncilError> {
        let evidence = self.evidence.clone();
        let put = tokio::task::spawn_blocking(move || evidence.put(subject, &item.digest, &item, &bytes)).await;
        Ok(put.map_err(CouncilError::Task)??)
    }

    async fn record_scan(
        &self,
        id: ReferralId,
        caller: &Caller<'_>,
        digest: &Digest,
        scan: ScanState,
    ) -> Result<(), CouncilError> {
        if scan == ScanState::Unscanned {
            return Ok(());
        }
        let command = own_command(&["record-scan", &id.to_string(), digest.as_str(), scan.code()]);
        let act = Act::RecordScan(RecordScan { digest: digest.clone(), scan });
        self.followed(id, command, caller, act).await.map(drop)
    }

    /// An act that follows from another one; when it is done already there is nothing to do.
    async fn followed(
        &self,
        id: ReferralId,
        command: CommandRef,
        caller: &Caller<'_>,
        act: Act,
    ) -> Result<Option<Done<Referral>>, CouncilError> {
        match self.act(id, command, caller.clone(), None, None, act).await {
            Ok(done) => Ok(Some(done)),
            Err(CouncilError::NothingToDo) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Why no file of the referral goes to and fro any more.
fn no_more_files(transfer: &Transfer) -> Refusal {
    if transfer.erasure.done.is_some() {
        return erased();
    }
    Refusal::new(RefusalCode::Erased, "the referral was recalled or returned, so no file of it is taken or given")
}

/// The referral, when it is with this partner.
fn of_partner<'t>(transfer: Option<&'t Transfer>, from: &PartnerId) -> Result<&'t Transfer, Refusal> {
    let unknown = || Refusal::new(RefusalCode::UnknownReferral, "no such referral is known here");
    let transfer = transfer.ok_or_else(unknown)?;
    if transfer.drafted.partner == *from {
        Ok(transfer)
    } else {
        Err(Refusal::new(RefusalCode::ForeignReferral, "the referral is not with this council"))
    }
}
