//! The three nodes while they run, and their officers, who speak to them over HTTP as everybody does.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use cross_border::exchange::Digest;
use cross_border::partner::Place;
use futures_util::future::join_all;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use thiserror::Error;
use uuid::Uuid;

use super::place::{PLACES, sender, taker};
use super::prepare::MEDIA;
use super::setup;
use super::view::{VIEW, View};
use crate::auth::{DevKey, Role};
use crate::commands::demo::questions::TOKEN_HOURS;
use crate::commands::serve::{self, Server};
use crate::commands::{Failure, Global};
use crate::config::Config;
use crate::evidence_routes::EVIDENCE_PATH;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an officer waits before a question is asked again that could not be answered now.
const AGAIN: Duration = Duration::from_millis(100);
/// How often it is asked.
const ATTEMPTS_MAX: u32 = 100;
/// Answers that a client is told to ask again after.
const PASSING: [&str; 4] = ["UNAVAILABLE", "NOT_YET", "TIMEOUT", "RATE_LIMITED"];

/// Who speaks to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Post {
    /// Files disputes, prepares referrals and answers for the consumer.
    Officer,
    /// Lets referrals leave.
    Head,
    /// Works off what comes in.
    Taker,
}

impl Post {
    pub(super) const ALL: [Self; 3] = [Self::Officer, Self::Head, Self::Taker];

    /// The account.
    const fn subject(self) -> &'static str {
        match self {
            Self::Officer => "demo-officer",
            Self::Head => "demo-head",
            Self::Taker => "demo-taker",
        }
    }

    const fn roles(self) -> &'static [Role] {
        match self {
            Self::Officer => &[Role::IntakeClerk, Role::Handler, Role::CrossBorderOfficer],
            Self::Head => &[Role::Head],
            Self::Taker => &[Role::Handler, Role::CrossBorderOfficer],
        }
    }

    /// The unit that somebody at this post of a council speaks for.
    pub(super) fn unit(self, place: Place) -> &'static str {
        match self {
            Self::Officer | Self::Head => sender(place),
            Self::Taker => taker(place),
        }
    }
}

/// Why a node did not do what it was asked.
#[derive(Debug, Error)]
pub(super) enum NodeError {
    #[error("{place} refused `{what}`: {code}: {message}")]
    Refused { place: Place, what: &'static str, code: String, message: String },
    #[error("{place} did not answer `{what}`")]
    Call {
        place: Place,
        what: &'static str,
        #[source]
        source: reqwest::Error,
    },
    #[error("{place} answered `{what}` with something else than what was asked for")]
    Answer { place: Place, what: &'static str },
}

/// One council's node.
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) addr: SocketAddr,
    http: Client,
    /// One for each of [`Post::ALL`].
    tokens: Vec<(Post, String)>,
    server: Server,
}

impl Node {
    /// The token of a post.
    pub(super) fn token(&self, post: Post) -> &str {
        self.tokens.iter().find(|(of, _)| *of == post).map_or("", |(_, token)| token)
    }

    /// Carries out a mutation; answers the selected part of what it answers.
    pub(super) async fn act(
        &self,
        post: Post,
        mutation: &'static str,
        input: Value,
        selection: &str,
    ) -> Result<Value, NodeError> {
        let query = mutation_document(mutation, selection);
        let mut data = self.ask(post, mutation, &query, &json!({ "input": input })).await?;
        let answer = NodeError::Answer { place: self.place, what: mutation };
        data.get_mut(mutation).map(Value::take).ok_or(answer)
    }

    /// What somebody sees of a referral; nothing while it is not there.
    pub(super) async fn view(&self, post: Post, referral: Uuid) -> Result<Option<View>, NodeError> {
        const WHAT: &str = "referral";
        let mut data = match self.ask(post, WHAT, VIEW, &json!({ "id": referral })).await {
            Err(NodeError::Refused { code, .. }) if code == "NOT_FOUND" => return Ok(None),
            answered => answered?,
        };
        let told = data.get_mut(WHAT).map(Value::take).unwrap_or_default();
        let read = serde_json::from_value(told);
        read.map(Some).map_err(|_error| NodeError::Answer { place: self.place, what: WHAT })
    }

