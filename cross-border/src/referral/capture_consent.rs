//! 取得单独同意: one consent for one recipient and purpose and for named fields (PIPL Art. 23 and 39).
//!
//! What the consumer agreed to is recorded as it is; whether it covers what is to be sent is asked when it is sent.

use super::event::{ConsentCaptured, ReferralEvent};
use super::rejection::Rejection;
use super::seal::check_digest;
use super::{check_code, seal};

/// Records a consent; a later one takes the place of the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureConsent {
    pub consent: ConsentCaptured,
}

impl CaptureConsent {
    pub(super) fn decide(self) -> Result<Vec<ReferralEvent>, Rejection> {
        let mut consent = self.consent;
        check_code("consent", &consent.consent)?;
        check_code("textVersion", &consent.text_version)?;
        check_digest("evidence", &consent.evidence)?;
        consent.fields = seal::in_order(consent.fields)?;
        Ok(vec![ReferralEvent::ConsentCaptured(Box::new(consent))])
    }
}

#[cfg(test)]
mod tests {
    use crate::referral::event::{ConsentCaptured, ReferralEvent};
    use crate::referral::testing::{
        HONG_KONG, MACAO, assessed, came_in, capture, consent_to, consented, drafted, given, presented, sent,
    };
    use crate::referral::vocabulary::DataField;
    use crate::referral::{Action, Rejection, Stage};

    const NOW: &str = "2026-05-20T10:00:00+08:00";

    #[test]
    fn a_consent_is_recorded_with_its_fields_in_order() {
        let jumbled = ConsentCaptured {
            fields: vec![DataField::Facts, DataField::ConsumerName, DataField::Facts],
            ..consent_to(HONG_KONG)
        };
        let ordered =
            ConsentCaptured { fields: vec![DataField::ConsumerName, DataField::Facts], ..consent_to(HONG_KONG) };
        let transfer = given(drafted())
            .at(NOW)
            .when(capture(jumbled))
            .then([ReferralEvent::ConsentCaptured(Box::new(ordered.clone()))])
            .transfer();
        assert_eq!(transfer.stage, Stage::ConsentCaptured);
        assert_eq!(transfer.consent.map(|consent| (consent.captured, consent.withdrawn)), Some((ordered, false)));
    }

    #[test]
    fn a_new_consent_takes_the_place_of_the_old_until_the_message_leaves() {
        for (history, stage) in
            [(consented(), Stage::ConsentCaptured), (assessed(), Stage::Assessed), (presented(), Stage::Assessed)]
        {
            let transfer = history.and(NOW, capture(consent_to(MACAO))).transfer();
            assert_eq!(transfer.stage, stage);
            assert_eq!(transfer.consent.map(|consent| consent.captured), Some(consent_to(MACAO)));
        }
        for history in [sent(), came_in()] {
            given(history)
                .at(NOW)
                .when(capture(consent_to(HONG_KONG)))
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::CaptureConsent, .. }));
        }
    }

    #[test]
    fn it_names_its_text_its_evidence_and_at_least_one_field() {
        for (consent, rejection) in [
            (ConsentCaptured { fields: Vec::new(), ..consent_to(HONG_KONG) }, Rejection::FieldsMissing),
            (
                ConsentCaptured { text_version: String::new(), ..consent_to(HONG_KONG) },
                Rejection::CodeMissing { field: "textVersion" },
            ),
            (
                ConsentCaptured { consent: " ".to_owned(), ..consent_to(HONG_KONG) },
                Rejection::CodeMissing { field: "consent" },
            ),
            (
                ConsentCaptured { evidence: "a".repeat(63), ..consent_to(HONG_KONG) },
                Rejection::Digest { field: "evidence" },
            ),
            (
                ConsentCaptured { evidence: "A".repeat(64), ..consent_to(HONG_KONG) },
                Rejection::Digest { field: "evidence" },
            ),
        ] {
            given(drafted()).at(NOW).when(capture(consent)).then_err(|refused| *refused == rejection);
        }
    }
}
