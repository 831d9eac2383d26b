use domain::clock::{Basis, Due, PeriodUnit, reckon};

use super::*;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn partner(id: &str) -> &'static Partner {
    PartnerRegister::builtin().get(&PartnerId::parse(id).unwrap()).unwrap()
}

fn entry(id: &str, standard: u16, agreement: &str) -> String {
    format!(
        "[[partner]]\nid = \"{id}\"\nplace = \"HK\"\nlanguages = [\"en\"]\ncurrencies = [\"HKD\"]\n\
         contact = \"C\"\n[partner.name]\nzh_hant = \"甲\"\nen = \"A\"\npt = \"A\"\n\
         [partner.standards]\nacknowledge_working_days = {standard}\nfeedback_working_days = 1\nclosing_days = 1\n\
         [[partner.agreement]]\ntitle = \"T\"\nsource = \"S\"\n{agreement}\n"
    )
}

const ALWAYS: &str = "valid_from = \"2020-01-01\"\nbetween = [\"GD\", \"HK\"]";

#[test]
fn the_three_councils_stand_in_it_with_what_they_promise() {
    let ids: Vec<&str> = PartnerRegister::builtin().partners().iter().map(|partner| partner.id.as_str()).collect();
    assert_eq!(ids, ["gd-consumer-council", "hk-consumer-council", "mo-consumer-council"]);
    let guangdong = partner("gd-consumer-council");
    assert_eq!((guangdong.place, guangdong.currencies.as_slice()), (Place::Guangdong, [Currency::Cny].as_slice()));
    assert_eq!(guangdong.standards.acknowledge_working_days, 7);
    assert_eq!(guangdong.standards.feedback_working_days, 15);
    assert_eq!(guangdong.standards.closing_days, 60);
    let hong_kong = partner("hk-consumer-council");
    assert_eq!((hong_kong.place, hong_kong.name.zh_hant.as_str()), (Place::HongKong, "香港消費者委員會"));
    assert_eq!(hong_kong.standards.acknowledge_working_days, 5);
    assert_eq!(hong_kong.standards.feedback_working_days, 9);
    assert_eq!(hong_kong.currencies, [Currency::Hkd]);
    let macao = partner("mo-consumer-council");
    assert_eq!((macao.place, macao.name.pt.as_str()), (Place::Macao, "Conselho de Consumidores de Macau"));
    assert_eq!(macao.standards.acknowledge_working_days, 3);
    assert_eq!(macao.standards.feedback_working_days, 3);
    assert_eq!(macao.standards.arbitration_working_days, Some(12));
    assert!(macao.languages.contains(&Language::Portuguese));
    assert!(PartnerRegister::builtin().get(&PartnerId::parse("sg-consumer-council").unwrap()).is_none());
    for place in Place::ALL {
        assert_eq!(PartnerRegister::builtin().at(*place).map(|partner| partner.place), Some(*place));
    }
}

#[test]
fn what_no_council_has_promised_is_the_same_for_all() {
    for Partner { standards, .. } in PartnerRegister::builtin().partners() {
        assert_eq!(standards.retrieval_working_days, 2);
        assert_eq!(standards.delivery_working_days, 1);
        assert_eq!(standards.offer_answer_working_days, 5);
        assert_eq!(standards.outcome_acknowledgement_working_days, 5);
        assert_eq!(standards.recall_answer_working_days, 5);
    }
}

#[test]
fn a_seat_is_in_one_of_the_three_places_or_in_none() {
    let place = |code: &str| Place::of_seat(RegionCode::parse(code).unwrap());
    assert_eq!(place("810000"), Some(Place::HongKong));
    assert_eq!(place("820000"), Some(Place::Macao));
    for code in ["440000", "440104", "440500"] {
        assert_eq!(place(code), Some(Place::Guangdong), "{code}");
    }
    for code in ["710000", "110000", "449999"] {
        assert_eq!(place(code), None, "{code}");
    }
}

#[test]
fn a_partner_takes_what_is_on_its_list() {
    for field in DataField::ALL {
        let listed = field.class() == FieldClass::Listed;
        assert_eq!(partner("hk-consumer-council").takes(*field), listed, "{field}");
        assert_eq!(partner("gd-consumer-council").takes(*field), listed, "{field}");
        let taken = listed && *field != DataField::ConsumerLanguage;
        assert_eq!(partner("mo-consumer-council").takes(*field), taken, "{field}");
    }
}

#[test]
fn an_agreement_holds_from_its_first_day_to_its_last() {
    let hong_kong = partner("hk-consumer-council");
    let title = |on| hong_kong.agreement_on(day(on), Place::Guangdong).map(|agreement| agreement.title.as_str());
    assert_eq!(title("2018-04-09"), None);
    assert_eq!(title("2018-04-10"), Some("粤港澳大湾区消费维权合作备忘录"));
    assert_eq!(title("2021-04-09"), Some("粤港澳大湾区消费投诉转办平台"));
    assert_eq!(title("2024-04-01"), Some("深化粤港区域市场一体化消费维权合作协议"));
    let memorandum = &hong_kong.agreements[0];
    assert!(memorandum.in_force(day("2021-04-09")));
    assert!(!memorandum.in_force(day("2021-04-10")));
}

