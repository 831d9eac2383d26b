//! The officers of the councils: they refer, approve, acknowledge, answer, and tell the consumer, until nothing is left.

use std::collections::HashSet;
use std::sync::Mutex;

use api::auth::Role;
use chrono::Duration;
use domain::id::CommandId;
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use tests::link::mix;
use tokio::time::sleep;

use super::node::Node;
use super::world::{Facts, World};

/// Officers who work at the same time at one council.
const OFFICERS: usize = 8;

/// Wait before it is looked again whether the partner has a referral.
const AGAIN: std::time::Duration = std::time::Duration::from_millis(200);

/// One dispute that is to cross a border.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dispute {
    pub(super) number: u64,
    pub(super) from: Facts,
    pub(super) to: Facts,
    /// It is called back once it is sent, or once it has arrived.
    pub(super) recalled: bool,
}

/// The disputes of a world, drawn by its seed.
pub(super) fn disputes(world: &World, count: u64, seed: u64) -> Vec<Dispute> {
    let councils = &world.councils;
    (0..count)
        .map(|number| {
            let draw = mix(seed ^ mix(number.wrapping_add(77)));
            let from = usize::try_from(draw % councils.len() as u64).unwrap();
            let step = 1 + usize::try_from((draw >> 16) % (councils.len() as u64 - 1)).unwrap();
            let to = (from + step) % councils.len();
            let recalled = (draw >> 32).is_multiple_of(25);
            Dispute { number, from: councils[from], to: councils[to], recalled }
        })
        .collect()
}

/// The persons whose data must not be found where it does not belong.
pub(super) fn person(number: u64) -> (String, String) {
    (format!("黎示例{number:05}"), format!("+853 6{:07}", mix(number) % 10_000_000))
}

fn command(parts: &[&str]) -> String {
    CommandId::derived(parts).to_string()
}

/// Refers every dispute; each step is asked again until it is answered, with the same command id.
pub(super) async fn refer_all(world: &World, disputes: &[Dispute]) {
    stream::iter(disputes)
        .for_each_concurrent(OFFICERS * world.councils.len(), |dispute| async move {
            refer(world.node(dispute.from), *dispute).await;
        })
        .await;
}

async fn refer(node: &Node, dispute: Dispute) {
    let Dispute { from, to, .. } = dispute;
    let key = dispute.number.to_string();
    let officer = node.token("officer-1", &[Role::IntakeClerk, Role::Handler, Role::CrossBorderOfficer], from.sender);
    let head = node.token("head-1", &[Role::Head], from.sender);
    let filed = node.data(&officer, FILE, &json!({"input": filing(dispute)})).await;
    let case = filed["registerFiling"]["cases"][0]["id"].clone();
    let input = json!({
        "commandId": command(&["refer", &key]),
        "caseId": case,
        "partner": to.id,
        "consent": {
            "consent": format!("C-{key}"), "textVersion": "2026-1", "language": "SIMPLIFIED_CHINESE",
            "channel": "ONLINE", "fields": FIELDS, "evidence": "ab".repeat(32),
        },
        "assessment": assessment(from, to),
        "presentation": {
            "age": "ADULT", "retentionTo": day(400), "fields": FIELDS,
            "content": {"request": {"lang": "SIMPLIFIED_CHINESE", "text": "请求退款。"}},
        },
    });
    let referred = node.data(&officer, REFER, &json!({"input": input})).await;
    let presented = &referred["referAcrossBorder"]["referral"];
    let referral = presented["id"].as_str().unwrap().to_owned();
    let approved = json!({
        "commandId": command(&["approve", &key]), "referralId": referral,
        "contentDigest": presented["presentation"]["contentDigest"],
    });
    node.data(&head, APPROVE, &json!({"input": approved})).await;
    if dispute.recalled {
        // One half at once, so that mostly nothing has left; the other once the partner has it.
        while dispute.number % 2 == 1 && stage(node, &officer, &referral).await == "SENT" {
            sleep(AGAIN).await;
        }
        let recall = json!({"commandId": command(&["recall", &key]), "referralId": referral, "reason": "SETTLED_HERE"});
        let answer = node.ask(&officer, RECALL, &json!({"input": recall})).await;
        // The partner may have sent it back meanwhile; that is an end as well.
        let code = answer["errors"][0]["extensions"]["code"].as_str().unwrap_or("none");
        assert!(matches!(code, "none" | "NOT_ALLOWED_NOW"), "{answer:#}");
    }
}

async fn stage(node: &Node, officer: &str, referral: &str) -> String {
    let found = node.data(officer, STAGE, &json!({"id": referral})).await;
    found["referral"]["stage"].as_str().unwrap().to_owned()
}

const FIELDS: [&str; 6] = ["CONSUMER_NAME", "CONSUMER_CONTACT", "TRADER_NAME", "PURCHASE_AMOUNT", "FACTS", "REQUEST"];

fn filing(dispute: Dispute) -> Value {
    let (name, phone) = person(dispute.number);
    json!({
        "commandId": command(&["file", &dispute.number.to_string()]),
        "source": "exchange-test",
        "externalNumber": format!("X{:06}", dispute.number),
        "channel": "WECHAT_MINI",
        "region": dispute.from.region,
        "complainant": {"name": name, "phone": phone, "address": format!("秘密路{}号", dispute.number)},
        "items": [{
            "kind": "COMPLAINT", "category": "QUALITY", "facts": format!("手表{}走时不准。", dispute.number),
            "respondent": {"name": "示例钟表行"},
            "amount": {"minorUnits": "12900", "currency": dispute.from.currency},
            "remedies": ["REFUND"],
        }],
    })
}

