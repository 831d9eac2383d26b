//! Everything that is asked in the end: each question of the schema, with some of its arguments.

use api::auth::Role;
use chrono::{Datelike as _, TimeDelta};
use domain::day::local_day;

use super::border::SENDER;
use super::cases::{BUREAU, FIRST, STATION};
use super::pair::{GUANGDONG, HONG_KONG, token};
use super::run::{At, Run};

/// Asks both nodes.
pub(super) async fn ask(run: &mut Run<'_>) {
    let server = &run.pair.guangdong;
    let council = token(server, "reader-1", &Role::ALL, GUANGDONG);
    run.settle(At { server, token: &council }).await;
    Box::pin(of_the_province(run)).await;
    Box::pin(of_a_bureau(run)).await;
    Box::pin(of_the_council(run)).await;
    Box::pin(of_strangers(run)).await;
    Box::pin(of_the_partner(run)).await;
}

async fn of_the_province(run: &mut Run<'_>) {
    let server = &run.pair.guangdong;
    let reader = token(server, "reader-1", &Role::ALL, "gd");
    let at = At { server, token: &reader };
    let today = local_day(run.since);
    let (first, before) = (today - TimeDelta::days(6), today - TimeDelta::days(1));
    for given in ["", &format!("(asOf: \"{before}\")")] {
        run.ask(at, "provinceDashboard", given).await;
    }
    for city in ["440100", "440300"] {
        run.ask(at, "cityDashboard", &format!("(city: \"{city}\")")).await;
    }
    for filter in ["{stage: RECEIVED}", "{text: \"漏水\"}", "{measure: OPEN}", "{number: \"BOTH-1\"}"] {
        run.ask(at, "cases", &format!("(filter: {filter})")).await;
    }
    run.ask(at, "cases", "(first: 3)").await;
    run.ask(at, "cases", "").await;
    let series = format!("byDay(from: \"{first}\", to: \"{today}\", measure: RECEIVED) {{ day change }}");
    run.ask_so(at, &format!("{{ cityDashboard(city: \"440100\") {{ {series} }} }}")).await;
}

async fn of_a_bureau(run: &mut Run<'_>) {
    let server = &run.pair.guangdong;
    let reader = token(server, "reader-1", &Role::ALL, BUREAU);
    let at = At { server, token: &reader };
    let today = local_day(run.since);
    let (before, later) = (today - TimeDelta::days(1), today + TimeDelta::days(400));
    let case = case_id(run).await;
    run.ask(at, "case", &format!("(id: \"{case}\")")).await;
    run.ask(at, "case", &format!("(id: \"{case}\", asOf: \"{before}\")")).await;
    run.ask(at, "case", &format!("(number: \"{FIRST}\")")).await;
    run.ask(at, "caseHistory", &format!("(id: \"{case}\")")).await;
    run.ask(at, "dueList", &format!("(until: \"{later}\")")).await;
    for unit in [STATION, BUREAU] {
        run.ask(at, "stationWorkload", &format!("(unitId: \"{unit}\")")).await;
    }
    run.ask(at, "stationWorkloads", "(first: 200)").await;
    run.ask(at, "units", "(first: 200)").await;
    run.ask(at, "deadline", &format!("(rule: \"CLK-ACCEPT\", from: \"{before}\")")).await;
    run.ask(at, "unregisteredMatters", "(first: 5)").await;
    run.ask(at, "rulebook", "").await;
    run.ask(at, "serverInfo", "").await;
    let trace = "clockTrace(clock: \"CLK-ACCEPT\") { day count text }";
    run.ask_so(at, &format!("{{ case(id: \"{case}\") {{ {trace} }} }}")).await;
}

async fn of_the_council(run: &mut Run<'_>) {
    let server = &run.pair.guangdong;
    let reader = token(server, "reader-1", &Role::ALL, GUANGDONG);
    let at = At { server, token: &reader };
    run.ask(at, "partners", "").await;
    for given in ["", "(filter: {stage: CLOSED})", "(filter: {partner: \"mo-consumer-council\"})"] {
        run.ask(at, "referrals", given).await;
    }
    for given in ["(first: 200)", "(state: DEAD)"] {
        run.ask(at, "deliveries", given).await;
    }
    let year = local_day(run.since).year();
    run.ask(at, "crossBorderCounters", &format!("(year: {year})")).await;
    let listed = run.ask_so(at, "{ referrals(first: 200) { edges { node { id } } } }").await;
    for edge in listed["referrals"]["edges"].as_array().unwrap() {
        run.ask(at, "referral", &format!("(id: {})", edge["node"]["id"])).await;
    }
}

/// Who may not see it is told so alike.
async fn of_strangers(run: &mut Run<'_>) {
    let server = &run.pair.guangdong;
    let case = case_id(run).await;
    let stranger = token(server, "stranger-1", &Role::ALL, "gd-440305");
    let at = At { server, token: &stranger };
    run.unanswered(at, "case", &format!("(id: \"{case}\")")).await;
    run.unanswered(at, "cityDashboard", "(city: \"440100\")").await;
    let nobody = token(server, "nobody-1", &Role::ALL, SENDER);
    run.unanswered(At { server, token: &nobody }, "stationWorkload", "(unitId: \"gd-nowhere\")").await;
}

/// What the partner's node, on the same engine, holds of the same referrals.
async fn of_the_partner(run: &mut Run<'_>) {
    let server = &run.pair.hong_kong;
    let reader = token(server, "reader-2", &Role::ALL, HONG_KONG);
    let at = At { server, token: &reader };
    run.settle(at).await;
    for given in ["(first: 200)", "(filter: {direction: INBOUND, stage: RECALLED})"] {
        run.ask(at, "referrals", given).await;
    }
    run.ask(at, "deliveries", "(first: 200)").await;
    run.ask(at, "serverInfo", "").await;
    run.ask(at, "units", "").await;
}

/// The id of the first case.
async fn case_id(run: &mut Run<'_>) -> String {
    let server = &run.pair.guangdong;
    let reader = token(server, "reader-1", &Role::ALL, BUREAU);
    let query = format!("{{ case(number: \"{FIRST}\") {{ id }} }}");
    let found = run.ask_so(At { server, token: &reader }, &query).await;
    found["case"]["id"].as_str().unwrap().to_owned()
}
