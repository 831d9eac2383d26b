use super::*;
use crate::referral::event::{ConsentCaptured, Drafted, Instrument, PresentedContent, Sealed};
use crate::referral::present::Present;
use crate::referral::record_scan::RecordScan;
use crate::referral::testing::{
    GUANGDONG, HONG_KONG, History, MACAO, assess, assessed, assessment, capture, consent_to, content, day, decide,
    draft, drafted, drafted_to, file, instrument, message, nothing, presentation, presented, region, submission,
    submitted, time,
};
use crate::referral::vocabulary::Purpose;
use crate::referral::withdraw_consent::WithdrawConsent;
use crate::referral::{Act, ReferralCommand, Rejection};

const NOW: &str = "2026-05-19T12:00:00+08:00";
const OPEN: [Gate; 0] = [];

/// A prepared referral and the message that is to leave.
#[derive(Debug, Clone)]
struct Prepared {
    history: History,
    message: Sealed,
}

impl Prepared {
    /// What submitting it on the day is stopped by; the same gates that are shown.
    fn stopped_on(&self, on: &str) -> Vec<Gate> {
        let transfer = self.history.transfer();
        let now = format!("{on}T12:00:00+08:00");
        let submit = submission(&transfer, self.message.clone(), &now);
        let command = ReferralCommand { at: None, act: Act::Submit(Box::new(submit)) };
        let sealed = Transfer { sealed: Some(self.message.clone()), ..transfer };
        let shown = shut(&sealed, day(on));
        match decide(&self.history.state(), time(&now), command) {
            Ok(_) => assert_eq!(shown, OPEN),
            Err(refused) => assert_eq!(refused, Rejection::Gates(shown.clone())),
        }
        shown
    }

    fn stopped(&self) -> Vec<Gate> {
        self.stopped_on("2026-05-20")
    }
}

/// Everything is in order but what the acts change; then it is presented.
fn after(acts: impl IntoIterator<Item = Act>) -> Prepared {
    let history = acts.into_iter().fold(assessed(), |history, act| history.and(NOW, act));
    Prepared { history: history.and(NOW, Act::Present(presentation())), message: message() }
}

fn under(assessed: Assessed) -> Prepared {
    after([assess(assessed)])
}

fn laid(presentation: Present) -> Prepared {
    Prepared { history: assessed().and(NOW, Act::Present(presentation)), message: message() }
}

/// A message with these fields, to which the consumer consented and which were presented.
fn holding(fields: &[DataField]) -> Prepared {
    let consent = ConsentCaptured { fields: fields.to_vec(), ..consent_to(HONG_KONG) };
    let presentation = Present { fields: fields.to_vec(), ..presentation() };
    let history = assessed().and(NOW, capture(consent)).and(NOW, Act::Present(presentation));
    Prepared { history, message: Sealed { fields: fields.to_vec(), ..message() } }
}

fn on_the_way(begun: Drafted, route: LegalRoute) -> Prepared {
    let recipient = begun.partner.as_str().to_owned();
    let history = nothing()
        .and(NOW, draft(begun))
        .and(NOW, capture(consent_to(&recipient)))
        .and(NOW, assess(assessment(route)))
        .and(NOW, Act::Present(presentation()));
    Prepared { history, message: message() }
}

fn from(seat: &str, recipient: &str) -> Drafted {
    Drafted { seat: region(seat), ..drafted_to(recipient) }
}

#[test]
fn a_prepared_referral_finds_every_gate_open_and_leaves() {
    assert_eq!(after([]).stopped(), OPEN);
    assert_eq!(on_the_way(drafted_to(MACAO), LegalRoute::GbaMacao).stopped(), OPEN);
    assert_eq!(ahead(&presented().transfer(), day("2026-05-20")), OPEN);
    submitted(presented(), "2026-05-20T12:00:00+08:00");
}

