//! Taking in a message: believed when it is signed and in its place, kept once, answered with the same receipt always.

mod sealing;

use domain::envelope::CommandDigest;
use domain::id::{CommandId, SubjectId};
use domain::region::RegionCode;
use event_log::execute::{DECIDE_ATTEMPTS_MAX, Issue, Loaded};
use event_log::port::CommandRef;

use self::sealing::{Parts, SealedMessage, Waiting, seal_all};
use super::content::{kept, kept_message};
use super::message::subject_of_message;
use super::refusals::{of_council, of_message, of_segment};
use super::{Caller, Council, CouncilError, SYSTEM_ACTOR, inbound_id, outbound_id};
use crate::exchange::{
    Body, DeliveryId, Digest, Entry, Inserted, Message, Refusal, RefusalCode, SharedId, SignedMessage, SignedReceipt,
};
use crate::partner::{PartnerId, Place};
use crate::referral::event::{Drafted, MessageMeta};
use crate::referral::receive::Receive;
use crate::referral::vocabulary::Direction;
use crate::referral::{Act, Referral, ReferralId, Rejection, Transfer};

/// A verified message on its way in.
struct Incoming<'a> {
    from: &'a PartnerId,
    signed: &'a SignedMessage,
    /// Under which id we hold, or will hold, the referral.
    id: ReferralId,
    message: Message,
    entry: Entry,
}

impl Council {
    /// Takes in a message that `from` brought or that we fetched there, and answers with our signed receipt. A message
    /// that we have is answered as it was the first time. When this returns, message and effects are durable.
    ///
    /// # Errors
    /// The partner's fault by its code; a retryable code when the fault is ours, or the message came too early.
    pub async fn receive(&self, from: &PartnerId, signed: SignedMessage) -> Result<SignedReceipt, Refusal> {
        let taken = self.take_in(from, &signed).await;
        if let Err(refusal) = &taken {
            self.journal_refusal(from, Some(&signed.key), signed.text.as_bytes(), "a message", refusal).await;
        }
        taken
    }

