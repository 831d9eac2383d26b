//! What two councils hold of the same referrals in the end: what their nodes say, and what their logs say.

use std::collections::BTreeMap;

use api::auth::Role;
use cross_border::exchange::SharedId;
use cross_border::referral::{Referral, ReferralEvent};
use cross_border::wire::{AnyEvent, decode_any};
use domain::decider::{Decider as _, Happened};
use event_log::sqlite::{LogReader, ReaderSettings};
use serde_json::{Value, json};

use super::node::Node;
use super::world::Facts;

/// One council's view of one referral.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    pub(super) stage: String,
    pub(super) outcome: String,
    pub(super) digest: String,
    pub(super) messages: (u64, u64),
    /// It was called back before anything of it left: nobody else knows it.
    pub(super) stayed: bool,
}

/// Every referral of a node by its shared id, as the API tells it.
pub(super) async fn views(node: &Node, council: Facts) -> BTreeMap<String, View> {
    let mut views = BTreeMap::new();
    for unit in [council.sender, council.taker] {
        let token = node.token("auditor-1", &[Role::Auditor], unit);
        let mut after = Value::Null;
        loop {
            let page = node.data(&token, LIST, &json!({"after": after})).await;
            let page = &page["referrals"];
            for edge in page["edges"].as_array().unwrap() {
                let referral = &edge["node"];
                let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
                let segment = &referral["segment"];
                let count = |lane: &str| segment[lane]["count"].as_u64().unwrap();
                let view = View {
                    stage: text(&referral["stage"]),
                    outcome: text(&referral["outcome"]),
                    digest: text(&segment["digest"]),
                    messages: (count("origin"), count("target")),
                    stayed: referral["recalledAfterSending"] == json!(false),
                };
                views.insert(text(&referral["sharedId"]), view);
            }
            if page["pageInfo"]["hasNextPage"] != json!(true) {
                break;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
    }
    views
}

/// How many deliveries of a node are not delivered, and how many of them were given up.
pub(super) async fn open_deliveries(node: &Node, council: Facts) -> (u64, u64) {
    let mut open = 0;
    let mut dead = 0;
    for unit in [council.sender, council.taker] {
        let token = node.token("auditor-1", &[Role::Auditor], unit);
        for state in ["PENDING", "LEASED", "DEAD"] {
            let found = node.data(&token, DELIVERIES, &json!({"state": state})).await;
            let count = found["deliveries"]["edges"].as_array().unwrap().len() as u64;
            open += count;
            dead += if state == "DEAD" { count } else { 0 };
        }
    }
    (open, dead)
}

/// What a log holds of one referral.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) kinds: BTreeMap<String, u64>,
    pub(super) digest: String,
    pub(super) stage: String,
    pub(super) stayed: bool,
}

/// Reads every referral of a node's log, apart from all read models; the node has ended.
pub(super) fn accounts(node: &Node) -> BTreeMap<SharedId, Account> {
    let path = node.folder().join("log.sqlite");
    let mut reader = LogReader::open(&path, ReaderSettings::default()).unwrap();
    let mut streams: BTreeMap<String, Vec<Happened<ReferralEvent>>> = BTreeMap::new();
    let mut kinds: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    let mut after = None;
    loop {
        let page = reader.read_all_blocking(after, 4_096).unwrap();
        let Some(last) = page.events.last() else { break };
        after = Some(last.position);
        for event in page.events.iter().filter(|event| event.stream.category() == "referral") {
            let AnyEvent::Referral(read) = decode_any(&event.kind, event.schema, &event.payload).unwrap() else {
                panic!("{} is no event of a referral", event.kind);
            };
            let stream = event.stream.as_str().to_owned();
            *kinds.entry(stream.clone()).or_default().entry(event.kind.to_string()).or_default() += 1;
            streams.entry(stream).or_default().push(Happened { at: event.occurred_at, event: read });
        }
    }
    streams
        .into_iter()
        .map(|(stream, events)| {
            let state = events.iter().fold(Referral::initial(), Referral::evolve);
            let transfer = state.transfer().unwrap();
            let account = Account {
                kinds: kinds.remove(&stream).unwrap(),
                digest: transfer.segment.digest(transfer.shared()).to_string(),
                stage: transfer.stage.code().to_owned(),
                stayed: transfer.never_left(),
            };
            (transfer.shared(), account)
        })
        .collect()
}

const LIST: &str = "query($after: String) { referrals(first: 200, after: $after) { pageInfo { hasNextPage endCursor } \
                    edges { node { sharedId stage outcome recalledAfterSending segment { digest origin { count } target { count } } } } } }";
const DELIVERIES: &str =
    "query($state: DeliveryState) { deliveries(state: $state, first: 200) { edges { node { deliveryId } } } }";
