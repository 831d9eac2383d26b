//! A message of the other council: it takes its place in their lane, and what it says takes effect.
//!
//! Messages come late, again and in any order. One that waits for another is only kept; when that one comes, both take
//! effect in the order in which they were written. A message that has no effect any more, because of what happened here
//! meanwhile, still stands in the lane: both councils hold the same messages, whatever became of them.

use super::add_evidence::AddEvidence;
use super::event::{Delivered, Drafted, MessageMeta, PassedOver, ReferralEvent};
use super::note_reminder::NoteReminder;
use super::rejection::Rejection;
use super::state::{Transfer, after};
use super::vocabulary::Direction;
use super::{Act, Moment, clock, message};
use crate::exchange::{Inserted, MessageKind, Side};

/// Takes a message that was verified to be the other council's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receive {
    /// The referral that a submission begins; nothing else begins one.
    pub opening: Option<Drafted>,
    pub message: MessageMeta,
    /// The evidence that a submission lists; otherwise none.
    pub evidence: Vec<AddEvidence>,
    /// What the messages say that are in order now, by their numbers: see [`Transfer::preview`]. None for a submission.
    pub effects: Vec<Effect>,
}

/// What one message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    pub sequence: u32,
    pub act: Act,
}

impl Receive {
    /// The first message of a referral that this council did not know.
    pub(super) fn open(self, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
        let Self { opening, message, evidence, effects } = self;
        let opening = opening.ok_or(Rejection::NotDrafted)?;
        if opening.direction != Direction::Inbound {
            return Err(Rejection::MessageOutOfPlace);
        }
        super::draft::check(&opening, moment)?;
        let transfer = Transfer::new(moment.at, &opening);
        message::check_received(&transfer, &message)?;
        // Not the submission: that one is still to come, and this one is sent again.
        if message.entry.kind != MessageKind::Submission {
            return Err(Rejection::NotDrafted);
        }
        transfer.preview(&message.entry)?;
        if !effects.is_empty() {
            return Err(Rejection::EffectsMissing { expected: Vec::new() });
        }
        let delivered = ReferralEvent::Delivered(Delivered { receipt: None });
        let mut events =
            vec![ReferralEvent::Drafted(Box::new(opening)), ReferralEvent::MessageReceived(Box::new(message))];
        events.extend(clock::and_clocks(&transfer, delivered, moment.day())?);
        events.extend(evidence.into_iter().map(|file| file.added(Side::Origin, None)));
        Ok(events)
    }

    pub(super) fn decide(self, transfer: &Transfer, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
        let Self { opening: _, message, evidence: _, effects } = self;
        message::check_received(transfer, &message)?;
        let ready = match transfer.preview(&message.entry)? {
            Inserted::Duplicate => return Ok(Vec::new()),
            Inserted::Parked => Vec::new(),
            Inserted::Ready(sequences) => sequences,
        };
        if !effects.iter().map(|effect| effect.sequence).eq(ready.iter().copied()) {
            return Err(Rejection::EffectsMissing { expected: ready });
        }
        let mut events = vec![ReferralEvent::MessageReceived(Box::new(message))];
        let mut state = after(transfer.clone(), &events, moment.at);
        for Effect { sequence, act } in effects {
            if let Act::PassOver(_) = act {
                events.push(ReferralEvent::PassedOver(PassedOver { sequence }));
                continue;
            }
            check_kind(&state, sequence, &act)?;
            if !state.takes(&act) {
                continue;
            }
            let happened = take(act, &state, moment)?;
            state = after(state, &happened, moment.at);
            events.extend(happened);
        }
        Ok(events)
    }
}

/// The act is of the kind that the message of this number says.
fn check_kind(state: &Transfer, sequence: u32, act: &Act) -> Result<(), Rejection> {
    let lane = state.segment.entries(state.own_side().other());
    let kind = lane.iter().find(|entry| entry.sequence == sequence).map(|entry| entry.kind);
    if kind.is_none() || kind != act.message_kind() {
        return Err(Rejection::EffectMismatch { sequence });
    }
    Ok(())
}

/// What an act of the other council does here. It was allowed where it was done; only its texts are checked.
fn take(act: Act, state: &Transfer, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
    match act {
        Act::Retrieve(act) => Ok(act.decide()),
        Act::Acknowledge(act) => act.decide(state, moment),
        Act::Return(act) => Ok(act.decide()),
        Act::ReportProgress(act) => Ok(act.effects()),
        Act::OfferSession(act) => act.effects(state, moment),
        Act::AnswerOffer(act) => act.effects(state, moment),
        Act::RecordSession(act) => Ok(act.effects()),
        Act::AddEvidence(act) => Ok(vec![act.added(state.own_side().other(), None)]),
        Act::ReportOutcome(act) => act.decide(state, moment),
        Act::AcknowledgeOutcome(act) => Ok(act.decide()),
        Act::Recall(act) => act.decide(state, moment),
        Act::AnswerRecall(act) => Ok(act.decide()),
        Act::Remind(act) => Ok(NoteReminder { step: act.step }.effects()),
        Act::NoteReminder(act) => Ok(act.effects()),
        Act::Draft(_)
        | Act::CaptureConsent(_)
        | Act::WithdrawConsent(_)
        | Act::Assess(_)
        | Act::Present(_)
        | Act::Submit(_)
        | Act::Tell(_)
        | Act::Receive(_)
        | Act::RecordDelivery(_)
        | Act::StoreEvidence(_)
        | Act::RecordScan(_)
        | Act::BringEvidence(_)
        | Act::PassOver(_)
        | Act::Erase(_)
        | Act::HoldErasure(_)
        | Act::Begin(_)
        | Act::GiveOut(_)
        | Act::Withhold(_)
        | Act::Escalate(_) => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests;
