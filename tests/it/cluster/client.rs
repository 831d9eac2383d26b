//! The clients: they ask any node, and ask another when one does not answer, with the same command id.

use std::time::{Duration, Instant};

use api::auth::Role;
use domain::id::CommandId;
use serde_json::{Value, json};
use tests::link::mix;
use tokio::time::sleep;

use super::program::Program;
use super::witness::{Told, Witness, count};
use super::world::World;

/// How long a client waits for an answer before it asks somebody else.
const ANSWER: Duration = Duration::from_secs(4);
/// The longest that an answer may take when nothing dies any more: then everything is asked for at once.
const LAST_ANSWER: Duration = Duration::from_secs(60);
/// Wait before a command is asked again.
const AGAIN: Duration = Duration::from_millis(60);
/// Long enough for everything that dies in a storm to be back.
const PATIENCE: Duration = Duration::from_secs(120);
/// One silence in so many is one too many: the client gives the command up and never asks again.
const GIVES_UP: u64 = 25;
/// One acknowledgement in so many is looked for at another node.
const LOOKS_ELSEWHERE: u64 = 3;
/// The position that an answer must show at least, for those who cannot write it into their question.
const MIN_POSITION: &str = "baycase-min-position";

/// What came of one attempt.
#[derive(Debug)]
pub(super) enum Said {
    /// The data of an answer without errors.
    Data(Value),
    /// An error that asking again does not change.
    Refused(Value),
    /// To ask again, here or elsewhere.
    Passing(String),
    /// Nothing: it may have been carried out or not.
    Silence,
}

/// Draws that the same seed repeats.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// Dice of their own for everything that is told apart by a number.
    pub(super) fn new(seed: u64, number: u64) -> Self {
        Self(mix(seed ^ mix(number)))
    }

    /// A number below `sides`.
    pub(super) fn below(&mut self, sides: u64) -> u64 {
        self.0 = mix(self.0);
        self.0 % sides
    }

    /// A place in a list of this length.
    pub(super) fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }
}

/// An act on its way: a mutation of one input.
#[derive(Debug)]
pub(super) struct Deed<'d> {
    pub(super) command: CommandId,
    pub(super) token: &'d str,
    pub(super) name: &'static str,
    /// What is asked of the answer, beside its position.
    pub(super) selection: &'static str,
    pub(super) input: Value,
}

/// What carrying out an act came to.
#[derive(Debug)]
pub(super) struct Done {
    /// The node that answered.
    pub(super) node: usize,
    pub(super) payload: Value,
}

/// Where to look at another node for what one acknowledged: a question with the variable `$at`, and which number in
/// its answer must have reached the acknowledged revision.
#[derive(Debug)]
pub(super) struct Look<'l> {
    pub(super) token: &'l str,
    pub(super) query: &'static str,
    pub(super) variables: Value,
    pub(super) revision: &'static str,
}

/// The clients of a storm.
#[derive(Debug)]
pub(super) struct Client<'w> {
    pub(super) world: &'w World,
    pub(super) witness: &'w Witness,
    pub(super) seed: u64,
    http: reqwest::Client,
}

impl<'w> Client<'w> {
    /// Clients of the nodes of a world.
    pub(super) fn new(world: &'w World, witness: &'w Witness, seed: u64) -> Self {
        let http = reqwest::Client::builder().timeout(ANSWER).no_proxy().build().unwrap();
        Self { world, witness, seed, http }
    }

    /// A token for the nodes of the council.
    pub(super) fn token(&self, who: &str, roles: &[Role], unit: &str) -> String {
        self.world.token(who, roles, unit)
    }

    /// Carries an act out on whatever node answers; nothing when the client gave up after a silence.
    pub(super) async fn act(&self, dice: &mut Dice, deed: Deed<'_>) -> Option<Done> {
        let Deed { command, token, name, selection, mut input } = deed;
        self.witness.tries(command);
        input["commandId"] = json!(command.to_string());
        let query = mutation(name, selection);
        let (counts, until) = (&self.witness.counts, Instant::now() + PATIENCE);
        loop {
            assert!(Instant::now() < until, "nobody carried out {name} ({command}) in {PATIENCE:?}");
            let node = dice.place(self.world.nodes.len());
            count(&counts.attempts);
            match self.ask(&self.world.nodes[node], token, &query, &json!({"input": input})).await {
                Said::Data(mut data) => {
                    let payload = data[name].take();
                    self.told(command, &payload);
                    return Some(Done { node, payload });
                }
                Said::Passing(_) => count(&counts.passing),
                Said::Silence => {
                    count(&counts.silences);
                    if dice.below(GIVES_UP) == 0 {
                        count(&counts.given_up);
                        return None;
                    }
                }
                Said::Refused(answer) => panic!("{name} ({command}) on node {}: {input}\n{answer:#}", node + 1),
            }
            sleep(AGAIN).await;
        }
    }

