//! Numbers of people in the texts that would leave: whoever types one in is told where it stands before it is sealed.
//!
//! The fields of a message are limited, and a free text holds what is typed into it. So the texts of every message of
//! ours are looked through for the numbers that no field may hold (identity documents, bank cards) and, where the
//! consumer's contact is not among what may leave, for mobile telephones of the mainland. What can be told from other
//! numbers, and what cannot, stands in [`domain::privacy::numbers`].

use domain::privacy::numbers::{NumberKind, find_numbers};

use super::CouncilError;
use crate::exchange::{Body, LangText};
use crate::referral::vocabulary::DataField;
use crate::referral::{Gate, Transfer};

/// A number that keeps a message here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundInText {
    pub gate: Gate,
    /// The text, by its name in the message.
    pub text: &'static str,
    /// Characters of that text before the number.
    pub offset: usize,
}

/// Refuses a message in whose texts a number of a person stands.
pub(super) fn check(transfer: &Transfer, body: &Body) -> Result<(), CouncilError> {
    let with_contact = releases_contact(transfer, body);
    let found: Vec<FoundInText> = texts(body)
        .into_iter()
        .flat_map(|(name, text)| find_numbers(text).into_iter().map(move |found| (name, found)))
        .map(|(text, found)| FoundInText { gate: gate(found.kind), text, offset: found.offset })
        .filter(|found| !(with_contact && found.gate == Gate::PhoneInText))
        .collect();
    if found.is_empty() { Ok(()) } else { Err(CouncilError::Numbers(found)) }
}

const fn gate(kind: NumberKind) -> Gate {
    match kind {
        NumberKind::IdentityDocument => Gate::IdNumberInText,
        NumberKind::BankCard => Gate::BankCardInText,
        NumberKind::MobilePhone => Gate::PhoneInText,
    }
}

/// Whether the other council may know how the consumer is reached. The one that sent us the consumer does.
fn releases_contact(transfer: &Transfer, body: &Body) -> bool {
    match body {
        Body::Submission(submission) => submission.consumer.contact.is_some(),
        _ => transfer.sealed.as_ref().is_none_or(|sealed| sealed.fields.contains(&DataField::ConsumerContact)),
    }
}

/// The free texts of a message. A number that is asked for as one (an order, a licence, an address of the web) is none.
fn texts(body: &Body) -> Vec<(&'static str, &str)> {
    match body {
        Body::Submission(submission) => {
            let texts = [("facts", &submission.facts), ("request", &submission.request)];
            let texts = texts.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?.text.as_str())));
            let item = submission.purchase.item.as_deref().map(|item| ("purchase.item", item));
            let renditions = submission.renditions.iter().map(|rendition| ("renditions", rendition.text.as_str()));
            let files = submission.evidence.iter().map(|file| ("evidence.name", file.name.as_str()));
            texts.chain(item).chain(renditions).chain(files).collect()
        }
        Body::Return(body) => noted("note", body.note.as_ref()),
        Body::Progress(body) => noted("note", body.note.as_ref()),
        Body::Offer(body) => noted("note", body.note.as_ref()),
        Body::OfferAnswer(body) => noted("note", body.note.as_ref()),
        Body::SessionReport(body) => noted("text", body.text.as_ref()),
        Body::Outcome(body) => noted("note", body.note.as_ref()),
        Body::RecallAnswer(body) => noted("note", body.note.as_ref()),
        Body::Evidence(body) => vec![("evidence.name", body.item.name.as_str())],
        Body::Retrieved(_)
        | Body::Acknowledgement(_)
        | Body::OutcomeAcknowledgement(_)
        | Body::Recall(_)
        | Body::Reminder(_) => Vec::new(),
    }
}

fn noted<'t>(name: &'static str, text: Option<&'t LangText>) -> Vec<(&'static str, &'t str)> {
    text.map(|text| (name, text.text.as_str())).into_iter().collect()
}

/// Where the numbers stand and what to do, for the person who typed them.
pub(super) fn told(found: &[FoundInText]) -> String {
    let places: Vec<String> = found
        .iter()
        .map(|found| format!("`{}` behind {} characters ({})", found.text, found.offset, found.gate))
        .collect();
    format!(
        "a number of a person would leave: {}; leave it out or mask its middle, and write what only looks like one, such \
         as an order number or an amount, in two parts",
        places.join(", ")
    )
}