#[test]
fn one_that_is_only_drafted_finds_four_shut() {
    let expected = [Gate::NotAssessed, Gate::ConsentMissing, Gate::NotSealed, Gate::NotPresented];
    assert_eq!(shut(&drafted().transfer(), day("2026-05-20")), expected);
    let expected = [Gate::NotAssessed, Gate::ConsentMissing, Gate::NotPresented];
    assert_eq!(ahead(&drafted().transfer(), day("2026-05-20")), expected);
}

#[test]
fn what_was_not_presented_or_changed_since_stays() {
    let prepared = Prepared { history: assessed(), message: message() };
    assert_eq!(prepared.stopped(), [Gate::NotPresented]);
    let changed = Prepared { history: presented().and(NOW, capture(consent_to(HONG_KONG))), message: message() };
    assert_eq!(changed.stopped(), [Gate::NotPresented]);
    let fewer = Present { fields: vec![DataField::ConsumerName, DataField::Facts], ..presentation() };
    assert_eq!(laid(fewer).stopped(), [Gate::NotAsPresented]);
}

#[test]
fn the_contract_is_there_in_force_and_filed() {
    let hong_kong = || assessment(LegalRoute::GbaHongKong);
    assert_eq!(under(Assessed { instrument: None, ..hong_kong() }).stopped(), [Gate::InstrumentMissing]);
    let unfiled = Instrument { filing: None, ..instrument() };
    assert_eq!(under(Assessed { instrument: Some(unfiled), ..hong_kong() }).stopped(), [Gate::InstrumentNotFiled]);
    let short = Instrument { valid_to: day("2026-05-20"), ..instrument() };
    let prepared = under(Assessed { instrument: Some(short), ..hong_kong() });
    assert_eq!(prepared.stopped_on("2026-05-20"), OPEN);
    assert_eq!(prepared.stopped_on("2026-05-21"), [Gate::InstrumentNotInForce]);
    let young = Instrument { valid_from: day("2026-05-21"), ..instrument() };
    let prepared = under(Assessed { instrument: Some(young), ..hong_kong() });
    assert_eq!(prepared.stopped_on("2026-05-20"), [Gate::InstrumentNotInForce]);
    assert_eq!(prepared.stopped_on("2026-05-21"), OPEN);
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
        assert_eq!(under(Assessed { instrument, ..assessment(route) }).stopped(), expected, "{route}");
    }
    // The laws of Hong Kong and Macao on consent ask for neither, nor for an assessment of the impact.
    for (seat, recipient, route) in
        [("810000", MACAO, LegalRoute::PdpoConsent), ("820000", GUANGDONG, LegalRoute::MacaoConsent)]
    {
        let bare = Assessed { instrument: None, impact: None, ..assessment(route) };
        let mut prepared = on_the_way(from(seat, recipient), route);
        prepared.history = prepared.history.and(NOW, assess(bare)).and(NOW, Act::Present(presentation()));
        assert_eq!(prepared.stopped(), OPEN, "{route}");
    }
}

#[test]
fn a_mainland_sender_is_bound_to_the_nine_cities_by_a_contract_of_the_bay_area() {
    for (seat, inside) in [("440104", true), ("440300", true), ("441900", true), ("440500", false), ("440000", false)] {
        let begun = || from(seat, HONG_KONG);
        let expected = if inside { Vec::new() } else { vec![Gate::SenderOutsideNineCities] };
        assert_eq!(on_the_way(begun(), LegalRoute::GbaHongKong).stopped(), expected, "{seat}");
        assert_eq!(on_the_way(begun(), LegalRoute::SecurityAssessment).stopped(), OPEN, "{seat}");
    }
}

