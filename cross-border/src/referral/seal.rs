//! 封装: the message as it leaves, reduced to what is needed and signed; only its digest and its fields are known here.

use super::check_code;
use super::event::Sealed;
use super::rejection::Rejection;
use super::vocabulary::DataField;

/// Hexadecimal digits of a digest of 256 bits, SHA-256 or SM3.
const DIGEST_CHARS: usize = 64;
/// Longest detached signature, in characters.
pub const SIGNATURE_CHARS_MAX: usize = 1_024;

/// The sealed message with its lists in order; it names its rule, its key and its signature.
pub(super) fn checked(mut sealed: Sealed) -> Result<Sealed, Rejection> {
    check_code("minimisation", &sealed.minimisation)?;
    check_code("key", &sealed.key)?;
    check_signature("signature", &sealed.signature)?;
    check_digest("payload", &sealed.payload)?;
    sealed.fields = in_order(sealed.fields)?;
    sealed.removed.sort_unstable();
    sealed.removed.dedup();
    sealed.renditions.sort_unstable();
    sealed.renditions.dedup();
    Ok(sealed)
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

pub(super) fn check_signature(field: &'static str, signature: &str) -> Result<(), Rejection> {
    let chars = signature.chars().count();
    if signature.trim().is_empty() {
        return Err(Rejection::CodeMissing { field });
    }
    if chars > SIGNATURE_CHARS_MAX {
        return Err(Rejection::SignatureTooLong { field, chars });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{SIGNATURE_CHARS_MAX, checked};
    use crate::partner::Language;
    use crate::referral::Rejection;
    use crate::referral::event::Sealed;
    use crate::referral::testing::message;
    use crate::referral::vocabulary::DataField;

    #[test]
    fn its_lists_hold_each_entry_once_and_in_order() {
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
        assert_eq!(checked(jumbled), Ok(ordered));
    }

    #[test]
    fn it_has_a_field_a_digest_a_key_and_a_signature() {
        let signed = |chars: usize| Sealed { signature: "s".repeat(chars), ..message() };
        assert_eq!(checked(signed(SIGNATURE_CHARS_MAX)), Ok(signed(SIGNATURE_CHARS_MAX)));
        for (message, rejection) in [
            (Sealed { fields: Vec::new(), ..message() }, Rejection::FieldsMissing),
            (Sealed { payload: "b".repeat(65), ..message() }, Rejection::Digest { field: "payload" }),
            (Sealed { payload: "g".repeat(64), ..message() }, Rejection::Digest { field: "payload" }),
            (Sealed { key: String::new(), ..message() }, Rejection::CodeMissing { field: "key" }),
            (signed(0), Rejection::CodeMissing { field: "signature" }),
            (
                signed(SIGNATURE_CHARS_MAX + 1),
                Rejection::SignatureTooLong { field: "signature", chars: SIGNATURE_CHARS_MAX + 1 },
            ),
            (
                Sealed { minimisation: "x".repeat(129), ..message() },
                Rejection::CodeTooLong { field: "minimisation", chars: 129 },
            ),
        ] {
            assert_eq!(checked(message), Err(rejection));
        }
    }
}
