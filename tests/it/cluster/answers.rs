//! What the nodes answer in the end: all of them the same, a newcomer too, and what the witness was told.

use std::time::{Duration, Instant};

use api::auth::Role;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::client::Client;
use super::program::Program;
use super::questions::{Asks, CASES, Question, REFERRALS, questions};
use super::witness::Witness;
use super::world::{GUANGDONG, HONG_KONG};

/// How often a condition is looked at that nothing announces.
const AGAIN: Duration = Duration::from_millis(150);
/// Looks in a row at which nothing may have changed, so that all has come to an end.
const LOOKS: u32 = 4;
/// The longest that it may take until all has come to an end, and for each referral on top of it.
const COMES_TO_AN_END_IN: Duration = Duration::from_secs(60);
const EACH_REFERRAL: Duration = Duration::from_millis(100);
/// Questions under way at a time.
const AT_ONCE: usize = 8;
/// Stages in which nothing has left yet.
const BEFORE_SENDING: [&str; 4] = ["DRAFTED", "CONSENT_CAPTURED", "ASSESSED", "SEALED"];

/// Those who ask in the end.
#[derive(Debug)]
pub(super) struct Asking<'a> {
    client: &'a Client<'a>,
    /// Reads everything of the cases of the province.
    province: String,
    /// Reads everything of the council's referrals.
    council: String,
}

impl<'a> Asking<'a> {
    /// Whoever may see everything.
    pub(super) fn new(client: &'a Client<'a>) -> Self {
        let token = |unit: &str| client.token("storm-reader", &Role::ALL, unit);
        Self { client, province: token("gd"), council: token(GUANGDONG) }
    }

    /// Waits until nothing happens any more: every delivery has its receipt, every withdrawn consent has been followed
    /// by the partner's word that it has erased, and every node stands at the same position. Answers that position.
    pub(super) async fn at_the_end(&self, referrals: usize) -> Value {
        let patience = COMES_TO_AN_END_IN + EACH_REFERRAL * u32::try_from(referrals).unwrap();
        let until = Instant::now() + patience;
        let (mut last, mut looks) = (Value::Null, 0);
        loop {
            self.client.world.steer(u64::from(looks));
            let (state, open) = (self.positions().await, self.open().await);
            looks = if state == last && open.is_empty() && is_same(&state) { looks + 1 } else { 0 };
            if looks == LOOKS {
                return state[0]["logPosition"].clone();
            }
            assert!(Instant::now() < until, "after {patience:?} it has not come to an end: {state}\n{open:#?}");
            last = state;
            sleep(AGAIN).await;
        }
    }

    /// Where each node stands.
    async fn positions(&self) -> Value {
        let (query, nothing) = ("{ serverInfo { logPosition readPosition lagEvents } }", json!({}));
        let nodes = &self.client.world.nodes;
        let asked = nodes.iter().map(|node| self.client.data(node, &self.province, query, &nothing));
        join_all(asked).await.into_iter().map(|mut data| data["serverInfo"].take()).collect()
    }

    /// What has not come to its end between the councils.
    async fn open(&self) -> Vec<Value> {
        let node = &self.client.world.nodes[0];
        let mut open = self.rows(node, &self.council, REFERRALS, "referrals").await;
        open.retain(|referral| match referral["stage"].as_str().unwrap_or_default() {
            "SENT" => true,
            // Where it was withheld before it left there is nobody to hear from.
            "RECALLED" => referral["recalledAfterSending"] == json!(true) && referral["erased"] != json!(true),
            // Delivered and not called back yet, although the consent was withdrawn.
            _ => referral["consent"]["withdrawn"] == json!(true),
        });
        let deliveries = "query($state: DeliveryState) { deliveries(first: 200, state: $state) { edges { node { \
                          deliveryId state lastCode } } } }";
        for state in ["PENDING", "LEASED", "DEAD"] {
            let found = self.client.data(node, &self.council, deliveries, &json!({"state": state})).await;
            open.extend(found["deliveries"]["edges"].as_array().unwrap().iter().cloned());
        }
        open
    }

