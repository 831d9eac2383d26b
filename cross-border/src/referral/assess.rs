//! 合法性评估: the way on which the data may leave, and the impact assessment of it (PIPL Art. 38 and 55).
//!
//! What is not yet there is recorded as not there, so that preparing can go on; sending cannot.

use super::event::{Assessed, ReferralEvent};
use super::rejection::Rejection;
use super::{Moment, check_code};

/// Records the assessment; a later one takes the place of the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assess {
    pub assessed: Assessed,
}

impl Assess {
    pub(super) fn decide(self, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
        let day = moment.day();
        if let Some(instrument) = &self.assessed.instrument {
            check_code("instrument.number", &instrument.number)?;
            if instrument.valid_to < instrument.valid_from {
                return Err(Rejection::Dates { field: "instrument" });
            }
            if let Some(filing) = &instrument.filing {
                check_code("instrument.filing.number", &filing.number)?;
                if filing.on > day {
                    return Err(Rejection::Dates { field: "instrument.filing" });
                }
            }
        }
        if let Some(impact) = &self.assessed.impact {
            check_code("impact.number", &impact.number)?;
            if impact.valid_to < impact.assessed_on || impact.assessed_on > day {
                return Err(Rejection::Dates { field: "impact" });
            }
        }
        Ok(vec![ReferralEvent::Assessed(Box::new(self.assessed))])
    }
}

#[cfg(test)]
mod tests {
    use crate::referral::event::{Assessed, Filed, ImpactAssessment, Instrument, ReferralEvent};
    use crate::referral::testing::{assess, assessment, consented, day, drafted, given, instrument, presented, sent};
    use crate::referral::vocabulary::LegalRoute;
    use crate::referral::{Action, Rejection, Stage};

    const NOW: &str = "2026-05-20T10:00:00+08:00";

    fn hong_kong() -> Assessed {
        assessment(LegalRoute::GbaHongKong)
    }

    #[test]
    fn the_route_and_what_it_rests_on_are_recorded() {
        let unfinished = Assessed { instrument: None, impact: None, ..hong_kong() };
        for assessed in [hong_kong(), unfinished] {
            let transfer = given(consented())
                .at(NOW)
                .when(assess(assessed.clone()))
                .then([ReferralEvent::Assessed(Box::new(assessed.clone()))])
                .transfer();
            assert_eq!((transfer.stage, transfer.assessed), (Stage::Assessed, Some(assessed)));
        }
    }

    #[test]
    fn it_follows_the_consent_and_may_be_renewed_until_the_message_leaves() {
        assert_eq!(presented().and(NOW, assess(hong_kong())).transfer().stage, Stage::Assessed);
        for history in [drafted(), sent()] {
            given(history)
                .at(NOW)
                .when(assess(hong_kong()))
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::Assess, .. }));
        }
    }

    #[test]
    fn its_days_are_possible_ones() {
        let impact = |assessed_on: &str, valid_to: &str| Assessed {
            impact: Some(ImpactAssessment {
                number: "PIA-1".to_owned(),
                version: 1,
                assessed_on: day(assessed_on),
                valid_to: day(valid_to),
            }),
            ..hong_kong()
        };
        let contract = |changed: Instrument| Assessed { instrument: Some(changed), ..hong_kong() };
        let filed = |on: &str| Some(Filed { number: "F-1".to_owned(), on: day(on) });
        for (assessed, field) in [
            (impact("2026-05-21", "2026-12-31"), "impact"),
            (impact("2026-05-01", "2026-04-30"), "impact"),
            (contract(Instrument { valid_to: day("2025-12-31"), ..instrument() }), "instrument"),
            (contract(Instrument { filing: filed("2026-05-21"), ..instrument() }), "instrument.filing"),
        ] {
            given(consented())
                .at(NOW)
                .when(assess(assessed))
                .then_err(|refused| *refused == Rejection::Dates { field });
        }
        let today = Assessed {
            instrument: Some(Instrument { filing: filed("2026-05-20"), ..instrument() }),
            ..impact("2026-05-20", "2026-05-20")
        };
        given(consented()).at(NOW).when(assess(today.clone())).then([ReferralEvent::Assessed(Box::new(today))]);
    }

    #[test]
    fn a_contract_has_a_number() {
        let unnumbered = Instrument { number: String::new(), ..instrument() };
        given(consented())
            .at(NOW)
            .when(assess(Assessed { instrument: Some(unnumbered), ..hong_kong() }))
            .then_err(|refused| *refused == Rejection::CodeMissing { field: "instrument.number" });
    }
}
