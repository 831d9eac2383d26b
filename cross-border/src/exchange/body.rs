//! The bodies of messages, one shape per kind. These shapes are signed and sent: a changed shape is a new version of
//! the message.

mod answers;
pub(crate) mod codes;
mod submission;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

pub use self::answers::{
    Acknowledgement, Evidence, Offer, OfferAnswer, Outcome, OutcomeAcknowledgement, Progress, Recall, RecallAnswer,
    Reminder, Retrieved, Return, SessionReport,
};
pub use self::submission::Submission;
pub use super::check::{
    ADDRESS_CHARS_MAX, BodyError, CONTACT_CHARS_MAX, EVIDENCE_ITEM_BYTES_MAX, EVIDENCE_ITEMS_MAX, ITEM_CHARS_MAX,
    KEPT_DAYS_MAX, LINK_CHARS_MAX, NAME_CHARS_MAX, NOTE_CHARS_MAX, PROPOSED_DAYS_MAX, REFERENCE_CHARS_MAX,
    RENDITIONS_MAX, TEXT_CHARS_MAX,
};

use super::vocabulary::MessageKind;

/// What a message says. As JSON it is the body alone: the kind stands beside it in the message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Body {
    Submission(Box<Submission>),
    Retrieved(Retrieved),
    Acknowledgement(Acknowledgement),
    Return(Return),
    Progress(Progress),
    Offer(Offer),
    OfferAnswer(OfferAnswer),
    SessionReport(SessionReport),
    Outcome(Outcome),
    OutcomeAcknowledgement(OutcomeAcknowledgement),
    Recall(Recall),
    RecallAnswer(RecallAnswer),
    Reminder(Reminder),
    Evidence(Evidence),
}

impl Body {
    /// The kind of message it is the body of.
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        match self {
            Self::Submission(_) => MessageKind::Submission,
            Self::Retrieved(_) => MessageKind::Retrieved,
            Self::Acknowledgement(_) => MessageKind::Acknowledgement,
            Self::Return(_) => MessageKind::Return,
            Self::Progress(_) => MessageKind::Progress,
            Self::Offer(_) => MessageKind::Offer,
            Self::OfferAnswer(_) => MessageKind::OfferAnswer,
            Self::SessionReport(_) => MessageKind::SessionReport,
            Self::Outcome(_) => MessageKind::Outcome,
            Self::OutcomeAcknowledgement(_) => MessageKind::OutcomeAcknowledgement,
            Self::Recall(_) => MessageKind::Recall,
            Self::RecallAnswer(_) => MessageKind::RecallAnswer,
            Self::Reminder(_) => MessageKind::Reminder,
            Self::Evidence(_) => MessageKind::Evidence,
        }
    }

    /// Checks the limits and what must fit together; nothing that depends on the referral.
    ///
    /// # Errors
    /// [`BodyError`] about the first thing that is wrong.
    pub fn check(&self) -> Result<(), BodyError> {
        match self {
            Self::Submission(body) => body.check(),
            Self::Acknowledgement(body) => body.check(),
            Self::Return(body) => body.check(),
            Self::Progress(body) => body.check(),
            Self::Offer(body) => body.check(),
            Self::OfferAnswer(body) => body.check(),
            Self::SessionReport(body) => body.check(),
            Self::Outcome(body) => body.check(),
            Self::RecallAnswer(body) => body.check(),
            Self::Evidence(body) => body.item.check(),
            Self::Retrieved(_) | Self::OutcomeAcknowledgement(_) | Self::Recall(_) | Self::Reminder(_) => Ok(()),
        }
    }

    /// Checks the days and moments that it names against the moment at which the message was written.
    ///
    /// # Errors
    /// [`BodyError`] about the first that cannot be meant.
    pub fn check_days(&self, written: DateTime<Utc>) -> Result<(), BodyError> {
        match self {
            Self::Submission(body) => body.check_days(written),
            Self::Offer(body) => body.check_days(written),
            Self::SessionReport(body) => body.check_days(written),
            Self::Retrieved(_)
            | Self::Acknowledgement(_)
            | Self::Return(_)
            | Self::Progress(_)
            | Self::OfferAnswer(_)
            | Self::Outcome(_)
            | Self::OutcomeAcknowledgement(_)
            | Self::Recall(_)
            | Self::RecallAnswer(_)
            | Self::Reminder(_)
            | Self::Evidence(_) => Ok(()),
        }
    }

    /// Reads the body of a message of this kind.
    pub(crate) fn read(kind: MessageKind, body: Value) -> Result<Self, serde_json::Error> {
        use serde_json::from_value;
        Ok(match kind {
            MessageKind::Submission => Self::Submission(from_value(body)?),
            MessageKind::Retrieved => Self::Retrieved(from_value(body)?),
            MessageKind::Acknowledgement => Self::Acknowledgement(from_value(body)?),
            MessageKind::Return => Self::Return(from_value(body)?),
            MessageKind::Progress => Self::Progress(from_value(body)?),
            MessageKind::Offer => Self::Offer(from_value(body)?),
            MessageKind::OfferAnswer => Self::OfferAnswer(from_value(body)?),
            MessageKind::SessionReport => Self::SessionReport(from_value(body)?),
            MessageKind::Outcome => Self::Outcome(from_value(body)?),
            MessageKind::OutcomeAcknowledgement => Self::OutcomeAcknowledgement(from_value(body)?),
            MessageKind::Recall => Self::Recall(from_value(body)?),
            MessageKind::RecallAnswer => Self::RecallAnswer(from_value(body)?),
            MessageKind::Reminder => Self::Reminder(from_value(body)?),
            MessageKind::Evidence => Self::Evidence(from_value(body)?),
        })
    }
}

macro_rules! bodies {
    ($($name:ident)+) => {$(
        impl From<$name> for Body {
            fn from(body: $name) -> Self {
                Self::$name(body)
            }
        }
    )+};
}

bodies! {
    Retrieved Acknowledgement Return Progress Offer OfferAnswer SessionReport Outcome OutcomeAcknowledgement Recall
    RecallAnswer Reminder Evidence
}

impl From<Submission> for Body {
    fn from(body: Submission) -> Self {
        Self::Submission(Box::new(body))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{moment, sample};
    use super::*;

    #[test]
    fn every_kind_has_a_body_that_reads_back() {
        for kind in MessageKind::ALL {
            let body = sample(*kind);
            assert_eq!(body.kind(), *kind);
            assert_eq!(body.check(), Ok(()), "{kind}");
            assert_eq!(body.check_days(moment()), Ok(()), "{kind}");
            let json = serde_json::to_value(&body).unwrap();
            assert!(json.is_object(), "{kind}");
            assert_eq!(Body::read(*kind, json.clone()).unwrap(), body, "{kind}");
            let mut more = json;
            more["more"] = Value::Bool(true);
            assert!(Body::read(*kind, more).is_err(), "{kind} takes a member that nobody reads");
        }
    }
}
