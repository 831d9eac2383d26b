//! The gates before sending: each must be open, and those that are shut are named one by one.
//!
//! They follow from PIPL Art. 23, 38, 39 and 55, from the standard contracts of the Greater Bay Area (senders of the
//! nine cities only, nothing beyond the area) and from Order 121 Art. 37 (nothing of a report). A contract counts as
//! filed only once it is: the ten working days that its parties have for filing are not used, which is the stricter
//! reading.

use chrono::NaiveDate;
use domain::region::RegionTable;
use domain::vocabulary::vocabulary;

use super::event::{Assessed, Sealed};
use super::state::Transfer;
use super::vocabulary::FieldClass;
use crate::partner::PartnerRegister;

vocabulary! {
    /// What is missing before a referral may be sent.
    Gate {
        NotAssessed = "not-assessed", "未作合法性评估";
        InstrumentMissing = "contract-missing", "没有合同、认证或者批准";
        InstrumentNotInForce = "contract-not-in-force", "合同不在有效期内";
        InstrumentNotFiled = "contract-not-filed", "合同未备案";
        RouteElsewhere = "route-elsewhere", "合同不适用于接收地";
        SenderOutsideNineCities = "sender-outside-nine-cities", "发送方不在大湾区内地九市";
        ImpactMissing = "impact-missing", "未作个人信息保护影响评估";
        ImpactExpired = "impact-expired", "个人信息保护影响评估已过期";
        ImportantData = "important-data", "含重要数据";
        ConsentMissing = "consent-missing", "没有单独同意";
        ConsentWithdrawn = "consent-withdrawn", "同意已撤回";
        ConsentForAnotherRecipient = "consent-for-another-recipient", "同意不及于此接收方";
        ConsentForAnotherPurpose = "consent-for-another-purpose", "同意不及于此目的";
        ConsentForFewerFields = "consent-for-fewer-fields", "同意不及于全部字段";
        NotSealed = "not-sealed", "未封装";
        FieldNotListed = "field-not-listed", "含非必要字段";
        ReportData = "report-data", "含举报内容";
    }
}

/// The gates that are shut on the day, in the order of [`Gate::ALL`]; none means that the referral may be sent.
#[must_use]
pub fn shut(transfer: &Transfer, day: NaiveDate) -> Vec<Gate> {
    let mut shut = Vec::new();
    match &transfer.assessed {
        None => shut.push(Gate::NotAssessed),
        Some(assessed) => {
            instrument(assessed, day, &mut shut);
            area(transfer, assessed, &mut shut);
            impact(assessed, day, &mut shut);
        }
    }
    consent(transfer, &mut shut);
    fields(transfer, &mut shut);
    shut
}

fn instrument(assessed: &Assessed, day: NaiveDate, shut: &mut Vec<Gate>) {
    if !assessed.route.needs_instrument() {
        return;
    }
    let Some(instrument) = &assessed.instrument else {
        shut.push(Gate::InstrumentMissing);
        return;
    };
    if day < instrument.valid_from || day > instrument.valid_to {
        shut.push(Gate::InstrumentNotInForce);
    }
    let filed = instrument.filing.as_ref().is_some_and(|filing| filing.on <= day);
    if assessed.route.needs_filing() && !filed {
        shut.push(Gate::InstrumentNotFiled);
    }
}

/// A contract of the Greater Bay Area carries data from the nine cities to one of the two places, and no farther.
fn area(transfer: &Transfer, assessed: &Assessed, shut: &mut Vec<Gate>) {
    let Some(place) = assessed.route.gba_place() else { return };
    let partner = PartnerRegister::builtin().get(&transfer.drafted.partner);
    if partner.is_none_or(|partner| partner.place != place) {
        shut.push(Gate::RouteElsewhere);
    }
    let seat = RegionTable::builtin().get(transfer.drafted.seat);
    if seat.is_none_or(|seat| !seat.gba9) {
        shut.push(Gate::SenderOutsideNineCities);
    }
}

fn impact(assessed: &Assessed, day: NaiveDate, shut: &mut Vec<Gate>) {
    match &assessed.impact {
        None => shut.push(Gate::ImpactMissing),
        Some(impact) if day > impact.valid_to => shut.push(Gate::ImpactExpired),
        Some(_) => {}
    }
    if assessed.important_data {
        shut.push(Gate::ImportantData);
    }
}