    /// Every row of a list.
    async fn rows(&self, node: &Program, token: &str, query: &str, list: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut variables = json!({});
        loop {
            let mut data = self.client.data(node, token, query, &variables).await;
            let edges = data[list]["edges"].as_array_mut().unwrap();
            rows.extend(edges.iter_mut().map(|edge| edge["node"].take()));
            if data[list]["pageInfo"]["hasNextPage"] != json!(true) {
                return rows;
            }
            variables["after"] = data[list]["pageInfo"]["endCursor"].clone();
        }
    }

    /// Everything that can be asked at a position.
    pub(super) async fn questions(&self, at: &Value) -> Vec<Question> {
        let node = &self.client.world.nodes[0];
        let cases = self.rows(node, &self.province, CASES, "cases").await;
        let referrals = self.rows(node, &self.council, REFERRALS, "referrals").await;
        questions(at, &cases, &referrals)
    }

    /// Every node answers every question the same.
    pub(super) async fn all_the_same(&self, nodes: &[&Program], questions: &[Question]) {
        let differing: Vec<String> = stream::iter(questions)
            .map(|question| self.differs(nodes, question))
            .buffer_unordered(AT_ONCE)
            .filter_map(|found| async move { found })
            .collect()
            .await;
        if let Some(first) = differing.first() {
            panic!("{} of {} answers differ\n{first}", differing.len(), questions.len());
        }
    }

    /// The question with two of its answers, when they are not all the same.
    async fn differs(&self, nodes: &[&Program], question: &Question) -> Option<String> {
        let Question { asks, query, variables } = question;
        let token = match asks {
            Asks::Province => &self.province,
            Asks::Council => &self.council,
        };
        let answers = join_all(nodes.iter().map(|node| self.client.data(node, token, query, variables))).await;
        let other = answers.iter().position(|answer| *answer != answers[0])?;
        let (one, two) = (nodes[0].name(), nodes[other].name());
        Some(format!("{query}\n{variables}\n{one}: {:#}\n{two}: {:#}", answers[0], answers[other]))
    }

    /// Every case that was answered for says what was filed: no node has sealed it with a key that others do not find.
    pub(super) async fn as_filed(&self, witness: &Witness) {
        let nodes = &self.client.world.nodes;
        let query = "query($id: UUID!) { case(id: $id) { number facts complainant { name } } }";
        stream::iter(witness.filed().into_iter().enumerate())
            .for_each_concurrent(AT_ONCE, |(number, (id, filed))| async move {
                let node = &nodes[number % nodes.len()];
                let told = self.client.data(node, &self.province, query, &json!({"id": id})).await;
                let complainant = json!({"name": filed.person});
                let expected = json!({"number": filed.number, "facts": filed.facts, "complainant": complainant});
                assert_eq!(told["case"], expected, "{}", node.name());
            })
            .await;
    }

    /// The partner holds every referral that left, once, and the same of it. How many those are.
    pub(super) async fn partner_agrees(&self) -> usize {
        let world = self.client.world;
        let token = world.partner_token("storm-reader", &Role::ALL, HONG_KONG);
        let ours = shared(self.rows(&world.nodes[0], &self.council, REFERRALS, "referrals").await);
        let theirs = shared(self.rows(&world.partner, &token, REFERRALS, "referrals").await);
        assert_eq!(ours, theirs, "the two councils do not hold the same");
        ours.len()
    }
}

/// What both councils hold of the referrals that have left, in an order of their own.
fn shared(rows: Vec<Value>) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let left = rows.iter().filter(|row| {
        let is_withheld = row["stage"] == json!("RECALLED") && row["recalledAfterSending"] == json!(false);
        !is_withheld && row["stage"].as_str().is_none_or(|stage| !BEFORE_SENDING.contains(&stage))
    });
    let mut shared: Vec<_> =
        left.map(|row| (text(&row["sharedId"]), text(&row["stage"]), text(&row["segment"]["digest"]))).collect();
    shared.sort_unstable();
    shared
}

/// Whether all nodes stand at the same place, with nothing to catch up.
fn is_same(state: &Value) -> bool {
    let nodes = state.as_array().unwrap();
    nodes.iter().all(|node| *node == nodes[0] && node["readPosition"] == node["logPosition"])
}
