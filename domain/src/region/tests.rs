//! The built-in table against the published counts, and small tables for what the built-in one does not show.

use super::*;

fn code(raw: &str) -> RegionCode {
    RegionCode::parse(raw).unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

const DIVISIONS: &str = "\
# a comment
code6,name,level,parent6,in_gba9,valid_from,valid_to
440000,P,province,,0,2020-01-01,
440100,C,city,440000,1,2020-01-01,
440103,Old,county,440100,1,2020-01-01,2023-06-30
440103,New,county,440100,1,2023-07-01,
440104,Gone,county,440100,1,2020-01-01,2021-12-31
";

const TOWNS: &str = "\
code9,name,area6,city6,valid_from,valid_to
440103001,T,440103,440100,2020-01-01,
";

#[test]
fn cities_and_their_counties_are_those_of_the_source() {
    let table = RegionTable::builtin();
    let expected = [
        ("440100", "广州市", 11, true),
        ("440200", "韶关市", 10, false),
        ("440300", "深圳市", 9, true),
        ("440400", "珠海市", 3, true),
        ("440500", "汕头市", 7, false),
        ("440600", "佛山市", 5, true),
        ("440700", "江门市", 7, true),
        ("440800", "湛江市", 9, false),
        ("440900", "茂名市", 5, false),
        ("441200", "肇庆市", 8, true),
        ("441300", "惠州市", 5, true),
        ("441400", "梅州市", 8, false),
        ("441500", "汕尾市", 4, false),
        ("441600", "河源市", 6, false),
        ("441700", "阳江市", 4, false),
        ("441800", "清远市", 8, false),
        ("441900", "东莞市", 0, true),
        ("442000", "中山市", 0, true),
        ("445100", "潮州市", 3, false),
        ("445200", "揭阳市", 5, false),
        ("445300", "云浮市", 5, false),
    ];
    let found: Vec<(String, &str, usize, bool)> = table
        .cities()
        .map(|city| {
            let counties = table.children(city.code).filter(|child| child.level == RegionLevel::County).count();
            (city.code.to_string(), city.name.as_str(), counties, city.gba9)
        })
        .collect();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!((found.0.as_str(), found.1, found.2, found.3), expected);
    }
    assert_eq!(table.cities().filter(|city| city.gba9).count(), 9);
    let below: Vec<RegionCode> = table.children(RegionCode::GUANGDONG).map(|city| city.code).collect();
    assert_eq!(below, table.cities().map(|city| city.code).collect::<Vec<_>>());
}

#[test]
fn the_table_has_every_county_and_town() {
    let table = RegionTable::builtin();
    let at = |level: RegionLevel| table.latest().filter(|region| region.level == level).count();
    // Guangdong, and the two places that only have a council here.
    assert_eq!(at(RegionLevel::Province), 3);
    assert_eq!(at(RegionLevel::City), 21);
    assert_eq!(at(RegionLevel::County), 122);
    assert_eq!(at(RegionLevel::Town), 1_757);
}

#[test]
fn dongguan_and_zhongshan_have_towns_and_the_role_of_a_county() {
    let table = RegionTable::builtin();
    for (city, towns) in [("441900", 36), ("442000", 23)] {
        let below: Vec<&Region> = table.children(code(city)).collect();
        assert_eq!(below.len(), towns);
        assert!(below.iter().all(|town| town.level == RegionLevel::Town && town.gba9));
        assert!(table.is_county_role(code(city)));
    }
    let roles = table.cities().filter(|city| table.is_county_role(city.code)).count();
    assert_eq!(roles, 2);
}

#[test]
fn only_counties_and_cities_without_any_have_the_role_of_a_county() {
    let table = RegionTable::builtin();
    assert!(table.is_county_role(code("440106")));
    for other in ["440000", "440100", "440103001", "441900003", "810000"] {
        assert!(!table.is_county_role(code(other)), "{other}");
    }
}

#[test]
fn a_division_lies_in_all_those_above_it() {
    let table = RegionTable::builtin();
    let town = code("440103001");
    let lineage: Vec<String> = table.lineage(town).map(|region| region.code.to_string()).collect();
    assert_eq!(lineage, ["440103001", "440103", "440100", "440000"]);
    for ancestor in ["440103001", "440103", "440100", "440000"] {
        assert!(table.contains(code(ancestor), town), "{ancestor}");
    }
    for stranger in ["440104", "440300", "830000"] {
        assert!(!table.contains(code(stranger), town), "{stranger}");
    }
    assert!(!table.contains(town, code("440103")));
    assert!(!table.contains(code("830000"), code("830000")));
}

