//! What a partner calls back is read by a head alone until it is erased (PIPL Art. 47).

use api::auth::Role;
use cross_border::trust::SuiteName;
use serde_json::{Value, json};
use tests::command_id;

use super::partner_check::{Node, findings};

const COUNCIL: &str = "gd-consumer-council";
/// The sweep, which erases what was called back, comes at the start and not for an hour after it.
const SWEEP_MS: u64 = 3_600_000;
const READ: &str = "query($id: UUID!) { referral(id: $id) { stage dataErased messages(first: 50) { edges { node { kind \
                    digest text content } } } evidence { digest stored name } } }";

/// A referral that came in with a file and was called back, at a node that has not erased it.
async fn called_back(node: &Node) -> Value {
    let findings = findings(&node.args(node.addr())).await;
    for name in ["evidence-round-trip", "recall-accepted"] {
        let finding = findings.iter().find(|finding| finding.name == name).unwrap();
        assert!(finding.is_passed(), "{}", finding.to_text());
    }
    let auditor = node.server.token(&[Role::Auditor], COUNCIL);
    let info = node.server.data(&auditor, "{ serverInfo { logPosition } }", json!({})).await;
    let query = "query($at: Position) { referrals(atLeast: $at, filter: {stage: RECALLED}) { edges { node { id } } } }";
    let listed = node.server.data(&auditor, query, json!({"at": info["serverInfo"]["logPosition"]})).await;
    let edges = listed["referrals"]["edges"].as_array().unwrap();
    assert_eq!(edges.len(), 1, "{listed:#}");
    edges[0]["node"]["id"].clone()
}

/// The nodes of the messages.
fn messages(referral: &Value) -> Vec<&Value> {
    referral["messages"]["edges"].as_array().unwrap().iter().map(|edge| &edge["node"]).collect()
}

/// The file that is here.
fn stored(referral: &Value) -> &Value {
    referral["evidence"].as_array().unwrap().iter().find(|file| file["stored"] == true).unwrap()
}

/// The status, and the code where there is one, by which a file is answered.
async fn fetched(node: &Node, token: &str, id: &Value, file: &Value) -> (u16, Option<String>) {
    let root = node.server.url();
    let root = root.trim_end_matches("/graphql");
    let url = format!("{root}/evidence/{}/{}", id.as_str().unwrap(), file["digest"].as_str().unwrap());
    let answer = node.server.http().get(url).bearer_auth(token).send().await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.bytes().await.unwrap();
    let error: Option<Value> = serde_json::from_slice(&body).ok();
    let code = error.and_then(|error| error["errors"][0]["extensions"]["code"].as_str().map(str::to_owned));
    (status, code)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_called_back_is_read_by_a_head_alone_until_it_is_erased() {
    let node = Node::start_sweeping(SuiteName::Ed25519Sha256, SWEEP_MS).await;
    let id = called_back(&node).await;
    let officer = node.server.token(&[Role::CrossBorderOfficer, Role::Handler, Role::Mediator], COUNCIL);
    let head = node.server.token(&[Role::Head], COUNCIL);
    let auditor = node.server.token(&[Role::Auditor], COUNCIL);
    let asked = json!({"id": id});
    let erased = (410, Some("ERASED".to_owned()));

    // That it is there, and what went to and fro, everybody sees who saw it before; nobody reads a word.
    for (token, code) in [(&officer, "ERASED"), (&auditor, "FORBIDDEN")] {
        let answer = node.server.ask(token, READ, asked.clone()).await;
        let referral = &answer["data"]["referral"];
        assert_eq!((&referral["stage"], &referral["dataErased"]), (&json!("RECALLED"), &json!(false)), "{answer:#}");
        let messages = messages(referral);
        assert!(messages.iter().any(|message| message["kind"] == "SUBMISSION"), "{answer:#}");
        for message in messages {
            assert!(message["digest"].is_string(), "{message:#}");
            assert_eq!((&message["text"], &message["content"]), (&Value::Null, &Value::Null), "{message:#}");
        }
        assert_eq!(stored(referral)["name"], Value::Null);
        let errors = answer["errors"].as_array().unwrap();
        assert!(errors.iter().all(|error| error["extensions"]["code"] == code), "{answer:#}");
    }
    // A head reads what it decides on.
    let read = node.server.data(&head, READ, asked.clone()).await;
    let referral = &read["referral"];
    assert!(messages(referral).iter().all(|message| message["text"].is_string() && message["content"].is_object()));
    let file = stored(referral);
    assert!(file["name"].is_string(), "{file:#}");
    assert_eq!(fetched(&node, &officer, &id, file).await, erased);
    assert_eq!(fetched(&node, &auditor, &id, file).await, (403, Some("FORBIDDEN".to_owned())));
    assert_eq!(fetched(&node, &head, &id, file).await, (200, None));

    let erase = "mutation($input: EraseReferralInput!) { eraseReferral(input: $input) { position } }";
    node.server.data(&head, erase, json!({"input": {"commandId": command_id(), "referralId": id}})).await;
    for token in [&officer, &head] {
        let gone = node.server.data(token, READ, asked.clone()).await;
        assert_eq!(gone["referral"]["dataErased"], true);
        assert!(messages(&gone["referral"]).iter().all(|message| message["text"].is_null()), "{gone:#}");
        assert_eq!(fetched(&node, token, &id, file).await, erased);
    }
}
