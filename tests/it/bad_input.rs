//! Every wrong input gets its code and changes nothing.

use api::auth::Role;
use chrono::Duration;
use serde_json::{Value, json};
use tests::flows::{BUREAU, Flow, REGISTER, filing};
use tests::{TestServer, command_id};

/// What makes a good input a wrong one.
type Spoil<'s> = &'s dyn Fn(&mut Value);

async fn position(server: &TestServer) -> Value {
    let token = server.token(&[Role::Administrator], "gd");
    server.data(&token, "{ serverInfo { logPosition } }", json!({})).await["serverInfo"]["logPosition"].clone()
}

fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("no code: {answer:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_filings_are_refused_and_change_nothing() {
    let server = TestServer::new().await;
    let clerk = server.token(&[Role::IntakeClerk], BUREAU);
    let before = position(&server).await;
    let wrong: [(&str, Spoil<'_>); 9] = [
        ("UNKNOWN_REGION", &|input| input["region"] = json!("999999")),
        ("FORBIDDEN", &|input| input["region"] = json!("440305")),
        ("GRAPHQL_VALIDATION_FAILED", &|input| input["channel"] = json!("FAX")),
        ("INVALID_INPUT", &|input| input["items"] = json!([])),
        ("INVALID_INPUT", &|input| input["items"][0]["facts"] = json!("长".repeat(8_001))),
        ("INVALID_INPUT", &|input| input["complainant"]["phone"] = json!("")),
        ("INVALID_INPUT", &|input| input["commandId"] = json!("00000000-0000-0000-0000-000000000000")),
        ("TIME_OUT_OF_RANGE", &|input| input["at"] = json!((api::clock::now() + Duration::days(1)).to_rfc3339())),
        ("TIME_OUT_OF_RANGE", &|input| input["at"] = json!((api::clock::now() - Duration::days(31)).to_rfc3339())),
    ];
    for (number, (expected, spoil)) in wrong.into_iter().enumerate() {
        let mut input = filing(&format!("WRONG-{number}"), "要求退款");
        spoil(&mut input);
        let answer = server.ask(&clerk, REGISTER, json!({"input": input})).await;
        assert_eq!(code(&answer), expected, "{input:#}");
    }
    assert_eq!(position(&server).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_that_the_state_does_not_allow_names_what_it_does() {
    let server = TestServer::new().await;
    let flow = Flow::filed(&server, "STATE-1").await.received().await;
    let before = position(&server).await;
    let answer = flow.try_act(&flow.station, "closeCase", "CloseCaseInput", json!({"outcome": "AGREEMENT"})).await;
    assert_eq!(code(&answer), "NOT_ALLOWED_NOW");
    let allowed = answer["errors"][0]["extensions"]["allowed"].as_array().unwrap();
    assert!(allowed.contains(&json!("acceptComplaint")), "{allowed:?}");
    let ground = json!({"ground": "16-9", "reason": "无", "routes": ["COURT"]});
    let answer = flow.try_act(&flow.station, "refuseComplaint", "RefuseComplaintInput", ground).await;
    assert_eq!(code(&answer), "GRAPHQL_VALIDATION_FAILED");
    let routes = json!({"ground": "NOT_OUR_POWER", "reason": "不属于本部门职责", "routes": []});
    let answer = flow.try_act(&flow.station, "refuseComplaint", "RefuseComplaintInput", routes).await;
    assert_eq!(code(&answer), "INVALID_INPUT");
    let long = json!({"kind": "CALL", "text": "长".repeat(2_001)});
    let answer = flow.try_act(&flow.station, "noteWork", "NoteWorkInput", long).await;
    assert_eq!(code(&answer), "INVALID_INPUT");
    assert_eq!(position(&server).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn units_times_and_revisions_are_checked() {
    let server = TestServer::new().await;
    let flow = Flow::filed(&server, "CHECK-1").await;
    for (to, expected) in
        [("gd-440305", "UNKNOWN_UNIT"), ("no-such-unit", "UNKNOWN_UNIT"), ("Not A Unit", "INVALID_INPUT")]
    {
        let answer = flow.try_act(&flow.clerk, "dispatchCase", "DispatchCaseInput", json!({"to": to})).await;
        assert_eq!(code(&answer), expected, "{to}");
    }
    let flow = flow.received().await;
    let past = (api::clock::now() - Duration::days(3)).to_rfc3339();
    let answer = flow.try_act(&flow.station, "acceptComplaint", "AcceptComplaintInput", json!({"at": past})).await;
    assert_eq!(code(&answer), "TIME_OUT_OF_RANGE");
    let stale = json!({"expectedRevision": "0"});
    let answer = flow.try_act(&flow.station, "acceptComplaint", "AcceptComplaintInput", stale).await;
    assert_eq!(code(&answer), "STALE_REVISION");
    let changes = answer["errors"][0]["extensions"]["changes"].as_array().unwrap();
    assert_eq!(changes[0]["kind"], "complaint.dispatched");
    assert_eq!(
        flow.try_act(&flow.clerk, "acceptComplaint", "AcceptComplaintInput", json!({})).await["errors"][0]["extensions"]
            ["code"],
        "FORBIDDEN"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_acts_for_somebody_whom_no_register_holds() {
    let server = TestServer::new().await;
    let flow = Flow::filed(&server, "BEHALF-1").await.received().await;
    let before = position(&server).await;
    let note = |id: &str| json!({"kind": "CALL", "text": "联系商家", "onBehalfOf": id});
    for (id, expected) in [("gd-nowhere", "UNKNOWN_UNIT"), ("陈小明", "INVALID_INPUT"), ("", "INVALID_INPUT")] {
        let answer = flow.try_act(&flow.station, "noteWork", "NoteWorkInput", note(id)).await;
        assert_eq!(code(&answer), expected, "{id}");
        let mut input = filing("BEHALF-2", "要求退款");
        input["onBehalfOf"] = json!(id);
        assert_eq!(code(&server.ask(&flow.clerk, REGISTER, json!({"input": input})).await), expected, "{id}");
    }
    // Who does not see the case hears nothing of registers.
    let stranger = server.token(&[Role::Handler], "gd-440305");
    let answer = flow.try_act(&stranger, "noteWork", "NoteWorkInput", note("gd-nowhere")).await;
    assert_eq!(code(&answer), "NOT_FOUND");
    assert_eq!(position(&server).await, before);

    let station = flow.station.clone();
    for id in [BUREAU, "hk-consumer-council"] {
        flow.act(&station, "noteWork", "NoteWorkInput", note(id)).await;
    }
    let auditor = server.token(&[Role::Auditor], BUREAU);
    let query = "query($id: UUID!) { caseHistory(id: $id) { edges { node { onBehalfOf } } } }";
    let history = server.data(&auditor, query, json!({"id": flow.id})).await;
    let edges = history["caseHistory"]["edges"].as_array().unwrap();
    let told: Vec<&str> = edges.iter().filter_map(|edge| edge["node"]["onBehalfOf"].as_str()).collect();
    assert_eq!(told, [BUREAU, "hk-consumer-council"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moment_without_a_measure_is_refused_and_not_passed_over() {
    let server = TestServer::new().await;
    let token = server.token(&[Role::Auditor], "gd");
    for moment in ["asOf: \"2026-05-06\"", "asKnownAt: \"2026-05-06\"", "asKnownAtPosition: \"1\""] {
        let asked = |filter: String| format!("{{ cases(filter: {{{filter}}}) {{ totalCount }} }}");
        let answer = server.ask(&token, &asked(format!("moment: {{{moment}}}")), json!({})).await;
        assert_eq!(code(&answer), "INVALID_INPUT", "{moment}");
        let message = answer["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains("add `measure`"), "{message}");
        server.data(&token, &asked(format!("measure: OPEN, moment: {{{moment}}}")), json!({})).await;
    }
    server.data(&token, "{ cases(filter: {moment: {}}) { totalCount } }", json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merged_mutation_field_appends_nothing() {
    let server = TestServer::new().await;
    let flow = Flow::filed(&server, "MERGE-1").await.received().await;
    let before = position(&server).await;
    let input = format!("{{commandId: \"{}\", caseId: \"{}\", kind: CALL, text: \"x\"}}", command_id(), flow.id);
    let query =
        format!("mutation {{ noteWork(input: {input}) {{ revision }} noteWork(input: {input}) {{ position }} }}");
    let answer = server.ask(&flow.station, &query, json!({})).await;
    assert_eq!(code(&answer), "DUPLICATE_MUTATION_FIELD");
    assert!(answer.get("data").is_none());
    let query = format!(
        "mutation {{ ...A noteWork(input: {input}) {{ position }} }} fragment A on Mutation {{ noteWork(input: {input}) {{ revision }} }}"
    );
    assert_eq!(code(&server.ask(&flow.station, &query, json!({})).await), "DUPLICATE_MUTATION_FIELD");
    assert_eq!(position(&server).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_pages_and_bodies_are_bounded() {
    let server = TestServer::new().await;
    let token = server.token(&[Role::Auditor], "gd");
    let mut bomb = "query { ...F0 }".to_owned();
    for number in 0..30 {
        bomb.push_str(&format!(" fragment F{number} on Query {{ ...F{0} ...F{0} }}", number + 1));
    }
    bomb.push_str(" fragment F30 on Query { serverInfo { version } }");
    let refused = code(&server.ask(&token, &bomb, json!({})).await).to_owned();
    assert!(refused == "DOCUMENT_TOO_COMPLEX" || refused == "DOCUMENT_TOO_DEEP", "{refused}");
    assert_eq!(server.code(&token, "{ cases(first: 201) { totalCount } }", json!({})).await, "INVALID_INPUT");
    assert_eq!(server.code(&token, "{ cases(after: \"zzz\") { totalCount } }", json!({})).await, "INVALID_INPUT");
    let big =
        server.http().post(server.url()).bearer_auth(&token).json(&json!({"query": "x".repeat(3_000_000)})).send();
    assert_eq!(big.await.unwrap().status(), 413);
    let plain =
        server.http().post(server.url()).bearer_auth(&token).header("content-type", "text/plain").body("{}").send();
    assert_eq!(plain.await.unwrap().status(), 415);
    let batch = server.http().post(server.url()).bearer_auth(&token).json(&json!([{"query": "{ __typename }"}])).send();
    assert_eq!(batch.await.unwrap().status(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_tokens_do_not_come_in() {
    let server = TestServer::new().await;
    let good = server.token(&[Role::Auditor], "gd");
    let tampered = format!("{}x", &good[..good.len() - 1]);
    for token in ["", "x", "a.b.c", tampered.as_str(), "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."] {
        let answer =
            server.http().post(server.url()).bearer_auth(token).json(&json!({"query": "{ __typename }"})).send();
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 401, "{token}");
        assert!(answer.headers().contains_key("www-authenticate"));
    }
    // A token of a unit that nobody registered sees nothing.
    let stranger = server.token(&[Role::Handler], "gd-nowhere");
    assert_eq!(server.code(&stranger, "{ cases { totalCount } }", json!({})).await, "FORBIDDEN");
}

#[test]
fn a_server_without_authentication_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_baycase-under-test");
    let run =
        |args: &[&str]| std::process::Command::new(program).args(args).arg("--data").arg(dir.path()).output().unwrap();
    assert!(run(&["init", "--create-master-key"]).status.success());
    let refused = run(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("auth.jwks"), "{said}");
    let token = run(&["token", "--role", "viewer", "--unit", "gd"]);
    assert!(!token.status.success(), "no development key, no token");
}

#[test]
fn a_configuration_that_no_server_starts_with_is_told_with_its_file_and_key() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gd.toml");
    let program = env!("CARGO_BIN_EXE_baycase-under-test");
    let run = |args: &[&str]| {
        let output = std::process::Command::new(program)
            .args(args)
            .arg("--config")
            .arg(&file)
            .arg("--data")
            .arg(dir.path())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    std::fs::write(&file, "[log]\nreaders = 64\n").unwrap();
    let (good, printed, said) = run(&["config"]);
    assert!(good && printed.contains("readers = 64"), "{printed}\n{said}");
    assert!(!printed.contains("refused"), "{printed}");

    std::fs::write(&file, "[log]\nreaders = 65\n[partner]\nclamd = \"clamd\"\n").unwrap();
    let (good, printed, said) = run(&["config"]);
    assert!(!good && printed.contains("readers = 65\n# refused: "), "{printed}\n{said}");
    for told in ["gd.toml", "`log.readers`", "`partner.clamd`", "baycase serve"] {
        assert!(said.contains(told), "{told}: {said}");
    }
    let (good, _, said) = run(&["serve", "--dev", "--listen", "127.0.0.1:0"]);
    assert!(!good && said.contains("gd.toml") && said.contains("`log.readers`"), "{said}");
    assert!(!dir.path().join("dev-key.pem").exists(), "nothing was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_people_are_kept_out_of_what_stands_in_clear() {
    let server = TestServer::new().await;
    let clerk = server.token(&[Role::IntakeClerk], BUREAU);
    let before = position(&server).await;
    for kind in ["COMPLAINT", "REPORT", "ENQUIRY"] {
        for (field, text) in [
            ("name", "李某（手机 13812345678）"),
            ("address", "天河路 8 号，李某 13812345678"),
            ("creditCode", "11010519491231002X"),
        ] {
            let mut input = filing("CLEAR-1", "要求退款");
            input["items"][0]["kind"] = json!(kind);
            input["items"][0]["respondent"][field] = json!(text);
            let answer = server.ask(&clerk, REGISTER, json!({"input": input})).await;
            assert_eq!(code(&answer), "INVALID_INPUT", "{kind} {field}: {answer:#}");
            let said = answer["errors"][0]["message"].as_str().unwrap();
            assert!(said.contains(&format!("respondent.{field}")) && !said.contains(text), "{said}");
            assert_eq!(position(&server).await, before, "{kind} {field}");
        }
    }
    let answer = server.ask(&clerk, REGISTER, json!({"input": filing("CLEAR-1", "李某 13812345678")})).await;
    assert!(answer.get("errors").is_none(), "facts are sealed: {answer:#}");
}
