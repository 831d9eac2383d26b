//! Which members of a body are codes, and which codes are known.
//!
//! A code that is not known here may be a newer one of the partner's: the answer says so and lists ours, instead of
//! calling the whole message malformed.

use domain::money::Currency;
use serde_json::Value;

use super::super::content::RENDERED;
use super::super::vocabulary::{MessageKind, SessionForm, SessionResult, Step};
use crate::partner::Language;
use crate::referral::vocabulary::{LegalRoute, ProgressKind, Purpose, RecallReason, ReferralOutcome, ReturnCode};

/// In a path: each entry of the list.
const EACH: &str = "[]";

/// A member whose value is a code: where it stands in the body, and the codes that are known.
type Member = (&'static [&'static str], fn() -> Vec<&'static str>);

/// The codes of a vocabulary.
macro_rules! codes {
    ($vocabulary:ident) => {
        || $vocabulary::ALL.iter().map(|entry| entry.code()).collect()
    };
}

const NOTE: Member = (&["note", "lang"], codes!(Language));

const SUBMISSION: &[Member] = &[
    (&["purpose"], codes!(Purpose)),
    (&["route"], codes!(LegalRoute)),
    (&["consumer", "language"], codes!(Language)),
    (&["purchase", "amount", "currency"], currencies),
    (&["facts", "lang"], codes!(Language)),
    (&["request", "lang"], codes!(Language)),
    (&["renditions", EACH, "of"], rendered),
    (&["renditions", EACH, "lang"], codes!(Language)),
];
const RETURN: &[Member] = &[(&["code"], codes!(ReturnCode)), NOTE];
const PROGRESS: &[Member] = &[(&["progress"], codes!(ProgressKind)), NOTE];
const OFFER: &[Member] = &[(&["form"], codes!(SessionForm)), (&["languages", EACH], codes!(Language)), NOTE];
const SESSION_REPORT: &[Member] = &[
    (&["result"], codes!(SessionResult)),
    (&["amount", "currency"], currencies),
    (&["text", "lang"], codes!(Language)),
];
const OUTCOME: &[Member] = &[(&["outcome"], codes!(ReferralOutcome)), (&["recovered", "currency"], currencies), NOTE];
const RECALL: &[Member] = &[(&["reason"], codes!(RecallReason))];
const REMINDER: &[Member] = &[(&["step"], codes!(Step))];
const NOTE_ONLY: &[Member] = &[NOTE];

fn currencies() -> Vec<&'static str> {
    vec![Currency::Cny.code(), Currency::Hkd.code(), Currency::Mop.code()]
}

fn rendered() -> Vec<&'static str> {
    RENDERED.to_vec()
}

const fn members(kind: MessageKind) -> &'static [Member] {
    match kind {
        MessageKind::Submission => SUBMISSION,
        MessageKind::Return => RETURN,
        MessageKind::Progress => PROGRESS,
        MessageKind::Offer => OFFER,
        MessageKind::OfferAnswer | MessageKind::RecallAnswer => NOTE_ONLY,
        MessageKind::SessionReport => SESSION_REPORT,
        MessageKind::Outcome => OUTCOME,
        MessageKind::Recall => RECALL,
        MessageKind::Reminder => REMINDER,
        MessageKind::Retrieved
        | MessageKind::Acknowledgement
        | MessageKind::OutcomeAcknowledgement
        | MessageKind::Evidence => &[],
    }
}

/// A code that stands in a body and is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// The member, as `renditions.lang`.
    pub(crate) field: String,
    pub(crate) value: String,
    pub(crate) known: Vec<&'static str>,
}

/// The first code of a body that is not known. What is not even a text is left to whoever reads the shape.
pub(crate) fn unknown(kind: MessageKind, body: &Value) -> Option<Unknown> {
    members(kind).iter().find_map(|(path, known)| {
        let known = known();
        let value = unknown_at(body, path, &known)?.to_owned();
        let names: Vec<&str> = path.iter().copied().filter(|name| *name != EACH).collect();
        Some(Unknown { field: names.join("."), value, known })
    })
}

fn unknown_at<'a>(value: &'a Value, path: &[&str], known: &[&str]) -> Option<&'a str> {
    match path.split_first() {
        None => value.as_str().filter(|code| !known.contains(code)),
        Some((&EACH, rest)) => value.as_array()?.iter().find_map(|entry| unknown_at(entry, rest, known)),
        Some((name, rest)) => unknown_at(value.get(name)?, rest, known),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::sample;
    use super::*;

    /// Puts a code nobody knows where the path leads; false if nothing stands there.
    fn spoil(value: &mut Value, path: &[&str]) -> bool {
        match path.split_first() {
            None => {
                *value = Value::from("brand-new");
                true
            }
            Some((&EACH, rest)) => {
                let last = value.as_array_mut().and_then(|list| list.last_mut());
                last.is_some_and(|last| spoil(last, rest))
            }
            Some((name, rest)) => value.get_mut(name).is_some_and(|member| spoil(member, rest)),
        }
    }

    #[test]
    fn every_code_that_is_not_known_is_named() {
        for kind in MessageKind::ALL {
            let body = serde_json::to_value(sample(*kind)).unwrap();
            assert_eq!(unknown(*kind, &body), None, "{kind}");
            for (path, known) in members(*kind) {
                let mut spoilt = body.clone();
                assert!(spoil(&mut spoilt, path), "{kind}: the sample has no {path:?}");
                let found = unknown(*kind, &spoilt).unwrap();
                assert_eq!((found.value.as_str(), found.known), ("brand-new", known()), "{kind}: {path:?}");
                assert_eq!(found.field, path.join(".").replace(".[]", ""));
            }
        }
    }

    #[test]
    fn every_member_that_reads_codes_is_among_them() {
        // Whatever in a sample reads as a code of some list must be looked up before the shape is read.
        fn texts(value: &Value, path: &str, found: &mut Vec<(String, String)>) {
            match value {
                Value::String(text) => found.push((path.to_owned(), text.clone())),
                Value::Array(list) => list.iter().for_each(|entry| texts(entry, path, found)),
                Value::Object(members) => members.iter().for_each(|(name, entry)| {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    texts(entry, &path, found);
                }),
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
        let everything: Vec<&str> =
            MessageKind::ALL.iter().flat_map(|kind| members(*kind)).flat_map(|(_, known)| known()).collect();
        for kind in MessageKind::ALL {
            let mut found = Vec::new();
            texts(&serde_json::to_value(sample(*kind)).unwrap(), "", &mut found);
            let listed: Vec<String> =
                members(*kind).iter().map(|(path, _)| path.join(".").replace(".[]", "")).collect();
            for (path, text) in found {
                assert!(!everything.contains(&text.as_str()) || listed.contains(&path), "{kind}: {path} is a code");
            }
        }
    }

    #[test]
    fn what_is_no_text_is_left_to_the_shape() {
        let body = serde_json::json!({"code": 7, "note": []});
        assert_eq!(unknown(MessageKind::Return, &body), None);
        assert_eq!(unknown(MessageKind::Return, &Value::Null), None);
    }

    #[test]
    fn the_currencies_are_all_that_money_reads() {
        for code in currencies() {
            assert!(serde_json::from_value::<Currency>(Value::from(code)).is_ok());
        }
        assert!(serde_json::from_value::<Currency>(Value::from("PTE")).is_err());
    }
}
