//! A double as a test has it: a process that is started, told what goes wrong, killed and started again.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;

use super::control::Order;
use super::faults::{Fault, Kind};

/// What a double is started with.
#[derive(Debug, Clone)]
pub struct DoubleOptions {
    /// How many nodes the cluster has.
    pub nodes: usize,
    /// The file of its log; a temporary one when none is named.
    pub data: Option<PathBuf>,
    /// `name:password`; everybody is let in when there is none.
    pub user: Option<String>,
    /// Certificate and key as PEM.
    pub tls: Option<(PathBuf, PathBuf)>,
    pub faults: Vec<Fault>,
    pub max_append_bytes: Option<u32>,
    /// What it says its version is.
    pub version: Option<String>,
    /// An event of the server's own stands before every so many appends; 0 for none.
    pub noise: u32,
    pub fsync: bool,
    /// Leaves acknowledgements to the system, as a server does: each append of a lone writer then takes some 40 ms.
    pub delayed_acks: bool,
}

impl Default for DoubleOptions {
    fn default() -> Self {
        Self {
            nodes: 1,
            data: None,
            user: None,
            tls: None,
            faults: Vec::new(),
            max_append_bytes: None,
            version: None,
            noise: 5,
            fsync: false,
            delayed_acks: false,
        }
    }
}

/// An event as it stands in the double's file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StoredEvent {
    pub revision: u64,
    pub position: u64,
    pub id: String,
    pub kind: String,
    pub json: bool,
    pub metadata: String,
    pub data: String,
}

/// What a double counts; appends, connections and subscriptions since it was started.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Stats {
    pub events: usize,
    pub streams: usize,
    pub appends: u64,
    pub connections: u64,
    /// Open now.
    pub subscriptions: u64,
    /// How often any fault has struck.
    pub strikes: u64,
    pub leader: Option<usize>,
}

/// Where a double listens, as it says itself.
#[derive(Debug, Clone, Deserialize)]
struct Listening {
    nodes: Vec<u16>,
    control: u16,
}

#[derive(Debug)]
struct Running {
    child: Option<Child>,
    /// Held open: the double ends when it is closed, also when this process dies.
    _stdin: Option<ChildStdin>,
    listening: Listening,
}

/// A double in a process of its own. It is killed when this is dropped.
#[derive(Debug)]
pub struct DoubleProcess {
    options: DoubleOptions,
    data: PathBuf,
    running: Mutex<Running>,
    _folder: Option<TempDir>,
}

impl Drop for DoubleProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