#[test]
fn each_way_is_of_the_senders_law_or_of_a_contract_between_both_places() {
    const SEATS: [(&str, &str); 3] = [("440104", GUANGDONG), ("810000", HONG_KONG), ("820000", MACAO)];
    for (seat, our) in SEATS {
        for (_, recipient) in SEATS.into_iter().filter(|(_, id)| *id != our) {
            for route in LegalRoute::ALL {
                let ends = [our, recipient];
                let open = match route {
                    LegalRoute::GbaHongKong => ends.contains(&GUANGDONG) && ends.contains(&HONG_KONG),
                    LegalRoute::GbaMacao => ends.contains(&GUANGDONG) && ends.contains(&MACAO),
                    LegalRoute::StandardContract
                    | LegalRoute::Certification
                    | LegalRoute::SecurityAssessment
                    | LegalRoute::Exempt => our == GUANGDONG,
                    LegalRoute::PdpoConsent => our == HONG_KONG,
                    LegalRoute::MacaoConsent => our == MACAO,
                };
                let expected = if open { Vec::new() } else { vec![Gate::RouteElsewhere] };
                let prepared = on_the_way(from(seat, recipient), *route);
                assert_eq!(prepared.stopped(), expected, "{route} from {our} to {recipient}");
            }
        }
    }
}

#[test]
fn the_impact_was_assessed_and_the_assessment_still_holds() {
    let hong_kong = || assessment(LegalRoute::GbaHongKong);
    assert_eq!(under(Assessed { impact: None, ..hong_kong() }).stopped(), [Gate::ImpactMissing]);
    assert_eq!(after([]).stopped_on("2026-08-31"), OPEN);
    assert_eq!(after([]).stopped_on("2026-09-01"), [Gate::ImpactExpired]);
    assert_eq!(under(Assessed { important_data: true, ..hong_kong() }).stopped(), [Gate::ImportantData]);
}

#[test]
fn the_consent_holds_and_covers_this_recipient_purpose_and_every_field() {
    assert_eq!(after([Act::WithdrawConsent(WithdrawConsent {})]).stopped(), [Gate::ConsentWithdrawn]);
    assert_eq!(after([capture(consent_to(MACAO))]).stopped(), [Gate::ConsentForAnotherRecipient]);
    let other_purpose = ConsentCaptured { purpose: Purpose::Arbitration, ..consent_to(HONG_KONG) };
    assert_eq!(after([capture(other_purpose)]).stopped(), [Gate::ConsentForAnotherPurpose]);
    let all_but_one: Vec<DataField> =
        message().fields.into_iter().filter(|field| *field != DataField::ConsumerContact).collect();
    let fewer = ConsentCaptured { fields: all_but_one, ..consent_to(HONG_KONG) };
    assert_eq!(after([capture(fewer)]).stopped(), [Gate::ConsentForFewerFields]);
    let exactly = ConsentCaptured { fields: message().fields, ..consent_to(HONG_KONG) };
    assert_eq!(after([capture(exactly)]).stopped(), OPEN);
}

#[test]
fn no_consent_opens_the_way_for_a_field_that_is_not_listed_or_for_a_report() {
    for field in DataField::ALL {
        let mut fields = message().fields;
        fields.push(*field);
        let expected = match field.class() {
            FieldClass::Listed => Vec::new(),
            FieldClass::Unlisted => vec![Gate::FieldNotListed],
            FieldClass::Report => vec![Gate::ReportData],
        };
        assert_eq!(holding(&fields).stopped(), expected, "{field}");
    }
}

#[test]
fn the_recipient_gets_no_field_that_it_does_not_take() {
    let fields = vec![DataField::ConsumerName, DataField::ConsumerLanguage, DataField::Facts];
    let consent = ConsentCaptured { fields: fields.clone(), ..consent_to(MACAO) };
    let mut prepared = on_the_way(drafted_to(MACAO), LegalRoute::GbaMacao);
    prepared.history = prepared
        .history
        .and(NOW, capture(consent))
        .and(NOW, Act::Present(Present { fields: fields.clone(), ..presentation() }));
    prepared.message = Sealed { fields: fields.clone(), ..message() };
    assert_eq!(prepared.stopped(), [Gate::FieldNotTakenByPartner]);
    assert_eq!(holding(&fields).stopped(), OPEN);
}

