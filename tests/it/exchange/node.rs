//! A council's node as a process of its own, which can be killed and started again over the same folder.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use api::auth::{DevKey, Role};
use serde_json::{Value, json};

/// How long a node that is down is waited for, by asking again.
const AGAIN: Duration = Duration::from_millis(50);
const ATTEMPTS: u32 = 2_400;

/// A node's folder and, while it runs, its process.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) council: &'static str,
    folder: PathBuf,
    running: Mutex<Running>,
    http: reqwest::Client,
}

#[derive(Debug)]
struct Running {
    child: Child,
    addr: SocketAddr,
}

impl Node {
    /// Starts a node over a prepared folder with the configuration in it.
    pub(super) fn start(council: &'static str, folder: &Path) -> Self {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).no_proxy().build().unwrap();
        Self { council, folder: folder.to_owned(), running: Mutex::new(Running::start(folder)), http }
    }

    /// Where its process listens now.
    pub(super) fn addr(&self) -> SocketAddr {
        self.running.lock().unwrap().addr
    }

    /// The folder that it works on.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Kills the process as it stands, and starts another over what it left.
    pub(super) fn kill_and_start(&self) {
        let mut running = self.running.lock().unwrap();
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        *running = Running::start(&self.folder);
    }

    /// Ends the process.
    pub(super) fn end(&self) {
        let mut running = self.running.lock().unwrap();
        running.child.kill().unwrap();
        running.child.wait().unwrap();
    }

    /// A token of somebody at this council.
    pub(super) fn token(&self, who: &str, roles: &[Role], unit: &str) -> String {
        let key = DevKey::load(&self.folder).unwrap();
        key.issue(roles, unit, who, Duration::from_secs(6 * 3_600), api::clock::now()).unwrap()
    }

    /// Asks until the node answers; whatever happens to it meanwhile, the same words are asked again.
    pub(super) async fn ask(&self, token: &str, query: &str, variables: &Value) -> Value {
        let body = json!({"query": query, "variables": variables});
        for _ in 0..ATTEMPTS {
            let url = format!("http://{}/graphql", self.addr());
            if let Ok(answer) = self.http.post(url).bearer_auth(token).json(&body).send().await
                && let Ok(answer) = answer.json::<Value>().await
                && !is_passing(&answer)
            {
                return answer;
            }
            tokio::time::sleep(AGAIN).await;
        }
        panic!("{} did not answer: {query}", self.council);
    }

    /// Asks, and gives the data of an answer without errors.
    pub(super) async fn data(&self, token: &str, query: &str, variables: &Value) -> Value {
        let answer = self.ask(token, query, variables).await;
        assert!(answer.get("errors").is_none(), "{}: {query}\n{variables}\n{answer:#}", self.council);
        answer["data"].clone()
    }
}

/// Answers that a client is told to ask again after.
fn is_passing(answer: &Value) -> bool {
    let code = answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_default();
    matches!(code, "UNAVAILABLE" | "NOT_YET" | "TIMEOUT" | "RATE_LIMITED")
        // A node that has just started does not know its units yet.
        || answer["errors"][0]["message"].as_str().is_some_and(|text| text.contains("register of units"))
}

impl Drop for Node {
    fn drop(&mut self) {
        let mut running = self.running.lock().unwrap();
        let _already_ended = running.child.kill();
        let _reaped = running.child.wait();
    }
}

/// The program built beside the tests, or another build of it that the environment names.
fn program() -> String {
    let given = std::env::vars().find(|(key, _)| key == "BAYCASE_TEST_PROGRAM").map(|(_, value)| value);
    given.unwrap_or_else(|| env!("CARGO_BIN_EXE_baycase-under-test").to_owned())
}

impl Running {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(program())
            .args(["serve", "--dev", "--data"])
            .arg(folder)
            .arg("--config")
            .arg(folder.join("baycase.toml"))
            .stdout(Stdio::piped())
            .stderr(std::fs::OpenOptions::new().create(true).append(true).open(folder.join("stderr.txt")).unwrap())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let listening = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("listening on http://").map(str::to_owned))
            .unwrap_or_else(|| panic!("{} did not start; see stderr.txt in it", folder.display()));
        let addr = listening.parse().unwrap();
        // The rest of what it prints is read, so that it never waits for us.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self { child, addr }
    }
}
