//! One run of the history on one engine: every act and every answer is written down, masked.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use domain::id::CommandId;
use serde_json::{Value, json};
use tests::TestServer;
use tokio::time::sleep;

use super::asking::Asker;
use super::mask::masked;
use super::pair::Pair;

/// Acts that are only ever refused within a day: what is kept may be kept for years.
const NOT_YET: [&str; 1] = ["eraseReferral"];

/// How often a condition is looked at that nothing announces.
const AGAIN: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(60);

/// A history as it is told to one engine.
pub(super) struct Run<'r> {
    pub(super) pair: &'r Pair,
    pub(super) asker: &'r Asker,
    /// What both engines count from: nothing in the history is later, and nothing of the run is earlier.
    pub(super) since: DateTime<Utc>,
    /// Minutes of the history so far.
    minutes: i64,
    acts: u64,
    /// Acts that were carried out, and questions that were asked.
    pub(super) used: BTreeSet<String>,
    /// What was asked, and what was answered.
    pub(super) said: Vec<(String, Value)>,
}

/// Whom something is asked of: a node, and the token of whoever asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) server: &'a TestServer,
    pub(super) token: &'a str,
}

impl<'r> Run<'r> {
    /// A run over a pair of new nodes.
    pub(super) fn new(pair: &'r Pair, asker: &'r Asker, since: DateTime<Utc>) -> Self {
        Self { pair, asker, since, minutes: 0, acts: 0, used: BTreeSet::new(), said: Vec::new() }
    }

    /// The next moment of the history, two days before the run.
    pub(super) fn moment(&mut self) -> String {
        self.minutes += 1;
        (self.since - TimeDelta::days(2) + TimeDelta::minutes(self.minutes)).to_rfc3339()
    }

    /// Does an act, which must be carried out; answers its payload.
    pub(super) async fn act(&mut self, at: At<'_>, name: &str, input: Value) -> Value {
        let answer = self.attempt(at, name, input).await;
        let payload = answer["data"][name].clone();
        assert!(payload.is_object(), "{name} was not carried out: {answer:#}");
        self.used.insert(name.to_owned());
        payload
    }

    /// Does an act that must be refused.
    pub(super) async fn refused(&mut self, at: At<'_>, name: &str, input: Value) {
        let answer = self.attempt(at, name, input).await;
        assert!(answer["data"][name].is_null(), "{name} was carried out: {answer:#}");
        if NOT_YET.contains(&name) {
            self.used.insert(name.to_owned());
        }
    }

    async fn attempt(&mut self, at: At<'_>, name: &str, mut input: Value) -> Value {
        self.acts += 1;
        if input["commandId"].is_null() {
            input["commandId"] = json!(CommandId::derived(&["both-engines", &self.acts.to_string()]).to_string());
        }
        let answer = at.server.ask(at.token, &self.asker.act(name), json!({"input": input})).await;
        self.write_down(format!("{} {name}({input})", self.acts), &answer);
        answer
    }

    /// Asks a question of the schema with its arguments in brackets.
    pub(super) async fn ask(&mut self, at: At<'_>, name: &str, given: &str) {
        let answer = at.server.ask(at.token, &self.asker.question(name, given), json!({})).await;
        assert!(!answer["data"][name].is_null(), "{name}{given} was not answered: {answer:#}");
        self.used.insert(name.to_owned());
        self.write_down(format!("{name}{given}"), &answer);
    }

    /// Asks a question that must be refused.
    pub(super) async fn unanswered(&mut self, at: At<'_>, name: &str, given: &str) {
        let answer = at.server.ask(at.token, &self.asker.question(name, given), json!({})).await;
        assert!(answer["data"][name].is_null(), "{name}{given} was answered: {answer:#}");
        self.write_down(format!("{name}{given}"), &answer);
    }

    /// Asks in these words.
    pub(super) async fn ask_so(&mut self, at: At<'_>, query: &str) -> Value {
        let answer = at.server.ask(at.token, query, json!({})).await;
        assert!(answer.get("errors").is_none(), "{query}: {answer:#}");
        self.write_down(query.to_owned(), &answer);
        answer["data"].clone()
    }

    fn write_down(&mut self, what: String, answer: &Value) {
        let mut answer = masked(answer, self.since);
        // Fields are worked out side by side, so their errors come in any order.
        if let Some(errors) = answer["errors"].as_array_mut() {
            errors.sort_by_key(|error| error["path"].to_string());
        }
        self.said.push((what, answer));
    }

    /// Waits until an answer is as it is to become; nothing of it is written down.
    pub(super) async fn until(&self, at: At<'_>, query: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = at.server.ask(at.token, query, json!({})).await;
            if answer.get("errors").is_none() && holds(&answer["data"]) {
                return answer["data"].clone();
            }
            assert!(Instant::now() < until, "it does not become so: {query}\n{answer:#}");
            sleep(AGAIN).await;
        }
    }

    /// Waits until a node shows everything that its log holds, in every list.
    pub(super) async fn settle(&self, at: At<'_>) {
        let info = self.until(at, "{ serverInfo { logPosition } }", |_| true).await;
        let position = info["serverInfo"]["logPosition"].as_str().unwrap().to_owned();
        let given = format!("(first: 1, atLeast: \"{position}\")");
        let query = format!("{{ cases{given} {{ totalCount }} referrals{given} {{ totalCount }} }}");
        self.until(at, &query, |_| true).await;
    }
}
