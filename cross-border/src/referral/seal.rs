//! 封装: the message is reduced to what is needed, signed and encrypted; only its digest and its fields are known here.

use super::check_code;
use super::event::{ReferralEvent, Sealed};
use super::rejection::Rejection;
use super::vocabulary::DataField;

/// Hexadecimal digits of a digest of 256 bits, SHA-256 or SM3.
const DIGEST_CHARS: usize = 64;

/// Records the sealed message; a later one takes the place of the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    pub sealed: Sealed,
}

impl Seal {
    pub(super) fn decide(self) -> Result<Vec<ReferralEvent>, Rejection> {
        let mut sealed = self.sealed;
        check_code("minimisation", &sealed.minimisation)?;
        check_code("key", &sealed.key)?;
        check_code("signature", &sealed.signature)?;
        check_digest("payload", &sealed.payload)?;
        sealed.fields = in_order(sealed.fields)?;
        sealed.removed.sort_unstable();
        sealed.removed.dedup();
        sealed.renditions.sort_unstable();
        sealed.renditions.dedup();
        Ok(vec![ReferralEvent::Sealed(Box::new(sealed))])
    }
}

/// The fields, each once and in the order of the list; there is at least one.
pub(super) fn in_order(mut fields: Vec<DataField>) -> Result<Vec<DataField>, Rejection> {
    fields.sort_unstable();
    fields.dedup();
    if fields.is_empty() {
        return Err(Rejection::FieldsMissing);
    }
    Ok(fields)
}

pub(super) fn check_digest(field: &'static str, digest: &str) -> Result<(), Rejection> {
    let hexadecimal = digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if digest.len() == DIGEST_CHARS && hexadecimal { Ok(()) } else { Err(Rejection::Digest { field }) }
}

#[cfg(test)]
mod tests {
    use crate::partner::Language;
    use crate::referral::event::{ReferralEvent, Sealed};
    use crate::referral::testing::{assessed, consented, given, message, seal, sealed, sent};
    use crate::referral::vocabulary::DataField;
    use crate::referral::{Action, Rejection, Stage};

    const NOW: &str = "2026-05-20T10:00:00+08:00";

    #[test]
    fn a_message_is_recorded_with_its_fields_each_once_and_in_order() {
        let jumbled = Sealed {
            fields: vec![DataField::Facts, DataField::ConsumerName, DataField::Facts],
            removed: vec![DataField::ConsumerHealth, DataField::ConsumerHealth],
            renditions: vec![Language::English, Language::English],
            ..message()
        };
        let ordered = Sealed {
            fields: vec![DataField::ConsumerName, DataField::Facts],
            removed: vec![DataField::ConsumerHealth],
            renditions: vec![Language::English],
            ..message()
        };
        let transfer = given(assessed())
            .at(NOW)
            .when(seal(jumbled))
            .then([ReferralEvent::Sealed(Box::new(ordered.clone()))])
            .transfer();
        assert_eq!((transfer.stage, transfer.sealed), (Stage::Sealed, Some(ordered)));
    }

    #[test]
    fn it_follows_the_assessment_and_may_be_sealed_anew_until_it_leaves() {
        assert_eq!(sealed().and(NOW, seal(message())).transfer().stage, Stage::Sealed);
        for history in [consented(), sent()] {
            given(history)
                .at(NOW)
                .when(seal(message()))
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::Seal, .. }));
        }
    }

    #[test]
    fn it_has_a_field_a_digest_a_key_and_a_signature() {
        for (message, rejection) in [
            (Sealed { fields: Vec::new(), ..message() }, Rejection::FieldsMissing),
            (Sealed { payload: "b".repeat(65), ..message() }, Rejection::Digest { field: "payload" }),
            (Sealed { payload: "g".repeat(64), ..message() }, Rejection::Digest { field: "payload" }),
            (Sealed { key: String::new(), ..message() }, Rejection::CodeMissing { field: "key" }),
            (Sealed { signature: String::new(), ..message() }, Rejection::CodeMissing { field: "signature" }),
            (
                Sealed { minimisation: "x".repeat(129), ..message() },
                Rejection::CodeTooLong { field: "minimisation", chars: 129 },
            ),
        ] {
            given(assessed()).at(NOW).when(seal(message)).then_err(|refused| *refused == rejection);
        }
    }
}
