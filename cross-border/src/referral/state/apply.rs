//! What each event does to a referral. Total: an event that does not fit only adds to the record.

use chrono::{DateTime, NaiveDate, Utc};
use domain::day::local_day;
use domain::decider::Happened;

use super::{Answer, Consent, EvidenceState, Held, Referral, SessionState, Stage, StepClock, Transfer};
use crate::exchange::{Digest, Inserted, ScanState, SessionForm, Step};
use crate::referral::event::{
    Acknowledged, Assessed, ClockStarted, ConsentCaptured, EvidenceAdded, MessageMeta, OfferAnswered, OutcomeReported,
    Presented, RecallAnswered, Recalled, ReferralEvent, Sealed, Sent, SessionHeld, SessionOffered,
};
use crate::referral::vocabulary::ProgressKind;

/// See [`domain::decider::Decider::evolve`].
pub(in crate::referral) fn evolve(state: Referral, happened: &Happened<ReferralEvent>) -> Referral {
    match (state, &happened.event) {
        (Referral::Unknown, ReferralEvent::Drafted(drafted)) => {
            Referral::Known(Box::new(Transfer::new(happened.at, drafted)))
        }
        (Referral::Unknown, _) => Referral::Unknown,
        (Referral::Known(mut transfer), event) => {
            apply(&mut transfer, event, happened.at);
            transfer.last_act_at = transfer.last_act_at.max(happened.at);
            Referral::Known(transfer)
        }
    }
}

/// A referral as it would be after these events, for decisions that have several effects one after the other.
pub(in crate::referral) fn after<'e>(
    mut transfer: Transfer,
    events: impl IntoIterator<Item = &'e ReferralEvent>,
    at: DateTime<Utc>,
) -> Transfer {
    for event in events {
        apply(&mut transfer, event, at);
    }
    transfer
}

fn apply(transfer: &mut Transfer, event: &ReferralEvent, at: DateTime<Utc>) {
    let day = local_day(at);
    match event {
        ReferralEvent::Drafted(_) => {}
        ReferralEvent::ConsentCaptured(captured) => transfer.consent_captured(captured, at),
        ReferralEvent::ConsentWithdrawn(_) => transfer.consent_withdrawn(),
        ReferralEvent::Assessed(assessed) => transfer.was_assessed(assessed),
        ReferralEvent::Presented(presented) => transfer.was_presented(presented),
        ReferralEvent::Sealed(sealed) => transfer.was_sealed(sealed),
        ReferralEvent::Sent(sent) => transfer.was_sent(sent),
        // What was attached to the draft and is not in the message stays with us: the other council never hears of it.
        ReferralEvent::TransferRecorded(recorded) => {
            let stays = |digest: &Digest| !recorded.evidence.contains(digest);
            transfer.unshared.extend(transfer.evidence.keys().filter(|digest| stays(digest)).cloned());
            transfer.evidence.retain(|digest, _| !stays(digest));
        }
        ReferralEvent::Delivered(_) => transfer.was_delivered(day),
        ReferralEvent::Retrieved(_) => transfer.was_retrieved(day),
        ReferralEvent::Acknowledged(acknowledged) => transfer.was_acknowledged(acknowledged, day),
        ReferralEvent::Returned(returned) => transfer.ends_at(Stage::Returned(returned.code), day),
        ReferralEvent::Progressed(progressed) => {
            transfer.stage = Stage::InProgress(progressed.kind);
            transfer.meet(&[Step::Feedback], day);
        }
        ReferralEvent::OutcomeReported(reported) => transfer.outcome_reported(reported, day),
        ReferralEvent::OutcomeAcknowledged(_) => transfer.outcome_acknowledged(day),
        ReferralEvent::Recalled(recalled) => transfer.recalled(recalled, day),
        ReferralEvent::RecallAnswered(answered) => transfer.recall_answered(answered, day),
        ReferralEvent::MessageIssued(message) => transfer.issued(message),
        ReferralEvent::MessageReceived(message) => transfer.received(message),
        ReferralEvent::ClockStarted(started) => transfer.clock_started(started),
        ReferralEvent::Reminded(reminded) => {
            transfer.clock(reminded.step, |clock| clock.reminders = clock.reminders.max(reminded.nth));
        }
        ReferralEvent::ReminderReceived(reminder) => {
            transfer.clock(reminder.step, |clock| clock.received = clock.received.saturating_add(1));
        }
        ReferralEvent::Escalated(escalated) => transfer.clock(escalated.step, |clock| clock.escalated = true),
        ReferralEvent::SessionOffered(offered) => transfer.session_offered(offered, day),
        ReferralEvent::OfferAnswered(answered) => transfer.offer_answered(answered, day),
        ReferralEvent::SessionHeld(held) => transfer.session_held(held, day),
        ReferralEvent::EvidenceAdded(added) => transfer.evidence_added(added),
        ReferralEvent::EvidenceStored(stored) => {
            if let Some(evidence) = transfer.evidence.get_mut(&stored.digest) {
                evidence.stored = true;
            }
        }
        ReferralEvent::EvidenceScanned(scanned) => {
            if let Some(evidence) = transfer.evidence.get_mut(&scanned.digest) {
                evidence.scan = scanned.scan;
            }
        }
        ReferralEvent::EvidenceBrought(brought) => {
            if let Some(evidence) = transfer.evidence.get_mut(&brought.digest) {
                evidence.brought = true;
            }
        }
        ReferralEvent::GivenOut(_) => transfer.given_out = true,
        // It stands in its lane, and what it said is not known.
        ReferralEvent::PassedOver(_) => {}
        ReferralEvent::Erased(erased) => transfer.erasure.done = Some(erased.clone()),
        ReferralEvent::ErasureHeld(held) => transfer.erasure.held = Some(held.why),
    }
}

