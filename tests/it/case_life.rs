//! One complaint from filing to closing and reopening, and what dashboards and lists make of it.

use api::auth::Role;
use serde_json::{Value, json};
use tests::flows::{BUREAU, Flow, STATION};
use tests::{TestServer, command_id};

const CITY: &str = "query($at: Position) { cityDashboard(city: \"440100\", atLeast: $at) { received accepted mediated \
                    succeeded closed closedLate open overdue recoveredLoss transferredIn transferredOut reopened } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_complaint_runs_from_filing_to_closing_and_back() {
    let server = TestServer::new().await;
    let flow = Flow::filed(&server, "LIFE-1").await.accepted().await;
    let station = flow.station.clone();
    flow.act(&station, "openMediation", "OpenMediationInput", json!({"mode": "PHONE", "bothAgree": true})).await;
    flow.act(&station, "recordSession", "RecordSessionInput", json!({"mode": "PHONE", "result": "AGREED"})).await;
    flow.act(&station, "noteWork", "NoteWorkInput", json!({"kind": "CALL", "text": "商家同意退款"})).await;
    let money = json!({"minorUnits": "12900", "currency": "CNY"});
    flow.act(&station, "reachAgreement", "ReachAgreementInput", json!({"document": true, "amount": money})).await;
    let closed = flow
        .act(&station, "closeCase", "CloseCaseInput", json!({"outcome": "AGREEMENT", "recoveredLoss": money}))
        .await;
    assert_eq!(closed["case"]["stage"], "CLOSED");

    let viewer = server.token(&[Role::Viewer], "gd-440100");
    let city = server.data(&viewer, CITY, json!({"at": closed["position"]})).await["cityDashboard"].clone();
    let expected = json!({
        "received": 1, "accepted": 1, "mediated": 1, "succeeded": 1, "closed": 1, "closedLate": 0, "open": 0,
        "overdue": 0, "recoveredLoss": "12900", "transferredIn": 0, "transferredOut": 0, "reopened": 0,
    });
    assert_eq!(city, expected);

    let reopened = flow.act(&station, "reopenCase", "ReopenCaseInput", json!({"reason": "商家未履行"})).await;
    assert_eq!(reopened["case"]["stage"], "RECEIVED");
    let city = server.data(&viewer, CITY, json!({"at": reopened["position"]})).await["cityDashboard"].clone();
    assert_eq!((&city["received"], &city["open"], &city["reopened"]), (&json!(1), &json!(1), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_station_sees_its_work_and_hands_back_what_is_not_its_own() {
    let server = TestServer::new().await;
    let flow = Flow::filed(&server, "WORK-1").await.received().await;
    let load = "query($u: String!) { stationWorkload(unitId: $u) { open overdue transferredIn transferredOut \
                byHandler { handler open } } }";
    let data = server.data(&flow.station, load, json!({"u": STATION})).await["stationWorkload"].clone();
    assert_eq!(data["open"], json!(1));
    assert_eq!(data["byHandler"], json!([{"handler": "h-1", "open": 1}]));
    let station = flow.station.clone();
    flow.act(&station, "returnToIntake", "ReturnToIntakeInput", json!({"reason": "NO_TERRITORY"})).await;
    let data = server.data(&flow.station, load, json!({"u": STATION})).await["stationWorkload"].clone();
    assert_eq!((&data["open"], &data["transferredOut"]), (&json!(0), &json!(1)));
    let data = server.data(&flow.clerk, load, json!({"u": BUREAU})).await["stationWorkload"].clone();
    assert_eq!(data["open"], json!(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_behind_a_number_has_as_many_rows() {
    let server = TestServer::new().await;
    for number in 0..3 {
        Flow::filed(&server, &format!("LIST-{number}")).await;
    }
    Flow::filed(&server, "LIST-3").await.accepted().await;
    let viewer = server.token(&[Role::Auditor], "gd-440100");
    let list = "query($m: MeasureName!) { cases(first: 200, filter: {measure: $m}) { totalCount edges { node { number } } } \
                cityDashboard(city: \"440100\") { received accepted open } }";
    for (measure, field) in [("RECEIVED", "received"), ("ACCEPTED", "accepted"), ("OPEN", "open")] {
        let data = server.data(&viewer, list, json!({"m": measure})).await;
        let number = data["cityDashboard"][field].as_u64().unwrap();
        assert!(number > 0);
        assert_eq!(data["cases"]["totalCount"].as_u64().unwrap(), number);
        assert_eq!(data["cases"]["edges"].as_array().unwrap().len(), usize::try_from(number).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_happens_once_and_answers_the_same_again() {
    let server = TestServer::new().await;
    let flow = Flow::filed(&server, "ONCE-1").await.received().await;
    let id = command_id();
    let fields = json!({"commandId": id, "kind": "CALL", "text": "联系商家"});
    let station = flow.station.clone();
    let first = flow.try_act(&station, "noteWork", "NoteWorkInput", fields.clone()).await;
    flow.act(&station, "acceptComplaint", "AcceptComplaintInput", json!({})).await;
    let again = flow.try_act(&station, "noteWork", "NoteWorkInput", fields).await;
    let strip = |answer: &Value| {
        let mut answer = answer["data"]["noteWork"].clone();
        answer["repeated"] = Value::Null;
        answer
    };
    assert_eq!(strip(&first), strip(&again));
    assert_eq!(again["data"]["noteWork"]["repeated"], json!(true));
    let other = json!({"commandId": id, "kind": "CALL", "text": "联系消费者"});
    let refused = flow.try_act(&station, "noteWork", "NoteWorkInput", other).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "COMMAND_REUSED");
}

#[tokio::test(flavor = "multi_thread")]
async fn personal_data_is_for_those_who_handle_the_case() {
    let server = TestServer::new().await;
    let flow = Flow::filed(&server, "SEAL-1").await.received().await;
    let station = flow.station.clone();
    let note = json!({"kind": "CALL", "text": "陈小明来电，住址天河区测试路1号"});
    flow.act(&station, "noteWork", "NoteWorkInput", note).await;
    flow.act(&station, "withdrawCase", "WithdrawCaseInput", json!({"reason": "陈小明本人撤回"})).await;
    let history = "query($id: UUID!) { caseHistory(id: $id) { edges { node { kind data } } } }";
    let told = server.data(&station, history, json!({"id": flow.id})).await.to_string();
    assert!(told.contains("陈小明来电") && told.contains("本人撤回"), "who handles the case reads its notes: {told}");
    let query = "query($id: UUID!) { case(id: $id) { number facts complainant { name phone } history { edges { node { kind data } } } } }";
    let data = server.data(&flow.clerk, query, json!({"id": flow.id})).await;
    assert_eq!(data["case"]["complainant"], json!({"name": "陈小明", "phone": "19900001234"}));
    let auditor = server.token(&[Role::Auditor], "gd");
    let answer = server.ask(&auditor, query, json!({"id": flow.id})).await;
    assert_eq!(answer["data"]["case"]["complainant"], Value::Null);
    assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN");
    // Nothing of the person stands in clear in any file of the log or the read models' events.
    let dir = server.stop().await;
    let files = ["log.sqlite", "log.sqlite-wal", "double.log"];
    assert!(files.iter().any(|file| dir.path().join(file).exists()), "no file of a log was looked into");
    for file in files {
        let bytes = std::fs::read(dir.path().join(file)).unwrap_or_default();
        for secret in ["陈小明", "19900001234", "天河区测试路1号", "购买的水壶漏水", "本人撤回"] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} in {file}");
        }
    }
}
