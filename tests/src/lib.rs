//! The test kit: a server of its own per test, real HTTP, tokens per role, and a check that nothing is left undone.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code: a panic is a failure")]

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use api::auth::{DevKey, Role};
use api::commands::Global;
use api::commands::serve::{Server, start};
use api::config::Config;
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::double::DoubleProcess;
use crate::engine::Engine;

pub mod double;
pub mod engine;
pub mod flows;
pub mod liar;
pub mod link;

/// A server over a data folder of its own.
#[derive(Debug)]
pub struct TestServer {
    dir: TempDir,
    /// The unit above all others of its register.
    top: String,
    server: Option<Server>,
    http: reqwest::Client,
    /// Behind the server, so that it outlives it.
    double: Option<DoubleProcess>,
}

/// The configuration of a test server: free ports, small waits.
#[must_use]
pub fn config() -> Config {
    let mut config = Config::default();
    config.server.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.server.admin_listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.server.shutdown_grace_ms = 2_000;
    config.projections.poll_ms = 50;
    config.limits.requests_per_second = 100_000;
    config.limits.burst = 100_000;
    config
}

/// The options every command takes, for a data folder.
#[must_use]
pub fn global(dir: &Path) -> Global {
    Global { data: dir.to_owned(), config: None }
}

/// Makes the folder of a node on the engine of this run: its log, its vault, and the units of its council.
pub async fn prepare(dir: &Path, config: &Config) {
    Engine::of_run().prepare(dir, config).await;
}

impl TestServer {
    /// A server over a new data folder with the province's units.
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path(), &config()).await;
        Self::over(dir).await
    }

    /// A server over a folder that something else has filled.
    pub async fn over(dir: TempDir) -> Self {
        Self::over_with(dir, config()).await
    }

    /// A server over a folder, configured otherwise.
    pub async fn over_with(dir: TempDir, config: Config) -> Self {
        Self::over_on(Engine::of_run(), dir, config).await
    }

    /// A server over a folder that was prepared on this engine, configured otherwise.
    pub async fn over_on(engine: Engine, dir: TempDir, mut config: Config) -> Self {
        let own = &config.council.id;
        let top = if *own == Config::default().council.id { "gd".to_owned() } else { own.to_string() };
        let double = engine.begin(dir.path(), &mut config);
        let server = Box::pin(start(&global(dir.path()), config, true)).await.unwrap();
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        let server = Self { dir, top, server: Some(server), http, double };
        server.caught_up().await;
        server
    }

    /// The protocol double that its log lies on, when it lies on one.
    #[must_use]
    pub fn double(&self) -> Option<&DoubleProcess> {
        self.double.as_ref()
    }

    /// The data folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The address of GraphQL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/graphql", self.server.as_ref().unwrap().addr)
    }

    /// The address of the admin port.
    #[must_use]
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.server.as_ref().unwrap().admin_addr)
    }

    /// The client to ask with.
    #[must_use]
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// A token for roles of a unit.
    #[must_use]
    pub fn token(&self, roles: &[Role], unit: &str) -> String {
        let key = DevKey::load(self.dir.path()).unwrap();
        key.issue(roles, unit, "tester", Duration::from_secs(3_600), api::clock::now()).unwrap()
    }

    /// Asks, and gives the whole answer.
    pub async fn ask(&self, token: &str, query: &str, variables: Value) -> Value {
        let answer = self
            .http
            .post(self.url())
            .bearer_auth(token)
            .json(&json!({"query": query, "variables": variables}))
            .send()
            .await
            .unwrap();
        answer.json().await.unwrap()
    }

    /// Asks, and gives the data of an answer that must be without errors.
    pub async fn data(&self, token: &str, query: &str, variables: Value) -> Value {
        let answer = self.ask(token, query, variables).await;
        assert!(answer.get("errors").is_none(), "{query}\n{answer:#}");
        answer["data"].clone()
    }

    /// Asks, and gives the code of the first error that the answer must have.
    pub async fn code(&self, token: &str, query: &str, variables: Value) -> String {
        let answer = self.ask(token, query, variables).await;
        answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("no code: {answer:#}")).to_owned()
    }

    /// Waits until the read models show all that the log holds: the server itself waits, a few seconds at a time.
    pub async fn caught_up(&self) {
        let token = self.token(&[Role::Auditor], &self.top);
        let mut last = Value::Null;
        for _ in 0..30 {
            let info = self.ask(&token, "{ serverInfo { logPosition } }", json!({})).await;
            let at = info["data"]["serverInfo"]["logPosition"].clone();
            let query = "query($at: Position) { cases(first: 1, atLeast: $at) { totalCount } }";
            last = self.ask(&token, query, json!({"at": at})).await;
            // Before the register of units shows, nobody is known yet.
            if last.get("errors").is_none() {
                return;
            }
        }
        panic!("the read models did not catch up: {last:#}");
    }

    /// Stops the server and gives its folder back.
    pub async fn stop(mut self) -> TempDir {
        self.server.take().unwrap().stop().await.unwrap();
        std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap())
    }
}

/// A fresh command id.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a test is a caller, and callers choose their command ids")]
pub fn command_id() -> String {
    Uuid::now_v7().to_string()
}
