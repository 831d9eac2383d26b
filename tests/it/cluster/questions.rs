//! Everything that is asked of all nodes in the end.

use chrono::{Datelike as _, Duration};
use domain::day::local_day;
use domain::region::RegionTable;
use serde_json::{Value, json};

use super::stories::COUNTIES;

/// The list of all cases, a page at a time.
pub(super) const CASES: &str = "query($after: String) { cases(first: 200, after: $after) { pageInfo { hasNextPage \
                                endCursor } edges { node { id } } } }";
/// The list of all referrals, a page at a time, with what both councils hold of each.
pub(super) const REFERRALS: &str = "query($after: String) { referrals(first: 200, after: $after) { pageInfo { \
                                    hasNextPage endCursor } edges { node { id sharedId stage erased recalledAfterSending consent { \
                                    withdrawn } segment { digest } } } } }";

const COUNTS: &str = "received open overdue closed closedLate accepted refused mediated succeeded returned reopened \
                      transferredIn transferredOut urged recoveredLoss acceptOnTime { numerator denominator } \
                      closeOnTime { numerator denominator }";
const CASE: &str = "query($at: Position, $id: UUID!) { case(atLeast: $at, id: $id) { id number stage revision position \
                    round region category channel handler outcome overdue closedLate closedAt dueOn urged facts \
                    allowedActions unit { id } intakeUnit { id } amount { minorUnits } recoveredLoss { minorUnits } \
                    respondent { name } complainant { name phone } clocks { clock dueLegal dueStrict metOn metLate \
                    exceeded } history(first: 200) { totalCount edges { cursor node { id kind position revision \
                    commandId occurredAt recordedAt actor unitId data } } } } }";
const REFERRAL: &str = "query($at: Position, $id: UUID!) { referral(atLeast: $at, id: $id) { id sharedId stage \
                        revision position direction erased shutGates allowedActions lastActAt segment { digest origin \
                        { count head } target { count head } } steps { name by metOn overdue escalated reminders } \
                        messages(first: 50) { totalCount edges { node { deliveryId kind side sequence digest jws \
                        position text receipt { jws } delivery { state attempts endedAt } } } } transferRecord { \
                        transferId payloadDigest sentAt } } }";
const DELIVERIES: &str = "query($at: Position) { deliveries(atLeast: $at, first: 200) { edges { cursor node { \
                          deliveryId state attempts kind referralId sequence endedAt lastCode } } } }";
const COUNTY: &str = "query($region: String, $until: Date) { stationWorkloads(first: 200, region: $region) { edges { \
                      cursor node { unitId open overdue dueToday dueInThreeWorkingDays returned transferredIn \
                      transferredOut byHandler { handler open overdue } } } } dueList(first: 200, region: $region, \
                      until: $until) { edges { cursor node { id dueOn } } } units(first: 200, region: $region) { edges \
                      { cursor node { id name } } } }";
const SEARCH: &str =
    "query($text: String) { cases(first: 200, filter: {text: $text}) { totalCount edges { node { id } } } }";
const COUNTERS: &str =
    "query($year: Int!) { crossBorderCounters(year: $year) { council partner transfers persons sensitive } }";
/// What is searched for, in either script.
const TEXTS: [&str; 4] = ["手表走时不准", "手錶走時不準", "第7号", "示例钟表行"];

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// Somebody who sees every case of the province.
    Province,
    /// Somebody who sees every referral of the council.
    Council,
}

/// A question with its variables.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) asks: Asks,
    pub(super) query: String,
    pub(super) variables: Value,
}

impl Question {
    fn new(asks: Asks, query: &str, variables: Value) -> Self {
        Self { asks, query: query.to_owned(), variables }
    }
}

/// Every dashboard and list, every case and every referral, at a position.
pub(super) fn questions(at: &Value, cases: &[Value], referrals: &[Value]) -> Vec<Question> {
    let today = local_day(api::clock::now());
    let until = (today + Duration::days(400)).to_string();
    let mut questions = dashboards(at);
    let counties = COUNTIES.iter().map(|region| json!({"region": region, "until": until}));
    questions.extend(counties.map(|variables| Question::new(Asks::Province, COUNTY, variables)));
    let texts = TEXTS.iter().map(|text| json!({"text": text}));
    questions.extend(texts.map(|variables| Question::new(Asks::Province, SEARCH, variables)));
    questions.push(Question::new(Asks::Council, DELIVERIES, json!({"at": at})));
    questions.push(Question::new(Asks::Council, COUNTERS, json!({"year": today.year()})));
    let one = |row: &Value| json!({"at": at, "id": row["id"]});
    questions.extend(cases.iter().map(|row| Question::new(Asks::Province, CASE, one(row))));
    questions.extend(referrals.iter().map(|row| Question::new(Asks::Council, REFERRAL, one(row))));
    questions
}

/// The province's dashboard and that of every city.
fn dashboards(at: &Value) -> Vec<Question> {
    let parts = ["byCategory", "byChannel", "byStation(first: 50)", "byHandler(first: 50)"];
    let parts: String = parts.iter().map(|part| format!("{part} {{ key {COUNTS} }} ")).collect();
    let selection = format!("{{ position {COUNTS} {parts}}}");
    let of_city =
        format!("query($at: Position, $city: String!) {{ cityDashboard(atLeast: $at, city: $city) {selection} }}");
    let cities = RegionTable::builtin().cities();
    let mut questions: Vec<Question> = cities
        .map(|city| Question::new(Asks::Province, &of_city, json!({"at": at, "city": city.code.to_string()})))
        .collect();
    assert_eq!(questions.len(), 21);
    let of_province = format!("query($at: Position) {{ provinceDashboard(atLeast: $at) {selection} }}");
    questions.push(Question::new(Asks::Province, &of_province, json!({"at": at})));
    questions
}
