//! 拟转办: between one of our councils and one partner, under an agreement that is in force.

use domain::region::RegionTable;

use super::event::{Drafted, ReferralEvent};
use super::rejection::Rejection;
use super::vocabulary::Direction;
use super::{Moment, check_code};
use crate::partner::PartnerRegister;

/// Begins a referral.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub drafted: Drafted,
}

impl Draft {
    pub(super) fn decide(self, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
        let Drafted { complaint, seat, partner, partner_reference, direction, .. } = &self.drafted;
        let known =
            PartnerRegister::builtin().get(partner).ok_or_else(|| Rejection::UnknownPartner(partner.clone()))?;
        let on = moment.day();
        if known.agreement_on(on).is_none() {
            return Err(Rejection::NoAgreement { partner: partner.clone(), on });
        }
        if RegionTable::builtin().get(*seat).is_none() {
            return Err(Rejection::UnknownRegion(*seat));
        }
        match (direction, complaint, partner_reference) {
            (Direction::Outbound, None, _) => return Err(Rejection::ComplaintMissing),
            (Direction::Inbound, _, None) => return Err(Rejection::PartnerReferenceMissing),
            (Direction::Outbound | Direction::Inbound, _, _) => {}
        }
        if let Some(reference) = partner_reference {
            check_code("partnerReference", reference)?;
        }
        Ok(vec![ReferralEvent::Drafted(Box::new(self.drafted))])
    }
}

#[cfg(test)]
mod tests {
    use crate::partner::PartnerId;
    use crate::referral::event::{Drafted, ReferralEvent};
    use crate::referral::testing::{
        HONG_KONG, MACAO, capture, consent_to, day, draft, drafted, drafted_from_macao, drafted_to, given, nothing,
        partner, region,
    };
    use crate::referral::{CODE_CHARS_MAX, Rejection, Stage};

    const NOW: &str = "2026-05-18T09:00:00+08:00";

    #[test]
    fn a_referral_begins_between_a_council_of_ours_and_a_partner() {
        for begun in [drafted_to(HONG_KONG), drafted_to(MACAO), drafted_from_macao()] {
            let transfer = given(nothing())
                .at(NOW)
                .when(draft(begun.clone()))
                .then([ReferralEvent::Drafted(Box::new(begun.clone()))])
                .transfer();
            assert_eq!((transfer.stage, transfer.drafted), (Stage::Drafted, begun));
        }
    }

    #[test]
    fn it_begins_once_and_before_everything_else() {
        let referral = drafted_to(HONG_KONG).referral;
        given(drafted())
            .at(NOW)
            .when(draft(drafted_to(HONG_KONG)))
            .then_err(|refused| *refused == Rejection::AlreadyDrafted(referral));
        given(nothing())
            .at(NOW)
            .when(capture(consent_to(HONG_KONG)))
            .then_err(|refused| *refused == Rejection::NotDrafted);
    }

    #[test]
    fn the_partner_stands_in_the_register_with_an_agreement_in_force() {
        let stranger = PartnerId::parse("sg-consumer-council").unwrap();
        given(nothing())
            .at(NOW)
            .when(draft(Drafted { partner: stranger.clone(), ..drafted_to(HONG_KONG) }))
            .then_err(|refused| *refused == Rejection::UnknownPartner(stranger));
        given(nothing()).at("2018-04-09T23:59:59+08:00").when(draft(drafted_to(HONG_KONG))).then_err(|refused| {
            *refused == Rejection::NoAgreement { partner: partner(HONG_KONG), on: day("2018-04-09") }
        });
        given(nothing())
            .at("2018-04-10T00:00:00+08:00")
            .when(draft(drafted_to(HONG_KONG)))
            .then([ReferralEvent::Drafted(Box::new(drafted_to(HONG_KONG)))]);
    }

    #[test]
    fn what_goes_out_has_a_complaint_and_what_comes_in_a_number() {
        given(nothing())
            .at(NOW)
            .when(draft(Drafted { complaint: None, ..drafted_to(HONG_KONG) }))
            .then_err(|refused| *refused == Rejection::ComplaintMissing);
        given(nothing())
            .at(NOW)
            .when(draft(Drafted { partner_reference: None, ..drafted_from_macao() }))
            .then_err(|refused| *refused == Rejection::PartnerReferenceMissing);
        let numbered = |number: String| Drafted { partner_reference: Some(number), ..drafted_from_macao() };
        let longest = numbered("號".repeat(CODE_CHARS_MAX));
        given(nothing()).at(NOW).when(draft(longest.clone())).then([ReferralEvent::Drafted(Box::new(longest))]);
        given(nothing())
            .at(NOW)
            .when(draft(numbered("號".repeat(CODE_CHARS_MAX + 1))))
            .then_err(|refused| *refused == Rejection::CodeTooLong { field: "partnerReference", chars: 129 });
    }

    #[test]
    fn the_councils_seat_is_a_division_of_the_province() {
        let seat = region("810000");
        given(nothing())
            .at(NOW)
            .when(draft(Drafted { seat, ..drafted_to(HONG_KONG) }))
            .then_err(|refused| *refused == Rejection::UnknownRegion(seat));
    }

    #[test]
    fn an_act_is_entered_at_most_thirty_days_late_and_never_early() {
        for (done, fits) in [
            ("2026-04-18T09:00:00+08:00", true),
            ("2026-04-18T08:59:59+08:00", false),
            ("2026-05-18T09:05:00+08:00", true),
            ("2026-05-18T09:05:01+08:00", false),
        ] {
            let decided = given(nothing()).at(NOW).done(done).when(draft(drafted_to(HONG_KONG)));
            if fits {
                decided.then([ReferralEvent::Drafted(Box::new(drafted_to(HONG_KONG)))]);
            } else {
                decided
                    .then_err(|refused| matches!(refused, Rejection::TooLongAgo { .. } | Rejection::InFuture { .. }));
            }
        }
    }
}
