//! Reading any event of the log, those of referrals and of what councils exchange included.

use std::collections::HashMap;
use std::sync::LazyLock;

use domain::complaint::ComplaintEvent;
use domain::filing::FilingEvent;
use domain::org::UnitEvent;
use domain::wire::{Stored, WireError};

use crate::delivery::DeliveryEvent;
use crate::referral::ReferralEvent;
use crate::security::SecurityEvent;

/// Any event of any life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnyEvent {
    Referral(ReferralEvent),
    Delivery(DeliveryEvent),
    Security(SecurityEvent),
    Domain(domain::wire::AnyEvent),
}

/// Reads an event of whatever life its kind belongs to: what concerns partners here, everything else in the domain.
///
/// # Errors
/// The kind or schema is not known, or the payload does not have its shape.
pub fn decode_any(kind: &str, schema: u16, payload: &str) -> Result<AnyEvent, WireError> {
    match kind.split_once('.').map(|(life, _)| life) {
        Some("referral") => ReferralEvent::decode(kind, schema, payload).map(AnyEvent::Referral),
        Some("delivery") => DeliveryEvent::decode(kind, schema, payload).map(AnyEvent::Delivery),
        Some("security") => SecurityEvent::decode(kind, schema, payload).map(AnyEvent::Security),
        Some(_) | None => domain::wire::decode(kind, schema, payload).map(AnyEvent::Domain),
    }
}

/// Every stored name of any life with the newest schema number that this program reads, sorted by name. A log in which
/// a newer program has written holds names or numbers that are not among them.
#[must_use]
pub fn kinds() -> Vec<(&'static str, u16)> {
    let lives = [
        ComplaintEvent::KINDS,
        FilingEvent::KINDS,
        UnitEvent::KINDS,
        ReferralEvent::KINDS,
        DeliveryEvent::KINDS,
        SecurityEvent::KINDS,
    ];
    let mut kinds = lives.concat();
    kinds.sort_unstable();
    kinds
}

/// Whether this program reads events of the kind and schema, without reading one.
#[must_use]
pub fn is_known(kind: &str, schema: u16) -> bool {
    static KNOWN: LazyLock<HashMap<&'static str, u16>> = LazyLock::new(|| kinds().into_iter().collect());
    KNOWN.get(kind).is_some_and(|newest| (1..=*newest).contains(&schema))
}

#[cfg(test)]
mod tests {
    use domain::complaint::event::Accepted;

    use super::*;
    use crate::referral::event::OutcomeAcknowledged;

    #[test]
    fn what_concerns_partners_is_read_here_and_the_rest_in_the_domain() {
        assert_eq!(
            decode_any("referral.outcome-acknowledged", 1, "{}").unwrap(),
            AnyEvent::Referral(ReferralEvent::OutcomeAcknowledged(OutcomeAcknowledged {}))
        );
        assert!(matches!(decode_any("delivery.redriven", 1, "{}").unwrap(), AnyEvent::Delivery(_)));
        let refused = r#"{"code":"BAD_SIGNATURE","what":"submitReferral","suppressed":0}"#;
        assert!(matches!(decode_any("security.refused", 1, refused).unwrap(), AnyEvent::Security(_)));
        assert_eq!(
            decode_any("complaint.accepted", 1, "{}").unwrap(),
            AnyEvent::Domain(domain::wire::AnyEvent::Complaint(ComplaintEvent::Accepted(Accepted {})))
        );
    }

    #[test]
    fn every_kind_is_listed_once() {
        let kinds = kinds();
        assert!(kinds.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for kind in ["complaint.registered", "filing.split", "unit.registered", "referral.sent", "security.refused"] {
            assert!(kinds.iter().any(|(known, schema)| *known == kind && *schema >= 1), "{kind}");
        }
        for (kind, schema) in kinds {
            assert!(is_known(kind, schema) && !is_known(kind, schema + 1) && !is_known(kind, 0), "{kind}");
        }
        assert!(!is_known("weather.changed", 1));
    }

    #[test]
    fn what_nobody_knows_is_named() {
        for kind in ["referral.lost", "delivery.lost", "security.lost", "weather.changed", "referral"] {
            let error = decode_any(kind, 1, "{}").unwrap_err();
            assert!(matches!(&error, WireError::UnknownKind { kind: named } if &**named == kind), "{error}");
        }
        let newer = decode_any("referral.sent", 2, "{}").unwrap_err();
        assert!(matches!(newer, WireError::UnknownSchema { schema: 2, known: 1, .. }));
        let shapeless = decode_any("referral.drafted", 1, "{}").unwrap_err();
        assert!(matches!(shapeless, WireError::Shape { schema: 1, .. }));
    }
}