#[test]
fn a_guardian_consents_for_a_child_and_to_hong_kong_for_every_minor() {
    let by_guardian = |recipient: &str| ConsentCaptured { by_guardian: true, ..consent_to(recipient) };
    for (age, to_hong_kong, to_macao) in [
        (AgeBand::Adult, Vec::new(), Vec::new()),
        (AgeBand::Minor, vec![Gate::MinorToHongKong], Vec::new()),
        (AgeBand::Child, vec![Gate::ChildWithoutGuardian, Gate::MinorToHongKong], vec![Gate::ChildWithoutGuardian]),
    ] {
        for (recipient, route, expected) in
            [(HONG_KONG, LegalRoute::GbaHongKong, to_hong_kong), (MACAO, LegalRoute::GbaMacao, to_macao)]
        {
            let present = || Act::Present(Present { age, ..presentation() });
            let mut prepared = on_the_way(drafted_to(recipient), route);
            prepared.history = prepared.history.and(NOW, present());
            assert_eq!(prepared.stopped(), expected, "{age} to {recipient}");
            prepared.history = prepared.history.and(NOW, capture(by_guardian(recipient))).and(NOW, present());
            assert_eq!(prepared.stopped(), OPEN, "{age} to {recipient} with a guardian");
        }
    }
}

#[test]
fn a_child_does_not_leave_by_an_exemption_whoever_consents() {
    let by_guardian = || ConsentCaptured { by_guardian: true, ..consent_to(MACAO) };
    for route in [LegalRoute::Exempt, LegalRoute::GbaMacao] {
        for age in AgeBand::ALL {
            let mut prepared = on_the_way(drafted_to(MACAO), route);
            let present = Act::Present(Present { age: *age, ..presentation() });
            prepared.history = prepared.history.and(NOW, capture(by_guardian())).and(NOW, present);
            let is_shut = route == LegalRoute::Exempt && *age == AgeBand::Child;
            let expected = if is_shut { vec![Gate::SensitiveByExemption] } else { Vec::new() };
            assert_eq!(prepared.stopped(), expected, "{age} by {route}");
        }
    }
}

#[test]
fn what_would_leave_the_three_places_does_not_leave() {
    let onward = Present { onward_to: Some("DECO".to_owned()), ..presentation() };
    assert_eq!(laid(onward).stopped(), [Gate::OnwardTransfer]);
}

#[test]
fn a_file_with_malicious_content_is_not_listed() {
    let attached = assessed()
        .and(NOW, Act::AddEvidence(file("a")))
        .and(NOW, Act::RecordScan(RecordScan { digest: file("a").digest, scan: ScanState::Infected }))
        .and(NOW, Act::Present(presentation()));
    assert_eq!(ahead(&attached.transfer(), day("2026-05-20")), [Gate::InfectedEvidence]);
    let attached = attached.and(NOW, Act::AddEvidence(file("b")));
    let listing = |text: &str| {
        let fields = vec![DataField::ConsumerName, DataField::Evidence];
        let content = PresentedContent { evidence: vec![file(text).digest], ..content() };
        let present = Act::Present(Present { fields: fields.clone(), content, ..presentation() });
        let presented = attached.clone().and(NOW, present);
        let submit = submission(&presented.transfer(), Sealed { fields, ..message() }, NOW);
        let command = ReferralCommand { at: None, act: Act::Submit(Box::new(submit)) };
        decide(&presented.state(), time(NOW), command)
    };
    assert_eq!(listing("a"), Err(Rejection::Gates(vec![Gate::InfectedEvidence])));
    assert!(listing("b").is_ok(), "one that is not listed stays here and stops nothing");
}

#[test]
fn they_are_named_in_the_order_of_the_list() {
    let everything = ConsentCaptured { purpose: Purpose::Information, ..consent_to(MACAO) };
    let assessed = Assessed { impact: None, important_data: true, ..assessment(LegalRoute::GbaMacao) };
    let prepared = after([capture(everything), assess(assessed)]);
    let all = Prepared { message: Sealed { fields: DataField::ALL.to_vec(), ..message() }, ..prepared };
    let found = all.stopped();
    assert!(found.is_sorted());
    assert_eq!(found.len(), 9);
}