    /// Asks, again when it is told to, and answers the data.
    pub(super) async fn ask(
        &self,
        post: Post,
        what: &'static str,
        query: &str,
        variables: &Value,
    ) -> Result<Value, NodeError> {
        let body = json!({ "query": query, "variables": variables });
        let mut attempt = 1;
        loop {
            let url = format!("http://{}/graphql", self.addr);
            let request = self.http.post(url).bearer_auth(self.token(post)).json(&body);
            let mut answer: Value = read(self.place, what, request.send().await).await?;
            let Some(refused) = refusal(self.place, what, &answer) else {
                let data = answer.get_mut("data").map(Value::take);
                return data.ok_or(NodeError::Answer { place: self.place, what });
            };
            let is_passing = matches!(&refused, NodeError::Refused { code, .. } if PASSING.contains(&code.as_str()));
            if !is_passing || attempt >= ATTEMPTS_MAX {
                return Err(refused);
            }
            attempt += 1;
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Puts the bytes of a file that was announced.
    pub(super) async fn put(
        &self,
        post: Post,
        referral: Uuid,
        digest: &Digest,
        bytes: Vec<u8>,
    ) -> Result<(), NodeError> {
        const WHAT: &str = "PUT /evidence";
        let url = self.file_url(referral, digest);
        let request = self.http.put(url).bearer_auth(self.token(post)).header(CONTENT_TYPE, MEDIA).body(bytes);
        let answer: Value = read(self.place, WHAT, request.send().await).await?;
        refusal(self.place, WHAT, &answer).map_or(Ok(()), Err)
    }

    /// Gets the bytes of a file, and checks that they are the ones that were announced.
    pub(super) async fn get(&self, post: Post, referral: Uuid, digest: &Digest) -> Result<(), NodeError> {
        const WHAT: &str = "GET /evidence";
        let call = |source| NodeError::Call { place: self.place, what: WHAT, source };
        let request = self.http.get(self.file_url(referral, digest)).bearer_auth(self.token(post));
        let response = request.send().await.and_then(Response::error_for_status).map_err(call)?;
        let bytes = response.bytes().await.map_err(call)?;
        if Digest::of(&bytes) == *digest {
            return Ok(());
        }
        Err(NodeError::Answer { place: self.place, what: WHAT })
    }

    fn file_url(&self, referral: Uuid, digest: &Digest) -> String {
        format!("http://{}{EVIDENCE_PATH}/{referral}/{digest}", self.addr)
    }
}

/// Reads an answer, whatever its status: refusals have the form of GraphQL errors.
async fn read(
    place: Place,
    what: &'static str,
    answered: Result<Response, reqwest::Error>,
) -> Result<Value, NodeError> {
    let call = |source| NodeError::Call { place, what, source };
    answered.map_err(call)?.json().await.map_err(call)
}

/// The first error of an answer.
fn refusal(place: Place, what: &'static str, answer: &Value) -> Option<NodeError> {
    let error = answer.pointer("/errors/0")?;
    let text = |pointer: &str| error.pointer(pointer).and_then(Value::as_str).unwrap_or("-").to_owned();
    Some(NodeError::Refused { place, what, code: text("/extensions/code"), message: text("/message") })
}

/// A mutation of one input, whose type is named after it.
fn mutation_document(mutation: &str, selection: &str) -> String {
    let mut letters = mutation.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    let input_type: String = first.into_iter().chain(letters).collect();
    format!("mutation($input: {input_type}Input!) {{ {mutation}(input: $input) {selection} }}")
}

/// The nodes of the play, one for each place.
pub(super) struct Nodes(Vec<Node>);

impl Nodes {
    /// Makes the folders where they are missing, and starts a node over each.
    ///
    /// # Errors
    /// A folder cannot be made or opened, or a port was taken meanwhile.
    pub(super) async fn start(root: &Path, base: &Config) -> Result<Self, Failure> {
        let mut keys = BTreeMap::new();
        let mut doors = Vec::new();
        let mut addrs = BTreeMap::new();
        for place in PLACES {
            keys.insert(place, Box::pin(setup::prepare(root, base, place)).await?);
            // Each must know beforehand where the others will be; a port is kept until its own node takes it.
            let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            addrs.insert(place, door.local_addr()?);
            doors.push((place, door));
        }
        let http = client()?;
        let mut nodes = Self(Vec::new());
        for (place, door) in doors {
            let config = setup::configuration(base, place, &addrs, &keys);
            drop(door);
            match Box::pin(open(root, config, place, http.clone())).await {
                Ok(node) => nodes.0.push(node),
                Err(error) => {
                    nodes.stop().await?;
                    return Err(error);
                }
            }
        }
        Ok(nodes)
    }

    /// The node of a place.
    ///
    /// # Panics
    /// Never: they were started together.
    pub(super) fn at(&self, place: Place) -> &Node {
        self.0.iter().find(|node| node.place == place).expect("a node was started for each place")
    }

    /// Every node.
    pub(super) fn all(&self) -> &[Node] {
        &self.0
    }

    /// Stops all of them at once.
    ///
    /// # Errors
    /// As of [`Server::stop`].
    pub(super) async fn stop(self) -> Result<(), Failure> {
        let stopping = self.0.into_iter().map(|node| {
            let Node { server, .. } = node;
            server.stop()
        });
        join_all(stopping).await.into_iter().collect()
    }
}

async fn open(root: &Path, config: Config, place: Place, http: Client) -> Result<Node, Failure> {
    // What it would warn of (plain HTTP, inner addresses) is what a play on one machine needs.
    drop(config.validate()?);
    let folder = setup::folder(root, place);
    let tokens = tokens(&folder, place)?;
    let global = Global { data: folder, config: None };
    let server = Box::pin(serve::start(&global, config, true)).await?;
    Ok(Node { place, addr: server.addr, http, tokens, server })
}

fn tokens(folder: &Path, place: Place) -> Result<Vec<(Post, String)>, Failure> {
    let key = DevKey::load_or_create(folder)?;
    let now = crate::clock::now();
    let lifetime = Duration::from_secs(u64::from(TOKEN_HOURS) * 3_600);
    let issue = |post: Post| {
        let token = key.issue(post.roles(), post.unit(place), post.subject(), lifetime, now)?;
        Ok::<_, Failure>((post, token))
    };
    Post::ALL.into_iter().map(issue).collect()
}

fn client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .timeout(ANSWER_TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(Policy::none())
        .no_proxy()
        // Without TLS the system's certificates are not needed, and a machine may have none.
        .tls_certs_only([])
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::sdl;

    #[test]
    fn a_mutation_names_the_type_of_its_input() {
        let sdl = sdl();
        for mutation in
            ["registerFiling", "referAcrossBorder", "announceEvidence", "presentReferral", "approveReferral"]
        {
            let document = mutation_document(mutation, "{ position }");
            let input_type = document.split([':', '!']).nth(1).unwrap().trim();
            assert!(sdl.contains(&format!("\t{mutation}(input: {input_type}!)")), "{document}");
        }
    }

    #[test]
    fn an_error_of_an_answer_is_told_with_its_code_and_no_error_is_none() {
        let answer = json!({"errors": [{"message": "no", "extensions": {"code": "NOT_FOUND"}}]});
        let told = refusal(Place::Macao, "referral", &answer).unwrap().to_string();
        assert_eq!(told, "MO refused `referral`: NOT_FOUND: no");
        assert!(refusal(Place::Macao, "referral", &json!({"data": {}})).is_none());
    }
}