#[test]
fn the_city_of_a_division_is_found_from_every_level() {
    let table = RegionTable::builtin();
    for (below, city) in [
        ("440103001", Some("440100")),
        ("440106", Some("440100")),
        ("440100", Some("440100")),
        ("441900003", Some("441900")),
        ("440000", None),
        ("830000", None),
    ] {
        assert_eq!(table.city_of(code(below)), city.map(code), "{below}");
    }
}

#[test]
fn a_code_is_six_or_nine_digits_and_stored_as_text() {
    for good in ["440100", "440103001", "810000"] {
        let parsed = code(good);
        assert_eq!(parsed.to_string(), good);
        let stored = format!("\"{good}\"");
        assert_eq!(serde_json::to_string(&parsed).unwrap(), stored);
        assert_eq!(serde_json::from_str::<RegionCode>(&stored).unwrap(), parsed);
    }
    for bad in ["", "44010", "4401000", "4401030011", "044010", "44010a", "+44010", "４４０１００"] {
        assert_eq!(RegionCode::parse(bad), Err(ParseRegionCodeError), "{bad}");
    }
    assert!(serde_json::from_str::<RegionCode>("440100").is_err());
    assert_eq!(code("440000"), RegionCode::GUANGDONG);
}

#[test]
fn a_division_is_answered_as_it_was_on_the_day() {
    let table = RegionTable::parse(DIVISIONS, TOWNS).unwrap();
    let name = |raw: &str, on: &str| table.get_on(code(raw), day(on)).map(|region| region.name.as_str());
    assert_eq!(name("440103", "2019-12-31"), None);
    assert_eq!(name("440103", "2020-01-01"), Some("Old"));
    assert_eq!(name("440103", "2023-06-30"), Some("Old"));
    assert_eq!(name("440103", "2023-07-01"), Some("New"));
    assert_eq!(name("440104", "2021-12-31"), Some("Gone"));
    assert_eq!(name("440104", "2022-01-01"), None);
    assert_eq!(name("440105", "2022-01-01"), None);
    assert_eq!(table.get(code("440103")).unwrap().name, "New");
    assert_eq!(table.get(code("440104")).unwrap().name, "Gone");
    assert!(table.get(code("440103001")).unwrap().gba9);
    // Two rows of one code are one child.
    assert_eq!(table.children(code("440100")).count(), 2);
}

#[test]
fn a_table_that_contradicts_itself_is_refused() {
    let add = |line: &str| RegionTable::parse(&format!("{DIVISIONS}{line}\n"), TOWNS);
    assert_eq!(
        add("440103,Twice,county,440100,1,2024-01-01,"),
        Err(RegionTableError::Overlap { code: code("440103") })
    );
    for (orphan, line) in [
        ("440299", "440299,X,county,440200,0,2020-01-01,"),
        ("440299", "440299,X,county,440103,0,2020-01-01,"),
        ("440200", "440200,X,city,,0,2020-01-01,"),
    ] {
        assert_eq!(add(line), Err(RegionTableError::Parent { code: code(orphan) }), "{line}");
    }
}

#[test]
fn a_line_that_cannot_be_read_is_named() {
    let refused = |line: &str| match RegionTable::parse(&format!("{DIVISIONS}{line}\n"), TOWNS) {
        Err(RegionTableError::Line { file, line, source }) => (file, line, source),
        other => panic!("not refused for its line: {other:?}"),
    };
    let at = ("divisions", 8);
    for (line, expected) in [
        ("440299,X,county,440200,0,2020-01-01", RegionLineError::Columns),
        ("44029,X,county,440200,0,2020-01-01,", RegionLineError::Code(ParseRegionCodeError)),
        ("440299,X,district,440200,0,2020-01-01,", RegionLineError::Level),
        ("440299,X,county,440200,yes,2020-01-01,", RegionLineError::Flag),
    ] {
        let (file, number, source) = refused(line);
        assert_eq!(((file, number), source), (at, expected), "{line}");
    }
    let (_, _, source) = refused("440299,X,county,440200,0,soon,");
    assert!(matches!(source, RegionLineError::Day(_)));
    let stray = TOWNS.replace(",440100,", ",449900,");
    assert!(matches!(
        RegionTable::parse(DIVISIONS, &stray),
        Err(RegionTableError::Line { file: "towns", line: 2, source: RegionLineError::City })
    ));
    assert!(matches!(RegionTable::parse("", TOWNS), Err(RegionTableError::Header { file: "divisions", .. })));
}