impl DoubleProcess {
    /// One node over a new temporary file.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(DoubleOptions::default())
    }

    /// A double with options; it listens when this returns.
    #[must_use]
    pub fn start_with(options: DoubleOptions) -> Self {
        let folder = options.data.is_none().then(|| tempfile::tempdir().unwrap());
        let of_folder = folder.as_ref().map(|folder| folder.path().join("double.log"));
        let data = options.data.clone().or(of_folder).unwrap();
        let any = Listening { nodes: vec![0; options.nodes], control: 0 };
        let running = Mutex::new(spawn(&options, &data, &any));
        Self { options, data, running, _folder: folder }
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ports of its nodes; they stay the same when it is started again.
    #[must_use]
    pub fn ports(&self) -> Vec<u16> {
        self.running().listening.nodes.clone()
    }

    /// The file of its log.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.data.clone()
    }

    /// How a client names it: every node is a seed, and what takes a client half a second takes it a moment.
    #[must_use]
    pub fn connection(&self) -> String {
        let seeds: Vec<String> = self.ports().iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("esdb://{}?tls={}&discoveryInterval=20", seeds.join(","), self.options.tls.is_some())
    }

    /// Kills it as it stands.
    pub fn kill(&self) {
        let mut running = self.running();
        if let Some(mut child) = running.child.take() {
            // It may have ended by itself; then there is nothing to kill.
            let _ended = child.kill();
            child.wait().unwrap();
        }
    }

    /// Starts it again over the same file and ports, and kills it first when it runs.
    pub fn restart(&self) {
        self.kill();
        let mut running = self.running();
        let before = running.listening.clone();
        *running = spawn(&self.options, &self.data, &before);
    }

    /// Stops the whole process where it stands, its connections open.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.running().child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Tells it something, and gives its answer.
    ///
    /// # Panics
    /// It does not run, or refuses.
    pub fn order(&self, order: &Order) -> Value {
        let port = self.running().listening.control;
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let line = serde_json::to_string(order).unwrap();
        socket.write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        BufReader::new(socket).read_line(&mut answer).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{line}: {answer:?}: {error}"));
        assert!(answer.get("error").is_none(), "{line}: {answer}");
        answer["ok"].clone()
    }

    fn told<T: DeserializeOwned>(&self, order: &Order) -> T {
        serde_json::from_value(self.order(order)).unwrap()
    }

    /// Sets a fault beside those that are set.
    pub fn fault(&self, fault: Fault) {
        self.order(&Order::Fault { fault: fault.to_string() });
    }

    /// Takes the faults of a kind away.
    pub fn clear(&self, kind: Kind) {
        self.order(&Order::Clear { kind: Some(kind.name().to_owned()) });
    }

    /// Takes every fault away.
    pub fn clear_all(&self) {
        self.order(&Order::Clear { kind: None });
    }

    /// A node dies; when it led, another does.
    pub fn kill_node(&self, node: usize) {
        self.order(&Order::KillNode { node });
    }

    /// A node comes back.
    pub fn revive_node(&self, node: usize) {
        self.order(&Order::ReviveNode { node });
    }

    /// A node takes the lead.
    pub fn lead(&self, node: usize) {
        self.order(&Order::Lead { node });
    }

    /// Appends an event that no client of ours has written.
    pub fn append(&self, stream: &str, kind: &str, metadata: &str, data: &str) {
        self.order(&Order::Append {
            stream: stream.to_owned(),
            kind: kind.to_owned(),
            metadata: metadata.to_owned(),
            data: data.to_owned(),
            split: false,
        });
    }

    /// Sets the metadata of a stream.
    pub fn stream_metadata(&self, stream: &str, metadata: &str) {
        self.order(&Order::StreamMetadata { stream: stream.to_owned(), metadata: metadata.to_owned() });
    }

    /// Deletes a stream so that it can come back.
    pub fn delete(&self, stream: &str) {
        self.order(&Order::Delete { stream: stream.to_owned() });
    }

    /// Deletes a stream for ever.
    pub fn tombstone(&self, stream: &str) {
        self.order(&Order::Tombstone { stream: stream.to_owned() });
    }

    /// Removes what streams do not show any more.
    pub fn scavenge(&self) {
        self.order(&Order::Scavenge);
    }

    /// Lets another user in from now on, or everybody.
    pub fn user(&self, user: Option<&str>) {
        self.order(&Order::User { user: user.map(str::to_owned) });
    }

    /// Every event of a stream that stands in the file.
    #[must_use]
    pub fn read(&self, stream: &str) -> Vec<StoredEvent> {
        self.told(&Order::Read { stream: stream.to_owned() })
    }

    /// What it counts.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.told(&Order::Stats)
    }
}

/// The program, which cargo has built beside the tests.
fn program() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let program = this
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("eventstore-double-under-test"))
        .find(|program| program.is_file());
    program.unwrap_or_else(|| panic!("the protocol double is not beside {}; build the whole package", this.display()))
}

fn spawn(options: &DoubleOptions, data: &Path, listen: &Listening) -> Running {
    let mut command = Command::new(program());
    command.arg("--with-parent").arg("--data").arg(data).arg("--control-port").arg(listen.control.to_string());
    for port in &listen.nodes {
        command.arg("--port").arg(port.to_string());
    }
    for fault in &options.faults {
        command.arg("--fault").arg(fault.to_string());
    }
    if let Some((certificate, key)) = &options.tls {
        command.arg("--cert").arg(certificate).arg("--key").arg(key);
    }
    if let Some(user) = &options.user {
        command.arg("--user").arg(user);
    }
    if let Some(most) = options.max_append_bytes {
        command.arg("--max-append-bytes").arg(most.to_string());
    }
    if let Some(version) = &options.version {
        command.arg("--server-version").arg(version);
    }
    if options.fsync {
        command.arg("--fsync");
    }
    if options.delayed_acks {
        command.arg("--delayed-acks");
    }
    command.arg("--noise").arg(options.noise.to_string());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let listening = serde_json::from_str(&line).unwrap_or_else(|error| panic!("the double said {line:?}: {error}"));
    let stdin = child.stdin.take();
    Running { child: Some(child), _stdin: stdin, listening }
}
