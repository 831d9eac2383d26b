//! Matters of filings that lead to no complaint: nobody is answered "taken in" and then forgotten.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use api::auth::Role;
use api::data_dir::DataDir;
use domain::calendar::WorkingCalendar;
use domain::clock::RuleTable;
use domain::complaint::history::Adopt;
use domain::complaint::{Act, Complaint, ComplaintCommand, ComplaintEvent};
use domain::decider::{Context, Happened};
use domain::filing::{Filing, FilingCommand, FilingItem, ItemKind, Received, RegisterFiling, registration};
use domain::id::{CommandId, ComplaintId, FilingId, UnitId};
use domain::region::RegionCode;
use domain::vocabulary::{Category, Channel};
use event_log::digest::command_digest;
use event_log::execute::{Issue, execute};
use event_log::port::CommandRef;
use event_log::sqlite::{LogReader, ReaderSettings, SqliteLog, SqliteOptions};
use serde_json::{Value, json};
use tests::engine::on_sqlite;
use tests::flows::{BUREAU, REGISTER, STATION, filed_in_vain, filed_with_spent, filing};
use tests::{TestServer, command_id, config, prepare};
use tokio::time::{sleep, timeout};

const LISTED: &str = "query($at: Position) { unregisteredMatters(first: 10, atLeast: $at) { edges { node { filingId \
                      item number unitId obstacle } } } }";
const RETRY: &str = "mutation($input: RetryRegistrationInput!) { retryRegistration(input: $input) { position repeated \
                     cases { number } unregistered { item } } }";
const SETTLE: &str = "mutation($input: SettleRegistrationInput!) { settleRegistration(input: $input) { position \
                      repeated cases { number } unregistered { item } } }";
/// The city above the bureau.
const CITY: &str = "gd-440100";
/// How often a condition is looked at that nothing announces.
const AGAIN: Duration = Duration::from_millis(50);
/// Long enough for the slowest machine; what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is listed to somebody.
async fn listed(server: &TestServer, token: &str, at: &Value) -> Vec<Value> {
    let data = server.data(token, LISTED, json!({"at": at})).await;
    let edges = data["unregisteredMatters"]["edges"].as_array().unwrap();
    edges.iter().map(|edge| edge["node"].clone()).collect()
}

fn numbers(payload: &Value) -> Vec<&str> {
    payload["cases"].as_array().unwrap().iter().map(|case| case["number"].as_str().unwrap()).collect()
}

