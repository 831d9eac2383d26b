//! 拟转办: between one of our councils and one partner, under an agreement that is in force.

use super::event::{Drafted, ReferralEvent};
use super::rejection::Rejection;
use super::vocabulary::Direction;
use super::{Moment, check_code};
use crate::partner::{PartnerRegister, Place};

/// Begins a referral that is to go out. One that comes in begins with the other council's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub drafted: Drafted,
}

impl Draft {
    pub(super) fn decide(self, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
        if self.drafted.direction == Direction::Inbound {
            return Err(Rejection::OnlyReceived);
        }
        check(&self.drafted, moment)?;
        Ok(vec![ReferralEvent::Drafted(Box::new(self.drafted))])
    }
}

/// What must be there whichever way a referral goes.
pub(super) fn check(drafted: &Drafted, moment: &Moment<'_>) -> Result<(), Rejection> {
    let Drafted { complaint, seat, partner, partner_reference, direction, .. } = drafted;
    let known = PartnerRegister::builtin().get(partner).ok_or_else(|| Rejection::UnknownPartner(partner.clone()))?;
    let our = Place::of_seat(*seat).ok_or(Rejection::UnknownRegion(*seat))?;
    let on = moment.day();
    if known.agreement_on(on, our).is_none() {
        return Err(Rejection::NoAgreement { partner: partner.clone(), on });
    }
    match (direction, complaint, partner_reference) {
        (Direction::Outbound, None, _) => return Err(Rejection::ComplaintMissing),
        (Direction::Inbound, _, None) => return Err(Rejection::PartnerReferenceMissing),
        (Direction::Outbound | Direction::Inbound, _, _) => {}
    }
    match partner_reference {
        Some(reference) => check_code("partnerReference", reference),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::partner::PartnerId;
    use crate::referral::event::{Drafted, ReferralEvent};
    use crate::referral::testing::{
        GUANGDONG, HONG_KONG, MACAO, capture, consent_to, day, draft, drafted, drafted_from_macao, drafted_to, given,
        nothing, partner, region,
    };
    use crate::referral::{CODE_CHARS_MAX, Rejection, Stage};

    const NOW: &str = "2026-05-18T09:00:00+08:00";

    #[test]
    fn a_referral_begins_between_a_council_of_ours_and_a_partner() {
        // Any of the three councils may be ours.
        let from = |seat: &str, to: &str| Drafted { seat: region(seat), ..drafted_to(to) };
        for begun in [
            drafted_to(HONG_KONG),
            drafted_to(MACAO),
            from("810000", GUANGDONG),
            from("810000", MACAO),
            from("820000", GUANGDONG),
        ] {
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
    fn what_goes_out_has_a_complaint_and_a_number_of_ordinary_length() {
        given(nothing())
            .at(NOW)
            .when(draft(Drafted { complaint: None, ..drafted_to(HONG_KONG) }))
            .then_err(|refused| *refused == Rejection::ComplaintMissing);
        given(nothing())
            .at(NOW)
            .when(draft(drafted_from_macao()))
            .then_err(|refused| *refused == Rejection::OnlyReceived);
        let numbered = |number: String| Drafted { partner_reference: Some(number), ..drafted_to(HONG_KONG) };
        let longest = numbered("號".repeat(CODE_CHARS_MAX));
        given(nothing()).at(NOW).when(draft(longest.clone())).then([ReferralEvent::Drafted(Box::new(longest))]);
        given(nothing())
            .at(NOW)
            .when(draft(numbered("號".repeat(CODE_CHARS_MAX + 1))))
            .then_err(|refused| *refused == Rejection::CodeTooLong { field: "partnerReference", chars: 129 });
    }

    #[test]
    fn the_councils_seat_is_in_one_of_the_three_places_and_not_in_the_partners() {
        let seat = region("710000");
        given(nothing())
            .at(NOW)
            .when(draft(Drafted { seat, ..drafted_to(HONG_KONG) }))
            .then_err(|refused| *refused == Rejection::UnknownRegion(seat));
        for (seat, neighbour) in [("440104", GUANGDONG), ("810000", HONG_KONG), ("820000", MACAO)] {
            let drafted = Drafted { seat: region(seat), ..drafted_to(neighbour) };
            given(nothing()).at(NOW).when(draft(drafted)).then_err(|refused| {
                *refused == Rejection::NoAgreement { partner: partner(neighbour), on: day("2026-05-18") }
            });
        }
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
