//! What of an incoming message is kept: its text and the texts of its effects, sealed before anything is decided.

use domain::id::SubjectId;
use domain::privacy::Sealed as SealedText;
use event_log::vault::{Opened, SubjectVault, VaultError};

use super::super::MESSAGE_PURPOSE;
use super::super::act_of::{act_of, evidence_of};
use crate::exchange::{Body, EvidenceItem, Message, MessageError};
use crate::referral::Act;
use crate::referral::add_evidence::AddEvidence;
use crate::referral::pass_over::PassOver;
use crate::referral::receive::Effect;

/// What is sealed together.
pub(super) struct Parts {
    /// The canonical text.
    pub(super) text: String,
    /// The files that a submission lists.
    pub(super) evidence: Vec<EvidenceItem>,
    /// The messages that take effect now, by their place in the lane.
    pub(super) waiting: Vec<(u32, Waiting)>,
}

/// Where a message that takes effect now is to be read.
pub(super) enum Waiting {
    Here(Body),
    /// It came before and was parked.
    Sealed(SealedText),
}

/// What of a message is kept.
pub(super) struct SealedMessage {
    pub(super) content: SealedText,
    pub(super) evidence: Vec<AddEvidence>,
    pub(super) effects: Vec<Effect>,
}

/// Seals everything under the key of `subject`; when that is destroyed, under the key of `instead`, where there is one.
///
/// A message whose person was erased while it waited has no effect: nobody knows any more what it said, and what stands
/// behind it must not wait for ever.
pub(super) fn seal_all(
    vault: &SubjectVault,
    subject: SubjectId,
    instead: Option<SubjectId>,
    parts: &Parts,
) -> Result<Result<SealedMessage, MessageError>, VaultError> {
    let mut bodies = Vec::new();
    for (sequence, waiting) in &parts.waiting {
        match read(vault, waiting)? {
            Ok(body) => bodies.push((*sequence, body)),
            Err(unreadable) => return Ok(Err(unreadable)),
        }
    }
    let sealed = match (seal_under(vault, subject, parts, &bodies), instead) {
        (Err(VaultError::Destroyed { .. }), Some(instead)) => seal_under(vault, instead, parts, &bodies)?,
        (sealed, _) => sealed?,
    };
    Ok(Ok(sealed))
}

/// What a message says; `None` when its text is erased.
fn read(vault: &SubjectVault, waiting: &Waiting) -> Result<Result<Option<Body>, MessageError>, VaultError> {
    let content = match waiting {
        Waiting::Here(body) => return Ok(Ok(Some(body.clone()))),
        Waiting::Sealed(content) => content,
    };
    Ok(match vault.open_sealed(content.subject, MESSAGE_PURPOSE, content)? {
        Opened::Plain(text) => Message::parse(&text).map(|message| Some(message.body)),
        Opened::Erased => Ok(None),
    })
}

fn seal_under(
    vault: &SubjectVault,
    subject: SubjectId,
    parts: &Parts,
    bodies: &[(u32, Option<Body>)],
) -> Result<SealedMessage, VaultError> {
    let seal = |purpose: &'static str, text: &str| vault.seal(subject, purpose, text);
    let content = seal(MESSAGE_PURPOSE, &parts.text)?;
    let evidence = parts.evidence.iter().map(|item| evidence_of(item, &seal)).collect::<Result<Vec<_>, _>>()?;
    let mut effects = Vec::new();
    for (sequence, body) in bodies {
        let act = match body {
            Some(body) => act_of(body, &seal)?,
            None => Some(Act::PassOver(PassOver {})),
        };
        // A submission has no act: it opens the referral.
        effects.extend(act.map(|act| Effect { sequence: *sequence, act }));
    }
    Ok(SealedMessage { content, evidence, effects })
}