#[test]
fn an_agreement_binds_the_places_that_made_it_and_no_council_agrees_with_itself() {
    let on = day("2026-05-18");
    let title = |id: &str, our| partner(id).agreement_on(on, our).map(|agreement| agreement.title.as_str());
    let platform = Some("粤港澳大湾区消费投诉转办平台");
    let closer = Some("深化粤港区域市场一体化消费维权合作协议");
    assert_eq!(title("hk-consumer-council", Place::Guangdong), closer);
    assert_eq!(title("gd-consumer-council", Place::HongKong), closer);
    assert_eq!(title("gd-consumer-council", Place::Macao), platform);
    assert_eq!(title("hk-consumer-council", Place::Macao), platform);
    assert_eq!(title("mo-consumer-council", Place::HongKong), platform);
    for Partner { id, place, .. } in PartnerRegister::builtin().partners() {
        assert_eq!(title(id.as_str(), *place), None);
    }
}

fn working_days_after(id: &str, started_on: &str, days: u16) -> Due {
    let basis = Basis { started_on: day(started_on), length: days, unit: PeriodUnit::WorkingDays, extended_by: 0 };
    reckon(basis, &[], partner(id).place.calendar()).unwrap()
}

#[test]
fn each_place_counts_its_own_working_days() {
    // 2026-04-03 to 04-07 are free in both, 05-25 as well; 09-26 is a Saturday for which only Macao gives the
    // Monday.
    for (id, started_on, days, last) in [
        ("hk-consumer-council", "2026-04-02", 5, "2026-04-14"),
        ("mo-consumer-council", "2026-04-02", 3, "2026-04-10"),
        ("hk-consumer-council", "2026-05-21", 3, "2026-05-27"),
        ("hk-consumer-council", "2026-09-25", 1, "2026-09-28"),
        ("mo-consumer-council", "2026-09-25", 1, "2026-09-29"),
        // 2026-09-20 is a Sunday that the mainland works; 09-25 to 09-27 are free there.
        ("gd-consumer-council", "2026-09-18", 1, "2026-09-20"),
        ("gd-consumer-council", "2026-09-24", 1, "2026-09-28"),
    ] {
        let due = working_days_after(id, started_on, days);
        assert_eq!((due.strict, due.provisional), (day(last), false), "{id} {started_on}");
    }
    assert!(working_days_after("hk-consumer-council", "2026-12-30", 5).provisional);
}

#[test]
fn a_register_that_contradicts_itself_is_refused() {
    assert!(PartnerRegister::parse(&entry("a", 1, ALWAYS)).is_ok());
    assert!(PartnerRegister::parse(&entry("a", STANDARD_DAYS_MAX, ALWAYS)).is_ok());
    let id = PartnerId::parse("a").unwrap();
    for days in [0, STANDARD_DAYS_MAX + 1] {
        let refused = PartnerRegister::parse(&entry("a", days, ALWAYS));
        assert_eq!(refused, Err(PartnerError::Standard { id: id.clone(), days }));
    }
    let twice = entry("a", 1, ALWAYS) + &entry("a", 2, ALWAYS);
    assert_eq!(PartnerRegister::parse(&twice), Err(PartnerError::Twice { id: id.clone() }));
    let reversed = format!("{ALWAYS}\nvalid_to = \"2019-12-31\"");
    assert_eq!(
        PartnerRegister::parse(&entry("a", 1, &reversed)),
        Err(PartnerError::NeverInForce { id: id.clone(), title: "T".to_owned() })
    );
    let alone = "valid_from = \"2020-01-01\"\nbetween = [\"HK\"]";
    let strangers = "valid_from = \"2020-01-01\"\nbetween = [\"GD\", \"MO\"]";
    for between in [alone, strangers] {
        let refused = PartnerRegister::parse(&entry("a", 1, between));
        assert_eq!(refused, Err(PartnerError::Elsewhere { id: id.clone(), title: "T".to_owned() }));
    }
    let taking =
        |fields: &str| entry("a", 1, ALWAYS).replace("[partner.name]", &format!("fields = {fields}\n[partner.name]"));
    assert_eq!(PartnerRegister::parse(&taking("[]")), Err(PartnerError::Lists { id: id.clone() }));
    let field = DataField::ConsumerIdNumber;
    assert_eq!(
        PartnerRegister::parse(&taking("[\"consumer.id-number\"]")),
        Err(PartnerError::Field { id: id.clone(), field })
    );
    let unknown = entry("a", 1, ALWAYS) + "colour = \"red\"\n";
    assert!(matches!(PartnerRegister::parse(&unknown), Err(PartnerError::Toml(_))));
}