/// What happens before the message leaves, and its leaving.
impl Transfer {
    fn consent_captured(&mut self, captured: &ConsentCaptured, at: DateTime<Utc>) {
        self.consent = Some(Consent { captured: captured.clone(), captured_at: at, withdrawn: false });
        // The second person decides on what was laid before them, not on what came after.
        self.presented = None;
        self.advance(Stage::Drafted, Stage::ConsentCaptured);
    }

    fn consent_withdrawn(&mut self) {
        if let Some(consent) = &mut self.consent {
            consent.withdrawn = true;
        }
    }

    fn was_assessed(&mut self, assessed: &Assessed) {
        self.assessed = Some(assessed.clone());
        self.presented = None;
        self.advance(Stage::ConsentCaptured, Stage::Assessed);
    }

    fn was_presented(&mut self, presented: &Presented) {
        self.presenters.insert(presented.by.clone());
        self.presented = Some(presented.clone());
    }

    /// A file of ours is no part of the content that was kept. Where none was kept the files were listed when it was
    /// sent, and nothing was void.
    fn is_void_with(&self, added: &EvidenceAdded) -> bool {
        let is_kept = self.presented.as_ref().is_some_and(|presented| presented.content.is_some());
        is_kept && self.stage.is_before_sending() && added.side == self.own_side()
    }

    fn was_sealed(&mut self, sealed: &Sealed) {
        self.sealed = Some(sealed.clone());
        self.advance(Stage::Assessed, Stage::Sealed);
    }

    fn was_sent(&mut self, sent: &Sent) {
        self.sent = Some(sent.clone());
        self.stage = Stage::Sent;
    }
}

/// What the receiving council does with it, and what the sending one answers.
impl Transfer {
    fn was_delivered(&mut self, day: NaiveDate) {
        self.delivered = true;
        // An answer may overtake the receipt; what comes in begins with its delivery.
        if matches!(self.stage, Stage::Drafted | Stage::Sent) {
            self.stage = Stage::Delivered;
        }
        self.meet(&[Step::Delivery], day);
    }

    fn was_retrieved(&mut self, day: NaiveDate) {
        self.retrieved = true;
        // What was fetched has arrived, whether or not its receipt has come back.
        self.advance(Stage::Sent, Stage::Delivered);
        self.meet(&[Step::Delivery, Step::Retrieval], day);
    }

    fn was_acknowledged(&mut self, acknowledged: &Acknowledged, day: NaiveDate) {
        self.reference = Some(acknowledged.reference.clone());
        self.stage = Stage::Acknowledged;
        self.meet(&[Step::Delivery, Step::Retrieval, Step::Acknowledgement], day);
    }

    fn outcome_reported(&mut self, reported: &OutcomeReported, day: NaiveDate) {
        self.outcome = Some(reported.outcome);
        self.ends_at(Stage::OutcomeReported(reported.outcome), day);
    }

    fn outcome_acknowledged(&mut self, day: NaiveDate) {
        if let Stage::OutcomeReported(outcome) = self.stage {
            self.ends_at(Stage::Closed(outcome), day);
        }
    }

    /// An outcome that the origin had not acknowledged may have crossed the recall: it counts on neither side.
    fn recalled(&mut self, recalled: &Recalled, day: NaiveDate) {
        if !matches!(self.stage, Stage::Closed(_)) {
            self.outcome = None;
        }
        self.ends_at(Stage::Recalled { after_sending: recalled.after_sending, erased: None }, day);
    }

    fn recall_answered(&mut self, answered: &RecallAnswered, day: NaiveDate) {
        if let Stage::Recalled { after_sending, .. } = self.stage {
            self.ends_at(Stage::Recalled { after_sending, erased: Some(answered.erased) }, day);
        }
    }

