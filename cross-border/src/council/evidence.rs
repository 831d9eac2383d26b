//! Files of a referral: attached by our officers, brought by partners, given to them.

use domain::envelope::Revision;
use domain::id::SubjectId;
use event_log::execute::Done;
use event_log::port::CommandRef;

use super::act_of::evidence_of;
use super::receipts::system;
use super::refusals::of_council;
use super::{Caller, Council, CouncilError, EVIDENCE_NAME_PURPOSE, own_command};
use crate::evidence::{EvidenceError, Stored};
use crate::exchange::body::Evidence;
use crate::exchange::{Digest, EvidenceItem, Refusal, RefusalCode, ScanState, SharedId};
use crate::partner::PartnerId;
use crate::referral::record_scan::RecordScan;
use crate::referral::state::EvidenceState;
use crate::referral::store_evidence::StoreEvidence;
use crate::referral::{Act, Referral, ReferralId, Transfer};

impl Council {
    /// Attaches a file to a referral of ours: looked through, sealed, recorded. Before the submission it becomes part
    /// of the draft; afterwards the partner is told, and whoever brings messages over brings the file too.
    ///
    /// # Errors
    /// [`CouncilError::Evidence`] when the file is not taken, and as for [`Council::tell`].
    pub async fn attach(
        &self,
        id: ReferralId,
        command: CommandRef,
        caller: Caller<'_>,
        read: Option<Revision>,
        name: String,
        media: String,
        bytes: Vec<u8>,
    ) -> Result<Done<Referral>, CouncilError> {
        let loaded = self.load(id).await?;
        let transfer = loaded.state.transfer().ok_or(CouncilError::NotFound { what: "referral" })?;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let item = EvidenceItem { digest: Digest::of(&bytes), name, bytes: length, media };
        let digest = item.digest.clone();
        let subject = self.subject_of(transfer).await?;
        let scan = self.look_through(&item, &bytes).await?;
        self.put(subject, item.clone(), bytes).await?;
        let done = if transfer.stage.has_left() {
            self.tell(id, command, caller.clone(), read, None, Evidence { item }.into()).await?
        } else {
            let added = self
                .with_vault(move |vault| evidence_of(&item, &|purpose, text| vault.seal(subject, purpose, text)))
                .await?;
            self.act(id, command, caller.clone(), read, None, Act::AddEvidence(added)).await?
        };
        let recorded = self.record_stored(id, &caller, &digest, scan).await?;
        Ok(match recorded {
            Some(recorded) => Done { repeated: done.repeated, ..recorded },
            None => done,
        })
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
        if transfer.stage.is_recalled() {
            return Err(Refusal::new(RefusalCode::Erased, "the referral was recalled"));
        }
        if announced.scan == ScanState::Infected {
            return Err(EvidenceError::Infected.refusal());
        }
        let subject = self.subject_of(transfer).await.map_err(failed)?;
        let item = self.item(digest, announced).await.map_err(failed)?;
        let caller = system(transfer);
        let scan = match self.look_through(&item, &bytes).await {
            Err(CouncilError::Evidence(error @ EvidenceError::Infected)) => {
                self.record_scan(id, &caller, digest, ScanState::Infected).await.map_err(failed)?;
                return Err(error.refusal());
            }
            looked => looked.map_err(failed)?,
        };
        self.put(subject, item, bytes).await.map_err(failed)?;
        self.record_stored(id, &caller, digest, scan).await.map_err(failed)?;
        Ok(scan)
    }

    /// A file of a referral, for our officers and for whoever brings it to the partner.
    ///
    /// # Errors
    /// There is no such file here, or the person was erased.
    pub async fn file(&self, id: ReferralId, digest: &Digest) -> Result<(EvidenceItem, Vec<u8>), CouncilError> {
        let loaded = self.load(id).await?;
        let transfer = loaded.state.transfer().ok_or(CouncilError::NotFound { what: "referral" })?;
        let known = transfer.evidence.get(digest).ok_or(CouncilError::NotFound { what: "file" })?;
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
        if let Err(refusal) = &served {
            self.journal_refusal(from, None, digest.as_str().as_bytes(), "fetching a file", refusal).await;
        }
        served
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
        // What is called back is given to nobody any more, and what was attached to a draft has not been shared.
        if transfer.stage.is_recalled() || transfer.recall_is_due() {
            return Err(Refusal::new(RefusalCode::Erased, "the referral is called back"));
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

    /// Checks a file against its announcement and looks through it. Nothing infected is kept.
    async fn look_through(&self, item: &EvidenceItem, bytes: &[u8]) -> Result<ScanState, CouncilError> {
        self.evidence.check(&item.digest, item, bytes)?;
        match self.evidence.scan(bytes).await {
            ScanState::Infected => Err(EvidenceError::Infected.into()),
            scan => Ok(scan),
        }
    }

    async fn put(&self, subject: SubjectId, item: EvidenceItem, bytes: Vec<u8>) -> Result<Stored, CouncilError> {
        let evidence = self.evidence.clone();
        let put = tokio::task::spawn_blocking(move || evidence.put(subject, &item.digest, &item, &bytes)).await;
        Ok(put.map_err(CouncilError::Task)??)
    }

    /// Records that the file lies here, and what looking through it found; the newest answer, if anything was new.
    async fn record_stored(
        &self,
        id: ReferralId,
        caller: &Caller<'_>,
        digest: &Digest,
        scan: ScanState,
    ) -> Result<Option<Done<Referral>>, CouncilError> {
        let command = own_command(&["store-evidence", &id.to_string(), digest.as_str()]);
        let act = Act::StoreEvidence(StoreEvidence { digest: digest.clone() });
        let stored = self.followed(id, command, caller, act).await?;
        let scanned = self.record_scan(id, caller, digest, scan).await?;
        Ok(scanned.or(stored))
    }

    async fn record_scan(
        &self,
        id: ReferralId,
        caller: &Caller<'_>,
        digest: &Digest,
        scan: ScanState,
    ) -> Result<Option<Done<Referral>>, CouncilError> {
        if scan == ScanState::Unscanned {
            return Ok(None);
        }
        let command = own_command(&["record-scan", &id.to_string(), digest.as_str(), scan.code()]);
        let act = Act::RecordScan(RecordScan { digest: digest.clone(), scan });
        self.followed(id, command, caller, act).await
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
