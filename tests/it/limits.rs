//! Every limit of a client's input: at the limit it is taken, one past it is refused and changes nothing.

use std::time::{Duration, Instant};

use api::auth::Role;
use chrono::{Days, NaiveDate};
use serde_json::{Value, json};
use tests::TestServer;
use tests::flows::{BUREAU, Flow, REGISTER, filing};

/// A question of a size.
type Ask<'s> = &'s dyn Fn(usize) -> String;
/// What makes an input one of a size.
type Stretch<'s> = &'s dyn Fn(&mut Value, usize);

/// The longest that the fragment bomb may take; the best of several tries is not disturbed by others.
const BOMB_TIME: Duration = Duration::from_millis(50);
const BOMB_TRIES: usize = 20;

fn long(chars: usize) -> String {
    "长".repeat(chars)
}

fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or("no code")
}

async fn position(server: &TestServer) -> Value {
    let token = server.token(&[Role::Administrator], "gd");
    server.data(&token, "{ serverInfo { logPosition } }", json!({})).await["serverInfo"]["logPosition"].clone()
}

/// Asks at the limit, which is answered, and one past it, which is not.
async fn hold(server: &TestServer, token: &str, rows: &[(&str, usize, Ask<'_>)]) {
    for (what, most, ask) in rows {
        let answer = server.ask(token, &ask(*most), json!({})).await;
        assert!(answer.get("errors").is_none(), "{what} of {most}: {answer:#}");
        let answer = server.ask(token, &ask(most + 1), json!({})).await;
        assert_eq!(code(&answer), "INVALID_INPUT", "{what} of {}: {answer:#}", most + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn search_texts() {
    let server = TestServer::new().await;
    let token = server.token(&[Role::Auditor], "gd");
    let by =
        |field: &str, chars: usize| format!("{{ cases(filter: {{{field}: \"{}\"}}) {{ totalCount }} }}", long(chars));
    let texts: [(&str, usize, Ask<'_>); 6] = [
        ("a search text", 100, &|chars| by("text", chars)),
        ("a business", 100, &|chars| by("business", chars)),
        ("a number", 100, &|chars| by("number", chars)),
        ("a handler", 100, &|chars| by("handler", chars)),
        ("a unit's name", 100, &|chars| format!("{{ units(text: \"{}\") {{ edges {{ cursor }} }} }}", long(chars))),
        ("all of them at once", 100, &|chars| {
            let text = long(chars);
            let filter = format!("{{text: \"{text}\", business: \"{text}\", number: \"{text}\"}}");
            format!("{{ cases(filter: {filter}) {{ totalCount }} }}")
        }),
    ];
    hold(&server, &token, &texts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_series_and_breakdowns() {
    let server = TestServer::new().await;
    let id = Flow::filed(&server, "PAGES-1").await.received().await.id;
    let token = server.token(&[Role::Auditor], "gd");
    let from = NaiveDate::from_ymd_opt(2024, 1, 1).unwrap();
    let series = |days: usize| {
        let to = from + Days::new(u64::try_from(days).unwrap() - 1);
        format!("{{ provinceDashboard {{ byDay(measure: OPEN, from: \"{from}\", to: \"{to}\") {{ day }} }} }}")
    };
    let list = |list: &str, first: usize| format!("{{ {list}(first: {first}) {{ edges {{ cursor }} }} }}");
    let rows = |by: &str, first: usize| format!("{{ provinceDashboard {{ {by}(first: {first}) {{ key }} }} }}");
    let pages: [(&str, usize, Ask<'_>); 11] = [
        ("a page of cases", 200, &|first| list("cases", first)),
        ("a page of a due list", 200, &|first| list("dueList", first)),
        ("a page of matters without a complaint", 200, &|first| list("unregisteredMatters", first)),
        ("a page of units", 200, &|first| list("units", first)),
        ("a page of workloads", 200, &|first| list("stationWorkloads", first)),
        ("a page of a history", 200, &|first| {
            format!("{{ caseHistory(id: \"{id}\", first: {first}) {{ totalCount }} }}")
        }),
        ("a page of a case's history", 200, &|first| {
            format!("{{ case(id: \"{id}\") {{ history(first: {first}) {{ totalCount }} }} }}")
        }),
        ("the days of a series", 1_100, &series),
        ("the rows by city", 500, &|first| rows("byCity", first)),
        ("the rows by station", 500, &|first| rows("byStation", first)),
        ("the rows by handler", 500, &|first| rows("byHandler", first)),
    ];
    hold(&server, &token, &pages).await;
    // Nothing at all is no size either, and days run forwards.
    for (what, _, ask) in pages {
        let answer = if what.contains("days") {
            let backwards =
                "{ provinceDashboard { byDay(measure: OPEN, from: \"2026-05-07\", to: \"2026-05-06\") { day } } }";
            server.ask(&token, backwards, json!({})).await
        } else {
            server.ask(&token, &ask(0), json!({})).await
        };
        assert_eq!(code(&answer), "INVALID_INPUT", "{what} of 0: {answer:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filings() {
    let server = TestServer::new().await;
    let clerk = server.token(&[Role::IntakeClerk], BUREAU);
    let rows: [(&str, usize, Stretch<'_>); 11] = [
        ("a source", 64, &|input, size| input["source"] = json!("9".repeat(size))),
        // Four characters are left for the matter's own number behind it.
        ("an outside number", 60, &|input, size| input["externalNumber"] = json!("9".repeat(size))),
        ("a complainant's name", 100, &|input, size| input["complainant"]["name"] = json!(long(size))),
        ("a complainant's telephone", 32, &|input, size| input["complainant"]["phone"] = json!("9".repeat(size))),
        ("a complainant's address", 200, &|input, size| input["complainant"]["address"] = json!(long(size))),
        ("a respondent's name", 200, &|input, size| input["items"][0]["respondent"]["name"] = json!(long(size))),
        ("a respondent's address", 2_000, &|input, size| {
            input["items"][0]["respondent"]["address"] = json!(long(size));
        }),
        ("a respondent's address in a report", 2_000, &|input, size| {
            input["items"][0]["kind"] = json!("REPORT");
            input["items"][0]["respondent"]["address"] = json!(long(size));
        }),
        ("facts", 8_000, &|input, size| input["items"][0]["facts"] = json!(long(size))),
        ("a filing's matters", 20, &|input, size| {
            let matter = input["items"][0].clone();
            input["items"] = Value::Array(vec![matter; size]);
        }),
        ("a filing's matters under the longest number", 20, &|input, size| {
            let matter = input["items"][0].clone();
            input["externalNumber"] = json!("8".repeat(60));
            input["items"] = Value::Array(vec![matter; size]);
        }),
    ];
    for (number, (what, most, stretch)) in rows.into_iter().enumerate() {
        // First past the limit: what is refused must leave the number free.
        let before = position(&server).await;
        for size in [most + 1, most] {
            let mut input = filing(&format!("LIMIT-{number}"), "要求退款");
            stretch(&mut input, size);
            let answer = server.ask(&clerk, REGISTER, json!({"input": input})).await;
            if size > most {
                assert_eq!(code(&answer), "INVALID_INPUT", "{what} of {size}: {answer:#}");
                assert_eq!(position(&server).await, before, "{what} of {size} was appended");
            } else {
                assert!(answer.get("errors").is_none(), "{what} of {size}: {answer:#}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_acts() {
    let server = TestServer::new().await;
    let flow = Flow::filed(&server, "TEXTS-1").await.received().await;
    let rows: [(&str, &str, Stretch<'_>); 2] = [
        ("noteWork", "NoteWorkInput", &|input, size| *input = json!({"kind": "CALL", "text": long(size)})),
        ("urgeCase", "UrgeCaseInput", &|input, size| *input = json!({"note": long(size)})),
    ];
    for (name, input_type, stretch) in rows {
        let before = position(&server).await;
        for size in [2_001, 2_000] {
            let mut input = Value::Null;
            stretch(&mut input, size);
            let answer = flow.try_act(&flow.station, name, input_type, input).await;
            if size > 2_000 {
                assert_eq!(code(&answer), "INVALID_INPUT", "{name} of {size}: {answer:#}");
                assert_eq!(position(&server).await, before, "{name} of {size} was appended");
            } else {
                assert!(answer.get("errors").is_none(), "{name} of {size}: {answer:#}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_of_other_lists() {
    let server = TestServer::new().await;
    let id = Flow::filed(&server, "CURSOR-1").await.received().await.id;
    let token = server.token(&[Role::Auditor], BUREAU);
    let lists = [
        ("cases", "first: 1".to_owned()),
        ("dueList", "until: \"2027-12-31\"".to_owned()),
        ("caseHistory", format!("id: \"{id}\"")),
        ("units", "first: 1".to_owned()),
        ("stationWorkloads", "first: 1".to_owned()),
    ];
    let mut cursors = Vec::new();
    for (list, given) in &lists {
        let query = format!("{{ {list}({given}) {{ pageInfo {{ startCursor }} }} }}");
        let data = server.data(&token, &query, json!({})).await;
        cursors.push((*list, data[*list]["pageInfo"]["startCursor"].as_str().unwrap().to_owned()));
    }
    let query = |list: &str, given: &str, cursor: &str| {
        format!("{{ {list}({given}, after: \"{cursor}\") {{ pageInfo {{ hasPreviousPage }} }} }}")
    };
    for (list, given) in &lists {
        for (of, cursor) in &cursors {
            let answer = server.ask(&token, &query(list, given, cursor), json!({})).await;
            if list == of {
                assert_eq!(answer["data"][*list]["pageInfo"]["hasPreviousPage"], true, "{answer:#}");
            } else {
                assert_eq!(code(&answer), "INVALID_INPUT", "a cursor of {of} in {list}: {answer:#}");
            }
        }
        for wrong in ["", "zzz", "~", "A".repeat(513).as_str()] {
            let answer = server.ask(&token, &query(list, given, wrong), json!({})).await;
            assert_eq!(code(&answer), "INVALID_INPUT", "`{wrong}` in {list}: {answer:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fragment_bomb_costs_nothing() {
    let server = TestServer::new().await;
    let token = server.token(&[Role::Auditor], "gd");
    let mut bomb = "query { ...F0 }".to_owned();
    for number in 0..30 {
        bomb.push_str(&format!(" fragment F{number} on Query {{ ...F{0} ...F{0} }}", number + 1));
    }
    bomb.push_str(" fragment F30 on Query { serverInfo { version } }");
    let mut best = Duration::MAX;
    for _ in 0..BOMB_TRIES {
        let begun = Instant::now();
        let refused = server.code(&token, &bomb, json!({})).await;
        best = best.min(begun.elapsed());
        assert!(refused == "DOCUMENT_TOO_COMPLEX" || refused == "DOCUMENT_TOO_DEEP", "{refused}");
    }
    assert!(best < BOMB_TIME, "the bomb took {best:?} at best");
}