fn day(days: i64) -> String {
    (domain::day::local_day(api::clock::now()) + Duration::days(days)).to_string()
}

/// The route of the sender's law, with what it rests on.
fn assessment(from: Facts, to: Facts) -> Value {
    let route = match (from.id, to.id) {
        ("gd-consumer-council", "hk-consumer-council") => "GBA_HONG_KONG",
        ("gd-consumer-council", _) => "GBA_MACAO",
        ("hk-consumer-council", _) => return json!({"route": "PDPO_CONSENT"}),
        _ => return json!({"route": "MACAO_CONSENT"}),
    };
    json!({
        "route": route,
        "instrument": {
            "number": "SCC-1", "validFrom": day(-100), "validTo": day(900), "filingNumber": "F-1", "filedOn": day(-90),
        },
        "impact": {"number": "PIA-1", "version": 1, "assessedOn": day(-100), "validTo": day(300)},
    })
}

/// Works off what lies on the desks of a council, once; how many acts were done.
pub(super) async fn work(world: &World, council: Facts, done: &Mutex<HashSet<String>>) -> usize {
    let node = world.node(council);
    let taker = node.token("taker-1", &[Role::Handler, Role::CrossBorderOfficer], council.taker);
    let sender = node.token("officer-2", &[Role::Handler, Role::CrossBorderOfficer], council.sender);
    let desks = [
        (&taker, "INBOUND", "DELIVERED"),
        (&taker, "INBOUND", "ACKNOWLEDGED"),
        (&taker, "INBOUND", "IN_PROGRESS"),
        (&sender, "OUTBOUND", "OUTCOME_REPORTED"),
    ];
    let mut acts = 0;
    for (token, direction, stage) in desks {
        let query = json!({"filter": {"direction": direction, "stage": stage}});
        let page = node.data(token, DESK, &query).await;
        let edges = page["referrals"]["edges"].as_array().unwrap().clone();
        let counts: Vec<usize> = stream::iter(edges)
            .map(|edge| act(node, token, stage, edge["node"].clone(), done))
            .buffer_unordered(OFFICERS)
            .collect()
            .await;
        acts += counts.into_iter().sum::<usize>();
    }
    acts
}

/// The next act on one referral: drawn by its shared id, so that a repeated try draws the same.
async fn act(node: &Node, token: &str, stage: &str, referral: Value, done: &Mutex<HashSet<String>>) -> usize {
    let (id, shared) = (referral["id"].as_str().unwrap(), referral["sharedId"].as_str().unwrap());
    let draw = mix(shared.bytes().fold(7, |sum, byte| mix(sum ^ u64::from(byte))));
    let (name, input_type, mut input) = match stage {
        "DELIVERED" if draw.is_multiple_of(10) => {
            ("returnReferral", "ReturnReferralInput", json!({"code": "NOT_LOCAL"}))
        }
        "DELIVERED" => {
            ("acknowledgeReferral", "AcknowledgeReferralInput", json!({"reference": format!("R-{}", &shared[..8])}))
        }
        "ACKNOWLEDGED" if draw.is_multiple_of(3) => {
            let note = json!({"lang": "TRADITIONAL_HONG_KONG", "text": "商戶已答覆。"});
            ("reportProgress", "ReportProgressInput", json!({"progress": "TRADER_REPLIED", "note": note}))
        }
        "ACKNOWLEDGED" | "IN_PROGRESS" => ("reportOutcome", "ReportOutcomeInput", json!({"outcome": "SETTLED"})),
        _ => ("acknowledgeOutcome", "AcknowledgeOutcomeInput", json!({})),
    };
    let command = command(&[name, id]);
    if done.lock().unwrap().contains(&command) {
        return 0;
    }
    input["commandId"] = json!(command);
    input["referralId"] = json!(id);
    let query = format!("mutation($input: {input_type}!) {{ {name}(input: $input) {{ position }} }}");
    let answer = node.ask(token, &query, &json!({"input": input})).await;
    let code = answer["errors"][0]["extensions"]["code"].as_str().unwrap_or("none");
    // Something may have come in between: then the desk shows it elsewhere next time.
    assert!(matches!(code, "none" | "NOT_ALLOWED_NOW"), "{name}: {answer:#}");
    done.lock().unwrap().insert(command);
    1
}

const FILE: &str = "mutation($input: RegisterFilingInput!) { registerFiling(input: $input) { cases { id } } }";
const REFER: &str = "mutation($input: ReferAcrossBorderInput!) { referAcrossBorder(input: $input) { referral { id \
                     presentation { contentDigest } } } }";
const APPROVE: &str = "mutation($input: ApproveReferralInput!) { approveReferral(input: $input) { position } }";
const STAGE: &str = "query($id: UUID!) { referral(id: $id) { stage } }";
const RECALL: &str = "mutation($input: RecallReferralInput!) { recallReferral(input: $input) { position } }";
const DESK: &str =
    "query($filter: ReferralFilterInput) { referrals(filter: $filter, first: 100) { edges { node { id sharedId } } } }";