fn consent(transfer: &Transfer, shut: &mut Vec<Gate>) {
    let Some(consent) = &transfer.consent else {
        shut.push(Gate::ConsentMissing);
        return;
    };
    let captured = &consent.captured;
    if consent.withdrawn {
        shut.push(Gate::ConsentWithdrawn);
    }
    if captured.recipient != transfer.drafted.partner {
        shut.push(Gate::ConsentForAnotherRecipient);
    }
    if captured.purpose != transfer.drafted.purpose {
        shut.push(Gate::ConsentForAnotherPurpose);
    }
    let covered = |sealed: &Sealed| sealed.fields.iter().all(|field| captured.fields.contains(field));
    if transfer.sealed.as_ref().is_some_and(|sealed| !covered(sealed)) {
        shut.push(Gate::ConsentForFewerFields);
    }
}

fn fields(transfer: &Transfer, shut: &mut Vec<Gate>) {
    let Some(sealed) = &transfer.sealed else {
        shut.push(Gate::NotSealed);
        return;
    };
    let holds = |class: FieldClass| sealed.fields.iter().any(|field| field.class() == class);
    if holds(FieldClass::Unlisted) {
        shut.push(Gate::FieldNotListed);
    }
    if holds(FieldClass::Report) {
        shut.push(Gate::ReportData);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::referral::event::{ConsentCaptured, Drafted, Instrument};
    use crate::referral::testing::{
        HONG_KONG, MACAO, assess, assessment, capture, consent_to, day, draft, drafted, drafted_to, instrument,
        message, nothing, region, seal, sealed,
    };
    use crate::referral::vocabulary::{DataField, LegalRoute, Purpose};
    use crate::referral::withdraw_consent::WithdrawConsent;
    use crate::referral::{Act, Transfer};

    const NOW: &str = "2026-05-19T12:00:00+08:00";
    const OPEN: [Gate; 0] = [];

    fn shut_on(transfer: &Transfer, on: &str) -> Vec<Gate> {
        shut(transfer, day(on))
    }

    fn after(act: Act) -> Vec<Gate> {
        shut_on(&sealed().and(NOW, act).transfer(), "2026-05-20")
    }

    fn under(assessed: Assessed) -> Vec<Gate> {
        after(assess(assessed))
    }

    fn on_the_way(begun: Drafted, route: LegalRoute) -> Transfer {
        let recipient = begun.partner.as_str().to_owned();
        nothing()
            .and(NOW, draft(begun))
            .and(NOW, capture(consent_to(&recipient)))
            .and(NOW, assess(assessment(route)))
            .and(NOW, seal(message()))
            .transfer()
    }

    #[test]
    fn a_prepared_referral_finds_every_gate_open() {
        assert_eq!(shut_on(&sealed().transfer(), "2026-05-20"), OPEN);
        assert_eq!(shut_on(&on_the_way(drafted_to(MACAO), LegalRoute::GbaMacao), "2026-05-20"), OPEN);
    }

    #[test]
    fn one_that_is_only_drafted_finds_three_shut() {
        let expected = [Gate::NotAssessed, Gate::ConsentMissing, Gate::NotSealed];
        assert_eq!(shut_on(&drafted().transfer(), "2026-05-20"), expected);
    }

    #[test]
    fn the_contract_is_there_in_force_and_filed() {
        let hong_kong = || assessment(LegalRoute::GbaHongKong);
        assert_eq!(under(Assessed { instrument: None, ..hong_kong() }), [Gate::InstrumentMissing]);
        let unfiled = Instrument { filing: None, ..instrument() };
        assert_eq!(under(Assessed { instrument: Some(unfiled), ..hong_kong() }), [Gate::InstrumentNotFiled]);
        let short = Instrument { valid_to: day("2026-05-20"), ..instrument() };
        let transfer = sealed().and(NOW, assess(Assessed { instrument: Some(short), ..hong_kong() })).transfer();
        assert_eq!(shut_on(&transfer, "2026-05-20"), OPEN);
        assert_eq!(shut_on(&transfer, "2026-05-21"), [Gate::InstrumentNotInForce]);
        let young = Instrument { valid_from: day("2026-05-21"), ..instrument() };
        let transfer = sealed().and(NOW, assess(Assessed { instrument: Some(young), ..hong_kong() })).transfer();
        assert_eq!(shut_on(&transfer, "2026-05-20"), [Gate::InstrumentNotInForce]);
        assert_eq!(shut_on(&transfer, "2026-05-21"), OPEN);
    }

    #[test]
    fn what_needs_no_filing_or_no_contract_is_not_asked_for_it() {
        let unfiled = Some(Instrument { filing: None, ..instrument() });
        for (route, instrument, expected) in [
            (LegalRoute::StandardContract, unfiled.clone(), vec![Gate::InstrumentNotFiled]),
            (LegalRoute::Certification, unfiled.clone(), Vec::new()),
            (LegalRoute::SecurityAssessment, unfiled, Vec::new()),
            (LegalRoute::SecurityAssessment, None, vec![Gate::InstrumentMissing]),
            (LegalRoute::Exempt, None, Vec::new()),
        ] {
            assert_eq!(under(Assessed { instrument, ..assessment(route) }), expected, "{route}");
        }
    }

    #[test]
    fn a_contract_of_the_bay_area_binds_both_ends() {
        assert_eq!(under(assessment(LegalRoute::GbaMacao)), [Gate::RouteElsewhere]);
        for (seat, inside) in
            [("440104", true), ("440300", true), ("441900", true), ("440500", false), ("440000", false)]
        {
            let begun = Drafted { seat: region(seat), ..drafted_to(HONG_KONG) };
            let expected = if inside { Vec::new() } else { vec![Gate::SenderOutsideNineCities] };
            let by_contract = on_the_way(begun.clone(), LegalRoute::GbaHongKong);
            assert_eq!(shut_on(&by_contract, "2026-05-20"), expected, "{seat}");
            let otherwise = on_the_way(begun, LegalRoute::SecurityAssessment);
            assert_eq!(shut_on(&otherwise, "2026-05-20"), OPEN, "{seat}");
        }
    }

    #[test]
    fn the_impact_was_assessed_and_the_assessment_still_holds() {
        let hong_kong = || assessment(LegalRoute::GbaHongKong);
        assert_eq!(under(Assessed { impact: None, ..hong_kong() }), [Gate::ImpactMissing]);
        let transfer = sealed().transfer();
        assert_eq!(shut_on(&transfer, "2026-08-31"), OPEN);
        assert_eq!(shut_on(&transfer, "2026-09-01"), [Gate::ImpactExpired]);
        assert_eq!(under(Assessed { important_data: true, ..hong_kong() }), [Gate::ImportantData]);
    }

    #[test]
    fn the_consent_holds_and_covers_this_recipient_purpose_and_every_field() {
        assert_eq!(after(Act::WithdrawConsent(WithdrawConsent {})), [Gate::ConsentWithdrawn]);
        assert_eq!(after(capture(consent_to(MACAO))), [Gate::ConsentForAnotherRecipient]);
        let other_purpose = ConsentCaptured { purpose: Purpose::Arbitration, ..consent_to(HONG_KONG) };
        assert_eq!(after(capture(other_purpose)), [Gate::ConsentForAnotherPurpose]);
        let all_but_one: Vec<DataField> =
            message().fields.into_iter().filter(|field| *field != DataField::ConsumerContact).collect();
        let fewer = ConsentCaptured { fields: all_but_one, ..consent_to(HONG_KONG) };
        assert_eq!(after(capture(fewer)), [Gate::ConsentForFewerFields]);
        let exactly = ConsentCaptured { fields: message().fields, ..consent_to(HONG_KONG) };
        assert_eq!(after(capture(exactly)), OPEN);
    }

    #[test]
    fn no_consent_opens_the_way_for_a_field_that_is_not_listed_or_for_a_report() {
        for field in DataField::ALL {
            let mut fields = message().fields;
            fields.push(*field);
            let transfer = sealed()
                .and(NOW, capture(ConsentCaptured { fields: DataField::ALL.to_vec(), ..consent_to(HONG_KONG) }))
                .and(NOW, seal(Sealed { fields, ..message() }))
                .transfer();
            let expected = match field.class() {
                FieldClass::Listed => Vec::new(),
                FieldClass::Unlisted => vec![Gate::FieldNotListed],
                FieldClass::Report => vec![Gate::ReportData],
            };
            assert_eq!(shut_on(&transfer, "2026-05-20"), expected, "{field}");
        }
    }

    #[test]
    fn they_are_named_in_the_order_of_the_list() {
        let everything = ConsentCaptured { purpose: Purpose::Information, ..consent_to(MACAO) };
        let transfer = sealed()
            .and(NOW, capture(everything))
            .and(NOW, assess(Assessed { impact: None, important_data: true, ..assessment(LegalRoute::GbaMacao) }))
            .and(NOW, seal(Sealed { fields: DataField::ALL.to_vec(), ..message() }))
            .transfer();
        let found = shut_on(&transfer, "2026-05-20");
        assert!(found.is_sorted());
        assert_eq!(found.len(), 8);
    }
}