    async fn take_in(&self, from: &PartnerId, signed: &SignedMessage) -> Result<SignedReceipt, Refusal> {
        let message = self.verified(from, signed)?;
        let entry = Entry::of(&message, Digest::of(signed.text.as_bytes()));
        let incoming = Incoming { from, signed, id: self.local_id(from, &message)?, message, entry };
        let failed = |error: CouncilError| of_council(&error);
        for _ in 0..DECIDE_ATTEMPTS_MAX {
            let loaded = self.load(incoming.id).await.map_err(failed)?;
            let found = kept_message(&loaded, incoming.entry.delivery, false);
            if let Some(kept) = found.map_err(|error| failed(error.into()))? {
                if kept.meta.entry.digest != incoming.entry.digest {
                    let message = "another message was received under this delivery";
                    return Err(Refusal::new(RefusalCode::Equivocation, message));
                }
                self.erase_late(&loaded).await.map_err(failed)?;
                return self.receipt(&loaded, &kept).map_err(failed);
            }
            let act = self.receiving(&incoming, &loaded.state).await?;
            let unit = loaded.state.transfer().map_or_else(|| self.own_unit(), |known| known.drafted.council.clone());
            let issue = Issue { on_behalf_of: Some(from.as_str().into()), ..Issue::default() };
            let caller = Caller { unit: &unit, actor: SYSTEM_ACTOR, issue };
            match self.act(incoming.id, self.receiving_command(&incoming), caller, loaded.revision, None, act).await {
                // Read back: the receipt says what the log says. And whoever came in between may have brought the same.
                Ok(_)
                | Err(
                    CouncilError::Stale { .. }
                    | CouncilError::NothingToDo
                    | CouncilError::CommandReused { .. }
                    | CouncilError::Rejected(Rejection::AlreadyDrafted(_) | Rejection::EffectsMissing { .. }),
                ) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Err(of_council(&CouncilError::Busy))
    }

    /// The same message is the same command, whoever brings it how often.
    fn receiving_command(&self, incoming: &Incoming<'_>) -> CommandRef {
        let delivery = incoming.entry.delivery.to_string();
        CommandRef {
            id: CommandId::derived(&["receive", incoming.from.as_str(), &delivery]),
            digest: CommandDigest(self.vault.fingerprint(incoming.signed.text.as_bytes())),
        }
    }

    /// Under which id we hold what the message is about: it was begun by us or by whoever sends it.
    fn local_id(&self, from: &PartnerId, message: &Message) -> Result<ReferralId, Refusal> {
        let (origin, shared) = (&message.header.origin, message.header.referral);
        if *origin == *from {
            return Ok(inbound_id(from, shared));
        }
        let foreign = || Refusal::new(RefusalCode::ForeignReferral, "the referral was begun by another council");
        outbound_id(shared).filter(|_| *origin == self.own).ok_or_else(foreign)
    }

    async fn receiving(&self, incoming: &Incoming<'_>, state: &Referral) -> Result<Act, Refusal> {
        match state.transfer() {
            None => self.opening(incoming).await,
            Some(transfer) => self.following(incoming, transfer).await,
        }
    }

    /// A submission begins a referral of ours.
    async fn opening(&self, incoming: &Incoming<'_>) -> Result<Act, Refusal> {
        let Body::Submission(submission) = &incoming.message.body else { return Err(unknown_referral()) };
        let shared = incoming.message.header.referral;
        if self.is_begun_here(shared).await? {
            return Err(Refusal::new(RefusalCode::ForeignReferral, "this referral was begun here, by another council"));
        }
        if self.is_anothers(shared, incoming.from).await? {
            return Err(Refusal::new(
                RefusalCode::ForeignReferral,
                "`referral` of the header belongs to another council",
            ));
        }
        let opening = Drafted {
            referral: incoming.id,
            direction: Direction::Inbound,
            complaint: None,
            council: self.own_unit(),
            seat: seat(self.place()),
            partner: incoming.from.clone(),
            purpose: submission.purpose,
            partner_reference: Some(shared.to_string()),
            retention_to: Some(submission.retention_to),
        };
        let subject = SubjectId::of_referral(incoming.id.as_uuid());
        let sealed = self.sealed(incoming, subject, false, Vec::new()).await?;
        Ok(receive(Some(opening), incoming, sealed))
    }

    /// Whether we began a referral under this id. Of another one under it our messages would be the same deliveries.
    async fn is_begun_here(&self, shared: SharedId) -> Result<bool, Refusal> {
        let Some(id) = outbound_id(shared) else { return Ok(false) };
        let loaded = self.load(id).await.map_err(|error| of_council(&error))?;
        Ok(loaded.state.transfer().is_some_and(Transfer::is_outbound))
    }

    /// Whether another partner sent a referral under this id: our messages in both would be the same deliveries.
    async fn is_anothers(&self, shared: SharedId, from: &PartnerId) -> Result<bool, Refusal> {
        for other in self.directory.peers().iter().filter(|peer| peer.id != *from) {
            let id = ReferralId::inbound(&other.id, &shared.to_string());
            let loaded = self.load(id).await.map_err(|error| of_council(&error))?;
            if loaded.state.transfer().is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Any later message: it is put into the partner's lane, and what it and those that waited for it say is done.
    async fn following(&self, incoming: &Incoming<'_>, transfer: &Transfer) -> Result<Act, Refusal> {
        if transfer.drafted.partner != *incoming.from {
            return Err(Refusal::new(RefusalCode::ForeignReferral, "the referral is not with this council"));
        }
        if !transfer.stage.has_left() && transfer.is_outbound() {
            return Err(unknown_referral());
        }
        // Our own lane is whole here, so nobody can have seen more of it.
        let taken = transfer.segment.clone().receive(transfer.own_side().other(), incoming.entry.clone());
        let ready = match taken.map_err(|error| of_segment(&error))? {
            Inserted::Ready(sequences) => sequences,
            Inserted::Parked | Inserted::Duplicate => Vec::new(),
        };
        let mut waiting = Vec::new();
        for sequence in ready {
            if sequence == incoming.entry.sequence {
                waiting.push((sequence, Waiting::Here(incoming.message.body.clone())));
            } else if let Some(parked) = transfer.parked.get(&sequence) {
                waiting.push((sequence, Waiting::Sealed(parked.content.clone())));
            }
        }
        let subject = self.subject_of(transfer).await.map_err(|error| of_council(&error))?;
        let sealed = self.sealed(incoming, subject, true, waiting).await?;
        Ok(receive(None, incoming, sealed))
    }

    /// Seals the message and the texts of its effects. A later message about a person who was erased here is kept all
    /// the same, or its lane would stand still for ever: under a key of its own, which is destroyed as soon as the
    /// message has had its effect.
    async fn sealed(
        &self,
        incoming: &Incoming<'_>,
        subject: SubjectId,
        later: bool,
        waiting: Vec<(u32, Waiting)>,
    ) -> Result<SealedMessage, Refusal> {
        let evidence = match &incoming.message.body {
            Body::Submission(submission) => submission.evidence.clone(),
            _ => Vec::new(),
        };
        let parts = Parts { text: incoming.signed.text.clone(), evidence, waiting };
        let instead = later.then(|| subject_of_message(incoming.entry.delivery));
        match self.with_vault(move |vault| seal_all(vault, subject, instead, &parts)).await {
            Ok(Ok(sealed)) => Ok(sealed),
            Ok(Err(error)) => Err(of_message(&error)),
            Err(error) => Err(of_council(&error)),
        }
    }

    /// Destroys the keys of the messages that came after their person was erased and have had their effect. Nothing is
    /// answered before that is done, so a crash in between is caught up when the message comes again.
    async fn erase_late(&self, loaded: &Loaded<Referral>) -> Result<(), CouncilError> {
        let Some(transfer) = loaded.state.transfer() else { return Ok(()) };
        let parked: Vec<DeliveryId> =
            transfer.segment.parked(transfer.own_side().other()).map(|entry| entry.delivery).collect();
        for kept in kept(loaded)?.into_iter().filter(|kept| !kept.own) {
            let delivery = kept.meta.entry.delivery;
            let instead = subject_of_message(delivery);
            if kept.meta.content.subject == instead && !parked.contains(&delivery) {
                self.with_vault(move |vault| vault.destroy(instead)).await?;
            }
        }
        Ok(())
    }
}

fn receive(opening: Option<Drafted>, incoming: &Incoming<'_>, sealed: SealedMessage) -> Act {
    let SealedMessage { content, evidence, effects } = sealed;
    let message = MessageMeta {
        entry: incoming.entry.clone(),
        shared: incoming.message.header.referral,
        key: incoming.signed.key.clone(),
        jws: incoming.signed.jws.clone(),
        content,
    };
    Act::Receive(Box::new(Receive { opening, message, evidence, effects }))
}

/// Where a council is registered. That of Guangdong is in Yuexiu, Guangzhou.
fn seat(place: Place) -> RegionCode {
    let code = match place {
        Place::Guangdong => "440104",
        Place::HongKong => "810000",
        Place::Macao => "820000",
    };
    RegionCode::parse(code).expect("six digits are a code")
}

fn unknown_referral() -> Refusal {
    Refusal::new(RefusalCode::UnknownReferral, "no such referral is known here; send its submission first")
}
