//! Worked deadlines, over the API and the command line.

use api::auth::Role;
use serde_json::json;
use tests::TestServer;

const GOLDEN: &str = include_str!("../../domain/data/deadline-golden.csv");

/// The rows of the table: rule, first day, last day by the letter, last day by law.
fn rows() -> Vec<(&'static str, &'static str, &'static str, &'static str, u16)> {
    GOLDEN
        .lines()
        .filter(|line| !line.starts_with('#') && !line.starts_with("kind"))
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            let (kind, start, length, due, rolled) = (cells[0], cells[1], cells[3], cells[4], cells[5]);
            match (kind, length) {
                ("WD", "7") => ("CLK-ACCEPT", start, due, due, 0),
                ("WD", "15") => ("CLK-REPORT-VERIFY", start, due, due, 0),
                ("WD", "30") => ("CLK-REPORT-VERIFY", start, due, due, 15),
                _ => ("CLK-MEDIATE", start, due, rolled, 0),
            }
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_worked_deadline_is_reproduced_over_the_api() {
    let server = TestServer::new().await;
    let token = server.token(&[Role::Auditor], "gd");
    let query = "query($rule: String!, $from: Date!) { deadline(rule: $rule, from: $from) { dueStrict dueLegal \
                 provisional trace { day count text } } }";
    let mut asked = 0;
    for (rule, from, strict, legal, extend) in rows().into_iter().filter(|row| row.4 == 0) {
        let data = server.data(&token, query, json!({"rule": rule, "from": from})).await;
        let deadline = &data["deadline"];
        assert_eq!(
            (&deadline["dueStrict"], &deadline["dueLegal"]),
            (&json!(strict), &json!(legal)),
            "{rule} {from} {extend}"
        );
        assert_eq!(deadline["provisional"], json!(false));
        assert_eq!(deadline["trace"].as_array().unwrap().last().unwrap()["day"], json!(legal));
        asked += 1;
    }
    assert!(asked >= 17, "{asked} rows");
}

#[test]
fn every_worked_deadline_is_reproduced_on_the_command_line() {
    for (rule, from, strict, legal, extend) in rows() {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_baycase-under-test"))
            .args(["deadline", "--json", "--rule", rule, "--from", from, "--extend", &extend.to_string()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["terms"]["dueStrict"], json!(strict), "{rule} {from}");
        assert_eq!(answer["terms"]["dueLegal"], json!(legal), "{rule} {from}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_in_an_unpublished_year_is_provisional() {
    let server = TestServer::new().await;
    let token = server.token(&[Role::Viewer], "gd");
    let query = "{ deadline(rule: \"CLK-ACCEPT\", from: \"2026-12-28\") { provisional } }";
    assert_eq!(server.data(&token, query, json!({})).await["deadline"]["provisional"], json!(true));
    let unknown = "{ deadline(rule: \"CLK-NONE\", from: \"2026-12-28\") { provisional } }";
    assert_eq!(server.code(&token, unknown, json!({})).await, "UNKNOWN_RULE");
    let before = "{ deadline(rule: \"CLK-ACCEPT\", from: \"2010-12-28\") { provisional } }";
    assert_eq!(server.code(&token, before, json!({})).await, "UNKNOWN_RULE");
}