    fn told(&self, command: CommandId, payload: &Value) {
        let number = |name: &str| payload[name].as_str().map(|text| text.parse::<u64>().unwrap());
        let told = Told { position: number("position").unwrap(), revision: number("revision") };
        if payload["repeated"] == json!(true) {
            count(&self.witness.counts.repeated);
        }
        self.witness.is_told(command, told);
    }

    /// Looks now and then at another node for what one has acknowledged: it must be there.
    pub(super) async fn look_elsewhere(&self, dice: &mut Dice, done: &Done, look: Look<'_>) {
        if dice.below(LOOKS_ELSEWHERE) != 0 {
            return;
        }
        let acknowledged: u64 = done.payload["revision"].as_str().unwrap_or("0").parse().unwrap();
        let (mut variables, mut header) = (look.variables, None);
        // Said in the question or beside it, it is the same.
        if dice.below(2) == 0 {
            variables["at"] = done.payload["position"].clone();
        } else {
            header = done.payload["position"].as_str();
        }
        let until = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < until, "nobody answered in {PATIENCE:?}: {}", look.query);
            let others = self.world.nodes.len() - 1;
            let node = (done.node + 1 + dice.place(others)) % self.world.nodes.len();
            match self.ask_for(&self.world.nodes[node], look.token, (look.query, &variables), header, ANSWER).await {
                Said::Data(data) => {
                    let shown = data.pointer(look.revision).and_then(Value::as_str).map(|text| text.parse::<u64>());
                    let shows = matches!(shown, Some(Ok(shown)) if shown >= acknowledged);
                    let (this, that) = (node + 1, done.node + 1);
                    assert!(shows, "node {this} does not show what node {that} acknowledged: {variables}\n{data:#}");
                    count(&self.witness.counts.read_elsewhere);
                    return;
                }
                Said::Passing(_) | Said::Silence => sleep(AGAIN).await,
                Said::Refused(answer) => panic!("node {}: {}\n{variables}\n{answer:#}", node + 1, look.query),
            }
        }
    }

    /// Asks one node until it answers; it must not refuse.
    pub(super) async fn data(&self, node: &Program, token: &str, query: &str, variables: &Value) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.ask_for(node, token, (query, variables), None, LAST_ANSWER).await {
                Said::Data(data) => return data,
                Said::Refused(answer) => panic!("{}: {query}\n{variables}\n{answer:#}", node.name()),
                Said::Passing(why) => assert!(Instant::now() < until, "{} still says {why}: {query}", node.name()),
                Said::Silence => assert!(Instant::now() < until, "{} does not answer: {query}", node.name()),
            }
            sleep(AGAIN).await;
        }
    }

    /// One attempt at one node.
    pub(super) async fn ask(&self, node: &Program, token: &str, query: &str, variables: &Value) -> Said {
        self.ask_for(node, token, (query, variables), None, ANSWER).await
    }

    /// One attempt at one node that must show a position at least.
    async fn ask_for(
        &self,
        node: &Program,
        token: &str,
        (query, variables): (&str, &Value),
        position: Option<&str>,
        time: Duration,
    ) -> Said {
        // Nobody listens: the connection would be refused, and nothing carried out.
        let Some(addr) = node.addr() else { return Said::Passing("DOWN".to_owned()) };
        let body = json!({"query": query, "variables": variables});
        let mut request = self.http.post(format!("http://{addr}/graphql")).bearer_auth(token).json(&body).timeout(time);
        if let Some(position) = position {
            request = request.header(MIN_POSITION, position);
        }
        let Ok(answer) = request.send().await else { return Said::Silence };
        let Ok(mut answer) = answer.json::<Value>().await else { return Said::Silence };
        if answer.get("errors").is_none() {
            return Said::Data(answer["data"].take());
        }
        let error = &answer["errors"][0];
        let code = error["extensions"]["code"].as_str().unwrap_or_default();
        // A node that has just started does not know its units yet.
        let starts = error["message"].as_str().is_some_and(|text| text.contains("register of units"));
        if starts || matches!(code, "UNAVAILABLE" | "NOT_YET" | "TIMEOUT" | "RATE_LIMITED") {
            return Said::Passing(code.to_owned());
        }
        Said::Refused(answer)
    }
}

/// A mutation whose input has a type named after it.
fn mutation(name: &str, selection: &str) -> String {
    let (first, rest) = name.split_at(1);
    let input_type = format!("{}{rest}Input", first.to_ascii_uppercase());
    format!("mutation($input: {input_type}!) {{ {name}(input: $input) {{ position repeated {selection} }} }}")
}
