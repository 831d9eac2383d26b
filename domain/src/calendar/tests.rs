//! The built-in edition against its source's totals, and files that must be refused.

use super::*;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn kind(text: &str) -> DayKind {
    WorkingCalendar::mainland().day_kind(day(text))
}

fn parse(make_up: &str, holidays: &str) -> Result<WorkingCalendar, CalendarError> {
    WorkingCalendar::parse(&format!(
        "edition = \"XX-2026/1\"\njurisdiction = \"XX\"\nsource = \"test\"\nfirst_year = 2026\nlast_year = 2026\n\
         make_up_workdays = [{make_up}]\n{holidays}"
    ))
}

fn holiday(from: &str, to: &str) -> String {
    format!("[[holiday]]\nname = \"Feast\"\nfrom = \"{from}\"\nto = \"{to}\"\n")
}

#[test]
fn the_mainland_edition_is_named_and_covers_its_years() {
    let calendar = WorkingCalendar::mainland();
    assert_eq!(calendar.edition().as_str(), "CN-2019-2026/1");
    assert_eq!(calendar.edition().to_string(), "CN-2019-2026/1");
    assert_eq!(calendar.jurisdiction(), "CN");
    assert!(calendar.source().contains("State Council"));
    assert!(!calendar.publishes(day("2018-12-31")));
    assert!(calendar.publishes(day("2019-01-01")));
    assert!(calendar.publishes(day("2026-12-31")));
    assert!(!calendar.publishes(day("2027-01-01")));
}

#[test]
fn totals_per_year_agree_with_the_source() {
    let calendar = WorkingCalendar::mainland();
    // year, days worked, days of announced holidays, make-up workdays
    let totals = [
        (2019, 250, 28, 6),
        (2020, 249, 30, 6),
        (2021, 250, 31, 7),
        (2022, 249, 32, 7),
        (2023, 249, 28, 7),
        (2024, 251, 28, 8),
        (2025, 248, 28, 5),
        (2026, 248, 33, 6),
    ];
    for (year, working, holidays, make_up) in totals {
        let days: Vec<NaiveDate> =
            NaiveDate::from_yo_opt(year, 1).unwrap().iter_days().take_while(|day| day.year() == year).collect();
        let count = |wanted: &dyn Fn(NaiveDate) -> bool| days.iter().filter(|day| wanted(**day)).count();
        assert_eq!(count(&|day| calendar.is_working(day)), working, "worked in {year}");
        assert_eq!(count(&|day| calendar.is_holiday(day)), holidays, "holidays in {year}");
        assert_eq!(
            count(&|day| calendar.day_kind(day) == DayKind::MakeUpWorking),
            make_up,
            "make-up workdays in {year}"
        );
    }
}

#[test]
fn spot_days_of_2026() {
    assert_eq!(kind("2026-04-15"), DayKind::Working);
    assert_eq!(kind("2026-04-18"), DayKind::Weekend);
    assert_eq!(kind("2026-05-01"), DayKind::Holiday("Labour Day".to_owned()));
    assert_eq!(kind("2026-05-02"), DayKind::Holiday("Labour Day".to_owned()));
    assert_eq!(kind("2026-05-09"), DayKind::MakeUpWorking);
    assert_eq!(kind("2026-09-20"), DayKind::MakeUpWorking);
    assert_eq!(kind("2026-09-26"), DayKind::Holiday("Mid-autumn Festival".to_owned()));
    assert_eq!(kind("2026-10-08"), DayKind::Working);
    assert_eq!(kind("2027-01-01"), DayKind::UnpublishedWorking);
    assert_eq!(kind("2027-01-02"), DayKind::UnpublishedWeekend);
}

#[test]
fn the_quick_answers_agree_with_the_kind_of_the_day() {
    let calendar = WorkingCalendar::mainland();
    for day in day("2018-06-01").iter_days().take_while(|day| day.year() < 2028) {
        let (working, holiday) = match calendar.day_kind(day) {
            DayKind::Working | DayKind::MakeUpWorking | DayKind::UnpublishedWorking => (true, false),
            DayKind::Weekend | DayKind::UnpublishedWeekend => (false, false),
            DayKind::Holiday(_) => (false, true),
        };
        assert_eq!(calendar.is_working(day), working, "{day}");
        assert_eq!(calendar.is_holiday(day), holiday, "{day}");
    }
}

#[test]
fn a_file_that_contradicts_itself_is_refused() {
    let twice = holiday("2026-05-01", "2026-05-03") + &holiday("2026-05-03", "2026-05-04");
    assert_eq!(parse("", &twice), Err(CalendarError::ListedTwice { day: day("2026-05-03") }));
    assert_eq!(
        parse("\"2026-05-02\"", &holiday("2026-05-01", "2026-05-03")),
        Err(CalendarError::ListedTwice { day: day("2026-05-02") })
    );
    assert_eq!(parse("\"2026-05-08\"", ""), Err(CalendarError::NotAWeekend { day: day("2026-05-08") }));
    assert_eq!(parse("\"2027-01-02\"", ""), Err(CalendarError::OutsideYears { day: day("2027-01-02") }));
    assert!(matches!(parse("", "colour = \"red\""), Err(CalendarError::Toml(_))));
}

#[test]
fn the_years_of_an_edition_are_a_range() {
    let file = |first: i32, last: i32| {
        WorkingCalendar::parse(&format!(
            "edition = \"X\"\njurisdiction = \"XX\"\nsource = \"test\"\n\
             first_year = {first}\nlast_year = {last}\nmake_up_workdays = []\n"
        ))
    };
    assert!(file(2026, 2026).is_ok());
    assert_eq!(file(2027, 2026), Err(CalendarError::Years { first: 2027, last: 2026 }));
}

#[test]
fn a_holiday_has_one_to_thirty_one_days() {
    assert!(parse("", &holiday("2026-05-01", "2026-05-01")).is_ok());
    assert!(parse("", &holiday("2026-05-01", "2026-05-31")).is_ok());
    for (from, to) in [("2026-05-01", "2026-06-01"), ("2026-05-01", "2026-04-30")] {
        assert!(matches!(parse("", &holiday(from, to)), Err(CalendarError::HolidayLength { .. })));
    }
}

#[test]
fn an_edition_name_is_bounded_and_stored_as_text() {
    let longest = "x".repeat(EDITION_BYTES_MAX);
    assert!(CalendarEdition::parse(&longest).is_ok());
    assert_eq!(CalendarEdition::parse(&format!("{longest}x")), Err(CalendarError::EditionName));
    assert_eq!(CalendarEdition::parse(""), Err(CalendarError::EditionName));
    let edition = CalendarEdition::parse("CN-2019-2026/1").unwrap();
    assert_eq!(serde_json::to_string(&edition).unwrap(), "\"CN-2019-2026/1\"");
    assert_eq!(serde_json::from_str::<CalendarEdition>("\"CN-2019-2026/1\"").unwrap(), edition);
    assert!(serde_json::from_str::<CalendarEdition>("\"\"").is_err());
}