    fn session_offered(&mut self, offered: &SessionOffered, day: NaiveDate) {
        let session = SessionState {
            form: offered.form,
            proposed_at: offered.proposed_at,
            languages: offered.languages.clone(),
            note: offered.note.clone(),
            answer: None,
            held: None,
        };
        self.sessions.entry(offered.session).or_insert(session);
        self.progressed(match offered.form {
            SessionForm::VideoMediation => ProgressKind::MediationOffered,
            SessionForm::Arbitration => ProgressKind::ArbitrationOffered,
        });
        self.meet(&[Step::Feedback], day);
    }

    fn offer_answered(&mut self, answered: &OfferAnswered, day: NaiveDate) {
        if let Some(session) = self.sessions.get_mut(&answered.session) {
            let answer = Answer { accepted: answered.accepted, recording_consent: answered.recording_consent };
            session.answer = session.answer.or(Some(answer));
        }
        if self.sessions.values().all(|session| session.answer.is_some()) {
            self.meet(&[Step::OfferAnswer], day);
        }
    }

    fn session_held(&mut self, held: &SessionHeld, day: NaiveDate) {
        let Some(session) = self.sessions.get_mut(&held.session) else { return };
        session.held = Some(Held {
            held_at: held.held_at,
            recorded: held.recorded,
            result: held.result,
            amount: held.amount,
            record: held.record.clone(),
        });
        match session.form {
            SessionForm::VideoMediation => self.progressed(ProgressKind::VideoMediation),
            SessionForm::Arbitration => self.arbitration_held(day),
        }
    }

    /// What is awaited is that the file comes to the arbitration centre (移送仲裁): a hearing shows that it has, one that was
    /// adjourned too. Another arbitration may not have come so far, and a single clock awaits them all.
    fn arbitration_held(&mut self, day: NaiveDate) {
        let mut arbitrations = self.sessions.values().filter(|session| session.form == SessionForm::Arbitration);
        if !arbitrations.any(|session| session.held.is_none() && session.is_to_be_held()) {
            self.meet(&[Step::Arbitration], day);
        }
    }

    /// Moves on if the receiving council has it and has not decided.
    fn progressed(&mut self, kind: ProgressKind) {
        if self.stage.is_handled() {
            self.stage = Stage::InProgress(kind);
        }
    }

    /// Nothing of what was awaited before is awaited any longer.
    fn ends_at(&mut self, stage: Stage, day: NaiveDate) {
        self.stage = stage;
        self.meet(Step::ALL, day);
    }
}

/// Messages, clocks and files.
impl Transfer {
    fn issued(&mut self, message: &MessageMeta) {
        let side = self.own_side();
        // A message that has no place in the segment cannot have been decided; then the segment stays as it is.
        let _ = self.segment.insert(side, message.entry.clone());
        // It tells of what was added right before it; the submission, of what the draft had.
        for evidence in self.evidence.values_mut().filter(|evidence| evidence.side == side) {
            evidence.announced = evidence.announced.or(Some(message.entry.sequence));
        }
    }

    fn received(&mut self, message: &MessageMeta) {
        let side = self.own_side().other();
        match self.segment.receive(side, message.entry.clone()) {
            Ok(Inserted::Ready(sequences)) => self.parked.retain(|sequence, _| !sequences.contains(sequence)),
            Ok(Inserted::Parked) => {
                self.parked.insert(message.entry.sequence, message.clone());
            }
            Ok(Inserted::Duplicate) | Err(_) => {}
        }
    }

    fn clock_started(&mut self, started: &ClockStarted) {
        let clock = StepClock {
            started_on: started.started_on,
            by: started.by,
            calendar: started.calendar.clone(),
            provisional: started.provisional,
            council: started.council,
            met_on: None,
            reminders: 0,
            received: 0,
            escalated: false,
        };
        self.clocks.insert(started.step, clock);
    }

    fn clock(&mut self, step: Step, change: impl FnOnce(&mut StepClock)) {
        if let Some(clock) = self.clocks.get_mut(&step) {
            change(clock);
        }
    }

    /// Ends the clocks of these steps that still run.
    fn meet(&mut self, steps: &[Step], day: NaiveDate) {
        for step in steps {
            self.clock(*step, |clock| clock.met_on = clock.met_on.or(Some(day)));
        }
    }

    fn evidence_added(&mut self, added: &EvidenceAdded) {
        if self.is_void_with(added) {
            self.presented = None;
        }
        let evidence = EvidenceState {
            name: added.name.clone(),
            bytes: added.bytes,
            media: added.media.clone(),
            side: added.side,
            stored: false,
            scan: ScanState::Unscanned,
            announced: None,
            brought: false,
            by: added.by.clone(),
        };
        self.evidence.entry(added.digest.clone()).or_insert(evidence);
    }
}