async fn metric(server: &TestServer) -> String {
    let text = server.http().get(format!("{}/metrics", server.admin_url())).send().await.unwrap().text().await.unwrap();
    let found = text.lines().find_map(|line| line.strip_prefix("filing_unregistered_matters ")).map(ToOwned::to_owned);
    found.unwrap_or_else(|| panic!("it is not counted: {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_matter_that_leads_to_no_complaint_is_seen_and_tried_again() {
    let server = TestServer::new().await;
    let clerk = server.token(&[Role::IntakeClerk], BUREAU);
    let stranger = server.token(&Role::ALL, "gd-440305");
    let mut input = filing("VAIN-1", "要求退款");
    let second = json!({"kind": "COMPLAINT", "category": "PRICE", "facts": "多收停车费"});
    input["items"].as_array_mut().unwrap().push(second);

    // The first matter cannot be registered; the filing stands, and its other matter does.
    let filed = filed_in_vain(&server, &input).await;
    let expected = json!([{
        "filingId": filed["filingId"], "item": 1, "number": "VAIN-1-C1", "unitId": BUREAU, "obstacle": "COMMAND_REUSED",
    }]);
    assert_eq!((numbers(&filed), &filed["unregistered"]), (vec!["VAIN-1-C2"], &expected));
    assert_eq!(Value::Array(listed(&server, &clerk, &filed["position"]).await), expected);
    assert!(listed(&server, &stranger, &filed["position"]).await.is_empty());
    assert_eq!(metric(&server).await, "1");
    // Who asks again is told the same, and nothing is noted twice.
    let again = server.data(&clerk, REGISTER, json!({"input": input})).await["registerFiling"].clone();
    assert_eq!((&again["unregistered"], &again["position"]), (&expected, &filed["position"]));

    let retry = json!({"commandId": command_id(), "filingId": filed["filingId"], "item": 1});
    assert_eq!(server.code(&stranger, RETRY, json!({"input": retry})).await, "NOT_FOUND");
    let retried = server.data(&clerk, RETRY, json!({"input": retry})).await["retryRegistration"].clone();
    assert_eq!((numbers(&retried), &retried["unregistered"]), (vec!["VAIN-1-C1", "VAIN-1-C2"], &json!([])));
    assert!(listed(&server, &clerk, &retried["position"]).await.is_empty());
    assert_eq!(metric(&server).await, "0");
    let repeated = server.data(&clerk, RETRY, json!({"input": retry})).await;
    assert_eq!(repeated["retryRegistration"]["repeated"], json!(true));
    let other = json!({"commandId": command_id(), "filingId": filed["filingId"], "item": 1});
    assert_eq!(server.code(&clerk, RETRY, json!({"input": other})).await, "RULE_VIOLATED");
    let none = json!({"commandId": command_id(), "filingId": filed["filingId"], "item": 3});
    assert_eq!(server.code(&clerk, RETRY, json!({"input": none})).await, "INVALID_INPUT");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_no_complaint_is_settled_and_never_tried_again() {
    let server = TestServer::new().await;
    let clerk = server.token(&[Role::IntakeClerk], BUREAU);
    let input = filing("SETTLED-1", "要求退款");
    let filed = filed_in_vain(&server, &input).await;
    assert_eq!(listed(&server, &clerk, &filed["position"]).await.len(), 1);

    let id = &filed["filingId"];
    let settle = json!({"commandId": command_id(), "filingId": id, "item": 1, "reason": "REGISTERED_OTHERWISE"});
    let settled = server.data(&clerk, SETTLE, json!({"input": settle})).await["settleRegistration"].clone();
    assert_eq!((&settled["cases"], &settled["unregistered"]), (&json!([]), &json!([])));
    assert!(listed(&server, &clerk, &settled["position"]).await.is_empty());
    assert_eq!(metric(&server).await, "0");
    let repeated = server.data(&clerk, SETTLE, json!({"input": settle})).await;
    assert_eq!(repeated["settleRegistration"]["repeated"], json!(true));

    // It stays so, whoever asks for what.
    let other = json!({"commandId": command_id(), "filingId": id, "item": 1, "reason": "DUPLICATE"});
    assert_eq!(server.code(&clerk, SETTLE, json!({"input": other})).await, "RULE_VIOLATED");
    let retry = json!({"commandId": command_id(), "filingId": id, "item": 1});
    assert_eq!(server.code(&clerk, RETRY, json!({"input": retry})).await, "RULE_VIOLATED");
    let none = json!({"commandId": command_id(), "filingId": id, "item": 2, "reason": "DUPLICATE"});
    assert_eq!(server.code(&clerk, SETTLE, json!({"input": none})).await, "INVALID_INPUT");
    let again = server.data(&clerk, REGISTER, json!({"input": input})).await["registerFiling"].clone();
    assert_eq!((&again["cases"], &again["unregistered"]), (&json!([]), &json!([])));
    assert_eq!(again["position"], settled["position"], "it was not tried again");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_unit_that_took_a_filing_in_decides_and_those_above_see() {
    let server = TestServer::new().await;
    let filed = filed_in_vain(&server, &filing("DECIDED-1", "要求退款")).await;
    let (below, above) = (server.token(&Role::ALL, STATION), server.token(&Role::ALL, CITY));
    let mediator = server.token(&[Role::Mediator], BUREAU);
    assert!(listed(&server, &below, &filed["position"]).await.is_empty());
    assert_eq!(listed(&server, &above, &filed["position"]).await.len(), 1);

    let retry = || json!({"commandId": command_id(), "filingId": filed["filingId"], "item": 1});
    let settle = || {
        let mut settle = retry();
        settle["reason"] = json!("DUPLICATE");
        settle
    };
    let acts: [(&str, &dyn Fn() -> Value); 2] = [(RETRY, &retry), (SETTLE, &settle)];
    for (document, input) in acts {
        assert_eq!(server.code(&below, document, json!({"input": input()})).await, "NOT_FOUND");
        let answer = server.ask(&above, document, json!({"input": input()})).await;
        let extensions = &answer["errors"][0]["extensions"];
        assert_eq!((&extensions["code"], &extensions["unit"]), (&json!("FORBIDDEN"), &json!(BUREAU)), "{answer:#}");
        let answer = server.ask(&mediator, document, json!({"input": input()})).await;
        let extensions = &answer["errors"][0]["extensions"];
        let roles = json!(["intake-clerk", "handler", "dispatcher", "head"]);
        assert_eq!((&extensions["code"], &extensions["roles"]), (&json!("FORBIDDEN"), &roles), "{answer:#}");
    }
    assert_eq!(listed(&server, &above, &filed["position"]).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_matter_is_seen_although_every_id_that_could_be_known_beforehand_was_spent() {
    let server = TestServer::new().await;
    let clerk = server.token(&[Role::IntakeClerk], BUREAU);
    let input = filing("SPENT-1", "要求退款");
    let filed = filed_with_spent(&server, &input, &["register-1", "fail-1"]).await;
    let expected = json!([{
        "filingId": filed["filingId"], "item": 1, "number": "SPENT-1-C1", "unitId": BUREAU,
        "obstacle": "COMMAND_REUSED",
    }]);
    assert_eq!(filed["unregistered"], expected);
    assert_eq!(Value::Array(listed(&server, &clerk, &filed["position"]).await), expected);
    // Noted once, however often it is found.
    let again = server.data(&clerk, REGISTER, json!({"input": input})).await["registerFiling"].clone();
    assert_eq!((&again["unregistered"], &again["position"]), (&expected, &filed["position"]));
    assert_eq!(metric(&server).await, "1");
    let retry = json!({"commandId": command_id(), "filingId": filed["filingId"], "item": 1});
    let retried = server.data(&clerk, RETRY, json!({"input": retry})).await["retryRegistration"].clone();
    assert_eq!((numbers(&retried), &retried["unregistered"]), (vec!["SPENT-1-C1"], &json!([])));
}

/// Leaves behind what a crash between a filing and its complaint leaves, and an import of the same number after it.
async fn crash_and_import(dir: &Path) {
    let log = SqliteLog::open(&DataDir::new(dir).log_path(), SqliteOptions::new(Arc::new(api::clock::now))).unwrap();
    let unit = UnitId::parse(BUREAU).unwrap();
    let now = api::clock::now();
    let (calendar, rules) = (WorkingCalendar::mainland(), RuleTable::builtin());
    let ctx = Context { now, unit: &unit, actor: "officer-1", calendar, rules };
    let filing = FilingId::derived("12315", "IMPORTED-1");
    let received = Received {
        filing,
        source: "12315".to_owned(),
        external_number: "IMPORTED-1".to_owned(),
        channel: Channel::Phone,
        region: RegionCode::parse("440106").unwrap(),
        unit: unit.clone(),
        complainant: None,
    };
    let item = FilingItem {
        item: 1,
        kind: ItemKind::Complaint,
        number: "IMPORTED-1-C1".to_owned(),
        category: Category::Quality,
        respondent: None,
        amount: None,
        remedies: Vec::new(),
        facts: None,
        source: None,
    };
    let command = |id: &str| CommandRef { id: CommandId::derived(&[id]), digest: command_digest(id.as_bytes()) };
    let complaint = ComplaintId::of_item(filing, 1).stream();
    let registered = ComplaintEvent::Registered(Box::new(registration(&received, &item)));
    let register = FilingCommand::Register(Box::new(RegisterFiling { at: None, received, items: vec![item] }));
    let issue = Issue::default();
    execute::<Filing>(&log, &filing.stream(), command("file"), &issue, None, &ctx, register).await.unwrap();
    let adopt = Adopt { history: vec![Happened { at: now, event: registered }], stored: 0 };
    let body = ComplaintCommand { at: None, act: Act::Adopt(Box::new(adopt)) };
    execute::<Complaint>(&log, &complaint, command("adopt"), &issue, None, &ctx, body).await.unwrap();
    log.close();
}

async fn log_position(server: &TestServer, token: &str) -> u64 {
    let info = server.data(token, "{ serverInfo { logPosition } }", json!({})).await;
    info["serverInfo"]["logPosition"].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filing_whose_number_was_imported_before_its_complaint_stood_is_noted_once() {
    if !on_sqlite("a log is written to before its server starts") {
        return;
    }
    let mut dir = tempfile::tempdir().unwrap();
    prepare(dir.path(), &config()).await;
    crash_and_import(dir.path()).await;
    for _ in 0..2 {
        let bookmark = dir.path().join("process-manager.position");
        // What was read is lost, which is harmless.
        let _ = std::fs::remove_file(&bookmark);
        let server = TestServer::over(dir).await;
        let clerk = server.token(&[Role::IntakeClerk], BUREAU);
        let reached = async {
            loop {
                let end = log_position(&server, &clerk).await;
                let text = std::fs::read_to_string(&bookmark).unwrap_or_default();
                let read: Option<u64> = text.trim().parse().ok();
                let listed = listed(&server, &clerk, &json!(end.to_string())).await;
                if read >= Some(end) && !listed.is_empty() {
                    return listed;
                }
                sleep(AGAIN).await;
            }
        };
        let listed = timeout(PATIENCE, reached).await.unwrap();
        assert_eq!(listed.len(), 1, "{listed:#?}");
        assert_eq!(listed[0]["number"], "IMPORTED-1-C1");
        assert_eq!(listed[0]["obstacle"], "ALREADY_REGISTERED");
        dir = server.stop().await;
    }
    let mut reader = LogReader::open(&DataDir::new(dir.path()).log_path(), ReaderSettings::default()).unwrap();
    let (mut noted, mut after) = (0, None);
    loop {
        let page = reader.read_all_blocking(after, 4_096).unwrap();
        let Some(last) = page.events.last() else { break };
        after = Some(last.position);
        noted += page.events.iter().filter(|event| &*event.kind == "filing.registration-failed").count();
    }
    assert_eq!(noted, 1, "both starts found it, and noted it once");
}
